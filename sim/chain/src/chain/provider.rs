//! What a reader is told: a provider may be behind, or lie.

use std::sync::Arc;

use tycho_types::cell::{Cell, Lazy};
use tycho_types::models::{AccountState, OptionalAccount, StdAddr};
use tycho_types::num::Tokens;

use super::state::State;
use super::{AccountEntry, BlockRef, Chain, ReadError, TxRecord, collator};
use crate::exec::{Config, GetMethodResult, StackValue, run_get_method};

/// Which state a provider reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// The latest.
    #[default]
    Latest,
    /// The last that is final.
    Final,
    /// So many masterchain blocks before the latest (as far back as states are kept).
    Stale(usize),
}

/// What a lying provider says of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lie {
    /// It has another balance in nano.
    Balance(u128),
    /// It has other data.
    Data(Cell),
    /// It does not exist.
    Missing,
}

/// A reader's view of a chain.
#[derive(Debug, Clone, Default)]
pub struct Provider {
    view: View,
    lies: Vec<(StdAddr, Lie)>,
}

impl Provider {
    /// An honest provider with this view.
    #[must_use]
    pub const fn new(view: View) -> Self {
        Self { view, lies: Vec::new() }
    }

    /// The same provider, lying about one more account.
    #[must_use]
    pub fn lying(mut self, address: StdAddr, lie: Lie) -> Self {
        self.lies.push((address, lie));
        self
    }

    fn state<'a>(&self, chain: &'a Chain) -> &'a State {
        let kept = match self.view {
            View::Latest => None,
            View::Final => {
                let mut states = chain.kept.iter().rev();
                states
                    .find(|kept| kept.final_at_ns <= chain.state.now_ns)
                    .or_else(|| chain.kept.front())
            }
            View::Stale(blocks) => chain.kept.iter().rev().nth(blocks).or_else(|| chain.kept.front()),
        };
        kept.map_or(&chain.state, |kept| &kept.state)
    }

    /// Unix time of the state that is read.
    #[must_use]
    pub fn now_unix_s(&self, chain: &Chain) -> u32 {
        collator::unix_s(&chain.genesis, self.state(chain).now_ns)
    }

    /// Last masterchain block of the state that is read.
    #[must_use]
    pub fn masterchain_block(&self, chain: &Chain) -> Option<BlockRef> {
        self.state(chain).last_masterchain_block()
    }

    /// Shards of workchain 0 in the state that is read: their last blocks.
    #[must_use]
    pub fn shard_blocks(&self, chain: &Chain) -> Vec<BlockRef> {
        let shards = self
            .state(chain)
            .shards
            .values()
            .filter(|shard| shard.ident.workchain() == 0);
        shards.flat_map(|shard| shard.previous.clone()).collect()
    }

    /// An account as the provider tells it.
    pub fn account(&self, chain: &Chain, address: &StdAddr) -> Result<Option<Arc<AccountEntry>>, ReadError> {
        let entry = self.state(chain).accounts.get(address).cloned();
        let Some((_, lie)) = self.lies.iter().find(|(about, _)| about == address) else {
            return Ok(entry);
        };
        let Some(entry) = entry else {
            return Ok(None);
        };
        let Some(mut account) = entry.account()? else {
            return Ok(None);
        };
        match lie {
            Lie::Missing => return Ok(None),
            Lie::Balance(nanoton) => account.balance.tokens = Tokens::new(*nanoton),
            Lie::Data(data) => {
                if let AccountState::Active(state) = &mut account.state {
                    state.data = Some(data.clone());
                }
            }
        }
        let mut state = entry.state.clone();
        state.account = Lazy::new(&OptionalAccount(Some(account)))?;
        Ok(Some(Arc::new(AccountEntry::from_shard_account(state)?)))
    }

    /// Transactions of an account in the state that is read; see [`Chain::transactions`].
    #[must_use]
    pub fn transactions(
        &self,
        chain: &Chain,
        address: &StdAddr,
        from_lt: Option<u64>,
        limit: usize,
    ) -> Vec<Arc<TxRecord>> {
        self.state(chain).history.last_of(address, from_lt, limit)
    }

    /// The configuration in the state that is read.
    #[must_use]
    pub fn config(&self, chain: &Chain) -> Arc<Config> {
        self.state(chain).config.clone()
    }

    /// Runs a get-method on the account as the provider tells it.
    pub fn get_method(
        &self,
        chain: &Chain,
        address: &StdAddr,
        method: u32,
        arguments: &[StackValue],
    ) -> Result<GetMethodResult, ReadError> {
        let entry = self.account(chain, address)?.ok_or(ReadError::NoAccount)?;
        let account = entry.account()?.ok_or(ReadError::NoAccount)?;
        let config = &self.state(chain).config;
        Ok(run_get_method(
            config,
            &account,
            method,
            arguments,
            self.now_unix_s(chain),
        )?)
    }
}
