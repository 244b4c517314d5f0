//! Bytes that are no protocol, and packets out of order.

use super::*;
use crate::support::{
    handshakes::{head, id, request},
    lab::FOR_CLIENTS,
    parties::plain,
    peer::{RawPeer, own_tls},
    seconds,
};
use chrysalis_wire::{
    objects::{ClientUpdatePaymentStatus, TestQuery},
    packet::{Packet, TcpConnect, TcpPing, TcpQueryAnswer, TcpQueryError},
    tl::Boxed,
};

#[test]
fn bytes_that_are_no_protocol_end_the_connection_and_nothing_else() {
    attack(|mut scene| async move {
        let encoded = request(1, TOKENS).encode();
        let mut trailing = encoded.clone();
        trailing.extend_from_slice(&[0; 4]);
        let messages: Vec<(&str, Vec<u8>)> = vec![
            ("nothing", vec![]),
            ("an unknown constructor", vec![1, 2, 3, 4]),
            ("a message with trailing bytes", trailing),
            ("half a message", encoded[..encoded.len() / 2].to_vec()),
            ("a worker's message", head(id(1)).encode()),
            ("a worker's query", TestQuery { id: 1 }.encode()),
        ];
        for (what, data) in messages {
            let mut owner = scene.owner().await;
            owner
                .send_packet(&Packet::Packet(chrysalis_wire::packet::TcpPacket { data }))
                .await;
            assert!(owner.closed_within(seconds(2)).await, "{what}");
        }
        let frames: Vec<(&str, Vec<u8>)> = vec![
            ("no packet", vec![0; 4]),
            ("packet with trailing bytes", {
                let mut bytes = Packet::Ping(TcpPing { id: 1 }).encode();
                bytes.push(0);
                bytes
            }),
            ("half a packet", Packet::Ping(TcpPing { id: 1 }).encode()[..8].to_vec()),
        ];
        for (what, payload) in frames {
            let mut owner = scene.owner().await;
            owner.send_payload(&payload).await;
            assert!(owner.closed_within(seconds(2)).await, "{what}");
        }
        let seqno = 3_i32; // Greeting, two queries of the hand-shake.
        let head_of = |length: u32, seqno: i32| [length.to_le_bytes(), seqno.to_le_bytes()].concat();
        let raw: Vec<(&str, Vec<u8>)> = vec![
            ("a frame above the limit", head_of((1 << 24) + 1, seqno)),
            ("the longest length", head_of(u32::MAX, seqno)),
            ("a frame too short", head_of(3, seqno)),
            ("an empty frame", head_of(0, seqno)),
            (
                "a number that was used",
                [head_of(12, seqno - 1), Packet::Ping(TcpPing { id: 1 }).encode()].concat(),
            ),
            (
                "a number too large",
                [head_of(12, seqno + 1), Packet::Ping(TcpPing { id: 1 }).encode()].concat(),
            ),
            (
                "a negative number",
                [head_of(12, -1), Packet::Ping(TcpPing { id: 1 }).encode()].concat(),
            ),
            ("HTTP", b"GET / HTTP/1.1\r\nHost: proxy\r\n\r\n".to_vec()),
        ];
        for (what, bytes) in raw {
            let mut owner = scene.owner().await;
            owner.send_bytes(&bytes).await;
            assert!(owner.closed_within(seconds(2)).await, "{what}");
        }
        // The right number in its place: the control of the numbers above.
        let mut owner = scene.owner().await;
        owner
            .send_bytes(&[head_of(12, seqno), Packet::Ping(TcpPing { id: 1 }).encode()].concat())
            .await;
        assert!(!owner.closed_within(seconds(2)).await);
        assert!(scene.arrived().await.is_empty());
        scene
    });
}

#[test]
fn the_transports_hand_shake_comes_first_and_a_second_is_ignored() {
    attack(|mut scene| async move {
        for packet in [
            Packet::Ping(TcpPing { id: 1 }),
            Packet::Packet(chrysalis_wire::packet::TcpPacket {
                data: request(1, TOKENS).encode(),
            }),
            Packet::Connected(chrysalis_wire::packet::TcpConnected { id: 1 }),
        ] {
            let tls = own_tls(&scene.evil, &plain("evil")).unwrap();
            let mut peer = RawPeer::dial(&scene.evil, FOR_CLIENTS, tls).await.unwrap();
            peer.send_packet(&packet).await;
            assert!(peer.closed_within(seconds(2)).await, "{packet:?}");
        }
        let mut owner = scene.owner().await;
        owner.send_packet(&Packet::Connect(TcpConnect { id: 5 })).await;
        for id in 0..100 {
            // Answers to questions that nobody asked.
            owner
                .send_packet(&Packet::QueryAnswer(TcpQueryAnswer { id, data: vec![0; 100] }))
                .await;
            let error = TcpQueryError {
                id,
                code: i32::MIN,
                message: "\u{1b}[2J".into(),
            };
            owner.send_packet(&Packet::QueryError(error)).await;
        }
        assert!(owner.is_alive().await);
        // One number for two questions: each is answered.
        for _ in 0..2 {
            owner.send_query(5, &ClientUpdatePaymentStatus {}).await;
        }
        for _ in 0..2 {
            assert!(matches!(
                owner.recv().await,
                Ok(Packet::QueryAnswer(TcpQueryAnswer { id: 5, .. }))
            ));
        }
        // Whoever is authorised may ask nonsense and stays.
        owner.send_query(6, &TestQuery { id: 1 }).await;
        assert!(matches!(
            owner.recv().await,
            Ok(Packet::QueryError(TcpQueryError { id: 6, code: 621, .. }))
        ));
        assert!(scene.arrived().await.is_empty());
        scene
    });
}
