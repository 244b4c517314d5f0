//! The seed corpus of the fuzz targets: at least one input of each form that a decoder accepts, and some that it refuses
//! for a reason of its own.

use std::collections::BTreeSet;

use chrysalis_wire::{
    Boxed, RequestId, Seconds,
    attestation_record::{AttestationRecord, Endpoint, TdxAttestation},
    frame::FrameWriter,
    messages::{
        ClientQuery, ClientToProxyMessage, KeyManagerQuery, ProxyToClientMessage, ProxyToWorkerMessage, WorkerQuery,
        WorkerToProxyMessage,
    },
    objects::*,
    packet::{Packet, TcpConnect, TcpConnected, TcpPacket, TcpPing, TcpPong, TcpQuery, TcpQueryAnswer, TcpQueryError},
    proof_of_work::{Challenge, Difficulty, Response},
    tl::Secret,
};

use crate::golden::{assert_golden, is_updating, package_path};

const OWNER: &str = "UQDJ_cWRkeU6Pq4mRWmw8CFrKqvk2iUx7b9H8eVfUmXXXX7y";
const REQUEST_ID: RequestId = RequestId([0xa5; 32]);

fn http_request() -> HttpRequest {
    let headers = [("Host", "127.0.0.1"), ("Content-Type", "application/json")];
    let body = br#"{"messages":[{"content":"Hi","role":"user"}],"model":"m"}"#;
    chrysalis_wire::http::request("POST", "/v1/chat/completions", "HTTP/1.1", headers, body.to_vec())
}

fn http_response() -> HttpResponse {
    HttpResponse {
        http_version: "HTTP/1.1".into(),
        status_code: 200,
        reason: "OK".into(),
        headers: vec![HttpHeader {
            name: "Transfer-Encoding".into(),
            value: "chunked".into(),
        }],
        payload: Vec::new(),
    }
}

fn tokens() -> TokensUsed {
    TokensUsed {
        prompt_tokens_used: 10,
        cached_tokens_used: 4,
        completion_tokens_used: 20,
        reasoning_tokens_used: 5,
        total_tokens_used: 39,
    }
}

fn signed() -> SignedPayment {
    SignedPayment::Signed(ProxySignedPayment {
        data: vec![0xb5, 0xee, 0x9c, 0x72, 1, 1],
    })
}

fn proxy_params() -> ProxyParams {
    ProxyParams {
        proxy_public_key: [0x42; 32],
        proxy_owner_address: OWNER.into(),
        proxy_sc_address: OWNER.into(),
        is_test: Some(false),
        proto_version: Some(2),
    }
}

fn protocol() -> ProtocolRange {
    ProtocolRange {
        min_proto_version: 1,
        max_proto_version: 2,
    }
}

fn client_final_info() -> ClientQueryFinalInfo {
    ClientQueryFinalInfo {
        tokens_used: tokens(),
        debug: Some(ClientDebugInfo {
            worker_debug: "{}".into(),
            proxy_debug: "{}".into(),
        }),
        times: Some(ClientAnswerTimes {
            proxy_start_time: Seconds::from_ns(1),
            proxy_end_time: Seconds::from_ns(4),
            worker_start_time: Seconds::from_ns(2),
            worker_end_time: Seconds::from_ns(3),
        }),
    }
}

fn proxy_final_info() -> ProxyQueryFinalInfo {
    ProxyQueryFinalInfo {
        tokens_used: tokens(),
        worker_debug: Some("{}".into()),
        times: Some(WorkerAnswerTimes {
            worker_start_time: Seconds::from_ns(2),
            worker_end_time: Seconds::from_ns(3),
        }),
    }
}

fn client_to_proxy() -> Vec<ClientToProxyMessage> {
    let query = http_request().encode();
    let timeout = Seconds::from_ns(114_000_000_000);
    vec![
        ClientRunQuery {
            model_name: "m".into(),
            query: query.clone(),
            max_coefficient: 4000,
            max_tokens: 1000,
            timeout,
            request_id: REQUEST_ID,
            min_config_version: 5,
        }
        .into(),
        ClientRunQueryEx {
            model_name: "m".into(),
            query,
            max_coefficient: 4000,
            max_tokens: 1000,
            timeout,
            request_id: REQUEST_ID,
            min_config_version: 5,
            enable_debug: Some(true),
        }
        .into(),
    ]
}

