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

/// A check of one decoder.
pub(crate) type Check = fn(&[u8]);

/// All checks, under the names of their fuzz targets.
pub(crate) const CHECKS: [(&str, Check); 14] = [
    ("answer_stream", answer_stream),
    ("attestation_record", attestation_record),
    ("client_query", recode::<ClientQuery>),
    ("client_to_proxy", client_to_proxy),
    ("frame", frame),
    ("json", json),
    ("key_manager_query", recode::<KeyManagerQuery>),
    ("object", object),
    ("packet", packet),
    ("proof_of_work", proof_of_work),
    ("proxy_to_client", proxy_to_client),
    ("proxy_to_worker", proxy_to_worker),
    ("worker_query", recode::<WorkerQuery>),
    ("worker_to_proxy", worker_to_proxy),
];

/// Whatever is accepted is written again as it was read.
pub(crate) fn recode<T: Boxed>(bytes: &[u8]) {
    decode_canonical::<T>(bytes);
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

/// Messages from clients, and the HTTP request within.
pub(crate) fn client_to_proxy(bytes: &[u8]) {
    match decode_canonical::<ClientToProxyMessage>(bytes) {
        Some(ClientToProxyMessage::RunQuery(message)) => recode::<HttpRequest>(&message.query),
        Some(ClientToProxyMessage::RunQueryEx(message)) => recode::<HttpRequest>(&message.query),
        None => {}
    }
}

/// Messages to workers, and the HTTP request within.
pub(crate) fn proxy_to_worker(bytes: &[u8]) {
    match decode_canonical::<ProxyToWorkerMessage>(bytes) {
        Some(ProxyToWorkerMessage::RunQuery(message)) => recode::<HttpRequest>(&message.query),
        Some(ProxyToWorkerMessage::RunQueryEx(message)) => recode::<HttpRequest>(&message.query),
        _ => {}
    }
}

/// Messages from workers, and the HTTP response within.
pub(crate) fn worker_to_proxy(bytes: &[u8]) {
    match decode_canonical::<WorkerToProxyMessage>(bytes) {
        Some(WorkerToProxyMessage::Answer(message)) => recode::<HttpResponse>(&message.answer),
        Some(WorkerToProxyMessage::AnswerEx(message)) => recode::<HttpResponse>(&message.answer),
        _ => {}
    }
}

/// Messages to clients, and the HTTP response within.
pub(crate) fn proxy_to_client(bytes: &[u8]) {
    match decode_canonical::<ProxyToClientMessage>(bytes) {
        Some(ProxyToClientMessage::Answer(message)) => recode::<HttpResponse>(&message.answer),
        Some(ProxyToClientMessage::AnswerEx(message)) => recode::<HttpResponse>(&message.answer),
        _ => {}
    }
}

/// Every constructor of the scheme by itself: answers to queries are among them.
pub(crate) fn object(bytes: &[u8]) {
    for constructor in objects::constructors() {
        if let Ok(recoded) = constructor.recode(bytes) {
            assert!(
                recoded == bytes,
                "{} accepts a form that it would not write",
                constructor.name
            );
        }
    }
}

/// Packets, and whatever they carry in any direction.
pub(crate) fn packet(bytes: &[u8]) {
    match decode_canonical::<Packet>(bytes) {
        Some(Packet::Packet(packet)) => {
            client_to_proxy(&packet.data);
            proxy_to_client(&packet.data);
            worker_to_proxy(&packet.data);
            proxy_to_worker(&packet.data);
        }
        Some(Packet::Query(query)) => {
            recode::<ClientQuery>(&query.data);
            recode::<WorkerQuery>(&query.data);
            recode::<KeyManagerQuery>(&query.data);
        }
        Some(Packet::QueryAnswer(answer)) => object(&answer.data),
        _ => {}
    }
}

/// Cuts `bytes` into pieces of 1 to 64 bytes whose sizes follow from `seed`.
pub(crate) fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
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
pub(crate) fn frame(bytes: &[u8]) {
    let Some((seed, stream)) = bytes.split_first() else {
        return;
    };
    let whole = read_frames([stream]);
    assert_eq!(read_frames(pieces(stream, *seed)), whole, "pieces matter");

    let mut writer = FrameWriter::new();
    let mut written = Vec::new();
    for payload in &whole.0 {
        writer.encode(payload, &mut written).unwrap();
    }
    assert!(
        stream.starts_with(&written),
        "frames are read that would not be written"
    );
}

/// Challenges and responses.
pub(crate) fn proof_of_work(bytes: &[u8]) {
    if let Ok(bytes) = <&[u8; CHALLENGE_BYTES]>::try_from(bytes)
        && let Ok(challenge) = Challenge::decode(bytes)
    {
        assert_eq!(challenge.encode(), *bytes);
        let response = challenge.search(0..8);
        assert!(response.is_none_or(|response| challenge.verify(response).is_ok()));
    }
    if let Ok(bytes) = <&[u8; RESPONSE_BYTES]>::try_from(bytes)
        && let Ok(response) = Response::decode(bytes)
    {
        assert_eq!(response.encode(), *bytes);
    }
}

/// The router's record, without its length.
pub(crate) fn attestation_record(bytes: &[u8]) {
    if let Ok(record) = AttestationRecord::decode(bytes) {
        assert_eq!(record.encode().unwrap()[4..], *bytes);
    }
}

/// JSON values: compact form is a fixed point.
pub(crate) fn json(bytes: &[u8]) {
    let Ok(value) = Value::parse(bytes) else { return };
    let compact = value.to_compact();
    assert_eq!(Value::parse(&compact), Ok(value));
}

/// A price under which every token shows.
pub(crate) fn price(usage: &RawUsage) -> Cost {
    let prompt_nanoton = u128::from(usage.prompt) * 3 + u128::from(usage.cached);
    let completion_nanoton = u128::from(usage.completion) * 7 + u128::from(usage.reasoning) * 2;
    Cost {
        prompt_nanoton,
        completion_nanoton,
        total_nanoton: prompt_nanoton + completion_nanoton,
    }
}

/// What comes out of an answer stream, put together, and how it ended.
pub(crate) fn transform<'a>(
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
pub(crate) fn answer_stream(bytes: &[u8]) {
    let Some((seed, body)) = bytes.split_first() else {
        return;
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
        (&out, &end),
        (
            &transform(kind, limits, pieces(body, *seed)).0,
            &transform(kind, limits, pieces(body, *seed)).1
        )
    );

    // What was sent on is metered alike by the next one to read it.
    if let Ok(summary) = end
        && limits == AnswerLimits::default()
    {
        let (_, again) = transform(kind, limits, [out.as_slice()]);
        if let Ok(again) = again {
            assert_eq!(again.usage, summary.usage);
        }
    }
    let mut part = out;
    debug::attach_debug(kind, &mut part, Value::from("fact"));
}
