//! A real proxy, a real client, and workers with genuine evidence that cheat all the same.

// Not compiled yet: take this line away to build these tests.
#![cfg(any())]
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use chrysalis_env::Env;
use chrysalis_node::extension::CancelQuery;
use chrysalis_wire::{
    objects::{
        ClientQueryAnswerErrorEx, ClientQueryAnswerEx, ClientQueryAnswerPartEx, ClientRunQueryEx,
        ClientUpdatePaymentStatus, HttpHeader, HttpResponse, ProxyQueryAnswer, ProxyQueryAnswerError,
        ProxyQueryAnswerErrorEx, ProxyQueryAnswerEx, ProxyQueryAnswerPart, ProxyQueryAnswerPartEx, ProxyRunQueryEx,
        ProxyWorkerRequestPayment, TokensUsed, WorkerConnectToProxy, WorkerEnabledDisabled,
        WorkerExtendedCompareBalanceWithProxy, WorkerNewCoefficient, WorkerProxyHandshakeComplete,
        WorkerUpdatePaymentStatus,
    },
    packet::{Packet, TcpPacket},
    tl::{Boxed, RequestId},
};
use std::net::SocketAddr;
use support::{
    handshakes::{
        balance, final_info, head, id, last_part, offer_work, part, request, reservation, stream_head, tokens,
        worker_connect,
    },
    lab::{Lab, lab},
    milliseconds,
    parties::{Policy, SECRET, client_owner, worker_owner},
    peer::{Gone, RawPeer},
    seconds,
    user::{Got, ask, chat},
};

const OWNER: &str = "client-1";
const DEPOSIT: u64 = 1_000_000_000;

/// A real proxy and an account with money; workers are the test's.
async fn proxy(lab: &Lab) {
    lab.parties.deposits.open(client_owner(OWNER), DEPOSIT, SECRET);
    lab.start_proxy();
    lab.env().sleep(seconds(1)).await;
}

/// A raw client that asks, and the request as it reaches the worker.
async fn asked(client: &mut RawPeer, worker: &mut RawPeer, request: &ClientRunQueryEx) -> ProxyRunQueryEx {
    client.send(request).await;
    worker.message().await.unwrap()
}

/// The proxy still serves: an honest worker's answer reaches a client.
async fn serves(lab: &Lab) {
    let mut worker = lab.raw_worker("honest-worker", 64).await;
    let mut client = lab.raw_client("honest-client", OWNER).await;
    // Others may be chosen first as long as they are connected: ask until the honest one is.
    for number in 5_000_000..5_000_050 {
        client.send(&request(number, 8)).await;
        if worker
            .message_within::<ProxyRunQueryEx>(milliseconds(100))
            .await
            .is_ok()
        {
            worker.send(&head(id(number))).await;
            worker
                .send(&last_part(id(number), b"{\"good\": 1}", tokens(0, 8, 8)))
                .await;
            let answer: ClientQueryAnswerPartEx = client.message().await.unwrap();
            assert_eq!(
                (answer.request_id, &answer.answer[..]),
                (id(number), &b"{\"good\": 1}"[..])
            );
            return;
        }
    }
    panic!("the honest worker is never asked");
}

#[test]
fn answers_for_requests_of_others_are_dropped() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut honest = lab.raw_worker("worker-1", 4).await;
        let mut client = lab.raw_client("client", OWNER).await;
        let request = asked(&mut client, &mut honest, &request(1, 8)).await;
        let mut thief = lab.raw_worker("thief", 4).await;
        let wrong = id(77);
        for id in [wrong, request.request_id] {
            thief.send(&head(id)).await;
            thief.send(&part(id, b"{\"bad\": 1}")).await;
            thief.send(&last_part(id, b"{\"bad\": 1}", tokens(0, 8, 8))).await;
            let error = ProxyQueryAnswerErrorEx {
                request_id: id,
                error_code: 601,
                error: "bad".into(),
                final_info: Some(final_info(tokens(0, 8, 8))),
            };
            thief.send(&error).await;
        }
        assert!(thief.is_alive().await, "what is late is not hostile");
        assert_eq!(
            client.message_within::<ClientQueryAnswerEx>(seconds(1)).await,
            Err(Gone::Silent)
        );
        honest.send(&head(request.request_id)).await;
        honest
            .send(&last_part(request.request_id, b"{\"good\": 1}", tokens(0, 8, 8)))
            .await;
        client.message::<ClientQueryAnswerEx>().await.unwrap();
        assert_eq!(
            client.message::<ClientQueryAnswerPartEx>().await.unwrap().answer,
            b"{\"good\": 1}"
        );
        // Only the one who worked is paid.
        lab.env().sleep(seconds(3)).await;
        let paid = honest.query(&WorkerUpdatePaymentStatus {}).await.unwrap();
        let stolen = thief.query(&WorkerUpdatePaymentStatus {}).await.unwrap();
        assert_eq!((paid.max_tokens, stolen.max_tokens), (8, 0));
        serves(&lab).await;
    });
}

