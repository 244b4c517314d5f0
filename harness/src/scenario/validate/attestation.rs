//! Evidence: what nodes show and accept, what the vendor publishes, and adversaries.

use std::collections::{BTreeMap, BTreeSet};

use chrysalis_attest::anchors::AnchorKind;
use chrysalis_attest::gpu::Architecture;
use chrysalis_world::plan::{
    AttestationPlan, BindingPlan, CollateralPlan, EvidenceAttack, Flaw, GpuRulesPlan, GpusPlan, NodePlan, PolicyPlan,
    Pose, ProxyPlan, RulesPlan, Technique, TeeKind, WorkerPlan,
};

use super::context::Context;
use super::workload::Horizon;
use super::world::World;
use crate::diagnostic::Position;
use crate::scenario::file::{
    AttestationFile, CollateralFile, EvidenceAttackFile, GpuDemandFile, GpusFile, List, MachineFile, PolicyFile,
    ThreatFile, WorldFile,
};
use crate::scenario::load::Checked;
use crate::scenario::located::{At, Key, Text};
use crate::scenario::model::Timed;
use crate::scenario::problem::Problem;
use crate::scenario::scalar::{Bits, Choice, Duration, Name};
use crate::scenario::threat::ThreatClass;

/// Shortest period of renewals, checks and publications: peers do not serve those who ask more than once a second.
const MIN_PERIOD_NS: u64 = 2_000_000_000;

/// GPUs of workers, by name.
#[derive(Default)]
pub(super) struct Gpus {
    of: BTreeMap<String, GpusPlan>,
    /// Where they were given first.
    first: Option<Position>,
}

impl Gpus {
    pub(super) fn add(&mut self, cx: &Context<'_>, given: &At<GpusFile>, nodes: &[NodePlan]) -> Checked<()> {
        let range = 1..=GpusPlan::MAX;
        let gpus = GpusPlan {
            count: cx.number_or(&given.value.count, "the number of GPUs", &range, 1)?,
            architecture: cx.read_or(&given.value.architecture, Choice(Architecture::Hopper))?.0,
        };
        self.of.extend(nodes.iter().map(|node| (node.name.clone(), gpus)));
        self.first = self.first.or(Some(given.position));
        Ok(())
    }
}

/// Nodes that have machines of their own.
struct Attested<'a> {
    tee: TeeKind,
    proxies: &'a [ProxyPlan],
    workers: &'a [WorkerPlan],
    gpus: &'a BTreeMap<String, GpusPlan>,
}

impl Attested<'_> {
    fn names(&self, pose: Option<Pose>) -> Vec<String> {
        let proxies = self.proxies.iter().map(|proxy| &proxy.node.name);
        let workers = self.workers.iter().map(|worker| &worker.node.name);
        match pose {
            Some(Pose::Proxy) => proxies.cloned().collect(),
            Some(Pose::Worker) => workers.cloned().collect(),
            None => proxies.chain(workers).cloned().collect(),
        }
    }

    /// A node with a role, or with any that has a machine.
    fn find(&self, cx: &Context<'_>, name: &At<Name>, pose: Option<Pose>) -> Checked<String> {
        one_of(cx, name, pose.map_or("proxy or worker", Pose::name), self.names(pose))
    }

    /// A worker whose machine has GPUs.
    fn with_gpus(&self, cx: &Context<'_>, name: &At<Name>) -> Checked<String> {
        one_of(cx, name, "worker with GPUs", self.gpus.keys().cloned().collect())
    }

    fn list(&self, cx: &Context<'_>, list: &List<Name>) -> Checked<Vec<At<String>>> {
        let names = cx.list_if_given(list)?;
        let found = names.iter().map(|name| {
            let value = self.find(cx, name, None)?;
            let position = name.position;
            Ok(At { value, position })
        });
        found.collect()
    }
}

/// A name that must be among those that are known.
fn one_of(cx: &Context<'_>, name: &At<Name>, kind: &'static str, known: Vec<String>) -> Checked<String> {
    let Name(text) = &name.value;
    if known.contains(text) {
        return Ok(text.clone());
    }
    let problem = Problem::UnknownNode {
        kind,
        name: text.clone(),
        known,
    };
    cx.fail(name.position, problem)
}

