//! Evidence in other bytes: what a lenient reader takes for the same, and what a careless one takes for evidence.
//!
//! The declared spellings (zeros at the end, the twin of a signature) are not among them: those are the same evidence.

/// A way to change the bytes of a quote.
pub(super) struct Spelling {
    pub(super) what: &'static str,
    pub(super) alter: fn(Vec<u8>) -> Vec<u8>,
}

/// Where a quote of version 4 says how long its signature data are.
const SIGNATURE_LENGTH_AT: usize = 632;
/// Where it says what certifies its attestation key: after signature and key.
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
pub(super) const MALLEATIONS: &[Spelling] = &[
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

/// What is no TDX quote of a form that is read.
pub(super) const CONFUSIONS: &[Spelling] = &[
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

#[cfg(test)]
mod tests {
    use super::*;
    use chrysalis_attest::{Attester as _, SimTdxAttester, TdMeasurements, sim_pki::SimPki};
    use std::sync::Arc;

    #[test]
    fn each_changes_the_quote_and_no_two_are_alike() {
        let pki = SimPki::new(1, 1_790_000_000);
        let td = SimTdxAttester::new(Arc::new(pki.platform(1)), TdMeasurements::of_image("image"));
        let quote = td.quote(&[7; 64]).unwrap();
        let all: std::collections::BTreeSet<Vec<u8>> = MALLEATIONS
            .iter()
            .chain(CONFUSIONS)
            .map(|spelling| (spelling.alter)(quote.clone()))
            .chain([quote.clone()])
            .collect();
        assert_eq!(all.len(), MALLEATIONS.len() + CONFUSIONS.len() + 1);
        assert_eq!(quote[CERTIFICATION_TYPE_AT..][..2], 6_u16.to_le_bytes());
        assert_eq!(quote[568..632], [7; 64], "report data of a fake quote are the quote");
    }
}
