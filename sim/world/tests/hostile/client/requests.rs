//! Requests that lie about what they cost, and more of them than allowed.

use super::*;
use crate::support::{
    handshakes::{id, request, request_to, request_with_body, reservation},
    lab::lab,
    parties::{MODEL, Policy},
    seconds,
};
use chrysalis_wire::{
    objects::{ClientQueryAnswerErrorEx, ClientQueryAnswerPartEx, ClientRunQueryEx, HttpRequest},
    tl::{Boxed, Seconds},
};
use serde_json::json;

#[test]
fn requests_that_lie_about_their_size_are_refused_before_a_worker_sees_them() {
    let honest = || request(1, TOKENS);
    let with_body = |extra| request_with_body(1, TOKENS, &chat_body(&extra));
    let with_query = |query: &[u8]| ClientRunQueryEx {
        query: query.to_vec(),
        ..honest()
    };
    let timeout = |seconds: f64| ClientRunQueryEx {
        timeout: Seconds::from_f64(seconds),
        ..honest()
    };
    let deep = format!(
        "{{\"model\":\"nano\",\"messages\":{}{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let http = |payload: &[u8]| {
        let mut request = HttpRequest::decode(&honest().query).unwrap();
        request.payload = payload.to_vec();
        with_query(&request.encode())
    };
    let mut trailing = honest().query;
    trailing.push(0);
    let cases = vec![
        (
            "negative max_tokens",
            ClientRunQueryEx {
                max_tokens: -1,
                ..honest()
            },
            621,
        ),
        (
            "smallest max_tokens",
            ClientRunQueryEx {
                max_tokens: i32::MIN,
                ..honest()
            },
            621,
        ),
        (
            "negative max_tokens, no limit in the body",
            {
                ClientRunQueryEx {
                    max_tokens: -8,
                    ..with_body(json!({}))
                }
            },
            621,
        ),
        (
            "negative max_coefficient",
            ClientRunQueryEx {
                max_coefficient: -4000,
                ..honest()
            },
            621,
        ),
        (
            "smallest max_coefficient",
            ClientRunQueryEx {
                max_coefficient: i32::MIN,
                ..honest()
            },
            621,
        ),
        (
            "no price",
            ClientRunQueryEx {
                max_coefficient: 0,
                ..honest()
            },
            651,
        ),
        (
            "coefficient out of range",
            ClientRunQueryEx {
                max_coefficient: i32::MAX,
                ..honest()
            },
            621,
        ),
        (
            "more than the deposit",
            ClientRunQueryEx {
                max_tokens: i32::MAX,
                ..honest()
            },
            602,
        ),
        ("the body asks for more", with_body(json!({ "max_tokens": 9 })), 621),
        (
            "the body asks for more by another name",
            with_body(json!({ "max_completion_tokens": 9 })),
            621,
        ),
        (
            "the body asks for much more",
            with_body(json!({ "max_tokens": u64::MAX })),
            621,
        ),
        ("several answers", with_body(json!({ "max_tokens": 8, "n": 2 })), 621),
        (
            "very many answers",
            with_body(json!({ "max_tokens": 8, "n": u64::MAX })),
            621,
        ),
        (
            "the best of several",
            with_body(json!({ "max_tokens": 8, "best_of": 2 })),
            621,
        ),
        ("no HTTP", with_query(b"GET / HTTP/1.1\r\n\r\n"), 621),
        ("no query", with_query(b""), 621),
        ("trailing bytes in the query", with_query(&trailing), 621),
        ("no JSON", http(b"max_tokens"), 621),
        ("no object", http(b"[]"), 621),
        ("no body", http(b""), 621),
        ("deep JSON", http(deep.as_bytes()), 621),
        ("time limit not a number", timeout(f64::NAN), 621),
        ("negative time limit", timeout(-1.0), 621),
        ("no time", timeout(0.0), 621),
        ("less than no time", timeout(f64::NEG_INFINITY), 621),
        ("for ever", timeout(f64::INFINITY), 621),
        ("very long", timeout(1e300), 621),
        (
            "a configuration of tomorrow",
            ClientRunQueryEx {
                min_config_version: 2,
                ..honest()
            },
            602,
        ),
        (
            "an unknown model",
            ClientRunQueryEx {
                model_name: "other".into(),
                ..honest()
            },
            621,
        ),
        (
            "no model",
            ClientRunQueryEx {
                model_name: String::new(),
                ..honest()
            },
            621,
        ),
    ];
    attack(|mut scene| async move {
        let mut owner = scene.owner().await;
        for (what, request, code) in cases {
            owner.send(&request).await;
            let refused: ClientQueryAnswerErrorEx = owner.message().await.unwrap();
            assert_eq!(
                (refused.request_id, refused.error_code),
                (id(1), code),
                "{what}: {}",
                refused.error
            );
        }
        assert!(scene.arrived().await.is_empty(), "no worker saw any");
        // The same connection is still good for an honest request.
        owner.send(&request(2, TOKENS)).await;
        let arrived = scene.arrived().await;
        assert_eq!(arrived.len(), 1);
        scene.complete(&arrived[0]).await;
        owner.message::<ClientQueryAnswerPartEx>().await.unwrap();
        scene
    });
}

