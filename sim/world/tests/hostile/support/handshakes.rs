//! What honest peers say first. Each step is public, so that a test can say something else in its place.

use super::{
    parties::{MODEL, MULTIPLIERS, NETWORK, Parties, SECRET, address_of},
    peer::{Gone, RawPeer},
};
pub(crate) use adversary::balance;
use chrysalis_settlement::{Address, PaymentKind, ReservationRequest, ReservationRule, SigningKey};
use chrysalis_wire::{
    http::{self, Hop, HopTimes, ResponseBody},
    objects::{
        AuthorizationWithProxy, ClientAuthorizationWithProxySuccess, ClientAuthorizeWithProxyShort,
        ClientConnectToProxy, ClientConnectedToProxy, ClientParams, ClientProxyConnectionAuthShort, ClientRunQueryEx,
        ProxyConnectionAuth, ProxyParams, ProxyQueryAnswerEx, ProxyQueryAnswerPartEx, ProxyQueryFinalInfo,
        ProxySignedPayment, SignedPayment, TokensUsed, WorkerCompareBalanceWithProxy,
        WorkerCompareBalanceWithProxyResult, WorkerConnectToProxy, WorkerConnectedToProxy,
        WorkerProxyHandshakeComplete, WorkerProxyHandshakeCompleted,
    },
    protocol_version::{Version, VersionRange},
    tl::{Boxed, RequestId, Seconds, Secret},
};
use chrysalis_world::adversary::handshakes as adversary;
use sha2::{Digest, Sha256};

pub(crate) fn id(number: u64) -> RequestId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    RequestId(bytes)
}

// ---- a client ----

pub(crate) fn client_connect(owner: &Address) -> ClientConnectToProxy {
    ClientConnectToProxy {
        params: ClientParams {
            client_owner_address: owner.to_wire(NETWORK),
            is_test: Some(true),
            protocol: Some(VersionRange::CLIENT_AND_WORKER.to_announcement()),
        },
        min_config_version: 1,
    }
}

pub(crate) fn secret(text: &str) -> ClientAuthorizeWithProxyShort {
    ClientAuthorizeWithProxyShort {
        data: Secret::new(text.as_bytes().to_vec()),
    }
}

/// A client's whole hand-shake.
pub(crate) async fn authorise(peer: &mut RawPeer, owner: &Address) -> Result<(), Gone> {
    peer.query(&client_connect(owner)).await?;
    peer.query(&secret(SECRET)).await?;
    Ok(())
}

/// A request for `max_tokens` tokens, and a body that asks for as many.
pub(crate) fn request(number: u64, max_tokens: i32) -> ClientRunQueryEx {
    request_with_body(
        number,
        max_tokens,
        &serde_json::json!({
            "model": MODEL,
            "messages": [{ "role": "user", "content": "Say hello." }],
            "max_tokens": max_tokens,
            "temperature": 0,
        }),
    )
}

/// A request with any body, to the chat endpoint.
pub(crate) fn request_with_body(number: u64, max_tokens: i32, body: &serde_json::Value) -> ClientRunQueryEx {
    request_to("/v1/chat/completions", number, max_tokens, body)
}

pub(crate) fn request_to(path: &str, number: u64, max_tokens: i32, body: &serde_json::Value) -> ClientRunQueryEx {
    let headers = [("content-type", "application/json")];
    let query = http::request("POST", path, "HTTP/1.1", headers, body.to_string().into_bytes());
    ClientRunQueryEx {
        model_name: MODEL.into(),
        query: query.encode(),
        max_coefficient: 1000,
        max_tokens,
        timeout: Seconds::from_ns(30_000_000_000),
        request_id: id(number),
        min_config_version: 1,
        enable_debug: None,
    }
}

/// What the proxy must reserve for a request.
pub(crate) fn reservation(request: &ClientRunQueryEx) -> u64 {
    let asked = ReservationRequest::single(request.max_tokens, request.query.len() as u64, request.max_coefficient);
    ReservationRule::Sound
        .tokens(&asked, &MULTIPLIERS)
        .unwrap()
        .unsigned_abs()
}

// ---- a worker ----

pub(crate) fn worker_connect(owner: &Address, slots: i32) -> WorkerConnectToProxy {
    adversary::worker_connect(owner, NETWORK, MODEL, slots)
}

/// A worker's whole hand-shake, of one that remembers nothing and takes work.
pub(crate) async fn offer_work(peer: &mut RawPeer, owner: &Address, slots: i32) -> Result<(), Gone> {
    adversary::offer_work(peer, &worker_connect(owner, slots), false).await
}

pub(crate) const fn tokens(prompt: i64, completion: i64, total: i64) -> TokensUsed {
    TokensUsed {
        prompt_tokens_used: prompt,
        cached_tokens_used: 0,
        completion_tokens_used: completion,
        reasoning_tokens_used: 0,
        total_tokens_used: total,
    }
}

pub(crate) const fn final_info(tokens_used: TokensUsed) -> ProxyQueryFinalInfo {
    ProxyQueryFinalInfo {
        tokens_used,
        worker_debug: None,
        times: None,
    }
}

