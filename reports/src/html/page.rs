//! The page around the sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::sections::{Context, Findings, Limits};
use super::{ReportOptions, sections, style, text};
use crate::format;
use crate::schema::SCHEMA_VERSION;
use crate::store::{RunStore, inputs_digest};

/// Nothing is loaded and nothing runs; the style sheet is in the page.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

pub(super) fn page(runs: &[RunStore], options: &ReportOptions, findings: &Findings, limits: &Limits) -> String {
    let context = Context {
        runs,
        options,
        findings,
        limits,
    };
    let title = title(&context);
    let parts = sections::all(&context);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) " – Chrysalis" }
                style { (PreEscaped(style::sheet())) }
            }
            body {
                a.skip href="#main" { "Skip to the findings" }
                header {
                    p.eyebrow { "Chrysalis · simulation report" }
                    h1 { bdi { (title) } }
                    (facts(&context))
                    (sections::headline(&context))
                }
                nav.contents aria-label="Contents" {
                    ul { @for part in &parts { li { a href={ "#" (part.id) } { (part.title) } } } }
                }
                main #main {
                    @for part in &parts {
                        section id=(part.id) aria-labelledby={ (part.id) "-heading" } {
                            h2 id={ (part.id) "-heading" } { (part.title) }
                            (part.body)
                        }
                    }
                }
                footer {
                    p {
                        "Made by Chrysalis from " (format::counted(runs.len() as u64, "run store", "run stores")) " of schema version "
                        (SCHEMA_VERSION) ". The same run stores always give this file, byte for byte. Digest of the inputs: "
                        code { (inputs_digest(runs)) } "."
                    }
                }
            }
        }
    };
    markup.into_string()
}

/// The title as plain text: of the options, or of the scenarios.
fn title(context: &Context<'_>) -> String {
    const TITLE_CHARACTERS: usize = 120;
    if let Some(title) = &context.options.title {
        return text::untrusted_plain(title, TITLE_CHARACTERS);
    }
    let scenarios = context.scenarios();
    match scenarios.as_slice() {
        [] => "No runs".to_owned(),
        [scenario] => text::untrusted_plain(scenario, TITLE_CHARACTERS),
        several => format!("{} scenarios", several.len()),
    }
}

/// The line under the title: what was run.
fn facts(context: &Context<'_>) -> Markup {
    let virtual_ns: u128 = context.runs.iter().map(|run| u128::from(run.run().virtual_ns)).sum();
    let profiles = context.distinct(|run| &run.run().profile);
    let engines = context.distinct(|run| &run.run().engine);
    html! {
        ul.facts {
            li { b { (seeds(context)) } }
            @if !context.runs.is_empty() {
                li { "profile " b { (text::untrusted(&profiles.join(", "))) } }
                li { "engine " b { (text::untrusted(&engines.join(", "))) } }
                li { "virtual time " b { (format::decimal(virtual_ns, 1_000_000_000, 1)) " s" } }
            }
        }
    }
}

fn seeds(context: &Context<'_>) -> String {
    let mut seeds: Vec<u64> = context.runs.iter().map(|run| run.run().seed).collect();
    seeds.sort_unstable();
    match (seeds.first(), seeds.last()) {
        (Some(first), Some(last)) if seeds.len() > 1 => {
            format!("{} runs, seeds {first} to {last}", format::integer(seeds.len() as u128))
        }
        (Some(seed), _) => format!("1 run, seed {seed}"),
        _ => "no runs".to_owned(),
    }
}
