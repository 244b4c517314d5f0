//! The HTML report: the same for the same input, one file, safe with hostile text, readable by everyone.

use crate::support;

use std::collections::BTreeSet;

use chrysalis_reports::{ReportOptions, RunStore, RunVerdict, render};
use support::html::Page;
use support::{HOSTILE, description, hostile, hostile_description, tables};

fn run(seed: u64, requests: u64, failing: bool) -> RunStore {
    let verdict = if failing { RunVerdict::Fail } else { RunVerdict::Pass };
    RunStore::in_memory(tables(seed, requests, failing), description(seed, verdict)).unwrap()
}

fn suite() -> Vec<RunStore> {
    (0..4).map(|seed| run(seed, 60, seed == 2)).collect()
}

fn hostile_run() -> RunStore {
    RunStore::in_memory(hostile(tables(3, 24, true)), hostile_description()).unwrap()
}

fn report(runs: &[RunStore]) -> String {
    render(runs, &ReportOptions::default())
}

#[test]
fn the_text_of_a_small_report() {
    insta::assert_snapshot!(Page::parse(&report(&[run(3, 24, true)])).text_content());
}

#[test]
fn the_plain_text_of_a_small_report() {
    let text = chrysalis_reports::text::render(&[run(3, 24, true)]);
    insta::assert_snapshot!(text);
    let text = chrysalis_reports::text::render(&[hostile_run()]);
    let is_plain = |character: char| character == '\n' || !character.is_control();
    assert!(text.chars().all(is_plain) && !text.contains('\u{202E}'));
}

#[test]
fn equal_input_gives_equal_bytes() {
    let runs = suite();
    let first = report(&runs);
    assert!(first == report(&runs), "two reports on the same runs differ");
    assert!(first == report(&suite()), "reports on equal runs differ");
    // Also by way of a disk.
    let folder = tempfile::TempDir::new().unwrap();
    let stored: Vec<RunStore> = runs
        .iter()
        .map(|run| {
            let dir = folder.path().join(run.run().seed.to_string());
            let writer = chrysalis_reports::RunStoreWriter::create(&dir).unwrap();
            writer.write(run.tables(), run.run().clone()).unwrap();
            RunStore::open(dir).unwrap()
        })
        .collect();
    assert!(first == report(&stored), "a stored run gives another report");
    assert!(first != report(&runs[..3]), "the comparison sees nothing");
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    for source in [report(&suite()), report(&[hostile_run()]), report(&[])] {
        let page = Page::parse(&source);
        let policy = page.named("meta").find_map(|meta| {
            (meta.attribute("http-equiv") == Some("Content-Security-Policy")).then(|| meta.attribute("content"))
        });
        let policy = policy.flatten().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
            "{policy}"
        );
        for element in &page.elements {
            let active = [
                "script",
                "link",
                "iframe",
                "object",
                "embed",
                "img",
                "base",
                "form",
                "image",
                "use",
                "foreignObject",
            ];
            assert!(!active.contains(&element.name.as_str()), "{}", element.name);
            for (key, value) in &element.attributes {
                assert!(!key.starts_with("on") && key != "src" && key != "style", "{key}");
                assert!(key != "href" || value.starts_with('#'), "{value}");
            }
        }
        let style = source
            .split_once("<style>")
            .unwrap()
            .1
            .split_once("</style>")
            .unwrap()
            .0;
        assert!(!style.contains("url(") && !style.contains("@import"));
    }
}

#[test]
fn hostile_text_stays_text_in_every_column() {
    let source = report(&[hostile_run()]);
    // Balanced, quoted, escaped: the parser panics otherwise.
    let page = Page::parse(&source);
    let honest = Page::parse(&report(&[RunStore::in_memory(
        tables(3, 24, true),
        description(3, RunVerdict::Fail),
    )
    .unwrap()]));
    let names = |page: &Page| {
        page.elements
            .iter()
            .map(|element| element.name.clone())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&page), names(&honest), "hostile text made elements");
    for character in ['\u{202E}', '\u{1B}', '\0', '\u{200B}'] {
        assert!(
            !source.contains(character),
            "{character:?} is not shown by its code point"
        );
    }
    // The text is there, so the test tests something.
    let shown = page.text_content();
    assert!(shown.matches("<script>alert(1)</script>").count() > 50);
    assert!(shown.matches("⟨U+202E⟩").count() > 50);
    // Negative control: the parser sees an element that was let through.
    let broken = source.replace("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>");
    assert!(names(&Page::parse(&broken)).contains("script"));
}

