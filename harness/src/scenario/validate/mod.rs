//! The file model becomes a scenario: units read, names resolved, limits checked. The first problem ends it.
//!
//! | module | checks |
//! |---|---|
//! | [`context`] | single keys: present, readable, in range |
//! | [`world`] | nodes, models, prices, evidence |
//! | [`attestation`] | evidence, policies, adversaries against evidence, threats |
//! | [`keys`] | the key manager |
//! | [`links`] | places and links |
//! | [`settlement`] | the chain, owners, adversaries |
//! | [`workload`] | groups of users |
//! | [`faults`] | faults |
//! | [`expect`] | expectations |

mod attestation;
mod context;
mod expect;
mod faults;
mod keys;
mod links;
mod settlement;
mod workload;
mod world;

use std::sync::Arc;

use super::file::ScenarioFile;
use super::load::Checked;
use super::located::At;
use super::model::Scenario;
use super::problem::Problem;
use super::scalar::{Count, Line, Seed, SeedRange, WallClock};
use crate::diagnostic::Source;
use context::Context;

/// Start of the wall clock if the scenario names none: 2026-01-01T00:00:00Z.
const START_UNIX_S: WallClock = WallClock(1_767_225_600);

/// Checks a scenario file.
///
/// # Errors
/// The first problem with its place.
pub(crate) fn validate(source: &Arc<Source>, located: &At<ScenarioFile>) -> Checked<Scenario> {
    let cx = Context::new(source);
    let At {
        value: file,
        position: top,
    } = located;
    let version = cx.required(&file.version, "version", *top)?;
    if cx.read(version)? != Count(1) {
        return cx.fail(
            version.position,
            Problem::UnsupportedVersion {
                version: version.value.raw.clone(),
            },
        );
    }
    let name = cx.read_required(&file.name, "name", *top)?;
    let description = cx.read_required(&file.description, "description", *top)?;
    let tags = cx.list(&file.tags)?.into_iter().map(|tag| tag.value.0).collect();
    let seeds = seeds(&cx, file)?;
    let start_unix_s = cx.read_or(&file.start, START_UNIX_S)?.0;
    let duration = cx.required(&file.duration, "duration", *top)?;
    let duration_ns = cx.positive(duration, "the duration of a run")?.0;
    let horizon = workload::Horizon {
        duration_ns,
        duration: duration.value.raw.trim().to_owned(),
    };
    let world = world::validate(&cx, &file.world, &horizon)?;
    let workload = workload::validate(&cx, cx.required(&file.workload, "workload", *top)?, &world, &horizon)?;
    let faults = faults::validate(&cx, &file.faults, &world, &horizon, file.settlement.given().is_some())?;
    let expect = cx.required(&file.expect, "expect", *top)?;
    let settlement = settlement::validate(&cx, &file.settlement, &world, &horizon)?;
    let evidence_attacks = attestation::attacks(&cx, &file.world, &world, &horizon, settlement.is_some())?;
    let subject = expect::Subject {
        world: &world,
        workload: &workload,
        faults: &faults,
        settlement: settlement.as_ref(),
        has_evidence_attacks: !evidence_attacks.is_empty(),
    };
    let expected = expect::validate(&cx, expect, &subject)?;
    let threat = attestation::threat(&cx, &file.threat)?;
    let race = cx.optional(&file.race)?.map(|Line(reason)| reason);
    Ok(Scenario {
        name: name.0,
        description: description.0,
        tags,
        threat,
        seeds,
        start_unix_s,
        duration_ns,
        network: world.network,
        economy: world.economy,
        attestation: world.attestation,
        evidence_attacks,
        proxies: world.proxies,
        workers: world.workers,
        clients: world.clients,
        key_manager: world.key_manager,
        settlement,
        workload,
        faults,
        expectations: expected.always,
        expectations_of_profile: expected.of_profile,
        race,
    })
}

fn seeds(cx: &Context<'_>, file: &ScenarioFile) -> Checked<SeedRange> {
    if let (Some(_), Some(seeds)) = (file.seed.given(), file.seeds.given()) {
        let problem = Problem::Contradiction {
            key: "seeds",
            other: "seed",
            advice: "keep `seed` for one run, `seeds` for many",
        };
        return cx.fail(seeds.position, problem);
    }
    if let Some(seeds) = cx.optional(&file.seeds)? {
        return Ok(seeds);
    }
    Ok(SeedRange::single(cx.read_or(&file.seed, Seed(0))?))
}
