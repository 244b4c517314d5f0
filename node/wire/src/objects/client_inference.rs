//! Inference requests and answers between client and proxy (spec §1.4, §2.8).

use super::TokensUsed;
use crate::tl::{
    RequestId, Seconds,
    define::{constructors, field_groups},
};

field_groups! {
    /// Debug facts of one request, JSON objects in text (spec §2.10).
    struct ClientDebugInfo {
        /// From the worker.
        worker_debug: String,
        /// From the proxy.
        proxy_debug: String,
    }

    /// When proxy and worker handled a request, Unix seconds by their own clocks.
    struct ClientAnswerTimes {
        /// The proxy received the request.
        proxy_start_time: Seconds,
        /// The proxy sent the last part.
        proxy_end_time: Seconds,
        /// The worker received the request.
        worker_start_time: Seconds,
        /// The worker sent the last part.
        worker_end_time: Seconds,
    }
}

constructors! {
    /// Runs a request, protocol version 0.
    struct ClientRunQuery = 0xbc74_8f32 "client.runQuery" => "client.QueryAnswer" {
        /// Base name of the model.
        model_name: String,
        /// A boxed [`HttpRequest`](super::HttpRequest).
        query: Vec<u8>,
        /// Highest worker coefficient that the client accepts, thousandths.
        max_coefficient: i32,
        /// Most completion tokens, for the reservation.
        max_tokens: i32,
        /// How long the proxy may take.
        timeout: Seconds,
        /// Names the request in all answers.
        request_id: RequestId,
        /// The version of the root configuration that the client knows.
        min_config_version: i32,
    }

    /// Runs a request, protocol version 1 and above.
    struct ClientRunQueryEx = 0xf54c_b74b "client.runQueryEx" => "client.QueryAnswerEx" {
        /// Base name of the model.
        model_name: String,
        /// A boxed [`HttpRequest`](super::HttpRequest).
        query: Vec<u8>,
        /// Highest worker coefficient that the client accepts, thousandths.
        max_coefficient: i32,
        /// Most completion tokens, for the reservation.
        max_tokens: i32,
        /// How long the proxy may take.
        timeout: Seconds,
        /// Names the request in all answers.
        request_id: RequestId,
        /// The version of the root configuration that the client knows.
        min_config_version: i32,
        #flags reserving 1 for 3 {
            /// Whether debug facts are wanted.
            enable_debug if bit 0: bool,
        }
    }

    /// First answer, protocol version 0.
    struct ClientQueryAnswer = 0x9b94_3922 "client.queryAnswer" => "client.QueryAnswer" {
        /// A boxed [`HttpResponse`](super::HttpResponse).
        answer: Vec<u8>,
        /// Whether no parts follow.
        is_completed: bool,
        /// The request.
        request_id: RequestId,
        /// Tokens so far.
        request_tokens_used: TokensUsed,
    }

    /// The request failed before the first answer, protocol version 0.
    struct ClientQueryAnswerError = 0x6d60_569a "client.queryAnswerError" => "client.QueryAnswer" {
        /// See [`crate::error_code`].
        error_code: i32,
        /// For people.
        error: String,
        /// The request.
        request_id: RequestId,
        /// Tokens so far.
        request_tokens_used: TokensUsed,
    }

    /// A further part of the body, protocol version 0.
    struct ClientQueryAnswerPart = 0xb765_de4c "client.queryAnswerPart" => "client.QueryAnswerPart" {
        /// Body bytes.
        answer: Vec<u8>,
        /// Whether this is the last part.
        is_completed: bool,
        /// The request.
        request_id: RequestId,
        /// Tokens so far.
        request_tokens_used: TokensUsed,
    }

    /// The request failed after the first answer, protocol version 0.
    struct ClientQueryAnswerPartError = 0xd790_a022 "client.queryAnswerPartError" => "client.QueryAnswerPart" {
        /// See [`crate::error_code`].
        error_code: i32,
        /// For people.
        error: String,
        /// The request.
        request_id: RequestId,
        /// Tokens so far.
        request_tokens_used: TokensUsed,
    }

    /// What is known when a request ends.
    struct ClientQueryFinalInfo = 0x69a4_52f0 "client.queryFinalInfo" => "client.QueryFinalInfo" {
        #flags {
            /// What is charged.
            tokens_used: TokensUsed,
            /// Debug facts, if the client asked for them.
            debug if bit 0: ClientDebugInfo,
            /// Times, protocol version 2 and above.
            times if bit 1: ClientAnswerTimes,
        }
    }

    /// First answer, protocol version 1 and above.
    struct ClientQueryAnswerEx = 0xcd52_4720 "client.queryAnswerEx" => "client.QueryAnswerEx" {
        /// The request.
        request_id: RequestId,
        /// A boxed [`HttpResponse`](super::HttpResponse).
        answer: Vec<u8>,
        #flags {
            /// Present if no parts follow.
            final_info if bit 0: ClientQueryFinalInfo,
        }
    }

    /// The request failed, protocol version 1 and above.
    struct ClientQueryAnswerErrorEx = 0x0725_62a8 "client.queryAnswerErrorEx" => "client.QueryAnswerEx" {
        /// The request.
        request_id: RequestId,
        /// See [`crate::error_code`].
        error_code: i32,
        /// For people.
        error: String,
        #flags {
            /// What was charged, if anything is known.
            final_info if bit 0: ClientQueryFinalInfo,
        }
    }

    /// A further part of the body, protocol version 1 and above.
    struct ClientQueryAnswerPartEx = 0xc07b_faec "client.queryAnswerPartEx" => "client.QueryAnswerEx" {
        /// The request.
        request_id: RequestId,
        /// Body bytes.
        answer: Vec<u8>,
        #flags {
            /// Present in the last part.
            final_info if bit 0: ClientQueryFinalInfo,
        }
    }
}
