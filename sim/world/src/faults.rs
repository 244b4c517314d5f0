//! Faults of a plan, as a schedule of small steps: each fault that mends itself is two of them.

use crate::{
    deployment::{Deployment, Vendor},
    plan::{
        Authority, CollateralParts, FaultAction, FaultPlan, ImageOf, KeysOf, LinkPlan, LinkRule, Moment, NetworkPlan,
        Place, SpanNs,
    },
    recorder::Recorder,
};
use chrysalis_env::Env;
use chrysalis_node::key_manager::ring::KeyHolder;
use chrysalis_sim::{ClockSpec, DiskImage, Distribution, KillMode, LinkSpec, Network, NodeHandle, disk::DiskFault};
use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

/// A node of the world, with what faults need to know of it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) handle: NodeHandle,
    pub(crate) region: String,
    pub(crate) clock: ClockSpec,
    /// The last copy of its disk.
    pub(crate) disk_copy: Option<DiskImage>,
}

pub(crate) type Targets = BTreeMap<String, Target>;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Kill {
        node: String,
        power: bool,
    },
    Restart {
        node: String,
        wipe: bool,
    },
    Pause {
        node: String,
    },
    Resume {
        node: String,
    },
    Cut {
        left: Vec<Place>,
        right: Vec<Place>,
        one_way: bool,
    },
    Heal {
        left: Vec<Place>,
        right: Vec<Place>,
        one_way: bool,
    },
    Hold {
        left: Vec<Place>,
        right: Vec<Place>,
        one_way: bool,
    },
    Release {
        left: Vec<Place>,
        right: Vec<Place>,
        one_way: bool,
    },
    Link {
        from: Place,
        to: Place,
        one_way: bool,
        link: Option<LinkPlan>,
    },
    ClockJump {
        node: String,
        by_ns: i64,
    },
    Disk {
        node: String,
        fault: DiskFault,
    },
    /// A copy of the disk is made.
    CopyDisk {
        node: String,
    },
    /// The last copy takes the place of what the disk holds.
    OldDisk {
        node: String,
    },
    /// What the reference values and endorsements of evidence are.
    Trust(TrustStep),
    /// From now on the process dies when something happens.
    Arm {
        node: String,
        moment: Moment,
        restart_after_ns: u64,
    },
}

/// A change of what evidence is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrustStep {
    RevokePlatform { node: String },
    TcbRecovery,
    RevokeAuthority { authority: Authority },
    FreezeCollateral { is_frozen: bool },
    OldCollateral { parts: Option<CollateralParts> },
    AllowForeignImage { image: ImageOf },
    RemoveImage { image: ImageOf },
    RemoveModel { model: String },
    RevokeKey { of: KeysOf },
    OtherImage { node: String },
}

impl TrustStep {
    /// Kind and target in the table of faults.
    fn named(&self) -> (&'static str, String) {
        let of = |image| match image {
            ImageOf::Proxies => "proxies".to_owned(),
            ImageOf::Workers => "workers".to_owned(),
        };
        match self {
            Self::RevokePlatform { node } => ("revoke_platform", node.clone()),
            Self::TcbRecovery => ("tcb_recovery", "vendor".to_owned()),
            Self::FreezeCollateral { is_frozen: true } => ("freeze_collateral", "vendor".to_owned()),
            Self::FreezeCollateral { is_frozen: false } => ("thaw_collateral", "vendor".to_owned()),
            Self::RevokeAuthority { authority } => {
                let whose = match authority {
                    Authority::PlatformCa => "platform_ca",
                    Authority::TcbSigner => "tcb_signer",
                };
                ("revoke_authority", whose.to_owned())
            }
            Self::OldCollateral { parts } => {
                let kind = match parts {
                    Some(CollateralParts::All) => "old_collateral",
                    Some(CollateralParts::RevocationLists) => "old_revocation_lists",
                    None => "new_collateral",
                };
                (kind, "vendor".to_owned())
            }
            Self::AllowForeignImage { image } => ("allow_foreign_image", of(*image)),
            Self::RemoveImage { image } => ("remove_image", of(*image)),
            Self::RemoveModel { model } => ("remove_model", model.clone()),
            Self::OtherImage { node } => ("other_image", node.clone()),
            Self::RevokeKey { of } => ("revoke_key", KeyHolder::from(*of).name().to_owned()),
        }
    }

