//! Everything that a verifier needs to accept a piece of simulated evidence, made in one go from a seed and a few choices.

use super::{GpuState, SimGpuPki, SimPki, SimSnpPki, SnpGuest, SnpRevocations};
use crate::{
    collateral::CollateralError,
    gpu::Architecture,
    snp::Product,
    tdx::{AttestError, Attester as _, QuoteForm, SimTdxAttester, TdMeasurements},
};
use std::sync::Arc;

/// All simulated vendors of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulatedVendors {
    /// What all keys follow from.
    pub seed: u64,
    /// First second of all certificates, Unix seconds.
    pub start_unix_s: u64,
}

/// What evidence is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulatedTee {
    /// A TD, in a form of quote.
    Tdx(QuoteForm),
    /// An SNP guest on a family of processors.
    Snp(Product),
    /// A GPU.
    Gpu(Architecture),
}

/// What differs between pieces of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueOptions {
    /// What it is made of.
    pub tee: SimulatedTee,
    /// Number of the machine.
    pub machine: u64,
    /// Name of the image, which measurements of a CPU's evidence are derived from.
    pub image: String,
    /// The guest was started so that its host may debug it; a GPU has no such thing, and leaves it out.
    pub debug: bool,
    /// What a CPU's evidence is bound to.
    pub report_data: [u8; 64],
    /// What a GPU's evidence is bound to.
    pub nonce: [u8; 32],
    /// When what the vendor publishes was issued, Unix seconds.
    pub issue_unix_s: u64,
}

/// A file beside evidence: the end of its name, and its content.
pub type NamedPart = (&'static str, Vec<u8>);

/// Evidence with all that a verifier needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The evidence.
    pub evidence: Vec<u8>,
    /// Certificates from the leaf to the root; a quote carries its own.
    pub certificates: Vec<Vec<u8>>,
    /// What the vendor publishes.
    pub endorsements: Vec<NamedPart>,
    /// Names of the roots of [`SimulatedVendors::roots`] that it chains to.
    pub roots: Vec<&'static str>,
}

/// Why nothing was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The simulated platform made no evidence.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// The collateral has no JSON form.
    #[error(transparent)]
    Collateral(#[from] CollateralError),
}

const GPU_ROOTS: [&str; 2] = ["gpu-devices", "gpu-manifests"];
const TDX_ROOT: &str = "tdx";

const fn snp_root(product: Product) -> &'static str {
    match product {
        Product::Milan => "snp-milan",
        Product::Genoa => "snp-genoa",
        Product::Turin => "snp-turin",
    }
}

impl SimulatedVendors {
    /// Root certificates in DER with their names.
    pub fn roots(&self) -> Vec<NamedPart> {
        let gpu = SimGpuPki::new(self.seed, self.start_unix_s);
        let [devices, manifests] = GPU_ROOTS;
        let mut roots = vec![
            (TDX_ROOT, SimPki::new(self.seed, self.start_unix_s).root_der().to_vec()),
            (devices, gpu.device_root_der().to_vec()),
            (manifests, gpu.manifest_root_der().to_vec()),
        ];
        roots.extend(Product::ALL.map(|product| {
            let vendor = SimSnpPki::new(self.seed, product, self.start_unix_s);
            (snp_root(product), vendor.root_der().to_vec())
        }));
        roots
    }

    /// Makes evidence. Equal arguments give equal bytes.
    ///
    /// # Errors
    /// None in practice.
    pub fn issue(&self, options: &IssueOptions) -> Result<Issued, IssueError> {
        match options.tee {
            SimulatedTee::Tdx(form) => self.issue_tdx(form, options),
            SimulatedTee::Snp(product) => self.issue_snp(product, options),
            SimulatedTee::Gpu(architecture) => Ok(self.issue_gpu(architecture, options)),
        }
    }

    fn issue_tdx(&self, form: QuoteForm, options: &IssueOptions) -> Result<Issued, IssueError> {
        let vendor = SimPki::new(self.seed, self.start_unix_s);
        let image = TdMeasurements::of_image(&options.image);
        let td = if options.debug { image.in_debug_mode() } else { image };
        let attester = SimTdxAttester::new(Arc::new(vendor.platform(options.machine)), td).with_form(form);
        Ok(Issued {
            evidence: attester.quote(&options.report_data)?,
            certificates: Vec::new(),
            endorsements: vec![("collateral.json", vendor.collateral(options.issue_unix_s).to_json()?)],
            roots: vec![TDX_ROOT],
        })
    }

    fn issue_snp(&self, product: Product, options: &IssueOptions) -> Result<Issued, IssueError> {
        let vendor = SimSnpPki::new(self.seed, product, self.start_unix_s);
        let machine = vendor.machine(options.machine);
        let mut guest = SnpGuest::of_image(&options.image);
        if options.debug {
            guest.policy |= SnpGuest::POLICY_DEBUG;
        }
        let list = vendor.revocation_list(options.issue_unix_s, &SnpRevocations::default());
        Ok(Issued {
            evidence: machine.report(&guest, &options.report_data)?,
            certificates: machine.certificates().to_vec(),
            endorsements: vec![("revocation-list.der", list)],
            roots: vec![snp_root(product)],
        })
    }

