//! A real worker, and a proxy that cheats it.

use super::*;
use crate::support::{
    handshakes::{compared, connected_worker, id, payment, request, tokens},
    lab::{Lab, lab},
    milliseconds,
    parties::{NETWORK, Policy, worker_owner},
    peer::{Gone, RawPeer},
    seconds,
};
use chrysalis_node::extension::CancelQuery;
use chrysalis_settlement::PaymentKind;
use chrysalis_wire::{
    objects::{
        ProxyQueryAnswerErrorEx, ProxyQueryAnswerPartEx, ProxyRunQueryEx, ProxyWorkerRequestPayment, SignedPayment,
        TestQuery, WorkerCompareBalanceWithProxy, WorkerConnectToProxy, WorkerEnabledDisabled,
    },
    tl::{RequestId, Seconds},
};

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
            worker.encode(&work(id(number / 2)), &mut bytes).unwrap();
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
            worker
                .encode(&CancelQuery { request_id: id(number) }, &mut bytes)
                .unwrap();
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
        long.query = crate::support::handshakes::request_with_body(
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
