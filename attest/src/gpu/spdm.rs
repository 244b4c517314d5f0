//! Request and response of SPDM 1.1 GET_MEASUREMENTS, as a GPU answers it (DMTF DSP0274 §10.11; opaque data as NVIDIA's
//! attestation SDK numbers them).
//!
//! Evidence is the request, the response and its signature, end to end; the signature covers everything before it. One
//! byte more or less anywhere is another message, so there is nothing to canonicalise but the order and the lengths.

use super::policy::CcMode;
use std::collections::BTreeMap;

/// Longest evidence that is read; genuine ones have 4 to 5 kB.
pub const MAX_EVIDENCE_LEN_BYTES: usize = 16 * 1024;

/// Number of measurements of a GPU.
pub const MEASUREMENTS: usize = 64;

const REQUEST_LEN_BYTES: usize = 37;
/// `r` and `s` of P-384.
const SIGNATURE_LEN_BYTES: usize = 96;
/// Measurement specification DMTF.
const DMTF: u8 = 1;

mod opaque {
    pub(super) const DRIVER_VERSION: u16 = 3;
    pub(super) const VBIOS_VERSION: u16 = 6;
    pub(super) const NVDEC0_STATUS: u16 = 11;
    pub(super) const BOARD_ID: u16 = 14;
    pub(super) const FIRMWARE_ID: u16 = 20;
    pub(super) const PROTECTED_PCIE_STATUS: u16 = 21;
    pub(super) const FEATURE_FLAG: u16 = 36;
}

/// What is malformed, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at offset {offset}")]
pub struct SpdmFault {
    /// What was found or missed.
    pub what: &'static str,
    /// Where, in bytes from the beginning.
    pub offset: usize,
}

/// Evidence in canonical form. A value of this type says nothing about who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuReport {
    /// The requester's nonce.
    pub nonce: [u8; 32],
    /// Measurement `n` is that of index `n + 1`; manifests count from 0.
    pub measurements: Vec<[u8; 48]>,
    /// Version of the driver, such as "550.90.07".
    pub driver_version: String,
    /// Version of the VBIOS, such as "96.00.9f.00.01".
    pub vbios_version: String,
    /// Number of the board, where it is stated.
    pub board_id: Option<[u8; 4]>,
    /// Measurement of the firmware that holds the signing key; drivers before about 550 do not state it.
    pub firmware_id: Option<[u8; 48]>,
    /// Mode of confidential computing; drivers before about 580 do not state it.
    pub mode: Option<CcMode>,
    /// State of the first video decoder, a hint at the mode where that is not stated.
    pub nvdec0_status: Option<u8>,
    /// State of protected PCIe, likewise.
    pub protected_pcie_status: Option<u8>,
}

/// Takes bytes from the front and knows where it is.
struct Cursor<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], SpdmFault> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(self.fault(what))?;
        self.rest = rest;
        self.offset += len;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], SpdmFault> {
        let fault = self.fault(what);
        self.take(N, what)?.try_into().map_err(|_| fault)
    }

    fn expect(&mut self, expected: &[u8], what: &'static str) -> Result<(), SpdmFault> {
        let fault = self.fault(what);
        if self.take(expected.len(), what)? == expected {
            Ok(())
        } else {
            Err(fault)
        }
    }

    fn fault(&self, what: &'static str) -> SpdmFault {
        SpdmFault {
            what,
            offset: self.offset,
        }
    }
}

