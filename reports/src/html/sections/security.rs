//! Threats against what stops them, evidence over time, platforms.

use maud::{Markup, html};

use super::Context;
use crate::analyses::{EvidenceEvent, Measured, ThreatSummary};
use crate::format;
use crate::html::table::{Head, Table, capped};
use crate::html::text::{untrusted, untrusted_up_to};
use crate::schema::AttackOutcome;
use crate::store::NamedThreat;

/// Characters of what was seen.
const DETAIL_CHARACTERS: usize = 160;
/// Characters of a pseudonym or of an image hash.
const NAME_CHARACTERS: usize = 12;

pub(super) fn threats(context: &Context<'_>) -> Option<Markup> {
    let threats = &context.findings.threats;
    threats.first()?;
    let profiles = context.distinct(|run| &run.run().profile);
    let (rows, left_out) = capped(threats, context.limits.rows, |summary| {
        let of = |profile: &str| summary.profiles.get(profile);
        vec![
            named(&summary.threat.catalogue, ", "),
            untrusted(&summary.scenario),
            measured(of("reference")),
            measured(of("hardened")),
            html! { @if let Some((seed, detail)) = decisive(summary) {
                (untrusted_up_to(detail, DETAIL_CHARACTERS)) " (seed " (seed) ")"
            } @else { (format::ABSENT) } },
        ]
    });
    let matrix = Table {
        caption: html! { "What was measured of each threat, by profile" },
        heads: vec![
            Head::Text("Threat"),
            Head::Text("Scenario"),
            Head::Text("As in the reference system"),
            Head::Text("Hardened"),
            Head::Text("Seen, hardened if that was run"),
        ],
        rows,
        left_out,
    };
    let (rows, left_out) = capped(threats, context.limits.rows, |summary| {
        let threat = &summary.threat;
        let words = |words: &[String]| {
            html! { @for (index, word) in words.iter().enumerate() {
                @if index > 0 { ", " } (untrusted(&word.replace('_', " ")))
            } }
        };
        vec![
            untrusted(&summary.scenario),
            words(&threat.stride),
            words(&threat.linddun),
            named(&threat.attack, "; "),
            named(&threat.atlas, "; "),
            named(&threat.owasp, "; "),
        ]
    });
    let classes = Table {
        caption: html! { "How the threats are classified" },
        heads: vec![
            Head::Text("Scenario"),
            Head::Text("STRIDE"),
            Head::Text("LINDDUN"),
            Head::Text("MITRE ATT&CK"),
            Head::Text("MITRE ATLAS"),
            Head::Text("OWASP LLM Top 10"),
        ],
        rows,
        left_out,
    };
    let count = |profile: &str| {
        let of: Vec<&Measured> = threats
            .iter()
            .filter_map(|summary| summary.profiles.get(profile))
            .collect();
        let open = of.iter().filter(|measured| measured.open > 0).count();
        (of.len(), open)
    };
    Some(html! {
        p.lead {
            "A threat is open where an attack worked or a property did not hold in at least one run, and closed where it was tried and came to nothing in all of them. "
            @for profile in profiles {
                @let (all, open) = count(profile);
                @if all > 0 { "In profile " b { (untrusted(profile)) } ", " (open) " of " (all) " are open. " }
            }
            "Closed says nothing about attacks that no scenario carries out."
        }
        (matrix.render())
        (classes.render())
    })
}

/// What was seen under mitigation, or without if it was not run so.
fn decisive(summary: &ThreatSummary) -> Option<&(u64, String)> {
    let of = |profile: &str| summary.profiles.get(profile)?.example.as_ref();
    of("hardened").or_else(|| of("reference"))
}

fn measured(measured: Option<&Measured>) -> Markup {
    let Some(Measured {
        open, closed, unknown, ..
    }) = measured
    else {
        return html! { "not run" };
    };
    let all = open + closed + unknown;
    let (class, word, count) = match (*open, *unknown) {
        (0, 0) => ("is-pass", "closed", *closed),
        (0, unknown) => ("is-warn", "not known", unknown),
        (open, _) => ("is-fail", "open", open),
    };
    html! { span.badge.(class) { (word) } " " (count) " of " (all) }
}

fn named(entries: &[NamedThreat], separator: &str) -> Markup {
    html! { @for (index, entry) in entries.iter().enumerate() {
        @if index > 0 { (separator) } b { (untrusted(&entry.id)) } " " (untrusted(&entry.name))
    } }
}

