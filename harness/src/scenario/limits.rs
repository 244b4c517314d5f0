//! A limit on everything, so that no file can make a run that does not fit into memory or never ends.

use super::scalar::Duration;

/// Bytes of a scenario file.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// Depth of nesting of a scenario file.
pub const DEPTH_MAX: usize = 32;

/// Values of a scenario file, keys included.
pub const VALUES_MAX: usize = 250_000;

/// Parser events that all aliases of a file may expand to together.
pub const ALIAS_EVENTS_MAX: usize = 100_000;

/// Aliases within aliases.
pub const ALIAS_DEPTH_MAX: usize = 16;

/// Nodes of a world.
pub const NODES_MAX: usize = 20_000;

/// The longest delay of a link.
pub const LATENCY_MAX: Duration = Duration(3_600_000_000_000);

/// Users of a plan.
pub const USERS_MAX: u64 = 100_000;

/// Requests of a plan.
pub const REQUESTS_MAX: u64 = 1_000_000;

/// Bytes of all prompts of a plan.
pub const PROMPT_BYTES_MAX: u64 = 256 << 20;

/// Words of a generated prompt; longer draws are cut.
pub const WORDS_MAX: u64 = 8_192;

/// Bytes of a generated word with the space before it, at most.
pub const WORD_BYTES_MAX: u64 = 11;

/// Factor on the price of storage: a contract's debt then grows by coins a second.
pub const STORAGE_FACTOR_MAX: u32 = 1_000_000_000;

/// States of the chain that are kept for stale readers, the latest left out.
pub const STALE_BLOCKS_MAX: u32 = 7;

/// Gas of a block (configuration parameter 23).
pub const BLOCK_GAS_MAX: u64 = 10_000_000;

/// Tokens of an answer.
pub const TOKENS_MAX: u64 = 1_000_000;
