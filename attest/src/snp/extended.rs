//! A report together with the certificates of the key that signed it, in one blob: the report, then the table of
//! certificates of the GHCB specification (AMD 56421, `SNP_GUEST_REQUEST`, extended report).
//!
//! ```text
//! report(1184), for each certificate: guid(16) offset(4) length(4), one entry of zeros, certificates
//! ```
//!
//! Numbers are little-endian, offsets count from the beginning of the table. What a host hands out may have anything
//! between the parts; what peers show has one encoding: signing key, intermediate, root, without gaps.

use super::{
    endorsement::SigningKey,
    report::{REPORT_LEN_BYTES, ReportFault, SnpReport},
};

const ENTRY_LEN_BYTES: usize = 24;
/// A host hands out a chain and a revocation list.
const MAX_ENTRIES: usize = 8;

/// Identifiers of the table's entries, in the order of their text.
const VCEK: [u8; 16] = *b"\x63\xda\x75\x8d\xe6\x64\x45\x64\xad\xc5\xf4\xb9\x3b\xe8\xac\xcd";
const VLEK: [u8; 16] = *b"\xa8\x07\x4b\xc2\xa2\x5a\x48\x3e\xaa\xe6\x39\xc0\x45\xa0\xb8\xa1";
const ASK: [u8; 16] = *b"\x4a\xb7\xb3\x79\xbb\xac\x4f\xe4\xa0\x2f\x05\xae\xf3\x27\xc7\x82";
const ARK: [u8; 16] = *b"\xc0\xb4\x06\xa4\xa8\x03\x49\x52\x97\x43\x3f\xb6\x01\x4c\xd0\xae";

/// See the module. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedReport {
    /// The report.
    pub report: Vec<u8>,
    /// Certificates of signing key, intermediate and root, in DER.
    pub certificates: Vec<Vec<u8>>,
}

/// Why a blob is no extended report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtendedReportFault {
    /// Shorter than a report and an empty table.
    #[error("{len_bytes} bytes are too short for a report with certificates")]
    Short {
        /// Its length.
        len_bytes: usize,
    },
    /// The report itself.
    #[error("{0}")]
    Report(#[from] ReportFault),
    /// An entry of the table points outside of the blob, or there is no end to them.
    #[error("entry {entry} of the table of certificates")]
    Entry {
        /// Which, counted from 0.
        entry: usize,
    },
    /// A certificate that must be there is not, or is there twice.
    #[error("the table of certificates lacks the one {of}, or has it twice")]
    Certificate {
        /// Whose.
        of: &'static str,
    },
    /// Another encoding than the one that peers show.
    #[error("the table of certificates is not in its one encoding")]
    NotCanonical,
}

impl ExtendedReport {
    /// The one encoding.
    pub fn encode(&self, signing_key: SigningKey) -> Vec<u8> {
        let leaf = match signing_key {
            SigningKey::Vcek => VCEK,
            SigningKey::Vlek => VLEK,
        };
        let mut table = Vec::new();
        let mut offset = (self.certificates.len() + 1) * ENTRY_LEN_BYTES;
        for (guid, certificate) in [leaf, ASK, ARK].iter().zip(&self.certificates) {
            table.extend_from_slice(guid);
            for number in [offset, certificate.len()] {
                table.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
            }
            offset += certificate.len();
        }
        table.extend_from_slice(&[0; ENTRY_LEN_BYTES]);
        [&self.report[..], &table, &self.certificates.concat()].concat()
    }

    /// What a guest shows, of its report and the table that the host handed out.
    ///
    /// # Errors
    /// Either is malformed, or the table lacks a certificate.
    pub fn of_host(report: Vec<u8>, table: &[u8]) -> Result<Vec<u8>, ExtendedReportFault> {
        let signing_key = signing_key_of(&report)?;
        let certificates = read_table(table)?;
        Ok(Self { report, certificates }.encode(signing_key))
    }

    /// Reads what a peer shows.
    ///
    /// # Errors
    /// It is not the one encoding of a report and its chain.
    pub fn read(blob: &[u8]) -> Result<Self, ExtendedReportFault> {
        let Some((report, table)) = blob.split_at_checked(REPORT_LEN_BYTES) else {
            return Err(ExtendedReportFault::Short { len_bytes: blob.len() });
        };
        let signing_key = signing_key_of(report)?;
        let extended = Self {
            report: report.to_vec(),
            certificates: read_table(table)?,
        };
        if extended.encode(signing_key) == blob {
            Ok(extended)
        } else {
            Err(ExtendedReportFault::NotCanonical)
        }
    }
}

/// The kind of key that a report names.
fn signing_key_of(report: &[u8]) -> Result<SigningKey, ReportFault> {
    Ok(match SnpReport::parse(report)?.key_info.signing_key {
        1 => SigningKey::Vlek,
        _ => SigningKey::Vcek,
    })
}