fn proxy_to_client() -> Vec<ProxyToClientMessage> {
    let answer = http_response().encode();
    let part = b"{\"id\":1}\n".to_vec();
    vec![
        ClientQueryAnswer {
            answer: answer.clone(),
            is_completed: false,
            request_id: REQUEST_ID,
            request_tokens_used: tokens(),
        }
        .into(),
        ClientQueryAnswerError {
            error_code: 651,
            error: "no worker".into(),
            request_id: REQUEST_ID,
            request_tokens_used: tokens(),
        }
        .into(),
        ClientQueryAnswerPart {
            answer: part.clone(),
            is_completed: true,
            request_id: REQUEST_ID,
            request_tokens_used: tokens(),
        }
        .into(),
        ClientQueryAnswerPartError {
            error_code: 652,
            error: "late".into(),
            request_id: REQUEST_ID,
            request_tokens_used: tokens(),
        }
        .into(),
        ClientQueryAnswerEx {
            request_id: REQUEST_ID,
            answer,
            final_info: None,
        }
        .into(),
        ClientQueryAnswerErrorEx {
            request_id: REQUEST_ID,
            error_code: 652,
            error: "late".into(),
            final_info: Some(ClientQueryFinalInfo {
                debug: None,
                ..client_final_info()
            }),
        }
        .into(),
        ClientQueryAnswerPartEx {
            request_id: REQUEST_ID,
            answer: part,
            final_info: Some(client_final_info()),
        }
        .into(),
        ProxySignedPayment { data: vec![1] }.into(),
        ProxyClientRequestPayment {
            request_id: REQUEST_ID,
            signed_payment: signed(),
            db_tokens: 1,
            max_tokens: 2,
            request_tokens: 3,
        }
        .into(),
    ]
}

fn worker_to_proxy() -> Vec<WorkerToProxyMessage> {
    let answer = http_response().encode();
    let part = b"data: {\"id\":1}\n\n".to_vec();
    vec![
        ProxyQueryAnswer {
            answer: answer.clone(),
            is_completed: false,
            request_id: REQUEST_ID,
            tokens_used: tokens(),
        }
        .into(),
        ProxyQueryAnswerError {
            error_code: 602,
            error: "busy".into(),
            request_id: REQUEST_ID,
            tokens_used: tokens(),
        }
        .into(),
        ProxyQueryAnswerPart {
            answer: part.clone(),
            is_completed: true,
            request_id: REQUEST_ID,
            tokens_used: tokens(),
        }
        .into(),
        ProxyQueryAnswerPartError {
            error_code: 653,
            error: "gone".into(),
            request_id: REQUEST_ID,
            tokens_used: tokens(),
        }
        .into(),
        ProxyQueryAnswerEx {
            request_id: REQUEST_ID,
            answer,
            final_info: Some(proxy_final_info()),
        }
        .into(),
        ProxyQueryAnswerErrorEx {
            request_id: REQUEST_ID,
            error_code: 601,
            error: "backend".into(),
            final_info: Some(ProxyQueryFinalInfo {
                worker_debug: None,
                ..proxy_final_info()
            }),
        }
        .into(),
        ProxyQueryAnswerPartEx {
            request_id: REQUEST_ID,
            answer: part,
            final_info: None,
        }
        .into(),
        WorkerEnabledDisabled { disabled: 1 }.into(),
        WorkerNewCoefficient { new_coefficient: 1500 }.into(),
    ]
}

fn proxy_to_worker() -> Vec<ProxyToWorkerMessage> {
    let query = http_request().encode();
    let timeout = Seconds::from_ns(108_300_000_000);
    vec![
        ProxySignedPayment { data: Vec::new() }.into(),
        ProxyRunQuery {
            query: query.clone(),
            signed_payment: SignedPayment::EMPTY,
            coefficient: 1000,
            timeout,
            request_id: REQUEST_ID,
        }
        .into(),
        ProxyRunQueryEx {
            query,
            signed_payment: signed(),
            coefficient: 1000,
            timeout,
            request_id: REQUEST_ID,
            enable_debug: None,
        }
        .into(),
        ProxyWorkerRequestPayment {
            request_id: REQUEST_ID,
            signed_payment: signed(),
            db_tokens: 1,
            max_tokens: 2,
            request_tokens: 3,
            request_client_owner: OWNER.into(),
        }
        .into(),
    ]
}

fn client_query() -> Vec<ClientQuery> {
    vec![
        ClientConnectToProxy {
            params: ClientParams {
                client_owner_address: OWNER.into(),
                is_test: Some(true),
                protocol: Some(protocol()),
            },
            min_config_version: 5,
        }
        .into(),
        ClientAuthorizeWithProxyShort {
            data: Secret::new(b"secret".to_vec()),
        }
        .into(),
        ClientAuthorizeWithProxyLong {}.into(),
        ClientUpdatePaymentStatus {}.into(),
        ClientGetWorkerTypes {}.into(),
        ClientGetWorkerTypesV2 {}.into(),
        ClientRequestRefund {}.into(),
    ]
}

