//! Workers that are silent or go away: the user knows within the time limit.

use super::*;
use crate::support::{
    handshakes::{head, offer_work, part, stream_head},
    lab::lab,
    milliseconds,
    parties::{Policy, worker_owner},
    peer::RawPeer,
    seconds,
};
use chrysalis_node::extension::CancelQuery;
use chrysalis_wire::packet::{Packet, TcpPacket};

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
        // One that begins and then falls silent: the stream ends at the limit and says why.
        let (request, got) = user_asks(&mut worker, &user, true, 2).await;
        worker.send(&stream_head(request.request_id)).await;
        worker.send(&part(request.request_id, b"data: {}\n\n")).await;
        let got = got.await.unwrap();
        assert!(got.ends_with_error(652) && got.took_ns <= 2_100_000_000, "{got:?}");
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
        let identity = lab.parties.honest("worker-1", crate::support::parties::WORKER_IMAGE, 2);
        for stage in 0..4 {
            let mut worker = RawPeer::connect(&env, crate::support::lab::FOR_WORKERS, &identity)
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
            match stage {
                0 => assert_eq!((got.status, got.error_code()), (Some(500), Some(601)), "{}", got.text()),
                1 => assert_eq!(
                    (got.status, got.is_whole),
                    (Some(200), false),
                    "an answer that is no stream breaks off"
                ),
                _ => assert!(got.ends_with_error(601), "{got:?}"),
            }
        }
        serves(&lab).await;
    });
}
