//! Three faces of a diagnostic: plain text for logs, a drawing for terminals, JSON for machines.

use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use super::{Diagnostic, Position};

/// Columns of a source line that plain text shows at most; longer lines are cut around the place.
const EXCERPT_COLUMNS: usize = 100;

/// How diagnostics look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Plain ASCII frame: logs, pipes, CI.
    Plain,
    /// A drawing with colour for a terminal of some width.
    Terminal {
        /// Columns.
        width: usize,
        /// Whether colours are wanted.
        colour: bool,
    },
}

/// The diagnostic as text that ends with a line feed.
#[must_use]
pub fn render(diagnostic: &Diagnostic, style: Style) -> String {
    match style {
        Style::Plain => plain(diagnostic),
        Style::Terminal { width, colour } => terminal(diagnostic, width, colour).unwrap_or_else(|| plain(diagnostic)),
    }
}

/// The diagnostic as one JSON object.
#[must_use]
pub fn json(diagnostic: &Diagnostic) -> serde_json::Value {
    let Position { line, column, length } = diagnostic.position;
    serde_json::json!({
        "code": diagnostic.code.id(),
        "message": diagnostic.message,
        "help": diagnostic.help,
        "file": diagnostic.source.name(),
        "line": line,
        "column": column,
        "length": length,
    })
}

fn plain(diagnostic: &Diagnostic) -> String {
    let Position { line, column, length } = diagnostic.position;
    let name = diagnostic.source.name();
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let (excerpt, caret_column) = cut(diagnostic.source.line(line), column);
    let carets = "^".repeat(
        length
            .max(1)
            .min(excerpt.chars().count().saturating_sub(caret_column - 1).max(1)),
    );
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "error[{}]: {}", diagnostic.code, diagnostic.message);
    let _ = writeln!(out, "{margin}--> {name}:{line}:{column}");
    let _ = writeln!(out, "{margin} |");
    let _ = writeln!(out, "{}", format!("{number} | {excerpt}").trim_end());
    let _ = writeln!(out, "{margin} | {}{carets}", " ".repeat(caret_column - 1));
    if let Some((earlier, why)) = &diagnostic.note {
        let _ = writeln!(
            out,
            "{margin} = note: {why} at {name}:{}:{}",
            earlier.line, earlier.column
        );
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "{margin} = help: {help}");
    }
    let _ = writeln!(out, "{margin} = more: chrysalis explain {}", diagnostic.code);
    out
}

/// A part of the line around a column, and the column in that part.
fn cut(line: &str, column: usize) -> (String, usize) {
    let characters: Vec<char> = line
        .chars()
        .map(|character| if character == '\t' { ' ' } else { character })
        .collect();
    let column = column.clamp(1, characters.len() + 1);
    if characters.len() <= EXCERPT_COLUMNS {
        return (characters.into_iter().collect(), column);
    }
    let first = column
        .saturating_sub(EXCERPT_COLUMNS / 2)
        .min(characters.len() - EXCERPT_COLUMNS);
    (
        characters.iter().skip(first).take(EXCERPT_COLUMNS).collect(),
        column - first,
    )
}

fn terminal(diagnostic: &Diagnostic, width: usize, colour: bool) -> Option<String> {
    let theme = if colour {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width.clamp(40, 140))
        .with_links(false);
    let mut out = String::new();
    handler.render_report(&mut out, &Drawn(diagnostic)).ok()?;
    Some(out)
}

/// A diagnostic as miette sees it.
#[derive(Debug)]
struct Drawn<'a>(&'a Diagnostic);

impl std::fmt::Display for Drawn<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn code(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        Some(Box::new(self.0.code))
    }

    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        let more = format!("chrysalis explain {}", self.0.code);
        Some(match &self.0.help {
            Some(help) => Box::new(format!("{help}\n{more}")),
            None => Box::new(more),
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = |position: Position| {
            let range = self.0.source.byte_range(position);
            (range.start, range.len())
        };
        let (start, length) = span(self.0.position);
        let here = LabeledSpan::new_primary_with_span(Some("here".to_owned()), (start, length));
        let note = self.0.note.as_ref().map(|(position, why)| {
            let (start, length) = span(*position);
            LabeledSpan::new(Some(why.clone()), start, length)
        });
        Some(Box::new(std::iter::once(here).chain(note)))
    }
}

impl SourceCode for Drawn<'_> {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let inner = self
            .0
            .source
            .text()
            .read_span(span, context_lines_before, context_lines_after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.0.source.name().to_owned(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Style, cut, json, render};
    use crate::diagnostic::{Code, Diagnostic, Position, Source};

    fn example(text: &str, position: Position) -> Diagnostic {
        Diagnostic {
            code: Code::UnknownUnit,
            message: "unknown unit `sec`".to_owned(),
            help: Some("write `s`".to_owned()),
            position,
            note: Some((Position::START, "first seen".to_owned())),
            source: Arc::new(Source::new("a.yaml", text.as_bytes())),
        }
    }

    #[test]
    fn plain_text_points_at_the_place() {
        let diagnostic = example(
            "version: 1\nduration: 5 sec\n",
            Position {
                line: 2,
                column: 11,
                length: 5,
            },
        );
        insta::assert_snapshot!(render(&diagnostic, Style::Plain), @r"
        error[CHR-S031]: unknown unit `sec`
         --> a.yaml:2:11
          |
        2 | duration: 5 sec
          |           ^^^^^
          = note: first seen at a.yaml:1:1
          = help: write `s`
          = more: chrysalis explain CHR-S031
        ");
        assert_eq!(json(&diagnostic)["column"], 11);
    }

    #[test]
    fn a_terminal_gets_a_drawing_with_the_same_place() {
        let diagnostic = example(
            "version: 1\nduration: 5 sec\n",
            Position {
                line: 2,
                column: 11,
                length: 5,
            },
        );
        let drawn = render(
            &diagnostic,
            Style::Terminal {
                width: 80,
                colour: false,
            },
        );
        assert!(
            drawn.contains("a.yaml:2:11") && drawn.contains("5 sec") && drawn.contains("CHR-S031"),
            "{drawn}"
        );
        assert!(!drawn.contains('\u{1b}'), "colour although none is wanted");
        assert!(
            render(
                &diagnostic,
                Style::Terminal {
                    width: 80,
                    colour: true
                }
            )
            .contains('\u{1b}')
        );
    }

    #[test]
    fn places_behind_the_end_are_shown_and_long_lines_are_cut() {
        let behind = Position {
            line: 7,
            column: 9,
            length: 3,
        };
        for style in [
            Style::Plain,
            Style::Terminal {
                width: 1,
                colour: false,
            },
        ] {
            assert!(render(&example("", behind), style).contains("CHR-S031"));
        }
        let (part, column) = cut(&"x".repeat(1000), 500);
        assert_eq!((part.len(), column), (100, 50));
        assert_eq!(cut(&"x".repeat(1000), 1000).1, 100);
    }
}
