//! Adversaries against evidence: what each comes to in each profile, on each engine.

use crate::common;

use chrysalis_attest::{
    gpu::{Architecture, GpuPolicy},
    sim_pki::SnpMachineForm,
    snp::{Product, SnpPolicy},
};
use chrysalis_world::{EngineKind, Outcome, RunOptions, Workshop, plan::*, run};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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
    by(RulesPlan::default(), TeeKind::SimulatedTdx, attack, profile)
}

/// The same with guests of any kind that are judged by these rules.
fn by(rules: RulesPlan, tee: TeeKind, attack: EvidenceAttack, profile: Profile) -> Plan {
    let mut plan = common::hello(1);
    plan.profile = profile;
    plan.duration_ns = 900 * S;
    plan.users[0].requests.truncate(1);
    plan.attestation.tee = tee;
    plan.attestation.binding = BindingPlan::session(Some(20 * S), Some(10 * S));
    plan.attestation.policy = PolicyPlan::Rules(Box::new(rules));
    plan.attestation.attacks = vec![EvidenceAttackPlan { at_ns: 10 * S, attack }];
    plan.attestation = plan.attestation.of_profile(profile);
    plan.expectations.clear();
    plan
}

/// The same where workers have GPUs, and proxies demand one, of these workers or of anybody.
fn with_gpus(attack: EvidenceAttack, profile: Profile, of: Option<&[&str]>) -> Plan {
    let rules = RulesPlan {
        gpus: Some(GpuRulesPlan {
            min_gpus: 1,
            rules: GpuPolicy::default(),
            gpus_of: of.map(|of| of.iter().map(|node| (*node).to_owned()).collect()),
        }),
        ..RulesPlan::default()
    };
    let mut plan = by(rules, TeeKind::SimulatedTdx, attack, profile);
    let gpus = GpusPlan {
        count: 1,
        architecture: Architecture::Hopper,
    };
    plan.attestation.gpus = BTreeMap::from([("worker-1".to_owned(), gpus)]);
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
        | Technique::LostMachine
        | Technique::DroppedGpu
        | Technique::RelayedGpu
        | Technique::ResoldGpu
        | Technique::StaleGpu
        | Technique::OtherSessionGpu
        | Technique::UnvouchedGpu => [true, false],
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
                let attack = attack(technique, pose, &[]);
                let plan = if technique.is_about_gpus() {
                    with_gpus(attack, profile, None)
                } else {
                    with(attack, profile)
                };
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
fn each_attack_on_snp_guests_comes_to_the_same() {
    for technique in Technique::ALL {
        for pose in [Pose::Worker, Pose::Proxy] {
            // What GPUs say is the same beside either kind of guest.
            let (Some(expected), false) = (expected(technique, pose), technique.is_about_gpus()) else {
                continue;
            };
            for (profile, expected) in Profile::ALL.into_iter().zip(expected) {
                let attack = attack(technique, pose, &[]);
                let plan = by(RulesPlan::default(), TeeKind::SimulatedSnp, attack, profile);
                let (worked, detail) = ended(&play(&plan, EngineKind::Native));
                assert_eq!(
                    worked,
                    Some(expected),
                    "{technique:?} as {pose:?} in {profile:?}: {detail}"
                );
            }
        }
    }
}

/// What becomes of a machine with a flaw in profile reference and in profile hardened, by the rules that hold where a
/// scenario has none.
fn expected_of(flaw: Flaw, tee: TeeKind) -> [bool; 2] {
    let is_snp = tee == TeeKind::SimulatedSnp;
    match flaw {
        // Attributes, of which the reference system sees none. The engine that verifies quotes sees three.
        Flaw::Debug | Flaw::Profiling | Flaw::Perfmon => [true, false],
        Flaw::Migratable => [is_snp, false],
        // AMD publishes no levels: only a policy's minimum tells which is outdated.
        Flaw::OutdatedTcb => [is_snp, is_snp],
        Flaw::LowPrivilege | Flaw::Milan => [true, false],
        // What policies must ask for.
        Flaw::Smt
        | Flaw::OutdatedFirmware
        | Flaw::UncheckedMemory
        | Flaw::VisibleCiphertext
        | Flaw::MovablePages
        | Flaw::EnergyCounters => [true, true],
        Flaw::SeptVe
        | Flaw::ServiceTd
        | Flaw::ForeignRoot
        | Flaw::OtherImage
        | Flaw::HostTables
        | Flaw::OtherConfiguration
        | Flaw::OverstatedTcb => [false, false],
        // The reference system sees no evidence of GPUs.
        Flaw::GpuUnstatedMode
        | Flaw::GpuProtectedPcie
        | Flaw::GpuOutdatedDriver
        | Flaw::GpuOutdatedVbios
        | Flaw::GpuOtherFirmware
        | Flaw::GpuUnstatedFirmware
        | Flaw::GpuForeignRoot => [true, false],
    }
}

#[test]
fn each_flaw_is_let_in_or_not() {
    for tee in [TeeKind::SimulatedTdx, TeeKind::SimulatedSnp] {
        for flaw in Flaw::ALL
            .into_iter()
            .filter(|flaw| flaw.is_of(tee) && !flaw.is_of_gpus())
        {
            for (profile, expected) in Profile::ALL.into_iter().zip(expected_of(flaw, tee)) {
                let attack = attack(Technique::OwnMachine, Pose::Worker, &[flaw]);
                let plan = by(RulesPlan::default(), tee, attack, profile);
                let (worked, detail) = ended(&play(&plan, EngineKind::Native));
                assert_eq!(worked, Some(expected), "{flaw:?} of {tee:?} in {profile:?}: {detail}");
            }
        }
    }
    for flaw in Flaw::ALL.into_iter().filter(|flaw| flaw.is_of_gpus()) {
        for (profile, expected) in Profile::ALL.into_iter().zip(expected_of(flaw, TeeKind::SimulatedTdx)) {
            let plan = with_gpus(attack(Technique::OwnMachine, Pose::Worker, &[flaw]), profile, None);
            let (worked, detail) = ended(&play(&plan, EngineKind::Native));
            assert_eq!(worked, Some(expected), "{flaw:?} in {profile:?}: {detail}");
        }
    }
}

#[test]
fn rules_for_snp_guests_reach_every_flaw() {
    let strict = SnpPolicy {
        allow_smt: false,
        min_committed_tcb: BTreeMap::from([(Product::Genoa, SnpMachineForm::current(Product::Genoa).tcb)]),
        require_rapl_disabled: true,
        require_ciphertext_hiding: true,
        require_page_swap_disabled: true,
        require_alias_check: true,
        ..SnpPolicy::default()
    };
    let tee = TeeKind::SimulatedSnp;
    for flaw in Flaw::ALL
        .into_iter()
        .filter(|flaw| flaw.is_of(tee) && !flaw.is_of_gpus())
    {
        let rules = RulesPlan {
            snp: strict.clone(),
            ..RulesPlan::default()
        };
        let attack = attack(Technique::OwnMachine, Pose::Worker, &[flaw]);
        let (worked, detail) = ended(&play(&by(rules, tee, attack, Profile::Hardened), EngineKind::Native));
        assert_eq!(worked, Some(false), "{flaw:?}: {detail}");
    }
}

#[test]
fn a_gpu_that_may_be_anywhere_is_stopped_by_a_list_or_by_its_own_worker() {
    // A genuine GPU of somebody else's: nothing in its evidence says where it is.
    for (of, expected) in [(None, true), (Some(&["worker-1"][..]), false)] {
        let plan = with_gpus(attack(Technique::OwnMachine, Pose::Worker, &[]), Profile::Hardened, of);
        let (worked, detail) = ended(&play(&plan, EngineKind::Native));
        assert_eq!(worked, Some(expected), "{detail}");
    }
    // A worker's, which is on the list: as long as the worker serves, the proxy sees it twice.
    let mut plan = with_gpus(
        attack(Technique::RelayedGpu, Pose::Worker, &[]),
        Profile::Hardened,
        Some(&["worker-1"]),
    );
    let (worked, detail) = ended(&play(&plan, EngineKind::Native));
    assert_eq!(worked, Some(false), "{detail}");
    assert!(detail.contains("serves another peer"), "{detail}");
    plan.faults = vec![FaultPlan {
        at_ns: 5 * S,
        action: FaultAction::Kill {
            node: "worker-1".to_owned(),
            restart_after_ns: None,
            wipe: false,
        },
    }];
    let (worked, detail) = ended(&play(&plan, EngineKind::Native));
    assert_eq!(worked, Some(true), "{detail}");
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
    let kinds = [TeeKind::SimulatedTdx, TeeKind::SimulatedSnp];
    for (pose, tee) in [Pose::Worker, Pose::Proxy]
        .into_iter()
        .flat_map(|pose| kinds.map(|tee| (pose, tee)))
    {
        let attacked = attack(Technique::OwnMachine, pose, &[]);
        let mut plan = by(RulesPlan::default(), tee, attacked, Profile::Hardened);
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
