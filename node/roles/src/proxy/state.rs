//! What a proxy knows: accounts, sessions, running requests. One lock, never held across a wait.

use super::{
    ChainSource, ProxySettings,
    commits::Commits,
    ledger::{self, Dirty, Loaded},
    ledger_store::{Changes, LedgerError, LedgerStore},
    observed::Observed,
    records::{self, DISABLED_KEY, INSTANCE_KEY, InstanceRecord},
    requests::Running,
    selection::WorkerLoad,
};
use crate::{
    connection::Connection,
    shutdown::{Shutdown, ShutdownTrigger, shutdown_pair},
    telemetry::{self, Role},
};
use chrysalis_env::Env;
use chrysalis_settlement::{
    Address, PublicKey, RootConfig,
    contracts::ProxyIdentity,
    ledger::{ClientAccount, WorkerAccount},
    onchain::policy::OldInstance,
};
use chrysalis_wire::{
    objects::{ProxyParams, ProxySignedPayment, SignedPayment},
    protocol_version::Version,
    tl::RequestId,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Pause between two looks whether connections are gone.
const HANG_UP_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Shared {
    pub(super) env: Env,
    pub(super) settings: Arc<ProxySettings>,
    /// The configuration that contracts and prices of this instance follow. Addresses commit to its parameters, so
    /// that newer ones are another instance's (spec §4.7).
    pub(super) root: Arc<RootConfig>,
    /// Whether nobody is served before the parameters change.
    pub(super) is_disabled: bool,
    /// Ends every connection of this instance.
    pub(super) ending: (ShutdownTrigger, Shutdown),
    /// What the chain says about accounts.
    pub(super) chain: Arc<dyn ChainSource>,
    /// Whether a flush counts as committed at once, because there is nothing to commit it to.
    commits_at_once: bool,
    /// Own contract and key.
    pub(super) identity: ProxyIdentity,
    pub(super) store: Mutex<Option<LedgerStore>>,
    state: Mutex<State>,
    idle: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) clients: BTreeMap<Address, ClientAccount>,
    pub(super) workers: BTreeMap<Address, WorkerAccount>,
    pub(super) client_sessions: BTreeMap<u64, ClientSession>,
    pub(super) worker_sessions: BTreeMap<u64, WorkerSession>,
    /// Worker connections that completed their hand-shake.
    pub(super) loads: BTreeMap<u64, WorkerLoad>,
    /// Running requests by worker connection.
    pub(super) requests: BTreeMap<(u64, RequestId), Running>,
    /// Which worker connection has a client connection's request.
    pub(super) routes: BTreeMap<(u64, RequestId), u64>,
    pub(super) dirty: Dirty,
    /// Contracts of older parameters that are being settled, by the proxy's own.
    pub(super) old: BTreeMap<Address, OldInstance>,
    /// How far the own contract was read, and the commits on their way to it.
    pub(super) commits: Commits,
    pub(super) commits_are_dirty: bool,
    /// Number of the last flush.
    pub(super) flush_seqno: u32,
    /// While set, nothing is begun: it could not be kept.
    pub(super) ledger_is_stuck: bool,
    /// Once set, nothing new is begun.
    pub(super) is_stopping: bool,
    /// Once set, nothing is written.
    pub(super) has_ended: bool,
}

impl State {
    /// Why no request is begun now, if none is.
    pub(super) const fn closed_for(&self) -> Option<&'static str> {
        match (self.is_stopping, self.ledger_is_stuck) {
            (true, _) => Some("the proxy is stopping"),
            (false, true) => Some("the ledger cannot be written"),
            (false, false) => None,
        }
    }
}

/// A client connection that is authorised.
#[derive(Debug, Clone)]
pub(super) struct ClientSession {
    pub(super) connection: Connection,
    pub(super) owner: Address,
    pub(super) version: Version,
}

/// A worker connection whose parameters are accepted.
#[derive(Debug, Clone)]
pub(super) struct WorkerSession {
    pub(super) connection: Connection,
    pub(super) owner: Address,
    pub(super) version: Version,
}

