//! run and replay.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;

use super::args::{Global, Replay, Run};
use super::inspect::{selection, show_invalid};
use super::problem::CommandError;
use crate::diagnostic::source::printable;
use crate::exit::Exit;
use crate::host::Host;
use crate::runner::campaign::{self, Campaign, Notice, Options, Suite, Verdict, difference, guarded};
use crate::runner::contracts::{self, Brought};
use crate::runner::progress::Progress;
use crate::runner::record::Record;
use crate::runner::select::Selection;
use crate::runner::{junit, summary};
use crate::services::{Damaged, Engine, Execute, Job, Report, RunFolder, ServiceError, Services};

/// `chrysalis run`
///
/// # Errors
/// See [`CommandError`]; scenarios that fail are no error.
pub fn run(services: &Services<'_>, host: &mut Host<'_>, global: &Global, command: &Run) -> Result<Exit, CommandError> {
    let mut selection = selection(host, &command.select)?;
    // Nothing is run unless everything that was asked for can be.
    if show_invalid(host, &selection) {
        return Ok(Exit::Invalid);
    }
    let execute = executor(services)?;
    let engine = engine(execute, command.engine)?;
    needs_no_simulation(&selection, engine)?;
    let report = report_service(services, command)?;
    if let Some(folder) = &command.contracts {
        bring_contracts(host, folder, &mut selection)?;
    }
    if !global.quiet {
        show_contracts(host, &selection);
    }
    let suites: Vec<Suite<'_>> = selection
        .valid
        .iter()
        .map(|selected| Suite {
            selected,
            seeds: command.seeds.unwrap_or(selected.scenario.seeds),
            profile: command.profile,
            contracts: command.contracts.as_deref(),
        })
        .collect();
    let options = Options {
        engine,
        jobs: command.jobs.unwrap_or_else(|| default_jobs(engine)),
        out: (!command.no_store).then(|| host.resolve(&command.out)),
        resume: command.resume,
        twice: command.twice,
    };
    let campaign = carry_out(execute, host, global, &suites, &options);
    let campaign = with_shown_paths(campaign, &command.out, options.out.as_deref());
    Ok(finish(host, global, command, &suites, &campaign, engine, report))
}

/// Puts the codes of the command line into every scenario.
fn bring_contracts(host: &Host<'_>, folder: &Path, selection: &mut Selection) -> Result<(), CommandError> {
    let without = selection
        .valid
        .iter()
        .filter(|selected| selected.scenario.settlement.is_none());
    let names: Vec<&str> = without.map(|selected| selected.scenario.name.as_str()).collect();
    if !names.is_empty() {
        let names = names.join(", ");
        return Err(CommandError::NoChain { names });
    }
    let brought = contracts::load(&host.resolve(folder), folder)
        .map_err(|error| CommandError::Contracts { why: error.to_string() })?;
    for selected in &mut selection.valid {
        if let Some(template) = &mut selected.scenario.settlement {
            contracts::put(template, &brought);
            selected.contracts = brought.clone();
        }
    }
    Ok(())
}

/// Says which codes are used, each once.
fn show_contracts(host: &mut Host<'_>, selection: &Selection) {
    let mut said = BTreeSet::new();
    let brought = selection.valid.iter().flat_map(|selected| &selected.contracts);
    for line in brought.flat_map(Brought::lines) {
        if said.insert(line.clone()) {
            host.say(&printable(&line));
        }
    }
}

