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

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: HopTimes = HopTimes {
        hop: Hop::Worker,
        start_unix_ns: 1_765_000_000_123_456_789,
        end_unix_ns: 1_765_000_001_000_000_999,
    };

    fn names_and_values(headers: &[HttpHeader]) -> Vec<(&str, &str)> {
        headers
            .iter()
            .map(|header| (header.name.as_str(), header.value.as_str()))
            .collect()
    }

    /// The reference drops these only in one spelling.
    #[test]
    fn headers_of_the_hop_are_dropped_in_any_spelling() {
        for name in [
            "Content-Length",
            "content-length",
            "CONTENT-LENGTH",
            "Content-length",
            "Transfer-encoding",
            "TE",
        ] {
            assert!(end_to_end([(name, "5")]).is_empty(), "{name}");
        }
        let kept = end_to_end([("Content-Lengths", "5"), ("x-te", "1")]);
        assert_eq!(names_and_values(&kept), [("Content-Lengths", "5"), ("x-te", "1")]);
    }

    #[test]
    fn nominated_headers_are_dropped() {
        let headers = [("X-Session", "1"), ("Connection", "close, x-session"), ("X-Kept", "2")];
        assert_eq!(names_and_values(&end_to_end(headers)), [("X-Kept", "2")]);
    }

    #[test]
    fn illegal_headers_are_dropped() {
        let headers: [(&str, &[u8]); 6] = [
            ("", b"no name"),
            ("with space", b"1"),
            ("X-Split", b"1\r\nContent-Length: 0"),
            ("X-Zero", b"\0"),
            ("X-Latin", b"\xe9"),
            ("X-Kept", "é\t".as_bytes()),
        ];
        assert_eq!(names_and_values(&end_to_end(headers)), [("X-Kept", "é\t")]);
    }

    #[test]
    fn a_request_has_a_length_if_it_has_a_body() {
        let headers = [
            ("Host", "x"),
            ("content-length", "999"),
            ("transfer-encoding", "chunked"),
        ];
        let with_body = request("POST", "/v1/completions?a=b", "HTTP/1.1", headers, b"{}".to_vec());
        assert_eq!(
            names_and_values(&with_body.headers),
            [("Host", "x"), ("Content-Length", "2")]
        );
        assert_eq!(
            (with_body.method.as_str(), with_body.url.as_str()),
            ("POST", "/v1/completions?a=b")
        );
        assert_eq!(with_body.payload, b"{}");
        let without = request("GET", "/v1/models", "HTTP/1.0", headers, Vec::new());
        assert_eq!(names_and_values(&without.headers), [("Host", "x")]);
        assert_eq!(without.http_version, "HTTP/1.0");
    }

    #[test]
    fn a_response_carries_times_and_framing() {
        let headers = [
            ("Content-Type", "application/json"),
            ("CONTENT-LENGTH", "1"),
            ("Connection", "close"),
        ];
        let head = response("HTTP/1.1", 200, "OK", headers, TIMES, ResponseBody::Follows);
        let times = [
            ("X-Cocoon-Worker-Start", "1765000000.123456"),
            ("X-Cocoon-Worker-End", "1765000001.000000"),
        ];
        assert_eq!(
            names_and_values(&head.headers),
            [
                ("Content-Type", "application/json"),
                times[0],
                times[1],
                ("Transfer-Encoding", "chunked")
            ]
        );
        assert!(head.payload.is_empty());

        let complete = response(
            "HTTP/1.1",
            204,
            "No Content",
            headers,
            TIMES,
            ResponseBody::Complete(vec![1; 3]),
        );
        assert_eq!(
            names_and_values(&complete.headers).last(),
            Some(&("Content-Length", "3"))
        );
        assert_eq!((complete.status_code, complete.payload), (204, vec![1; 3]));
    }

    #[test]
    fn hops_name_themselves() {
        for (hop, start) in [
            (Hop::Proxy, "X-Cocoon-Proxy-Start"),
            (Hop::Client, "X-Cocoon-Client-Start"),
        ] {
            assert_eq!(HopTimes { hop, ..TIMES }.to_headers()[0].name, start);
        }
    }

    #[test]
    fn times_are_exact_decimals() {
        assert_eq!(unix_seconds(0), "0.000000");
        assert_eq!(unix_seconds(999), "0.000000");
        assert_eq!(unix_seconds(1_000), "0.000001");
        assert_eq!(unix_seconds(1_999_999_999), "1.999999");
        assert_eq!(unix_seconds(u64::MAX), "18446744073.709551");
    }

    #[test]
    fn a_backend_is_not_asked_to_compress() {
        let request = request(
            "POST",
            "/",
            "HTTP/1.1",
            [("accept-encoding", "gzip"), ("Accept", "*/*")],
            Vec::new(),
        );
        assert_eq!(find_header(&request.headers, "Accept-Encoding"), Some("gzip"));
        assert_eq!(names_and_values(&backend_headers(&request)), [("Accept", "*/*")]);
    }
}
