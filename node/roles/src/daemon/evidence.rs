//! A node's own key and evidence, and what it demands of peers.
//!
//! The daemon is always hardened (design §5): evidence is bound to the session and renewed while it lives, images are
//! always checked, fake evidence has no setting, and simulated evidence takes an explicit word in the configuration
//! together with `is_test`, and is warned of at each start.

use super::{
    DaemonError,
    config::{AnchorSetting, EvidenceSetting, HardwareTee, IdentitySection, SimulatedPlatform, TrustSection},
    secret_file,
};
use crate::{
    secure::SecureLimits,
    trust::{OwnIdentity, Trust},
};
use chrysalis_attest::{
    Attester, Binding, Collateral, CollateralSource, CollateralStore, Identity, PeerPolicy, PeerVerifier,
    SimTdxAttester, SimulationOnly, TdMeasurements, TrustAnchors,
    certificate::{IdentityKey, IssueError},
    collateral::{Fmspc, MAX_COLLATERAL_LEN_BYTES},
    hardware::tsm::{Provider, TsmAttester},
    session::SessionTiming,
    sim_pki::{SIM_FMSPC, SimPki},
};
use chrysalis_env::Env;
use chrysalis_wire::proof_of_work::Difficulty;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Certificates of simulated vendors begin here: 2025-01-01. All nodes of a trial must agree on it.
const SIMULATION_START_UNIX_S: u64 = 1_735_689_600;
/// Certificates begin this much before the start, so that clocks may differ.
pub(super) const BACKDATE_S: u64 = 3600;
const DAY_S: u64 = 86_400;
/// Collateral files are read again after this.
const COLLATERAL_PAUSE: Duration = Duration::from_secs(600);

/// Everything about trust that a role needs.
pub(super) struct NodeTrust {
    /// For peers that must show evidence.
    pub(super) attested: Trust,
    /// For clients at a proxy: any key (spec §3.1).
    pub(super) open: Trust,
    /// Files made just now.
    pub(super) created: Vec<PathBuf>,
    /// What an operator should think twice about.
    pub(super) warnings: Vec<String>,
}

/// Where paths of a configuration start.
pub(super) struct Base<'a>(pub(super) &'a Path);

impl Base<'_> {
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.0.join(path)
    }
}

/// Whether a node of this role must show evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EvidenceNeed {
    /// Proxies and workers.
    Required,
    /// Clients.
    Optional,
}

fn invalid(text: impl Into<String>) -> DaemonError {
    DaemonError::Invalid(text.into())
}

/// Refuses combinations that no deployment may have, before any file is touched.
pub(super) fn check(
    identity: &IdentitySection,
    trust: &TrustSection,
    is_test: bool,
    need: EvidenceNeed,
) -> Result<(), DaemonError> {
    if !is_test && trust.anchors != AnchorSetting::Vendor {
        return Err(invalid(
            "`[trust] anchors`: a simulated root has no security and takes `is_test = true`",
        ));
    }
    if !is_test && matches!(identity.evidence, EvidenceSetting::Simulated(_)) {
        return Err(invalid(
            "`[identity] evidence`: simulated evidence has no security and takes `is_test = true`",
        ));
    }
    if need == EvidenceNeed::Required && identity.evidence == EvidenceSetting::None {
        return Err(invalid(
            "`[identity] evidence`: proxies and workers are accepted only with evidence",
        ));
    }
    if need == EvidenceNeed::Required && matches!(identity.evidence, EvidenceSetting::QuoteFile(_)) {
        return Err(invalid(
            "`[identity] evidence`: a quote in a file cannot answer the challenges of peers, which ask for evidence of \
             each session",
        ));
    }
    match (&trust.anchors, trust.collateral_files.is_empty()) {
        (AnchorSetting::SimulationSeed(_), false) => Err(invalid(
            "`[trust] collateral_files`: the collateral of a `simulation_seed` follows from the seed",
        )),
        (AnchorSetting::Vendor | AnchorSetting::SimulationRoot(_), true) => Err(invalid(
            "`[trust] collateral_files`: without collateral no peer's evidence can be checked",
        )),
        _ => Ok(()),
    }
}

