//! The gate of mutations: evidence that differs from genuine evidence in one thing must be refused, unless the difference
//! is one of a few that are declared to make no other evidence.
//!
//! A [`Case`] is everything that an appraisal depends on. A [`Mutant`] is a case with one change, the class of the change
//! and what is expected of it. Mutants are made from a seed and a number and not stored: the same two give the same
//! mutant for ever.
//!
//! What may be accepted, and then only under the same [`crate::evidence::EvidenceId`]: zero padding after a quote up to
//! its limit, the twin `n - s` of a signature, text of issuer chains in Intel's collateral (which nobody signs, and of
//! which the chain that is found either verifies or not).
//!
//! | module | holds |
//! |---|---|
//! | [`lab`] | genuine simulated cases of each kind |
//! | [`gate`] | numbered mutants of all kinds, for runs that are long, shared out and gone on with |
//! | `bytes` | classes M1 to M3 and the equivalence class: bits, collateral, lengths |
//! | `structure` | class M4: parts missing, twice, elsewhere, of another type, signed again where a signature covers them |
//! | `semantics` | class M5: for each rule what it refuses and the nearest that it accepts |
//! | `cross` | class M6: parts of two worlds and times mixed |

mod bytes;
mod cross;
pub mod gate;
pub mod lab;
mod semantics;
mod structure;

#[cfg(test)]
mod tests;

pub use lab::Lab;

use crate::{
    anchors::TrustStore,
    appraise::{Appraisal, Context, Endorsements, Policy, ReasonClass, appraise},
    collateral::Collateral,
    evidence::{Evidence, EvidenceId},
    freshness::Expected,
    gpu::ManifestMemo,
};
use std::sync::Arc;

/// Everything that an appraisal depends on.
#[derive(Clone)]
pub struct Case {
    /// Bytes of the evidence.
    pub evidence: Vec<u8>,
    /// Certificates beside it.
    pub certificates: Vec<Vec<u8>>,
    /// Event log beside it.
    pub event_log: Option<Vec<u8>>,
    /// Intel's collateral.
    pub collateral: Option<Arc<Collateral>>,
    /// AMD's revocation list.
    pub revocation_list: Option<Vec<u8>>,
    /// NVIDIA's manifests.
    pub manifests: Vec<Vec<u8>>,
    /// Remembers manifests that were verified, as a verifier of many GPUs does; mutants share it with what they are made
    /// from, so that it is judged too.
    pub manifest_memo: Option<Arc<ManifestMemo>>,
    /// Trusted roots.
    pub trust: TrustStore,
    /// What is demanded.
    pub policy: Policy,
    /// Report data that are expected.
    pub report_data: Option<[u8; 64]>,
    /// Nonce that is expected.
    pub nonce: Option<[u8; 32]>,
    /// When the challenge was sent.
    pub challenged_unix_s: Option<u64>,
    /// The verifier's clock.
    pub now_unix_s: u64,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::M1Bits,
        Self::M2Collateral,
        Self::M3Lengths,
        Self::M4Structure,
        Self::M5Semantics,
        Self::M6Cross,
        Self::Equivalent,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M1Bits => "M1 bits",
            Self::M2Collateral => "M2 collateral",
            Self::M3Lengths => "M3 lengths",
            Self::M4Structure => "M4 structure",
            Self::M5Semantics => "M5 semantics",
            Self::M6Cross => "M6 cross",
            Self::Equivalent => "equivalent",
        }
    }
}

impl Case {
    /// Appraises it.
    pub fn appraise(&self) -> Appraisal {
        appraise(
            &Evidence {
                bytes: &self.evidence,
                certificates: &self.certificates,
                event_log: self.event_log.as_deref(),
            },
            &Context {
                now_unix_s: self.now_unix_s,
                trust: &self.trust,
                endorsements: Endorsements {
                    tdx_collateral: self.collateral.as_deref(),
                    snp_revocation_list: self.revocation_list.as_deref(),
                    gpu_manifests: &self.manifests,
                    gpu_manifest_memo: self.manifest_memo.as_deref(),
                },
                policy: &self.policy,
                expected: Expected {
                    report_data: self.report_data.as_ref(),
                    nonce: self.nonce.as_ref(),
                    challenged_unix_s: self.challenged_unix_s,
                },
            },
        )
    }
}

/// Classes of mutations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// One bit flipped.
    M1Bits,
    /// One byte of what the vendor publishes changed.
    M2Collateral,
    /// Shorter, longer, or a length field changed.
    M3Lengths,
    /// A part missing, twice, elsewhere or of another type.
    M4Structure,
    /// A rule and what it refuses.
    M5Semantics,
    /// Parts of two worlds.
    M6Cross,
    /// The declared equivalence class.
    Equivalent,
}

