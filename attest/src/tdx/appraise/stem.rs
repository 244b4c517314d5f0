//! What the quotes of one TD have in common.
//!
//! Quotes that one TD makes on one machine differ in two places: in the report data, which the TD chooses, and in the
//! attestation key's signature over the report. All that an appraisal looks at besides is the same byte for byte. So a
//! verdict on one of them holds for the next, for the same collateral, policy and time, once the new signature is
//! verified with the same attestation key: a tenth of the work of a full appraisal.

use super::{Quote, Reason, Verdict};
use crate::hash::fingerprint;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

/// Report data are the last bytes of the body of TDX 1.0, with which every body begins.
const BODY_1_0_LEN_BYTES: usize = 584;
const REPORT_DATA_LEN_BYTES: usize = 64;
/// Version 5 has the type and the size of the body between header and body.
const HEADER_4_LEN_BYTES: usize = 48;
const HEADER_5_LEN_BYTES: usize = 54;
/// Length of the authentication data, before the signature.
const AUTH_LEN_BYTES: usize = 4;
const SIGNATURE_LEN_BYTES: usize = 64;
const KEY_LEN_BYTES: usize = 64;

/// Names all of a quote but its report data and the signature over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stem([u8; 32]);

/// Where the parts are, as offsets.
struct Layout {
    report_data: usize,
    signature: usize,
    key: usize,
}

impl Quote<'_> {
    fn layout(&self) -> Layout {
        let signed = self.signed_part();
        let header = if signed.starts_with(&[4, 0]) {
            HEADER_4_LEN_BYTES
        } else {
            HEADER_5_LEN_BYTES
        };
        let signature = signed.len() + AUTH_LEN_BYTES;
        Layout {
            report_data: header + BODY_1_0_LEN_BYTES - REPORT_DATA_LEN_BYTES,
            signature,
            key: signature + SIGNATURE_LEN_BYTES,
        }
    }

    /// The part of the quote between two offsets. A quote in canonical form has all of its fields: it cannot be missing.
    fn part(&self, from: usize, to: usize) -> &[u8] {
        let part = self.bytes.get(from..to);
        debug_assert!(part.is_some(), "a canonical quote has all of its fields");
        part.unwrap_or(&[])
    }

    pub(crate) fn stem(&self) -> Stem {
        let layout = self.layout();
        let end = self.canonical.len_bytes();
        Stem(fingerprint(&[
            b"stem of a TDX quote v1",
            self.part(0, layout.report_data),
            self.part(layout.report_data + REPORT_DATA_LEN_BYTES, layout.signature),
            self.part(layout.key, end),
        ]))
    }

    /// The verdict on this quote, given the one on another quote with the same [`Stem`]. Whoever calls this makes sure
    /// that collateral, policy and time are those of `other`, too.
    ///
    /// # Errors
    /// The attestation key did not sign this quote.
    pub(crate) fn verdict_like(&self, other: &Verdict) -> Result<Verdict, Reason> {
        let layout = self.layout();
        // An uncompressed point (SEC 1).
        let key = [&[4], self.part(layout.key, layout.key + KEY_LEN_BYTES)].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
            .verify(self.signed_part(), self.part(layout.signature, layout.key))
            .map_err(|_| Reason::QuoteSignature)?;
        Ok(Verdict {
            evidence_id: self.evidence_id(),
            report: *self.canonical.report(),
            ..other.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collateral::Collateral,
        freshness::Expected,
        policy::{AppraisalRules, SimulationOnly},
        sim_pki::SimPki,
        tdx::{Attester, SimTdxAttester, TdMeasurements, appraise::Context, attester::QuoteForm},
    };
    use std::sync::Arc;

    const START: u64 = 1_790_000_000;

    struct World {
        pki: SimPki,
        collateral: Collateral,
    }

    impl World {
        fn new() -> Self {
            let pki = SimPki::new(7, START);
            let collateral = pki.collateral(START);
            Self { pki, collateral }
        }

        fn quote(&self, form: QuoteForm, machine: u64, image: &str, report_data: u8) -> Vec<u8> {
            SimTdxAttester::new(Arc::new(self.pki.platform(machine)), TdMeasurements::of_image(image))
                .with_form(form)
                .quote(&[report_data; 64])
                .unwrap()
        }

        fn full(&self, quote: &Quote<'_>) -> Verdict {
            let context = Context {
                now_unix_s: START,
                anchors: &self.pki.anchors(SimulationOnly::accept_no_security()),
                collateral: &self.collateral,
                policy: &AppraisalRules::default(),
                event_log: None,
                expected: Expected::default(),
            };
            quote.appraise(&context).unwrap()
        }
    }

    #[test]
    fn the_short_way_says_what_the_long_way_says_for_every_form() {
        let world = World::new();
        for form in QuoteForm::ALL {
            let (one, two) = (world.quote(form, 1, "worker", 1), world.quote(form, 1, "worker", 2));
            let (one, two) = (Quote::read(&one).unwrap(), Quote::read(&two).unwrap());
            assert_eq!(one.stem(), two.stem(), "{form:?}");
            assert_eq!(two.verdict_like(&world.full(&one)), Ok(world.full(&two)), "{form:?}");
            assert_eq!(world.full(&two).report.report_data, [2; 64]);
        }
    }

    #[test]
    fn every_byte_is_in_the_stem_or_under_the_signature() {
        let world = World::new();
        for form in QuoteForm::ALL {
            let genuine = world.quote(form, 1, "worker", 1);
            let read = Quote::read(&genuine).unwrap();
            let (stem, verdict, end) = (read.stem(), world.full(&read), read.canonical.len_bytes());
            assert_eq!(read.verdict_like(&verdict).as_ref(), Ok(&verdict));
            let mut seen = 0;
            for at in 0..end {
                let mut altered = genuine.clone();
                altered[at] ^= 1 << (at % 8);
                let Ok(quote) = Quote::read(&altered) else { continue };
                seen += 1;
                assert!(
                    quote.stem() != stem || quote.verdict_like(&verdict) == Err(Reason::QuoteSignature),
                    "{form:?}, byte {at}"
                );
            }
            assert!(
                seen > 700,
                "{seen}: all but certificates can be altered and still be read"
            );
        }
    }

    #[test]
    fn other_machines_and_other_images_have_other_stems_and_padding_has_none() {
        let world = World::new();
        let quote = world.quote(QuoteForm::V4, 1, "worker", 1);
        let stem = Quote::read(&quote).unwrap().stem();
        for (machine, image) in [(2, "worker"), (1, "proxy")] {
            let other = world.quote(QuoteForm::V4, machine, image, 1);
            assert_ne!(Quote::read(&other).unwrap().stem(), stem);
        }
        let padded = [&quote[..], &[0; 9]].concat();
        assert_eq!(Quote::read(&padded).unwrap().stem(), stem);
    }
}
