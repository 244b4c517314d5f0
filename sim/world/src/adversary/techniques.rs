//! What each adversary does, to its end.

use super::{
    End, Failure, encodings, exhaustion, gpus,
    peer::{Gone, RawPeer, own_tls},
    stage::{Answer, Show, Stage, Taken, role_of},
};
use crate::{
    deployment::Evidence,
    plan::{Pose, Technique, TeeKind},
};
use chrysalis_attest::{
    Binding,
    session::{Message, Shown},
};
use chrysalis_env::Stream;
use chrysalis_node::extension::SessionEvidence;
use rustls::{HandshakeKind, client::Resumption};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a connection must live on to have outlived its machine: longer than any period of renewals that a scenario
/// of it should have.
const OUTLIVED: Duration = Duration::from_secs(90);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long a relay reads along.
const READ_ALONG: Duration = Duration::from_secs(20);

/// Carries out an attack.
pub(super) async fn carry_out(stage: &mut Stage) -> Result<End, Failure> {
    let pose = stage.attack.pose;
    match stage.attack.technique {
        Technique::LeakedKey => {
            let (key, quote) = leaked(stage, pose)?;
            let identity = stage.forged(key, &quote)?;
            let answer = Answer::Same(Shown::guest(quote));
            judged(stage, Show { identity, answer }).await
        }
        Technique::StolenQuote => {
            let (_, quote) = leaked(stage, pose)?;
            let identity = stage.forged(stage.own_key(), &quote)?;
            let answer = Answer::Same(Shown::guest(quote));
            judged(stage, Show { identity, answer }).await
        }
        Technique::NoEvidence => {
            let identity = stage.evidence().plain(stage.own_key(), stage.env.node_name());
            let answer = Answer::Skipped;
            judged(stage, Show { identity, answer }).await
        }
        Technique::OwnMachine => {
            let guest = stage.own_guest(&stage.attack.flaws);
            let show = stage.honest(stage.own_key(), guest)?;
            judged(stage, show).await
        }
        Technique::ExtractedKey => {
            // With the key of a machine there is nothing that its quotes could not say.
            let guest = match &stage.attack.of {
                Some(node) => stage.guest_of(node, pose)?,
                None => stage.own_guest(&BTreeSet::new()),
            };
            let show = stage.honest(stage.own_key(), guest)?;
            judged(stage, show).await
        }
        Technique::ReplayedEvidence => replayed_evidence(stage).await,
        Technique::ReflectedEvidence => {
            let (key, quote) = leaked(stage, pose)?;
            let identity = stage.forged(key, &quote)?;
            let answer = Answer::Reflected;
            judged(stage, Show { identity, answer }).await
        }
        Technique::OtherRole => {
            let other = match pose {
                Pose::Worker => Pose::Proxy,
                Pose::Proxy => Pose::Worker,
            };
            let node = stage.abused(other)?;
            let (key, guest) = (Evidence::key(&node), stage.guest_of(&node, other)?);
            let quote = Evidence::certified(&*guest, &key)?;
            let identity = stage.forged(key, &quote)?;
            let answer = Answer::Guest(guest, role_of(other));
            judged(stage, Show { identity, answer }).await
        }
        Technique::Relay => {
            let (key, quote) = leaked(stage, pose)?;
            let identity = stage.forged(key, &quote)?;
            let answer = Answer::Relayed;
            judged(stage, Show { identity, answer }).await
        }
        Technique::BlindRelay => blind_relay(stage).await,
        Technique::LostMachine => lost_machine(stage).await,
        Technique::Malleated => in_other_bytes(stage, encodings::malleations).await,
        Technique::Confused => in_other_bytes(stage, encodings::confusions).await,
        Technique::Resumption => resumption(stage).await,
        Technique::DroppedGpu => gpus::dropped(stage).await,
        Technique::RelayedGpu => gpus::relayed(stage).await,
        Technique::ResoldGpu => gpus::resold(stage).await,
        Technique::StaleGpu => gpus::stale(stage).await,
        Technique::OtherSessionGpu => gpus::of_other_session(stage).await,
        Technique::UnvouchedGpu => gpus::unvouched(stage).await,
        Technique::Flood => exhaustion::flood(stage).await,
        Technique::Silence => exhaustion::silence(stage).await,
    }
}

/// A node's TLS key and the quote in its first certificate.
fn leaked(stage: &Stage, pose: Pose) -> Result<(chrysalis_attest::certificate::IdentityKey, Vec<u8>), Failure> {
    let node = stage.abused(pose)?;
    let key = Evidence::key(&node);
    let quote = Evidence::certified(&*stage.guest_of(&node, pose)?, &key)?;
    Ok((key, quote))
}

