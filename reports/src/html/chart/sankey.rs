//! Flows in three columns: who paid, what for, who was paid. Integer arithmetic, so that equal data give equal bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Words;
use super::canvas::{Ink, escape, open};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 420;
const MARGIN: u32 = 8;
/// Width of a node.
const NODE: u32 = 12;
/// Between two nodes of a column.
const GAP: u32 = 10;
/// Room for names beside the outer columns.
const NAMES: u32 = 190;
/// A flow that would be thinner is drawn this thick, so that it can be seen.
const THINNEST: u32 = 1;
/// A node that is less high has no name: names would overlap. The table under the drawing has them all.
const NAMED: u32 = 10;

/// Coins from left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::html) struct Ribbon {
    /// Names in the left, middle and right column.
    pub(in crate::html) names: [String; 3],
    /// How much.
    pub(in crate::html) amount: u128,
}

/// A node of a column, with how far its two sides are used up.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    amount: u128,
    top: u32,
    height: u32,
    left: u32,
    right: u32,
}

type Column<'a> = BTreeMap<&'a str, Node>;

/// The drawing. `None` without flows.
pub(in crate::html) fn sankey(words: &Words<'_>, ribbons: &[Ribbon]) -> Option<String> {
    let total: u128 = ribbons.iter().map(|ribbon| ribbon.amount).sum();
    if total == 0 {
        return None;
    }
    let mut columns: [Column<'_>; 3] = Default::default();
    for ribbon in ribbons {
        for (column, name) in columns.iter_mut().zip(&ribbon.names) {
            column.entry(name).or_default().amount += ribbon.amount;
        }
    }
    let gaps = columns
        .iter()
        .map(|column| column.len().saturating_sub(1))
        .max()
        .unwrap_or(0);
    let room = u128::from(
        HEIGHT
            .saturating_sub(2 * MARGIN + GAP * u32::try_from(gaps).unwrap_or(0))
            .max(1),
    );
    let thickness = |amount: u128| {
        // Shares are computed in millionths first: amounts may be as large as all coins there are.
        let share = amount.saturating_mul(1_000_000) / total;
        u32::try_from(share * room / 1_000_000).unwrap_or(HEIGHT).max(THINNEST)
    };
    for column in &mut columns {
        place(column, thickness);
    }
    let mut svg = String::new();
    open(&mut svg, (WIDTH, HEIGHT), words);
    let at = [NAMES, (WIDTH - NODE) / 2, WIDTH - NAMES - NODE];
    for ribbon in ribbons {
        for step in 0..2 {
            let height = thickness(ribbon.amount);
            let from = take(&mut columns[step], &ribbon.names[step], height, true);
            let to = take(&mut columns[step + 1], &ribbon.names[step + 1], height, false);
            let (x0, x1) = (at[step] + NODE, at[step + 1]);
            let middle = (x0 + x1) / 2;
            // Writing to a String cannot fail.
            let _ = write!(
                svg,
                "<path class=\"{} flow\" d=\"M{x0} {from}C{middle} {from} {middle} {to} {x1} {to}V{}C{middle} {} {middle} {} {x0} {}Z\"/>",
                Ink::Series1.fill_class(),
                to + height,
                to + height,
                from + height,
                from + height,
            );
        }
    }
    for (index, (column, x)) in columns.iter().zip(at).enumerate() {
        for (name, node) in column {
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{x}\" y=\"{}\" width=\"{NODE}\" height=\"{}\"/>",
                Ink::Text.fill_class(),
                node.top,
                node.height
            );
            if node.height < NAMED && column.len() > 1 {
                continue;
            }
            let (x, anchor) = match index {
                0 => (x - 6, " text-anchor=\"end\""),
                1 => (x + NODE + 6, ""),
                _ => (x + NODE + 6, ""),
            };
            let _ = write!(
                svg,
                "<text class=\"{}\" x=\"{x}\" y=\"{}\" dy=\"0.35em\" font-size=\"12\"{anchor}>",
                Ink::Text.fill_class(),
                node.top + node.height / 2
            );
            escape(&mut svg, name);
            svg.push_str("</text>");
        }
    }
    svg.push_str("</svg>");
    Some(svg)
}

fn place(column: &mut Column<'_>, thickness: impl Fn(u128) -> u32) {
    let mut top = MARGIN;
    for node in column.values_mut() {
        node.top = top;
        node.height = thickness(node.amount);
        top += node.height + GAP;
    }
}

/// Where the next ribbon of this thickness begins on one side of a node.
fn take(column: &mut Column<'_>, name: &str, height: u32, on_the_right: bool) -> u32 {
    let Some(node) = column.get_mut(name) else { return 0 };
    let used = if on_the_right { &mut node.right } else { &mut node.left };
    let begin = node.top + *used;
    *used += height;
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words<'_> = Words {
        id: "flow",
        title: "Flow",
        hint: "",
        description: "a <b>",
    };

    fn ribbon(names: [&str; 3], amount: u128) -> Ribbon {
        Ribbon {
            names: names.map(str::to_owned),
            amount,
        }
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(sankey(&WORDS, &[]), None);
        assert_eq!(sankey(&WORDS, &[ribbon(["a", "b", "c"], 0)]), None);
    }

    #[test]
    fn names_are_escaped_and_the_drawing_has_words() {
        let svg = sankey(&WORDS, &[ribbon(["<script>", "\"why\"", "c & d"], 5)]).unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
        assert!(svg.contains("&lt;script&gt;") && svg.contains("c &amp; d") && !svg.contains("<script>"));
        assert!(svg.contains("role=\"img\"") && svg.contains("a &lt;b&gt;"));
    }

    #[test]
    fn amounts_as_large_as_all_coins_do_not_overflow() {
        let all = u128::from(u64::MAX) * 1_000_000;
        let svg = sankey(&WORDS, &[ribbon(["a", "b", "c"], all), ribbon(["a", "d", "e"], 1)]).unwrap();
        // Two ribbons of two steps each.
        assert_eq!(svg.matches("<path").count(), 4);
    }
}