#[test]
fn answers_out_of_order_fail_their_request_at_once() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let mut client = lab.raw_client("client", OWNER).await;
        for (number, what) in [
            (1, "a part first"),
            (2, "two heads"),
            (3, "no HTTP"),
            (4, "a last part first"),
        ] {
            let request = asked(&mut client, &mut worker, &request(number, 8)).await;
            let id = request.request_id;
            match number {
                1 => worker.send(&part(id, b"x")).await,
                2 => {
                    worker.send(&head(id)).await;
                    worker.send(&head(id)).await;
                }
                3 => {
                    let answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
                    worker
                        .send(&ProxyQueryAnswerEx {
                            request_id: id,
                            answer,
                            final_info: None,
                        })
                        .await;
                }
                _ => worker.send(&last_part(id, b"x", tokens(0, 8, 8))).await,
            }
            let failed = client
                .message_within::<ClientQueryAnswerErrorEx>(milliseconds(100))
                .await
                .unwrap();
            assert_eq!(
                (failed.request_id, failed.error_code),
                (id, 621),
                "{what}: {}",
                failed.error
            );
            assert_eq!(
                worker.message::<CancelQuery>().await.unwrap().request_id,
                id,
                "it is told to stop"
            );
            // What it says afterwards reaches nobody.
            worker.send(&last_part(id, b"x", tokens(0, 8, 8))).await;
            assert_eq!(
                client.message_within::<ClientQueryAnswerPartEx>(seconds(1)).await,
                Err(Gone::Silent)
            );
        }
        assert_eq!(lab.watch.booked("proxy"), 0);
        serves(&lab).await;
    });
}

fn used(prompt: i64, cached: i64, completion: i64, reasoning: i64, total: i64) -> TokensUsed {
    TokensUsed {
        prompt_tokens_used: prompt,
        cached_tokens_used: cached,
        completion_tokens_used: completion,
        reasoning_tokens_used: reasoning,
        total_tokens_used: total,
    }
}

/// What workers may claim, and what of it may be booked where `reserved` was reserved.
fn claims(reserved: i64) -> Vec<(TokensUsed, i64)> {
    vec![
        (used(1, 2, 3, 4, 10), 10),
        (used(0, 0, reserved, 0, reserved), reserved),
        (used(0, 0, reserved + 1, 0, reserved + 1), reserved),
        (used(0, 0, 1 << 52, 0, 1 << 52), reserved),
        (used(0, 0, i64::MAX, 0, i64::MAX), 0),
        (used(1 << 53, 1 << 53, 1 << 53, 1 << 53, 1 << 55), reserved),
        (used(i64::MAX, i64::MAX, 1, 0, -1), 0),
        (used(i64::MAX, i64::MAX, 3, 0, 1), 0),
        (used(0, 0, 0, 0, 1_000_000_000), 0),
        (used(0, 0, 8, 0, 9), 0),
        (used(0, 0, 8, 0, 7), 0),
        (used(0, 0, 0, 0, -1), 0),
        (used(0, 0, -8, 0, -8), 0),
        (used(-8, 0, 8, 0, 0), 0),
        (used(i64::MIN, 0, 0, 0, i64::MIN), 0),
        (used(0, 0, 0, 0, i64::MIN), 0),
    ]
}

