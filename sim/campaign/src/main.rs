//! `cargo xtask campaign settlement`: the settlement contracts on a simulated chain, for as many transitions as one
//! likes. Exit code 0: the hardened contracts gave nothing to find, and the reference contracts each of T1 to T9.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::process::ExitCode;

use chrysalis_campaign::{Campaign, Contracts, Report, Scene, campaign::campaign, cast::SceneError};
use chrysalis_settlement::onchain::CodeProfile;
use clap::{Parser, ValueEnum};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Which contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// Nothing may be found.
    Hardened,
    /// Each attack must be found.
    Reference,
}

/// State machines over the settlement contracts.
#[derive(Debug, Parser)]
struct Args {
    /// Steps with the hardened contracts.
    #[arg(long, default_value_t = 1_000_000)]
    transitions: u64,
    /// Steps with the reference contracts, at most.
    #[arg(long, default_value_t = 200_000)]
    reference_transitions: u64,
    /// Seed of the plans.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps of one plan, at most.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    steps: u16,
    /// Only these contracts.
    #[arg(long, value_enum)]
    only: Option<Profile>,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

fn cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut is_good = true;
    let mut rows = Vec::new();
    for profile in [Profile::Reference, Profile::Hardened] {
        if args.only.is_some_and(|only| only != profile) {
            continue;
        }
        match go(&args, profile) {
            Ok((good, row)) => {
                is_good &= good;
                rows.push(row);
            }
            Err(error) => {
                eprintln!("the scene cannot be set: {error}");
                return ExitCode::from(101);
            }
        }
    }
    if args.json {
        println!("{}", Value::Array(rows));
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn go(args: &Args, profile: Profile) -> Result<(bool, Value), SceneError> {
    let (name, code, mut plan) = match profile {
        Profile::Hardened => (
            "hardened",
            CodeProfile::Hardened,
            Campaign::quiet(args.transitions, args.seed),
        ),
        Profile::Reference => (
            "reference",
            CodeProfile::Reference,
            Campaign::attacks(args.reference_transitions, args.seed),
        ),
    };
    plan.steps_max = args.steps.into();
    let mut scene = Scene::new(Contracts::builtin(code))?;
    let start_s = cpu_s();
    let mut told = 0;
    let report = campaign(&mut scene, &plan, &mut |report| {
        if report.transitions / 50_000 > told {
            told = report.transitions / 50_000;
            eprintln!(
                "{name}: {} transitions, {:.0} CPU s",
                report.transitions,
                cpu_s() - start_s
            );
        }
        true
    });
    let spent_s = cpu_s() - start_s;
    let missing = report.missing(&plan.wanted);
    let is_good = match profile {
        Profile::Hardened => report.discoveries.is_empty() && report.transitions >= args.transitions,
        Profile::Reference => missing.is_empty(),
    };
    if !args.json {
        show(name, &report, spent_s);
        for kind in &missing {
            println!("  {} was not found", kind.name());
        }
    }
    Ok((is_good, row(name, args.seed, &report, spent_s, is_good)))
}

fn show(name: &str, report: &Report, spent_s: f64) {
    println!(
        "{name}: {} transitions in {} plans, {} transactions, {spent_s:.1} CPU s, {} kinds of findings",
        report.transitions,
        report.plans,
        report.transactions,
        report.discoveries.len()
    );
    for (kind, discovery) in &report.discoveries {
        println!(
            "  {:<22} after {:>7} transitions; smallest plan {:>2} steps: {}",
            kind.name(),
            discovery.transitions,
            discovery.plan.steps.len(),
            kind.words()
        );
        if name == "hardened" {
            println!("    {}\n    {:?}", discovery.finding, discovery.plan);
        }
    }
}

fn row(name: &str, seed: u64, report: &Report, spent_s: f64, is_good: bool) -> Value {
    let found = report.discoveries.iter().map(|(kind, discovery)| {
        json!({
            "kind": kind.name(),
            "transitions": discovery.transitions,
            "smallest_plan_steps": discovery.plan.steps.len(),
            "detail": discovery.finding.detail,
        })
    });
    json!({
        "contracts": name,
        "seed": seed,
        "is_good": is_good,
        "transitions": report.transitions,
        "plans": report.plans,
        "transactions": report.transactions,
        "cpu_s": spent_s,
        "exercised": report.exercised.iter().map(|((contract, operation, end), count)| {
            json!({ "contract": contract, "operation": operation, "end": end, "count": count })
        }).collect::<Vec<_>>(),
        "findings": found.collect::<Vec<_>>(),
    })
}
