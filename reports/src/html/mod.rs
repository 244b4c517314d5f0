//! One self-contained HTML file from run stores: readable offline, without scripts, by screen readers and on paper.
//!
//! Everything that a node could have chosen is escaped, isolated and made visible. Equal stores and options give equal
//! bytes.

mod chart;
mod page;
mod sections;
mod style;
mod table;
mod text;

use crate::store::RunStore;
use sections::{Findings, Limits};

/// What a report shows and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOptions {
    /// Title; absent for one made from the scenarios' names.
    pub title: Option<String>,
    /// Request whose timeline is shown; absent for the most telling one.
    pub request_id: Option<String>,
    /// Runs that should have been in the report but cannot be read; it says so.
    pub left_out: u64,
    /// Most rows shown of any table.
    pub max_rows: usize,
    /// Size in bytes that the file should not exceed: tables, drawings and quoted text are shortened until it fits, or
    /// until they cannot be shortened further.
    pub max_bytes: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            title: None,
            request_id: None,
            left_out: 0,
            max_rows: 200,
            max_bytes: 2_000_000,
        }
    }
}

/// The report on these runs as one HTML file. Several runs, usually of one scenario with different seeds, are counted as
/// one population and listed one by one.
pub fn render(runs: &[RunStore], options: &ReportOptions) -> String {
    let findings = Findings::of(runs);
    let mut limits = Limits::with_rows(options.max_rows);
    loop {
        let page = page::page(runs, options, &findings, &limits);
        match limits.tighter() {
            Some(tighter) if page.len() > options.max_bytes => limits = tighter,
            _ => return page,
        }
    }
}
