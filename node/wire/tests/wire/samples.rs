//! One sample of every message, query and answer.

use chrysalis_wire::{
    Boxed, RequestId, Seconds,
    messages::{
        ClientQuery, ClientToProxyMessage, KeyManagerQuery, ProxyToClientMessage, ProxyToWorkerMessage, WorkerQuery,
        WorkerToProxyMessage,
    },
    objects::*,
    tl::Secret,
};

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

pub(crate) fn client_to_proxy() -> Vec<ClientToProxyMessage> {
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

pub(crate) fn proxy_to_client() -> Vec<ProxyToClientMessage> {
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

pub(crate) fn worker_to_proxy() -> Vec<WorkerToProxyMessage> {
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

pub(crate) fn proxy_to_worker() -> Vec<ProxyToWorkerMessage> {
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

pub(crate) fn client_query() -> Vec<ClientQuery> {
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

pub(crate) fn worker_query() -> Vec<WorkerQuery> {
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

pub(crate) fn key_manager_query() -> Vec<KeyManagerQuery> {
    vec![
        KeyManagerGetWorkerPrivateKeys { min_config_version: 5 }.into(),
        KeyManagerGetProxyPrivateKeys { min_config_version: 5 }.into(),
    ]
}

/// Answers and what else travels only within other objects.
pub(crate) fn objects() -> Vec<Vec<u8>> {
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
