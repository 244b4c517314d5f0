//! Bags of cells from outside: limits are checked before a cell is built.
//!
//! The decoder of `tycho-types` builds whatever depth a bag has, and a chain of tens of thousands of cells then
//! recurses once per level when it is hashed, walked or dropped. The depth is therefore computed from the raw bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tycho_types::boc::Boc;
use tycho_types::boc::de::{BocHeader, Options};
use tycho_types::cell::Cell;

/// Why bytes are not an acceptable bag of cells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BocError {
    /// More bytes than allowed.
    #[error("a bag of {bytes} bytes exceeds the limit of {limit_bytes} bytes")]
    TooLarge {
        /// Size of the bag.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// More cells than allowed.
    #[error("a bag of {cells} cells exceeds the limit of {limit_cells}")]
    TooManyCells {
        /// Cells in the bag.
        cells: usize,
        /// The limit.
        limit_cells: usize,
    },
    /// A deeper tree than allowed.
    #[error("a cell tree of depth {depth} exceeds the limit of {limit_depth}")]
    TooDeep {
        /// Depth of the tree.
        depth: usize,
        /// The limit.
        limit_depth: usize,
    },
    /// Not a bag of cells with exactly one root.
    #[error("malformed bag of cells: {0}")]
    Malformed(String),
    /// Not base64.
    #[error("malformed base64: {0}")]
    Base64(String),
}

/// What a bag of cells may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BocLimits {
    /// Bytes of the whole bag.
    pub bytes: usize,
    /// Cells in the bag.
    pub cells: usize,
    /// Depth of the tree under the root.
    pub depth: usize,
}

impl BocLimits {
    /// An external message (config parameter 43: 65,535 bytes, depth 512, 8,192 cells).
    pub const EXTERNAL_MESSAGE: Self = Self {
        bytes: 65_535,
        cells: 8_192,
        depth: 512,
    };
    /// The code of a contract: far more than any has.
    pub const CODE: Self = Self {
        bytes: 1 << 20,
        cells: 1 << 14,
        depth: 512,
    };
    /// A contract, a configuration or an account given by a user.
    pub const STATE: Self = Self {
        bytes: 16 << 20,
        cells: 1 << 17,
        depth: 1_024,
    };
    /// A state file of a whole chain.
    pub const STATE_FILE: Self = Self {
        bytes: 1 << 30,
        cells: 1 << 24,
        depth: 1_024,
    };
}

/// Decodes a bag of cells with exactly one root.
pub fn decode(bytes: &[u8], limits: BocLimits) -> Result<Cell, BocError> {
    if bytes.len() > limits.bytes {
        return Err(BocError::TooLarge {
            bytes: bytes.len(),
            limit_bytes: limits.bytes,
        });
    }
    let options = Options {
        min_roots: Some(1),
        max_roots: Some(1),
    };
    let header = BocHeader::decode(bytes, &options).map_err(|error| BocError::Malformed(error.to_string()))?;
    let cells = header.cells();
    if cells.len() > limits.cells {
        return Err(BocError::TooManyCells {
            cells: cells.len(),
            limit_cells: limits.cells,
        });
    }
    let depth = tree_depth(cells, header.ref_size())?;
    if depth > limits.depth {
        return Err(BocError::TooDeep {
            depth,
            limit_depth: limits.depth,
        });
    }
    Boc::decode(bytes).map_err(|error| BocError::Malformed(error.to_string()))
}

/// Decodes a bag of cells as files have it: its bytes, or hexadecimal or base64 text.
///
/// # Errors
/// None of these, or more than the limits allow.
pub fn decode_file(bytes: &[u8], limits: BocLimits) -> Result<Cell, BocError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.trim().bytes().all(|byte| byte.is_ascii_graphic()) => text.trim(),
        _ => return decode(bytes, limits),
    };
    // Every bag begins with b5ee9c72, which is `te6ccg` in base64; both end in letters that are no bag's first bytes.
    match hex::decode(text) {
        Ok(bytes) => decode(&bytes, limits),
        Err(_) => decode_base64(text, limits),
    }
}

