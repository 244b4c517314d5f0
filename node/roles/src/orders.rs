//! What an operator asks of a running node.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Orders on their way to a node. Each is carried out once, in the order in which they were given; what is not begun
/// when the node stops is forgotten.
#[derive(Debug)]
pub struct Orders<O> {
    orders: Mutex<VecDeque<O>>,
    given: Notify,
}

impl<O> Default for Orders<O> {
    fn default() -> Self {
        Self {
            orders: Mutex::default(),
            given: Notify::new(),
        }
    }
}

impl<O: PartialEq> Orders<O> {
    /// Gives an order.
    pub fn ask(&self, order: O) {
        let mut orders = self.lock();
        // The same again changes nothing.
        if orders.back() != Some(&order) {
            orders.push_back(order);
        }
        self.given.notify_one();
    }

    /// The next order, when there is one.
    pub(crate) async fn next(&self) -> O {
        loop {
            let first = self.lock().pop_front();
            match first {
                Some(order) => return order,
                None => self.given.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<O>> {
        // Critical sections are single operations of the queue.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::Future as _,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    #[test]
    fn orders_come_once_and_in_their_order() {
        let orders = Orders::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut next = || pin!(orders.next()).poll(&mut context);
        assert_eq!(next(), Poll::Pending);
        for order in ["disable", "disable", "enable"] {
            orders.ask(order);
        }
        assert_eq!(next(), Poll::Ready("disable"));
        assert_eq!(next(), Poll::Ready("enable"));
        assert_eq!(next(), Poll::Pending);
    }
}