/// Everything but adversaries, whose times are still to be drawn.
pub(super) fn fixed(
    cx: &Context<'_>,
    key: &Key<AttestationFile>,
    proxies: &[ProxyPlan],
    workers: &[WorkerPlan],
    gpus: Gpus,
) -> Checked<AttestationPlan> {
    let default_file = AttestationFile::default();
    let file = key.given().map_or(&default_file, |attestation| &attestation.value);
    let tee = cx.read_or(&file.tee, Choice(TeeKind::SimulatedTdx))?.0;
    let nodes = Attested {
        tee,
        proxies,
        workers,
        gpus: &gpus.of,
    };
    let of_machines = [
        (file.policy.given().map(|at| at.position), "policy"),
        (file.collateral.given().map(|at| at.position), "collateral"),
        (file.machines.given().map(|at| at.position), "machines"),
        (file.attacks.given().map(|at| at.position), "attacks"),
        (gpus.first, "gpus"),
    ];
    for (place, key) in of_machines {
        if let (Some(place), false) = (place, tee.has_machines()) {
            let advice = "only `tee: simulated_tdx` and `simulated_snp` are of machines, and judged by rules";
            return cx.fail(
                place,
                Problem::Contradiction {
                    key,
                    other: "tee",
                    advice,
                },
            );
        }
    }
    Ok(AttestationPlan {
        binding: BindingPlan::session(
            period(cx, &file.renew_every, "the period of renewals")?,
            period(cx, &file.recheck_every, "the period of checks")?,
        ),
        policy: policy(cx, &file.policy, &nodes)?,
        collateral: collateral(cx, &file.collateral, tee)?,
        machines: machines(cx, &file.machines, &nodes)?,
        gpus: gpus.of,
        ..AttestationPlan::new(tee, cx.read_or(&file.proof_of_work, Bits(8))?.0)
    })
}

fn period(cx: &Context<'_>, key: &Key<Text<Duration>>, what: &'static str) -> Checked<Option<u64>> {
    let Some(text) = key.given() else { return Ok(None) };
    let Duration(period_ns) = cx.read(text)?;
    if period_ns < MIN_PERIOD_NS {
        let rule = "2s or more".to_owned();
        return cx.fail(text.position, Problem::OutOfRange { what, rule });
    }
    Ok(Some(period_ns))
}

fn policy(cx: &Context<'_>, key: &Key<PolicyFile>, nodes: &Attested<'_>) -> Checked<PolicyPlan> {
    let Some(At { value: file, .. }) = key.given() else {
        return Ok(PolicyPlan::default());
    };
    // Rules for what no node shows would change nothing.
    let (place, key, advice) = match nodes.tee {
        TeeKind::SimulatedSnp => {
            let place = file.tdx.given().map(|rules| rules.position);
            (
                place,
                "tdx",
                "with `tee: simulated_snp` the rules for guests are those of `snp`",
            )
        }
        _ => {
            let place = file.snp.given().map(|rules| rules.position);
            (
                place,
                "snp",
                "with `tee: simulated_tdx` the rules for guests are those of `tdx`",
            )
        }
    };
    if let Some(place) = place {
        let other = "tee";
        return cx.fail(place, Problem::Contradiction { key, other, advice });
    }
    let machines_of = match file.machines_of.given() {
        None => None,
        Some(_) => Some(
            nodes
                .list(cx, &file.machines_of)?
                .into_iter()
                .map(|node| node.value)
                .collect(),
        ),
    };
    Ok(PolicyPlan::Rules(Box::new(RulesPlan {
        anchors: cx.read_or(&file.anchors, Choice(AnchorKind::Simulation))?.0,
        tdx: file.tdx.given().map(|rules| rules.value.0.clone()).unwrap_or_default(),
        snp: file.snp.given().map(|rules| rules.value.0.clone()).unwrap_or_default(),
        machines_of,
        gpus: gpu_demand(cx, &file.gpus, nodes)?,
    })))
}

fn gpu_demand(cx: &Context<'_>, key: &Key<GpuDemandFile>, nodes: &Attested<'_>) -> Checked<Option<GpuRulesPlan>> {
    let Some(At { value: file, .. }) = key.given() else {
        return Ok(None);
    };
    let gpus_of = match file.of.given() {
        None => None,
        Some(_) => {
            let mut listed = BTreeSet::new();
            for name in cx.list_if_given(&file.of)? {
                listed.insert(nodes.with_gpus(cx, &name)?);
            }
            Some(listed)
        }
    };
    let range = 1..=GpusPlan::MAX;
    Ok(Some(GpuRulesPlan {
        min_gpus: cx.number_or(&file.at_least, "the number of GPUs", &range, 1)?,
        rules: file
            .rules
            .given()
            .map(|rules| rules.value.0.clone())
            .unwrap_or_default(),
        gpus_of,
    }))
}