    fn issue_gpu(&self, architecture: Architecture, options: &IssueOptions) -> Issued {
        let vendor = SimGpuPki::new(self.seed, self.start_unix_s);
        let gpu = vendor.gpu(options.machine, architecture);
        let state = GpuState::default();
        let names = ["driver.xml", "vbios.xml"];
        Issued {
            evidence: gpu.evidence(&state, &options.nonce),
            certificates: gpu.certificates().to_vec(),
            endorsements: names
                .into_iter()
                .zip(vendor.manifests_for(gpu.chip(), &state))
                .collect(),
            roots: GPU_ROOTS.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anchors::{AnchorKind, SimulationOnly, TrustStore},
        appraise::{Appraisal, Context, Endorsements, Policy, ReasonClass, appraise},
        evidence::Evidence,
        files::{FoundEndorsement, endorsement},
        freshness::Expected,
    };

    const VENDORS: SimulatedVendors = SimulatedVendors {
        seed: 7,
        start_unix_s: 1_760_000_000,
    };
    const ISSUE_UNIX_S: u64 = 1_767_225_600;

    fn options(tee: SimulatedTee) -> IssueOptions {
        IssueOptions {
            tee,
            machine: 1,
            image: "worker".to_owned(),
            debug: false,
            report_data: [0x42; 64],
            nonce: [0x24; 32],
            issue_unix_s: ISSUE_UNIX_S,
        }
    }

    fn all() -> Vec<SimulatedTee> {
        let mut all: Vec<_> = QuoteForm::ALL.map(SimulatedTee::Tdx).to_vec();
        all.extend(Product::ALL.map(SimulatedTee::Snp));
        all.extend([Architecture::Hopper, Architecture::Blackwell].map(SimulatedTee::Gpu));
        all
    }

    /// Judged by the default rules with the roots that were named and nothing else.
    fn judge(issued: &Issued, vendors: &SimulatedVendors, expected: Expected<'_>) -> Appraisal {
        let roots = vendors.roots();
        let roots: Vec<_> = roots
            .into_iter()
            .filter(|(name, _)| issued.roots.contains(name))
            .map(|(_, der)| der)
            .collect();
        let trust = TrustStore::of_simulated_roots(SimulationOnly::accept_no_security(), &roots).unwrap();
        let (mut collateral, mut list, mut manifests) = (None, None, Vec::new());
        for (_, bytes) in &issued.endorsements {
            match endorsement(bytes).unwrap() {
                FoundEndorsement::Collateral(found) => collateral = Some(found),
                FoundEndorsement::RevocationList(found) => list = Some(found),
                FoundEndorsement::Manifest(found) => manifests.push(found),
            }
        }
        let mut policy = Policy::strict(AnchorKind::Simulation);
        if let Some(snp) = &mut policy.snp {
            snp.allowed_products = Product::ALL.into();
        }
        appraise(
            &Evidence::with_certificates(&issued.evidence, &issued.certificates),
            &Context {
                now_unix_s: ISSUE_UNIX_S,
                trust: &trust,
                endorsements: Endorsements {
                    tdx_collateral: collateral.as_deref(),
                    snp_revocation_list: list.as_deref(),
                    gpu_manifests: &manifests,
                    gpu_manifest_memo: None,
                },
                policy: &policy,
                expected,
            },
        )
    }

    #[test]
    fn what_is_issued_is_accepted_with_its_own_roots_and_bound() {
        for tee in all() {
            let issued = VENDORS.issue(&options(tee)).unwrap();
            assert_eq!(issued, VENDORS.issue(&options(tee)).unwrap(), "{tee:?}");
            let bound = Expected {
                report_data: Some(&[0x42; 64]),
                nonce: Some(&[0x24; 32]),
                challenged_unix_s: None,
            };
            let accepted = judge(&issued, &VENDORS, bound);
            assert!(accepted.is_accepted(), "{tee:?}: {accepted:?}");

            let elsewhere = Expected {
                report_data: Some(&[0x43; 64]),
                nonce: Some(&[0x25; 32]),
                challenged_unix_s: None,
            };
            let refused = judge(&issued, &VENDORS, elsewhere).outcome.unwrap_err();
            assert_eq!(refused.class(), ReasonClass::Binding, "{tee:?}");
            let others = SimulatedVendors { seed: 8, ..VENDORS };
            let refused = judge(&issued, &others, bound).outcome.unwrap_err();
            assert_eq!(refused.class(), ReasonClass::Root, "{tee:?}");
        }
    }

    #[test]
    fn a_guest_that_may_be_debugged_is_refused_for_it() {
        for tee in [SimulatedTee::Tdx(QuoteForm::V4), SimulatedTee::Snp(Product::Genoa)] {
            let mut options = options(tee);
            options.debug = true;
            let refused = judge(&VENDORS.issue(&options).unwrap(), &VENDORS, Expected::default());
            let reason = refused.outcome.unwrap_err();
            assert_eq!(reason.class(), ReasonClass::Policy);
            assert!(reason.to_string().contains("debug"), "{reason}");
        }
    }
}
