//! A real client and a real worker, and a proxy with genuine evidence that cheats all the same. Whatever it does: the
//! processes live, and users know where they stand within their own time limit.

// Not compiled yet: take this line away to build these tests.
#![cfg(any())]
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use chrysalis_env::{Env, Listener};
use chrysalis_node::extension::CancelQuery;
use chrysalis_settlement::{Address, PaymentKind, SigningKey};
use chrysalis_wire::{
    objects::{
        ClientAuthorizeWithProxyLong, ClientAuthorizeWithProxyShort, ClientConnectToProxy, ClientConnectedToProxy,
        ClientQueryAnswerErrorEx, ClientQueryAnswerEx, ClientQueryAnswerPartEx, ClientQueryFinalInfo, ClientRunQueryEx,
        HttpHeader, HttpResponse, ProxyClientRequestPayment, ProxyQueryAnswerErrorEx, ProxyQueryAnswerPartEx,
        ProxyRunQueryEx, ProxySignedPayment, ProxyWorkerRequestPayment, SignedPayment, TestQuery,
        WorkerCompareBalanceWithProxy, WorkerConnectToProxy, WorkerEnabledDisabled,
    },
    packet::{Packet, TcpPacket, TcpQueryError},
    proof_of_work::{Challenge, Difficulty},
    tl::{Boxed, RequestId, Seconds},
};
use std::net::SocketAddr;
use support::{
    handshakes::{
        authorised, compared, connected_client, connected_worker, http_head, id, payment, request, tokens,
        welcome_client, welcome_worker,
    },
    lab::{FOR_CLIENTS, FOR_WORKERS, Lab, lab},
    milliseconds,
    parties::{NETWORK, PROXY_IMAGE, PROXY_MACHINE, Policy, client_owner, named_hash, worker_owner},
    peer::{Gone, RawPeer},
    seconds,
    user::{Got, ask, chat},
};
use tokio::io::AsyncWriteExt;

const CLIENT: &str = "client-1";
const WORKER: &str = "worker-1";

/// The proxy is the test's; client or worker are real.
struct Scene {
    lab: Lab,
    env: Env,
    listener: Listener,
    user: Env,
    http: SocketAddr,
}

impl Scene {
    async fn with_client(lab: Lab) -> Self {
        let env = lab.false_proxy().env();
        let listener = lab.listen(&env, FOR_CLIENTS).await;
        let http = Lab::http(&lab.start_client(CLIENT));
        let user = lab.node("user").env();
        Self {
            lab,
            env,
            listener,
            user,
            http,
        }
    }

    async fn with_worker(lab: Lab) -> Self {
        let env = lab.false_proxy().env();
        let listener = lab.listen(&env, FOR_WORKERS).await;
        lab.start_worker(WORKER);
        let user = lab.node("user").env();
        Self {
            lab,
            env,
            listener,
            user,
            http: FOR_CLIENTS,
        }
    }

    /// The next connection that the real node makes.
    async fn accept(&mut self) -> RawPeer {
        let identity = self.lab.parties.honest("proxy", PROXY_IMAGE, PROXY_MACHINE);
        RawPeer::accept(&self.env, &mut self.listener, &identity).await.unwrap()
    }

    async fn client(&mut self) -> RawPeer {
        let mut client = self.accept().await;
        welcome_client(&mut client, &self.lab.parties, &client_owner(CLIENT))
            .await
            .unwrap();
        self.lab.env().sleep(milliseconds(100)).await;
        client
    }

    async fn worker(&mut self) -> RawPeer {
        let mut worker = self.accept().await;
        welcome_worker(&mut worker, &self.lab.parties, &worker_owner(WORKER))
            .await
            .unwrap();
        self.lab.env().sleep(milliseconds(100)).await;
        worker
    }

    /// A user asks the real client.
    fn asks(&self, is_stream: bool, timeout_s: u64) -> tokio::sync::oneshot::Receiver<Got> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (env, http) = (self.user.clone(), self.http);
        self.user.spawn("user", async move {
            let _ = sender.send(ask(&env, http, &chat(is_stream, timeout_s)).await);
        });
        receiver
    }

    /// The client lives: a proxy that behaves serves its user on this connection.
    async fn serves(&mut self, client: &mut RawPeer) {
        let got = self.asks(false, 10);
        let request: ClientRunQueryEx = client.message().await.unwrap();
        client.send(&head(request.request_id)).await;
        client.send(&last(request.request_id, b"{\"choices\": []}")).await;
        let got = got.await.unwrap();
        assert!(got.is_answer(), "{got:?}");
    }
}

