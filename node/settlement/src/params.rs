//! The parameters cell (§6.2). Every contract holds a copy and its address commits to it, so one changed parameter
//! changes every address.

use tycho_types::{
    cell::{Cell, CellSlice},
    error::Error,
};

use crate::{
    cells::{StoreFields, build, load_coins},
    contracts::ContractCodes,
    pricing::{Prices, TokenMultipliers},
};

/// Stake of proxies and clients where a structure of version 0 has none: 1 TON.
const DEFAULT_STAKE_NANOTON: u64 = 1_000_000_000;

/// Version of the parameters' layout. The contracts of this network use [`V3`](Self::V3); older ones are read by
/// runners and used by the fake-TON mode (§9.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StructVersion {
    /// No multipliers, no stakes.
    V0,
    /// No multipliers.
    V1,
    /// Multipliers of cached and reasoning tokens only.
    V2,
    /// All four multipliers.
    #[default]
    V3,
}

impl StructVersion {
    /// The number in the cell.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The version of a number, if this crate knows it.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::V0),
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            _ => None,
        }
    }
}

/// Parameters of the network, without the contract codes that the root keeps beside them (§6.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Params {
    /// Layout of the cell.
    pub struct_version: StructVersion,
    /// Grows with each change; a proxy that sees a larger one closes its accounts and starts anew (§4.7).
    pub params_version: u32,
    /// Tells networks apart that share everything else.
    pub unique_id: u32,
    /// Whether this network is on a TON test network.
    pub is_test: bool,
    /// Prices and multipliers. A layout without some multiplier means 1.0.
    pub prices: Prices,
    /// Between a proxy's request to close and its completion.
    pub proxy_delay_s: u32,
    /// Between a client's first and second request for a refund.
    pub client_delay_s: u32,
    /// Read by no contract of revision A (T3).
    pub min_proxy_stake_nanoton: u64,
    /// Initial stake of a client contract.
    pub min_client_stake_nanoton: u64,
}

/// Which codes a copy of the parameters carries (§6.2).
#[derive(Clone, Copy, Debug)]
pub enum ParamsCodes<'a> {
    /// The root's copy: all three.
    Root(&'a ContractCodes),
    /// A proxy's copy: worker and client, from which it derives their addresses.
    Proxy(&'a ContractCodes),
    /// A worker's or client's copy: none.
    Account,
}

/// Why a cell is not a parameters cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// A layout that this crate does not know.
    #[error("parameters of structure version {number} are not supported")]
    StructVersion {
        /// As found.
        number: u8,
    },
    /// Too short, too long, or not an ordinary cell.
    #[error("the parameters cell does not have the layout of its version")]
    Layout,
    /// A price or stake above 2^64 nanoTON.
    #[error("a price or stake of the parameters does not fit into 64 bits")]
    Coins,
}

impl From<Error> for ParamsError {
    fn from(_: Error) -> Self {
        Self::Layout
    }
}

impl Params {
    /// The parameters cell of one kind of contract.
    pub fn to_cell(&self, codes: ParamsCodes<'_>) -> Cell {
        self.to_cell_with(match codes {
            ParamsCodes::Root(codes) => [Some(codes.proxy()), Some(codes.worker()), Some(codes.client())],
            ParamsCodes::Proxy(codes) => [None, Some(codes.worker()), Some(codes.client())],
            ParamsCodes::Account => [None; 3],
        })
    }

