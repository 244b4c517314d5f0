//! Counter-based random numbers: a draw is a function of a key and an index, so draws can be made in any order, on any
//! machine, and adding one moves no other. Not for keys or nonces; those come from `Env::fill_entropy`.

/// A stream of independent draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter {
    key: u64,
}

/// 2^64 divided by the golden ratio, made odd: the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64: a bijection in which each input bit changes each output bit about half of the time.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Counter {
    pub(crate) fn new(seed: u64) -> Self {
        Self { key: mix(seed) }
    }

    /// A stream of its own for each label.
    pub(crate) fn stream(self, label: u64) -> Self {
        Self {
            key: mix(self.key ^ mix(label.wrapping_add(STEP))),
        }
    }

    /// A stream of its own for each text.
    pub(crate) fn text_stream(self, text: &[u8]) -> Self {
        let words = text.chunks(8).map(|bytes| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        });
        words.fold(self.stream(text.len() as u64), Self::stream)
    }

    /// The draw at `index`.
    pub(crate) fn at(self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_add(1).wrapping_mul(STEP)))
    }

    /// The draw at `index`, from `0..bound`; 0 if there is nothing to choose from. Multiply-shift: the bias is below
    /// `bound` / 2^64.
    pub(crate) fn below(self, index: u64, bound: u64) -> u64 {
        ((u128::from(self.at(index)) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_a_function_of_key_and_index() {
        let stream = Counter::new(7).stream(3);
        assert_eq!(stream.at(5), Counter::new(7).stream(3).at(5));
        for other in [
            stream.at(6),
            Counter::new(7).stream(4).at(5),
            Counter::new(8).stream(3).at(5),
        ] {
            assert_ne!(stream.at(5), other);
        }
    }

    #[test]
    fn texts_that_differ_only_in_trailing_zeros_have_streams_of_their_own() {
        let root = Counter::new(0);
        assert_ne!(root.text_stream(b"a"), root.text_stream(b"a\0"));
        assert_ne!(root.text_stream(b""), root.text_stream(b"\0\0\0\0\0\0\0\0"));
        assert_eq!(root.text_stream(b"same text"), root.text_stream(b"same text"));
    }

    #[test]
    fn bounded_draws_reach_each_value_about_equally_often() {
        let mut counts = [0_u32; 10];
        for index in 0..10_000 {
            counts[Counter::new(1).below(index, 10) as usize] += 1;
        }
        // Five standard deviations of a binomial(10,000, 0.1).
        assert!(counts.iter().all(|count| count.abs_diff(1000) < 150), "{counts:?}");
        assert_eq!(Counter::new(1).below(0, 0), 0);
        assert_eq!(Counter::new(1).below(9, 1), 0);
    }
}
