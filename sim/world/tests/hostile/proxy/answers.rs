//! Answers that nobody waits for or that are none.

use super::*;
use crate::support::{
    handshakes::{http_head, id},
    lab::lab,
    parties::Policy,
};
use chrysalis_node::extension::CancelQuery;
use chrysalis_wire::{
    objects::{ClientQueryAnswerErrorEx, ClientQueryAnswerEx, ClientRunQueryEx, HttpHeader, HttpResponse, TestQuery},
    tl::{Boxed, RequestId},
};

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
                    client.encode(&error, &mut bytes)
                }
            }
            .unwrap();
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
            // The code for every breach of the protocol (spec §1.6), whoever broke it.
            assert_eq!((got.status, got.error_code()), (Some(400), Some(621)), "{what}");
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
        assert!(got.ends_with_error(621), "{got:?}");
        scene.serves(&mut client).await;
    });
}

#[test]
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
        let got = got.await.unwrap();
        assert_eq!(got.status, Some(200));
        assert!(got.headers < 300, "{} headers reach the user", got.headers);
        scene.serves(&mut client).await;
    });
}
