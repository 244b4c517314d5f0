//! A client's queries besides the handshake: payment status, worker types, refund.

use super::SignedPayment;
use crate::tl::define::{constructors, one_of};

constructors! {
    /// Asks for the state of payments.
    struct ClientUpdatePaymentStatus = 0x9ed1_c697 "client.updatePaymentStatus" => "client.PaymentStatus" {}

    /// Answer to [`ClientUpdatePaymentStatus`].
    struct ClientPaymentStatus = 0xaa8a_0ecc "client.paymentStatus" => "client.PaymentStatus" {
        /// The current payment.
        signed_payment: SignedPayment,
        /// Tokens of this client that the proxy committed to its database.
        db_tokens: i64,
        /// Tokens of this client that the proxy counted.
        max_tokens: i64,
    }

    /// Asks for the models on offer, in the form of protocol version 0.
    struct ClientGetWorkerTypes = 0x7f06_2bdb "client.getWorkerTypes" => "client.WorkerTypes" {}

    /// Answer to [`ClientGetWorkerTypes`].
    struct ClientWorkerTypes = 0xf64e_0e01 "client.workerTypes" => "client.WorkerTypes" {
        /// One entry a model.
        types: Vec<ClientWorkerType>,
    }

    /// One model on offer.
    struct ClientWorkerType = 0x8210_e21c "client.workerType" => "client.WorkerType" {
        /// Model name.
        name: String,
        /// Workers with free slots.
        active_workers: i32,
        /// Smallest coefficient, thousandths.
        coefficient_min: i32,
        /// Median coefficient, thousandths.
        coefficient_bucket50: i32,
        /// Largest coefficient, thousandths.
        coefficient_max: i32,
    }

    /// Asks for the models on offer, worker by worker.
    struct ClientGetWorkerTypesV2 = 0xb213_3d72 "client.getWorkerTypesV2" => "client.WorkerTypesV2" {}

    /// Answer to [`ClientGetWorkerTypesV2`].
    struct ClientWorkerTypesV2 = 0x0cf0_dc67 "client.workerTypesV2" => "client.WorkerTypesV2" {
        /// One entry a model.
        types: Vec<ClientWorkerTypeV2>,
    }

    /// One model on offer.
    struct ClientWorkerTypeV2 = 0xb27d_8197 "client.workerTypeV2" => "client.WorkerTypeV2" {
        /// Model name.
        name: String,
        /// Its workers.
        workers: Vec<ClientWorkerInstanceV2>,
    }

    /// One worker on offer.
    struct ClientWorkerInstanceV2 = 0x3ea9_3d00 explicit "client.workerInstanceV2" => "client.WorkerInstanceV2" {
        #flags {
            /// Price factor, thousandths.
            coefficient: i32,
            /// Requests running.
            active_requests: i32,
            /// Most requests at a time.
            max_active_requests: i32,
        }
    }

    /// Asks for a refund; declared in the scheme, implemented by no known proxy.
    struct ClientRequestRefund = 0x238d_863d "client.requestRefund" => "client.Refund" {}

    /// A signed refund.
    struct ClientRefund = 0x83aa_bead "client.refund" => "client.Refund" {
        /// A bag of cells.
        data: Vec<u8>,
    }

    /// No refund while requests run.
    struct ClientRefundRejected = 0xcf9d_9957 "client.refundRejected" => "client.Refund" {
        /// Requests that run.
        active_queries: i64,
    }
}

one_of! {
    /// Answer to [`ClientRequestRefund`].
    enum Refund = "client.Refund" {
        /// A signed refund.
        Granted(ClientRefund),
        /// Not now.
        Rejected(ClientRefundRejected),
    }
}
