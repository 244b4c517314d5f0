//! What an adversary has at hand, and how it is taken.

use super::{
    Failure, Targets,
    handshakes::{offer_work, worker_connect},
    image_of,
    peer::{Gone, RawPeer, own_tls},
};
use crate::{
    deployment::{Deployment, Evidence, NETWORK, address_of},
    plan::{EvidenceAttack, Flaw, Pose},
    recorder::Recorder,
};
use chrysalis_attest::{
    Attester, Binding, Identity,
    certificate::{IdentityKey, PublicKey},
    gpu::binding::nonce_for,
    session::{Exporter, Message, Role, SessionBinding, Shown, Side},
};
use chrysalis_env::{Env, Listener};
use chrysalis_wire::objects::ClientConnectToProxy;
use rustls::ClientConfig;
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

/// Refusals are reported when the connection is gone.
const UNTIL_REPORTED: Duration = Duration::from_secs(1);
/// A misled client comes again within this.
const UNTIL_IT_COMES: Duration = Duration::from_secs(60);
/// Requests at once that a false worker offers to serve.
const SLOTS: i32 = 4;

/// See the module.
pub(super) struct Stage {
    pub(super) env: Env,
    pub(super) deployment: Arc<Deployment>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) attack: Arc<EvidenceAttack>,
    pub(super) targets: Targets,
    /// The client that was led here, and the port that it dials.
    victim: Option<(String, Listener)>,
    /// Whether it says as a worker that it takes no requests, so that it is in nobody's way.
    pub(super) is_idle: bool,
    /// What a machine showed for a session last.
    pub(super) recorded: Option<Shown>,
}

/// What an adversary shows.
pub(super) struct Show {
    pub(super) identity: Identity,
    pub(super) answer: Answer,
}

/// What it answers to the challenge of a session.
#[derive(Clone)]
pub(super) enum Answer {
    /// The same, whatever is asked.
    Same(Shown),
    /// What a guest makes of it that takes itself to be this.
    Guest(Arc<dyn Attester>, Role),
    /// What a guest makes of it, in other bytes.
    Altered(Arc<dyn Attester>, fn(Vec<u8>) -> Vec<u8>),
    /// What a guest makes of it by itself, and beside it what its GPUs make of it.
    Unvouched(Arc<dyn Attester>),
    /// What the verifier says to its own challenge.
    Reflected,
    /// What the genuine proxy says to it on another session.
    Relayed,
    /// Nothing: it goes on as if nothing had been asked.
    Skipped,
}

/// What became of it.
pub(super) enum Taken {
    /// The verifier goes on to the application.
    Accepted(Box<RawPeer>),
    /// It does not, for this reason.
    Refused(String),
}

/// Who is at the two ends of the session.
struct Ends {
    prover_key: PublicKey,
    verifier_key: PublicKey,
    verifier_role: Role,
    side: Side,
}

pub(super) const fn role_of(pose: Pose) -> Role {
    match pose {
        Pose::Worker => Role::Worker,
        Pose::Proxy => Role::Proxy,
    }
}

fn exporter_of(peer: &RawPeer) -> Result<Exporter, Gone> {
    peer.exporter().map_err(|error| Gone::Unsaid(error.to_string()))
}

impl Stage {
    pub(super) async fn new(
        env: &Env,
        deployment: Arc<Deployment>,
        recorder: &Arc<Recorder>,
        attack: Arc<EvidenceAttack>,
        targets: Targets,
        victim: Option<String>,
        listen_at: SocketAddr,
    ) -> Result<Self, Failure> {
        let victim = match victim {
            None => None,
            Some(name) => {
                let listening = env.listen(listen_at).await;
                let listener = listening.map_err(|error| Failure::Step(format!("no port: {error}")))?;
                Some((name, listener))
            }
        };
        Ok(Self {
            env: env.clone(),
            deployment,
            recorder: recorder.clone(),
            attack,
            targets,
            victim,
            is_idle: false,
            recorded: None,
        })
    }

    pub(super) fn evidence(&self) -> &Evidence {
        self.deployment.evidence()
    }

