//! A byte queue that grows and keeps its memory, so that a steady stream of messages allocates nothing.

/// Smallest allocation.
const CAPACITY_MIN: usize = 128;
/// An empty queue gives more memory than this back.
const CAPACITY_KEPT_MAX: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Its length is zero or a power of two.
    storage: Box<[u8]>,
    head: u32,
    length: u32,
}

impl Ring {
    /// Appends `bytes`. The caller keeps the queue below 4 GiB.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (head, length) = (self.head as usize, self.length as usize);
        if length + bytes.len() > self.storage.len() {
            self.grow(length + bytes.len());
            return self.push(bytes);
        }
        if bytes.is_empty() {
            return;
        }
        let tail = (head + length) & (self.storage.len() - 1);
        let first = bytes.len().min(self.storage.len() - tail);
        self.storage[tail..tail + first].copy_from_slice(&bytes[..first]);
        if first < bytes.len() {
            self.storage[..bytes.len() - first].copy_from_slice(&bytes[first..]);
        }
        self.length += bytes.len() as u32;
    }

    /// Removes the first `count` bytes and hands them to `sink` in at most two slices.
    #[inline]
    pub(super) fn pop(&mut self, count: usize, mut sink: impl FnMut(&[u8])) {
        let head = self.head as usize;
        let count = count.min(self.length as usize);
        if count == 0 {
            return;
        }
        let first = count.min(self.storage.len() - head);
        sink(&self.storage[head..head + first]);
        if first < count {
            sink(&self.storage[..count - first]);
        }
        self.length -= count as u32;
        if self.length == 0 {
            // A queue that runs empty starts over: small messages stay in one cache line.
            self.head = 0;
            if self.storage.len() > CAPACITY_KEPT_MAX {
                self.storage = Box::default();
            }
        } else {
            self.head = ((head + count) & (self.storage.len() - 1)) as u32;
        }
    }

    /// Removes the last `count` bytes.
    pub(super) fn truncate_by(&mut self, count: usize) {
        self.length -= (count as u32).min(self.length);
    }

    /// A copy of the last `count` bytes.
    pub(super) fn last(&self, count: usize) -> Vec<u8> {
        let count = count.min(self.length as usize);
        let start = self.head as usize + self.length as usize - count;
        (start..start + count)
            .map(|index| self.storage[index & (self.storage.len() - 1)])
            .collect()
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let (head, length) = (self.head as usize, self.length as usize);
        let mut storage = vec![0; needed.next_power_of_two().max(CAPACITY_MIN)].into_boxed_slice();
        let first = length.min(self.storage.len() - head);
        storage[..first].copy_from_slice(&self.storage[head..head + first]);
        storage[first..length].copy_from_slice(&self.storage[..length - first]);
        self.storage = storage;
        self.head = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn is_a_queue(steps in proptest::collection::vec((0_usize..300, 0_usize..300, 0_usize..9), 0..60)) {
            let mut ring = Ring::default();
            let mut model = VecDeque::new();
            let mut next = 0_u8;
            for (push, pop, cut) in steps {
                let bytes: Vec<u8> = (0..push).map(|_| { next = next.wrapping_add(1); next }).collect();
                ring.push(&bytes);
                model.extend(&bytes);
                let wanted: Vec<u8> = model.iter().copied().skip(model.len() - cut.min(model.len())).collect();
                prop_assert_eq!(ring.last(cut), wanted);
                let mut taken = Vec::new();
                ring.pop(pop, |part| taken.extend_from_slice(part));
                let wanted: Vec<u8> = model.drain(..pop.min(model.len())).collect();
                prop_assert_eq!(taken, wanted);
                ring.truncate_by(cut);
                model.truncate(model.len() - cut.min(model.len()));
                prop_assert_eq!(ring.length as usize, model.len());
            }
        }
    }

    #[test]
    fn a_large_burst_is_given_back() {
        let mut ring = Ring::default();
        ring.push(&vec![1; 1 << 20]);
        ring.pop(1 << 20, |_| {});
        assert_eq!(ring.storage.len(), 0);
        ring.push(&[1; 100]);
        ring.pop(100, |_| {});
        assert_eq!(ring.storage.len(), CAPACITY_MIN);
    }
}
