//! The simulated chain in a world: it makes its blocks in the world's time, and nodes reach it as they would reach a
//! real one, through an access that can be slow, behind, or lie.

use crate::{
    deployment::{DeployError, address_of, named_hash},
    plan::{ContractBuild, FeePlan, Plan, SettlementPlan},
    recorder::{ChainTransaction, Recorder, hex},
};
use chrysalis_chain::{
    BlockEvent, Cell, Chain, Genesis, Provider, StdAddr,
    chain::{GenesisAccount, Message, TxRecord, invariant::MessageLedger, state_init},
    exec::FeeSchedule,
};
use chrysalis_env::{BoxFuture, Env};
use chrysalis_node::{
    chain::{AccountStatus, AccountView, ChainError, ChainRoot, Settlement, TransactionView, Wallet},
    shutdown::shutdown_pair,
    telemetry::Role,
};
use chrysalis_settlement::{
    Address, Params, RootConfig, RootSource, SigningKey,
    ledger::LedgerPolicy,
    onchain::{
        CodeProfile, CodeSet,
        storage::{Registry, RootStorage, WalletStorage},
    },
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tycho_types::{boc::Boc, models::AccountState};

/// Transactions that one question returns at most; readers ask again.
const PAGE: usize = 256;

/// The address as the chain's library has it.
pub(crate) fn to_std(address: &Address) -> StdAddr {
    StdAddr::new(address.workchain(), (*address.hash()).into())
}

/// The address as nodes have it.
pub(crate) fn from_std(address: &StdAddr) -> Address {
    Address::new(address.workchain, address.address.0)
}

/// One chain, shared by everybody in a world.
pub(crate) struct SharedChain {
    chain: Mutex<Chain>,
}

impl SharedChain {
    pub(crate) fn new(chain: Chain) -> Arc<Self> {
        Arc::new(Self {
            chain: Mutex::new(chain),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Chain> {
        // A panic inside would be a defect of the chain; a run ends with it.
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes blocks when they are due, for as long as it is polled, and looks after each whether coins, messages and
    /// logical time are as they must be. Ends with what was wrong.
    pub(crate) async fn keep_going(self: Arc<Self>, env: Env, recorder: Arc<Recorder>) -> String {
        let start_ns = env.now_ns();
        let mut messages = MessageLedger::default();
        loop {
            let next_ns = self.lock().next_block_at_ns();
            env.sleep_until(start_ns.saturating_add(next_ns)).await;
            let mut chain = self.lock();
            let events = match chain.advance(next_ns) {
                Ok(events) => events,
                Err(error) => return error.to_string(),
            };
            let mut has_transactions = false;
            for event in &events {
                if let BlockEvent::Block(block) = event {
                    if let Err(violation) = messages.follow(block) {
                        return violation.to_string();
                    }
                    has_transactions |= !block.transactions.is_empty();
                    block.transactions.iter().for_each(|record| {
                        recorder.transaction(row(start_ns.saturating_add(next_ns), record));
                    });
                }
            }
            // A block without transactions moves no coins.
            if has_transactions && let Err(violation) = chain.audit() {
                return violation.to_string();
            }
        }
    }

    /// A way to the chain for the node of `env`, which takes `delay` for a question and its answer.
    pub(crate) fn access(self: &Arc<Self>, env: Env, provider: Provider, delay: Duration) -> Arc<dyn Settlement> {
        Arc::new(Access(Arc::new(Reach {
            env,
            chain: self.clone(),
            provider,
            delay,
        })))
    }
}

struct Reach {
    env: Env,
    chain: Arc<SharedChain>,
    provider: Provider,
    delay: Duration,
}

struct Access(Arc<Reach>);

impl Access {
    /// What `read` finds half a delay from now, told a delay from now.
    fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reach) -> Result<T, ChainError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ChainError>> {
        let reach = self.0.clone();
        Box::pin(async move {
            let half = reach.delay / 2;
            reach.env.sleep(half).await;
            let answer = read(&reach);
            reach.env.sleep(half).await;
            answer
        })
    }
}

impl Settlement for Access {
    fn now(&self) -> BoxFuture<'static, Result<u64, ChainError>> {
        self.ask(|reach| Ok(reach.provider.now_unix_s(&reach.chain.lock()).into()))
    }

    fn state(&self, address: Address) -> BoxFuture<'static, Result<AccountView, ChainError>> {
        self.ask(move |reach| account(&reach.provider, &reach.chain.lock(), &address))
    }

    fn transactions(
        &self,
        address: Address,
        after_lt: u64,
    ) -> BoxFuture<'static, Result<Vec<TransactionView>, ChainError>> {
        self.ask(move |reach| {
            let until_unix_s = {
                let chain = reach.chain.lock();
                reach.provider.now_unix_s(&chain)
            };
            let chain = reach.chain.lock();
            let found = chain.transactions_after(&to_std(&address), after_lt, PAGE);
            let known = found.iter().take_while(|record| record.now_unix_s <= until_unix_s);
            known.map(|record| transaction(record)).collect()
        })
    }

    fn submit(&self, message: Cell) -> BoxFuture<'static, Result<(), ChainError>> {
        self.ask(move |reach| {
            let boc = Boc::encode(&message);
            let taken = reach.chain.lock().submit(&boc);
            taken
                .map(|_hash| ())
                .map_err(|refused| ChainError::Refused(refused.to_string()))
        })
    }
}