    /// Names of nodes with a role.
    pub(super) fn nodes(&self, pose: Pose) -> Vec<&str> {
        let plan = &self.deployment.plan;
        match pose {
            Pose::Worker => plan.workers.iter().map(|worker| worker.node.name.as_str()).collect(),
            Pose::Proxy => plan.proxies.iter().map(|proxy| proxy.node.name.as_str()).collect(),
        }
    }

    /// The node whose things are abused: the one that the plan names, or else the first with this role.
    pub(super) fn abused(&self, pose: Pose) -> Result<String, Failure> {
        let named = self.attack.of.clone();
        let first = || self.nodes(pose).first().map(|name| (*name).to_owned());
        named
            .or_else(first)
            .ok_or_else(|| Failure::Step(format!("there is no {}", pose.name())))
    }

    /// The genuine guest of a node, with its GPUs.
    pub(super) fn guest_of(&self, node: &str, pose: Pose) -> Result<Arc<dyn Attester>, Failure> {
        let evidence = self.evidence();
        let machine = self.machine_of(node)?;
        let sound = BTreeSet::new();
        let guest = evidence.guest(image_of(pose), machine, &sound);
        Ok(evidence.with_gpus(guest, machine, evidence.gpus(node), &sound))
    }

    pub(super) fn machine_of(&self, node: &str) -> Result<u64, Failure> {
        let machine = self.evidence().machine(node);
        machine.ok_or_else(|| Failure::Step(format!("{node} has no machine")))
    }

    /// A guest on a machine of the adversary's own, without GPUs.
    pub(super) fn own_bare_guest(&self, flaws: &BTreeSet<Flaw>) -> Arc<dyn Attester> {
        let evidence = self.evidence();
        evidence.guest(image_of(self.attack.pose), evidence.spare_machine(), flaws)
    }

    /// A guest on a machine of the adversary's own, which has such GPUs as machines of its role have.
    pub(super) fn own_guest(&self, flaws: &BTreeSet<Flaw>) -> Arc<dyn Attester> {
        let evidence = self.evidence();
        let gpus = match self.attack.pose {
            Pose::Worker => evidence.usual_gpus(),
            Pose::Proxy => None,
        };
        evidence.with_gpus(self.own_bare_guest(flaws), evidence.spare_machine(), gpus, flaws)
    }

    /// The adversary's own TLS key.
    pub(super) fn own_key(&self) -> IdentityKey {
        Evidence::key(self.env.node_name())
    }

    /// A certificate for a key around any bytes.
    pub(super) fn forged(&self, key: IdentityKey, evidence: &[u8]) -> Result<Identity, Failure> {
        Ok(self.evidence().forged(key, self.env.node_name(), evidence)?)
    }

    /// What whoever holds this key and this guest shows by right.
    pub(super) fn honest(&self, key: IdentityKey, guest: Arc<dyn Attester>) -> Result<Show, Failure> {
        let quote = Evidence::certified(&*guest, &key)?;
        Ok(Show {
            identity: self.forged(key, &quote)?,
            answer: Answer::Guest(guest, role_of(self.attack.pose)),
        })
    }

    /// An honest peer at the same place: with a key of its own and the genuine guest of a node without flaws, with GPUs
    /// where any has some, and not that of the node that is abused where there is another. A node's GPUs serve nobody
    /// with another key while its session lives, so where it has some, its key comes with them.
    pub(super) fn control(&self) -> Result<Show, Failure> {
        let pose = self.attack.pose;
        let flawed = &self.deployment.plan.attestation.machines;
        let mut nodes = self.nodes(pose);
        nodes.sort_by_key(|node| {
            let lacks_gpus = self.evidence().gpus(node).is_none();
            let is_abused = self.attack.of.as_deref() == Some(*node);
            (flawed.contains_key(*node), lacks_gpus, is_abused)
        });
        let node = nodes.first().copied().unwrap_or_default().to_owned();
        let guest = self.guest_of(&node, pose)?;
        let key = match self.evidence().gpus(&node) {
            None => self.own_key(),
            Some(_) => Evidence::key(&node),
        };
        self.honest(key, guest)
    }