/// Makes the identity and the verifiers. [`check`] comes first.
pub(super) fn establish(
    env: &Env,
    base: &Base<'_>,
    identity: &IdentitySection,
    trust: &TrustSection,
) -> Result<NodeTrust, DaemonError> {
    let mut warnings = Vec::new();
    let mut created = Vec::new();
    let policy = policy(env, base, trust, &mut warnings)?;
    let binding = Binding::Session(SessionTiming::default());
    let verifier = Arc::new(PeerVerifier::new(policy).bound_to(binding));

    let seed_file = base.path(&identity.key_seed_file);
    let (seed, is_new) = secret_file::seed(&seed_file, || env.random())?;
    if is_new {
        created.push(seed_file);
    }
    let key = IdentityKey::from_seed(seed);
    let from_unix_s = env.unix_s().saturating_sub(BACKDATE_S);
    let attester: Option<Arc<dyn Attester>> = match &identity.evidence {
        EvidenceSetting::Simulated(platform) => {
            warnings.push("this node shows simulated evidence: it proves nothing".to_owned());
            Some(Arc::new(simulated_attester(platform)))
        }
        EvidenceSetting::Hardware(HardwareTee::Tdx) => Some(Arc::new(TsmAttester::new(Provider::Tdx))),
        EvidenceSetting::None | EvidenceSetting::QuoteFile(_) => None,
    };
    let evidence = |error: IssueError| invalid(format!("`[identity] evidence`: {error}"));
    let own = match (&identity.evidence, &attester) {
        (EvidenceSetting::QuoteFile(path), _) => {
            let path = base.path(path);
            let quote = fs::read(&path).map_err(|source| DaemonError::Unreadable { path, source })?;
            Identity::with_evidence(key, &quote, from_unix_s, env.random()).map_err(evidence)?
        }
        (_, Some(attester)) => Identity::attested(key, &**attester, from_unix_s, env.random()).map_err(evidence)?,
        (_, None) => Identity::plain(key, from_unix_s, env.random()),
    };
    if identity.evidence != EvidenceSetting::None {
        // What this node would refuse in a peer, its peers will refuse in it: say so now rather than never connect.
        verifier.check(own.certificate_der(), env.unix_s()).map_err(|reason| {
            invalid(format!(
                "`[identity] evidence` fails this node's own `[trust]`: {reason}"
            ))
        })?;
    }
    let asked_difficulty = match trust.proof_of_work_bits {
        None => Difficulty::DEFAULT_ASKED,
        // More than peers pay would keep everybody out.
        Some(bits) => Difficulty::new(bits)
            .ok()
            .filter(|asked| *asked <= Difficulty::DEFAULT_MAX_PAID)
            .ok_or_else(|| {
                invalid(format!(
                    "`[trust] proof_of_work_bits` is at most {}",
                    Difficulty::DEFAULT_MAX_PAID.bits()
                ))
            })?,
    };
    let limits = SecureLimits {
        asked_difficulty,
        ..SecureLimits::default()
    };
    let attested = Trust {
        own: Arc::new(OwnIdentity::new(own, attester)),
        verifier,
        limits,
        check_image_hash: true,
    };
    let open = Trust {
        verifier: Arc::new(PeerVerifier::new(PeerPolicy::Any).bound_to(binding)),
        check_image_hash: false,
        ..attested.clone()
    };
    Ok(NodeTrust {
        attested,
        open,
        created,
        warnings,
    })
}

