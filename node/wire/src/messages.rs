//! The messages and queries that are legal in each direction (spec §2.7), told apart by their boxed id.

use crate::{
    objects::{
        ClientAuthorizeWithProxyLong, ClientAuthorizeWithProxyShort, ClientConnectToProxy, ClientGetWorkerTypes,
        ClientGetWorkerTypesV2, ClientQueryAnswer, ClientQueryAnswerError, ClientQueryAnswerErrorEx,
        ClientQueryAnswerEx, ClientQueryAnswerPart, ClientQueryAnswerPartError, ClientQueryAnswerPartEx,
        ClientRequestRefund, ClientRunQuery, ClientRunQueryEx, ClientUpdatePaymentStatus,
        KeyManagerGetProxyPrivateKeys, KeyManagerGetWorkerPrivateKeys, ProxyClientRequestPayment, ProxyQueryAnswer,
        ProxyQueryAnswerError, ProxyQueryAnswerErrorEx, ProxyQueryAnswerEx, ProxyQueryAnswerPart,
        ProxyQueryAnswerPartError, ProxyQueryAnswerPartEx, ProxyRunQuery, ProxyRunQueryEx, ProxySignedPayment,
        ProxyWorkerRequestPayment, WorkerCompareBalanceWithProxy, WorkerConnectToProxy, WorkerEnabledDisabled,
        WorkerExtendedCompareBalanceWithProxy, WorkerNewCoefficient, WorkerProxyHandshakeComplete,
        WorkerUpdatePaymentStatus,
    },
    tl::define::one_of,
};