#[test]
fn each_hostile_column_reaches_the_page_or_is_not_shown_at_all() {
    // One column at a time, with a text of its own, so that no column hides behind another.
    let mut seen = BTreeSet::new();
    let mut check = |column: &'static str, taint: &dyn Fn(&mut chrysalis_reports::Tables, &str)| {
        let mut tainted = tables(3, 24, true);
        taint(&mut tainted, &format!("<i>{column}</i>\u{202E}"));
        let store = RunStore::in_memory(tainted, description(3, RunVerdict::Fail)).unwrap();
        let source = report(&[store]);
        assert!(!source.contains(&format!("<i>{column}")), "{column} is not escaped");
        assert!(!source.contains('\u{202E}'), "{column} is not made visible");
        if Page::parse(&source)
            .text_content()
            .contains(&format!("<i>{column}</i>⟨U+202E⟩"))
        {
            seen.insert(column);
        }
    };
    check("span.node", &|t, x| {
        t.spans.iter_mut().for_each(|row| row.node = x.to_owned());
    });
    check("span.stage", &|t, x| {
        t.spans.iter_mut().for_each(|row| row.stage = x.to_owned());
    });
    check("packet.kind", &|t, x| {
        t.packets.iter_mut().for_each(|row| row.kind = x.to_owned());
    });
    check("packet.tap", &|t, x| {
        t.packets.iter_mut().for_each(|row| row.tap = format!("client{x}"));
    });
    check("payment.kind", &|t, x| {
        t.payments.iter_mut().for_each(|row| row.kind = x.to_owned());
    });
    check("payment.payer", &|t, x| {
        t.payments.iter_mut().for_each(|row| row.payer = x.to_owned());
    });
    check("payment.payee", &|t, x| {
        t.payments.iter_mut().for_each(|row| row.payee = x.to_owned());
    });
    check("transaction.account", &|t, x| {
        t.transactions.iter_mut().for_each(|row| row.account = x.to_owned());
    });
    check("transaction.part", &|t, x| {
        t.transactions.iter_mut().for_each(|row| row.part = x.to_owned());
    });
    check("transaction.operation", &|t, x| {
        t.transactions.iter_mut().for_each(|row| row.operation = x.to_owned());
    });
    check("payment.proxy", &|t, x| {
        t.payments.iter_mut().for_each(|row| row.proxy = x.to_owned());
    });
    check("payment.counterparty", &|t, x| {
        t.payments.iter_mut().for_each(|row| row.counterparty = x.to_owned());
    });
    check("attestation.kind", &|t, x| {
        t.attestations.iter_mut().for_each(|row| row.kind = x.to_owned());
    });
    check("attestation.reason", &|t, x| {
        t.attestations.iter_mut().for_each(|row| row.reason = x.to_owned());
    });
    check("attestation.peer", &|t, x| {
        t.attestations.iter_mut().for_each(|row| row.peer = x.to_owned());
    });
    check("attestation.verifier", &|t, x| {
        t.attestations.iter_mut().for_each(|row| row.verifier = x.to_owned());
    });
    check("fault.kind", &|t, x| {
        t.faults.iter_mut().for_each(|row| row.kind = x.to_owned());
    });
    check("fault.target", &|t, x| {
        t.faults.iter_mut().for_each(|row| row.target = x.to_owned());
    });
    check("assertion.name", &|t, x| {
        t.assertions.iter_mut().for_each(|row| row.name = x.to_owned());
    });
    check("assertion.detail", &|t, x| {
        t.assertions.iter_mut().for_each(|row| row.detail = x.to_owned());
    });
    check("price.name", &|t, x| {
        t.prices.iter_mut().for_each(|row| row.name = x.to_owned());
    });
    assert_eq!(seen.len(), 21, "{seen:?}");
}

#[test]
fn commands_are_offered_only_for_harmless_names() {
    let honest = report(&[run(7, 12, false)]);
    assert!(honest.contains("chrysalis run --filter payments/slow-worker --seeds 7..8 --engine madsim<"));
    for name in [HOSTILE, "a; rm -rf ~", "--out", "$(id)", "a\nb", ""] {
        let mut run = description(7, RunVerdict::Pass);
        run.scenario = name.to_owned();
        let source = report(&[RunStore::in_memory(tables(7, 12, false), run).unwrap()]);
        assert!(!source.contains("chrysalis run "), "{name:?}");
    }
}

