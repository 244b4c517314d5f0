//! Static scan of code for instructions that do not behave here as on the network.
//!
//! The families were found by an exhaustive probe of the opcode space in both engines (notes, settlement §2.1). The
//! scan decodes instructions in order and follows continuations, references and method dictionaries; code that is only
//! data to its code (a contract that deploys another) is not followed, scan that code by itself. A cell whose bits are
//! no instruction ends the walk there and is counted.

use std::collections::{BTreeMap, BTreeSet};

use tycho_types::cell::{Cell, CellSlice, HashBytes};
use tycho_types::dict::RawDict;

/// Cells walked at most; more is reported as not decoded.
const MAX_CELLS: usize = 1 << 14;
/// Nesting of continuations and references.
const MAX_DEPTH: usize = 1_024;

/// A family of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `ECRECOVER`, `SECP256K1_XONLY_PUBKEY_TWEAK_ADD`.
    Secp256k1,
    /// `P256_CHKSIGNU`, `P256_CHKSIGNS`.
    P256,
    /// `RIST255_*`.
    Ristretto255,
    /// `BLS_*`.
    Bls,
    /// `PREVMCBLOCKS_100`.
    PrevMcBlocks100,
    /// `PFXDICT*`.
    PrefixDictionary,
    /// `SUBDICT*`.
    SubDictionary,
    /// `IFBITJMPREF`, `IFNBITJMPREF`.
    IfBitJmpRef,
    /// `SIGNDOMAIN*` of the Tycho network: no such instruction on TON.
    SignDomain,
}

impl Family {
    /// Instructions of the family as documentation names them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secp256k1 => "ECRECOVER, SECP256K1_*",
            Self::P256 => "P256_CHKSIGN*",
            Self::Ristretto255 => "RIST255_*",
            Self::Bls => "BLS_*",
            Self::PrevMcBlocks100 => "PREVMCBLOCKS_100",
            Self::PrefixDictionary => "PFXDICT*",
            Self::SubDictionary => "SUBDICT*",
            Self::IfBitJmpRef => "IF(N)BITJMPREF",
            Self::SignDomain => "SIGNDOMAIN*",
        }
    }

    /// Whether code with it must be refused: it would run here and fail on TON.
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        matches!(self, Self::SignDomain)
    }
}

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpcodeScan {
    /// Occurrences by family.
    pub found: BTreeMap<Family, u32>,
    /// Instructions decoded.
    pub instructions: u32,
    /// Slices whose end was not reached: not an instruction, or too much code.
    pub undecoded: u32,
}

impl OpcodeScan {
    /// Families of TON that fail here: the code may still run if it never reaches them.
    pub fn unsupported(&self) -> impl Iterator<Item = Family> + '_ {
        self.found.keys().copied().filter(|family| !family.is_foreign())
    }

    /// Families that exist here but not on TON: the code must be refused.
    pub fn foreign(&self) -> impl Iterator<Item = Family> + '_ {
        self.found.keys().copied().filter(|family| family.is_foreign())
    }
}

/// Scans `code`.
#[must_use]
pub fn scan(code: &Cell) -> OpcodeScan {
    let mut scanner = Scanner {
        result: OpcodeScan::default(),
        seen: BTreeSet::new(),
    };
    scanner.cell(code, 0);
    scanner.result
}

struct Scanner {
    result: OpcodeScan,
    seen: BTreeSet<HashBytes>,
}

/// What follows the fixed part of an instruction.
enum Tail {
    /// Nothing.
    None,
    /// So many bits of data and references to data.
    Data(u16, u8),
    /// So many bits and references of code in place.
    InlineCode(u16, u8),
    /// So many references to code.
    CodeRefs(u8),
    /// A dictionary of methods with keys of so many bits.
    Methods(u16),
}

impl Scanner {
    fn cell(&mut self, cell: &Cell, depth: usize) {
        if depth > MAX_DEPTH || self.seen.len() >= MAX_CELLS {
            self.result.undecoded += 1;
        } else if self.seen.insert(*cell.repr_hash()) {
            if cell.is_exotic() {
                // A library reference: its code is elsewhere.
                self.result.undecoded += 1;
            } else {
                self.slice(cell.as_slice_allow_exotic(), depth);
            }
        }
    }

