//! The typed policy and the one in Rego agree: on every rule with its nearest positive, and on mutated evidence. And the
//! comparison would notice: without any one of its rules the policy in Rego disagrees somewhere.

use super::*;
use crate::{
    appraise::{Endorsements, Policy, appraise},
    freshness::Expected,
    mutate::{Case, Lab, Mutator, lab::Subject, named},
};
use serde_json::Value as Json;

/// A case with what the typed policy says.
struct Judged {
    recipe: String,
    is_accepted: bool,
    /// None if every policy refuses.
    input: Option<Json>,
}

fn judge(recipe: String, case: &Case) -> Judged {
    let evidence = Evidence {
        bytes: &case.evidence,
        certificates: &case.certificates,
        event_log: case.event_log.as_deref(),
    };
    let context = Context {
        now_unix_s: case.now_unix_s,
        trust: &case.trust,
        endorsements: Endorsements {
            tdx_collateral: case.collateral.as_deref(),
            snp_revocation_list: case.revocation_list.as_deref(),
            gpu_manifests: &case.manifests,
            gpu_manifest_memo: None,
        },
        policy: &case.policy,
        expected: Expected {
            report_data: case.report_data.as_ref(),
            nonce: case.nonce.as_ref(),
            challenged_unix_s: case.challenged_unix_s,
        },
    };
    Judged {
        recipe,
        is_accepted: appraise(&evidence, &context).is_accepted(),
        input: input(&evidence, &context).ok(),
    }
}

fn differences<'a>(policy: &RegoPolicy, cases: impl IntoIterator<Item = &'a Judged>) -> Vec<String> {
    let disagrees = |case: &&Judged| {
        let reasons = case.input.as_ref().map(|input| policy.reasons(input).unwrap());
        reasons.is_some_and(|reasons| reasons.is_empty()) != case.is_accepted
    };
    let found = cases.into_iter().filter(disagrees);
    found.map(|case| case.recipe.clone()).collect()
}

fn cases(subject: Subject, mutations: u64) -> Vec<Judged> {
    let lab = Lab::new(subject, 31);
    let genuine = lab.genuine();
    let mut without_rules = genuine.clone();
    without_rules.policy = Policy {
        anchors: genuine.policy.anchors,
        ..Policy::default()
    };
    let mut without_log = genuine.clone();
    without_log.event_log = None;
    if let Some(rules) = &mut without_log.policy.tdx {
        rules.required_events.clear();
        rules.require_event_log = true;
    }
    let mut all = vec![
        judge(format!("{subject:?}, genuine"), &genuine),
        judge(format!("{subject:?}, a policy without rules"), &without_rules),
        judge(
            format!("{subject:?}, no event log where only that is demanded"),
            &without_log,
        ),
    ];
    let mutator = Mutator::new(&genuine, 31);
    let mutants = named(&lab).into_iter().chain((0..mutations).map(|n| mutator.mutant(n)));
    all.extend(mutants.map(|mutant| judge(format!("{subject:?}, {}", mutant.recipe), &mutant.case)));
    all
}

#[test]
fn two_policies_agree_on_every_case() {
    let policy = RegoPolicy::second_opinion().unwrap();
    for subject in Subject::ALL {
        let cases = cases(subject, 200);
        let none: [String; 0] = [];
        assert_eq!(differences(&policy, &cases), none);
        let accepted = cases.iter().filter(|case| case.is_accepted).count();
        let judged = cases.iter().filter(|case| case.input.is_some()).count();
        // Not one of the two says no to everything, and it is really Rego that says no.
        assert!(
            accepted > 20 && judged > accepted + 20,
            "{subject:?}: {accepted}, {judged}"
        );
    }
}

/// Rules that say why where others, or the quote engine, refuse in any case.
const EXPLANATIONS: [&str; 2] = [
    "reasons contains \"the policy has no rules",
    "reasons contains \"SEPT_VE_DISABLE is off\"",
];

/// Each other rule of the policy in Rego is needed: left out, some case is accepted that the typed policy refuses.
#[test]
fn no_rule_can_be_left_out_unseen() {
    let subjects = [
        Subject::Tdx(crate::tdx::QuoteForm::V4),
        Subject::Tdx(crate::tdx::QuoteForm::V5Tdx15),
        Subject::Snp(crate::snp::Product::Genoa),
        Subject::Snp(crate::snp::Product::Turin),
        Subject::Gpu(crate::gpu::Architecture::Hopper),
    ];
    let cases: Vec<_> = subjects.into_iter().flat_map(|subject| cases(subject, 0)).collect();
    let rules: Vec<_> = SECOND_OPINION
        .match_indices("\nreasons contains ")
        .map(|(at, _)| at + 1)
        .collect();
    assert!(rules.len() > 40, "{}", rules.len());
    let mut superfluous = Vec::new();
    for at in rules {
        let rest = &SECOND_OPINION[at..];
        let len = rest.find("\n\n").unwrap_or(rest.len());
        let without = format!("{}{}", &SECOND_OPINION[..at], &rest[len..]);
        let policy = RegoPolicy::read("without.rego", &without).unwrap();
        let is_needed = cases.iter().any(|case| !differences(&policy, [case]).is_empty());
        if is_needed == EXPLANATIONS.iter().any(|explanation| rest.starts_with(explanation)) {
            superfluous.push(&rest[..len]);
        }
    }
    assert!(
        superfluous.is_empty(),
        "not as expected without these:\n{}",
        superfluous.join("\n")
    );
}

#[test]
fn a_policy_that_does_not_decide_refuses() {
    let read = |text: &str| RegoPolicy::read("own.rego", text);
    assert!(matches!(read("package x\nreasons {"), Err(RegoError::Syntax(_))));
    let long = "#".repeat(MAX_POLICY_LEN_BYTES + 1);
    assert!(matches!(read(&long), Err(RegoError::TooLong { .. })));
    let head = "package chrysalis.appraisal\nimport rego.v1\n";
    let decide = |rule: &str| read(&format!("{head}{rule}")).unwrap().reasons(&json!({"a": 1}));
    assert_eq!(
        decide("reasons contains \"no\" if input.a == 1"),
        Ok(BTreeSet::from(["no".to_owned()]))
    );
    assert_eq!(decide("reasons contains \"no\" if input.a == 2"), Ok(BTreeSet::new()));
    // Another type, texts that are none, no such rule.
    assert_eq!(decide("reasons := \"no\""), Err(RegoError::NoReasons));
    assert_eq!(decide("reasons contains 7"), Err(RegoError::NoReasons));
    assert!(decide("other := 1").is_err());
}
