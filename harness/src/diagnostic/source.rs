//! The text that a diagnostic points into, made safe to show.

/// A place in a text: line and column from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters that belong to it; at least one is shown.
    pub length: usize,
}

impl Position {
    /// The first character of a text.
    pub const START: Self = Self {
        line: 1,
        column: 1,
        length: 1,
    };

    /// The place of a byte. Bytes that are no UTF-8 count as one character for each maximal broken part.
    #[must_use]
    pub fn of_byte(bytes: &[u8], offset: usize) -> Self {
        let before = String::from_utf8_lossy(bytes.get(..offset).unwrap_or(bytes));
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            length: 1,
        }
    }
}

/// A named text. Characters that could steer a terminal or reorder a line are replaced one for one, so that columns stay right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    /// Takes the text of a file; broken UTF-8 is shown as U+FFFD.
    #[must_use]
    pub fn new(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: printable(name),
            text: printable(&String::from_utf8_lossy(bytes)),
        }
    }

    /// The file's name as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A line, from 1; empty behind the end.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or_default()
    }

    /// The byte range of a place in the text; empty at the end of the text for a place behind it.
    #[must_use]
    pub fn byte_range(&self, position: Position) -> std::ops::Range<usize> {
        let line_start = if position.line <= 1 {
            0
        } else {
            self.text
                .match_indices('\n')
                .nth(position.line - 2)
                .map_or(self.text.len(), |(at, _)| at + 1)
        };
        let rest = self.text.get(line_start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let byte_of = |characters: usize| line.char_indices().nth(characters).map_or(line.len(), |(at, _)| at);
        let first = position.column.saturating_sub(1);
        line_start + byte_of(first)..line_start + byte_of(first.saturating_add(position.length.max(1)))
    }
}

/// Replaces what a terminal might obey: control characters other than line feed and tab, and Unicode's bidirectional controls.
#[must_use]
pub fn printable(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
            other if other.is_control() => '\u{fffd}',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Position, Source, printable};

    #[test]
    fn positions_count_characters_and_lines() {
        let source = Source::new("x.yaml", "a: 1\r\nbé: zwölf\n".as_bytes());
        let position = Position {
            line: 2,
            column: 5,
            length: 5,
        };
        assert_eq!(&source.text()[source.byte_range(position)], "zwölf");
        assert_eq!(source.line(2), "bé: zwölf");
        assert_eq!(source.line(9), "");
        let behind = source.byte_range(Position {
            line: 9,
            column: 3,
            length: 2,
        });
        assert_eq!(behind, source.text().len()..source.text().len());
    }

    #[test]
    fn a_broken_byte_has_a_place() {
        let bytes = b"a: 1\nb: \xff";
        assert_eq!(
            Position::of_byte(bytes, 8),
            Position {
                line: 2,
                column: 4,
                length: 1
            }
        );
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_kept() {
        let shown = printable("a\u{1b}[31mb\u{202e}c\u{7}\td");
        assert_eq!(shown, "a\u{fffd}[31mb\u{fffd}c\u{fffd}\td");
    }
}
