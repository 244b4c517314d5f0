//! One independent entropy stream for each label (design §4).

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

/// The root of all streams of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    seed: u64,
}

/// A stream of random numbers. What one stream gives says nothing about another, and no draw moves another stream.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Streams {
    /// Streams of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream of a label: `ChaCha8` with the key SHA-256(seed as 8 bytes LE ‖ label).
    #[must_use]
    pub fn stream(&self, label: &str) -> Stream {
        let key: [u8; 32] = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(label)
            .finalize()
            .into();
        Stream(ChaCha8Rng::from_seed(key))
    }
}

impl Stream {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 32 random bits.
    pub fn half_bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// An even draw below `bound` (zero if `bound` is zero). The bias is below 2^-64 times the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.bits()) * u128::from(bound);
        // The upper half of a product of two 64-bit numbers fits 64 bits.
        u64::try_from(product >> 64).unwrap_or(u64::MAX)
    }

    /// An even draw among the indices of a list of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// True for this share of draws, in hundredths of a per cent.
    pub fn happens(&mut self, share_bp: u32) -> bool {
        self.below(10_000) < u64::from(share_bp)
    }
}

#[cfg(test)]
mod tests {
    use super::Streams;

    #[test]
    fn streams_are_fixed_for_ever() {
        // From an implementation of ChaCha8 (RFC 8439 with eight rounds) and SHA-256 in another language. Changing these
        // numbers changes every plan and every recorded seed.
        let mut stream = Streams::new(7).stream("plan/workload/a/arrivals");
        assert_eq!(
            [stream.bits(), stream.bits()],
            [5979010510060587084, 13625159146307349432]
        );
    }

    #[test]
    fn labels_and_seeds_are_independent() {
        let first = |seed, label| Streams::new(seed).stream(label).bits();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
    }

    #[test]
    fn draws_stay_below_their_bound() {
        let mut stream = Streams::new(3).stream("bounds");
        assert!((0..10_000).all(|_| stream.below(7) < 7));
        assert_eq!(stream.below(0), 0);
        assert_eq!(stream.index(1), 0);
        assert!((0..1_000).all(|_| stream.happens(10_000)) && !(0..1_000).any(|_| stream.happens(0)));
    }
}
