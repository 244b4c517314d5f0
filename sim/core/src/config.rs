//! What a run may be told before it starts.

/// Which executor drives the world. Network, disk, clocks and faults are the same code on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineKind {
    /// Our own executor: fastest, needs no build flag.
    Native,
    /// madsim's executor, clock and libc interposition; see [`crate::MADSIM_AVAILABLE`].
    Madsim,
}

/// Where TLS randomness comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CryptoMode {
    /// Each node's labelled entropy: runs replay bit for bit.
    #[default]
    Deterministic,
    /// The stock provider, which draws from the operating system: the negative control of every determinism check.
    StockRing,
}

/// How much of the event log a run keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recording {
    /// Only the digest.
    #[default]
    Off,
    /// Every event, for comparing two runs.
    Full,
}

/// What a panic in a node means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PanicPolicy {
    /// The run fails: node code must not panic.
    #[default]
    FailRun,
    /// The node's process dies as if killed; the run goes on.
    CrashNode,
}

/// Bounds that end a run which would not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Logged events.
    pub events: u64,
    /// True time, nanoseconds since the start of the world.
    pub virtual_ns: u64,
    /// Task polls without any progress of time: beyond it the run is a live-lock.
    pub polls_at_one_instant: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events: u64::MAX,
            virtual_ns: 100 * 365 * 86_400 * 1_000_000_000,
            polls_at_one_instant: 10_000_000,
        }
    }
}

/// Constants of the simulated TCP. The defaults are Linux's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportConfig {
    /// First wait for an answer to a SYN; it doubles with each retry (`TCP_TIMEOUT_INIT`).
    pub syn_timeout_ns: u64,
    /// SYN retries before `connect` gives up (`tcp_syn_retries`): 6 make 127 s in all.
    pub syn_retries: u32,
    /// SYN-ACK retries before the server forgets a half-open connection (`tcp_synack_retries`).
    pub syn_ack_retries: u32,
    /// Smallest retransmission time-out, added to the round trip of the link (`TCP_RTO_MIN`).
    pub retransmit_min_ns: u64,
    /// Largest retransmission time-out (`TCP_RTO_MAX`).
    pub retransmit_max_ns: u64,
    /// How long unanswered data is retransmitted before the socket fails with `TimedOut` (`tcp_retries2` = 15: 924.6 s).
    pub retransmit_total_ns: u64,
    /// Connections that wait for `accept` per listener; further SYNs are dropped (tokio listens with 1024).
    pub backlog: usize,
    /// Whether Ethernet-like acknowledgement timing limits a writer: window space that a reader frees is known to the
    /// writer one return latency later.
    pub window_updates_travel: bool,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            syn_timeout_ns: 1_000_000_000,
            syn_retries: 6,
            syn_ack_retries: 5,
            retransmit_min_ns: 200_000_000,
            retransmit_max_ns: 120_000_000_000,
            retransmit_total_ns: 924_600_000_000,
            backlog: 1024,
            window_updates_travel: true,
        }
    }
}

/// Everything that decides a run, except the controller's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimConfig {
    /// Root of all entropy.
    pub seed: u64,
    /// Wall clock at the start of the world, seconds since the Unix epoch.
    pub start_unix_s: u64,
    /// Where TLS randomness comes from.
    pub crypto: CryptoMode,
    /// How much of the event log is kept.
    pub recording: Recording,
    /// What a panic in a node means.
    pub panics: PanicPolicy,
    /// Bounds of the run.
    pub limits: Limits,
    /// Constants of the simulated TCP.
    pub transport: TransportConfig,
}

impl SimConfig {
    /// Defaults with `seed`; the world starts on 2026-11-01 00:00 UTC.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            start_unix_s: 1_793_491_200,
            crypto: CryptoMode::default(),
            recording: Recording::default(),
            panics: PanicPolicy::default(),
            limits: Limits::default(),
            transport: TransportConfig::default(),
        }
    }
}
