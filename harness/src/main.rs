//! The `chrysalis` command.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use chrysalis::diagnostic::render::Style;
use chrysalis::host::Host;
use chrysalis::system::System;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A run allocates for every packet, and threads run seeds side by side: this allocator made both half as fast again
/// (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let stop = Arc::new(AtomicUsize::new(0));
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Handlers run in this order: the first signal finds `asked` false and sets it, the second ends the program. If
        // a handler cannot be installed, the signal ends the program as it does without one.
        let number = usize::try_from(signal).unwrap_or_default();
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))
            .and_then(|_| flag::register(signal, Arc::clone(&asked)))
            .and_then(|_| flag::register_usize(signal, Arc::clone(&stop), number));
    }
    let terminal = std::io::stderr().is_terminal();
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let style = if terminal && !set("CI") {
        Style::Terminal {
            width: terminal_width(),
            colour: !set("NO_COLOR"),
        }
    } else {
        Style::Plain
    };
    let mut host = Host {
        stdout: &mut std::io::stdout(),
        stderr: &mut std::io::stderr(),
        style,
        live: terminal && !set("CI"),
        folder: PathBuf::from("."),
        stop: &stop,
    };
    let system = System::default();
    let exit = chrysalis::run_with(&system.services(), &mut host, std::env::args_os());
    ExitCode::from(exit.code())
}

/// Columns of the terminal on stderr.
fn terminal_width() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stderr())
        && size.ws_col > 0
    {
        return usize::from(size.ws_col);
    }
    100
}
