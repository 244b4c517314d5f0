//! Scenario files, version 1: YAML to a validated [`Scenario`].
//!
//! | module | holds |
//! |---|---|
//! | [`mod@file`] | the file as it is written, and its documentation |
//! | [`located`] | values that know their place |
//! | [`scalar`] | quantities with units, names, bounds |
//! | [`limits`] | a limit on everything |
//! | [`load`] | bytes to the file model; limits; the YAML reader's errors |
//! | [`problem`] | everything that can be wrong |
//! | `validate` | the file model to a scenario |
//! | [`model`] | the scenario |
//! | [`properties`] | what `expect.properties` may name |
//! | [`threat`] | how threats are classified |
//! | [`schema`] | the JSON Schema |

pub mod file;
pub mod limits;
pub mod load;
pub mod located;
pub mod model;
pub mod problem;
pub mod properties;
pub mod scalar;
pub mod schema;
pub mod threat;
pub(crate) mod validate;

use std::sync::Arc;

use crate::diagnostic::Source;
pub use load::Checked;
pub(crate) use load::options as yaml_options;
pub use model::Scenario;

/// Reads and checks a scenario. `name` is what diagnostics call the file.
///
/// # Errors
/// The first problem, with line and column.
pub fn parse(name: &str, bytes: &[u8]) -> Checked<Scenario> {
    let source = Arc::new(Source::new(name, bytes));
    let file = load::load(&source, bytes)?;
    validate::validate(&source, &file)
}
