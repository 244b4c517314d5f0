//! Clients that ask and do not read.

use super::*;
use crate::support::{
    handshakes::{head, id, last_part, part, request, stream_head, tokens},
    lab::lab,
    parties::Policy,
    seconds,
};
use chrysalis_wire::objects::{ClientQueryAnswerPartEx, ClientUpdatePaymentStatus};

/// Questions that nobody who reads the answers would have to count.
const MOST_QUESTIONS: i64 = 200_000;

#[test]
fn a_client_that_does_not_read_its_answers_is_cut_off() {
    attack(|mut scene| async move {
        let mut owner = scene.owner().await;
        // Each question has some 40 bytes, its answer some 260. Nothing of that is read.
        let mut asked = 0;
        while asked < MOST_QUESTIONS {
            let mut bytes = Vec::new();
            for number in asked..asked + 1_000 {
                owner
                    .encode_query(number, &ClientUpdatePaymentStatus {}, &mut bytes)
                    .unwrap();
            }
            asked += 1_000;
            if !owner.offer_bytes(&bytes, seconds(10)).await {
                break;
            }
        }
        assert!(
            asked < MOST_QUESTIONS,
            "{asked} questions were taken while no answer was read"
        );
        scene.lab.env().sleep(seconds(10)).await;
        let closed = scene.lab.watch.closed("proxy");
        assert!(
            closed.iter().any(|reason| reason.contains("does not read")),
            "{closed:?}"
        );
        scene
    });
}

/// Connections share a worker's connection, so nobody waits for the slow one: what it does not read is kept up to a
/// limit, and then it is cut off.
#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_deposit(lab, 100_000_000).await;
        let mut slow = scene.owner().await;
        let mut honest = scene.lab.raw_client("honest", OWNER).await;
        slow.send(&request(1, 10_000)).await;
        honest.send(&request(2, TOKENS)).await;
        assert_eq!(scene.arrived().await.len(), 2);
        // As much for the slow one as is kept for it, and behind it an answer for the other.
        let mut bytes = Vec::new();
        scene.worker.encode(&stream_head(id(1)), &mut bytes).unwrap();
        let chunk = part(id(1), &[b'x'; 32 * 1024]);
        for _ in 0..500 {
            scene.worker.encode(&chunk, &mut bytes).unwrap();
        }
        scene.worker.encode(&head(id(2)), &mut bytes).unwrap();
        let last = last_part(id(2), b"{}", tokens(0, 0, 0));
        scene.worker.encode(&last, &mut bytes).unwrap();
        let start_ns = scene.evil.now_ns();
        assert!(scene.worker.offer_bytes(&bytes, seconds(40)).await);
        let answer: ClientQueryAnswerPartEx = honest.message().await.unwrap();
        assert_eq!(answer.request_id, id(2));
        let waited_ms = (scene.evil.now_ns() - start_ns) / 1_000_000;
        assert!(waited_ms < 5_000, "{waited_ms} ms: it waited for the slow one");
        assert!(
            scene.lab.watch.closed("proxy").is_empty(),
            "nobody is cut off for that much"
        );

        let mut bytes = Vec::new();
        for _ in 0..600 {
            scene.worker.encode(&chunk, &mut bytes).unwrap();
        }
        assert!(scene.worker.offer_bytes(&bytes, seconds(40)).await);
        // It has five seconds to read what is queued; then nothing is kept for it.
        scene.lab.env().sleep(seconds(6)).await;
        let closed = scene.lab.watch.closed("proxy");
        assert_eq!(closed, ["closed here: the client reads too slowly"]);
        assert!(scene.worker.is_alive().await, "the worker is not to blame");
        drop(slow);
    });
}