    /// Lets it happen. `unix_s` is true time.
    pub(crate) fn apply(&self, at_ns: u64, unix_s: u64, deployment: &Deployment, recorder: &Recorder) {
        let (kind, target) = self.named();
        recorder.fault(at_ns, kind, target);
        let on_vendor = |change: &dyn Fn(&Vendor)| {
            if let Some(vendor) = deployment.vendor() {
                change(vendor);
            }
        };
        match self {
            Self::RevokePlatform { node } => {
                if let Some(machine) = deployment.evidence().machine(node) {
                    on_vendor(&|vendor| vendor.revoke(machine, unix_s));
                }
            }
            Self::TcbRecovery => on_vendor(&|vendor| vendor.recover_tcb(unix_s)),
            Self::RevokeAuthority { authority } => on_vendor(&|vendor| vendor.revoke_authority(*authority, unix_s)),
            Self::FreezeCollateral { is_frozen } => on_vendor(&|vendor| vendor.freeze(*is_frozen)),
            Self::OldCollateral { parts } => on_vendor(&|vendor| vendor.serve_old(*parts)),
            Self::AllowForeignImage { image } => deployment.allow_foreign_image(*image),
            Self::RemoveImage { image } => deployment.remove_image(*image),
            Self::RemoveModel { model } => deployment.remove_model(model),
            Self::RevokeKey { of } => deployment.revoke_key(*of),
            Self::OtherImage { node } => deployment.change_image(node),
        }
    }
}

