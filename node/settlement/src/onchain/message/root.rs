//! Messages to the root contract, all from its owner (§6.3).

use tycho_types::cell::{Cell, CellBuilder};
use tycho_types::error::Error;

use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    hash::Hash256,
    onchain::{
        Coins, LayoutError,
        fields::{Fields, StoreMessageFields as _},
        opcodes,
        storage::Registration,
    },
};

/// Which list of allowed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashList {
    /// Images of workers.
    Workers,
    /// Models.
    Models,
    /// Images of proxies.
    Proxies,
}

impl HashList {
    const ALL: [Self; 3] = [Self::Workers, Self::Models, Self::Proxies];

    const fn ops(self) -> [u32; 2] {
        match self {
            Self::Workers => [opcodes::ROOT_ADD_WORKER_TYPE, opcodes::ROOT_DEL_WORKER_TYPE],
            Self::Models => [opcodes::ROOT_ADD_MODEL_TYPE, opcodes::ROOT_DEL_MODEL_TYPE],
            Self::Proxies => [opcodes::ROOT_ADD_PROXY_TYPE, opcodes::ROOT_DEL_PROXY_TYPE],
        }
    }
}

/// A change of the root contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootChange {
    /// Allow a hash.
    Add {
        /// In which list.
        list: HashList,
        /// Of an image, or of a model's name.
        hash: Hash256,
    },
    /// Disallow a hash.
    Remove {
        /// In which list.
        list: HashList,
        /// Of an image, or of a model's name.
        hash: Hash256,
    },
    /// Register a proxy under the next number.
    RegisterProxy(Registration),
    /// Remove a registered proxy.
    UnregisterProxy {
        /// Its number.
        seqno: u32,
    },
    /// Replace a registered proxy's endpoints.
    UpdateProxy {
        /// Its number.
        seqno: u32,
        /// The new endpoints.
        registration: Registration,
    },
    /// Change price and worker fee.
    Fees {
        /// Per adjusted token.
        price: Coins,
        /// Per adjusted token.
        worker_fee: Coins,
    },
    /// Change everything but the multipliers.
    Params {
        /// Per adjusted token.
        price: Coins,
        /// Per adjusted token.
        worker_fee: Coins,
        /// Seconds between a proxy's request to close and its completion.
        proxy_delay_s: u32,
        /// Seconds between a client's first and second request for a refund.
        client_delay_s: u32,
        /// See [`crate::Params::min_proxy_stake_nanoton`].
        min_proxy_stake: Coins,
        /// See [`crate::Params::min_client_stake_nanoton`].
        min_client_stake: Coins,
    },
    /// Replace the three contract codes.
    Contracts {
        /// Of proxy contracts.
        proxy: Cell,
        /// Of worker contracts.
        worker: Cell,
        /// Of client contracts.
        client: Cell,
    },
    /// Replace the root's own code.
    Code(Cell),
    /// Empty all lists.
    Reset,
    /// Replace the root's own data and code.
    Full {
        /// New data.
        data: Cell,
        /// New code.
        code: Cell,
    },
    /// Change the owner.
    Owner(Address),
}

/// A message to the root contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootMessage {
    /// Repeated in the answer.
    pub query_id: u64,
    /// What it changes.
    pub change: RootChange,
}

impl RootMessage {
    /// The operation code.
    pub const fn op(&self) -> u32 {
        match &self.change {
            RootChange::Add { list, .. } => list.ops()[0],
            RootChange::Remove { list, .. } => list.ops()[1],
            RootChange::RegisterProxy(_) => opcodes::ROOT_REGISTER_PROXY,
            RootChange::UnregisterProxy { .. } => opcodes::ROOT_UNREGISTER_PROXY,
            RootChange::UpdateProxy { .. } => opcodes::ROOT_UPDATE_PROXY,
            RootChange::Fees { .. } => opcodes::ROOT_CHANGE_FEES,
            RootChange::Params { .. } => opcodes::ROOT_CHANGE_PARAMS,
            RootChange::Contracts { .. } => opcodes::ROOT_UPGRADE_CONTRACTS,
            RootChange::Code(_) => opcodes::ROOT_UPGRADE_CODE,
            RootChange::Reset => opcodes::ROOT_RESET,
            RootChange::Full { .. } => opcodes::ROOT_UPGRADE_FULL,
            RootChange::Owner(_) => opcodes::ROOT_CHANGE_OWNER,
        }
    }

