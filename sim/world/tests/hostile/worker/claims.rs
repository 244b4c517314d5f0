//! What a worker says was used, what of it is booked, and what the client hears of it.

use super::*;
use crate::support::{
    handshakes::{
        balance, final_info, head, id, last_part, part, request, reservation, stream_head, tokens, worker_connect,
    },
    lab::lab,
    parties::{Policy, worker_owner},
    seconds,
};
use chrysalis_wire::objects::{
    ClientQueryAnswerErrorEx, ClientQueryAnswerPartEx, ClientUpdatePaymentStatus, ProxyQueryAnswer,
    ProxyQueryAnswerError, ProxyQueryAnswerErrorEx, ProxyQueryAnswerPart, ProxyWorkerRequestPayment, TokensUsed,
    WorkerNewCoefficient, WorkerProxyHandshakeComplete, WorkerUpdatePaymentStatus,
};

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