fn head(request_id: RequestId) -> ClientQueryAnswerEx {
    ClientQueryAnswerEx {
        request_id,
        answer: http_head(200, "application/json"),
        final_info: None,
    }
}

fn stream_head(request_id: RequestId) -> ClientQueryAnswerEx {
    ClientQueryAnswerEx {
        request_id,
        answer: http_head(200, "text/event-stream"),
        final_info: None,
    }
}

fn part(request_id: RequestId, bytes: &[u8]) -> ClientQueryAnswerPartEx {
    ClientQueryAnswerPartEx {
        request_id,
        answer: bytes.to_vec(),
        final_info: None,
    }
}

fn last(request_id: RequestId, bytes: &[u8]) -> ClientQueryAnswerPartEx {
    let final_info = Some(ClientQueryFinalInfo {
        tokens_used: tokens(0, 1, 1),
        debug: None,
        times: None,
    });
    ClientQueryAnswerPartEx {
        request_id,
        answer: bytes.to_vec(),
        final_info,
    }
}

#[test]
fn a_proxy_that_behaves_is_used() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
        assert_eq!(scene.lab.watch.accepted(CLIENT, "proxy"), 1);
    });
}

#[test]
fn a_client_keeps_its_secret_from_proxies_whose_contracts_do_not_follow_from_the_root() {
    type Change = fn(&mut ClientConnectedToProxy);
    let changes: [(&str, Change); 9] = [
        ("another proxy contract", |connected| {
            connected.params.proxy_sc_address = client_owner("x").to_wire(NETWORK);
        }),
        ("another own contract", |connected| {
            connected.client_sc_address = client_owner("x").to_wire(NETWORK)
        }),
        ("another key", |connected| connected.params.proxy_public_key = [9; 32]),
        ("another owner", |connected| {
            connected.params.proxy_owner_address = client_owner("x").to_wire(NETWORK)
        }),
        ("no address", |connected| connected.client_sc_address = String::new()),
        ("a long address", |connected| {
            connected.params.proxy_sc_address = "E".repeat(1 << 20)
        }),
        ("production", |connected| connected.params.is_test = Some(false)),
        ("no kind of deployment", |connected| connected.params.is_test = None),
        ("a version of tomorrow", |connected| {
            connected.params.proto_version = Some(99)
        }),
    ];
    lab(Policy::Tdx, move |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let owner = client_owner(CLIENT);
        for (what, change) in changes {
            let mut client = scene.accept().await;
            let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
            let mut connected = connected_client(&scene.lab.parties, &owner);
            change(&mut connected);
            client.answer(query, &connected).await;
            let secret = client.asked::<ClientAuthorizeWithProxyShort>().await;
            assert!(matches!(secret, Err(Gone::Closed(_))), "{what}: {secret:?}");
            let got = scene.asks(false, 5).await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(503), Some(651)), "{what}");
        }
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
    });
}

#[test]
fn a_client_shows_its_secret_only_where_its_hash_is_known() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.accept().await;
        let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
        let mut connected = connected_client(&scene.lab.parties, &client_owner(CLIENT));
        if let chrysalis_wire::objects::ProxyConnectionAuth::Short(short) = &mut connected.auth {
            short.secret_hash = [0; 32];
        }
        client.answer(query, &connected).await;
        let (query, _) = client.asked::<ClientAuthorizeWithProxyLong>().await.unwrap();
        client
            .send_packet(&Packet::QueryError(TcpQueryError {
                id: query,
                code: 602,
                message: "no".into(),
            }))
            .await;
        assert!(client.closed_within(seconds(2)).await);
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
    });
}

#[test]
#[ignore = "defect: why a node left a proxy after the hand-shake is reported nowhere (dialing.rs, one)"]
fn a_node_reports_why_it_left_a_proxy() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.accept().await;
        let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
        let mut connected = connected_client(&scene.lab.parties, &client_owner(CLIENT));
        connected.client_sc_address = client_owner("x").to_wire(NETWORK);
        client.answer(query, &connected).await;
        assert!(client.closed_within(seconds(2)).await);
        scene.lab.env().sleep(seconds(1)).await;
        let notes = scene.lab.watch.notes(CLIENT);
        assert!(notes.iter().any(|note| note.contains("own contract")), "{notes:?}");
    });
}

