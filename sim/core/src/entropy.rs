//! One root seed, labelled streams.
//!
//! A stream is ChaCha8 keyed with SHA-256(domain ‖ seed ‖ label). Streams never share state, so a node or a fault that
//! is taken out of a scenario does not shift what the others draw: that is what makes shrinking work.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

const DOMAIN: &[u8] = b"chrysalis entropy v1";

fn key(seed: u64, label: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(seed.to_le_bytes())
        .chain_update(label.as_bytes())
        .finalize()
        .into()
}

/// A labelled stream of entropy.
#[derive(Clone)]
pub struct EntropyStream(ChaCha8Rng);

impl std::fmt::Debug for EntropyStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EntropyStream")
    }
}

impl EntropyStream {
    /// The stream `label` of the root seed.
    pub fn new(seed: u64, label: &str) -> Self {
        Self(ChaCha8Rng::from_seed(key(seed, label)))
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// An even draw from `0..bound`; 0 for an empty range. Its bias is below 2^-64 × `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// An even draw from `low..=high`; `low` when the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let width = u128::from(high.saturating_sub(low)) + 1;
        low + ((u128::from(self.next_u64()) * width) >> 64) as u64
    }

    /// True with a probability of `parts_per_million`. Certain outcomes draw nothing.
    pub fn chance_ppm(&mut self, parts_per_million: u32) -> bool {
        match parts_per_million {
            0 => false,
            1_000_000.. => true,
            ppm => (u64::from(self.next_u32()) * 1_000_000) >> 32 < u64::from(ppm),
        }
    }

    /// An even pick from `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len() as u64) as usize)
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

/// Decisions that depend on what they are about and not on the order in which they are taken.
#[derive(Clone)]
pub(crate) struct EntropyKey([u8; 32]);

impl EntropyKey {
    pub(crate) fn new(seed: u64, label: &str) -> Self {
        Self(key(seed, label))
    }

    /// 64 bits that belong to `parts`.
    pub(crate) fn draw(&self, parts: &[u64]) -> u64 {
        let mut hash = Sha256::new().chain_update(self.0);
        for part in parts {
            hash.update(part.to_le_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        u64::from_le_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_follow_seed_and_label_only() {
        let draw = |seed, label| EntropyStream::new(seed, label).next_u64();
        assert_eq!(draw(1, "node/a"), draw(1, "node/a"));
        assert_ne!(draw(1, "node/a"), draw(1, "node/b"));
        assert_ne!(draw(1, "node/a"), draw(2, "node/a"));
    }

    #[test]
    fn draws_stay_in_range_and_reach_both_ends() {
        let mut stream = EntropyStream::new(7, "range");
        let draws: Vec<u64> = (0..1000).map(|_| stream.between(3, 6)).collect();
        assert!(draws.iter().all(|draw| (3..=6).contains(draw)));
        assert!(draws.contains(&3) && draws.contains(&6));
        assert_eq!(stream.below(0), 0);
        assert_eq!(stream.between(9, 2), 9);
        let mut whole = stream.clone();
        assert_eq!(stream.between(0, u64::MAX), whole.next_u64());
    }

    #[test]
    fn chance_is_near_its_probability() {
        let mut stream = EntropyStream::new(7, "chance");
        let hits = (0..100_000).filter(|_| stream.chance_ppm(100_000)).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
        assert!(!stream.chance_ppm(0) && stream.chance_ppm(1_000_000));
    }

    #[test]
    fn keyed_draws_do_not_depend_on_order() {
        let key = EntropyKey::new(1, "disk");
        assert_eq!(key.draw(&[1, 2]), key.draw(&[1, 2]));
        assert_ne!(key.draw(&[1, 2]), key.draw(&[2, 1]));
    }
}
