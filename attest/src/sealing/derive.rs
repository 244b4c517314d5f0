//! What persistent keys depend on.

use crate::{
    hash::{fingerprint, sha256},
    policy::SimulationOnly,
    tdx::{ImageHash, TdMeasurements},
};
use ring::hkdf;
use std::fmt;

/// DEBUG and the profiling bits of a TD's attributes.
const UNSEALABLE_ATTRIBUTES: u8 = 0b0111_0001;

/// The secret of a machine's sealing hardware.
///
/// Hardware gives the secret of a security version that is not above its own: an update can still read what was sealed
/// before it, and a machine that was rolled back cannot read what came after.
pub trait MachineSecret {
    /// The machine's own security version.
    fn security_version(&self) -> u16;

    /// The secret of a security version; none above the machine's own.
    fn secret(&self, security_version: u16) -> Option<[u8; 32]>;
}

/// The secret of a simulated machine: everybody who knows the seed knows it.
#[derive(Clone, Copy)]
pub struct SimMachineSecret {
    seed: u64,
    machine: u64,
    security_version: u16,
}

impl SimMachineSecret {
    /// Machine number `machine` of the vendor of `seed`, at a security version.
    pub fn new(_: SimulationOnly, seed: u64, machine: u64, security_version: u16) -> Self {
        Self {
            seed,
            machine,
            security_version,
        }
    }
}

impl fmt::Debug for SimMachineSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SimMachineSecret({}, version {})",
            self.machine, self.security_version
        )
    }
}

impl MachineSecret for SimMachineSecret {
    fn security_version(&self) -> u16 {
        self.security_version
    }

    fn secret(&self, security_version: u16) -> Option<[u8; 32]> {
        (security_version <= self.security_version).then(|| {
            fingerprint(&[
                b"SIM sealing secret",
                &self.seed.to_le_bytes(),
                &self.machine.to_le_bytes(),
                &security_version.to_le_bytes(),
            ])
        })
    }
}

/// What a guest is, as far as its keys depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealingIdentity {
    image_hash: ImageHash,
    attributes: [u8; 8],
    xfam: [u8; 8],
}

impl SealingIdentity {
    /// Of a TD.
    ///
    /// # Errors
    /// Its host can read its memory: what it seals would be the host's. (The reference gives debug images a key that is
    /// written in its source.)
    pub fn of_td(measurements: &TdMeasurements) -> Result<Self, NoKey> {
        if measurements.td_attributes[0] & UNSEALABLE_ATTRIBUTES != 0 {
            return Err(NoKey::Debug);
        }
        Ok(Self {
            image_hash: measurements.image_hash(),
            attributes: measurements.td_attributes,
            xfam: measurements.xfam,
        })
    }
}

/// Why a guest gets no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// A guest that can be debugged.
    #[error("a guest that its host can debug has no persistent keys")]
    Debug,
    /// The key is of a newer security version than the machine's.
    #[error("sealed at security version {sealed}, and the machine is at {machine}: it was rolled back")]
    MachineRolledBack {
        /// Of the record.
        sealed: u16,
        /// Of the machine.
        machine: u16,
    },
}

/// What a key is for: one that leaks gives nothing of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyRole {
    /// The guest's disk.
    Disk,
    /// A proxy's ledger.
    ProxyLedger,
    /// A worker's state.
    Worker,
    /// A key manager's keys.
    KeyManager,
}

impl KeyRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Disk, Self::ProxyLedger, Self::Worker, Self::KeyManager];

    /// Its name, which the key depends on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::ProxyLedger => "proxy-ledger",
            Self::Worker => "worker",
            Self::KeyManager => "key-manager",
        }
    }
}

/// A key of one guest on one machine for one role.
#[derive(Clone)]
pub struct PersistentKey {
    pub(super) secret: [u8; 32],
    pub(super) role: KeyRole,
    pub(super) security_version: u16,
}

impl fmt::Debug for PersistentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersistentKey({}, ..)", self.role.name())
    }
}

impl PersistentKey {
    /// The key at the machine's own security version, which new records are sealed with.
    ///
    /// # Errors
    /// None for a machine that knows its own secret.
    pub fn current(machine: &dyn MachineSecret, identity: &SealingIdentity, role: KeyRole) -> Result<Self, NoKey> {
        Self::at(machine, identity, role, machine.security_version())
    }

    /// The key at a security version, to open what was sealed before an update.
    ///
    /// # Errors
    /// The version is above the machine's.
    pub fn at(
        machine: &dyn MachineSecret,
        identity: &SealingIdentity,
        role: KeyRole,
        security_version: u16,
    ) -> Result<Self, NoKey> {
        let secret = machine.secret(security_version).ok_or(NoKey::MachineRolledBack {
            sealed: security_version,
            machine: machine.security_version(),
        })?;
        let what = fingerprint(&[
            &identity.image_hash,
            &identity.attributes,
            &identity.xfam,
            role.name().as_bytes(),
            &security_version.to_be_bytes(),
        ]);
        Ok(Self {
            secret: expand(b"chrysalis persistent key v1", &secret, &what),
            role,
            security_version,
        })
    }

    /// The 32 bytes, for what is no record: a disk's cipher.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What it is for.
    pub fn role(&self) -> KeyRole {
        self.role
    }
}

/// HKDF with SHA-256 (RFC 5869).
pub(super) fn expand(salt: &[u8], secret: &[u8; 32], info: &[u8]) -> [u8; 32] {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let info = [info];
    let mut out = [0; 32];
    #[expect(
        clippy::expect_used,
        reason = "HKDF with SHA-256 gives up to 8,160 bytes, and this asks for 32"
    )]
    extracted
        .expand(&info, hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut out))
        .expect("32 bytes of HKDF with SHA-256");
    out
}

/// The reference's derivation (spec §3.9), to compare with: the TCB is in it as a whole, so that every update of the
/// machine loses the key, and the role is a free text.
pub fn reference_key(
    sealing_key: &[u8; 16],
    tee_info_hash: &[u8; 48],
    tee_tcb_info_hash: &[u8; 48],
    name: &str,
) -> [u8; 32] {
    sha256(&[
        sealing_key,
        tee_info_hash,
        tee_tcb_info_hash,
        &sha256(&[name.as_bytes()]),
    ])
}
