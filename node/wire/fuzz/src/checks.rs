//! What every decoder must hold on any input: it does not panic, it accepts only what it would write itself, and the
//! pieces in which input arrives do not matter. One function a fuzz target; the ordinary tests call them as well.

use chrysalis_wire::{
    Boxed,
    answer_stream::{AnswerLimits, AnswerStream, AnswerStreamError, AnswerSummary, BodyKind, Cost, RawUsage, debug},
    attestation_record::AttestationRecord,
    frame::{FrameError, FrameReader, FrameWriter},
    json::Value,
    messages::{
        ClientQuery, ClientToProxyMessage, KeyManagerQuery, ProxyToClientMessage, ProxyToWorkerMessage, WorkerQuery,
        WorkerToProxyMessage,
    },
    objects::{self, HttpRequest, HttpResponse},
    packet::Packet,
    proof_of_work::{CHALLENGE_BYTES, Challenge, RESPONSE_BYTES, Response},
};

/// A check of one decoder; tells whether the decoder accepted the input.
pub type Check = fn(&[u8]) -> bool;

/// All checks, under the names of their fuzz targets.
pub const CHECKS: [(&str, Check); 14] = [
    ("answer_stream", answer_stream),
    ("attestation_record", attestation_record),
    ("client_query", client_query),
    ("client_to_proxy", client_to_proxy),
    ("frame", frame),
    ("json", json),
    ("key_manager_query", key_manager_query),
    ("object", object),
    ("packet", packet),
    ("proof_of_work", proof_of_work),
    ("proxy_to_client", proxy_to_client),
    ("proxy_to_worker", proxy_to_worker),
    ("worker_query", worker_query),
    ("worker_to_proxy", worker_to_proxy),
];

/// Whatever is accepted is written again as it was read.
pub fn recode<T: Boxed>(bytes: &[u8]) -> bool {
    decode_canonical::<T>(bytes).is_some()
}

fn decode_canonical<T: Boxed>(bytes: &[u8]) -> Option<T> {
    let object = T::decode(bytes).ok()?;
    assert_eq!(object.boxed_len(), bytes.len(), "announced length of {}", T::TYPE);
    assert!(
        object.encode() == bytes,
        "{} accepts a form that it would not write",
        T::TYPE
    );
    Some(object)
}

/// What clients are asked.
pub fn client_query(bytes: &[u8]) -> bool {
    recode::<ClientQuery>(bytes)
}

/// What key managers are asked.
pub fn key_manager_query(bytes: &[u8]) -> bool {
    recode::<KeyManagerQuery>(bytes)
}

/// What workers are asked.
pub fn worker_query(bytes: &[u8]) -> bool {
    recode::<WorkerQuery>(bytes)
}

/// Messages from clients, and the HTTP request within.
pub fn client_to_proxy(bytes: &[u8]) -> bool {
    let Some(message) = decode_canonical::<ClientToProxyMessage>(bytes) else {
        return false;
    };
    match message {
        ClientToProxyMessage::RunQuery(message) => recode::<HttpRequest>(&message.query),
        ClientToProxyMessage::RunQueryEx(message) => recode::<HttpRequest>(&message.query),
    };
    true
}

/// Messages to workers, and the HTTP request within.
pub fn proxy_to_worker(bytes: &[u8]) -> bool {
    let Some(message) = decode_canonical::<ProxyToWorkerMessage>(bytes) else {
        return false;
    };
    match message {
        ProxyToWorkerMessage::RunQuery(message) => recode::<HttpRequest>(&message.query),
        ProxyToWorkerMessage::RunQueryEx(message) => recode::<HttpRequest>(&message.query),
        _ => true,
    };
    true
}

/// Messages from workers, and the HTTP response within.
pub fn worker_to_proxy(bytes: &[u8]) -> bool {
    let Some(message) = decode_canonical::<WorkerToProxyMessage>(bytes) else {
        return false;
    };
    match message {
        WorkerToProxyMessage::Answer(message) => recode::<HttpResponse>(&message.answer),
        WorkerToProxyMessage::AnswerEx(message) => recode::<HttpResponse>(&message.answer),
        _ => true,
    };
    true
}

/// Messages to clients, and the HTTP response within.
pub fn proxy_to_client(bytes: &[u8]) -> bool {
    let Some(message) = decode_canonical::<ProxyToClientMessage>(bytes) else {
        return false;
    };
    match message {
        ProxyToClientMessage::Answer(message) => recode::<HttpResponse>(&message.answer),
        ProxyToClientMessage::AnswerEx(message) => recode::<HttpResponse>(&message.answer),
        _ => true,
    };
    true
}

/// Every constructor of the scheme by itself: answers to queries are among them.
pub fn object(bytes: &[u8]) -> bool {
    let mut accepting = 0;
    for constructor in objects::constructors() {
        if let Ok(recoded) = constructor.recode(bytes) {
            assert!(
                recoded == bytes,
                "{} accepts a form that it would not write",
                constructor.name
            );
            accepting += 1;
        }
    }
    assert!(accepting <= 1, "two constructors accept the same bytes");
    accepting == 1
}

