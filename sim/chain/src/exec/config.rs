//! The blockchain configuration as the executor needs it.
//!
//! `tycho-executor` reads two parameters with another layout than TON (differences 1 and 2 of the notes): the workchain
//! table (12) and the size limits (43). Both are left out of the copy that is parsed and given from here, and the
//! original dictionary is put back, so that contracts see the unmodified configuration. Difference 3 (the getter of
//! `tycho-vm` reads two storage prices in the wrong order) is answered in [`super::getter`], which takes the
//! unpacked tuple that is made here.

use tycho_executor::ParsedConfig;
use tycho_types::cell::{Cell, CellBuilder, CellSlice, HashBytes, Load};
use tycho_types::dict::Dict;
use tycho_types::error::Error;
use tycho_types::models::{
    BlockchainConfig, BlockchainConfigParams, GlobalCapabilities, GlobalVersion, SizeLimitsConfig,
    WorkchainDescription, WorkchainFormat, WorkchainFormatBasic,
};

use super::FeeSchedule;
use crate::boc::{self, BocError, BocLimits};

/// Number of the simulated network: neither the main network's (−239) nor a public test network's (−3), so that nobody
/// takes one for the other.
pub const GLOBAL_ID: i32 = -7447;

/// The first protocol version whose rules this crate knows.
pub const MIN_VERSION: u32 = 12;
/// The last protocol version whose rules this crate knows.
pub const MAX_VERSION: u32 = 15;
/// The version that a configuration built from numbers has unless told otherwise.
pub const DEFAULT_VERSION: u32 = 15;

