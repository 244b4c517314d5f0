//! Messages that the reference protocol does not have. A reference peer logs and drops what it does not know (spec
//! §2.7), so sending them is safe.

use chrysalis_wire::tl::{Boxed, DecodeError, Reader, RequestId, TlObject, Writer};

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

#[cfg(test)]
mod tests {
    use super::*;

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
