//! Bytes computed from the reference's description.

use chrysalis_wire::{
    Boxed, DecodeError,
    frame::{FrameReader, FrameWriter},
    objects::{
        ClientConnectToProxy, ClientParams, ClientRunQueryEx, ProtocolRange, ProxyRunQueryEx, SignedPayment,
        WorkerCapacity, WorkerParams, WorkerUpdatePaymentStatus,
    },
    packet::{Packet, TcpConnect, TcpPing, TcpQuery},
    tl::{RequestId, Seconds},
};

fn bytes(hex_text: &str) -> Vec<u8> {
    hex::decode(hex_text.replace(' ', "")).unwrap()
}

#[test]
fn first_three_frames_of_a_connection() {
    let mut writer = FrameWriter::new();
    let mut out = Vec::new();
    writer.packet(&Packet::Connect(TcpConnect { id: 1 }), &mut out).unwrap();
    writer.packet(&Packet::Ping(TcpPing { id: 2 }), &mut out).unwrap();
    writer.query(3, &WorkerUpdatePaymentStatus {}, &mut out).unwrap();
    let expected = bytes(
        "0c000000 00000000 61427ca5 0100000000000000 \
         0c000000 01000000 7c62e9bb 0200000000000000 \
         14000000 02000000 0819f53a 0300000000000000 04 24a570dc 000000",
    );
    assert_eq!(hex::encode(&out), hex::encode(&expected));

    let mut reader = FrameReader::new();
    let mut input = expected.as_slice();
    let mut packets = Vec::new();
    while let Some(payload) = reader.next_payload(&mut input).unwrap() {
        packets.push(Packet::decode(&payload).unwrap());
    }
    let query = TcpQuery {
        id: 3,
        data: WorkerUpdatePaymentStatus {}.encode(),
    };
    assert_eq!(
        packets,
        [TcpConnect { id: 1 }.into(), TcpPing { id: 2 }.into(), query.into()]
    );
}

#[test]
fn client_handshake() {
    let query = ClientConnectToProxy {
        params: ClientParams {
            client_owner_address: "owner".to_owned(),
            is_test: Some(true),
            protocol: Some(ProtocolRange {
                min_proto_version: 1,
                max_proto_version: 2,
            }),
        },
        min_config_version: 5,
    };
    let expected = bytes("f4a05fff 03000000 05 6f776e6572 0000 b5757299 01000000 02000000 05000000");
    assert_eq!(hex::encode(query.encode()), hex::encode(&expected));
    assert_eq!(ClientConnectToProxy::decode(&expected), Ok(query));
}

fn client_run_query(enable_debug: Option<bool>) -> ClientRunQueryEx {
    ClientRunQueryEx {
        model_name: "model".to_owned(),
        query: vec![1, 2, 3],
        max_coefficient: 4000,
        max_tokens: 1000,
        timeout: Seconds::from_ns(114_000_000_000),
        request_id: RequestId([7; 32]),
        min_config_version: 1,
        enable_debug,
    }
}

/// Version 3 appends a key to a request and announces it by flag bit 1.
#[test]
fn key_of_protocol_version_3_is_named_and_not_misread() {
    let key = [9; 32];
    let mut message = client_run_query(None).encode();
    let flags_at = message.len() - 4;
    message[flags_at..].copy_from_slice(&2_u32.to_le_bytes());
    message.extend_from_slice(&key);
    let error = ClientRunQueryEx::decode(&message).unwrap_err();
    assert_eq!(
        error,
        DecodeError::FlagOfLaterProtocol {
            constructor: "client.runQueryEx",
            bit: 1,
            protocol: 3
        }
    );
    assert!(error.to_string().contains("protocol version 3"), "{error}");

    let request = ProxyRunQueryEx {
        query: Vec::new(),
        signed_payment: SignedPayment::EMPTY,
        coefficient: 1000,
        timeout: Seconds::from_ns(0),
        request_id: RequestId([0; 32]),
        enable_debug: None,
    };
    let mut message = request.encode();
    let flags_at = message.len() - 4;
    message[flags_at] = 2;
    message.extend_from_slice(&key);
    assert_eq!(
        ProxyRunQueryEx::decode(&message),
        Err(DecodeError::FlagOfLaterProtocol {
            constructor: "proxy.runQueryEx",
            bit: 1,
            protocol: 3
        })
    );

    let params = WorkerParams {
        worker_owner_address: String::new(),
        model: String::new(),
        coefficient: 0,
        capacity: None,
        protocol: None,
    };
    let mut message = params.encode();
    message[4] = 4;
    assert_eq!(
        WorkerParams::decode(&message),
        Err(DecodeError::FlagOfLaterProtocol {
            constructor: "worker.params",
            bit: 2,
            protocol: 3
        })
    );
}

#[test]
fn flags_that_no_version_defines_are_refused() {
    let mut message = client_run_query(None).encode();
    let flags_at = message.len() - 4;
    message[flags_at] = 4;
    assert_eq!(
        ClientRunQueryEx::decode(&message),
        Err(DecodeError::UndefinedFlags {
            constructor: "client.runQueryEx",
            flags: 4
        })
    );
}

#[test]
fn flags_follow_from_the_fields_that_are_there() {
    for (enable_debug, tail) in [
        (None, "00000000"),
        (Some(true), "01000000b5757299"),
        (Some(false), "010000003797 79bc"),
    ] {
        let message = client_run_query(enable_debug);
        let tail = bytes(tail);
        assert_eq!(message.encode()[message.boxed_len() - tail.len()..], tail);
    }
    let capacity = WorkerCapacity {
        is_test: false,
        proxy_cnt: 1,
        max_active_requests: 60,
    };
    let protocol = ProtocolRange {
        min_proto_version: 1,
        max_proto_version: 2,
    };
    for (capacity, protocol, flags) in [
        (None, None, 0),
        (Some(capacity.clone()), None, 1),
        (None, Some(protocol.clone()), 2),
        (Some(capacity), Some(protocol), 3),
    ] {
        let params = WorkerParams {
            worker_owner_address: "a".to_owned(),
            model: "m".to_owned(),
            coefficient: 1000,
            capacity,
            protocol,
        };
        assert_eq!(params.encode()[4..8], u32::to_le_bytes(flags));
    }
}
