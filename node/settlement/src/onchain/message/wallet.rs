//! Messages to a node wallet (§6.8): signed ones from outside, and its owner's.

use tycho_types::cell::{Cell, CellBuilder};
use tycho_types::error::Error;

use super::{common::Notice, proxy::text};
use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    keys::{PublicKey, Signature, SigningKey},
    onchain::{
        Coins, LayoutError,
        fields::{Fields, StoreMessageFields as _},
        opcodes,
    },
};

/// Most messages in one external message (§5.6): a cell has four references.
pub const MAX_ORDERS: usize = 4;

/// Mode of a message whose fees come out of its value.
pub const MODE_FEES_FROM_VALUE: u8 = 0;
/// Mode of a message whose fees come out of the balance.
pub const MODE_FEES_APART: u8 = 1;

/// An internal message as the wallet sends it: body and StateInit in references (§5.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Whether the coins come back from an account that refuses them.
    pub bounce: bool,
    /// Receiver.
    pub dest: Address,
    /// Coins.
    pub value: Coins,
    /// Deploys the receiver.
    pub state_init: Option<Cell>,
    /// Body.
    pub body: Cell,
}

impl OutgoingMessage {
    /// The message cell, with source, fees and time left for the chain to fill in.
    pub fn to_cell(&self) -> Cell {
        build(|cell| {
            // int_msg_info$0, instant hypercube routing disabled, bounce, not bounced, source empty.
            cell.store_small_uint(if self.bounce { 0x18 } else { 0x10 }, 6)?;
            cell.store_address(&self.dest)?;
            cell.store_amount(self.value)?;
            // No extra currencies, flags and forwarding fee zero, logical and Unix time zero.
            cell.store_zeros(1 + 4 + 4 + 64 + 32)?;
            cell.store_bit(self.state_init.is_some())?;
            if let Some(state_init) = &self.state_init {
                // In a reference.
                cell.store_bit(true)?;
                cell.store_reference(state_init.clone())?;
            }
            cell.store_bit(true)?;
            cell.store_reference(self.body.clone())
        })
    }

    /// Reads a message cell of this form: no extra currencies, standard addresses, StateInit and body in references.
    ///
    /// # Errors
    /// Another form.
    pub fn parse(message: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(message)?;
        let bounce = match fields.small(6)? {
            0x18 => true,
            0x10 => false,
            _ => return Err(LayoutError::Reserved),
        };
        let dest = fields.address()?;
        let value = fields.coins()?;
        let zeros: [u8; 13] = fields.bytes()?;
        if zeros != [0; 13] || fields.bit()? {
            return Err(LayoutError::Reserved);
        }
        let state_init = if fields.bit()? {
            if !fields.bit()? {
                return Err(LayoutError::Reserved);
            }
            Some(fields.reference()?)
        } else {
            None
        };
        if !fields.bit()? {
            return Err(LayoutError::Reserved);
        }
        let body = fields.reference()?;
        fields.finish()?;
        Ok(Self {
            bounce,
            dest,
            value,
            state_init,
            body,
        })
    }
}

/// A message with its mode, as part of an external message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// How fees and errors are treated.
    pub mode: u8,
    /// The message cell, usually of an [`OutgoingMessage`].
    pub message: Cell,
}

/// Body of a signed message from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletExternal {
    /// Of the representation hash of what follows it.
    pub signature: Signature,
    /// Zero in this network.
    pub subwallet: u32,
    /// Unix seconds; the wallet refuses the message from then on.
    pub valid_until: u32,
    /// The wallet's number of messages so far.
    pub seqno: u32,
    /// What to send, at most [`MAX_ORDERS`].
    orders: Vec<Order>,
}

impl WalletExternal {
    /// Signs orders; `None` if there are more than [`MAX_ORDERS`].
    pub fn sign(key: &SigningKey, subwallet: u32, valid_until: u32, seqno: u32, orders: Vec<Order>) -> Option<Self> {
        if orders.len() > MAX_ORDERS {
            return None;
        }
        let mut external = Self {
            signature: Signature([0; 64]),
            subwallet,
            valid_until,
            seqno,
            orders,
        };
        external.signature = key.sign(&external.unsigned().repr_hash().0);
        Some(external)
    }

