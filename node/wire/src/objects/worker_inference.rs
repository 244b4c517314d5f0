//! Inference requests and answers between proxy and worker (spec §1.4, §2.8).

use super::{SignedPayment, TokensUsed};
use crate::tl::{
    RequestId, Seconds,
    define::{constructors, field_groups},
};

field_groups! {
    /// When the worker handled a request, Unix seconds by its own clock.
    struct WorkerAnswerTimes {
        /// The worker received the request.
        worker_start_time: Seconds,
        /// The worker sent the last part.
        worker_end_time: Seconds,
    }
}

constructors! {
    /// Runs a request, protocol version 0.
    struct ProxyRunQuery = 0x4718_2416 "proxy.runQuery" => "proxy.QueryAnswer" {
        /// A boxed [`HttpRequest`](super::HttpRequest).
        query: Vec<u8>,
        /// The current payment of the worker.
        signed_payment: SignedPayment,
        /// The worker's coefficient as the proxy knows it, thousandths.
        coefficient: i64,
        /// How long the worker may take.
        timeout: Seconds,
        /// Names the request in all answers.
        request_id: RequestId,
    }

    /// Runs a request, protocol version 1 and above.
    struct ProxyRunQueryEx = 0xc805_e7e2 "proxy.runQueryEx" => "proxy.QueryAnswer" {
        /// A boxed [`HttpRequest`](super::HttpRequest).
        query: Vec<u8>,
        /// The current payment of the worker.
        signed_payment: SignedPayment,
        /// The worker's coefficient as the proxy knows it, thousandths.
        coefficient: i64,
        /// How long the worker may take.
        timeout: Seconds,
        /// Names the request in all answers.
        request_id: RequestId,
        #flags reserving 1 for 3 {
            /// Whether debug facts are wanted.
            enable_debug if bit 0: bool,
        }
    }

    /// First answer, protocol version 0.
    struct ProxyQueryAnswer = 0x37e5_f725 "proxy.queryAnswer" => "proxy.QueryAnswer" {
        /// A boxed [`HttpResponse`](super::HttpResponse).
        answer: Vec<u8>,
        /// Whether no parts follow.
        is_completed: bool,
        /// The request.
        request_id: RequestId,
        /// Tokens so far.
        tokens_used: TokensUsed,
    }

    /// The request failed before the first answer, protocol version 0.
    struct ProxyQueryAnswerError = 0x669d_014e "proxy.queryAnswerError" => "proxy.QueryAnswer" {
        /// See [`crate::error_code`].
        error_code: i32,
        /// For people.
        error: String,
        /// The request.
        request_id: RequestId,
        /// Tokens so far.
        tokens_used: TokensUsed,
    }

    /// A further part of the body, protocol version 0.
    struct ProxyQueryAnswerPart = 0x72eb_00ee "proxy.queryAnswerPart" => "proxy.QueryAnswerPart" {
        /// Body bytes.
        answer: Vec<u8>,
        /// Whether this is the last part.
        is_completed: bool,
        /// The request.
        request_id: RequestId,
        /// Tokens so far.
        tokens_used: TokensUsed,
    }

    /// The request failed after the first answer, protocol version 0.
    struct ProxyQueryAnswerPartError = 0x940e_1168 "proxy.queryAnswerPartError" => "proxy.QueryAnswerPart" {
        /// See [`crate::error_code`].
        error_code: i32,
        /// For people.
        error: String,
        /// The request.
        request_id: RequestId,
        /// Tokens so far.
        tokens_used: TokensUsed,
    }

    /// What is known when a request ends.
    struct ProxyQueryFinalInfo = 0xe794_e6fc "proxy.queryFinalInfo" => "proxy.QueryFinalInfo" {
        #flags {
            /// What the worker asks to be paid for.
            tokens_used: TokensUsed,
            /// Debug facts, if the client asked for them: a JSON object in text (spec §2.10).
            worker_debug if bit 0: String,
            /// Times, protocol version 2 and above.
            times if bit 1: WorkerAnswerTimes,
        }
    }

    /// First answer, protocol version 1 and above.
    struct ProxyQueryAnswerEx = 0x1ce5_74e8 "proxy.queryAnswerEx" => "proxy.QueryAnswerEx" {
        /// The request.
        request_id: RequestId,
        /// A boxed [`HttpResponse`](super::HttpResponse).
        answer: Vec<u8>,
        #flags {
            /// Present if no parts follow.
            final_info if bit 0: ProxyQueryFinalInfo,
        }
    }

    /// The request failed, protocol version 1 and above.
    struct ProxyQueryAnswerErrorEx = 0x8f7f_b0a7 "proxy.queryAnswerErrorEx" => "proxy.QueryAnswerEx" {
        /// The request.
        request_id: RequestId,
        /// See [`crate::error_code`].
        error_code: i32,
        /// For people.
        error: String,
        #flags {
            /// What was used, if anything is known.
            final_info if bit 0: ProxyQueryFinalInfo,
        }
    }

    /// A further part of the body, protocol version 1 and above.
    struct ProxyQueryAnswerPartEx = 0x6d85_b50f "proxy.queryAnswerPartEx" => "proxy.QueryAnswerEx" {
        /// The request.
        request_id: RequestId,
        /// Body bytes.
        answer: Vec<u8>,
        #flags {
            /// Present in the last part.
            final_info if bit 0: ProxyQueryFinalInfo,
        }
    }
}