/// Verdicts first: what is known is said before anything else can fail. Then every output is tried, and what could not
/// be written is an error at the end. It decides the exit code only where the verdicts are all passes.
fn finish(
    host: &mut Host<'_>,
    global: &Global,
    command: &Run,
    suites: &[Suite<'_>],
    campaign: &Campaign,
    engine: Engine,
    report: Option<&dyn Report>,
) -> Exit {
    if global.json {
        host.data(&summary::json(campaign, suites, engine).to_string());
    }
    let exit = summary::exit(campaign);
    if !global.quiet || exit != Exit::Pass {
        host.say(&summary::text(campaign, suites, engine));
    }
    let mut failed = Vec::new();
    if let Some(file) = &command.junit
        && let Err(error) = write_junit(host, file, campaign, suites, engine)
    {
        failed.push(error);
    }
    if let (Some(file), Some(report)) = (&command.html, report) {
        match write_html(host, file, campaign, report) {
            Ok(0) if !global.quiet => host.say("no report: no run was stored"),
            Ok(0) => {}
            Ok(_) if !global.quiet => host.say(&format!("report: {}", file.display())),
            Ok(_) => {}
            Err(error) => failed.push(error),
        }
    }
    if campaign.signal.is_some() {
        let hint = if command.no_store {
            "interrupted; runs without a store cannot be resumed"
        } else {
            "interrupted; the same command with --resume goes on from here"
        };
        host.say(hint);
    }
    for error in &failed {
        host.say(&error.render());
    }
    if exit == Exit::Pass && !failed.is_empty() {
        Exit::Environment
    } else {
        exit
    }
}

fn write_junit(
    host: &mut Host<'_>,
    file: &Path,
    campaign: &Campaign,
    suites: &[Suite<'_>],
    engine: Engine,
) -> Result<(), CommandError> {
    let xml = junit::xml(campaign, suites, engine).map_err(|error| CommandError::OutputFolder {
        path: file.to_owned(),
        why: error.to_string(),
    })?;
    write(host, file, &xml)
}

/// Writes the report on all stored runs and says how many there are; none without runs.
fn write_html(
    host: &mut Host<'_>,
    file: &Path,
    campaign: &Campaign,
    report: &dyn Report,
) -> Result<usize, CommandError> {
    let folders: Vec<RunFolder> = campaign
        .outcomes
        .iter()
        .filter_map(|outcome| outcome.folder.as_ref())
        .map(|shown| RunFolder {
            path: host.resolve(shown),
            shown: shown.clone(),
        })
        .collect();
    if folders.is_empty() {
        return Ok(0);
    }
    let made = report
        .html(&folders, Damaged::Refuse)
        .map_err(|error| CommandError::ExecutionFailed {
            what: "the HTML report".to_owned(),
            error,
        })?;
    write(host, file, &made.html)?;
    Ok(folders.len())
}

/// Runs the suites and shows how it goes.
fn carry_out(
    execute: &dyn Execute,
    host: &mut Host<'_>,
    global: &Global,
    suites: &[Suite<'_>],
    options: &Options,
) -> Campaign {
    let total = suites
        .iter()
        .map(|suite| suite.seeds.seeds().end - suite.seeds.seeds().start)
        .sum();
    let mut progress = Progress::new(total, host.live && !global.verbose, global.quiet);
    let stop = host.stop;
    let campaign = campaign::run(execute, suites, options, stop, |notice| {
        if let Notice::Ended(outcome) = notice {
            progress.ended(outcome);
            if global.verbose {
                let name = suites
                    .get(outcome.suite)
                    .map_or("", |suite| suite.selected.scenario.name.as_str());
                let word = if outcome.verdict == Verdict::Passed {
                    "passed"
                } else {
                    "did not pass"
                };
                host.say(&format!("{name}: seed {} {word}", outcome.seed));
            }
        }
        if let Some(line) = progress.tick() {
            host.say(&line);
        }
    });
    progress.finish();
    campaign
}

/// Run folders are shown as the user named them.
fn with_shown_paths(mut campaign: Campaign, shown: &Path, out: Option<&Path>) -> Campaign {
    if let Some(out) = out {
        for outcome in &mut campaign.outcomes {
            let below = outcome.folder.as_ref().and_then(|folder| folder.strip_prefix(out).ok());
            if let Some(below) = below.map(|below| shown.join(below)) {
                outcome.folder = Some(below);
            }
        }
    }
    campaign
}

/// `chrysalis replay`
///
/// # Errors
/// See [`CommandError`]; a difference between the runs is one of them.
pub fn replay(
    services: &Services<'_>,
    host: &mut Host<'_>,
    global: &Global,
    command: &Replay,
) -> Result<Exit, CommandError> {
    let folder = host.resolve(&command.run);
    let (record, plan) = Record::open(&folder, &command.run)?;
    let execute = executor(services)?;
    let engine = engine(execute, Some(command.engine.unwrap_or(record.engine)))?;
    let what = format!("{} with seed {}", record.scenario, record.seed);
    if !record.is_by(execute.build().as_deref()) && !global.quiet {
        let (then, now) = (&record.program, env!("CARGO_PKG_VERSION"));
        host.say(&format!(
            "recorded by another build (version {then}; this is {now}): the runs may differ for that reason alone"
        ));
    }
    let job = Job {
        plan: &plan,
        scenario_source: "",
        threat: None,
        engine,
        store: None,
    };
    let failed = |error| CommandError::ExecutionFailed {
        what: what.clone(),
        error,
    };
    let result = guarded(&what, || execute.run(&job).map_err(failed))?;

    // Engines schedule differently: between two of them only what users got can be compared, and only without a race.
    let comparable = engine == record.engine || plan.race.is_none();
    let found = if engine == record.engine {
        difference(&record.result, &result, engine)
    } else if comparable {
        difference(&record.result, &result, Engine::Tokio)
    } else {
        None
    };
    if global.json {
        let summary = serde_json::json!({
            "scenario": record.scenario,
            "seed": record.seed,
            "engine": engine.name(),
            "compared": comparable,
            "same": found.is_none(),
            "passed": result.passed(),
            "result": result,
        });
        host.data(&summary.to_string());
    }
    if let Some(mut detail) = found {
        // The log of the recording shows where, if there is one; if not, the digests alone have to do.
        if engine == record.engine
            && let Ok(Some(first)) = guarded(&what, || execute.first_divergence(&job, &folder).map_err(failed))
        {
            detail = format!("{detail}\nfirst difference: {first}");
        }
        return Err(CommandError::NotDeterministic { what, detail });
    }
    if !global.quiet || !result.passed() {
        let same = if comparable {
            "the same as recorded"
        } else {
            "not compared: the scenario has a race"
        };
        let verdict = if result.passed() { "pass" } else { "FAIL" };
        host.say(&format!("{verdict}  {what}, {same}"));
        for line in result.failures() {
            host.say(&format!("        {}", printable(&line)));
        }
        let unchecked = result.unchecked();
        if !unchecked.is_empty() {
            host.say(&format!("        nothing to check: {}", unchecked.join(", ")));
        }
    }
    Ok(if result.passed() { Exit::Pass } else { Exit::Failures })
}

/// The executor of this program.
///
/// # Errors
/// There is none.
pub fn executor<'a>(services: &Services<'a>) -> Result<&'a dyn Execute, CommandError> {
    services.execute.ok_or_else(|| CommandError::ExecutionFailed {
        what: "a run".to_owned(),
        error: ServiceError::Unavailable("this build has no world to run plans in".to_owned()),
    })
}

/// The engine to use: the one asked for, or the best that there is.
///
/// # Errors
/// It is not available.
pub fn engine(execute: &dyn Execute, wanted: Option<Engine>) -> Result<Engine, CommandError> {
    let engine = match wanted {
        Some(engine) => engine,
        None if execute.check(Engine::Madsim).is_ok() => Engine::Madsim,
        None => Engine::Native,
    };
    match execute.check(engine) {
        Ok(()) => Ok(engine),
        Err(why) => Err(CommandError::EngineUnavailable {
            engine: engine.name(),
            why,
        }),
    }
}

fn report_service<'a>(services: &Services<'a>, command: &Run) -> Result<Option<&'a dyn Report>, CommandError> {
    match (&command.html, services.report) {
        (Some(_), None) => Err(CommandError::ExecutionFailed {
            what: "the HTML report".to_owned(),
            error: ServiceError::Unavailable("this build has no reports".to_owned()),
        }),
        (Some(_), report) => Ok(report),
        (None, _) => Ok(None),
    }
}

