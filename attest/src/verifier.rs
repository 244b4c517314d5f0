//! A policy applied to the certificates of peers.
//!
//! A full check costs more than all the rest of a handshake, so verdicts are remembered. A remembered verdict on a
//! certificate is used only for the very bytes that were checked, only between its first and last second (which are
//! compared with the clock each time) and only while the collateral that it was made with is current. A remembered
//! verdict on a TD and its machine is used for the TD's other quotes under the same conditions; their signature is
//! verified each time. Peers cannot push others out of the cache with copies: each key has one certificate in it and
//! each TD one verdict. One in so many remembered verdicts is made again all the same, and compared.

mod cache;
pub mod gpus;
mod guest;
mod reason;

#[cfg(test)]
mod tests;

pub use cache::VerdictCache;
pub use gpus::GpuDemand;
pub use guest::GuestVerdict;
pub use reason::PeerReason;

use crate::{
    certificate::{self, CertificateForm, PublicKey},
    collateral::Collateral,
    freshness::Expected,
    gpu::{GpuAppraised, binding},
    hash::sha256,
    policy::{AppraisalRules, PeerPolicy, SnpPeerPolicy, TdxPolicy},
    session::{SessionTiming, Shown},
    snp::{self, ExtendedReport, SnpInput, SnpPolicy},
    tdx::ImageHash,
    tdx::appraise::{Context, Quote, Reason, Stem, Verdict, appraise_fake, judge_event_log},
};
use cache::{Checked, RememberedVerdict, Tables};
use gpus::{Devices, Serving};
use guest::Used;
use rustls::pki_types::CertificateDer;
use std::{
    collections::BTreeSet,
    fmt,
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Certificates that a verifier remembers (about 6 kB each), and as many verdicts.
pub const DEFAULT_CACHE_CAPACITY: usize = 1_024;

/// One in this many remembered verdicts is made again, unless [`PeerVerifier::recheck_one_in`] says otherwise.
pub const DEFAULT_RECHECK_ONE_IN: NonZeroU64 = NonZeroU64::new(256).unwrap();

/// What a peer's evidence must be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Binding {
    /// The key of its certificate, as in the reference system. Such evidence has no time.
    #[default]
    Certificate,
    /// The key, and in a second exchange after the handshake the TLS session, a nonce and the roles of both; asked for
    /// again and again while the session lives.
    Session(SessionTiming),
}

/// How a verdict came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Everything was verified.
    Fresh,
    /// What was known of the TD and its machine was used again.
    Cached,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestedPeer {
    /// The key that ended the handshake.
    pub public_key: PublicKey,
    /// What is known about where the key lives; none under [`PeerPolicy::Any`].
    pub evidence: Option<GuestVerdict>,
    /// Image hash of the evidence, 32 zero bytes without any (spec §3.5).
    pub image_hash: ImageHash,
    /// Devices of its GPUs, by SHA-256 of the keys of their certificates; none where they are not asked for.
    pub gpus: Vec<[u8; 32]>,
    /// Last second for which all of this was established. A connection that lives longer is to be judged again.
    pub trusted_until_unix_s: u64,
}

/// What a verifier has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifierCounts {
    /// Certificates accepted without a check, because they had been checked.
    pub remembered: u64,
    /// Certificates that were checked.
    pub checked: u64,
    /// Quotes that were appraised in full. Fewer than checked when a key renews its certificate.
    pub appraised: u64,
    /// Quotes of which only the signature was verified, because another one of the same TD was appraised.
    pub recognised: u64,
    /// Remembered verdicts that were made again.
    pub rechecked: u64,
    /// Of these, how many came out otherwise. Anything but zero is a bug here or broken memory.
    pub mismatched: u64,
}

#[derive(Default)]
struct Counters {
    remembered: AtomicU64,
    checked: AtomicU64,
    appraised: AtomicU64,
    recognised: AtomicU64,
    rechecked: AtomicU64,
    mismatched: AtomicU64,
    /// Uses of memory, of either kind; every so manieth is a check.
    uses: AtomicU64,
}

