//! Text that a node may have chosen, made safe to show.
//!
//! maud escapes what HTML gives a meaning. That is not enough: control characters, bidirectional overrides and invisible
//! characters change what a reader sees without being markup. They are shown by their code points instead, text is
//! isolated from its surroundings (`<bdi>`), and long text is cut, which is said.

use maud::{Markup, html};

/// Most characters of a text in a table cell.
const MAX_CELL_CHARACTERS: usize = 160;
/// Most combining marks in a row; more pile up over neighbouring lines.
const MAX_COMBINING_RUN: usize = 3;

/// Text for a table cell or a sentence.
pub(super) fn untrusted(text: &str) -> Markup {
    untrusted_up_to(text, MAX_CELL_CHARACTERS)
}

/// Text of at most this many characters.
pub(super) fn untrusted_up_to(text: &str, max_characters: usize) -> Markup {
    let (shown, cut) = clip(text, max_characters);
    html! {
        bdi {
            @for piece in pieces(shown, Layout::OneLine) {
                @match piece {
                    Piece::Plain(plain) => (plain),
                    Piece::Hidden(character) => span.hidden-character { (name(character)) },
                }
            }
        }
        @if cut > 0 { span.cut { " … and " (cut) " more characters" } }
    }
}

/// Text of several lines, for a `pre` element: line feeds and tabs keep their meaning.
pub(super) fn untrusted_block(text: &str, max_characters: usize) -> Markup {
    let (shown, cut) = clip(text, max_characters);
    html! {
        bdi {
            @for piece in pieces(shown, Layout::Block) {
                @match piece {
                    Piece::Plain(plain) => (plain),
                    Piece::Hidden(character) => span.hidden-character { (name(character)) },
                }
            }
        }
        @if cut > 0 { span.cut { "\n… and " (cut) " more characters" } }
    }
}

/// The same as plain text, for attributes and drawings.
pub(super) fn untrusted_plain(text: &str, max_characters: usize) -> String {
    let (shown, cut) = clip(text, max_characters);
    let mut plain = String::new();
    for piece in pieces(shown, Layout::OneLine) {
        match piece {
            Piece::Plain(text) => plain.push_str(text),
            Piece::Hidden(character) => plain.push_str(&name(character)),
        }
    }
    if cut > 0 {
        plain.push('…');
    }
    plain
}

/// Text that may stand in a command line without quotes, whatever the shell. Anything else gives `None`: a command that
/// a reader pastes must not depend on quoting rules.
pub(super) fn shell_word(text: &str) -> Option<&str> {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    let harmless = |character: char| character.is_ascii_alphanumeric() || "._/-".contains(character);
    (starts_well && text.chars().all(harmless)).then_some(text)
}

/// The first characters of a text, and how many are left out.
fn clip(text: &str, max_characters: usize) -> (&str, usize) {
    match text.char_indices().nth(max_characters) {
        Some((end, _)) => {
            let (shown, rest) = text.split_at(end);
            (shown, rest.chars().count())
        }
        None => (text, 0),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    OneLine,
    Block,
}

enum Piece<'a> {
    Plain(&'a str),
    Hidden(char),
}

fn pieces(text: &str, layout: Layout) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut combining = 0;
    for (index, character) in text.char_indices() {
        combining = if is_combining(character) { combining + 1 } else { 0 };
        let kept = layout == Layout::Block && matches!(character, '\n' | '\t');
        if (is_hidden(character) && !kept) || combining > MAX_COMBINING_RUN {
            if let Some(plain) = text.get(start..index).filter(|plain| !plain.is_empty()) {
                pieces.push(Piece::Plain(plain));
            }
            pieces.push(Piece::Hidden(character));
            start = index + character.len_utf8();
        }
    }
    if let Some(plain) = text.get(start..).filter(|plain| !plain.is_empty()) {
        pieces.push(Piece::Plain(plain));
    }
    pieces
}

