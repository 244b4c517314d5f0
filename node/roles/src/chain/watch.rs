//! An account's transactions in order, each once.

use super::{ChainError, Settlement, TransactionView};
use chrysalis_settlement::Address;

/// Remembers how far an account was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    address: Address,
    last_lt: u64,
}

impl Watch {
    /// From the account's first transaction on.
    pub const fn from_start(address: Address) -> Self {
        Self { address, last_lt: 0 }
    }

    /// From what comes after `last_lt`.
    pub const fn after(address: Address, last_lt: u64) -> Self {
        Self { address, last_lt }
    }

    /// The account.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Logical time up to which the account was read.
    pub const fn last_lt(&self) -> u64 {
        self.last_lt
    }

    /// What is new, oldest first. What is out of order or was seen before is left out: a provider that is behind, or
    /// repeats itself, shows nothing new.
    ///
    /// # Errors
    /// The chain does not answer; what came before the error is not lost, since nothing was taken.
    pub async fn news(&mut self, chain: &dyn Settlement) -> Result<Vec<TransactionView>, ChainError> {
        let found = chain.transactions(self.address, self.last_lt).await?;
        let mut news = Vec::with_capacity(found.len());
        for transaction in found {
            if transaction.lt > self.last_lt {
                self.last_lt = transaction.lt;
                news.push(transaction);
            }
        }
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::AccountView;
    use chrysalis_env::BoxFuture;
    use chrysalis_settlement::Cell;
    use std::{
        sync::Mutex,
        task::{Context, Poll, Waker},
    };

    /// Answers with one list after the other.
    struct Script(Mutex<Vec<Vec<u64>>>);

    impl Settlement for Script {
        fn now(&self) -> BoxFuture<'static, Result<u64, ChainError>> {
            Box::pin(async { Ok(0) })
        }

        fn state(&self, _address: Address) -> BoxFuture<'static, Result<AccountView, ChainError>> {
            Box::pin(async { Err(ChainError::ReadOnly) })
        }

        fn transactions(
            &self,
            _address: Address,
            _after_lt: u64,
        ) -> BoxFuture<'static, Result<Vec<TransactionView>, ChainError>> {
            let lts = self.0.lock().unwrap().remove(0);
            let view = |lt| TransactionView {
                lt,
                previous_lt: 0,
                previous_hash: [0; 32],
                hash: [0; 32],
                unix_s: 0,
                is_success: true,
                incoming: None,
                outgoing: Vec::new(),
            };
            Box::pin(async move { Ok(lts.into_iter().map(view).collect()) })
        }

        fn submit(&self, _message: Cell) -> BoxFuture<'static, Result<(), ChainError>> {
            Box::pin(async { Err(ChainError::ReadOnly) })
        }
    }

    #[test]
    fn each_transaction_is_seen_once_and_in_order() {
        let script = Script(Mutex::new(vec![
            vec![1, 3],
            // Behind, then a repetition, then out of order.
            vec![1],
            vec![3, 7, 5, 9],
            vec![],
        ]));
        let mut watch = Watch::from_start(Address::new(0, [1; 32]));
        let mut seen = Vec::new();
        for _ in 0..4 {
            let news = std::pin::pin!(watch.news(&script));
            let Poll::Ready(news) = news.poll(&mut Context::from_waker(Waker::noop())) else {
                panic!("nothing waits here");
            };
            seen.push(news.unwrap().iter().map(|news| news.lt).collect::<Vec<_>>());
        }
        assert_eq!(seen, [vec![1, 3], vec![], vec![7, 9], vec![]]);
        assert_eq!(watch.last_lt(), 9);
    }
}
