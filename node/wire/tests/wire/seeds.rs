//! The seed corpus of the fuzz targets: at least one input of each form that a decoder accepts, and some that it refuses
//! for a reason of its own.

use std::collections::BTreeSet;

use chrysalis_wire::{
    Boxed,
    attestation_record::{AttestationRecord, Endpoint, TdxAttestation},
    frame::FrameWriter,
    objects::{constructor_name, constructors},
    packet::{Packet, TcpConnect, TcpConnected, TcpPacket, TcpPing, TcpPong, TcpQuery, TcpQueryAnswer, TcpQueryError},
    proof_of_work::{Challenge, Difficulty, Response},
};

use crate::{
    golden::{assert_golden, is_updating, package_path},
    samples::{
        client_query, client_to_proxy, key_manager_query, objects, proxy_to_client, proxy_to_worker, worker_query,
        worker_to_proxy,
    },
};

fn packets() -> Vec<Packet> {
    let mut packets: Vec<Packet> = vec![
        TcpConnect { id: 1 }.into(),
        TcpConnected { id: 1 }.into(),
        TcpPing { id: 2 }.into(),
        TcpPong { id: 2 }.into(),
        TcpQueryError {
            id: 3,
            code: 621,
            message: "unknown query".into(),
        }
        .into(),
    ];
    packets.extend(
        client_to_proxy()
            .iter()
            .map(|message| TcpPacket { data: message.encode() }.into()),
    );
    packets.extend(
        worker_to_proxy()
            .iter()
            .map(|message| TcpPacket { data: message.encode() }.into()),
    );
    packets.extend(client_query().iter().map(|query| {
        TcpQuery {
            id: 3,
            data: query.encode(),
        }
        .into()
    }));
    packets.extend(
        objects()
            .into_iter()
            .take(3)
            .map(|data| TcpQueryAnswer { id: 3, data }.into()),
    );
    packets
}

/// Streams of frames: all packets, a lost frame, a head that announces too much.
fn frames() -> Vec<Vec<u8>> {
    let mut writer = FrameWriter::new();
    let mut all = Vec::new();
    let mut first_len = 0;
    for packet in packets() {
        writer.packet(&packet, &mut all).unwrap();
        if first_len == 0 {
            first_len = all.len();
        }
    }
    let without_first = all[first_len..].to_vec();
    let announces_too_much = [&((1 << 24) + 1_u32).to_le_bytes()[..], &[0; 4]].concat();
    let announces_much = [&(1_u32 << 24).to_le_bytes()[..], &[0; 4], b"start"].concat();
    [all, without_first, announces_too_much, announces_much]
        .into_iter()
        .map(|stream| [&[0x5a][..], &stream].concat())
        .collect()
}

fn attestation_records() -> Vec<Vec<u8>> {
    let endpoint = |port| Endpoint {
        ip: "127.0.0.1".into(),
        port,
    };
    let bare = AttestationRecord {
        attestation: None,
        public_key: [1; 32],
        source: endpoint(40_000),
        destination: endpoint(11_001),
    };
    let attestation = TdxAttestation {
        mr_td: [1; 48],
        mr_config_id: [2; 48],
        mr_owner: [3; 48],
        mr_owner_config: [4; 48],
        rtmr: [[5; 48], [6; 48], [7; 48], [8; 48]],
        report_data: [9; 64],
        collateral_root_id: [10; 48],
    };
    let attested = AttestationRecord {
        attestation: Some(attestation),
        ..bare.clone()
    };
    [bare, attested]
        .map(|record| record.encode().unwrap()[4..].to_vec())
        .to_vec()
}

fn proofs_of_work() -> Vec<Vec<u8>> {
    let challenge = |bits| Challenge {
        difficulty: Difficulty::new(bits).unwrap(),
        salt: [7; 16],
    };
    vec![
        challenge(0).encode().to_vec(),
        challenge(20).encode().to_vec(),
        Response { nonce: 303_607 }.encode().to_vec(),
        Response { nonce: -1 }.encode().to_vec(),
    ]
}

