//! Two ends that talk, and everything that may stand between them.

use super::*;
use crate::gpu::bundle::GpuBundle;
use crate::{
    AttestedPeer, Attester, Binding, CollateralStore, Identity, PeerPolicy, PeerReason, PeerVerifier, TdMeasurements,
    certificate::IdentityKey,
    freshness::FreshnessFault,
    policy::{AppraisalRules, SimulationOnly},
    sim_pki::{CollateralOptions, SimPki},
    tdx::{SimTdxAttester, appraise::Reason},
    verifier::Origin,
};
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc};

mod kinds;

const MARKER: SimulationOnly = SimulationOnly::accept_no_security();
const START: u64 = 1_790_000_000;
const S: u64 = 1_000_000_000;
const TIMING: SessionTiming = SessionTiming {
    period_ns: 600 * S,
    answer_limit_ns: 20 * S,
    recheck_ns: 15 * S,
};
const ONE_SESSION: Exporter = Exporter([1; 32]);
const ANOTHER_SESSION: Exporter = Exporter([2; 32]);

fn at(second: u64) -> Now {
    Now {
        monotonic_ns: second * S,
        unix_s: START + second,
    }
}

struct World {
    pki: SimPki,
    collateral: Arc<CollateralStore>,
    rules: AppraisalRules,
}

/// A node: its key, where it runs, and what it is.
#[derive(Clone, Copy)]
struct Node {
    key: u8,
    machine: u64,
    image: &'static str,
    role: Role,
}

const PROXY: Node = Node {
    key: 1,
    machine: 1,
    image: "proxy",
    role: Role::Proxy,
};
const WORKER: Node = Node {
    key: 2,
    machine: 2,
    image: "worker",
    role: Role::Worker,
};

impl World {
    fn new() -> Self {
        let pki = SimPki::new(7, START);
        let collateral = Arc::new(CollateralStore::from_iter([pki.collateral(START)]));
        Self {
            pki,
            collateral,
            rules: AppraisalRules::default(),
        }
    }

    fn verifier(&self) -> Arc<PeerVerifier> {
        self.verifier_bound_to(Binding::Session(TIMING))
    }

    fn verifier_bound_to(&self, binding: Binding) -> Arc<PeerVerifier> {
        let policy = PeerPolicy::tdx(self.pki.anchors(MARKER), self.collateral.clone(), self.rules.clone());
        Arc::new(PeerVerifier::new(policy).bound_to(binding))
    }

    fn attester(&self, node: Node) -> Arc<dyn Attester> {
        let machine = Arc::new(self.pki.platform(node.machine));
        Arc::new(SimTdxAttester::new(machine, TdMeasurements::of_image(node.image)))
    }

    fn identity(&self, node: Node) -> Identity {
        let key = IdentityKey::from_seed([node.key; 32]);
        Identity::attested(key, &*self.attester(node), START, [node.key; 16]).unwrap()
    }

    fn by_certificate(&self, node: Node) -> AttestedPeer {
        let identity = self.identity(node);
        self.verifier().check(identity.certificate_der(), START).unwrap()
    }

    /// What `own` knows after a handshake with `peer`.
    fn parties(&self, own: Node, peer: Node, side: Side, exporter: &Exporter) -> SessionParties {
        SessionParties {
            role: own.role,
            peer_role: peer.role,
            side,
            own_key: *self.identity(own).public_key(),
            peer: self.by_certificate(peer),
            exporter: exporter.clone(),
            attester: Some(self.attester(own)),
            verifier: self.verifier(),
        }
    }

    /// A worker that dials a proxy: both ends, and what each says first.
    fn ends(&self) -> (End, End) {
        let worker = self.parties(WORKER, PROXY, Side::Dialer, &ONE_SESSION);
        let proxy = self.parties(PROXY, WORKER, Side::Acceptor, &ONE_SESSION);
        (open(worker, 11), open(proxy, 12))
    }

