//! One file: what is seen, and what might survive.

use crate::entropy::EntropyKey;
use std::collections::BTreeMap;

/// What a disk writes in one piece.
pub(super) const SECTOR_BYTES: usize = 512;
/// Older versions of a sector that are remembered besides the synchronised one.
const VERSIONS_MAX: usize = 4;

type Sector = [u8; SECTOR_BYTES];

#[derive(Debug, Clone, Default)]
pub(super) struct FileData {
    /// Identity in decisions: digest of the path it was created under.
    origin: u64,
    bytes: Vec<u8>,
    /// Length as of the last `sync`.
    durable_length: usize,
    /// Sectors written since the last `sync`: what they held then, and what they held in between.
    dirty: BTreeMap<u64, Vec<Sector>>,
    pub(super) open_handles: u32,
}

impl FileData {
    pub(super) fn new(origin: u64) -> Self {
        Self {
            origin,
            ..Self::default()
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> bool {
        let Ok(start) = usize::try_from(offset) else {
            return buffer.is_empty();
        };
        let Some(found) = start
            .checked_add(buffer.len())
            .and_then(|end| self.bytes.get(start..end))
        else {
            return false;
        };
        buffer.copy_from_slice(found);
        true
    }

    /// Writes; the caller has checked that the end fits into memory.
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if bytes.is_empty() {
            return;
        }
        if end > self.bytes.len() {
            self.set_length(end);
        }
        self.remember(offset, end);
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    pub(super) fn set_length(&mut self, length: usize) {
        // What a file gains is zero before and after: only what it loses has an earlier version.
        if length < self.bytes.len() {
            self.remember(length, self.bytes.len());
        }
        self.bytes.resize(length, 0);
    }

    pub(super) fn sync(&mut self) {
        self.dirty.clear();
        self.durable_length = self.bytes.len();
    }

    /// Keeps the present content of the sectors in a range that is about to change.
    fn remember(&mut self, start: usize, end: usize) {
        if start >= end {
            return;
        }
        for sector in start / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            let content = self.sector(sector);
            let versions = self.dirty.entry(sector as u64).or_default();
            if versions.len() == VERSIONS_MAX {
                // The synchronised version, the first, is never forgotten.
                versions.remove(1);
            }
            versions.push(content);
        }
    }

    fn sector(&self, sector: usize) -> Sector {
        let mut content = [0; SECTOR_BYTES];
        let start = (sector * SECTOR_BYTES).min(self.bytes.len());
        let end = (start + SECTOR_BYTES).min(self.bytes.len());
        content[..end - start].copy_from_slice(&self.bytes[start..end]);
        content
    }

    /// Each dirty sector keeps one of its versions, the length its old or its new value.
    pub(super) fn power_loss(&mut self, key: &EntropyKey, epoch: u64) {
        const LENGTH: u64 = u64::MAX;
        let length =
            if self.durable_length == self.bytes.len() || key.draw(&[self.origin, LENGTH, epoch]).is_multiple_of(2) {
                self.bytes.len()
            } else {
                self.durable_length
            };
        let longest = self.bytes.len().max(length);
        self.bytes.resize(longest, 0);
        for (sector, versions) in std::mem::take(&mut self.dirty) {
            let choice = key.draw(&[self.origin, sector, epoch]) % (versions.len() as u64 + 1);
            // The last choice is what the process saw last.
            if let Some(survivor) = versions.get(choice as usize) {
                let start = (sector as usize * SECTOR_BYTES).min(longest);
                let end = (start + SECTOR_BYTES).min(longest);
                self.bytes[start..end].copy_from_slice(&survivor[..end - start]);
            }
        }
        self.bytes.truncate(length);
        self.durable_length = length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(seed: u64) -> EntropyKey {
        EntropyKey::new(seed, "disk/test")
    }

    #[test]
    fn synchronised_bytes_survive_and_others_may_not() {
        let mut outcomes = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut file = FileData::new(1);
            file.write(&[1; 1024], 0);
            file.sync();
            file.write(&[2; 1024], 0);
            file.write(&[3; 512], 512);
            file.power_loss(&key(seed), 1);
            assert_eq!(file.length(), 1024);
            for sector in file.bytes.chunks(SECTOR_BYTES) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is not torn");
            }
            outcomes.insert((file.bytes[0], file.bytes[512]));
        }
        let all: std::collections::BTreeSet<_> = [1, 2]
            .into_iter()
            .flat_map(|first| [1, 2, 3].map(|second| (first, second)))
            .collect();
        assert_eq!(outcomes, all, "every combination of versions occurs");
    }

    #[test]
    fn a_length_may_be_lost_with_its_data() {
        let lengths: std::collections::BTreeSet<u64> = (0..50)
            .map(|seed| {
                let mut file = FileData::new(1);
                file.write(&[1; 100], 0);
                file.sync();
                file.write(&[2; 1000], 100);
                file.power_loss(&key(seed), 1);
                file.length()
            })
            .collect();
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [100, 1100]);
    }

    proptest! {
        #[test]
        fn behaves_like_a_vector_and_keeps_what_was_synchronised(
            writes in proptest::collection::vec((any::<u8>(), 0_usize..3_000, 0_usize..1_500, 0_u8..6), 0..20),
        ) {
            let mut file = FileData::new(9);
            let mut model = Vec::new();
            let mut synchronised = Vec::new();
            for (byte, offset, length, what) in writes {
                match what {
                    0 => { file.set_length(offset); model.resize(offset, 0); }
                    1 => { file.sync(); synchronised.clone_from(&model); }
                    _ => {
                        file.write(&vec![byte; length], offset);
                        if length > 0 && model.len() < offset + length { model.resize(offset + length, 0); }
                        if length > 0 { model[offset..offset + length].fill(byte); }
                    }
                }
                prop_assert_eq!(&file.bytes, &model);
            }
            file.sync();
            file.power_loss(&key(1), 1);
            prop_assert_eq!(&file.bytes, &model);
        }
    }
}
