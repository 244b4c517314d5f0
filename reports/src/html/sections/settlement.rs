//! Coins on the chain: who paid whom for what, and what operations cost.

use maud::{Markup, html};

use super::Context;
use crate::analyses::{Flow, OperationSummary};
use crate::format;
use crate::html::chart::{Ribbon, Words, figure, sankey};
use crate::html::table::{Head, Table, capped};
use crate::html::text::{untrusted, untrusted_plain};

/// Flows that are drawn; the rest is one ribbon.
const DRAWN: usize = 24;
/// Characters of a name in the drawing.
const NAME_CHARACTERS: usize = 28;

pub(super) fn body(context: &Context<'_>) -> Option<Markup> {
    let (flows, operations) = (&context.findings.flows, &context.findings.operations);
    if operations.is_empty() {
        return None;
    }
    Some(html! {
        p.lead { "What the contracts did on the simulated chain. Coins pass through contracts on their way: what a client pays in arrives at its contract first and at the pool of its proxy next, and both are shown." }
        (flow(context, flows))
        (costs(context, operations))
    })
}

fn flow(context: &Context<'_>, flows: &[Flow]) -> Markup {
    let (rows, left_out) = capped(flows, context.limits.rows, |flow| {
        vec![
            untrusted(&flow.payer),
            untrusted(&flow.reason),
            untrusted(&flow.payee),
            html! { (format::integer(u128::from(flow.count))) },
            html! { (format::ton(flow.nanoton)) },
        ]
    });
    let table = Table {
        caption: html! { "Who paid whom for what, the largest sum first" },
        heads: vec![
            Head::Text("Payer"),
            Head::Text("For"),
            Head::Text("Payee"),
            Head::Number("Messages"),
            Head::Number("TON"),
        ],
        rows,
        left_out,
    }
    .render();
    let name = |text: &str| untrusted_plain(text, NAME_CHARACTERS);
    let mut ribbons: Vec<Ribbon> = flows
        .iter()
        .take(DRAWN)
        .map(|flow| Ribbon {
            names: [name(&flow.payer), name(&flow.reason), name(&flow.payee)],
            amount: flow.nanoton,
        })
        .collect();
    let rest: u128 = flows.iter().skip(DRAWN).map(|flow| flow.nanoton).sum();
    if rest > 0 {
        ribbons.push(Ribbon {
            names: ["others", "others", "others"].map(str::to_owned),
            amount: rest,
        });
    }
    let largest: Vec<String> = flows
        .iter()
        .take(3)
        .map(|flow| {
            let [payer, reason, payee] = [&flow.payer, &flow.reason, &flow.payee].map(|text| name(text));
            format!("{} TON from {payer} to {payee} for {reason}", format::ton(flow.nanoton))
        })
        .collect();
    let description = format!("The largest flows are {}.", largest.join("; "));
    let words = Words {
        id: "value-flow",
        title: "Flow of coins",
        hint: "From left to right: who paid, what for, who was paid. The thickness is the sum of coins; the thinnest ribbons are drawn thicker than they are.",
        description: &description,
    };
    match sankey(&words, &ribbons) {
        Some(drawing) => figure(&words, &drawing, &[], &table),
        None => table,
    }
}

fn costs(context: &Context<'_>, operations: &[OperationSummary]) -> Markup {
    let mean = |sum: u128, count: u64| sum / u128::from(count.max(1));
    let (rows, left_out) = capped(operations, context.limits.rows, |row| {
        vec![
            untrusted(&row.operation),
            untrusted(if row.part.is_empty() { format::ABSENT } else { &row.part }),
            html! { (format::integer(u128::from(row.count))) },
            html! { (format::integer(u128::from(row.failed))) },
            html! { (format::integer(mean(row.gas, row.count))) },
            html! { (format::integer(mean(row.fees_nanoton, row.count))) },
            html! { (format::integer(mean(row.old_price_nanoton, row.count))) },
            html! { (format::integer(mean(row.new_price_nanoton, row.count))) },
        ]
    });
    let table = Table {
        caption: html! { "What operations cost, means for each transaction; money in nanoTON" },
        heads: vec![
            Head::Text("Operation"),
            Head::Text("At"),
            Head::Number("Transactions"),
            Head::Number("Failed"),
            Head::Number("Gas"),
            Head::Number("Fees paid, all"),
            Head::Number("Gas and messages, until April 2026"),
            Head::Number("Gas and messages, since then"),
        ],
        rows,
        left_out,
    };
    html! {
        (table.render())
        p.note { "All fees paid are at the prices of the run: storage, gas, the import of a message from outside or the delivery of one from another account, and of the messages that were sent the part that is due at once. Gas and messages are at the two price lists of the network: gas, the import of a message from outside, and the messages that were sent, in full; no storage, and no delivery of the message that came." }
    }
}