    fn established(&self) -> (Session, Session) {
        let (mut worker, mut proxy) = self.ends();
        let of_proxy = proxy.0.receive(&worker.1, at(0)).unwrap().reply.unwrap();
        let of_worker = worker.0.receive(&proxy.1, at(0)).unwrap().reply.unwrap();
        assert!(!worker.0.is_established() && !proxy.0.is_established());
        let begin = Judgement {
            occasion: Occasion::Begin,
            origin: Origin::Fresh,
        };
        assert_eq!(worker.0.receive(&of_proxy, at(0)).unwrap().judged, Some(begin));
        assert_eq!(proxy.0.receive(&of_worker, at(0)).unwrap().judged, Some(begin));
        assert!(worker.0.is_established() && proxy.0.is_established());
        (worker.0, proxy.0)
    }

    fn revoke(&self, machine: u64, now: u64) {
        let options = CollateralOptions {
            revoked_platforms: BTreeSet::from([machine]),
            ..CollateralOptions::default()
        };
        self.collateral.insert(self.pki.collateral_with(START + now, &options));
    }
}

type End = (Session, Vec<u8>);

fn open(parties: SessionParties, nonce: u8) -> End {
    Session::open(parties, TIMING, [nonce; 32], at(0))
}

/// What a session that dials makes of the greeting and the evidence of whoever is there.
fn outcome(dialer: &mut Session, greeting: &[u8], evidence: &[u8]) -> Result<Step, SessionReason> {
    dialer.receive(greeting, at(0))?;
    dialer.receive(evidence, at(0))
}

fn refused(reason: Reason) -> Result<Step, SessionReason> {
    Err(SessionReason::Refused(PeerReason::Evidence(reason)))
}

fn wrong_binding() -> Result<Step, SessionReason> {
    refused(Reason::Freshness(FreshnessFault::ReportData))
}

#[test]
fn honest_ends_accept_each_other() {
    let (worker, proxy) = World::new().established();
    assert_eq!(worker.peer().image_hash, TdMeasurements::of_image("proxy").image_hash());
    assert_eq!(proxy.peer().public_key, *IdentityKey::from_seed([2; 32]).public_key());
    assert_ne!(
        worker.peer().evidence.unwrap().report_data(),
        World::new().by_certificate(PROXY).evidence.unwrap().report_data(),
        "what is known comes from the session's evidence"
    );
}

#[test]
fn a_client_without_tee_is_asked_for_nothing() {
    let world = World::new();
    let client_key = IdentityKey::from_seed([9; 32]);
    let client = Identity::plain(client_key, START, [9; 16]);
    let any = Arc::new(PeerVerifier::new(PeerPolicy::Any).bound_to(Binding::Session(TIMING)));
    let of_client = SessionParties {
        role: Role::Client,
        peer_role: Role::Proxy,
        side: Side::Dialer,
        own_key: *client.public_key(),
        peer: world.by_certificate(PROXY),
        exporter: ONE_SESSION,
        attester: None,
        verifier: world.verifier(),
    };
    let of_proxy = SessionParties {
        peer: any.check(client.certificate_der(), START).unwrap(),
        peer_role: Role::Client,
        verifier: any,
        ..world.parties(PROXY, WORKER, Side::Acceptor, &ONE_SESSION)
    };
    let (mut client, of_client) = open(of_client, 1);
    let (mut proxy, of_proxy) = open(of_proxy, 2);
    let evidence = proxy.receive(&of_client, at(0)).unwrap().reply.unwrap();
    assert!(proxy.is_established());
    assert_eq!(client.receive(&of_proxy, at(0)).unwrap().reply, None);
    assert!(client.receive(&evidence, at(0)).unwrap().judged.is_some());
    assert!(client.is_established());
    // Nothing is due at the end that asks for nothing, ever.
    assert_eq!(proxy.poll(at(1_000_000)), Ok(Action::Wait { until_ns: u64::MAX }));
    // Somebody who asks it all the same is not served.
    let (_, demanding) = open(world.parties(PROXY, WORKER, Side::Acceptor, &ONE_SESSION), 3);
    let mut another = {
        let mut parties = world.parties(WORKER, PROXY, Side::Dialer, &ONE_SESSION);
        parties.attester = None;
        open(parties, 4).0
    };
    assert_eq!(another.receive(&demanding, at(0)), Err(SessionReason::NoAttester));
}