/// Decodes a base64 bag of cells; the URL-safe alphabet and missing padding are accepted.
pub fn decode_base64(text: &str, limits: BocLimits) -> Result<Cell, BocError> {
    if text.len() / 4 > limits.bytes / 3 + 1 {
        return Err(BocError::TooLarge {
            bytes: text.len() / 4 * 3,
            limit_bytes: limits.bytes,
        });
    }
    let mut padded = text.trim().trim_end_matches('=').replace('-', "+").replace('_', "/");
    while !padded.len().is_multiple_of(4) {
        padded.push('=');
    }
    let bytes = STANDARD
        .decode(&padded)
        .map_err(|error| BocError::Base64(error.to_string()))?;
    decode(&bytes, limits)
}

/// Base64 of the bag of cells under `root`.
#[must_use]
pub fn encode_base64(root: &Cell) -> String {
    STANDARD.encode(Boc::encode(root.as_ref()))
}

/// The greatest depth of any cell; references must point forward, as the format demands.
fn tree_depth(cells: &[&[u8]], reference_bytes: usize) -> Result<usize, BocError> {
    let malformed = |what: &str| BocError::Malformed(what.to_owned());
    let mut depths = vec![0_usize; cells.len()];
    let mut greatest = 0;
    for (index, raw) in cells.iter().enumerate().rev() {
        let count = usize::from(raw.first().ok_or_else(|| malformed("an empty cell"))? & 7);
        let at = raw
            .len()
            .checked_sub(count * reference_bytes)
            .ok_or_else(|| malformed("a cell shorter than its references"))?;
        let mut depth = 0;
        for reference in raw[at..].chunks_exact(reference_bytes.max(1)) {
            let target = reference
                .iter()
                .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
            if target <= index {
                return Err(malformed("a reference that does not point forward"));
            }
            let below = depths
                .get(target)
                .ok_or_else(|| malformed("a reference outside the bag"))?;
            depth = depth.max(below + 1);
        }
        depths[index] = depth;
        greatest = greatest.max(depth);
    }
    Ok(greatest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tycho_types::cell::CellBuilder;

    fn chain_of_cells(depth: usize) -> Cell {
        let mut cell = CellBuilder::new().build().unwrap();
        for level in 0..depth {
            let mut builder = CellBuilder::new();
            builder.store_u32(u32::try_from(level).unwrap()).unwrap();
            builder.store_reference(cell).unwrap();
            cell = builder.build().unwrap();
        }
        cell
    }

    #[test]
    fn depth_is_checked_before_cells_are_built() {
        let limits = BocLimits {
            depth: 100,
            ..BocLimits::STATE
        };
        assert!(decode(&Boc::encode(chain_of_cells(100)), limits).is_ok());
        assert_eq!(
            decode(&Boc::encode(chain_of_cells(101)), limits),
            Err(BocError::TooDeep {
                depth: 101,
                limit_depth: 100
            })
        );
    }

    #[test]
    fn files_may_be_text() {
        let cell = chain_of_cells(3);
        let bytes = Boc::encode(&cell);
        for file in [
            bytes.clone(),
            format!("{}\n", hex::encode(&bytes)).into(),
            encode_base64(&cell).into(),
        ] {
            assert_eq!(decode_file(&file, BocLimits::STATE).as_ref(), Ok(&cell));
        }
        for file in [&b"zz"[..], b"", b"b5ee9c72", b"two words", &bytes[1..]] {
            assert!(decode_file(file, BocLimits::STATE).is_err(), "{file:?}");
        }
    }

    #[test]
    fn size_count_and_form_are_checked() {
        let bytes = Boc::encode(chain_of_cells(10));
        assert!(matches!(
            decode(
                &bytes,
                BocLimits {
                    bytes: 20,
                    ..BocLimits::STATE
                }
            ),
            Err(BocError::TooLarge { .. })
        ));
        assert!(matches!(
            decode(
                &bytes,
                BocLimits {
                    cells: 5,
                    ..BocLimits::STATE
                }
            ),
            Err(BocError::TooManyCells { cells: 11, .. })
        ));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut], BocLimits::STATE).is_err(), "cut at {cut}");
        }
        assert!(matches!(
            decode_base64("?!", BocLimits::STATE),
            Err(BocError::Base64(_))
        ));
    }

    #[test]
    fn both_base64_alphabets_are_read() {
        let root = chain_of_cells(3);
        let text = encode_base64(&root);
        let url = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
        assert_eq!(decode_base64(&text, BocLimits::STATE).unwrap(), root);
        assert_eq!(decode_base64(&url, BocLimits::STATE).unwrap(), root);
    }
}
