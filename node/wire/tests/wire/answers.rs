//! Bodies in any pieces.

use chrysalis_wire::{
    answer_stream::{AnswerLimits, AnswerStream, AnswerStreamError, AnswerSummary, BodyKind, Cost, RawUsage},
    json::{MAX_DEPTH, Value},
};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, proptest},
    prop_assert_eq, prop_oneof,
};

use crate::checks::{pieces, price, transform};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What comes out of a body in one piece.
fn whole(kind: BodyKind, body: &str) -> (String, AnswerSummary) {
    let (out, end) = transform(kind, AnswerLimits::default(), [body.as_bytes()]);
    (text(&out).to_owned(), end.unwrap())
}

fn values(body: &str) -> (String, AnswerSummary) {
    whole(BodyKind::Values, body)
}

fn events(body: &str) -> (String, AnswerSummary) {
    whole(BodyKind::Events, body)
}

const NO_USAGE: RawUsage = RawUsage {
    prompt: 0,
    cached: 0,
    completion: 0,
    reasoning: 0,
};

#[test]
fn kind_follows_from_the_media_type() {
    for event_stream in [
        "text/event-stream",
        "Text/Event-Stream; charset=utf-8",
        " text/event-stream ;x",
    ] {
        assert_eq!(
            BodyKind::from_content_type(Some(event_stream)),
            BodyKind::Events,
            "{event_stream}"
        );
    }
    for other in [
        None,
        Some(""),
        Some("application/json"),
        Some("application/x-ndjson"),
        Some("text/event-streams"),
    ] {
        assert_eq!(BodyKind::from_content_type(other), BodyKind::Values, "{other:?}");
    }
}