/// Steps by time, in the order of the plan where times are equal.
pub(crate) fn schedule(faults: &[FaultPlan]) -> Vec<(u64, Step)> {
    let mut steps = Vec::new();
    for fault in faults {
        let at = fault.at_ns;
        let after = |span: &Option<u64>| span.map(|span| at.saturating_add(span));
        match &fault.action {
            FaultAction::Kill {
                node,
                restart_after_ns,
                wipe,
            } => steps.extend(death(at, node, false, after(restart_after_ns), *wipe)),
            FaultAction::PowerLoss {
                node,
                restart_after_ns,
                wipe,
            } => steps.extend(death(at, node, true, after(restart_after_ns), *wipe)),
            FaultAction::Pause { node, length_ns } => {
                steps.push((at, Step::Pause { node: node.clone() }));
                steps.push((at.saturating_add(*length_ns), Step::Resume { node: node.clone() }));
            }
            FaultAction::Partition {
                left,
                right,
                one_way,
                length_ns,
            } => {
                let (left, right, one_way) = (left.clone(), right.clone(), *one_way);
                let heal = Step::Heal {
                    left: left.clone(),
                    right: right.clone(),
                    one_way,
                };
                steps.push((at, Step::Cut { left, right, one_way }));
                steps.extend(after(length_ns).map(|at| (at, heal)));
            }
            FaultAction::Hold {
                left,
                right,
                one_way,
                length_ns,
            } => {
                let (left, right, one_way) = (left.clone(), right.clone(), *one_way);
                let release = Step::Release {
                    left: left.clone(),
                    right: right.clone(),
                    one_way,
                };
                steps.push((at, Step::Hold { left, right, one_way }));
                steps.extend(after(length_ns).map(|at| (at, release)));
            }
            FaultAction::Link {
                from,
                to,
                one_way,
                link,
                length_ns,
            } => {
                let step = |link| Step::Link {
                    from: from.clone(),
                    to: to.clone(),
                    one_way: *one_way,
                    link,
                };
                steps.push((at, step(Some(link.clone()))));
                steps.extend(after(length_ns).map(|at| (at, step(None))));
            }
            FaultAction::ClockJump { node, by_ns } => {
                steps.push((
                    at,
                    Step::ClockJump {
                        node: node.clone(),
                        by_ns: *by_ns,
                    },
                ));
            }
            FaultAction::PowerLossInDiskWork {
                node,
                operations,
                restart_after_ns,
            } => {
                let fault = DiskFault::PowerLossAfter {
                    operations: *operations,
                };
                let node = node.clone();
                steps.push((
                    at,
                    Step::Disk {
                        node: node.clone(),
                        fault,
                    },
                ));
                steps.extend(after(restart_after_ns).map(|at| (at, Step::Restart { node, wipe: false })));
            }
            FaultAction::OldDisk {
                node,
                copied_at_ns,
                restart_after_ns,
            } => {
                let back = at.saturating_add(*restart_after_ns);
                steps.push((*copied_at_ns, Step::CopyDisk { node: node.clone() }));
                let mut death = death(at, node, false, Some(back), false);
                steps.extend(death.next());
                steps.push((back, Step::OldDisk { node: node.clone() }));
                steps.extend(death);
            }
            FaultAction::KillAt {
                node,
                moment,
                restart_after_ns,
            } => steps.push((
                at,
                Step::Arm {
                    node: node.clone(),
                    moment: *moment,
                    restart_after_ns: *restart_after_ns,
                },
            )),
            FaultAction::RevokePlatform { node } => {
                steps.push((at, Step::Trust(TrustStep::RevokePlatform { node: node.clone() })));
            }
            FaultAction::TcbRecovery => steps.push((at, Step::Trust(TrustStep::TcbRecovery))),
            FaultAction::FreezeCollateral { length_ns } => {
                let frozen = |is_frozen| Step::Trust(TrustStep::FreezeCollateral { is_frozen });
                steps.push((at, frozen(true)));
                steps.extend(after(length_ns).map(|at| (at, frozen(false))));
            }
            FaultAction::RevokeAuthority { authority } => {
                let authority = *authority;
                steps.push((at, Step::Trust(TrustStep::RevokeAuthority { authority })));
            }
            FaultAction::OldCollateral { parts, length_ns } => {
                let step = |parts| Step::Trust(TrustStep::OldCollateral { parts });
                steps.push((at, step(Some(*parts))));
                steps.extend(after(length_ns).map(|at| (at, step(None))));
            }
            FaultAction::AllowForeignImage { image } => {
                steps.push((at, Step::Trust(TrustStep::AllowForeignImage { image: *image })));
            }
            FaultAction::RemoveImage { image } => {
                steps.push((at, Step::Trust(TrustStep::RemoveImage { image: *image })));
            }
            FaultAction::OtherImage { node, restart_after_ns } => {
                let back = at.saturating_add(*restart_after_ns);
                let mut death = death(at, node, false, Some(back), false);
                steps.extend(death.next());
                steps.push((back, Step::Trust(TrustStep::OtherImage { node: node.clone() })));
                steps.extend(death);
            }
            FaultAction::RevokeKey { of } => steps.push((at, Step::Trust(TrustStep::RevokeKey { of: *of }))),
            FaultAction::RemoveModel { model } => {
                let model = model.clone();
                steps.push((at, Step::Trust(TrustStep::RemoveModel { model })));
            }
            FaultAction::DiskFull { node, length_ns } => {
                let step = |fault| Step::Disk {
                    node: node.clone(),
                    fault,
                };
                steps.push((at, step(DiskFault::Full)));
                steps.extend(after(length_ns).map(|at| (at, step(DiskFault::None))));
            }
        }
    }
    // A stable sort keeps the plan's order among equal times.
    steps.sort_by_key(|(at, _)| *at);
    steps
}

/// The steps of a death, with or without the power, and of the restart if there is one.
fn death(at: u64, node: &str, power: bool, back: Option<u64>, wipe: bool) -> impl Iterator<Item = (u64, Step)> {
    let node = node.to_owned();
    let kill = Step::Kill {
        node: node.clone(),
        power,
    };
    std::iter::once((at, kill)).chain(back.map(|at| (at, Step::Restart { node, wipe })))
}