impl Shared {
    /// Opens the ledger and brings accounts back. Accounts of other parameters, and those of `closed_version` whose
    /// proxy contract is closing, are left to be settled (spec §4.7).
    pub(super) fn open(
        env: Env,
        settings: Arc<ProxySettings>,
        store: Option<LedgerStore>,
        chain: Arc<dyn ChainSource>,
        observed: Option<&Observed>,
        disabled_until: Option<u32>,
    ) -> Result<Self, LedgerError> {
        let root = settings.root.current();
        let public_key: PublicKey = settings.key.public();
        let identity = ProxyIdentity {
            address: root.proxy_address(&settings.owner, &public_key),
            public_key,
        };
        let store = match store {
            Some(store) => store,
            None => LedgerStore::open(&env, settings.key.clone(), settings.sealing.as_ref())?,
        };
        let prices = &root.params.prices;
        let Loaded {
            mut state,
            instance,
            disabled_until_params_version,
        } = ledger::restore(&store.load()?, prices, settings.ledger, &*chain)?;
        let mut changes = Changes::default();
        if let Some(instance) =
            instance.filter(|instance| disabled_until.is_some() || instance.contract != identity.address)
        {
            let clients = state.clients.len();
            changes = ledger::retire(&mut state, &instance);
            let contract = instance.contract.to_wire(settings.network);
            let text = format!("{contract} and the contracts of its {clients} clients are to be settled and closed");
            telemetry::note(&env, Role::Proxy, &text);
        }
        let until = disabled_until.or(disabled_until_params_version);
        let is_disabled = until.is_some_and(|until| root.params_version() < until);
        match until {
            Some(until) if is_disabled => changes
                .put
                .push((DISABLED_KEY.to_owned(), records::encode_disabled(until))),
            Some(_) => changes.remove.push(DISABLED_KEY.to_owned()),
            None => {}
        }
        let ours = InstanceRecord {
            contract: identity.address,
            price_per_token_nanoton: prices.price_per_token_nanoton,
            params_version: root.params_version(),
        };
        if !is_disabled && instance != Some(ours) {
            changes
                .put
                .push((INSTANCE_KEY.to_owned(), records::encode_instance(&ours)));
        }
        if !(changes.put.is_empty() && changes.remove.is_empty()) {
            store.commit(&changes)?;
        }
        if let Some(observed) = observed {
            observed.restore(&state);
        }
        env.observe("ledger.opened", &[]);
        let found = state
            .clients
            .values()
            .map(|account| (account.contract(), account.tokens_used()));
        let found = found.chain(
            state
                .workers
                .values()
                .map(|account| (account.contract(), account.ledger().tokens_max())),
        );
        for (contract, tokens) in found {
            let owner = contract.to_wire(settings.network);
            env.observe(
                "ledger.restored",
                &[("owner", owner.as_str().into()), ("tokens", tokens.into())],
            );
        }
        let shared = Self {
            env,
            settings,
            root,
            is_disabled,
            ending: shutdown_pair(),
            chain,
            commits_at_once: observed.is_none(),
            identity,
            store: Mutex::new(Some(store)),
            state: Mutex::new(state),
            idle: Notify::new(),
        };
        // What was on disk is covered by a first commit of this session (spec §4.6): here, where there is no chain.
        if shared.commits_at_once {
            shared.flush()?;
        }
        Ok(shared)
    }