#[test]
fn evidence_of_another_session_is_refused() {
    // The thief has the proxy's TLS key and relays to the genuine proxy: two sessions, two exporters.
    let world = World::new();
    let (mut victim, hello) = world.ends().0;
    let mut thief_side = world.parties(PROXY, WORKER, Side::Acceptor, &ANOTHER_SESSION);
    thief_side.attester = Some(world.attester(PROXY));
    let (mut genuine, greeting) = open(thief_side, 12);
    let relayed = genuine.receive(&hello, at(0)).unwrap().reply.unwrap();
    assert_eq!(outcome(&mut victim, &greeting, &relayed), wrong_binding());
    // The control: the same relay within one session is no relay.
    let ((mut victim, hello), (mut genuine, greeting)) = world.ends();
    let evidence = genuine.receive(&hello, at(0)).unwrap().reply.unwrap();
    assert!(outcome(&mut victim, &greeting, &evidence).is_ok());
}

#[test]
fn evidence_of_the_certificate_is_refused() {
    let world = World::new();
    let ((mut worker, _), (_, greeting)) = world.ends();
    let certificate = crate::certificate::check(world.identity(PROXY).certificate_der(), START).unwrap();
    let old = Message::Evidence {
        round: 0,
        shown: Shown::guest(certificate.evidence.unwrap().quote),
    };
    assert_eq!(outcome(&mut worker, &greeting, &old.encode()), wrong_binding());
}

#[test]
fn every_part_of_the_binding_counts() {
    let (nonce, own, peer) = ([3; 32], [4; 32], [5; 32]);
    let genuine = SessionBinding {
        exporter: &ONE_SESSION,
        nonce: &nonce,
        round: 7,
        prover_key: &own,
        verifier_key: &peer,
        prover_role: Role::Worker,
        verifier_role: Role::Proxy,
        prover_side: Side::Dialer,
    };
    let changed = [
        SessionBinding {
            exporter: &ANOTHER_SESSION,
            ..genuine
        },
        SessionBinding {
            nonce: &[6; 32],
            ..genuine
        },
        SessionBinding { round: 8, ..genuine },
        SessionBinding {
            prover_key: &peer,
            ..genuine
        },
        SessionBinding {
            verifier_key: &own,
            ..genuine
        },
        SessionBinding {
            prover_key: &peer,
            verifier_key: &own,
            ..genuine
        },
        SessionBinding {
            prover_role: Role::Client,
            ..genuine
        },
        SessionBinding {
            verifier_role: Role::Worker,
            ..genuine
        },
        SessionBinding {
            prover_side: Side::Acceptor,
            ..genuine
        },
    ];
    let all: BTreeSet<[u8; 64]> = changed
        .iter()
        .chain([&genuine])
        .map(SessionBinding::report_data)
        .collect();
    assert_eq!(all.len(), changed.len() + 1);
    // A vector, so that the binding does not change unseen; the hash was calculated apart.
    assert_eq!(hex::encode(genuine.report_data()), VECTOR);
}

/// SHA-512 over the parts of `every_part_of_the_binding_counts` as Python joins them.
const VECTOR: &str = "7e34de9c979680122658b18d03d05a0e0c9fb9cbd0d5bd3fcb90325557fceab59976d2660f1f9c25a8ad8b47f9854545566916876b3858d8672e540ff3b3b5bb";

#[test]
fn an_answer_to_an_earlier_nonce_is_refused() {
    let world = World::new();
    let ((mut worker, hello), (mut proxy, greeting)) = world.ends();
    let old = proxy.receive(&hello, at(0)).unwrap().reply.unwrap();
    assert!(outcome(&mut worker, &greeting, &old).is_ok());
    let Message::Evidence { shown, .. } = Message::decode(&old).unwrap() else {
        panic!("evidence was expected")
    };
    // The peer is asked again and shows what it showed before, under either number.
    worker.challenge([77; 32], at(600)).unwrap();
    assert_eq!(
        worker.receive(&old, at(601)),
        Err(SessionReason::Round { expected: 1, found: 0 })
    );
    let renamed = Message::Evidence { round: 1, shown };
    assert_eq!(worker.receive(&renamed.encode(), at(601)), wrong_binding());
}

