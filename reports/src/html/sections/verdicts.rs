//! Properties and what became of them, safety and liveness apart.

use maud::{Markup, html};

use super::{Context, badge};
use crate::analyses::PropertySummary;
use crate::format;
use crate::html::table::{Head, Table, capped};
use crate::html::text::untrusted;
use crate::schema::AssertionClass;

struct Group {
    title: &'static str,
    meaning: &'static str,
    classes: &'static [AssertionClass],
}

const GROUPS: [Group; 4] = [
    Group {
        title: "Safety",
        meaning: "What must hold at every moment, and what must never happen. Judged once, after the run, from everything that nodes and network reported.",
        classes: &[AssertionClass::Always, AssertionClass::Never],
    },
    Group {
        title: "Liveness",
        meaning: "What must hold within a bound once faults have stopped.",
        classes: &[AssertionClass::Eventually],
    },
    Group {
        title: "Service level",
        meaning: "Percentiles and rates within their limits.",
        classes: &[AssertionClass::Slo],
    },
    Group {
        title: "Coverage",
        meaning: "What must be seen in at least one run; without it, the suite has not tested what it claims to test.",
        classes: &[AssertionClass::Sometimes],
    },
];

pub(super) fn body(context: &Context<'_>) -> Markup {
    let properties = &context.findings.verdicts.properties;
    html! {
        @if properties.is_empty() { p.lead { "These runs have no properties to check." } }
        @for group in &GROUPS {
            @let members: Vec<&PropertySummary> =
                properties.iter().filter(|property| group.classes.contains(&property.class)).collect();
            @if !members.is_empty() {
                h3 { (group.title) }
                (table(context, group, &members))
            }
        }
    }
}

fn table(context: &Context<'_>, group: &Group, members: &[&PropertySummary]) -> Markup {
    let count = |count: u64| html! { (format::integer(u128::from(count))) };
    let (rows, left_out) = capped(members, context.limits.rows, |property| {
        vec![
            untrusted(&property.name),
            html! { (property.class) },
            badge(property.verdict),
            count(property.passed),
            count(property.failed),
            count(property.unseen + property.undecided),
            count(property.unchecked),
            match &property.example {
                Some((seed, detail)) => html! { "seed " (seed) @if !detail.is_empty() { ": " (untrusted(detail)) } },
                None => html! { (format::ABSENT) },
            },
        ]
    });
    Table {
        caption: html! { (group.meaning) },
        heads: vec![
            Head::Text("Property"),
            Head::Text("Class"),
            Head::Text("Verdict"),
            Head::Number("Runs: held"),
            Head::Number("violated"),
            Head::Number("not seen or undecided"),
            Head::Number("nothing to check"),
            Head::Text("Run that decided it"),
        ],
        rows,
        left_out,
    }
    .render()
}
