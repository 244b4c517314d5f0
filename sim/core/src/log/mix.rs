//! 64-bit mixing: fast enough to run over every byte that nodes exchange.
//!
//! Multiply-and-fold over 8-byte lanes. It tells different runs apart; it is no defence against somebody who looks for
//! collisions, and need not be.

const K: [u64; 5] = [
    0x9e37_79b9_7f4a_7c15,
    0xd6e8_feb8_6659_fd93,
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
];

/// The 128-bit product, folded.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Adds `value` to an order-sensitive state.
#[inline]
pub(crate) fn step(state: u64, value: u64) -> u64 {
    fold(state ^ K[0], value ^ K[1])
}

#[inline]
fn lane(bytes: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
    u64::from_le_bytes(word)
}

/// Digest of a byte string.
#[inline]
pub(crate) fn bytes(input: &[u8]) -> u64 {
    let (mut x, mut y) = (K[0], K[1]);
    let mut blocks = input.chunks_exact(32);
    for block in &mut blocks {
        x = fold(lane(block, 0) ^ K[2], lane(block, 1) ^ x);
        y = fold(lane(block, 2) ^ K[3], lane(block, 3) ^ y);
    }
    let rest = blocks.remainder();
    if !rest.is_empty() {
        let mut padded = [0; 32];
        padded[..rest.len()].copy_from_slice(rest);
        x = fold(lane(&padded, 0) ^ K[2], lane(&padded, 1) ^ x);
        y = fold(lane(&padded, 2) ^ K[3], lane(&padded, 3) ^ y);
    }
    fold(x ^ K[4], y ^ input.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_bit_and_the_length_count() {
        let mut seen = BTreeSet::new();
        for length in 0..100 {
            let mut input = vec![0_u8; length];
            assert!(seen.insert(bytes(&input)), "zeros of length {length}");
            for bit in 0..length * 8 {
                input[bit / 8] ^= 1 << (bit % 8);
                assert!(seen.insert(bytes(&input)), "length {length} bit {bit}");
                input[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn order_counts() {
        assert_ne!(step(step(0, 1), 2), step(step(0, 2), 1));
    }
}
