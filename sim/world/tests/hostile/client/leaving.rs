//! Clients that hang up or cancel: what was delivered is booked, and nothing stays behind.

use super::*;
use crate::support::{
    handshakes::{authorise, client_connect, head, id, last_part, part, request, stream_head, tokens},
    lab::{FOR_CLIENTS, lab},
    parties::{Policy, SECRET, client_owner, plain},
    peer::{Gone, own_tls, pay},
    seconds,
};
use chrysalis_node::extension::CancelQuery;
use chrysalis_wire::{
    objects::{
        ClientQueryAnswerErrorEx, ClientQueryAnswerEx, ClientQueryAnswerPartEx, ClientRunQueryEx,
        ClientUpdatePaymentStatus, ProxyRunQueryEx,
    },
    tl::Seconds,
};
use tokio_rustls::TlsConnector;

/// How far a client gets before it hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Tcp,
    Work,
    Tls,
    Greeted,
    HalfAFrame,
    Asked,
    Connected,
    Authorised,
    Sent,
    Arrived,
    Head,
    Part,
    Complete,
}

const STAGES: [Stage; 13] = [
    Stage::Tcp,
    Stage::Work,
    Stage::Tls,
    Stage::Greeted,
    Stage::HalfAFrame,
    Stage::Asked,
    Stage::Connected,
    Stage::Authorised,
    Stage::Sent,
    Stage::Arrived,
    Stage::Head,
    Stage::Part,
    Stage::Complete,
];

/// A client that gets as far as `stage` and then is gone.
async fn hang_up_at(scene: &mut Scene, stage: Stage) {
    let mut stream = scene.evil.connect(FOR_CLIENTS).await.unwrap();
    if stage < Stage::Work {
        return;
    }
    pay(&mut stream).await.unwrap();
    if stage < Stage::Tls {
        return;
    }
    let tls = TlsConnector::from(own_tls(&scene.evil, &plain("evil")).unwrap());
    drop(
        tls.connect(chrysalis_attest::ra_tls::server_name(), stream)
            .await
            .unwrap(),
    );
    if stage < Stage::Greeted {
        return;
    }
    let mut peer = scene.stranger().await;
    if stage == Stage::HalfAFrame {
        peer.send_bytes(&[12, 0, 0, 0, 1, 0]).await;
        return;
    }
    let owner = client_owner(OWNER);
    match stage {
        Stage::Greeted => return,
        Stage::Asked => return peer.send_query(1, &client_connect(&owner)).await,
        Stage::Connected => return drop(peer.query(&client_connect(&owner)).await.unwrap()),
        _ => authorise(&mut peer, &owner).await.unwrap(),
    }
    if stage == Stage::Authorised {
        return;
    }
    peer.send(&request(1, TOKENS)).await;
    if stage == Stage::Sent {
        return;
    }
    let request: ProxyRunQueryEx = scene.worker.message().await.unwrap();
    if stage >= Stage::Head {
        scene.worker.send(&head(request.request_id)).await;
        peer.message::<ClientQueryAnswerEx>().await.unwrap();
    }
    if stage >= Stage::Part {
        scene.worker.send(&part(request.request_id, b"{\"half\": ")).await;
        peer.message::<ClientQueryAnswerPartEx>().await.unwrap();
    }
    if stage >= Stage::Complete {
        scene
            .worker
            .send(&last_part(request.request_id, b"1}", tokens(0, 0, 0)))
            .await;
    }
}

#[test]
fn a_client_may_hang_up_whenever_it_likes() {
    for stage in STAGES {
        attack(move |mut scene| async move {
            for _ in 0..3 {
                hang_up_at(&mut scene, stage).await;
                scene.lab.env().sleep(seconds(6)).await;
            }
            scene
        });
    }
}

#[test]
fn what_was_delivered_before_a_client_hung_up_is_booked() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::new(lab).await;
        let mut owner = scene.owner().await;
        owner.send(&request(1, TOKENS)).await;
        let request: ProxyRunQueryEx = scene.worker.message().await.unwrap();
        scene.worker.send(&stream_head(request.request_id)).await;
        for _ in 0..3 {
            scene.worker.send(&part(request.request_id, b"data: {}\n\n")).await;
        }
        for _ in 0..3 {
            owner.message::<ClientQueryAnswerPartEx>().await.unwrap();
        }
        drop(owner);
        let cancel: CancelQuery = scene.worker.message().await.unwrap();
        assert_eq!(cancel.request_id, request.request_id);
        scene.lab.env().sleep(seconds(10)).await;
        // Three events are three tokens at least, each of eight units (T12).
        assert_eq!(scene.lab.watch.booked("proxy"), 24);
        let mut honest = scene.lab.raw_client("honest", OWNER).await;
        let status = honest.query(&ClientUpdatePaymentStatus {}).await.unwrap();
        assert_eq!((status.db_tokens, status.max_tokens), (24, 24));
        assert_eq!(scene.lab.watch.paid("proxy", "client_charge").iter().max(), Some(&24));
    });
}

#[test]
fn an_answer_that_nobody_waits_for_holds_its_slot_for_seconds_only() {
    // The worker has one slot and never answers.
    lab(Policy::Tdx, |lab| async move {
        lab.parties.deposits.open(client_owner(OWNER), 10_000_000, SECRET);
        lab.start_proxy();
        lab.env().sleep(seconds(1)).await;
        let _worker = lab.raw_worker("worker-1", 1).await;
        let mut owner = lab.raw_client("evil", OWNER).await;
        owner.send(&request(1, TOKENS)).await;
        owner.send(&CancelQuery { request_id: id(1) }).await;
        lab.env().sleep(seconds(1)).await;
        let mut honest = lab.raw_client("honest", OWNER).await;
        honest.send(&request(2, TOKENS)).await;
        assert_eq!(
            honest.message::<ClientQueryAnswerErrorEx>().await.unwrap().error_code,
            651,
            "it is held"
        );
        lab.env().sleep(seconds(5)).await;
        honest.send(&request(3, TOKENS)).await;
        let error = honest.message_within::<ClientQueryAnswerErrorEx>(seconds(1)).await;
        assert_eq!(error, Err(Gone::Silent), "it is free");
    });
}

#[test]
fn cancelling_again_and_again_does_not_hold_a_slot() {
    lab(Policy::Tdx, |lab| async move {
        lab.parties.deposits.open(client_owner(OWNER), 10_000_000, SECRET);
        lab.start_proxy();
        lab.env().sleep(seconds(1)).await;
        let _worker = lab.raw_worker("worker-1", 1).await;
        let mut owner = lab.raw_client("evil", OWNER).await;
        let short = ClientRunQueryEx {
            timeout: Seconds::from_f64(1.0),
            ..request(1, TOKENS)
        };
        owner.send(&short).await;
        for _ in 0..20 {
            lab.env().sleep(seconds(2)).await;
            owner.send(&CancelQuery { request_id: id(1) }).await;
        }
        let mut honest = lab.raw_client("honest", OWNER).await;
        honest.send(&request(2, TOKENS)).await;
        let error = honest.message_within::<ClientQueryAnswerErrorEx>(seconds(1)).await;
        assert_eq!(
            error,
            Err(Gone::Silent),
            "the time limit of one second has passed long ago"
        );
    });
}
