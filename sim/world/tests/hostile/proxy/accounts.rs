//! Contracts and payments that a client does not take.

use super::*;
use crate::support::{
    handshakes::{authorised, connected_client, id, payment},
    lab::lab,
    milliseconds,
    parties::{NETWORK, Policy, client_owner},
    peer::Gone,
    seconds,
};
use chrysalis_settlement::PaymentKind;
use chrysalis_wire::{
    objects::{
        ClientAuthorizeWithProxyLong, ClientAuthorizeWithProxyShort, ClientConnectToProxy, ClientConnectedToProxy,
        ClientRunQueryEx, ProxyClientRequestPayment, SignedPayment,
    },
    packet::{Packet, TcpQueryError},
};

#[test]
fn a_client_keeps_its_secret_from_proxies_whose_contracts_do_not_follow_from_the_root() {
    type Change = fn(&mut ClientConnectedToProxy);
    let changes: [(&str, Change); 9] = [
        ("another proxy contract", |connected| {
            connected.params.proxy_sc_address = client_owner("x").to_wire(NETWORK);
        }),
        ("another own contract", |connected| {
            connected.client_sc_address = client_owner("x").to_wire(NETWORK);
        }),
        ("another key", |connected| connected.params.proxy_public_key = [9; 32]),
        ("another owner", |connected| {
            connected.params.proxy_owner_address = client_owner("x").to_wire(NETWORK);
        }),
        ("no address", |connected| connected.client_sc_address = String::new()),
        ("a long address", |connected| {
            connected.params.proxy_sc_address = "E".repeat(1 << 20);
        }),
        ("production", |connected| connected.params.is_test = Some(false)),
        ("no kind of deployment", |connected| connected.params.is_test = None),
        ("a version of tomorrow", |connected| {
            connected.params.proto_version = Some(99);
        }),
    ];
    lab(Policy::Tdx, move |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let owner = client_owner(CLIENT);
        for (what, change) in changes {
            let mut client = scene.accept().await;
            let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
            let mut connected = connected_client(&scene.lab.parties, &owner);
            change(&mut connected);
            client.answer(query, &connected).await;
            let secret = client.asked::<ClientAuthorizeWithProxyShort>().await;
            assert!(matches!(secret, Err(Gone::Closed(_))), "{what}: {secret:?}");
            let got = scene.asks(false, 5).await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(503), Some(651)), "{what}");
        }
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
    });
}

#[test]
fn a_client_shows_its_secret_only_where_its_hash_is_known() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.accept().await;
        let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
        let mut connected = connected_client(&scene.lab.parties, &client_owner(CLIENT));
        if let chrysalis_wire::objects::ProxyConnectionAuth::Short(short) = &mut connected.auth {
            short.secret_hash = [0; 32];
        }
        client.answer(query, &connected).await;
        let (query, _) = client.asked::<ClientAuthorizeWithProxyLong>().await.unwrap();
        client
            .send_packet(&Packet::QueryError(TcpQueryError {
                id: query,
                code: 602,
                message: "no".into(),
            }))
            .await;
        assert!(client.closed_within(seconds(2)).await);
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
    });
}

#[test]
fn a_node_reports_why_it_left_a_proxy() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.accept().await;
        let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
        let mut connected = connected_client(&scene.lab.parties, &client_owner(CLIENT));
        connected.client_sc_address = client_owner("x").to_wire(NETWORK);
        client.answer(query, &connected).await;
        assert!(client.closed_within(seconds(2)).await);
        scene.lab.env().sleep(seconds(1)).await;
        let notes = scene.lab.watch.notes(CLIENT);
        assert!(notes.iter().any(|note| note.contains("own contract")), "{notes:?}");
    });
}

#[test]
fn a_client_leaves_a_proxy_whose_payments_are_wrong() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let parties = scene.lab.parties.clone();
        let owner = client_owner(CLIENT);
        let (key, contract) = (parties.proxy_key(), parties.client_contract(&owner));
        let kind = PaymentKind::ClientCharge;
        let bill = |signed_payment, db_tokens, max_tokens| ProxyClientRequestPayment {
            request_id: id(1),
            signed_payment,
            db_tokens,
            max_tokens,
            request_tokens: 0,
        };
        let good = payment(&key, kind, 10, &contract);
        // First what is right: counts that grow.
        let mut client = scene.client().await;
        client.send(&bill(payment(&key, kind, 5, &contract), 6, 7)).await;
        client.send(&bill(good.clone(), 10, 10)).await;
        assert!(client.is_alive().await);
        assert_eq!(scene.lab.watch.paid(CLIENT, "taken"), [5, 10]);
        drop(client);
        let mut wrong: Vec<_> = wrong_payments(&key, kind, &contract)
            .into_iter()
            .map(|(what, wrong)| (what, bill(wrong, 200, 200)))
            .collect();
        wrong.extend([
            ("fewer durable", bill(good.clone(), 9, 10)),
            ("fewer counted", bill(good.clone(), 10, 9)),
            ("negative", bill(good.clone(), -1, 10)),
            ("smallest", bill(good.clone(), i64::MIN, i64::MIN)),
            ("more durable than counted", bill(good.clone(), 12, 11)),
            (
                "more signed than durable",
                bill(payment(&key, kind, 50, &contract), 20, 20),
            ),
        ]);
        for (what, wrong) in wrong {
            let mut client = scene.accept().await;
            let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
            client.answer(query, &connected_client(&parties, &owner)).await;
            let (query, _) = client.asked::<ClientAuthorizeWithProxyShort>().await.unwrap();
            client.answer(query, &authorised(good.clone(), 10, 10)).await;
            scene.lab.env().sleep(milliseconds(100)).await;
            let got = scene.asks(false, 30);
            let _: ClientRunQueryEx = client.message().await.unwrap();
            client.send(&wrong).await;
            assert!(client.closed_within(seconds(2)).await, "{what}");
            let got = got.await.unwrap();
            assert_eq!((got.status, got.error_code()), (Some(500), Some(601)), "{what}");
            assert!(got.took_ns < 1_000_000_000, "{what}: at once, not at the time limit");
        }
        assert_eq!(scene.lab.watch.paid(CLIENT, "taken"), [5, 10], "none of it was taken");
    });
}

#[test]
fn a_client_does_not_let_a_proxy_forget_at_a_new_hand_shake() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let parties = scene.lab.parties.clone();
        let owner = client_owner(CLIENT);
        let (key, contract) = (parties.proxy_key(), parties.client_contract(&owner));
        let signed = |tokens| payment(&key, PaymentKind::ClientCharge, tokens, &contract);
        // (payment, durable, counted) that the proxy says in turn, and whether the client goes on.
        let steps = [
            (signed(10), 10, 20, true),
            (signed(10), 10, 10, true),
            (signed(9), 9, 9, false),
            (signed(0), 0, 0, false),
            (SignedPayment::EMPTY, 10, 10, false),
            (signed(11), 10, 10, false),
            (signed(10), -1, 10, false),
            (signed(12), 12, 12, true),
        ];
        for (number, (payment, db, max, goes_on)) in steps.into_iter().enumerate() {
            let mut client = scene.accept().await;
            let (query, _) = client.asked::<ClientConnectToProxy>().await.unwrap();
            client.answer(query, &connected_client(&parties, &owner)).await;
            let (query, _) = client.asked::<ClientAuthorizeWithProxyShort>().await.unwrap();
            client.answer(query, &authorised(payment, db, max)).await;
            assert_eq!(!client.closed_within(seconds(2)).await, goes_on, "step {number}");
        }
    });
}
