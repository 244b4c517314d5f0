//! Which answer belongs to which query, and how long an asker waits for it (spec §1.3, §1.5, §2.6).

use crate::{
    objects::{
        AuthorizationWithProxy, ClientAuthorizeWithProxyLong, ClientAuthorizeWithProxyShort, ClientConnectToProxy,
        ClientConnectedToProxy, ClientGetWorkerTypes, ClientGetWorkerTypesV2, ClientPaymentStatus, ClientRequestRefund,
        ClientUpdatePaymentStatus, ClientWorkerTypes, ClientWorkerTypesV2, KeyManagerGetProxyPrivateKeys,
        KeyManagerGetWorkerPrivateKeys, KeyManagerPrivateKeys, Refund, TestAnswer, TestQuery,
        WorkerCompareBalanceWithProxy, WorkerCompareBalanceWithProxyResult, WorkerConnectToProxy,
        WorkerConnectedToProxy, WorkerExtendedCompareBalanceWithProxy, WorkerExtendedCompareBalanceWithProxyResult,
        WorkerPaymentStatus, WorkerProxyHandshakeComplete, WorkerProxyHandshakeCompleted, WorkerUpdatePaymentStatus,
    },
    tl::{Boxed, TlObject},
};

/// What a query is about; its time-out depends on that alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueryPurpose {
    /// A step of the application handshake.
    Handshake,
    /// A client's proof that it owns its account; the long way waits for the chain.
    Authorization,
    /// The periodic poll for payments.
    PaymentStatus,
    /// Models on offer.
    WorkerTypes,
    /// Keys of the key manager; the reference names no time-out, so the one of a handshake holds.
    Keys,
}

/// A constructor that is asked with `tcp.query`.
pub trait Query: TlObject {
    /// What is answered.
    type Answer: Boxed;
    /// What it is about.
    const PURPOSE: QueryPurpose;
}

/// How long an asker waits, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryTimeouts {
    /// For [`QueryPurpose::Handshake`] and [`QueryPurpose::Keys`].
    pub handshake_ns: u64,
    /// For [`QueryPurpose::Authorization`].
    pub authorization_ns: u64,
    /// For [`QueryPurpose::PaymentStatus`].
    pub payment_status_ns: u64,
    /// For [`QueryPurpose::WorkerTypes`].
    pub worker_types_ns: u64,
}

impl Default for QueryTimeouts {
    /// Those of the reference.
    fn default() -> Self {
        const S: u64 = 1_000_000_000;
        Self {
            handshake_ns: 30 * S,
            authorization_ns: 300 * S,
            payment_status_ns: 60 * S,
            worker_types_ns: 10 * S,
        }
    }
}

impl QueryTimeouts {
    /// The time-out of a query, nanoseconds.
    pub const fn of(&self, purpose: QueryPurpose) -> u64 {
        match purpose {
            QueryPurpose::Handshake | QueryPurpose::Keys => self.handshake_ns,
            QueryPurpose::Authorization => self.authorization_ns,
            QueryPurpose::PaymentStatus => self.payment_status_ns,
            QueryPurpose::WorkerTypes => self.worker_types_ns,
        }
    }
}

macro_rules! answers {
    ($($query:ty => $answer:ty, $purpose:ident;)*) => {$(
        impl Query for $query {
            type Answer = $answer;
            const PURPOSE: QueryPurpose = QueryPurpose::$purpose;
        }
    )*};
}

answers! {
    TestQuery => TestAnswer, Handshake;
    ClientConnectToProxy => ClientConnectedToProxy, Handshake;
    ClientAuthorizeWithProxyShort => AuthorizationWithProxy, Authorization;
    ClientAuthorizeWithProxyLong => AuthorizationWithProxy, Authorization;
    ClientUpdatePaymentStatus => ClientPaymentStatus, PaymentStatus;
    ClientGetWorkerTypes => ClientWorkerTypes, WorkerTypes;
    ClientGetWorkerTypesV2 => ClientWorkerTypesV2, WorkerTypes;
    ClientRequestRefund => Refund, PaymentStatus;
    WorkerConnectToProxy => WorkerConnectedToProxy, Handshake;
    WorkerCompareBalanceWithProxy => WorkerCompareBalanceWithProxyResult, Handshake;
    WorkerExtendedCompareBalanceWithProxy => WorkerExtendedCompareBalanceWithProxyResult, Handshake;
    WorkerProxyHandshakeComplete => WorkerProxyHandshakeCompleted, Handshake;
    WorkerUpdatePaymentStatus => WorkerPaymentStatus, PaymentStatus;
    KeyManagerGetWorkerPrivateKeys => KeyManagerPrivateKeys, Keys;
    KeyManagerGetProxyPrivateKeys => KeyManagerPrivateKeys, Keys;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_outs_are_those_of_the_reference() {
        fn timeout_s<Q: Query>() -> u64 {
            QueryTimeouts::default().of(Q::PURPOSE) / 1_000_000_000
        }
        assert_eq!(timeout_s::<ClientConnectToProxy>(), 30);
        assert_eq!(timeout_s::<WorkerProxyHandshakeComplete>(), 30);
        assert_eq!(timeout_s::<ClientAuthorizeWithProxyLong>(), 300);
        assert_eq!(timeout_s::<ClientGetWorkerTypesV2>(), 10);
        assert_eq!(timeout_s::<WorkerUpdatePaymentStatus>(), 60);
    }
}