/// Address of the configuration contract of the network.
const CONFIG_ADDRESS: HashBytes = HashBytes([0x55; 32]);
/// Capabilities of the network in 2026 (0x3EE): among them no signature id, so signatures are checked as they are.
const CAPABILITIES: u64 = 0x3EE;
/// More gas than any real configuration allows: bounds the work of one transaction.
const MAX_GAS_LIMIT: u64 = 1_000_000_000;
/// Prices above this could only come from a broken configuration and would overflow sums.
const MAX_PRICE: u64 = 1 << 60;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not a bag of cells.
    #[error(transparent)]
    Boc(#[from] BocError),
    /// A parameter is missing or has another layout.
    #[error("configuration parameters cannot be read: {0}")]
    Cells(#[from] Error),
    /// The rules of this version are not known here.
    #[error("protocol version {found} is outside {MIN_VERSION}..={MAX_VERSION}")]
    Version {
        /// The version in parameter 8.
        found: u32,
    },
    /// A number no network would run with.
    #[error("absurd configuration: {0}")]
    Absurd(&'static str),
}

/// Limits of parameter 43 that the executor's own type has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ExtraLimits {
    max_masterchain_state_cells: u32,
    state_cells_for_storage_dict: u32,
}

impl ExtraLimits {
    const DEFAULT: Self = Self {
        max_masterchain_state_cells: 2_048,
        state_cells_for_storage_dict: 26,
    };
}

/// A parsed configuration, valid for an interval of time.
#[derive(Debug)]
pub struct Config {
    parsed: ParsedConfig,
    root: Cell,
    extra: ExtraLimits,
    version: u32,
    valid_until_unix_s: u32,
}

impl Config {
    /// From a bag of cells: either the bare dictionary of parameters or the full `ConfigParams` with its address.
    pub fn from_boc(bytes: &[u8], now_unix_s: u32) -> Result<Self, ConfigError> {
        Self::from_root(boc::decode(bytes, BocLimits::STATE)?, now_unix_s)
    }

    /// From the cell of either form (see [`Config::from_boc`]).
    pub fn from_root(root: Cell, now_unix_s: u32) -> Result<Self, ConfigError> {
        let root = match (root.bit_len(), root.reference_count()) {
            (256, 1) => root.reference_cloned(0).ok_or(Error::CellUnderflow)?,
            _ => root,
        };
        let original = BlockchainConfigParams::from_raw(root.clone());
        let version = original.get_global_version()?.version;
        if !(MIN_VERSION..=MAX_VERSION).contains(&version) {
            return Err(ConfigError::Version { found: version });
        }

        let mut adapted = original.clone();
        let mut workchains = Dict::<i32, WorkchainDescription>::new();
        workchains.set(0, base_workchain())?;
        adapted.set_workchains(&workchains)?;
        let raw_limits = original.as_dict().get(43)?;
        let mut params = adapted.as_dict().clone();
        params.remove(43)?;
        // Authority marks are an addition of another network: a stray parameter 100 must not switch them on.
        params.remove(100)?;
        let params_root = params.into_root().ok_or(ConfigError::Absurd("no parameters"))?;

        let mut parsed = ParsedConfig::parse(
            BlockchainConfig {
                address: CONFIG_ADDRESS,
                params: BlockchainConfigParams::from_raw(params_root),
            },
            now_unix_s,
        )?;
        parsed.raw.params = original;
        let (limits, extra) = match &raw_limits {
            Some(cell) => parse_size_limits(cell)?,
            None => (ParsedConfig::DEFAULT_SIZE_LIMITS_CONFIG, ExtraLimits::DEFAULT),
        };
        parsed.size_limits = limits;
        parsed.unpacked.size_limits_config = raw_limits;
        check_numbers(&parsed)?;
        let valid_until_unix_s = parsed
            .storage_prices
            .iter()
            .map(|prices| prices.utime_since)
            .filter(|since| *since > now_unix_s)
            .min()
            .unwrap_or(u32::MAX);
        Ok(Self {
            parsed,
            root,
            extra,
            version,
            valid_until_unix_s,
        })
    }

    /// From numbers alone; no file is needed.
    pub fn from_fees(fees: &FeeSchedule, version: u32, now_unix_s: u32) -> Result<Self, ConfigError> {
        // Parameter 0 is the address of the configuration contract.
        let mut seed = Dict::<u32, Cell>::new();
        seed.set(0, CellBuilder::build_from(CONFIG_ADDRESS)?)?;
        let root = seed.into_root().ok_or(ConfigError::Absurd("no parameters"))?;
        let mut params = BlockchainConfigParams::from_raw(root);
        params.set_elector_address(&HashBytes([0x33; 32]))?;
        params.set_global_version(&GlobalVersion {
            version,
            capabilities: GlobalCapabilities::new(CAPABILITIES),
        })?;
        params.set_storage_prices(&fees.storage)?;
        params.set_global_id(GLOBAL_ID)?;
        params.set_gas_prices(true, &fees.masterchain_gas)?;
        params.set_gas_prices(false, &fees.gas)?;
        params.set_msg_forward_prices(true, &fees.masterchain_forward)?;
        params.set_msg_forward_prices(false, &fees.forward)?;
        params.set_fundamental_addresses(&[CONFIG_ADDRESS, HashBytes([0x33; 32])])?;
        let root = params
            .as_dict()
            .root()
            .clone()
            .ok_or(ConfigError::Absurd("no parameters"))?;
        Self::from_root(root, now_unix_s)
    }

    /// The same configuration read at another time: which storage prices are the latest depends on it.
    pub fn at(&self, now_unix_s: u32) -> Result<Self, ConfigError> {
        Self::from_root(self.root.clone(), now_unix_s)
    }

    /// First second at which [`Config::at`] gives another answer; `u32::MAX` for never.
    #[must_use]
    pub const fn valid_until_unix_s(&self) -> u32 {
        self.valid_until_unix_s
    }

    /// Protocol version whose rules apply (parameter 8).
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Root of the unmodified dictionary of parameters.
    #[must_use]
    pub const fn root(&self) -> &Cell {
        &self.root
    }

    /// What the executor reads.
    #[must_use]
    pub const fn parsed(&self) -> &ParsedConfig {
        &self.parsed
    }

    /// Accounts of at least so many cells carry the hash of their storage dictionary (difference 9).
    #[must_use]
    pub const fn state_cells_for_storage_dict(&self) -> u32 {
        self.extra.state_cells_for_storage_dict
    }

    /// Cells an account of the masterchain may hold. The executor knows one limit for both workchains; the chain
    /// deploys nothing there but what the genesis gives, so this is informative (difference 14).
    #[must_use]
    pub const fn max_masterchain_state_cells(&self) -> u32 {
        self.extra.max_masterchain_state_cells
    }
}

/// Workchain 0 as every TON network has it; parameter 12 itself carries the tag a7 that the executor's model lacks.
const fn base_workchain() -> WorkchainDescription {
    WorkchainDescription {
        enabled_since: 0,
        actual_min_split: 0,
        min_split: 0,
        max_split: 4,
        active: true,
        accept_msgs: true,
        zerostate_root_hash: HashBytes::ZERO,
        zerostate_file_hash: HashBytes::ZERO,
        version: 0,
        format: WorkchainFormat::Basic(WorkchainFormatBasic {
            vm_version: -1,
            vm_mode: 0,
        }),
    }
}

/// TON's layout of parameter 43: tag 01 ends after the external depth; tag 02 goes on with account cells, masterchain
/// account cells, public libraries, queue limit, and optionally extra currencies, prefix length and storage dictionary.
fn parse_size_limits(cell: &Cell) -> Result<(SizeLimitsConfig, ExtraLimits), ConfigError> {
    let mut slice: CellSlice<'_> = cell.as_slice()?;
    let tag = slice.load_u8()?;
    if tag != 1 && tag != 2 {
        return Err(ConfigError::Cells(Error::InvalidTag));
    }
    let mut limits = SizeLimitsConfig {
        max_msg_bits: slice.load_u32()?,
        max_msg_cells: slice.load_u32()?,
        max_library_cells: slice.load_u32()?,
        max_vm_data_depth: slice.load_u16()?,
        max_ext_msg_size: slice.load_u32()?,
        max_ext_msg_depth: slice.load_u16()?,
        ..ParsedConfig::DEFAULT_SIZE_LIMITS_CONFIG
    };
    let mut extra = ExtraLimits::DEFAULT;
    if tag == 2 {
        limits.max_acc_state_cells = slice.load_u32()?;
        extra.max_masterchain_state_cells = slice.load_u32()?;
        limits.max_acc_public_libraries = slice.load_u32()?;
        limits.defer_out_queue_size_limit = slice.load_u32()?;
        if !slice.is_data_empty() {
            let _max_extra_currencies = u32::load_from(&mut slice)?;
        }
        if !slice.is_data_empty() {
            let _max_fixed_prefix_bits = slice.load_u8()?;
        }
        if !slice.is_data_empty() {
            extra.state_cells_for_storage_dict = slice.load_u32()?;
        }
    }
    limits.max_acc_state_bits = limits.max_acc_state_cells.saturating_mul(1_023);
    if limits.max_msg_cells > 1 << 20 || limits.max_acc_state_cells > 1 << 22 || limits.max_ext_msg_depth > 1_024 {
        return Err(ConfigError::Absurd("size limits beyond what one process can walk"));
    }
    Ok((limits, extra))
}

/// Numbers under which the arithmetic of the executor cannot overflow and one transaction ends.
fn check_numbers(parsed: &ParsedConfig) -> Result<(), ConfigError> {
    for gas in [&parsed.gas_prices, &parsed.mc_gas_prices] {
        if gas.gas_limit > MAX_GAS_LIMIT || gas.special_gas_limit > MAX_GAS_LIMIT || gas.gas_credit > MAX_GAS_LIMIT {
            return Err(ConfigError::Absurd("gas limit above a billion"));
        }
        if gas.gas_price > MAX_PRICE || gas.flat_gas_price > MAX_PRICE || gas.flat_gas_limit > MAX_GAS_LIMIT {
            return Err(ConfigError::Absurd("gas price"));
        }
    }
    for forward in [&parsed.fwd_prices, &parsed.mc_fwd_prices] {
        if forward.lump_price > MAX_PRICE || forward.bit_price > MAX_PRICE || forward.cell_price > MAX_PRICE {
            return Err(ConfigError::Absurd("forwarding price"));
        }
    }
    for storage in &parsed.storage_prices {
        let prices = [
            storage.bit_price_ps,
            storage.cell_price_ps,
            storage.mc_bit_price_ps,
            storage.mc_cell_price_ps,
        ];
        if prices.iter().any(|price| *price > MAX_PRICE >> 16) {
            return Err(ConfigError::Absurd("storage price"));
        }
    }
    if !parsed
        .storage_prices
        .windows(2)
        .all(|pair| pair[0].utime_since < pair[1].utime_since)
    {
        return Err(ConfigError::Absurd("storage prices out of order"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::fees::NEW_FEES_SINCE_UNIX_S;
    use tycho_types::boc::Boc;
    use tycho_types::models::GasLimitsPrices;

    fn edited(edit: impl FnOnce(&mut BlockchainConfigParams)) -> Cell {
        let config = Config::from_fees(&FeeSchedule::new(), 12, 0).unwrap();
        let mut params = BlockchainConfigParams::from_raw(config.root().clone());
        edit(&mut params);
        params.as_dict().root().clone().unwrap()
    }

    #[test]
    fn numbers_make_a_configuration_that_survives_its_bag() {
        let config = Config::from_fees(&FeeSchedule::new(), 15, NEW_FEES_SINCE_UNIX_S).unwrap();
        assert_eq!(config.version(), 15);
        let again = Config::from_boc(&Boc::encode(config.root().as_ref()), NEW_FEES_SINCE_UNIX_S).unwrap();
        assert_eq!(again.root(), config.root());
        assert_eq!(again.parsed().gas_prices.gas_price, 4_369_067);
        // The form with the address in front is the same configuration.
        let mut full = CellBuilder::new();
        full.store_u256(&CONFIG_ADDRESS).unwrap();
        full.store_reference(config.root().clone()).unwrap();
        let full = Config::from_root(full.build().unwrap(), 0).unwrap();
        assert_eq!(full.root(), config.root());
    }

    #[test]
    fn the_latest_storage_price_follows_time() {
        let before = Config::from_fees(&FeeSchedule::new(), 15, NEW_FEES_SINCE_UNIX_S - 1).unwrap();
        assert_eq!(before.valid_until_unix_s(), NEW_FEES_SINCE_UNIX_S);
        let after = before.at(NEW_FEES_SINCE_UNIX_S).unwrap();
        assert_eq!(after.valid_until_unix_s(), u32::MAX);
        let hash = |config: &Config| {
            let (range, cell) = config.parsed().unpacked.latest_storage_prices.clone().unwrap();
            *CellBuilder::build_from(range.apply(&cell).unwrap())
                .unwrap()
                .repr_hash()
        };
        assert_ne!(hash(&before), hash(&after));
    }

    #[test]
    fn limits_of_ton_are_read_in_their_own_layout() {
        let mut cell = CellBuilder::new();
        cell.store_u8(2).unwrap();
        for (value, bits) in [
            (1 << 21, 32),
            (8_192, 32),
            (1_000, 32),
            (512, 16),
            (65_535, 32),
            (512, 16),
            (65_536, 32),
            (2_048, 32),
        ] {
            cell.store_uint(value, bits).unwrap();
        }
        for (value, bits) in [(256, 32), (256, 32), (2, 32), (8, 8), (26, 32)] {
            cell.store_uint(value, bits).unwrap();
        }
        let cell = cell.build().unwrap();
        let root = edited(|params| {
            params.set_raw(43, cell.clone()).unwrap();
        });
        let config = Config::from_root(root, 0).unwrap();
        assert_eq!(config.parsed().size_limits.max_acc_state_cells, 65_536);
        assert_eq!(config.parsed().size_limits.max_acc_state_bits, 65_536 * 1_023);
        assert_eq!(config.max_masterchain_state_cells(), 2_048);
        assert_eq!(config.state_cells_for_storage_dict(), 26);
        // Contracts still see the cell of the network.
        assert_eq!(config.parsed().unpacked.size_limits_config, Some(cell));
    }

    #[test]
    fn absurd_and_foreign_configurations_are_errors() {
        assert!(matches!(
            Config::from_fees(&FeeSchedule::new(), 11, 0),
            Err(ConfigError::Version { found: 11 })
        ));
        assert!(matches!(
            Config::from_fees(&FeeSchedule::new(), 16, 0),
            Err(ConfigError::Version { found: 16 })
        ));
        assert!(Config::from_boc(b"not a bag", 0).is_err());
        assert!(Config::from_root(Cell::default(), 0).is_err());
        let absurd = edited(|params| {
            let gas = GasLimitsPrices {
                gas_limit: u64::MAX,
                ..FeeSchedule::new().gas
            };
            params.set_gas_prices(false, &gas).unwrap();
        });
        assert!(matches!(Config::from_root(absurd, 0), Err(ConfigError::Absurd(_))));
        let missing = edited(|params| {
            let mut dict = params.as_dict().clone();
            dict.remove(21).unwrap();
            *params = BlockchainConfigParams::from_raw(dict.into_root().unwrap());
        });
        assert!(matches!(Config::from_root(missing, 0), Err(ConfigError::Cells(_))));
    }
}