#[test]
fn what_is_booked_and_not_signed_has_a_row() {
    let text = |tables| {
        let store = RunStore::in_memory(tables, description(3, RunVerdict::Pass)).unwrap();
        Page::parse(&report(&[store])).text_content()
    };
    let all = tables(3, 24, false);
    assert!(
        !text(all.clone()).contains("booked, not yet signed"),
        "everything is signed"
    );
    // The last signature to the worker and one of a client never came.
    let mut late = all.clone();
    late.payments.retain(|row| row.kind != "worker_payout");
    let signed = late
        .payments
        .iter()
        .rposition(|row| row.kind == "client_charge")
        .unwrap();
    let last = late.payments.remove(signed);
    let booked: u64 = late.requests.iter().map(|row| row.adjusted_tokens).sum();
    let unsigned =
        chrysalis_reports::analyses::unsigned(&[
            RunStore::in_memory(late.clone(), description(3, RunVerdict::Pass)).unwrap()
        ]);
    let found: Vec<_> = unsigned.iter().map(|due| (due.kind, due.tokens, due.nanoton)).collect();
    let missing = u128::try_from(last.delta_tokens).unwrap();
    assert_eq!(
        found,
        [
            ("client_charge", missing, u128::from(last.nanoton)),
            ("worker_payout", u128::from(booked), u128::from(booked) * 16)
        ]
    );
    let page = text(late);
    assert!(page.contains("client_charge: booked, not yet signed"), "{page}");
    assert!(page.contains("worker_payout: booked, not yet signed"), "{page}");
}

#[test]
fn runs_that_are_left_out_are_told() {
    let options = |left_out| ReportOptions {
        left_out,
        ..ReportOptions::default()
    };
    let text = |left_out| Page::parse(&render(&[run(1, 12, false)], &options(left_out))).text_content();
    assert!(!text(0).contains("could not be read"));
    assert!(text(1).contains("1 run could not be read"), "{}", text(1));
    assert!(text(3).contains("3 runs could not be read"), "{}", text(3));
}

#[test]
fn everyone_can_read_it() {
    for source in [
        report(&suite()),
        report(&[run(1, 12, false)]),
        report(&[hostile_run()]),
        report(&[]),
    ] {
        let page = Page::parse(&source);
        assert_eq!(page.named("html").next().unwrap().attribute("lang"), Some("en"));
        assert_eq!(page.named("h1").count(), 1);
        assert_eq!(page.named("main").count(), 1);
        // Every identifier once, and every reference to one that exists.
        let ids: Vec<&str> = page
            .elements
            .iter()
            .filter_map(|element| element.attribute("id"))
            .collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len());
        for element in &page.elements {
            let links = element.attribute("href").map(|href| href.trim_start_matches('#'));
            let labels = element
                .attribute("aria-labelledby")
                .into_iter()
                .flat_map(str::split_whitespace);
            for id in links.into_iter().chain(labels) {
                assert!(unique.contains(id), "{id}");
            }
        }
        // The first link skips to the findings.
        assert_eq!(page.named("a").next().unwrap().attribute("href"), Some("#main"));
        // Tables have captions and heads with a scope.
        assert_eq!(page.named("table").count(), page.named("caption").count());
        assert!(
            page.named("th")
                .all(|head| matches!(head.attribute("scope"), Some("col" | "row")))
        );
        // A drawing has a name, a description, and its data beside it; decoration is hidden.
        for svg in page.named("svg") {
            assert!(svg.attribute("aria-hidden").is_some() || svg.attribute("role") == Some("img"));
        }
        let drawings = page.named("svg").filter(|svg| svg.attribute("role").is_some()).count();
        assert_eq!(page.named("desc").count(), drawings);
        assert_eq!(page.named("figure").count(), drawings);
        let in_figure = |name: &'static str| {
            page.named(name)
                .filter(|element| element.path.iter().any(|outer| outer == "figure"))
                .count()
        };
        assert_eq!(in_figure("details"), drawings);
        assert!(in_figure("table") >= drawings);
    }
}

#[test]
fn colours_come_from_the_style_sheet_alone() {
    let source = report(&suite());
    let body = source.split_once("</style>").unwrap().1;
    for fixed in ["fill=\"#", "stroke=\"#", "rgb(", "white", "black"] {
        assert!(!body.contains(fixed), "{fixed}");
    }
    for condition in ["(prefers-color-scheme:dark)", "@media print", "color-scheme:light dark"] {
        assert!(source.contains(condition), "{condition}");
    }
}

