//! What is known about evidence after it was accepted.

use crate::{
    collateral::Fmspc,
    evidence::EvidenceId,
    hash::sha256,
    policy::AnchorKind,
    tdx::{ImageHash, TdReport},
};
use std::fmt;

/// Accepted evidence. Trust in it ends at [`Verdict::expires_unix_s`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Names the evidence, whatever its encoding.
    pub evidence_id: EvidenceId,
    /// See [`crate::tdx::image_hash`].
    pub image_hash: ImageHash,
    /// The report.
    pub report: TdReport,
    /// First second for which this verdict holds.
    pub valid_from_unix_s: u64,
    /// Last second for which this verdict holds: the earliest end of all certificates and collateral behind it.
    pub expires_unix_s: u64,
    /// Who vouches for the report.
    pub endorsement: Endorsement,
}

impl Verdict {
    /// Whether the verdict holds at `now_unix_s`.
    pub fn holds_at(&self, now_unix_s: u64) -> bool {
        (self.valid_from_unix_s..=self.expires_unix_s).contains(&now_unix_s)
    }

    /// Whether this is the same image on the same machine as `other` is about.
    pub(crate) fn is_of_the_td_of(&self, other: &Self) -> bool {
        let platform = |verdict: &Self| match &verdict.endorsement {
            Endorsement::Fake => None,
            Endorsement::Tdx(endorsement) => Some(endorsement.platform),
        };
        self.image_hash == other.image_hash && platform(self) == platform(other)
    }

    /// The kind of root behind the evidence; none for fake evidence.
    pub fn anchor(&self) -> Option<AnchorKind> {
        match &self.endorsement {
            Endorsement::Fake => None,
            Endorsement::Tdx(endorsement) => Some(endorsement.anchor),
        }
    }
}

/// Who vouches for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endorsement {
    /// Nobody: a test network's quote (spec §3.7).
    Fake,
    /// A TDX platform.
    Tdx(TdxEndorsement),
}

/// What signatures and collateral say about the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TdxEndorsement {
    /// Kind of the root.
    pub anchor: AnchorKind,
    /// The machine.
    pub platform: PlatformId,
    /// State of its trusted computing base.
    pub tcb_status: TcbStatus,
    /// Number of the vendor's TCB evaluation that the status comes from.
    pub tcb_evaluation_number: u32,
    /// Advisories that apply to the platform.
    pub advisories: Vec<String>,
}

/// A machine. The provisioning id names it for life and so names its operator: logs show it only salted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlatformId {
    /// Platform provisioning id.
    pub ppid: [u8; 16],
    /// Processor family.
    pub fmspc: Fmspc,
}

/// A name for the machine with this identity, for logs: it can be compared within one network and not across networks.
pub(crate) fn pseudonym(network_salt: &[u8], identity: &[u8]) -> [u8; 16] {
    let digest = sha256(&[
        b"chrysalis platform pseudonym v1",
        &(network_salt.len() as u64).to_be_bytes(),
        network_salt,
        identity,
    ]);
    let mut name = [0; 16];
    name.copy_from_slice(&digest[..16]);
    name
}

impl fmt::Debug for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformId")
            .field("fmspc", &hex::encode(self.fmspc))
            .finish_non_exhaustive()
    }
}

/// State of a platform's trusted computing base, in Intel's terms, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum TcbStatus {
    /// All known fixes are in.
    UpToDate,
    /// Software in the TD should mitigate something.
    #[serde(rename = "SWHardeningNeeded")]
    SwHardeningNeeded,
    /// The platform should be configured otherwise.
    ConfigurationNeeded,
    /// Both of the above.
    #[serde(rename = "ConfigurationAndSWHardeningNeeded")]
    ConfigurationAndSwHardeningNeeded,
    /// The TDX module was updated under the running TD; the TD should start again.
    #[serde(rename = "TDRelaunchAdvised")]
    TdRelaunchAdvised,
    /// The same, and configuration is needed.
    #[serde(rename = "TDRelaunchAdvisedConfigurationNeeded")]
    TdRelaunchAdvisedConfigurationNeeded,
    /// Fixes are missing.
    OutOfDate,
    /// Fixes are missing and configuration is needed.
    OutOfDateConfigurationNeeded,
    /// Keys of this level are compromised.
    Revoked,
}

impl From<dcap_qvl::TcbStatus> for TcbStatus {
    fn from(status: dcap_qvl::TcbStatus) -> Self {
        use dcap_qvl::TcbStatus as Engine;
        match status {
            Engine::UpToDate => Self::UpToDate,
            Engine::SWHardeningNeeded => Self::SwHardeningNeeded,
            Engine::ConfigurationNeeded => Self::ConfigurationNeeded,
            Engine::ConfigurationAndSWHardeningNeeded => Self::ConfigurationAndSwHardeningNeeded,
            Engine::TDRelaunchAdvised => Self::TdRelaunchAdvised,
            Engine::TDRelaunchAdvisedConfigurationNeeded => Self::TdRelaunchAdvisedConfigurationNeeded,
            Engine::OutOfDate => Self::OutOfDate,
            Engine::OutOfDateConfigurationNeeded => Self::OutOfDateConfigurationNeeded,
            Engine::Revoked => Self::Revoked,
        }
    }
}

impl From<TcbStatus> for dcap_qvl::TcbStatus {
    fn from(status: TcbStatus) -> Self {
        match status {
            TcbStatus::UpToDate => Self::UpToDate,
            TcbStatus::SwHardeningNeeded => Self::SWHardeningNeeded,
            TcbStatus::ConfigurationNeeded => Self::ConfigurationNeeded,
            TcbStatus::ConfigurationAndSwHardeningNeeded => Self::ConfigurationAndSWHardeningNeeded,
            TcbStatus::TdRelaunchAdvised => Self::TDRelaunchAdvised,
            TcbStatus::TdRelaunchAdvisedConfigurationNeeded => Self::TDRelaunchAdvisedConfigurationNeeded,
            TcbStatus::OutOfDate => Self::OutOfDate,
            TcbStatus::OutOfDateConfigurationNeeded => Self::OutOfDateConfigurationNeeded,
            TcbStatus::Revoked => Self::Revoked,
        }
    }
}
