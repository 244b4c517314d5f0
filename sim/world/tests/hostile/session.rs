//! Evidence that is bound to the session: what passes with evidence in certificates, as in the reference system, does
//! not pass here; and a session ends when what it rests on is withdrawn.

use crate::support::{
    handshakes,
    lab::{FOR_CLIENTS, FOR_WORKERS, Lab, lab_at, with_parties},
    parties::{
        ISSUED_UNIX_S, PROXY_IMAGE, PROXY_MACHINE, Parties, Policy, SECRET, WORKER_IMAGE, WORKER_MACHINE, client_owner,
        identity_with, key_of, plain, quote_for, worker_owner,
    },
    peer::{Gone, RawPeer, own_tls},
    seconds,
    user::{ask, chat},
};
use chrysalis_attest::{
    Attester, Binding, Identity, TdMeasurements,
    session::{Message, Now, Role, Session, SessionBinding, SessionParties, SessionTiming, Shown, Side},
};
use chrysalis_env::Env;
use chrysalis_settlement::model_hash;
use chrysalis_wire::objects::{ClientConnectToProxy, WorkerConnectToProxy};
use std::sync::Arc;

const S: u64 = 1_000_000_000;
/// Short periods, so that tests are.
const TIMING: SessionTiming = SessionTiming {
    period_ns: 60 * S,
    answer_limit_ns: 20 * S,
    recheck_ns: 10 * S,
};
/// Nothing is due within a test about how sessions begin.
const PATIENT: SessionTiming = SessionTiming {
    period_ns: 86_400 * S,
    recheck_ns: 86_400 * S,
    ..TIMING
};

fn by_certificate() -> Parties {
    Parties::new(Policy::Tdx)
}

fn by_session() -> Parties {
    Parties::new(Policy::Tdx).bound_to(Binding::Session(PATIENT))
}

fn short() -> Parties {
    Parties::new(Policy::Tdx).bound_to(Binding::Session(TIMING))
}

/// A certificate made now around the old quote of a node: what a thief of its TLS key can make.
fn forged(name: &str, image: &str, machine: u64) -> Arc<Identity> {
    identity_with(name, &quote_for(name, image, machine), ISSUED_UNIX_S)
}

/// A raw worker on TLS with the key of `worker-1`.
async fn dial(env: &Env, identity: &Identity) -> RawPeer {
    let tls = own_tls(env, identity).unwrap();
    RawPeer::dial(env, FOR_WORKERS, tls).await.unwrap()
}

fn hello(role: Role, nonce: Option<[u8; 32]>) -> Vec<u8> {
    Message::Hello { role, nonce }.encode()
}

/// The nonce that the proxy sends first.
async fn challenge(peer: &mut RawPeer) -> [u8; 32] {
    peer.challenge(Role::Proxy).await.unwrap()
}

async fn show(peer: &mut RawPeer, quote: Vec<u8>) {
    peer.show(Shown::guest(quote)).await;
}

/// What a worker's evidence must cover on this connection.
fn binding_of_worker(peer: &RawPeer, nonce: &[u8; 32]) -> [u8; 64] {
    SessionBinding {
        exporter: &peer.exporter().unwrap(),
        nonce,
        round: 0,
        prover_key: key_of("worker-1").public_key(),
        verifier_key: key_of("proxy").public_key(),
        prover_role: Role::Worker,
        verifier_role: Role::Proxy,
        prover_side: Side::Dialer,
    }
    .report_data()
}

fn worker_td(lab: &Lab) -> Arc<dyn Attester> {
    lab.parties.attester(WORKER_IMAGE, WORKER_MACHINE)
}

/// Whether the proxy goes on to the application with this worker, and what it said of it.
async fn outcome(lab: &Lab, peer: &mut RawPeer) -> Result<(), String> {
    let greeted = match peer.greet().await {
        Ok(()) => handshakes::offer_work(peer, &worker_owner("worker-1"), 4).await,
        Err(gone) => Err(gone),
    };
    // Refusals are reported when the connection is gone.
    lab.env().sleep(seconds(1)).await;
    let judged = lab
        .watch
        .judged("proxy", "worker")
        .pop()
        .expect("each connection is judged");
    assert_eq!(judged.accepted, greeted.is_ok(), "{judged:?} {greeted:?}");
    greeted.map_err(|_| judged.reason)
}