    /// The body.
    pub fn to_cell(&self) -> Cell {
        build(|cell| {
            cell.store_header(self.op(), self.query_id)?;
            self.change.store(cell)
        })
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What the contract would refuse too: an unknown operation, short or trailing data.
    pub fn parse(body: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(body)?;
        let (op, query_id) = (fields.u32()?, fields.u64()?);
        let change = RootChange::load(op, &mut fields)?;
        fields.finish()?;
        Ok(Self { query_id, change })
    }
}

impl RootChange {
    fn store(&self, cell: &mut CellBuilder) -> Result<(), Error> {
        match self {
            Self::Add { hash, .. } | Self::Remove { hash, .. } => cell.store_hash(hash),
            Self::RegisterProxy(registration) => registration.store(cell),
            Self::UnregisterProxy { seqno } => cell.store_u32(*seqno),
            Self::UpdateProxy { seqno, registration } => {
                cell.store_u32(*seqno)?;
                registration.store(cell)
            }
            Self::Fees { price, worker_fee } => {
                cell.store_amount(*price)?;
                cell.store_amount(*worker_fee)
            }
            Self::Params {
                price,
                worker_fee,
                proxy_delay_s,
                client_delay_s,
                min_proxy_stake,
                min_client_stake,
            } => {
                cell.store_amount(*price)?;
                cell.store_amount(*worker_fee)?;
                cell.store_u32(*proxy_delay_s)?;
                cell.store_u32(*client_delay_s)?;
                cell.store_amount(*min_proxy_stake)?;
                cell.store_amount(*min_client_stake)
            }
            Self::Contracts { proxy, worker, client } => [proxy, worker, client]
                .into_iter()
                .try_for_each(|code| cell.store_reference(code.clone())),
            Self::Code(code) => cell.store_reference(code.clone()),
            Self::Reset => Ok(()),
            Self::Full { data, code } => {
                cell.store_reference(data.clone())?;
                cell.store_reference(code.clone())
            }
            Self::Owner(owner) => cell.store_address(owner),
        }
    }

    fn load(op: u32, fields: &mut Fields<'_>) -> Result<Self, LayoutError> {
        for list in HashList::ALL {
            let [add, remove] = list.ops();
            if op == add {
                return Ok(Self::Add {
                    list,
                    hash: fields.hash()?,
                });
            }
            if op == remove {
                return Ok(Self::Remove {
                    list,
                    hash: fields.hash()?,
                });
            }
        }
        Ok(match op {
            opcodes::ROOT_REGISTER_PROXY => Self::RegisterProxy(Registration::load(fields)?),
            opcodes::ROOT_UNREGISTER_PROXY => Self::UnregisterProxy { seqno: fields.u32()? },
            opcodes::ROOT_UPDATE_PROXY => Self::UpdateProxy {
                seqno: fields.u32()?,
                registration: Registration::load(fields)?,
            },
            opcodes::ROOT_CHANGE_FEES => Self::Fees {
                price: fields.coins()?,
                worker_fee: fields.coins()?,
            },
            opcodes::ROOT_CHANGE_PARAMS => Self::Params {
                price: fields.coins()?,
                worker_fee: fields.coins()?,
                proxy_delay_s: fields.u32()?,
                client_delay_s: fields.u32()?,
                min_proxy_stake: fields.coins()?,
                min_client_stake: fields.coins()?,
            },
            opcodes::ROOT_UPGRADE_CONTRACTS => Self::Contracts {
                proxy: fields.reference()?,
                worker: fields.reference()?,
                client: fields.reference()?,
            },
            opcodes::ROOT_UPGRADE_CODE => Self::Code(fields.reference()?),
            opcodes::ROOT_RESET => Self::Reset,
            opcodes::ROOT_UPGRADE_FULL => Self::Full {
                data: fields.reference()?,
                code: fields.reference()?,
            },
            opcodes::ROOT_CHANGE_OWNER => Self::Owner(fields.address()?),
            _ => return Err(LayoutError::UnknownOp { op }),
        })
    }
}
