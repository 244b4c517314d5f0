//! What a chain begins with, and the plans it follows.

use std::sync::Arc;

use tycho_types::models::{StateInit, StdAddr};

use super::faults::Faults;
use super::shards::ShardPolicy;
use crate::exec::config::DEFAULT_VERSION;
use crate::exec::{Config, ConfigError, FeeSchedule};

/// Time between two slots: 400 ms since April 2026.
pub const BLOCK_INTERVAL_NS: u64 = 400_000_000;
/// Time from a masterchain block to its finality: with the slot before it about one second.
pub const FINALITY_DELAY_NS: u64 = 600_000_000;
/// Balance of the giver unless told otherwise: five billion coins.
pub const GIVER_NANOTON: u128 = 5_000_000_000_000_000_000;
/// 2026-11-01T00:00:00Z.
pub const START_UNIX_S: u32 = 1_793_491_200;

/// Whose slots are missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// The masterchain.
    Masterchain,
    /// Every shard of workchain 0.
    Shards,
    /// Both.
    All,
}

/// Slots in which no block is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedSlots {
    /// The first such slot (slot 1 is the first after genesis).
    pub from_slot: u64,
    /// How many. A leader that is away misses a window of 4.
    pub slots: u64,
    /// Whose.
    pub producer: Producer,
}

impl MissedSlots {
    /// Whether `slot` is missed by the masterchain or by the shards.
    #[must_use]
    pub fn covers(&self, slot: u64, masterchain: bool) -> bool {
        let whose = match self.producer {
            Producer::All => true,
            Producer::Masterchain => masterchain,
            Producer::Shards => !masterchain,
        };
        whose && slot >= self.from_slot && slot - self.from_slot < self.slots
    }
}

/// Limits of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockLimits {
    /// Gas after which external and newly created messages wait.
    pub gas_soft: u64,
    /// Gas after which every message waits.
    pub gas_hard: u64,
    /// Logical time after which external and newly created messages wait.
    pub lt_soft: u64,
    /// Logical time after which every message waits.
    pub lt_hard: u64,
}

impl BlockLimits {
    /// Workchain 0 (configuration parameter 23).
    pub const BASE: Self = Self {
        gas_soft: 10_000_000,
        gas_hard: 20_000_000,
        lt_soft: 5_000,
        lt_hard: 10_000,
    };
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self::BASE
    }
}

/// A configuration and when it comes into force.
#[derive(Debug, Clone)]
pub struct ConfigChange {
    /// Virtual time from which it holds; the first block at or after it uses it.
    pub from_ns: u64,
    /// The configuration.
    pub config: Arc<Config>,
}

/// Limits of a block for a while: full blocks without filling them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Congestion {
    /// Virtual time from which the limits hold.
    pub from_ns: u64,
    /// Virtual time at which they end.
    pub to_ns: u64,
    /// The limits of a block left for the accounts of the scenario.
    pub limits: BlockLimits,
}

/// An account that exists from the beginning.
#[derive(Debug, Clone)]
pub struct GenesisAccount {
    /// Its address.
    pub address: StdAddr,
    /// Its balance in nano.
    pub balance_nanoton: u128,
    /// Code and data; none for an account without code.
    pub state: Option<StateInit>,
}

/// What the pool of external messages admits (notes, settlement §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Messages to one address within [`PoolLimits::window_ns`].
    pub per_address_in_window: u32,
    /// The window.
    pub window_ns: u64,
    /// Messages to one address that wait.
    pub per_address: u32,
    /// Messages that wait in all.
    pub total: u32,
    /// How long a message waits at most.
    pub expiry_ns: u64,
    /// How often an unaccepted message is tried.
    pub attempts: u32,
    /// How long it waits after its first try; twice that after the second, and so on.
    pub retry_ns: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            per_address_in_window: 30,
            window_ns: 10_000_000_000,
            per_address: 256,
            total: 1_024,
            expiry_ns: 600_000_000_000,
            attempts: 3,
            retry_ns: 5_000_000_000,
        }
    }
}

/// What a chain begins with, and the plans it follows. Everything that is to happen is data in here.
#[derive(Debug, Clone)]
pub struct Genesis {
    /// Unix time at virtual time 0.
    pub start_unix_s: u32,
    /// Root of the random numbers that contracts see.
    pub seed: [u8; 32],
    /// Time between two slots.
    pub block_interval_ns: u64,
    /// Time from a masterchain block to its finality.
    pub finality_delay_ns: u64,
    /// The configuration at the beginning.
    pub config: Arc<Config>,
    /// Later configurations in order of time: fee votes, congestion prices.
    pub config_changes: Vec<ConfigChange>,
    /// Limits of a block.
    pub limits: BlockLimits,
    /// Times at which the limits are others.
    pub congestion: Vec<Congestion>,
    /// Limits of the pool of external messages.
    pub pool: PoolLimits,
    /// Shards at the beginning and how they change.
    pub shards: ShardPolicy,
    /// Slots in which no block is made.
    pub missed_slots: Vec<MissedSlots>,
    /// What goes wrong.
    pub faults: Faults,
    /// Accounts that exist from the beginning.
    pub accounts: Vec<GenesisAccount>,
    /// Balance of the giver that the faucet draws on.
    pub giver_nanoton: u128,
    /// Whether transactions and blocks are kept for look-up (traces and the API need them).
    pub keep_history: bool,
    /// States of the last so many masterchain blocks that are kept for stale providers.
    pub kept_states: usize,
}

impl Genesis {
    /// A chain with the prices of today.
    pub fn new() -> Result<Self, ConfigError> {
        Self::with_fees(&FeeSchedule::new())
    }

    /// A chain with given prices.
    pub fn with_fees(fees: &FeeSchedule) -> Result<Self, ConfigError> {
        Ok(Self::with_config(Config::from_fees(
            fees,
            DEFAULT_VERSION,
            START_UNIX_S,
        )?))
    }

    /// A chain with a given configuration.
    #[must_use]
    pub fn with_config(config: Config) -> Self {
        Self {
            start_unix_s: START_UNIX_S,
            seed: [0; 32],
            block_interval_ns: BLOCK_INTERVAL_NS,
            finality_delay_ns: FINALITY_DELAY_NS,
            config: Arc::new(config),
            config_changes: Vec::new(),
            limits: BlockLimits::BASE,
            congestion: Vec::new(),
            pool: PoolLimits::default(),
            shards: ShardPolicy::default(),
            missed_slots: Vec::new(),
            faults: Faults::default(),
            accounts: Vec::new(),
            giver_nanoton: GIVER_NANOTON,
            keep_history: true,
            kept_states: 8,
        }
    }
}