fn row(at_ns: u64, record: &TxRecord) -> ChainTransaction {
    let incoming = record.in_message.as_deref();
    ChainTransaction {
        at_ns,
        account: from_std(&record.address).to_string(),
        lt: record.lt,
        hash: hex(&record.hash.0),
        source: incoming.and_then(|message| Some(from_std(message.from()?).to_string())),
        op: incoming.and_then(|message| message.op),
        value_nanoton: incoming.map_or(0, Message::value_nanoton),
        sent_nanoton: record.out_messages.iter().map(|message| message.value_nanoton()).sum(),
        is_success: !record.phases.aborted,
        exit_code: record.phases.exit_code,
        action_code: record.phases.action_code,
        gas_used: record.phases.gas_used,
        fees_nanoton: record.total_fees_nanoton,
    }
}

fn unreadable(error: impl std::fmt::Display) -> ChainError {
    ChainError::Unreachable(error.to_string())
}

fn account(provider: &Provider, chain: &Chain, address: &Address) -> Result<AccountView, ChainError> {
    let entry = provider.account(chain, &to_std(address)).map_err(unreadable)?;
    let account = entry
        .map(|entry| entry.account())
        .transpose()
        .map_err(unreadable)?
        .flatten();
    let Some(account) = account else {
        return Ok(AccountView {
            status: AccountStatus::Absent,
            balance_nanoton: 0,
            code_hash: None,
            data: None,
            last_lt: 0,
        });
    };
    let (status, code_hash, data) = match account.state {
        AccountState::Uninit => (AccountStatus::Uninit, None, None),
        AccountState::Frozen(_) => (AccountStatus::Frozen, None, None),
        AccountState::Active(state) => (
            AccountStatus::Active,
            state.code.as_ref().map(|code| code.repr_hash().0),
            state.data,
        ),
    };
    Ok(AccountView {
        status,
        balance_nanoton: account.balance.tokens.into_inner(),
        code_hash,
        data,
        last_lt: account.last_trans_lt,
    })
}

fn transaction(record: &TxRecord) -> Result<TransactionView, ChainError> {
    TransactionView::parse(&record.cell, &from_std(&record.address)).map_err(unreadable)
}

/// The chain of a deployment, and what nodes need to use it.
pub(crate) struct OnChain {
    pub(crate) chain: Arc<SharedChain>,
    codes: &'static CodeSet,
    access: Duration,
    pub(crate) ledger: LedgerPolicy,
}

