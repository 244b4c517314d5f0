//! Signed messages (§5.7) in cells: counts of tokens for client and worker contracts, closings for proxy contracts.
//!
//! What nodes exchange is a BoC of the same cells; [`crate::payment`] reads and checks those. A contract checks the
//! signature itself, so these types do not claim that it verifies.

use tycho_types::cell::Cell;

use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    keys::{PublicKey, Signature, SigningKey},
    onchain::{
        LayoutError,
        fields::{Fields, StoreMessageFields as _},
        opcodes,
    },
    payment::{PaymentKind, VerifiedPayment},
};

/// A signed count of tokens: charge, refund, payout or last payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCount {
    /// Which of them.
    pub kind: PaymentKind,
    /// Random number of this signature.
    pub query_id: u64,
    /// Total count of adjusted tokens.
    pub tokens: u64,
    /// The contract that it is for.
    pub my_address: Address,
    /// Receives what is left of the message's value; not signed.
    pub excesses: Address,
    /// Of the signed part's representation hash.
    pub signature: Signature,
}

impl SignedCount {
    /// Signs a count.
    pub fn sign(
        key: &SigningKey,
        kind: PaymentKind,
        query_id: u64,
        tokens: u64,
        my_address: Address,
        excesses: Address,
    ) -> Self {
        let part = signed_part(kind.op(), query_id, Some(tokens), &my_address);
        Self {
            kind,
            query_id,
            tokens,
            my_address,
            excesses,
            signature: key.sign(&part.repr_hash().0),
        }
    }

    /// Whether the signature is `key`'s.
    #[must_use]
    pub fn verifies(&self, key: &PublicKey) -> bool {
        key.verifies(&self.signed_part().repr_hash().0, &self.signature)
    }

    fn signed_part(&self) -> Cell {
        signed_part(self.kind.op(), self.query_id, Some(self.tokens), &self.my_address)
    }

    /// The body.
    pub fn to_cell(&self) -> Cell {
        envelope(
            self.kind.op(),
            self.query_id,
            &self.excesses,
            &self.signature,
            self.signed_part(),
        )
    }

    /// Reads what follows operation and query id.
    pub(crate) fn parse(kind: PaymentKind, query_id: u64, fields: &mut Fields<'_>) -> Result<Self, LayoutError> {
        let (excesses, signature, part) = open(kind.op(), query_id, fields)?;
        let mut part = Fields::of(&part)?;
        skip_header(&mut part)?;
        let tokens = part.u64()?;
        let my_address = part.address()?;
        part.finish()?;
        Ok(Self {
            kind,
            query_id,
            tokens,
            my_address,
            excesses,
            signature,
        })
    }
}

impl SignedCount {
    /// The message that submits a checked payment, with the submitter's address for the excesses.
    pub fn submit(payment: &VerifiedPayment, excesses: Address) -> Self {
        Self {
            kind: payment.kind(),
            query_id: payment.query_id(),
            tokens: payment.tokens(),
            my_address: payment.my_address(),
            excesses,
            signature: payment.signature(),
        }
    }
}

/// Which signed message closes a proxy contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseKind {
    /// Starts the delay.
    Request,
    /// After the delay.
    Complete,
}

impl CloseKind {
    /// The operation code.
    pub const fn op(self) -> u32 {
        match self {
            Self::Request => opcodes::PROXY_CLOSE,
            Self::Complete => opcodes::PROXY_CLOSE_COMPLETE,
        }
    }
}

/// A signed message that closes a proxy contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedClose {
    /// Which step.
    pub kind: CloseKind,
    /// Random number of this signature.
    pub query_id: u64,
    /// The contract that it is for.
    pub my_address: Address,
    /// Receives what is left of the message's value; not signed.
    pub excesses: Address,
    /// Of the signed part's representation hash.
    pub signature: Signature,
}

impl SignedClose {
    /// Signs a step.
    pub fn sign(key: &SigningKey, kind: CloseKind, query_id: u64, my_address: Address, excesses: Address) -> Self {
        let part = signed_part(kind.op(), query_id, None, &my_address);
        Self {
            kind,
            query_id,
            my_address,
            excesses,
            signature: key.sign(&part.repr_hash().0),
        }
    }

    /// Whether the signature is `key`'s.
    #[must_use]
    pub fn verifies(&self, key: &PublicKey) -> bool {
        key.verifies(&self.signed_part().repr_hash().0, &self.signature)
    }

    fn signed_part(&self) -> Cell {
        signed_part(self.kind.op(), self.query_id, None, &self.my_address)
    }

    /// The body.
    pub fn to_cell(&self) -> Cell {
        envelope(
            self.kind.op(),
            self.query_id,
            &self.excesses,
            &self.signature,
            self.signed_part(),
        )
    }

    pub(crate) fn parse(kind: CloseKind, query_id: u64, fields: &mut Fields<'_>) -> Result<Self, LayoutError> {
        let (excesses, signature, part) = open(kind.op(), query_id, fields)?;
        let mut part = Fields::of(&part)?;
        skip_header(&mut part)?;
        let my_address = part.address()?;
        part.finish()?;
        Ok(Self {
            kind,
            query_id,
            my_address,
            excesses,
            signature,
        })
    }
}

fn signed_part(op: u32, query_id: u64, tokens: Option<u64>, my_address: &Address) -> Cell {
    build(|cell| {
        cell.store_header(op, query_id)?;
        if let Some(tokens) = tokens {
            cell.store_u64(tokens)?;
        }
        cell.store_address(my_address)
    })
}

fn envelope(op: u32, query_id: u64, excesses: &Address, signature: &Signature, part: Cell) -> Cell {
    build(|cell| {
        cell.store_header(op, query_id)?;
        cell.store_address(excesses)?;
        cell.store_raw(signature.as_bytes(), 512)?;
        cell.store_reference(part)
    })
}

fn open(op: u32, query_id: u64, fields: &mut Fields<'_>) -> Result<(Address, Signature, Cell), LayoutError> {
    let excesses = fields.address()?;
    let signature = fields.signature()?;
    let part = fields.reference()?;
    fields.finish()?;
    let mut inner = Fields::of(&part)?;
    if (inner.u32()?, inner.u64()?) != (op, query_id) {
        return Err(LayoutError::EnvelopeMismatch);
    }
    Ok((excesses, signature, part))
}

fn skip_header(part: &mut Fields<'_>) -> Result<(), LayoutError> {
    part.u32()?;
    part.u64()?;
    Ok(())
}
