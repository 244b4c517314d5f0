//! The command line (design §11). stdout is data, stderr is for people, exit codes are a contract.
//!
//! | module | commands |
//! |---|---|
//! | [`args`] | all of them, as `clap` sees them |
//! | [`run`] | run, replay |
//! | [`inspect`] | lint, schema, list, explain, completions |
//! | [`network`] | up, tunnel, report, bench |
//! | [`chain`](mod@chain) | chain serve |
//! | [`attest`](mod@attest) | attest verify, show, issue, mutate |
//! | [`doctor`] | doctor |
//! | [`problem`] | what can go wrong with a command |

pub mod args;
pub mod attest;
pub mod chain;
pub mod doctor;
pub mod inspect;
pub mod network;
pub mod problem;
pub mod run;

use std::ffi::OsString;

use clap::Parser as _;

use crate::diagnostic::render::Style;
use crate::exit::Exit;
use crate::host::Host;
use crate::services::Services;
use args::{Args, Command};
use problem::CommandError;

/// Runs a command line, the first word of which is the program's name.
pub fn run_with(services: &Services<'_>, host: &mut Host<'_>, words: impl IntoIterator<Item = OsString>) -> Exit {
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => return usage(host, &error),
    };
    let done = match &args.command {
        Command::Run(command) => run::run(services, host, &args.global, command),
        Command::Replay(command) => run::replay(services, host, &args.global, command),
        Command::Lint(command) => inspect::lint(host, &args.global, command),
        Command::Schema => inspect::schema(host),
        Command::List(command) => inspect::list(host, &args.global, command),
        Command::Explain(command) => inspect::explain(host, &args.global, command),
        Command::Completions(command) => inspect::completions(host, command),
        Command::Doctor => Ok(doctor::doctor(services, host, &args.global)),
        Command::Up(command) => network::up(services, host, &args.global, command),
        Command::Tunnel(command) => network::tunnel(services, host, &args.global, command),
        Command::Chain(command) => chain::chain(services, host, &args.global, command),
        Command::Attest(command) => attest::attest(host, &args.global, command),
        Command::Report(command) => network::report(services, host, &args.global, command),
        Command::Bench(command) => network::bench(services, host, &args.global, command),
    };
    done.unwrap_or_else(|error: CommandError| {
        host.say(&error.render());
        error.exit()
    })
}

fn usage(host: &mut Host<'_>, error: &clap::Error) -> Exit {
    let rendered = error.render();
    let text = match host.style {
        Style::Terminal { colour: true, .. } => rendered.ansi().to_string(),
        Style::Terminal { colour: false, .. } | Style::Plain => rendered.to_string(),
    };
    // Help and version are what was asked for, and therefore data.
    if error.use_stderr() {
        host.say(&text);
        Exit::Usage
    } else {
        host.data(&text);
        Exit::Pass
    }
}