fn collateral(cx: &Context<'_>, key: &Key<CollateralFile>, tee: TeeKind) -> Checked<CollateralPlan> {
    let Some(At { value: file, .. }) = key.given() else {
        return Ok(CollateralPlan::default());
    };
    if let (Some(lasts), TeeKind::SimulatedSnp) = (file.lasts.given(), tee) {
        let advice = "what AMD publishes are revocation lists, which last a year";
        let (key, other) = ("lasts", "tee");
        return cx.fail(lasts.position, Problem::Contradiction { key, other, advice });
    }
    Ok(CollateralPlan {
        lasts_ns: period(cx, &file.lasts, "how long collateral counts")?,
        refresh_ns: period(cx, &file.refresh_every, "the period of publications")?,
    })
}

/// What is wrong with a machine of this kind of evidence, which has GPUs or not.
fn flaws(cx: &Context<'_>, list: &List<Choice<Flaw>>, tee: TeeKind, has_gpus: bool) -> Checked<BTreeSet<Flaw>> {
    let mut flaws = BTreeSet::new();
    for At {
        value: Choice(flaw),
        position,
    } in cx.list_if_given(list)?
    {
        if !flaw.is_of(tee) {
            let advice = "evidence of this kind does not have this flaw";
            let (key, other) = ("flaws", "tee");
            return cx.fail(position, Problem::Contradiction { key, other, advice });
        }
        if flaw.is_of_gpus() && !has_gpus {
            let advice = "there is no GPU that could have this flaw; add `gpus` to the worker";
            let (key, other) = ("flaws", "gpus");
            return cx.fail(position, Problem::Contradiction { key, other, advice });
        }
        if !flaws.insert(flaw) {
            let name = flaw.name().to_owned();
            return cx.fail(position, Problem::DuplicateName { name });
        }
    }
    Ok(flaws)
}

fn machines(
    cx: &Context<'_>,
    key: &Key<Vec<At<MachineFile>>>,
    nodes: &Attested<'_>,
) -> Checked<BTreeMap<String, BTreeSet<Flaw>>> {
    let mut machines = BTreeMap::new();
    for At { value: file, position } in key.given().map_or(&[][..], |list| &list.value) {
        cx.required(&file.nodes, "nodes", *position)?;
        cx.required(&file.flaws, "flaws", *position)?;
        let names = nodes.list(cx, &file.nodes)?;
        let have_gpus = names.iter().all(|name| nodes.gpus.contains_key(&name.value));
        let flaws = flaws(cx, &file.flaws, nodes.tee, have_gpus)?;
        for At { value: name, position } in names {
            if machines.insert(name.clone(), flaws.clone()).is_some() {
                return cx.fail(position, Problem::DuplicateName { name });
            }
        }
    }
    Ok(machines)
}

/// Adversaries against evidence.
pub(super) fn attacks(
    cx: &Context<'_>,
    key: &Key<WorldFile>,
    world: &World,
    horizon: &Horizon,
    is_on_chain: bool,
) -> Checked<Vec<Timed<EvidenceAttack>>> {
    let file = key.given().and_then(|world| world.value.attestation.given());
    let Some(list) = file.and_then(|file| file.value.attacks.given()) else {
        return Ok(Vec::new());
    };
    if is_on_chain {
        let advice = "adversaries against evidence have no accounts on a chain; write two scenarios";
        let (key, other) = ("attacks", "settlement");
        return cx.fail(list.position, Problem::Contradiction { key, other, advice });
    }
    let nodes = Attested {
        tee: world.attestation.tee,
        proxies: &world.proxies,
        workers: &world.workers,
        gpus: &world.attestation.gpus,
    };
    let mut attacks: Vec<Timed<EvidenceAttack>> = Vec::new();
    for At { value: file, position } in &list.value {
        let text = cx.required(&file.at, "at", *position)?;
        let at = cx.read(text)?;
        horizon.check(cx, at.largest_named().0, text.position)?;
        let what = attack(cx, file, *position, &nodes)?;
        if attacks.iter().any(|other| other.what.name == what.name) {
            return cx.fail(*position, Problem::DuplicateName { name: what.name });
        }
        attacks.push(Timed {
            label: format!("attack/{}", what.name),
            at: at.into(),
            what,
        });
    }
    Ok(attacks)
}

