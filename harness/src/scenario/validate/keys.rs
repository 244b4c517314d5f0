//! The key manager.

use chrysalis_world::plan::{KeyAskerPlan, KeyManagerPlan, MAX_LIVE_KEYS, TeeKind};

use super::context::Context;
use super::workload::Horizon;
use super::world::{Places, Shared, nodes};
use crate::scenario::file::KeyManagerFile;
use crate::scenario::load::Checked;
use crate::scenario::located::{At, Key, Text};
use crate::scenario::problem::Problem;
use crate::scenario::scalar::Duration;

const SECOND_NS: u64 = 1_000_000_000;
const ROTATE_EVERY_S: u64 = 3_600;
const GRACE_S: u64 = 82_800;

pub(super) fn validate(
    cx: &Context<'_>,
    places: &mut Places,
    key: &Key<KeyManagerFile>,
    tee: TeeKind,
    horizon: &Horizon,
) -> Checked<Option<KeyManagerPlan>> {
    let Some(At { value: file, position }) = key.given() else {
        return Ok(None);
    };
    if tee != TeeKind::SimulatedTdx {
        let problem = Problem::Contradiction {
            key: "key_manager",
            other: "tee",
            advice: "keys are given out and sealed by what a TD is: `tee: simulated_tdx`",
        };
        return cx.fail(*position, problem);
    }
    let shared = Shared {
        kind: "key-manager",
        name: &file.name,
        count: &Key::default(),
        region: &file.region,
        clock: &file.clock,
        position: *position,
    };
    let period_s = whole_seconds(cx, &file.rotate_every, "the period of rotation", ROTATE_EVERY_S)?;
    let grace_s = whole_seconds(cx, &file.grace, "the grace of keys", GRACE_S)?;
    if !KeyManagerPlan::is_possible(period_s, grace_s) {
        let place = file.rotate_every.given().or(file.grace.given());
        let what = "the period of rotation";
        let rule = format!("more than zero, and such that fewer than {MAX_LIVE_KEYS} keys are alive at once");
        return cx.fail(
            place.map_or(*position, |text| text.position),
            Problem::OutOfRange { what, rule },
        );
    }
    let mut askers: Vec<KeyAskerPlan> = Vec::new();
    for At { value: file, position } in file.askers.given().map_or(&[][..], |list| &list.value) {
        let at = cx.required(&file.at, "at", *position)?;
        let Duration(at_ns) = cx.read(at)?;
        horizon.check(cx, at_ns, at.position)?;
        let asker = KeyAskerPlan {
            at_ns,
            image: cx.read_required(&file.image, "image", *position)?.0,
            wants: cx.read_required(&file.wants, "wants", *position)?.0,
        };
        if asker.is_entitled() {
            let place = file.wants.given().map_or(*position, |text| text.position);
            let why = "these keys are for this image: that is no attack";
            return cx.fail(place, Problem::Attacks { why });
        }
        if askers.iter().any(|known| known.threat() == asker.threat()) {
            return cx.fail(*position, Problem::DuplicateName { name: asker.threat() });
        }
        askers.push(asker);
    }
    let node = nodes(cx, places, &shared)?.into_iter().next();
    Ok(node.map(|node| KeyManagerPlan {
        node,
        period_s,
        grace_s,
        askers,
    }))
}

fn whole_seconds(cx: &Context<'_>, key: &Key<Text<Duration>>, what: &'static str, default_s: u64) -> Checked<u64> {
    let Some(text) = key.given() else { return Ok(default_s) };
    let Duration(ns) = cx.read(text)?;
    if ns % SECOND_NS != 0 {
        let rule = "a number of whole seconds".to_owned();
        return cx.fail(text.position, Problem::OutOfRange { what, rule });
    }
    Ok(ns / SECOND_NS)
}
