//! Accounts as the chain keeps them, and how new ones are made.

use tycho_types::cell::{Cell, CellBuilder, HashBytes, Lazy};
use tycho_types::dict::Dict;
use tycho_types::error::Error;
use tycho_types::models::{
    Account, AccountState, AccountStatus, CurrencyCollection, OptionalAccount, ShardAccount, StateInit, StdAddr,
    StorageExtra, StorageInfo, StorageUsed,
};
use tycho_types::num::{Tokens, VarUint56};

/// An account of the chain: its cells, and the numbers that are asked for in every block.
#[derive(Debug, Clone)]
pub struct AccountEntry {
    /// The account as the state of a shard holds it.
    pub state: ShardAccount,
    /// Balance in nano.
    pub balance_nanoton: u128,
    /// Status.
    pub status: AccountStatus,
    /// First logical time of the next transaction.
    pub end_lt: u64,
}

impl AccountEntry {
    /// Reads an account from its cells.
    pub fn from_shard_account(state: ShardAccount) -> Result<Self, Error> {
        let account = state.load_account()?;
        let (balance_nanoton, status, end_lt) = match &account {
            Some(account) => (
                account.balance.tokens.into_inner(),
                account.state.status(),
                account.last_trans_lt,
            ),
            None => (0, AccountStatus::NotExists, 0),
        };
        Ok(Self {
            state,
            balance_nanoton,
            status,
            end_lt,
        })
    }

    /// The parsed account; none when it does not exist.
    pub fn account(&self) -> Result<Option<Account>, Error> {
        self.state.load_account()
    }
}

/// The state of an address nobody has touched.
pub fn no_account() -> Result<ShardAccount, Error> {
    Ok(ShardAccount {
        account: Lazy::new(&OptionalAccount::EMPTY)?,
        last_trans_hash: HashBytes::ZERO,
        last_trans_lt: 0,
    })
}

/// A contract's code and data.
#[must_use]
pub fn state_init(code: Cell, data: Cell) -> StateInit {
    StateInit {
        split_depth: None,
        special: None,
        code: Some(code),
        data: Some(data),
        libraries: Dict::new(),
    }
}

/// The address of a contract: the hash of its initial state.
pub fn address_of(workchain: i8, state: &StateInit) -> Result<StdAddr, Error> {
    Ok(StdAddr::new(workchain, *CellBuilder::build_from(state)?.repr_hash()))
}

/// An account as a genesis gives it: with a balance, and active when it has a state.
pub fn genesis_account(
    address: &StdAddr,
    balance_nanoton: u128,
    state: Option<StateInit>,
    now_unix_s: u32,
) -> Result<ShardAccount, Error> {
    let mut account = Account {
        address: address.clone().into(),
        storage_stat: StorageInfo {
            used: StorageUsed::ZERO,
            storage_extra: StorageExtra::None,
            last_paid: now_unix_s,
            due_payment: None,
        },
        last_trans_lt: 0,
        balance: CurrencyCollection {
            tokens: Tokens::new(balance_nanoton),
            ..CurrencyCollection::ZERO
        },
        state: state.map_or(AccountState::Uninit, AccountState::Active),
    };
    let mut storage = CellBuilder::new();
    let context = Cell::empty_context();
    use tycho_types::cell::{CellFamily, Store};
    storage.store_u64(account.last_trans_lt)?;
    account.balance.store_into(&mut storage, context)?;
    account.state.store_into(&mut storage, context)?;
    let storage = storage.build()?;
    let stats = storage
        .as_ref()
        .compute_unique_stats(usize::MAX)
        .ok_or(Error::Cancelled)?;
    account.storage_stat.used = StorageUsed {
        cells: VarUint56::new(stats.cell_count),
        bits: VarUint56::new(stats.bit_count),
    };
    Ok(ShardAccount {
        account: Lazy::new(&OptionalAccount(Some(account)))?,
        last_trans_hash: HashBytes::ZERO,
        last_trans_lt: 0,
    })
}
