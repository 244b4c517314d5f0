//! The real system behind the command line: worlds, run stores, reports, live networks.
//!
//! | module | holds |
//! |---|---|
//! | `chain` | a chain that is served on loopback |
//! | [`execute`] | running a plan on any engine |
//! | [`store`] | rows of a world as tables of a run store |
//! | [`measure`] | the benchmarks |
//! | [`serve`] | a network that stays up on loopback |

mod chain;
pub mod execute;
pub mod measure;
pub mod serve;
pub mod store;

use std::sync::OnceLock;

use chrysalis_reports::{html, store::RunStore};
use chrysalis_world::Workshop;

use crate::services::{Damaged, HtmlReport, Report, RunFolder, ServiceError, Services};

/// Where the run store stands in a run folder.
pub const STORE_FOLDER: &str = "store";

/// Everything that the program can do.
#[derive(Default)]
pub struct System {
    workshop: Workshop,
    /// Found when it is first asked for.
    build: OnceLock<Option<String>>,
}

impl System {
    /// A system whose runs share this.
    pub(crate) fn sharing(workshop: Workshop) -> Self {
        Self {
            workshop,
            ..Self::default()
        }
    }

    /// This system as the command line's services.
    #[must_use]
    pub fn services(&self) -> Services<'_> {
        Services {
            execute: Some(self),
            report: Some(self),
            serve: Some(self),
            measure: Some(self),
        }
    }
}

/// Damaged runs that one message names.
const DAMAGED_SHOWN: usize = 20;

impl Report for System {
    fn html(&self, runs: &[RunFolder], damaged: Damaged) -> Result<HtmlReport, ServiceError> {
        let (mut stores, mut left_out) = (Vec::new(), Vec::new());
        for run in runs {
            match RunStore::open(run.path.join(STORE_FOLDER)) {
                Ok(store) => stores.push(store),
                Err(error) => left_out.push(format!("{}: {error}", run.shown.display())),
            }
        }
        if !left_out.is_empty() && (damaged == Damaged::Refuse || stores.is_empty()) {
            return Err(ServiceError::Input(unreadable(&left_out, runs.len())));
        }
        let options = html::ReportOptions {
            left_out: left_out.len() as u64,
            ..html::ReportOptions::default()
        };
        let html = html::render(&stores, &options);
        let text = chrysalis_reports::text::render(&stores);
        Ok(HtmlReport { html, text, left_out })
    }
}

/// "2 of 9 runs cannot be read", and which.
fn unreadable(lines: &[String], runs: usize) -> String {
    let mut text = match lines {
        [only] if runs == 1 => return only.clone(),
        _ => format!("{} of {runs} runs cannot be read", lines.len()),
    };
    for line in lines.iter().take(DAMAGED_SHOWN) {
        text.push_str("\n  ");
        text.push_str(line);
    }
    if let Some(more) = lines.len().checked_sub(DAMAGED_SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("\n  and {more} more"));
    }
    text.push_str("\n`--skip-damaged` makes a report on the others");
    text
}
