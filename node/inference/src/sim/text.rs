//! Words for synthetic answers. Their lengths differ as those of real tokens do: whoever sees only sizes on a wire has
//! the same to see.

use crate::counter::Counter;

/// Token lengths in letters, as often as they come. The mean is 3.75; a space before the word makes it 4.75 bytes.
const LENGTHS: [u8; 16] = [1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7];

const CONSONANTS: &[u8; 16] = b"bcdfghklmnprstvw";
const VOWELS: &[u8; 4] = b"aeio";

/// Appends the token at `index` of the text that `draws` stands for.
pub(super) fn word(draws: Counter, index: u64, out: &mut String) {
    let mut bits = draws.at(index);
    let mut take = |count: u32| {
        let low = (bits & ((1 << count) - 1)) as usize;
        bits >>= count;
        low
    };
    let length = LENGTHS[take(4)];
    if index > 0 {
        out.push(' ');
    }
    // At most 4 + 4 × 4 + 3 × 2 bits.
    for place in 0..length {
        let letter = if place % 2 == 0 {
            CONSONANTS[take(4)]
        } else {
            VOWELS[take(2)]
        };
        out.push(char::from(letter));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seed: u64, words: u64) -> String {
        let mut out = String::new();
        (0..words).for_each(|index| word(Counter::new(seed), index, &mut out));
        out
    }

    #[test]
    fn texts_are_printable_words_of_all_lengths() {
        let text = text(1, 2000);
        assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' '));
        let mut lengths: Vec<usize> = text.split(' ').map(str::len).collect();
        assert_eq!(lengths.len(), 2000);
        let mean = lengths.iter().sum::<usize>() as f64 / 2000.0;
        assert!((3.55..3.95).contains(&mean), "{mean}");
        lengths.sort_unstable();
        lengths.dedup();
        assert_eq!(lengths, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_text_follows_from_its_seed() {
        assert_eq!(text(1, 50), text(1, 50));
        assert_ne!(text(1, 50), text(2, 50));
        assert!(text(1, 50).starts_with(&text(1, 20)));
    }
}