#[test]
fn evidence_in_another_role_is_refused() {
    let world = World::new();
    let (mut victim, _) = world.ends().0;
    // A worker's TD, which may have any key, plays the proxy: its evidence says what it is.
    let impostor = Node {
        role: Role::Worker,
        ..PROXY
    };
    let (mut impostor, greeting) = open(world.parties(impostor, WORKER, Side::Acceptor, &ONE_SESSION), 12);
    assert_eq!(
        victim.receive(&greeting, at(0)),
        Err(SessionReason::Role {
            expected: Role::Proxy,
            found: Role::Worker
        })
    );
    // It lies about it: its evidence does not.
    let ((mut victim, hello), (_, honest_greeting)) = world.ends();
    let evidence = impostor.receive(&hello, at(0)).unwrap().reply.unwrap();
    assert_eq!(outcome(&mut victim, &honest_greeting, &evidence), wrong_binding());
}

#[test]
fn ones_own_evidence_comes_back_refused() {
    let world = World::new();
    let ((mut worker, hello), (_, greeting)) = world.ends();
    // The other end has nothing but what this end says: it sends this end's nonce back and gets evidence for it.
    let Message::Hello { nonce: Some(nonce), .. } = Message::decode(&hello).unwrap() else {
        panic!("a nonce was expected")
    };
    let mirrored = Message::Hello {
        role: Role::Proxy,
        nonce: Some(nonce),
    };
    let own = worker.receive(&mirrored.encode(), at(0)).unwrap().reply.unwrap();
    assert_ne!(greeting, mirrored.encode());
    assert_eq!(worker.receive(&own, at(0)), wrong_binding());
}

#[test]
fn evidence_of_another_machine_or_image_than_the_certificate_is_refused() {
    let world = World::new();
    for (machine, image) in [(3, "proxy"), (1, "worker")] {
        let ((mut worker, hello), _) = world.ends();
        let mut parties = world.parties(PROXY, WORKER, Side::Acceptor, &ONE_SESSION);
        parties.attester = Some(world.attester(Node {
            machine,
            image,
            ..PROXY
        }));
        let (mut other, greeting) = open(parties, 12);
        let evidence = other.receive(&hello, at(0)).unwrap().reply.unwrap();
        assert_eq!(
            outcome(&mut worker, &greeting, &evidence),
            Err(SessionReason::Refused(PeerReason::OtherMachine)),
            "{machine} {image}"
        );
    }
}

#[test]
fn no_answer_and_a_late_answer_end_the_session() {
    let world = World::new();
    let ((mut worker, hello), (mut proxy, greeting)) = world.ends();
    worker.receive(&greeting, at(0)).unwrap();
    let evidence = proxy.receive(&hello, at(0)).unwrap().reply.unwrap();
    assert_eq!(worker.poll(at(19)).unwrap(), Action::Wait { until_ns: 20 * S });
    assert_eq!(worker.poll(at(20)), Err(SessionReason::NoAnswer));
    assert_eq!(worker.receive(&evidence, at(20)), Err(SessionReason::NoAnswer));
    assert!(worker.receive(&evidence, at(19)).is_ok(), "the control");

    let (mut worker, _) = world.established();
    worker.challenge([9; 32], at(600)).unwrap();
    assert!(worker.poll(at(619)).is_ok());
    assert_eq!(worker.poll(at(620)), Err(SessionReason::NoAnswer));
}

#[test]
fn evidence_is_renewed_for_as_long_as_the_session_lives() {
    let world = World::new();
    let (mut worker, mut proxy) = world.established();
    let mut origins = Vec::new();
    for round in 1..=5u64 {
        let due = at(600 * round);
        while worker.poll(due).unwrap() != Action::Challenge {
            assert!(worker.poll(at(600 * round - 1)).is_ok());
        }
        let challenge = worker.challenge([round as u8; 32], due).unwrap();
        assert_eq!(worker.challenge([0; 32], due), None, "one at a time");
        let answer = proxy.receive(&challenge, due).unwrap().reply.unwrap();
        let judged = worker.receive(&answer, due).unwrap().judged.unwrap();
        assert_eq!(judged.occasion, Occasion::Renewal);
        origins.push(judged.origin);
        assert_eq!(
            worker.receive(&answer, due),
            Err(SessionReason::NotDue { what: "evidence" }),
            "an answer counts once"
        );
    }
    assert_eq!(origins, [Origin::Cached; 5], "the machine was known");
}

