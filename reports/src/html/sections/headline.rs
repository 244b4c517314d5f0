//! The answer, before everything else: the verdict and six figures.

use maud::{Markup, html};

use super::{Context, verdict_class, verdict_icon};
use crate::analyses::{LatencyMetric, SuiteVerdict, nanoton_per_million};
use crate::format;
use crate::html::text::untrusted;
use crate::schema::RequestStatus;
use crate::stats::{Confidence, Proportion};

/// Violated properties named in the headline.
const NAMED_PROPERTIES: usize = 3;

pub(in crate::html) fn headline(context: &Context<'_>) -> Markup {
    let verdicts = &context.findings.verdicts;
    html! {
        div.verdict.(verdict_class(verdicts.suite)) role="status" {
            (verdict_icon(verdicts.suite))
            div {
                strong { (sentence(context)) }
                p { (reason(context)) }
            }
        }
        ul.cards {
            (runs_card(context))
            (answers_card(context))
            (latency_card(context, LatencyMetric::TimeToFirstToken, "Time to first token"))
            (latency_card(context, LatencyMetric::EndToEnd, "End-to-end latency"))
            (cost_card(context))
            (margin_card(context))
        }
    }
}

fn sentence(context: &Context<'_>) -> String {
    let verdicts = &context.findings.verdicts;
    let failed = format::integer(u128::from(verdicts.runs - verdicts.passed_runs));
    match (verdicts.suite, verdicts.runs) {
        (_, 0) => "There are no runs to judge".to_owned(),
        (SuiteVerdict::Pass, 1) => "The run passed".to_owned(),
        (SuiteVerdict::Pass, runs) => format!("All {} runs passed", format::integer(u128::from(runs))),
        (SuiteVerdict::Fail, 1) if verdicts.passed_runs == 0 => "The run failed".to_owned(),
        (SuiteVerdict::Fail, runs) if verdicts.passed_runs < runs => {
            format!("{failed} of {} runs failed", format::integer(u128::from(runs)))
        }
        (SuiteVerdict::Fail, _) => "The suite failed: something that must happen never did".to_owned(),
        (SuiteVerdict::Undecided, _) => "Not decided: some properties could not be judged".to_owned(),
        (SuiteVerdict::NonDeterministic, _) => "Not deterministic: the simulator is at fault".to_owned(),
    }
}

fn reason(context: &Context<'_>) -> Markup {
    let verdicts = &context.findings.verdicts;
    let bad: Vec<_> = verdicts
        .properties
        .iter()
        .filter(|property| property.verdict != SuiteVerdict::Pass)
        .collect();
    html! {
        @match verdicts.suite {
            SuiteVerdict::Pass => {
                "All " (format::integer(verdicts.properties.len() as u128)) " properties held. "
                (failing_share(context))
            }
            SuiteVerdict::NonDeterministic => {
                "A run gave another result when it was repeated. Nothing else in this report can be relied on until that is repaired."
            }
            SuiteVerdict::Fail | SuiteVerdict::Undecided => {
                @if bad.is_empty() {
                    @if verdicts.runs > 0 { "The runs say so themselves; no property explains it. " }
                } @else {
                    @if verdicts.suite == SuiteVerdict::Fail { "Not satisfied: " } @else { "Not decided: " }
                    @for (index, property) in bad.iter().take(NAMED_PROPERTIES).enumerate() {
                        @if index > 0 { ", " }
                        b { (untrusted(&property.name)) }
                    }
                    @if bad.len() > NAMED_PROPERTIES { " and " (bad.len() - NAMED_PROPERTIES) " more" }
                    ". "
                }
                @if verdicts.runs > 1 { (failing_share(context)) }
            }
        }
    }
}