impl OnChain {
    /// The chain as it begins: the root contract, and coins for every node's wallet.
    pub(crate) fn new(
        plan: &Plan,
        settlement: &SettlementPlan,
        params: Params,
        registry: Registry,
    ) -> Result<(RootConfig, Self), DeployError> {
        let codes = CodeSet::builtin(match settlement.contracts {
            ContractBuild::Reference => CodeProfile::Reference,
            ContractBuild::Hardened => CodeProfile::Hardened,
        });
        let fees = match settlement.fees {
            FeePlan::Old => FeeSchedule::old(),
            FeePlan::New => FeeSchedule::new(),
        };
        let start_unix_s = u32::try_from(plan.start_unix_s).map_err(|_| DeployError::Date)?;
        let mut genesis = Genesis::with_fees(&fees)?;
        genesis.start_unix_s = start_unix_s;
        genesis.seed = named_hash("chain", &plan.seed.to_string());
        let storage = RootStorage {
            version: 1,
            registry,
            ..RootStorage::initial(address_of("root owner", ""), params, codes.contracts())
        };
        let init = storage.init(codes);
        let root = storage.to_config(init.address())?;
        genesis.accounts.push(GenesisAccount {
            address: to_std(&init.address()),
            balance_nanoton: 1_000_000_000,
            state: Some(state_init(init.code().clone(), init.data().clone())),
        });
        let onchain = |chain| Self {
            chain: SharedChain::new(chain),
            codes,
            access: Duration::from_nanos(settlement.access_ns),
            ledger: LedgerPolicy {
                charge_threshold_nanoton: settlement.charge_threshold_nanoton.into(),
                payout_threshold_nanoton: settlement.payout_threshold_nanoton.into(),
                ..LedgerPolicy::SOUND
            },
        };
        let nodes = plan.proxies.iter().map(|proxy| &proxy.node);
        let nodes = nodes.chain(plan.workers.iter().map(|worker| &worker.node));
        for node in nodes.chain(plan.clients.iter().map(|client| &client.node)) {
            let key = Self::wallet_key(&node.name).public();
            let wallet = WalletStorage::initial(key, Self::wallet_owner(&node.name)).init(codes);
            genesis.accounts.push(GenesisAccount {
                address: to_std(&wallet.address()),
                balance_nanoton: settlement.wallet_nanoton.into(),
                state: None,
            });
        }
        Ok((root, onchain(Chain::new(genesis)?)))
    }

    fn wallet_key(name: &str) -> SigningKey {
        SigningKey::from_seed(&named_hash("wallet key", name))
    }

    fn wallet_owner(name: &str) -> Address {
        address_of("wallet owner", name)
    }

    /// Address of the wallet of a node.
    pub(crate) fn wallet_address(&self, name: &str) -> Address {
        let key = Self::wallet_key(name).public();
        WalletStorage::initial(key, Self::wallet_owner(name))
            .init(self.codes)
            .address()
    }

    pub(crate) fn settlement(&self, env: &Env) -> Arc<dyn Settlement> {
        self.chain.access(env.clone(), Provider::default(), self.access)
    }

    /// A running wallet of the node of `env`.
    pub(crate) fn wallet(&self, env: &Env, role: Role, settlement: &Arc<dyn Settlement>) -> Arc<Wallet> {
        let name = env.node_name();
        let key = Arc::new(Self::wallet_key(name));
        let owner = Self::wallet_owner(name);
        let wallet = Wallet::new(env.clone(), role, settlement.clone(), key, owner, self.codes);
        let wallet = Arc::new(wallet);
        // A simulated node ends with its world or is killed: nothing asks its wallet to stop.
        let (_trigger, shutdown) = shutdown_pair();
        env.spawn("wallet", wallet.clone().run(shutdown));
        wallet
    }

    /// The root contract as a node follows it.
    pub(crate) fn root(&self, env: &Env, role: Role, known: &RootConfig) -> Arc<dyn RootSource> {
        let root = Arc::new(ChainRoot::known(
            known.clone(),
            self.settlement(env),
            known.params.is_test,
        ));
        let (_trigger, shutdown) = shutdown_pair();
        env.spawn("root contract", root.clone().keep_fresh(env.clone(), role, shutdown));
        root
    }
}