#[test]
fn limits_that_a_request_leaves_open_are_closed_on_the_way() {
    attack(|mut scene| async move {
        let mut owner = scene.owner().await;
        // No limit in the body: the worker gets the envelope's, shared among the answers.
        for (extra, limit) in [
            (json!({}), 8),
            (json!({ "max_tokens": null }), 8),
            (json!({ "n": 3 }), 2),
        ] {
            owner.send(&request_with_body(1, TOKENS, &chat_body(&extra))).await;
            let arrived = scene.arrived().await;
            let body = HttpRequest::decode(&arrived[0].query).unwrap().payload;
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["max_tokens"], limit, "{body}");
            scene.complete(&arrived[0]).await;
            owner.message::<ClientQueryAnswerPartEx>().await.unwrap();
        }
        // No sensible end: the worker gets an hour.
        owner
            .send(&ClientRunQueryEx {
                timeout: Seconds::from_f64(1e9),
                ..request(2, TOKENS)
            })
            .await;
        let arrived = scene.arrived().await;
        assert!(arrived[0].timeout.to_f64() <= 3600.0, "{:?}", arrived[0].timeout);
        scene.complete(&arrived[0]).await;
        owner.message::<ClientQueryAnswerPartEx>().await.unwrap();
        scene
    });
}

#[test]
fn many_prompts_in_one_body_are_reserved_for() {
    let body = |count: usize| json!({ "model": MODEL, "prompt": vec!["x"; count], "max_tokens": TOKENS });
    let one = request_to("/v1/completions", 1, TOKENS, &body(1));
    let many = request_to("/v1/completions", 2, TOKENS, &body(64));
    // Enough for the bytes of the many, and for the tokens of the one.
    let deposit = reservation(&many);
    lab(Policy::Tdx, move |lab| async move {
        let mut scene = Scene::with_deposit(lab, deposit).await;
        let mut owner = scene.owner().await;
        owner.send(&one).await;
        let arrived = scene.arrived().await;
        assert_eq!(arrived.len(), 1, "one prompt is covered");
        scene.complete(&arrived[0]).await;
        owner.send(&many).await;
        assert!(
            scene.arrived().await.is_empty(),
            "64 answers of 8 tokens need more than 8 tokens"
        );
    });
}

#[test]
fn one_id_names_one_request() {
    attack(|mut scene| async move {
        let mut owner = scene.owner().await;
        owner.send(&request(1, TOKENS)).await;
        owner.send(&request(1, TOKENS)).await;
        let refused: ClientQueryAnswerErrorEx = owner.message().await.unwrap();
        assert_eq!(refused.error_code, 621);
        // Another connection may not have it either as long as the same worker would get it.
        let mut other = scene.owner().await;
        other.send(&request(1, TOKENS)).await;
        assert_eq!(
            other.message::<ClientQueryAnswerErrorEx>().await.unwrap().error_code,
            621
        );
        // The first runs on as if nothing had been.
        let arrived = scene.arrived().await;
        assert_eq!(arrived.len(), 1);
        scene.complete(&arrived[0]).await;
        owner.message::<ClientQueryAnswerPartEx>().await.unwrap();
        // Afterwards it is free again.
        owner.send(&request(1, TOKENS)).await;
        let arrived = scene.arrived().await;
        assert_eq!(arrived.len(), 1);
        scene.complete(&arrived[0]).await;
        owner.message::<ClientQueryAnswerPartEx>().await.unwrap();
        scene
    });
}

#[test]
fn more_requests_than_allowed_are_refused_and_all_are_given_back() {
    // Two hundred more than one connection may run (1024).
    const SENT: u64 = 1224;
    let deposit = 2_000 * reservation(&request(1, TOKENS));
    lab(Policy::Tdx, move |lab| async move {
        let mut scene = Scene::with_deposit(lab, deposit).await;
        let mut owner = scene.owner().await;
        let mut bytes = Vec::new();
        for number in 0..SENT {
            owner.encode(&request(number, TOKENS), &mut bytes).unwrap();
        }
        owner.send_bytes(&bytes).await;
        for number in 1024..SENT {
            let refused: ClientQueryAnswerErrorEx = owner.message().await.unwrap();
            assert_eq!((refused.request_id, refused.error_code), (id(number), 651));
        }
        assert_eq!(scene.arrived().await.len(), 1024);
        // Its connection goes, and with it every request; the worker says no final word.
        drop(owner);
        scene.lab.env().sleep(seconds(7)).await;
        let codes: Vec<_> = scene.lab.watch.ended("proxy").iter().map(|ended| ended.code).collect();
        assert_eq!(codes.iter().filter(|code| **code == 653).count(), 1024);
        assert_eq!(scene.lab.watch.booked("proxy"), 0);
        // All that the deposit covers can run again.
        let mut honest = scene.lab.raw_client("honest", OWNER).await;
        let mut large = request(1, TOKENS);
        let whole = 1_900 * 8;
        large.max_tokens = whole;
        honest.send(&large).await;
        assert_eq!(scene.arrived().await.len(), 1);
    });
}
