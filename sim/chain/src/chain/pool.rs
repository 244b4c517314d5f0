//! The pool of external messages.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use tycho_types::cell::HashBytes;
use tycho_types::models::StdAddr;

use super::faults::{ExternalFaultKind, Faults};
use super::genesis::PoolLimits;
use super::message::{Message, MessageError};
use crate::boc::BocError;

/// Hash of a message.
pub type MessageHash = HashBytes;

/// Why an external message is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a bag of cells within the limits.
    #[error(transparent)]
    Boc(#[from] BocError),
    /// Not a message that can be routed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A message of another kind.
    #[error("not an external message to an account")]
    NotExternal,
    /// The account would not pay for it.
    #[error("the account does not accept the message{}", exit_code.map_or_else(String::new, |code| format!(" (exit code {code})")))]
    NotAccepted {
        /// Exit code of the contract, when it ran.
        exit_code: Option<i32>,
    },
    /// The same message waits already.
    #[error("the message is already waiting")]
    Duplicate,
    /// Too many messages to this address in a short time.
    #[error("too many messages to this address in a short time")]
    RateLimited,
    /// Too many messages to this address wait.
    #[error("too many messages to this address are waiting")]
    AddressFull,
    /// Too many messages wait.
    #[error("too many messages are waiting")]
    PoolFull,
}

/// Why an external message left the pool without a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropReason {
    /// It waited too long.
    Expired,
    /// It was tried as often as allowed and not accepted.
    NotAccepted {
        /// Exit code of the last try, when the contract ran.
        exit_code: Option<i32>,
    },
    /// It cannot be executed at all.
    Invalid(String),
    /// A planned fault lost it.
    Fault,
}

/// A message in the pool.
#[derive(Debug, Clone)]
pub(super) struct External {
    pub(super) message: Arc<Message>,
    pub(super) to: StdAddr,
    pub(super) ordinal: u64,
    pub(super) expires_ns: u64,
    pub(super) attempts: u32,
}

/// Time from which it may be processed, then order of submission.
type PoolKey = (u64, u64);

/// Messages that wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    /// On the way to the collators.
    arriving: OrdMap<PoolKey, Arc<External>>,
    /// With the collators.
    waiting: OrdMap<PoolKey, Arc<External>>,
    by_hash: OrdMap<MessageHash, u32>,
    per_address: OrdMap<StdAddr, u32>,
    recent: OrdMap<StdAddr, Vector<u64>>,
    submitted: u64,
    /// Keys are unique: a duplicate gets a number of its own, after all ordinals of submissions.
    duplicates: u64,
    held_for_swap: Option<Arc<External>>,
}

impl Pool {
    /// Checks the limits for one more message to `to`.
    pub(super) fn room(&self, limits: &PoolLimits, now_ns: u64, hash: &HashBytes, to: &StdAddr) -> Result<(), Refused> {
        if self.by_hash.contains_key(hash) {
            return Err(Refused::Duplicate);
        }
        if self.len() >= limits.total as usize {
            return Err(Refused::PoolFull);
        }
        if self
            .per_address
            .get(to)
            .is_some_and(|count| *count >= limits.per_address)
        {
            return Err(Refused::AddressFull);
        }
        let recent = self.recent.get(to).map_or(0, |times| {
            times
                .iter()
                .filter(|time| now_ns.saturating_sub(**time) < limits.window_ns)
                .count()
        });
        if recent >= limits.per_address_in_window as usize {
            Err(Refused::RateLimited)
        } else {
            Ok(())
        }
    }

    /// Takes a message in; planned faults may lose, delay, double or swap it. False when it is lost.
    pub(super) fn submit(
        &mut self,
        message: Arc<Message>,
        to: &StdAddr,
        now_ns: u64,
        limits: &PoolLimits,
        faults: &Faults,
    ) -> bool {
        let ordinal = self.submitted;
        self.submitted += 1;
        let recent = self.recent.entry(to.clone()).or_default();
        while recent
            .front()
            .is_some_and(|time| now_ns.saturating_sub(*time) >= limits.window_ns)
        {
            recent.pop_front();
        }
        recent.push_back(now_ns);
        let external = Arc::new(External {
            message,
            to: to.clone(),
            ordinal,
            expires_ns: now_ns.saturating_add(limits.expiry_ns),
            attempts: 0,
        });
        let fault = faults
            .externals
            .iter()
            .find(|fault| fault.filter.takes(now_ns, to, ordinal));
        match fault.map(|fault| fault.kind) {
            None => self.arrive(now_ns, external),
            Some(ExternalFaultKind::Drop) => return false,
            Some(ExternalFaultKind::Delay { by_ns }) => self.arrive(now_ns.saturating_add(by_ns), external),
            Some(ExternalFaultKind::Duplicate { after_ns }) => {
                self.arrive(now_ns, external.clone());
                self.duplicates += 1;
                let again = External {
                    ordinal: u64::MAX - self.duplicates,
                    ..(*external).clone()
                };
                self.arrive(now_ns.saturating_add(after_ns), Arc::new(again));
            }
            Some(ExternalFaultKind::SwapWithNext) => {
                if let Some(earlier) = self.held_for_swap.take() {
                    self.arrive(now_ns, earlier);
                }
                self.count(&external, true);
                self.held_for_swap = Some(external);
                return true;
            }
        }
        if let Some(held) = self.held_for_swap.take() {
            self.count(&held, false);
            // After the message that came later: the key orders by time, so one nanosecond is enough.
            self.arrive(now_ns.saturating_add(1), held);
        }
        true
    }

