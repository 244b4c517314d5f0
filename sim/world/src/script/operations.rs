//! What owners may do: everything here is what contracts offer to whoever owns them, and nodes to whoever operates them.

use super::{
    ScriptError,
    actor::{Actor, Reach},
};
use crate::{
    deployment::Deployment,
    plan::{ContractName, Operation},
};
use chrysalis_chain::Cell;
use chrysalis_env::Env;
use chrysalis_node::proxy::ProxyOrder;
use chrysalis_settlement::{
    Address,
    onchain::{
        Coins,
        message::{
            client::ClientMessage,
            common::Notice,
            proxy::ProxyMessage,
            root::{RootChange, RootMessage},
            wallet::{OutgoingMessage, WalletMessage},
        },
    },
};

/// What comes with an operation; the rest comes back (spec §5.4).
pub(super) const CALL_NANOTON: u128 = 700_000_000;
/// Mode of a message that a node wallet sends for its owner: fees apart from its value.
const WALLET_MODE: u8 = 1;
/// Gas of a node wallet that sends for its owner.
const WALLET_GAS_NANOTON: u128 = 100_000_000;
/// Query numbers of operations begin here: nodes draw theirs at random.
const FIRST_QUERY_ID: u64 = 1_000;

/// Carries out the operation with this number of the plan.
pub(super) async fn carry_out(
    env: &Env,
    deployment: &Deployment,
    number: u64,
    operation: &Operation,
) -> Result<(), ScriptError> {
    let Some(onchain) = deployment.onchain() else {
        return Ok(());
    };
    let reach = Reach {
        env: env.clone(),
        chain: onchain.chain.clone(),
    };
    let query_id = FIRST_QUERY_ID + number;
    let find = |name: ContractName| -> Result<Address, ScriptError> {
        deployment
            .contract(&name)?
            .ok_or_else(|| ScriptError::Step(format!("there is no contract {name:?}")))
    };
    match operation {
        Operation::Withdraw { client, proxy } => {
            let body = |excesses| ClientMessage::Withdraw { query_id, excesses };
            as_client(&reach, &find, client, proxy, CALL_NANOTON, body).await
        }
        Operation::RequestRefund { client, proxy } => {
            let body = |excesses| ClientMessage::RequestRefund { query_id, excesses };
            as_client(&reach, &find, client, proxy, CALL_NANOTON, body).await
        }
        Operation::TopUp {
            client,
            proxy,
            amount_nanoton,
        } => {
            let body = |excesses| ClientMessage::TopUp {
                query_id,
                amount: Coins::from(*amount_nanoton),
                excesses,
            };
            let value = CALL_NANOTON + u128::from(*amount_nanoton);
            as_client(&reach, &find, client, proxy, value, body).await
        }
        Operation::CloseProxy { proxy } => {
            let body = |excesses| ProxyMessage::OwnerClose { query_id, excesses };
            as_owner(&reach, &find, proxy, CALL_NANOTON, body).await
        }
        Operation::DisableProxy { proxy } => order(deployment, proxy, ProxyOrder::Disable),
        Operation::EnableProxy { proxy } => order(deployment, proxy, ProxyOrder::Enable),
        Operation::TakeShare { proxy } => {
            let body = |excesses| ProxyMessage::Payout { query_id, excesses };
            as_owner(&reach, &find, proxy, CALL_NANOTON, body).await
        }
        Operation::AddStake { proxy, amount_nanoton } => {
            let body = |excesses| ProxyMessage::IncreaseStake {
                query_id,
                amount: Coins::from(*amount_nanoton),
                excesses,
            };
            let value = CALL_NANOTON + u128::from(*amount_nanoton);
            as_owner(&reach, &find, proxy, value, body).await
        }
        Operation::ChangePrice {
            price_per_token_nanoton,
            worker_fee_per_token_nanoton,
        } => {
            let owner = Actor::new(&reach, "root")?;
            let body = RootMessage {
                query_id,
                change: RootChange::Fees {
                    price: Coins::from(*price_per_token_nanoton),
                    worker_fee: Coins::from(*worker_fee_per_token_nanoton),
                },
            };
            owned(&owner, &find(ContractName::Root)?, CALL_NANOTON, body.to_cell()).await
        }
        Operation::Touch {
            contract,
            amount_nanoton,
        } => {
            let somebody = Actor::new(&reach, "root")?;
            let to = find(contract.clone())?;
            // Whether the receiver can still take it is what such a scenario is about.
            somebody
                .send(&to, (*amount_nanoton).into(), Notice::Empty.to_cell())
                .await?;
            Ok(())
        }
    }
}

/// What the operator of a node asks of it, as through its management endpoint.
fn order(deployment: &Deployment, proxy: &str, order: ProxyOrder) -> Result<(), ScriptError> {
    let control = deployment.control(proxy);
    let control = control.ok_or_else(|| ScriptError::Step(format!("there is no proxy {proxy}")))?;
    control.ask(order);
    Ok(())
}

/// Sends a message to the client's contract as its owner, which is the client's wallet, whose owner orders it to.
async fn as_client(
    reach: &Reach,
    find: &impl Fn(ContractName) -> Result<Address, ScriptError>,
    client: &str,
    proxy: &str,
    value_nanoton: u128,
    body: impl FnOnce(Address) -> ClientMessage,
) -> Result<(), ScriptError> {
    let owner = Actor::new(reach, client)?;
    let wallet = find(ContractName::Wallet(client.to_owned()))?;
    let account = find(ContractName::Account {
        holder: client.to_owned(),
        proxy: proxy.to_owned(),
    })?;
    let body = body(wallet);
    let value = Coins::new(value_nanoton).ok_or_else(|| ScriptError::Step("more coins than there are".to_owned()))?;
    let order = WalletMessage::Send {
        query_id: body.query_id(),
        mode: WALLET_MODE,
        message: OutgoingMessage {
            bounce: true,
            dest: account,
            value,
            state_init: None,
            body: body.to_cell(),
        }
        .to_cell(),
    };
    let sent = owner
        .send(&wallet, value_nanoton + WALLET_GAS_NANOTON, order.to_cell())
        .await?;
    sent.must_be_done_by(&wallet, "the wallet of the client")?;
    sent.must_be_done_by(&account, "the contract of the client")
}

/// The owner of a proxy calls its contract.
async fn as_owner(
    reach: &Reach,
    find: &impl Fn(ContractName) -> Result<Address, ScriptError>,
    proxy: &str,
    value_nanoton: u128,
    body: impl FnOnce(Address) -> ProxyMessage,
) -> Result<(), ScriptError> {
    let owner = Actor::new(reach, proxy)?;
    let contract = find(ContractName::Proxy(proxy.to_owned()))?;
    let body = body(owner.address());
    owned(&owner, &contract, value_nanoton, body.to_cell()).await
}

async fn owned(owner: &Actor, contract: &Address, value_nanoton: u128, body: Cell) -> Result<(), ScriptError> {
    let sent = owner.send(contract, value_nanoton, body).await?;
    sent.must_be_done_by(contract, "the contract")
}
