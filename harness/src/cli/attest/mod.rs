//! attest: evidence judged, shown, made and mutated. What is pure is in `chrysalis-attest`; here are files and text.
//!
//! | module | holds |
//! |---|---|
//! | [`args`] | the commands, as `clap` sees them |
//! | [`input`] | files, read as what they must be |
//! | [`verify`] | attest verify |
//! | [`show`] | attest show |
//! | [`issue`] | attest issue |
//! | [`mutate`] | attest mutate |

pub mod args;
pub mod input;
pub mod issue;
pub mod mutate;
pub mod show;
pub mod verify;

use self::args::AttestCommand;
use super::args::Global;
use super::problem::CommandError;
use crate::diagnostic::source::printable;
use crate::exit::Exit;
use crate::host::Host;

/// `chrysalis attest`
///
/// # Errors
/// See [`CommandError`]; refused evidence is no error.
pub fn attest(host: &mut Host<'_>, global: &Global, command: &AttestCommand) -> Result<Exit, CommandError> {
    match command {
        AttestCommand::Verify(command) => verify::verify(host, global, command),
        AttestCommand::Show(command) => show::show(host, global, command),
        AttestCommand::Issue(command) => issue::issue(host, global, command),
        AttestCommand::Mutate(command) => mutate::mutate(host, global, command),
    }
}

/// Text that evidence or its certificates may have chosen, as one line that a terminal only shows.
fn line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], "\u{fffd}")
}

/// Names and values in two columns, two spaces in.
fn columns(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("  {name:width$}  {}\n", line(value)))
        .collect()
}
