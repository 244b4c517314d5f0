//! Refuses every encoding of a quote but one, before any cryptography.
//!
//! The signature engine ignores bytes after the structure, the outer type of the certification data, text around PEM
//! blocks and surplus certificates. Each would give the same evidence another encoding: a replay table would not
//! recognise it, a cache would fill with copies. What remains is zero padding after the structure (real quotes have it)
//! and the twin `n - s` of each signature (real signers produce both); [`super::EvidenceId`] covers neither.

use super::Reason;
use crate::planted::{Bug, planted};
use crate::tdx::{HEADER_LEN_BYTES, TdMeasurements, TdReport, TdxModule15};
use dcap_qvl::{
    intel::extract_cert_chain,
    quote::{AuthData, Quote, Report, TDReport10, TDReport15},
};
use parity_scale_codec::Encode;

/// Longest TDX quote that is read; real ones have about 5 kB.
pub const MAX_QUOTE_LEN_BYTES: usize = 8 * 1024;

/// QE report certification data, the only outer type that a TDX quote has.
const OUTER_CERTIFICATION_TYPE: u16 = 6;

pub(super) struct CanonicalQuote {
    report: TdReport,
    chain: [Vec<u8>; 3],
    signed_len_bytes: usize,
    /// Without the padding that may follow.
    len_bytes: usize,
}

impl CanonicalQuote {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        if bytes.len() > MAX_QUOTE_LEN_BYTES {
            return Err(Reason::TooLong { len_bytes: bytes.len() });
        }
        let quote = Quote::parse(bytes).map_err(|_| Reason::Malformed)?;
        let report = td_report(&quote.report).ok_or(Reason::NotTdx)?;
        let AuthData::V4(signature) = &quote.auth_data else {
            return Err(Reason::NotTdx);
        };

        let encoding = quote.encode();
        let Some(padding) = bytes.strip_prefix(encoding.as_slice()) else {
            return Err(Reason::NotCanonical { what: "encoding" });
        };
        if padding.iter().any(|byte| *byte != 0) && !planted(Bug::TdxTrailingBytes) {
            return Err(Reason::NotCanonical {
                what: "bytes after the structure",
            });
        }
        if signature.certification_data.cert_type != OUTER_CERTIFICATION_TYPE && !planted(Bug::TdxOuterType) {
            return Err(Reason::NotCanonical {
                what: "outer certification data type",
            });
        }
        // The engine drops what follows the inner structure, and so does its encoder.
        if signature.qe_report_data.encoded_size() != signature.certification_data.body.data.len() {
            return Err(Reason::NotCanonical {
                what: "certification data",
            });
        }

        let pem = quote.raw_cert_chain().map_err(|_| Reason::ChainShape)?;
        let chain: [Vec<u8>; 3] = extract_cert_chain(&quote)
            .ok()
            .and_then(|chain| chain.try_into().ok())
            .ok_or(Reason::ChainShape)?;
        if pem.strip_suffix(&[0]).unwrap_or(pem) != pem_of(&chain).as_bytes() && !planted(Bug::TdxPemText) {
            return Err(Reason::NotCanonical {
                what: "PEM of the certificate chain",
            });
        }
        Ok(Self {
            report,
            chain,
            signed_len_bytes: quote.signed_length(),
            len_bytes: encoding.len(),
        })
    }

    pub(super) fn report(&self) -> &TdReport {
        &self.report
    }

    pub(super) fn platform_certificate(&self) -> &[u8] {
        &self.chain[0]
    }

    pub(super) fn root_certificate(&self) -> &[u8] {
        &self.chain[2]
    }

    /// Header and report. Never more than the quote has: its encoding, of which they are the beginning, is a prefix.
    pub(super) fn signed_len_bytes(&self) -> usize {
        debug_assert!(self.signed_len_bytes > HEADER_LEN_BYTES);
        self.signed_len_bytes
    }

    /// The structure without the padding that may follow; never more than the quote has.
    pub(super) fn len_bytes(&self) -> usize {
        self.len_bytes
    }
}

/// The chain as Intel writes it: 64 columns, LF.
pub(crate) fn pem_of(chain: &[Vec<u8>]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    chain
        .iter()
        .map(|der| pem::encode_config(&pem::Pem::new("CERTIFICATE", der.as_slice()), config))
        .collect()
}

fn td_report(report: &Report) -> Option<TdReport> {
    match report {
        Report::SgxEnclave(_) => None,
        Report::TD10(body) => Some(td_report_1_0(body)),
        Report::TD15(body) => Some(td_report_1_5(body)),
        Report::TD15Ex(body) => Some(td_report_1_5(&body.base)),
    }
}

fn td_report_1_5(body: &TDReport15) -> TdReport {
    TdReport {
        tdx_1_5: Some(TdxModule15 {
            tee_tcb_svn_2: body.tee_tcb_svn2,
            mr_service_td: body.mr_service_td,
        }),
        ..td_report_1_0(&body.base)
    }
}

fn td_report_1_0(body: &TDReport10) -> TdReport {
    TdReport {
        tee_tcb_svn: body.tee_tcb_svn,
        mr_seam: body.mr_seam,
        mr_signer_seam: body.mr_signer_seam,
        seam_attributes: body.seam_attributes,
        measurements: TdMeasurements {
            mr_td: body.mr_td,
            mr_config_id: body.mr_config_id,
            mr_owner: body.mr_owner,
            mr_owner_config: body.mr_owner_config,
            rtmr: [body.rt_mr0, body.rt_mr1, body.rt_mr2, body.rt_mr3],
            td_attributes: body.td_attributes,
            xfam: body.xfam,
        },
        report_data: body.report_data,
        tdx_1_5: None,
    }
}
