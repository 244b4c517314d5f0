//! The proxy on the chain (spec §4.4, §4.6, §5.4): what its contract says of clients and workers, the commits that
//! let it sign, and the contract actions that are due.
//!
//! Nothing is signed before the flush that holds it was committed to the chain by this process: a process on an older
//! copy of the ledger, or a second one beside this, meets a commit that it does not know, and stops.

use super::{
    ChainSource, Ended, ProxyError,
    observed::Observed,
    state::{Shared, State},
};
use crate::{
    chain::{AccountStatus, ChainError, Done, Settlement, TransactionView, Wallet, Watch, counts_earnings},
    telemetry::{self, Role},
};
use chrysalis_settlement::{
    Address, Cell, PaymentKind, contracts,
    ledger::{ActionOutcome, ClientChainState, ClientStatus, DueAction, begin_due_actions},
    onchain::{
        Coins,
        message::{
            common::Notice,
            envelope::SignedCount,
            proxy::{ClientPayload, ProxyMessage},
            wallet::OutgoingMessage,
        },
        policy::values,
        storage::{ClientStorage, ContractState, ProxyStorage, WorkerStorage},
    },
};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// Pause between two looks at the own contract (spec §1.3).
const REFRESH_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));
/// Pause between two commits (spec §1.3).
const COMMIT_PAUSE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(60));
/// Pause between two looks while the proxy waits for the chain at its start.
const START_PAUSE: Duration = Duration::from_secs(1);
/// How long a deployment or a commit may take before it is sent again: an earlier process's order may have taken the
/// place of this one's in the wallet.
const PATIENCE_NS: u64 = 120_000_000_000;
/// Coins that the own contract is deployed with.
const DEPLOY_NANOTON: u64 = 1_000_000_000;
/// A share at least this large is paid to the owner (spec §5.4: 10 TON).
const SHARE_THRESHOLD_NANOTON: u64 = 10_000_000_000;

/// Where the proxy learns about accounts.
#[derive(Clone)]
pub enum ProxyChain {
    /// A list that never changes: nothing is deployed, committed or paid.
    Static(Arc<dyn ChainSource>),
    /// The chain.
    Live {
        /// The way to it.
        settlement: Arc<dyn Settlement>,
        /// What the proxy sends with. Somebody runs it.
        wallet: Arc<Wallet>,
    },
}

impl fmt::Debug for ProxyChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static(_) => "Static",
            Self::Live { .. } => "Live",
        })
    }
}

/// The part of a proxy that reads and writes the chain.
pub(super) struct OnChain {
    shared: Arc<Shared>,
    settlement: Arc<dyn Settlement>,
    wallet: Arc<Wallet>,
    observed: Arc<Observed>,
    session: [u8; 32],
}

impl OnChain {
    pub(super) fn new(
        shared: Arc<Shared>,
        settlement: Arc<dyn Settlement>,
        wallet: Arc<Wallet>,
        observed: Arc<Observed>,
    ) -> Self {
        let session = shared.env.random();
        Self {
            shared,
            settlement,
            wallet,
            observed,
            session,
        }
    }

    fn note(&self, text: &str) {
        telemetry::note(&self.shared.env, Role::Proxy, text);
    }

    fn contract(&self) -> Address {
        self.shared.identity.address
    }

    /// Deploys the contract if need be, and commits this session: afterwards the proxy may sign. Returns why it may not
    /// instead.
    ///
    /// # Errors
    /// The account is no proxy contract, or the ledger is not the newest.
    pub(super) async fn start(&self) -> Result<Option<Ended>, ProxyError> {
        let env = &self.shared.env;
        let mut deploy_at_ns = env.now_ns();
        loop {
            match self.settlement.state(self.contract()).await {
                Ok(account) if account.status == AccountStatus::Active => break,
                Ok(_) if self.is_superseded() => return Ok(Some(Ended::Superseded)),
                // Coins sent there would only pay its debt.
                Ok(account) if account.status == AccountStatus::Frozen => self.note("the proxy contract is frozen"),
                Ok(_) if env.now_ns() >= deploy_at_ns => {
                    self.deploy();
                    deploy_at_ns = env.now_ns() + PATIENCE_NS;
                }
                Ok(_) => {}
                Err(error) => self.note(&format!("the chain: {error}")),
            }
            env.sleep(START_PAUSE).await;
        }
        if !self.is_open().await? {
            return Ok(Some(Ended::Closed));
        }
        // First what other sessions committed, so that an old ledger is noticed before anything is sent.
        self.refresh_surely().await?;
        let mut seqno = self.commit()?;
        let mut commit_at_ns = env.now_ns() + PATIENCE_NS;
        while self.shared.lock().commits.pending.contains_key(&seqno) {
            if env.now_ns() >= commit_at_ns {
                seqno = self.commit()?;
                commit_at_ns = env.now_ns() + PATIENCE_NS;
            }
            env.sleep(START_PAUSE).await;
            self.refresh_surely().await?;
        }
        self.note("the ledger is committed to the chain");
        Ok(None)
    }