#[test]
fn a_worker_is_paid_at_most_what_was_reserved_and_never_less_than_nothing() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let mut client = lab.raw_client("client", OWNER).await;
        let asked_for = request(1, 8);
        let reserved = i64::try_from(reservation(&asked_for)).unwrap();
        let mut total = 0;
        for (claim, booked) in claims(reserved) {
            let request = asked(&mut client, &mut worker, &asked_for).await;
            worker.send(&head(request.request_id)).await;
            worker.send(&last_part(request.request_id, b"{}", claim.clone())).await;
            client.message::<ClientQueryAnswerPartEx>().await.unwrap();
            let bill: ProxyWorkerRequestPayment = worker.message().await.unwrap();
            assert_eq!(bill.request_tokens, booked, "{claim:?}");
            total += booked;
            assert_eq!(bill.max_tokens, total, "{claim:?}");
        }
        lab.env().sleep(seconds(4)).await;
        let of_client = client.query(&ClientUpdatePaymentStatus {}).await.unwrap();
        let of_worker = worker.query(&WorkerUpdatePaymentStatus {}).await.unwrap();
        assert_eq!((of_client.db_tokens, of_client.max_tokens), (total, total));
        assert_eq!((of_worker.db_tokens, of_worker.max_tokens), (total, total));
        let booked = lab.watch.booked("proxy");
        assert_eq!(i64::try_from(booked).unwrap(), total);
        for kind in ["client_charge", "worker_payout"] {
            assert_eq!(lab.watch.paid("proxy", kind).into_iter().max(), Some(booked), "{kind}");
        }
        serves(&lab).await;
    });
}

#[test]
fn usage_of_a_failed_request_is_bounded_by_what_went_through_the_proxy() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let mut client = lab.raw_client("client", OWNER).await;
        for (claim, booked) in [
            (used(0, 0, 8, 0, 8), 8),
            (used(0, 0, 17, 0, 17), 16),
            (used(0, 0, 0, 0, -1), 16),
            (used(0, 0, 0, 0, 1 << 40), 16),
        ] {
            let request = asked(&mut client, &mut worker, &request(1, 8)).await;
            let id = request.request_id;
            worker.send(&stream_head(id)).await;
            worker.send(&part(id, b"data: {}\n\ndata: {}\n\n")).await;
            let error = ProxyQueryAnswerErrorEx {
                request_id: id,
                error_code: i32::MIN,
                error: "\u{1b}[2J".repeat(1000),
                final_info: Some(final_info(claim.clone())),
            };
            worker.send(&error).await;
            client.message::<ClientQueryAnswerErrorEx>().await.unwrap();
            let bill: ProxyWorkerRequestPayment = worker.message().await.unwrap();
            assert_eq!(bill.request_tokens, booked, "{claim:?}");
        }
        serves(&lab).await;
    });
}

#[test]
#[ignore = "defect: end_complete passes the worker's claim on to the client instead of what is booked (proxy/endings.rs)"]
fn a_client_hears_what_it_is_charged_and_not_what_a_worker_dreams_of() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let mut client = lab.raw_client("client", OWNER).await;
        let asked_for = request(1, 8);
        for (claim, booked) in claims(i64::try_from(reservation(&asked_for)).unwrap()) {
            let request = asked(&mut client, &mut worker, &asked_for).await;
            worker.send(&head(request.request_id)).await;
            worker.send(&last_part(request.request_id, b"{}", claim.clone())).await;
            let last: ClientQueryAnswerPartEx = client.message().await.unwrap();
            let told = last.final_info.unwrap().tokens_used.total_tokens_used;
            assert_eq!(told, booked, "{claim:?}");
        }
    });
}

#[test]
fn the_older_forms_are_bounded_in_the_same_way() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let mut client = lab.raw_client("client", OWNER).await;
        let asked_for = request(1, 8);
        let reserved = i64::try_from(reservation(&asked_for)).unwrap();
        let huge = used(0, 0, 1 << 40, 0, 1 << 40);
        let request = asked(&mut client, &mut worker, &asked_for).await;
        let request_id = request.request_id;
        let answer = head(request_id).answer;
        worker
            .send(&ProxyQueryAnswer {
                answer,
                is_completed: false,
                request_id,
                tokens_used: huge.clone(),
            })
            .await;
        let answer = b"{}".to_vec();
        worker
            .send(&ProxyQueryAnswerPart {
                answer,
                is_completed: true,
                request_id,
                tokens_used: huge.clone(),
            })
            .await;
        client.message::<ClientQueryAnswerPartEx>().await.unwrap();
        assert_eq!(
            worker
                .message::<ProxyWorkerRequestPayment>()
                .await
                .unwrap()
                .request_tokens,
            reserved
        );
        let request = asked(&mut client, &mut worker, &asked_for).await;
        let request_id = request.request_id;
        worker
            .send(&ProxyQueryAnswerError {
                error_code: 0,
                error: String::new(),
                request_id,
                tokens_used: huge,
            })
            .await;
        client.message::<ClientQueryAnswerErrorEx>().await.unwrap();
        assert_eq!(
            worker
                .message::<ProxyWorkerRequestPayment>()
                .await
                .unwrap()
                .request_tokens,
            0
        );
        serves(&lab).await;
    });
}