/// The vectors of the description, part by part.
#[test]
fn values_leave_as_the_reference_sends_them() {
    let mut stream = AnswerStream::new(BodyKind::Values, AnswerLimits::default(), price);
    let mut part = Vec::new();
    stream.push(b"{\"a\":1}\n{\"b\":2}\n", &mut part).unwrap();
    assert_eq!(text(&part), "{\"a\":1}\n{\"b\":2}\n");
    let mut tail = Vec::new();
    stream.finish(&mut tail).unwrap();
    assert_eq!(text(&tail), "\n");

    let mut stream = AnswerStream::new(BodyKind::Values, AnswerLimits::default(), price);
    let mut part = Vec::new();
    stream.push(b"{\"a\":1", &mut part).unwrap();
    assert_eq!(text(&part), "");
    let summary = stream.finish(&mut part).unwrap();
    assert_eq!(text(&part), "{\"a\":1");
    assert_eq!(summary.unparsed_bytes, 6);

    assert_eq!(
        values(r#"{"a":1,"a":2}"#).0,
        "{\"a\":2}\n",
        "the last of duplicate keys"
    );
    assert_eq!(
        values(r#"{"b":1,"a":2,"B":3}"#).0,
        "{\"B\":3,\"a\":2,\"b\":1}\n",
        "keys in byte order"
    );
}

#[test]
fn values_are_compact_and_otherwise_unchanged() {
    let (out, summary) = values("{ \"a\" : [ 1.50 , 1e400, 12345678901234567890123 ] , \"é\" : \"\\u00e9\\/\" }");
    assert_eq!(out, "{\"a\":[1.50,1e400,12345678901234567890123],\"é\":\"é/\"}\n");
    assert_eq!(
        summary,
        AnswerSummary {
            usage: NO_USAGE,
            unparsed_bytes: 0
        }
    );
}

#[test]
fn scalars_and_values_without_white_space_between_them() {
    assert_eq!(
        values("1 2\ttrue\"x\"null[]{}false-0.5").0,
        "1\n2\ntrue\n\"x\"\nnull\n[]\n{}\nfalse\n-0.5\n"
    );
}

#[test]
fn what_is_no_json_passes_unchanged_and_is_counted() {
    for body in [
        "Internal Server Error",
        "{\"a\":}",
        "{\"a\":1]",
        "nul!",
        "1-2",
        "\"a\nb\"",
        "[1}",
        "tru",
    ] {
        let (out, summary) = values(body);
        assert_eq!(out, body);
        assert_eq!(summary.unparsed_bytes, body.len() as u64, "{body}");
    }
    let (out, summary) = values("{\"a\": 1}\n oops {\"b\": 2}");
    assert_eq!(out, "{\"a\":1}\n\n oops {\"b\": 2}");
    assert_eq!(summary.unparsed_bytes, 15);
}

const USAGE: &str = r#"{"prompt_tokens":10,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens":20,"completion_tokens_details":{"reasoning_tokens":5},"reasoning_tokens":3}"#;

#[test]
fn usage_is_read_and_cost_is_written() {
    let (out, summary) = values(&format!("{{\"usage\":{USAGE}}}"));
    let usage = RawUsage {
        prompt: 10,
        cached: 4,
        completion: 20,
        reasoning: 5,
    };
    assert_eq!(summary.usage, usage);
    let value = Value::parse(out.as_bytes()).unwrap();
    let reported = value.get("usage").unwrap();
    let Cost {
        prompt_nanoton,
        completion_nanoton,
        total_nanoton,
    } = price(&usage);
    for (field, nanoton) in [
        ("prompt_total_cost", prompt_nanoton),
        ("completion_total_cost", completion_nanoton),
        ("total_cost", total_nanoton),
    ] {
        assert_eq!(reported.get(field), Some(&Value::from(nanoton)), "{field}");
    }
    assert_eq!(
        reported.get("prompt_tokens"),
        Some(&Value::from(10_u64)),
        "what the backend wrote stays"
    );
}

#[test]
fn usage_is_a_maximum_over_values_and_cost_is_written_where_it_grows() {
    let (out, summary) = values(
        r#"{"usage":{"prompt_tokens":5}}{"usage":{"prompt_tokens":5}}{"usage":{"prompt_tokens":4,"reasoning_tokens":2}}{"usage":{"prompt_tokens":9}}"#,
    );
    assert_eq!(
        summary.usage,
        RawUsage {
            prompt: 9,
            cached: 0,
            completion: 0,
            reasoning: 2
        }
    );
    let with_cost: Vec<bool> = out.lines().map(|line| line.contains("total_cost")).collect();
    assert_eq!(with_cost, [true, false, true, true]);
    assert!(
        out.lines().last().unwrap().contains("\"total_cost\":31"),
        "cost so far, not of this value: {out}"
    );
}

#[test]
fn only_unsigned_integers_count() {
    for count in [
        "-5",
        "5.0",
        "5e1",
        "\"5\"",
        "null",
        "true",
        "[5]",
        "18446744073709551616",
    ] {
        let (out, summary) = values(&format!("{{\"usage\":{{\"prompt_tokens\":{count}}}}}"));
        assert_eq!(summary.usage, NO_USAGE, "{count}");
        assert!(!out.contains("total_cost"), "{count}");
    }
    let (_, summary) = values(r#"{"usage":{"prompt_tokens":18446744073709551615}}"#);
    assert_eq!(summary.usage.prompt, u64::MAX);
    for body in [
        r#"{"usage":null}"#,
        r#"{"usage":[]}"#,
        "[]",
        r#"{"choices":[{"usage":{"prompt_tokens":5}}]}"#,
    ] {
        assert_eq!(values(body).1.usage, NO_USAGE, "{body}");
    }
}

/// The stream that the reference serves for nothing.
#[test]
fn events_are_metered_as_they_arrive() {
    let body = format!(
        "data: {{\"id\": \"x\", \"choices\": []}}\n\ndata: {{\"usage\": {USAGE}, \"choices\": []}}\n\ndata: [DONE]\n\n"
    );
    let (out, summary) = events(&body);
    assert_eq!(
        summary,
        AnswerSummary {
            usage: RawUsage {
                prompt: 10,
                cached: 4,
                completion: 20,
                reasoning: 5
            },
            unparsed_bytes: 0
        }
    );
    let lines: Vec<&str> = out.split("\n\n").collect();
    assert_eq!(lines[0], "data: {\"id\": \"x\", \"choices\": []}");
    assert!(
        lines[1].starts_with("data: {\"choices\":[],\"usage\":{\"completion_tokens\":20,"),
        "{}",
        lines[1]
    );
    assert!(lines[1].contains("\"total_cost\":184"), "{}", lines[1]);
    assert_eq!(lines[2..], ["data: [DONE]", ""]);

    // Read as values, as the reference does, the same body is unmetered: the kind matters.
    let (out, summary) = values(&body);
    assert_eq!(
        (out, summary.usage, summary.unparsed_bytes),
        (body.clone(), NO_USAGE, body.len() as u64)
    );

    let mut stream = AnswerStream::new(BodyKind::Events, AnswerLimits::default(), price);
    let mut part = Vec::new();
    let (first, rest) = body.split_at(body.find("\n\n").unwrap() + 2);
    stream.push(first.as_bytes(), &mut part).unwrap();
    assert_eq!(
        text(&part),
        format!("{}\n\n", lines[0]),
        "an event leaves when it is complete"
    );
    assert_eq!(stream.usage(), NO_USAGE);
    stream.push(rest.as_bytes(), &mut part).unwrap();
    assert_eq!(stream.usage().prompt, 10);
}

#[test]
fn events_without_usage_are_not_touched_and_no_spelling_of_usage_escapes_the_meter() {
    for data in [
        "{\"b\": 1, \"a\": 2, \"b\": 3}",
        "{\"usage\": null, \"a\": \"usage\"}",
        "{\"deeper\": {\"usage\": {\"prompt_tokens\": 3}}}",
        "7",
    ] {
        let (out, summary) = events(&format!("data:{data}\n\n"));
        assert_eq!(out, format!("data: {data}\n\n"));
        assert_eq!((summary.usage, summary.unparsed_bytes), (NO_USAGE, 0), "{data}");
    }
    for data in [
        "{\"us\\u0061ge\": {\"prompt_tokens\": 3}}",
        "{\"usage\": null, \"usage\": {\"prompt_tokens\": 3}}",
        "{\"usage\": {\"prompt_tokens\": 3}, \"a\": [[[[]]]]}",
    ] {
        let (out, summary) = events(&format!("data: {data}\n\n"));
        assert_eq!(summary.usage.prompt, 3, "{data}");
        assert!(out.contains("\"total_cost\":"), "{out}");
    }
}

#[test]
fn events_keep_comments_and_other_fields() {
    let (out, summary) = events(": ping\r\n\r\nid: 7\r\nevent: chunk\r\ndata: {\"a\":\r\ndata: 1}\r\nretry: 5\r\n\r\n");
    assert_eq!(out, ": ping\n\nid: 7\nevent: chunk\nretry: 5\ndata: {\"a\":1}\n\n");
    assert_eq!(summary.unparsed_bytes, 0);
}

#[test]
fn events_that_are_no_json_keep_their_lines() {
    let (out, summary) = events("data: one\ndata:two\ndata\ndata:  three\ndatabase: x\n\n");
    assert_eq!(out, "database: x\ndata: one\ndata: two\ndata: \ndata:  three\n\n");
    assert_eq!(summary.unparsed_bytes, "one\ntwo\n\n three".len() as u64);
}

#[test]
fn line_ends_may_be_of_any_kind() {
    let expected = "data: {\"a\": 1}\n\ndata: [DONE]\n\n";
    for end in ["\n", "\r", "\r\n"] {
        let body = format!("data: {{\"a\": 1}}{end}{end}{end}data: [DONE]{end}{end}");
        assert_eq!(events(&body).0, expected, "{end:?}");
    }
}

#[test]
fn an_event_without_its_empty_line_still_counts() {
    for body in [
        "data: {\"usage\":{\"prompt_tokens\":3}}",
        "data: {\"usage\":{\"prompt_tokens\":3}}\n",
    ] {
        let (out, summary) = events(body);
        assert_eq!(summary.usage.prompt, 3);
        assert!(out.ends_with("}}\n\n"), "{out}");
    }
    assert_eq!(
        events("\u{feff}data: 1\n\n").0,
        "data: 1\n\n",
        "a byte order mark is no part of the first field"
    );
    assert_eq!(events("\n\n\r\n").0, "");
}

#[test]
fn what_exceeds_the_limit_is_an_error_and_not_served_unmetered() {
    let limits = AnswerLimits { value_bytes: 16 };
    let too_long = Err(AnswerStreamError::ValueTooLong { limit_bytes: 16 });
    for (kind, fits, exceeds) in [
        (BodyKind::Values, "[1]   {\"a\":\"12345\"}", "[1]   {\"a\":\"123456\"}"),
        (
            BodyKind::Events,
            "data: 1\n\ndata: 1234567890\n\n",
            "data: 1\n\ndata: 12345678901\n\n",
        ),
    ] {
        let (_, end) = transform(kind, limits, [fits.as_bytes()]);
        assert!(end.is_ok(), "{fits}");
        let (out, end) = transform(kind, limits, [exceeds.as_bytes()]);
        assert_eq!(end, too_long, "{exceeds}");
        assert!(!out.is_empty(), "what came before the long value was sent");
        assert!(!text(&out).contains("2345"), "{exceeds}");
    }
    // White space alone must not fill the memory either; text that is no JSON is not held at all.
    assert_eq!(transform(BodyKind::Values, limits, [&[b' '; 17][..]]).1, too_long);
    assert!(transform(BodyKind::Values, limits, [&[b'x'; 1000][..]]).1.is_ok());
}

#[test]
fn an_error_is_final() {
    let mut stream = AnswerStream::new(BodyKind::Values, AnswerLimits { value_bytes: 4 }, price);
    let mut out = Vec::new();
    let error = stream.push(b"[1,2,3]", &mut out).unwrap_err();
    assert_eq!(stream.push(b"[]", &mut out), Err(error));
    assert_eq!(stream.finish(&mut out), Err(error));
    assert!(out.is_empty());
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(values(&nested(MAX_DEPTH)).0.len(), 2 * MAX_DEPTH + 1);
    let deep = nested(MAX_DEPTH + 1);
    let (out, end) = transform(BodyKind::Values, AnswerLimits::default(), [deep.as_bytes()]);
    assert_eq!((out.len(), end), (0, Err(AnswerStreamError::ValueTooDeep)));
    let deep = format!("data: {deep}\n\n");
    let (_, end) = transform(BodyKind::Events, AnswerLimits::default(), [deep.as_bytes()]);
    assert_eq!(end, Err(AnswerStreamError::ValueTooDeep));
}

/// Fragments that bodies are made of, good and bad, with characters of several bytes.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        Just("{\"a\": \"🦋é\", \"b\": [1, 2.50]}"),
        Just("{\"usage\": {\"prompt_tokens\": 7, \"completion_tokens\": 3}}"),
        Just("{\"usage\": {\"completion_tokens\": 11, \"reasoning_tokens\": 2}}"),
        Just("data: "),
        Just("data: {\"é\": \"\\\"\\\\\"}"),
        Just("data: [DONE]"),
        Just(": 🦋"),
        Just("event: x"),
        Just("\n"),
        Just("\n\n"),
        Just("\r\n"),
        Just("\r"),
        Just(" "),
        Just("12"),
        Just("-1.5e3"),
        Just("true"),
        Just("\"text \\u00e9\""),
        Just("{"),
        Just("]"),
        Just("\""),
        Just("\u{feff}"),
        Just("Sorry"),
    ];
    let noise = vec(any::<u8>(), 0..4);
    vec(
        prop_oneof![9 => fragment.prop_map(|text| text.as_bytes().to_vec()), 1 => noise],
        0..24,
    )
    .prop_map(|fragments| fragments.concat())
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        body in body(),
        cut in any::<u8>(),
        is_stream in any::<bool>(),
        value_bytes in prop_oneof![Just(1 << 20), 1_usize..64],
    ) {
        let kind = if is_stream { BodyKind::Events } else { BodyKind::Values };
        let limits = AnswerLimits { value_bytes };
        let expected = transform(kind, limits, [body.as_slice()]);
        prop_assert_eq!(&transform(kind, limits, pieces(&body, cut)), &expected);
        prop_assert_eq!(&transform(kind, limits, body.chunks(1)), &expected);
    }

    /// Nothing that is JSON is lost: the values that leave are those that came, but for the cost fields.
    #[test]
    fn values_that_leave_are_those_that_came(values in vec(value(), 0..6), cut in any::<u8>()) {
        for kind in [BodyKind::Values, BodyKind::Events] {
            let body: Vec<u8> = values
                .iter()
                .flat_map(|value| match kind {
                    BodyKind::Values => format!("{value} "),
                    BodyKind::Events => format!("data: {value}\n\n"),
                }.into_bytes())
                .collect();
            let (out, end) = transform(kind, AnswerLimits::default(), pieces(&body, cut));
            prop_assert_eq!(end.unwrap().unparsed_bytes, 0);
            let left: Vec<Value> = text(&out)
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| Value::parse(line.strip_prefix("data: ").unwrap_or(line).as_bytes()).unwrap())
                .collect();
            prop_assert_eq!(left, values.clone());
        }
    }
}

/// JSON values without a `usage`, so that nothing is written into them.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u128>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::btree_map("[a-zé\"\\\\]{0,6}", inner, 0..5).prop_map(Value::from),
        ]
    })
}
