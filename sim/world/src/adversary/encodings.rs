//! Evidence in other bytes: what a lenient reader takes for the same, and what a careless one takes for evidence.
//!
//! The declared spellings (zeros at the end, the twin of a signature) are not among them: those are the same evidence.

use crate::plan::TeeKind;
use chrysalis_attest::snp::REPORT_LEN_BYTES;

/// A way to change the bytes of a guest's evidence.
pub(super) struct Spelling {
    pub(super) what: &'static str,
    pub(super) alter: fn(Vec<u8>) -> Vec<u8>,
}

/// Where a quote of version 4 says how long its signature data are.
const SIGNATURE_LENGTH_AT: usize = 632;
/// Entries of a table of certificates, which stands behind the report: identifier, offset, length.
const ENTRY_LEN_BYTES: usize = 24;
const OFFSET_IN_ENTRY: usize = 16;
/// Signing key, intermediate, root.
const CERTIFICATES: usize = 3;
/// Where a quote says what certifies its attestation key: after signature and key.
const CERTIFICATION_TYPE_AT: usize = SIGNATURE_LENGTH_AT + 4 + 64 + 64;

fn set(mut quote: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    if let Some(place) = quote.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
    quote
}

/// Replaces a text by one of the same length, at its last place.
fn swap(quote: Vec<u8>, text: &str, by: &str) -> Vec<u8> {
    let found = quote.windows(text.len()).rposition(|window| window == text.as_bytes());
    match found {
        Some(at) => set(quote, at, by.as_bytes()),
        None => quote,
    }
}

/// Good evidence that says the same in other bytes.
pub(super) const fn malleations(tee: TeeKind) -> &'static [Spelling] {
    match tee {
        TeeKind::SimulatedSnp => MALLEATED_REPORTS,
        TeeKind::SimulatedTdx | TeeKind::FakeTdx | TeeKind::None => MALLEATED_QUOTES,
    }
}

/// What is no evidence of a form that is read.
pub(super) const fn confusions(tee: TeeKind) -> &'static [Spelling] {
    match tee {
        TeeKind::SimulatedSnp => CONFUSING_REPORTS,
        TeeKind::SimulatedTdx | TeeKind::FakeTdx | TeeKind::None => CONFUSING_QUOTES,
    }
}

const MALLEATED_QUOTES: &[Spelling] = &[
    Spelling {
        what: "a byte after the end",
        alter: |mut quote| {
            quote.push(1);
            quote
        },
    },
    Spelling {
        what: "a second quote after the end",
        alter: |quote| [&quote[..], &quote[..]].concat(),
    },
    Spelling {
        what: "another type of certification data",
        alter: |quote| set(quote, CERTIFICATION_TYPE_AT, &5_u16.to_le_bytes()),
    },
    Spelling {
        what: "another line end in a certificate",
        alter: |quote| swap(quote, "-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\r"),
    },
    Spelling {
        what: "a blank before a certificate's end",
        alter: |quote| swap(quote, "\n-----END CERTIFICATE-----", " -----END CERTIFICATE-----"),
    },
    Spelling {
        what: "reserved bytes of the header",
        alter: |quote| set(quote, 8, &[1]),
    },
];