/// A real client in front of the real proxy, and where a user stands.
async fn with_user(lab: &Lab) -> (Env, SocketAddr) {
    let client = lab.start_client(OWNER);
    let user = lab.node("user").env();
    lab.env().sleep(seconds(2)).await;
    (user, Lab::http(&client))
}

/// Starts a user's request, and takes it at the worker.
async fn user_asks(
    worker: &mut RawPeer,
    user: &(Env, SocketAddr),
    is_stream: bool,
    timeout_s: u64,
) -> (ProxyRunQueryEx, tokio::sync::oneshot::Receiver<Got>) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let (env, http) = user.clone();
    user.0.spawn("user", async move {
        let _ = sender.send(ask(&env, http, &chat(is_stream, timeout_s)).await);
    });
    (worker.message().await.unwrap(), receiver)
}

#[test]
fn a_worker_that_never_answers_costs_its_user_no_more_than_the_time_limit() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let user = with_user(&lab).await;
        for is_stream in [false, true] {
            let (request, got) = user_asks(&mut worker, &user, is_stream, 2).await;
            let got = got.await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(504), Some(652)), "{}", got.text());
            assert!(
                (1_500_000_000..=2_100_000_000).contains(&got.took_ns),
                "{} ns",
                got.took_ns
            );
            assert_eq!(
                worker.message::<CancelQuery>().await.unwrap().request_id,
                request.request_id
            );
        }
        // One that begins and then falls silent: the body breaks off at the limit.
        let (request, got) = user_asks(&mut worker, &user, true, 2).await;
        worker.send(&stream_head(request.request_id)).await;
        worker.send(&part(request.request_id, b"data: {}\n\n")).await;
        let got = got.await.unwrap();
        assert_eq!((got.status, got.is_whole), (Some(200), false));
        assert!(got.text().contains("652") && got.took_ns <= 2_100_000_000, "{got:?}");
        lab.env().sleep(seconds(7)).await;
        // Eight units for the one event; the silent ones cost nothing.
        assert_eq!(lab.watch.booked("proxy"), 8);
        serves(&lab).await;
    });
}

#[test]
fn a_worker_that_goes_away_fails_its_requests_at_once() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let user = with_user(&lab).await;
        let env = lab.node("worker-1").env();
        let identity = lab.parties.honest("worker-1", support::parties::WORKER_IMAGE, 2);
        for stage in 0..4 {
            let mut worker = RawPeer::connect(&env, support::lab::FOR_WORKERS, &identity)
                .await
                .unwrap();
            offer_work(&mut worker, &worker_owner("worker-1"), 4).await.unwrap();
            let (request, got) = user_asks(&mut worker, &user, stage >= 2, 60).await;
            let id = request.request_id;
            match stage {
                0 => {}
                1 => worker.send(&head(id)).await,
                2 => worker.send(&stream_head(id)).await,
                _ => {
                    worker.send(&stream_head(id)).await;
                    worker.send(&part(id, b"data: {\"x\": 1}\n\n")).await;
                }
            }
            lab.env().sleep(milliseconds(200)).await;
            if stage == 3 {
                // Not a word of TL in it: the proxy ends the connection.
                worker
                    .send_packet(&Packet::Packet(TcpPacket { data: vec![9; 64] }))
                    .await;
                assert!(worker.closed_within(seconds(1)).await);
            }
            drop(worker);
            let got = got.await.unwrap();
            assert!(
                got.took_ns < 1_000_000_000,
                "stage {stage}: the user knew after {} ns",
                got.took_ns
            );
            if stage == 0 {
                assert_eq!((got.status, got.error_code()), (Some(500), Some(601)), "{}", got.text());
            } else {
                assert_eq!((got.status, got.is_whole), (Some(200), false), "stage {stage}");
            }
            if stage >= 2 {
                assert!(got.text().contains("\"error\""), "an event says so: {}", got.text());
            }
        }
        serves(&lab).await;
    });
}

