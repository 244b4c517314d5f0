//! Building HTTP messages for the wire and cleaning those that come from it (spec §2.9).
//!
//! Headers that belong to one hop never travel: the reference drops them only in certain spellings, so that a user or
//! a backend can plant a second `content-length` (spec §10.6). Here names are compared without case, names that a
//! `Connection` header nominates go as well (RFC 9110 §7.6.1), and so does every header that is no legal header.

use crate::objects::{HttpHeader, HttpRequest, HttpResponse};

/// Headers that describe one hop or the framing of a body on it, in lower case.
const HOP_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The body of a response whose head is sent first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// The whole body; no parts follow.
    Complete(Vec<u8>),
    /// Parts follow.
    Follows,
}

/// Who handled a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hop {
    /// The worker.
    Worker,
    /// The proxy.
    Proxy,
    /// The client.
    Client,
}

/// When a hop started and ended its work on a request, nanoseconds since the Unix epoch by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HopTimes {
    /// Who.
    pub hop: Hop,
    /// Start.
    pub start_unix_ns: u64,
    /// End, or when the head of the response was known.
    pub end_unix_ns: u64,
}

impl HopTimes {
    /// The two headers that a hop adds to a response.
    pub fn to_headers(self) -> [HttpHeader; 2] {
        let (start, end) = match self.hop {
            Hop::Worker => ("X-Cocoon-Worker-Start", "X-Cocoon-Worker-End"),
            Hop::Proxy => ("X-Cocoon-Proxy-Start", "X-Cocoon-Proxy-End"),
            Hop::Client => ("X-Cocoon-Client-Start", "X-Cocoon-Client-End"),
        };
        [
            header(start, &unix_seconds(self.start_unix_ns)),
            header(end, &unix_seconds(self.end_unix_ns)),
        ]
    }
}

/// Unix seconds with six decimals, truncated: `1765000000.123456`.
pub fn unix_seconds(unix_ns: u64) -> String {
    format!("{}.{:06}", unix_ns / 1_000_000_000, unix_ns % 1_000_000_000 / 1_000)
}

/// A user's request for the wire: headers of the hop dropped, `Content-Length` added if there is a body.
///
/// Values that are not UTF-8 are dropped: the wire has only text.
pub fn request<N: AsRef<str>, V: AsRef<[u8]>>(
    method: &str,
    url: &str,
    http_version: &str,
    headers: impl IntoIterator<Item = (N, V)>,
    payload: Vec<u8>,
) -> HttpRequest {
    let mut headers = end_to_end(headers);
    if !payload.is_empty() {
        headers.push(content_length(payload.len()));
    }
    HttpRequest {
        method: method.to_owned(),
        url: url.to_owned(),
        http_version: http_version.to_owned(),
        headers,
        payload,
    }
}

/// The head of a backend's response for the wire: headers of the hop dropped, then times, then the framing.
pub fn response<N: AsRef<str>, V: AsRef<[u8]>>(
    http_version: &str,
    status_code: u16,
    reason: &str,
    headers: impl IntoIterator<Item = (N, V)>,
    times: HopTimes,
    body: ResponseBody,
) -> HttpResponse {
    let mut headers = end_to_end(headers);
    headers.extend(times.to_headers());
    let payload = match body {
        ResponseBody::Complete(payload) => {
            headers.push(content_length(payload.len()));
            payload
        }
        ResponseBody::Follows => {
            headers.push(header("Transfer-Encoding", "chunked"));
            Vec::new()
        }
    };
    HttpResponse {
        http_version: http_version.to_owned(),
        status_code: i32::from(status_code),
        reason: reason.to_owned(),
        headers,
        payload,
    }
}

/// The headers that may travel on: legal, and not of this hop. For messages from the wire as well as for those to it,
/// since a peer may not have cleaned them.
pub fn end_to_end<N: AsRef<str>, V: AsRef<[u8]>>(headers: impl IntoIterator<Item = (N, V)>) -> Vec<HttpHeader> {
    let mut kept: Vec<HttpHeader> = Vec::new();
    let mut nominated: Vec<String> = Vec::new();
    for (name, value) in headers {
        let name = name.as_ref();
        let Some(value) = legal_value(value.as_ref()) else {
            continue;
        };
        if !is_token(name) {
            continue;
        }
        if name.eq_ignore_ascii_case("connection") {
            nominated.extend(value.split(',').map(|name| name.trim().to_ascii_lowercase()));
        }
        kept.push(header(name, value));
    }
    kept.retain(|header| {
        let name = header.name.to_ascii_lowercase();
        !HOP_HEADERS.contains(&name.as_str()) && !nominated.contains(&name)
    });
    kept
}

/// The headers that a worker passes to its backend.
///
/// Besides those of the hop, `Accept-Encoding` is dropped: a compressed answer could not be metered.
pub fn backend_headers(request: &HttpRequest) -> Vec<HttpHeader> {
    let mut headers = end_to_end(request.headers.iter().map(|header| (&header.name, &header.value)));
    headers.retain(|header| !header.name.eq_ignore_ascii_case("accept-encoding"));
    headers
}

/// The value of the first header with this name, whatever its case.
pub fn find_header<'a>(headers: &'a [HttpHeader], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.as_str())
}

fn header(name: &str, value: &str) -> HttpHeader {
    HttpHeader {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn content_length(len: usize) -> HttpHeader {
    header("Content-Length", &len.to_string())
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// UTF-8 text without control characters other than the tabulator.
fn legal_value(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    text.bytes()
        .all(|byte| byte == b'\t' || !byte.is_ascii_control())
        .then_some(text)
}
