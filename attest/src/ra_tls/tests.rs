//! Real handshakes in memory.

use super::*;
use crate::{
    certificate::{CertificateReason, IdentityKey, VALIDITY_S, identity::Form, report_data_for},
    collateral::CollateralStore,
    der::{extension, named_bits},
    policy::{AllowList, AppraisalRules, PeerPolicy, SimulationOnly},
    sim_pki::SimPki,
    tdx::appraise::{AttributeFault, Reason},
    tdx::{Attester, FAKE_IMAGE_HASH, FakeTdxAttester, SimTdxAttester, TdMeasurements},
};
use rustls::{ClientConnection, HandshakeKind, ServerConnection};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const MARKER: SimulationOnly = SimulationOnly::accept_no_security();
const START: u64 = 1_790_000_000;

#[derive(Debug)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            self.0.load(Ordering::Relaxed),
        )))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

struct World {
    pki: SimPki,
    clock: Arc<Clock>,
    collateral: Arc<CollateralStore>,
}

impl World {
    fn new() -> Self {
        let pki = SimPki::new(7, START);
        let collateral = Arc::new(CollateralStore::from_iter([pki.collateral(START)]));
        Self {
            pki,
            clock: Arc::new(Clock(AtomicU64::new(START))),
            collateral,
        }
    }

    fn now(&self) -> u64 {
        self.clock.0.load(Ordering::Relaxed)
    }

    fn advance(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }

    fn tdx(&self) -> Arc<PeerVerifier> {
        let anchors = self.pki.anchors(MARKER);
        Arc::new(PeerVerifier::new(PeerPolicy::tdx(
            anchors,
            self.collateral.clone(),
            AppraisalRules::default(),
        )))
    }

    fn quote(&self, of: &IdentityKey, td: &TdMeasurements) -> Vec<u8> {
        let attester = SimTdxAttester::new(Arc::new(self.pki.platform(1)), *td);
        attester.quote(&report_data_for(of.public_key())).unwrap()
    }

    fn worker(&self, n: u8) -> Identity {
        let quote = self.quote(&key(n), &TdMeasurements::of_image("worker"));
        Identity::with_evidence(key(n), &quote, self.now(), [n; 16]).unwrap()
    }

    fn plain(&self, n: u8) -> Identity {
        Identity::plain(key(n), self.now(), [n; 16])
    }

    fn fake(&self, n: u8) -> Identity {
        Identity::attested(key(n), &FakeTdxAttester::new(MARKER), self.now(), [n; 16]).unwrap()
    }

    fn client(&self, identity: &Identity, verifier: &Arc<PeerVerifier>) -> Arc<ClientConfig> {
        client_config(provider(), self.clock.clone(), identity, verifier.clone()).unwrap()
    }

    fn server(&self, identity: &Identity, verifier: &Arc<PeerVerifier>) -> Arc<ServerConfig> {
        server_config(provider(), self.clock.clone(), identity, verifier.clone()).unwrap()
    }

    /// An honest client under `verifier` meets a server with `identity`, and the other way round: both must refuse for
    /// the same reason.
    fn both_refuse(&self, identity: &Identity, verifier: &Arc<PeerVerifier>) -> PeerReason {
        let any = Arc::new(PeerVerifier::new(PeerPolicy::Any));
        let honest = self.plain(200);
        let by_client = match handshake(self.client(&honest, verifier), self.server(identity, &any)) {
            Err(Failure::Client(error)) => reason(&error).cloned().unwrap_or_else(|| panic!("{error:?}")),
            other => panic!("{other:?}"),
        };
        let by_server = match handshake(self.client(identity, &any), self.server(&honest, verifier)) {
            Err(Failure::Server(error)) => reason(&error).cloned().unwrap_or_else(|| panic!("{error:?}")),
            other => panic!("{other:?}"),
        };
        assert_eq!(by_client, by_server);
        by_client
    }