/// What the seeds that were tried say about those that were not.
fn failing_share(context: &Context<'_>) -> Markup {
    let verdicts = &context.findings.verdicts;
    let failing = Proportion::new(verdicts.runs - verdicts.passed_runs, verdicts.runs);
    html! {
        @if let Some((low, high)) = failing.interval_ppm(Confidence::Percent95) {
            @if failing.successes() == 0 {
                "After " (format::integer(u128::from(failing.trials())))
                @if failing.trials() == 1 { " seed" } @else { " seeds" }
                ", up to " (format::percent(u128::from(high))) " of all seeds may still fail (95% interval)."
            } @else {
                "From the seeds tried, between " (format::percent(u128::from(low))) " and " (format::percent(u128::from(high)))
                " of all seeds fail (95% interval)."
            }
        }
    }
}

fn card(label: &str, value: &Markup, note: &Markup) -> Markup {
    html! { li { div.label { (label) } div.value { (value) } div.note { (note) } } }
}

fn runs_card(context: &Context<'_>) -> Markup {
    let verdicts = &context.findings.verdicts;
    let violated = verdicts
        .properties
        .iter()
        .filter(|property| property.verdict == SuiteVerdict::Fail)
        .count();
    card(
        "Runs passed",
        &html! { (format::integer(u128::from(verdicts.passed_runs))) " " small { "of " (format::integer(u128::from(verdicts.runs))) } },
        &html! {
            (format::integer(verdicts.properties.len() as u128)) " properties checked, "
            (format::integer(violated as u128)) " not satisfied"
        },
    )
}

fn answers_card(context: &Context<'_>) -> Markup {
    let latency = &context.findings.latency;
    let others: Vec<String> = latency
        .outcomes
        .iter()
        .filter(|(status, count)| **status != RequestStatus::Ok && **count > 0)
        .map(|(status, count)| format!("{} {status}", format::integer(u128::from(*count))))
        .collect();
    card(
        "Requests answered",
        &html! { (latency.answered.ppm().map_or_else(|| format::ABSENT.to_owned(), |ppm| format::percent(u128::from(ppm)))) },
        &html! {
            (format::integer(u128::from(latency.answered.successes()))) " of " (format::integer(u128::from(latency.answered.trials())))
            @if !others.is_empty() { "; " (others.join(", ")) }
        },
    )
}

fn latency_card(context: &Context<'_>, metric: LatencyMetric, label: &str) -> Markup {
    let Some(summary) = context.findings.latency.metric(metric) else {
        return html! {};
    };
    let [median, _, tail] = &summary.estimates;
    let Some(value) = median.value else {
        return card(label, &html! { (format::ABSENT) }, &html! { "no request has one" });
    };
    let note = match (tail.value, tail.interval) {
        (Some(value), Some((low, high))) => html! {
            (tail.quantile) " " (format::duration(value)) " (" (format::duration(low)) " to " (format::duration(high)) ")"
        },
        _ => html! {
            (tail.quantile) " not claimed: " (format::integer(u128::from(tail.samples))) " of "
            (format::integer(u128::from(tail.quantile.samples_needed(context.findings.latency.confidence)))) " samples needed"
        },
    };
    card(
        label,
        &html! { (format::duration(value)) " " small { "median" } },
        &note,
    )
}

fn cost_card(context: &Context<'_>) -> Markup {
    let cost = &context.findings.cost;
    let Some(per_million) = nanoton_per_million(cost.client_pays_nanoton, cost.tokens) else {
        return card(
            "Clients pay per 1M tokens",
            &html! { (format::ABSENT) },
            &html! { "no tokens were used" },
        );
    };
    card(
        "Clients pay per 1M tokens",
        &html! { (format::money(per_million)) },
        &html! { (format::money(cost.client_pays_nanoton)) " for " (format::integer(cost.tokens)) " tokens" },
    )
}

fn margin_card(context: &Context<'_>) -> Markup {
    let cost = &context.findings.cost;
    let value = cost
        .margin_ppm()
        .map_or_else(|| format::ABSENT.to_owned(), |ppm| format::signed(ppm, format::percent));
    let note = match nanoton_per_million(cost.worker_earns_nanoton, cost.tokens) {
        Some(per_million) => html! { "workers earn " (format::money(per_million)) " per 1M tokens; before chain fees" },
        None => html! { "before chain fees" },
    };
    card("Proxy margin", &html! { (value) }, &note)
}
