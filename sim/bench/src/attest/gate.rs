//! The gate of mutations at length: numbered mutants ([`chrysalis_attest::mutate::gate`]) on threads, with the time that
//! each one took. Each is judged by the whole verifier.

use chrysalis_attest::mutate::{
    Class, Finding,
    gate::{Span, Unit, spans},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use crate::measure::{thread_cpu_ns, wall_s};

/// CPU time above which judging a mutant is a finding by itself.
pub const SLOWEST_ALLOWED_MS: f64 = 50.0;

fn is_too_slow(spent_ns: u64) -> bool {
    spent_ns as f64 / 1e6 > SLOWEST_ALLOWED_MS
}

/// Findings that an outcome keeps.
const FINDINGS_KEPT: usize = 100;

/// What to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateOptions {
    /// What all mutants follow from.
    pub seed: u64,
    /// Number of the first mutant.
    pub first: u64,
    /// How many mutants.
    pub count: u64,
    /// Threads.
    pub threads: NonZeroUsize,
}

/// A mutant that the verifier did not judge as declared, or on which it panicked or took too long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateFinding {
    /// Number of the mutant.
    pub number: u64,
    /// What it was made from.
    pub subject: String,
    /// Class and change.
    pub mutant: String,
    /// What was declared and what came out.
    pub outcome: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateOutcome {
    /// What all mutants follow from.
    pub seed: u64,
    /// Number of the first mutant.
    pub first: u64,
    /// Mutants that were to be judged.
    pub wanted: u64,
    /// Mutants that were judged.
    pub judged: u64,
    /// Every mutant before this one was judged: where to go on from.
    pub next: u64,
    /// Judged mutants by class.
    pub by_class: BTreeMap<&'static str, u64>,
    /// Mutants that were accepted although none of their kind may be.
    pub wrongly_accepted: u64,
    /// Mutants that were refused although they are genuine, or for a reason of another class than declared.
    pub wrongly_refused: u64,
    /// Panics of the verifier.
    pub panics: u64,
    /// Mutants above [`SLOWEST_ALLOWED_MS`] each of three times.
    pub too_slow: u64,
    /// CPU time of the slowest one, and its number.
    pub slowest_ms: f64,
    /// Number of the slowest one.
    pub slowest: u64,
    /// CPU time that the verifier took for all of them.
    pub verify_cpu_s: f64,
    /// CPU time of the threads, with the making of labs and mutants.
    pub total_cpu_s: f64,
    /// Time by the clock.
    pub wall_s: f64,
    /// The first findings.
    pub findings: Vec<GateFinding>,
}

impl GateOutcome {
    fn new(options: &GateOptions) -> Self {
        Self {
            seed: options.seed,
            first: options.first,
            wanted: options.count,
            judged: 0,
            next: options.first,
            by_class: BTreeMap::new(),
            wrongly_accepted: 0,
            wrongly_refused: 0,
            panics: 0,
            too_slow: 0,
            slowest_ms: 0.0,
            slowest: options.first,
            verify_cpu_s: 0.0,
            total_cpu_s: 0.0,
            wall_s: 0.0,
            findings: Vec::new(),
        }
    }

    /// Whether nothing was found. That everything was judged is another question: [`GateOutcome::is_complete`].
    pub fn is_clean(&self) -> bool {
        self.wrongly_accepted + self.wrongly_refused + self.panics + self.too_slow == 0
    }

    /// Whether every mutant that was wanted was judged.
    pub fn is_complete(&self) -> bool {
        self.judged == self.wanted
    }

    fn add(&mut self, part: Part) {
        self.judged += part.span.end - part.span.first;
        for (class, count) in part.by_class {
            *self.by_class.entry(class.name()).or_default() += count;
        }
        self.wrongly_accepted += part.wrongly_accepted;
        self.wrongly_refused += part.wrongly_refused;
        self.panics += part.panics;
        self.too_slow += part.too_slow;
        self.verify_cpu_s += part.verify_ns as f64 / 1e9;
        self.total_cpu_s += part.total_ns as f64 / 1e9;
        let slowest_ms = part.slowest_ns as f64 / 1e6;
        if slowest_ms > self.slowest_ms {
            (self.slowest_ms, self.slowest) = (slowest_ms, part.slowest);
        }
        let room = FINDINGS_KEPT.saturating_sub(self.findings.len());
        self.findings.extend(part.findings.into_iter().take(room));
    }
}

