//! The record with which a router tells its local runner who is at the other end (spec §2.3), in the reference's plain
//! helper serialisation: integers and strings as in TL, fixed arrays as they are.
//!
//! It is trusted only because the socket is local. Where router and runner are one process, nobody sends it.

use crate::tl::{DecodeError, Reader, Writer};

/// Longest record, bytes.
pub const MAX_RECORD_BYTES: usize = 16_536;

const HAS_NO_ATTESTATION: i32 = 0;
const HAS_ATTESTATION: i32 = 1;
const VARIANT_TDX: i32 = 0;

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationRecord {
    /// What the peer proved; `None` under a policy that asks for no proof.
    pub attestation: Option<TdxAttestation>,
    /// The peer's TLS key.
    pub public_key: [u8; 32],
    /// Where the connection comes from.
    pub source: Endpoint,
    /// Where it goes.
    pub destination: Endpoint,
}

/// The measurements of a TDX guest and the root its collateral leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxAttestation {
    /// Measurement of the guest's first memory.
    pub mr_td: [u8; 48],
    /// Identity of the configuration, set by the host.
    pub mr_config_id: [u8; 48],
    /// Identity of the owner, set by the host.
    pub mr_owner: [u8; 48],
    /// Identity of the owner's configuration, set by the host.
    pub mr_owner_config: [u8; 48],
    /// Run-time measurements 0 to 3.
    pub rtmr: [[u8; 48]; 4],
    /// SHA-512 of the TLS key.
    pub report_data: [u8; 64],
    /// Key id of the root of the collateral.
    pub collateral_root_id: [u8; 48],
}

/// An address and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Numeric address, as text.
    pub ip: String,
    /// Port.
    pub port: u16,
}

/// Why a record was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationRecordError {
    /// The record is over the limit.
    #[error("an attestation record of {length_bytes} bytes exceeds {MAX_RECORD_BYTES}")]
    TooLong {
        /// Length of the record.
        length_bytes: usize,
    },
    /// A field cannot be read.
    #[error("attestation record: {0}")]
    Field(#[from] DecodeError),
    /// Neither 0 nor 1. The later reference writes 2 in front of another layout (spec §12.4).
    #[error("attestation record of unsupported form {form}")]
    UnsupportedForm {
        /// The number that was read.
        form: i32,
    },
    /// Not a TDX guest.
    #[error("attestation of unsupported variant {variant}")]
    UnsupportedVariant {
        /// The number that was read.
        variant: i32,
    },
    /// The claims are not a key of 32 bytes.
    #[error("user claims of {length_bytes} bytes are no key")]
    WrongKeyLength {
        /// Their length.
        length_bytes: usize,
    },
    /// A port is not a port.
    #[error("{port} is no port")]
    WrongPort {
        /// The number that was read.
        port: i32,
    },
}

impl AttestationRecord {
    /// Length and record, as they stand before the first frame.
    ///
    /// # Errors
    /// An address is so long that the record exceeds [`MAX_RECORD_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, AttestationRecordError> {
        let mut writer = Writer::new();
        match &self.attestation {
            None => writer.int(HAS_NO_ATTESTATION),
            Some(attestation) => {
                writer.int(HAS_ATTESTATION);
                writer.int(VARIANT_TDX);
                attestation.write(&mut writer);
            }
        }
        writer.string(&self.public_key);
        self.source.write(&mut writer);
        self.destination.write(&mut writer);
        let record = writer.into_bytes();
        check_len(record.len())?;
        let mut bytes = (record.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&record);
        Ok(bytes)
    }

    /// The length of the record from the four bytes in front of it.
    ///
    /// # Errors
    /// It is over [`MAX_RECORD_BYTES`].
    pub fn decode_len(head: [u8; 4]) -> Result<usize, AttestationRecordError> {
        let length_bytes = u32::from_le_bytes(head) as usize;
        check_len(length_bytes)?;
        Ok(length_bytes)
    }

    /// Reads a record without the length in front of it.
    ///
    /// # Errors
    /// The bytes are no record of a form that is understood.
    pub fn decode(record: &[u8]) -> Result<Self, AttestationRecordError> {
        check_len(record.len())?;
        let mut reader = Reader::new(record);
        let attestation = match reader.int()? {
            HAS_NO_ATTESTATION => None,
            HAS_ATTESTATION => match reader.int()? {
                VARIANT_TDX => Some(TdxAttestation::read(&mut reader)?),
                variant => return Err(AttestationRecordError::UnsupportedVariant { variant }),
            },
            form => return Err(AttestationRecordError::UnsupportedForm { form }),
        };
        let claims = reader.string()?;
        let public_key = claims.try_into().map_err(|_| AttestationRecordError::WrongKeyLength {
            length_bytes: claims.len(),
        })?;
        let source = Endpoint::read(&mut reader)?;
        let destination = Endpoint::read(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            attestation,
            public_key,
            source,
            destination,
        })
    }
}