fn foreign_key() -> SigningKey {
    SigningKey::from_seed(&named_hash("proxy key", "another"))
}

/// Payments that a client or worker must not take for its contract, each with what they are.
fn wrong_payments(key: &SigningKey, kind: PaymentKind, contract: &Address) -> Vec<(&'static str, SignedPayment)> {
    let other_kind = match kind {
        PaymentKind::ClientCharge => PaymentKind::ClientRefund,
        _ => PaymentKind::WorkerLastPayout,
    };
    let SignedPayment::Signed(good) = payment(key, kind, 100, contract) else {
        unreachable!()
    };
    let mut altered = good.data.clone();
    let at = altered.len() - 40;
    altered[at] ^= 1;
    let mut longer = good.data.clone();
    longer.push(0);
    let raw = |data: Vec<u8>| SignedPayment::Signed(ProxySignedPayment { data });
    vec![
        ("another key's", payment(&foreign_key(), kind, 100, contract)),
        ("for another contract", payment(key, kind, 100, &client_owner("x"))),
        ("of another kind", payment(key, other_kind, 100, contract)),
        ("altered", raw(altered)),
        ("with bytes behind", raw(longer)),
        ("cut", raw(good.data[..100].to_vec())),
        ("nothing", raw(Vec::new())),
        ("garbage", raw(vec![0xb5; 100_000])),
        ("empty", SignedPayment::EMPTY),
        ("smaller", payment(key, kind, 9, contract)),
    ]
}

#[test]
fn a_client_leaves_a_proxy_whose_payments_are_wrong() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let parties = scene.lab.parties.clone();
        let owner = client_owner(CLIENT);
        let (key, contract) = (parties.proxy_key(), parties.client_contract(&owner));
        let kind = PaymentKind::ClientCharge;
        let bill = |signed_payment, db_tokens, max_tokens| ProxyClientRequestPayment {
            request_id: id(1),
            signed_payment,
            db_tokens,
            max_tokens,
            request_tokens: 0,
        };
        let good = payment(&key, kind, 10, &contract);
        // First what is right: counts that grow.
        let mut client = scene.client().await;
        client.send(&bill(payment(&key, kind, 5, &contract), 6, 7)).await;
        client.send(&bill(good.clone(), 10, 10)).await;
        assert!(client.is_alive().await);
        assert_eq!(scene.lab.watch.paid(CLIENT, "taken"), [5, 10]);
        drop(client);
        let mut wrong: Vec<_> = wrong_payments(&key, kind, &contract)
            .into_iter()
            .map(|(what, wrong)| (what, bill(wrong, 200, 200)))
            .collect();
        wrong.extend([
            ("fewer durable", bill(good.clone(), 9, 10)),
            ("fewer counted", bill(good.clone(), 10, 9)),
            ("negative", bill(good.clone(), -1, 10)),
            ("smallest", bill(good.clone(), i64::MIN, i64::MIN)),
            ("more durable than counted", bill(good.clone(), 12, 11)),
            (
                "more signed than durable",
                bill(payment(&key, kind, 50, &contract), 20, 20),
            ),
        ]);
        for (what, wrong) in wrong {
            let mut client = scene.accept().await;
            let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
            client.answer(query, &connected_client(&parties, &owner)).await;
            let (query, _) = client.asked::<ClientAuthorizeWithProxyShort>().await.unwrap();
            client.answer(query, &authorised(good.clone(), 10, 10)).await;
            scene.lab.env().sleep(milliseconds(100)).await;
            let got = scene.asks(false, 30);
            let _: ClientRunQueryEx = client.message().await.unwrap();
            client.send(&wrong).await;
            assert!(client.closed_within(seconds(2)).await, "{what}");
            let got = got.await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(500), Some(601)), "{what}");
            assert!(got.took_ns < 1_000_000_000, "{what}: at once, not at the time limit");
        }
        assert_eq!(scene.lab.watch.paid(CLIENT, "taken"), [5, 10], "none of it was taken");
    });
}