/// Carries out a step and notes it.
pub(crate) fn apply(
    step: &Step,
    at_ns: u64,
    targets: &mut Targets,
    network: &Network,
    plan: &NetworkPlan,
    recorder: &Recorder,
) {
    match step {
        Step::Kill { node, power } => {
            let (kind, mode) = if *power {
                ("power_loss", KillMode::PowerLoss)
            } else {
                ("kill", KillMode::Process)
            };
            on(targets, node, kind, at_ns, recorder, |target| target.handle.kill(mode));
        }
        Step::Restart { node, wipe } => {
            let kind = if *wipe { "restart_wiped" } else { "restart" };
            on(targets, node, kind, at_ns, recorder, |target| {
                if *wipe {
                    target.handle.wipe_disk();
                }
                target.handle.restart();
            });
        }
        Step::Pause { node } => on(targets, node, "pause", at_ns, recorder, |target| target.handle.pause()),
        Step::Resume { node } => on(targets, node, "resume", at_ns, recorder, |target| {
            target.handle.resume();
        }),
        Step::ClockJump { node, by_ns } => on(targets, node, "clock_jump", at_ns, recorder, |target| {
            target.clock.skew_ns = target.clock.skew_ns.saturating_add(*by_ns);
            target.handle.set_clock(target.clock);
        }),
        Step::Disk { node, fault } => {
            let kind = match fault {
                DiskFault::None => "disk_mended",
                DiskFault::Full => "disk_full",
                DiskFault::Errors { .. } => "disk_errors",
                DiskFault::PowerLossAfter { .. } => "power_loss_in_disk_work",
            };
            on(targets, node, kind, at_ns, recorder, |target| {
                target.handle.set_disk_fault(*fault);
            });
        }
        Step::CopyDisk { node } => on(targets, node, "disk_copied", at_ns, recorder, |target| {
            target.disk_copy = target.handle.disk_image();
        }),
        Step::OldDisk { node } => on(targets, node, "old_disk", at_ns, recorder, |target| {
            if let Some(copy) = &target.disk_copy {
                target.handle.restore_disk(copy);
            }
        }),
        // Nothing of the network: see `TrustStep::apply`.
        Step::Trust(_) => {}
        // It waits beside the schedule: see `armed`.
        Step::Arm { node, .. } => recorder.fault(at_ns, "armed", node.clone()),
        Step::Cut { left, right, one_way } => {
            recorder.fault(at_ns, "partition", between(left, right));
            each_pair(targets, left, right, *one_way, |a, b| network.cut_one_way(a, b));
        }
        Step::Heal { left, right, one_way } => {
            recorder.fault(at_ns, "heal", between(left, right));
            each_pair(targets, left, right, *one_way, |a, b| network.heal_one_way(a, b));
        }
        Step::Hold { left, right, one_way } => {
            recorder.fault(at_ns, "hold", between(left, right));
            each_pair(targets, left, right, *one_way, |a, b| network.hold_one_way(a, b));
        }
        Step::Release { left, right, one_way } => {
            recorder.fault(at_ns, "release", between(left, right));
            each_pair(targets, left, right, *one_way, |a, b| network.release_one_way(a, b));
        }
        Step::Link {
            from,
            to,
            one_way,
            link,
        } => {
            let (from, to) = (std::slice::from_ref(from), std::slice::from_ref(to));
            let kind = if link.is_some() { "link" } else { "link_restored" };
            recorder.fault(at_ns, kind, format!("{} - {}", names(from), names(to)));
            for (a, b) in pairs(targets, from, to) {
                let spec = |a: &NodeHandle, b: &NodeHandle| match link {
                    Some(link) => link_spec(link),
                    None => planned_link(plan, targets, a, b),
                };
                network.set_link_one_way(&a, &b, spec(&a, &b));
                if !one_way {
                    network.set_link_one_way(&b, &a, spec(&b, &a));
                }
            }
        }
    }
}

