//! A bounded map that forgets what was used least recently. Use is counted, not timed, so it behaves the same in every
//! run.

use std::{borrow::Borrow, collections::BTreeMap};

pub(crate) struct Lru<K, V> {
    capacity: usize,
    uses: u64,
    entries: BTreeMap<K, (V, u64)>,
    by_use: BTreeMap<u64, K>,
}

impl<K: Ord + Clone, V> Lru<K, V> {
    /// A capacity of zero keeps nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            uses: 0,
            entries: BTreeMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (value, used) = self.entries.get_mut(key)?;
        self.uses += 1;
        if let Some(key) = self.by_use.remove(used) {
            self.by_use.insert(self.uses, key);
        }
        *used = self.uses;
        Some(value)
    }

    /// Inserts or replaces; returns the entry that had to go for it.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        if self.capacity == 0 {
            return None;
        }
        self.remove(&key);
        let evicted = if self.entries.len() == self.capacity {
            self.by_use
                .pop_first()
                .and_then(|(_, oldest)| self.entries.remove(&oldest).map(|(value, _)| (oldest, value)))
        } else {
            None
        };
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        self.entries.insert(key, (value, self.uses));
        evicted
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (value, used) = self.entries.remove(key)?;
        self.by_use.remove(&used);
        Some(value)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        debug_assert_eq!(self.entries.len(), self.by_use.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut lru = Lru::new(2);
        assert_eq!(lru.insert(1, 'a'), None);
        assert_eq!(lru.insert(2, 'b'), None);
        assert_eq!(lru.get(&1), Some(&'a'));
        assert_eq!(lru.insert(3, 'c'), Some((2, 'b')));
        assert_eq!(lru.insert(1, 'z'), None, "a replacement evicts nobody");
        assert_eq!(lru.get(&1), Some(&'z'));
        assert_eq!(lru.get(&2), None);
        assert_eq!(lru.len(), 2);
    }

    #[test]
    fn without_capacity_nothing_stays() {
        let mut lru = Lru::new(0);
        lru.insert(1, 'a');
        assert_eq!(lru.get(&1), None);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_kept_in_order_of_use(
            capacity in 1usize..5,
            steps in proptest::collection::vec((0u8..3, 0u8..8), 0..200),
        ) {
            let mut lru = Lru::new(capacity);
            let mut model: Vec<(u8, usize)> = Vec::new();
            for (at, (step, key)) in steps.into_iter().enumerate() {
                let found = model.iter().position(|(k, _)| *k == key);
                match step {
                    0 => {
                        let expected = found.map(|index| model.remove(index));
                        model.extend(expected);
                        prop_assert_eq!(lru.get(&key).copied(), expected.map(|(_, value)| value));
                    }
                    1 => {
                        found.map(|index| model.remove(index));
                        let evicted = (model.len() == capacity).then(|| model.remove(0));
                        model.push((key, at));
                        prop_assert_eq!(lru.insert(key, at), evicted);
                    }
                    _ => {
                        let expected = found.map(|index| model.remove(index).1);
                        prop_assert_eq!(lru.remove(&key), expected);
                    }
                }
                prop_assert_eq!(lru.len(), model.len());
            }
        }
    }
}
