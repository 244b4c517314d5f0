//! Who a node is to its peers, and whom it accepts.

use crate::{
    secure::{SecureAcceptor, SecureDialer, SecureError, SecureLimits},
    telemetry::{self, Role},
};
use chrysalis_attest::{AttestedPeer, Identity, PeerVerifier, ra_tls};
use chrysalis_env::Env;
use std::{collections::BTreeSet, fmt, sync::Arc};

/// The node's own certificate and what it demands of one kind of peer.
#[derive(Clone)]
pub struct Trust {
    /// Own key, evidence and certificate.
    pub identity: Arc<Identity>,
    /// What a peer's certificate must show.
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

impl Trust {
    pub(crate) fn dialer(&self, env: &Env) -> Result<SecureDialer, SecureError> {
        Ok(SecureDialer {
            limits: self.limits,
            tls: ra_tls::client_config(
                env.crypto_provider(),
                env.time_provider(),
                &self.identity,
                self.verifier.clone(),
            )?,
            verifier: self.verifier.clone(),
        })
    }

    pub(crate) fn acceptor(&self, env: &Env) -> Result<SecureAcceptor, SecureError> {
        Ok(SecureAcceptor {
            limits: self.limits,
            tls: ra_tls::server_config(
                env.crypto_provider(),
                env.time_provider(),
                &self.identity,
                self.verifier.clone(),
            )?,
            verifier: self.verifier.clone(),
        })
    }

    /// Whether the peer runs an image that the root contract allows; reports the verdict.
    pub(crate) fn allows(
        &self,
        env: &Env,
        role: Role,
        peer_kind: &'static str,
        peer: &AttestedPeer,
        allowed: &BTreeSet<[u8; 32]>,
    ) -> bool {
        let allowed = !self.check_image_hash || allowed.contains(&peer.image_hash);
        let reason = if allowed {
            ""
        } else {
            "image hash not in the root contract"
        };
        telemetry::peer(env, role, peer_kind, allowed, reason, &peer.image_hash);
        allowed
    }
}
