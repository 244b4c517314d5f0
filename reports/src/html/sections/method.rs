//! What has to be known to believe the figures, and the words used.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::Context;
use crate::format;
use crate::html::table::{Head, Table, capped};
use crate::html::text::{untrusted, untrusted_block};

/// Scenario texts that are quoted.
const QUOTED_SCENARIOS: usize = 3;

pub(super) fn assumptions(context: &Context<'_>) -> Markup {
    html! {
        dl {
            dt { "Simulated world" }
            dd { "Node software is the real one; network, clock, disks, chain and hardware are simulated and follow from the seed. Times are virtual: they depend on the scenario's models, not on the machine that ran it." }
            dt { "Several seeds" }
            dd { "Figures over several runs count all requests as one population. The table of runs keeps seeds apart." }
            dt { "Percentiles" }
            dd { "Nearest-rank values of the sample, without interpolation. Intervals come from order statistics and the binomial distribution; they assume no distribution of latencies, but independent samples, which requests that share a queue are not quite." }
            dt { "Not claimed" }
            dd { "A percentile for which the sample is too small for a two-sided interval is shown and marked, never claimed: p50 needs 6 samples at 95% confidence, p90 needs 36, p99 needs 368." }
            dt { "Shares" }
            dd { "Intervals of shares are Clopper–Pearson intervals. Percentages are rounded down." }
            dt { "Tokens" }
            dd { "Token counts are claims of workers. Prompt tokens include cached ones and completion tokens include reasoning; tables by class separate them." }
            dt { "Money" }
            dd { "Integers of nanoTON. Fees of the chain, hardware, energy and the exchange rate of TON are not part of it." }
            dt { "Untrusted text" }
            dd { "Names and reasons come from nodes. Characters that cannot be seen, or that change what is seen, are shown by their code points, as in " span.hidden-character { "⟨U+202E⟩" } "." }
        }
        (prices(context))
        (versions(context))
        (scenarios(context))
    }
}

fn prices(context: &Context<'_>) -> Markup {
    let mut prices: Vec<(&str, u64, u64)> = context
        .runs
        .iter()
        .flat_map(|run| &run.tables().prices)
        .map(|price| (price.name.as_str(), price.at_ns, price.nanoton))
        .collect();
    prices.sort_unstable();
    prices.dedup();
    if prices.is_empty() {
        return html! {};
    }
    let (rows, left_out) = capped(&prices, context.limits.rows, |(name, at_ns, nanoton)| {
        vec![
            untrusted(name),
            html! { (format::seconds(*at_ns)) },
            html! { (format::integer(u128::from(*nanoton))) },
        ]
    });
    Table {
        caption: html! { "Prices in force, different ones of all runs" },
        heads: vec![Head::Text("Price"), Head::Number("From, s"), Head::Number("nanoTON")],
        rows,
        left_out,
    }
    .render()
}

fn versions(context: &Context<'_>) -> Markup {
    let mut versions: Vec<(&str, &str)> = context
        .runs
        .iter()
        .flat_map(|run| &run.run().versions)
        .map(|(name, version)| (name.as_str(), version.as_str()))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    if versions.is_empty() {
        return html! {};
    }
    let (rows, left_out) = capped(&versions, context.limits.rows, |(name, version)| {
        vec![untrusted(name), html! { code { (untrusted(version)) } }]
    });
    Table {
        caption: html! { "Versions on which the results depend" },
        heads: vec![Head::Text("Component"), Head::Text("Version")],
        rows,
        left_out,
    }
    .render()
}

fn scenarios(context: &Context<'_>) -> Markup {
    let sources: BTreeMap<(&str, &str), &str> = context
        .runs
        .iter()
        .map(|run| {
            let key = (run.run().scenario.as_str(), run.manifest().scenario_sha256.as_str());
            (key, run.run().scenario_source.as_str())
        })
        .collect();
    html! {
        @for ((name, sha256), source) in sources.iter().take(QUOTED_SCENARIOS) {
            details {
                summary { "Scenario " (untrusted(name)) }
                p { "SHA-256 " code { (sha256) } }
                pre { (untrusted_block(source, context.limits.block_characters)) }
            }
        }
        @if sources.len() > QUOTED_SCENARIOS {
            p.lead { "… and " (sources.len() - QUOTED_SCENARIOS) " more scenarios." }
        }
    }
}

const GLOSSARY: [(&str, &str); 18] = [
    (
        "Attestation",
        "Proof by hardware of what software a machine runs. Evidence is what is shown; appraisal is the decision about it.",
    ),
    (
        "Billed unit",
        "A token after the worker's coefficient and the network's multiplier of its class; the unit of accounts and contracts.",
    ),
    ("Client", "Node that takes requests from users and pays for them."),
    (
        "Confidence interval",
        "A range that would contain the true value in the stated share of repetitions.",
    ),
    (
        "E2E",
        "End-to-end latency: from sending a request to the end of its answer.",
    ),
    (
        "ICL",
        "Inter-chunk latency: the gap between two parts of a streamed answer.",
    ),
    (
        "ITL",
        "Inter-token latency: the time for one more token, averaged over a request, without the first token.",
    ),
    ("Liveness", "Something good happens in the end."),
    ("nanoTON", "A billionth of a TON."),
    (
        "p50, p90, p99",
        "Percentiles: 50, 90 or 99 of a hundred values are no larger.",
    ),
    (
        "Proxy",
        "Node that routes requests to workers, meters them and settles payments.",
    ),
    ("Run", "One execution of a scenario with one seed."),
    ("Safety", "Nothing bad ever happens."),
    ("Seed", "The number from which everything random in a run follows."),
    ("Tap", "A place where an observer of the network stands."),
    ("TON", "The coin in which requests are paid."),
    (
        "TTFT",
        "Time to first token: from sending a request to the first part of the answer that has text.",
    ),
    ("Worker", "Node that serves a model on a GPU and earns a fee."),
];

pub(super) fn glossary() -> Markup {
    html! { dl { @for (word, meaning) in GLOSSARY { dt { (word) } dd { (meaning) } } } }
}