    fn slice(&mut self, mut slice: CellSlice<'_>, depth: usize) {
        if depth > MAX_DEPTH {
            self.result.undecoded += 1;
            return;
        }
        while !slice.is_data_empty() {
            let Some((bits, tail)) = decode(&slice) else {
                self.result.undecoded += 1;
                return;
            };
            self.result.instructions += 1;
            if let Some(family) = family(&slice) {
                *self.result.found.entry(family).or_default() += 1;
            }
            if slice.skip_first(bits, 0).is_err() || self.tail(&mut slice, &tail, depth).is_none() {
                self.result.undecoded += 1;
                return;
            }
        }
        // What is left goes on in the first reference.
        if let Ok(next) = slice.load_reference_cloned() {
            self.cell(&next, depth + 1);
        }
    }

    fn tail(&mut self, slice: &mut CellSlice<'_>, tail: &Tail, depth: usize) -> Option<()> {
        match *tail {
            Tail::None => {}
            Tail::Data(bits, refs) => slice.skip_first(bits, refs).ok()?,
            Tail::InlineCode(bits, refs) => {
                let inner = slice.load_prefix(bits, refs).ok()?;
                self.slice(inner, depth + 1);
            }
            Tail::CodeRefs(refs) => {
                for _ in 0..refs {
                    let next = slice.load_reference_cloned().ok()?;
                    self.cell(&next, depth + 1);
                }
            }
            Tail::Methods(key_bits) => {
                let root = slice.load_reference_cloned().ok()?;
                self.methods(root, key_bits, depth);
            }
        }
        Some(())
    }

    /// Keys are 19 bits in what compilers make; other lengths are rare enough to be reported as not decoded.
    fn methods(&mut self, root: Cell, key_bits: u16, depth: usize) {
        if key_bits != 19 {
            self.result.undecoded += 1;
            return;
        }
        for method in RawDict::<19>::from(Some(root)).values() {
            match method {
                Ok(code) => self.slice(code, depth + 1),
                Err(_) => {
                    self.result.undecoded += 1;
                    return;
                }
            }
        }
    }
}

/// The first 24 bits, zeros after the end.
fn head(slice: &CellSlice<'_>) -> u32 {
    let bits = slice.size_bits().min(24);
    slice
        .get_uint(0, bits)
        .map_or(0, |value| u32::try_from(value << (24 - bits)).unwrap_or(0))
}

fn family(slice: &CellSlice<'_>) -> Option<Family> {
    let head = head(slice);
    Some(match head >> 8 {
        0xf912 | 0xf913 => Family::Secp256k1,
        0xf914 | 0xf915 => Family::P256,
        0xf918 => Family::SignDomain,
        0xf920..=0xf92f => Family::Ristretto255,
        0xf930..=0xf93f => Family::Bls,
        0xf834 if head & 0xff == 2 => Family::PrevMcBlocks100,
        0xf470..=0xf473 | 0xf4a8..=0xf4af => Family::PrefixDictionary,
        0xf4b1..=0xf4b3 | 0xf4b5..=0xf4b7 => Family::SubDictionary,
        0xe3c0..=0xe3ff => Family::IfBitJmpRef,
        _ => return None,
    })
}

