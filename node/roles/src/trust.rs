//! Who a node is to its peers, and whom it accepts.

use crate::{
    secure::{SecureAcceptor, SecureDialer, SecureError, SecureLimits, Secured},
    telemetry::{self, Decision, Occasion, Role},
};
use chrysalis_attest::{Attester, Binding, Identity, PeerVerifier, ra_tls};
use chrysalis_env::Env;
use chrysalis_settlement::{Hash256, RootConfig, RootSource};
use std::{collections::BTreeSet, fmt, sync::Arc};

/// The node's own certificate and what it demands of one kind of peer.
#[derive(Clone)]
pub struct Trust {
    /// Own key, evidence and certificate.
    pub identity: Arc<Identity>,
    /// Makes evidence for a session; none where the node runs outside of any TEE, or shows what its certificate has.
    pub attester: Option<Arc<dyn Attester>>,
    /// What a peer must show, and what that must be bound to.
    pub verifier: Arc<PeerVerifier>,
    /// Proof of work and time limits.
    pub limits: SecureLimits,
    /// Whether the peer's image hash must stand in the root contract (always, outside of tests: spec §3.5).
    pub check_image_hash: bool,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("check_image_hash", &self.check_image_hash)
            .finish_non_exhaustive()
    }
}

/// Where the hashes of images that peers may run come from.
#[derive(Clone)]
pub(crate) struct AllowedImages {
    pub(crate) root: Arc<dyn RootSource>,
    pub(crate) of: fn(&RootConfig) -> &BTreeSet<Hash256>,
}

impl AllowedImages {
    fn contain(&self, image_hash: &Hash256) -> bool {
        (self.of)(&self.root.current()).contains(image_hash)
    }
}

/// What a refusal says when the root contract does not name the peer's image.
const IMAGE_NOT_IN_ROOT: &str = "image hash not in the root contract";

impl Trust {
    pub(crate) fn dialer(&self, env: &Env, role: Role) -> Result<SecureDialer, SecureError> {
        let tls = ra_tls::client_config(
            env.crypto_provider(),
            env.time_provider(),
            &self.identity,
            self.verifier.clone(),
        )?;
        Ok(SecureDialer {
            trust: self.clone(),
            role,
            tls,
        })
    }

    /// For a proxy's port on which peers of a kind dial.
    pub(crate) fn acceptor(&self, env: &Env, peer_role: Role) -> Result<SecureAcceptor, SecureError> {
        let tls = ra_tls::server_config(
            env.crypto_provider(),
            env.time_provider(),
            &self.identity,
            self.verifier.clone(),
        )?;
        Ok(SecureAcceptor {
            trust: self.clone(),
            peer_role,
            tls,
        })
    }

    /// Why this image may not be at the other end, if it may not.
    pub(crate) fn refuses_image(&self, image_hash: &Hash256, allowed: &AllowedImages) -> Option<&'static str> {
        (self.check_image_hash && !allowed.contain(image_hash)).then_some(IMAGE_NOT_IN_ROOT)
    }

    /// Whether the peer runs an image that the root contract allows; reports the verdict.
    pub(crate) fn admits(
        &self,
        env: &Env,
        role: Role,
        peer_kind: &'static str,
        secured: &Secured,
        allowed: &AllowedImages,
    ) -> bool {
        let refusal = self.refuses_image(&secured.peer.image_hash, allowed);
        let decision = Decision {
            peer_kind,
            occasion: self.occasion(),
            origin: secured.origin,
            refusal,
            image_hash: &secured.peer.image_hash,
        };
        telemetry::peer(env, role, &decision);
        self.report_mismatches(env, role);
        refusal.is_none()
    }

    /// Reports that a peer was refused before anything else could be asked.
    pub(crate) fn report_refusal(&self, env: &Env, role: Role, peer_kind: &'static str, reason: &str) {
        let decision = Decision {
            peer_kind,
            occasion: self.occasion(),
            origin: None,
            refusal: Some(reason),
            image_hash: &[0; 32],
        };
        telemetry::peer(env, role, &decision);
        self.report_mismatches(env, role);
    }

    /// A remembered verdict that was wrong is a bug or broken memory: it must not go unseen.
    pub(crate) fn report_mismatches(&self, env: &Env, role: Role) {
        let mismatched = self.verifier.counts().mismatched;
        if mismatched > 0 {
            telemetry::verdict_mismatch(env, role, mismatched);
        }
    }

    fn occasion(&self) -> Occasion {
        match self.verifier.binding() {
            Binding::Certificate => Occasion::Certificate,
            Binding::Session(_) => Occasion::Session,
        }
    }
}
