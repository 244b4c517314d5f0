//! Primitives at their edges.

use proptest::{collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest};

use super::{
    Boxed, DecodeError, Limits, Reader, RequestId, Seconds, Secret, Writer,
    field::Field,
    writer::{MEDIUM_STRING_MAX_LEN, SHORT_STRING_MAX_LEN, string_encoded_len},
};
use crate::objects::{ClientWorkerType, ClientWorkerTypes, HttpHeader, ProtocolRange, TestQuery, WorkerCapacity};

fn written(data: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.string(data);
    writer.into_bytes()
}

fn read_string(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let data = reader.string()?.to_vec();
    reader.finish()?;
    Ok(data)
}

#[test]
fn string_forms_at_their_edges() {
    assert_eq!(written(b""), [0, 0, 0, 0]);
    assert_eq!(written(b"a"), [1, b'a', 0, 0]);
    assert_eq!(written(b"abc"), [3, b'a', b'b', b'c']);
    assert_eq!(written(b"abcd"), [4, b'a', b'b', b'c', b'd', 0, 0, 0]);
    assert_eq!(written(&[7; 253])[..2], [253, 7]);
    assert_eq!(written(&[7; 254])[..5], [0xfe, 254, 0, 0, 7]);
    assert_eq!(written(&[7; 256])[..5], [0xfe, 0, 1, 0, 7]);
    assert_eq!(
        written(&vec![7; MEDIUM_STRING_MAX_LEN])[..5],
        [0xfe, 0xff, 0xff, 0xff, 7]
    );
    assert_eq!(
        written(&vec![7; MEDIUM_STRING_MAX_LEN + 1])[..9],
        [0xff, 0, 0, 0, 1, 0, 0, 0, 7]
    );
    for len in [
        0,
        1,
        252,
        253,
        254,
        255,
        256,
        257,
        1 << 16,
        MEDIUM_STRING_MAX_LEN,
        MEDIUM_STRING_MAX_LEN + 1,
    ] {
        let data = vec![0x55; len];
        let bytes = written(&data);
        assert_eq!(bytes.len(), string_encoded_len(len), "{len}");
        assert!(read_string(&bytes) == Ok(data), "{len}");
    }
}