impl TdxAttestation {
    fn write(&self, writer: &mut Writer) {
        for register in [&self.mr_td, &self.mr_config_id, &self.mr_owner, &self.mr_owner_config] {
            writer.raw(register);
        }
        self.rtmr.iter().for_each(|register| writer.raw(register));
        writer.raw(&self.report_data);
        writer.raw(&self.collateral_root_id);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            mr_td: reader.array()?,
            mr_config_id: reader.array()?,
            mr_owner: reader.array()?,
            mr_owner_config: reader.array()?,
            rtmr: [reader.array()?, reader.array()?, reader.array()?, reader.array()?],
            report_data: reader.array()?,
            collateral_root_id: reader.array()?,
        })
    }
}

impl Endpoint {
    fn write(&self, writer: &mut Writer) {
        writer.string(self.ip.as_bytes());
        writer.int(i32::from(self.port));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, AttestationRecordError> {
        let ip = std::str::from_utf8(reader.string()?)
            .map_err(|_| DecodeError::NotUtf8)?
            .to_owned();
        let port = reader.int()?;
        let port = u16::try_from(port).map_err(|_| AttestationRecordError::WrongPort { port })?;
        Ok(Self { ip, port })
    }
}

const fn check_len(length_bytes: usize) -> Result<(), AttestationRecordError> {
    if length_bytes > MAX_RECORD_BYTES {
        Err(AttestationRecordError::TooLong { length_bytes })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(attestation: Option<TdxAttestation>) -> AttestationRecord {
        AttestationRecord {
            attestation,
            public_key: [0x11; 32],
            source: Endpoint {
                ip: "10.0.0.1".into(),
                port: 40_000,
            },
            destination: Endpoint {
                ip: "10.0.0.2".into(),
                port: 11_001,
            },
        }
    }

    fn attestation() -> TdxAttestation {
        TdxAttestation {
            mr_td: [1; 48],
            mr_config_id: [2; 48],
            mr_owner: [3; 48],
            mr_owner_config: [4; 48],
            rtmr: [[5; 48], [6; 48], [7; 48], [8; 48]],
            report_data: [9; 64],
            collateral_root_id: [10; 48],
        }
    }

    #[test]
    fn layout_is_that_of_the_description() {
        let bytes = record(Some(attestation())).encode().unwrap();
        let mut expected = vec![0x3c, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        for register in 1..=8 {
            expected.extend_from_slice(&[register; 48]);
        }
        expected.extend_from_slice(&[9; 64]);
        expected.extend_from_slice(&[10; 48]);
        expected.push(0x20);
        expected.extend_from_slice(&[0x11; 32]);
        expected.extend_from_slice(&[0, 0, 0]);
        for (ip, port) in [("10.0.0.1", 40_000_i32), ("10.0.0.2", 11_001)] {
            expected.push(8);
            expected.extend_from_slice(ip.as_bytes());
            expected.extend_from_slice(&[0, 0, 0]);
            expected.extend_from_slice(&port.to_le_bytes());
        }
        assert_eq!(hex::encode(&bytes), hex::encode(&expected));
        let len = AttestationRecord::decode_len([bytes[0], bytes[1], bytes[2], bytes[3]]).unwrap();
        assert_eq!(len, bytes.len() - 4);
    }

    #[test]
    fn both_forms_survive() {
        for record in [record(None), record(Some(attestation()))] {
            assert_eq!(AttestationRecord::decode(&record.encode().unwrap()[4..]), Ok(record));
        }
    }

    #[test]
    fn other_forms_are_named() {
        let good = record(Some(attestation())).encode().unwrap()[4..].to_vec();
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            AttestationRecord::decode(&bytes)
        };
        assert_eq!(with(0, 2), Err(AttestationRecordError::UnsupportedForm { form: 2 }));
        assert_eq!(
            with(4, 1),
            Err(AttestationRecordError::UnsupportedVariant { variant: 1 })
        );
        let port_at = good.len() - 4;
        assert_eq!(
            with(port_at + 2, 1),
            Err(AttestationRecordError::WrongPort { port: 76_537 })
        );
        assert!(matches!(
            with(good.len() - 5, 1),
            Err(AttestationRecordError::Field(DecodeError::NonZeroPadding))
        ));
        assert!(AttestationRecord::decode(&good[..good.len() - 1]).is_err());
        assert!(AttestationRecord::decode(&[good.as_slice(), &[0]].concat()).is_err());

        let mut short_key = vec![0; 4];
        short_key.extend_from_slice(&[2, 1, 1, 0]);
        assert_eq!(
            AttestationRecord::decode(&short_key),
            Err(AttestationRecordError::WrongKeyLength { length_bytes: 2 })
        );
    }

    #[test]
    fn length_is_bounded_both_ways() {
        let mut record = record(None);
        record.source.ip = "1".repeat(MAX_RECORD_BYTES);
        assert!(matches!(record.encode(), Err(AttestationRecordError::TooLong { .. })));
        assert!(AttestationRecord::decode_len(u32::to_le_bytes(16_536)).is_ok());
        assert_eq!(
            AttestationRecord::decode_len(u32::to_le_bytes(16_537)),
            Err(AttestationRecordError::TooLong { length_bytes: 16_537 })
        );
        assert!(AttestationRecord::decode(&vec![0; MAX_RECORD_BYTES + 1]).is_err());
    }
}
