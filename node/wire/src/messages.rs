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