#[test]
fn garbage_ends_the_workers_connection_and_nothing_else() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut trailing = head(id(1)).encode();
        trailing.push(0);
        let garbage: Vec<Vec<u8>> = vec![
            vec![],
            vec![0; 3],
            vec![0xff; 1000],
            trailing,
            head(id(1)).encode()[..20].to_vec(),
            request(1, 8).encode(),
            CancelQuery { request_id: id(1) }.encode(),
        ];
        for (number, data) in garbage.into_iter().enumerate() {
            let mut worker = lab.raw_worker(&format!("worker-{number}"), 4).await;
            worker.send_packet(&Packet::Packet(TcpPacket { data })).await;
            assert!(worker.closed_within(seconds(2)).await, "garbage {number}");
        }
        serves(&lab).await;
    });
}

#[test]
fn a_price_that_changes_after_the_choice_changes_nothing_for_the_chosen_request() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let mut client = lab.raw_client("client", OWNER).await;
        let asked_for = request(1, 8);
        let reserved = i64::try_from(reservation(&asked_for)).unwrap();
        let request_1 = asked(&mut client, &mut worker, &asked_for).await;
        assert_eq!(request_1.coefficient, 1000);
        worker
            .send(&WorkerNewCoefficient {
                new_coefficient: 999_999_999,
            })
            .await;
        worker.send(&head(request_1.request_id)).await;
        worker
            .send(&last_part(request_1.request_id, b"{}", tokens(0, 1 << 40, 1 << 40)))
            .await;
        assert_eq!(
            worker
                .message::<ProxyWorkerRequestPayment>()
                .await
                .unwrap()
                .request_tokens,
            reserved
        );
        // Nobody who does not pay that gets it from now on.
        client.send(&request(2, 8)).await;
        let refused: ClientQueryAnswerErrorEx = client.message().await.unwrap();
        assert_eq!((refused.request_id, refused.error_code), (id(2), 651));
        // Back at its price it is chosen again.
        worker.send(&WorkerNewCoefficient { new_coefficient: 1000 }).await;
        lab.env().sleep(seconds(1)).await;
        asked(&mut client, &mut worker, &request(3, 8)).await;
        for wrong in [-1, i32::MIN, 1_000_000_000, i32::MAX] {
            let mut worker = lab.raw_worker(&format!("worker {wrong}"), 4).await;
            worker.send(&WorkerNewCoefficient { new_coefficient: wrong }).await;
            assert!(worker.closed_within(seconds(2)).await, "{wrong}");
        }
        serves(&lab).await;
    });
}

#[test]
fn a_price_of_nothing_is_paid_with_nothing() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker_unheard("worker-1").await.unwrap();
        let mut connect = worker_connect(&worker_owner("worker-1"), 4);
        connect.params.coefficient = 0;
        worker.query(&connect).await.unwrap();
        worker.query(&balance(0, 0, 0)).await.unwrap();
        worker
            .query(&WorkerProxyHandshakeComplete { is_disabled: false })
            .await
            .unwrap();
        let mut client = lab.raw_client("client", OWNER).await;
        let request = asked(&mut client, &mut worker, &request(1, 8)).await;
        worker.send(&head(request.request_id)).await;
        worker
            .send(&last_part(request.request_id, b"{}", tokens(0, 8, 8)))
            .await;
        assert_eq!(
            worker
                .message::<ProxyWorkerRequestPayment>()
                .await
                .unwrap()
                .request_tokens,
            0
        );
    });
}