fn attack(
    cx: &Context<'_>,
    file: &EvidenceAttackFile,
    position: Position,
    nodes: &Attested<'_>,
) -> Checked<EvidenceAttack> {
    let Choice(technique) = cx.read_required(&file.attack, "attack", position)?;
    let place = file.attack.given().map_or(position, |text| text.position);
    if technique.is_about_gpus() && nodes.gpus.is_empty() {
        let advice = "this attack is about GPUs, and no worker has any; add `gpus` to one";
        let (key, other) = ("attack", "gpus");
        return cx.fail(place, Problem::Contradiction { key, other, advice });
    }
    let default = if technique.is_tried_as(Pose::Worker) {
        Pose::Worker
    } else {
        Pose::Proxy
    };
    let Choice(pose) = cx.read_or(&file.pose, Choice(default))?;
    if let (Some(given), false) = (file.pose.given(), technique.is_tried_as(pose)) {
        let advice = "this attack is tried in the other role only";
        let (key, other) = ("as", "attack");
        return cx.fail(given.position, Problem::Contradiction { key, other, advice });
    }
    let of = match file.of.given() {
        // The first that has one.
        None if technique == Technique::RelayedGpu => nodes.gpus.keys().next().cloned(),
        None => None,
        Some(text) if technique == Technique::RelayedGpu => {
            let (value, position) = (cx.read(text)?, text.position);
            Some(nodes.with_gpus(cx, &At { value, position })?)
        }
        Some(text) if !technique.abuses_a_node() => {
            let advice = "this attack needs nothing of any node";
            let (key, other) = ("of", "attack");
            return cx.fail(text.position, Problem::Contradiction { key, other, advice });
        }
        Some(text) => {
            let role = match (technique, pose) {
                (Technique::OtherRole, Pose::Worker) => Pose::Proxy,
                (Technique::OtherRole, Pose::Proxy) => Pose::Worker,
                (_, pose) => pose,
            };
            let (value, position) = (cx.read(text)?, text.position);
            Some(nodes.find(cx, &At { value, position }, Some(role))?)
        }
    };
    let has_gpus = pose == Pose::Worker && !nodes.gpus.is_empty();
    let flaws = flaws(cx, &file.flaws, nodes.tee, has_gpus)?;
    if let (Some(given), false) = (file.flaws.given(), technique == Technique::OwnMachine) {
        let advice = "only `own-machine` is on a machine of the adversary's";
        let (key, other) = ("flaws", "attack");
        return cx.fail(given.position, Problem::Contradiction { key, other, advice });
    }
    let whose = of.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
    let with = match flaws.iter().map(|flaw| flaw.name()).collect::<Vec<_>>().join("+") {
        none if none.is_empty() => none,
        names => format!(" with {names}"),
    };
    let name = format!("{} as {}{whose}{with}", technique.name(), pose.name());
    Ok(EvidenceAttack {
        name,
        technique,
        pose,
        of,
        flaws,
    })
}

fn values<T, U>(list: Vec<At<T>>, read: impl Fn(T) -> U) -> Vec<U> {
    list.into_iter().map(|entry| read(entry.value)).collect()
}

/// How a threat is classified.
pub(super) fn threat(cx: &Context<'_>, key: &Key<ThreatFile>) -> Checked<Option<ThreatClass>> {
    let Some(At { value: file, position }) = key.given() else {
        return Ok(None);
    };
    cx.required(&file.catalogue, "catalogue", *position)?;
    cx.required(&file.stride, "stride", *position)?;
    Ok(Some(ThreatClass {
        catalogue: values(cx.list_if_given(&file.catalogue)?, |id| id),
        stride: values(cx.list_if_given(&file.stride)?, |Choice(word)| word),
        linddun: values(cx.list_if_given(&file.linddun)?, |Choice(word)| word),
        attack: values(cx.list_if_given(&file.attack)?, |id| id),
        atlas: values(cx.list_if_given(&file.atlas)?, |id| id),
        owasp: values(cx.list_if_given(&file.owasp)?, |id| id),
    }))
}