    /// Shows something to the verifier and sees what becomes of it.
    pub(super) async fn present(&mut self, show: &Show) -> Result<Taken, Failure> {
        match self.attack.pose {
            Pose::Worker => {
                let tls = own_tls(&self.env, &show.identity)?;
                self.present_over(tls, show).await
            }
            Pose::Proxy => self.present_as_proxy(show).await,
        }
    }

    /// The same as a worker, with TLS of the caller's choice.
    pub(super) async fn present_over(&mut self, tls: Arc<ClientConfig>, show: &Show) -> Result<Taken, Failure> {
        let from_ns = self.env.now_ns();
        let outcome = self.dial(tls, show).await;
        let judge = self.targets.proxy.clone();
        self.taken(outcome, &judge, from_ns).await
    }

    async fn present_as_proxy(&mut self, show: &Show) -> Result<Taken, Failure> {
        let from_ns = self.env.now_ns();
        let Some((victim, mut listener)) = self.victim.take() else {
            return Err(Failure::Step("nobody was led here".to_owned()));
        };
        let env = self.env.clone();
        let outcome = env
            .timeout(UNTIL_IT_COMES, self.receive(&mut listener, show))
            .await
            .unwrap_or(Err(Gone::Silent));
        self.victim = Some((victim.clone(), listener));
        self.taken(outcome, &victim, from_ns).await
    }

    /// The listener for a victim, for those who do not speak to it themselves.
    pub(super) fn victim(&mut self) -> Result<(&str, &mut Listener), Failure> {
        let victim = self.victim.as_mut();
        let (name, listener) = victim.ok_or_else(|| Failure::Step("nobody was led here".to_owned()))?;
        Ok((name, listener))
    }

    async fn taken(&mut self, outcome: Result<RawPeer, Gone>, judge: &str, from_ns: u64) -> Result<Taken, Failure> {
        match outcome {
            Ok(peer) => Ok(Taken::Accepted(Box::new(peer))),
            Err(gone @ (Gone::Closed(_) | Gone::Refused(..))) => {
                self.env.sleep(UNTIL_REPORTED).await;
                let reason = self.reason(judge, from_ns);
                Ok(Taken::Refused(reason.unwrap_or_else(|| gone.to_string())))
            }
            Err(gone) => Err(gone.into()),
        }
    }

    /// The last refusal of a node since then.
    fn reason(&self, judge: &str, from_ns: u64) -> Option<String> {
        let rows = self.recorder.rows();
        let mut refusals = rows.peers.iter().rev().filter(|peer| !peer.accepted);
        let last = refusals.find(|peer| peer.node == judge && peer.at_ns >= from_ns);
        last.map(|peer| peer.reason.clone())
    }

    /// Dials the proxy as a worker, up to the end of its hand-shake.
    async fn dial(&mut self, tls: Arc<ClientConfig>, show: &Show) -> Result<RawPeer, Gone> {
        let at = self.targets.for_workers;
        let dialled = RawPeer::dial(&self.env, at, tls).await;
        let mut peer = dialled.map_err(|error| Gone::Closed(error.to_string()))?;
        let ends = Ends {
            prover_key: *show.identity.public_key(),
            verifier_key: *Evidence::key(&self.targets.proxy).public_key(),
            verifier_role: Role::Proxy,
            side: Side::Dialer,
        };
        if let (Binding::Session(_), false) = (self.evidence().binding(), matches!(show.answer, Answer::Skipped)) {
            let mirrored = match show.answer {
                Answer::Reflected => {
                    let nonce = peer.challenge(Role::Proxy).await?;
                    peer.say_hello(Role::Worker, Some(nonce)).await;
                    Some(match peer.recv_evidence().await? {
                        Message::Evidence { round: 0, shown } => shown,
                        other => return Err(Gone::Strange(format!("{other:?}"))),
                    })
                }
                _ => {
                    peer.say_hello(Role::Worker, None).await;
                    None
                }
            };
            let shown = match mirrored {
                Some(shown) => shown,
                None => {
                    let nonce = peer.challenge(Role::Proxy).await?;
                    self.answer(exporter_of(&peer)?, &nonce, show, &ends).await?
                }
            };
            peer.show(shown).await;
        }
        peer.greet().await?;
        self.offer(&mut peer).await?;
        Ok(peer)
    }

