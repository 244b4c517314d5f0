//! Run stores and what is computed from them.
//!
//! A run leaves a run store: `manifest.json` and Parquet tables. Every report is a pure function of run stores, and
//! equal stores give byte-identical reports.
//!
//! | module | subject |
//! |---|---|
//! | [`schema`] | the tables, each defined once: rows, columns, reference page |
//! | [`store`] | run stores on disk: writing all or nothing, reading untrusted ones |
//! | [`stats`] | exact percentiles with confidence intervals, proportions, histograms |
//! | [`analyses`] | latency, cost, observer view, timeline, verdicts, payments, threats |
//! | [`html`] | one self-contained HTML file from run stores |
//! | [`text`] | flows of coins and costs of operations as plain text |

pub mod analyses;
mod format;
pub mod html;
pub mod schema;
pub mod stats;
pub mod store;
pub mod text;

pub use html::{ReportOptions, render};
pub use schema::{SCHEMA_VERSION, Tables};
pub use store::{
    Manifest, NamedThreat, RunDescription, RunStore, RunStoreWriter, RunVerdict, StoreError, ThreatDescription,
};
