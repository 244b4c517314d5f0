//! What was measured, and what it is held against.

use serde::Serialize;
use std::fmt;

/// Version of the report's JSON.
pub const SCHEMA: u32 = 1;

/// Several runs of one thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// What: part, engine or rival, size.
    pub name: String,
    /// What the numbers count.
    pub unit: &'static str,
    /// The middle one.
    pub median: f64,
    /// All of them, in the order of the runs.
    pub runs: Vec<f64>,
}

impl Measurement {
    pub(crate) fn new(name: String, unit: &'static str, runs: Vec<f64>) -> Self {
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
        Self {
            name,
            unit,
            median,
            runs,
        }
    }
}

/// Which side of a limit is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The limit or more.
    AtLeast,
    /// The limit or less.
    AtMost,
}

/// What became of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The measured value is on the good side of the limit.
    Met,
    /// It is not.
    Missed,
    /// What it needs was not measured, or failed.
    NotMeasured,
}

/// A figure to reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Target {
    /// What is to be reached.
    pub name: &'static str,
    /// On which side.
    pub bound: Bound,
    /// The figure.
    pub limit: f64,
    /// What was reached: a median, or the ratio of two.
    pub measured: Option<f64>,
    /// Whether that is enough.
    pub verdict: Verdict,
}

/// Everything that was measured, and the targets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In the order in which they were taken.
    pub measurements: Vec<Measurement>,
    /// All targets, measured or not.
    pub targets: Vec<Target>,
}

use Bound::{AtLeast, AtMost};

/// Name, measurement, what it is divided by, and the figure.
pub(crate) type Goal = (&'static str, &'static str, Option<&'static str>, Bound, f64);

/// Of the simulated chain.
#[rustfmt::skip] // A target a line.
pub(crate) const CHAIN_TARGETS: [Goal; 6] = [
    ("hardened contracts, transactions per CPU-second", "executor/hardened", None, AtLeast, 30_000.0),
    ("hardened contracts, times @ton/sandbox", "executor/hardened", Some("sandbox/hardened"), AtLeast, 30.0),
    ("reference contracts, transactions per CPU-second", "executor/reference", None, AtLeast, 30_000.0),
    ("reference contracts, times @ton/sandbox", "executor/reference", Some("sandbox/reference"), AtLeast, 30.0),
    ("mix through a whole chain, transactions per CPU-s", "chain/mix", None, AtLeast, 30_000.0),
    ("snapshot and revert, 10,000 accounts, ms", "chain/snapshot-revert/10000", None, AtMost, 1.0),
];

/// Of attestation.
#[rustfmt::skip] // A target a line.
pub(crate) const ATTEST_TARGETS: [Goal; 6] = [
    ("TDX quote issued, CPU ms", "issue/tdx-v4", None, AtMost, 0.35),
    ("TDX quote verified, CPU ms", "verify/tdx-v4", None, AtMost, 1.5),
    ("SNP report verified, full chain, CPU ms", "verify/snp-genoa", None, AtMost, 5.0),
    ("GPU verified, full chain, manifests known, CPU ms", "verify/gpu-hopper", None, AtMost, 8.0),
    ("1,000 workers, 10 hand-shakes each, nothing remembered, CPU s", "fleet/uncached", None, AtMost, 30.0),
    ("1,000 workers, 10 hand-shakes each, verdicts remembered, CPU s", "fleet/cached", None, AtMost, 8.0),
];

/// Of the simulated world.
#[rustfmt::skip] // A target a line.
const TARGETS: [Goal; 12] = [
    ("native engine, times turmoil", "echo/native/100", Some("echo/turmoil/100"), AtLeast, 900.0),
    ("native engine, times madsim's TCP", "echo/native/100", Some("echo/madsim-tcp/100"), AtLeast, 4.0),
    ("madsim engine, times turmoil", "echo/madsim/100", Some("echo/turmoil/100"), AtLeast, 400.0),
    ("madsim engine, times madsim's TCP", "echo/madsim/100", Some("echo/madsim-tcp/100"), AtLeast, 1.9),
    ("10,000 clients, messages per CPU-second", "echo/native/10000", None, AtLeast, 650_000.0),
    ("idle node, bytes", "memory/native/10000", None, AtMost, 4_096.0),
    ("mutual TLS, hand-shakes per CPU-second", "handshakes/native/deterministic", None, AtLeast, 2_500.0),
    ("mutual TLS, times stock ring", "handshakes/native/deterministic", Some("handshakes/native/ring"), AtLeast, 1.0),
    ("two threads, times one (native)", "threads/native", None, AtLeast, 1.7),
    ("two threads, times one (madsim)", "threads/madsim", None, AtLeast, 1.7),
    ("hello, seeds per CPU-second", "scenarios/hello/native", None, AtLeast, 100.0),
    ("three regions under load, virtual s per CPU-second", "scenarios/load/native", None, AtLeast, 25.0),
];

impl Report {
    pub(crate) fn new(measurements: Vec<Measurement>) -> Self {
        Self::with_targets(measurements, &TARGETS)
    }

    pub(crate) fn with_targets(measurements: Vec<Measurement>, targets: &[Goal]) -> Self {
        let median = |name: &str| {
            let found = measurements.iter().find(|measurement| measurement.name == name)?;
            (found.median > 0.0).then_some(found.median)
        };
        let targets = targets
            .iter()
            .map(|&(name, of, by, bound, limit)| {
                let measured = median(of).and_then(|of| match by {
                    Some(by) => Some(of / median(by)?),
                    None => Some(of),
                });
                let verdict = match (measured, bound) {
                    (None, _) => Verdict::NotMeasured,
                    (Some(measured), AtLeast) if measured >= limit => Verdict::Met,
                    (Some(measured), AtMost) if measured <= limit => Verdict::Met,
                    (Some(_), _) => Verdict::Missed,
                };
                Target {
                    name,
                    bound,
                    limit,
                    measured,
                    verdict,
                }
            })
            .collect();
        Self {
            schema: SCHEMA,
            measurements,
            targets,
        }
    }
}

/// Three digits of a ratio, whole numbers of everything large.
struct Figure(f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.0 < 100.0 { 2 } else { 0 };
        f.pad(&format!("{:.digits$}", self.0))
    }
}