#[test]
fn a_client_does_not_let_a_proxy_forget_at_a_new_hand_shake() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let parties = scene.lab.parties.clone();
        let owner = client_owner(CLIENT);
        let (key, contract) = (parties.proxy_key(), parties.client_contract(&owner));
        let signed = |tokens| payment(&key, PaymentKind::ClientCharge, tokens, &contract);
        // (payment, durable, counted) that the proxy says in turn, and whether the client goes on.
        let steps = [
            (signed(10), 10, 20, true),
            (signed(10), 10, 10, true),
            (signed(9), 9, 9, false),
            (signed(0), 0, 0, false),
            (SignedPayment::EMPTY, 10, 10, false),
            (signed(11), 10, 10, false),
            (signed(10), -1, 10, false),
            (signed(12), 12, 12, true),
        ];
        for (number, (payment, db, max, goes_on)) in steps.into_iter().enumerate() {
            let mut client = scene.accept().await;
            let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
            client.answer(query, &connected_client(&parties, &owner)).await;
            let (query, _) = client.asked::<ClientAuthorizeWithProxyShort>().await.unwrap();
            client.answer(query, &authorised(payment, db, max)).await;
            assert_eq!(!client.closed_within(seconds(2)).await, goes_on, "step {number}");
        }
    });
}

#[test]
fn answers_that_nobody_waits_for_leave_a_client_as_it_was() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.client().await;
        let mut bytes = Vec::new();
        for number in 0..10_000 {
            match number % 4 {
                0 => client.encode(&head(id(number)), &mut bytes),
                1 => client.encode(&part(id(number), b"x"), &mut bytes),
                2 => client.encode(&last(id(number), b"x"), &mut bytes),
                _ => {
                    let error = ClientQueryAnswerErrorEx {
                        request_id: id(number),
                        error_code: i32::MIN,
                        error: "x".into(),
                        final_info: None,
                    };
                    client.encode(&error, &mut bytes);
                }
            }
        }
        client.send_bytes(&bytes).await;
        // It says that it does not want them, once for each loose part.
        assert_eq!(client.message::<CancelQuery>().await.unwrap().request_id, id(1));
        scene.serves(&mut client).await;
        // A question to a client is refused, and no more.
        client.send_query(7, &TestQuery { id: 1 }).await;
        assert!(client.is_alive().await);
        scene.serves(&mut client).await;
    });
}

fn raw_head(request_id: RequestId, answer: Vec<u8>) -> ClientQueryAnswerEx {
    ClientQueryAnswerEx {
        request_id,
        answer,
        final_info: None,
    }
}

fn response(status_code: i32, headers: Vec<HttpHeader>) -> Vec<u8> {
    let reason = "\r\nx".to_owned();
    HttpResponse {
        http_version: "x".into(),
        status_code,
        reason,
        headers,
        payload: Vec::new(),
    }
    .encode()
}

#[test]
fn answers_that_are_none_become_errors_at_once() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.client().await;
        let mut trailing = http_head(200, "text/plain");
        trailing.push(0);
        let heads = [
            ("nothing", vec![]),
            ("text", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            ("trailing bytes", trailing),
            ("a status of nothing", response(0, vec![])),
            ("a negative status", response(-1, vec![])),
            ("a provisional status", response(100, vec![])),
            ("a change of protocol", response(101, vec![])),
            ("a large status", response(i32::MAX, vec![])),
        ];
        for (what, answer) in heads {
            let got = scene.asks(false, 30);
            let request: ClientRunQueryEx = client.message().await.unwrap();
            client.send(&raw_head(request.request_id, answer)).await;
            client.send(&part(request.request_id, b"x")).await;
            let got = got.await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(500), Some(621)), "{what}");
            assert!(got.took_ns < 1_000_000_000, "{what}");
        }
        // A part before the head.
        let got = scene.asks(false, 30);
        let request: ClientRunQueryEx = client.message().await.unwrap();
        client.send(&last(request.request_id, b"x")).await;
        assert_eq!(got.await.unwrap().error_code(), Some(621));
        // Codes that are none.
        for error_code in [0, -1, i32::MAX, i32::MIN, 602] {
            let got = scene.asks(true, 30);
            let request: ClientRunQueryEx = client.message().await.unwrap();
            let error = "\"}\r\n\u{0}".to_owned();
            let request_id = request.request_id;
            client
                .send(&ClientQueryAnswerErrorEx {
                    request_id,
                    error_code,
                    error,
                    final_info: None,
                })
                .await;
            let got = got.await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(500), Some(i64::from(error_code))));
        }
        // Two heads: what came stays, and breaks off.
        let got = scene.asks(true, 30);
        let request: ClientRunQueryEx = client.message().await.unwrap();
        client.send(&stream_head(request.request_id)).await;
        client.send(&stream_head(request.request_id)).await;
        let got = got.await.unwrap();
        assert_eq!((got.status, got.is_whole), (Some(200), false));
        assert!(got.text().contains("\"error\""), "{}", got.text());
        scene.serves(&mut client).await;
    });
}

