//! A client on the chain (spec §5.4, §5.5): it keeps its contract at each proxy deployed, funded and known, as
//! `chrysalis-settlement` decides.

use super::{Registrar, session::Shared};
use crate::{
    chain::{AccountStatus, Done, Patience, Settlement, Wallet},
    telemetry::{self, Role},
};
use chrysalis_env::{BoxFuture, Env};
use chrysalis_settlement::{
    Address, RootConfig, VerifiedPayment,
    contracts::{self, ProxyIdentity},
    hash::sha256,
    ledger::ActionOutcome,
    onchain::{
        Coins,
        message::{ClientMessage, common::Notice, wallet::OutgoingMessage},
        policy::{ClientAction, ClientContract, ClientRules, ClientView, client_action, values},
        storage::{ClientStorage, ContractState, ProxyStorage},
    },
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// Pause between two looks at an account (spec §1.3).
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// Pause between two looks for a contract that is being deployed.
const DEPLOY_PAUSE: Duration = Duration::from_secs(1);

/// How long a deployment may take before it is sent again: at first, and at most. Whoever says that there is no account
/// may be wrong, and each deployment costs coins.
const DEPLOY_AGAIN_S: (u64, u64) = (120, 86_400);

/// Where a client has its account.
#[derive(Clone)]
pub enum ClientChain {
    /// Nowhere that it can reach: somebody else has funded it, and somebody else registers.
    Static(Arc<dyn Registrar>),
    /// On the chain.
    Live {
        /// The way to it.
        settlement: Arc<dyn Settlement>,
        /// What the client sends with, and the owner of its contracts. Somebody runs it.
        wallet: Arc<Wallet>,
    },
}

impl fmt::Debug for ClientChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static(_) => "Static",
            Self::Live { .. } => "Live",
        })
    }
}

impl ClientChain {
    /// What registers this client's nonces.
    pub(super) fn registrar(&self, env: &Env) -> Arc<dyn Registrar> {
        match self {
            Self::Static(registrar) => registrar.clone(),
            Self::Live { settlement, wallet } => Arc::new(LiveRegistrar {
                env: env.clone(),
                settlement: settlement.clone(),
                wallet: wallet.clone(),
            }),
        }
    }
}

struct LiveRegistrar {
    env: Env,
    settlement: Arc<dyn Settlement>,
    wallet: Arc<Wallet>,
}

impl Registrar for LiveRegistrar {
    fn register(&self, client_contract: Address, nonce: u64) -> BoxFuture<'static, Result<(), String>> {
        let (env, settlement, wallet) = (self.env.clone(), self.settlement.clone(), self.wallet.clone());
        Box::pin(async move {
            // The contract must be there before it can be told anything; the proxy waits for five minutes.
            let order_env = env.clone();
            env.spawn("client: registration", async move {
                let env = order_env;
                loop {
                    let account = settlement.state(client_contract).await;
                    if account.is_ok_and(|account| account.status == AccountStatus::Active) {
                        break;
                    }
                    env.sleep(DEPLOY_PAUSE).await;
                }
                let query_id = env.random_u64();
                let body = ClientMessage::Register {
                    query_id,
                    nonce,
                    excesses: wallet.address(),
                };
                let message = to_contract(client_contract, values::REGISTER_NANOTON, &body);
                drop(wallet.order(query_id, message, Done::Answered));
            });
            Ok(())
        })
    }
}

fn to_contract(dest: Address, value_nanoton: u64, body: &ClientMessage) -> OutgoingMessage {
    OutgoingMessage {
        bounce: true,
        dest,
        value: Coins::from(value_nanoton),
        state_init: None,
        body: body.to_cell(),
    }
}

