//! A chain for tests of what reads one: it answers questions for transactions as the test says, and nothing else.

use super::{AccountView, ChainError, Settlement, TransactionView};
use chrysalis_env::BoxFuture;
use chrysalis_settlement::{Address, Cell};
use std::{
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

/// Transactions of an account after a logical time.
type Answer = dyn FnMut(Address, u64) -> Vec<TransactionView> + Send;

/// A chain that answers from a closure.
pub(crate) struct Script(Mutex<Box<Answer>>);

impl Script {
    pub(crate) fn new(answer: impl FnMut(Address, u64) -> Vec<TransactionView> + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(answer)))
    }
}

/// A transaction without messages.
pub(crate) fn transaction(lt: u64) -> TransactionView {
    TransactionView {
        lt,
        previous_lt: 0,
        previous_hash: [0; 32],
        hash: [0; 32],
        unix_s: 0,
        is_success: true,
        incoming: None,
        outgoing: Vec::new(),
    }
}

/// The value of a future that waits for nothing but a [`Script`].
pub(crate) fn value<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing waits here"),
    }
}

impl Settlement for Script {
    fn now(&self) -> BoxFuture<'static, Result<u64, ChainError>> {
        Box::pin(async { Ok(0) })
    }

    fn state(&self, _address: Address) -> BoxFuture<'static, Result<AccountView, ChainError>> {
        Box::pin(async { Err(ChainError::ReadOnly) })
    }

    fn transactions(
        &self,
        address: Address,
        after_lt: u64,
    ) -> BoxFuture<'static, Result<Vec<TransactionView>, ChainError>> {
        let found = self.0.lock().unwrap()(address, after_lt);
        Box::pin(async { Ok(found) })
    }

    fn submit(&self, _message: Cell) -> BoxFuture<'static, Result<(), ChainError>> {
        Box::pin(async { Err(ChainError::ReadOnly) })
    }
}