    /// What to send.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Whether the signature is `key`'s.
    #[must_use]
    pub fn verifies(&self, key: &PublicKey) -> bool {
        key.verifies(&self.unsigned().repr_hash().0, &self.signature)
    }

    fn unsigned(&self) -> Cell {
        build(|cell| self.store_unsigned(cell))
    }

    fn store_unsigned(&self, cell: &mut CellBuilder) -> Result<(), Error> {
        cell.store_u32(self.subwallet)?;
        cell.store_u32(self.valid_until)?;
        cell.store_u32(self.seqno)?;
        self.orders.iter().try_for_each(|order| {
            cell.store_u8(order.mode)?;
            cell.store_reference(order.message.clone())
        })
    }

    /// The body.
    pub fn to_cell(&self) -> Cell {
        build(|cell| {
            cell.store_raw(self.signature.as_bytes(), 512)?;
            self.store_unsigned(cell)
        })
    }

    /// The whole external message to the wallet `dest`, which may deploy it.
    pub fn to_message(&self, dest: &Address, state_init: Option<&Cell>) -> Cell {
        build(|cell| {
            // ext_in_msg_info$10, source addr_none$00.
            cell.store_small_uint(0b1000, 4)?;
            cell.store_address(dest)?;
            // Import fee zero.
            cell.store_zeros(4)?;
            cell.store_bit(state_init.is_some())?;
            if let Some(state_init) = state_init {
                cell.store_bit(true)?;
                cell.store_reference(state_init.clone())?;
            }
            cell.store_bit(true)?;
            cell.store_reference(self.to_cell())
        })
    }

    /// Reads a body.
    ///
    /// # Errors
    /// Short or trailing data.
    pub fn parse(body: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(body)?;
        let mut external = Self {
            signature: fields.signature()?,
            subwallet: fields.u32()?,
            valid_until: fields.u32()?,
            seqno: fields.u32()?,
            orders: Vec::new(),
        };
        // A cell has at most four references, so this ends.
        while !fields.is_empty() {
            external.orders.push(Order {
                mode: fields.u8()?,
                message: fields.reference()?,
            });
        }
        Ok(external)
    }
}

/// An internal message to a node wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalletMessage {
    /// Coins, or a message that the wallet ignores.
    Notice(Notice),
    /// Send a message as the wallet; from the owner.
    Send {
        /// Not looked at.
        query_id: u64,
        /// How fees and errors are treated.
        mode: u8,
        /// The message cell.
        message: Cell,
    },
    /// Text `w`: everything to the owner; from the owner.
    Withdraw,
    /// Text `b`: refuse orders from outside; from the owner.
    Block,
    /// Text `u`: accept them again; from the owner.
    Unblock,
}

impl WalletMessage {
    /// The body.
    pub fn to_cell(&self) -> Cell {
        match self {
            Self::Notice(notice) => notice.to_cell(),
            Self::Send {
                query_id,
                mode,
                message,
            } => build(|cell| {
                cell.store_header(opcodes::WALLET_SEND, *query_id)?;
                cell.store_u8(*mode)?;
                cell.store_reference(message.clone())
            }),
            Self::Withdraw => text(b'w'),
            Self::Block => text(b'b'),
            Self::Unblock => text(b'u'),
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What the contract would refuse from its owner too.
    pub fn parse(body: &Cell) -> Result<Self, LayoutError> {
        if let Some(notice) = Notice::parse(body)? {
            return Ok(Self::Notice(notice));
        }
        let mut fields = Fields::of(body)?;
        let op = fields.u32()?;
        let message = match op {
            opcodes::WALLET_SEND => Self::Send {
                query_id: fields.u64()?,
                mode: fields.u8()?,
                message: fields.reference()?,
            },
            opcodes::TEXT => match fields.u8()? {
                b'w' => Self::Withdraw,
                b'b' => Self::Block,
                b'u' => Self::Unblock,
                command => return Err(LayoutError::UnknownText { command }),
            },
            _ => return Err(LayoutError::UnknownOp { op }),
        };
        fields.finish()?;
        Ok(message)
    }
}
