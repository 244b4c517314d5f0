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
    use crate::chain::script::{Script, transaction, value};

    #[test]
    fn each_transaction_is_seen_once_and_in_order() {
        // Behind, then a repetition, then out of order.
        let mut answers = [vec![1, 3], vec![1], vec![3, 7, 5, 9], vec![]].into_iter();
        let script = Script::new(move |_, _| answers.next().unwrap().into_iter().map(transaction).collect());
        let mut watch = Watch::from_start(Address::new(0, [1; 32]));
        let seen = [(); 4].map(|()| {
            let news = value(watch.news(&script)).unwrap();
            news.iter().map(|news| news.lt).collect::<Vec<_>>()
        });
        assert_eq!(seen, [vec![1, 3], vec![], vec![7, 9], vec![]]);
        assert_eq!(watch.last_lt(), 9);
    }
}
