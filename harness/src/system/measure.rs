//! Whole scenarios beside the measurements of the simulated world: embedded, so that a figure means the same everywhere.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use chrysalis_bench_sim::{
    AttestOptions, ChainOptions, Options, Series, cpu_seconds, per_cpu_second, run, run_attest, run_chain, run_gate,
};
use chrysalis_world::{Detail, MADSIM_AVAILABLE, Workshop};

use super::System;
use crate::diagnostic::source::printable;
use crate::plan::plan;
use crate::scenario::{Scenario, parse};
use crate::services::{AttestBenchOptions, BenchOptions, BenchReport, Engine, Measure, ServiceError};

/// One user, one client, one proxy, one worker with the embedded model, two requests.
const HELLO: &[u8] = include_bytes!("../../../scenarios/basics/hello.yaml");
/// Three regions, 20 clients, 2 proxies, 10 workers, 50 requests a second, answers of 200 parts.
const LOAD: &[u8] = include_bytes!("load.yaml");
/// A thousand workers that shake hands ten times with a proxy.
const FLEET: &[u8] = include_bytes!("fleet.yaml");
/// Evidence that is accepted in a run of it: in both directions each time.
const FLEET_ACCEPTANCES: usize = 20_000;
/// Lines about the gate of mutations come at most this often.
const GATE_LINE_EVERY_S: f64 = 5.0;
/// Seeds of a run of `hello`, at full work.
const HELLO_SEEDS: u64 = 200;

impl Measure for System {
    fn sim(&self, options: BenchOptions, progress: &mut dyn FnMut(&str)) -> Result<BenchReport, ServiceError> {
        let work_percent = if options.is_quick { 10 } else { 100 };
        let mut scenarios = Vec::new();
        for engine in [Engine::Native, Engine::Madsim] {
            if engine == Engine::Madsim && !MADSIM_AVAILABLE {
                continue;
            }
            scenarios.push(hello(engine, HELLO_SEEDS * work_percent / 100)?);
            scenarios.push(load(engine)?);
        }
        let bench = Options {
            runs: options.runs,
            work_percent: usize::try_from(work_percent).unwrap_or(100),
            parts: options.parts,
        };
        let report = run(&bench, &scenarios, &mut |step| {
            progress(&format!("{} of {}  {}", step.done + 1, step.total, step.name));
        });
        rendered(&report)
    }

    fn chain(
        &self,
        options: BenchOptions,
        repository: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<BenchReport, ServiceError> {
        let bench = ChainOptions {
            repository: repository.to_owned(),
            runs: options.runs,
            work_percent: if options.is_quick { 10 } else { 100 },
        };
        let mut notes = Vec::new();
        let report = run_chain(
            &bench,
            &mut |step| progress(&format!("{} of {}  {}", step.done + 1, step.total, step.name)),
            &mut |note| notes.push(note.to_owned()),
        );
        let report = report.map_err(|error| ServiceError::Environment(error.to_string()))?;
        notes.iter().for_each(|note| progress(note));
        rendered(&report)
    }

    fn attest(
        &self,
        options: &AttestBenchOptions,
        stop: &AtomicUsize,
        progress: &mut dyn FnMut(&str),
    ) -> Result<BenchReport, ServiceError> {
        let bench = AttestOptions {
            runs: options.runs,
            work_percent: if options.is_quick { 10 } else { 100 },
        };
        let fleets = if options.is_quick {
            Vec::new()
        } else {
            vec![
                fleet("fleet/cached", System::default())?,
                fleet("fleet/uncached", System::sharing(Workshop::without_verdicts()))?,
            ]
        };
        let speeds = run_attest(&bench, fleets, &mut |step| {
            progress(&format!("{} of {}  {}", step.done + 1, step.total, step.name));
        });
        let mut report = rendered(&speeds)?;
        let Some(gate) = &options.gate else {
            return Ok(report);
        };
        let mut shown_s = 0.0;
        let outcome = run_gate(gate, stop, &mut |so_far| {
            if so_far.wall_s - shown_s < GATE_LINE_EVERY_S && !so_far.is_complete() {
                return;
            }
            shown_s = so_far.wall_s;
            let found = if so_far.is_clean() { "nothing found" } else { "FINDINGS" };
            progress(&format!(
                "{} of {} mutants, {:.0} a second, {found}",
                so_far.judged,
                so_far.wanted,
                so_far.judged as f64 / so_far.wall_s.max(1e-3),
            ));
        });
        report.is_blocked = !outcome.is_clean();
        report.text = format!("{}\n{}", report.text, printable(&outcome.to_string()));
        let json = serde_json::to_value(&outcome).map_err(|error| ServiceError::Environment(error.to_string()))?;
        if let serde_json::Value::Object(fields) = &mut report.json {
            fields.insert("gate".to_owned(), json);
        }
        Ok(report)
    }
}

fn rendered(report: &chrysalis_bench_sim::Report) -> Result<BenchReport, ServiceError> {
    let json = serde_json::to_value(report).map_err(|error| ServiceError::Environment(error.to_string()))?;
    Ok(BenchReport {
        is_blocked: false,
        text: report.to_string(),
        json,
    })
}

fn embedded(name: &str, text: &[u8]) -> Result<Scenario, ServiceError> {
    parse(name, text).map_err(|diagnostic| ServiceError::Input(format!("{name}: {}", diagnostic.message)))
}

/// Whether a run passes, and its virtual seconds.
fn virtual_s(system: &System, scenario: &Scenario, seed: u64, engine: Engine) -> Option<f64> {
    let outcome = system
        .outcome(&Arc::new(plan(scenario, seed)), engine, Detail::Verdicts, false)
        .ok()?;
    outcome.passed().then(|| outcome.stats.virtual_ns as f64 / 1e9)
}

fn hello(engine: Engine, seeds: u64) -> Result<Series, ServiceError> {
    let scenario = embedded("hello", HELLO)?;
    let system = System::default();
    let name = format!("scenarios/hello/{}", engine.name());
    Ok(Series::new(name, "seeds per CPU-second", move || {
        per_cpu_second(|| {
            let passed = (0..seeds).all(|seed| virtual_s(&system, &scenario, seed, engine).is_some());
            if passed { seeds as f64 } else { 0.0 }
        })
    }))
}

fn load(engine: Engine) -> Result<Series, ServiceError> {
    let scenario = embedded("load", LOAD)?;
    let system = System::default();
    let name = format!("scenarios/load/{}", engine.name());
    Ok(Series::new(name, "virtual seconds per CPU-second", move || {
        per_cpu_second(|| virtual_s(&system, &scenario, 0, engine).unwrap_or(0.0))
    }))
}

/// CPU-seconds of a run of [`FLEET`]. Its hand-shakes are counted: a run with fewer counts as failed.
fn fleet(name: &str, system: System) -> Result<Series, ServiceError> {
    let scenario = embedded("fleet", FLEET)?;
    let plan = Arc::new(plan(&scenario, 0));
    Ok(Series::new(name.to_owned(), "CPU s", move || {
        cpu_seconds(|| {
            let outcome = system.outcome(&plan, Engine::Native, Detail::Verdicts, false);
            outcome.is_ok_and(|outcome| {
                let accepted = outcome
                    .rows
                    .peers
                    .iter()
                    .filter(|peer| peer.accepted && peer.kind != "client");
                outcome.passed() && accepted.count() >= FLEET_ACCEPTANCES
            })
        })
    }))
}
