//! Messages that the reference protocol does not have. A reference peer logs and drops what it does not know (spec
//! §2.7), so sending them is safe.

use chrysalis_wire::{
    query::{Query, QueryPurpose},
    tl::{Boxed, DecodeError, Reader, RequestId, TlObject, Writer},
};

/// `chrysalis.cancelQuery request_id:int256 = chrysalis.CancelQuery`: nobody wants the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelQuery {
    /// Which request.
    pub request_id: RequestId,
}

impl TlObject for CancelQuery {
    /// CRC-32 (IEEE) of the declaration above, as for every implicit id (spec §2.5).
    const ID: u32 = 0xee7e_3b06;
    const NAME: &'static str = "chrysalis.cancelQuery";
    const MIN_BARE_LEN: usize = 32;

    fn bare_len(&self) -> usize {
        32
    }

    fn write_bare(&self, writer: &mut Writer) {
        writer.raw(&self.request_id.0);
    }

    fn read_bare(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            request_id: RequestId(reader.array()?),
        })
    }
}

impl CancelQuery {
    /// Reads `message` if it is one.
    pub(crate) fn from_message(message: &[u8]) -> Option<Self> {
        Self::decode(message).ok()
    }
}

/// Constructors with one field of bytes.
macro_rules! of_bytes {
    ($($(#[$doc:meta])* struct $name:ident = $id:literal $tl:literal { $(#[$field_doc:meta])* $field:ident })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(#[$field_doc])*
            pub $field: Vec<u8>,
        }

        impl TlObject for $name {
            /// As above.
            const ID: u32 = $id;
            const NAME: &'static str = $tl;
            const MIN_BARE_LEN: usize = 4;

            fn bare_len(&self) -> usize {
                // Length byte and padding to four, or four bytes of length (spec §2.5).
                let head = if self.$field.len() < 254 { 1 } else { 4 };
                (head + self.$field.len()).next_multiple_of(4)
            }

            fn write_bare(&self, writer: &mut Writer) {
                writer.string(&self.$field);
            }

            fn read_bare(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self {
                    $field: reader.string()?.to_vec(),
                })
            }
        }
    )*};
}

of_bytes! {
    /// `chrysalis.sessionEvidence data:bytes = chrysalis.SessionEvidence`: a message about the evidence of the session,
    /// after its first frame ([`chrysalis_attest::session`]).
    struct SessionEvidence = 0x1369_7852 "chrysalis.sessionEvidence" {
        /// The message.
        data
    }

    /// `chrysalis.keyWitness token:bytes = chrysalis.KeyWitnessed`: what the asker was told of the state of the key manager
    /// the last time, which only that can read; empty if nothing. A query that comes before that for keys.
    struct KeyWitness = 0x45da_19bc "chrysalis.keyWitness" {
        /// As it was told.
        token
    }

    /// `chrysalis.keyWitnessed token:bytes = chrysalis.KeyWitnessed`: what to bring along the next time.
    struct KeyWitnessed = 0x4310_e336 "chrysalis.keyWitnessed" {
        /// Sealed by the key manager.
        token
    }
}

impl Query for KeyWitness {
    type Answer = KeyWitnessed;
    const PURPOSE: QueryPurpose = QueryPurpose::Keys;
}

impl SessionEvidence {
    /// Reads `message` if it is one.
    pub(crate) fn from_message(message: &[u8]) -> Option<Self> {
        Self::decode(message).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_of_any_length_survives_the_wire() {
        for len in [0, 1, 3, 4, 253, 254, 255, 5_000, 32_774] {
            let message = SessionEvidence { data: vec![7; len] };
            let bytes = message.encode();
            assert_eq!(bytes.len(), message.boxed_len(), "{len}");
            assert_eq!(SessionEvidence::from_message(&bytes), Some(message));
            assert_eq!(SessionEvidence::from_message(&bytes[..bytes.len() - 1]), None);
            assert_eq!(CancelQuery::from_message(&bytes), None);
        }
    }

    #[test]
    fn a_cancel_message_survives_the_wire_and_nothing_else_is_one() {
        let message = CancelQuery {
            request_id: RequestId([7; 32]),
        };
        let bytes = message.encode();
        assert_eq!(CancelQuery::from_message(&bytes), Some(message));
        assert_eq!(CancelQuery::from_message(&bytes[..35]), None);
        let mut other = bytes;
        other[0] ^= 1;
        assert_eq!(CancelQuery::from_message(&other), None);
    }
}
