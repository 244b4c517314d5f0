//! What happened on the chain as plain text, for terminals and diffs.

use std::fmt::Write as _;

use crate::analyses::{self, SuiteVerdict};
use crate::format;
use crate::store::RunStore;

/// Characters of a name.
const NAME_CHARACTERS: usize = 44;

/// Verdicts, flows of coins and costs of operations of these runs. The same runs always give the same text.
pub fn render(runs: &[RunStore]) -> String {
    let mut text = String::new();
    let verdicts = analyses::verdicts(runs);
    let word = match verdicts.suite {
        SuiteVerdict::Pass => "pass",
        SuiteVerdict::Fail => "fail",
        SuiteVerdict::Undecided => "undecided",
        SuiteVerdict::NonDeterministic => "not deterministic",
    };
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(text, "{}: {word}", format::counted(runs.len() as u64, "run", "runs"));
    let flows: Vec<[String; 5]> = analyses::flows(runs)
        .iter()
        .map(|flow| {
            [
                name(&flow.payer),
                name(&flow.reason),
                name(&flow.payee),
                format::integer(u128::from(flow.count)),
                format::ton(flow.nanoton),
            ]
        })
        .collect();
    table(
        &mut text,
        "Coins on the chain",
        ["payer", "for", "payee", "messages", "TON"],
        3,
        &flows,
    );
    let operations: Vec<[String; 8]> = analyses::operations(runs)
        .iter()
        .map(|row| {
            let mean = |sum: u128| format::integer(sum / u128::from(row.count.max(1)));
            [
                name(&row.operation),
                name(&row.part),
                format::integer(u128::from(row.count)),
                format::integer(u128::from(row.failed)),
                mean(row.gas),
                mean(row.fees_nanoton),
                mean(row.old_price_nanoton),
                mean(row.new_price_nanoton),
            ]
        })
        .collect();
    let heads = [
        "operation",
        "at",
        "count",
        "failed",
        "gas",
        "fees paid, all",
        "gas and messages, until April 2026",
        "gas and messages, since then",
    ];
    table(
        &mut text,
        "Operations, means for each transaction, money in nanoTON",
        heads,
        2,
        &operations,
    );
    text
}

/// A name that nodes may have chosen: one line of plain characters.
fn name(text: &str) -> String {
    let plain = |character: char| match character {
        character if character.is_ascii_graphic() || character == ' ' => character,
        character if character.is_alphanumeric() => character,
        _ => '\u{fffd}',
    };
    text.chars().take(NAME_CHARACTERS).map(plain).collect()
}

/// Columns as wide as they must be; from the column `numbers` on to the right.
fn table<const N: usize>(text: &mut String, title: &str, heads: [&str; N], numbers: usize, rows: &[[String; N]]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut line = |cells: [&str; N]| {
        let mut shown = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let _ = if column < numbers {
                write!(shown, "  {cell:<width$}")
            } else {
                write!(shown, "  {cell:>width$}")
            };
        }
        let _ = writeln!(text, "{}", shown.trim_end());
    };
    line(heads);
    for row in rows {
        line(std::array::from_fn(|column| row[column].as_str()));
    }
}
