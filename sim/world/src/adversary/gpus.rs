//! Adversaries whose machine has another GPU than they show, or none.
//!
//! Their guest runs the network's image and is genuine: it asks what is plugged in for evidence and vouches for what comes.
//! What comes is in the hands of whoever owns the machine.

use super::{
    End, Failure,
    stage::{Answer, Show, Stage, Taken},
    techniques::{failed, judged, let_in},
};
use crate::{deployment::Evidence, plan::Pose};
use chrysalis_attest::{Attester, gpu::bundle::GpuBundle, tdx::AttestError};
use std::{collections::BTreeSet, sync::Arc};

/// A nonce that no verifier sent.
const OLD_NONCE: [u8; 32] = [0x55; 32];

/// A guest to which the host hands the same evidence whatever it asks its GPUs.
struct Fed {
    guest: Arc<dyn Attester>,
    gpus: Vec<GpuBundle>,
}

impl Attester for Fed {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        self.guest.quote(report_data)
    }

    fn event_log(&self) -> Vec<u8> {
        self.guest.event_log()
    }

    fn gpus(&self, _: &[u8; 32]) -> Result<Vec<GpuBundle>, AttestError> {
        Ok(self.gpus.clone())
    }
}

/// No GPU is there.
pub(super) async fn dropped(stage: &mut Stage) -> Result<End, Failure> {
    let guest = stage.own_bare_guest(&BTreeSet::new());
    own(stage, guest).await
}

/// The GPU is a worker's, which answers whoever asks.
pub(super) async fn relayed(stage: &mut Stage) -> Result<End, Failure> {
    let sound = BTreeSet::new();
    let node = stage.abused(Pose::Worker)?;
    let (evidence, machine) = (stage.evidence(), stage.machine_of(&node)?);
    let guest = evidence.with_gpus(stage.own_bare_guest(&sound), machine, evidence.gpus(&node), &sound);
    own(stage, guest).await
}

/// The GPU answered long ago, to somebody else's question.
pub(super) async fn stale(stage: &mut Stage) -> Result<End, Failure> {
    let sound = BTreeSet::new();
    let gpus = evidence_of(&*stage.own_guest(&sound), &OLD_NONCE)?;
    let guest = stage.own_bare_guest(&sound);
    own(stage, Arc::new(Fed { guest, gpus })).await
}

/// The GPU answered for another session, which lives.
pub(super) async fn of_other_session(stage: &mut Stage) -> Result<End, Failure> {
    let sound = BTreeSet::new();
    stage.is_idle = true;
    let other = stage.honest(stage.own_key(), stage.own_guest(&sound))?;
    let other = let_in(stage, &other).await?;
    stage.is_idle = false;
    // Where evidence is bound to certificates no session has any.
    let gpus = stage.recorded.take().unwrap_or_default().gpus;
    let guest = stage.own_bare_guest(&sound);
    let end = own(stage, Arc::new(Fed { guest, gpus })).await;
    drop(other);
    end
}

/// The GPU answers, and the guest says nothing of it.
pub(super) async fn unvouched(stage: &mut Stage) -> Result<End, Failure> {
    let guest = stage.own_guest(&BTreeSet::new());
    let key = stage.own_key();
    let quote = Evidence::certified(&*guest, &key)?;
    let identity = stage.forged(key, &quote)?;
    let answer = Answer::Unvouched(guest);
    judged(stage, Show { identity, answer }).await
}

/// One machine with one GPU offers itself twice.
pub(super) async fn resold(stage: &mut Stage) -> Result<End, Failure> {
    let guest = stage.own_guest(&BTreeSet::new());
    stage.is_idle = true;
    let once = stage.honest(stage.own_key(), guest.clone())?;
    let once = let_in(stage, &once).await?;
    let again = Evidence::key(&format!("{} again", stage.env.node_name()));
    let again = stage.honest(again, guest)?;
    let end = match stage.present(&again).await? {
        Taken::Accepted(_) => Ok(End {
            worked: true,
            detail: "the proxy takes one GPU for two workers".to_owned(),
        }),
        Taken::Refused(reason) => failed(stage, format!("let in once, and refused with another key: {reason}")).await,
    };
    drop(once);
    end
}

fn evidence_of(guest: &dyn Attester, nonce: &[u8; 32]) -> Result<Vec<GpuBundle>, Failure> {
    guest
        .gpus(nonce)
        .map_err(|error| Failure::Step(format!("a GPU says nothing: {error}")))
}

/// Shows a guest of the adversary's own.
async fn own(stage: &mut Stage, guest: Arc<dyn Attester>) -> Result<End, Failure> {
    let show = stage.honest(stage.own_key(), guest)?;
    judged(stage, show).await
}
