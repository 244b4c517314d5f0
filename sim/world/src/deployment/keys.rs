//! The key manager, and whom it gives keys to.

use super::{DeployError, Deployment, PROXY_IMAGE, VENDOR_SEED, WORKER_IMAGE, evidence::Peers};
use crate::plan::{AskerImage, KeyManagerPlan, KeysOf, Profile, TeeKind};
use chrysalis_attest::{
    SimulationOnly, TdMeasurements,
    sealing::{SealingIdentity, SimMachineSecret},
};
use chrysalis_env::Env;
use chrysalis_node::{
    key_manager::{
        KeyManagerSettings, KeyOrder, KeyPorts,
        asking::KeySource,
        policy::{KeyPolicy, KeyRules},
        ring::KeyHolder,
    },
    sealed_file::Sealing,
    telemetry::Role,
    trust::OwnIdentity,
};
use chrysalis_settlement::RootSource as _;
use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError},
};

/// Where the key manager listens.
pub(crate) type KeyAddresses = KeyPorts<SocketAddr>;

const KEY_MANAGER_IMAGE: &str = "chrysalis key manager";
const UNKNOWN_IMAGE: &str = "somebody's image";
/// Security version of the simulated machines.
const SECURITY_VERSION: u16 = 1;
const MAX_CONNECTIONS: usize = 16_384;

/// What runs on which machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guest<'a> {
    pub(crate) name: &'a str,
    pub(crate) image: &'a str,
    pub(crate) machine: u64,
}

impl Deployment {
    /// Settings of the key manager.
    pub(crate) fn key_manager(&self, plan: &KeyManagerPlan, env: &Env) -> Result<KeyManagerSettings, DeployError> {
        let is_reference = self.plan.profile == Profile::Reference;
        let rules = if is_reference {
            KeyRules::REFERENCE
        } else {
            KeyRules::SOUND
        };
        let guest = Guest {
            name: &plan.node.name,
            image: KEY_MANAGER_IMAGE,
            machine: self.evidence.machine_of(&plan.node.name),
        };
        let identity = self.evidence.identity(guest.name, Some(guest.image))?;
        let mut trust = self.evidence.trust(identity, Peers::Attested);
        // T71: the configuration that is shipped does not compare images.
        trust.check_image_hash &= !is_reference;
        Ok(KeyManagerSettings {
            root: self.root_source(env, Role::KeyManager),
            trust,
            sealing: sealing(guest)?,
            policy: KeyPolicy::new(plan.period_s, plan.grace_s, rules).ok_or(DeployError::KeyPolicy)?,
            max_connections: MAX_CONNECTIONS,
            control: self.key_control.clone(),
        })
    }

    /// Where a node gets its keys.
    pub(super) fn key_source(
        &self,
        addresses: &KeyAddresses,
        holder: KeyHolder,
        identity: Arc<OwnIdentity>,
    ) -> KeySource {
        KeySource {
            address: *addresses.of(holder),
            trust: self.evidence.trust_in_image(identity, KEY_MANAGER_IMAGE),
            network_salt: *self.root.current().root_address.hash(),
        }
    }

    /// What an adversary shows at a port of the key manager. Its machine is its own.
    pub(crate) fn asker(
        &self,
        addresses: &KeyAddresses,
        port: KeyHolder,
        name: &str,
        image: AskerImage,
        number: u64,
    ) -> Result<KeySource, DeployError> {
        let image = match image {
            AskerImage::Unknown => UNKNOWN_IMAGE,
            AskerImage::Proxy => PROXY_IMAGE,
            AskerImage::Worker => WORKER_IMAGE,
        };
        let machine = self.evidence.spare_machine().saturating_add(number);
        let identity = self.evidence.identity_on(machine, name, Some(image))?;
        Ok(self.key_source(addresses, port, identity))
    }

    /// What a guest's state is sealed with; none where guests have no measurements.
    pub(super) fn sealing(&self, guest: Guest<'_>) -> Result<Option<Sealing>, DeployError> {
        let is_measured = self.plan.attestation.tee == TeeKind::SimulatedTdx;
        is_measured.then(|| sealing(guest)).transpose()
    }

    /// The image that a node's host starts in place of the allowed one, if it does.
    pub(super) fn image(&self, node: &str) -> Option<&'static str> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.get(node).copied()
    }

    /// From its next start on a node runs another image, on the same disk.
    pub(crate) fn change_image(&self, node: &str) {
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.insert(node.to_owned(), UNKNOWN_IMAGE);
    }

    /// The operator of the key manager revokes a key.
    pub(crate) fn revoke_key(&self, of: KeysOf) {
        self.key_control.ask(KeyOrder::Revoke(of.into()));
    }
}

/// What the persistent keys of a guest come from.
fn sealing(guest: Guest<'_>) -> Result<Sealing, DeployError> {
    let marker = SimulationOnly::accept_no_security();
    let machine = SimMachineSecret::new(marker, VENDOR_SEED, guest.machine, SECURITY_VERSION);
    Ok(Sealing {
        machine: Arc::new(machine),
        identity: SealingIdentity::of_td(&TdMeasurements::of_image(guest.image))?,
    })
}