    fn arrive(&mut self, at_ns: u64, external: Arc<External>) {
        self.count(&external, true);
        self.arriving.insert((at_ns, external.ordinal), external);
    }

    fn count(&mut self, external: &External, add: bool) {
        let count = |count: u32| if add { count + 1 } else { count.saturating_sub(1) };
        let by_hash = count(self.by_hash.get(&external.message.hash).copied().unwrap_or(0));
        let per_address = count(self.per_address.get(&external.to).copied().unwrap_or(0));
        if by_hash == 0 {
            self.by_hash.remove(&external.message.hash);
        } else {
            self.by_hash.insert(external.message.hash, by_hash);
        }
        if per_address == 0 {
            self.per_address.remove(&external.to);
        } else {
            self.per_address.insert(external.to.clone(), per_address);
        }
    }

    /// Moves what has arrived to the collators and drops what waited too long.
    pub(super) fn advance(&mut self, now_ns: u64, dropped: &mut Vec<(MessageHash, DropReason)>) {
        while let Some((key, external)) = self.arriving.get_min().cloned()
            && key.0 <= now_ns
        {
            self.arriving.remove(&key);
            self.waiting.insert(key, external);
        }
        let expired: Vec<PoolKey> = self
            .waiting
            .iter()
            .filter(|(_, external)| external.expires_ns <= now_ns)
            .map(|(key, _)| *key)
            .collect();
        if let Some(held) = self.held_for_swap.take_if(|held| held.expires_ns <= now_ns) {
            self.count(&held, false);
            dropped.push((held.message.hash, DropReason::Expired));
        }
        for key in expired {
            if let Some(external) = self.take(&key) {
                dropped.push((external.message.hash, DropReason::Expired));
            }
        }
    }

    /// Keys of messages to be tried now whose receiver passes `wanted`.
    pub(super) fn ready(&self, now_ns: u64, wanted: impl Fn(&StdAddr) -> bool) -> Vec<PoolKey> {
        self.waiting
            .range(..=(now_ns, u64::MAX))
            .filter(|(_, ext)| wanted(&ext.to))
            .map(|(key, _)| *key)
            .collect()
    }

    /// Takes a message out.
    pub(super) fn take(&mut self, key: &PoolKey) -> Option<Arc<External>> {
        let external = self.waiting.remove(key)?;
        self.count(&external, false);
        Some(external)
    }

    /// Puts an unaccepted message back for another try; false when it had its last.
    pub(super) fn retry(&mut self, external: &External, now_ns: u64, limits: &PoolLimits) -> bool {
        let attempts = external.attempts + 1;
        if attempts >= limits.attempts {
            return false;
        }
        let again = Arc::new(External {
            attempts,
            ..external.clone()
        });
        self.count(&again, true);
        let wait_ns = limits.retry_ns.saturating_mul(u64::from(attempts));
        self.waiting
            .insert((now_ns.saturating_add(wait_ns), again.ordinal), again);
        true
    }

    /// Messages to an address that arrived or are on the way, in order.
    pub(super) fn to(&self, address: &StdAddr) -> Vec<Arc<External>> {
        if !self.per_address.contains_key(address) {
            return Vec::new();
        }
        let mut found: Vec<(PoolKey, Arc<External>)> = self
            .waiting
            .iter()
            .chain(self.arriving.iter())
            .filter(|(_, external)| external.to == *address)
            .map(|(key, external)| (*key, external.clone()))
            .collect();
        found.sort_by_key(|(key, _)| *key);
        found.into_iter().map(|(_, external)| external).collect()
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.arriving.len() + usize::from(self.held_for_swap.is_some())
    }
}
