//! HTTP requests and responses in TL (spec §2.9). [`crate::http`] builds them.

use crate::tl::define::constructors;

constructors! {
    /// One header line.
    struct HttpHeader = 0x8e9b_e511 "http.header" => "http.Header" {
        /// Name, in the case the sender used.
        name: String,
        /// Value.
        value: String,
    }

    /// A request; it travels boxed in the `query` field of a run-query message.
    struct HttpRequest = 0x4749_2de5 "http.request" => "http.Response" {
        /// Method, as the user wrote it.
        method: String,
        /// Path and arguments.
        url: String,
        /// Such as `HTTP/1.1`.
        http_version: String,
        /// End-to-end headers, then `Content-Length` if there is a body.
        headers: Vec<HttpHeader>,
        /// Body.
        payload: Vec<u8>,
    }

    /// The head of a response; it travels boxed in the `answer` field of a first answer.
    struct HttpResponse = 0x1cd0_c42b "http.response" => "http.Response" {
        /// Such as `HTTP/1.1`.
        http_version: String,
        /// Such as 200.
        status_code: i32,
        /// Reason phrase.
        reason: String,
        /// End-to-end headers, times, then the framing of the body.
        headers: Vec<HttpHeader>,
        /// Body if it is complete; empty if parts follow.
        payload: Vec<u8>,
    }
}
