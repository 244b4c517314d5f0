//! A model of a prefix cache: which blocks at the start of a prompt a machine still has from earlier ones.

use crate::counter::Counter;
use std::collections::BTreeMap;

/// Tokens of a block.
pub(super) const BLOCK_TOKENS: usize = 16;

/// Blocks by their content and all that comes before it; the least recently used one makes room.
#[derive(Debug)]
pub(super) struct PrefixCache {
    capacity_blocks: usize,
    /// When each block was used last.
    last_use: BTreeMap<u64, u64>,
    by_use: BTreeMap<u64, u64>,
    uses: u64,
}

impl PrefixCache {
    pub(super) fn new(capacity_blocks: usize) -> Self {
        Self {
            capacity_blocks,
            last_use: BTreeMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    /// Takes in a prompt's full blocks. Returns how many of its tokens were there already.
    pub(super) fn take_in<'a>(&mut self, blocks: impl Iterator<Item = &'a [u8]>) -> u64 {
        if self.capacity_blocks == 0 {
            return 0;
        }
        let mut prefix = Counter::new(0);
        let mut hits = 0;
        let mut unbroken = true;
        for block in blocks {
            prefix = prefix.text_stream(block);
            let known = self.touch(prefix.at(0));
            unbroken &= known;
            hits += u64::from(unbroken);
        }
        hits * BLOCK_TOKENS as u64
    }

    /// Marks a block as used just now. True if it was there.
    fn touch(&mut self, block: u64) -> bool {
        let known = match self.last_use.get(&block) {
            Some(used) => self.by_use.remove(used).is_some(),
            None => false,
        };
        if !known
            && self.last_use.len() == self.capacity_blocks
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.last_use.remove(&oldest);
        }
        self.uses += 1;
        self.last_use.insert(block, self.uses);
        self.by_use.insert(self.uses, block);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_in(cache: &mut PrefixCache, prompt: &str) -> u64 {
        cache.take_in(prompt.as_bytes().chunks_exact(2))
    }

    #[test]
    fn only_an_unbroken_prefix_counts() {
        let mut cache = PrefixCache::new(100);
        assert_eq!(take_in(&mut cache, "aabbcc"), 0);
        assert_eq!(take_in(&mut cache, "aabbcc"), 48);
        assert_eq!(take_in(&mut cache, "aabbxxcc"), 32);
        // The same blocks after another beginning are other blocks.
        assert_eq!(take_in(&mut cache, "xxbbcc"), 0);
        // Half a block is none.
        assert_eq!(take_in(&mut cache, "aab"), 16);
    }

    #[test]
    fn the_least_recently_used_block_makes_room() {
        let mut cache = PrefixCache::new(2);
        take_in(&mut cache, "aa");
        take_in(&mut cache, "bb");
        assert_eq!(take_in(&mut cache, "aa"), 16);
        take_in(&mut cache, "cc");
        assert_eq!(take_in(&mut cache, "aa"), 16);
        assert_eq!(take_in(&mut cache, "bb"), 0);
        assert!(cache.last_use.len() == 2 && cache.by_use.len() == 2);
    }

    #[test]
    fn without_capacity_nothing_is_kept() {
        let mut cache = PrefixCache::new(0);
        take_in(&mut cache, "aa");
        assert_eq!(take_in(&mut cache, "aa"), 0);
        assert!(cache.last_use.is_empty());
    }
}