    /// The parameters cell with any of the codes of proxy, worker and client, as stored data may have it.
    pub(crate) fn to_cell_with(&self, [proxy, worker, client]: [Option<&Cell>; 3]) -> Cell {
        let multipliers = &self.prices.multipliers;
        build(|cell| {
            cell.store_u8(self.struct_version.number())?;
            cell.store_u32(self.params_version)?;
            cell.store_u32(self.unique_id)?;
            cell.store_bit(self.is_test)?;
            cell.store_coins(self.prices.price_per_token_nanoton)?;
            cell.store_coins(self.prices.worker_fee_per_token_nanoton)?;
            match self.struct_version {
                StructVersion::V0 | StructVersion::V1 => {}
                StructVersion::V2 => {
                    cell.store_u32(multipliers.cached)?;
                    cell.store_u32(multipliers.reasoning)?;
                }
                StructVersion::V3 => {
                    cell.store_u32(multipliers.prompt)?;
                    cell.store_u32(multipliers.cached)?;
                    cell.store_u32(multipliers.completion)?;
                    cell.store_u32(multipliers.reasoning)?;
                }
            }
            cell.store_u32(self.proxy_delay_s)?;
            cell.store_u32(self.client_delay_s)?;
            if self.struct_version > StructVersion::V0 {
                cell.store_coins(self.min_proxy_stake_nanoton)?;
                cell.store_coins(self.min_client_stake_nanoton)?;
            }
            cell.store_maybe_ref(proxy)?;
            cell.store_maybe_ref(worker)?;
            cell.store_maybe_ref(client)
        })
    }

    /// Reads a parameters cell and the codes it carries: proxy, worker, client.
    ///
    /// # Errors
    /// A cell of another layout, or of a version that is not supported.
    pub fn from_cell(cell: &Cell) -> Result<(Self, [Option<Cell>; 3]), ParamsError> {
        let slice = &mut cell.as_slice()?;
        let number = slice.load_u8()?;
        let struct_version = StructVersion::from_number(number).ok_or(ParamsError::StructVersion { number })?;
        let params_version = slice.load_u32()?;
        let unique_id = slice.load_u32()?;
        let is_test = slice.load_bit()?;
        let price_per_token_nanoton = coins(slice)?;
        let worker_fee_per_token_nanoton = coins(slice)?;
        let mut multipliers = TokenMultipliers::ONE;
        match struct_version {
            StructVersion::V0 | StructVersion::V1 => {}
            StructVersion::V2 => {
                multipliers.cached = slice.load_u32()?;
                multipliers.reasoning = slice.load_u32()?;
            }
            StructVersion::V3 => {
                multipliers.prompt = slice.load_u32()?;
                multipliers.cached = slice.load_u32()?;
                multipliers.completion = slice.load_u32()?;
                multipliers.reasoning = slice.load_u32()?;
            }
        }
        let proxy_delay_s = slice.load_u32()?;
        let client_delay_s = slice.load_u32()?;
        let [min_proxy_stake_nanoton, min_client_stake_nanoton] = if struct_version > StructVersion::V0 {
            [coins(slice)?, coins(slice)?]
        } else {
            [DEFAULT_STAKE_NANOTON; 2]
        };
        let codes = [maybe_ref(slice)?, maybe_ref(slice)?, maybe_ref(slice)?];
        if !slice.is_empty() {
            return Err(ParamsError::Layout);
        }
        let prices = Prices {
            price_per_token_nanoton,
            worker_fee_per_token_nanoton,
            multipliers,
        };
        let params = Self {
            struct_version,
            params_version,
            unique_id,
            is_test,
            prices,
            proxy_delay_s,
            client_delay_s,
            min_proxy_stake_nanoton,
            min_client_stake_nanoton,
        };
        Ok((params, codes))
    }
}

fn coins(slice: &mut CellSlice<'_>) -> Result<u64, ParamsError> {
    load_coins(slice)?.ok_or(ParamsError::Coins)
}