fn name(character: char) -> String {
    match character {
        '\n' => "⟨LF⟩".to_owned(),
        '\r' => "⟨CR⟩".to_owned(),
        '\t' => "⟨TAB⟩".to_owned(),
        _ => format!("⟨U+{:04X}⟩", u32::from(character)),
    }
}

/// Characters that are not seen as themselves: controls, formats, separators of lines, blanks that are letters,
/// variation selectors, tags, private use and noncharacters.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0x00AD | 0x034F | 0x0600..=0x0605 | 0x061C | 0x06DD | 0x070F | 0x0890..=0x0891 | 0x08E2
            | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x2000..=0x200F | 0x2028..=0x202F | 0x205F..=0x206F
            | 0x2800 | 0x3000 | 0x3164 | 0xE000..=0xF8FF | 0xFDD0..=0xFDEF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
            | 0xFFF0..=0xFFFB | 0x110BD | 0x110CD | 0x13430..=0x1345F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A
            | 0xE0000..=0xE0FFF | 0xF0000..=0x10FFFF)
        || u32::from(character) & 0xFFFE == 0xFFFE
}

/// Marks that are drawn over or under the character before them.
fn is_combining(character: char) -> bool {
    matches!(u32::from(character),
        0x0300..=0x036F | 0x0483..=0x0489 | 0x0591..=0x05BD | 0x064B..=0x065F | 0x0E31 | 0x0E34..=0x0E3A
        | 0x0E47..=0x0E4E | 0x0EB1 | 0x0EB4..=0x0EBC | 0x0EC8..=0x0ECE | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF
        | 0x20D0..=0x20FF | 0x3099..=0x309A | 0xFE20..=0xFE2F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_hidden_characters_are_named() {
        let shown = untrusted("<b>&\"\u{202E}\u{0}\n\u{200B}x").into_string();
        assert!(shown.starts_with("<bdi>&lt;b&gt;&amp;&quot;"), "{shown}");
        for name in ["⟨U+202E⟩", "⟨U+0000⟩", "⟨LF⟩", "⟨U+200B⟩"] {
            assert!(shown.contains(name), "{name} in {shown}");
        }
        assert!(!shown.contains(['\u{202E}', '\0', '\n', '\u{200B}']));
    }

    #[test]
    fn ordinary_text_of_any_script_is_left_alone() {
        for text in ["worker-1", "naïve", "данные", "模型", "שלום", "é", "e\u{301}", "🙂"] {
            assert_eq!(untrusted(text).into_string(), format!("<bdi>{text}</bdi>"));
        }
    }

    #[test]
    fn long_text_and_piles_of_marks_are_cut() {
        assert_eq!(untrusted_plain("abcdef", 3), "abc…");
        assert_eq!(untrusted_plain("абв", 3), "абв");
        assert!(
            untrusted_up_to("abcdef", 2)
                .into_string()
                .ends_with("… and 4 more characters</span>")
        );
        let pile = format!("a{}", "\u{301}".repeat(5));
        assert_eq!(
            untrusted_plain(&pile, 9),
            format!("a{}⟨U+0301⟩⟨U+0301⟩", "\u{301}".repeat(3))
        );
    }

    #[test]
    fn blocks_keep_their_lines() {
        assert_eq!(
            untrusted_block("a\n\tb\r", 9).into_string(),
            "<bdi>a\n\tb<span class=\"hidden-character\">⟨CR⟩</span></bdi>"
        );
    }

    #[test]
    fn only_harmless_words_reach_a_command_line() {
        assert_eq!(shell_word("payments/slow-worker.v2"), Some("payments/slow-worker.v2"));
        for hostile in ["", "-x", "a b", "a;b", "$(a)", "a\nb", "a'b", "ä", "a\u{202E}b", "/etc"] {
            assert_eq!(shell_word(hostile), None, "{hostile:?}");
        }
    }
}
