//! Signed payments (§5.7): the proxy's promise that a contract may charge a client, or pay a worker, up to a count of
//! tokens.
//!
//! A payment is the body of a message to the contract: an envelope with the proxy's signature over the hash of the
//! signed part, which repeats operation and query id and names the contract. Counts only grow, so a later payment
//! replaces every earlier one.
//!
//! A payment is signed per request, so the fixed layout is written directly (`layout`); the tests hold it equal to
//! what a general cell builder produces.

mod layout;
mod verify;

pub use verify::{MAX_PAYMENT_BOC_BYTES, PaymentError, UnverifiedPayment, VerifiedPayment};

use crate::{address::Address, keys::SigningKey};

/// Size of the canonical BoC of a payment.
pub const PAYMENT_BOC_BYTES: usize = layout::BOC_BYTES;

/// What a payment allows its holder to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaymentKind {
    /// Charge a client contract up to a count of tokens.
    ClientCharge,
    /// Charge a client contract a last time and refund the rest.
    ClientRefund,
    /// Pay a worker up to a count of tokens.
    WorkerPayout,
    /// Pay a worker a last time and close its contract.
    WorkerLastPayout,
}

impl PaymentKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::ClientCharge,
        Self::ClientRefund,
        Self::WorkerPayout,
        Self::WorkerLastPayout,
    ];

    /// The operation code (§6.5, §6.6).
    pub const fn op(self) -> u32 {
        match self {
            Self::ClientCharge => 0xbb63_ff93,
            Self::ClientRefund => 0xefd7_11e1,
            Self::WorkerPayout => 0xa040_ad28,
            Self::WorkerLastPayout => 0xf5f2_6a36,
        }
    }

    /// The kind of an operation code.
    pub fn from_op(op: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.op() == op)
    }
}

/// A payment that this side has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPayment {
    /// Total count of adjusted tokens since the account was opened.
    pub tokens: u64,
    /// `proxy.signedPayment.data`: canonical BoC of the envelope.
    pub boc: Vec<u8>,
}

impl SignedPayment {
    /// Signs a payment for the contract `my_address`. `query_id` is random, one per signature; `excesses` receives
    /// what is left of the submitting message's value, is not signed, and is replaced by whoever submits.
    pub fn sign(
        key: &SigningKey,
        kind: PaymentKind,
        query_id: u64,
        tokens: u64,
        my_address: &Address,
        excesses: &Address,
    ) -> Self {
        let op = kind.op();
        let signed = layout::SignedPart {
            op,
            query_id,
            tokens,
            my_address: *my_address,
        }
        .to_bytes();
        let signature = key.sign(&layout::signed_part_hash(&signed));
        let envelope = layout::Envelope {
            op,
            query_id,
            excesses: *excesses,
            signature,
        }
        .to_bytes();
        Self {
            tokens,
            boc: layout::to_boc(&envelope, &signed).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
