//! Writes a report on synthetic runs, to look at: `cargo run -p chrysalis-reports --example sample_report -- FILE [KIND]`
//! with KIND `suite` (the default), `failing`, `small`, `hostile` or `empty`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an example on data of its own")]

#[path = "../tests/reports/support/mod.rs"]
mod support;

use std::error::Error;

use chrysalis_reports::{ReportOptions, RunStore, RunVerdict, render};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: sample_report FILE [KIND]")?;
    let kind = arguments.next().unwrap_or_else(|| "suite".to_owned());
    let run = |seed: u64, requests: u64, failing: bool| {
        let verdict = if failing { RunVerdict::Fail } else { RunVerdict::Pass };
        RunStore::in_memory(
            support::tables(seed, requests, failing),
            support::description(seed, verdict),
        )
    };
    let runs = match kind.as_str() {
        "suite" => (0..8)
            .map(|seed| run(seed, 150, false))
            .collect::<Result<Vec<_>, _>>()?,
        "failing" => (0..8)
            .map(|seed| run(seed, 150, seed == 5))
            .collect::<Result<Vec<_>, _>>()?,
        "small" => vec![run(3, 24, false)?],
        "hostile" => vec![RunStore::in_memory(
            support::hostile(support::tables(3, 24, true)),
            support::hostile_description(),
        )?],
        "empty" => Vec::new(),
        other => return Err(format!("unknown kind {other:?}").into()),
    };
    std::fs::write(file, render(&runs, &ReportOptions::default()))?;
    Ok(())
}