    fn both_accept(&self, identity: &Identity, verifier: &Arc<PeerVerifier>) -> AttestedPeer {
        let any = Arc::new(PeerVerifier::new(PeerPolicy::Any));
        let honest = self.plain(200);
        let (client, _) = handshake(self.client(&honest, verifier), self.server(identity, &any)).unwrap();
        let (_, server) = handshake(self.client(identity, &any), self.server(&honest, verifier)).unwrap();
        let seen = [&*client as &CommonState, &*server].map(|side| peer(side, verifier, self.now()).unwrap().0);
        assert_eq!(seen[0], seen[1]);
        seen[0].clone()
    }
}

fn key(n: u8) -> IdentityKey {
    IdentityKey::from_seed([n; 32])
}

#[derive(Debug)]
enum Failure {
    Client(Error),
    Server(Error),
}

fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), Failure> {
    let mut client = ClientConnection::new(client, server_name()).map_err(Failure::Client)?;
    let mut server = ServerConnection::new(server).map_err(Failure::Server)?;
    // Three flights make a handshake; what comes after would be tickets.
    for _ in 0..4 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().map_err(Failure::Server)?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().map_err(Failure::Client)?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

#[test]
fn attested_ends_know_each_other_and_share_a_secret() {
    let world = World::new();
    let (at_client, at_server) = (world.tdx(), world.tdx());
    let (client, server) = handshake(
        world.client(&world.worker(1), &at_client),
        world.server(&world.worker(2), &at_server),
    )
    .unwrap();

    for (side, verifier, other) in [
        (&*client as &CommonState, &at_client, key(2)),
        (&*server as &CommonState, &at_server, key(1)),
    ] {
        let (peer, origin) = peer(side, verifier, world.now()).unwrap();
        assert_eq!(origin, Origin::Fresh);
        assert_eq!(peer.public_key, *other.public_key());
        assert_eq!(peer.image_hash, TdMeasurements::of_image("worker").image_hash());
        assert!(peer.evidence.is_some());
        assert_eq!(
            verifier.counts().checked,
            1,
            "one check for handshake and question together"
        );
    }
    let export =
        |side: &rustls::ConnectionCommon<_>| side.export_keying_material([0; 32], b"EXPORTER-test", None).unwrap();
    let client_secret = export(&client);
    assert_eq!(
        client_secret,
        server.export_keying_material([0; 32], b"EXPORTER-test", None).unwrap()
    );
    assert_ne!(client_secret, [0; 32]);
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
}

#[test]
fn sessions_are_never_resumed() {
    let world = World::new();
    let verifier = world.tdx();
    let client = world.client(&world.worker(1), &verifier);
    let server = world.server(&world.worker(2), &verifier);
    for _ in 0..2 {
        let (client, server) = handshake(client.clone(), server.clone()).unwrap();
        assert_eq!(client.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(client.tls13_tickets_received(), 0);
    }
    // The counting works: a server that sends tickets is seen to.
    let mut sends_tickets = ServerConfig::clone(&server);
    sends_tickets.send_tls13_tickets = 2;
    sends_tickets.session_storage = rustls::server::ServerSessionMemoryCache::new(4);
    let (client, _) = handshake(client, Arc::new(sends_tickets)).unwrap();
    assert_eq!(client.tls13_tickets_received(), 2);
}

#[test]
fn each_policy_accepts_its_own_evidence_only() {
    let world = World::new();
    let fakes = Arc::new(PeerVerifier::new(PeerPolicy::fake_tdx(
        MARKER,
        AllowList::only(FAKE_IMAGE_HASH),
    )));
    let any = Arc::new(PeerVerifier::new(PeerPolicy::Any));
    let tdx = world.tdx();
    let (worker, fake, plain) = (world.worker(1), world.fake(2), world.plain(3));

    assert_eq!(
        world.both_accept(&worker, &tdx).image_hash,
        TdMeasurements::of_image("worker").image_hash()
    );
    assert_eq!(world.both_refuse(&fake, &tdx), PeerReason::Evidence(Reason::Malformed));
    assert_eq!(world.both_refuse(&plain, &tdx), PeerReason::NoEvidence);

    assert_eq!(world.both_accept(&fake, &fakes).image_hash, FAKE_IMAGE_HASH);
    assert!(matches!(
        world.both_refuse(&worker, &fakes),
        PeerReason::Evidence(Reason::NotFake { .. })
    ));
    assert_eq!(world.both_refuse(&plain, &fakes), PeerReason::NoEvidence);

    for identity in [&worker, &fake, &plain] {
        let peer = world.both_accept(identity, &any);
        assert_eq!((peer.image_hash, peer.evidence), ([0; 32], None));
        assert_eq!(peer.public_key, *identity.public_key());
    }
}

#[test]
fn a_client_without_certificate_is_refused_under_every_policy() {
    let world = World::new();
    for verifier in [world.tdx(), Arc::new(PeerVerifier::new(PeerPolicy::Any))] {
        let naked = ClientConfig::builder_with_details(provider(), world.clock.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(HandshakeVerifier::new(&provider(), verifier.clone()))
            .with_no_client_auth();
        let refused = handshake(Arc::new(naked), world.server(&world.worker(1), &verifier)).unwrap_err();
        assert!(
            matches!(refused, Failure::Server(Error::NoCertificatesPresented)),
            "{refused:?}"
        );
        assert!(
            handshake(
                world.client(&world.worker(2), &verifier),
                world.server(&world.worker(1), &verifier)
            )
            .is_ok()
        );
    }
}

#[test]
fn bad_evidence_is_refused_with_its_reason() {
    let world = World::new();
    let tdx = world.tdx();
    let td = TdMeasurements::of_image("worker");
    let with = |key: IdentityKey, quote: &[u8]| Identity::with_evidence(key, quote, START, [9; 16]).unwrap();
    let quote = world.quote(&key(1), &td);
    assert!(world.both_accept(&with(key(1), &quote), &tdx).evidence.is_some());

    let mut altered = quote.clone();
    altered[48 + 136] ^= 1;
    assert_eq!(
        world.both_refuse(&with(key(1), &altered), &tdx),
        PeerReason::Evidence(Reason::QuoteSignature)
    );
    assert_eq!(
        world.both_refuse(&with(key(2), &quote), &tdx),
        PeerReason::Evidence(Reason::ReportData)
    );
    let debug = world.quote(&key(1), &td.in_debug_mode());
    assert_eq!(
        world.both_refuse(&with(key(1), &debug), &tdx),
        PeerReason::Evidence(Reason::Attributes(AttributeFault::Debug))
    );
    let other = SimPki::new(8, START);
    let other = SimTdxAttester::new(Arc::new(other.platform(1)), td).quote(&report_data_for(key(1).public_key()));
    assert!(matches!(
        world.both_refuse(&with(key(1), &other.unwrap()), &tdx),
        PeerReason::Evidence(Reason::UntrustedRoot { .. })
    ));
}

#[test]
fn bad_certificates_are_refused_with_their_reason_under_every_policy() {
    let world = World::new();
    let any = Arc::new(PeerVerifier::new(PeerPolicy::Any));
    let quote = world.quote(&key(1), &TdMeasurements::of_image("worker"));
    for (verifier, evidence) in [(world.tdx(), Some(&quote[..])), (any, None)] {
        let changed = |change: fn(&mut Form)| {
            let mut form = Form::new(&key(1), START, [1; 16], evidence);
            change(&mut form);
            Identity::from_form(key(1), &form)
        };
        world.both_accept(&changed(|_| {}), &verifier);
        let wrong_usage = changed(|form| {
            let at = form.extensions.len() - 4;
            form.extensions[at] = extension(&[2, 5, 29, 15], true, &named_bits(0x04));
        });
        assert_eq!(
            world.both_refuse(&wrong_usage, &verifier),
            PeerReason::Certificate(CertificateReason::Extension { name: "keyUsage" })
        );
        let expired = changed(|form| {
            form.not_before_unix_s = START - VALIDITY_S - 1;
            form.not_after_unix_s = START - 1;
        });
        assert_eq!(
            world.both_refuse(&expired, &verifier),
            PeerReason::Certificate(CertificateReason::Expired { at_unix_s: START - 1 })
        );
        let of_another_key = Identity::from_form(key(2), &Form::new(&key(1), START, [1; 16], evidence));
        assert_eq!(
            world.both_refuse(&of_another_key, &verifier),
            PeerReason::Certificate(CertificateReason::SelfSignature)
        );
    }
}

#[test]
fn evidence_that_was_good_yesterday_is_refused_when_it_has_expired() {
    let world = World::new();
    let tdx = world.tdx();
    let worker = world.worker(1);
    world.both_accept(&worker, &tdx);
    world.advance(VALIDITY_S);
    world.both_accept(&worker, &tdx);
    world.advance(1);
    let expired = PeerReason::Certificate(CertificateReason::Expired {
        at_unix_s: START + VALIDITY_S,
    });
    assert_eq!(world.both_refuse(&worker, &tdx), expired);
    world.advance(29 * 86_400);
    let renewed = world.worker(1);
    assert!(matches!(
        world.both_refuse(&renewed, &tdx),
        PeerReason::Evidence(Reason::Expired { .. })
    ));
    world.collateral.insert(world.pki.collateral(world.now()));
    world.both_accept(&renewed, &tdx);
}

#[test]
fn whoever_shows_the_certificate_of_another_must_have_its_key() {
    let world = World::new();
    let tdx = world.tdx();
    let victim = world.worker(1);
    let key_of_thief = provider().key_provider.load_private_key(key(66).to_pkcs8()).unwrap();
    let stolen = CertifiedKey::new(vec![victim.certificate_der().clone()], key_of_thief);
    let mut server = ServerConfig::clone(&world.server(&victim, &tdx));
    server.cert_resolver = Arc::new(SingleCertAndKey::from(stolen));
    let refused = handshake(world.client(&world.worker(2), &tdx), Arc::new(server)).unwrap_err();
    let bad_signature = Error::InvalidCertificate(CertificateError::BadSignature);
    assert!(
        matches!(&refused, Failure::Client(error) if *error == bad_signature),
        "{refused:?}"
    );
}

#[test]
fn a_chain_is_refused() {
    let world = World::new();
    let tdx = world.tdx();
    let (identity, other) = (world.worker(1), world.worker(3));
    let key = provider()
        .key_provider
        .load_private_key(identity.key().to_pkcs8())
        .unwrap();
    let chain = vec![identity.certificate_der().clone(), other.certificate_der().clone()];
    let mut server = ServerConfig::clone(&world.server(&identity, &tdx));
    server.cert_resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key)));
    let Err(Failure::Client(error)) = handshake(world.client(&world.worker(2), &tdx), Arc::new(server)) else {
        panic!("accepted")
    };
    assert_eq!(reason(&error), Some(&PeerReason::Chain { certificates: 2 }));
}