    fn deploy(&self) {
        let root = &self.shared.root;
        let settings = &self.shared.settings;
        let key = &self.shared.identity.public_key;
        let init = contracts::proxy_init(&root.codes, &root.params, &settings.owner, key, &root.root_address);
        let message = OutgoingMessage {
            bounce: false,
            dest: self.contract(),
            value: Coins::from(DEPLOY_NANOTON),
            state_init: Some(init.state_init().clone()),
            body: Notice::Empty.to_cell(),
        };
        self.note("the proxy contract is being deployed");
        drop(self.wallet.order(self.shared.env.random_u64(), message, Done::Sent));
    }

    /// Whether the contract, which must be a proxy's, is open.
    async fn is_open(&self) -> Result<bool, ProxyError> {
        loop {
            match self.storage().await {
                Ok(Some(storage)) => return Ok(storage.state == ContractState::Normal),
                Ok(None) => return Err(ProxyError::Contract("its data is not a proxy contract's".to_owned())),
                Err(error) => self.note(&format!("the chain: {error}")),
            }
            self.shared.env.sleep(START_PAUSE).await;
        }
    }

    async fn storage(&self) -> Result<Option<ProxyStorage>, ChainError> {
        let account = self.settlement.state(self.contract()).await?;
        Ok(account.data.and_then(|data| ProxyStorage::parse(&data).ok()))
    }

    async fn refresh_surely(&self) -> Result<(), ProxyError> {
        loop {
            match self.refresh().await? {
                Ok(()) => return Ok(()),
                Err(error) => self.note(&format!("the chain: {error}")),
            }
            self.shared.env.sleep(START_PAUSE).await;
        }
    }

    /// Whether the root contract has other parameters by now.
    pub(super) fn is_superseded(&self) -> bool {
        let root = self.shared.settings.root.current();
        root.proxy_address(&self.shared.settings.owner, &self.shared.identity.public_key) != self.contract()
    }

    /// Follows the chain until this instance of the proxy has to end.
    ///
    /// # Errors
    /// The ledger is not the newest.
    pub(super) async fn follow(&self) -> Result<Ended, ProxyError> {
        let env = &self.shared.env;
        let mut commit_at_ns = env.now_ns();
        let mut again_at_ns = env.now_ns();
        let mut share_order = None;
        loop {
            env.sleep(env.random_span(REFRESH_PAUSE.0, REFRESH_PAUSE.1)).await;
            if self.is_superseded() {
                return Ok(Ended::Superseded);
            }
            if let Err(error) = self.refresh().await? {
                self.note(&format!("the chain: {error}"));
                continue;
            }
            let is_confirmed = self.shared.lock().commits.pending.is_empty();
            if env.now_ns() >= if is_confirmed { commit_at_ns } else { again_at_ns } {
                if let Err(error) = self.commit() {
                    self.note(&format!("nothing is committed: {error}"));
                }
                let pause = env.random_span(COMMIT_PAUSE.0, COMMIT_PAUSE.1);
                commit_at_ns = env
                    .now_ns()
                    .saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
                again_at_ns = env.now_ns() + PATIENCE_NS;
            }
            let Ok(Some(storage)) = self.storage().await else {
                continue;
            };
            if storage.state != ContractState::Normal {
                return Ok(Ended::Closed);
            }
            self.act(&storage);
            self.take_share(&storage, &mut share_order);
        }
    }

    /// Flushes the ledger and sends the number of the flush to the own contract.
    fn commit(&self) -> Result<u32, ProxyError> {
        let seqno = self.shared.seal_for_commit(self.session)?;
        let query_id = self.shared.env.random_u64();
        let body = Notice::StateCommit {
            query_id,
            // A flush a second fills 31 bits in 68 years.
            seqno: i32::try_from(seqno).unwrap_or(i32::MAX),
            session: self.session,
        };
        let message = OutgoingMessage {
            bounce: true,
            dest: self.contract(),
            value: Coins::from(values::COMMIT_NANOTON),
            state_init: None,
            body: body.to_cell(),
        };
        drop(self.wallet.order(query_id, message, Done::Sent));
        Ok(seqno)
    }