const CONFUSING_QUOTES: &[Spelling] = &[
    Spelling {
        what: "nothing",
        alter: |_| Vec::new(),
    },
    Spelling {
        what: "the 64 bytes of a fake quote",
        alter: |quote| quote.get(568..632).unwrap_or_default().to_vec(),
    },
    Spelling {
        what: "half a quote",
        alter: |mut quote| {
            quote.truncate(quote.len() / 2);
            quote
        },
    },
    Spelling {
        what: "a quote of version 3, that of SGX",
        alter: |quote| set(quote, 0, &3_u16.to_le_bytes()),
    },
    Spelling {
        what: "a quote of version 5 with the body of version 4",
        alter: |quote| set(quote, 0, &5_u16.to_le_bytes()),
    },
    Spelling {
        what: "a quote of version 65535",
        alter: |quote| set(quote, 0, &u16::MAX.to_le_bytes()),
    },
    Spelling {
        what: "a quote of an SGX enclave by its type",
        alter: |quote| set(quote, 4, &0_u32.to_le_bytes()),
    },
    Spelling {
        what: "an attestation key of another type",
        alter: |quote| set(quote, 2, &3_u16.to_le_bytes()),
    },
    Spelling {
        what: "a quoting enclave of another vendor",
        alter: |quote| set(quote, 12, &[0; 16]),
    },
    Spelling {
        what: "signature data of 4 GiB",
        alter: |quote| set(quote, SIGNATURE_LENGTH_AT, &u32::MAX.to_le_bytes()),
    },
    Spelling {
        what: "no signature data",
        alter: |quote| set(quote, SIGNATURE_LENGTH_AT, &0_u32.to_le_bytes()),
    },
    Spelling {
        what: "a report of an SNP guest",
        alter: |_| [&2_u32.to_le_bytes()[..], &[0; 1180]].concat(),
    },
    Spelling {
        what: "measurements of a GPU",
        alter: |_| [&[0x11, 0xe0, 1, 0xff][..], &[0; 512]].concat(),
    },
    Spelling {
        what: "JSON",
        alter: |_| br#"{"quote":"","quote":""}"#.to_vec(),
    },
];

/// Adds one to a number in a table of certificates.
fn add_one(blob: &mut [u8], at: usize) {
    if let Some(number) = blob.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *number = u32::from_le_bytes(*number).wrapping_add(1).to_le_bytes();
    }
}

/// A byte between the table and the certificates, to which the table's offsets still point.
fn with_gap(mut blob: Vec<u8>) -> Vec<u8> {
    for entry in 0..CERTIFICATES {
        add_one(&mut blob, REPORT_LEN_BYTES + entry * ENTRY_LEN_BYTES + OFFSET_IN_ENTRY);
    }
    let table_end = REPORT_LEN_BYTES + (CERTIFICATES + 1) * ENTRY_LEN_BYTES;
    if table_end <= blob.len() {
        blob.insert(table_end, 0);
    }
    blob
}

/// The first two entries of the table change places.
fn with_entries_swapped(mut blob: Vec<u8>) -> Vec<u8> {
    if let Some(entries) = blob.get_mut(REPORT_LEN_BYTES..REPORT_LEN_BYTES + 2 * ENTRY_LEN_BYTES) {
        entries.rotate_left(ENTRY_LEN_BYTES);
    }
    blob
}

const MALLEATED_REPORTS: &[Spelling] = &[
    Spelling {
        what: "a byte after the end",
        alter: |mut blob| {
            blob.push(1);
            blob
        },
    },
    Spelling {
        what: "a second report after the end",
        alter: |blob| [&blob[..], &blob[..]].concat(),
    },
    Spelling {
        what: "a reserved byte of the level",
        alter: |blob| set(blob, 58, &[1]),
    },
    Spelling {
        what: "a byte after the first number of the signature",
        alter: |blob| set(blob, 0x2a0 + 48, &[1]),
    },
    Spelling {
        what: "the last byte of the report",
        alter: |blob| set(blob, REPORT_LEN_BYTES - 1, &[1]),
    },
    Spelling {
        what: "a gap before the certificates",
        alter: with_gap,
    },
    Spelling {
        what: "another order of the table",
        alter: with_entries_swapped,
    },
];

