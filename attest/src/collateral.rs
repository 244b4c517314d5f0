//! What a vendor publishes about its platforms: TCB levels, identity of the quoting enclave, revocation lists. It is
//! signed, lives about 30 days, and reaches a verifier by way of a cache that need not be trusted.

use crate::{calendar::parse_rfc3339, hash::fingerprint};
use dcap_qvl::{QeIdentity, QuoteCollateralV3, TcbInfo};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use x509_cert::{crl::CertificateList, der::Decode};

/// Largest collateral that is read. Intel's is about 25 kB, nearly all of it text.
pub const MAX_COLLATERAL_LEN_BYTES: usize = 256 * 1024;

/// Family, model, stepping, platform type and custom SKU of a processor.
pub type Fmspc = [u8; 6];

/// Why collateral cannot be used at all. Signatures are checked later, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollateralError {
    /// Larger than [`MAX_COLLATERAL_LEN_BYTES`].
    #[error("collateral of {len_bytes} bytes")]
    TooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// Not JSON of the expected form.
    #[error("collateral is not in the form of a quote verifier's JSON")]
    Json,
    /// One of its parts is malformed.
    #[error("malformed {part} in collateral")]
    Part {
        /// Which.
        part: &'static str,
    },
}

/// Content digest of collateral; the key under which verdicts made with it are cached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CollateralId(pub [u8; 32]);

impl fmt::Debug for CollateralId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollateralId({})", hex::encode(&self.0[..8]))
    }
}

/// Collateral for one family of platforms. Parsed, not yet verified: signatures are judged together with a quote.
#[derive(Clone)]
pub struct Collateral {
    parts: QuoteCollateralV3,
    id: CollateralId,
    fmspc: Fmspc,
    pce_id: [u8; 2],
    issued_unix_s: u64,
    expires_unix_s: u64,
}

impl Collateral {
    /// Reads the JSON form of `dcap-qvl` and its relatives (PCCS responses joined, binary fields in hex).
    ///
    /// # Errors
    /// Too long, not that form, or a part that cannot be parsed.
    pub fn from_json(json: &[u8]) -> Result<Self, CollateralError> {
        if json.len() > MAX_COLLATERAL_LEN_BYTES {
            return Err(CollateralError::TooLong { len_bytes: json.len() });
        }
        Self::from_parts(serde_json::from_slice(json).map_err(|_| CollateralError::Json)?)
    }

    pub(crate) fn from_parts(mut parts: QuoteCollateralV3) -> Result<Self, CollateralError> {
        // A chain in the collateral would replace the one in the quote, and with it the platform's identity.
        parts.pck_certificate_chain = None;

        let malformed = |part| CollateralError::Part { part };
        let tcb: TcbInfo = serde_json::from_str(&parts.tcb_info).map_err(|_| malformed("TCB info"))?;
        let qe: QeIdentity = serde_json::from_str(&parts.qe_identity).map_err(|_| malformed("QE identity"))?;
        let fixed = |text: &str, out: &mut [u8], part| hex::decode_to_slice(text, out).map_err(|_| malformed(part));
        let (mut fmspc, mut pce_id) = ([0; 6], [0; 2]);
        fixed(&tcb.fmspc, &mut fmspc, "FMSPC")?;
        fixed(&tcb.pce_id, &mut pce_id, "PCE id")?;

        let dates = |issued: &str, next: &str, part| {
            parse_rfc3339(issued)
                .zip(parse_rfc3339(next))
                .ok_or_else(|| malformed(part))
        };
        let windows = [
            dates(&tcb.issue_date, &tcb.next_update, "TCB info dates")?,
            dates(&qe.issue_date, &qe.next_update, "QE identity dates")?,
            revocation_list_window(&parts.root_ca_crl).ok_or_else(|| malformed("root CA revocation list"))?,
            revocation_list_window(&parts.pck_crl).ok_or_else(|| malformed("PCK revocation list"))?,
        ];
        let id = CollateralId(fingerprint(&[
            parts.pck_crl_issuer_chain.as_bytes(),
            &parts.root_ca_crl,
            &parts.pck_crl,
            parts.tcb_info_issuer_chain.as_bytes(),
            parts.tcb_info.as_bytes(),
            &parts.tcb_info_signature,
            parts.qe_identity_issuer_chain.as_bytes(),
            parts.qe_identity.as_bytes(),
            &parts.qe_identity_signature,
        ]));
        Ok(Self {
            parts,
            id,
            fmspc,
            pce_id,
            issued_unix_s: windows.iter().map(|(issued, _)| *issued).max().unwrap_or(u64::MAX),
            expires_unix_s: windows.iter().map(|(_, last)| *last).min().unwrap_or(0),
        })
    }