#[test]
fn a_report_stays_within_its_size_and_says_what_it_leaves_out() {
    let mut large = tables(1, 200, true);
    for index in 0..2_000 {
        let mut row = large.assertions[0].clone();
        row.name = format!("property-{index}-{}", "x".repeat(5_000));
        large.assertions.push(row);
    }
    let runs = [RunStore::in_memory(large, description(1, RunVerdict::Fail)).unwrap()];
    let whole = render(
        &runs,
        &ReportOptions {
            max_rows: usize::MAX,
            max_bytes: usize::MAX,
            ..ReportOptions::default()
        },
    );
    assert!(whole.len() > 600_000, "{}", whole.len());
    for max_bytes in [500_000, 150_000] {
        let shortened = render(
            &runs,
            &ReportOptions {
                max_rows: usize::MAX,
                max_bytes,
                ..ReportOptions::default()
            },
        );
        assert!(shortened.len() <= max_bytes, "{} > {max_bytes}", shortened.len());
        assert!(Page::parse(&shortened).text_content().contains(" more\n"));
    }
    assert!(report(&runs).len() <= 2_000_000);
    assert!(Page::parse(&report(&runs)).text_content().contains("… and 1,803 more"));
}

#[test]
fn the_request_that_is_asked_for_is_shown() {
    let store = run(1, 12, false);
    let request_id = store.tables().requests[7].request_id.clone();
    let options = ReportOptions {
        request_id: Some(request_id.clone()),
        ..ReportOptions::default()
    };
    let page = Page::parse(&render(&[store], &options)).text_content();
    assert!(
        page.contains(&format!(
            "Request {request_id} of seed 1: the request that was asked for"
        )),
        "{page}"
    );
}

#[test]
fn headlines_follow_the_verdict() {
    let text = |runs: &[RunStore]| Page::parse(&report(runs)).text_content();
    assert!(text(&suite()).contains("1 of 4 runs failed"));
    assert!(text(&[run(3, 12, false)]).contains("The run passed"));
    // A property that must be seen and never was.
    assert!(text(&[run(1, 12, false)]).contains("The suite failed: something that must happen never did"));
    assert!(text(&[]).contains("There are no runs to judge"));
    let unsteady = RunStore::in_memory(tables(3, 12, false), description(3, RunVerdict::NonDeterministic)).unwrap();
    assert!(text(&[unsteady]).contains("Not deterministic: the simulator is at fault"));
}

#[test]
fn extremes_do_not_disturb_it() {
    let mut extreme = tables(3, 6, true);
    for request in &mut extreme.requests {
        request.send_ns = u64::MAX;
        request.intended_send_ns = 0;
        request.e2e_ns = Some(u64::MAX);
        request.ttft_ns = Some(u64::MAX);
        request.last_byte_ns = Some(u64::MAX);
        request.prompt_tokens = u64::MAX;
        request.cached_tokens = u64::MAX;
        request.completion_tokens = u64::MAX;
        request.reasoning_tokens = u64::MAX;
        request.adjusted_tokens = u64::MAX;
        request.cost_nanoton = u64::MAX;
        request.worker_fee_nanoton = u64::MAX;
    }
    for (row, at_ns) in extreme.parts.iter_mut().zip([0, u64::MAX].into_iter().cycle()) {
        row.at_ns = at_ns;
        row.part_index = u64::MAX;
    }
    for (row, at_ns) in extreme.spans.iter_mut().zip([u64::MAX, 0].into_iter().cycle()) {
        row.at_ns = at_ns;
    }
    for (row, bytes) in extreme.packets.iter_mut().zip([0, u64::MAX].into_iter().cycle()) {
        row.bytes = bytes;
        row.at_ns = bytes;
        row.connection = bytes;
    }
    for row in &mut extreme.payments {
        (row.tokens, row.delta_tokens, row.nanoton) = (u64::MAX, i64::MIN, u64::MAX);
    }
    for row in &mut extreme.transactions {
        (row.fees_nanoton, row.gas_used) = (u64::MAX, u64::MAX);
        (row.old_price_nanoton, row.new_price_nanoton) = (u64::MAX, u64::MAX);
    }
    extreme.faults.iter_mut().for_each(|row| row.at_ns = u64::MAX);
    extreme.prices.iter_mut().for_each(|row| row.nanoton = u64::MAX);
    let mut run = description(u64::MAX, RunVerdict::Fail);
    run.virtual_ns = u64::MAX;
    Page::parse(&report(&[RunStore::in_memory(extreme, run).unwrap()]));
}
