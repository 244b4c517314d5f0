//! Nobody gets in without evidence: each wrong peer is refused where it stands, the reason is reported there, and the
//! same peer with right evidence is let in.

use crate::support::{
    handshakes,
    lab::{FOR_CLIENTS, FOR_WORKERS, Lab, engines, lab, lab_at, lab_on, on_each_engine},
    parties::{
        ISSUED_UNIX_S, OTHER_MACHINE, PROXY_IMAGE, PROXY_MACHINE, Parties, Policy, SECRET, WORKER_IMAGE,
        WORKER_MACHINE, attested, attested_as, client_owner, fake_attested, identity_with, key_of, plain, plain_at,
        quote_for, worker_owner,
    },
    peer::{Gone, RawPeer, ordinary_tls},
    seconds,
    user::{ask, chat},
    watch::Watch,
};
use chrysalis_attest::{Identity, TdMeasurements};
use chrysalis_env::{Env, tokio_engine::TokioNode};
use chrysalis_node::{proxy, shutdown::shutdown_pair, worker};
use chrysalis_sim::EngineKind;
use std::{net::SocketAddr, path::Path, sync::Arc};

const DAY_S: u64 = 86_400;

/// Certificates that are no good, each with what the refusal says.
fn wrong_identities(name: &str, image: &str, machine: u64) -> Vec<(&'static str, Arc<Identity>, &'static str)> {
    let quote = quote_for(name, image, machine);
    let foreign = quote_for("somebody else", image, machine);
    let mut wrong = vec![
        ("no evidence", plain(name), "NoEvidence"),
        ("fake quote", fake_attested(name), "Malformed"),
        (
            "another node's quote",
            identity_with(name, &foreign, ISSUED_UNIX_S),
            "ReportData",
        ),
        (
            "a debug TD",
            attested_as(name, TdMeasurements::of_image(image).in_debug_mode(), machine),
            "Debug",
        ),
        (
            "another image",
            attested_as(name, TdMeasurements::of_image("another image"), machine),
            "image hash not in the root contract",
        ),
        ("empty evidence", identity_with(name, &[], ISSUED_UNIX_S), "Malformed"),
        (
            "half a quote",
            identity_with(name, &quote[..quote.len() / 2], ISSUED_UNIX_S),
            "Malformed",
        ),
        (
            "a certificate of tomorrow",
            identity_with(name, &quote, ISSUED_UNIX_S + DAY_S),
            "NotYetValid",
        ),
    ];
    // Of the report data, a measurement, the attributes, the signature, the attestation key, the last certificate.
    for (what, at) in [
        ("a flipped bit: header", 0),
        ("a flipped bit: measurement", 200),
        ("a flipped bit: attributes", 48 + 120),
        ("a flipped bit: report data", 48 + 520),
        ("a flipped bit: signature", 640),
        ("a flipped bit: attestation key", 702),
        ("a flipped bit: certification", 1_200),
        ("a flipped bit: certificates", quote.len() - 100),
    ] {
        let mut altered = quote.clone();
        altered[at] ^= 1;
        wrong.push((what, identity_with(name, &altered, ISSUED_UNIX_S), ""));
    }
    wrong
}

/// A raw worker: the outcome of its hand-shake, and what the proxy said of it.
async fn try_worker(lab: &Lab, env: &Env, identity: &Identity) -> (Result<(), Gone>, String) {
    let before = lab.watch.judged("proxy", "worker").len();
    let result = match RawPeer::connect(env, FOR_WORKERS, identity).await {
        Ok(mut peer) => handshakes::offer_work(&mut peer, &worker_owner("worker-1"), 4).await,
        Err(gone) => Err(gone),
    };
    let judged = lab.watch.judged("proxy", "worker").split_off(before);
    assert_eq!(judged.len(), 1, "each connection is judged once: {judged:?}");
    assert_eq!(
        judged[0].accepted,
        result.is_ok(),
        "what is reported is what happened: {judged:?} {result:?}"
    );
    (result, judged[0].reason.clone())
}

