//! Measures the simulated world.
//!
//! Usage: `chrysalis-bench-sim [--quick] [--runs N] [--json] [PART ...]`, PART one of memory, echo, tls, threads. A table
//! or one JSON object on stdout; exit code 2 for usage.

use chrysalis_bench_sim::{Options, Part, run};
use std::{io::Write as _, process::ExitCode};

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut parts = Vec::new();
    let mut is_json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), Part::from_name(&argument)) {
            ("--quick", _) => options.work_percent = 10,
            ("--json", _) => is_json = true,
            ("--runs", _) => match arguments.next().and_then(|runs| runs.parse().ok()) {
                Some(runs) => options.runs = runs,
                None => return ExitCode::from(2),
            },
            (_, Some(part)) => parts.push(part),
            (_, None) => return ExitCode::from(2),
        }
    }
    if !parts.is_empty() {
        options.parts = parts;
    }
    let mut stderr = std::io::stderr();
    let report = run(&options, &mut |progress| {
        // Whether anybody sees it does not matter.
        let _ = writeln!(stderr, "{}/{} {}", progress.done, progress.total, progress.name);
    });
    let text = if is_json {
        serde_json::to_string_pretty(&report).map_or_else(|error| error.to_string(), |json| json + "\n")
    } else {
        report.to_string()
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