#[test]
fn a_worker_that_remembers_too_much_is_not_believed() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        for (number, compare) in [
            balance(1, 0, 0),
            balance(0, 1, 1),
            balance(i64::MAX, i64::MAX, i64::MAX),
            balance(1, 1, 1),
        ]
        .iter()
        .enumerate()
        {
            let name = format!("worker-{number}");
            let mut worker = lab.raw_worker_unheard(&name).await.unwrap();
            worker.query(&worker_connect(&worker_owner(&name), 4)).await.unwrap();
            assert!(
                matches!(worker.query(compare).await, Err(Gone::Refused(621, _))),
                "{compare:?}"
            );
            assert!(worker.closed_within(seconds(2)).await);
        }
        // Tokens that were never durable may be lost: whoever agrees goes on, whoever does not stays outside.
        let mut worker = lab.raw_worker_unheard("agrees").await.unwrap();
        worker.query(&worker_connect(&worker_owner("agrees"), 4)).await.unwrap();
        assert_eq!(worker.query(&balance(0, 0, 5)).await.unwrap().error_code, 1);
        let agree = WorkerExtendedCompareBalanceWithProxy {
            tokens_committed_to_db: 0,
            other: Vec::new(),
        };
        assert_eq!(worker.query(&agree).await.unwrap().error_code, 0);
        worker
            .query(&WorkerProxyHandshakeComplete { is_disabled: true })
            .await
            .unwrap();
        assert!(worker.is_alive().await);
        let mut worker = lab.raw_worker_unheard("disagrees").await.unwrap();
        worker
            .query(&worker_connect(&worker_owner("disagrees"), 4))
            .await
            .unwrap();
        assert_eq!(worker.query(&balance(0, 0, i64::MAX)).await.unwrap().error_code, 1);
        let complete = WorkerProxyHandshakeComplete { is_disabled: false };
        assert!(matches!(worker.query(&complete).await, Err(Gone::Refused(621, _))));
        serves(&lab).await;
    });
}

#[test]
fn hand_shakes_that_do_not_fit_are_refused() {
    type Change = fn(&mut WorkerConnectToProxy);
    let changes: [(&str, Change); 12] = [
        ("no capacity", |connect| connect.params.capacity = None),
        ("production", |connect| {
            connect.params.capacity.as_mut().unwrap().is_test = false
        }),
        ("no slots", |connect| {
            connect.params.capacity.as_mut().unwrap().max_active_requests = 0
        }),
        ("negative slots", |connect| {
            connect.params.capacity.as_mut().unwrap().max_active_requests = i32::MIN
        }),
        ("no proxies", |connect| {
            connect.params.capacity.as_mut().unwrap().proxy_cnt = 0
        }),
        ("negative proxies", |connect| {
            connect.params.capacity.as_mut().unwrap().proxy_cnt = -1
        }),
        ("negative price", |connect| connect.params.coefficient = -1),
        ("price out of range", |connect| {
            connect.params.coefficient = 1_000_000_000
        }),
        ("unknown model", |connect| connect.params.model = "other".into()),
        ("no model", |connect| connect.params.model = String::new()),
        ("long model", |connect| connect.params.model = "m".repeat(1 << 20)),
        ("no address", |connect| {
            connect.params.worker_owner_address = "worker".into()
        }),
    ];
    lab(Policy::Tdx, move |lab| async move {
        proxy(&lab).await;
        let env = lab.node("worker-1").env();
        let identity = lab.parties.honest("worker-1", support::parties::WORKER_IMAGE, 2);
        let dial = || RawPeer::connect(&env, support::lab::FOR_WORKERS, &identity);
        for (what, change) in changes {
            let mut worker = dial().await.unwrap();
            let mut connect = worker_connect(&worker_owner("worker-1"), 4);
            change(&mut connect);
            assert!(
                matches!(worker.query(&connect).await, Err(Gone::Refused(621, _))),
                "{what}"
            );
            assert!(worker.closed_within(seconds(2)).await, "{what}");
        }
        // Steps out of order.
        for step in 0..5 {
            let mut worker = dial().await.unwrap();
            match step {
                0 => worker.send_query(1, &balance(0, 0, 0)).await,
                1 => {
                    worker
                        .send_query(1, &WorkerProxyHandshakeComplete { is_disabled: false })
                        .await
                }
                2 => worker.send_query(1, &WorkerUpdatePaymentStatus {}).await,
                3 => worker.send(&WorkerEnabledDisabled { disabled: 0 }).await,
                _ => worker.send(&head(id(1))).await,
            }
            assert!(worker.closed_within(seconds(2)).await, "step {step}");
        }
        // As many slots and proxies as numbers allow: the division does not overflow, and the limit holds.
        let mut worker = dial().await.unwrap();
        let mut connect = worker_connect(&worker_owner("worker-1"), i32::MAX);
        connect.params.capacity.as_mut().unwrap().proxy_cnt = i32::MAX;
        assert!(worker.query(&connect).await.is_ok());
        serves(&lab).await;
    });
}