#[test]
#[ignore = "defect: HeaderMap::append panics above 32,768 headers (client/endpoint.rs, answer)"]
fn more_headers_than_a_map_holds_do_not_kill_the_client() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.client().await;
        let got = scene.asks(false, 30);
        let request: ClientRunQueryEx = client.message().await.unwrap();
        let headers = (0..40_000)
            .map(|number| HttpHeader {
                name: format!("x-{number}"),
                value: "1".into(),
            })
            .collect();
        client.send(&raw_head(request.request_id, response(200, headers))).await;
        client.send(&last(request.request_id, b"{}")).await;
        assert!(got.await.unwrap().status.is_some_and(|status| status >= 500));
        scene.serves(&mut client).await;
    });
}

#[test]
fn silence_costs_a_user_no_more_than_its_time_limit() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.client().await;
        // Nothing at all; a head and nothing; a head, a part, and nothing.
        for stage in 0..3 {
            let got = scene.asks(true, 3);
            let request: ClientRunQueryEx = client.message().await.unwrap();
            assert!(request.timeout.to_f64() <= 3.0, "{:?}", request.timeout);
            if stage >= 1 {
                client.send(&stream_head(request.request_id)).await;
            }
            if stage >= 2 {
                client.send(&part(request.request_id, b"data: {}\n\n")).await;
            }
            let got = got.await.unwrap();
            assert!(
                (2_900_000_000..3_100_000_000).contains(&got.took_ns),
                "{} ns",
                got.took_ns
            );
            match stage {
                0 => assert_eq!((got.status, got.error_code()), (Some(504), Some(652))),
                _ => assert!(
                    got.status == Some(200) && !got.is_whole && got.text().contains("652"),
                    "{got:?}"
                ),
            }
            assert_eq!(
                client.message::<CancelQuery>().await.unwrap().request_id,
                request.request_id
            );
        }
        scene.serves(&mut client).await;
    });
}

#[test]
fn a_proxy_that_goes_away_fails_its_requests_at_once() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        for stage in 0..5 {
            let mut client = scene.client().await;
            let got = scene.asks(true, 60);
            let request: ClientRunQueryEx = client.message().await.unwrap();
            if stage >= 1 {
                client.send(&stream_head(request.request_id)).await;
                client.send(&part(request.request_id, b"data: {}\n\n")).await;
                scene.lab.env().sleep(milliseconds(100)).await;
            }
            match stage {
                2 => {
                    client
                        .send_packet(&Packet::Packet(TcpPacket { data: vec![7; 100] }))
                        .await
                }
                3 => client.send_bytes(&[0xff; 100]).await,
                4 => client.send_payload(&[0; 4]).await,
                _ => {}
            }
            if stage >= 2 {
                assert!(client.closed_within(seconds(1)).await, "stage {stage}");
            }
            drop(client);
            let got = got.await.unwrap();
            assert!(got.took_ns < 1_000_000_000, "stage {stage}: {} ns", got.took_ns);
            match stage {
                0 => assert_eq!((got.status, got.error_code()), (Some(500), Some(601))),
                _ => assert!(
                    got.status == Some(200) && !got.is_whole && got.text().contains("601"),
                    "{got:?}"
                ),
            }
        }
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
    });
}

#[test]
fn a_proxy_that_stalls_before_the_hand_shake_is_given_up() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let hard = Challenge {
            difficulty: Difficulty::new(64).unwrap(),
            salt: [0; 16],
        }
        .encode();
        let greetings: [(&str, &[u8]); 4] = [
            ("silence", b""),
            ("hard work", &hard),
            ("garbage", &[7; 64]),
            ("half a challenge", &hard[..12]),
        ];
        for (what, greeting) in greetings {
            let mut stream = scene.listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
            let start_ns = scene.user.now_ns();
            let got = scene.asks(false, 5).await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(503), Some(651)), "{what}");
            let mut byte = [0];
            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut byte).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{what}");
            assert!(scene.user.now_ns() - start_ns < 31_000_000_000, "{what}");
        }
        let refusals = scene.lab.watch.refusals(CLIENT, "proxy");
        assert!(
            refusals.len() >= 3 && refusals[1].contains("difficulty"),
            "{refusals:?}"
        );
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
    });
}