/// One thread for each core; one alone where seeds would take real time from each other.
fn default_jobs(engine: Engine) -> NonZeroUsize {
    if !engine.is_deterministic() {
        return NonZeroUsize::MIN;
    }
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Faults would be left out on real sockets, and the verdict would be about something else.
fn needs_no_simulation(selection: &Selection, engine: Engine) -> Result<(), CommandError> {
    let faulty = selection.valid.iter().filter(|selected| {
        let scenario = &selected.scenario;
        !scenario.faults.is_empty() || scenario.settlement.is_some() || !scenario.evidence_attacks.is_empty()
    });
    let names: Vec<&str> = faulty.map(|selected| selected.scenario.name.as_str()).collect();
    if engine.is_deterministic() || names.is_empty() {
        return Ok(());
    }
    Err(CommandError::NeedsSimulation {
        names: names.join(", "),
    })
}

/// Writes an output file; `-` is stdout.
///
/// # Errors
/// It cannot be written.
pub fn write(host: &mut Host<'_>, file: &Path, text: &str) -> Result<(), CommandError> {
    if file == Path::new("-") {
        host.data(text);
        return Ok(());
    }
    let path = host.resolve(file);
    let failed = |error: std::io::Error| CommandError::OutputFolder {
        path: file.to_owned(),
        why: error.to_string(),
    };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}
