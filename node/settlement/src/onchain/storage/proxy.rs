//! Stored data of a proxy contract (§6.4).

use tycho_types::cell::Cell;

use super::ContractState;
use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    keys::PublicKey,
    onchain::{LayoutError, fields::Fields},
    params::{Params, ParamsError},
};

/// A proxy contract's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyStorage {
    /// Who gets the proxy's share.
    pub owner: Address,
    /// Key of the proxy's signatures.
    pub public_key: PublicKey,
    /// The root contract.
    pub root: Address,
    /// Normal, closing or closed.
    pub state: ContractState,
    /// The proxy's share so far; not the contract's coins.
    pub balance_nanoton: u64,
    /// What forced refunds are paid from in revision A.
    pub stake_nanoton: u64,
    /// Unix seconds from which a closing proxy can be closed.
    pub unlock_ts: u32,
    /// Profile `hardened`: charged from clients and not paid out yet; stands in a second reference unless zero.
    pub earned_nanoton: u64,
    /// Parameters that the address commits to.
    pub params: Params,
    /// Code of worker contracts.
    pub worker_code: Option<Cell>,
    /// Code of client contracts.
    pub client_code: Option<Cell>,
}

impl ProxyStorage {
    /// The data cell.
    pub fn to_cell(&self) -> Cell {
        let params = self
            .params
            .to_cell_with([None, self.worker_code.as_ref(), self.client_code.as_ref()]);
        build(|cell| {
            cell.store_address(&self.owner)?;
            cell.store_public_key(&self.public_key)?;
            cell.store_address(&self.root)?;
            cell.store_small_uint(self.state.number(), 2)?;
            cell.store_coins(self.balance_nanoton)?;
            cell.store_coins(self.stake_nanoton)?;
            cell.store_u32(self.unlock_ts)?;
            cell.store_reference(params)?;
            match self.earned_nanoton {
                0 => Ok(()),
                earned => cell.store_reference(build(|extension| extension.store_coins(earned))),
            }
        })
    }

    /// Reads a data cell of either profile.
    ///
    /// # Errors
    /// Another layout.
    pub fn parse(data: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(data)?;
        let owner = fields.address()?;
        let public_key = fields.public_key()?;
        let root = fields.address()?;
        let state = ContractState::load(&mut fields)?;
        let balance_nanoton = fields.balance_nanoton()?;
        let stake_nanoton = fields.balance_nanoton()?;
        let unlock_ts = fields.u32()?;
        let (params, [proxy_code, worker_code, client_code]) = Params::from_cell(&fields.reference()?)?;
        if proxy_code.is_some() {
            return Err(ParamsError::Layout.into());
        }
        let mut earned_nanoton = 0;
        if fields.references_left() > 0 {
            let extension = fields.reference()?;
            let mut extension = Fields::of(&extension)?;
            earned_nanoton = extension.balance_nanoton()?;
            extension.finish()?;
            // The contract leaves a zero out, so that its initial data has one form.
            if earned_nanoton == 0 {
                return Err(LayoutError::Reserved);
            }
        }
        fields.finish()?;
        Ok(Self {
            owner,
            public_key,
            root,
            state,
            balance_nanoton,
            stake_nanoton,
            unlock_ts,
            earned_nanoton,
            params,
            worker_code,
            client_code,
        })
    }
}
