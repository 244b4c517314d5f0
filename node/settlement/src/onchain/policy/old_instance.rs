//! What a proxy does with the contracts of an older version of the parameters (§4.7): it closes its own contract, gives
//! clients the last charge and the rest of their deposits, pays workers, and takes its share.
//!
//! The reference goes on when its wallet has sent a message, whatever became of it. Here a step is done when the
//! contract that it is for shows it; one that a contract refuses again and again is given up, so that one broken
//! contract does not keep the coins of all others.

use crate::{address::Address, onchain::storage::ContractState};

/// How often a client or worker contract may refuse its last settlement.
const MAX_ATTEMPTS: u8 = 3;

/// A client's or worker's contract and what is to be settled there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldAccount {
    /// The contract.
    pub contract: Address,
    /// The ledger's count.
    pub tokens: u64,
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
    /// How often the contract that is next has refused.
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
pub enum OldView {
    /// There is no contract: it was never deployed, or is gone.
    Absent,
    /// Its state, and for the proxy's own contract from when on it may be closed.
    Present {
        /// State of the contract.
        state: ContractState,
        /// Of the proxy's own contract.
        unlock_unix_s: u32,
    },
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
        let is_closed = match view {
            OldView::Absent => true,
            OldView::Present { state, .. } => state == ContractState::Closed,
        };
        match (action, view) {
            // Without the proxy's contract there is no pool to settle from.
            (OldAction::RequestClose, OldView::Absent) => return Progress::Finished,
            // Its owner may have closed it before: a hardened contract settles claims in every state.
            (OldAction::RequestClose, OldView::Present { state, unlock_unix_s }) if state != ContractState::Normal => {
                self.stage = OldStage::Closing { unlock_unix_s };
            }
            (OldAction::CompleteClose, _) if is_closed => return Progress::Finished,
            (OldAction::GrantRefund(_), _) if is_closed => drop(self.clients.pop()),
            (OldAction::LastPayout(_), _) if is_closed => drop(self.workers.pop()),
            _ => return Progress::Due,
        }
        self.attempts = 0;
        Progress::WentOn
    }

    /// `action`, the one that is next, was refused. Returns the account that is given up for it, if any.
    pub fn refused(&mut self, action: OldAction) -> Option<OldAccount> {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts < MAX_ATTEMPTS {
            return None;
        }
        let given_up = match action {
            OldAction::GrantRefund(_) => self.clients.pop(),
            OldAction::LastPayout(_) => self.workers.pop(),
            // Nobody else's coins wait behind these two: they are tried until they succeed.
            OldAction::RequestClose | OldAction::CompleteClose => None,
        };
        self.attempts = 0;
        given_up
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

    const NORMAL: OldView = OldView::Present {
        state: ContractState::Normal,
        unlock_unix_s: 0,
    };
    const CLOSING: OldView = OldView::Present {
        state: ContractState::Closing,
        unlock_unix_s: 1000,
    };
    const CLOSED: OldView = OldView::Present {
        state: ContractState::Closed,
        unlock_unix_s: 0,
    };

    fn account(number: u8) -> OldAccount {
        OldAccount {
            contract: Address::new(0, [number; 32]),
            tokens: number.into(),
        }
    }

    fn instance() -> OldInstance {
        OldInstance {
            contract: Address::new(0, [9; 32]),
            price_per_token_nanoton: 20,
            stage: OldStage::Open,
            clients: vec![account(1), account(2)],
            workers: vec![account(3)],
            attempts: 0,
        }
    }

    #[test]
    fn settles_everybody_before_it_closes() {
        let mut old = instance();
        let (refund, payout) = (OldAction::GrantRefund, OldAction::LastPayout);
        let steps = [
            (OldAction::RequestClose, CLOSING, Progress::WentOn),
            (refund(account(2)), CLOSED, Progress::WentOn),
            (refund(account(1)), OldView::Absent, Progress::WentOn),
            (payout(account(3)), CLOSED, Progress::WentOn),
        ];
        for (action, after, progress) in steps {
            assert_eq!(old.next_action(0), Some(action));
            assert_eq!(old.observe(action, NORMAL), Progress::Due, "not done yet");
            assert_eq!(old.next_action(0), Some(action));
            assert_eq!(old.observe(action, after), progress);
        }
        assert_eq!(old.next_action(1000), None, "the delay runs");
        assert_eq!(old.next_action(1001), Some(OldAction::CompleteClose));
        assert_eq!(old.observe(OldAction::CompleteClose, CLOSING), Progress::Due);
        assert_eq!(old.observe(OldAction::CompleteClose, CLOSED), Progress::Finished);
    }

    #[test]
    fn a_contract_that_refuses_is_given_up_and_the_own_one_is_not() {
        let mut old = instance();
        for _ in 0..3 * MAX_ATTEMPTS {
            assert_eq!(old.refused(OldAction::RequestClose), None);
        }
        assert_eq!(old.observe(OldAction::RequestClose, CLOSING), Progress::WentOn);
        let action = OldAction::GrantRefund(account(2));
        assert_eq!((old.refused(action), old.refused(action)), (None, None));
        assert_eq!(old.refused(action), Some(account(2)));
        let action = OldAction::GrantRefund(account(1));
        assert_eq!(old.next_action(0), Some(action));
        assert_eq!(old.refused(action), None, "each contract has its own attempts");
        assert_eq!(old.observe(action, CLOSED), Progress::WentOn);
        let action = OldAction::LastPayout(account(3));
        assert_eq!((old.refused(action), old.refused(action)), (None, None));
        assert_eq!(old.refused(action), Some(account(3)));
    }

    #[test]
    fn claims_on_a_contract_that_its_owner_has_closed_are_settled_and_without_one_forgotten() {
        let mut old = instance();
        assert_eq!(old.observe(OldAction::RequestClose, CLOSED), Progress::WentOn);
        assert_eq!(old.next_action(0), Some(OldAction::GrantRefund(account(2))));
        assert_eq!(
            instance().observe(OldAction::RequestClose, OldView::Absent),
            Progress::Finished
        );
    }
}
