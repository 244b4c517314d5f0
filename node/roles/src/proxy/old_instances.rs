//! Settling and closing the contracts of older parameters (spec §4.7), one message at a time.

use super::state::Shared;
use crate::{
    chain::{AccountStatus, ChainError, Done, Settlement, Wallet},
    telemetry::{self, Role},
};
use chrysalis_env::Env;
use chrysalis_settlement::{
    Address, PaymentKind,
    ledger::ActionOutcome,
    onchain::{
        Coins, LayoutError,
        message::{
            envelope::{CloseKind, SignedClose, SignedCount},
            wallet::OutgoingMessage,
        },
        policy::{OldAccount, OldAction, OldInstance, OldView, Progress, values},
        storage::{ClientStorage, ContractState, ProxyStorage, WorkerStorage},
    },
};
use std::{convert::Infallible, sync::Arc, time::Duration};

/// Pause between two looks while there is nothing to do, or the chain does not answer.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));
/// Pause after a refusal.
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
    #[error("{0}")]
    Layout(#[from] LayoutError),
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
                Ok((view, covered_tokens)) => self.go_on(old, action, view, covered_tokens).await,
                // Data that nobody can read belongs to a contract that nobody can settle.
                Err(LookError::Layout(error)) => self.refused(old, action, &error.to_string()).await,
                Err(LookError::Chain(error)) => {
                    self.note(&format!("old contracts: {error}"));
                    self.pause().await;
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

    /// An old instance that something is to be done for.
    fn next(&self) -> Option<(OldInstance, OldAction)> {
        let now_unix_s = self.env().unix_s();
        let state = self.shared.lock();
        let mut old = state.old.values();
        old.find_map(|old| Some((old.clone(), old.next_action(now_unix_s)?)))
    }

    /// What the contract of `action` shows, and for a client up to which count its deposit pays.
    async fn look(&self, old: &OldInstance, action: OldAction) -> Result<(OldView, Option<u64>), LookError> {
        let contract = target(old, action);
        let account = self.settlement.state(contract).await?;
        let (AccountStatus::Active, Some(data)) = (account.status, account.data) else {
            return Ok((OldView::Absent, None));
        };
        let view = |state| OldView::Present {
            state,
            unlock_unix_s: 0,
        };
        Ok(match action {
            OldAction::RequestClose | OldAction::CompleteClose => {
                let storage = ProxyStorage::parse(&data)?;
                let view = OldView::Present {
                    state: storage.state,
                    unlock_unix_s: storage.unlock_ts,
                };
                (view, None)
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
                (view(state), Some(covered.unwrap_or(u64::MAX)))
            }
            OldAction::LastPayout(_) => (view(WorkerStorage::parse(&data)?.state), None),
        })
    }

    async fn go_on(&self, mut old: OldInstance, action: OldAction, view: OldView, covered_tokens: Option<u64>) {
        match old.observe(action, view) {
            Progress::Finished => {
                let contract = old.contract.to_wire(self.shared.settings.network);
                self.note(&format!("{contract} is closed"));
                let mut state = self.shared.lock();
                state.old.remove(&old.contract);
                state.dirty.old.insert(old.contract);
            }
            Progress::WentOn => self.keep(old),
            Progress::Due => {
                let query_id = self.env().random_u64();
                let message = self.message(&old, action, query_id, covered_tokens);
                let outcome = self.wallet.order(query_id, message, Done::Answered).await;
                if outcome.unwrap_or(ActionOutcome::Failed) == ActionOutcome::Failed {
                    self.refused(old, action, "it refused").await;
                }
                // What became of it shows in the contract, at the next look.
            }
        }
    }

    fn message(
        &self,
        old: &OldInstance,
        action: OldAction,
        query_id: u64,
        covered_tokens: Option<u64>,
    ) -> OutgoingMessage {
        let key = &self.shared.settings.key;
        let (contract, excesses) = (target(old, action), self.wallet.address());
        let count = |kind, account: OldAccount| {
            let tokens = account.tokens.min(covered_tokens.unwrap_or(u64::MAX));
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

    async fn refused(&self, mut old: OldInstance, action: OldAction, reason: &str) {
        let contract = target(&old, action).to_wire(self.shared.settings.network);
        match old.refused(action) {
            Some(account) => self.note(&format!(
                "{contract} is given up with {} tokens: {reason}",
                account.tokens
            )),
            None => self.note(&format!("{contract} is not settled yet: {reason}")),
        }
        self.keep(old);
        self.env().sleep(REFUSED_PAUSE).await;
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
