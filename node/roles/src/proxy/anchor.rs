//! What ties a ledger to the guest that wrote it: the signing key and the number of a flush, sealed with a key that
//! depends on machine and image (spec §3.9).
//!
//! The seal is renewed before each commit to the chain, so it is never newer than the ledger. Whoever puts the whole disk
//! back puts both back: that shows on the chain ([`super::commits`]), not here.

use crate::sealed_file::{SealedError, SealedFile, Sealing};
use chrysalis_attest::sealing::KeyRole;
use chrysalis_env::Env;
use chrysalis_settlement::PublicKey;
use std::path::Path;

const FILE: &str = "ledger.sealed";

/// Why a ledger does not belong to the guest that found it.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The disk failed, or another guest, image or machine sealed this.
    #[error("{0}")]
    Sealed(#[from] SealedError),
    /// The ledger has records, and nothing says whose they are.
    #[error("the ledger is not sealed by this proxy: its seal is gone, or it was brought here from elsewhere")]
    Missing,
    /// Sealed by this guest for another signing key.
    #[error("the ledger was sealed for another signing key")]
    OtherKey,
    /// The ledger is older than its seal.
    #[error("the ledger is at flush {ledger}, and was sealed at {sealed}: it is an older copy")]
    Behind {
        /// Number of the flush that was sealed.
        sealed: u64,
        /// Number of the last flush in the ledger.
        ledger: u64,
    },
    /// A seal, and nothing to open it with.
    #[error("the ledger is sealed by a guest that has persistent keys, and this process has none")]
    NoKeys,
}

/// See the module. Without persistent keys there is nothing to seal with.
pub(super) struct Anchor {
    file: Option<SealedFile>,
    public: PublicKey,
}

impl Anchor {
    /// Checks the ledger that was found, and seals a new one.
    pub(super) fn open(
        env: &Env,
        sealing: Option<&Sealing>,
        public: PublicKey,
        is_new: bool,
        flush_seqno: u32,
    ) -> Result<Self, AnchorError> {
        let Some(sealing) = sealing else {
            return match env.files().exists(Path::new(FILE)) {
                true => Err(AnchorError::NoKeys),
                false => Ok(Self { file: None, public }),
            };
        };
        let file = SealedFile {
            env: env.clone(),
            sealing: sealing.clone(),
            role: KeyRole::ProxyLedger,
            name: FILE,
        };
        match file.read()? {
            None if !is_new => return Err(AnchorError::Missing),
            None => file.write(0, public.as_bytes())?,
            Some(opened) if opened.content != public.as_bytes() => return Err(AnchorError::OtherKey),
            Some(opened) if opened.number > flush_seqno.into() => {
                return Err(AnchorError::Behind {
                    sealed: opened.number,
                    ledger: flush_seqno.into(),
                });
            }
            Some(_) => {}
        }
        Ok(Self {
            file: Some(file),
            public,
        })
    }

    /// From now on a ledger without this flush is an older copy. The flush is durable.
    pub(super) fn seal(&self, flush_seqno: u32) -> Result<(), AnchorError> {
        match &self.file {
            Some(file) => Ok(file.write(flush_seqno.into(), self.public.as_bytes())?),
            None => Ok(()),
        }
    }
}
