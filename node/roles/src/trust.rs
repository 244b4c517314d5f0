//! Who a node is to its peers, and whom it accepts.

use crate::{
    secure::{SecureAcceptor, SecureDialer, SecureError, SecureLimits, Secured},
    telemetry::{self, Decision, Occasion, Role},
};
use chrysalis_attest::{Attester, Binding, Identity, PeerVerifier, certificate, ra_tls};
use chrysalis_env::Env;
use chrysalis_settlement::{Hash256, RootConfig, RootSource};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// A certificate is renewed when so much of its validity is over.
const RENEW_AFTER_S: u64 = certificate::VALIDITY_S / 2;
/// Certificates begin this much before they are made, so that clocks may differ.
const BACKDATE_S: u64 = 3_600;

/// Who a node is: its key for as long as it runs, and a certificate that is renewed before it ends.
pub struct OwnIdentity {
    attester: Option<Arc<dyn Attester>>,
    current: Mutex<Arc<Identity>>,
}

impl OwnIdentity {
    /// Begins with a certificate. `attester` makes evidence for later ones, and for sessions; there is none where the
    /// node runs outside of any TEE.
    pub fn new(first: Identity, attester: Option<Arc<dyn Attester>>) -> Self {
        Self {
            attester,
            current: Mutex::new(Arc::new(first)),
        }
    }

    pub(crate) fn attester(&self) -> Option<Arc<dyn Attester>> {
        self.attester.clone()
    }

    /// The certificate to show now. If a new one is due and cannot be made, that is reported and the old one serves.
    pub(crate) fn current(&self, env: &Env, role: Role) -> Arc<Identity> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = env.unix_s();
        if now.saturating_sub(current.not_before_unix_s()) >= RENEW_AFTER_S {
            let from_unix_s = now.saturating_sub(BACKDATE_S);
            match current.renewed(self.attester.as_deref(), from_unix_s, env.random()) {
                Ok(renewed) => *current = Arc::new(renewed),
                Err(error) => telemetry::note(env, role, &format!("the certificate is not renewed: {error}")),
            }
        }
        current.clone()
    }
}

/// The node's own certificate and what it demands of one kind of peer.
#[derive(Clone)]
pub struct Trust {
    /// Own key, evidence and certificate.
    pub own: Arc<OwnIdentity>,
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

    /// What pseudonyms of machines are salted with: the network, by its root contract.
    pub(crate) fn network_salt(&self) -> Hash256 {
        *self.root.current().root_address.hash()
    }
}

/// What a refusal says when the root contract does not name the peer's image.
const IMAGE_NOT_IN_ROOT: &str = "image hash not in the root contract";

impl Trust {
    /// For dialling peers of a kind.
    pub(crate) fn dialer(&self, env: &Env, role: Role, peer_role: Role) -> Result<SecureDialer, SecureError> {
        let identity = self.own.current(env, role);
        let tls = ra_tls::client_config(
            env.crypto_provider(),
            env.time_provider(),
            &identity,
            self.verifier.clone(),
        )?;
        Ok(SecureDialer {
            trust: self.clone(),
            identity,
            role,
            peer_role,
            tls,
        })
    }

    /// For a port of this `role` on which peers of a kind dial.
    pub(crate) fn acceptor(&self, env: &Env, role: Role, peer_role: Role) -> Result<SecureAcceptor, SecureError> {
        let identity = self.own.current(env, role);
        let tls = ra_tls::server_config(
            env.crypto_provider(),
            env.time_provider(),
            &identity,
            self.verifier.clone(),
        )?;
        Ok(SecureAcceptor {
            trust: self.clone(),
            identity,
            role,
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
        self.decide(env, role, peer_kind, secured, &allowed.network_salt(), refusal);
        refusal.is_none()
    }

    fn decide(
        &self,
        env: &Env,
        role: Role,
        peer_kind: &'static str,
        secured: &Secured,
        network_salt: &Hash256,
        refusal: Option<&str>,
    ) {
        let decision = Decision {
            peer_kind,
            occasion: self.occasion(),
            origin: secured.origin,
            refusal,
            peer: Some((&secured.peer, network_salt)),
        };
        telemetry::peer(env, role, &decision);
        self.report_mismatches(env, role);
    }

    /// Reports a peer whose image the verifier's policy has judged.
    pub(crate) fn accepts(
        &self,
        env: &Env,
        role: Role,
        peer_kind: &'static str,
        secured: &Secured,
        network_salt: &Hash256,
    ) {
        self.decide(env, role, peer_kind, secured, network_salt, None);
    }

    /// Reports that a peer was refused before anything else could be asked.
    pub(crate) fn report_refusal(&self, env: &Env, role: Role, peer_kind: &'static str, reason: &str) {
        let decision = Decision {
            peer_kind,
            occasion: self.occasion(),
            origin: None,
            refusal: Some(reason),
            peer: None,
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