#[test]
fn what_is_not_due_is_refused() {
    let world = World::new();
    let challenge = |round| {
        Message::Challenge {
            round,
            nonce: [round as u8; 32],
        }
        .encode()
    };
    let not_due = |what| Err(SessionReason::NotDue { what });
    let ((mut worker, _), (_, greeting)) = world.ends();
    assert_eq!(
        worker.receive(&challenge(1), at(0)),
        not_due("a message before the greeting")
    );
    worker.receive(&greeting, at(0)).unwrap();
    assert_eq!(worker.receive(&greeting, at(0)), not_due("a greeting"));
    assert_eq!(worker.receive(&challenge(1), at(0)), not_due("a challenge"));

    let (mut worker, _) = world.established();
    assert_eq!(worker.receive(&greeting, at(0)), not_due("a greeting"));
    assert!(worker.receive(&challenge(1), at(2)).is_ok());
    assert_eq!(worker.receive(&challenge(1), at(4)), not_due("an old challenge"));
    assert_eq!(worker.receive(&challenge(2), at(2)), Err(SessionReason::TooOften));
    assert!(worker.receive(&challenge(2), at(4)).is_ok());
}

#[test]
fn a_revocation_ends_the_session_of_that_machine_only() {
    let world = World::new();
    let (mut worker, mut proxy) = world.established();
    assert!(matches!(worker.poll(at(15)), Ok(Action::Wait { .. })));
    world.revoke(PROXY.machine, 16);
    // The worker notices at its next look, and not before.
    assert!(matches!(worker.poll(at(29)), Ok(Action::Wait { .. })));
    assert_eq!(
        worker.poll(at(31)),
        Err(SessionReason::Refused(PeerReason::Evidence(Reason::CertificateRevoked)))
    );
    assert!(
        matches!(proxy.poll(at(31)), Ok(Action::Judged(judged)) if judged.occasion == Occasion::Recheck),
        "the worker's machine was judged again and is good"
    );
    assert!(matches!(proxy.poll(at(31)), Ok(Action::Wait { .. })), "once");
}

#[test]
fn expired_collateral_ends_the_session_unless_new_collateral_comes() {
    let end_s = 30 * 86_400;
    for is_renewed in [false, true] {
        let world = World::new();
        let (mut worker, _) = world.established();
        assert!(worker.poll(at(end_s - 30)).is_ok(), "it still counts");
        if is_renewed {
            world.collateral.insert(world.pki.collateral(START + end_s - 20));
        }
        let last = worker.poll(at(end_s + 1));
        if is_renewed {
            assert!(matches!(last, Ok(Action::Judged(_))), "{last:?}");
        } else {
            assert!(
                matches!(
                    last,
                    Err(SessionReason::Refused(PeerReason::Evidence(Reason::Expired { .. })))
                ),
                "{last:?}"
            );
        }
    }
}

#[test]
fn a_limit_of_age_ends_a_session_that_is_not_renewed() {
    let mut world = World::new();
    world.rules.max_challenge_age_s = Some(700);
    let (mut worker, mut proxy) = world.established();
    // Renewed in time.
    let challenge = worker.challenge([5; 32], at(600)).unwrap();
    let answer = proxy.receive(&challenge, at(601)).unwrap().reply.unwrap();
    worker.receive(&answer, at(601)).unwrap();
    assert!(worker.poll(at(1_200)).is_ok());
    // The proxy was not renewed at the worker's end: the proxy's own look finds the worker's evidence too old.
    let too_old = proxy.poll(at(701));
    assert!(
        matches!(
            too_old,
            Err(SessionReason::Refused(PeerReason::Evidence(Reason::Freshness(
                FreshnessFault::TooOld { age_s: 701 }
            ))))
        ),
        "{too_old:?}"
    );
}

