//! The real system behind the command line: worlds, run stores, reports, live networks.
//!
//! | module | holds |
//! |---|---|
//! | [`execute`] | running a plan on any engine |
//! | [`store`] | rows of a world as tables of a run store |
//! | [`measure`] | the benchmarks |
//! | [`serve`] | a network that stays up on loopback |

pub mod execute;
pub mod measure;
pub mod serve;
pub mod store;

use std::path::PathBuf;

use chrysalis_reports::{html, store::RunStore};
use chrysalis_world::Workshop;

use crate::services::{Report, ServiceError, Services};

/// Where the run store stands in a run folder.
pub const STORE_FOLDER: &str = "store";

/// Everything that the program can do.
#[derive(Default)]
pub struct System {
    workshop: Workshop,
}

impl System {
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

impl Report for System {
    fn html(&self, runs: &[PathBuf]) -> Result<String, ServiceError> {
        let stores: Vec<RunStore> = runs
            .iter()
            .map(|run| RunStore::open(run.join(STORE_FOLDER)))
            .collect::<Result<_, _>>()
            .map_err(|error| ServiceError::Input(error.to_string()))?;
        Ok(html::render(&stores, &html::ReportOptions::default()))
    }
}
