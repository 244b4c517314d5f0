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
            if env.files().exists(Path::new(FILE)) {
                return Err(AnchorError::NoKeys);
            }
            return Ok(Self { file: None, public });
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

#[cfg(test)]
mod tests {
    use super::*;
    use chrysalis_attest::{
        SimulationOnly, TdMeasurements,
        sealing::{SealError, SealingIdentity, SimMachineSecret},
    };
    use chrysalis_env::tokio_engine::TokioNode;
    use chrysalis_settlement::SigningKey;
    use std::{fs, sync::Arc};

    fn node(folder: &Path) -> Env {
        let node = TokioNode {
            name: "proxy".to_owned(),
            data_directory: folder.to_owned(),
            sink: Arc::new(|_, _, _| ()),
        };
        node.into_env()
    }

    fn guest(machine: u64, image: &str) -> Sealing {
        let marker = SimulationOnly::accept_no_security();
        Sealing {
            machine: Arc::new(SimMachineSecret::new(marker, 1, machine, 1)),
            identity: SealingIdentity::of_td(&TdMeasurements::of_image(image)).unwrap(),
        }
    }

    fn key(seed: u8) -> PublicKey {
        SigningKey::from_seed(&[seed; 32]).public()
    }

    #[test]
    fn a_ledger_belongs_to_the_guest_that_sealed_it() {
        let folder = tempfile::tempdir().unwrap();
        let env = node(folder.path());
        let open =
            |sealing: Option<&Sealing>, public, is_new, seqno| Anchor::open(&env, sealing, public, is_new, seqno);
        let own = guest(1, "proxy");
        // A ledger that somebody brought has no seal.
        assert!(matches!(open(Some(&own), key(1), false, 3), Err(AnchorError::Missing)));
        open(Some(&own), key(1), true, 0).unwrap().seal(7).unwrap();
        // The same guest finds what it sealed, and what it wrote later.
        for seqno in [7, 8] {
            assert!(open(Some(&own), key(1), false, seqno).is_ok());
        }
        // An older ledger, and none at all.
        for (is_new, seqno) in [(false, 6), (true, 0)] {
            assert!(matches!(
                open(Some(&own), key(1), is_new, seqno),
                Err(AnchorError::Behind { sealed: 7, .. })
            ));
        }
        assert!(matches!(open(Some(&own), key(2), false, 7), Err(AnchorError::OtherKey)));
        for other in [guest(2, "proxy"), guest(1, "another image")] {
            assert!(matches!(
                open(Some(&other), key(1), false, 7),
                Err(AnchorError::Sealed(SealedError::Seal(SealError::NotGenuine)))
            ));
        }
        assert!(matches!(open(None, key(1), false, 7), Err(AnchorError::NoKeys)));
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(matches!(open(Some(&own), key(1), false, 7), Err(AnchorError::Missing)));
    }

    #[test]
    fn without_persistent_keys_nothing_is_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let env = node(folder.path());
        Anchor::open(&env, None, key(1), false, 7).unwrap().seal(8).unwrap();
        assert!(!folder.path().join(FILE).exists());
    }
}
