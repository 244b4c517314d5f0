//! Stored data of a node wallet (§6.8).

use tycho_types::cell::Cell;

use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    contracts::ContractInit,
    keys::PublicKey,
    onchain::{CodeSet, ContractRole, LayoutError, fields::Fields},
};

/// A node wallet's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletStorage {
    /// Orders from outside so far.
    pub seqno: u32,
    /// Zero in this network.
    pub subwallet: u32,
    /// Key that signs orders from outside.
    pub public_key: PublicKey,
    /// Bit 0: orders from outside are refused.
    pub status: u32,
    /// Who can take everything back.
    pub owner: Address,
}

impl WalletStorage {
    /// Data of a new wallet.
    pub const fn initial(public_key: PublicKey, owner: Address) -> Self {
        Self {
            seqno: 0,
            subwallet: 0,
            public_key,
            status: 0,
            owner,
        }
    }

    /// Initial state and address of a wallet with this data.
    pub fn init(&self, codes: &CodeSet) -> ContractInit {
        ContractInit::new(codes.code(ContractRole::Wallet), self.to_cell())
    }

    /// Whether orders from outside are refused.
    pub const fn is_blocked(&self) -> bool {
        self.status & 1 != 0
    }

    /// The data cell.
    pub fn to_cell(&self) -> Cell {
        build(|cell| {
            cell.store_u32(self.seqno)?;
            cell.store_u32(self.subwallet)?;
            cell.store_public_key(&self.public_key)?;
            cell.store_u32(self.status)?;
            cell.store_address(&self.owner)
        })
    }

    /// Reads a data cell.
    ///
    /// # Errors
    /// Another layout.
    pub fn parse(data: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(data)?;
        let storage = Self {
            seqno: fields.u32()?,
            subwallet: fields.u32()?,
            public_key: fields.public_key()?,
            status: fields.u32()?,
            owner: fields.address()?,
        };
        fields.finish()?;
        Ok(storage)
    }
}