fn worker_query() -> Vec<WorkerQuery> {
    vec![
        WorkerConnectToProxy {
            params: WorkerParams {
                worker_owner_address: OWNER.into(),
                model: "name@commit:hash".into(),
                coefficient: 1000,
                capacity: Some(WorkerCapacity {
                    is_test: true,
                    proxy_cnt: 1,
                    max_active_requests: 60,
                }),
                protocol: Some(protocol()),
            },
        }
        .into(),
        WorkerCompareBalanceWithProxy {
            tokens_committed_to_blockchain: 1,
            tokens_committed_to_db: 2,
            max_tokens: 3,
        }
        .into(),
        WorkerExtendedCompareBalanceWithProxy {
            tokens_committed_to_db: 2,
            other: Vec::new(),
        }
        .into(),
        WorkerProxyHandshakeComplete { is_disabled: false }.into(),
        WorkerUpdatePaymentStatus {}.into(),
    ]
}

fn key_manager_query() -> Vec<KeyManagerQuery> {
    vec![
        KeyManagerGetWorkerPrivateKeys { min_config_version: 5 }.into(),
        KeyManagerGetProxyPrivateKeys { min_config_version: 5 }.into(),
    ]
}

/// Answers and what else travels only within other objects.
fn objects() -> Vec<Vec<u8>> {
    let (db_tokens, max_tokens, signed_payment) = (1, 2, signed());
    vec![
        http_request().encode(),
        http_response().encode(),
        ClientConnectedToProxy {
            params: proxy_params(),
            client_sc_address: OWNER.into(),
            auth: ClientProxyConnectionAuthShort {
                secret_hash: [1; 32],
                nonce: -1,
            }
            .into(),
            signed_payment: signed_payment.clone(),
        }
        .encode(),
        ProxyConnectionAuth::Long(ClientProxyConnectionAuthLong { nonce: 7 }).encode(),
        ClientAuthorizationWithProxySuccess {
            signed_payment: signed_payment.clone(),
            tokens_committed_to_db: 1,
            max_tokens,
        }
        .encode(),
        ClientAuthorizationWithProxyFailed {
            error_code: 621,
            error: "wrong secret".into(),
        }
        .encode(),
        ClientPaymentStatus {
            signed_payment: signed_payment.clone(),
            db_tokens,
            max_tokens,
        }
        .encode(),
        ClientWorkerTypes {
            types: vec![ClientWorkerType {
                name: "m".into(),
                active_workers: 2,
                coefficient_min: 900,
                coefficient_bucket50: 1000,
                coefficient_max: 1100,
            }],
        }
        .encode(),
        ClientWorkerTypesV2 {
            types: vec![ClientWorkerTypeV2 {
                name: "m".into(),
                workers: vec![
                    ClientWorkerInstanceV2 {
                        coefficient: 900,
                        active_requests: 1,
                        max_active_requests: 60
                    };
                    2
                ],
            }],
        }
        .encode(),
        ClientRefund { data: vec![1] }.encode(),
        ClientRefundRejected { active_queries: 3 }.encode(),
        WorkerConnectedToProxy {
            params: proxy_params(),
            worker_sc_address: OWNER.into(),
        }
        .encode(),
        WorkerCompareBalanceWithProxyResult {
            signed_payment: SignedPayment::EMPTY,
            tokens_committed_to_db: 1,
            max_tokens,
            error_code: 0,
        }
        .encode(),
        WorkerExtendedCompareBalanceWithProxyResult { error_code: 0 }.encode(),
        WorkerProxyHandshakeCompleted {}.encode(),
        WorkerPaymentStatus {
            signed_payment,
            db_tokens,
            max_tokens,
        }
        .encode(),
        KeyManagerPrivateKeys {
            keys: vec![KeyManagerPrivateKey {
                valid_until_utime: 1,
                private_key: Secret::new([3; 32]),
            }],
        }
        .encode(),
        TonBlockIdExt {
            workchain: 0,
            shard: i64::MIN,
            seqno: 9,
            root_hash: vec![1; 32],
            file_hash: vec![2; 32],
        }
        .encode(),
        TestQuery { id: 1 }.encode(),
        TestAnswer { id: 1 }.encode(),
    ]
}

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
    let mut without_first = Vec::new();
    for (index, packet) in packets().iter().enumerate() {
        writer.packet(packet, &mut all).unwrap();
        if index == 0 {
            without_first = vec![0; all.len()];
        }
    }
    without_first = all[without_first.len()..].to_vec();
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