/// The reference reads these forms, and never writes them.
#[test]
fn longer_forms_of_a_length_are_refused() {
    let refused = |length_bytes| Err(DecodeError::NonCanonicalLength { length_bytes });
    assert_eq!(read_string(&[0xfe, 1, 0, 0, b'a', 0, 0, 0]), refused(1));
    let mut bytes = vec![0xfe, 253, 0, 0];
    bytes.extend_from_slice(&[7; 256]);
    assert_eq!(read_string(&bytes), refused(SHORT_STRING_MAX_LEN as u64));
    assert_eq!(read_string(&[0xff, 1, 0, 0, 0, 0, 0, 0, b'a', 0, 0, 0]), refused(1));
    assert_eq!(
        read_string(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        refused(MEDIUM_STRING_MAX_LEN as u64)
    );
}

#[test]
fn padding_must_be_zero_and_there() {
    assert_eq!(read_string(&[1, b'a', 0, 0]), Ok(b"a".to_vec()));
    for index in [2, 3] {
        let mut bytes = [1, b'a', 0, 0];
        bytes[index] = 1;
        assert_eq!(read_string(&bytes), Err(DecodeError::NonZeroPadding));
    }
    assert_eq!(
        read_string(&[1, b'a', 0]),
        Err(DecodeError::UnexpectedEnd {
            wanted_bytes: 2,
            left_bytes: 1
        })
    );
    assert_eq!(
        read_string(&[1]),
        Err(DecodeError::UnexpectedEnd {
            wanted_bytes: 1,
            left_bytes: 0
        })
    );
    assert_eq!(
        read_string(&[]),
        Err(DecodeError::UnexpectedEnd {
            wanted_bytes: 1,
            left_bytes: 0
        })
    );
}

#[test]
fn announced_lengths_are_not_believed() {
    let limit_bytes = crate::frame::MAX_PAYLOAD_BYTES;
    let too_long = |length_bytes| {
        Err(DecodeError::StringTooLong {
            length_bytes,
            limit_bytes,
        })
    };
    assert_eq!(read_string(&[0xff, 1, 0, 0, 1, 0, 0, 0]), too_long((1 << 24) + 1));
    assert_eq!(
        read_string(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        too_long((1 << 56) - 1)
    );
    assert!(matches!(
        read_string(&[0xfe, 0xff, 0xff, 0xff, 0]),
        Err(DecodeError::UnexpectedEnd { .. })
    ));

    let limits = Limits {
        string_bytes: 2,
        ..Limits::default()
    };
    assert_eq!(Reader::with_limits(&written(b"ab"), limits).string(), Ok(&b"ab"[..]));
    assert_eq!(
        Reader::with_limits(&written(b"abc"), limits).string(),
        Err(DecodeError::StringTooLong {
            length_bytes: 3,
            limit_bytes: 2
        })
    );
}

#[test]
fn counts_are_bounded_by_what_is_there() {
    let types = ClientWorkerTypes {
        types: vec![
            ClientWorkerType {
                name: String::new(),
                active_workers: 1,
                coefficient_min: 2,
                coefficient_bucket50: 3,
                coefficient_max: 4
            };
            3
        ],
    };
    let good = types.encode();
    assert_eq!(ClientWorkerTypes::decode(&good), Ok(types));
    for (count, error) in [
        (4, DecodeError::VectorTooLong { count: 4, limit: 3 }),
        (
            i32::MAX,
            DecodeError::VectorTooLong {
                count: i32::MAX,
                limit: 3,
            },
        ),
        (-1, DecodeError::VectorTooLong { count: -1, limit: 3 }),
        (2, DecodeError::TrailingBytes { count_bytes: 20 }),
    ] {
        let mut bytes = good.clone();
        bytes[4..8].copy_from_slice(&count.to_le_bytes());
        assert_eq!(ClientWorkerTypes::decode(&bytes), Err(error), "{count}");
    }
    let limits = Limits {
        vector_elements: 2,
        ..Limits::default()
    };
    assert_eq!(
        ClientWorkerTypes::read_boxed(&mut Reader::with_limits(&good, limits)),
        Err(DecodeError::VectorTooLong { count: 3, limit: 2 })
    );
}

#[test]
fn text_must_be_utf8() {
    let header = HttpHeader {
        name: "a".into(),
        value: "é".into(),
    };
    let mut bytes = header.encode();
    assert_eq!(HttpHeader::decode(&bytes), Ok(header));
    bytes[10] = 0xff;
    assert_eq!(HttpHeader::decode(&bytes), Err(DecodeError::NotUtf8));
}

#[test]
fn bool_has_two_ids() {
    for (value, id) in [(true, 0x9972_75b5_u32), (false, 0xbc79_9737)] {
        let mut writer = Writer::new();
        Field::write(&value, &mut writer);
        assert_eq!(writer.into_bytes(), id.to_le_bytes());
        assert_eq!(<bool as Field>::read(&mut Reader::new(&id.to_le_bytes())), Ok(value));
    }
    assert_eq!(
        <bool as Field>::read(&mut Reader::new(&[1, 0, 0, 0])),
        Err(DecodeError::UnknownConstructor {
            id: 1,
            expected: "Bool"
        })
    );
}

#[test]
fn another_constructor_is_named() {
    let error = TestQuery::decode(&[1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
    assert_eq!(
        error,
        DecodeError::UnknownConstructor {
            id: 0x0403_0201,
            expected: "test.query"
        }
    );
    assert_eq!(error.to_string(), "constructor 0x04030201 where test.query is expected");
}

/// Fields under one flag are declared one by one and take one bit.
#[test]
fn groups_declare_their_fields() {
    let mut declaration = String::new();
    WorkerCapacity::declare("capacity", "flags.0?", &mut declaration);
    assert_eq!(
        declaration,
        " is_test:flags.0?Bool proxy_cnt:flags.0?int max_active_requests:flags.0?int"
    );
    assert_eq!(ProtocolRange::MIN_LEN, 8);
}

#[test]
fn seconds_from_and_to_nanoseconds() {
    assert_eq!(Seconds::from_ns(0).to_f64(), 0.0);
    assert_eq!(Seconds::from_ns(1_500_000_000).to_f64(), 1.5);
    assert_eq!(Seconds::from_f64(114.0).to_ns(), Some(114_000_000_000));
    assert_eq!(Seconds::from_f64(0.5e-9).to_ns(), Some(0));
    assert_eq!(Seconds::from_f64(-0.0).to_ns(), Some(0));
    assert_eq!(Seconds::from_f64(1.8e10).to_ns(), Some(18_000_000_000_000_000_000));
    for unusable in [
        -1.0,
        -1e-300,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1.85e10,
        1e300,
    ] {
        assert_eq!(Seconds::from_f64(unusable).to_ns(), None, "{unusable}");
    }
    assert_eq!(
        Seconds::from_f64(f64::NAN),
        Seconds::from_f64(f64::NAN),
        "every received value equals itself"
    );
    assert_ne!(
        Seconds::from_f64(0.0),
        Seconds::from_f64(-0.0),
        "and goes on as it came"
    );
}

#[test]
fn secrets_do_not_print() {
    let secret = Secret::new(b"hunter2".to_vec());
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    assert_eq!(secret.expose(), b"hunter2");
    assert_eq!(secret.into_inner(), b"hunter2");
    let id = RequestId([0xab; 32]);
    assert_eq!(format!("{id:?}"), format!("RequestId({})", "ab".repeat(32)));
}

proptest! {
    #[test]
    fn strings_survive(data in vec(any::<u8>(), 0..600)) {
        prop_assert!(read_string(&written(&data)) == Ok(data));
    }

    /// A double near a whole number of nanoseconds loses less than the spacing of doubles at that size.
    #[test]
    fn times_survive_as_precisely_as_doubles_allow(unix_ns in 0..4_000_000_000_000_000_000_u64) {
        let back = Seconds::from_ns(unix_ns).to_ns().unwrap();
        prop_assert!(back.abs_diff(unix_ns) <= 1024, "{unix_ns} became {back}");
    }

    #[test]
    fn reading_never_takes_more_than_there_is(bytes in vec(any::<u8>(), 0..40)) {
        let mut reader = Reader::new(&bytes);
        let before = reader.left_bytes();
        if let Ok(data) = reader.string() {
            prop_assert_eq!(before - reader.left_bytes(), string_encoded_len(data.len()));
        }
    }
}
