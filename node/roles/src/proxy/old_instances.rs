//! Settling and closing the contracts of older parameters (spec §4.7), one message at a time.

use super::state::Shared;
use crate::{
    chain::{AccountStatus, AccountView, ChainError, Done, Settlement, Wallet, counts_earnings},
    telemetry::{self, Role},
};
use chrysalis_env::Env;
use chrysalis_settlement::{
    Address, Cell, PaymentKind,
    ledger::ActionOutcome,
    onchain::{
        Coins, LayoutError,
        message::{
            envelope::{CloseKind, SignedClose, SignedCount},
            wallet::OutgoingMessage,
        },
        policy::{AfterSetback, OldAccount, OldAction, OldInstance, OldView, Progress, Setback, values},
        storage::{ClientStorage, ContractState, ProxyStorage, WorkerStorage},
    },
};
use std::{convert::Infallible, sync::Arc, time::Duration};

/// Pause between two looks while there is nothing to do, or the chain does not answer.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));
/// Pause after a setback when there is nothing else to do.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// What works off the old instances of one ledger.
pub(super) struct OldInstances {
    pub(super) shared: Arc<Shared>,
    pub(super) settlement: Arc<dyn Settlement>,
    pub(super) wallet: Arc<Wallet>,
}

/// Why a look at a contract came to nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the chain: {0}")]
    Chain(#[from] ChainError),
    #[error("there is no such contract")]
    Absent,
    #[error("it is frozen")]
    Frozen,
    #[error("{0}")]
    Layout(#[from] LayoutError),
}

/// What a contract shows, and up to which count it can pay.
struct Look {
    view: OldView,
    covered_tokens: u64,
}

impl OldInstances {
    /// Works for as long as it is polled.
    pub(super) async fn work(&self) -> Infallible {
        loop {
            let Some((old, action)) = self.next() else {
                self.pause().await;
                continue;
            };
            match self.look(&old, action).await {
                Ok(look) => self.go_on(old, action, look).await,
                Err(LookError::Chain(error)) => {
                    self.note(&format!("old contracts: {error}"));
                    self.pause().await;
                }
                Err(error) => {
                    let why = match error {
                        LookError::Absent => Setback::Absent,
                        _ => Setback::Refused,
                    };
                    self.set_back(old, action, why, &error.to_string()).await;
                }
            }
        }
    }

    fn env(&self) -> &Env {
        &self.shared.env
    }

    async fn pause(&self) {
        self.env().sleep(self.env().random_span(PAUSE.0, PAUSE.1)).await;
    }

    fn note(&self, text: &str) {
        telemetry::note(self.env(), Role::Proxy, text);
    }

    /// An old instance that something is to be done for; the one with the fewest setbacks, so that none waits behind
    /// another.
    fn next(&self) -> Option<(OldInstance, OldAction)> {
        let now_unix_s = self.env().unix_s();
        let state = self.shared.lock();
        let due = state
            .old
            .values()
            .filter_map(|old| Some((old, old.next_action(now_unix_s)?)));
        let attempts = |(old, action): &(&OldInstance, OldAction)| match action {
            OldAction::RequestClose | OldAction::CompleteClose => old.attempts,
            OldAction::GrantRefund(account) | OldAction::LastPayout(account) => account.attempts,
        };
        due.min_by_key(attempts).map(|(old, action)| (old.clone(), action))
    }

    /// The account of a contract with code and data.
    async fn account(&self, contract: Address) -> Result<(AccountView, Cell), LookError> {
        let mut account = self.settlement.state(contract).await?;
        match (account.status, account.data.take()) {
            (AccountStatus::Active, Some(data)) => Ok((account, data)),
            (AccountStatus::Frozen, _) => Err(LookError::Frozen),
            _ => Err(LookError::Absent),
        }
    }

    /// What the contract of `action` shows, and up to which count the deposit of a client or the proxy's earnings pay.
    async fn look(&self, old: &OldInstance, action: OldAction) -> Result<Look, LookError> {
        let (_, data) = self.account(target(old, action)).await?;
        let look = |state, covered_tokens: Option<u64>| Look {
            view: OldView {
                state,
                unlock_unix_s: 0,
            },
            covered_tokens: covered_tokens.unwrap_or(u64::MAX),
        };
        Ok(match action {
            OldAction::RequestClose | OldAction::CompleteClose => {
                let storage = ProxyStorage::parse(&data)?;
                Look {
                    view: OldView {
                        state: storage.state,
                        unlock_unix_s: storage.unlock_ts,
                    },
                    covered_tokens: u64::MAX,
                }
            }
            OldAction::GrantRefund(_) => {
                let storage = ClientStorage::parse(&data)?;
                let paid = storage.balance_nanoton.checked_div(old.price_per_token_nanoton);
                let covered = paid.map(|tokens| storage.tokens_used.saturating_add(tokens));
                // A deposit that is left in a closed contract is a refund that came back.
                let state = match storage.state {
                    ContractState::Closed if storage.balance_nanoton > 0 => ContractState::Closing,
                    state => state,
                };
                look(state, covered)
            }
            OldAction::LastPayout(_) => {
                let storage = WorkerStorage::parse(&data)?;
                // What clients could not be charged for is not there: a claim beyond it would be refused as a whole.
                let earned = self.earned_nanoton(old.contract).await?;
                let paid = earned.and_then(|earned| earned.checked_div(old.price_per_token_nanoton));
                look(storage.state, paid.map(|tokens| storage.tokens.saturating_add(tokens)))
            }
        })
    }

    /// What a proxy contract has charged and not paid out, if its code keeps that count and pays from nothing else.
    async fn earned_nanoton(&self, proxy: Address) -> Result<Option<u64>, LookError> {
        let (account, data) = self.account(proxy).await?;
        if !account.code_hash.is_some_and(|hash| counts_earnings(&hash)) {
            return Ok(None);
        }
        Ok(Some(ProxyStorage::parse(&data)?.earned_nanoton))
    }

    async fn go_on(&self, mut old: OldInstance, action: OldAction, look: Look) {
        match old.observe(action, look.view) {
            Progress::Finished => self.forget(&old, "is closed"),
            Progress::WentOn => self.keep(old),
            Progress::Due => {
                let query_id = self.env().random_u64();
                let message = self.message(&old, action, query_id, look.covered_tokens);
                let outcome = self.wallet.order(query_id, message, Done::Answered).await;
                // An answer is not yet success: a worker's contract passes on what a refused claim brought back.
                let is_done = match outcome {
                    Ok(ActionOutcome::Succeeded) => match self.look(&old, action).await {
                        Ok(look) => old.clone().observe(action, look.view) != Progress::Due,
                        Err(LookError::Chain(_)) => true,
                        Err(_) => false,
                    },
                    Ok(ActionOutcome::Failed) | Err(_) => false,
                };
                // If it is done, the next look takes it in.
                if !is_done {
                    self.set_back(old, action, Setback::Refused, "it refused").await;
                }
            }
        }
    }

    fn forget(&self, old: &OldInstance, why: &str) {
        let contract = old.contract.to_wire(self.shared.settings.network);
        self.note(&format!("{contract} {why}"));
        let mut state = self.shared.lock();
        state.old.remove(&old.contract);
        state.dirty.old.insert(old.contract);
    }

    fn message(&self, old: &OldInstance, action: OldAction, query_id: u64, covered_tokens: u64) -> OutgoingMessage {
        let key = &self.shared.settings.key;
        let (contract, excesses) = (target(old, action), self.wallet.address());
        let count = |kind, account: OldAccount| {
            let tokens = account.tokens.min(covered_tokens);
            SignedCount::sign(key, kind, query_id, tokens, contract, excesses).to_cell()
        };
        let close = |kind| SignedClose::sign(key, kind, query_id, contract, excesses).to_cell();
        let body = match action {
            OldAction::RequestClose => close(CloseKind::Request),
            OldAction::GrantRefund(client) => count(PaymentKind::ClientRefund, client),
            OldAction::LastPayout(worker) => count(PaymentKind::WorkerLastPayout, worker),
            OldAction::CompleteClose => close(CloseKind::Complete),
        };
        OutgoingMessage {
            bounce: true,
            dest: contract,
            value: Coins::from(values::CLOSE_NANOTON),
            state_init: None,
            body,
        }
    }

    async fn set_back(&self, mut old: OldInstance, action: OldAction, why: Setback, reason: &str) {
        let contract = target(&old, action).to_wire(self.shared.settings.network);
        let after = old.set_back(action, why);
        match after {
            AfterSetback::Gone => return self.forget(&old, "is gone: there is nothing to settle from"),
            AfterSetback::GivenUp(account) => {
                let tokens = account.tokens;
                self.note(&format!("{contract} is given up with {tokens} tokens: {reason}"));
            }
            AfterSetback::Later | AfterSetback::Others => {
                self.note(&format!("{contract} is not settled yet: {reason}"));
            }
        }
        self.keep(old);
        if after == AfterSetback::Later {
            self.env().sleep(REFUSED_PAUSE).await;
        }
    }

    fn keep(&self, old: OldInstance) {
        let mut state = self.shared.lock();
        state.dirty.old.insert(old.contract);
        state.old.insert(old.contract, old);
    }
}

/// The contract that an action is for.
fn target(old: &OldInstance, action: OldAction) -> Address {
    match action {
        OldAction::RequestClose | OldAction::CompleteClose => old.contract,
        OldAction::GrantRefund(account) | OldAction::LastPayout(account) => account.contract,
    }
}
