//! Reading payments that somebody else made.

use tycho_types::{
    boc::Boc,
    cell::{Cell, DynCell},
};

use super::{
    PaymentKind,
    layout::{self, ENVELOPE_BITS, ENVELOPE_BYTES, Envelope, SIGNED_BITS, SIGNED_BYTES, SignedPart},
};
use crate::{
    address::Address,
    cells::{StoreFields, build},
    keys::{PublicKey, Signature},
};

/// Longest BoC that is looked at. The canonical form has 180 bytes; index, checksum, stored hashes and wide offsets
/// stay far below this.
pub const MAX_PAYMENT_BOC_BYTES: usize = 1024;

/// Why a payment was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// Longer than [`MAX_PAYMENT_BOC_BYTES`].
    #[error("a payment of {bytes} bytes, more than {MAX_PAYMENT_BOC_BYTES}")]
    TooLong {
        /// Length of the BoC.
        bytes: usize,
    },
    /// Not a bag of cells.
    #[error("not a bag of cells: {reason}")]
    Boc {
        /// What the decoder says.
        reason: String,
    },
    /// Cells of another shape: sizes, references, exotic cells.
    #[error("the cells are not an envelope and a signed part")]
    Layout,
    /// An address that is not `addr_std$10` without anycast.
    #[error("an address in the payment is not a standard one")]
    AddressForm,
    /// An operation that is no payment.
    #[error("operation {op:#010x} is no payment")]
    UnknownOp {
        /// As found.
        op: u32,
    },
    /// A payment of another kind than expected.
    #[error("a payment of kind {found:?} where {expected:?} was expected")]
    Kind {
        /// As found.
        found: PaymentKind,
        /// What the receiver can use.
        expected: PaymentKind,
    },
    /// Envelope and signed part disagree about operation or query id.
    #[error("envelope and signed part differ")]
    EnvelopeMismatch,
    /// For another contract.
    #[error("a payment for {found} where {expected} was expected")]
    Address {
        /// As found.
        found: Address,
        /// The receiver's contract.
        expected: Address,
    },
    /// Not signed by the proxy's key.
    #[error("the signature does not verify")]
    Signature,
}

/// A well-formed payment whose signature nobody has checked: for tracing, and on the way to a [`VerifiedPayment`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedPayment {
    kind: PaymentKind,
    query_id: u64,
    tokens: u64,
    my_address: Address,
    excesses: Address,
    signature: Signature,
    signed_hash: [u8; 32],
}

impl UnverifiedPayment {
    /// Reads any standard BoC of up to [`MAX_PAYMENT_BOC_BYTES`].
    ///
    /// # Errors
    /// Everything that is not exactly the two cells of §5.7. A contract fails on trailing data too, so such a payment
    /// would be worthless.
    pub fn decode(boc: &[u8]) -> Result<Self, PaymentError> {
        if boc.len() > MAX_PAYMENT_BOC_BYTES {
            return Err(PaymentError::TooLong { bytes: boc.len() });
        }
        let (envelope, signed) = match layout::from_boc(boc) {
            Some(parts) => parts,
            None => from_other_boc(boc)?,
        };
        let signed_hash = layout::signed_part_hash(&signed);
        let envelope = Envelope::from_bytes(&envelope).ok_or(PaymentError::AddressForm)?;
        let signed = SignedPart::from_bytes(&signed).ok_or(PaymentError::AddressForm)?;
        if (envelope.op, envelope.query_id) != (signed.op, signed.query_id) {
            return Err(PaymentError::EnvelopeMismatch);
        }
        Ok(Self {
            kind: PaymentKind::from_op(signed.op).ok_or(PaymentError::UnknownOp { op: signed.op })?,
            query_id: signed.query_id,
            tokens: signed.tokens,
            my_address: signed.my_address,
            excesses: envelope.excesses,
            signature: envelope.signature,
            signed_hash,
        })
    }

    /// What it claims to allow.
    pub const fn kind(&self) -> PaymentKind {
        self.kind
    }

    /// The count it claims.
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The contract it claims to be for.
    pub const fn my_address(&self) -> Address {
        self.my_address
    }