pub(super) fn timeline(context: &Context<'_>) -> Option<Markup> {
    let timeline = context.findings.evidence.as_ref()?;
    let (rows, left_out) = capped(&timeline.events, context.limits.rows, |(at_ns, event)| {
        let mut row = vec![html! { (format::seconds(*at_ns)) }];
        row.extend(match event {
            EvidenceEvent::Judged {
                verifier,
                peer,
                occasion,
                refusal,
                cached,
                trusted_until_unix_s,
            } => [
                html! { (untrusted(verifier)) " judges a " (untrusted(peer)) },
                html! { (untrusted(occasion)) @if *cached { ", remembered" } },
                html! { @match refusal {
                    None => span.badge.is-pass { "accepted" },
                    Some(reason) => { span.badge.is-fail { "refused" } " " (untrusted_up_to(reason, DETAIL_CHARACTERS)) },
                } },
                html! { @match trusted_until_unix_s { Some(until) => (until), None => (format::ABSENT) } },
            ],
            EvidenceEvent::Fault { kind, target } => [
                html! { b { "fault" } },
                html! { (untrusted(&kind.replace('_', " "))) },
                untrusted(target),
                html! { (format::ABSENT) },
            ],
            EvidenceEvent::Attack {
                attack,
                outcome,
                detail,
            } => [
                html! { b { "attack" } },
                untrusted(attack),
                html! { (outcome_badge(*outcome)) " " (untrusted_up_to(detail, DETAIL_CHARACTERS)) },
                html! { (format::ABSENT) },
            ],
        });
        row
    });
    let table = Table {
        caption: html! { "What bears on evidence, in order of time" },
        heads: vec![
            Head::Number("At, s"),
            Head::Text("Who"),
            Head::Text("What"),
            Head::Text("Outcome"),
            Head::Number("Holds until, Unix s"),
        ],
        rows,
        left_out,
    };
    Some(html! {
        p.lead {
            "Scenario " (untrusted(&timeline.scenario)) ", profile " (untrusted(&timeline.profile)) ", seed " (timeline.seed)
            ": when evidence was shown, renewed, judged again and refused, and what happened around it."
        }
        (table.render())
    })
}

fn outcome_badge(outcome: AttackOutcome) -> Markup {
    let class = match outcome {
        AttackOutcome::Worked => "is-fail",
        AttackOutcome::Stopped => "is-pass",
        AttackOutcome::NotCarriedOut => "is-warn",
    };
    html! { span.badge.(class) { (outcome.to_string().replace('_', " ")) } }
}

pub(super) fn platforms(context: &Context<'_>) -> Option<Markup> {
    let platforms = &context.findings.platforms;
    platforms.first()?;
    let (rows, left_out) = capped(platforms, context.limits.rows, |platform| {
        let list = |values: &std::collections::BTreeSet<String>, characters: usize| {
            html! {
                @if values.is_empty() { (format::ABSENT) }
                @for (index, value) in values.iter().enumerate() {
                    @if index > 0 { ", " } (untrusted_up_to(value, characters))
                }
            }
        };
        vec![
            html! { @if platform.pseudonym.is_empty() { "not named" } @else {
                code { (untrusted_up_to(&platform.pseudonym, NAME_CHARACTERS)) }
            } },
            list(&platform.kinds, DETAIL_CHARACTERS),
            list(&platform.anchors, DETAIL_CHARACTERS),
            list(&platform.tcb_statuses, DETAIL_CHARACTERS),
            list(&platform.roles, DETAIL_CHARACTERS),
            list(&platform.images, NAME_CHARACTERS),
            html! { (platform.gpus) },
            html! { (format::integer(u128::from(platform.accepted))) },
            html! { (format::integer(u128::from(platform.refused))) },
        ]
    });
    let table = Table {
        caption: html! { "Machines, by a pseudonym that is the same in all runs of one network" },
        heads: vec![
            Head::Text("Machine"),
            Head::Text("Evidence"),
            Head::Text("Root"),
            Head::Text("State of its TCB"),
            Head::Text("Met as"),
            Head::Text("Images"),
            Head::Number("GPUs"),
            Head::Number("Accepted"),
            Head::Number("Refused"),
        ],
        rows,
        left_out,
    };
    Some(html! {
        p.lead {
            "Valid evidence and a platform that deserves trust are two things. Evidence shows that a key of the vendor's signed these measurements; it does not show who has the machine in hand, or that the key never left it. What is known of the platforms themselves is below, apart from the verdicts above; only lists of machines, audits of their places and revocation act on it."
        }
        (table.render())
    })
}
