//! A way to the chain that does not go back: answers about an account that overtook each other, or come from servers of
//! which one is behind, must not undo what a node knows.

use super::{AccountView, ChainError, Settlement, TransactionView};
use chrysalis_env::{BoxFuture, Env};
use chrysalis_settlement::{Address, Cell};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How long an older answer is refused. Answers overtake each other by seconds; a service that once named a time in the
/// future, by mistake or on purpose, must not be deaf for ever.
const MEMORY_S: u64 = 60;
/// Accounts that are remembered; with more of them all are forgotten.
const MAX_ACCOUNTS: usize = 65_536;

/// The newest answer about an account: its logical time, and when it came in Unix seconds.
type Seen = BTreeMap<Address, (u64, u64)>;

/// Refuses states that are older than one that was told in the last minute. An account that is said to be absent has no
/// logical time, and is believed.
pub struct Newest {
    env: Env,
    chain: Arc<dyn Settlement>,
    seen: Arc<Mutex<Seen>>,
}

impl Newest {
    /// Stands before `chain`.
    pub fn new(env: Env, chain: Arc<dyn Settlement>) -> Self {
        Self {
            env,
            chain,
            seen: Arc::default(),
        }
    }
}

fn check(seen: &mut Seen, address: Address, view: AccountView, now_s: u64) -> Result<AccountView, ChainError> {
    if view.last_lt == 0 {
        return Ok(view);
    }
    match seen.get(&address) {
        Some((lt, at_s)) if view.last_lt < *lt && now_s.saturating_sub(*at_s) < MEMORY_S => Err(ChainError::Older),
        _ => {
            if seen.len() >= MAX_ACCOUNTS {
                seen.clear();
            }
            seen.insert(address, (view.last_lt, now_s));
            Ok(view)
        }
    }
}

impl Settlement for Newest {
    fn now(&self) -> BoxFuture<'static, Result<u64, ChainError>> {
        self.chain.now()
    }

    fn state(&self, address: Address) -> BoxFuture<'static, Result<AccountView, ChainError>> {
        let (env, seen, answer) = (self.env.clone(), self.seen.clone(), self.chain.state(address));
        Box::pin(async move {
            let view = answer.await?;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            check(&mut seen, address, view, env.unix_s())
        })
    }

    fn transactions(
        &self,
        address: Address,
        after_lt: u64,
    ) -> BoxFuture<'static, Result<Vec<TransactionView>, ChainError>> {
        self.chain.transactions(address, after_lt)
    }

    fn submit(&self, message: Cell) -> BoxFuture<'static, Result<(), ChainError>> {
        self.chain.submit(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::AccountStatus;

    #[test]
    fn an_older_answer_is_refused_for_a_while_and_about_its_account_only() {
        let (one, other) = (Address::new(0, [1; 32]), Address::new(0, [2; 32]));
        let view = |last_lt| AccountView {
            status: AccountStatus::Active,
            balance_nanoton: 1,
            code_hash: None,
            data: None,
            last_lt,
        };
        let mut seen = Seen::new();
        let mut told = |address, lt, now_s| check(&mut seen, address, view(lt), now_s).map(|view| view.last_lt);
        assert_eq!(told(one, 5, 1_000), Ok(5));
        assert_eq!(told(one, 5, 1_001), Ok(5));
        assert_eq!(told(one, 9, 1_002), Ok(9));
        assert_eq!(told(one, 5, 1_003), Err(ChainError::Older));
        assert_eq!(told(other, 5, 1_003), Ok(5));
        // Absent.
        assert_eq!(told(one, 0, 1_004), Ok(0));
        assert_eq!(told(one, 8, 1_061), Err(ChainError::Older));
        // Nothing newer was heard of for a minute: the newest was wrong.
        assert_eq!(told(one, 8, 1_062), Ok(8));
        assert_eq!(told(one, 9, 1_063), Ok(9));
    }
}