    /// Takes in what is new on the own contract.
    async fn refresh(&self) -> Result<Result<(), ChainError>, ProxyError> {
        let after_lt = self.shared.lock().commits.last_lt;
        let mut watch = Watch::after(self.contract(), after_lt);
        let news = match watch.news(&*self.settlement).await {
            Ok(news) => news,
            Err(error) => return Ok(Err(error)),
        };
        for transaction in &news {
            self.take_in(transaction)?;
        }
        if !news.is_empty() {
            let mut state = self.shared.lock();
            state.commits.last_lt = watch.last_lt();
            state.commits_are_dirty = true;
        }
        Ok(Ok(()))
    }

    /// A message that only tells something carries one nanoTON, too little for the contract to run on: that
    /// transaction fails and the message counts all the same. One that asks for something and was refused did not
    /// happen.
    fn take_in(&self, transaction: &TransactionView) -> Result<(), ProxyError> {
        let Some(message) = transaction.incoming.as_ref() else {
            return Ok(());
        };
        let Some(source) = message.source.filter(|_| !message.is_bounced) else {
            return Ok(());
        };
        if let Ok(Some(Notice::StateCommit { seqno, session, .. })) = Notice::parse(&message.body) {
            // Anybody can send one; only the own wallet's count.
            if source == self.wallet.address() {
                self.confirm(seqno, &session)?;
            }
            return Ok(());
        }
        let (identity, root) = (&self.shared.identity, &self.shared.root);
        match ProxyMessage::parse(&message.body) {
            // Without a payload the contract takes it from anybody: only the sender's address says who it was.
            Ok(ProxyMessage::Client {
                owner, state, payload, ..
            }) if source == root.client_address(identity, &owner) => {
                let asks_nothing = matches!(payload, None | Some(ClientPayload::Register { .. }));
                if !(transaction.is_success || asks_nothing) {
                    return Ok(());
                }
                if let Some(ClientPayload::Register { nonce }) = payload {
                    self.observed.register(owner, nonce);
                }
                self.client_seen(
                    owner,
                    ClientChainState {
                        status: status(state.state),
                        balance_nanoton: state.balance.nanoton(),
                        stake_nanoton: state.stake.nanoton(),
                        tokens_used: state.tokens_used,
                        secret_hash: state.secret_hash,
                    },
                );
            }
            Ok(ProxyMessage::Worker {
                owner, tokens, payload, ..
            }) if source == root.worker_address(identity, &owner) && (transaction.is_success || payload.is_none()) => {
                self.worker_seen(owner, tokens);
            }
            _ => {}
        }
        Ok(())
    }

    fn confirm(&self, seqno: i32, sent_by: &[u8; 32]) -> Result<(), ProxyError> {
        let mut state = self.shared.lock();
        let state = &mut *state;
        if state.commits.confirm(seqno, sent_by, &self.session)? {
            // The list has held this number, so it is not negative.
            let seqno = seqno.unsigned_abs();
            state.clients.values_mut().for_each(|account| {
                account.ledger_mut().commit_to_chain(seqno);
            });
            state.workers.values_mut().for_each(|account| {
                account.ledger_mut().commit_to_chain(seqno);
            });
        }
        Ok(())
    }

    fn client_seen(&self, owner: Address, found: ClientChainState) {
        {
            let mut seen = self.observed.lock();
            let known = seen.clients.entry(owner).or_insert(found);
            if found.tokens_used < known.tokens_used {
                return;
            }
            *known = found;
        }
        let mut state = self.shared.lock();
        // Opened here if need be, so that a restart knows it: the contract's history is read once.
        if let Some(account) = self.shared.client_account(&mut state, &owner) {
            if let Err(error) = account.apply(found) {
                self.note(&format!("a client's contract: {error}"));
            }
            state.dirty.clients.insert(owner);
        }
    }

    fn worker_seen(&self, owner: Address, tokens: u64) {
        {
            let mut seen = self.observed.lock();
            let known = seen.workers.entry(owner).or_insert(tokens);
            *known = (*known).max(tokens);
        }
        let mut state = self.shared.lock();
        if let Err(error) = self.shared.worker_account(&mut state, &owner).apply(tokens) {
            self.note(&format!("a worker's contract: {error}"));
        }
        state.dirty.workers.insert(owner);
    }