    /// Checks kind, contract and signature, the cheap ones first.
    ///
    /// # Errors
    /// Says which of them failed.
    pub fn verify(
        self,
        expected_kind: PaymentKind,
        expected_my_address: &Address,
        key: &PublicKey,
    ) -> Result<VerifiedPayment, PaymentError> {
        if self.kind != expected_kind {
            return Err(PaymentError::Kind {
                found: self.kind,
                expected: expected_kind,
            });
        }
        if self.my_address != *expected_my_address {
            return Err(PaymentError::Address {
                found: self.my_address,
                expected: *expected_my_address,
            });
        }
        if !key.verifies(&self.signed_hash, &self.signature) {
            return Err(PaymentError::Signature);
        }
        Ok(VerifiedPayment(self))
    }
}

/// A payment that the contract will accept: right kind, right contract, signed by the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPayment(UnverifiedPayment);

impl VerifiedPayment {
    /// What it allows.
    pub const fn kind(&self) -> PaymentKind {
        self.0.kind
    }

    /// Random number of this signature; a transaction with the same number settles it.
    pub const fn query_id(&self) -> u64 {
        self.0.query_id
    }

    /// Total count of adjusted tokens since the account was opened.
    pub const fn tokens(&self) -> u64 {
        self.0.tokens
    }

    /// The contract that it is for.
    pub const fn my_address(&self) -> Address {
        self.0.my_address
    }

    /// Where the sender wants what is left of the message's value. Not signed.
    pub const fn excesses(&self) -> Address {
        self.0.excesses
    }

    /// The proxy's signature.
    pub const fn signature(&self) -> Signature {
        self.0.signature
    }

    /// Representation hash of the signed part.
    pub const fn signed_hash(&self) -> &[u8; 32] {
        &self.0.signed_hash
    }

    /// The message body that submits this payment, with the submitter's own address for the excesses.
    pub fn message_body(&self, excesses: &Address) -> Cell {
        let payment = &self.0;
        let signed = build(|cell| {
            cell.store_u32(payment.kind.op())?;
            cell.store_u64(payment.query_id)?;
            cell.store_u64(payment.tokens)?;
            cell.store_address(&payment.my_address)
        });
        build(|cell| {
            cell.store_u32(payment.kind.op())?;
            cell.store_u64(payment.query_id)?;
            cell.store_address(excesses)?;
            cell.store_raw(payment.signature.as_bytes(), 512)?;
            cell.store_reference(signed)
        })
    }
}

impl super::SignedPayment {
    /// Reads and checks a payment that came from a proxy.
    ///
    /// # Errors
    /// See [`UnverifiedPayment::decode`] and [`UnverifiedPayment::verify`].
    pub fn parse_and_verify(
        boc: &[u8],
        expected_kind: PaymentKind,
        expected_my_address: &Address,
        key: &PublicKey,
    ) -> Result<VerifiedPayment, PaymentError> {
        UnverifiedPayment::decode(boc)?.verify(expected_kind, expected_my_address, key)
    }
}

/// The slow way, for BoCs with an index, a checksum, other widths or another order.
fn from_other_boc(boc: &[u8]) -> Result<([u8; ENVELOPE_BYTES], [u8; SIGNED_BYTES]), PaymentError> {
    let envelope = Boc::decode(boc).map_err(|error| PaymentError::Boc {
        reason: error.to_string(),
    })?;
    let signed = envelope.reference(0).ok_or(PaymentError::Layout)?;
    Ok((
        cell_data(envelope.as_ref(), ENVELOPE_BITS, 1)?,
        cell_data(signed, SIGNED_BITS, 0)?,
    ))
}

/// A cell's data with its last byte completed, as in [`layout`].
fn cell_data<const N: usize>(cell: &DynCell, bits: u16, references: u8) -> Result<[u8; N], PaymentError> {
    if cell.is_exotic() || cell.bit_len() != bits || cell.reference_count() != references {
        return Err(PaymentError::Layout);
    }
    cell.data().try_into().map_err(|_| PaymentError::Layout)
}