/// The head of an answer, of a status and a content type.
pub(crate) fn http_head(status: u16, content_type: &str) -> Vec<u8> {
    let times = HopTimes {
        hop: Hop::Worker,
        start_unix_ns: 0,
        end_unix_ns: 0,
    };
    http::response(
        "HTTP/1.1",
        status,
        "",
        [("content-type", content_type)],
        times,
        ResponseBody::Follows,
    )
    .encode()
}

/// A worker's first answer.
pub(crate) fn head(request_id: RequestId) -> ProxyQueryAnswerEx {
    ProxyQueryAnswerEx {
        request_id,
        answer: http_head(200, "application/json"),
        final_info: None,
    }
}

/// The head of a stream of events.
pub(crate) fn stream_head(request_id: RequestId) -> ProxyQueryAnswerEx {
    ProxyQueryAnswerEx {
        request_id,
        answer: http_head(200, "text/event-stream"),
        final_info: None,
    }
}

pub(crate) fn part(request_id: RequestId, bytes: &[u8]) -> ProxyQueryAnswerPartEx {
    ProxyQueryAnswerPartEx {
        request_id,
        answer: bytes.to_vec(),
        final_info: None,
    }
}

pub(crate) fn last_part(request_id: RequestId, bytes: &[u8], used: TokensUsed) -> ProxyQueryAnswerPartEx {
    ProxyQueryAnswerPartEx {
        request_id,
        answer: bytes.to_vec(),
        final_info: Some(final_info(used)),
    }
}

// ---- a proxy ----

/// What an honest proxy says of itself.
pub(crate) fn proxy_params(parties: &Parties) -> ProxyParams {
    let identity = parties.proxy_identity();
    ProxyParams {
        proxy_public_key: *identity.public_key.as_bytes(),
        proxy_owner_address: address_of("proxy owner", "proxy").to_wire(NETWORK),
        proxy_sc_address: identity.address.to_wire(NETWORK),
        is_test: Some(true),
        proto_version: Version::NEWEST.to_proxy_params(),
    }
}

/// A payment signed by any key for any contract.
pub(crate) fn payment(key: &SigningKey, kind: PaymentKind, tokens: u64, contract: &Address) -> SignedPayment {
    let excesses = address_of("proxy wallet", "proxy");
    let signed = chrysalis_settlement::SignedPayment::sign(key, kind, tokens + 1, tokens, contract, &excesses);
    SignedPayment::Signed(ProxySignedPayment { data: signed.boc })
}

pub(crate) fn connected_client(parties: &Parties, owner: &Address) -> ClientConnectedToProxy {
    ClientConnectedToProxy {
        params: proxy_params(parties),
        client_sc_address: parties.client_contract(owner).to_wire(NETWORK),
        auth: ProxyConnectionAuth::Short(ClientProxyConnectionAuthShort {
            secret_hash: Sha256::digest(SECRET.as_bytes()).into(),
            nonce: 0,
        }),
        signed_payment: SignedPayment::EMPTY,
    }
}

/// A proxy's answer to a good secret, with what it says of the account.
pub(crate) fn authorised(signed_payment: SignedPayment, db: i64, max: i64) -> AuthorizationWithProxy {
    AuthorizationWithProxy::Success(ClientAuthorizationWithProxySuccess {
        signed_payment,
        tokens_committed_to_db: db,
        max_tokens: max,
    })
}

/// A proxy's whole hand-shake with a client: the account is new.
pub(crate) async fn welcome_client(peer: &mut RawPeer, parties: &Parties, owner: &Address) -> Result<(), Gone> {
    let (query, _) = peer.asked::<ClientConnectToProxy>().await?;
    peer.answer(query, &connected_client(parties, owner)).await;
    let (query, _) = peer.asked::<ClientAuthorizeWithProxyShort>().await?;
    let contract = parties.client_contract(owner);
    let zero = payment(&parties.proxy_key(), PaymentKind::ClientCharge, 0, &contract);
    peer.answer(query, &authorised(zero, 0, 0)).await;
    Ok(())
}

pub(crate) fn connected_worker(parties: &Parties, owner: &Address) -> WorkerConnectedToProxy {
    WorkerConnectedToProxy {
        params: proxy_params(parties),
        worker_sc_address: parties.worker_contract(owner).to_wire(NETWORK),
    }
}

pub(crate) const fn compared(signed_payment: SignedPayment, db: i64, max: i64) -> WorkerCompareBalanceWithProxyResult {
    WorkerCompareBalanceWithProxyResult {
        signed_payment,
        tokens_committed_to_db: db,
        max_tokens: max,
        error_code: 0,
    }
}

/// A proxy's whole hand-shake with a worker: the account is new.
pub(crate) async fn welcome_worker(peer: &mut RawPeer, parties: &Parties, owner: &Address) -> Result<(), Gone> {
    let (query, _) = peer.asked::<WorkerConnectToProxy>().await?;
    peer.answer(query, &connected_worker(parties, owner)).await;
    let (query, _) = peer.asked::<WorkerCompareBalanceWithProxy>().await?;
    let contract = parties.worker_contract(owner);
    let zero = payment(&parties.proxy_key(), PaymentKind::WorkerPayout, 0, &contract);
    peer.answer(query, &compared(zero, 0, 0)).await;
    let (query, _) = peer.asked::<WorkerProxyHandshakeComplete>().await?;
    peer.answer(query, &WorkerProxyHandshakeCompleted {}).await;
    Ok(())
}
