//! Who pays what: by role, and by class of tokens.

use maud::{Markup, html};

use super::Context;
use crate::analyses::{ClassCost, Cost, TokenClass, nanoton_per_million};
use crate::format;
use crate::html::chart::{self, Bar, Ink, Segment, Swatch, Words};
use crate::html::table::{Head, Table, optional};

pub(super) fn body(context: &Context<'_>) -> Markup {
    let cost = &context.findings.cost;
    html! {
        p.lead {
            "Money is counted in whole nanoTON as billed (1 TON = 1,000,000,000 nanoTON), without fees of the chain. Token counts are what workers claimed. "
            (format::integer(u128::from(cost.billed_requests))) " of " (format::integer(u128::from(cost.requests)))
            " requests were billed."
        }
        (roles(cost))
        (classes(cost))
        div.plots {
            (role_bars(cost))
            (class_bars(cost))
        }
    }
}

fn roles(cost: &Cost) -> Markup {
    let row = |name: &str, nanoton: i128| {
        let per_million = nanoton_per_million(nanoton.unsigned_abs(), cost.tokens)
            .map(|amount| i128::try_from(amount).unwrap_or(i128::MAX) * nanoton.signum());
        vec![
            html! { (name) },
            html! { (format::signed(nanoton, format::ton)) },
            optional(per_million, |amount| format::signed(amount, format::ton)),
            optional(share(nanoton.unsigned_abs(), cost.client_pays_nanoton), format::percent),
        ]
    };
    let whole = |nanoton: u128| i128::try_from(nanoton).unwrap_or(i128::MAX);
    Table {
        caption: html! { "By role. Tokens of all classes together: " (format::integer(cost.tokens)) },
        heads: vec![
            Head::Text("Role"),
            Head::Number("Total, TON"),
            Head::Number("per 1M tokens, TON"),
            Head::Number("Share of what clients pay"),
        ],
        rows: vec![
            row("Clients pay", whole(cost.client_pays_nanoton)),
            row("Workers earn", whole(cost.worker_earns_nanoton)),
            row("Proxies keep (margin)", cost.proxy_margin_nanoton),
        ],
        left_out: 0,
    }
    .render()
}

fn share(part: u128, whole: u128) -> Option<u128> {
    part.checked_mul(1_000_000)?.checked_div(whole)
}

fn classes(cost: &Cost) -> Markup {
    let mut rows: Vec<Vec<Markup>> = cost
        .classes
        .iter()
        .map(|class| {
            vec![
                html! { (class.class.name()) },
                html! { (format::integer(class.tokens)) },
                html! { (format::integer(class.adjusted_tokens)) },
                html! { (format::ton(class.cost_nanoton)) },
                optional(per_million(class), format::ton),
                optional(share(class.cost_nanoton, cost.client_pays_nanoton), format::percent),
            ]
        })
        .collect();
    if cost.unattributed_nanoton > 0 {
        rows.push(vec![
            html! { "not attributed" },
            html! { (format::ABSENT) },
            html! { (format::ABSENT) },
            html! { (format::ton(cost.unattributed_nanoton)) },
            html! { (format::ABSENT) },
            optional(
                share(cost.unattributed_nanoton, cost.client_pays_nanoton),
                format::percent,
            ),
        ]);
    }
    Table {
        caption: html! {
            "By class of tokens. The bill of " (format::integer(u128::from(cost.split_requests))) " of "
            (format::integer(u128::from(cost.requests))) " requests is split by class."
        },
        heads: vec![
            Head::Text("Class"),
            Head::Number("Tokens"),
            Head::Number("Billed units"),
            Head::Number("Clients pay, TON"),
            Head::Number("per 1M tokens of the class, TON"),
            Head::Number("Share"),
        ],
        rows,
        left_out: 0,
    }
    .render()
}

fn per_million(class: &ClassCost) -> Option<u128> {
    nanoton_per_million(class.cost_nanoton, class.split_tokens)
}

fn length(nanoton: u128) -> u64 {
    u64::try_from(nanoton).unwrap_or(u64::MAX)
}

