//! A queue of (time, bytes) pairs that is nearly always empty or holds one.

use std::collections::VecDeque;

/// Bytes that arrive, or become known, together. There is at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Segment {
    pub(super) at_ns: u64,
    pub(super) length: u32,
}

/// The first segment lies in place, so that a message under way needs no memory of its own.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Its length is 0 if the queue is empty.
    first: Segment,
    #[expect(
        clippy::box_collection,
        reason = "nearly all have none: 8 bytes instead of 32, four times a connection"
    )]
    rest: Option<Box<VecDeque<Segment>>>,
}

impl Segments {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.length == 0
    }

    #[inline]
    pub(super) fn front(&self) -> Option<Segment> {
        (self.first.length != 0).then_some(self.first)
    }

    pub(super) fn back_mut(&mut self) -> Option<&mut Segment> {
        if self.first.length == 0 {
            return None;
        }
        let Self { first, rest } = self;
        match rest.as_mut().and_then(|rest| rest.back_mut()) {
            Some(last) => Some(last),
            None => Some(first),
        }
    }

    #[inline]
    pub(super) fn push_back(&mut self, segment: Segment) {
        debug_assert!(segment.length > 0, "a segment holds something");
        if self.first.length == 0 {
            self.first = segment;
        } else {
            self.rest.get_or_insert_default().push_back(segment);
        }
    }

    #[inline]
    pub(super) fn pop_front(&mut self) {
        self.first = match &mut self.rest {
            None => Segment::default(),
            Some(rest) => rest.pop_front().unwrap_or_default(),
        };
    }

    /// Removes all and says how many bytes they were.
    pub(super) fn drain_length(&mut self) -> u32 {
        let mut sum = 0;
        while let Some(segment) = self.front() {
            sum += segment.length;
            self.pop_front();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_a_queue(steps in proptest::collection::vec((0_u32..3, 1_u32..9), 0..100)) {
            let mut segments = Segments::default();
            let mut model: VecDeque<Segment> = VecDeque::new();
            for (what, length) in steps {
                match what {
                    0 => { segments.pop_front(); model.pop_front(); }
                    1 if !model.is_empty() => {
                        segments.back_mut().unwrap().length += length;
                        model.back_mut().unwrap().length += length;
                    }
                    _ => {
                        let segment = Segment { at_ns: u64::from(length), length };
                        segments.push_back(segment);
                        model.push_back(segment);
                    }
                }
                prop_assert_eq!(segments.front(), model.front().copied());
                prop_assert_eq!(segments.back_mut().copied(), model.back().copied());
                prop_assert_eq!(segments.is_empty(), model.is_empty());
            }
            prop_assert_eq!(segments.drain_length(), model.iter().map(|segment| segment.length).sum::<u32>());
        }
    }
}
