//! The deterministic world: what a network of nodes sees of time, tasks, sockets, disks and entropy follows from one
//! seed.
//!
//! [`run`] makes a fresh world, runs a controller in it and returns what it returned together with a [`SimReport`].
//! The controller gets a [`Sim`]: it adds nodes, shapes the [`Network`], injects faults. Node code gets a
//! [`chrysalis_env::Env`] and cannot tell this world from the real one.
//!
//! One world lives on one thread; worlds on several threads share nothing.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | what a run may be told: seed, limits, recording, transport constants |
//! | [`sim`] | [`run`] and [`Sim`], the controller's view |
//! | [`node`] | [`NodeSpec`], [`NodeHandle`]: start, kill, restart, pause, clock, disk |
//! | [`net`] | [`Network`], links, and the TCP-like transport behind `Env::connect` |
//! | [`disk`] | files that lose what was not synchronised |
//! | [`clock`] | monotonic clocks with drift, wall clocks with skew |
//! | [`entropy`] | one root seed, labelled streams |
//! | [`distribution`] | integer-only random variables |
//! | [`tap`] | watching packets, observations and faults |
//! | [`log`] | the event log, its digest, first divergence of two runs |
//! | [`error`] | how a run can fail |
//! | `world`, `task`, `timer`, `executor` | the machine: shared state, task table, timing wheel, native and madsim executors |

pub mod clock;
pub mod config;
pub mod disk;
pub mod distribution;
mod engine;
pub mod entropy;
pub mod error;
mod executor;
pub mod log;
pub mod net;
pub mod node;
pub mod sim;
mod slab;
pub mod tap;
mod task;
mod timer;
mod world;

pub use clock::ClockSpec;
pub use config::{CryptoMode, EngineKind, Limits, PanicPolicy, Recording, SimConfig, TransportConfig};
pub use disk::{DiskFault, DiskImage, DiskSpec};
pub use distribution::{Distribution, QuantileTable};
pub use entropy::EntropyStream;
pub use error::{LimitKind, SimError, SimErrorKind, WaitingTask};
pub use log::{Divergence, Event, EventKind, EventLog};
pub use net::{LinkSpec, Network};
pub use node::{AddNodeError, ExitStatus, KillMode, NodeHandle, NodeId, NodeSpec};
pub use sim::{Census, Sim, SimReport, run};
pub use tap::{ConnectionId, FaultEvent, FaultKind, PacketEvent, PacketKind, Tap};

/// Whether this build holds the madsim engine: it needs `--cfg madsim` for the whole graph, which the workspace's
/// `.cargo/config.toml` sets and a `RUSTFLAGS` environment variable takes away.
pub const MADSIM_AVAILABLE: bool = cfg!(madsim);