one_of! {
    /// Messages from a client.
    enum ClientToProxyMessage = "message from client to proxy" {
        /// Runs a request, protocol version 0.
        RunQuery(ClientRunQuery),
        /// Runs a request, protocol version 1 and above.
        RunQueryEx(ClientRunQueryEx),
    }

    /// Messages to a client. The reference client takes only the `Ex` answers and payments and drops the other kinds.
    enum ProxyToClientMessage = "message from proxy to client" {
        /// First answer, protocol version 0.
        Answer(ClientQueryAnswer),
        /// Failure before the first answer, protocol version 0.
        AnswerError(ClientQueryAnswerError),
        /// A further part, protocol version 0.
        AnswerPart(ClientQueryAnswerPart),
        /// Failure after the first answer, protocol version 0.
        AnswerPartError(ClientQueryAnswerPartError),
        /// First answer.
        AnswerEx(ClientQueryAnswerEx),
        /// Failure.
        AnswerErrorEx(ClientQueryAnswerErrorEx),
        /// A further part.
        AnswerPartEx(ClientQueryAnswerPartEx),
        /// A payment by itself.
        SignedPayment(ProxySignedPayment),
        /// A payment after a request.
        RequestPayment(ProxyClientRequestPayment),
    }

    /// Messages from a worker.
    enum WorkerToProxyMessage = "message from worker to proxy" {
        /// First answer, protocol version 0.
        Answer(ProxyQueryAnswer),
        /// Failure before the first answer, protocol version 0.
        AnswerError(ProxyQueryAnswerError),
        /// A further part, protocol version 0.
        AnswerPart(ProxyQueryAnswerPart),
        /// Failure after the first answer, protocol version 0.
        AnswerPartError(ProxyQueryAnswerPartError),
        /// First answer.
        AnswerEx(ProxyQueryAnswerEx),
        /// Failure.
        AnswerErrorEx(ProxyQueryAnswerErrorEx),
        /// A further part.
        AnswerPartEx(ProxyQueryAnswerPartEx),
        /// The worker takes requests, or no longer.
        EnabledDisabled(WorkerEnabledDisabled),
        /// The worker changes its price.
        NewCoefficient(WorkerNewCoefficient),
    }

    /// Messages to a worker.
    enum ProxyToWorkerMessage = "message from proxy to worker" {
        /// A payment by itself.
        SignedPayment(ProxySignedPayment),
        /// Runs a request, protocol version 0.
        RunQuery(ProxyRunQuery),
        /// Runs a request, protocol version 1 and above.
        RunQueryEx(ProxyRunQueryEx),
        /// A payment after a request.
        RequestPayment(ProxyWorkerRequestPayment),
    }

    /// Queries from a client to a proxy.
    enum ClientQuery = "query from client to proxy" {
        /// First query.
        ConnectToProxy(ClientConnectToProxy),
        /// Proof by secret.
        AuthorizeWithProxyShort(ClientAuthorizeWithProxyShort),
        /// Proof on the chain.
        AuthorizeWithProxyLong(ClientAuthorizeWithProxyLong),
        /// State of payments.
        UpdatePaymentStatus(ClientUpdatePaymentStatus),
        /// Models on offer.
        GetWorkerTypes(ClientGetWorkerTypes),
        /// Models on offer, worker by worker.
        GetWorkerTypesV2(ClientGetWorkerTypesV2),
        /// Refund; implemented by no known proxy.
        RequestRefund(ClientRequestRefund),
    }

    /// Queries from a worker to a proxy.
    enum WorkerQuery = "query from worker to proxy" {
        /// First query.
        ConnectToProxy(WorkerConnectToProxy),
        /// What the worker remembers.
        CompareBalanceWithProxy(WorkerCompareBalanceWithProxy),
        /// After a comparison that failed.
        ExtendedCompareBalanceWithProxy(WorkerExtendedCompareBalanceWithProxy),
        /// End of the handshake.
        ProxyHandshakeComplete(WorkerProxyHandshakeComplete),
        /// State of payments.
        UpdatePaymentStatus(WorkerUpdatePaymentStatus),
    }

    /// Queries to a key manager.
    enum KeyManagerQuery = "query to key manager" {
        /// Keys of workers.
        GetWorkerPrivateKeys(KeyManagerGetWorkerPrivateKeys),
        /// Keys of proxies.
        GetProxyPrivateKeys(KeyManagerGetProxyPrivateKeys),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::tl::{Boxed, DecodeError};

    /// Which of the seven sets take these bytes.
    fn accepting_sets(bytes: &[u8]) -> BTreeSet<&'static str> {
        fn accept<T: Boxed>(bytes: &[u8]) -> Option<&'static str> {
            T::decode(bytes).is_ok().then_some(T::TYPE)
        }
        [
            accept::<ClientToProxyMessage>(bytes),
            accept::<ProxyToClientMessage>(bytes),
            accept::<WorkerToProxyMessage>(bytes),
            accept::<ProxyToWorkerMessage>(bytes),
            accept::<ClientQuery>(bytes),
            accept::<WorkerQuery>(bytes),
            accept::<KeyManagerQuery>(bytes),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// A message is legal in its own direction only; a payment by itself is legal to clients and to workers.
    fn check<T: Boxed>(message: &T, name: &str) -> Result<(), proptest::test_runner::TestCaseError> {
        let bytes = message.encode();
        prop_assert_eq!(bytes.len(), message.boxed_len());
        let accepting = accepting_sets(&bytes);
        prop_assert!(accepting.contains(T::TYPE));
        prop_assert_eq!(
            accepting.len(),
            if name == "proxy.signedPayment" { 2 } else { 1 },
            "{}",
            name
        );
        let id = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        prop_assert_eq!(crate::objects::constructor_name(id), Some(name));
        Ok(())
    }

    proptest! {
        #[test]
        fn client_to_proxy(message: ClientToProxyMessage) {
            check(&message, message.name())?;
            prop_assert_eq!(ClientToProxyMessage::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn proxy_to_client(message: ProxyToClientMessage) {
            check(&message, message.name())?;
            prop_assert_eq!(ProxyToClientMessage::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn worker_to_proxy(message: WorkerToProxyMessage) {
            check(&message, message.name())?;
            prop_assert_eq!(WorkerToProxyMessage::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn proxy_to_worker(message: ProxyToWorkerMessage) {
            check(&message, message.name())?;
            prop_assert_eq!(ProxyToWorkerMessage::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn client_query(query: ClientQuery) {
            check(&query, query.name())?;
            prop_assert_eq!(ClientQuery::decode(&query.encode()), Ok(query));
        }

        #[test]
        fn worker_query(query: WorkerQuery) {
            check(&query, query.name())?;
            prop_assert_eq!(WorkerQuery::decode(&query.encode()), Ok(query));
        }

        #[test]
        fn key_manager_query(query: KeyManagerQuery) {
            check(&query, query.name())?;
            prop_assert_eq!(KeyManagerQuery::decode(&query.encode()), Ok(query));
        }
    }

    #[test]
    fn errors_name_the_direction() {
        let refresh = ClientUpdatePaymentStatus {}.encode();
        let error = WorkerQuery::decode(&refresh).unwrap_err();
        assert_eq!(
            error,
            DecodeError::UnknownConstructor {
                id: 0x9ed1_c697,
                expected: "query from worker to proxy"
            }
        );
    }
}