    /// Starts every contract action that is due.
    fn act(&self, storage: &ProxyStorage) {
        let root = &self.shared.root;
        let due = {
            let mut state = self.shared.lock();
            let State { clients, workers, .. } = &mut *state;
            let price = root.params.prices.price_per_token_nanoton;
            let earned = counts_earnings(&root.codes.proxy().repr_hash().0).then_some(storage.earned_nanoton);
            begin_due_actions(clients, workers, price, earned)
        };
        for action in due {
            self.submit(action);
        }
    }

    fn submit(&self, action: DueAction) {
        let DueAction {
            owner,
            contract,
            kind,
            tokens,
        } = action;
        let party = match kind {
            PaymentKind::ClientCharge | PaymentKind::ClientRefund => Party::Client,
            PaymentKind::WorkerPayout | PaymentKind::WorkerLastPayout => Party::Worker,
        };
        let env = &self.shared.env;
        let key = &self.shared.settings.key;
        let query_id = env.random_u64();
        let signed = SignedCount::sign(key, kind, query_id, tokens, contract, self.wallet.address());
        let message = OutgoingMessage {
            bounce: true,
            dest: contract,
            value: Coins::from(values::CALL_NANOTON),
            state_init: None,
            body: signed.to_cell(),
        };
        let outcome = self.wallet.order(query_id, message, Done::Answered);
        let (shared, settlement, observed) = (self.shared.clone(), self.settlement.clone(), self.observed.clone());
        env.spawn("proxy: contract action", async move {
            let outcome = outcome.await.unwrap_or(ActionOutcome::Failed);
            // What the contract holds now decides, whatever the answer was: a count that it has is not sent again.
            let found = settlement.state(contract).await;
            let data = found.ok().and_then(|account| account.data);
            finish(&shared, &observed, party, owner, data.as_ref(), outcome);
        });
    }

    /// Has the proxy's share paid to its owner when it is worth it.
    fn take_share(&self, storage: &ProxyStorage, running: &mut Option<oneshot::Receiver<ActionOutcome>>) {
        if let Some(order) = running {
            match order.try_recv() {
                Err(TryRecvError::Empty) => return,
                Ok(_) | Err(TryRecvError::Closed) => *running = None,
            }
        }
        if storage.balance_nanoton >= SHARE_THRESHOLD_NANOTON {
            let query_id = self.shared.env.random_u64();
            let body = ProxyMessage::Payout {
                query_id,
                excesses: self.wallet.address(),
            };
            let message = OutgoingMessage {
                bounce: true,
                dest: self.contract(),
                value: Coins::from(values::PROXY_PAYOUT_NANOTON),
                state_init: None,
                body: body.to_cell(),
            };
            *running = Some(self.wallet.order(query_id, message, Done::Answered));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Party {
    Client,
    Worker,
}

fn finish(
    shared: &Shared,
    observed: &Observed,
    party: Party,
    owner: Address,
    data: Option<&Cell>,
    outcome: ActionOutcome,
) {
    let mut state = shared.lock();
    let state = &mut *state;
    let trouble = match party {
        Party::Client => state.clients.get_mut(&owner).and_then(|account| {
            let found = data.and_then(|data| ClientStorage::parse(data).ok());
            let applied = found.map(|storage| {
                let found = ClientChainState {
                    status: status(storage.state),
                    balance_nanoton: storage.balance_nanoton.into(),
                    stake_nanoton: storage.stake_nanoton.into(),
                    tokens_used: storage.tokens_used,
                    secret_hash: storage.secret_hash,
                };
                observed.lock().clients.insert(owner, found);
                account.apply(found)
            });
            account.finish_action(outcome);
            state.dirty.clients.insert(owner);
            applied.and_then(Result::err)
        }),
        Party::Worker => state.workers.get_mut(&owner).and_then(|account| {
            let found = data.and_then(|data| WorkerStorage::parse(data).ok());
            let applied = found.map(|storage| account.apply(storage.tokens));
            account.finish_action(outcome);
            state.dirty.workers.insert(owner);
            applied.and_then(Result::err)
        }),
    };
    if let Some(error) = trouble {
        telemetry::note(&shared.env, Role::Proxy, &format!("a contract: {error}"));
    }
}

const fn status(state: ContractState) -> ClientStatus {
    match state {
        ContractState::Normal => ClientStatus::Normal,
        ContractState::Closing => ClientStatus::Closing,
        ContractState::Closed => ClientStatus::Closed,
    }
}
