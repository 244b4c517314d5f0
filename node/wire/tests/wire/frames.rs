//! Frames in any pieces.

use chrysalis_wire::{
    Boxed,
    frame::{FrameError, FrameReader, FrameWriter, HEAD_BYTES, MAX_PAYLOAD_BYTES},
    objects::{ProxyQueryAnswerPartEx, WorkerUpdatePaymentStatus},
    packet::{Packet, TcpPacket, TcpPing, TcpQuery, TcpQueryAnswer},
    tl::RequestId,
};
use proptest::{
    collection::vec,
    prelude::{any, proptest},
    prop_assert_eq,
};

fn read_all(reader: &mut FrameReader, mut input: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut payloads = Vec::new();
    while let Some(payload) = reader.next_payload(&mut input)? {
        payloads.push(payload);
    }
    assert!(input.is_empty());
    Ok(payloads)
}

proptest! {
    #[test]
    fn payloads_survive_any_cutting(payloads in vec(vec(any::<u8>(), 4..300), 0..8), cut in any::<u8>()) {
        let mut writer = FrameWriter::new();
        let mut stream = Vec::new();
        for payload in &payloads {
            writer.encode(payload, &mut stream).unwrap();
        }
        let mut reader = FrameReader::new();
        let mut read = Vec::new();
        for piece in crate::checks::pieces(&stream, cut) {
            read.extend(read_all(&mut reader, piece).unwrap());
        }
        prop_assert_eq!(read, payloads);
        assert!(reader.is_between_frames());
    }
}

#[test]
fn one_byte_at_a_time() {
    let mut stream = Vec::new();
    FrameWriter::new().encode(b"abcdef", &mut stream).unwrap();
    let mut reader = FrameReader::new();
    for (index, byte) in stream.iter().enumerate() {
        let payloads = read_all(&mut reader, &[*byte]).unwrap();
        assert_eq!(payloads.len(), usize::from(index + 1 == stream.len()));
        assert_eq!(reader.is_between_frames(), index + 1 == stream.len());
    }
}

/// The reference drops such payloads in silence.
#[test]
fn payloads_out_of_bounds_are_errors_and_use_no_number() {
    let mut writer = FrameWriter::new();
    let mut out = vec![0xee];
    assert_eq!(
        writer.encode(b"abc", &mut out),
        Err(FrameError::TooShort { length_bytes: 3 })
    );
    let too_long = vec![0; MAX_PAYLOAD_BYTES + 1];
    assert_eq!(
        writer.encode(&too_long, &mut out),
        Err(FrameError::TooLong {
            length_bytes: MAX_PAYLOAD_BYTES + 1
        })
    );
    // Within its envelope a payload of this size is too long as well.
    let message = TcpPacket {
        data: vec![0; MAX_PAYLOAD_BYTES],
    };
    assert!(matches!(
        writer.packet(&message.into(), &mut out),
        Err(FrameError::TooLong { .. })
    ));
    assert_eq!(out, [0xee]);

    writer.encode(&too_long[1..], &mut out).unwrap();
    assert_eq!(out[5..9], [0; 4], "the first frame that is written has number 0");
    assert_eq!(
        read_all(&mut FrameReader::new(), &out[1..]).unwrap(),
        [too_long[1..].to_vec()]
    );
}

#[test]
fn wrong_heads_break_the_reader_for_good() {
    let cases: [(u32, i32, FrameError); 5] = [
        (3, 0, FrameError::TooShort { length_bytes: 3 }),
        (0, 0, FrameError::TooShort { length_bytes: 0 }),
        (
            (1 << 24) + 1,
            0,
            FrameError::TooLong {
                length_bytes: (1 << 24) + 1,
            },
        ),
        (
            u32::MAX,
            0,
            FrameError::TooLong {
                length_bytes: u32::MAX as usize,
            },
        ),
        (
            4,
            1,
            FrameError::WrongSeqno {
                expected: 0,
                received: 1,
            },
        ),
    ];
    for (len, seqno, error) in cases {
        let mut reader = FrameReader::new();
        let head = [len.to_le_bytes(), seqno.to_le_bytes()].concat();
        assert_eq!(read_all(&mut reader, &head), Err(error));
        assert!(!reader.is_between_frames());

        let mut good = Vec::new();
        FrameWriter::new().encode(b"good", &mut good).unwrap();
        assert_eq!(read_all(&mut reader, &good), Err(error));
        assert!(read_all(&mut FrameReader::new(), &good).is_ok());
    }
}

#[test]
fn a_repeated_frame_is_refused() {
    let mut stream = Vec::new();
    FrameWriter::new().encode(b"once", &mut stream).unwrap();
    let twice = [stream.as_slice(), &stream].concat();
    let mut reader = FrameReader::new();
    let mut input = twice.as_slice();
    assert_eq!(reader.next_payload(&mut input), Ok(Some(b"once".to_vec())));
    assert_eq!(
        reader.next_payload(&mut input),
        Err(FrameError::WrongSeqno {
            expected: 1,
            received: 0
        })
    );
}

fn part(len: usize) -> ProxyQueryAnswerPartEx {
    ProxyQueryAnswerPartEx {
        request_id: RequestId([1; 32]),
        answer: vec![b'x'; len],
        final_info: None,
    }
}

/// Frames that are built in place are those of the packet built apart, for every form of string length.
#[test]
fn building_in_place_changes_no_byte() {
    for len in [
        0, 1, 2, 3, 100, 190, 200, 203, 204, 210, 249, 250, 251, 252, 253, 254, 255, 256, 257, 70_000,
    ] {
        let message = part(len);
        let data = message.encode();
        let packets: [Packet; 3] = [
            TcpPacket { data: data.clone() }.into(),
            TcpQuery {
                id: 5,
                data: data.clone(),
            }
            .into(),
            TcpQueryAnswer { id: 6, data }.into(),
        ];
        let mut apart = Vec::new();
        let mut writer = FrameWriter::new();
        for packet in &packets {
            writer.packet(packet, &mut apart).unwrap();
        }
        let mut in_place = Vec::new();
        let mut writer = FrameWriter::new();
        writer.message(&message, &mut in_place).unwrap();
        writer.query(5, &message, &mut in_place).unwrap();
        writer.query_answer(6, &message, &mut in_place).unwrap();
        assert!(in_place == apart, "a part of {len} bytes");
    }
}

/// A part message costs one allocation, and none where the output has room.
#[test]
fn encoding_never_grows_its_output_twice() {
    let message = part(5_000);
    let encoded = message.encode();
    assert_eq!(encoded.capacity(), encoded.len());

    let mut out = Vec::new();
    let mut writer = FrameWriter::new();
    writer.message(&message, &mut out).unwrap();
    assert_eq!(
        out.capacity(),
        out.len(),
        "the first frame is reserved at its exact length"
    );

    let frame_len = out.len();
    let mut out = Vec::with_capacity(10 * frame_len);
    let start = out.as_ptr();
    for _ in 0..10 {
        writer.message(&message, &mut out).unwrap();
    }
    assert_eq!(
        (out.as_ptr(), out.len()),
        (start, 10 * frame_len),
        "the output was moved"
    );
}

#[test]
fn smallest_frames() {
    let mut out = Vec::new();
    let mut writer = FrameWriter::new();
    writer.message(&WorkerUpdatePaymentStatus {}, &mut out).unwrap();
    assert_eq!(out.len(), HEAD_BYTES + 4 + 8);
    writer.packet(&TcpPing { id: 0 }.into(), &mut out).unwrap();
    assert_eq!(read_all(&mut FrameReader::new(), &out).unwrap().len(), 2);
}
