//! What every party put in, owes and got: kept apart from the contracts, from the transactions alone.

use std::collections::{BTreeMap, VecDeque};

use tycho_types::cell::HashBytes;

use crate::cast::{Person, Role};

/// What a client or worker contract asks its proxy contract for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Coins that come with the message are for the pool.
    TopUp { amount_nanoton: u128 },
    /// Pay to the client's owner.
    Refund { amount_nanoton: u128, is_forced: bool },
    /// A charge was booked, and perhaps a refund is due.
    Settle { cost_nanoton: u128, refund_nanoton: u128 },
    /// Pay a worker's owner, and book the proxy's share.
    Payout { pay_nanoton: u128, save_nanoton: u128 },
}

/// One client's sums in nano.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClientBook {
    /// Top-ups that its contract booked.
    pub(crate) deposited: u128,
    /// What charges took from its balance.
    pub(crate) charged: u128,
    /// What the pool paid to its owner.
    pub(crate) returned: u128,
}

/// Coins with one query id of somebody who has none of his own at stake.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Errand {
    pub(crate) sent_nanoton: u128,
    pub(crate) received_nanoton: u128,
}

/// All sums.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    pub(crate) clients: Vec<ClientBook>,
    /// What each worker contract was paid, the proxy's share included.
    pub(crate) paid: Vec<u128>,
    /// What all charges cost, covered or not.
    pub(crate) charged: u128,
    /// Claims on their way to the proxy contract, by the hash of the message.
    pub(crate) flying: BTreeMap<HashBytes, (Role, Claim)>,
    /// Claims that were refused and are on their way back, in the order in which they arrive.
    pub(crate) returning: BTreeMap<Role, VecDeque<Claim>>,
    pub(crate) errands: BTreeMap<(Person, u64), Errand>,
    /// Who submitted the payment that an account booked last.
    pub(crate) settled_by: BTreeMap<Role, Person>,
}

impl Book {
    pub(crate) fn new(clients: usize, workers: usize) -> Self {
        Self {
            clients: vec![ClientBook::default(); clients],
            paid: vec![0; workers],
            ..Self::default()
        }
    }

    /// All claims that are neither fulfilled nor taken back.
    pub(crate) fn open(&self) -> impl Iterator<Item = (Role, Claim)> + '_ {
        let returning = self.returning.iter();
        let returning = returning.flat_map(|(role, claims)| claims.iter().map(|claim| (*role, *claim)));
        self.flying.values().copied().chain(returning)
    }

    /// Coins on their way into the pool.
    pub(crate) fn incoming_nanoton(&self) -> u128 {
        self.open()
            .map(|(_, claim)| match claim {
                Claim::TopUp { amount_nanoton } => amount_nanoton,
                Claim::Refund { .. } | Claim::Settle { .. } | Claim::Payout { .. } => 0,
            })
            .sum()
    }

    /// Coins that the pool will have to hold or pay, beside what contracts have stored.
    pub(crate) fn owed_nanoton(&self) -> u128 {
        self.open()
            .map(|(_, claim)| match claim {
                Claim::Refund { amount_nanoton, .. } => amount_nanoton,
                Claim::Settle {
                    cost_nanoton,
                    refund_nanoton,
                } => cost_nanoton + refund_nanoton,
                Claim::TopUp { .. } | Claim::Payout { .. } => 0,
            })
            .sum()
    }

    /// Refunds of a client on their way.
    pub(crate) fn refunds_nanoton(&self, client: usize) -> u128 {
        self.open()
            .filter(|(role, _)| *role == Role::Client(client))
            .map(|(_, claim)| match claim {
                Claim::Refund { amount_nanoton, .. } => amount_nanoton,
                Claim::Settle { refund_nanoton, .. } => refund_nanoton,
                Claim::TopUp { .. } | Claim::Payout { .. } => 0,
            })
            .sum()
    }

    /// Payouts of a worker on their way, the proxy's share included.
    pub(crate) fn payouts_nanoton(&self, worker: usize) -> u128 {
        self.open()
            .filter(|(role, _)| *role == Role::Worker(worker))
            .map(|(_, claim)| match claim {
                Claim::Payout {
                    pay_nanoton,
                    save_nanoton,
                } => pay_nanoton + save_nanoton,
                Claim::TopUp { .. } | Claim::Refund { .. } | Claim::Settle { .. } => 0,
            })
            .sum()
    }
}