    /// The hand-shake of a worker after that of the transport.
    async fn offer(&mut self, peer: &mut RawPeer) -> Result<(), Gone> {
        let owner = address_of("worker owner", self.env.node_name());
        let model = self.deployment.plan.workers.first();
        let model = model.map(|worker| worker.model.as_str()).unwrap_or_default();
        offer_work(peer, &worker_connect(&owner, NETWORK, model, SLOTS), self.is_idle).await
    }

    /// Takes the victim's connection as a proxy, until it asks to be served.
    async fn receive(&mut self, listener: &mut Listener, show: &Show) -> Result<RawPeer, Gone> {
        let mut peer = RawPeer::accept_tls(&self.env, listener, &show.identity).await?;
        let client = self.deployment.plan.clients.first();
        let client = client.map(|client| client.node.name.as_str()).unwrap_or_default();
        let ends = Ends {
            prover_key: *show.identity.public_key(),
            verifier_key: *Evidence::key(client).public_key(),
            verifier_role: Role::Client,
            side: Side::Acceptor,
        };
        if let (Binding::Session(_), false) = (self.evidence().binding(), matches!(show.answer, Answer::Skipped)) {
            let nonce = peer.challenge(Role::Client).await?;
            peer.say_hello(Role::Proxy, None).await;
            let shown = self.answer(exporter_of(&peer)?, &nonce, show, &ends).await?;
            peer.show(shown).await;
        }
        peer.welcome().await?;
        peer.asked::<ClientConnectToProxy>().await?;
        Ok(peer)
    }

    async fn answer(&mut self, exporter: Exporter, nonce: &[u8; 32], show: &Show, ends: &Ends) -> Result<Shown, Gone> {
        let unsaid = |error: &dyn std::fmt::Display| Gone::Unsaid(error.to_string());
        let session = |prover_role| {
            SessionBinding {
                exporter: &exporter,
                nonce,
                round: 0,
                prover_key: &ends.prover_key,
                verifier_key: &ends.verifier_key,
                prover_role,
                verifier_role: ends.verifier_role,
                prover_side: ends.side,
            }
            .report_data()
        };
        let own_role = role_of(self.attack.pose);
        match &show.answer {
            Answer::Same(shown) => Ok(shown.clone()),
            Answer::Guest(guest, role) => {
                let shown = Shown::by(&**guest, &session(*role)).map_err(|error| unsaid(&error))?;
                self.recorded = Some(shown.clone());
                Ok(shown)
            }
            Answer::Altered(guest, alter) => {
                let mut shown = Shown::by(&**guest, &session(own_role)).map_err(|error| unsaid(&error))?;
                shown.guest = alter(shown.guest);
                Ok(shown)
            }
            Answer::Unvouched(guest) => {
                let session = session(own_role);
                let alone = Shown::vouching(&**guest, &session, Vec::new()).map_err(|error| unsaid(&error))?;
                let gpus = guest.gpus(&nonce_for(&session)).map_err(|error| unsaid(&error))?;
                Ok(Shown { gpus, ..alone })
            }
            Answer::Relayed => self.relayed(nonce).await,
            Answer::Reflected | Answer::Skipped => Ok(Shown::default()),
        }
    }

    /// What the genuine proxy says to a challenge on a session of the adversary's own.
    async fn relayed(&mut self, nonce: &[u8; 32]) -> Result<Shown, Gone> {
        let own = self.evidence().plain(self.own_key(), self.env.node_name());
        let tls = own_tls(&self.env, &own).map_err(|error| Gone::Unsaid(error.to_string()))?;
        let dialled = RawPeer::dial(&self.env, self.targets.for_clients, tls).await;
        let mut genuine = dialled.map_err(|error| Gone::Strange(format!("the genuine proxy: {error}")))?;
        genuine.say_hello(Role::Client, Some(*nonce)).await;
        loop {
            match genuine.recv_evidence().await {
                Ok(Message::Hello { .. }) => {}
                Ok(Message::Evidence { round: 0, shown }) => return Ok(shown),
                other => return Err(Gone::Strange(format!("the genuine proxy: {other:?}"))),
            }
        }
    }
}