#[test]
fn only_ed25519_is_offered() {
    // TLS 1.2 is not even compiled in.
    let verifier = HandshakeVerifier::new(&provider(), Arc::new(PeerVerifier::new(PeerPolicy::Any)));
    assert_eq!(
        ServerCertVerifier::supported_verify_schemes(&*verifier),
        [SignatureScheme::ED25519]
    );
    assert_eq!(
        ClientCertVerifier::supported_verify_schemes(&*verifier),
        [SignatureScheme::ED25519]
    );
}

#[test]
fn logs_say_why() {
    let world = World::new();
    let any = Arc::new(PeerVerifier::new(PeerPolicy::Any));
    let refused = handshake(
        world.client(&world.plain(1), &world.tdx()),
        world.server(&world.plain(2), &any),
    );
    let Err(Failure::Client(error)) = refused else {
        panic!("{refused:?}")
    };
    assert!(error.to_string().contains("NoEvidence"), "{error}");
    assert_eq!(reason(&error).unwrap().to_string(), "the peer showed no evidence");
    assert_eq!(reason(&Error::DecryptError), None);
}

#[test]
fn the_handshake_works_without_memory() {
    let world = World::new();
    let policy = PeerPolicy::tdx(
        world.pki.anchors(MARKER),
        world.collateral.clone(),
        AppraisalRules::default(),
    );
    let forgetful = Arc::new(PeerVerifier::remembering(policy, 0));
    assert!(
        handshake(
            world.client(&world.worker(1), &forgetful),
            world.server(&world.worker(2), &forgetful)
        )
        .is_ok()
    );
    assert_eq!(forgetful.counts().appraised, 2);
}
