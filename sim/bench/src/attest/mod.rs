//! Measures attestation: what evidence costs to make and to verify, and how the verifier stands against mutants.
//!
//! | module | holds |
//! |---|---|
//! | [`gate`] | numbered mutants, judged on threads |

pub mod gate;

use chrysalis_attest::{
    Attester as _, SimTdxAttester, TdMeasurements,
    gpu::Architecture,
    mutate::{Lab, lab::Subject},
    sim_pki::{GpuState, SimGpuPki, SimPki, SimSnpPki, SnpGuest},
    snp::Product,
    tdx::QuoteForm,
};
use std::sync::Arc;

use crate::{Progress, Report, Series, in_turns, measure::cpu_ns, report::ATTEST_TARGETS};

pub use gate::{GateOptions, GateOutcome, run_gate};

/// Evidence that one run of a measurement makes or verifies, at full work.
const ROUNDS: usize = 200;
const SEED: u64 = 7;
const START_UNIX_S: u64 = 1_789_000_000;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttestOptions {
    /// Runs of each measurement after its warm-up; the median counts.
    pub runs: usize,
    /// Work of a run, percent of the full work.
    pub work_percent: usize,
}

/// Measures issue and verification, and what the caller brings: whole networks.
pub fn run_attest(options: &AttestOptions, networks: Vec<Series>, progress: &mut dyn FnMut(Progress<'_>)) -> Report {
    let rounds = (ROUNDS * options.work_percent / 100).max(2);
    let mut series = issue_series(rounds);
    series.extend(networks);
    series.extend(Subject::ALL.map(|subject| verify_series(subject, rounds, false)));
    series.push(verify_series(Subject::Gpu(Architecture::Hopper), rounds, true));
    Report::with_targets(in_turns(&series, options.runs, progress), &ATTEST_TARGETS)
}

/// As measurements name it.
fn name(subject: Subject) -> &'static str {
    match subject {
        Subject::Tdx(QuoteForm::V4) => "tdx-v4",
        Subject::Tdx(QuoteForm::V5Tdx10) => "tdx-v5-1.0",
        Subject::Tdx(QuoteForm::V5Tdx15) => "tdx-v5-1.5",
        Subject::Tdx(QuoteForm::V5Tdx15Extended) => "tdx-v5-1.5ex",
        Subject::Snp(Product::Milan) => "snp-milan",
        Subject::Snp(Product::Genoa) => "snp-genoa",
        Subject::Snp(Product::Turin) => "snp-turin",
        Subject::Gpu(Architecture::Hopper) => "gpu-hopper",
        Subject::Gpu(Architecture::Blackwell) => "gpu-blackwell",
    }
}

/// CPU milliseconds of one of `rounds`; 0 if any of them failed.
fn ms_each(rounds: usize, one: impl Fn(usize) -> bool) -> f64 {
    let start_ns = cpu_ns();
    let done = (0..rounds).all(one);
    let spent_ns = cpu_ns() - start_ns;
    if done {
        spent_ns as f64 / rounds as f64 / 1e6
    } else {
        0.0
    }
}

/// Report data and nonces differ from round to round, so that nothing can be remembered.
fn data<const N: usize>(round: usize) -> [u8; N] {
    let mut data = [0; N];
    data[..8].copy_from_slice(&(round as u64).to_le_bytes());
    data
}

fn issue_series(rounds: usize) -> Vec<Series> {
    const UNIT: &str = "CPU-milliseconds";
    let platform = Arc::new(SimPki::new(SEED, START_UNIX_S).platform(1));
    let td = SimTdxAttester::new(platform, TdMeasurements::of_image("worker"));
    let machine = SimSnpPki::new(SEED, Product::Genoa, START_UNIX_S).machine(1);
    let guest = SnpGuest::of_image("worker");
    let gpu = SimGpuPki::new(SEED, START_UNIX_S).gpu(1, Architecture::Hopper);
    let state = GpuState::default();
    vec![
        Series::new("issue/tdx-v4", UNIT, move || {
            ms_each(rounds, |round| td.quote(&data(round)).is_ok())
        }),
        Series::new("issue/snp-genoa", UNIT, move || {
            ms_each(rounds, |round| machine.report(&guest, &data(round)).is_ok())
        }),
        Series::new("issue/gpu-hopper", UNIT, move || {
            ms_each(rounds, |round| !gpu.evidence(&state, &data(round)).is_empty())
        }),
    ]
}

/// The whole verifier: chain, revocation, collateral, manifests, policy, event log. No verdict is remembered; manifests of GPUs
/// are, as long as `forgets` does not say otherwise.
fn verify_series(subject: Subject, rounds: usize, forgets: bool) -> Series {
    let mut case = Lab::new(subject, SEED).genuine();
    let mut what = format!("verify/{}", name(subject));
    if forgets {
        case.manifest_memo = None;
        what.push_str("/new-manifests");
    }
    Series::new(what, "CPU-milliseconds", move || {
        ms_each(rounds, |_| case.appraise().is_accepted())
    })
}
