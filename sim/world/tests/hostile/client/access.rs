//! What nobody gets without the secret.

use super::*;
use crate::support::{
    handshakes::{client_connect, id, request, secret},
    parties::{SECRET, client_owner},
    peer::Gone,
    seconds,
};
use chrysalis_node::extension::CancelQuery;
use chrysalis_wire::objects::{ClientQueryAnswerPartEx, ClientUpdatePaymentStatus};

#[test]
fn before_authorisation_nothing_is_done() {
    attack(|mut scene| async move {
        let owner = client_owner(OWNER);
        for is_connected in [false, true] {
            for attempt in 0..5 {
                let mut peer = scene.stranger().await;
                if is_connected {
                    peer.query(&client_connect(&owner)).await.unwrap();
                }
                match attempt {
                    0 => peer.send(&request(1, TOKENS)).await,
                    1 => peer.send_query(7, &ClientUpdatePaymentStatus {}).await,
                    2 => {
                        peer.send_query(7, &chrysalis_wire::objects::ClientGetWorkerTypesV2 {})
                            .await;
                    }
                    3 => {
                        // Whoever waits for the chain to vouch is not served meanwhile.
                        peer.send_query(7, &chrysalis_wire::objects::ClientAuthorizeWithProxyLong {})
                            .await;
                        peer.send(&request(1, TOKENS)).await;
                    }
                    _ => {
                        peer.send_query(7, &chrysalis_wire::objects::ClientRequestRefund {})
                            .await;
                    }
                }
                assert!(
                    peer.closed_within(seconds(2)).await,
                    "attempt {attempt}, connected: {is_connected}"
                );
            }
        }
        // To cancel what is not one's own does nothing at all.
        let mut mine = scene.owner().await;
        mine.send(&request(1, TOKENS)).await;
        let arrived = scene.arrived().await;
        let mut peer = scene.stranger().await;
        peer.send(&CancelQuery { request_id: id(1) }).await;
        let mut other = scene.owner().await;
        other.send(&CancelQuery { request_id: id(1) }).await;
        assert!(scene.arrived().await.is_empty());
        scene.complete(&arrived[0]).await;
        mine.message::<ClientQueryAnswerPartEx>().await.unwrap();
        scene
    });
}

#[test]
fn the_chain_vouches_for_nobody_who_did_not_register() {
    attack(|mut scene| async move {
        let mut peer = scene.stranger().await;
        peer.query(&client_connect(&client_owner(OWNER))).await.unwrap();
        let start_ns = scene.evil.now_ns();
        peer.send_query(7, &chrysalis_wire::objects::ClientAuthorizeWithProxyLong {})
            .await;
        for _ in 0..60 {
            scene.evil.sleep(seconds(5)).await;
            assert!(scene.worker.is_alive().await);
            if !peer.is_alive().await {
                break;
            }
        }
        let waited_s = (scene.evil.now_ns() - start_ns) / 1_000_000_000;
        assert!((295..=320).contains(&waited_s), "refused after {waited_s} s");
        scene
    });
}

#[test]
fn secrets_are_not_guessed() {
    attack(|mut scene| async move {
        let owner = client_owner(OWNER);
        for guess in 0..8 {
            let mut peer = scene.stranger().await;
            peer.query(&client_connect(&owner)).await.unwrap();
            let guess = format!("guess {guess}");
            assert!(matches!(peer.query(&secret(&guess)).await, Err(Gone::Refused(602, _))));
            // One guess a connection: the right secret comes too late.
            assert!(matches!(peer.query(&secret(SECRET)).await, Err(Gone::Closed(_))));
        }
        // The same in one breath, with a request behind it.
        let mut peer = scene.stranger().await;
        let mut bytes = Vec::new();
        peer.encode_query(1, &client_connect(&owner), &mut bytes).unwrap();
        for number in 2..50 {
            peer.encode_query(number, &secret("guess"), &mut bytes).unwrap();
        }
        peer.encode_query(50, &secret(SECRET), &mut bytes).unwrap();
        peer.encode(&request(1, TOKENS), &mut bytes).unwrap();
        peer.send_bytes(&bytes).await;
        assert!(peer.closed_within(seconds(10)).await);
        assert!(scene.arrived().await.is_empty(), "nobody was authorised");
        // The hash of nothing is public (T17): it opens no account, not even one that has it.
        scene.lab.parties.deposits.open(client_owner("careless"), 1_000_000, "");
        for name in [OWNER, "careless", "unknown"] {
            let mut peer = scene.stranger().await;
            peer.query(&client_connect(&client_owner(name))).await.unwrap();
            assert!(
                matches!(peer.query(&secret("")).await, Err(Gone::Refused(602, _))),
                "{name}"
            );
        }
        scene
    });
}

#[test]
fn hand_shakes_that_do_not_fit_are_refused() {
    attack(|mut scene| async move {
        let owner = client_owner(OWNER);
        let mut cases = Vec::new();
        for change in 0..6 {
            let mut connect = client_connect(&owner);
            match change {
                0 => connect.params.is_test = Some(false),
                1 => connect.params.is_test = None,
                2 => connect.params.client_owner_address = "EQ".into(),
                3 => connect.params.client_owner_address = "A".repeat(100_000),
                4 => connect.min_config_version = i32::MAX,
                _ => {
                    let range = chrysalis_wire::objects::ProtocolRange {
                        min_proto_version: 9,
                        max_proto_version: -9,
                    };
                    connect.params.protocol = Some(range);
                }
            }
            cases.push(connect);
        }
        for connect in cases {
            let mut peer = scene.stranger().await;
            assert!(matches!(peer.query(&connect).await, Err(Gone::Refused(602 | 621, _))));
            assert!(peer.closed_within(seconds(2)).await);
        }
        // Twice is once too often.
        let mut peer = scene.stranger().await;
        peer.query(&client_connect(&owner)).await.unwrap();
        assert!(matches!(
            peer.query(&client_connect(&owner)).await,
            Err(Gone::Refused(621, _))
        ));
        // Before authorisation an account shows nothing of what it paid (T19).
        let mut peer = scene.stranger().await;
        let connected = peer.query(&client_connect(&owner)).await.unwrap();
        assert_eq!(connected.signed_payment.data(), None);
        scene
    });
}