/// Signing key, intermediate and root out of a table as a host hands it out, whatever else is in it.
///
/// # Errors
/// An entry that points nowhere, or one of the three is missing or there twice.
pub fn read_table(table: &[u8]) -> Result<Vec<Vec<u8>>, ExtendedReportFault> {
    let mut found: Vec<([u8; 16], &[u8])> = Vec::new();
    for entry in 0.. {
        let fault = ExtendedReportFault::Entry { entry };
        let at = entry * ENTRY_LEN_BYTES;
        let bytes = table.get(at..at + ENTRY_LEN_BYTES).ok_or(fault)?;
        if *bytes == [0; ENTRY_LEN_BYTES] {
            break;
        }
        if entry == MAX_ENTRIES {
            return Err(fault);
        }
        let (guid, numbers) = bytes.split_first_chunk::<16>().ok_or(fault)?;
        let number = |at: usize| {
            let bytes = numbers.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        let (offset, length) = (number(0).ok_or(fault)?, number(4).ok_or(fault)?);
        let end = offset.checked_add(length).ok_or(fault)?;
        found.push((*guid, table.get(offset..end).ok_or(fault)?));
    }
    let one = |guids: &[[u8; 16]], of| {
        let mut fitting = found.iter().filter(|(guid, _)| guids.contains(guid));
        match (fitting.next(), fitting.next()) {
            (Some((_, certificate)), None) => Ok(certificate.to_vec()),
            _ => Err(ExtendedReportFault::Certificate { of }),
        }
    };
    Ok(vec![
        one(&[VCEK, VLEK], "of the signing key")?,
        one(&[ASK], "of the intermediate")?,
        one(&[ARK], "of the root")?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sim_pki::{SimSnpPki, SnpGuest, SnpMachineForm},
        snp::Product,
    };
    use proptest::prelude::*;

    const START: u64 = 1_790_000_000;

    fn extended(signing_key: SigningKey) -> (ExtendedReport, Vec<u8>) {
        let pki = SimSnpPki::new(7, Product::Genoa, START);
        let form = SnpMachineForm {
            signing_key,
            ..SnpMachineForm::current(Product::Genoa)
        };
        let machine = pki.machine_with(1, form);
        let report = machine.report(&SnpGuest::of_image("worker"), &[5; 64]).unwrap();
        let extended = ExtendedReport {
            report,
            certificates: machine.certificates().to_vec(),
        };
        let blob = extended.encode(signing_key);
        (extended, blob)
    }

    #[test]
    fn there_is_one_encoding() {
        for signing_key in [SigningKey::Vcek, SigningKey::Vlek] {
            let (extended, blob) = extended(signing_key);
            assert_eq!(ExtendedReport::read(&blob), Ok(extended.clone()));
            // The other key's name, a gap, bytes at the end, a certificate less.
            let other = if signing_key == SigningKey::Vcek {
                SigningKey::Vlek
            } else {
                SigningKey::Vcek
            };
            assert_eq!(
                ExtendedReport::read(&extended.encode(other)),
                Err(ExtendedReportFault::NotCanonical)
            );
            assert_eq!(
                ExtendedReport::read(&[&blob[..], &[0]].concat()),
                Err(ExtendedReportFault::NotCanonical)
            );
            let root = ExtendedReport {
                certificates: extended.certificates[..2].to_vec(),
                ..extended
            };
            assert_eq!(
                ExtendedReport::read(&root.encode(signing_key)),
                Err(ExtendedReportFault::Certificate { of: "of the root" })
            );
        }
    }

    #[test]
    fn a_hosts_table_may_have_gaps_and_more_in_it() {
        let (extended, blob) = extended(SigningKey::Vcek);
        let table = &blob[REPORT_LEN_BYTES..];
        let entries = 3 * ENTRY_LEN_BYTES;
        // One entry more in front, so that all offsets grow, and padding after it.
        let mut hosts = vec![7; 16];
        hosts.extend_from_slice(&0u32.to_le_bytes());
        hosts.extend_from_slice(&4u32.to_le_bytes());
        for entry in table[..entries].chunks(ENTRY_LEN_BYTES) {
            hosts.extend_from_slice(&entry[..16]);
            let offset = u32::from_le_bytes(entry[16..20].try_into().unwrap()) + 64;
            hosts.extend_from_slice(&offset.to_le_bytes());
            hosts.extend_from_slice(&entry[20..]);
        }
        hosts.extend_from_slice(&[0; 64]);
        hosts.extend_from_slice(&table[entries + ENTRY_LEN_BYTES..]);
        hosts.extend_from_slice(&[0; 100]);
        assert_eq!(read_table(&hosts), Ok(extended.certificates.clone()));
        assert_eq!(
            ExtendedReport::of_host(extended.report.clone(), &hosts),
            Ok(blob.clone())
        );
        let twice = ExtendedReport {
            certificates: vec![vec![1], vec![2], vec![3]],
            ..extended
        };
        let mut blob = twice.encode(SigningKey::Vcek)[REPORT_LEN_BYTES..].to_vec();
        blob[ENTRY_LEN_BYTES..ENTRY_LEN_BYTES + 16].copy_from_slice(&VLEK);
        assert!(matches!(
            read_table(&blob),
            Err(ExtendedReportFault::Certificate { .. })
        ));
    }

    proptest! {
        #[test]
        fn damage_is_seen_or_is_in_a_certificate(at in 0usize..20_000, value: u8) {
            let (extended, mut blob) = extended(SigningKey::Vcek);
            let at = at % blob.len();
            prop_assume!(blob[at] != value);
            blob[at] = value;
            if let Ok(read) = ExtendedReport::read(&blob) {
                prop_assert_ne!(read, extended);
            }
            prop_assert!(ExtendedReport::read(&blob[..at]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_table(&bytes);
            let _ = ExtendedReport::read(&bytes);
        }
    }
}