#[test]
fn the_worker_port_refuses_workers_without_right_evidence() {
    on_each_engine(Policy::Tdx, |lab| async move {
        lab.start_proxy();
        let env = lab.node("worker-1").env();
        lab.env().sleep(seconds(1)).await;
        for (what, identity, expected) in wrong_identities("worker-1", WORKER_IMAGE, WORKER_MACHINE) {
            let (result, reason) = try_worker(&lab, &env, &identity).await;
            assert!(matches!(result, Err(Gone::Closed(_))), "{what}: {result:?}");
            assert!(!reason.is_empty() && reason.contains(expected), "{what}: {reason}");
        }
        let honest = attested("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        assert_eq!(try_worker(&lab, &env, &honest).await, (Ok(()), String::new()));
        // A proxy's evidence is good evidence, but not of a worker.
        let (result, reason) = try_worker(&lab, &env, &attested("worker-1", PROXY_IMAGE, OTHER_MACHINE)).await;
        assert!(result.is_err() && reason.contains("root contract"), "{reason}");
    });
}

#[test]
fn the_worker_port_refuses_ordinary_tls_clients() {
    on_each_engine(Policy::Tdx, |lab| async move {
        lab.start_proxy();
        let env = lab.node("stranger").env();
        lab.env().sleep(seconds(1)).await;
        for (certificate, expected) in [(Some(plain("stranger")), "NoEvidence"), (None, "certificate")] {
            let tls = ordinary_tls(&env, certificate.as_deref()).unwrap();
            let mut peer = RawPeer::dial(&env, FOR_WORKERS, tls).await.unwrap();
            assert!(matches!(peer.greet().await, Err(Gone::Closed(_))));
            let refusals = lab.watch.refusals("proxy", "worker");
            assert!(
                refusals.last().is_some_and(|reason| reason.contains(expected)),
                "{refusals:?}"
            );
        }
        assert_eq!(lab.watch.accepted("proxy", "worker"), 0);
        // The same ordinary TLS with evidence in its certificate is let in: nothing else was missing.
        let honest = attested("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let tls = ordinary_tls(&env, Some(&honest)).unwrap();
        let mut peer = RawPeer::dial(&env, FOR_WORKERS, tls).await.unwrap();
        assert_eq!(peer.greet().await, Ok(()));
        assert_eq!(lab.watch.accepted("proxy", "worker"), 1);
        // Clients may be anybody with a key (spec §10.4, T47), but somebody they must be.
        let tls = ordinary_tls(&env, Some(&plain("stranger"))).unwrap();
        let mut peer = RawPeer::dial(&env, FOR_CLIENTS, tls).await.unwrap();
        assert_eq!(peer.greet().await, Ok(()));
        let mut peer = RawPeer::dial(&env, FOR_CLIENTS, ordinary_tls(&env, None).unwrap())
            .await
            .unwrap();
        assert!(matches!(peer.greet().await, Err(Gone::Closed(_))));
        assert_eq!(lab.watch.refusals("proxy", "client").len(), 1);
    });
}

/// What a real client and a real worker think of a proxy with this identity; and what a user gets.
fn judge_proxy(engine: EngineKind, identity: Arc<Identity>, policy: Policy) -> (Vec<String>, Vec<String>, bool) {
    lab_on(engine, policy, |lab| async move {
        lab.parties.deposits.open(client_owner("client-1"), 10_000_000, SECRET);
        lab.start_proxy_as(identity);
        let client = lab.start_client("client-1");
        lab.start_worker("worker-1");
        let user = lab.node("user").env();
        lab.env().sleep(seconds(4)).await;
        let got = ask(&user, Lab::http(&client), &chat(false, 5)).await;
        if !got.is_answer() {
            assert_eq!((got.status, got.error_code()), (Some(503), Some(651)), "{}", got.text());
        }
        let (of_client, of_worker) = (
            lab.watch.judged("client-1", "proxy"),
            lab.watch.judged("worker-1", "proxy"),
        );
        assert!(!of_client.is_empty() && !of_worker.is_empty(), "both have dialled");
        let is_accepted = got.is_answer();
        assert!(
            of_client
                .iter()
                .chain(&of_worker)
                .all(|judged| judged.accepted == is_accepted)
        );
        (
            lab.watch.refusals("client-1", "proxy"),
            lab.watch.refusals("worker-1", "proxy"),
            is_accepted,
        )
    })
}

#[test]
fn clients_and_workers_refuse_proxies_without_right_evidence_and_accept_the_unmodified_one() {
    for engine in engines() {
        for (what, identity, expected) in wrong_identities("proxy", PROXY_IMAGE, PROXY_MACHINE) {
            let (by_client, by_worker, is_accepted) = judge_proxy(engine, identity, Policy::Tdx);
            assert!(!is_accepted, "{what}");
            for reason in by_client.iter().chain(&by_worker) {
                assert!(!reason.is_empty() && reason.contains(expected), "{what}: {reason}");
            }
        }
        let honest = attested("proxy", PROXY_IMAGE, PROXY_MACHINE);
        assert_eq!(judge_proxy(engine, honest, Policy::Tdx), (vec![], vec![], true));
    }
}

#[test]
fn only_the_debug_bit_and_only_the_policy_tell_the_wrong_from_the_right() {
    // The reference system's rule lets the debug TD in: its image hash and its signatures are right (T44).
    let debug = attested_as(
        "proxy",
        TdMeasurements::of_image(PROXY_IMAGE).in_debug_mode(),
        PROXY_MACHINE,
    );
    assert!(judge_proxy(EngineKind::Native, debug, Policy::TdxReference).2);
    // The 64-byte quote is good where the network is a test network, and a genuine one is not good there.
    assert!(judge_proxy(EngineKind::Native, fake_attested("proxy"), Policy::Fake).2);
    assert!(
        !judge_proxy(
            EngineKind::Native,
            attested("proxy", PROXY_IMAGE, PROXY_MACHINE),
            Policy::Fake
        )
        .2
    );
}

/// Whether a raw worker gets in `start_s` after the evidence of the network was made; and the proxy's reason.
fn worker_after(start_s: u64, published_s: u64, issued_s: u64) -> (bool, String) {
    let start_unix_s = ISSUED_UNIX_S + start_s;
    let parties = Parties::published_at(Policy::Tdx, ISSUED_UNIX_S + published_s);
    lab_at(start_unix_s, parties, move |lab| async move {
        let quote = quote_for("proxy", PROXY_IMAGE, PROXY_MACHINE);
        lab.start_proxy_as(identity_with("proxy", &quote, start_unix_s));
        let env = lab.node("worker-1").env();
        lab.env().sleep(seconds(1)).await;
        let quote = quote_for("worker-1", WORKER_IMAGE, WORKER_MACHINE);
        let identity = identity_with("worker-1", &quote, ISSUED_UNIX_S + issued_s);
        let (result, reason) = try_worker(&lab, &env, &identity).await;
        (result.is_ok(), reason)
    })
}

#[test]
fn what_has_expired_is_refused() {
    assert_eq!(worker_after(0, 0, 0), (true, String::new()));
    // The last second of a day is good, the next is not.
    assert!(worker_after(DAY_S - 2, 0, 0).0);
    let (is_accepted, reason) = worker_after(DAY_S + 1, 0, 0);
    assert!(!is_accepted && reason.contains("Expired"), "{reason}");
    assert!(
        worker_after(DAY_S + 1, 0, DAY_S).0,
        "a new certificate around the old quote is good"
    );
    // Collateral lasts 30 days, however new the certificate.
    assert!(worker_after(29 * DAY_S, 0, 29 * DAY_S).0);
    let (is_accepted, reason) = worker_after(31 * DAY_S, 0, 31 * DAY_S);
    assert!(!is_accepted && reason.contains("Expired"), "{reason}");
    assert!(
        worker_after(31 * DAY_S, 30 * DAY_S, 31 * DAY_S).0,
        "new collateral is good"
    );
}

#[test]
fn a_clients_expired_certificate_is_refused_although_clients_need_no_evidence() {
    let start = |issued_unix_s: u64| {
        lab(Policy::Tdx, move |lab| async move {
            lab.start_proxy();
            let env = lab.node("client").env();
            lab.env().sleep(seconds(1)).await;
            let result = RawPeer::connect(&env, FOR_CLIENTS, &plain_at("client", issued_unix_s))
                .await
                .map(drop);
            (result, lab.watch.refusals("proxy", "client"))
        })
    };
    assert_eq!(start(ISSUED_UNIX_S - DAY_S + 60), (Ok(()), vec![]));
    let (result, refusals) = start(ISSUED_UNIX_S - DAY_S - 60);
    assert!(result.is_err());
    assert!(refusals.len() == 1 && refusals[0].contains("Expired"), "{refusals:?}");
}

#[test]
fn work_that_was_not_done_ends_the_connection_before_tls() {
    use chrysalis_wire::proof_of_work::{CHALLENGE_BYTES, Challenge, Response};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    lab(Policy::Tdx, |lab| async move {
        lab.start_proxy();
        let env = lab.node("stranger").env();
        lab.env().sleep(seconds(1)).await;
        let mut stream = env.connect(FOR_WORKERS).await.unwrap();
        let mut bytes = [0; CHALLENGE_BYTES];
        stream.read_exact(&mut bytes).await.unwrap();
        let challenge = Challenge::decode(&bytes).unwrap();
        let wrong = (0..)
            .find(|nonce| challenge.verify(Response { nonce: *nonce }).is_err())
            .unwrap();
        stream.write_all(&Response { nonce: wrong }.encode()).await.unwrap();
        assert!(matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)));
        let refusals = lab.watch.refusals("proxy", "worker");
        assert!(
            refusals.len() == 1 && refusals[0].contains("proof of work"),
            "{refusals:?}"
        );
        // One that says nothing loses its place after the hand-shake's limit.
        let mut silent = env.connect(FOR_WORKERS).await.unwrap();
        silent.read_exact(&mut bytes).await.unwrap();
        lab.env().sleep(seconds(31)).await;
        assert!(matches!(silent.read(&mut bytes).await, Ok(0) | Err(_)));
        assert_eq!(lab.watch.refusals("proxy", "worker").len(), 2);
    });
}

