//! Faults: a time and exactly one action on places that exist.

use std::collections::BTreeMap;

use chrysalis_world::plan::{Authority, CollateralParts, Place, SpanNs, TeeKind};

use super::context::Context;
use super::links::{EndKeys, Ends, LinkKeys, current, ends, settings};
use super::workload::Horizon;
use super::world::World;
use crate::diagnostic::Position;
use crate::scenario::file::{FaultFile, List};
use crate::scenario::load::Checked;
use crate::scenario::located::{At, Key, Text};
use crate::scenario::model::{ActionTemplate, FaultTemplate};
use crate::scenario::problem::Problem;
use crate::scenario::scalar::{Choice, Distribution, Duration, Name};

const ACTIONS: &[&str] = &[
    "kill",
    "power_loss",
    "pause",
    "partition",
    "hold",
    "link",
    "clock_jump",
    "disk_full",
    "old_disk",
    "kill_at",
    "revoke_platform",
    "tcb_recovery",
    "revoke_authority",
    "freeze_collateral",
    "old_collateral",
    "allow_foreign_image",
    "other_image",
    "revoke_key",
    "remove_image",
    "remove_model",
];

pub(super) fn validate(
    cx: &Context<'_>,
    key: &Key<Vec<At<FaultFile>>>,
    world: &World,
    horizon: &Horizon,
    is_on_chain: bool,
) -> Checked<Vec<FaultTemplate>> {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut faults = Vec::new();
    for At { value: file, position } in key.given().map_or(&[][..], |faults| &faults.value) {
        let text = cx.required(&file.at, "at", *position)?;
        let at = cx.read(text)?;
        horizon.check(cx, at.largest_named().0, text.position)?;
        one_action(cx, file, *position)?;
        if is_on_chain {
            off_chain(cx, file)?;
        }
        let action = action(cx, file, *position, world)?;
        if let (ActionTemplate::OldDisk { copied_at_ns, .. }, Some(old)) = (&action, file.old_disk.given())
            && *copied_at_ns > at.smallest_named().0
        {
            let place = old.value.copied_at.given().map_or(old.position, |text| text.position);
            return cx.fail(place, Problem::EndsBeforeItBegins);
        }
        let target = target(&action);
        let number = seen.entry(target.clone()).or_default();
        *number += 1;
        faults.push(FaultTemplate {
            label: format!("{target}/{number}"),
            at: at.into(),
            action,
        });
    }
    Ok(faults)
}

/// On a chain the root contract is not at the disposal of faults.
fn off_chain(cx: &Context<'_>, file: &FaultFile) -> Checked<()> {
    let places = [
        (file.remove_image.given().map(|action| action.position), "remove_image"),
        (
            file.allow_foreign_image.given().map(|action| action.position),
            "allow_foreign_image",
        ),
        (file.remove_model.given().map(|action| action.position), "remove_model"),
    ];
    let given = places
        .into_iter()
        .find_map(|(place, key)| place.map(|place| (place, key)));
    match given {
        None => Ok(()),
        Some((place, key)) => {
            let advice = "on a chain only its owner changes the root contract; leave one of the two out";
            let other = "settlement";
            cx.fail(place, Problem::Contradiction { key, other, advice })
        }
    }
}