impl std::fmt::Display for GateOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "mutation gate, seed {}, mutants {} to {}",
            self.seed,
            self.first,
            self.first + self.wanted
        )?;
        for (class, count) in &self.by_class {
            writeln!(f, "  {class:<34} {count:>12}")?;
        }
        for (name, value) in [
            ("judged", self.judged),
            ("wrongly accepted", self.wrongly_accepted),
            ("wrongly refused", self.wrongly_refused),
            ("panics", self.panics),
            ("above 50 ms", self.too_slow),
        ] {
            writeln!(f, "  {name:<34} {value:>12}")?;
        }
        writeln!(
            f,
            "  {:<34} {:>12.2}  mutant {}",
            "slowest, CPU ms", self.slowest_ms, self.slowest
        )?;
        let each_ms = self.verify_cpu_s * 1e3 / self.judged.max(1) as f64;
        writeln!(f, "  {:<34} {each_ms:>12.3}", "verifier, CPU ms each")?;
        writeln!(f, "  {:<34} {:>12.1}", "CPU s, with making them", self.total_cpu_s)?;
        writeln!(f, "  {:<34} {:>12.1}", "s by the clock", self.wall_s)?;
        for finding in &self.findings {
            writeln!(
                f,
                "FOUND mutant {} of {}: {}: {}",
                finding.number, finding.subject, finding.mutant, finding.outcome
            )?;
        }
        let verdict = match (self.is_clean(), self.is_complete()) {
            (false, _) => "BLOCKED".to_owned(),
            (true, true) => "passed".to_owned(),
            (true, false) => format!("not complete: go on with --first {}", self.next),
        };
        writeln!(f, "  {:<34} {verdict:>12}", "verdict")
    }
}

/// What came of a span.
struct Part {
    span: Span,
    by_class: BTreeMap<Class, u64>,
    wrongly_accepted: u64,
    wrongly_refused: u64,
    panics: u64,
    too_slow: u64,
    slowest_ns: u64,
    slowest: u64,
    verify_ns: u64,
    total_ns: u64,
    findings: Vec<GateFinding>,
}

/// Judges mutants until all are judged or `stop` is not zero. A span that was begun when it stops is not counted.
pub fn run_gate(options: &GateOptions, stop: &AtomicUsize, progress: &mut dyn FnMut(&GateOutcome)) -> GateOutcome {
    let start_s = wall_s();
    let queue = Mutex::new(spans(options.first, options.count));
    let mut outcome = GateOutcome::new(options);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..options.threads.get() {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(span) = next else { return };
                    let Some(part) = judge(options.seed, span, stop) else {
                        return;
                    };
                    if sender.send(part).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Spans end in any order; `next` moves over those that are whole from the first on.
        let mut ended = BTreeSet::new();
        for part in receiver {
            ended.insert((part.span.first, part.span.end));
            outcome.add(part);
            while let Some(&(first, end)) = ended.first() {
                if first != outcome.next {
                    break;
                }
                outcome.next = end;
                ended.pop_first();
            }
            outcome.wall_s = wall_s() - start_s;
            progress(&outcome);
        }
    });
    outcome.wall_s = wall_s() - start_s;
    outcome
}

