//! What the tests of fuzz targets share: mutations of the seed corpus, and bags of cells that no builder makes.
//! The tests of the simulated chain use this file as well.

use std::{fs, path::Path};

/// Whether input is accepted.
type Check = fn(&[u8]) -> bool;

/// xorshift64: the same mutations everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn mutated(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..1 + self.below(3) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes.truncate(at),
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0xff][self.below(4)],
                _ => {
                    let copy = bytes[at..].to_vec();
                    bytes.extend(copy.into_iter().take(self.below(64)));
                }
            }
        }
        bytes
    }
}

/// Every seed is in `corpus` as this version makes it, is accepted, and `mutations` of it do no harm and are not all
/// accepted. `UPDATE_GOLDEN=1` writes the corpus anew.
pub(crate) fn assert_seeds(
    corpus: &Path,
    checks: &[(&str, Check)],
    seeds: impl Fn(&str) -> Vec<(&'static str, Vec<u8>)>,
    mutations: usize,
) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (target, check) in checks {
        let folder = corpus.join(target);
        for (name, seed) in seeds(target) {
            let path = folder.join(name);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, &seed).unwrap();
            }
            assert_eq!(
                fs::read(&path).ok().as_ref(),
                Some(&seed),
                "{} is not current",
                path.display()
            );
            assert!(check(&seed), "{target}: {name} is refused");
            let refused = (0..mutations).filter(|_| !check(&random.mutated(&seed))).count();
            assert!(refused > 0, "{target}: {name}, whatever is done to it");
        }
    }
}

/// A chain of cells, written by hand: a builder would not make it so deep.
pub(crate) fn deep(cells: usize) -> Vec<u8> {
    let mut bag = vec![0xb5, 0xee, 0x9c, 0x72, 3, 4];
    let number = |number: usize, bytes: usize| number.to_be_bytes()[8 - bytes..].to_vec();
    let body = cells * 5 - 3;
    for part in [
        number(cells, 3),
        number(1, 3),
        number(0, 3),
        number(body, 4),
        number(0, 3),
    ] {
        bag.extend(part);
    }
    for index in 0..cells {
        let is_last = index + 1 == cells;
        bag.extend([u8::from(!is_last), 0]);
        if !is_last {
            bag.extend(number(index + 1, 3));
        }
    }
    bag
}
