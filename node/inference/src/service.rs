//! How long a machine takes: a service-time model in virtual time, and the machine's slots.

use std::num::NonZeroU32;

/// Service times of one machine for one model, in integer nanoseconds.
///
/// The first token of an answer is ready when the prompt is worked off; each further one a decode step later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceTime {
    /// Fixed part of working off a prompt.
    pub prefill_base_ns: u64,
    /// Part of it that grows with each prompt token that is not in the prefix cache.
    pub prefill_per_token_ns: u64,
    /// Fixed part of a decode step.
    pub decode_base_ns: u64,
    /// Part of it that grows with each sequence in the batch.
    pub decode_per_sequence_ns: u64,
}

impl ServiceTime {
    /// Time to work off a prompt of `tokens` tokens.
    pub fn prefill_ns(&self, tokens: u32) -> u64 {
        self.prefill_base_ns
            .saturating_add(self.prefill_per_token_ns.saturating_mul(tokens.into()))
    }

    /// Time of one decode step for `batch` sequences at once.
    pub fn decode_step_ns(&self, batch: u32) -> u64 {
        self.decode_base_ns
            .saturating_add(self.decode_per_sequence_ns.saturating_mul(batch.into()))
    }
}

/// A machine: its speed, and how many sequences it decodes at once. More of them wait in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Its speed.
    pub time: ServiceTime,
    /// Sequences that fit into a batch. A request with more choices than that takes the whole machine.
    pub max_batch: NonZeroU32,
}