#[test]
fn messages_have_one_encoding() {
    let messages = [
        Message::Hello {
            role: Role::Client,
            nonce: None,
        },
        Message::Hello {
            role: Role::Worker,
            nonce: Some([1; 32]),
        },
        Message::Evidence {
            round: 0,
            shown: Shown::default(),
        },
        Message::Evidence {
            round: u32::MAX,
            shown: Shown {
                guest: vec![7; crate::certificate::MAX_EVIDENCE_LEN_BYTES],
                event_log: vec![8; shown::MAX_EVENT_LOG_LEN_BYTES],
                gpus: vec![
                    GpuBundle {
                        measurements: vec![9; shown::MAX_GPU_PART_LEN_BYTES],
                        certificates: vec![vec![10; 3]; 8],
                    };
                    2
                ],
            },
        },
        Message::Challenge {
            round: 1,
            nonce: [2; 32],
        },
    ];
    for message in messages {
        let bytes = message.encode();
        assert_eq!(Message::decode(&bytes).as_ref(), Ok(&message));
        assert_eq!(
            Message::decode(&[&bytes[..], &[0]].concat()),
            Err(MessageError::Trailing)
        );
        for len in (0..bytes.len()).step_by(1 + bytes.len() / 1_000) {
            assert_eq!(Message::decode(&bytes[..len]), Err(MessageError::Short), "{message:?}");
        }
    }
    for (bytes, error) in [
        (&[][..], MessageError::Short),
        (&[2, 1], MessageError::Version { version: 2 }),
        (&[1, 9], MessageError::Kind { kind: 9 }),
        (&[1, 1, 5, 0], MessageError::Role { code: 5 }),
        (&[1, 1, 1, 2], MessageError::Flag { value: 2 }),
        (&[1, 3, 0, 0, 0, 0], MessageError::RoundZero),
        (
            &[1, 2, 0, 0, 0, 0, 0, 0, 0x80, 1],
            MessageError::TooLong { len_bytes: 32_769 },
        ),
        (
            &[1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1],
            MessageError::TooLong { len_bytes: 65_537 },
        ),
        (
            &[1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17],
            MessageError::TooMany { found: 17 },
        ),
        (
            &[1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 9],
            MessageError::TooMany { found: 9 },
        ),
    ] {
        assert_eq!(Message::decode(bytes), Err(error));
    }
    let len_bytes = MAX_MESSAGE_LEN_BYTES + 1;
    assert_eq!(
        Message::decode(&vec![1; len_bytes]),
        Err(MessageError::TooLong { len_bytes })
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_is_written_so(bytes in proptest::collection::vec(0u8..6, 0..60)) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// A peer may say anything at any time: the session refuses it or goes on, and is never established by it.
    #[test]
    fn no_sequence_of_anything_establishes_a_session(
        messages in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..80))
                    .prop_map(|(round, guest)| Message::Evidence { round: round % 3, shown: Shown::guest(guest) }.encode()),
                (1u32..5, any::<[u8; 32]>()).prop_map(|(round, nonce)| Message::Challenge { round, nonce }.encode()),
                any::<[u8; 32]>().prop_map(|nonce| Message::Hello { role: Role::Proxy, nonce: Some(nonce) }.encode()),
            ],
            0..12,
        ),
    ) {
        let world = World::new();
        let (mut worker, _) = world.ends().0;
        for (second, message) in messages.iter().enumerate() {
            if worker.receive(message, at(second as u64 * 2)).is_err() {
                break;
            }
        }
        prop_assert!(!worker.is_established());
    }

    /// No byte of evidence can be altered.
    #[test]
    fn altered_evidence_is_refused(at_byte in any::<prop::sample::Index>(), bit in 0u8..8) {
        let world = World::new();
        let ((mut worker, hello), (mut proxy, greeting)) = world.ends();
        let mut evidence = proxy.receive(&hello, at(0)).unwrap().reply.unwrap();
        let index = at_byte.index(evidence.len());
        evidence[index] ^= 1 << bit;
        prop_assert!(outcome(&mut worker, &greeting, &evidence).is_err());
        evidence[index] ^= 1 << bit;
        let ((mut worker, _), _) = world.ends();
        prop_assert!(outcome(&mut worker, &greeting, &evidence).is_ok());
    }
}
