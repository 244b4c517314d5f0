//! Those who want to wear a verifier out: many connections, with bad evidence of the greatest size or with nothing.
//!
//! A simulated world does not count what cryptography costs, so this shows limits, slots and time-outs. What a refusal
//! costs is measured by `chrysalis bench attest`.

use super::{
    End, Failure,
    peer::{RawPeer, own_tls},
    stage::{Stage, Taken},
};
use crate::deployment::Evidence;
use chrysalis_attest::certificate::MAX_EVIDENCE_LEN_BYTES;
use chrysalis_env::{AbortOnDrop, Env};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Connections that are open at once.
const LANES: usize = 32;
/// Connections of each that come one after the other.
const PER_LANE: usize = 8;
/// Connections that say nothing.
const SILENT: usize = 512;
/// How long they say nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// An honest peer that waits longer than this is kept out.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether honest peers are let in.
const BETWEEN_PROBES: Duration = Duration::from_secs(2);

/// Bad evidence, in turn the dearest and the largest: a good quote whose signature is broken, which shows late, and bytes
/// of no form up to the limit.
fn bad_evidence(good: &[u8], number: usize) -> Vec<u8> {
    if number.is_multiple_of(2) {
        let mut quote = good.to_vec();
        if let Some(byte) = quote.get_mut(640 + number % 64) {
            *byte ^= 0xff;
        }
        quote
    } else {
        let byte = u8::try_from(number % 256).unwrap_or_default();
        vec![byte; MAX_EVIDENCE_LEN_BYTES]
    }
}

pub(super) async fn flood(stage: &mut Stage) -> Result<End, Failure> {
    let guest = stage.own_guest(&std::collections::BTreeSet::new());
    let over = Arc::new(AtomicUsize::new(0));
    let refused = Arc::new(AtomicUsize::new(0));
    let mut lanes: Vec<AbortOnDrop> = Vec::new();
    for lane in 0..LANES {
        // Each lane has keys of its own, so that no verdict on an earlier certificate helps.
        let mut identities = Vec::new();
        for number in 0..PER_LANE {
            let key = Evidence::key(&format!("{} {lane} {number}", stage.env.node_name()));
            let good = Evidence::certified(&*guest, &key)?;
            identities.push(stage.forged(key, &bad_evidence(&good, lane * PER_LANE + number))?);
        }
        let (env, at) = (stage.env.clone(), stage.targets.for_workers);
        let (over, refused) = (over.clone(), refused.clone());
        let task = stage.env.spawn("flood", async move {
            for identity in &identities {
                if RawPeer::connect(&env, at, identity).await.is_err() {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            over.fetch_add(1, Ordering::Relaxed);
        });
        lanes.push(task.abort_on_drop());
    }
    let is_over = || over.load(Ordering::Relaxed) == LANES;
    let slowest = probe_until(stage, is_over).await?;
    let (all, refused) = (LANES * PER_LANE, refused.load(Ordering::Relaxed));
    if refused < all && slowest.is_some() {
        return Ok(End {
            worked: true,
            detail: format!("{} of {all} connections with bad evidence were accepted", all - refused),
        });
    }
    Ok(ended(
        slowest,
        &format!("{refused} of {all} connections with bad evidence were refused"),
    ))
}

pub(super) async fn silence(stage: &mut Stage) -> Result<End, Failure> {
    let identity = stage.control()?.identity;
    let mut held: Vec<AbortOnDrop> = Vec::new();
    for number in 0..SILENT {
        let (env, at, identity) = (stage.env.clone(), stage.targets.for_workers, identity.clone());
        let task = stage.env.spawn("silence", async move {
            silent(&env, at, &identity, number).await;
        });
        held.push(task.abort_on_drop());
    }
    let until_ns = stage.env.now_ns() + u64::try_from(SILENCE.as_nanos()).unwrap_or(u64::MAX);
    let env = stage.env.clone();
    let slowest = probe_until(stage, || env.now_ns() >= until_ns).await?;
    Ok(ended(
        slowest,
        &format!("{SILENT} connections said nothing for {} s", SILENCE.as_secs()),
    ))
}

/// Says nothing from the first byte on, or after TLS.
async fn silent(env: &Env, at: SocketAddr, identity: &chrysalis_attest::Identity, number: usize) {
    if number.is_multiple_of(2) {
        let Ok(stream) = env.connect(at).await else { return };
        env.sleep(SILENCE).await;
        drop(stream);
    } else if let Ok(tls) = own_tls(env, identity)
        && let Ok(peer) = RawPeer::dial(env, at, tls).await
    {
        env.sleep(SILENCE).await;
        drop(peer);
    }
}

/// Lets honest peers come until something is over. How long the slowest took, or nothing if one was kept out.
async fn probe_until(stage: &mut Stage, is_over: impl Fn() -> bool) -> Result<Option<Duration>, Failure> {
    let mut slowest = Duration::ZERO;
    stage.is_idle = true;
    loop {
        let control = stage.control()?;
        let (env, began_ns) = (stage.env.clone(), stage.env.now_ns());
        match env.timeout(PATIENCE, stage.present(&control)).await {
            Ok(Ok(Taken::Accepted(_))) => {
                let took = Duration::from_nanos(stage.env.now_ns().saturating_sub(began_ns));
                slowest = slowest.max(took);
            }
            Ok(Ok(Taken::Refused(reason))) => {
                let pose = stage.attack.pose;
                return Err(Failure::Control { pose, reason });
            }
            Ok(Err(failure)) => return Err(failure),
            Err(_) => return Ok(None),
        }
        if is_over() {
            return Ok(Some(slowest));
        }
        stage.env.sleep(BETWEEN_PROBES).await;
    }
}

fn ended(slowest: Option<Duration>, what: &str) -> End {
    match slowest {
        Some(slowest) => End {
            worked: false,
            detail: format!(
                "{what}; honest workers were let in after {} ms at most",
                slowest.as_millis()
            ),
        },
        None => End {
            worked: true,
            detail: format!(
                "{what}, and an honest worker was not let in within {} s",
                PATIENCE.as_secs()
            ),
        },
    }
}