/// Kills a node when its moment comes, and starts it again.
pub(crate) async fn armed(
    env: &Env,
    handle: &NodeHandle,
    recorder: &Recorder,
    moment: Moment,
    from_ns: u64,
    restart_after_ns: u64,
) {
    let name = handle.name();
    let bell = recorder.moments.wait_for(name, moment, from_ns);
    bell.notified().await;
    recorder.fault(env.now_ns(), "kill", name.to_owned());
    handle.kill(KillMode::Process);
    env.sleep(Duration::from_nanos(restart_after_ns)).await;
    recorder.fault(env.now_ns(), "restart", name.to_owned());
    handle.restart();
}

fn on(
    targets: &mut Targets,
    node: &str,
    kind: &str,
    at_ns: u64,
    recorder: &Recorder,
    action: impl FnOnce(&mut Target),
) {
    recorder.fault(at_ns, kind, node.to_owned());
    // Names were checked when the scenario was read; a plan made by hand may name nobody.
    if let Some(target) = targets.get_mut(node) {
        action(target);
    }
}

fn names(places: &[Place]) -> String {
    let names: Vec<&str> = places
        .iter()
        .map(|place| match place {
            Place::Node(name) | Place::Region(name) => name.as_str(),
        })
        .collect();
    names.join(", ")
}

fn between(left: &[Place], right: &[Place]) -> String {
    format!("{} | {}", names(left), names(right))
}

/// Does something to the link of every pair across, and to the links back unless `one_way`.
fn each_pair(
    targets: &Targets,
    left: &[Place],
    right: &[Place],
    one_way: bool,
    action: impl Fn(&NodeHandle, &NodeHandle),
) {
    for (a, b) in pairs(targets, left, right) {
        action(&a, &b);
        if !one_way {
            action(&b, &a);
        }
    }
}

fn pairs(targets: &Targets, left: &[Place], right: &[Place]) -> Vec<(NodeHandle, NodeHandle)> {
    let members = |places: &[Place]| -> Vec<NodeHandle> {
        targets
            .iter()
            .filter(|(name, target)| places.iter().any(|place| is_in(place, name, &target.region)))
            .map(|(_, target)| target.handle.clone())
            .collect()
    };
    let right = members(right);
    members(left)
        .iter()
        .flat_map(|a| {
            right
                .iter()
                .filter(|b| a.id() != b.id())
                .map(|b| (a.clone(), b.clone()))
        })
        .collect()
}

fn is_in(place: &Place, name: &str, region: &str) -> bool {
    match place {
        Place::Node(node) => node == name,
        Place::Region(other) => other == region,
    }
}

/// The link that the plan has from `a` to `b`.
pub(crate) fn planned_link(plan: &NetworkPlan, targets: &Targets, a: &NodeHandle, b: &NodeHandle) -> LinkSpec {
    let region = |handle: &NodeHandle| targets.get(handle.name()).map_or("", |target| target.region.as_str());
    let fits = |rule: &LinkRule, a: &NodeHandle, b: &NodeHandle| {
        is_in(&rule.from, a.name(), region(a)) && is_in(&rule.to, b.name(), region(b))
    };
    let rule = plan
        .rules
        .iter()
        .find(|rule| fits(rule, a, b) || (!rule.one_way && fits(rule, b, a)));
    link_spec(rule.map_or(&plan.default_link, |rule| &rule.link))
}

pub(crate) fn link_spec(link: &LinkPlan) -> LinkSpec {
    LinkSpec {
        latency: match link.latency_ns {
            SpanNs::Constant(ns) => Distribution::Constant(ns),
            SpanNs::Uniform { low_ns, high_ns } => Distribution::Uniform {
                low: low_ns,
                high: high_ns,
            },
            SpanNs::Normal { mean_ns, deviation_ns } => Distribution::Normal {
                mean: mean_ns,
                deviation: deviation_ns,
            },
            SpanNs::Exponential { mean_ns } => Distribution::Exponential { mean: mean_ns },
        },
        loss_ppm: link.loss_ppm,
        bandwidth_bytes_per_s: link.bandwidth_bytes_per_s.and_then(NonZeroU64::new),
        socket_buffer_bytes: link.socket_buffer_bytes as usize,
        ..LinkSpec::default()
    }
}
