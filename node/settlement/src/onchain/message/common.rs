//! Messages that every contract takes and most only receive.

use tycho_types::cell::Cell;

use crate::{
    cells::build,
    hash::Hash256,
    onchain::{
        LayoutError,
        fields::{Fields, StoreMessageFields as _},
        opcodes,
    },
};

/// A message that asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// No body: coins.
    Empty,
    /// What was left of a message's value.
    Excesses {
        /// Of the message that was handled.
        query_id: u64,
    },
    /// Coins that were earned, refunded or withdrawn.
    Payout {
        /// Of the message that was handled.
        query_id: u64,
    },
    /// The state that a proxy node has committed, written on its own contract (§4.6).
    StateCommit {
        /// Random.
        query_id: u64,
        /// Number of the commit.
        seqno: i32,
        /// Drawn once per start of the node.
        session: Hash256,
    },
    /// Anything else that contracts ignore, after the operation.
    Ignored {
        /// What follows the operation.
        rest: Cell,
    },
}

impl Notice {
    /// The body.
    pub fn to_cell(&self) -> Cell {
        build(|cell| match self {
            Self::Empty => Ok(()),
            Self::Excesses { query_id } => cell.store_header(opcodes::EXCESSES, *query_id),
            Self::Payout { query_id } => cell.store_header(opcodes::PAYOUT, *query_id),
            Self::StateCommit {
                query_id,
                seqno,
                session,
            } => {
                cell.store_header(opcodes::DO_NOT_PROCESS, *query_id)?;
                cell.store_u32(opcodes::STATE_COMMIT)?;
                cell.store_raw(&seqno.to_be_bytes(), 32)?;
                cell.store_hash(session)
            }
            Self::Ignored { rest } => {
                cell.store_u32(opcodes::DO_NOT_PROCESS)?;
                cell.store_slice(rest.as_slice()?)
            }
        })
    }

    /// Reads a body; `None` if its operation is none of these.
    ///
    /// # Errors
    /// One of these operations with a body of another shape.
    pub fn parse(body: &Cell) -> Result<Option<Self>, LayoutError> {
        let mut fields = Fields::of(body)?;
        if fields.is_empty() {
            return Ok(Some(Self::Empty));
        }
        let op = fields.u32()?;
        let notice = match op {
            opcodes::EXCESSES => Self::Excesses {
                query_id: fields.u64()?,
            },
            opcodes::PAYOUT => Self::Payout {
                query_id: fields.u64()?,
            },
            opcodes::DO_NOT_PROCESS => {
                let rest = fields.rest();
                return Ok(Some(Self::parse_commit(fields).unwrap_or(Self::Ignored { rest })));
            }
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(notice))
    }

    fn parse_commit(mut fields: Fields<'_>) -> Result<Self, LayoutError> {
        let query_id = fields.u64()?;
        let op = fields.u32()?;
        if op != opcodes::STATE_COMMIT {
            return Err(LayoutError::UnknownOp { op });
        }
        let seqno = i32::from_be_bytes(fields.bytes()?);
        let session = fields.hash()?;
        fields.finish()?;
        Ok(Self::StateCommit {
            query_id,
            seqno,
            session,
        })
    }
}
