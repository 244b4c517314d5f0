//! Runs one by one, and the command that repeats each.

use maud::{Markup, html};

use super::{Context, badge};
use crate::analyses::{RunSummary, SuiteVerdict};
use crate::format::{self, counted};
use crate::html::table::{Head, Table, capped, optional};
use crate::html::text::{shell_word, untrusted, untrusted_plain};
use crate::store::RunVerdict;

/// Characters of a digest that are shown; the manifest has all.
const DIGEST_CHARACTERS: usize = 16;

pub(super) fn body(context: &Context<'_>) -> Markup {
    let mut runs: Vec<&RunSummary> = context.findings.runs.iter().collect();
    // Stable: otherwise in the order given.
    runs.sort_by_key(|run| run.verdict == RunVerdict::Pass);
    html! {
        p.lead {
            "Failed runs first. A seed gives the same run again, event for event. The commands below look for the scenario by its name in the folder "
            code { "scenarios" } "; a file elsewhere is named after " code { "run" } ". A stored run is repeated and compared with its record by "
            code { "chrysalis replay " i { "folder of the run" } } "."
        }
        @if context.options.left_out > 0 {
            p.lead {
                b { (counted(context.options.left_out, "run", "runs")) } " could not be read and "
                @if context.options.left_out == 1 { "is" } @else { "are" } " not part of any figure here."
            }
        }
        (figures(context, &runs))
        (commands(context, &runs))
    }
}

fn verdict(run: &RunSummary) -> SuiteVerdict {
    match run.verdict {
        RunVerdict::Pass => SuiteVerdict::Pass,
        RunVerdict::Fail => SuiteVerdict::Fail,
        RunVerdict::NonDeterministic => SuiteVerdict::NonDeterministic,
    }
}

fn figures(context: &Context<'_>, runs: &[&RunSummary]) -> Markup {
    let several_scenarios = context.scenarios().len() > 1;
    let (rows, left_out) = capped(runs, context.limits.rows, |run| {
        vec![
            html! { (run.seed) @if several_scenarios { " " (untrusted(&run.scenario)) } },
            badge(verdict(run)),
            html! {
                (format::integer(u128::from(run.answered.successes()))) " of " (format::integer(u128::from(run.answered.trials())))
            },
            optional(run.ttft_p50_ns, format::milliseconds),
            optional(run.e2e_p50_ns, format::milliseconds),
            optional(run.e2e_p99_ns, format::milliseconds),
            html! { (format::ton(run.client_pays_nanoton)) },
            html! { (format::integer(u128::from(run.faults))) },
            html! {
                @if run.failed.is_empty() { (format::ABSENT) }
                @for (index, name) in run.failed.iter().take(3).enumerate() {
                    @if index > 0 { ", " }
                    (untrusted(name))
                }
                @if run.failed.len() > 3 { " and " (run.failed.len() - 3) " more" }
            },
        ]
    });
    Table {
        caption: html! { "Key figures of each run; latencies in milliseconds. Percentiles of a single run are shown for comparison, not claimed" },
        heads: vec![
            Head::Number("Seed"),
            Head::Text("Verdict"),
            Head::Number("Answered"),
            Head::Number("TTFT p50"),
            Head::Number("E2E p50"),
            Head::Number("E2E p99"),
            Head::Number("Clients pay, TON"),
            Head::Number("Faults"),
            Head::Text("Violated"),
        ],
        rows,
        left_out,
    }
    .render()
}

fn commands(context: &Context<'_>, runs: &[&RunSummary]) -> Markup {
    let (rows, left_out) = capped(runs, context.limits.rows, |run| {
        vec![
            html! { (run.seed) },
            match command(run) {
                Some(command) => html! { code { (command) } },
                None => html! { "none: a name in the manifest is not one that a command line can take safely" },
            },
            html! { code { (untrusted_plain(&run.world_digest, DIGEST_CHARACTERS)) } },
        ]
    });
    Table {
        caption: html! { "How to repeat a run; the digest of the world must come out the same (its first digits are shown)" },
        heads: vec![
            Head::Number("Seed"),
            Head::Text("Command"),
            Head::Text("Digest of the world"),
        ],
        rows,
        left_out,
    }
    .render()
}

/// The command that repeats a run.
fn command(run: &RunSummary) -> Option<String> {
    let scenario = shell_word(&run.scenario)?;
    let engine = shell_word(&run.engine)?;
    // Ranges exclude their end, so the last seed of all has none of its own.
    let next = run.seed.checked_add(1)?;
    Some(format!(
        "chrysalis run --filter {scenario} --seeds {}..{next} --engine {engine}",
        run.seed
    ))
}
