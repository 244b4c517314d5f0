//! The sections of a report, each in a module of its name.

mod cost;
mod events;
mod headline;
mod latency;
mod method;
mod observer;
mod payments;
mod runs;
mod security;
mod settlement;
mod timeline;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::ReportOptions;
use crate::analyses::{
    self, AttestationSummary, Cost, FaultSummary, Latency, ObserverView, PaymentSummary, RunSummary, SuiteVerdict,
    Unsigned, VerdictSummary,
};
use crate::store::RunStore;

pub(super) use headline::headline;

/// Everything that is computed, once, before anything is written.
pub(super) struct Findings {
    pub(super) verdicts: VerdictSummary,
    pub(super) latency: Latency,
    pub(super) cost: Cost,
    pub(super) payments: Vec<PaymentSummary>,
    pub(super) unsigned: Vec<Unsigned>,
    pub(super) flows: Vec<analyses::Flow>,
    pub(super) operations: Vec<analyses::OperationSummary>,
    pub(super) observer: ObserverView,
    pub(super) attestations: BTreeMap<String, AttestationSummary>,
    pub(super) threats: Vec<analyses::ThreatSummary>,
    pub(super) platforms: Vec<analyses::PlatformSummary>,
    pub(super) evidence: Option<analyses::EvidenceTimeline>,
    pub(super) faults: BTreeMap<String, FaultSummary>,
    pub(super) runs: Vec<RunSummary>,
}

impl Findings {
    pub(super) fn of(runs: &[RunStore]) -> Self {
        Self {
            verdicts: analyses::verdicts(runs),
            latency: analyses::latency(runs),
            cost: analyses::cost(runs),
            payments: analyses::payments(runs),
            unsigned: analyses::unsigned(runs),
            flows: analyses::flows(runs),
            operations: analyses::operations(runs),
            observer: analyses::observer_view(runs),
            attestations: analyses::attestations(runs),
            threats: analyses::threats(runs),
            platforms: analyses::platforms(runs),
            evidence: analyses::evidence_timeline(runs),
            faults: analyses::faults(runs),
            runs: analyses::runs(runs),
        }
    }
}

/// How much is shown of things whose number is not known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Rows of a table.
    pub(super) rows: usize,
    /// Dots of a drawing.
    pub(super) dots: usize,
    /// Characters of a quoted file.
    pub(super) block_characters: usize,
}

impl Limits {
    const DOTS: usize = 1_500;
    const BLOCK_CHARACTERS: usize = 20_000;

    pub(super) fn with_rows(rows: usize) -> Self {
        Self {
            rows: rows.max(1),
            dots: Self::DOTS,
            block_characters: Self::BLOCK_CHARACTERS,
        }
    }

    /// Half of everything; `None` if nothing is left to halve.
    pub(super) fn tighter(&self) -> Option<Self> {
        let half = Self {
            rows: (self.rows / 2).max(1),
            dots: (self.dots / 2).max(1),
            block_characters: (self.block_characters / 2).max(1),
        };
        (half != *self).then_some(half)
    }
}

/// What a section may use.
pub(super) struct Context<'a> {
    pub(super) runs: &'a [RunStore],
    pub(super) options: &'a ReportOptions,
    pub(super) findings: &'a Findings,
    pub(super) limits: &'a Limits,
}

impl<'a> Context<'a> {
    /// Different values of a field of the runs, in order.
    pub(super) fn distinct(&self, field: impl Fn(&'a RunStore) -> &'a String) -> Vec<&'a str> {
        let values: BTreeSet<&str> = self.runs.iter().map(|run| field(run).as_str()).collect();
        values.into_iter().collect()
    }

    /// Names of the scenarios.
    pub(super) fn scenarios(&self) -> Vec<&'a str> {
        self.distinct(|run| &run.run().scenario)
    }
}

/// A section.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) body: Markup,
}

/// Every section that has something to say, in the order of the page.
pub(super) fn all(context: &Context<'_>) -> Vec<Section> {
    [
        Some(section("verdicts", "Verdicts", verdicts::body(context))),
        Some(section("latency", "Latency", latency::body(context))),
        Some(section("cost", "Cost", cost::body(context))),
        payments::body(context).map(|body| section("payments", "Payments", body)),
        settlement::body(context).map(|body| section("settlement", "Coins on the chain", body)),
        timeline::body(context).map(|body| section("timeline", "One request across the network", body)),
        observer::body(context).map(|body| section("observer", "What the network saw", body)),
        security::threats(context).map(|body| section("threats", "Threats and what stops them", body)),
        events::attestations(context).map(|body| section("attestation", "Attestation", body)),
        security::timeline(context).map(|body| section("evidence", "Evidence in one run", body)),
        security::platforms(context).map(|body| section("platforms", "Platforms behind the evidence", body)),
        events::faults(context).map(|body| section("faults", "Faults put in", body)),
        Some(section("runs", "Runs and how to repeat them", runs::body(context))),
        Some(section(
            "assumptions",
            "Assumptions and method",
            method::assumptions(context),
        )),
        Some(section("glossary", "Glossary", method::glossary())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn section(id: &'static str, title: &'static str, body: Markup) -> Section {
    Section { id, title, body }
}

/// CSS class of a verdict.
fn verdict_class(verdict: SuiteVerdict) -> &'static str {
    match verdict {
        SuiteVerdict::Pass => "is-pass",
        SuiteVerdict::Fail | SuiteVerdict::NonDeterministic => "is-fail",
        SuiteVerdict::Undecided => "is-warn",
    }
}

/// A verdict in a word.
fn verdict_word(verdict: SuiteVerdict) -> &'static str {
    match verdict {
        SuiteVerdict::Pass => "pass",
        SuiteVerdict::Fail => "fail",
        SuiteVerdict::Undecided => "undecided",
        SuiteVerdict::NonDeterministic => "not deterministic",
    }
}

/// A verdict's sign: its shape says the same as its colour.
fn verdict_icon(verdict: SuiteVerdict) -> Markup {
    let sign = match verdict {
        SuiteVerdict::Pass => "M4.5 8.3L7 10.8L11.6 5.6",
        SuiteVerdict::Fail => "M5.2 5.2L10.8 10.8M10.8 5.2L5.2 10.8",
        SuiteVerdict::Undecided => "M5.8 6.2A2.2 2.2 0 1 1 8 8.6V9.3M8 11.4V11.9",
        SuiteVerdict::NonDeterministic => "M8 4.2V8.8M8 11V11.6",
    };
    html! {
        svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" {
            circle cx="8" cy="8" r="7" {}
            path d=(sign) {}
        }
    }
}

/// A verdict in a table.
fn badge(verdict: SuiteVerdict) -> Markup {
    html! { span.badge.(verdict_class(verdict)) { (verdict_icon(verdict)) (verdict_word(verdict)) } }
}
