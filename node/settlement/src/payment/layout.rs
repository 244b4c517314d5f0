//! The two cells of a payment as bytes (§5.7).
//!
//! Envelope: `u32 op, u64 query_id, addr send_excesses_to, 512 bits signature, ref signed part` = 875 bits.
//! Signed part: `u32 op, u64 query_id, u64 tokens, addr my_address` = 427 bits.
//!
//! Both are a multiple of eight plus three bits long, because an address is `100`, int8, 256 bits. In a cell's bytes
//! an incomplete last byte is completed by a one and zeros.

use crate::{
    address::Address,
    hash::{Hash256, sha256},
    keys::Signature,
};

/// Bits of the signed part.
pub(super) const SIGNED_BITS: u16 = 32 + 64 + 64 + ADDRESS_BITS;
/// Bits of the envelope.
pub(super) const ENVELOPE_BITS: u16 = 32 + 64 + ADDRESS_BITS + 512;
/// Bytes of the signed part's data.
pub(super) const SIGNED_BYTES: usize = SIGNED_BITS.div_ceil(8) as usize;
/// Bytes of the envelope's data.
pub(super) const ENVELOPE_BYTES: usize = ENVELOPE_BITS.div_ceil(8) as usize;
/// Bytes of the canonical BoC.
pub(super) const BOC_BYTES: usize = BOC_HEADER.len() + 2 + ENVELOPE_BYTES + 1 + 2 + SIGNED_BYTES;

const ADDRESS_BITS: u16 = 3 + 8 + 256;
/// `addr_std$10`, no anycast.
const ADDRESS_TAG: u8 = 0b100;

/// Generic BoC without index and checksum: one-byte references and offsets, two cells, one root, none absent, 169
/// bytes of cells, root is cell 0.
const BOC_HEADER: [u8; 11] = [0xb5, 0xee, 0x9c, 0x72, 0x01, 0x01, 0x02, 0x01, 0x00, 0xa9, 0x00];
/// Descriptor: one reference, 109 whole bytes and a part of another.
const ENVELOPE_DESCRIPTOR: [u8; 2] = [0x01, 0xdb];
/// Descriptor: no references, 53 whole bytes and a part of another.
const SIGNED_DESCRIPTOR: [u8; 2] = [0x00, 0x6b];
/// The envelope's reference to the signed part, cell 1.
const REFERENCE: u8 = 1;

/// Fields of the signed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SignedPart {
    pub(super) op: u32,
    pub(super) query_id: u64,
    pub(super) tokens: u64,
    pub(super) my_address: Address,
}

impl SignedPart {
    pub(super) fn to_bytes(self) -> [u8; SIGNED_BYTES] {
        let mut writer = Writer::<SIGNED_BYTES>::new();
        writer.bytes(&self.op.to_be_bytes());
        writer.bytes(&self.query_id.to_be_bytes());
        writer.bytes(&self.tokens.to_be_bytes());
        writer.address(&self.my_address);
        writer.finish()
    }

    /// `None` where the address is not `addr_std$10` without anycast.
    pub(super) fn from_bytes(bytes: &[u8; SIGNED_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self {
            op: u32::from_be_bytes(reader.bytes()),
            query_id: u64::from_be_bytes(reader.bytes()),
            tokens: u64::from_be_bytes(reader.bytes()),
            my_address: reader.address()?,
        })
    }
}

/// Fields of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) op: u32,
    pub(super) query_id: u64,
    pub(super) excesses: Address,
    pub(super) signature: Signature,
}

impl Envelope {
    pub(super) fn to_bytes(self) -> [u8; ENVELOPE_BYTES] {
        let mut writer = Writer::<ENVELOPE_BYTES>::new();
        writer.bytes(&self.op.to_be_bytes());
        writer.bytes(&self.query_id.to_be_bytes());
        writer.address(&self.excesses);
        writer.bytes(self.signature.as_bytes());
        writer.finish()
    }

