//! Messages to a client contract (§6.6).

use tycho_types::cell::Cell;

use super::envelope::SignedCount;
use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    hash::Hash256,
    onchain::{
        Coins, LayoutError,
        fields::{Fields, StoreMessageFields as _, plain_body},
        opcodes,
    },
    payment::PaymentKind,
};

/// A message to a client contract. `excesses` receives what is left of the message's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Add to the balance; from anyone.
    TopUp {
        /// Repeated in answers.
        query_id: u64,
        /// Part of the message's value that is for the balance.
        amount: Coins,
        /// See above.
        excesses: Address,
    },
    /// Change the secret and add to the balance; from the owner.
    SecretAndTopUp {
        /// Repeated in answers.
        query_id: u64,
        /// Part of the message's value that is for the balance.
        amount: Coins,
        /// SHA-256 of the new secret.
        secret_hash: Hash256,
        /// See above.
        excesses: Address,
    },
    /// Prove to the proxy's node who owns this account; from the owner.
    Register {
        /// Repeated in answers.
        query_id: u64,
        /// As the proxy's node has given it.
        nonce: u64,
        /// See above.
        excesses: Address,
    },
    /// Change the secret; from the owner.
    ChangeSecret {
        /// Repeated in answers.
        query_id: u64,
        /// SHA-256 of the new secret.
        secret_hash: Hash256,
        /// See above.
        excesses: Address,
    },
    /// Raise the stake; from the owner.
    IncreaseStake {
        /// Repeated in answers.
        query_id: u64,
        /// The new stake, larger than the old.
        stake: Coins,
        /// See above.
        excesses: Address,
    },
    /// Take out what exceeds the stake; from the owner.
    Withdraw {
        /// Repeated in answers.
        query_id: u64,
        /// See above.
        excesses: Address,
    },
    /// Start to close, or force the refund after the delay; from the owner.
    RequestRefund {
        /// Repeated in answers.
        query_id: u64,
        /// See above.
        excesses: Address,
    },
    /// [`PaymentKind::ClientCharge`] or [`PaymentKind::ClientRefund`]; from anyone.
    Signed(SignedCount),
}

impl ClientMessage {
    /// The operation code.
    pub const fn op(&self) -> u32 {
        match self {
            Self::TopUp { .. } => opcodes::CLIENT_TOP_UP,
            Self::SecretAndTopUp { .. } => opcodes::CLIENT_SECRET_AND_TOP_UP,
            Self::Register { .. } => opcodes::CLIENT_REGISTER,
            Self::ChangeSecret { .. } => opcodes::CLIENT_CHANGE_SECRET,
            Self::IncreaseStake { .. } => opcodes::CLIENT_INCREASE_STAKE,
            Self::Withdraw { .. } => opcodes::CLIENT_WITHDRAW,
            Self::RequestRefund { .. } => opcodes::CLIENT_REQUEST_REFUND,
            Self::Signed(count) => count.kind.op(),
        }
    }

    /// The query id.
    pub const fn query_id(&self) -> u64 {
        match self {
            Self::TopUp { query_id, .. }
            | Self::SecretAndTopUp { query_id, .. }
            | Self::Register { query_id, .. }
            | Self::ChangeSecret { query_id, .. }
            | Self::IncreaseStake { query_id, .. }
            | Self::Withdraw { query_id, .. }
            | Self::RequestRefund { query_id, .. } => *query_id,
            Self::Signed(count) => count.query_id,
        }
    }

    /// The body.
    pub fn to_cell(&self) -> Cell {
        let header = (self.op(), self.query_id());
        match self {
            Self::TopUp { amount, excesses, .. } => build(|cell| {
                cell.store_header(header.0, header.1)?;
                cell.store_amount(*amount)?;
                cell.store_address(excesses)
            }),
            Self::SecretAndTopUp {
                amount,
                secret_hash,
                excesses,
                ..
            } => build(|cell| {
                cell.store_header(header.0, header.1)?;
                cell.store_amount(*amount)?;
                cell.store_hash(secret_hash)?;
                cell.store_address(excesses)
            }),
            Self::Register { nonce, excesses, .. } => build(|cell| {
                cell.store_header(header.0, header.1)?;
                cell.store_u64(*nonce)?;
                cell.store_address(excesses)
            }),
            Self::ChangeSecret {
                secret_hash, excesses, ..
            } => build(|cell| {
                cell.store_header(header.0, header.1)?;
                cell.store_hash(secret_hash)?;
                cell.store_address(excesses)
            }),
            Self::IncreaseStake { stake, excesses, .. } => build(|cell| {
                cell.store_header(header.0, header.1)?;
                cell.store_amount(*stake)?;
                cell.store_address(excesses)
            }),
            Self::Withdraw { excesses, .. } | Self::RequestRefund { excesses, .. } => {
                plain_body(header.0, header.1, excesses)
            }
            Self::Signed(count) => count.to_cell(),
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What the contract would refuse too: an unknown operation, short or trailing data.
    pub fn parse(body: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(body)?;
        let (op, query_id) = (fields.u32()?, fields.u64()?);
        let message = match op {
            opcodes::CLIENT_TOP_UP => Self::TopUp {
                query_id,
                amount: fields.coins()?,
                excesses: fields.address()?,
            },
            opcodes::CLIENT_SECRET_AND_TOP_UP => Self::SecretAndTopUp {
                query_id,
                amount: fields.coins()?,
                secret_hash: fields.hash()?,
                excesses: fields.address()?,
            },
            opcodes::CLIENT_REGISTER => Self::Register {
                query_id,
                nonce: fields.u64()?,
                excesses: fields.address()?,
            },
            opcodes::CLIENT_CHANGE_SECRET => Self::ChangeSecret {
                query_id,
                secret_hash: fields.hash()?,
                excesses: fields.address()?,
            },
            opcodes::CLIENT_INCREASE_STAKE => Self::IncreaseStake {
                query_id,
                stake: fields.coins()?,
                excesses: fields.address()?,
            },
            opcodes::CLIENT_WITHDRAW => Self::Withdraw {
                query_id,
                excesses: fields.address()?,
            },
            opcodes::CLIENT_REQUEST_REFUND => Self::RequestRefund {
                query_id,
                excesses: fields.address()?,
            },
            opcodes::CLIENT_CHARGE => {
                Self::Signed(SignedCount::parse(PaymentKind::ClientCharge, query_id, &mut fields)?)
            }
            opcodes::CLIENT_GRANT_REFUND => {
                Self::Signed(SignedCount::parse(PaymentKind::ClientRefund, query_id, &mut fields)?)
            }
            _ => return Err(LayoutError::UnknownOp { op }),
        };
        fields.finish()?;
        Ok(message)
    }
}