/// Bodies; the first byte is even for JSON values and odd for events.
fn bodies() -> Vec<Vec<u8>> {
    let usage = r#""usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":1}}"#;
    let values = [
        format!("{{\"b\":1.50,\"a\":\"é\\u00e9\\n\",{usage}}}"),
        "{\"a\":1}\n{\"b\":2}\n".to_owned(),
        "{\"a\":1".to_owned(),
        "  12 \"text\" [1,[2]] true null -0.5e7".to_owned(),
        "Internal Server Error".to_owned(),
    ];
    let events = [
        format!("data: {{\"id\":1,\"usage\":null}}\n\ndata: {{\"id\":2,{usage}}}\n\ndata: [DONE]\n\n"),
        ": ping\r\n\r\nevent: message\r\nid: 7\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n".to_owned(),
        "data\rdata:no space\rretry: 5\r\r".to_owned(),
        "\u{feff}data: {\"é\": 1}".to_owned(),
    ];
    let values = values.iter().map(|body| [&[0x40], body.as_bytes()].concat());
    let events = events.iter().map(|body| [&[0x41], body.as_bytes()].concat());
    values.chain(events).collect()
}

fn json() -> Vec<Vec<u8>> {
    [
        r#"{"b":[1,2.50,1e400,-0],"a":{"":null,"é":"\ud83e\udd8b\u0001\"\\/"},"a":true}"#,
        " [ ] ",
        "{\"a\":",
        "\"\\ud800\"",
        "18446744073709551616",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn encoded<T: Boxed>(objects: &[T]) -> Vec<Vec<u8>> {
    objects.iter().map(T::encode).collect()
}

fn seeds() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    vec![
        ("answer_stream", bodies()),
        ("attestation_record", attestation_records()),
        ("client_query", encoded(&client_query())),
        ("client_to_proxy", encoded(&client_to_proxy())),
        ("frame", frames()),
        ("json", json()),
        ("key_manager_query", encoded(&key_manager_query())),
        ("object", objects()),
        ("packet", encoded(&packets())),
        ("proof_of_work", proofs_of_work()),
        ("proxy_to_client", encoded(&proxy_to_client())),
        ("proxy_to_worker", encoded(&proxy_to_worker())),
        ("worker_query", encoded(&worker_query())),
        ("worker_to_proxy", encoded(&worker_to_proxy())),
    ]
}

#[test]
fn checked_in_seeds_are_those_of_the_code() {
    for (target, inputs) in seeds() {
        let folder = format!("fuzz/corpus/{target}");
        let mut expected = BTreeSet::new();
        for (index, input) in inputs.iter().enumerate() {
            let name = format!("seed-{index:02}");
            assert_golden(&format!("{folder}/{name}"), input);
            expected.insert(name);
        }
        // Seeds that no code makes any more; regressions have other names.
        for entry in std::fs::read_dir(package_path(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("seed-") && !expected.contains(&name) {
                assert!(is_updating(), "{folder}/{name} is made by nothing");
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

/// The seeds of a direction hold each of its messages once, so that no decoder starts from nothing.
#[test]
fn seeds_cover_every_constructor() {
    let mut covered: BTreeSet<&str> = BTreeSet::new();
    let all_seeds = seeds().into_iter().flat_map(|(_, inputs)| inputs);
    for input in all_seeds {
        if let Some(id) = input.first_chunk::<4>() {
            covered.extend(constructor_name(u32::from_le_bytes(*id)));
        }
    }
    let missing: Vec<&str> = constructors()
        .map(|constructor| constructor.name)
        .filter(|name| !covered.contains(name))
        .collect();
    // These stand only bare within other objects, or boxed without a message of their own.
    assert_eq!(
        missing,
        [
            "tokensUsed",
            "client.params",
            "worker.params",
            "proxy.params",
            "http.header",
            "proxy.signedPaymentEmpty",
            "client.proxyConnectionAuthShort",
            "client.workerType",
            "client.workerTypeV2",
            "client.workerInstanceV2",
            "client.queryFinalInfo",
            "proxy.queryFinalInfo",
            "keyManager.privateKey",
        ]
    );
}