impl GpuReport {
    /// Reads evidence.
    ///
    /// # Errors
    /// It is not in canonical form.
    pub fn parse(bytes: &[u8]) -> Result<Self, SpdmFault> {
        let mut cursor = Cursor { rest: bytes, offset: 0 };
        if bytes.len() > MAX_EVIDENCE_LEN_BYTES {
            return Err(SpdmFault {
                what: "more bytes than evidence may have",
                offset: MAX_EVIDENCE_LEN_BYTES,
            });
        }
        cursor.expect(&[0x11, 0xe0], "no SPDM 1.1 request for measurements")?;
        // A signature is requested, over all measurements, of slot 0.
        cursor.expect(&[0x01, 0xff], "no request for all measurements, signed")?;
        let nonce = cursor.array("nonce")?;
        cursor.expect(&[0], "certificate slot other than 0")?;
        debug_assert_eq!(cursor.offset, REQUEST_LEN_BYTES);

        cursor.expect(&[0x11, 0x60], "no SPDM 1.1 response with measurements")?;
        cursor.expect(&[0, 0], "number of indices or certificate slot other than 0")?;
        cursor.expect(&[MEASUREMENTS as u8], "another number of measurements than 64")?;
        let [low, middle, high] = cursor.array("length of measurements")?;
        let record_len = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        let record_from = cursor.offset;
        let mut record = Cursor {
            rest: cursor.take(record_len, "measurements end early")?,
            offset: record_from,
        };
        let mut measurements = Vec::with_capacity(MEASUREMENTS);
        for index in 1..=MEASUREMENTS as u8 {
            record.expect(&[index], "measurement out of order")?;
            record.expect(&[DMTF], "measurement of another specification than DMTF's")?;
            // 51 bytes, of which the value type (any) and the length of the value are three.
            record.expect(&51u16.to_le_bytes(), "measurement of another length than 48 bytes")?;
            record.take(1, "type of measurement")?;
            record.expect(&48u16.to_le_bytes(), "measurement of another length than 48 bytes")?;
            measurements.push(record.array("measurement")?);
        }
        if !record.rest.is_empty() {
            return Err(record.fault("bytes after the measurements"));
        }

        cursor.take(32, "nonce of the responder")?;
        let opaque_len = usize::from(u16::from_le_bytes(cursor.array("length of opaque data")?));
        let opaque_from = cursor.offset;
        let fields = opaque_fields(Cursor {
            rest: cursor.take(opaque_len, "opaque data end early")?,
            offset: opaque_from,
        })?;
        cursor.take(SIGNATURE_LEN_BYTES, "signature ends early")?;
        if !cursor.rest.is_empty() {
            return Err(cursor.fault("bytes after the signature"));
        }
        Self::from_parts(nonce, measurements, &fields, opaque_from)
    }

    fn from_parts(
        nonce: [u8; 32],
        measurements: Vec<[u8; 48]>,
        fields: &BTreeMap<u16, &[u8]>,
        offset: usize,
    ) -> Result<Self, SpdmFault> {
        let fault = |what| SpdmFault { what, offset };
        let field = |id: u16| fields.get(&id).copied();
        let fixed = |id, what| {
            field(id)
                .map(|value| value.try_into().map_err(|_| fault(what)))
                .transpose()
        };
        let one_byte = |id, what| match field(id) {
            None => Ok(None),
            Some([value]) => Ok(Some(*value)),
            Some(_) => Err(fault(what)),
        };
        let driver = field(opaque::DRIVER_VERSION).ok_or(fault("no driver version"))?;
        let driver_version = driver
            .strip_suffix(&[0])
            .filter(|text| !text.is_empty() && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
            .and_then(|text| std::str::from_utf8(text).ok())
            .ok_or(fault("driver version is not digits and dots with a zero after them"))?
            .to_owned();
        let vbios: [u8; 8] = field(opaque::VBIOS_VERSION)
            .and_then(|value| value.try_into().ok())
            .ok_or(fault("no VBIOS version"))?;
        let mode = match field(opaque::FEATURE_FLAG) {
            None => None,
            Some(flag) => Some(CcMode::of_feature_flag(flag).ok_or(fault("unknown feature flag"))?),
        };
        let firmware_id = match field(opaque::FIRMWARE_ID) {
            None => None,
            Some(value) => Some(value.try_into().map_err(|_| fault("firmware id of another length"))?),
        };
        Ok(Self {
            nonce,
            measurements,
            driver_version,
            vbios_version: vbios_text(vbios),
            board_id: fixed(opaque::BOARD_ID, "board id of another length")?,
            firmware_id,
            mode,
            nvdec0_status: one_byte(opaque::NVDEC0_STATUS, "status of a decoder of another length")?,
            protected_pcie_status: one_byte(opaque::PROTECTED_PCIE_STATUS, "status of PCIe of another length")?,
        })
    }

    /// Everything that the signature covers. `bytes` have been parsed.
    pub(crate) fn signed_and_signature(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        bytes.split_at_checked(bytes.len().checked_sub(SIGNATURE_LEN_BYTES)?)
    }
}

fn opaque_fields(mut cursor: Cursor<'_>) -> Result<BTreeMap<u16, &[u8]>, SpdmFault> {
    let mut fields = BTreeMap::new();
    while !cursor.rest.is_empty() {
        let start = cursor.offset;
        let id = u16::from_le_bytes(cursor.array("type of opaque data")?);
        let len = u16::from_le_bytes(cursor.array("length of opaque data")?);
        let value = cursor.take(len.into(), "opaque data end early")?;
        if fields.insert(id, value).is_some() {
            return Err(SpdmFault {
                what: "opaque data of one type twice",
                offset: start,
            });
        }
    }
    Ok(fields)
}

/// The version as tools print it: two 32-bit numbers, the first in four bytes from the highest.
fn vbios_text([b0, b1, b2, b3, b4, ..]: [u8; 8]) -> String {
    format!("{b3:02x}.{b2:02x}.{b1:02x}.{b0:02x}.{b4:02x}")
}
