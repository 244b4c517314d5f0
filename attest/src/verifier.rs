//! A policy applied to the certificates of peers.
//!
//! A full check costs more than all the rest of a handshake, so verdicts are remembered. A remembered verdict is used
//! only for the very bytes that were checked, only between its first and last second (which are compared with
//! the clock each time) and only while the collateral that it was made with is current. Peers cannot push others out of
//! the cache with copies: each key has one certificate in it and each piece of evidence one encoding.

mod cache;

#[cfg(test)]
mod tests;

pub use cache::VerdictCache;

use crate::{
    certificate::{self, CertificateReason, PublicKey, report_data_for},
    collateral::{CollateralId, Fmspc},
    freshness::Expected,
    policy::{PeerPolicy, TdxPolicy},
    tdx::ImageHash,
    tdx::appraise::{Context, Quote, Reason, Verdict, appraise_fake},
};
use cache::{Checked, RememberedVerdict, Tables};
use rustls::pki_types::CertificateDer;
use std::{
    fmt,
    num::NonZeroU64,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Certificates that a verifier of its own remembers (about 6 kB each).
pub const DEFAULT_CACHE_CAPACITY: usize = 1_024;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestedPeer {
    /// The key that ended the handshake.
    pub public_key: PublicKey,
    /// What is known about where the key lives; none under [`PeerPolicy::Any`].
    pub evidence: Option<Arc<Verdict>>,
    /// Image hash of the evidence, 32 zero bytes without any (spec §3.5).
    pub image_hash: ImageHash,
    /// Last second for which all of this was established. A connection that lives longer is to be judged again.
    pub trusted_until_unix_s: u64,
}

/// Why a peer was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerReason {
    /// It showed no certificate.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// It showed more than one: a self-signed certificate has no chain.
    #[error("the peer showed a chain of {certificates} certificates")]
    Chain {
        /// How many.
        certificates: usize,
    },
    /// Its certificate.
    #[error("peer certificate: {0}")]
    Certificate(#[from] CertificateReason),
    /// The policy demands evidence and the certificate has none.
    #[error("the peer showed no evidence")]
    NoEvidence,
    /// Its evidence.
    #[error("peer evidence: {0}")]
    Evidence(#[from] Reason),
}

/// What a verifier has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifierCounts {
    /// Certificates accepted without a check, because they had been checked.
    pub remembered: u64,
    /// Certificates that were checked.
    pub checked: u64,
    /// Quotes that were appraised. Fewer than checked when a key renews its certificate.
    pub appraised: u64,
    /// Remembered certificates that were checked again by [`PeerVerifier::recheck_one_in`].
    pub rechecked: u64,
}

/// Applies a [`PeerPolicy`] to certificates.
pub struct PeerVerifier {
    policy: PeerPolicy,
    tables: Arc<Mutex<Tables>>,
    recheck_one_in: Option<NonZeroU64>,
    remembered: AtomicU64,
    checked: AtomicU64,
    appraised: AtomicU64,
    rechecked: AtomicU64,
}

impl PeerVerifier {
    /// A verifier with a cache of its own.
    pub fn new(policy: PeerPolicy) -> Self {
        Self::with_cache(policy, &VerdictCache::new(DEFAULT_CACHE_CAPACITY))
    }

    /// A verifier that shares its cache with others. Verdicts are pure functions of what they are stored under, so only
    /// time is saved.
    pub fn with_cache(policy: PeerPolicy, cache: &VerdictCache) -> Self {
        Self {
            tables: cache.tables(policy.fingerprint()),
            policy,
            recheck_one_in: None,
            remembered: AtomicU64::new(0),
            checked: AtomicU64::new(0),
            appraised: AtomicU64::new(0),
            rechecked: AtomicU64::new(0),
        }
    }

    /// Checks one in `n` remembered certificates again, as if it had never been seen.
    #[must_use]
    pub fn recheck_one_in(mut self, n: NonZeroU64) -> Self {
        self.recheck_one_in = Some(n);
        self
    }

    /// The policy.
    pub fn policy(&self) -> &PeerPolicy {
        &self.policy
    }

    /// Counts since the verifier was made.
    pub fn counts(&self) -> VerifierCounts {
        VerifierCounts {
            remembered: self.remembered.load(Ordering::Relaxed),
            checked: self.checked.load(Ordering::Relaxed),
            appraised: self.appraised.load(Ordering::Relaxed),
            rechecked: self.rechecked.load(Ordering::Relaxed),
        }
    }

    /// Who showed these certificates, as [`rustls::CommonState::peer_certificates`] has them after a handshake. What
    /// the handshake checked is remembered, so this does not check it twice.
    ///
    /// # Errors
    /// The policy refuses them at `now_unix_s`.
    pub fn peer(
        &self,
        certificates: Option<&[CertificateDer<'_>]>,
        now_unix_s: u64,
    ) -> Result<AttestedPeer, PeerReason> {
        match certificates.unwrap_or(&[]) {
            [] => Err(PeerReason::NoCertificate),
            [certificate] => self.check(certificate, now_unix_s),
            chain => Err(PeerReason::Chain {
                certificates: chain.len(),
            }),
        }
    }

    /// Checks one certificate.
    ///
    /// # Errors
    /// The policy refuses it at `now_unix_s`.
    pub fn check(&self, certificate_der: &[u8], now_unix_s: u64) -> Result<AttestedPeer, PeerReason> {
        let remembered = self.lock().certificate(certificate_der);
        if let Some(checked) = remembered
            && checked.holds_at(now_unix_s)
            && self.collateral_is_current(checked.collateral)
        {
            let count = self.remembered.fetch_add(1, Ordering::Relaxed) + 1;
            if !self.recheck_one_in.is_some_and(|n| count.is_multiple_of(n.get())) {
                return Ok(checked.peer.clone());
            }
            self.rechecked.fetch_add(1, Ordering::Relaxed);
            self.lock().forget(certificate_der, checked.peer.evidence.as_deref());
        }
        self.checked.fetch_add(1, Ordering::Relaxed);
        let checked = self.check_anew(certificate_der, now_unix_s)?;
        let peer = checked.peer.clone();
        self.lock().remember_certificate(certificate_der, checked);
        Ok(peer)
    }

    /// The key of a certificate that was just accepted, for the signature over the handshake.
    pub(crate) fn accepted_key(&self, certificate_der: &[u8]) -> Result<PublicKey, PeerReason> {
        let remembered = self.lock().certificate(certificate_der);
        match remembered {
            Some(checked) => Ok(checked.peer.public_key),
            // Other handshakes may have pushed it out of the cache in between.
            None => Ok(certificate::check::certified_key(certificate_der)?),
        }
    }

    fn check_anew(&self, certificate_der: &[u8], now_unix_s: u64) -> Result<Checked, PeerReason> {
        let certificate = certificate::check(certificate_der, now_unix_s)?;
        let evidence = |policy: &dyn Fn(&[u8]) -> Result<Appraised, Reason>| {
            let quote = certificate.evidence.as_deref().ok_or(PeerReason::NoEvidence)?;
            let appraised = policy(quote)?;
            if appraised.verdict.report.report_data != report_data_for(&certificate.public_key) {
                return Err(PeerReason::Evidence(Reason::ReportData));
            }
            Ok(Some(appraised))
        };
        let appraised = match &self.policy {
            PeerPolicy::Any => None,
            PeerPolicy::FakeTdx(policy) => evidence(&|quote| {
                self.appraised.fetch_add(1, Ordering::Relaxed);
                Ok(Appraised {
                    verdict: Arc::new(appraise_fake(quote, policy)?),
                    collateral: None,
                })
            })?,
            PeerPolicy::Tdx(policy) => evidence(&|quote| self.appraise(quote, policy, now_unix_s))?,
        };
        let (verdict, collateral) = match appraised {
            Some(Appraised { verdict, collateral }) => (Some(verdict), collateral),
            None => (None, None),
        };
        let (evidence_from_unix_s, evidence_until_unix_s) = verdict.as_ref().map_or((0, u64::MAX), |verdict| {
            (verdict.valid_from_unix_s, verdict.expires_unix_s)
        });
        Ok(Checked {
            trusted_from_unix_s: certificate.not_before_unix_s.max(evidence_from_unix_s),
            collateral,
            peer: AttestedPeer {
                public_key: certificate.public_key,
                image_hash: verdict.as_ref().map_or([0; 32], |verdict| verdict.image_hash),
                evidence: verdict,
                trusted_until_unix_s: certificate.not_after_unix_s.min(evidence_until_unix_s),
            },
        })
    }

    /// The verdict on a quote: remembered if these bytes were judged with this collateral and the verdict holds now.
    fn appraise(&self, bytes: &[u8], policy: &TdxPolicy, now_unix_s: u64) -> Result<Appraised, Reason> {
        let quote = Quote::read(bytes)?;
        let collateral = policy
            .collateral
            .collateral(quote.fmspc())
            .ok_or(Reason::NoCollateral { fmspc: *quote.fmspc() })?;
        let used = Some((collateral.fmspc(), collateral.id()));
        let remembered = self.lock().verdict(quote.evidence_id());
        if let Some(remembered) = remembered
            && *remembered.quote == *bytes
            && remembered.collateral == collateral.id()
            && remembered.verdict.holds_at(now_unix_s)
        {
            return Ok(Appraised {
                verdict: remembered.verdict,
                collateral: used,
            });
        }
        self.appraised.fetch_add(1, Ordering::Relaxed);
        let context = Context {
            now_unix_s,
            anchors: &policy.anchors,
            collateral: &collateral,
            policy: &policy.rules,
            event_log: None,
            // Report data are compared with the peer's key by the caller, for remembered verdicts as well.
            expected: Expected::default(),
        };
        let verdict = Arc::new(quote.appraise(&context)?);
        self.lock().remember_verdict(RememberedVerdict {
            quote: bytes.into(),
            collateral: collateral.id(),
            verdict: verdict.clone(),
        });
        Ok(Appraised {
            verdict,
            collateral: used,
        })
    }

    fn collateral_is_current(&self, used: Option<(Fmspc, CollateralId)>) -> bool {
        match (&self.policy, used) {
            (PeerPolicy::Tdx(policy), Some((fmspc, id))) => policy
                .collateral
                .collateral(&fmspc)
                .is_some_and(|current| current.id() == id),
            _ => true,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Appraised {
    verdict: Arc<Verdict>,
    collateral: Option<(Fmspc, CollateralId)>,
}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerVerifier")
            .field("policy", &self.policy)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
