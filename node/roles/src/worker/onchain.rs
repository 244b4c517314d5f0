//! A worker on the chain (spec §5.4): it keeps its contract at each proxy deployed and has its claims paid out, as
//! `chrysalis-settlement` decides.

use super::session::Shared;
use crate::{
    chain::{AccountStatus, Done, Patience, Settlement, Wallet, counts_earnings},
    telemetry::{self, Role},
};
use chrysalis_settlement::{
    Address, RootConfig, VerifiedPayment,
    contracts::{self, ProxyIdentity},
    ledger::ActionOutcome,
    onchain::{
        Coins,
        message::{common::Notice, envelope::SignedCount, wallet::OutgoingMessage},
        policy::{WorkerAction, WorkerRules, WorkerView, worker_action},
        storage::{ProxyStorage, WorkerStorage},
    },
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// Pause between two looks at an account (spec §1.3).
const PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));

/// Pauses until a payout is submitted again that the contract did not take the first time: the first one, and the
/// longest.
const PAYOUT_AGAIN_S: (u64, u64) = (60, 3_600);

/// How long a deployment may take before it is sent again: at first, and at most.
const DEPLOY_AGAIN_S: (u64, u64) = (120, 86_400);

/// Where a worker's owner is paid.
#[derive(Clone)]
pub enum WorkerChain {
    /// Nowhere that the worker can reach.
    None,
    /// On the chain.
    Live {
        /// The way to it.
        settlement: Arc<dyn Settlement>,
        /// What the worker sends with. Somebody runs it.
        wallet: Arc<Wallet>,
    },
}

impl fmt::Debug for WorkerChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Live { .. } => "Live",
        })
    }
}

/// Keeps the account at one proxy, under the parameters of `root`, until it is outdated and paid.
pub(super) async fn keep_account(
    shared: Arc<Shared>,
    settlement: Arc<dyn Settlement>,
    wallet: Arc<Wallet>,
    root: Arc<RootConfig>,
    proxy: ProxyIdentity,
) {
    let env = shared.env.clone();
    let owner = shared.settings.owner;
    let contract = root.worker_address(&proxy, &owner);
    let mut running: Option<oneshot::Receiver<ActionOutcome>> = None;
    let mut outdated_since_s = None;
    // A deployment is sent before it shows.
    let mut deployments = Patience::new(DEPLOY_AGAIN_S.0, DEPLOY_AGAIN_S.1);
    let mut payouts = Patience::new(PAYOUT_AGAIN_S.0, PAYOUT_AGAIN_S.1);
    let mut paid_tokens = 0;
    loop {
        env.sleep(env.random_span(PAUSE.0, PAUSE.1)).await;
        if let Some(order) = &mut running {
            match order.try_recv() {
                Err(TryRecvError::Empty) => continue,
                Ok(_) | Err(TryRecvError::Closed) => running = None,
            }
        }
        let now_s = env.unix_s();
        if shared.settings.root.current().params_version() != root.params_version() {
            outdated_since_s.get_or_insert(now_s);
        }
        let Ok(account) = settlement.state(contract).await else {
            continue;
        };
        // Coins sent to a frozen contract would only pay its debt.
        if account.status == AccountStatus::Frozen {
            continue;
        }
        let stored = match account.data.map(|data| WorkerStorage::parse(&data)) {
            None => None,
            Some(Ok(stored)) => Some(stored),
            Some(Err(error)) => {
                telemetry::note(&env, Role::Worker, &format!("the worker contract: {error}"));
                return;
            }
        };
        let (payment, is_idle) = shared.account_state(contract);
        let view = WorkerView {
            now_s,
            busy: false,
            state: stored.as_ref().map(|stored| stored.state),
            signed_tokens: payment.as_ref().map_or(0, VerifiedPayment::tokens),
            paid_tokens: stored.as_ref().map_or(0, |stored| stored.tokens),
            fee_per_token_nanoton: root.params.prices.worker_fee_per_token_nanoton,
            idle: is_idle,
            outdated_since_s,
            client_delay_s: root.params.client_delay_s,
        };
        if view.paid_tokens != paid_tokens {
            paid_tokens = view.paid_tokens;
            payouts.took_effect();
        }
        let (query_id, message, done, name) = match (worker_action(&view, &WorkerRules::default()), payment) {
            (Some(WorkerAction::Deploy), _) if !deployments.is_due(now_s) => continue,
            (Some(action @ WorkerAction::Deploy), _) => {
                deployments.tried(now_s);
                let init = contracts::worker_init(&root.codes, &root.params, &proxy, &owner);
                let message = OutgoingMessage {
                    bounce: false,
                    dest: contract,
                    value: Coins::from(action.value_nanoton()),
                    state_init: Some(init.state_init().clone()),
                    body: Notice::Empty.to_cell(),
                };
                (env.random_u64(), message, Done::Sent, "deploy")
            }
            (Some(action @ WorkerAction::SubmitPayout), Some(payment)) => {
                let unpaid_tokens = view.signed_tokens.saturating_sub(view.paid_tokens);
                let cost = u128::from(unpaid_tokens) * u128::from(root.params.prices.price_per_token_nanoton);
                if !payouts.is_due(now_s) || !is_covered(&*settlement, proxy.address, cost).await {
                    continue;
                }
                payouts.tried(now_s);
                let message = OutgoingMessage {
                    bounce: true,
                    dest: contract,
                    value: Coins::from(action.value_nanoton()),
                    state_init: None,
                    body: SignedCount::submit(&payment, wallet.address()).to_cell(),
                };
                (payment.query_id(), message, Done::Answered, "payout")
            }
            (Some(WorkerAction::Forget), _) => return,
            (Some(WorkerAction::SubmitPayout) | None, _) => continue,
        };
        telemetry::contract_action(&env, Role::Worker, name);
        running = Some(wallet.order(query_id, message, done));
    }
}

/// Whether the contract of the proxy can pay: a hardened one pays from nothing but what clients were charged, and refuses
/// a larger claim as a whole. Where it is not known, the contract itself is asked by submitting.
async fn is_covered(settlement: &dyn Settlement, proxy: Address, cost_nanoton: u128) -> bool {
    let Ok(account) = settlement.state(proxy).await else {
        return false;
    };
    let counts = account.code_hash.is_some_and(|hash| counts_earnings(&hash));
    match account.data.map(|data| ProxyStorage::parse(&data)) {
        Some(Ok(storage)) if counts => cost_nanoton <= u128::from(storage.earned_nanoton),
        _ => true,
    }
}
