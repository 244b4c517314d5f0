//! How other published revisions of the contracts differ (§6.11), as data: so that a layout that this crate does not
//! read is at least named.

use tycho_types::cell::Cell;

use super::{LayoutError, fields::Fields, storage::RootStorage};
use crate::{hash::Hash256, params::StructVersion};

/// A published revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// The first public snapshot: what this crate's `reference` contracts behave as.
    A,
    /// Later, same structure version.
    B,
    /// Later still: structure version 4, a key manager in the root.
    C,
    /// The node software of April 2026 expects more than revision C has.
    Next,
}

/// One way in which a revision differs from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// Proxies keep top-ups in every state.
    TopUpAlwaysKept,
    /// A proxy's close takes effect without a delay.
    CloseWithoutDelay,
    /// Close complete pays the proxy's balance and stake only.
    ClosePaysOwnShare,
    /// Granted refunds are paid in every state of the proxy.
    RefundGrantedInEveryState,
    /// Forced refunds of a closed proxy are paid from the pool.
    ForcedRefundFromPoolWhenClosed,
    /// Structure version 4; the root has a third reference with the key manager's data.
    KeyManagerInRoot,
    /// Clients are topped up in state normal only.
    TopUpOnlyInNormal,
    /// 256 bits more in the key manager's data: the hash of its image.
    KeyManagerImageHash,
    /// Structure version 5: a fourth reference with three dictionaries of verified keys.
    VerifiedKeysInRoot,
}

impl Revision {
    /// All that are known, oldest first.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::Next];

    /// Structure version of its parameters.
    pub const fn struct_version(self) -> u8 {
        match self {
            Self::A | Self::B => 3,
            Self::C => 4,
            Self::Next => 5,
        }
    }

    /// References of its root contract's data.
    pub const fn root_references(self) -> u8 {
        match self {
            Self::A | Self::B => 2,
            Self::C => 3,
            Self::Next => 4,
        }
    }

    /// What changed since the revision before it.
    pub const fn differences(self) -> &'static [Difference] {
        match self {
            Self::A => &[],
            Self::B => &[
                Difference::TopUpAlwaysKept,
                Difference::CloseWithoutDelay,
                Difference::ClosePaysOwnShare,
                Difference::RefundGrantedInEveryState,
                Difference::ForcedRefundFromPoolWhenClosed,
            ],
            Self::C => &[Difference::KeyManagerInRoot, Difference::TopUpOnlyInNormal],
            Self::Next => &[Difference::KeyManagerImageHash, Difference::VerifiedKeysInRoot],
        }
    }
}

/// What a root contract's data looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootLayout {
    /// As revisions A and B have it: [`RootStorage`] reads it.
    Known,
    /// Parameters of an older structure version, which contracts refuse and nodes read.
    OlderParams {
        /// Structure version, 0 to 2.
        struct_version: u8,
    },
    /// As revision C or later has it.
    Later {
        /// Oldest revision that it can be of.
        revision: Revision,
    },
    /// Lists of worker images and registered proxies exchanged, as one published rewrite has them: empty lists look
    /// the same.
    ExchangedLists,
    /// None of these.
    Unknown,
}

/// Says what a root contract's data looks like.
pub fn recognise_root(data: &Cell) -> RootLayout {
    if let Ok(storage) = RootStorage::parse(data) {
        return match storage.params.struct_version {
            StructVersion::V3 => RootLayout::Known,
            older => RootLayout::OlderParams {
                struct_version: older.number(),
            },
        };
    }
    recognise_other(data).unwrap_or(RootLayout::Unknown)
}

fn recognise_other(data: &Cell) -> Result<RootLayout, LayoutError> {
    let mut fields = Fields::of(data)?;
    fields.address()?;
    fields.u32()?;
    let registry = fields.reference()?;
    let params = fields.reference()?;
    if fields.bits_left() != 0 {
        return Ok(RootLayout::Unknown);
    }
    let struct_version = Fields::of(&params)?.u8()?;
    let references = 2 + fields.references_left();
    for revision in [Revision::C, Revision::Next] {
        if (struct_version, references) == (revision.struct_version(), revision.root_references()) {
            return Ok(RootLayout::Later { revision });
        }
    }
    let exchanged = struct_version == StructVersion::V3.number() && references == 2 && is_exchanged(&registry)?;
    Ok(if exchanged {
        RootLayout::ExchangedLists
    } else {
        RootLayout::Unknown
    })
}

/// Bits of the lists as one published rewrite orders them: proxy images, worker images, number, registered proxies,
/// models. The size is the same, so what tells them apart is which dictionary has texts in it.
fn is_exchanged(registry: &Cell) -> Result<bool, LayoutError> {
    let mut fields = Fields::of(registry)?;
    let proxy_images = fields.maybe_reference()?;
    let second = fields.maybe_reference()?;
    let seqno = fields.u32()?;
    let third = fields.maybe_reference()?;
    let models = fields.maybe_reference()?;
    fields.finish()?;
    let ordered = RootStorage::registry_cell(
        [proxy_images.as_ref(), third.as_ref(), second.as_ref(), models.as_ref()],
        seqno,
    );
    Ok(RootStorage::is_registry(&ordered))
}

