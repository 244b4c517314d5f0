//! Debug facts: what each role reports of a request, and how a client writes them into the last part of an answer
//! (spec §2.10).

use super::{
    BodyKind,
    events::{data_of, lines},
    values::{Scan, ValueScanner},
};
use crate::{http::Hop, json::Number, json::Value};

/// What a proxy reports if debug facts are not wanted.
pub const NO_DEBUG: &str = "{}";

/// What a role reports of one request, nanoseconds since the Unix epoch by its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugStats {
    /// Who reports.
    pub hop: Hop,
    /// The request arrived.
    pub start_unix_ns: u64,
    /// The first answer arrived.
    pub answer_receive_start_unix_ns: u64,
    /// The last part arrived.
    pub answer_receive_end_unix_ns: u64,
}

impl DebugStats {
    /// The JSON object of the `worker_debug` and `proxy_debug` fields.
    pub fn to_json(self) -> Value {
        let kind = match self.hop {
            Hop::Worker => "worker_stats",
            Hop::Proxy => "proxy_stats",
            Hop::Client => "client_stats",
        };
        let time = |unix_ns| Value::Number(Number::unix_seconds(unix_ns));
        Value::from([
            ("type", Value::from(kind)),
            ("start_time", time(self.start_unix_ns)),
            ("answer_receive_start_at", time(self.answer_receive_start_unix_ns)),
            ("answer_receive_end_at", time(self.answer_receive_end_unix_ns)),
        ])
    }
}

/// Writes `debug` into the last part of an answer: as the key `debug` of its last JSON value if that ends the part and is
/// an object, else as a value of its own behind the part.
///
/// In an event stream the last event whose data is a JSON object takes the key, since what follows `[DONE]` is not read.
pub fn attach_debug(kind: BodyKind, part: &mut Vec<u8>, debug: Value) {
    let target = match kind {
        BodyKind::Values => last_value(part),
        BodyKind::Events => last_event_data(part),
    };
    if let Some((start, end, mut value)) = target
        && let Some(members) = value.as_object_mut()
    {
        members.insert("debug".to_owned(), debug);
        part.splice(start..end, value.to_compact());
        return;
    }
    let addition = Value::from([("debug", debug)]).to_compact();
    match kind {
        BodyKind::Values => {
            part.extend_from_slice(&addition);
            part.push(b'\n');
        }
        BodyKind::Events => {
            part.extend_from_slice(b"data: ");
            part.extend_from_slice(&addition);
            part.extend_from_slice(b"\n\n");
        }
    }
}

/// Where the JSON value that ends `part` stands, and the value.
fn last_value(part: &[u8]) -> Option<(usize, usize, Value)> {
    let mut start = 0;
    let mut last = None;
    while let Scan::Complete { len } = ValueScanner::new().scan(&part[start..]) {
        last = Some((start, start + len));
        start += len;
    }
    let (start, end) = last?;
    let is_at_the_end = part[end..].iter().all(u8::is_ascii_whitespace);
    let white = part[start..end]
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let value = Value::parse(&part[start..end]).ok()?;
    is_at_the_end.then_some((start + white, end, value))
}

/// Where the data of the last event with a JSON object stands, and the object. Parts come from
/// [`AnswerStream`](super::AnswerStream), so such data is one line.
fn last_event_data(part: &[u8]) -> Option<(usize, usize, Value)> {
    let mut last = None;
    let mut start = 0;
    for line in lines(part) {
        let end = start + line.len();
        if let Some(data) = data_of(line)
            && let Ok(value @ Value::Object(_)) = Value::parse(data)
        {
            last = Some((end - data.len(), end, value));
        }
        start = end + 1;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(kind: BodyKind, part: &str) -> String {
        let mut part = part.as_bytes().to_vec();
        attach_debug(kind, &mut part, Value::from([("worker", Value::from("w"))]));
        String::from_utf8(part).unwrap()
    }

    #[test]
    fn the_last_value_takes_the_key() {
        let values = |part| attached(BodyKind::Values, part);
        assert_eq!(
            values("{\"a\":1}\n{\"z\":2}\n"),
            "{\"a\":1}\n{\"debug\":{\"worker\":\"w\"},\"z\":2}\n"
        );
        assert_eq!(values("{\"z\":2}"), "{\"debug\":{\"worker\":\"w\"},\"z\":2}");
        assert_eq!(values("{\"debug\":1}\n\n"), "{\"debug\":{\"worker\":\"w\"}}\n\n");
    }

    #[test]
    fn what_does_not_end_in_an_object_gets_a_value_of_its_own() {
        let addition = "{\"debug\":{\"worker\":\"w\"}}\n";
        for part in ["", "\n", "{\"a\":1}\n[1]\n", "{\"a\":1} oops", "{\"a\":", "{\"a\":}"] {
            assert_eq!(attached(BodyKind::Values, part), format!("{part}{addition}"));
        }
    }

    #[test]
    fn events_take_the_key_before_the_end_mark() {
        let events = |part| attached(BodyKind::Events, part);
        assert_eq!(
            events("data: {\"a\":1}\n\nevent: x\ndata: {\"z\":2}\n\ndata: [DONE]\n\n"),
            "data: {\"a\":1}\n\nevent: x\ndata: {\"debug\":{\"worker\":\"w\"},\"z\":2}\n\ndata: [DONE]\n\n"
        );
        assert_eq!(
            events("data: [DONE]\n\n"),
            "data: [DONE]\n\ndata: {\"debug\":{\"worker\":\"w\"}}\n\n"
        );
    }

    #[test]
    fn stats_are_json_with_decimal_times() {
        let stats = DebugStats {
            hop: Hop::Proxy,
            start_unix_ns: 1_500_000_000,
            answer_receive_start_unix_ns: 2_000_000_000,
            answer_receive_end_unix_ns: 2_000_001_000,
        };
        assert_eq!(
            stats.to_json().to_string(),
            r#"{"answer_receive_end_at":2.000001,"answer_receive_start_at":2.000000,"start_time":1.500000,"type":"proxy_stats"}"#
        );
        assert_eq!(Value::parse(NO_DEBUG.as_bytes()), Ok(Value::from([])));
    }
}
