//! Mutual TLS between attested nodes inside the world: both ends of a handshake in this process.

use crate::{
    echo::{SERVER, answer, ask, client_ip},
    measure,
};
use chrysalis_attest::{
    Attester, CollateralStore, Identity, PeerPolicy, PeerVerifier, SimTdxAttester, SimulationOnly, TdMeasurements,
    certificate::IdentityKey,
    policy::AppraisalRules,
    ra_tls,
    session::{self, SessionParties, SessionTiming, Side},
    sim_pki::SimPki,
};
use chrysalis_env::Env;
use chrysalis_node::secure;
use chrysalis_sim::{CryptoMode, EngineKind, LinkSpec, NodeSpec, Sim, SimConfig, SimReport, run};
use std::{io, net::Ipv4Addr, sync::Arc};
use tokio_rustls::{TlsAcceptor, TlsConnector, rustls::ConnectionCommon};

/// What each client does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) clients: usize,
    /// One after the other.
    pub(crate) connections: usize,
    /// Per connection.
    pub(crate) rounds: usize,
    pub(crate) message_bytes: usize,
    /// Whether both ends show evidence of the session as well.
    pub(crate) bound_to_session: bool,
}

/// Evidence is made once: what is measured is its use.
pub(crate) struct Evidence {
    identities: [Identity; 2],
    attesters: [Arc<dyn Attester>; 2],
    verifier: Arc<PeerVerifier>,
}

impl Evidence {
    /// Two machines of a simulated vendor. `None` is a bug of the vendor.
    pub(crate) fn new() -> Option<Arc<Self>> {
        let start_unix_s = SimConfig::new(0).start_unix_s - 3_600;
        let marker = SimulationOnly::accept_no_security();
        let pki = SimPki::new(7, start_unix_s);
        let collateral = CollateralStore::from_iter([pki.collateral(start_unix_s)]);
        let attester = |number: u8| -> Arc<dyn Attester> {
            let platform = Arc::new(pki.platform(u64::from(number)));
            Arc::new(SimTdxAttester::new(platform, TdMeasurements::of_image("bench")))
        };
        let attesters = [attester(1), attester(2)];
        let identity = |number: u8| {
            Identity::attested(
                IdentityKey::from_seed([number; 32]),
                &*attester(number),
                start_unix_s,
                [number; 16],
            )
            .ok()
        };
        let policy = PeerPolicy::tdx(pki.anchors(marker), Arc::new(collateral), AppraisalRules::default());
        Some(Arc::new(Self {
            identities: [identity(1)?, identity(2)?],
            attesters,
            verifier: Arc::new(PeerVerifier::new(policy)),
        }))
    }

    fn acceptor(&self, env: &Env) -> Option<TlsAcceptor> {
        let (crypto, time) = (env.crypto_provider(), env.time_provider());
        ra_tls::server_config(crypto, time, &self.identities[0], self.verifier.clone())
            .ok()
            .map(Into::into)
    }

    /// What the server (0) or a client (1) knows after its handshake.
    fn parties<D>(&self, end: usize, env: &Env, connection: &ConnectionCommon<D>) -> Option<SessionParties> {
        let (peer, _) = ra_tls::peer(connection, &self.verifier, env.unix_s()).ok()?;
        let ends = [
            (session::Role::Proxy, Side::Acceptor),
            (session::Role::Worker, Side::Dialer),
        ];
        let (role, side) = ends[end];
        Some(SessionParties {
            role,
            peer_role: ends[1 - end].0,
            side,
            own_key: *self.identities[end].public_key(),
            peer,
            exporter: session::exporter(connection).ok()?,
            attester: Some(self.attesters[end].clone()),
            verifier: self.verifier.clone(),
        })
    }

    fn connector(&self, env: &Env) -> Option<TlsConnector> {
        let (crypto, time) = (env.crypto_provider(), env.time_provider());
        ra_tls::client_config(crypto, time, &self.identities[1], self.verifier.clone())
            .ok()
            .map(Into::into)
    }
}

async fn world(sim: Sim, evidence: Arc<Evidence>, work: Work) -> Option<()> {
    sim.network().set_default_link(LinkSpec::constant(10_000_000));
    let server = sim.add_node(NodeSpec::new("server", Ipv4Addr::new(10, 0, 0, 1))).ok()?;
    let env = server.env();
    let acceptor = evidence.acceptor(&env)?;
    let timing = SessionTiming::default();
    let of_server = evidence.clone();
    server.env().spawn("server", async move {
        let Ok(mut listener) = env.listen(SERVER).await else {
            return;
        };
        while let Ok(stream) = listener.accept().await {
            let (acceptor, evidence, own) = (acceptor.clone(), of_server.clone(), env.clone());
            env.spawn("answer", async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                if work.bound_to_session {
                    let Some(parties) = evidence.parties(0, &own, stream.get_ref().1) else {
                        return;
                    };
                    if secure::establish(&own, &mut stream, parties, timing).await.is_err() {
                        return;
                    }
                }
                answer(stream, work.message_bytes).await;
            });
        }
    });
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    for index in 0..work.clients {
        let spec = NodeSpec::new(format!("client-{index}"), client_ip(index));
        let (env, done) = (sim.add_node(spec).ok()?.env(), done.clone());
        let (connector, evidence) = (evidence.connector(&env)?, evidence.clone());
        env.clone().spawn("client", async move {
            for _ in 0..work.connections {
                let done_one = async {
                    let stream = env.connect(SERVER).await?;
                    let mut stream = connector.connect(ra_tls::server_name(), stream).await?;
                    if work.bound_to_session {
                        let parties = evidence.parties(1, &env, stream.get_ref().1);
                        let parties = parties.ok_or_else(|| io::Error::other("the peer is refused"))?;
                        let established = secure::establish(&env, &mut stream, parties, timing).await;
                        established.map_err(io::Error::other)?;
                    }
                    ask(stream, work.message_bytes, work.rounds.max(1)).await
                };
                let _ = done.send(done_one.await.is_ok());
            }
        });
    }
    for _ in 0..work.clients * work.connections {
        if finished.recv().await != Some(true) {
            return None;
        }
    }
    Some(())
}

/// One run.
pub(crate) fn attested(
    engine: EngineKind,
    crypto: CryptoMode,
    seed: u64,
    evidence: &Arc<Evidence>,
    work: Work,
) -> Option<SimReport> {
    let mut config = SimConfig::new(seed);
    config.crypto = crypto;
    let evidence = evidence.clone();
    let ran = run(engine, config, move |sim| world(sim, evidence, work));
    let (done, report) = ran.ok()?;
    done.map(|()| report)
}

/// Hand-shakes, or messages where there are many per connection, per CPU-second.
pub(crate) fn rate(engine: EngineKind, crypto: CryptoMode, evidence: &Arc<Evidence>, work: Work) -> f64 {
    let per_connection = if work.rounds == 0 { 1 } else { 2 * work.rounds };
    let count = (work.clients * work.connections * per_connection) as u64;
    measure::rate(|| attested(engine, crypto, 1, evidence, work).map_or(0, |_| count))
}