/// A code that was published in compiled form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownCode {
    /// What it is.
    pub name: &'static str,
    /// Representation hash of the code cell.
    pub hash: Hash256,
    /// Depth of the code cell.
    pub depth: u16,
}

/// Codes that were published in compiled form (§6.8, §6.10).
pub const KNOWN_CODES: [KnownCode; 4] = [
    KnownCode {
        name: "node wallet",
        hash: hex(b"7a48f05ceef40f06cabbaa39c1c5a67b24e8bb59d8cf8a74e49988a5f44cf66a"),
        depth: 6,
    },
    KnownCode {
        name: "proxy before revision A",
        hash: hex(b"532e707649e4161be4d816e2b6f97f82e602855a4cd3475883028d054c6e72ef"),
        depth: 4,
    },
    KnownCode {
        name: "worker before revision A",
        hash: hex(b"657cb7ca586d77e88066effadf10f3eddea7d3487e809220e770d9dc4e596023"),
        depth: 2,
    },
    KnownCode {
        name: "client before revision A",
        hash: hex(b"5d8a54e4462dd52f747bae8c1edca819fd2f462be05c1fc595cc2a34e6b18c44"),
        depth: 5,
    },
];

/// Name of a published code.
pub fn known_code(hash: &Hash256) -> Option<&'static KnownCode> {
    KNOWN_CODES.iter().find(|code| code.hash == *hash)
}

const fn hex(digits: &[u8; 64]) -> Hash256 {
    const fn value(digit: u8) -> u8 {
        match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => panic!("not a digit"),
        }
    }
    let mut hash = [0; 32];
    let mut index = 0;
    while index < 32 {
        hash[index] = value(digits[2 * index]) << 4 | value(digits[2 * index + 1]);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::{cells::build, contracts::vectors, onchain::storage::Registration, params::Params};

    fn storage() -> RootStorage {
        let mut storage = RootStorage::initial(vectors::OWNER, vectors::params(), &vectors::codes());
        storage.registry.worker_hashes = BTreeSet::from([[7; 32], [8; 32]]);
        storage.registry.registered_proxies = BTreeMap::from([(1, Registration::new("10.0.0.1:9000").unwrap())]);
        storage
    }

    /// Root data with the references replaced or added to.
    fn with_references(references: &[Cell]) -> Cell {
        let data = storage().to_cell();
        build(|cell| {
            cell.store_slice(data.as_slice()?.load_prefix(data.bit_len(), 0)?)?;
            references
                .iter()
                .try_for_each(|reference| cell.store_reference(reference.clone()))
        })
    }

    #[test]
    fn layouts_are_told_apart() {
        let data = storage().to_cell();
        let registry = data.reference_cloned(0).unwrap();
        let params = data.reference_cloned(1).unwrap();
        assert_eq!(recognise_root(&data), RootLayout::Known);
        let older = RootStorage {
            params: Params {
                struct_version: StructVersion::V2,
                ..vectors::params()
            },
            ..storage()
        };
        assert_eq!(
            recognise_root(&older.to_cell()),
            RootLayout::OlderParams { struct_version: 2 }
        );
        for revision in [Revision::C, Revision::Next] {
            let params = build(|cell| {
                cell.store_u8(revision.struct_version())?;
                let mut slice = params.as_slice()?;
                slice.load_u8()?;
                cell.store_slice(slice)
            });
            let mut references = vec![registry.clone(), params];
            references.resize(usize::from(revision.root_references()), Cell::default());
            assert_eq!(
                recognise_root(&with_references(&references)),
                RootLayout::Later { revision }
            );
        }
        let [images, proxies] = {
            let mut fields = Fields::of(&registry).unwrap();
            fields.maybe_reference().unwrap();
            let proxies = fields.maybe_reference().unwrap();
            fields.u32().unwrap();
            [fields.maybe_reference().unwrap(), proxies]
        };
        let exchanged = RootStorage::registry_cell([None, images.as_ref(), proxies.as_ref(), None], 1);
        assert_eq!(
            recognise_root(&with_references(&[exchanged, params.clone()])),
            RootLayout::ExchangedLists
        );
        assert_eq!(recognise_root(&with_references(&[registry])), RootLayout::Unknown);
        assert_eq!(recognise_root(&Cell::default()), RootLayout::Unknown);
    }

    #[test]
    fn published_codes_have_names() {
        assert_eq!(known_code(&KNOWN_CODES[0].hash).unwrap().name, "node wallet");
        assert_eq!(hex::encode(KNOWN_CODES[0].hash)[..8], *"7a48f05c");
        assert_eq!(known_code(&[0; 32]), None);
        assert!(Revision::ALL.is_sorted_by_key(|revision| revision.struct_version()));
        assert!(Revision::A.differences().is_empty());
    }
}
