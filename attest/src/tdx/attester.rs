//! Everything that turns report data into a quote.

use super::{HEADER_LEN_BYTES, TdMeasurements};
use crate::{
    gpu::bundle::GpuBundle, hash::fingerprint, issue_cache::IssueCache, policy::SimulationOnly, sim_pki::SimPlatform,
};
use std::sync::Arc;

/// A fake quote is the report data and nothing else (spec §3.7).
pub const FAKE_QUOTE_LEN_BYTES: usize = 64;

/// Why there is no quote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestError {
    /// The platform's interface failed or is absent.
    #[error("the platform made no quote: {0}")]
    Platform(String),
}

/// A trusted execution environment that can have 64 bytes of its choice signed together with what it is.
pub trait Attester: Send + Sync {
    /// Evidence over `report_data` in the form that certificates carry: the quote of a TD, or the report of an SNP guest
    /// with its certificates ([`crate::snp::ExtendedReport`]).
    ///
    /// # Errors
    /// The platform made none.
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError>;

    /// Log of the events that the guest extended its registers with; empty if it keeps none.
    fn event_log(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Evidence of the guest's GPUs over `nonce`; none if it has no GPUs.
    ///
    /// # Errors
    /// One of them made none.
    fn gpus(&self, nonce: &[u8; 32]) -> Result<Vec<GpuBundle>, AttestError> {
        let _ = nonce;
        Ok(Vec::new())
    }
}

/// Layouts of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum QuoteForm {
    /// Version 4, which has the body of TDX 1.0.
    #[default]
    V4,
    /// Version 5 with the body of TDX 1.0.
    V5Tdx10,
    /// Version 5 with the body of TDX 1.5.
    V5Tdx15,
    /// Version 5 with the extended body of TDX 1.5.
    V5Tdx15Extended,
}

impl QuoteForm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::V4, Self::V5Tdx10, Self::V5Tdx15, Self::V5Tdx15Extended];

    /// Type of the body, where the version has one.
    const fn body_type(self) -> Option<u16> {
        match self {
            Self::V4 => None,
            Self::V5Tdx10 => Some(2),
            Self::V5Tdx15 => Some(3),
            Self::V5Tdx15Extended => Some(4),
        }
    }
}

/// A TD on a simulated platform: quotes in the real format, reproducible byte for byte.
#[derive(Clone)]
pub struct SimTdxAttester {
    platform: Arc<SimPlatform>,
    measurements: TdMeasurements,
    form: QuoteForm,
    cache: Option<Arc<IssueCache>>,
}

impl SimTdxAttester {
    /// A TD with these measurements on `platform`.
    pub fn new(platform: Arc<SimPlatform>, measurements: TdMeasurements) -> Self {
        Self {
            platform,
            measurements,
            form: QuoteForm::V4,
            cache: None,
        }
    }

    /// Makes quotes of this form instead of version 4.
    #[must_use]
    pub fn with_form(mut self, form: QuoteForm) -> Self {
        self.form = form;
        self
    }

    /// Takes quotes that were made before from `cache`. A quote is a pure function of platform, measurements and report
    /// data, so no observer can tell.
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<IssueCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// What the TD is.
    pub fn measurements(&self) -> &TdMeasurements {
        &self.measurements
    }

    /// The machine it runs on.
    pub fn platform(&self) -> &Arc<SimPlatform> {
        &self.platform
    }

    /// Header and TD report (spec §3.6), which the attestation key signs.
    fn signed_part(&self, report_data: &[u8; 64]) -> Vec<u8> {
        let body = self.body(report_data);
        let mut out = Vec::with_capacity(HEADER_LEN_BYTES + 6 + body.len());
        let version: u16 = if self.form == QuoteForm::V4 { 4 } else { 5 };
        out.extend_from_slice(&version.to_le_bytes());
        // Attestation key type 2 is ECDSA over P-256, TEE type 0x81 is TDX.
        out.extend_from_slice(&2u16.to_le_bytes());
        out.extend_from_slice(&0x81u32.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&dcap_qvl::INTEL_QE_VENDOR_ID);
        out.extend_from_slice(&[0; 20]);
        if let Some(body_type) = self.form.body_type() {
            out.extend_from_slice(&body_type.to_le_bytes());
            out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        }
        out.extend_from_slice(&body);
        out
    }

    fn body(&self, report_data: &[u8; 64]) -> Vec<u8> {
        let Self {
            platform,
            measurements: td,
            ..
        } = self;
        let mut out = Vec::with_capacity(900);
        out.extend_from_slice(&platform.tcb().tee_tcb_svn);
        out.extend_from_slice(&platform.tcb().mr_seam);
        out.extend_from_slice(&[0; 48 + 8]);
        out.extend_from_slice(&td.td_attributes);
        out.extend_from_slice(&td.xfam);
        for register in [&td.mr_td, &td.mr_config_id, &td.mr_owner, &td.mr_owner_config]
            .into_iter()
            .chain(&td.rtmr)
        {
            out.extend_from_slice(register);
        }
        out.extend_from_slice(report_data);
        if matches!(self.form, QuoteForm::V5Tdx15 | QuoteForm::V5Tdx15Extended) {
            // The module was not updated under the TD, and no service TD is bound.
            out.extend_from_slice(&platform.tcb().tee_tcb_svn);
            out.extend_from_slice(&[0; 48]);
        }
        if self.form == QuoteForm::V5Tdx15Extended {
            // VM index 0, an instance id, no devices and no service TDs, then TCB and processor at launch.
            out.push(0);
            out.extend_from_slice(&fingerprint(&[b"SIM TD id", &td.mr_td]));
            out.extend_from_slice(&[0; 48 + 48 + 8]);
            out.extend_from_slice(&platform.tcb().cpu_svn);
            out.extend_from_slice(&platform.tcb().tee_tcb_svn);
            out.extend_from_slice(&[0; 12 + 48 + 8]);
        }
        out
    }
}

impl Attester for SimTdxAttester {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        let signed = self.signed_part(report_data);
        let make = || self.platform.sign_quote(&signed);
        Ok(match &self.cache {
            Some(cache) => cache.quote(fingerprint(&[self.platform.fingerprint(), &signed]), make),
            None => make(),
        })
    }
}

/// The reference system's test mode (spec §3.7). It authenticates nothing: anybody can make such a quote.
#[derive(Debug, Clone, Copy)]
pub struct FakeTdxAttester(());

impl FakeTdxAttester {
    /// An attester without any security.
    pub fn new(_: SimulationOnly) -> Self {
        Self(())
    }
}

impl Attester for FakeTdxAttester {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        Ok(report_data.to_vec())
    }
}
