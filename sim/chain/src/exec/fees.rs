//! Prices by number: the network before and after the fee vote of 2026-04-29 (notes of the project, settlement §4).

use tycho_types::models::{GasLimitsPrices, MsgForwardPrices, StoragePrices};

/// Unix time from which the lower prices hold: 2026-04-29T22:00:00Z.
pub const NEW_FEES_SINCE_UNIX_S: u32 = 1_777_500_000;

/// Gas, forwarding and storage prices of both workchains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeSchedule {
    /// Gas of the base workchain (config parameter 21).
    pub gas: GasLimitsPrices,
    /// Gas of the masterchain (parameter 20).
    pub masterchain_gas: GasLimitsPrices,
    /// Forwarding in the base workchain (parameter 25).
    pub forward: MsgForwardPrices,
    /// Forwarding when a side is in the masterchain (parameter 24).
    pub masterchain_forward: MsgForwardPrices,
    /// Storage prices in order of the time from which each holds (parameter 18).
    pub storage: Vec<StoragePrices>,
}

const STORAGE_OLD: StoragePrices = StoragePrices {
    utime_since: 0,
    bit_price_ps: 1,
    cell_price_ps: 500,
    mc_bit_price_ps: 1_000,
    mc_cell_price_ps: 500_000,
};

const STORAGE_NEW: StoragePrices = StoragePrices {
    utime_since: NEW_FEES_SINCE_UNIX_S,
    bit_price_ps: 0,
    cell_price_ps: 135,
    ..STORAGE_OLD
};

const GAS_OLD: GasLimitsPrices = GasLimitsPrices {
    gas_price: 26_214_400,
    gas_limit: 1_000_000,
    special_gas_limit: 1_000_000,
    gas_credit: 10_000,
    block_gas_limit: 10_000_000,
    freeze_due_limit: 100_000_000,
    delete_due_limit: 1_000_000_000,
    flat_gas_limit: 100,
    flat_gas_price: 40_000,
};

const GAS_MASTERCHAIN: GasLimitsPrices = GasLimitsPrices {
    gas_price: 655_360_000,
    special_gas_limit: 70_000_000,
    flat_gas_price: 1_000_000,
    ..GAS_OLD
};

const FORWARD_OLD: MsgForwardPrices = MsgForwardPrices {
    lump_price: 400_000,
    bit_price: 26_214_400,
    cell_price: 2_621_440_000,
    ihr_price_factor: 98_304,
    first_frac: 21_845,
    next_frac: 21_845,
};

const FORWARD_MASTERCHAIN: MsgForwardPrices = MsgForwardPrices {
    lump_price: 10_000_000,
    bit_price: 655_360_000,
    cell_price: 65_536_000_000,
    ..FORWARD_OLD
};

impl FeeSchedule {
    /// Prices until 2026-04-29: gas 400 nano, forward lump 400,000 nano.
    #[must_use]
    pub fn old() -> Self {
        Self {
            gas: GAS_OLD,
            masterchain_gas: GAS_MASTERCHAIN,
            forward: FORWARD_OLD,
            masterchain_forward: FORWARD_MASTERCHAIN,
            storage: vec![STORAGE_OLD],
        }
    }

    /// Prices since 2026-04-29: about a sixth; the storage table holds both entries, as the network's does.
    #[must_use]
    pub fn new() -> Self {
        Self {
            gas: GasLimitsPrices {
                gas_price: 4_369_067,
                flat_gas_price: 6_667,
                ..GAS_OLD
            },
            masterchain_gas: GAS_MASTERCHAIN,
            forward: MsgForwardPrices {
                lump_price: 66_667,
                bit_price: 4_369_067,
                cell_price: 436_906_667,
                ..FORWARD_OLD
            },
            masterchain_forward: FORWARD_MASTERCHAIN,
            storage: vec![STORAGE_OLD, STORAGE_NEW],
        }
    }

    /// Gas and forwarding prices times `permille` / 1000, rounded up; storage is left as it is.
    ///
    /// Fees of the network do not follow load; a multiplier stands for a vote that raises them.
    #[must_use]
    pub fn scaled_permille(&self, permille: u32) -> Self {
        let scale = |price: u64| {
            let scaled = (u128::from(price) * u128::from(permille)).div_ceil(1_000);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let gas = |prices: &GasLimitsPrices| GasLimitsPrices {
            gas_price: scale(prices.gas_price),
            flat_gas_price: scale(prices.flat_gas_price),
            ..prices.clone()
        };
        let forward = |prices: &MsgForwardPrices| MsgForwardPrices {
            lump_price: scale(prices.lump_price),
            bit_price: scale(prices.bit_price),
            cell_price: scale(prices.cell_price),
            ..prices.clone()
        };
        Self {
            gas: gas(&self.gas),
            masterchain_gas: gas(&self.masterchain_gas),
            forward: forward(&self.forward),
            masterchain_forward: forward(&self.masterchain_forward),
            storage: self.storage.clone(),
        }
    }
}

impl Default for FeeSchedule {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tycho_types::cell::CellTreeStats;

    #[test]
    fn prices_are_those_of_the_notes() {
        // 3,308 gas of a wallet v4r2 transfer under both schedules: 40,000 + 400 * 3,208 and a sixth of it.
        assert_eq!(FeeSchedule::old().gas.compute_gas_fee(3_308).into_inner(), 1_323_200);
        assert_eq!(FeeSchedule::new().gas.compute_gas_fee(3_308).into_inner(), 220_534);
        let nothing = CellTreeStats {
            bit_count: 0,
            cell_count: 0,
        };
        assert_eq!(
            FeeSchedule::old().forward.compute_fwd_fee(nothing).into_inner(),
            400_000
        );
        assert_eq!(FeeSchedule::new().forward.compute_fwd_fee(nothing).into_inner(), 66_667);
    }

    #[test]
    fn the_multiplier_rounds_up_and_leaves_storage() {
        let doubled = FeeSchedule::new().scaled_permille(2_000);
        assert_eq!(doubled.gas.gas_price, 8_738_134);
        assert_eq!(doubled.storage, FeeSchedule::new().storage);
        assert_eq!(FeeSchedule::new().scaled_permille(1).gas.flat_gas_price, 7);
        assert_eq!(FeeSchedule::new().scaled_permille(1_000), FeeSchedule::new());
    }
}