fn maybe_ref(slice: &mut CellSlice<'_>) -> Result<Option<Cell>, ParamsError> {
    Ok(if slice.load_bit()? {
        Some(slice.load_reference_cloned()?)
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tycho_types::cell::CellBuilder;

    use super::*;
    use crate::contracts::vectors;

    #[test]
    fn the_three_copies_have_the_specified_hashes() {
        let (params, codes) = (vectors::params(), vectors::codes());
        for (copy, hash) in [
            (
                ParamsCodes::Root(&codes),
                "b954a98796d4c028f0cd7ea1a5fab4db30f3050870a9aeadd602517f52f7d4e3",
            ),
            (
                ParamsCodes::Proxy(&codes),
                "e2c6e7a0f0633c787a5c11d457f520482ec5642deb11b08a0f67339e1f3b83bb",
            ),
            (
                ParamsCodes::Account,
                "b466a52a73a6d08c8662405f52423744c60d94f175d233cef41d2117d2287816",
            ),
        ] {
            assert_eq!(params.to_cell(copy).repr_hash().to_string(), hash, "{copy:?}");
        }
    }

    #[test]
    fn a_foreign_cell_is_refused() {
        let cell = |fill: fn(&mut CellBuilder) -> Result<(), Error>| build(fill);
        assert_eq!(
            Params::from_cell(&cell(|cell| cell.store_u8(4))),
            Err(ParamsError::StructVersion { number: 4 })
        );
        assert_eq!(Params::from_cell(&cell(|_| Ok(()))), Err(ParamsError::Layout));
        let longer = build(|cell| {
            cell.store_slice(vectors::params().to_cell(ParamsCodes::Account).as_slice()?)?;
            cell.store_bit(false)
        });
        assert_eq!(Params::from_cell(&longer), Err(ParamsError::Layout));
        let rich = build(|cell| {
            cell.store_u8(3)?;
            cell.store_zeros(65)?;
            cell.store_u8(0x9f)?;
            cell.store_ones(1000 - 73)
        });
        assert_eq!(Params::from_cell(&rich), Err(ParamsError::Coins));
    }

    fn any_params() -> impl Strategy<Value = Params> {
        let numbers = (0..=3_u8, any::<u32>(), any::<u32>(), any::<bool>(), any::<[u32; 2]>());
        // Small coins too: their length varies.
        let coins = || prop_oneof![0..1000_u64, any::<u64>(), Just(u64::MAX)];
        (numbers, [coins(), coins(), coins(), coins()], any::<[u32; 4]>()).prop_map(|(numbers, coins, multipliers)| {
            let (version, params_version, unique_id, is_test, [proxy_delay_s, client_delay_s]) = numbers;
            let struct_version = StructVersion::from_number(version).unwrap();
            let [prompt, cached, completion, reasoning] = multipliers;
            let one = TokenMultipliers::ONE;
            let multipliers = match struct_version {
                StructVersion::V0 | StructVersion::V1 => one,
                StructVersion::V2 => TokenMultipliers {
                    cached,
                    reasoning,
                    ..one
                },
                StructVersion::V3 => TokenMultipliers {
                    prompt,
                    cached,
                    completion,
                    reasoning,
                },
            };
            let stakes = if version == 0 {
                [DEFAULT_STAKE_NANOTON; 2]
            } else {
                [coins[2], coins[3]]
            };
            Params {
                struct_version,
                params_version,
                unique_id,
                is_test,
                prices: Prices {
                    price_per_token_nanoton: coins[0],
                    worker_fee_per_token_nanoton: coins[1],
                    multipliers,
                },
                proxy_delay_s,
                client_delay_s,
                min_proxy_stake_nanoton: stakes[0],
                min_client_stake_nanoton: stakes[1],
            }
        })
    }

    proptest! {
        #[test]
        fn every_copy_reads_back(params in any_params()) {
            let codes = vectors::codes();
            let [proxy, worker, client] = [codes.proxy(), codes.worker(), codes.client()].map(|code| Some(code.clone()));
            for (copy, carried) in [
                (ParamsCodes::Root(&codes), [proxy, worker.clone(), client.clone()]),
                (ParamsCodes::Proxy(&codes), [None, worker, client]),
                (ParamsCodes::Account, [None, None, None]),
            ] {
                prop_assert_eq!(Params::from_cell(&params.to_cell(copy)), Ok((params.clone(), carried)));
            }
        }
    }
}