/// What being taken for one of the network means.
fn gain(pose: Pose) -> &'static str {
    match pose {
        Pose::Worker => "the proxy takes it for a worker, and would send it prompts",
        Pose::Proxy => "the client takes it for a proxy, and asks it to be served",
    }
}

/// Shows something once. What is refused is compared with what an honest peer gets.
pub(super) async fn judged(stage: &mut Stage, show: Show) -> Result<End, Failure> {
    match stage.present(&show).await? {
        Taken::Accepted(_) => Ok(End {
            worked: true,
            detail: gain(stage.attack.pose).to_owned(),
        }),
        Taken::Refused(reason) => failed(stage, format!("refused: {reason}")).await,
    }
}

/// It did not work: an honest peer must be let in at the same place.
pub(super) async fn failed(stage: &mut Stage, detail: String) -> Result<End, Failure> {
    let control = stage.control()?;
    stage.is_idle = true;
    match stage.present(&control).await? {
        Taken::Accepted(_) => Ok(End {
            worked: false,
            detail: format!("{detail}; an honest {} is let in", stage.attack.pose.name()),
        }),
        Taken::Refused(reason) => Err(Failure::Control {
            pose: stage.attack.pose,
            reason,
        }),
    }
}

/// An honest peer must be let in, or else what comes after shows nothing.
pub(super) async fn let_in(stage: &mut Stage, show: &Show) -> Result<Box<RawPeer>, Failure> {
    match stage.present(show).await? {
        Taken::Accepted(peer) => Ok(peer),
        Taken::Refused(reason) => Err(Failure::Control {
            pose: stage.attack.pose,
            reason,
        }),
    }
}

async fn replayed_evidence(stage: &mut Stage) -> Result<End, Failure> {
    let pose = stage.attack.pose;
    let (key, quote) = leaked(stage, pose)?;
    let node = stage.abused(pose)?;
    let guest = stage.guest_of(&node, pose)?;
    let before = stage.honest(key.clone(), guest)?;
    drop(let_in(stage, &before).await?);
    let identity = stage.forged(key, &quote)?;
    // Where evidence is bound to certificates there is no other than that of the certificate.
    let answer = Answer::Same(stage.recorded.take().unwrap_or_else(|| Shown::guest(quote)));
    judged(stage, Show { identity, answer }).await
}

async fn lost_machine(stage: &mut Stage) -> Result<End, Failure> {
    let pose = stage.attack.pose;
    let (key, old) = leaked(stage, pose)?;
    let guest = stage.guest_of(&stage.abused(pose)?, pose)?;
    let show = stage.honest(key, guest)?;
    let mut peer = let_in(stage, &show).await?;
    let begin_ns = stage.env.now_ns();
    let lived = |stage: &Stage| Duration::from_nanos(stage.env.now_ns().saturating_sub(begin_ns));
    while lived(stage) < OUTLIVED {
        match peer.message_within::<SessionEvidence>(LOOK).await {
            Ok(SessionEvidence { data }) => {
                if let Ok(Message::Challenge { round, .. }) = Message::decode(&data) {
                    let shown = Shown::guest(old.clone());
                    let data = Message::Evidence { round, shown }.encode();
                    peer.send(&SessionEvidence { data }).await;
                }
            }
            Err(Gone::Silent) => peer.ping().await,
            Err(Gone::Closed(_)) => {
                let detail = format!("cut off {} s after its machine was lost", lived(stage).as_secs());
                return failed(stage, detail).await;
            }
            Err(other) => return Err(other.into()),
        }
    }
    Ok(End {
        worked: true,
        detail: format!(
            "still taken for a worker {} s after its machine was lost",
            OUTLIVED.as_secs()
        ),
    })
}

/// Shows the evidence of an honest node in each of several other spellings, in the certificate and in the session.
async fn in_other_bytes(
    stage: &mut Stage,
    spellings: fn(TeeKind) -> &'static [encodings::Spelling],
) -> Result<End, Failure> {
    let spellings = spellings(stage.deployment.plan.attestation.tee);
    let pose = stage.attack.pose;
    let node = stage.abused(pose)?;
    let guest = stage.guest_of(&node, pose)?;
    let key = stage.own_key();
    let good = Evidence::certified(&*guest, &key)?;
    let mut refused = 0;
    for spelling in spellings {
        let altered = (spelling.alter)(good.clone());
        if altered == good {
            return Err(Failure::Step(format!("{} changes nothing", spelling.what)));
        }
        let mut shows = vec![Show {
            identity: stage.forged(key.clone(), &altered)?,
            answer: Answer::Altered(guest.clone(), spelling.alter),
        }];
        if let Binding::Session(_) = stage.evidence().binding() {
            shows.push(Show {
                identity: stage.forged(key.clone(), &good)?,
                answer: Answer::Altered(guest.clone(), spelling.alter),
            });
        }
        for show in shows {
            match stage.present(&show).await? {
                Taken::Refused(_) => refused += 1,
                Taken::Accepted(_) => {
                    return Ok(End {
                        worked: true,
                        detail: format!("{}: {}", spelling.what, gain(pose)),
                    });
                }
            }
        }
    }
    failed(stage, format!("all {refused} refused")).await
}