    /// Whether a flush counts as committed at once.
    pub(super) const fn commits_at_once(&self) -> bool {
        self.commits_at_once
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside would be a defect of this crate; the maps themselves stay sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the proxy says of itself in hand-shakes.
    pub(super) fn params(&self, version: Version) -> ProxyParams {
        ProxyParams {
            proxy_public_key: *self.identity.public_key.as_bytes(),
            proxy_owner_address: self.settings.owner.to_wire(self.settings.network),
            proxy_sc_address: self.identity.address.to_wire(self.settings.network),
            is_test: Some(self.settings.is_test),
            proto_version: version.to_proxy_params(),
        }
    }

    /// The account of `owner`, opened if the chain knows it.
    pub(super) fn client_account<'a>(&self, state: &'a mut State, owner: &Address) -> Option<&'a mut ClientAccount> {
        if !state.clients.contains_key(owner) {
            let chain = self.chain.client(owner)?;
            let root = &self.root;
            let contract = root.client_address(&self.identity, owner);
            let price = root.params.prices.price_per_token_nanoton;
            let mut account = ClientAccount::new(*owner, contract, price, self.settings.ledger);
            // A new account is behind nothing: any chain state applies.
            let _ = account.apply(chain);
            state.clients.insert(*owner, account);
        }
        state.clients.get_mut(owner)
    }

    /// The account of a worker's owner, opened if need be.
    pub(super) fn worker_account<'a>(&self, state: &'a mut State, owner: &Address) -> &'a mut WorkerAccount {
        state.workers.entry(*owner).or_insert_with(|| {
            let root = &self.root;
            let contract = root.worker_address(&self.identity, owner);
            let fee = root.params.prices.worker_fee_per_token_nanoton;
            let mut account = WorkerAccount::new(*owner, contract, fee, self.settings.ledger);
            let _ = account.apply(self.chain.worker_tokens_paid(owner));
            account
        })
    }

    /// The client's bill as far as it is durable: payment, tokens in the database, tokens at most.
    pub(super) fn client_bill(&self, account: &mut ClientAccount) -> (SignedPayment, i64, i64) {
        let before = account.ledger().committed_to_chain();
        let payment = account.payment(&self.settings.key, || self.env.random_u64(), &self.settings.wallet);
        let signed = SignedPayment::Signed(ProxySignedPayment {
            data: payment.boc.clone(),
        });
        let contract = account.contract().to_wire(self.settings.network);
        telemetry::payment(
            &self.env,
            Role::Proxy,
            "client_charge",
            &contract,
            u64::try_from(before).unwrap_or(0),
        );
        (
            signed,
            account.ledger().committed_to_db(),
            account.ledger().tokens_max(),
        )
    }

    /// As [`Self::client_bill`], for a worker.
    pub(super) fn worker_bill(&self, account: &mut WorkerAccount) -> (SignedPayment, i64, i64) {
        let before = account.ledger().committed_to_chain();
        let payment = account.payment(&self.settings.key, || self.env.random_u64(), &self.settings.wallet);
        let signed = SignedPayment::Signed(ProxySignedPayment {
            data: payment.boc.clone(),
        });
        let contract = account.contract().to_wire(self.settings.network);
        telemetry::payment(
            &self.env,
            Role::Proxy,
            "worker_payout",
            &contract,
            u64::try_from(before).unwrap_or(0),
        );
        (
            signed,
            account.ledger().committed_to_db(),
            account.ledger().tokens_max(),
        )
    }

    /// Refuses new requests from now on.
    pub(super) fn stop_accepting(&self) {
        self.lock().is_stopping = true;
    }

    /// Ends every connection, once running requests have ended or their time is up, and waits until all are gone.
    pub(super) async fn hang_up(&self) {
        self.ending.0.fire();
        while {
            let state = self.lock();
            !(state.client_sessions.is_empty() && state.worker_sessions.is_empty() && state.requests.is_empty())
        } {
            self.env.sleep(HANG_UP_PAUSE).await;
        }
    }

    /// Takes the ledger from an instance that has ended. What still runs for it can write nothing any more.
    pub(super) fn take_store(&self) -> Option<LedgerStore> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock().has_ended = true;
        store.take()
    }

    /// Tells those who wait that a request ended.
    pub(super) fn request_ended(&self, state: &State) {
        if state.requests.is_empty() {
            self.idle.notify_waiters();
        }
    }

    /// Waits until no request runs.
    pub(super) async fn drained(&self) {
        loop {
            let notified = self.idle.notified();
            if self.lock().requests.is_empty() {
                return;
            }
            notified.await;
        }
    }
}
