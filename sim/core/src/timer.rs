//! A timing wheel for nanoseconds: eleven levels of 64 slots, entries in intrusive lists over one slab.
//!
//! Inserting and cancelling are O(1) and a cancelled entry is freed at once, so time-outs that never fire cost nothing
//! after they are dropped. Taking the earliest jumps straight to it: the base of the wheel moves to the earliest time,
//! not to the start of its slot, so that an entry changes its level about once. Entries of one instant fire in the
//! order of their insertion.

const LEVELS: usize = 11;
const SLOTS: usize = 64;
/// The list of entries whose time has come.
const FIRING: u16 = (LEVELS * SLOTS) as u16;
const NONE: u32 = u32::MAX;

/// Names one entry over its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerKey {
    index: u32,
    generation: u32,
}

impl TimerKey {
    /// A key of no entry, ever.
    pub(crate) const NONE: Self = Self {
        index: NONE,
        generation: 0,
    };
}

struct Entry<E> {
    at_ns: u64,
    next: u32,
    previous: u32,
    generation: u32,
    list: u16,
    event: Option<E>,
}

#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

const EMPTY: List = List { head: NONE, tail: NONE };

pub(crate) struct Wheel<E> {
    base_ns: u64,
    occupied: [u64; LEVELS],
    lists: Vec<List>,
    entries: Vec<Entry<E>>,
    free: u32,
    live: usize,
    /// What [`Wheel::next_ns`] found, while it holds.
    next_ns: Option<u64>,
}

impl<E> Wheel<E> {
    pub(crate) fn new() -> Self {
        Self {
            base_ns: 0,
            occupied: [0; LEVELS],
            lists: vec![EMPTY; LEVELS * SLOTS + 1],
            entries: Vec::new(),
            free: NONE,
            live: 0,
            next_ns: None,
        }
    }

    /// Entries that wait or are about to fire.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Arms an entry; a time that is past fires with the next instant.
    pub(crate) fn insert(&mut self, at_ns: u64, event: E) -> TimerKey {
        let at_ns = at_ns.max(self.base_ns);
        self.live += 1;
        self.next_ns = self.next_ns.map(|next_ns| next_ns.min(at_ns));
        let index = if self.free == NONE {
            self.entries.push(Entry {
                at_ns,
                next: NONE,
                previous: NONE,
                generation: 0,
                list: FIRING,
                event: Some(event),
            });
            (self.entries.len() - 1) as u32
        } else {
            let index = self.free;
            let entry = &mut self.entries[index as usize];
            self.free = entry.next;
            entry.at_ns = at_ns;
            entry.event = Some(event);
            index
        };
        let list = self.list_of(at_ns);
        self.append(list, index);
        TimerKey {
            index,
            generation: self.entries[index as usize].generation,
        }
    }

    /// Disarms an entry; `None` if it fired or was cancelled before.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<E> {
        let entry = self.entries.get(key.index as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        if self.next_ns == Some(entry.at_ns) {
            self.next_ns = None;
        }
        self.unlink(key.index);
        self.release(key.index)
    }

    /// The event of an entry that has not fired.
    pub(crate) fn get_mut(&mut self, key: TimerKey) -> Option<&mut E> {
        let entry = self.entries.get_mut(key.index as usize)?;
        if entry.generation == key.generation {
            entry.event.as_mut()
        } else {
            None
        }
    }

    /// The earliest time at which something is due.
    pub(crate) fn next_ns(&mut self) -> Option<u64> {
        if self.lists[FIRING as usize].head != NONE {
            return Some(self.base_ns);
        }
        if self.next_ns.is_none() {
            let mut index = self.lists[self.first_list()?].head;
            let mut earliest = u64::MAX;
            while index != NONE {
                let entry = &self.entries[index as usize];
                earliest = earliest.min(entry.at_ns);
                index = entry.next;
            }
            self.next_ns = Some(earliest);
        }
        self.next_ns
    }

    /// Moves on to the earliest time and makes its entries ready for [`Wheel::pop_due`].
    pub(crate) fn advance(&mut self) -> Option<u64> {
        if self.lists[FIRING as usize].head != NONE {
            return Some(self.base_ns);
        }
        let list = self.first_list()?;
        let earliest = self.next_ns()?;
        self.next_ns = None;
        self.base_ns = earliest;
        let mut index = std::mem::replace(&mut self.lists[list], EMPTY).head;
        self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        while index != NONE {
            let entry = &self.entries[index as usize];
            let (at_ns, next) = (entry.at_ns, entry.next);
            let list = if at_ns == earliest { FIRING } else { self.list_of(at_ns) };
            self.append(list, index);
            index = next;
        }
        Some(earliest)
    }

