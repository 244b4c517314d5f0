//! up, tunnel, report, bench: thin covers over services.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use chrysalis_bench_sim::{GateOptions, Part};

use super::args::{Bench, BenchSubject, Global, Report, Tunnel, Up};
use super::problem::CommandError;
use super::run::write;
use crate::diagnostic::render;
use crate::diagnostic::source::printable;
use crate::exit::Exit;
use crate::host::Host;
use crate::plan::plan;
use crate::runner::record::RECORD_FILE;
use crate::runner::select::{Filter, select};
use crate::scenario::{Scenario, parse};
use crate::services::{
    AttestBenchOptions, BenchOptions, Damaged, Endpoints, NetworkEvent, RunFolder, ServiceError, Services,
};

/// The network that `up` keeps up if nobody says otherwise.
const DEFAULT_SCENARIO: &[u8] = include_bytes!("../../../scenarios/basics/hello.yaml");

/// Folders within folders that are searched for runs.
const FOLDER_DEPTH_MAX: usize = 8;

fn unavailable(what: &str, why: &str) -> CommandError {
    CommandError::ExecutionFailed {
        what: what.to_owned(),
        error: ServiceError::Unavailable(why.to_owned()),
    }
}

/// `chrysalis up`
///
/// # Errors
/// See [`CommandError`].
pub fn up(services: &Services<'_>, host: &mut Host<'_>, global: &Global, command: &Up) -> Result<Exit, CommandError> {
    let scenario: Scenario = match &command.scenario {
        None => match parse("the built-in scenario", DEFAULT_SCENARIO) {
            Ok(scenario) => scenario,
            Err(diagnostic) => {
                host.say(&render::render(&diagnostic, host.style));
                return Ok(Exit::Internal);
            }
        },
        Some(path) => {
            let selection = select(&host.folder, std::slice::from_ref(path), &Filter::default())?;
            if super::inspect::show_invalid(host, &selection) {
                return Ok(Exit::Invalid);
            }
            match <[_; 1]>::try_from(selection.valid) {
                Ok([only]) => only.scenario,
                Err(_) => {
                    let why = "`up` takes one scenario file".to_owned();
                    return Err(CommandError::PathNotFound {
                        path: path.clone(),
                        why,
                    });
                }
            }
        }
    };
    let serve = services
        .serve
        .ok_or_else(|| unavailable("the network", "this build has no nodes to start"))?;
    let mut plan = plan(&scenario, command.seed);
    // The people who use it are outside, and faults need a simulated world.
    plan.users.clear();
    plan.faults.clear();
    plan.expectations.clear();
    let stop = host.stop;
    let mut tell = |event: NetworkEvent<'_>| match event {
        NetworkEvent::Ready(endpoints) => announce(host, global, endpoints),
        NetworkEvent::Line(line) => host.say(line),
    };
    let result = serve.up(&plan, global.verbose, &mut tell, stop);
    result.map_err(|error| CommandError::ExecutionFailed {
        what: "the network".to_owned(),
        error,
    })?;
    // Ctrl-C is how it is meant to end.
    Ok(Exit::Pass)
}

fn announce(host: &mut Host<'_>, global: &Global, endpoints: &Endpoints) {
    if global.json {
        host.data(&serde_json::json!(endpoints).to_string());
    } else {
        for (name, address) in &endpoints.clients {
            host.data(&format!("{name}\thttp://{address}"));
        }
    }
    if global.quiet {
        return;
    }
    for (name, clients, workers) in &endpoints.proxies {
        host.say(&format!(
            "{name} listens for clients on {clients} and for workers on {workers}, with attested TLS"
        ));
        host.say(&format!("its certificate: chrysalis tunnel {workers}"));
    }
    if let Some((_, address)) = endpoints.clients.first() {
        let body = format!(
            r#"{{"model":"{}","stream":true,"max_tokens":24,"messages":[{{"role":"user","content":"Hello"}}]}}"#,
            endpoints.model
        );
        host.say(&format!(
            "try: curl -N http://{address}/v1/chat/completions -H 'content-type: application/json' -d '{body}'"
        ));
    }
    host.say("up; Ctrl-C ends it");
}

/// `chrysalis tunnel`
///
/// # Errors
/// See [`CommandError`].
pub fn tunnel(
    services: &Services<'_>,
    host: &mut Host<'_>,
    global: &Global,
    command: &Tunnel,
) -> Result<Exit, CommandError> {
    let serve = services
        .serve
        .ok_or_else(|| unavailable("the tunnel", "this build has no nodes to start"))?;
    let (stop, target) = (host.stop, command.node);
    // Both ends of the service speak to the same person.
    let host = RefCell::new(host);
    let mut ready = |address: SocketAddr| {
        let mut host = host.borrow_mut();
        if global.json {
            host.data(&serde_json::json!({ "tunnel": address, "node": target }).to_string());
        } else {
            host.data(&address.to_string());
        }
        if !global.quiet {
            host.say(&format!(
                "TLS of {target} without its proof of work, on {address}; Ctrl-C ends it\n\
                 try: openssl s_client -connect {address} -showcerts </dev/null | openssl x509 -noout -text"
            ));
        }
    };
    let result = serve.tunnel(target, &mut ready, &mut |line| host.borrow_mut().say(line), stop);
    result.map_err(|error| CommandError::ExecutionFailed {
        what: "the tunnel".to_owned(),
        error,
    })?;
    Ok(Exit::Pass)
}

