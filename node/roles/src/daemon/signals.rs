//! SIGINT and SIGTERM.

use chrysalis_env::{Either, race};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT: a person at the terminal.
    Interrupt,
    /// SIGTERM: a supervisor.
    Terminate,
}

impl StopSignal {
    /// As in `kill -l`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// 128 and the signal's number, as shells have it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) -> StopSignal {
        match race(self.interrupt.recv(), self.terminate.recv()).await {
            Either::Left(_) => StopSignal::Interrupt,
            Either::Right(_) => StopSignal::Terminate,
        }
    }
}