fn role_bars(cost: &Cost) -> Markup {
    let Some(paid) = nanoton_per_million(cost.client_pays_nanoton, cost.tokens) else {
        return html! {};
    };
    let earned = nanoton_per_million(cost.worker_earns_nanoton, cost.tokens).unwrap_or(0);
    let kept = paid.saturating_sub(earned);
    // Of the totals, so that rounding to whole nanoTON per million cannot show.
    let percent = |part: u128| share(part, cost.client_pays_nanoton).map_or_else(String::new, format::percent);
    let segment = |nanoton: u128, ink: Ink, text: String| Segment {
        value: length(nanoton),
        ink,
        text,
    };
    let bars = [
        Bar {
            name: "Clients pay".to_owned(),
            segments: vec![segment(paid, Ink::Series1, String::new())],
            total: format::money(paid),
        },
        Bar {
            name: "It goes to".to_owned(),
            segments: vec![
                segment(
                    earned,
                    Ink::Series3,
                    format!("workers {}", percent(cost.worker_earns_nanoton)),
                ),
                segment(
                    kept,
                    Ink::Series2,
                    format!("proxies {}", percent(cost.proxy_margin_nanoton.max(0).unsigned_abs())),
                ),
            ],
            total: format::money(earned + kept),
        },
    ];
    let description = format!(
        "Clients pay {} per million tokens; workers earn {}, proxies keep {}.",
        format::money(paid),
        format::money(earned),
        format::money(kept)
    );
    let words = Words {
        id: "cost-roles",
        title: "Who gets what clients pay",
        hint: "per 1M tokens of all classes",
        description: &description,
    };
    let Some(drawing) = chart::bars(&words, &bars) else {
        return html! {};
    };
    let data = Table {
        caption: html! { "Per 1M tokens of all classes" },
        heads: vec![Head::Text("Role"), Head::Number("nanoTON")],
        rows: [("Clients pay", paid), ("Workers earn", earned), ("Proxies keep", kept)]
            .into_iter()
            .map(|(name, nanoton)| vec![html! { (name) }, html! { (format::integer(nanoton)) }])
            .collect(),
        left_out: 0,
    };
    let legend = [
        (Swatch::Area(Ink::Series1), "clients"),
        (Swatch::Area(Ink::Series3), "workers"),
        (Swatch::Area(Ink::Series2), "proxies"),
    ];
    chart::figure(&words, &drawing, &legend, &data.render())
}

fn class_bars(cost: &Cost) -> Markup {
    let ink = |class| match class {
        TokenClass::Prompt => Ink::Series1,
        TokenClass::Cached => Ink::Series2,
        TokenClass::Completion => Ink::Series3,
        TokenClass::Reasoning => Ink::Series4,
    };
    let priced: Vec<(&ClassCost, u128)> = cost
        .classes
        .iter()
        .filter_map(|class| Some((class, per_million(class)?)))
        .collect();
    let bars: Vec<Bar> = priced
        .iter()
        .map(|(class, nanoton)| Bar {
            name: class.class.name().to_owned(),
            segments: vec![Segment {
                value: length(*nanoton),
                ink: ink(class.class),
                text: String::new(),
            }],
            total: format::money(*nanoton),
        })
        .collect();
    let parts: Vec<String> = priced
        .iter()
        .map(|(class, nanoton)| format!("{} {}", class.class.name(), format::money(*nanoton)))
        .collect();
    let description = format!("Cost of one million tokens by class: {}.", parts.join(", "));
    let words = Words {
        id: "cost-classes",
        title: "What a class of tokens costs",
        hint: "per 1M tokens of that class",
        description: &description,
    };
    let Some(drawing) = chart::bars(&words, &bars) else {
        return html! {};
    };
    let data = Table {
        caption: html! { "Per 1M tokens of the class" },
        heads: vec![Head::Text("Class"), Head::Number("nanoTON")],
        rows: priced
            .iter()
            .map(|(class, nanoton)| vec![html! { (class.class.name()) }, html! { (format::integer(*nanoton)) }])
            .collect(),
        left_out: 0,
    };
    chart::figure(&words, &drawing, &[], &data.render())
}