/// Keeps the account at one proxy, under the parameters of `root`, for as long as it is polled.
pub(super) async fn keep_account(
    shared: Arc<Shared>,
    settlement: Arc<dyn Settlement>,
    wallet: Arc<Wallet>,
    root: Arc<RootConfig>,
    proxy: ProxyIdentity,
) {
    let env = shared.env.clone();
    let owner = wallet.address();
    let contract = root.client_address(&proxy, &owner);
    let mut running: Option<oneshot::Receiver<ActionOutcome>> = None;
    let mut outdated_since_s = None;
    // A deployment is sent before it shows.
    let mut deployments = Patience::new(DEPLOY_AGAIN_S.0, DEPLOY_AGAIN_S.1);
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
        let (own, its) = (settlement.state(contract).await, settlement.state(proxy.address).await);
        let (Ok(own), Ok(its)) = (own, its) else { continue };
        let Some(its) = its.data.and_then(|data| ProxyStorage::parse(&data).ok()) else {
            continue;
        };
        // Coins sent to a frozen contract would only pay its debt.
        if own.status == AccountStatus::Frozen {
            continue;
        }
        let stored = match own.data.map(|data| ClientStorage::parse(&data)) {
            None => None,
            Some(Ok(stored)) => Some(stored),
            Some(Err(error)) => {
                telemetry::note(&env, Role::Client, &format!("the client contract: {error}"));
                return;
            }
        };
        let (tokens_max, charge) = shared.account_state(contract);
        let secret_hash = match (shared.settings.secret.as_str(), &stored) {
            // Without a secret the contract keeps what it has: the hash of nothing would authorise anybody (T17).
            ("", stored) => stored.as_ref().map_or([0; 32], |stored| stored.secret_hash),
            (secret, _) => sha256(secret.as_bytes()),
        };
        let view = ClientView {
            now_s,
            busy: false,
            contract: stored.as_ref().map(ClientContract::from),
            proxy_state: its.state,
            params: &root.params,
            tokens_max,
            signed_tokens: charge.as_ref().map_or(0, VerifiedPayment::tokens),
            secret_hash,
            outdated_since_s,
            nonce: None,
        };
        if stored.is_some_and(|stored| stored.state == ContractState::Closed) && outdated_since_s.is_some() {
            return;
        }
        let Some(action) = client_action(&view, &ClientRules::default()) else {
            continue;
        };
        let (query_id, message, done) = match action {
            ClientAction::Deploy if !deployments.is_due(now_s) => continue,
            ClientAction::Deploy => {
                let init = contracts::client_init(&root.codes, &root.params, &proxy, &owner);
                let message = OutgoingMessage {
                    bounce: false,
                    dest: contract,
                    value: Coins::from(action.value_nanoton()),
                    state_init: Some(init.state_init().clone()),
                    body: Notice::Empty.to_cell(),
                };
                (env.random_u64(), message, Done::Sent)
            }
            _ => {
                // A signed message repeats the query id of its signature.
                let query_id = match (action, &charge) {
                    (ClientAction::SubmitCharge, Some(charge)) => charge.query_id(),
                    _ => env.random_u64(),
                };
                let Some(body) = action.message(query_id, owner, charge.as_ref()) else {
                    continue;
                };
                (
                    query_id,
                    to_contract(contract, action.value_nanoton(), &body),
                    Done::Answered,
                )
            }
        };
        // An order that the wallet cannot pay would wait, and a refund behind it.
        if message.value.nanoton() > wallet.balance_nanoton() {
            continue;
        }
        if action == ClientAction::Deploy {
            deployments.tried(now_s);
        }
        telemetry::contract_action(&env, Role::Client, action_name(action));
        running = Some(wallet.order(query_id, message, done));
    }
}

const fn action_name(action: ClientAction) -> &'static str {
    match action {
        ClientAction::Deploy => "deploy",
        ClientAction::Register { .. } => "register",
        ClientAction::TopUp { .. } => "top_up",
        ClientAction::SubmitCharge => "charge",
        ClientAction::ChangeSecret { .. } => "change_secret",
        ClientAction::RequestRefund => "request_refund",
    }
}