/// Two tables for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<34} {:>12}  unit", "measurement", "median")?;
        for Measurement { name, unit, median, .. } in &self.measurements {
            writeln!(f, "{name:<34} {:>12}  {unit}", Figure(*median))?;
        }
        writeln!(f, "\n{:<50} {:>12} {:>12}  verdict", "target", "limit", "measured")?;
        for target in &self.targets {
            let sign = match target.bound {
                AtLeast => "≥",
                AtMost => "≤",
            };
            let limit = format!("{sign} {}", Figure(target.limit));
            let measured = target
                .measured
                .map_or("–".to_owned(), |value| Figure(value).to_string());
            let verdict = match target.verdict {
                Verdict::Met => "met",
                Verdict::Missed => "missed",
                Verdict::NotMeasured => "not measured",
            };
            writeln!(f, "{:<50} {limit:>12} {measured:>12}  {verdict}", target.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_medians_or_ratios_of_them() {
        let measurement = |name: &str, runs: &[f64]| Measurement::new(name.into(), "x", runs.to_vec());
        let report = Report::new(vec![
            measurement("echo/native/100", &[1.0, 9.0, 8.0]),
            measurement("echo/madsim-tcp/100", &[2.0]),
            measurement("memory/native/10000", &[5_000.0]),
            measurement("threads/native", &[0.0]),
        ]);
        let target = |name: &str| report.targets.iter().find(|target| target.name == name).unwrap();
        let ratio = target("native engine, times madsim's TCP");
        assert_eq!((ratio.measured, ratio.verdict), (Some(4.0), Verdict::Met));
        assert_eq!(target("idle node, bytes").verdict, Verdict::Missed);
        let rest = ["native engine, times turmoil", "two threads, times one (native)"];
        assert!(rest.iter().all(|name| target(name).verdict == Verdict::NotMeasured));
        assert_eq!(report.to_string().lines().count(), 1 + 4 + 1 + 1 + TARGETS.len());
    }
}
