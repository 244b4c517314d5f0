//! The daemon: one node of a confidential inference network.
//!
//! Exit codes: 0 the configuration is sound (`--check`), 2 usage or an unreadable file, 3 an invalid configuration,
//! 5 the environment (a port, a disk; or a certificate that must be renewed by a restart), 101 an internal error,
//! 130 and 143 a stop by signal after running requests were finished.

use chrysalis_node::{
    daemon::{self, Config},
    telemetry::Role,
};
use clap::{Args, Parser, Subcommand};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// Runs one node of a confidential inference network.
#[derive(Debug, Parser)]
#[command(name = "chrysalis-node", version, about)]
struct Cli {
    #[command(subcommand)]
    role: RoleCommand,
}

#[derive(Debug, Subcommand)]
enum RoleCommand {
    /// The OpenAI-compatible endpoint in front of proxies.
    Client(NodeArgs),
    /// Routes requests from clients to workers and settles.
    Proxy(NodeArgs),
    /// Serves one model to proxies.
    Worker(NodeArgs),
}

#[derive(Debug, Args)]
struct NodeArgs {
    /// Configuration, TOML or JSON by its extension.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only check the configuration: create, open and start nothing.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    daemon::log::stop_on_panic();
    let (role, args) = match cli.role {
        RoleCommand::Client(args) => (Role::Client, args),
        RoleCommand::Proxy(args) => (Role::Proxy, args),
        RoleCommand::Worker(args) => (Role::Worker, args),
    };
    match run(role, &args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr().lock(), "chrysalis-node: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(role: Role, args: &NodeArgs) -> Result<u8, daemon::DaemonError> {
    let config = Config::load(role, &args.config)?;
    if args.check {
        return Ok(0);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| daemon::DaemonError::Environment(format!("no runtime: {error}")))?;
    let ending = runtime.block_on(daemon::run(config));
    // Tasks that wait for peers have nothing more to do.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(ending?.exit_code())
}
