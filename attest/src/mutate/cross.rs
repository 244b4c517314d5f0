//! Class M6: parts of two worlds and times mixed. Only the diagonal passes.

use super::{
    Case, Class, Expectation, Lab, Mutant,
    lab::{ISSUE_UNIX_S, Subject, VENDOR_START_UNIX_S},
};
use crate::{
    anchors::{AnchorKind, TrustStore},
    sim_pki::SnpRevocations,
};
use std::sync::Arc;

/// Part of a case that can be taken from another world.
type Part = (&'static str, fn(&mut Case, &Case));

const PARTS: [Part; 7] = [
    ("evidence", |case, other| case.evidence.clone_from(&other.evidence)),
    ("certificates", |case, other| {
        case.certificates.clone_from(&other.certificates);
    }),
    ("collateral", |case, other| {
        case.collateral.clone_from(&other.collateral);
    }),
    ("revocation list", |case, other| {
        case.revocation_list.clone_from(&other.revocation_list);
    }),
    ("manifests", |case, other| case.manifests.clone_from(&other.manifests)),
    ("roots", |case, other| case.trust = other.trust.clone()),
    ("expectations", |case, other| {
        case.report_data = other.report_data;
        case.nonce = other.nonce;
    }),
];

pub(super) fn mutants(lab: &Lab) -> Vec<Mutant> {
    let genuine = lab.genuine();
    let other = Lab::new(lab.subject, lab.seed ^ 0x0f0f).genuine();
    let mut all = Vec::new();
    // Every mixture of two worlds under each world's policy: bit `n` says where part `n` comes from.
    for mixture in 0u32..1 << PARTS.len() {
        let from_other: Vec<_> = (0..PARTS.len()).filter(|part| mixture >> part & 1 == 1).collect();
        let mut case = genuine.clone();
        for part in &from_other {
            PARTS[*part].1(&mut case, &other);
        }
        // Parts that a kind does not have are the same in both worlds.
        let differs = |part: usize| match part {
            1 => genuine.certificates != other.certificates,
            2 => genuine.collateral.is_some(),
            3 => genuine.revocation_list.is_some(),
            4 => genuine.manifests != other.manifests,
            _ => true,
        };
        let taken = from_other.iter().any(|part| differs(*part));
        let names: Vec<_> = from_other.iter().map(|part| PARTS[*part].0).collect();
        all.push(Mutant {
            class: Class::M6Cross,
            recipe: format!("of another world: {}", names.join(", ")),
            case,
            expectation: if taken { Expectation::Refused } else { Expectation::Same },
        });
    }
    all.extend(times(lab, &genuine));
    all.extend(roots(&genuine));
    all
}

fn times(lab: &Lab, genuine: &Case) -> Vec<Mutant> {
    let day = 86_400;
    // Ends of the shortest-lived part: Intel's collateral, AMD's revocation list, NVIDIA's signer of manifests.
    let (start, end) = match lab.subject {
        Subject::Tdx(_) => (ISSUE_UNIX_S, ISSUE_UNIX_S + 30 * day - 1),
        Subject::Snp(_) => (ISSUE_UNIX_S, ISSUE_UNIX_S + 365 * day),
        Subject::Gpu(_) => (VENDOR_START_UNIX_S, VENDOR_START_UNIX_S + 2 * 365 * day),
    };
    let mut all = Vec::new();
    for (now_unix_s, inside) in [
        (0, false),
        (start - day, false),
        (start - 1, false),
        (start, true),
        (start + day, true),
        (end, true),
        (end + 1, false),
        (end + day, false),
        (u64::MAX, false),
    ] {
        let mut case = genuine.clone();
        case.now_unix_s = now_unix_s;
        case.challenged_unix_s = Some(now_unix_s);
        all.push(Mutant {
            class: Class::M6Cross,
            recipe: format!("the clock says {now_unix_s}"),
            case,
            expectation: if inside {
                Expectation::Same
            } else {
                Expectation::Refused
            },
        });
    }
    // What the vendor publishes, from the future and from the past.
    for (name, issue_unix_s) in [
        ("an hour from now", genuine.now_unix_s + 3_600),
        ("two years ago", genuine.now_unix_s - 2 * 365 * day),
    ] {
        let mut case = genuine.clone();
        match lab.subject {
            Subject::Tdx(_) => case.collateral = Some(Arc::new(lab.tdx.collateral(issue_unix_s))),
            Subject::Snp(_) => {
                case.revocation_list = Some(lab.snp.revocation_list(issue_unix_s, &SnpRevocations::default()));
            }
            Subject::Gpu(_) => continue,
        }
        all.push(Mutant {
            class: Class::M6Cross,
            recipe: format!("published {name}"),
            case,
            expectation: Expectation::Refused,
        });
    }
    all
}

/// Simulated evidence under vendors' roots, and stores and policies of different kinds.
fn roots(genuine: &Case) -> Vec<Mutant> {
    let mutant = |recipe: &str, vendor_store, vendor_policy| {
        let mut case = genuine.clone();
        if vendor_store {
            case.trust = TrustStore::vendor();
        }
        if vendor_policy {
            case.policy.anchors = AnchorKind::Vendor;
        }
        Mutant {
            class: Class::M6Cross,
            recipe: recipe.to_owned(),
            case,
            expectation: Expectation::RefusedAs(crate::appraise::ReasonClass::Root),
        }
    };
    vec![
        mutant("vendors' roots and a policy for them", true, true),
        mutant("vendors' roots under a policy for simulation", true, false),
        mutant("simulated roots under a policy for production", false, true),
    ]
}