// ---- the same on real sockets ----

fn on_loopback<T>(script: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()
        .unwrap()
        .block_on(script)
}

fn loopback_node(name: &str, data: &Path, watch: &Arc<Watch>) -> Env {
    let watch = watch.clone();
    TokioNode {
        name: name.to_owned(),
        data_directory: data.join(name),
        sink: Arc::new(move |name, unix_ns, observation| watch.observe(name, unix_ns, observation)),
    }
    .into_env()
}

#[test]
fn strangers_are_refused_on_real_sockets_and_a_worker_is_let_in() {
    let data = tempfile::tempdir().unwrap();
    on_loopback(async {
        let watch = Arc::new(Watch::default());
        let parties = Parties::new(Policy::Fake);
        let proxy_env = loopback_node("proxy", data.path(), &watch);
        let now_unix_s = proxy_env.unix_s();
        let fake = |name: &str| {
            let key = key_of(name);
            let evidence = chrysalis_attest::report_data_for(key.public_key());
            identity_with(name, &evidence, now_unix_s)
        };
        let any: SocketAddr = (std::net::Ipv4Addr::LOCALHOST, 0).into();
        let clients = proxy_env.listen(any).await.unwrap();
        let workers = proxy_env.listen(any).await.unwrap();
        let for_workers = workers.local_address();
        let settings = parties.proxy(&fake("proxy"), clients.local_address(), for_workers);
        let (trigger, shutdown) = shutdown_pair();
        let (env, proxy_shutdown) = (proxy_env.clone(), shutdown.clone());
        proxy_env.spawn("proxy", async move {
            proxy::serve_proxy(env, settings, clients, workers, proxy_shutdown)
                .await
                .unwrap();
        });
        let stranger = loopback_node("stranger", data.path(), &watch);
        let strangers = [
            (plain_at("stranger", now_unix_s), "NoEvidence"),
            (identity_with("stranger", &[7; 64], now_unix_s), "ReportData"),
        ];
        for (before, (identity, expected)) in strangers.into_iter().enumerate() {
            let result = RawPeer::connect(&stranger, for_workers, &identity).await;
            assert!(matches!(result, Err(Gone::Closed(_))));
            // The proxy closes the connection first and reports afterwards, on its own thread.
            let reported = watch.until(|watch| watch.refusals("proxy", "worker").len() > before);
            stranger
                .timeout(seconds(20), reported)
                .await
                .expect("the proxy reports its refusal");
            let refusals = watch.refusals("proxy", "worker");
            assert!(
                refusals.last().is_some_and(|reason| reason.contains(expected)),
                "{refusals:?}"
            );
        }
        assert_eq!(watch.accepted("proxy", "worker"), 0);
        let worker_env = loopback_node("worker-1", data.path(), &watch);
        let settings = parties.worker(&worker_env, "worker-1", &fake("worker-1"), vec![for_workers]);
        worker_env
            .clone()
            .spawn("worker", worker::run_worker(worker_env.clone(), settings, shutdown));
        // A limit on a real clock: only a defect gets near it.
        let let_in = watch.until(|watch| watch.accepted("proxy", "worker") > 0);
        stranger
            .timeout(seconds(20), let_in)
            .await
            .expect("the real worker is let in");
        trigger.fire();
    });
}
