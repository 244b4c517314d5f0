//! One self-contained HTML file from run stores: readable offline, without scripts, by screen readers and on paper.
//!
//! Everything that a node could have chosen is escaped, isolated and made visible. Equal stores and options give equal
//! bytes.

use maud::{DOCTYPE, html};

use crate::analyses;
use crate::store::RunStore;

/// What a report shows and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOptions {
    /// Title; absent for one made from the scenarios' names.
    pub title: Option<String>,
    /// Request whose timeline is shown; absent for the most telling one.
    pub request_id: Option<String>,
    /// Most rows shown of any table.
    pub max_rows: usize,
    /// Most bytes of the file. Tables are shortened until it fits.
    pub max_bytes: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            title: None,
            request_id: None,
            max_rows: 200,
            max_bytes: 2_000_000,
        }
    }
}

/// The report on these runs as one HTML file.
pub fn render(runs: &[RunStore], options: &ReportOptions) -> String {
    let verdicts = analyses::verdicts(runs);
    let title = options.title.as_deref().unwrap_or("Chrysalis report");
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (title) } }
            body { h1 { (title) } p { (verdicts.passed_runs) " of " (verdicts.runs) " runs passed." } }
        }
    }
    .into_string()
}