// ---- a real worker ----

fn work(request_id: RequestId) -> ProxyRunQueryEx {
    ProxyRunQueryEx {
        query: request(1, 8).query,
        signed_payment: SignedPayment::EMPTY,
        coefficient: 1000,
        timeout: Seconds::from_f64(10.0),
        request_id,
        enable_debug: None,
    }
}

/// The worker lives: it does what it is asked.
async fn works(worker: &mut RawPeer, number: u64) {
    worker.send(&work(id(number))).await;
    loop {
        let part: ProxyQueryAnswerPartEx = worker.message().await.unwrap();
        if part.request_id == id(number) && part.final_info.is_some() {
            return;
        }
    }
}

#[test]
fn a_worker_works_for_nobody_whose_contracts_do_not_follow_from_the_root() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_worker(lab).await;
        let owner = worker_owner(WORKER);
        for change in 0..5 {
            let mut worker = scene.accept().await;
            let (query, _) = worker.asked::<WorkerConnectToProxy>().await.unwrap();
            let mut connected = connected_worker(&scene.lab.parties, &owner);
            match change {
                0 => connected.params.proxy_sc_address = owner.to_wire(NETWORK),
                1 => connected.worker_sc_address = owner.to_wire(NETWORK),
                2 => connected.params.proxy_public_key = [9; 32],
                3 => connected.params.is_test = Some(false),
                _ => connected.worker_sc_address = "?".into(),
            }
            worker.answer(query, &connected).await;
            let next = worker.asked::<WorkerCompareBalanceWithProxy>().await;
            assert!(matches!(next, Err(Gone::Closed(_))), "change {change}: {next:?}");
        }
        // Before the hand-shake is complete it does nothing either.
        let mut worker = scene.accept().await;
        worker.send(&work(id(1))).await;
        assert_eq!(
            worker.message::<ProxyQueryAnswerErrorEx>().await.unwrap().error_code,
            651
        );
        drop(worker);
        let mut worker = scene.worker().await;
        works(&mut worker, 1).await;
    });
}

#[test]
fn a_worker_leaves_a_proxy_whose_payments_are_wrong() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_worker(lab).await;
        let parties = scene.lab.parties.clone();
        let owner = worker_owner(WORKER);
        let (key, contract) = (parties.proxy_key(), parties.worker_contract(&owner));
        let kind = PaymentKind::WorkerPayout;
        let bill = |signed_payment, db_tokens, max_tokens| ProxyWorkerRequestPayment {
            request_id: id(1),
            signed_payment,
            db_tokens,
            max_tokens,
            request_tokens: 0,
            request_client_owner: String::new(),
        };
        let good = payment(&key, kind, 10, &contract);
        let mut wrong: Vec<_> = wrong_payments(&key, kind, &contract)
            .into_iter()
            .map(|(what, wrong)| (what, bill(wrong, 200, 200)))
            .collect();
        wrong.extend([
            ("fewer durable", bill(good.clone(), 9, 10)),
            ("fewer counted", bill(good.clone(), 10, 9)),
            ("negative", bill(good.clone(), -1, -1)),
        ]);
        for (what, wrong) in wrong {
            let mut worker = scene.accept().await;
            let (query, _) = worker.asked::<WorkerConnectToProxy>().await.unwrap();
            worker.answer(query, &connected_worker(&parties, &owner)).await;
            let (query, _) = worker.asked::<WorkerCompareBalanceWithProxy>().await.unwrap();
            worker.answer(query, &compared(good.clone(), 10, 10)).await;
            let (query, _) = worker
                .asked::<chrysalis_wire::objects::WorkerProxyHandshakeComplete>()
                .await
                .unwrap();
            worker
                .answer(query, &chrysalis_wire::objects::WorkerProxyHandshakeCompleted {})
                .await;
            works(&mut worker, 1).await;
            worker.send(&wrong).await;
            assert!(worker.closed_within(seconds(2)).await, "{what}");
        }
        // One that forgets what it had called durable is left at the hand-shake.
        let mut worker = scene.accept().await;
        let (query, _) = worker.asked::<WorkerConnectToProxy>().await.unwrap();
        worker.answer(query, &connected_worker(&parties, &owner)).await;
        let (query, known) = worker.asked::<WorkerCompareBalanceWithProxy>().await.unwrap();
        assert_eq!(
            (known.tokens_committed_to_blockchain, known.tokens_committed_to_db),
            (10, 10)
        );
        worker
            .answer(query, &compared(payment(&key, kind, 0, &contract), 0, 0))
            .await;
        assert!(worker.closed_within(seconds(2)).await);
    });
}