/// A user's view of a worker whose head is this response.
async fn user_gets(worker: &mut RawPeer, user: &(Env, SocketAddr), response: &HttpResponse) -> Got {
    let (request, got) = user_asks(worker, user, false, 10).await;
    let request_id = request.request_id;
    worker
        .send(&ProxyQueryAnswerEx {
            request_id,
            answer: response.encode(),
            final_info: None,
        })
        .await;
    worker.send(&last_part(request_id, b"{}", tokens(0, 1, 1))).await;
    got.await.unwrap()
}

fn response(status_code: i32, headers: Vec<HttpHeader>) -> HttpResponse {
    HttpResponse {
        http_version: "HTTP/1.1".into(),
        status_code,
        reason: String::new(),
        headers,
        payload: Vec::new(),
    }
}

fn header(name: &str, value: &str) -> HttpHeader {
    HttpHeader {
        name: name.into(),
        value: value.into(),
    }
}

#[test]
fn heads_that_http_does_not_allow_become_errors_or_lose_what_is_wrong() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let user = with_user(&lab).await;
        for status in [0, -200, 99, 100, 101, 1000, i32::MAX, i32::MIN] {
            let got = user_gets(&mut worker, &user, &response(status, Vec::new())).await;
            assert_eq!((got.status, got.error_code()), (Some(500), Some(621)), "{status}");
        }
        // A second length, a line break, a name that is none: the user's connection stays in step.
        let headers = vec![
            header("Content-Length", "1000"),
            header("Transfer-Encoding", "identity"),
            header("Connection", "close, x-secret"),
            header("x-split", "a\r\nSet-Cookie: stolen"),
            header("a b", "c"),
            header("", ""),
            header("x-good", "1"),
        ];
        let got = user_gets(&mut worker, &user, &response(200, headers)).await;
        assert_eq!((got.status, got.is_whole, got.text().as_str()), (Some(200), true, "{}"));
        serves(&lab).await;
    });
}

#[test]
#[ignore = "defect: HeaderMap::append panics above 32,768 headers (client/endpoint.rs, answer)"]
fn more_headers_than_a_map_holds_do_not_kill_the_client() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let user = with_user(&lab).await;
        let headers = (0..40_000).map(|number| header(&format!("x-{number}"), "1")).collect();
        let got = user_gets(&mut worker, &user, &response(200, headers)).await;
        assert!(got.status.is_some_and(|status| status >= 500), "{:?}", got.status);
        let got = user_gets(&mut worker, &user, &response(200, Vec::new())).await;
        assert_eq!(got.status, Some(200));
    });
}

#[test]
fn floods_of_answers_for_nobody_pass_without_a_trace() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let mut client = lab.raw_client("client", OWNER).await;
        let mut bytes = Vec::new();
        for number in 0..10_000_u64 {
            let nobody = RequestId([u8::try_from(number % 251).unwrap(); 32]);
            match number % 3 {
                0 => worker.encode(&head(nobody), &mut bytes),
                1 => worker.encode(&part(nobody, b"x"), &mut bytes),
                _ => worker.encode(&last_part(nobody, b"x", tokens(0, 1, 1)), &mut bytes),
            }
        }
        worker.send_bytes(&bytes).await;
        let request = asked(&mut client, &mut worker, &request(1, 8)).await;
        worker.send(&head(request.request_id)).await;
        worker
            .send(&last_part(request.request_id, b"{}", tokens(0, 8, 8)))
            .await;
        let last: ProxyQueryAnswerPartEx = last_part(request.request_id, b"{}", tokens(0, 8, 8));
        assert_eq!(
            client.message::<ClientQueryAnswerPartEx>().await.unwrap().answer,
            last.answer
        );
        assert_eq!(lab.watch.booked("proxy"), 8);
        assert_eq!(lab.watch.ended("proxy").len(), 1);
    });
}