/// `chrysalis report`
///
/// # Errors
/// See [`CommandError`].
pub fn report(
    services: &Services<'_>,
    host: &mut Host<'_>,
    global: &Global,
    command: &Report,
) -> Result<Exit, CommandError> {
    let mut runs = Vec::new();
    for path in &command.runs {
        let before = runs.len();
        let folder = RunFolder {
            path: host.resolve(path),
            shown: path.clone(),
        };
        find_runs(&folder, 0, &mut runs);
        if runs.len() == before {
            let why = format!("there is no {RECORD_FILE} in it or below");
            return Err(CommandError::NotARun {
                path: path.clone(),
                why,
            });
        }
    }
    runs.sort();
    runs.dedup_by(|one, other| one.path == other.path);
    let service = services
        .report
        .ok_or_else(|| unavailable("the HTML report", "this build has no reports"))?;
    let damaged = if command.skip_damaged {
        Damaged::Skip
    } else {
        Damaged::Refuse
    };
    let made = service
        .html(&runs, damaged)
        .map_err(|error| CommandError::ExecutionFailed {
            what: "the HTML report".to_owned(),
            error,
        })?;
    write(host, &command.html, &made.html)?;
    if let Some(file) = &command.text {
        write(host, file, &made.text)?;
    }
    for line in &made.left_out {
        host.say(&format!("left out: {}", printable(line)));
    }
    if !global.quiet {
        let count = runs.len() - made.left_out.len();
        let noun = if count == 1 { "run" } else { "runs" };
        host.say(&format!("report on {count} {noun}: {}", command.html.display()));
    }
    Ok(Exit::Pass)
}

fn find_runs(folder: &RunFolder, depth: usize, runs: &mut Vec<RunFolder>) {
    if folder.path.join(RECORD_FILE).is_file() {
        runs.push(folder.clone());
        return;
    }
    if depth >= FOLDER_DEPTH_MAX {
        return;
    }
    for entry in std::fs::read_dir(&folder.path).into_iter().flatten().flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.path().is_dir() {
            let below = RunFolder {
                path: entry.path(),
                shown: folder.shown.join(entry.file_name()),
            };
            find_runs(&below, depth + 1, runs);
        }
    }
}

/// `chrysalis bench`
///
/// # Errors
/// See [`CommandError`].
pub fn bench(
    services: &Services<'_>,
    host: &mut Host<'_>,
    global: &Global,
    command: &Bench,
) -> Result<Exit, CommandError> {
    let measure = services
        .measure
        .ok_or_else(|| unavailable("the benchmark", "this build has no benchmarks"))?;
    if command.mutations.is_some() && command.subject != BenchSubject::Attest {
        return Err(CommandError::ExecutionFailed {
            what: "the benchmark".to_owned(),
            error: ServiceError::Input("`--mutations` belongs to `bench attest`".to_owned()),
        });
    }
    let options = BenchOptions {
        parts: if command.parts.is_empty() {
            Part::ALL.to_vec()
        } else {
            command.parts.clone()
        },
        runs: command.repetitions,
        is_quick: command.quick,
    };
    let (repository, stop) = (host.folder.clone(), host.stop);
    let mut progress = |line: &str| {
        if !global.quiet {
            host.say(line);
        }
    };
    let report = match command.subject {
        BenchSubject::Sim => measure.sim(options, &mut progress),
        BenchSubject::Chain => measure.chain(options, &repository, &mut progress),
        BenchSubject::Attest => {
            let options = AttestBenchOptions {
                runs: command.repetitions,
                is_quick: command.quick,
                gate: command.mutations.map(|count| GateOptions {
                    seed: command.seed,
                    first: command.first,
                    count,
                    threads: command.threads.unwrap_or_else(cores),
                }),
            };
            measure.attest(&options, stop, &mut progress)
        }
    };
    let report = report.map_err(|error| CommandError::ExecutionFailed {
        what: "the benchmark".to_owned(),
        error,
    })?;
    if global.json {
        host.data(&report.json.to_string());
    } else {
        host.data(&report.text);
    }
    Ok(match (report.is_blocked, host.signal()) {
        (_, Some(signal)) => Exit::Signal(signal),
        (true, None) => Exit::Gate,
        (false, None) => Exit::Pass,
    })
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
