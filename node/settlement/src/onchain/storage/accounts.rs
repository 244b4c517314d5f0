//! Stored data of client and worker contracts (§6.5, §6.6).

use tycho_types::cell::Cell;

use super::ContractState;
use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    contracts::ProxyIdentity,
    hash::Hash256,
    onchain::{
        LayoutError,
        fields::{Fields, StoreMessageFields as _},
    },
    params::{Params, ParamsCodes, ParamsError},
};

/// A client contract's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientStorage {
    /// Normal, closing or closed.
    pub state: ContractState,
    /// Deposit that is left.
    pub balance_nanoton: u64,
    /// Part of it that stays until the account closes.
    pub stake_nanoton: u64,
    /// Tokens charged so far.
    pub tokens_used: u64,
    /// Unix seconds from which a closing account's refund can be forced.
    pub unlock_ts: u32,
    /// SHA-256 of the secret of short authorisation; zeros in a new contract.
    pub secret_hash: Hash256,
    /// Whose account.
    pub owner: Address,
    /// At which proxy.
    pub proxy: ProxyIdentity,
    /// Parameters that the address commits to.
    pub params: Params,
}

impl ClientStorage {
    /// Data of a new contract, as [`crate::contracts::client_init`] has it.
    pub const fn initial(owner: Address, proxy: ProxyIdentity, params: Params) -> Self {
        Self {
            state: ContractState::Normal,
            balance_nanoton: 0,
            stake_nanoton: params.min_client_stake_nanoton,
            tokens_used: 0,
            unlock_ts: 0,
            secret_hash: [0; 32],
            owner,
            proxy,
            params,
        }
    }

    /// The data cell.
    pub fn to_cell(&self) -> Cell {
        let parties = build(|cell| {
            cell.store_address(&self.owner)?;
            cell.store_address(&self.proxy.address)?;
            cell.store_public_key(&self.proxy.public_key)
        });
        build(|cell| {
            cell.store_small_uint(self.state.number(), 2)?;
            cell.store_coins(self.balance_nanoton)?;
            cell.store_coins(self.stake_nanoton)?;
            cell.store_u64(self.tokens_used)?;
            cell.store_u32(self.unlock_ts)?;
            cell.store_hash(&self.secret_hash)?;
            cell.store_reference(parties)?;
            cell.store_reference(self.params.to_cell(ParamsCodes::Account))
        })
    }

    /// Reads a data cell.
    ///
    /// # Errors
    /// Another layout.
    pub fn parse(data: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(data)?;
        let state = ContractState::load(&mut fields)?;
        let balance_nanoton = fields.balance_nanoton()?;
        let stake_nanoton = fields.balance_nanoton()?;
        let tokens_used = fields.u64()?;
        let unlock_ts = fields.u32()?;
        let secret_hash = fields.hash()?;
        let parties = fields.reference()?;
        let params = account_params(&fields.reference()?)?;
        fields.finish()?;
        let mut parties = Fields::of(&parties)?;
        let owner = parties.address()?;
        let proxy = ProxyIdentity {
            address: parties.address()?,
            public_key: parties.public_key()?,
        };
        parties.finish()?;
        Ok(Self {
            state,
            balance_nanoton,
            stake_nanoton,
            tokens_used,
            unlock_ts,
            secret_hash,
            owner,
            proxy,
            params,
        })
    }
}

/// A worker contract's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStorage {
    /// Normal or closed.
    pub state: ContractState,
    /// Tokens paid so far.
    pub tokens: u64,
    /// Whose account.
    pub owner: Address,
    /// At which proxy.
    pub proxy: ProxyIdentity,
    /// Parameters that the address commits to.
    pub params: Params,
}

impl WorkerStorage {
    /// Data of a new contract, as [`crate::contracts::worker_init`] has it.
    pub const fn initial(owner: Address, proxy: ProxyIdentity, params: Params) -> Self {
        Self {
            state: ContractState::Normal,
            tokens: 0,
            owner,
            proxy,
            params,
        }
    }

    /// The data cell.
    pub fn to_cell(&self) -> Cell {
        build(|cell| {
            cell.store_address(&self.owner)?;
            cell.store_address(&self.proxy.address)?;
            cell.store_public_key(&self.proxy.public_key)?;
            cell.store_small_uint(self.state.number(), 2)?;
            cell.store_u64(self.tokens)?;
            cell.store_reference(self.params.to_cell(ParamsCodes::Account))
        })
    }

    /// Reads a data cell.
    ///
    /// # Errors
    /// Another layout.
    pub fn parse(data: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(data)?;
        let owner = fields.address()?;
        let proxy = ProxyIdentity {
            address: fields.address()?,
            public_key: fields.public_key()?,
        };
        let state = ContractState::load(&mut fields)?;
        let tokens = fields.u64()?;
        let params = account_params(&fields.reference()?)?;
        fields.finish()?;
        Ok(Self {
            state,
            tokens,
            owner,
            proxy,
            params,
        })
    }
}

/// A copy of the parameters without codes.
fn account_params(cell: &Cell) -> Result<Params, LayoutError> {
    match Params::from_cell(cell)? {
        (params, [None, None, None]) => Ok(params),
        _ => Err(ParamsError::Layout.into()),
    }
}