#[test]
fn requests_that_are_none_are_refused_by_the_worker_one_by_one() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_worker(lab).await;
        let mut worker = scene.worker().await;
        let with = |change: &dyn Fn(&mut ProxyRunQueryEx)| {
            let mut request = work(id(1));
            change(&mut request);
            request
        };
        let cases = [
            ("for nothing", with(&|request| request.coefficient = 0), 602),
            ("at a negative price", with(&|request| request.coefficient = -1000), 602),
            ("at another price", with(&|request| request.coefficient = i64::MAX), 602),
            ("no HTTP", with(&|request| request.query = vec![1, 2, 3]), 621),
            ("no query", with(&|request| request.query = vec![]), 621),
            (
                "in no time",
                with(&|request| request.timeout = Seconds::from_f64(0.0)),
                652,
            ),
            (
                "in too little time",
                with(&|request| request.timeout = Seconds::from_f64(1e-9)),
                652,
            ),
        ];
        for (what, request, code) in cases {
            worker.send(&request).await;
            let refused: ProxyQueryAnswerErrorEx = worker.message().await.unwrap();
            assert_eq!(
                (refused.request_id, refused.error_code),
                (id(1), code),
                "{what}: {}",
                refused.error
            );
            assert_eq!(refused.final_info.unwrap().tokens_used, tokens(0, 0, 0));
        }
        // Limits that are no span of time do not stop it, and it does not wait for ever either.
        for timeout in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            worker
                .send(&with(&|request| request.timeout = Seconds::from_f64(timeout)))
                .await;
            works(&mut worker, 2).await;
        }
        works(&mut worker, 3).await;
    });
}

#[test]
fn floods_are_refused_and_the_worker_works_on() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_worker(lab).await;
        let mut worker = scene.worker().await;
        // It runs 64 at once; the same id twice is refused as well.
        let mut bytes = Vec::new();
        for number in 0..500 {
            worker.encode(&work(id(number / 2)), &mut bytes);
        }
        worker.send_bytes(&bytes).await;
        let mut refused = 0;
        while let Ok(error) = worker.message_within::<ProxyQueryAnswerErrorEx>(milliseconds(20)).await {
            assert!(matches!(error.error_code, 602 | 621), "{error:?}");
            refused += 1;
        }
        assert!(refused >= 500 - 2 * 64, "{refused} were refused");
        lab_settles(&scene.lab).await;
        let mut bytes = Vec::new();
        for number in 0..10_000 {
            worker.encode(&CancelQuery { request_id: id(number) }, &mut bytes);
        }
        worker.send_bytes(&bytes).await;
        works(&mut worker, 100_000).await;
        // Its own kind of message, a client's, and a question: the last is refused, the others end the connection.
        worker.send_query(7, &TestQuery { id: 1 }).await;
        assert!(worker.is_alive().await);
        worker.send(&WorkerEnabledDisabled { disabled: 0 }).await;
        assert!(worker.closed_within(seconds(2)).await);
        let mut worker = scene.worker().await;
        works(&mut worker, 1).await;
    });
}

async fn lab_settles(lab: &Lab) {
    lab.env().sleep(seconds(5)).await;
}

#[test]
fn a_proxy_that_goes_away_stops_the_work() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_worker(lab).await;
        let mut worker = scene.worker().await;
        let mut long = work(id(1));
        long.query = support::handshakes::request_with_body(
            1,
            2000,
            &serde_json::json!({
                "model": "nano", "messages": [{ "role": "user", "content": "x" }], "max_tokens": 2000, "stream": true,
            }),
        )
        .query;
        worker.send(&long).await;
        worker.message::<ProxyQueryAnswerPartEx>().await.unwrap();
        drop(worker);
        scene.lab.env().sleep(seconds(1)).await;
        let ended = scene.lab.watch.ended(WORKER);
        assert_eq!(ended.len(), 1, "it did not go on for ten seconds");
        assert_eq!(ended[0].code, 653);
        let mut worker = scene.worker().await;
        works(&mut worker, 2).await;
    });
}
