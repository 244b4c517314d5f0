//! Threats against what was measured of them, evidence over time, and the platforms behind it.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{AssertionVerdict, AttackOutcome, AttestationVerdict};
use crate::store::{RunStore, ThreatDescription};

/// End of the names of assertions that say that a property does not hold: a weak point that must show.
const IS_VIOLATED: &str = " is violated";

/// What runs of one scenario in one profile show of its threat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// Runs in which an attack worked, or a property did not hold.
    pub open: u64,
    /// Runs in which something was tried and none of it worked.
    pub closed: u64,
    /// Runs of which nothing can be said: an attack was not carried out, or nothing was tried.
    pub unknown: u64,
    /// What was seen in the first run that decided the matter: of the open ones if there are any.
    pub example: Option<(u64, String)>,
}

/// A scenario about a threat, by profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreatSummary {
    /// Its name.
    pub scenario: String,
    /// How it is classified.
    pub threat: ThreatDescription,
    /// What was measured, by profile.
    pub profiles: BTreeMap<String, Measured>,
}

/// What one run shows.
enum Shown {
    Open(String),
    Closed(String),
    Unknown(String),
}

/// Scenarios about threats, in the order of the catalogue.
pub fn threats(runs: &[RunStore]) -> Vec<ThreatSummary> {
    let mut summaries: BTreeMap<(Vec<CatalogueKey>, &str), ThreatSummary> = BTreeMap::new();
    for run in runs {
        let description = run.run();
        let Some(threat) = &description.threat else {
            continue;
        };
        let keys = threat
            .catalogue
            .iter()
            .map(|named| CatalogueKey::of(&named.id))
            .collect();
        let summary = summaries
            .entry((keys, &description.scenario))
            .or_insert_with(|| ThreatSummary {
                scenario: description.scenario.clone(),
                threat: threat.clone(),
                profiles: BTreeMap::new(),
            });
        let measured = summary.profiles.entry(description.profile.clone()).or_default();
        let (detail, decides) = match shown(run) {
            Shown::Open(detail) => {
                measured.open += 1;
                (detail, measured.open == 1)
            }
            Shown::Closed(detail) => {
                measured.closed += 1;
                (detail, measured.open == 0 && measured.closed == 1)
            }
            Shown::Unknown(detail) => {
                measured.unknown += 1;
                (detail, measured.example.is_none())
            }
        };
        if decides {
            measured.example = Some((description.seed, detail));
        }
    }
    summaries.into_values().collect()
}

fn shown(run: &RunStore) -> Shown {
    let tables = run.tables();
    let of = |outcome| tables.attacks.iter().find(|attack| attack.outcome == outcome);
    if let Some(attack) = of(AttackOutcome::Worked) {
        return Shown::Open(attack.detail.clone());
    }
    let violated = tables.assertions.iter().find(|assertion| {
        let shows = assertion.name.ends_with(IS_VIOLATED);
        (shows && assertion.verdict == AssertionVerdict::Pass)
            || (!shows && assertion.verdict == AssertionVerdict::Fail)
    });
    if let Some(assertion) = violated {
        return Shown::Open(format!("{}: {}", assertion.name, assertion.detail));
    }
    if let Some(attack) = of(AttackOutcome::NotCarriedOut) {
        return Shown::Unknown(attack.detail.clone());
    }
    if let Some(attack) = of(AttackOutcome::Stopped) {
        return Shown::Closed(attack.detail.clone());
    }
    // No attacker: something is done to the network, and properties say whether that matters.
    let held = tables
        .assertions
        .iter()
        .find(|assertion| assertion.verdict == AssertionVerdict::Pass);
    match held {
        Some(assertion) if !tables.faults.is_empty() => Shown::Closed(format!("{} held", assertion.name)),
        _ => Shown::Unknown("nothing was tried".to_owned()),
    }
}

/// Orders A2 before A10.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct CatalogueKey(String, u64);

impl CatalogueKey {
    fn of(id: &str) -> Self {
        let digits = id
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(id.len());
        let (letters, number) = id.split_at(digits);
        Self(letters.to_owned(), number.parse().unwrap_or(u64::MAX))
    }
}

/// A machine, as far as evidence names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformSummary {
    /// Its pseudonym; empty for all that evidence does not name.
    pub pseudonym: String,
    /// Kinds of evidence.
    pub kinds: BTreeSet<String>,
    /// Whose roots.
    pub anchors: BTreeSet<String>,
    /// What the vendor said of its trusted computing base.
    pub tcb_statuses: BTreeSet<String>,
    /// Roles in which it was met.
    pub roles: BTreeSet<String>,
    /// Images that it ran.
    pub images: BTreeSet<String>,
    /// Most GPUs that it showed.
    pub gpus: u64,
    /// Times it was accepted.
    pub accepted: u64,
    /// Times it was refused after its evidence had been read.
    pub refused: u64,
}

