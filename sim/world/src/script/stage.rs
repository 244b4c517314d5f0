//! A proxy contract with accounts, for one attack: all its parties are scripted, and its key is known to the script.
//!
//! It stands beside the nodes of the plan on the same chain, with the contracts of the same build. Its parameters
//! differ from those of the root contract by their number alone, so that no node takes it for its own.

use super::{
    ScriptError,
    actor::{Actor, Reach, Sent},
    operations::CALL_NANOTON,
};
use crate::{
    chain::{OnChain, party_name, to_std},
    deployment::{named_hash, proxy_key},
    plan::Threat,
};
use chrysalis_chain::chain::state_init;
use chrysalis_env::Env;
use chrysalis_settlement::{
    Address, Params, PaymentKind, Prices, SigningKey,
    contracts::{self, ContractInit, ProxyIdentity},
    onchain::{
        CodeSet, Coins,
        message::{
            client::ClientMessage,
            envelope::{CloseKind, SignedClose, SignedCount},
            wallet::{Order, OutgoingMessage, WalletExternal},
        },
        storage::{ClientStorage, ProxyStorage, WalletStorage},
    },
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One coin.
pub(super) const TON: u128 = 1_000_000_000;
/// Coins that contracts are deployed with (spec §5.4).
const PROXY_NANOTON: u128 = TON;
const CLIENT_NANOTON: u128 = 800_000_000;
const WORKER_NANOTON: u128 = 300_000_000;
const WALLET_NANOTON: u128 = 50 * TON;
/// Price and fee of a token, and the stake of a client, with which the arithmetic of each attack works.
const PRICE_NANOTON: u64 = 20;
const FEE_NANOTON: u64 = 16;
const CLIENT_STAKE_NANOTON: u64 = 15_000_000_000;
/// An order of the wallet is valid this long.
const VALID_S: u32 = 3_600;

/// See the module.
pub(super) struct Stage {
    pub(super) reach: Reach,
    codes: Arc<CodeSet>,
    params: Params,
    key: SigningKey,
    wallet_key: SigningKey,
    pub(super) house: Actor,
    pub(super) mallory: Actor,
    pub(super) victim: Actor,
    pub(super) stranger: Actor,
    pub(super) submitter: Actor,
    pub(super) proxy: ProxyIdentity,
    proxy_init: ContractInit,
    query: AtomicU64,
}

impl Stage {
    /// Deploys the proxy contract.
    pub(super) async fn new(env: &Env, onchain: &OnChain, threat: Threat) -> Result<Self, ScriptError> {
        let reach = Reach {
            env: env.clone(),
            chain: onchain.chain.clone(),
        };
        let actor = |party: &str| Actor::new(&reach, &party_name(threat, party));
        let house = actor("house")?;
        let number = Threat::ALL.iter().position(|known| *known == threat).unwrap_or(0);
        let params = Params {
            unique_id: onchain
                .params
                .unique_id
                .saturating_add(1 + u32::try_from(number).unwrap_or(0)),
            prices: Prices {
                price_per_token_nanoton: PRICE_NANOTON,
                worker_fee_per_token_nanoton: FEE_NANOTON,
                multipliers: onchain.params.prices.multipliers,
            },
            min_client_stake_nanoton: CLIENT_STAKE_NANOTON,
            ..onchain.params.clone()
        };
        let key = proxy_key(&party_name(threat, "house"));
        let codes = onchain.codes.clone();
        let (owner, public_key) = (house.address(), key.public());
        let proxy_init = contracts::proxy_init(codes.contracts(), &params, &owner, &public_key, &onchain.root_address);
        let proxy = ProxyIdentity {
            address: proxy_init.address(),
            public_key,
        };
        let stage = Self {
            mallory: actor("mallory")?,
            victim: actor("victim")?,
            stranger: actor("stranger")?,
            submitter: actor("submitter")?,
            wallet_key: SigningKey::from_seed(&named_hash("wallet key", &party_name(threat, "house"))),
            reach: reach.clone(),
            codes,
            params,
            key,
            house,
            proxy,
            proxy_init,
            query: AtomicU64::new(0),
        };
        stage.deploy(&stage.proxy_init, PROXY_NANOTON).await?;
        Ok(stage)
    }

    fn next(&self) -> u64 {
        self.query.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The stranger pays for what is deployed, so that nobody's gain or loss has it in it.
    async fn deploy(&self, init: &ContractInit, nanoton: u128) -> Result<(), ScriptError> {
        let state = state_init(init.code().clone(), init.data().clone());
        self.stranger.deploy(&init.address(), nanoton, state).await
    }

    /// Deploys the account of a client.
    pub(super) async fn client(&self, owner: &Actor) -> Result<Address, ScriptError> {
        let init = contracts::client_init(self.codes.contracts(), &self.params, &self.proxy, &owner.address());
        self.deploy(&init, CLIENT_NANOTON).await?;
        Ok(init.address())
    }

    /// Deploys the account of a worker.
    pub(super) async fn worker(&self, owner: &Actor) -> Result<Address, ScriptError> {
        let init = contracts::worker_init(self.codes.contracts(), &self.params, &self.proxy, &owner.address());
        self.deploy(&init, WORKER_NANOTON).await?;
        Ok(init.address())
    }

    fn wallet_init(&self) -> ContractInit {
        WalletStorage::initial(self.wallet_key.public(), self.house.address()).init(&self.codes)
    }

    /// Deploys a node wallet.
    pub(super) async fn wallet(&self) -> Result<Address, ScriptError> {
        let init = self.wallet_init();
        self.deploy(&init, WALLET_NANOTON).await?;
        Ok(init.address())
    }

    /// An order of that wallet with its first number: to send more coins than there are, or with a mode that does not
    /// exist.
    pub(super) fn failing_order(&self, mode: u8, nanoton: u64) -> Result<chrysalis_chain::Cell, ScriptError> {
        let message = OutgoingMessage {
            bounce: false,
            dest: self.stranger.address(),
            value: Coins::from(nanoton),
            state_init: None,
            body: chrysalis_chain::Cell::default(),
        };
        let order = Order {
            mode,
            message: message.to_cell(),
        };
        let valid_until = self.reach.unix_s().saturating_add(VALID_S);
        let external = WalletExternal::sign(&self.wallet_key, 0, valid_until, 0, vec![order])
            .ok_or_else(|| ScriptError::Step("the order has too many messages".to_owned()))?;
        Ok(external.to_message(&self.wallet_init().address(), None))
    }

    /// The owner adds to its deposit.
    pub(super) async fn top_up(&self, client: &Address, owner: &Actor, nanoton: u64) -> Result<(), ScriptError> {
        let body = self.top_up_body(owner, nanoton);
        let sent = owner.send(client, CALL_NANOTON + u128::from(nanoton), body).await?;
        sent.must_be_done_by(client, "the top-up")
    }

    pub(super) fn top_up_body(&self, owner: &Actor, nanoton: u64) -> chrysalis_chain::Cell {
        let message = ClientMessage::TopUp {
            query_id: self.next(),
            amount: Coins::from(nanoton),
            excesses: owner.address(),
        };
        message.to_cell()
    }

    pub(super) fn withdraw_body(&self, owner: &Actor) -> chrysalis_chain::Cell {
        let message = ClientMessage::Withdraw {
            query_id: self.next(),
            excesses: owner.address(),
        };
        message.to_cell()
    }

    /// The owner asks for its refund.
    pub(super) async fn request_refund(&self, client: &Address, owner: &Actor) -> Result<Sent, ScriptError> {
        let message = ClientMessage::RequestRefund {
            query_id: self.next(),
            excesses: owner.address(),
        };
        owner.send(client, CALL_NANOTON, message.to_cell()).await
    }

    /// What the proxy's key signs for a contract, with this number and address for the excesses.
    pub(super) fn signed(
        &self,
        kind: PaymentKind,
        query_id: u64,
        tokens: u64,
        contract: &Address,
        excesses: &Actor,
    ) -> chrysalis_chain::Cell {
        SignedCount::sign(&self.key, kind, query_id, tokens, *contract, excesses.address()).to_cell()
    }

    /// Somebody submits a fresh signature of the proxy's key.
    pub(super) async fn count(
        &self,
        kind: PaymentKind,
        tokens: u64,
        contract: &Address,
        from: &Actor,
    ) -> Result<Sent, ScriptError> {
        let body = self.signed(kind, self.next(), tokens, contract, from);
        from.send(contract, CALL_NANOTON, body).await
    }

    /// The proxy closes, or completes its closing.
    pub(super) async fn close(&self, kind: CloseKind) -> Result<(), ScriptError> {
        let (address, excesses) = (self.proxy.address, self.submitter.address());
        let close = SignedClose::sign(&self.key, kind, self.next(), address, excesses);
        let sent = self.submitter.send(&address, TON, close.to_cell()).await?;
        sent.must_be_done_by(&address, "the closing of the proxy")
    }

    /// Waits until what asks for a delay may go on.
    pub(super) async fn until_unlocked(&self, unlock_unix_s: u32) {
        self.reach.until_after(unlock_unix_s).await;
    }

    pub(super) fn client_data(&self, client: &Address) -> Result<ClientStorage, ScriptError> {
        let data = self.reach.data(client)?;
        ClientStorage::parse(&data).map_err(|error| ScriptError::Step(error.to_string()))
    }

    pub(super) fn proxy_data(&self) -> Result<ProxyStorage, ScriptError> {
        let data = self.reach.data(&self.proxy.address)?;
        ProxyStorage::parse(&data).map_err(|error| ScriptError::Step(error.to_string()))
    }

    /// Coins of the pool.
    pub(super) fn pool(&self) -> u128 {
        self.reach.balance(&self.proxy.address)
    }

    /// What the pool owes to these clients and to the proxy's owner.
    pub(super) fn owed(&self, clients: &[&Address]) -> Result<u128, ScriptError> {
        let proxy = self.proxy_data()?;
        let mut owed = u128::from(proxy.balance_nanoton) + u128::from(proxy.stake_nanoton);
        for client in clients {
            owed += u128::from(self.client_data(client)?.balance_nanoton);
        }
        Ok(owed)
    }

    /// Submits a message from outside again and again; what is refused changes nothing.
    pub(super) async fn repeat(&self, message: &chrysalis_chain::Cell, times: u32) {
        for _time in 0..times {
            let _refused = self.reach.submit(message).await;
        }
    }

    /// Whether the chain knows an account with coins.
    pub(super) fn exists(&self, address: &Address) -> bool {
        self.reach.chain.lock().account(&to_std(address)).is_some()
    }
}
