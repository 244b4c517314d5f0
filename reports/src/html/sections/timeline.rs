//! One request, stage by stage.

use maud::{Markup, html};

use super::Context;
use crate::analyses::{Choice, Timeline, choose_request, timeline};
use crate::format;
use crate::html::chart::{self, Ink, Swatch, Words};
use crate::html::table::{Head, Table, capped};
use crate::html::text::untrusted;
use crate::store::{RunStore, RunVerdict};

/// Lanes that are drawn.
const LANES: usize = 10;
/// Stages that are drawn and listed.
const EVENTS: usize = 60;

pub(super) fn body(context: &Context<'_>) -> Option<Markup> {
    let (run, timeline, choice) = choose(context)?;
    let first_ns = timeline.range_ns()?.0;
    let reason = match choice {
        Choice::FirstFailure => "the first request without a complete answer",
        Choice::Median => "the request of median latency",
        Choice::Named => "the request that was asked for",
    };
    let events = EVENTS.min(context.limits.rows.max(1));
    let shown = timeline.events.get(..events.min(timeline.events.len()))?;
    let mut previous_ns = first_ns;
    let mut rows = Vec::new();
    for (index, event) in shown.iter().enumerate() {
        let lane = timeline.lanes.get(event.lane)?;
        rows.push(vec![
            html! { (index + 1) },
            html! { (format::milliseconds(event.at_ns - first_ns)) },
            html! { (format::milliseconds(event.at_ns.saturating_sub(previous_ns))) },
            html! { @match &lane.node { Some(node) => (untrusted(node)), None => (format::ABSENT) } },
            html! { (lane.role.code().replace('_', " ")) },
            untrusted(&event.stage),
        ]);
        previous_ns = event.at_ns;
    }
    let parts: usize = timeline.lanes.iter().map(|lane| lane.parts_ns.len()).sum();
    let description = format!(
        "{} stages at {} nodes and {} sightings of answer parts within {}.",
        timeline.events.len(),
        timeline.lanes.len(),
        format::integer(parts as u128),
        format::duration(timeline.range_ns()?.1 - first_ns)
    );
    let words = Words {
        id: "way",
        title: "The way of the request",
        hint: "numbers are the stages of the table below; small ticks are parts of the answer passing",
        description: &description,
    };
    let drawing = chart::swimlane(&words, &timeline, LANES, events, context.limits.dots / 5)?;
    let mut legend = vec![(Swatch::Dot(Ink::Series1), "stage, in order of time")];
    if parts > 0 {
        legend.push((Swatch::Line(Ink::Series2), "part of the answer"));
    }
    let stages = Table {
        caption: html! { "Stages in order of time" },
        heads: vec![
            Head::Number("No."),
            Head::Number("At, ms"),
            Head::Number("After the last, ms"),
            Head::Text("Node"),
            Head::Text("Role"),
            Head::Text("Stage"),
        ],
        left_out: timeline.events.len() - shown.len(),
        rows,
    };
    Some(html! {
        @if context.options.request_id.is_some() && choice != Choice::Named {
            p { b { "The request that was asked for is in none of these runs." } }
        }
        p.lead {
            "Request " code { (untrusted(&timeline.request_id)) } " of seed " (run.run().seed) ": " (reason)
            " of that run that nodes reported on. Times count from its first stage, which was "
            (format::decimal(u128::from(first_ns), 1_000_000_000, 3)) " s into the run."
            (ending(run, &timeline.request_id))
        }
        (chart::figure(&words, &drawing, &legend, &parts_table(context, &timeline, first_ns)))
        (stages.render())
    })
}

/// The request to be shown: the one that was asked for, or one of the first failed run, or one of the first run.
fn choose<'a>(context: &Context<'a>) -> Option<(&'a RunStore, Timeline, Choice)> {
    if let Some(request_id) = &context.options.request_id {
        let named = context
            .runs
            .iter()
            .find_map(|run| Some((run, timeline(run.tables(), request_id)?, Choice::Named)));
        if named.is_some() {
            return named;
        }
    }
    let telling = |run: &'a RunStore| {
        let (request_id, choice) = choose_request(run.tables())?;
        Some((run, timeline(run.tables(), request_id)?, choice))
    };
    let failed = context.runs.iter().filter(|run| run.run().verdict != RunVerdict::Pass);
    failed.chain(context.runs).find_map(telling)
}

fn parts_table(context: &Context<'_>, timeline: &Timeline, first_ns: u64) -> Markup {
    let sightings: Vec<(usize, u64)> = timeline
        .lanes
        .iter()
        .enumerate()
        .flat_map(|(lane, entry)| entry.parts_ns.iter().map(move |at_ns| (lane, *at_ns)))
        .collect();
    let (rows, left_out) = capped(&sightings, context.limits.rows.min(100), |(lane, at_ns)| {
        let role = timeline
            .lanes
            .get(*lane)
            .map_or(format::ABSENT, |lane| lane.role.code());
        vec![
            html! { (role.replace('_', " ")) },
            html! { (format::milliseconds(at_ns - first_ns)) },
        ]
    });
    Table {
        caption: html! { "Parts of the answer by place and time; the stages are in the table below the chart" },
        heads: vec![Head::Text("Seen at"), Head::Number("At, ms")],
        rows,
        left_out,
    }
    .render()
}

/// How the request ended, if the client knew it.
fn ending(run: &RunStore, request_id: &str) -> Markup {
    let request = run
        .tables()
        .requests
        .iter()
        .find(|request| request.request_id == request_id);
    html! {
        @if let Some(request) = request {
            " It ended as " b { (request.status) }
            @if let Some(code) = request.error_code { " with error code " (code) }
            @if let Some(e2e_ns) = request.e2e_ns { " after " (format::duration(e2e_ns)) }
            "."
        }
    }
}
