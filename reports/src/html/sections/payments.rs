//! Movements of money between accounts.

use maud::{Markup, html};

use super::Context;
use crate::format;
use crate::html::table::{Head, Table, capped};
use crate::html::text::untrusted;

pub(super) fn body(context: &Context<'_>) -> Option<Markup> {
    let payments = &context.findings.payments;
    let unsigned = &context.findings.unsigned;
    if payments.is_empty() && unsigned.is_empty() {
        return None;
    }
    let (mut rows, left_out) = capped(payments, context.limits.rows, |payment| {
        vec![
            untrusted(&payment.kind),
            untrusted(&payment.proxy),
            untrusted(&payment.counterparty),
            html! { (format::integer(u128::from(payment.count))) },
            html! { (format::signed(payment.delta_tokens, format::integer)) },
            html! { (format::ton(payment.nanoton)) },
        ]
    });
    rows.extend(unsigned.iter().map(|due| {
        vec![
            html! { (due.kind) ": booked, not yet signed" },
            html! { "all" },
            html! { "all" },
            html! { (format::ABSENT) },
            html! { (format::integer(due.tokens)) },
            html! { (format::ton(due.nanoton)) },
        ]
    }));
    let table = Table {
        caption: html! { "Payments of all runs by kind, proxy and counterparty" },
        heads: vec![
            Head::Text("Kind"),
            Head::Text("Proxy"),
            Head::Text("Client or worker"),
            Head::Number("Payments"),
            Head::Number("Billed units"),
            Head::Number("TON"),
        ],
        rows,
        left_out,
    };
    Some(html! {
        p.lead { "What was booked and settled. Amounts of one kind may be part of those of another, such as a top-up that later charges draw on: rows of different kinds do not add up. A proxy signs for what is written in its ledger, and only when somebody asks or a request ends: what was booked last in a run is signed later, and what a proxy lost in a crash never is. With those rows, a kind comes to the billed units under Cost." }
        (table.render())
    })
}
