//! Messages to a worker contract (§6.5).

use tycho_types::cell::Cell;

use super::envelope::SignedCount;
use crate::{
    address::Address,
    onchain::{
        LayoutError,
        fields::{Fields, plain_body},
        opcodes,
    },
    payment::PaymentKind,
};

/// A message to a worker contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerMessage {
    /// Announce the account to the proxy's node; from the owner.
    Register {
        /// Repeated in answers.
        query_id: u64,
        /// Receives what is left of the message's value.
        excesses: Address,
    },
    /// [`PaymentKind::WorkerPayout`] or [`PaymentKind::WorkerLastPayout`]; from anyone.
    Signed(SignedCount),
}

impl WorkerMessage {
    /// The operation code.
    pub const fn op(&self) -> u32 {
        match self {
            Self::Register { .. } => opcodes::WORKER_REGISTER,
            Self::Signed(count) => count.kind.op(),
        }
    }

    /// The query id.
    pub const fn query_id(&self) -> u64 {
        match self {
            Self::Register { query_id, .. } => *query_id,
            Self::Signed(count) => count.query_id,
        }
    }

    /// The body.
    pub fn to_cell(&self) -> Cell {
        match self {
            Self::Register { query_id, excesses } => plain_body(opcodes::WORKER_REGISTER, *query_id, excesses),
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
            opcodes::WORKER_REGISTER => Self::Register {
                query_id,
                excesses: fields.address()?,
            },
            opcodes::WORKER_PAYOUT => {
                Self::Signed(SignedCount::parse(PaymentKind::WorkerPayout, query_id, &mut fields)?)
            }
            opcodes::WORKER_LAST_PAYOUT => Self::Signed(SignedCount::parse(
                PaymentKind::WorkerLastPayout,
                query_id,
                &mut fields,
            )?),
            _ => return Err(LayoutError::UnknownOp { op }),
        };
        fields.finish()?;
        Ok(message)
    }
}