/// Exactly one action must be given.
fn one_action(cx: &Context<'_>, file: &FaultFile, position: Position) -> Checked<()> {
    let places = [
        file.kill.given().map(|action| action.position),
        file.power_loss.given().map(|action| action.position),
        file.pause.given().map(|action| action.position),
        file.partition.given().map(|action| action.position),
        file.hold.given().map(|action| action.position),
        file.link.given().map(|action| action.position),
        file.clock_jump.given().map(|action| action.position),
        file.disk_full.given().map(|action| action.position),
        file.old_disk.given().map(|action| action.position),
        file.kill_at.given().map(|action| action.position),
        file.revoke_platform.given().map(|action| action.position),
        file.tcb_recovery.given().map(|action| action.position),
        file.revoke_authority.given().map(|action| action.position),
        file.freeze_collateral.given().map(|action| action.position),
        file.old_collateral.given().map(|action| action.position),
        file.allow_foreign_image.given().map(|action| action.position),
        file.other_image.given().map(|action| action.position),
        file.revoke_key.given().map(|action| action.position),
        file.remove_image.given().map(|action| action.position),
        file.remove_model.given().map(|action| action.position),
    ];
    let mut given: Vec<(Position, &'static str)> = places
        .iter()
        .zip(ACTIONS)
        .filter_map(|(place, name)| place.map(|place| (place, *name)))
        .collect();
    given.sort_unstable();
    match given.as_slice() {
        [] => cx.fail(position, Problem::NoAction { known: ACTIONS }),
        [_] => Ok(()),
        [(_, other), (place, key), ..] => {
            let advice = "a fault has one action; write two faults with the same time";
            cx.fail(*place, Problem::Contradiction { key, other, advice })
        }
    }
}

fn action(cx: &Context<'_>, file: &FaultFile, position: Position, world: &World) -> Checked<ActionTemplate> {
    let node = |key: &Key<Text<Name>>, parent| world.places.node(cx, cx.required(key, "node", parent)?);
    let span = |key: &Key<Text<Distribution<Duration>>>| -> Checked<Option<SpanNs>> {
        Ok(cx.optional(key)?.map(SpanNs::from))
    };
    let length = |key: &Key<Text<Distribution<Duration>>>| -> Checked<Option<SpanNs>> {
        key.given()
            .map(|text| Ok(cx.positive(text, "the length of a fault")?.into()))
            .transpose()
    };
    if let Some(At { value: kill, position }) = file.kill.given() {
        return Ok(ActionTemplate::Kill {
            node: node(&kill.node, *position)?,
            restart_after: span(&kill.restart_after)?,
            wipe: wipe(cx, &kill.wipe, &kill.restart_after)?,
        });
    }
    if let Some(At { value: loss, position }) = file.power_loss.given() {
        return Ok(ActionTemplate::PowerLoss {
            node: node(&loss.node, *position)?,
            restart_after: span(&loss.restart_after)?,
            wipe: wipe(cx, &loss.wipe, &loss.restart_after)?,
        });
    }
    if let Some(At { value: pause, position }) = file.pause.given() {
        let text = cx.required(&pause.length, "length", *position)?;
        let length = cx.positive(text, "the length of a pause")?.into();
        return Ok(ActionTemplate::Pause {
            node: node(&pause.node, *position)?,
            length,
        });
    }
    if let Some(At {
        value: partition,
        position,
    }) = file.partition.given()
    {
        let (left, right) = sides(cx, &partition.left, &partition.right, *position, world)?;
        let one_way = partition.one_way.given().is_some_and(|one_way| one_way.value);
        return Ok(ActionTemplate::Partition {
            left,
            right,
            one_way,
            length: length(&partition.length)?,
        });
    }
    if let Some(At { value: hold, position }) = file.hold.given() {
        let (left, right) = sides(cx, &hold.left, &hold.right, *position, world)?;
        return Ok(ActionTemplate::Hold {
            left,
            right,
            one_way: hold.one_way.given().is_some_and(|one_way| one_way.value),
            length: length(&hold.length)?,
        });
    }
    if let Some(At {
        value: change,
        position,
    }) = file.link.given()
    {
        let Ends { from, to, one_way } = ends(cx, &EndKeys::from(change), &world.places, *position)?;
        let now = current(&world.network, &world.places, &from, &to);
        let link = settings(cx, &LinkKeys::from(change), &now)?;
        if link == now {
            let why = "the fault leaves the link as it is".to_owned();
            return cx.fail(*position, Problem::ImpossibleLink { why });
        }
        return Ok(ActionTemplate::Link {
            from,
            to,
            one_way,
            link,
            length: length(&change.length)?,
        });
    }
    if let Some(At { value: jump, position }) = file.clock_jump.given() {
        let text = cx.required(&jump.by, "by", *position)?;
        let by_ns = cx.read(text)?.0;
        if by_ns == 0 {
            return cx.fail(
                text.position,
                Problem::Zero {
                    what: "the distance of a clock jump",
                },
            );
        }
        return Ok(ActionTemplate::ClockJump {
            node: node(&jump.node, *position)?,
            by_ns,
        });
    }
    if let Some(At { value: full, position }) = file.disk_full.given() {
        return Ok(ActionTemplate::DiskFull {
            node: node(&full.node, *position)?,
            length: length(&full.length)?,
        });
    }
    if let Some(At { value: old, position }) = file.old_disk.given() {
        return Ok(ActionTemplate::OldDisk {
            node: node(&old.node, *position)?,
            copied_at_ns: cx.read_required(&old.copied_at, "copied_at", *position)?.0,
            restart_after: cx.read_required(&old.restart_after, "restart_after", *position)?.into(),
        });
    }
    if let Some(At { value: kill, position }) = file.kill_at.given() {
        return Ok(ActionTemplate::KillAt {
            node: node(&kill.node, *position)?,
            moment: cx.read_required(&kill.moment, "moment", *position)?.0,
            restart_after: cx
                .read_required(&kill.restart_after, "restart_after", *position)?
                .into(),
        });
    }
    trust_action(cx, file, position, world)
}

/// AMD publishes lists of revoked authorities, and nothing of chips and levels.
fn published_by_amd(cx: &Context<'_>, file: &FaultFile) -> Checked<()> {
    let contradiction = |place, key, advice| {
        let other = "tee";
        cx.fail(place, Problem::Contradiction { key, other, advice })
    };
    if let Some(At { position, .. }) = file.revoke_platform.given() {
        let advice = "AMD's certificates of chips have no numbers that a list could name; revoke `platform_ca`";
        return contradiction(*position, "revoke_platform", advice);
    }
    if let Some(At { position, .. }) = file.tcb_recovery.given() {
        let advice = "AMD publishes no levels: policies have minimums (`min-committed-tcb`)";
        return contradiction(*position, "tcb_recovery", advice);
    }
    if let Some(At { value: revoke, .. }) = file.revoke_authority.given()
        && let Some(of) = revoke.of.given()
        && cx.read(of)? == Choice(Authority::TcbSigner)
    {
        let advice = "AMD signs no levels; revoke `platform_ca`";
        return contradiction(of.position, "of", advice);
    }
    Ok(())
}

/// Faults of what evidence is judged by.
fn trust_action(cx: &Context<'_>, file: &FaultFile, position: Position, world: &World) -> Checked<ActionTemplate> {
    if world.attestation.tee == TeeKind::SimulatedSnp {
        published_by_amd(cx, file)?;
    }
    if let Some(At {
        value: revoke,
        position,
    }) = file.revoke_platform.given()
    {
        let text = cx.required(&revoke.node, "node", *position)?;
        let node = world.places.node(cx, text)?;
        if world.clients.iter().any(|client| client.node.name == node) {
            let proxies = world.proxies.iter().map(|proxy| &proxy.node.name);
            let workers = world.workers.iter().map(|worker| &worker.node.name);
            let known = proxies.chain(workers).cloned().collect();
            let kind = "proxy or worker";
            return cx.fail(
                text.position,
                Problem::UnknownNode {
                    kind,
                    name: node,
                    known,
                },
            );
        }
        return Ok(ActionTemplate::RevokePlatform { node });
    }
    if file.tcb_recovery.given().is_some() {
        return Ok(ActionTemplate::TcbRecovery);
    }
    let length = |key: &Key<Text<Distribution<Duration>>>| -> Checked<Option<SpanNs>> {
        let read = |text: &At<Text<Distribution<Duration>>>| cx.positive(text, "the length of a fault").map(Into::into);
        key.given().map(read).transpose()
    };
    if let Some(At { value: freeze, .. }) = file.freeze_collateral.given() {
        let length = length(&freeze.length)?;
        return Ok(ActionTemplate::FreezeCollateral { length });
    }
    if let Some(At { value: other, position }) = file.other_image.given() {
        let text = cx.required(&other.node, "node", *position)?;
        let node = world.places.node(cx, text)?;
        if !world.proxies.iter().any(|proxy| proxy.node.name == node) {
            let known = world.proxies.iter().map(|proxy| proxy.node.name.clone()).collect();
            let (kind, name) = ("proxy", node);
            return cx.fail(text.position, Problem::UnknownNode { kind, name, known });
        }
        return Ok(ActionTemplate::OtherImage {
            node,
            restart_after: cx
                .read_required(&other.restart_after, "restart_after", *position)?
                .into(),
        });
    }
    if let Some(At {
        value: revoke,
        position,
    }) = file.revoke_key.given()
    {
        let Choice(of) = cx.read_required(&revoke.of, "of", *position)?;
        if world.key_manager.is_none() {
            let when = "a key can be revoked where there is a key manager: `key_manager: {}` under `world`";
            return cx.fail(
                *position,
                Problem::MissingKey {
                    key: "key_manager",
                    when,
                },
            );
        }
        return Ok(ActionTemplate::RevokeKey { of });
    }
    if let Some(At {
        value: revoke,
        position,
    }) = file.revoke_authority.given()
    {
        let Choice(authority) = cx.read_required(&revoke.of, "of", *position)?;
        return Ok(ActionTemplate::RevokeAuthority { authority });
    }
    if let Some(At { value: old, .. }) = file.old_collateral.given() {
        let Choice(parts) = cx.read_or(&old.parts, Choice(CollateralParts::All))?;
        let length = length(&old.length)?;
        return Ok(ActionTemplate::OldCollateral { parts, length });
    }
    if let Some(At { value: allow, position }) = file.allow_foreign_image.given() {
        let Choice(image) = cx.read_required(&allow.of, "of", *position)?;
        return Ok(ActionTemplate::AllowForeignImage { image });
    }
    if let Some(At {
        value: remove,
        position,
    }) = file.remove_image.given()
    {
        let Choice(image) = cx.read_required(&remove.of, "of", *position)?;
        return Ok(ActionTemplate::RemoveImage { image });
    }
    if let Some(At {
        value: remove,
        position,
    }) = file.remove_model.given()
    {
        let text = cx.required(&remove.model, "model", *position)?;
        let name = cx.read(text)?;
        let served = world.workers.iter().map(|worker| &worker.model);
        return match served.clone().find(|model| **model == name.0) {
            Some(model) => Ok(ActionTemplate::RemoveModel { model: model.clone() }),
            None => {
                let known = served.cloned().collect();
                cx.fail(text.position, Problem::UnknownModel { name: name.0, known })
            }
        };
    }
    cx.fail(position, Problem::NoAction { known: ACTIONS })
}

/// Whether a node's files are wiped: an empty disk shows only in a node that starts again.
fn wipe(cx: &Context<'_>, wipe: &Key<bool>, restart_after: &Key<Text<Distribution<Duration>>>) -> Checked<bool> {
    match wipe.given() {
        Some(At { value: true, position }) if restart_after.given().is_none() => {
            let when = "with `wipe`, say after how long the node starts again on its empty disk";
            cx.fail(
                *position,
                Problem::MissingKey {
                    key: "restart_after",
                    when,
                },
            )
        }
        given => Ok(given.is_some_and(|wipe| wipe.value)),
    }
}

fn sides(
    cx: &Context<'_>,
    left: &List<Name>,
    right: &List<Name>,
    position: Position,
    world: &World,
) -> Checked<(Vec<Place>, Vec<Place>)> {
    let side = |list: &List<Name>, name| -> Checked<Vec<(Place, Position)>> {
        cx.not_empty(cx.required(list, name, position)?)?;
        let names = cx.list(list)?;
        names
            .iter()
            .map(|entry| Ok((world.places.find(cx, entry)?, entry.position)))
            .collect()
    };
    let (left, right) = (side(left, "left")?, side(right, "right")?);
    for (place, position) in &right {
        if left.iter().any(|(other, _)| overlap(world, place, other)) {
            let (Place::Node(name) | Place::Region(name)) = place;
            return cx.fail(*position, Problem::Overlap { name: name.clone() });
        }
    }
    let places = |side: Vec<(Place, Position)>| side.into_iter().map(|(place, _)| place).collect();
    Ok((places(left), places(right)))
}

fn overlap(world: &World, one: &Place, other: &Place) -> bool {
    match (one, other) {
        (Place::Node(node), Place::Region(region)) | (Place::Region(region), Place::Node(node)) => {
            world.places.region_of(node) == Some(region)
        }
        (one, other) => one == other,
    }
}

/// A fault's action and target as a label.
fn target(action: &ActionTemplate) -> String {
    let name = |place: &Place| match place {
        Place::Node(name) | Place::Region(name) => name.clone(),
    };
    let names = |places: &[Place]| places.iter().map(name).collect::<Vec<_>>().join("+");
    match action {
        ActionTemplate::Kill { node, .. } => format!("kill/{node}"),
        ActionTemplate::PowerLoss { node, .. } => format!("power_loss/{node}"),
        ActionTemplate::Pause { node, .. } => format!("pause/{node}"),
        ActionTemplate::Partition { left, right, .. } => format!("partition/{}/{}", names(left), names(right)),
        ActionTemplate::Hold { left, right, .. } => format!("hold/{}/{}", names(left), names(right)),
        ActionTemplate::Link { from, to, .. } => format!("link/{}/{}", name(from), name(to)),
        ActionTemplate::ClockJump { node, .. } => format!("clock_jump/{node}"),
        ActionTemplate::DiskFull { node, .. } => format!("disk_full/{node}"),
        ActionTemplate::OldDisk { node, .. } => format!("old_disk/{node}"),
        ActionTemplate::KillAt { node, .. } => format!("kill_at/{node}"),
        ActionTemplate::RevokePlatform { node } => format!("revoke_platform/{node}"),
        ActionTemplate::TcbRecovery => "tcb_recovery".to_owned(),
        ActionTemplate::RevokeAuthority { authority } => format!("revoke_authority/{authority:?}"),
        ActionTemplate::FreezeCollateral { .. } => "freeze_collateral".to_owned(),
        ActionTemplate::OldCollateral { parts, .. } => format!("old_collateral/{parts:?}"),
        ActionTemplate::AllowForeignImage { image } => format!("allow_foreign_image/{image:?}"),
        ActionTemplate::OtherImage { node, .. } => format!("other_image/{node}"),
        ActionTemplate::RevokeKey { of } => format!("revoke_key/{of:?}"),
        ActionTemplate::RemoveImage { image } => format!("remove_image/{image:?}"),
        ActionTemplate::RemoveModel { model } => format!("remove_model/{model}"),
    }
}