/// What is expected of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expectation {
    /// Refused, for whatever reason.
    Refused,
    /// Refused for a reason of this class.
    RefusedAs(ReasonClass),
    /// Accepted, under the name of the genuine evidence.
    Same,
    /// Refused, or accepted under the name of the genuine evidence.
    RefusedOrSame,
    /// Accepted, as other genuine evidence may be: the nearest positive of a rule.
    Accepted,
}

/// A case with one change.
pub struct Mutant {
    /// Class of the change.
    pub class: Class,
    /// The change, for people.
    pub recipe: String,
    /// The changed case.
    pub case: Case,
    /// What is expected.
    pub expectation: Expectation,
}

/// A mutant that was not judged as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Class of the change.
    pub class: Class,
    /// The change.
    pub recipe: String,
    /// What was expected.
    pub expectation: Expectation,
    /// What came out.
    pub outcome: String,
}

/// How a mutant was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// As it was expected.
    pub is_expected: bool,
    /// What the verifier said. It may quote the evidence, and is as hostile.
    pub outcome: String,
}

impl Mutant {
    /// Judges the mutant. `genuine` names the evidence that it was made from.
    pub fn judge(&self, genuine: Option<EvidenceId>) -> Judged {
        let appraisal = self.case.appraise();
        let same = appraisal.identity.is_some() && appraisal.identity == genuine;
        let is_expected = match (&appraisal.outcome, self.expectation) {
            (Err(_), Expectation::Refused | Expectation::RefusedOrSame) | (Ok(_), Expectation::Accepted) => true,
            (Err(reason), Expectation::RefusedAs(class)) => reason.class() == class,
            (Ok(_), Expectation::Same | Expectation::RefusedOrSame) => same,
            (Err(_), Expectation::Same | Expectation::Accepted)
            | (Ok(_), Expectation::Refused | Expectation::RefusedAs(_)) => false,
        };
        let outcome = match &appraisal.outcome {
            Ok(_) if same => "accepted as the same evidence".to_owned(),
            Ok(_) => "accepted as other evidence".to_owned(),
            Err(reason) => format!("refused as {:?}: {reason}", reason.class()),
        };
        Judged { is_expected, outcome }
    }

    /// Judges the mutant; an error if it was not judged as expected.
    pub fn check(&self, genuine: Option<EvidenceId>) -> Result<(), Finding> {
        let judged = self.judge(genuine);
        if judged.is_expected {
            return Ok(());
        }
        Err(Finding {
            class: self.class,
            recipe: self.recipe.clone(),
            expectation: self.expectation,
            outcome: judged.outcome,
        })
    }
}

/// Makes the byte-level mutants (M1 to M3 and the equivalence class) of any case, genuine files included.
pub struct Mutator<'a> {
    genuine: &'a Case,
    seed: u64,
}

impl<'a> Mutator<'a> {
    /// Mutants of `genuine`, which a verifier without fault accepts.
    pub fn new(genuine: &'a Case, seed: u64) -> Self {
        Self { genuine, seed }
    }

    /// Mutant number `n`.
    pub fn mutant(&self, n: u64) -> Mutant {
        let mut random = SplitMix::new(self.seed, n);
        bytes::mutant(self.genuine, &mut random)
    }
}

/// All named mutants (M4 to M6) of a lab.
pub fn named(lab: &Lab) -> Vec<Mutant> {
    let mut all = structure::mutants(lab);
    all.extend(semantics::mutants(lab));
    all.extend(cross::mutants(lab));
    all
}

/// What a run of the gate found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateReport {
    /// Mutants that were judged, by class.
    pub judged: std::collections::BTreeMap<Class, u64>,
    /// Those that were not judged as expected, up to a hundred.
    pub findings: Vec<Finding>,
}

/// Most findings that a report keeps.
const MAX_FINDINGS: usize = 100;

/// Judges all named mutants of a lab and `count` byte-level ones.
pub fn run_gate(lab: &Lab, seed: u64, count: u64) -> GateReport {
    let mut report = GateReport::default();
    let genuine = lab.genuine();
    let id = genuine.appraise().identity;
    let mutator = Mutator::new(&genuine, seed);
    for mutant in named(lab).into_iter().chain((0..count).map(|n| mutator.mutant(n))) {
        *report.judged.entry(mutant.class).or_default() += 1;
        if let Err(finding) = mutant.check(id)
            && report.findings.len() < MAX_FINDINGS
        {
            report.findings.push(finding);
        }
    }
    report
}

/// SplitMix64: a number generator whose whole state is a seed and a counter.
struct SplitMix(u64);

impl SplitMix {
    fn new(seed: u64, n: u64) -> Self {
        let mut random = Self(seed ^ n.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % (end.max(1) as u64)) as usize
    }
}
