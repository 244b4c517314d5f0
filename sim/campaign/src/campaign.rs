//! Many plans; the first that finds something, made smaller.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    strategy::{Strategy as _, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    cast::Scene,
    finding::{Finding, Kind},
    machine::run,
    step::{Plan, plans},
    watch::Exercised,
};

/// Most plans that are tried to make a failing one smaller.
const SHRINK_RUNS: usize = 3_000;

/// How long and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Steps of all plans together, at least.
    pub transitions: u64,
    /// Steps of one plan, at most.
    pub steps_max: usize,
    /// Seed of the plans.
    pub seed: u64,
    /// Ends as soon as each of these was found; empty ends with the first finding of any kind.
    pub wanted: Vec<Kind>,
    /// Whether plans that found something are made smaller.
    pub shrink: bool,
}

impl Campaign {
    /// No finding is wanted.
    #[must_use]
    pub fn quiet(transitions: u64, seed: u64) -> Self {
        Self {
            transitions,
            steps_max: 100,
            seed,
            wanted: Vec::new(),
            shrink: true,
        }
    }

    /// Until each of T1 to T9 was found.
    #[must_use]
    pub fn attacks(transitions: u64, seed: u64) -> Self {
        Self {
            wanted: Kind::ATTACKS.to_vec(),
            ..Self::quiet(transitions, seed)
        }
    }
}

/// A finding, when it came, and the smallest plan known to give one of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// What was found first.
    pub finding: Finding,
    /// Steps of the campaign until then.
    pub transitions: u64,
    /// The plan, as small as it could be made.
    pub plan: Plan,
}

/// What a campaign came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Steps taken.
    pub transitions: u64,
    /// Plans.
    pub plans: u64,
    /// Transactions that were looked at.
    pub transactions: u64,
    /// What was done how often.
    pub exercised: Exercised,
    /// The first finding of each kind.
    pub discoveries: BTreeMap<Kind, Discovery>,
}

impl Report {
    /// Attacks that were not found.
    #[must_use]
    pub fn missing(&self, wanted: &[Kind]) -> Vec<Kind> {
        let found: BTreeSet<Kind> = self.discoveries.keys().copied().collect();
        wanted.iter().copied().filter(|kind| !found.contains(kind)).collect()
    }
}

/// Runs a campaign. `progress` hears how far it is after each plan, and can end it.
pub fn campaign(scene: &mut Scene, campaign: &Campaign, progress: &mut dyn FnMut(&Report) -> bool) -> Report {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&campaign.seed.to_be_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = plans(campaign.steps_max);
    let mut report = Report::default();
    while report.transitions < campaign.transitions {
        // The same draw can be made again, once for each kind that it finds.
        let before = runner.clone();
        let Ok(tree) = strategy.new_tree(&mut runner) else {
            return report;
        };
        let plan = tree.current();
        let outcome = run(scene, &plan);
        for finding in outcome.findings {
            if report.discoveries.contains_key(&finding.kind) {
                continue;
            }
            let transitions = report.transitions + finding.after_steps as u64;
            let mut again = before.clone();
            let plan = match strategy.new_tree(&mut again) {
                Ok(tree) if campaign.shrink => smallest(scene, tree, finding.kind),
                _ => plan.clone(),
            };
            let discovery = Discovery {
                transitions,
                plan,
                finding: finding.clone(),
            };
            report.discoveries.insert(finding.kind, discovery);
        }
        report.transitions += outcome.steps as u64;
        report.plans += 1;
        report.transactions += outcome.transactions;
        for (what, count) in outcome.exercised {
            *report.exercised.entry(what).or_default() += count;
        }
        let is_done = if campaign.wanted.is_empty() {
            !report.discoveries.is_empty()
        } else {
            report.missing(&campaign.wanted).is_empty()
        };
        if is_done || !progress(&report) {
            return report;
        }
    }
    report
}

/// The smallest plan on proptest's way down that still finds this kind.
fn smallest(scene: &mut Scene, mut tree: impl ValueTree<Value = Plan>, kind: Kind) -> Plan {
    let mut best = tree.current();
    let mut is_moved = tree.simplify();
    for _ in 0..SHRINK_RUNS {
        if !is_moved {
            break;
        }
        let plan = tree.current();
        let still = run(scene, &plan).findings.iter().any(|finding| finding.kind == kind);
        is_moved = if still {
            best = plan;
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    best
}
