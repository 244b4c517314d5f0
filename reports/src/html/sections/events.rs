//! Attestation decisions and faults.

use maud::{Markup, html};

use super::Context;
use crate::format;
use crate::html::table::{Head, Table, capped};
use crate::html::text::untrusted;

/// Targets of a kind of fault that are named.
const NAMED_TARGETS: usize = 5;

/// A kind of evidence; peers that show none are judged as well.
fn evidence(kind: &str) -> Markup {
    if kind.is_empty() {
        html! { "none that could be read" }
    } else {
        untrusted(kind)
    }
}

pub(super) fn attestations(context: &Context<'_>) -> Option<Markup> {
    let kinds: Vec<_> = context.findings.attestations.iter().collect();
    kinds.first()?;
    let (rows, left_out) = capped(&kinds, context.limits.rows, |(kind, summary)| {
        vec![
            evidence(kind),
            html! { (format::integer(u128::from(summary.accepted))) },
            html! { (format::integer(u128::from(summary.rejected))) },
            html! { (format::integer(u128::from(summary.cached))) },
        ]
    });
    let decisions = Table {
        caption: html! { "Decisions by kind of evidence" },
        heads: vec![
            Head::Text("Evidence"),
            Head::Number("Accepted"),
            Head::Number("Rejected"),
            Head::Number("of these from an earlier appraisal"),
        ],
        rows,
        left_out,
    };
    let rejections: Vec<_> = kinds
        .iter()
        .flat_map(|(kind, summary)| {
            summary
                .rejections
                .iter()
                .map(move |(reason, entry)| (kind, reason, entry))
        })
        .collect();
    let (rows, left_out) = capped(&rejections, context.limits.rows, |(kind, reason, entry)| {
        let (verifier, peer) = &entry.first;
        vec![
            untrusted(reason),
            evidence(kind),
            html! { (format::integer(u128::from(entry.count))) },
            html! { (untrusted(verifier)) " about " (untrusted(peer)) },
        ]
    });
    let reasons = Table {
        caption: html! { "Rejections by reason" },
        heads: vec![
            Head::Text("Reason"),
            Head::Text("Evidence"),
            Head::Number("Count"),
            Head::Text("First decision"),
        ],
        rows,
        left_out,
    };
    Some(html! {
        p.lead { "Before a node trusts a peer it appraises evidence of what that peer is." }
        (decisions.render())
        @if !rejections.is_empty() { (reasons.render()) }
    })
}

pub(super) fn faults(context: &Context<'_>) -> Option<Markup> {
    let kinds: Vec<_> = context.findings.faults.iter().collect();
    kinds.first()?;
    let (rows, left_out) = capped(&kinds, context.limits.rows, |(kind, summary)| {
        vec![
            untrusted(kind),
            html! { (format::integer(u128::from(summary.count))) },
            html! { (format::seconds(summary.first_ns)) },
            html! { (format::seconds(summary.last_ns)) },
            html! {
                @for (index, (target, count)) in summary.targets.iter().take(NAMED_TARGETS).enumerate() {
                    @if index > 0 { ", " }
                    (untrusted(target)) @if *count > 1 { " (" (format::integer(u128::from(*count))) ")" }
                }
                @if summary.targets.len() > NAMED_TARGETS { " and " (summary.targets.len() - NAMED_TARGETS) " more" }
            },
        ]
    });
    let table = Table {
        caption: html! { "Faults of all runs by kind" },
        heads: vec![
            Head::Text("Kind"),
            Head::Number("Count"),
            Head::Number("First at, s"),
            Head::Number("Last at, s"),
            Head::Text("Hit"),
        ],
        rows,
        left_out,
    };
    Some(html! {
        p.lead { "Faults are part of the plan that the seed gives: the same seed puts in the same faults at the same times." }
        (table.render())
    })
}
