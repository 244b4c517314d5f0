//! No input makes the reader or the planner panic, and every error has a place in the file.

use std::path::Path;

use chrysalis::diagnostic::render::{Style, json, render};
use chrysalis::plan::{digest, plan};
use chrysalis::scenario::{Scenario, parse};
use proptest::prelude::*;

fn shipped() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    [
        "basics/hello",
        "basics/three-regions",
        "faults/slow-link-backpressure",
        "faults/partition-and-heal",
    ]
    .iter()
    .map(|name| std::fs::read_to_string(root.join(format!("{name}.yaml"))).unwrap())
    .collect()
}

/// Reads some bytes; an error must have a place in them and must be shown in every style.
fn read(bytes: &[u8]) -> Option<Scenario> {
    match parse("random.yaml", bytes) {
        Ok(scenario) => Some(scenario),
        Err(diagnostic) => {
            let text = String::from_utf8_lossy(bytes);
            let lines = text.split('\n').count();
            let position = diagnostic.position;
            assert!(
                position.line >= 1 && position.line <= lines + 1,
                "line {} of {lines}",
                position.line
            );
            let columns = text
                .split('\n')
                .nth(position.line - 1)
                .unwrap_or_default()
                .chars()
                .count();
            assert!(
                position.column >= 1 && position.column <= columns + 2,
                "column {} of {columns}",
                position.column
            );
            for style in [
                Style::Plain,
                Style::Terminal {
                    width: 80,
                    colour: false,
                },
            ] {
                let shown = render(&diagnostic, style);
                assert!(shown.contains(diagnostic.code.id()));
                assert!(
                    shown
                        .chars()
                        .all(|character| character == '\n' || !character.is_control()),
                    "{shown:?}"
                );
            }
            assert_eq!(json(&diagnostic)["line"], position.line);
            None
        }
    }
}

/// Plans what is small enough for a test.
fn try_out(scenario: &Scenario) {
    if scenario.workload.iter().map(|group| group.requests_max).sum::<u64>() < 5_000 {
        let planned = plan(scenario, 1);
        assert_eq!(digest::of(&planned).unwrap(), digest::of(&plan(scenario, 1)).unwrap());
        for user in &planned.users {
            assert!(user.client < planned.clients.len());
        }
    }
}

#[test]
fn shipped_scenarios_survive_the_loss_of_any_line() {
    let mut accepted = 0;
    for text in shipped() {
        let lines: Vec<&str> = text.lines().collect();
        for gap in 0..lines.len() {
            let kept: Vec<&str> = lines
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != gap)
                .map(|(_, line)| *line)
                .collect();
            if let Some(scenario) = read(kept.join("\n").as_bytes()) {
                try_out(&scenario);
                accepted += 1;
            }
        }
    }
    assert!(accepted > 10, "most keys are optional");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
    }

    #[test]
    fn random_yaml_does_no_harm(text in "[-a-z0-9 \n:{}\\[\\],&*!|>'\"#%@\t.~?<]{0,200}") {
        read(text.as_bytes());
    }

    #[test]
    fn altered_scenarios_do_no_harm(
        which in 0_usize..4,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..20, 0_usize..16), 1..4),
    ) {
        const PIECES: [&str; 16] = [
            "", " ", "\n", "\t", "-", "0", "-1", "99999999999999999999", ": ", "{", "]", "&a ", "*a", "null", "\u{202e}", "1ns..2d",
        ];
        let mut text = shipped().swap_remove(which);
        for (at, length, piece) in edits {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            if places.is_empty() {
                break;
            }
            let start = *at.get(&places);
            let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= start + length).unwrap_or(text.len());
            text.replace_range(start..end, PIECES[piece]);
        }
        if let Some(scenario) = read(text.as_bytes()) {
            try_out(&scenario);
        }
    }
}