/// Packets, and whatever they carry in any direction.
pub fn packet(bytes: &[u8]) -> bool {
    let Some(packet) = decode_canonical::<Packet>(bytes) else {
        return false;
    };
    match packet {
        Packet::Packet(packet) => {
            client_to_proxy(&packet.data);
            proxy_to_client(&packet.data);
            worker_to_proxy(&packet.data);
            proxy_to_worker(&packet.data);
        }
        Packet::Query(query) => {
            recode::<ClientQuery>(&query.data);
            recode::<WorkerQuery>(&query.data);
            recode::<KeyManagerQuery>(&query.data);
        }
        Packet::QueryAnswer(answer) => {
            object(&answer.data);
        }
        _ => {}
    }
    true
}

/// Cuts `bytes` into pieces of 1 to 64 bytes whose sizes follow from `seed`.
pub fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut state = u32::from(seed) | 0x100;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, after) = rest.split_at(((state >> 26) as usize + 1).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Frames read from pieces, and how the reading ended.
fn read_frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut reader = FrameReader::new();
    let mut payloads = Vec::new();
    for mut piece in pieces {
        loop {
            match reader.next_payload(&mut piece) {
                Ok(Some(payload)) => payloads.push(payload),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next_payload(&mut piece), Err(error), "a broken reader went on");
                    return (payloads, Some(error));
                }
            }
        }
        assert!(piece.is_empty(), "input was left unread");
    }
    (payloads, None)
}

/// A stream of frames; the first byte of the input says how the rest is cut.
pub fn frame(bytes: &[u8]) -> bool {
    let Some((seed, stream)) = bytes.split_first() else {
        return false;
    };
    let (payloads, end) = read_frames([stream]);
    assert_eq!(
        read_frames(pieces(stream, *seed)),
        (payloads.clone(), end),
        "pieces matter"
    );

    let mut writer = FrameWriter::new();
    let mut written = Vec::new();
    for payload in &payloads {
        writer.encode(payload, &mut written).unwrap();
    }
    assert!(
        stream.starts_with(&written),
        "frames are read that would not be written"
    );
    end.is_none()
}

/// Challenges and responses.
pub fn proof_of_work(bytes: &[u8]) -> bool {
    if let Ok(bytes) = <&[u8; CHALLENGE_BYTES]>::try_from(bytes)
        && let Ok(challenge) = Challenge::decode(bytes)
    {
        assert_eq!(challenge.encode(), *bytes);
        let response = challenge.search(0..8);
        assert!(response.is_none_or(|response| challenge.verify(response).is_ok()));
        return true;
    }
    if let Ok(bytes) = <&[u8; RESPONSE_BYTES]>::try_from(bytes)
        && let Ok(response) = Response::decode(bytes)
    {
        assert_eq!(response.encode(), *bytes);
        return true;
    }
    false
}

/// The router's record, without its length.
pub fn attestation_record(bytes: &[u8]) -> bool {
    let Ok(record) = AttestationRecord::decode(bytes) else {
        return false;
    };
    assert_eq!(record.encode().unwrap()[4..], *bytes);
    true
}

/// JSON values: the compact form is a fixed point.
pub fn json(bytes: &[u8]) -> bool {
    let Ok(value) = Value::parse(bytes) else { return false };
    assert_eq!(Value::parse(&value.to_compact()), Ok(value));
    true
}

/// A price under which every token shows.
pub fn price(usage: &RawUsage) -> Cost {
    let prompt_nanoton = u128::from(usage.prompt) * 3 + u128::from(usage.cached);
    let completion_nanoton = u128::from(usage.completion) * 7 + u128::from(usage.reasoning) * 2;
    Cost {
        prompt_nanoton,
        completion_nanoton,
        total_nanoton: prompt_nanoton + completion_nanoton,
    }
}

/// What comes out of an answer stream, put together, and how it ended.
pub fn transform<'a>(
    kind: BodyKind,
    limits: AnswerLimits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Result<AnswerSummary, AnswerStreamError>) {
    let mut stream = AnswerStream::new(kind, limits, price);
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = stream.push(piece, &mut out) {
            return (out, Err(error));
        }
    }
    let end = stream.finish(&mut out);
    (out, end)
}

/// A body; the first byte of the input says its kind, its limit and how it is cut.
pub fn answer_stream(bytes: &[u8]) -> bool {
    let Some((seed, body)) = bytes.split_first() else {
        return false;
    };
    let kind = if seed & 1 == 0 {
        BodyKind::Values
    } else {
        BodyKind::Events
    };
    let limits = if seed & 2 == 0 {
        AnswerLimits::default()
    } else {
        AnswerLimits { value_bytes: 48 }
    };
    let (out, end) = transform(kind, limits, [body]);
    assert_eq!(
        transform(kind, limits, pieces(body, *seed)),
        (out.clone(), end),
        "pieces matter"
    );

    // Whoever reads what was sent on counts the same tokens.
    if let Ok(summary) = end
        && let (_, Ok(again)) = transform(kind, AnswerLimits::default(), [out.as_slice()])
    {
        assert_eq!(again.usage, summary.usage);
    }
    let mut part = out;
    debug::attach_debug(kind, &mut part, Value::from("fact"));
    end.is_ok_and(|summary| summary.unparsed_bytes == 0)
}
