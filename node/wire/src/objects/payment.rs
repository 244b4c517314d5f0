//! Signed payments and the messages that carry them.

use crate::tl::{
    RequestId,
    define::{boxed_fields, constructors, one_of},
};

constructors! {
    /// A payment that its holder can submit to a contract.
    struct ProxySignedPayment = 0x0299_8182 "proxy.signedPayment" => "proxy.SignedPayment" {
        /// A bag of cells: the envelope of spec §5.7.
        data: Vec<u8>,
    }

    /// No payment yet.
    struct ProxySignedPaymentEmpty = 0xb347_ce64 "proxy.signedPaymentEmpty" => "proxy.SignedPayment" {}

    /// To a client, after a request was booked.
    struct ProxyClientRequestPayment = 0xc6bc_f127 "proxy.clientRequestPayment" => "proxy.WorkerRequestPayment" {
        /// The request.
        request_id: RequestId,
        /// Payment for all tokens committed to the chain.
        signed_payment: SignedPayment,
        /// Tokens of this client that the proxy committed to its database.
        db_tokens: i64,
        /// Tokens of this client that the proxy counted.
        max_tokens: i64,
        /// Tokens of this request.
        request_tokens: i64,
    }

    /// To a worker, after a request was booked.
    struct ProxyWorkerRequestPayment = 0x1436_c0d5 "proxy.workerRequestPayment" => "proxy.WorkerRequestPayment" {
        /// The request.
        request_id: RequestId,
        /// Payment for all tokens committed to the chain.
        signed_payment: SignedPayment,
        /// Tokens of this worker that the proxy committed to its database.
        db_tokens: i64,
        /// Tokens of this worker that the proxy counted.
        max_tokens: i64,
        /// Tokens of this request.
        request_tokens: i64,
        /// Address of the client who paid; a known leak of metadata (spec §10.5).
        request_client_owner: String,
    }
}

one_of! {
    /// A payment, or that there is none yet.
    enum SignedPayment = "proxy.SignedPayment" {
        /// A payment.
        Signed(ProxySignedPayment),
        /// None yet.
        Empty(ProxySignedPaymentEmpty),
    }
}

boxed_fields!(SignedPayment);

impl SignedPayment {
    /// No payment yet.
    pub const EMPTY: Self = Self::Empty(ProxySignedPaymentEmpty {});

    /// The bag of cells of a payment, if there is one.
    pub fn data(&self) -> Option<&[u8]> {
        match self {
            Self::Signed(payment) => Some(&payment.data),
            Self::Empty(_) => None,
        }
    }
}