/// Machines of these runs, the most often met first.
pub fn platforms(runs: &[RunStore]) -> Vec<PlatformSummary> {
    let mut platforms: BTreeMap<&str, PlatformSummary> = BTreeMap::new();
    for row in runs.iter().flat_map(|run| &run.tables().attestations) {
        // Where no evidence was read nothing is known of a platform.
        if row.kind.is_empty() {
            continue;
        }
        let platform = platforms.entry(&row.platform).or_insert_with(|| PlatformSummary {
            pseudonym: row.platform.clone(),
            kinds: BTreeSet::new(),
            anchors: BTreeSet::new(),
            tcb_statuses: BTreeSet::new(),
            roles: BTreeSet::new(),
            images: BTreeSet::new(),
            gpus: 0,
            accepted: 0,
            refused: 0,
        });
        for (set, value) in [
            (&mut platform.kinds, &row.kind),
            (&mut platform.anchors, &row.anchor),
            (&mut platform.tcb_statuses, &row.tcb_status),
            (&mut platform.roles, &row.peer),
            (&mut platform.images, &row.image_hash),
        ] {
            if !value.is_empty() {
                set.insert(value.clone());
            }
        }
        platform.gpus = platform.gpus.max(row.gpus);
        match row.verdict {
            AttestationVerdict::Accepted => platform.accepted += 1,
            AttestationVerdict::Rejected => platform.refused += 1,
        }
    }
    let mut platforms: Vec<_> = platforms.into_values().collect();
    platforms.sort_by_key(|platform| std::cmp::Reverse(platform.accepted + platform.refused));
    platforms
}

/// Something that bears on evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidenceEvent {
    /// Evidence was judged.
    Judged {
        /// Who judged.
        verifier: String,
        /// What the peer is.
        peer: String,
        /// What for.
        occasion: String,
        /// Why it was refused, if it was.
        refusal: Option<String>,
        /// Whether an earlier verdict was used again.
        cached: bool,
        /// Last second of the verdict.
        trusted_until_unix_s: Option<u64>,
    },
    /// Something was done to the network.
    Fault {
        /// Kind.
        kind: String,
        /// What it hit.
        target: String,
    },
    /// An attack was over.
    Attack {
        /// Its name.
        attack: String,
        /// What came of it.
        outcome: AttackOutcome,
        /// What was seen.
        detail: String,
    },
}

/// What bears on evidence in one run, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceTimeline {
    /// Name of the scenario.
    pub scenario: String,
    /// Profile.
    pub profile: String,
    /// Seed.
    pub seed: u64,
    /// Moments in nanoseconds of the run.
    pub events: Vec<(u64, EvidenceEvent)>,
}

/// The run that tells most of how evidence lives: the first in which it was renewed or judged again, or the first in
/// which it was refused, or the first in which it was judged at all.
pub fn evidence_timeline(runs: &[RunStore]) -> Option<EvidenceTimeline> {
    let is_later = |run: &&RunStore| {
        let rows = &run.tables().attestations;
        rows.iter()
            .any(|row| matches!(row.occasion.as_str(), "renewal" | "recheck"))
    };
    let refuses = |run: &&RunStore| {
        let rows = &run.tables().attestations;
        rows.iter().any(|row| row.verdict == AttestationVerdict::Rejected)
    };
    let judges = |run: &&RunStore| !run.tables().attestations.is_empty();
    let run = runs
        .iter()
        .find(is_later)
        .or_else(|| runs.iter().find(refuses))
        .or_else(|| runs.iter().find(judges))?;
    let tables = run.tables();
    let judged = tables.attestations.iter().map(|row| {
        let event = EvidenceEvent::Judged {
            verifier: row.verifier.clone(),
            peer: row.peer.clone(),
            occasion: row.occasion.clone(),
            refusal: (row.verdict == AttestationVerdict::Rejected).then(|| row.reason.clone()),
            cached: row.cached,
            trusted_until_unix_s: row.trusted_until_unix_s,
        };
        (row.at_ns, event)
    });
    let faults = tables.faults.iter().map(|row| {
        let event = EvidenceEvent::Fault {
            kind: row.kind.clone(),
            target: row.target.clone(),
        };
        (row.at_ns, event)
    });
    let attacks = tables.attacks.iter().filter_map(|row| {
        let event = EvidenceEvent::Attack {
            attack: row.attack.clone(),
            outcome: row.outcome,
            detail: row.detail.clone(),
        };
        Some((row.at_ns?, event))
    });
    let mut events: Vec<_> = faults.chain(attacks).chain(judged).collect();
    events.sort_by_key(|(at_ns, _)| *at_ns);
    let run = run.run();
    Some(EvidenceTimeline {
        scenario: run.scenario.clone(),
        profile: run.profile.clone(),
        seed: run.seed,
        events,
    })
}
