//! A scenario and a seed give a plan: everything that one run does, drawn before the world starts.
//!
//! | module | holds |
//! |---|---|
//! | [`streams`] | one independent entropy stream for each label |
//! | [`sampling`] | integer sampling: spans of time, exponential gaps |
//! | [`prompts`] | texts of random words |
//! | [`workload`] | arrivals and requests of a group |
//! | [`faults`] | times and lengths of faults |
//! | [`settlement`] | times of operations and attacks on the chain |
//! | [`digest`] | the hash that identifies a plan |
//!
//! Each group of users and each fault draws from streams of its own, named after it. Adding, removing or changing one
//! leaves what the others draw as it was, so that a scenario can be edited and a failing plan made smaller.

pub mod digest;
mod faults;
mod prompts;
pub mod sampling;
mod settlement;
pub mod streams;
mod workload;

use chrysalis_world::plan::{AttestationPlan, EvidenceAttackPlan, Expectation, Plan, Profile};

use crate::scenario::Scenario;
use streams::Streams;

/// Draws the plan of one run with the sound behaviour. The same scenario and seed give the same plan on every machine.
#[must_use]
pub fn plan(scenario: &Scenario, seed: u64) -> Plan {
    plan_in(scenario, seed, Profile::Hardened)
}

/// Draws the plan of one run in a profile. Whatever is drawn is the same in both.
#[must_use]
pub fn plan_in(scenario: &Scenario, seed: u64, profile: Profile) -> Plan {
    let streams = Streams::new(seed);
    Plan {
        scenario: scenario.name.clone(),
        seed,
        start_unix_s: scenario.start_unix_s,
        duration_ns: scenario.duration_ns,
        network: scenario.network.clone(),
        economy: scenario.economy.clone(),
        attestation: attestation(scenario, profile, &streams),
        profile,
        settlement: scenario
            .settlement
            .as_ref()
            .map(|template| settlement::settlement(template, profile, &streams)),
        proxies: scenario.proxies.clone(),
        workers: scenario.workers.clone(),
        clients: scenario.clients.clone(),
        key_manager: scenario.key_manager.clone(),
        users: scenario
            .workload
            .iter()
            .flat_map(|group| workload::users(group, &streams))
            .collect(),
        faults: faults::faults(&scenario.faults, &streams),
        expectations: expectations(scenario, profile),
        race: scenario.race.clone(),
    }
}

/// Evidence of a run, with adversaries ordered by time; those of the same time as in the file.
fn attestation(scenario: &Scenario, profile: Profile, streams: &Streams) -> AttestationPlan {
    let mut attacks: Vec<EvidenceAttackPlan> = scenario
        .evidence_attacks
        .iter()
        .map(|timed| {
            let mut stream = streams.stream(&format!("plan/attestation/{}", timed.label));
            EvidenceAttackPlan {
                at_ns: sampling::span_ns(timed.at, &mut stream),
                attack: timed.what.clone(),
            }
        })
        .collect();
    attacks.sort_by_key(|planned| planned.at_ns);
    let plan = AttestationPlan {
        attacks,
        ..scenario.attestation.clone()
    };
    plan.of_profile(profile)
}

fn expectations(scenario: &Scenario, profile: Profile) -> Vec<Expectation> {
    let [reference, hardened] = &scenario.expectations_of_profile;
    let of_profile = match profile {
        Profile::Reference => reference,
        Profile::Hardened => hardened,
    };
    scenario.expectations.iter().chain(of_profile).cloned().collect()
}