async fn resumption(stage: &mut Stage) -> Result<End, Failure> {
    let show = stage.control()?;
    let mut tls = rustls::ClientConfig::clone(&*own_tls(&stage.env, &show.identity)?);
    tls.resumption = Resumption::in_memory_sessions(8);
    tls.enable_early_data = true;
    let tls = Arc::new(tls);
    match stage.present_over(tls.clone(), &show).await? {
        // Tickets come after the hand-shake; what was read of the application is behind them.
        Taken::Accepted(peer) => drop(peer),
        Taken::Refused(reason) => {
            return Err(Failure::Control {
                pose: Pose::Worker,
                reason,
            });
        }
    }
    let at = stage.targets.for_workers;
    let again = RawPeer::dial(&stage.env, at, tls).await;
    let again = again.map_err(|error| Failure::Step(format!("the second connection: {error}")))?;
    let (resumed, early) = match again.tls() {
        tokio_rustls::TlsStream::Client(stream) => {
            let connection = stream.get_ref().1;
            let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
            (resumed, connection.is_early_data_accepted())
        }
        tokio_rustls::TlsStream::Server(_) => (false, false),
    };
    drop(again);
    if resumed || early {
        return Ok(End {
            worked: true,
            detail: "a session goes on in which no certificate is shown".to_owned(),
        });
    }
    failed(
        stage,
        "no ticket, no early data: the second hand-shake is a full one".to_owned(),
    )
    .await
}

/// Forwards in both directions, and keeps what passed.
async fn blind_relay(stage: &mut Stage) -> Result<End, Failure> {
    let (env, genuine) = (stage.env.clone(), stage.targets.for_clients);
    let began_ns = env.now_ns();
    let (name, listener) = stage.victim()?;
    let name = name.to_owned();
    let broken = |error: std::io::Error| Failure::Step(format!("the relay: {error}"));
    let victim = listener.accept().await.map_err(broken)?;
    let genuine = env.connect(genuine).await.map_err(broken)?;
    let mut seen = Vec::new();
    let relayed = env.timeout(READ_ALONG, forward(victim, genuine, &mut seen)).await;
    if let Ok(Err(error)) = relayed {
        return Err(broken(error));
    }
    let served = stage
        .recorder
        .rows()
        .peers
        .iter()
        .any(|peer| peer.node == name && peer.accepted && peer.at_ns >= began_ns);
    if !served {
        return Err(Failure::Step("the client found nobody behind the relay".to_owned()));
    }
    let client = stage.deployment.plan.clients.first();
    let secret = client.map(|client| client.secret.clone()).unwrap_or_default();
    let read = !secret.is_empty() && seen.windows(secret.len()).any(|window| window == secret.as_bytes());
    let detail = if read {
        "it reads the client's secret"
    } else {
        "the client is served through it, and it reads nothing of what passes"
    };
    Ok(End {
        worked: read,
        detail: format!("{} bytes passed: {detail}", seen.len()),
    })
}

async fn forward(victim: Stream, genuine: Stream, seen: &mut Vec<u8>) -> std::io::Result<()> {
    let (mut from_victim, mut to_victim) = tokio::io::split(victim);
    let (mut from_genuine, mut to_genuine) = tokio::io::split(genuine);
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        let step = chrysalis_env::race(from_victim.read(&mut up), from_genuine.read(&mut down)).await;
        match step {
            chrysalis_env::Either::Left(count) => {
                let count = count?;
                if count == 0 {
                    return Ok(());
                }
                seen.extend_from_slice(&up[..count]);
                to_genuine.write_all(&up[..count]).await?;
                to_genuine.flush().await?;
            }
            chrysalis_env::Either::Right(count) => {
                let count = count?;
                if count == 0 {
                    return Ok(());
                }
                seen.extend_from_slice(&down[..count]);
                to_victim.write_all(&down[..count]).await?;
                to_victim.flush().await?;
            }
        }
    }
}