fn policy(
    env: &Env,
    base: &Base<'_>,
    trust: &TrustSection,
    warnings: &mut Vec<String>,
) -> Result<PeerPolicy, DaemonError> {
    let simulated = "peers are trusted for simulated evidence: this network has no security";
    let (anchors, collateral): (TrustAnchors, Arc<dyn CollateralSource>) = match &trust.anchors {
        AnchorSetting::Vendor => (TrustAnchors::Vendor, collateral_files(env, base, trust)?),
        AnchorSetting::SimulationRoot(path) => {
            warnings.push(simulated.to_owned());
            let path = base.path(path);
            let file = fs::read(&path).map_err(|source| DaemonError::Unreadable {
                path: path.clone(),
                source,
            })?;
            let der = match CertificateDer::from_pem_slice(&file) {
                Ok(certificate) => certificate.to_vec(),
                Err(_) => file,
            };
            let anchors = TrustAnchors::simulation(SimulationOnly::accept_no_security(), &der)
                .map_err(|error| invalid(format!("{}: {error}", path.display())))?;
            (anchors, collateral_files(env, base, trust)?)
        }
        AnchorSetting::SimulationSeed(seed) => {
            warnings.push(simulated.to_owned());
            let vendor = SimulatedVendor::new(*seed, env.clone());
            (
                vendor.pki.anchors(SimulationOnly::accept_no_security()),
                Arc::new(vendor),
            )
        }
    };
    Ok(PeerPolicy::tdx(anchors, collateral, trust.rules.clone()))
}

fn simulated_attester(platform: &SimulatedPlatform) -> SimTdxAttester {
    let pki = SimPki::new(platform.seed, SIMULATION_START_UNIX_S);
    let machine = Arc::new(pki.platform(platform.platform));
    SimTdxAttester::new(machine, TdMeasurements::of_image(&platform.image))
}

/// A simulated vendor that publishes new collateral each day, the same at every node.
struct SimulatedVendor {
    pki: SimPki,
    env: Env,
    /// With the day of its issue.
    current: Mutex<Option<(u64, Arc<Collateral>)>>,
}

impl SimulatedVendor {
    fn new(seed: u64, env: Env) -> Self {
        Self {
            pki: SimPki::new(seed, SIMULATION_START_UNIX_S),
            env,
            current: Mutex::default(),
        }
    }
}

impl CollateralSource for SimulatedVendor {
    fn collateral(&self, fmspc: &Fmspc) -> Option<Arc<Collateral>> {
        if *fmspc != SIM_FMSPC {
            return None;
        }
        let now = self.env.unix_s();
        let today = now - now % DAY_S;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, collateral)) = current.as_ref().filter(|(day, _)| *day == today) {
            return Some(collateral.clone());
        }
        let issued = Arc::new(self.pki.collateral(today));
        *current = Some((today, issued.clone()));
        Some(issued)
    }
}

/// Collateral of files, read now and again while the node runs: the vendor's lives about 30 days.
fn collateral_files(
    env: &Env,
    base: &Base<'_>,
    trust: &TrustSection,
) -> Result<Arc<dyn CollateralSource>, DaemonError> {
    let store = Arc::new(CollateralStore::new());
    let paths: Vec<PathBuf> = trust.collateral_files.iter().map(|path| base.path(path)).collect();
    for path in &paths {
        store.insert(read_collateral(path)?);
    }
    let (later, clock) = (store.clone(), env.clone());
    env.spawn("daemon: collateral", async move {
        loop {
            clock.sleep(COLLATERAL_PAUSE).await;
            for path in &paths {
                match read_collateral(path) {
                    Ok(collateral) => later.insert(collateral),
                    // What was read before serves until it runs out.
                    Err(error) => super::warn(&clock, &format!("collateral is not renewed: {error}")),
                }
            }
        }
    });
    Ok(store)
}

fn read_collateral(path: &Path) -> Result<Collateral, DaemonError> {
    let unreadable = |source| DaemonError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_COLLATERAL_LEN_BYTES as u64 {
        return Err(unreadable(io::Error::other("too long for collateral")));
    }
    let json = fs::read(path).map_err(unreadable)?;
    Collateral::from_json(&json).map_err(|error| invalid(format!("{}: {error}", path.display())))
}
