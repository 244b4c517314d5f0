//! Adversaries against evidence: what each comes to in each profile, on each engine.

use crate::common;

use chrysalis_world::{EngineKind, Outcome, RunOptions, Workshop, plan::*, run};
use std::{collections::BTreeSet, sync::Arc};

const S: u64 = 1_000_000_000;

fn engines() -> impl Iterator<Item = EngineKind> {
    let madsim = chrysalis_world::MADSIM_AVAILABLE.then_some(EngineKind::Madsim);
    [EngineKind::Native].into_iter().chain(madsim)
}

fn attack(technique: Technique, pose: Pose, flaws: &[Flaw]) -> EvidenceAttack {
    EvidenceAttack {
        name: technique.name().to_owned(),
        technique,
        pose,
        of: None,
        flaws: flaws.iter().copied().collect(),
    }
}

/// A small network with one adversary in it.
fn with(attack: EvidenceAttack, profile: Profile) -> Plan {
    let mut plan = common::hello(1);
    plan.profile = profile;
    plan.duration_ns = 900 * S;
    plan.users[0].requests.truncate(1);
    plan.attestation.binding = BindingPlan::session(Some(20 * S), Some(10 * S));
    plan.attestation.attacks = vec![EvidenceAttackPlan { at_ns: 10 * S, attack }];
    plan.attestation = plan.attestation.of_profile(profile);
    plan.expectations.clear();
    plan
}

fn play(plan: &Plan, engine: EngineKind) -> Outcome {
    run(
        &Arc::new(plan.clone()),
        RunOptions::verdicts(engine),
        &Workshop::default(),
    )
    .unwrap()
}

/// Whether it worked, and what is said of it.
fn ended(outcome: &Outcome) -> (Option<bool>, String) {
    let attack = outcome.rows.attacks.first().expect("each attack comes to an end");
    (attack.worked, attack.detail.clone())
}

/// What becomes of each attack in profile reference and in profile hardened.
fn expected(technique: Technique, pose: Pose) -> Option<[bool; 2]> {
    if !technique.is_tried_as(pose) {
        return None;
    }
    Some(match technique {
        Technique::LeakedKey
        | Technique::ReplayedEvidence
        | Technique::ReflectedEvidence
        | Technique::Relay
        | Technique::LostMachine => [true, false],
        // What nothing but a list of machines stops, and there is none.
        Technique::OwnMachine | Technique::ExtractedKey => [true, true],
        Technique::StolenQuote
        | Technique::NoEvidence
        | Technique::OtherRole
        | Technique::BlindRelay
        | Technique::Malleated
        | Technique::Confused
        | Technique::Resumption
        | Technique::Flood
        | Technique::Silence => [false, false],
    })
}

#[test]
fn each_attack_comes_to_what_its_profile_lets_it() {
    for technique in Technique::ALL {
        for pose in [Pose::Worker, Pose::Proxy] {
            let Some(expected) = expected(technique, pose) else {
                continue;
            };
            for (profile, expected) in Profile::ALL.into_iter().zip(expected) {
                let plan = with(attack(technique, pose, &[]), profile);
                let [native, other] = {
                    let mut outcomes = engines().map(|engine| ended(&play(&plan, engine)));
                    let native = outcomes.next().unwrap();
                    [native.clone(), outcomes.next().unwrap_or(native)]
                };
                let what = format!("{technique:?} as {pose:?} in {profile:?}: {native:?}");
                assert_eq!(native.0, Some(expected), "{what}");
                assert_eq!(native, other, "{what}");
            }
        }
    }
}

#[test]
fn each_flaw_is_let_in_or_not() {
    for flaw in Flaw::ALL {
        let expected = match flaw {
            // Attributes, of which the reference system sees none. The engine that verifies quotes sees three.
            Flaw::Debug | Flaw::Profiling | Flaw::Perfmon => [true, false],
            Flaw::Migratable | Flaw::SeptVe | Flaw::ServiceTd => [false, false],
            Flaw::OutdatedTcb | Flaw::ForeignRoot | Flaw::OtherImage | Flaw::HostTables | Flaw::OtherConfiguration => {
                [false, false]
            }
        };
        for (profile, expected) in Profile::ALL.into_iter().zip(expected) {
            let plan = with(attack(Technique::OwnMachine, Pose::Worker, &[flaw]), profile);
            let (worked, detail) = ended(&play(&plan, EngineKind::Native));
            assert_eq!(worked, Some(expected), "{flaw:?} in {profile:?}: {detail}");
        }
    }
}

#[test]
fn a_refusal_of_everybody_is_no_refusal_of_the_attack() {
    for pose in [Pose::Worker, Pose::Proxy] {
        let mut plan = with(attack(Technique::StolenQuote, pose, &[]), Profile::Hardened);
        plan.attestation.policy = PolicyPlan::Rules(Box::new(RulesPlan {
            machines_of: Some(BTreeSet::new()),
            ..RulesPlan::default()
        }));
        for works in [true, false] {
            plan.expectations = vec![Expectation::Attack { works }];
            let outcome = play(&plan, EngineKind::Native);
            let (worked, detail) = ended(&outcome);
            assert_eq!(worked, None, "{detail}");
            assert!(detail.contains("an honest"), "{detail}");
            assert!(!outcome.passed(), "neither seen nor refused");
        }
    }
}

#[test]
fn a_list_of_machines_stops_those_that_are_not_on_it() {
    let listed = |nodes: &[&str]| {
        PolicyPlan::Rules(Box::new(RulesPlan {
            machines_of: Some(nodes.iter().map(|node| (*node).to_owned()).collect()),
            ..RulesPlan::default()
        }))
    };
    for pose in [Pose::Worker, Pose::Proxy] {
        let mut plan = with(attack(Technique::OwnMachine, pose, &[]), Profile::Hardened);
        plan.attestation.policy = listed(&["proxy-1", "worker-1"]);
        let (worked, detail) = ended(&play(&plan, EngineKind::Native));
        assert_eq!(worked, Some(false), "{detail}");
        // Whoever has the key of a listed machine is on the list.
        let node = if pose == Pose::Worker { "worker-1" } else { "proxy-1" };
        plan.attestation.attacks[0].attack = EvidenceAttack {
            of: Some(node.to_owned()),
            ..attack(Technique::ExtractedKey, pose, &[])
        };
        let (worked, detail) = ended(&play(&plan, EngineKind::Native));
        assert_eq!(worked, Some(true), "{detail}");
    }
}

#[test]
fn adversaries_are_part_of_what_a_seed_decides() {
    let plan = with(attack(Technique::Flood, Pose::Worker, &[]), Profile::Hardened);
    for engine in engines() {
        let (once, again) = (play(&plan, engine), play(&plan, engine));
        assert_eq!(once.stats.world_digest, again.stats.world_digest, "{engine:?}");
        assert_eq!(once.rows.attacks, again.rows.attacks);
    }
}
