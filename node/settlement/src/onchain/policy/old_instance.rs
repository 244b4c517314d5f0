//! What a proxy does with the contracts of an older version of the parameters (§4.7): it closes its own contract, gives
//! clients the last charge and the rest of their deposits, pays workers, and takes its share.
//!
//! The reference goes on when its wallet has sent a message, whatever became of it. Here a step is done when the
//! contract that it is for shows it, whatever was answered. A client or worker contract that refuses, or does not show
//! itself, goes behind the others and is tried again; after some times it is given up, so that one broken contract does
//! not keep the coins of all others.

use crate::{address::Address, onchain::storage::ContractState};

/// How often the last settlement of a client or worker contract is tried, and how often the own contract must be missing
/// until it is believed.
const MAX_ATTEMPTS: u8 = 5;

/// A client's or worker's contract and what is to be settled there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldAccount {
    /// The contract.
    pub contract: Address,
    /// The ledger's count.
    pub tokens: u64,
    /// How often its settlement came to nothing.
    pub attempts: u8,
}

/// How far an old instance has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OldStage {
    /// The own contract is to be told to close.
    Open,
    /// Clients, then workers, are settled; then the own contract is closed from this moment on, Unix seconds.
    Closing {
        /// As the contract has it.
        unlock_unix_s: u32,
    },
}

/// The contracts of an older version of the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldInstance {
    /// The proxy's own contract.
    pub contract: Address,
    /// Price of a token there, nanoTON.
    pub price_per_token_nanoton: u64,
    /// How far it has come.
    pub stage: OldStage,
    /// Clients that are not settled.
    pub clients: Vec<OldAccount>,
    /// Workers that are not settled.
    pub workers: Vec<OldAccount>,
    /// How often an action on the own contract came to nothing.
    pub attempts: u8,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldAction {
    /// Have the own contract close.
    RequestClose,
    /// The last charge and the refund of the rest.
    GrantRefund(OldAccount),
    /// The last payout.
    LastPayout(OldAccount),
    /// Close the own contract.
    CompleteClose,
}

/// What the contract of an action shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldView {
    /// State of the contract.
    pub state: ContractState,
    /// Of the proxy's own contract: from when on it may be closed.
    pub unlock_unix_s: u32,
}

/// Why an action came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// There is no such contract, says whoever was asked.
    Absent,
    /// It is there and not as it should be: it refused, is frozen, or cannot be read.
    Refused,
}

/// What follows from a setback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSetback {
    /// The action is tried again after a while.
    Later,
    /// Something else comes first.
    Others,
    /// This account is not settled.
    GivenUp(OldAccount),
    /// There is no contract any more that anybody could be paid from: the instance can be forgotten.
    Gone,
}

impl OldInstance {
    /// What to do at this time; `None` while the own contract's delay runs.
    pub fn next_action(&self, now_unix_s: u64) -> Option<OldAction> {
        let OldStage::Closing { unlock_unix_s } = self.stage else {
            return Some(OldAction::RequestClose);
        };
        if let Some(client) = self.clients.last() {
            return Some(OldAction::GrantRefund(*client));
        }
        if let Some(worker) = self.workers.last() {
            return Some(OldAction::LastPayout(*worker));
        }
        (now_unix_s > u64::from(unlock_unix_s)).then_some(OldAction::CompleteClose)
    }

    /// The contract of `action`, the one that is next, shows this: goes on if the action is done, or needs not be done.
    /// done.
    pub fn observe(&mut self, action: OldAction, view: OldView) -> Progress {
        let OldView { state, unlock_unix_s } = view;
        let is_closed = state == ContractState::Closed;
        match action {
            // Its owner may have closed it before: a hardened contract settles claims in every state.
            OldAction::RequestClose if state != ContractState::Normal => {
                self.stage = OldStage::Closing { unlock_unix_s };
                self.attempts = 0;
            }
            OldAction::CompleteClose if is_closed => return Progress::Finished,
            OldAction::GrantRefund(_) if is_closed => drop(self.clients.pop()),
            OldAction::LastPayout(_) if is_closed => drop(self.workers.pop()),
            _ => return Progress::Due,
        }
        Progress::WentOn
    }

    /// `action`, the one that is next, came to nothing.
    pub fn set_back(&mut self, action: OldAction, why: Setback) -> AfterSetback {
        let accounts = match action {
            OldAction::GrantRefund(_) => &mut self.clients,
            OldAction::LastPayout(_) => &mut self.workers,
            OldAction::RequestClose | OldAction::CompleteClose => {
                self.attempts = self.attempts.saturating_add(1);
                let is_gone = why == Setback::Absent && self.attempts >= MAX_ATTEMPTS;
                return if is_gone {
                    AfterSetback::Gone
                } else {
                    AfterSetback::Later
                };
            }
        };
        let Some(mut account) = accounts.pop() else {
            return AfterSetback::Later;
        };
        account.attempts = account.attempts.saturating_add(1);
        if account.attempts >= MAX_ATTEMPTS {
            return AfterSetback::GivenUp(account);
        }
        accounts.insert(0, account);
        match accounts.last() {
            Some(next) if next.attempts < account.attempts => AfterSetback::Others,
            _ => AfterSetback::Later,
        }
    }
}

