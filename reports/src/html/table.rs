//! Tables that a screen reader can follow and that say what they leave out.

use maud::{Markup, html};

use crate::format;

/// A column head.
#[derive(Clone, Copy)]
pub(super) enum Head {
    /// Words, aligned to the left.
    Text(&'static str),
    /// Numbers, aligned to the right.
    Number(&'static str),
}

/// A table. The first cell of each row is its head.
pub(super) struct Table {
    pub(super) caption: Markup,
    pub(super) heads: Vec<Head>,
    pub(super) rows: Vec<Vec<Markup>>,
    /// Rows that exist beyond those in `rows`.
    pub(super) left_out: usize,
}

impl Table {
    pub(super) fn render(&self) -> Markup {
        html! {
            div.scroll tabindex="0" {
                table {
                    caption { (self.caption) }
                    thead {
                        tr {
                            @for head in &self.heads {
                                @match head {
                                    Head::Text(text) => th scope="col" { (text) },
                                    Head::Number(text) => th.number scope="col" { (text) },
                                }
                            }
                        }
                    }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (index, (head, cell)) in self.heads.iter().zip(row).enumerate() {
                                    @match (index, head) {
                                        (0, Head::Text(_)) => th scope="row" { (cell) },
                                        (0, Head::Number(_)) => th.number scope="row" { (cell) },
                                        (_, Head::Text(_)) => td { (cell) },
                                        (_, Head::Number(_)) => td.number { (cell) },
                                    }
                                }
                            }
                        }
                        @if self.left_out > 0 {
                            tr.left-out {
                                td colspan=(self.heads.len()) { "… and " (format::integer(self.left_out as u128)) " more" }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// At most `max_rows` rows and the number left out.
pub(super) fn capped<T>(items: &[T], max_rows: usize, row: impl Fn(&T) -> Vec<Markup>) -> (Vec<Vec<Markup>>, usize) {
    (
        items.iter().take(max_rows).map(row).collect(),
        items.len().saturating_sub(max_rows),
    )
}

/// A value that may be absent.
pub(super) fn optional<T>(value: Option<T>, text: impl Fn(T) -> String) -> Markup {
    html! { (value.map_or_else(|| format::ABSENT.to_owned(), text)) }
}
