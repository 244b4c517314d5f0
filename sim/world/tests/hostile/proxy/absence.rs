//! Proxies that stall, are silent or go away.

use super::*;
use crate::support::{lab::lab, milliseconds, parties::Policy, seconds};
use chrysalis_node::extension::CancelQuery;
use chrysalis_wire::{
    objects::ClientRunQueryEx,
    packet::{Packet, TcpPacket},
    proof_of_work::{Challenge, Difficulty},
};
use tokio::io::AsyncWriteExt;

#[test]
fn silence_costs_a_user_no_more_than_its_time_limit() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.client().await;
        // Nothing at all; a head and nothing; a head, a part, and nothing.
        for stage in 0..3 {
            let got = scene.asks(true, 3);
            let request: ClientRunQueryEx = client.message().await.unwrap();
            assert!(request.timeout.to_f64() <= 3.0, "{:?}", request.timeout);
            if stage >= 1 {
                client.send(&stream_head(request.request_id)).await;
            }
            if stage >= 2 {
                client.send(&part(request.request_id, b"data: {}\n\n")).await;
            }
            let got = got.await.unwrap();
            assert!(
                (2_900_000_000..3_100_000_000).contains(&got.took_ns),
                "{} ns",
                got.took_ns
            );
            match stage {
                0 => assert_eq!((got.status, got.error_code()), (Some(504), Some(652))),
                _ => assert!(got.ends_with_error(652), "{got:?}"),
            }
            assert_eq!(
                client.message::<CancelQuery>().await.unwrap().request_id,
                request.request_id
            );
        }
        scene.serves(&mut client).await;
    });
}

#[test]
fn a_proxy_that_goes_away_fails_its_requests_at_once() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        for stage in 0..5 {
            let mut client = scene.client().await;
            let got = scene.asks(true, 60);
            let request: ClientRunQueryEx = client.message().await.unwrap();
            if stage >= 1 {
                client.send(&stream_head(request.request_id)).await;
                client.send(&part(request.request_id, b"data: {}\n\n")).await;
                scene.lab.env().sleep(milliseconds(100)).await;
            }
            match stage {
                2 => {
                    client
                        .send_packet(&Packet::Packet(TcpPacket { data: vec![7; 100] }))
                        .await;
                }
                3 => client.send_bytes(&[0xff; 100]).await,
                4 => client.send_payload(&[0; 4]).await,
                _ => {}
            }
            if stage >= 2 {
                assert!(client.closed_within(seconds(1)).await, "stage {stage}");
            }
            drop(client);
            let got = got.await.unwrap();
            assert!(got.took_ns < 1_000_000_000, "stage {stage}: {} ns", got.took_ns);
            match stage {
                0 => assert_eq!((got.status, got.error_code()), (Some(500), Some(601))),
                _ => assert!(got.ends_with_error(601), "{got:?}"),
            }
        }
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
    });
}

#[test]
fn a_proxy_that_stalls_before_the_hand_shake_is_given_up() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let hard = Challenge {
            difficulty: Difficulty::new(64).unwrap(),
            salt: [0; 16],
        }
        .encode();
        let greetings: [(&str, &[u8]); 4] = [
            ("silence", b""),
            ("hard work", &hard),
            ("garbage", &[7; 64]),
            ("half a challenge", &hard[..12]),
        ];
        for (what, greeting) in greetings {
            let mut stream = scene.listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
            let start_ns = scene.user.now_ns();
            let got = scene.asks(false, 5).await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(503), Some(651)), "{what}");
            let mut byte = [0];
            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut byte).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{what}");
            assert!(scene.user.now_ns() - start_ns < 31_000_000_000, "{what}");
        }
        let refusals = scene.lab.watch.refusals(CLIENT, "proxy");
        assert!(
            refusals.len() >= 3 && refusals[1].contains("difficulty"),
            "{refusals:?}"
        );
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
    });
}
