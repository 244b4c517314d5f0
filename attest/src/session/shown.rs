//! What a node shows in answer to a challenge: the evidence of the guest that it runs in, the log of what the guest
//! measured since its start, and the evidence of the GPUs that the guest has.
//!
//! ```text
//! guest_len(4) guest, log_len(4) log, gpus(1), for each: measurements_len(4) measurements, certificates(1),
//!                                                          for each: certificate_len(4) certificate
//! ```
//!
//! Numbers are big-endian. A log of length 0 is none. There is one encoding of everything.

use super::message::MessageError;
use crate::{
    certificate::MAX_EVIDENCE_LEN_BYTES,
    chain::MAX_CHAIN_CERTIFICATES,
    evidence::EvidenceId,
    gpu::{
        self,
        binding::{self, MAX_GPUS},
        bundle::GpuBundle,
    },
    tdx::{AttestError, Attester},
};

/// Longest event log: those of guests at hand have some 20 kB.
pub const MAX_EVENT_LOG_LEN_BYTES: usize = 64 * 1024;
/// Longest measurements of a GPU, and longest certificate of its chain. Those at hand have 4 kB and 1 kB.
pub const MAX_GPU_PART_LEN_BYTES: usize = 8 * 1024;
/// All together: sixteen GPUs with chains of five certificates have some 150 kB.
pub const MAX_SHOWN_LEN_BYTES: usize = 256 * 1024;

/// See the module. Nothing of it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// The guest's quote, or its report with certificates, as its certificate carries it.
    pub guest: Vec<u8>,
    /// Log of the events that the guest extended its registers with; empty if there is none.
    pub event_log: Vec<u8>,
    /// Evidence of its GPUs.
    pub gpus: Vec<GpuBundle>,
}

impl Shown {
    /// Evidence of a guest alone.
    pub fn guest(guest: Vec<u8>) -> Self {
        Self {
            guest,
            ..Self::default()
        }
    }

    /// What a guest shows for a session with this binding: its GPUs answer first, and its own evidence names theirs.
    ///
    /// # Errors
    /// Guest or GPUs made no evidence, or that of the GPUs is malformed or there twice.
    pub fn by(attester: &dyn Attester, session: &[u8; 64]) -> Result<Self, AttestError> {
        Self::vouching(attester, session, attester.gpus(&binding::nonce_for(session))?)
    }

    /// The same for a guest that was given this evidence as that of its GPUs. It reads no nonces: verifiers do.
    ///
    /// # Errors
    /// As for [`Self::by`].
    pub fn vouching(attester: &dyn Attester, session: &[u8; 64], gpus: Vec<GpuBundle>) -> Result<Self, AttestError> {
        let mut shown = Self {
            event_log: attester.event_log(),
            gpus,
            guest: Vec::new(),
        };
        let ids = shown.gpu_ids().ok();
        let report_data = ids
            .and_then(|ids| binding::report_data_for(session, &ids))
            .ok_or_else(|| AttestError::Platform("the GPUs' evidence is malformed or there twice".to_owned()))?;
        shown.guest = attester.quote(&report_data)?;
        Ok(shown)
    }

    /// Names of the GPUs' evidence, in order.
    ///
    /// # Errors
    /// The number of the first GPU whose evidence is not in canonical form.
    pub(crate) fn gpu_ids(&self) -> Result<Vec<EvidenceId>, usize> {
        self.gpus
            .iter()
            .enumerate()
            .map(|(number, gpu)| gpu::appraise::evidence_id(&gpu.measurements, &gpu.certificates).ok_or(number))
            .collect()
    }

    pub(crate) fn encode_to(&self, out: &mut Vec<u8>) {
        put(out, &self.guest);
        put(out, &self.event_log);
        out.push(count(self.gpus.len()));
        for gpu in &self.gpus {
            put(out, &gpu.measurements);
            out.push(count(gpu.certificates.len()));
            for certificate in &gpu.certificates {
                put(out, certificate);
            }
        }
    }

    /// Reads all of `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MAX_SHOWN_LEN_BYTES {
            return Err(MessageError::TooLong { len_bytes: bytes.len() });
        }
        let mut rest = bytes;
        let guest = take(&mut rest, MAX_EVIDENCE_LEN_BYTES)?;
        let event_log = take(&mut rest, MAX_EVENT_LOG_LEN_BYTES)?;
        let gpus = (0..take_count(&mut rest, MAX_GPUS)?)
            .map(|_| {
                let measurements = take(&mut rest, MAX_GPU_PART_LEN_BYTES)?;
                let certificates = (0..take_count(&mut rest, MAX_CHAIN_CERTIFICATES)?)
                    .map(|_| take(&mut rest, MAX_GPU_PART_LEN_BYTES))
                    .collect::<Result<_, _>>()?;
                Ok(GpuBundle {
                    measurements,
                    certificates,
                })
            })
            .collect::<Result<_, MessageError>>()?;
        if rest.is_empty() {
            Ok(Self { guest, event_log, gpus })
        } else {
            Err(MessageError::Trailing)
        }
    }
}

/// What is longer than a reader takes is refused there, so the casts lose nothing that counts.
fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(part);
}

fn count(parts: usize) -> u8 {
    u8::try_from(parts).unwrap_or(u8::MAX)
}

fn take(rest: &mut &[u8], max_len_bytes: usize) -> Result<Vec<u8>, MessageError> {
    let (length, tail) = rest.split_first_chunk().ok_or(MessageError::Short)?;
    let len_bytes = u32::from_be_bytes(*length) as usize;
    if len_bytes > max_len_bytes {
        return Err(MessageError::TooLong { len_bytes });
    }
    let (part, tail) = tail.split_at_checked(len_bytes).ok_or(MessageError::Short)?;
    *rest = tail;
    Ok(part.to_vec())
}

fn take_count(rest: &mut &[u8], max: usize) -> Result<usize, MessageError> {
    let ([found], tail) = rest.split_first_chunk().ok_or(MessageError::Short)?;
    *rest = tail;
    let found = usize::from(*found);
    if found > max {
        return Err(MessageError::TooMany { found });
    }
    Ok(found)
}