/// A proxy and the node of a raw worker.
async fn proxy_and_worker(lab: &Lab) -> Env {
    lab.start_proxy();
    let env = lab.node("worker-1").env();
    lab.env().sleep(seconds(1)).await;
    env
}

#[test]
fn an_honest_raw_worker_gets_in() {
    with_parties(by_session, |lab| async move {
        let env = proxy_and_worker(&lab).await;
        let identity = forged("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let mut peer = dial(&env, &identity).await;
        peer.say_hello(Role::Worker, None).await;
        let nonce = challenge(&mut peer).await;
        let quote = worker_td(&lab).quote(&binding_of_worker(&peer, &nonce)).unwrap();
        show(&mut peer, quote).await;
        assert_eq!(outcome(&lab, &mut peer).await, Ok(()));
    });
}

#[test]
fn a_leaked_key_with_an_old_quote_passes_by_certificate_and_not_by_session() {
    // The thief has key and quote of the worker, but not its TD.
    with_parties(by_certificate, |lab| async move {
        let env = proxy_and_worker(&lab).await;
        let mut peer = dial(&env, &forged("worker-1", WORKER_IMAGE, WORKER_MACHINE)).await;
        assert_eq!(outcome(&lab, &mut peer).await, Ok(()), "the attack is seen");
    });
    with_parties(by_session, |lab| async move {
        let env = proxy_and_worker(&lab).await;
        let identity = forged("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let mut peer = dial(&env, &identity).await;
        peer.say_hello(Role::Worker, None).await;
        challenge(&mut peer).await;
        show(&mut peer, quote_for("worker-1", WORKER_IMAGE, WORKER_MACHINE)).await;
        let reason = outcome(&lab, &mut peer).await.unwrap_err();
        assert!(reason.contains("report data are not the expected ones"), "{reason}");
    });
}

#[test]
fn evidence_of_an_earlier_session_and_nonce_is_refused() {
    with_parties(by_session, |lab| async move {
        let env = proxy_and_worker(&lab).await;
        let identity = forged("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let mut first = dial(&env, &identity).await;
        first.say_hello(Role::Worker, None).await;
        let nonce = challenge(&mut first).await;
        let quote = worker_td(&lab).quote(&binding_of_worker(&first, &nonce)).unwrap();
        show(&mut first, quote.clone()).await;
        assert_eq!(outcome(&lab, &mut first).await, Ok(()));
        let mut second = dial(&env, &identity).await;
        second.say_hello(Role::Worker, None).await;
        assert_ne!(challenge(&mut second).await, nonce);
        show(&mut second, quote).await;
        assert!(outcome(&lab, &mut second).await.unwrap_err().contains("report data"));
        // This session, an old nonce.
        let mut third = dial(&env, &identity).await;
        third.say_hello(Role::Worker, None).await;
        challenge(&mut third).await;
        let quote = worker_td(&lab).quote(&binding_of_worker(&third, &nonce)).unwrap();
        show(&mut third, quote).await;
        assert!(outcome(&lab, &mut third).await.unwrap_err().contains("report data"));
    });
}

#[test]
fn the_proxys_own_evidence_comes_back_refused() {
    with_parties(by_session, |lab| async move {
        let env = proxy_and_worker(&lab).await;
        let mut peer = dial(&env, &forged("worker-1", WORKER_IMAGE, WORKER_MACHINE)).await;
        let nonce = challenge(&mut peer).await;
        peer.say_hello(Role::Worker, Some(nonce)).await;
        let Message::Evidence { round: 0, shown } = peer.recv_evidence().await.unwrap() else {
            panic!("the proxy answers challenges")
        };
        show(&mut peer, shown.guest).await;
        assert!(outcome(&lab, &mut peer).await.unwrap_err().contains("report data"));
    });
}

#[test]
fn evidence_in_another_role_is_refused() {
    with_parties(by_session, |lab| async move {
        let env = proxy_and_worker(&lab).await;
        let identity = forged("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let mut peer = dial(&env, &identity).await;
        peer.say_hello(Role::Client, None).await;
        challenge(&mut peer).await;
        let reason = outcome(&lab, &mut peer).await.unwrap_err();
        assert!(reason.contains("is a client and should be a worker"), "{reason}");
        // It says that it is a worker, and its TD says otherwise.
        let mut peer = dial(&env, &identity).await;
        peer.say_hello(Role::Worker, None).await;
        let nonce = challenge(&mut peer).await;
        let exporter = peer.exporter().unwrap();
        let (worker, proxy) = (key_of("worker-1"), key_of("proxy"));
        let as_proxy = SessionBinding {
            exporter: &exporter,
            nonce: &nonce,
            round: 0,
            prover_key: worker.public_key(),
            verifier_key: proxy.public_key(),
            prover_role: Role::Proxy,
            verifier_role: Role::Proxy,
            prover_side: Side::Dialer,
        };
        show(&mut peer, worker_td(&lab).quote(&as_proxy.report_data()).unwrap()).await;
        assert!(outcome(&lab, &mut peer).await.unwrap_err().contains("report data"));
    });
}

#[test]
fn silence_and_lateness_cost_the_connection() {
    with_parties(by_session, |lab| async move {
        let env = proxy_and_worker(&lab).await;
        let identity = forged("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let mut silent = dial(&env, &identity).await;
        assert!(silent.recv_record().await.is_ok());
        assert!(silent.closed_within(seconds(25)).await);
        let refusals = lab.watch.refusals("proxy", "worker");
        assert!(
            refusals.len() == 1 && refusals[0].contains("did not answer"),
            "{refusals:?}"
        );

        for (wait_s, is_in) in [(15, true), (21, false)] {
            let mut peer = dial(&env, &identity).await;
            peer.say_hello(Role::Worker, None).await;
            let nonce = challenge(&mut peer).await;
            let quote = worker_td(&lab).quote(&binding_of_worker(&peer, &nonce)).unwrap();
            env.sleep(seconds(wait_s)).await;
            show(&mut peer, quote).await;
            let outcome = outcome(&lab, &mut peer).await;
            assert_eq!(outcome.is_ok(), is_in, "{wait_s} s: {outcome:?}");
        }
    });
}

#[test]
fn garbage_costs_the_connection() {
    with_parties(by_session, |lab| async move {
        let env = proxy_and_worker(&lab).await;
        let identity = forged("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let record = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
        // The last is the first frame of the reference's protocol: `tcp.connect`.
        for (bytes, expected) in [
            (vec![0xff; 64], "bytes"),
            (record(&[]), "too early"),
            (record(&[9, 9, 9]), "version 9"),
            (record(&[1, 7]), "kind 7"),
            (record(&[1, 2, 0, 0, 0, 0]), "too early"),
            (
                record(&[1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                "before the greeting",
            ),
            (
                [record(&hello(Role::Worker, None)), record(&hello(Role::Worker, None))].concat(),
                "a greeting that was not due",
            ),
            (
                [record(&hello(Role::Worker, None)), record(&[1, 2, 0, 0, 0, 0, 1, 2, 3])].concat(),
                "too early",
            ),
            (
                [
                    record(&hello(Role::Worker, None)),
                    record(&[1, 2, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0]),
                ]
                .concat(),
                "malformed quote",
            ),
            (
                vec![12, 0, 0, 0, 0, 0, 0, 0, 0x61, 0x42, 0x7c, 0xa5, 1, 0, 0, 0, 0, 0, 0, 0],
                "version 0",
            ),
        ] {
            let mut peer = dial(&env, &identity).await;
            peer.send_bytes(&bytes).await;
            // A greeting of its own is all that it hears.
            let _ = peer.recv_record().await;
            assert!(peer.recv_record().await.is_err(), "{bytes:?}");
            lab.env().sleep(seconds(1)).await;
            let reason = lab.watch.refusals("proxy", "worker").pop().unwrap();
            assert!(reason.contains(expected), "{bytes:?}: {reason}");
        }
        assert_eq!(lab.watch.accepted("proxy", "worker"), 0);
    });
}

/// A thief with the proxy's TLS key and its old quote stands where the proxy should, and a genuine proxy, reachable
/// for everybody, stands elsewhere. Whether a client that dials the thief hands over its secret.
fn diverted(parties: fn() -> Parties) -> Vec<bool> {
    with_parties(parties, |lab| async move {
        let thief = lab.false_proxy().env();
        let mut for_clients = lab.listen(&thief, FOR_CLIENTS).await;
        lab.start_client("client-1");
        let identity = forged("proxy", PROXY_IMAGE, PROXY_MACHINE);
        let mut victim = RawPeer::accept_tls(&thief, &mut for_clients, &identity).await.unwrap();
        if let Binding::Session(_) = lab.parties.binding {
            let asked = victim.recv_record().await.unwrap();
            let Ok(Message::Hello {
                role: Role::Client,
                nonce: Some(nonce),
            }) = Message::decode(&asked)
            else {
                panic!("a client asks for evidence")
            };
            // The genuine proxy answers whoever asks, for the session that it is asked in.
            let theirs = [9; 32];
            let genuine = SessionParties {
                role: Role::Proxy,
                peer_role: Role::Client,
                side: Side::Acceptor,
                own_key: *key_of("proxy").public_key(),
                peer: lab
                    .parties
                    .verifier(Policy::Any)
                    .check(plain("thief").certificate_der(), thief.unix_s())
                    .unwrap(),
                exporter: chrysalis_attest::session::Exporter(theirs),
                attester: Some(lab.parties.attester(PROXY_IMAGE, PROXY_MACHINE)),
                verifier: lab.parties.verifier(Policy::Any),
            };
            let now = Now {
                monotonic_ns: 0,
                unix_s: thief.unix_s(),
            };
            let (mut genuine, greeting) = Session::open(genuine, PATIENT, [1; 32], now);
            let relayed = genuine
                .receive(&hello(Role::Client, Some(nonce)), now)
                .unwrap()
                .reply
                .unwrap();
            victim.send_record(&greeting).await;
            victim.send_record(&relayed).await;
        }
        let spoke = match victim.welcome().await {
            Ok(()) => victim.asked::<ClientConnectToProxy>().await.is_ok(),
            Err(Gone::Closed(_)) => false,
            Err(other) => panic!("{other:?}"),
        };
        let refusals = lab.watch.refusals("client-1", "proxy");
        assert_eq!(refusals.is_empty(), spoke, "{refusals:?}");
        spoke
    })
}

#[test]
fn a_diversion_with_a_leaked_key_passes_by_certificate_and_not_by_session() {
    assert!(
        diverted(by_certificate).into_iter().all(|spoke| spoke),
        "the attack is seen"
    );
    assert!(diverted(by_session).into_iter().all(|spoke| !spoke));
}

/// A whole network in which a user's question is answered, then something happens, then some time passes. What the
/// proxy, the client and the worker said when they refused a peer.
fn after(parties: Parties, what: impl FnOnce(&Lab) + Send + 'static) -> [Vec<String>; 3] {
    lab_at(ISSUED_UNIX_S, parties, move |lab| async move {
        lab.parties.deposits.open(client_owner("client-1"), 10_000_000, SECRET);
        lab.start_proxy();
        let client = lab.start_client("client-1");
        lab.start_worker("worker-1");
        let user = lab.node("user").env();
        lab.env().sleep(seconds(4)).await;
        let got = ask(&user, Lab::http(&client), &chat(false, 5)).await;
        assert!(got.is_answer(), "{}", got.text());
        assert_eq!(lab.watch.refusals("proxy", "worker"), [""; 0]);
        what(&lab);
        lab.env().sleep(seconds(12)).await;
        let refusals = [("proxy", "worker"), ("client-1", "proxy"), ("worker-1", "proxy")]
            .map(|(node, kind)| lab.watch.refusals(node, kind));
        let got = ask(&user, Lab::http(&client), &chat(false, 5)).await;
        assert_eq!(
            got.is_answer(),
            refusals.iter().all(Vec::is_empty),
            "who is refused does not serve: {refusals:?}"
        );
        refusals
    })
}

/// Nobody was refused.
const NOBODY: [Vec<String>; 3] = [const { Vec::new() }; 3];

/// The live session ended for this; those who come back are refused in the handshake, in other words.
fn is_about(reasons: &[String], expected: &str) -> bool {
    reasons.first().is_some_and(|reason| reason.contains(expected))
}

#[test]
fn nothing_happens_where_nothing_changes() {
    assert_eq!(after(short(), |_| {}), NOBODY);
}

#[test]
fn a_revocation_reaches_live_sessions_within_the_bound_and_not_those_bound_by_certificate() {
    let revoke = |machine: u64| move |lab: &Lab| lab.parties.revoke(&[machine], lab.env().unix_s());
    let [proxy, client, worker] = after(short(), revoke(WORKER_MACHINE));
    assert!(is_about(&proxy, "revoked"), "{proxy:?}");
    assert_eq!(client, [""; 0], "the proxy's machine is good");
    assert!(
        !worker.iter().any(|reason| reason.contains("evidence")),
        "it hears that it is refused, and has nothing against the proxy: {worker:?}"
    );

    let [proxy, client, worker] = after(short(), revoke(PROXY_MACHINE));
    assert!(
        is_about(&client, "revoked") && is_about(&worker, "revoked"),
        "{client:?} {worker:?}"
    );
    assert!(!proxy.iter().any(|reason| reason.contains("evidence")), "{proxy:?}");

    let unseen = after(by_certificate(), revoke(WORKER_MACHINE));
    assert_eq!(unseen, NOBODY, "the reference system goes on");
}

#[test]
fn reference_values_that_leave_the_root_contract_end_sessions() {
    let image = |image| TdMeasurements::of_image(image).image_hash();
    let [proxy, client, worker] = after(short(), move |lab| {
        lab.parties
            .root
            .change(|root| root.worker_hashes.retain(|hash| *hash != image(WORKER_IMAGE)));
    });
    assert!(is_about(&proxy, "image hash not in the root contract"), "{proxy:?}");
    assert_eq!((client, worker), (vec![], vec![]));

    let [proxy, client, worker] = after(short(), move |lab| {
        lab.parties
            .root
            .change(|root| root.proxy_hashes.retain(|hash| *hash != image(PROXY_IMAGE)));
    });
    assert!(is_about(&client, "image hash") && is_about(&worker, "image hash"));
    assert_eq!(proxy, [""; 0]);

    let without_model = |lab: &Lab| {
        lab.parties.root.change(|root| {
            root.model_hashes
                .retain(|hash| *hash != model_hash(crate::support::parties::MODEL));
        });
    };
    let [proxy, ..] = after(short(), without_model);
    assert!(is_about(&proxy, "the model is not in the root contract"), "{proxy:?}");

    let unseen = after(by_certificate(), move |lab| {
        lab.parties
            .root
            .change(|root| root.worker_hashes.retain(|hash| *hash != image(WORKER_IMAGE)));
    });
    assert_eq!(unseen, NOBODY, "the reference system goes on");
}

#[test]
fn collateral_that_expires_ends_sessions() {
    // It was published 30 days before the test's eighth second.
    let old = Parties::published_at(Policy::Tdx, ISSUED_UNIX_S + 8 - 30 * 86_400).bound_to(Binding::Session(TIMING));
    let refusals = after(old, |_| {});
    for reasons in &refusals {
        assert!(
            is_about(reasons, "session evidence: peer evidence: expired at"),
            "{refusals:?}"
        );
    }
}

#[test]
fn evidence_is_renewed_and_who_stops_to_answer_is_cut_off() {
    with_parties(short, |lab| async move {
        let proxy = lab.start_proxy();
        let honest = lab.start_worker("worker-2");
        let env = lab.node("worker-1").env();
        lab.env().sleep(seconds(2)).await;
        let identity = forged("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let mut peer = dial(&env, &identity).await;
        peer.say_hello(Role::Worker, None).await;
        let nonce = challenge(&mut peer).await;
        let quote = worker_td(&lab).quote(&binding_of_worker(&peer, &nonce)).unwrap();
        show(&mut peer, quote).await;
        peer.greet().await.unwrap();
        let connect: WorkerConnectToProxy = handshakes::worker_connect(&worker_owner("worker-1"), 4);
        peer.query(&connect).await.unwrap();
        // It keeps the connection alive, and says nothing to the challenge after a minute.
        let mut lived_s = 0;
        while peer.is_alive().await && lived_s < 200 {
            env.sleep(seconds(4)).await;
            lived_s += 5;
        }
        assert!((75..=100).contains(&lived_s), "{lived_s} s");
        let refusals = lab.watch.refusals("proxy", "worker");
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert!(refusals[0].contains("did not answer"), "{refusals:?}");
        // The honest worker was asked in the same time, and lives on.
        lab.env().sleep(seconds(200)).await;
        assert!(lab.watch.accepted("proxy", "worker") >= 5, "renewals are reported");
        assert!(lab.watch.accepted("worker-2", "proxy") >= 4, "in both directions");
        assert_eq!(lab.watch.refusals("worker-2", "proxy"), [""; 0]);
        drop((proxy, honest));
    });
}
