//! The simulated chain in a world: it makes its blocks in the world's time, and nodes reach it as they would reach a
//! real one, through an access that can be slow, behind, or lie.

mod genesis;
mod onchain;
mod watch;

pub(crate) use onchain::{ADVERSARY, OnChain, PARTIES, nodes, owner_address, owner_wallet, party_name};

use chrysalis_chain::{
    BlockEvent, Cell, Chain, Provider, StdAddr,
    chain::{Message, TxRecord},
};
use chrysalis_env::{BoxFuture, Env};
use chrysalis_node::chain::{AccountStatus, AccountView, ChainError, Newest, Settlement, TransactionView};
use chrysalis_settlement::Address;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tycho_types::{boc::Boc, cell::CellBuilder, error::Error as CellError, models::AccountState};
use watch::Watch;

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
    async fn keep_going(self: Arc<Self>, env: Env, mut watch: Watch) -> String {
        let start_ns = env.now_ns();
        loop {
            let next_ns = self.lock().next_block_at_ns();
            let at_ns = start_ns.saturating_add(next_ns);
            env.sleep_until(at_ns).await;
            let mut chain = self.lock();
            let events = match chain.advance(next_ns) {
                Ok(events) => events,
                Err(error) => return error.to_string(),
            };
            let blocks: Vec<_> = events.into_iter().filter_map(BlockEvent::into_block).collect();
            if !watch.slot(&chain, at_ns, &blocks) {
                return "the chain is not what a chain must be".to_owned();
            }
        }
    }

    /// A way to the chain for the node of `env`, which takes `delay` for a question and its answer.
    pub(crate) fn access(self: &Arc<Self>, env: Env, provider: Provider, delay: Duration) -> Arc<dyn Settlement> {
        let access = Access(Arc::new(Reach {
            env: env.clone(),
            chain: self.clone(),
            provider,
            delay,
        }));
        Arc::new(Newest::new(env, Arc::new(access)))
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

/// The body of a message as a cell of its own.
fn body_of(message: &Message) -> Result<Cell, CellError> {
    let mut body = CellBuilder::new();
    body.store_slice(message.body()?)?;
    body.build()
}

fn transaction(record: &TxRecord) -> Result<TransactionView, ChainError> {
    TransactionView::parse(&record.cell, &from_std(&record.address)).map_err(unreadable)
}
