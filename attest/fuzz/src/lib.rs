//! What the fuzz targets share: genuine evidence, and the judgement of whatever is put in its place.

use chrysalis_attest::{
    Attester, Collateral, EvidenceId, SimTdxAttester, SimulationOnly, TdMeasurements, TrustAnchors,
    freshness::Expected,
    mutate::{Case, Lab, lab::Subject},
    policy::AppraisalRules,
    sim_pki::SimPki,
    tdx::appraise::Context,
};
use std::sync::Arc;

/// The time of the seed corpus (`tests/fuzz_corpus.rs`), Unix seconds.
pub const START_UNIX_S: u64 = 1_790_000_000;

/// A case that is accepted, and what its evidence is called.
pub struct Genuine {
    /// The case.
    pub case: Case,
    id: Option<EvidenceId>,
}

impl Genuine {
    /// The case of the seed corpus for this kind of evidence.
    pub fn of(subject: Subject) -> Self {
        let case = Lab::new(subject, 7).genuine();
        let id = case.appraise().identity;
        assert!(id.is_some(), "the genuine evidence has a name");
        Self { case, id }
    }

    /// With these bytes in place of the evidence the case is refused, or they are the same evidence.
    pub fn check_evidence(&self, bytes: &[u8]) {
        let mut case = self.case.clone();
        case.evidence = bytes.to_vec();
        let appraisal = case.appraise();
        assert!(!appraisal.is_accepted() || appraisal.identity == self.id);
    }
}

/// A simulated machine, its genuine quote, and what judges quotes of its vendor.
pub struct TdWorld {
    /// The vendor's root.
    pub anchors: TrustAnchors,
    /// The vendor's collateral.
    pub collateral: Collateral,
    /// The policy.
    pub rules: AppraisalRules,
    /// The quote.
    pub quote: Vec<u8>,
}

impl TdWorld {
    /// The machine of the seed corpus.
    pub fn new() -> Self {
        let pki = SimPki::new(7, START_UNIX_S);
        let attester = SimTdxAttester::new(Arc::new(pki.platform(1)), TdMeasurements::of_image("fuzz"));
        Self {
            anchors: pki.anchors(SimulationOnly::accept_no_security()),
            collateral: pki.collateral(START_UNIX_S),
            rules: AppraisalRules::default(),
            quote: attester.quote(&[0x42; 64]).expect("a simulated machine makes quotes of everything"),
        }
    }

    /// What to judge a quote by, with this collateral.
    pub fn context<'a>(&'a self, collateral: &'a Collateral) -> Context<'a> {
        Context {
            now_unix_s: START_UNIX_S,
            anchors: &self.anchors,
            collateral,
            policy: &self.rules,
            event_log: None,
            expected: Expected::default(),
        }
    }
}

impl Default for TdWorld {
    fn default() -> Self {
        Self::new()
    }
}