/// Bits of the fixed part of the first instruction, and its tail. None where there is no instruction.
fn decode(slice: &CellSlice<'_>) -> Option<(u16, Tail)> {
    let head = head(slice);
    let byte = |index: u32| head >> (16 - 8 * index) & 0xff;
    let (first, second) = (byte(0), byte(1));
    let bits = |from: u32, count: u32| u16::try_from(head >> (24 - from - count) & ((1 << count) - 1)).unwrap_or(0);
    let plain = |length: u16| Some((length, Tail::None));
    match first {
        0x54 | 0x81 | 0xf1 => plain(24),
        0x10 | 0x11 | 0x40..=0x53 | 0x55..=0x57 | 0x5e | 0x5f | 0x6c | 0x6f | 0x80 | 0x83..=0x85 => plain(16),
        0x00..=0x0f | 0x12..=0x3f | 0x58..=0x5d | 0x60..=0x6b | 0x6d | 0x6e | 0x70..=0x7f => plain(8),
        0x82 => Some((13, Tail::Data(8 * bits(8, 5) + 19, 0))),
        0x88 | 0x89 => Some((8, Tail::Data(0, 1))),
        0x8a => Some((8, Tail::CodeRefs(1))),
        0x8b => Some((12, Tail::Data(8 * bits(8, 4) + 4, 0))),
        0x8c => Some((15, Tail::Data(8 * bits(10, 5) + 1, u8::try_from(bits(8, 2)).ok()? + 1))),
        0x8d => Some((18, Tail::Data(8 * bits(11, 7) + 6, u8::try_from(bits(8, 3)).ok()?))),
        0x8e | 0x8f => Some((16, Tail::InlineCode(8 * bits(9, 7), u8::try_from(bits(7, 2)).ok()?))),
        0x90..=0x9f => Some((8, Tail::InlineCode(8 * bits(4, 4), 0))),
        0xb7 => {
            let mut inner = *slice;
            inner.skip_first(8, 0).ok()?;
            let arithmetic = matches!(second, 0xa0..=0xb6 | 0xb8..=0xc5);
            let (length, tail) = decode(&inner).filter(|_| arithmetic)?;
            Some((length + 8, tail))
        }
        0xa0..=0xc5 => arithmetic(first, second),
        0xc6..=0xd7 => cells(slice, head),
        0xd8..=0xf0 => control(first, second),
        0xf2 => plain(if matches!(second, 0xc0..=0xef) { 24 } else { 16 }),
        0xf4 => match second {
            0xa4..=0xa7 => Some((24, Tail::Methods(bits(14, 10)))),
            0xac..=0xaf => Some((24, Tail::Data(0, 1))),
            _ => plain(16),
        },
        0xf8 => plain(if matches!(second, 0x34 | 0x81) { 24 } else { 16 }),
        0xf9 => plain(if matches!(second, 0x18 | 0x30..=0x3f) { 24 } else { 16 }),
        0xfe if second >= 0xf0 => Some((16, Tail::Data(8 * (bits(12, 4) + 1), 0))),
        0xf3 | 0xfa | 0xfb | 0xfe | 0xff => plain(16),
        _ => None,
    }
}

const fn arithmetic(first: u32, second: u32) -> Option<(u16, Tail)> {
    let length = match first {
        // Division with a one-byte shift when bit c is set.
        0xa9 if second & 0b0001_0000 != 0 => 24,
        0xa6 | 0xa7 | 0xa9 | 0xaa | 0xab | 0xb4..=0xb6 | 0xc0..=0xc3 => 16,
        0xaf => return None,
        _ => 8,
    };
    Some((length, Tail::None))
}

/// Cell construction (c8–cf) and parsing (d0–d7).
fn cells(slice: &CellSlice<'_>, head: u32) -> Option<(u16, Tail)> {
    let (first, second) = (head >> 16 & 0xff, head >> 8 & 0xff);
    let plain = |length: u16| Some((length, Tail::None));
    match (first, second) {
        (0xc6, _) => None,
        (0xc7 | 0xca | 0xcb | 0xd2 | 0xd3 | 0xd6, _) => plain(16),
        (0xcf, 0x08..=0x0f) | (0xd7, 0x08..=0x0f | 0x1c..=0x1f) => plain(24),
        (0xcf, 0x20) => Some((16, Tail::Data(0, 1))),
        (0xcf, 0x21) => Some((16, Tail::Data(0, 2))),
        (0xcf, 0x80..=0xff) => {
            let refs = u8::try_from(head >> 13 & 3).ok()?;
            let length = u16::try_from(head >> 10 & 7).ok()?;
            Some((14, Tail::Data(8 * length + 2, refs)))
        }
        (0xd7, 0x28..=0x2f) => {
            let length = u16::try_from(slice.get_uint(14, 7).ok()?).ok()?;
            Some((21, Tail::Data(8 * length + 3, 0)))
        }
        (0xcf | 0xd7, _) => plain(16),
        _ => plain(8),
    }
}