    /// The JSON form that [`Collateral::from_json`] reads.
    ///
    /// # Errors
    /// None in practice: all fields are text or bytes.
    pub fn to_json(&self) -> Result<Vec<u8>, CollateralError> {
        serde_json::to_vec(&self.parts).map_err(|_| CollateralError::Json)
    }

    /// Digest of the content.
    pub fn id(&self) -> CollateralId {
        self.id
    }

    /// The processor family that it is for.
    pub fn fmspc(&self) -> Fmspc {
        self.fmspc
    }

    /// The provisioning enclave that it is for.
    pub fn pce_id(&self) -> [u8; 2] {
        self.pce_id
    }

    /// From when on all of its parts are valid.
    pub fn issued_unix_s(&self) -> u64 {
        self.issued_unix_s
    }

    /// Last second at which all of its parts are valid.
    pub fn expires_unix_s(&self) -> u64 {
        self.expires_unix_s
    }

    pub(crate) fn parts(&self) -> &QuoteCollateralV3 {
        &self.parts
    }
}

impl fmt::Debug for Collateral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collateral")
            .field("id", &self.id)
            .field("fmspc", &hex::encode(self.fmspc))
            .field("issued_unix_s", &self.issued_unix_s)
            .field("expires_unix_s", &self.expires_unix_s)
            .finish_non_exhaustive()
    }
}

fn revocation_list_window(der: &[u8]) -> Option<(u64, u64)> {
    let list = CertificateList::from_der(der).ok()?.tbs_cert_list;
    // Without nextUpdate a revocation list would be good for ever. The signature engine counts a list as expired in the
    // second of nextUpdate, and TCB info and QE identity in the second after theirs.
    let last = list.next_update?.to_unix_duration().as_secs().checked_sub(1)?;
    Some((list.this_update.to_unix_duration().as_secs(), last))
}

/// Where a verifier finds the collateral for a family of platforms, now.
pub trait CollateralSource: Send + Sync {
    /// Current collateral for `fmspc`, if there is any.
    fn collateral(&self, fmspc: &Fmspc) -> Option<Arc<Collateral>>;
}

/// Collateral in memory, replaced as newer arrives. A verdict made with collateral that has been replaced is not used
/// again.
#[derive(Default)]
pub struct CollateralStore {
    by_fmspc: RwLock<BTreeMap<Fmspc, Arc<Collateral>>>,
}

impl CollateralStore {
    /// Nothing yet: all TDX evidence is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds collateral, in place of any for the same family.
    pub fn insert(&self, collateral: impl Into<Arc<Collateral>>) {
        let collateral = collateral.into();
        self.by_fmspc
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(collateral.fmspc, collateral);
    }
}

impl FromIterator<Collateral> for CollateralStore {
    fn from_iter<I: IntoIterator<Item = Collateral>>(collateral: I) -> Self {
        let store = Self::new();
        for one in collateral {
            store.insert(one);
        }
        store
    }
}

impl CollateralSource for CollateralStore {
    fn collateral(&self, fmspc: &Fmspc) -> Option<Arc<Collateral>> {
        self.by_fmspc
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(fmspc)
            .cloned()
    }
}