    /// Takes the next entry of the instant that [`Wheel::advance`] moved to.
    pub(crate) fn pop_due(&mut self) -> Option<E> {
        let index = self.lists[FIRING as usize].head;
        if index == NONE {
            return None;
        }
        self.unlink(index);
        self.release(index)
    }

    /// Keys of all entries whose event `matches`, in slab order.
    pub(crate) fn keys_where(&self, mut matches: impl FnMut(&E) -> bool) -> Vec<TimerKey> {
        let mut keys = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.event.as_ref().is_some_and(&mut matches) {
                keys.push(TimerKey {
                    index: index as u32,
                    generation: entry.generation,
                });
            }
        }
        keys
    }

    /// The first list that is not empty: lower levels hold earlier times, and in a level so do lower slots.
    fn first_list(&self) -> Option<usize> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        Some(level * SLOTS + self.occupied[level].trailing_zeros() as usize)
    }

    fn list_of(&self, at_ns: u64) -> u16 {
        let differing = at_ns ^ self.base_ns;
        let level = (63 - (differing | 1).leading_zeros()) / 6;
        let slot = (at_ns >> (level * 6)) & 63;
        (level as u16) * SLOTS as u16 + slot as u16
    }

    fn append(&mut self, list: u16, index: u32) {
        let tail = self.lists[list as usize].tail;
        let entry = &mut self.entries[index as usize];
        entry.list = list;
        entry.previous = tail;
        entry.next = NONE;
        if tail == NONE {
            self.lists[list as usize].head = index;
            if list != FIRING {
                self.occupied[list as usize / SLOTS] |= 1 << (list as usize % SLOTS);
            }
        } else {
            self.entries[tail as usize].next = index;
        }
        self.lists[list as usize].tail = index;
    }

    fn unlink(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        let (list, previous, next) = (entry.list, entry.previous, entry.next);
        if previous == NONE {
            self.lists[list as usize].head = next;
        } else {
            self.entries[previous as usize].next = next;
        }
        if next == NONE {
            self.lists[list as usize].tail = previous;
        } else {
            self.entries[next as usize].previous = previous;
        }
        if list != FIRING && self.lists[list as usize].head == NONE {
            self.occupied[list as usize / SLOTS] &= !(1 << (list as usize % SLOTS));
        }
    }

    fn release(&mut self, index: u32) -> Option<E> {
        self.live -= 1;
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        entry.event.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64),
        Cancel(usize),
        Advance,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => prop_oneof![0_u64..4, 0_u64..200, 0_u64..1 << 20, any::<u64>()].prop_map(Step::Insert),
            1 => any::<usize>().prop_map(Step::Cancel),
            2 => Just(Step::Advance),
        ]
    }

    proptest! {
        /// The model is a sorted list of (time, order of insertion).
        #[test]
        fn fires_like_a_sorted_list(steps in proptest::collection::vec(step(), 0..200)) {
            let mut wheel = Wheel::new();
            let mut model: Vec<(u64, u64, TimerKey)> = Vec::new();
            let (mut now, mut order) = (0_u64, 0);
            for step in steps {
                match step {
                    Step::Insert(ahead) => {
                        let at = now.saturating_add(ahead);
                        let key = wheel.insert(at, order);
                        model.push((at, order, key));
                        model.sort_by_key(|entry| (entry.0, entry.1));
                        order += 1;
                    }
                    Step::Cancel(which) if !model.is_empty() => {
                        let (_, order, key) = model.remove(which % model.len());
                        prop_assert_eq!(wheel.cancel(key), Some(order));
                        prop_assert_eq!(wheel.cancel(key), None);
                    }
                    Step::Cancel(_) => {}
                    Step::Advance => {
                        let wanted = model.first().map(|entry| entry.0);
                        prop_assert_eq!(wheel.next_ns(), wanted);
                        prop_assert_eq!(wheel.advance(), wanted);
                        now = wanted.unwrap_or(now);
                        while let Some(event) = wheel.pop_due() {
                            let (at, order, _) = model.remove(0);
                            prop_assert_eq!((at, order), (now, event));
                        }
                        prop_assert!(model.first().is_none_or(|entry| entry.0 > now));
                    }
                }
                prop_assert_eq!(wheel.len(), model.len());
            }
        }
    }

    #[test]
    fn cancelled_entries_are_used_again() {
        let mut wheel = Wheel::new();
        for round in 0..1_000_u64 {
            let key = wheel.insert(1 << 40, round);
            assert_eq!(wheel.cancel(key), Some(round));
        }
        assert_eq!(wheel.entries.len(), 1);
    }
}