const fn control(first: u32, second: u32) -> Option<(u16, Tail)> {
    Some(match (first, second) {
        (0xdb, 0x3c..=0x3e) => (16, Tail::CodeRefs(1)),
        (0xdb, 0x40..=0x4f) => (24, Tail::None),
        (0xe3, 0x00..=0x03 | 0x0d | 0x0e | 0xc0..=0xff) => (16, Tail::CodeRefs(1)),
        (0xe3, 0x0f) => (16, Tail::CodeRefs(2)),
        (0xda | 0xdb | 0xe3 | 0xec | 0xed | 0xee | 0xf0, _) => (16, Tail::None),
        (0xef, _) => return None,
        _ => (8, Tail::None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tycho_types::cell::CellBuilder;

    fn code(bytes: &[u8], refs: &[Cell]) -> Cell {
        let mut builder = CellBuilder::new();
        builder
            .store_raw(bytes, u16::try_from(bytes.len() * 8).unwrap())
            .unwrap();
        for cell in refs {
            builder.store_reference(cell.clone()).unwrap();
        }
        builder.build().unwrap()
    }

    fn families(bytes: &[u8], refs: &[Cell]) -> Vec<Family> {
        let scan = scan(&code(bytes, refs));
        assert_eq!(scan.undecoded, 0, "{bytes:02x?}");
        scan.found.into_keys().collect()
    }

    #[test]
    fn every_family_is_named() {
        assert_eq!(families(&[0xf9, 0x12], &[]), [Family::Secp256k1]);
        assert_eq!(families(&[0xf9, 0x15], &[]), [Family::P256]);
        assert_eq!(families(&[0xf9, 0x20], &[]), [Family::Ristretto255]);
        assert_eq!(families(&[0xf9, 0x30, 0x00], &[]), [Family::Bls]);
        assert_eq!(families(&[0xf8, 0x34, 0x02], &[]), [Family::PrevMcBlocks100]);
        assert_eq!(families(&[0xf8, 0x34, 0x00], &[]), []);
        assert_eq!(families(&[0xf4, 0x70], &[]), [Family::PrefixDictionary]);
        assert_eq!(families(&[0xf4, 0xb1], &[]), [Family::SubDictionary]);
        assert_eq!(families(&[0xe3, 0xc1], &[code(&[0x30], &[])]), [Family::IfBitJmpRef]);
        let foreign = scan(&code(&[0xf9, 0x18, 0x00], &[]));
        assert_eq!(foreign.foreign().collect::<Vec<_>>(), [Family::SignDomain]);
        assert_eq!(foreign.unsupported().count(), 0);
    }

    #[test]
    fn data_that_looks_like_an_instruction_is_not_one() {
        // PUSHSLICE with the bytes f912 as data, PUSHINT f912 as two bytes, a data reference that holds f912.
        assert_eq!(families(&[0x8b, 0x3f, 0x91, 0x2f, 0x91, 0x28], &[]), []);
        assert_eq!(families(&[0x81, 0xf9, 0x12], &[]), []);
        assert_eq!(families(&[0x88], &[code(&[0xf9, 0x12], &[])]), []);
    }

    #[test]
    fn continuations_references_and_methods_are_followed() {
        let bad = code(&[0xf9, 0x12], &[]);
        // PUSHCONT in place, a reference to code, an implicit jump.
        assert_eq!(families(&[0x92, 0xf9, 0x12, 0xd8], &[]), [Family::Secp256k1]);
        assert_eq!(families(&[0xdb, 0x3c], std::slice::from_ref(&bad)), [Family::Secp256k1]);
        assert_eq!(families(&[0x30], std::slice::from_ref(&bad)), [Family::Secp256k1]);
        // What compilers begin a contract with: SETCP0, DICTPUSHCONST 19, DICTIGETJMPZ.
        let mut methods = RawDict::<19>::new();
        for (id, body) in [(0_u64, code(&[0xf0, 0x01], &[])), (85_143, bad)] {
            let mut key = CellBuilder::new();
            key.store_uint(id, 19).unwrap();
            methods.set(key.as_data_slice(), CellSliceBox(body)).unwrap();
        }
        let root = methods.into_root().unwrap();
        let begin = [0xff, 0x00, 0xf4, 0xa4, 0x13, 0xf4, 0xbc, 0xf2, 0xc8, 0x0b];
        assert_eq!(families(&begin, &[root]), [Family::Secp256k1]);
    }

    #[test]
    fn what_is_no_code_is_counted_and_does_not_panic() {
        assert_eq!(scan(&code(&[0xef], &[])).undecoded, 1);
        assert_eq!(scan(&code(&[0x8a], &[])).undecoded, 1);
        let mut state = 0x1234_5678_u32;
        for _ in 0..2_000 {
            let bytes: Vec<u8> = (0..16)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                })
                .collect();
            let _ = scan(&code(&bytes, &[code(&bytes[..8], &[])]));
        }
    }

    /// A dictionary value that is the content of a cell.
    struct CellSliceBox(Cell);

    impl tycho_types::cell::Store for CellSliceBox {
        fn store_into(
            &self,
            builder: &mut CellBuilder,
            _: &dyn tycho_types::cell::CellContext,
        ) -> Result<(), tycho_types::error::Error> {
            builder.store_slice(self.0.as_slice_allow_exotic())
        }
    }
}