fn add(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

/// A verdict with the collateral that it was made with.
struct Appraised {
    verdict: GuestVerdict,
    used: Option<Used>,
    stem: Option<Stem>,
    origin: Origin,
}

/// Evidence of a session that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionVerdict {
    /// What is known of the guest.
    pub guest: GuestVerdict,
    /// What is known of its GPUs; none where they are not asked for.
    pub gpus: Vec<GpuAppraised>,
    /// First second for which that holds.
    pub trusted_from_unix_s: u64,
    /// Last second for which that holds.
    pub trusted_until_unix_s: u64,
    /// How it came about.
    pub origin: Origin,
    pub(crate) used: Option<Used>,
    /// The GPUs serve nobody else as long as this lives.
    serving: Option<Arc<Serving>>,
}

/// What the evidence of a session is judged against.
#[derive(Debug, Clone, Copy)]
pub struct SessionClaim<'a> {
    /// Who the certificate of the session says that the peer is.
    pub peer: &'a AttestedPeer,
    /// What the evidence must be bound to: report data of a guest without GPUs ([`crate::gpu::binding`]).
    pub binding: &'a [u8; 64],
    /// When the challenge was sent that they answer, Unix seconds.
    pub challenged_unix_s: u64,
}

/// Applies a [`PeerPolicy`] to certificates, and to the evidence of sessions.
pub struct PeerVerifier {
    policy: PeerPolicy,
    binding: Binding,
    form: CertificateForm,
    gpus: Option<GpuDemand>,
    devices: Devices,
    /// What this verifier judged.
    own: Mutex<Tables>,
    /// What others judged, to save time.
    shared: Option<Arc<Mutex<Tables>>>,
    recheck_one_in: NonZeroU64,
    counters: Counters,
}

impl PeerVerifier {
    /// A verifier that shares nothing.
    pub fn new(policy: PeerPolicy) -> Self {
        Self::remembering(policy, DEFAULT_CACHE_CAPACITY)
    }

    /// A verifier that shares nothing and remembers so many certificates and verdicts.
    pub fn remembering(policy: PeerPolicy, capacity: usize) -> Self {
        Self {
            policy,
            binding: Binding::default(),
            form: CertificateForm::default(),
            gpus: None,
            devices: Devices::default(),
            own: Mutex::new(Tables::new(capacity)),
            shared: None,
            recheck_one_in: DEFAULT_RECHECK_ONE_IN,
            counters: Counters::default(),
        }
    }

    /// A verifier that saves itself the work that others with the same policy have done. Only time is saved: what it
    /// accepts, and what it says of memory, is as if it were alone.
    pub fn with_cache(policy: PeerPolicy, cache: &VerdictCache) -> Self {
        let shared = cache.tables(policy.fingerprint());
        Self {
            shared: Some(shared),
            ..Self::new(policy)
        }
    }