/// None if it was stopped.
fn judge(seed: u64, span: Span, stop: &AtomicUsize) -> Option<Part> {
    let start_ns = thread_cpu_ns();
    let unit = Unit::new(seed, span.unit);
    let subject = format!("{:?}", unit.subject());
    let mut part = Part {
        span,
        by_class: BTreeMap::new(),
        wrongly_accepted: 0,
        wrongly_refused: 0,
        panics: 0,
        too_slow: 0,
        slowest_ns: 0,
        slowest: span.first,
        verify_ns: 0,
        total_ns: 0,
        findings: Vec::new(),
    };
    for number in span.first..span.end {
        if stop.load(Ordering::Relaxed) != 0 {
            return None;
        }
        unit.with_mutant(number, |mutant| {
            let judge = || {
                let before_ns = thread_cpu_ns();
                let checked = catch_unwind(AssertUnwindSafe(|| mutant.check(unit.identity())));
                (checked, thread_cpu_ns() - before_ns)
            };
            let (checked, mut spent_ns) = judge();
            // The verifier is a pure function: what a busy machine adds once to its time it does not add three times.
            for _again in 0..2 {
                if is_too_slow(spent_ns) {
                    spent_ns = spent_ns.min(judge().1);
                }
            }
            *part.by_class.entry(mutant.class).or_default() += 1;
            part.verify_ns += spent_ns;
            if spent_ns > part.slowest_ns {
                (part.slowest_ns, part.slowest) = (spent_ns, number);
            }
            let mut found = |outcome: String| {
                part.findings.push(GateFinding {
                    number,
                    subject: subject.clone(),
                    mutant: format!("{}: {}", mutant.class.name(), mutant.recipe),
                    outcome,
                });
            };
            if is_too_slow(spent_ns) {
                part.too_slow += 1;
                found(format!("{} CPU ms", spent_ns / 1_000_000));
            }
            match checked {
                Ok(Ok(())) => {}
                Ok(Err(Finding {
                    expectation, outcome, ..
                })) => {
                    if outcome.starts_with("accepted") {
                        part.wrongly_accepted += 1;
                    } else {
                        part.wrongly_refused += 1;
                    }
                    found(format!("{expectation:?} was declared: {outcome}"));
                }
                Err(_) => {
                    part.panics += 1;
                    found("panic".to_owned());
                }
            }
        });
    }
    part.total_ns = thread_cpu_ns() - start_ns;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrysalis_attest::mutate::gate::UNIT_MUTANTS;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    fn options(first: u64, count: u64) -> GateOptions {
        GateOptions {
            seed: 7,
            first,
            count,
            threads: TWO,
        }
    }

    #[test]
    fn a_range_is_judged_once_and_nothing_is_found() {
        // The last of a unit of TDX and the first of the next one.
        let mut told = 0;
        let outcome = run_gate(&options(UNIT_MUTANTS - 150, 300), &AtomicUsize::new(0), &mut |_| {
            told += 1;
        });
        assert!(outcome.is_clean() && outcome.is_complete(), "{outcome}");
        assert_eq!((outcome.judged, outcome.next, told), (300, UNIT_MUTANTS + 150, 2));
        assert_eq!(outcome.by_class.values().sum::<u64>(), 300);
        assert!(
            outcome.slowest_ms > 0.0 && outcome.verify_cpu_s <= outcome.total_cpu_s,
            "{outcome}"
        );
        assert!(outcome.to_string().contains("passed"));
    }

    #[test]
    fn a_stopped_run_says_where_to_go_on() {
        let outcome = run_gate(&options(5, 100), &AtomicUsize::new(2), &mut |_| {});
        assert_eq!((outcome.judged, outcome.next), (0, 5));
        assert!(outcome.is_clean() && !outcome.is_complete());
        assert!(outcome.to_string().contains("--first 5"), "{outcome}");
    }

    /// The control: what is found blocks.
    #[test]
    fn a_finding_blocks() {
        let mut outcome = GateOutcome::new(&options(0, 1));
        outcome.add(Part {
            span: Span {
                unit: 0,
                first: 0,
                end: 1,
            },
            by_class: BTreeMap::from([(Class::M1Bits, 1)]),
            wrongly_accepted: 1,
            wrongly_refused: 0,
            panics: 0,
            too_slow: 0,
            slowest_ns: 1,
            slowest: 0,
            verify_ns: 1,
            total_ns: 2,
            findings: vec![GateFinding {
                number: 0,
                subject: "Tdx(V4)".into(),
                mutant: "M1 bits: bit 7".into(),
                outcome: "accepted".into(),
            }],
        });
        assert!(!outcome.is_clean() && outcome.is_complete());
        assert!(outcome.to_string().contains("BLOCKED") && outcome.to_string().contains("FOUND mutant 0"));
    }
}
