//! What somebody who only watches the network beside the client could see.

use maud::{Markup, html};

use super::Context;
use super::latency::histogram_table;
use crate::analyses::DirectionView;
use crate::format;
use crate::html::chart::{self, Ink, Unit, Words};
use crate::html::table::{Head, Table, optional};
use crate::html::text::untrusted;
use crate::stats::{Histogram, Quantile};

/// Bins of a histogram.
const BINS: u64 = 32;
/// Kinds and taps that are named.
const NAMED: usize = 8;

pub(super) fn body(context: &Context<'_>) -> Option<Markup> {
    let view = &context.findings.observer;
    if view.taps.is_empty() {
        return None;
    }
    let directions = [("from the client", &view.up), ("to the client", &view.down)];
    let rows = directions
        .into_iter()
        .map(|(name, direction)| {
            vec![
                html! { (name) },
                html! { (format::integer(direction.sizes_bytes.len() as u128)) },
                html! { (format::bytes(direction.sizes_bytes.sum())) },
                html! { (format::integer(u128::from(direction.distinct_sizes))) },
                optional(direction.sizes_bytes.quantile(Quantile::P50), |size| {
                    format::integer(u128::from(size))
                }),
                optional(direction.sizes_bytes.max(), |size| format::integer(u128::from(size))),
                optional(direction.gaps_ns.quantile(Quantile::P50), format::milliseconds),
                kinds(direction),
            ]
        })
        .collect();
    let table = Table {
        caption: html! { "Packets at " (taps(context)) "; " (format::counted(view.connections, "connection", "connections")) },
        heads: vec![
            Head::Text("Direction"),
            Head::Number("Packets"),
            Head::Number("Volume"),
            Head::Number("Different sizes"),
            Head::Number("Size p50, B"),
            Head::Number("Largest, B"),
            Head::Number("Gap p50, ms"),
            Head::Text("Kinds"),
        ],
        rows,
        left_out: 0,
    };
    Some(html! {
        p.lead {
            "An observer of the client's network link sees no contents, only sizes, times and directions. The more different sizes and gaps there are, the more they can tell about prompts and answers; a single size tells nothing."
        }
        (table.render())
        div.plots {
            (sizes("observer-up", "Packet sizes from the client", &view.up, Ink::Series2))
            (sizes("observer-down", "Packet sizes to the client", &view.down, Ink::Series4))
        }
    })
}

fn taps(context: &Context<'_>) -> Markup {
    let taps = &context.findings.observer.taps;
    html! {
        "taps "
        @for (index, tap) in taps.iter().take(NAMED).enumerate() {
            @if index > 0 { ", " }
            (untrusted(tap))
        }
        @if taps.len() > NAMED { " and " (taps.len() - NAMED) " more" }
    }
}

fn kinds(direction: &DirectionView) -> Markup {
    html! {
        @for (index, (kind, count)) in direction.kinds.iter().take(NAMED).enumerate() {
            @if index > 0 { ", " }
            (untrusted(kind)) " " (format::integer(u128::from(*count)))
        }
        @if direction.kinds.len() > NAMED { " and " (direction.kinds.len() - NAMED) " more" }
    }
}

fn sizes(id: &str, title: &str, direction: &DirectionView, ink: Ink) -> Markup {
    let histogram = Histogram::new(&direction.sizes_bytes, BINS);
    let description = format!(
        "Histogram of {} packet sizes, {} of them different.",
        format::integer(direction.sizes_bytes.len() as u128),
        format::integer(u128::from(direction.distinct_sizes))
    );
    let hint = match histogram.bins.last() {
        Some(bin) if bin.to.is_none() => {
            format!("number of packets by size; the last bar holds all from {} B", bin.from)
        }
        _ => "number of packets by size".to_owned(),
    };
    let words = Words {
        id,
        title,
        hint: &hint,
        description: &description,
    };
    let Some(drawing) = chart::distribution(&words, &histogram, &[], Unit::Bytes, ink) else {
        return html! {};
    };
    let data = histogram_table(&histogram, "From, B", "to, B", |size| format::integer(u128::from(size)));
    chart::figure(&words, &drawing, &[], &data)
}
