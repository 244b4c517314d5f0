//! Worker → proxy connection, comparison of balances, switching on and off (spec §4.3).

use super::{ProxyParams, SignedPayment, WorkerParams};
use crate::tl::define::constructors;

constructors! {
    /// First query of a worker.
    struct WorkerConnectToProxy = 0xcc48_4c5d "worker.connectToProxy" => "worker.ConnectedToProxy" {
        /// Who connects.
        params: WorkerParams,
    }

    /// Answer to [`WorkerConnectToProxy`].
    struct WorkerConnectedToProxy = 0x66bc_82ee "worker.connectedToProxy" => "worker.ConnectedToProxy" {
        /// Who answers.
        params: ProxyParams,
        /// Address of the contract between this worker's owner and this proxy.
        worker_sc_address: String,
    }

    /// What the worker remembers of this proxy; zeros after a restart.
    struct WorkerCompareBalanceWithProxy = 0xdb38_6501 "worker.compareBalanceWithProxy"
        => "worker.CompareBalanceWithProxyResult"
    {
        /// Tokens that the proxy had committed to the chain.
        tokens_committed_to_blockchain: i64,
        /// Tokens that the proxy had committed to its database.
        tokens_committed_to_db: i64,
        /// Tokens that the proxy had counted.
        max_tokens: i64,
    }

    /// Answer to [`WorkerCompareBalanceWithProxy`].
    struct WorkerCompareBalanceWithProxyResult = 0x9054_c411 "worker.compareBalanceWithProxyResult"
        => "worker.CompareBalanceWithProxyResult"
    {
        /// The current payment.
        signed_payment: SignedPayment,
        /// Tokens that the proxy has committed to its database.
        tokens_committed_to_db: i64,
        /// Tokens that the proxy has counted.
        max_tokens: i64,
        /// 0 if the proxy remembers at least as much as the worker, else 1.
        error_code: i32,
    }

    /// Follows error code 1 of the comparison; the reference proxy never leaves this step.
    struct WorkerExtendedCompareBalanceWithProxy = 0xf8dd_9914 "worker.extendedCompareBalanceWithProxy"
        => "worker.ExtendedCompareBalanceWithProxyResult"
    {
        /// Tokens that the proxy had committed to its database.
        tokens_committed_to_db: i64,
        /// Empty.
        other: Vec<u8>,
    }

    /// Answer to [`WorkerExtendedCompareBalanceWithProxy`].
    struct WorkerExtendedCompareBalanceWithProxyResult = 0x0c10_973e "worker.extendedCompareBalanceWithProxyResult"
        => "worker.ExtendedCompareBalanceWithProxyResult"
    {
        /// 0 if the proxy agrees.
        error_code: i32,
    }

    /// Ends the handshake.
    struct WorkerProxyHandshakeComplete = 0xf843_b066 "worker.proxyHandshakeComplete" => "worker.HandshakeCompleted" {
        /// Whether the worker takes no requests at present.
        is_disabled: bool,
    }

    /// Answer to [`WorkerProxyHandshakeComplete`].
    struct WorkerProxyHandshakeCompleted = 0x3ad9_b886 "worker.proxyHandshakeCompleted" => "worker.HandshakeCompleted" {}

    /// Asks for the state of payments.
    struct WorkerUpdatePaymentStatus = 0xdc70_a524 "worker.updatePaymentStatus" => "worker.PaymentStatus" {}

    /// Answer to [`WorkerUpdatePaymentStatus`].
    struct WorkerPaymentStatus = 0xa88b_d701 "worker.paymentStatus" => "worker.PaymentStatus" {
        /// The current payment.
        signed_payment: SignedPayment,
        /// Tokens of this worker that the proxy committed to its database.
        db_tokens: i64,
        /// Tokens of this worker that the proxy counted.
        max_tokens: i64,
    }

    /// The worker takes requests, or no longer.
    struct WorkerEnabledDisabled = 0xb3b7_1039 "worker.enabledDisabled" => "worker.EnabledDisabled" {
        /// Any number but 0 means disabled.
        disabled: i32,
    }

    /// The worker changes its price.
    struct WorkerNewCoefficient = 0x6af0_92b0 "worker.newCoefficient" => "worker.NewCoefficient" {
        /// Price factor, thousandths.
        new_coefficient: i32,
    }
}
