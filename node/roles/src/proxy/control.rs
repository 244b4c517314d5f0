//! What an operator asks of a running proxy (spec §4.7).

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// An order of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyOrder {
    /// Serve nobody: connections end, accounts are settled on the chain, and the contract is closed. This lasts over
    /// restarts, until the proxy is enabled again and the root's parameters change.
    Disable,
    /// Serve again as soon as the root's parameters change. Accounts that are being settled are settled.
    Enable,
}

impl ProxyOrder {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Disable, Self::Enable];

    /// Name in paths and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

/// Orders on their way to a proxy. Each is carried out once, in the order in which they were given; what is not begun
/// when the node stops is forgotten.
#[derive(Debug, Default)]
pub struct ProxyControl {
    orders: Mutex<VecDeque<ProxyOrder>>,
    given: Notify,
}

impl ProxyControl {
    /// Gives an order.
    pub fn ask(&self, order: ProxyOrder) {
        let mut orders = self.lock();
        // The same again changes nothing.
        if orders.back() != Some(&order) {
            orders.push_back(order);
        }
        self.given.notify_one();
    }

    /// The next order, when there is one.
    pub(crate) async fn next(&self) -> ProxyOrder {
        loop {
            let first = self.lock().pop_front();
            match first {
                Some(order) => return order,
                None => self.given.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<ProxyOrder>> {
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
        let control = ProxyControl::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut next = || pin!(control.next()).poll(&mut context);
        assert_eq!(next(), Poll::Pending);
        for order in [ProxyOrder::Disable, ProxyOrder::Disable, ProxyOrder::Enable] {
            control.ask(order);
        }
        assert_eq!(next(), Poll::Ready(ProxyOrder::Disable));
        assert_eq!(next(), Poll::Ready(ProxyOrder::Enable));
        assert_eq!(next(), Poll::Pending);
    }
}