const CONFUSING_REPORTS: &[Spelling] = &[
    Spelling {
        what: "nothing",
        alter: |_| Vec::new(),
    },
    Spelling {
        what: "half a report",
        alter: |mut blob| {
            blob.truncate(REPORT_LEN_BYTES / 2);
            blob
        },
    },
    Spelling {
        what: "a report without certificates",
        alter: |mut blob| {
            blob.truncate(REPORT_LEN_BYTES);
            blob
        },
    },
    Spelling {
        what: "an empty table of certificates",
        alter: |mut blob| {
            blob.truncate(REPORT_LEN_BYTES);
            blob.extend_from_slice(&[0; ENTRY_LEN_BYTES]);
            blob
        },
    },
    Spelling {
        what: "a report of version 1",
        alter: |blob| set(blob, 0, &1_u32.to_le_bytes()),
    },
    Spelling {
        what: "a report of version 4294967295",
        alter: |blob| set(blob, 0, &u32::MAX.to_le_bytes()),
    },
    Spelling {
        what: "a report of an older version with the fields of a newer one",
        alter: |blob| set(blob, 0, &2_u32.to_le_bytes()),
    },
    Spelling {
        what: "another algorithm of signatures",
        alter: |blob| set(blob, 0x34, &2_u32.to_le_bytes()),
    },
    Spelling {
        what: "a report that names a provider's key",
        alter: |blob| set(blob, 0x48, &4_u32.to_le_bytes()),
    },
    Spelling {
        what: "a certificate of 4 GiB",
        alter: |blob| set(blob, REPORT_LEN_BYTES + OFFSET_IN_ENTRY + 4, &u32::MAX.to_le_bytes()),
    },
    Spelling {
        what: "a quote of a TD",
        alter: |_| {
            [
                &4_u16.to_le_bytes()[..],
                &2_u16.to_le_bytes(),
                &0x81_u32.to_le_bytes(),
                &[0; 1200],
            ]
            .concat()
        },
    },
    Spelling {
        what: "measurements of a GPU",
        alter: |_| [&[0x11, 0xe0, 1, 0xff][..], &[0; 1200]].concat(),
    },
    Spelling {
        what: "JSON",
        alter: |_| br#"{"report":"","report":""}"#.to_vec(),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use chrysalis_attest::{
        Attester as _, SimTdxAttester, TdMeasurements,
        sim_pki::{SimPki, SimSnpPki, SnpGuest},
        snp::{ExtendedReport, Product, SimSnpAttester},
    };
    use std::sync::Arc;

    #[test]
    fn each_changes_the_report_and_no_two_are_alike() {
        let pki = SimSnpPki::new(1, Product::Genoa, 1_790_000_000);
        let guest = SimSnpAttester::new(Arc::new(pki.machine(1)), SnpGuest::of_image("image"));
        let blob = guest.quote(&[7; 64]).unwrap();
        assert_eq!(ExtendedReport::read(&blob).unwrap().certificates.len(), CERTIFICATES);
        let all: std::collections::BTreeSet<Vec<u8>> = MALLEATED_REPORTS
            .iter()
            .chain(CONFUSING_REPORTS)
            .map(|spelling| (spelling.alter)(blob.clone()))
            .chain([blob.clone()])
            .collect();
        assert_eq!(all.len(), MALLEATED_REPORTS.len() + CONFUSING_REPORTS.len() + 1);
        // The certificates are where the table says, with the gap and without.
        let moved = with_gap(blob.clone());
        let certificates = chrysalis_attest::snp::extended::read_table(&moved[REPORT_LEN_BYTES..]).unwrap();
        assert_eq!(certificates, ExtendedReport::read(&blob).unwrap().certificates);
    }

    #[test]
    fn each_changes_the_quote_and_no_two_are_alike() {
        let pki = SimPki::new(1, 1_790_000_000);
        let td = SimTdxAttester::new(Arc::new(pki.platform(1)), TdMeasurements::of_image("image"));
        let quote = td.quote(&[7; 64]).unwrap();
        let all: std::collections::BTreeSet<Vec<u8>> = MALLEATED_QUOTES
            .iter()
            .chain(CONFUSING_QUOTES)
            .map(|spelling| (spelling.alter)(quote.clone()))
            .chain([quote.clone()])
            .collect();
        assert_eq!(all.len(), MALLEATED_QUOTES.len() + CONFUSING_QUOTES.len() + 1);
        assert_eq!(quote[CERTIFICATION_TYPE_AT..][..2], 6_u16.to_le_bytes());
        assert_eq!(quote[568..632], [7; 64], "report data of a fake quote are the quote");
    }
}