/// What a look at a contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The action is to be done.
    Due,
    /// It is done: the next one.
    WentOn,
    /// The instance is closed and can be forgotten.
    Finished,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMAL: OldView = OldView {
        state: ContractState::Normal,
        unlock_unix_s: 0,
    };
    const CLOSING: OldView = OldView {
        state: ContractState::Closing,
        unlock_unix_s: 1000,
    };
    const CLOSED: OldView = OldView {
        state: ContractState::Closed,
        unlock_unix_s: 0,
    };

    fn account(number: u8, attempts: u8) -> OldAccount {
        OldAccount {
            contract: Address::new(0, [number; 32]),
            tokens: number.into(),
            attempts,
        }
    }

    fn instance() -> OldInstance {
        OldInstance {
            contract: Address::new(0, [9; 32]),
            price_per_token_nanoton: 20,
            stage: OldStage::Open,
            clients: vec![account(1, 0), account(2, 0)],
            workers: vec![account(3, 0)],
            attempts: 0,
        }
    }

    #[test]
    fn settles_everybody_before_it_closes() {
        let mut old = instance();
        let (refund, payout) = (OldAction::GrantRefund, OldAction::LastPayout);
        let steps = [
            (OldAction::RequestClose, CLOSING),
            (refund(account(2, 0)), CLOSED),
            (refund(account(1, 0)), CLOSED),
            (payout(account(3, 0)), CLOSED),
        ];
        for (action, after) in steps {
            assert_eq!(old.next_action(0), Some(action));
            assert_eq!(old.observe(action, NORMAL), Progress::Due, "not done yet");
            assert_eq!(old.next_action(0), Some(action));
            assert_eq!(old.observe(action, after), Progress::WentOn);
        }
        assert_eq!(old.next_action(1000), None, "the delay runs");
        assert_eq!(old.next_action(1001), Some(OldAction::CompleteClose));
        assert_eq!(old.observe(OldAction::CompleteClose, CLOSING), Progress::Due);
        assert_eq!(old.observe(OldAction::CompleteClose, CLOSED), Progress::Finished);
    }

    /// Whoever refuses goes behind the others, and is given up in the end, each by itself.
    #[test]
    fn an_account_that_cannot_be_settled_does_not_hold_up_the_others() {
        for why in [Setback::Refused, Setback::Absent] {
            let mut old = instance();
            assert_eq!(old.observe(OldAction::RequestClose, CLOSING), Progress::WentOn);
            let mut given_up = Vec::new();
            let mut pauses = 0;
            while let Some(action @ OldAction::GrantRefund(_)) = old.next_action(0) {
                match old.set_back(action, why) {
                    AfterSetback::Later => pauses += 1,
                    AfterSetback::Others => {}
                    AfterSetback::GivenUp(account) => given_up.push(account.contract),
                    AfterSetback::Gone => panic!("a client is not the own contract"),
                }
            }
            assert_eq!(given_up, [account(2, 0).contract, account(1, 0).contract]);
            assert_eq!(
                pauses,
                MAX_ATTEMPTS - 1,
                "a pause for each round and not for each account"
            );
        }
        let mut old = instance();
        old.observe(OldAction::RequestClose, CLOSING);
        assert_eq!(
            old.set_back(OldAction::GrantRefund(account(2, 0)), Setback::Refused),
            AfterSetback::Others
        );
        assert_eq!(old.next_action(0), Some(OldAction::GrantRefund(account(1, 0))));
        assert_eq!(
            old.observe(OldAction::GrantRefund(account(1, 0)), CLOSED),
            Progress::WentOn
        );
        assert_eq!(old.next_action(0), Some(OldAction::GrantRefund(account(2, 1))));
    }

    /// Everybody is paid from the own contract: it is given up only if it is missing again and again.
    #[test]
    fn the_own_contract_is_not_given_up_for_one_answer() {
        let mut old = instance();
        for _ in 0..3 * MAX_ATTEMPTS {
            assert_eq!(
                old.set_back(OldAction::RequestClose, Setback::Refused),
                AfterSetback::Later
            );
        }
        let mut old = instance();
        for _ in 1..MAX_ATTEMPTS {
            assert_eq!(
                old.set_back(OldAction::RequestClose, Setback::Absent),
                AfterSetback::Later
            );
        }
        assert_eq!(
            old.set_back(OldAction::RequestClose, Setback::Absent),
            AfterSetback::Gone
        );
        assert_eq!(old.observe(OldAction::RequestClose, CLOSING), Progress::WentOn);
        assert_eq!(old.attempts, 0, "it is there after all");
    }

    #[test]
    fn claims_on_a_contract_that_its_owner_has_closed_are_settled() {
        let mut old = instance();
        assert_eq!(old.observe(OldAction::RequestClose, CLOSED), Progress::WentOn);
        assert_eq!(old.next_action(0), Some(OldAction::GrantRefund(account(2, 0))));
    }
}
