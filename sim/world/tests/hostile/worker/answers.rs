//! Answers for requests of others, out of order, or that are none.

use super::*;
use crate::support::{
    handshakes::{final_info, head, id, last_part, part, request, tokens},
    lab::lab,
    milliseconds,
    parties::Policy,
    peer::{Gone, RawPeer},
    seconds,
    user::Got,
};
use chrysalis_env::Env;
use chrysalis_node::extension::CancelQuery;
use chrysalis_wire::{
    objects::{
        ClientQueryAnswerErrorEx, ClientQueryAnswerEx, ClientQueryAnswerPartEx, HttpHeader, HttpResponse,
        ProxyQueryAnswerErrorEx, ProxyQueryAnswerEx, ProxyQueryAnswerPartEx, WorkerUpdatePaymentStatus,
    },
    packet::{Packet, TcpPacket},
    tl::{Boxed, RequestId},
};
use std::net::SocketAddr;

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
            assert_eq!((got.status, got.error_code()), (Some(400), Some(621)), "{status}");
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
fn more_headers_than_a_map_holds_do_not_kill_the_client() {
    lab(Policy::Tdx, |lab| async move {
        proxy(&lab).await;
        let mut worker = lab.raw_worker("worker-1", 4).await;
        let user = with_user(&lab).await;
        let headers = (0..40_000).map(|number| header(&format!("x-{number}"), "1")).collect();
        let got = user_gets(&mut worker, &user, &response(200, headers)).await;
        assert_eq!(got.status, Some(200));
        assert!(got.headers < 300, "{} headers reach the user", got.headers);
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
                0 => worker.encode(&head(nobody), &mut bytes).unwrap(),
                1 => worker.encode(&part(nobody, b"x"), &mut bytes).unwrap(),
                _ => worker
                    .encode(&last_part(nobody, b"x", tokens(0, 1, 1)), &mut bytes)
                    .unwrap(),
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
