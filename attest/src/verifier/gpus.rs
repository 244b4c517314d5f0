//! What is demanded of the GPUs behind a peer, and that one GPU serves one peer at a time.
//!
//! Evidence of GPUs is shown in sessions only: their nonce and the guest's report data cover the session
//! ([`crate::gpu::binding`]). A device whose owner signs nonces for others as they come passes all of that. It shows
//! where it is sold more than once: while a session with it lives, no peer with another key may show it here.

use super::PeerReason;
use crate::{
    anchors::GpuAnchors,
    certificate::PublicKey,
    freshness::Expected,
    gpu::{self, GpuAppraised, GpuInput, GpuPolicy, ManifestMemo, binding},
    session::Shown,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Manifests that a verifier remembers as verified: a network has a few drivers and VBIOSes.
const REMEMBERED_MANIFESTS: usize = 64;

/// What a peer's GPUs must be.
#[derive(Clone)]
pub struct GpuDemand {
    anchors: GpuAnchors,
    manifests: Arc<[Vec<u8>]>,
    memo: Arc<ManifestMemo>,
    policy: GpuPolicy,
    min_gpus: usize,
}

impl GpuDemand {
    /// At least `min_gpus` GPUs that chain to `anchors`, are as one of `manifests` says and as `policy` demands. GPUs
    /// beyond that number must be so, too.
    pub fn new(anchors: GpuAnchors, manifests: Arc<[Vec<u8>]>, policy: GpuPolicy, min_gpus: usize) -> Self {
        Self {
            anchors,
            manifests,
            memo: Arc::new(ManifestMemo::new(REMEMBERED_MANIFESTS)),
            policy,
            min_gpus,
        }
    }

    /// Appraises all GPUs that were shown for a session with this binding, challenged at that time.
    ///
    /// # Errors
    /// There are too few, one is refused, or one is there twice.
    pub(super) fn appraise(
        &self,
        shown: &Shown,
        session: &[u8; 64],
        challenged_unix_s: u64,
        now_unix_s: u64,
    ) -> Result<Vec<GpuAppraised>, PeerReason> {
        let found = shown.gpus.len();
        if found < self.min_gpus {
            let demanded = self.min_gpus;
            return Err(PeerReason::Gpus { found, demanded });
        }
        let nonce = binding::nonce_for(session);
        let appraise = |(gpu, bundle): (usize, &gpu::bundle::GpuBundle)| {
            gpu::appraise::appraise(&GpuInput {
                measurements: &bundle.measurements,
                certificates: &bundle.certificates,
                manifests: &self.manifests,
                manifest_memo: Some(&self.memo),
                anchors: &self.anchors,
                policy: &self.policy,
                expected: Expected {
                    nonce: Some(&nonce),
                    challenged_unix_s: Some(challenged_unix_s),
                    ..Expected::default()
                },
                now_unix_s,
            })
            .map_err(|reason| PeerReason::Gpu {
                gpu,
                reason: Box::new(reason),
            })
        };
        let gpus: Vec<_> = shown.gpus.iter().enumerate().map(appraise).collect::<Result<_, _>>()?;
        let distinct: BTreeSet<_> = gpus.iter().map(|gpu| gpu.device).collect();
        if distinct.len() == gpus.len() {
            Ok(gpus)
        } else {
            Err(PeerReason::GpuTwice)
        }
    }
}

impl fmt::Debug for GpuDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuDemand")
            .field("policy", &self.policy)
            .field("min_gpus", &self.min_gpus)
            .finish_non_exhaustive()
    }
}

/// Devices that serve a peer, for as long as this lives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Serving {
    key: PublicKey,
    devices: Vec<[u8; 32]>,
}

/// Which devices serve whom, as far as one verifier sees.
#[derive(Default)]
pub(super) struct Devices(Mutex<BTreeMap<[u8; 32], Vec<Weak<Serving>>>>);

impl Devices {
    /// Takes the devices for the peer with this key.
    ///
    /// # Errors
    /// The number of the first one that serves another peer.
    pub(super) fn take(&self, key: PublicKey, devices: Vec<[u8; 32]>) -> Result<Arc<Serving>, usize> {
        let mut serving = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serving.retain(|_, takers| {
            takers.retain(|taker| taker.strong_count() > 0);
            !takers.is_empty()
        });
        let is_anothers = |device: &[u8; 32]| {
            let takers = serving.get(device).into_iter().flatten();
            takers.filter_map(Weak::upgrade).any(|taker| taker.key != key)
        };
        if let Some(taken) = devices.iter().position(is_anothers) {
            return Err(taken);
        }
        let taken = Arc::new(Serving { key, devices });
        for device in &taken.devices {
            serving.entry(*device).or_default().push(Arc::downgrade(&taken));
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_serves_one_peer_until_it_is_let_go() {
        let devices = Devices::default();
        let (one, other) = ([1; 32], [2; 32]);
        let first = devices.take(one, vec![[7; 32], [8; 32]]).unwrap();
        assert_eq!(devices.take(other, vec![[6; 32], [8; 32]]), Err(1));
        // The same peer again: a renewal. The device is free when both are gone.
        let second = devices.take(one, vec![[8; 32]]).unwrap();
        drop(first);
        assert_eq!(devices.take(other, vec![[8; 32]]), Err(0));
        drop(second);
        assert!(devices.take(other, vec![[8; 32], [7; 32]]).is_ok());
        assert_eq!(devices.0.lock().unwrap().len(), 2, "nothing is kept of who is gone");
    }
}