    /// `None` where the address is not `addr_std$10` without anycast.
    pub(super) fn from_bytes(bytes: &[u8; ENVELOPE_BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self {
            op: u32::from_be_bytes(reader.bytes()),
            query_id: u64::from_be_bytes(reader.bytes()),
            excesses: reader.address()?,
            signature: Signature(reader.bytes()),
        })
    }
}

/// Representation hash of the signed part: what the signature covers.
pub(super) fn signed_part_hash(signed: &[u8; SIGNED_BYTES]) -> Hash256 {
    let mut representation = [0; 2 + SIGNED_BYTES];
    representation[..2].copy_from_slice(&SIGNED_DESCRIPTOR);
    representation[2..].copy_from_slice(signed);
    sha256(&representation)
}

/// The canonical BoC.
pub(super) fn to_boc(envelope: &[u8; ENVELOPE_BYTES], signed: &[u8; SIGNED_BYTES]) -> [u8; BOC_BYTES] {
    let parts: [&[u8]; 6] = [
        &BOC_HEADER,
        &ENVELOPE_DESCRIPTOR,
        envelope,
        &[REFERENCE],
        &SIGNED_DESCRIPTOR,
        signed,
    ];
    let mut boc = [0; BOC_BYTES];
    let mut rest = boc.as_mut_slice();
    for part in parts {
        let (head, tail) = rest.split_at_mut(part.len());
        head.copy_from_slice(part);
        rest = tail;
    }
    boc
}

/// Takes a canonical BoC apart; `None` for every other form.
pub(super) fn from_boc(boc: &[u8]) -> Option<([u8; ENVELOPE_BYTES], [u8; SIGNED_BYTES])> {
    let rest = boc.strip_prefix(&BOC_HEADER)?.strip_prefix(&ENVELOPE_DESCRIPTOR)?;
    let (envelope, rest) = rest.split_first_chunk()?;
    let signed = rest.strip_prefix(&[REFERENCE])?.strip_prefix(&SIGNED_DESCRIPTOR)?;
    let signed: &[u8; SIGNED_BYTES] = signed.try_into().ok()?;
    (is_completed(envelope) && is_completed(signed)).then_some((*envelope, *signed))
}

/// Whether the last byte is three bits, the completing one, and zeros.
fn is_completed(data: &[u8]) -> bool {
    data.last().is_some_and(|last| last & 0x1f == 0x10)
}

/// Appends whole bytes and three-bit tags.
struct Writer<const N: usize> {
    data: [u8; N],
    /// Whole bytes written.
    at: usize,
    /// Bits written of the byte after them: 0 or 3.
    shift: u32,
}

impl<const N: usize> Writer<N> {
    const fn new() -> Self {
        Self {
            data: [0; N],
            at: 0,
            shift: 0,
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let [high, low] = (u16::from(byte) << 8 >> self.shift).to_be_bytes();
            self.data[self.at] |= high;
            self.at += 1;
            if self.shift > 0 {
                self.data[self.at] = low;
            }
        }
    }

    fn address(&mut self, address: &Address) {
        self.data[self.at] |= ADDRESS_TAG << 5;
        self.shift = 3;
        self.bytes(&address.workchain().to_be_bytes());
        self.bytes(address.hash());
    }

    fn finish(mut self) -> [u8; N] {
        self.data[self.at] |= 0x80 >> self.shift;
        self.data
    }
}

/// Reads what [`Writer`] writes. Callers read exactly the fields of a layout, so no read is beyond the end.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    shift: u32,
}

impl<'a> Reader<'a> {
    const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, shift: 0 }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            let next = if self.shift > 0 { self.data[self.at + 1] } else { 0 };
            [*byte, _] = (u16::from_be_bytes([self.data[self.at], next]) << self.shift).to_be_bytes();
            self.at += 1;
        }
        bytes
    }

    fn address(&mut self) -> Option<Address> {
        if self.data[self.at] >> 5 != ADDRESS_TAG {
            return None;
        }
        self.shift = 3;
        let [workchain] = self.bytes();
        Some(Address::new(i8::from_be_bytes([workchain]), self.bytes()))
    }
}