    /// Asks for evidence with this binding.
    #[must_use]
    pub fn bound_to(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// Asks peers for evidence of their GPUs as well. It is part of the evidence of sessions; evidence in certificates
    /// has none, so that nothing is asked for where evidence is bound to those.
    #[must_use]
    pub fn demanding_gpus(mut self, demand: GpuDemand) -> Self {
        self.gpus = Some(demand);
        self
    }

    /// Reads evidence of certificates in this form and no other. What others judged is not used any more: they may read
    /// another form.
    #[must_use]
    pub fn reading(mut self, form: CertificateForm) -> Self {
        self.form = form;
        self.shared = None;
        self
    }

    /// Makes one in `n` remembered verdicts again, as if its subject had never been seen.
    #[must_use]
    pub fn recheck_one_in(mut self, n: NonZeroU64) -> Self {
        self.recheck_one_in = n;
        self
    }

    /// The policy.
    pub fn policy(&self) -> &PeerPolicy {
        &self.policy
    }

    /// What evidence must be bound to.
    pub fn binding(&self) -> Binding {
        self.binding
    }

    /// Whether peers must show evidence at all.
    pub fn demands_evidence(&self) -> bool {
        !matches!(self.policy, PeerPolicy::Any)
    }

    /// Counts since the verifier was made.
    pub fn counts(&self) -> VerifierCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        VerifierCounts {
            remembered: read(&counters.remembered),
            checked: read(&counters.checked),
            appraised: read(&counters.appraised),
            recognised: read(&counters.recognised),
            rechecked: read(&counters.rechecked),
            mismatched: read(&counters.mismatched),
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
    ) -> Result<(AttestedPeer, Origin), PeerReason> {
        match certificates.unwrap_or(&[]) {
            [] => Err(PeerReason::NoCertificate),
            [certificate] => {
                let checked = self.checked(certificate, now_unix_s, Use::AfterHandshake)?;
                Ok((checked.peer.clone(), checked.tell()))
            }
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
        self.checked(certificate_der, now_unix_s, Use::Handshake)
            .map(|checked| checked.peer.clone())
    }

    fn checked(&self, certificate_der: &[u8], now_unix_s: u64, usage: Use) -> Result<Arc<Checked>, PeerReason> {
        let remembered = self.own().certificate(certificate_der);
        let remembered = remembered.filter(|checked| checked.holds_at(now_unix_s) && self.is_current(checked.used));
        let Some(remembered) = remembered else {
            return self.check_and_remember(certificate_der, now_unix_s, Memory::Use);
        };
        add(&self.counters.remembered);
        // What the handshake has just looked up counts as one use together with it.
        if usage == Use::AfterHandshake || !self.is_recheck_due() {
            return Ok(remembered);
        }
        self.own().forget_certificate(certificate_der);
        let anew = self.check_and_remember(certificate_der, now_unix_s, Memory::Ignore);
        let is_same = match &anew {
            Ok(anew) => anew.peer == remembered.peer || anew.used != remembered.used,
            Err(_) => !self.is_current(remembered.used),
        };
        self.note_recheck(is_same);
        anew
    }

    /// The key of a certificate that was just accepted, for the signature over the handshake.
    pub(crate) fn accepted_key(&self, certificate_der: &[u8]) -> Result<PublicKey, PeerReason> {
        let remembered = self.own().certificate(certificate_der);
        match remembered {
            Some(checked) => Ok(checked.peer.public_key),
            // Other handshakes may have pushed it out of the cache in between.
            None => Ok(certificate::check::certified_key(certificate_der)?),
        }
    }

    fn check_and_remember(
        &self,
        certificate_der: &[u8],
        now_unix_s: u64,
        memory: Memory,
    ) -> Result<Arc<Checked>, PeerReason> {
        add(&self.counters.checked);
        let known = self
            .shared(memory)
            .and_then(|mut shared| shared.certificate(certificate_der))
            .filter(|known| known.holds_at(now_unix_s) && self.is_current(known.used))
            // What this verifier knows itself goes first, so that others do not show.
            .filter(|known| known.stem.is_none_or(|stem| self.own().verdict(stem).is_none()));
        let checked = Arc::new(match known {
            Some(known) => {
                if let Some((stem, verdict)) = known.verdict() {
                    self.own().remember_verdict(stem, verdict);
                }
                known.again()
            }
            None => self.check_anew(certificate_der, now_unix_s, memory)?,
        });
        self.own().remember_certificate(certificate_der, &checked);
        if let Some(mut shared) = self.shared(Memory::Use) {
            shared.remember_certificate(certificate_der, &checked);
        }
        Ok(checked)
    }

    fn check_anew(&self, certificate_der: &[u8], now_unix_s: u64, memory: Memory) -> Result<Checked, PeerReason> {
        let certificate = certificate::check(certificate_der, now_unix_s)?;
        let appraised = match (self.demands_evidence(), &certificate.evidence) {
            (false, _) => None,
            (true, None) => return Err(PeerReason::NoEvidence),
            (true, Some(evidence)) => {
                if evidence.form != self.form {
                    return Err(PeerReason::Form { found: evidence.form });
                }
                let appraised = self.appraise(&evidence.quote, now_unix_s, memory)?;
                if *appraised.verdict.report_data() != evidence.report_data {
                    return Err(PeerReason::Evidence(Reason::ReportData));
                }
                // Evidence in a certificate answers no challenge and has no log; that of the session will.
                if self.binding == Binding::Certificate {
                    self.age_limit(&Expected::default(), &evidence.report_data, now_unix_s)?;
                    self.check_event_log(&[], &appraised.verdict)?;
                }
                Some(appraised)
            }
        };
        let (from_unix_s, until_unix_s) = appraised
            .as_ref()
            .map_or((0, u64::MAX), |appraised| appraised.verdict.window_unix_s());
        let origin = appraised.as_ref().map_or(Origin::Fresh, |appraised| appraised.origin);
        let used = appraised.as_ref().and_then(|appraised| appraised.used);
        let stem = appraised.as_ref().and_then(|appraised| appraised.stem);
        let verdict = appraised.map(|appraised| appraised.verdict);
        let peer = AttestedPeer {
            public_key: certificate.public_key,
            image_hash: verdict.as_ref().map_or([0; 32], GuestVerdict::image_hash),
            evidence: verdict,
            gpus: Vec::new(),
            trusted_until_unix_s: certificate.not_after_unix_s.min(until_unix_s),
        };
        let trusted_from_unix_s = certificate.not_before_unix_s.max(from_unix_s);
        Ok(Checked::new(peer, trusted_from_unix_s, used, stem, origin))
    }

    /// Judges evidence that answers a challenge of this session.
    ///
    /// # Errors
    /// The policy refuses it, or it is bound to something else.
    pub fn session(
        &self,
        shown: &Shown,
        claim: &SessionClaim<'_>,
        now_unix_s: u64,
    ) -> Result<SessionVerdict, PeerReason> {
        let gpu_ids = shown.gpu_ids().map_err(|gpu| PeerReason::GpuForm { gpu })?;
        let report_data = binding::report_data_for(claim.binding, &gpu_ids).ok_or(PeerReason::GpuTwice)?;
        let Appraised {
            verdict, used, origin, ..
        } = self.appraise(&shown.guest, now_unix_s, Memory::Use)?;
        let expected = Expected {
            report_data: Some(&report_data),
            challenged_unix_s: Some(claim.challenged_unix_s),
            ..Expected::default()
        };
        let age_end = self.age_limit(&expected, verdict.report_data(), now_unix_s)?;
        self.check_event_log(&shown.event_log, &verdict)?;
        let certified = claim.peer.evidence.as_ref();
        if certified.is_none_or(|certified| !verdict.is_of_the_guest_of(certified)) {
            return Err(PeerReason::OtherMachine);
        }
        let (gpus, serving) = match &self.gpus {
            None => (Vec::new(), None),
            Some(demand) => {
                let gpus = demand.appraise(shown, claim.binding, claim.challenged_unix_s, now_unix_s)?;
                let devices = gpus.iter().map(|gpu| gpu.device).collect();
                let serving = self
                    .devices
                    .take(claim.peer.public_key, devices)
                    .map_err(|gpu| PeerReason::GpuServesAnother { gpu })?;
                (gpus, Some(serving))
            }
        };
        let (mut from, mut until) = verdict.window_unix_s();
        for gpu in &gpus {
            (from, until) = (from.max(gpu.valid_from_unix_s), until.min(gpu.expires_unix_s));
        }
        Ok(SessionVerdict {
            trusted_from_unix_s: from,
            trusted_until_unix_s: until.min(age_end),
            guest: verdict,
            gpus,
            origin,
            used,
            serving,
        })
    }

    /// Whether a verdict may be used without another look: it holds now, and was made with what is current.
    pub(crate) fn still_holds(&self, verdict: &SessionVerdict, now_unix_s: u64) -> bool {
        (verdict.trusted_from_unix_s..=verdict.trusted_until_unix_s).contains(&now_unix_s)
            && self.is_current(verdict.used)
    }

    /// That the log of a TD, empty if there is none, is its own and has what the policy demands. Other guests have no
    /// registers that a log could stand for.
    fn check_event_log(&self, log: &[u8], verdict: &GuestVerdict) -> Result<(), PeerReason> {
        if let (PeerPolicy::Tdx(policy), GuestVerdict::Tdx(verdict)) = (&self.policy, verdict) {
            judge_event_log((!log.is_empty()).then_some(log), &verdict.report, &policy.rules)?;
        }
        Ok(())
    }

    /// The last second for which the policy's limit of age lets evidence pass.
    fn age_limit(&self, expected: &Expected<'_>, report_data: &[u8; 64], now_unix_s: u64) -> Result<u64, PeerReason> {
        let max_age_s = match &self.policy {
            PeerPolicy::Tdx(policy) => policy.rules.max_challenge_age_s,
            PeerPolicy::Snp(policy) => policy.rules.max_challenge_age_s,
            PeerPolicy::Any | PeerPolicy::FakeTdx(_) => None,
        };
        expected
            .check(report_data, max_age_s, now_unix_s)
            .map_err(|fault| PeerReason::Evidence(fault.into()))
    }

    /// The verdict on a quote, whatever it is bound to and however old.
    fn appraise(&self, bytes: &[u8], now_unix_s: u64, memory: Memory) -> Result<Appraised, PeerReason> {
        match &self.policy {
            PeerPolicy::Any => Err(PeerReason::NoEvidence),
            PeerPolicy::FakeTdx(policy) => {
                add(&self.counters.appraised);
                Ok(Appraised {
                    verdict: GuestVerdict::Tdx(Arc::new(appraise_fake(bytes, policy)?)),
                    used: None,
                    stem: None,
                    origin: Origin::Fresh,
                })
            }
            PeerPolicy::Tdx(policy) => Ok(self.appraise_tdx(bytes, policy, now_unix_s, memory)?),
            PeerPolicy::Snp(policy) => self.appraise_snp(bytes, policy, now_unix_s),
        }
    }

    fn appraise_snp(&self, bytes: &[u8], policy: &SnpPeerPolicy, now_unix_s: u64) -> Result<Appraised, PeerReason> {
        let ExtendedReport { report, certificates } = ExtendedReport::read(bytes)?;
        let product = snp::appraise::product_of(&certificates, &policy.anchors)?;
        let list = policy.revocation_lists.list(product);
        // Binding and age are judged where the evidence is used.
        let rules = SnpPolicy {
            max_challenge_age_s: None,
            ..policy.rules.clone()
        };
        add(&self.counters.appraised);
        let verdict = snp::appraise::appraise(&SnpInput {
            report: &report,
            certificates: &certificates,
            revocation_list: list.as_deref(),
            anchors: &policy.anchors,
            policy: &rules,
            expected: Expected::default(),
            now_unix_s,
        })?;
        let list = list.map(|list| sha256(&[&list]));
        Ok(Appraised {
            verdict: GuestVerdict::Snp(Arc::new(verdict)),
            used: Some(Used::RevocationList(product, list)),
            stem: None,
            origin: Origin::Fresh,
        })
    }

    fn appraise_tdx(
        &self,
        bytes: &[u8],
        policy: &TdxPolicy,
        now_unix_s: u64,
        memory: Memory,
    ) -> Result<Appraised, Reason> {
        let quote = Quote::read(bytes)?;
        let collateral = policy
            .collateral
            .collateral(quote.fmspc())
            .ok_or(Reason::NoCollateral { fmspc: *quote.fmspc() })?;
        let used = Some(Used::Collateral(collateral.fmspc(), collateral.id()));
        let stem = quote.stem();
        let usable = |remembered: &RememberedVerdict| {
            remembered.collateral == collateral.id() && remembered.verdict.holds_at(now_unix_s)
        };
        let own = self.own().verdict(stem).filter(usable);
        let own = own.filter(|_| memory == Memory::Use);
        let is_recheck = own.is_some() && self.is_recheck_due();
        if let Some(own) = &own
            && !is_recheck
        {
            add(&self.counters.recognised);
            return Ok(Appraised {
                verdict: GuestVerdict::Tdx(Arc::new(quote.verdict_like(&own.verdict)?)),
                used,
                stem: Some(stem),
                origin: Origin::Cached,
            });
        }
        let memory = if is_recheck { Memory::Ignore } else { memory };
        let shared = self
            .shared(memory)
            .and_then(|mut shared| shared.verdict(stem))
            .filter(usable);
        let verdict = match &shared {
            Some(shared) => quote.verdict_like(&shared.verdict),
            None => self.appraise_in_full(&quote, policy, &collateral, now_unix_s),
        };
        if let Some(own) = own.filter(|_| is_recheck) {
            self.note_recheck(verdict == quote.verdict_like(&own.verdict));
        }
        let verdict = Arc::new(verdict.inspect_err(|_| self.own().forget_verdict(stem))?);
        let remembered = RememberedVerdict {
            collateral: collateral.id(),
            verdict: verdict.clone(),
        };
        if let Some(mut shared) = self.shared(Memory::Use) {
            shared.remember_verdict(stem, remembered.clone());
        }
        self.own().remember_verdict(stem, remembered);
        Ok(Appraised {
            verdict: GuestVerdict::Tdx(verdict),
            used,
            stem: Some(stem),
            origin: Origin::Fresh,
        })
    }

    fn appraise_in_full(
        &self,
        quote: &Quote<'_>,
        policy: &TdxPolicy,
        collateral: &Collateral,
        now_unix_s: u64,
    ) -> Result<Verdict, Reason> {
        add(&self.counters.appraised);
        // Binding, age and log belong to one quote, not to the TD: they are judged where it is used.
        let rules = AppraisalRules {
            max_challenge_age_s: None,
            require_event_log: false,
            required_events: BTreeSet::new(),
            ..policy.rules.clone()
        };
        quote.appraise(&Context {
            now_unix_s,
            anchors: &policy.anchors,
            collateral,
            policy: &rules,
            event_log: None,
            expected: Expected::default(),
        })
    }

    fn is_recheck_due(&self) -> bool {
        add(&self.counters.uses).is_multiple_of(self.recheck_one_in.get())
    }

    fn note_recheck(&self, is_same: bool) {
        add(&self.counters.rechecked);
        if !is_same {
            add(&self.counters.mismatched);
        }
    }

    /// Whether what a verdict was made with is what the vendor publishes now.
    fn is_current(&self, used: Option<Used>) -> bool {
        match (&self.policy, used) {
            (PeerPolicy::Tdx(policy), Some(Used::Collateral(fmspc, id))) => policy
                .collateral
                .collateral(&fmspc)
                .is_some_and(|current| current.id() == id),
            (PeerPolicy::Snp(policy), Some(Used::RevocationList(product, list))) => {
                policy.revocation_lists.list(product).map(|list| sha256(&[&list])) == list
            }
            _ => true,
        }
    }

    fn own(&self) -> MutexGuard<'_, Tables> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self, memory: Memory) -> Option<MutexGuard<'_, Tables>> {
        self.shared
            .as_ref()
            .filter(|_| memory == Memory::Use)
            .map(|shared| shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether what is remembered may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Use,
    Ignore,
}

/// What a certificate is looked up for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Handshake,
    AfterHandshake,
}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerVerifier")
            .field("policy", &self.policy)
            .field("binding", &self.binding)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
