//! What is demanded of an SNP guest beyond a genuine signature.

use super::{
    endorsement::{Product, SigningKey},
    report::SnpTcb,
};
use crate::policy::AllowList;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Rules for SNP guests. The default is the strictest that leaves measurements open.
///
/// Milan is not among the default products: the seed of its chip keys can be read by software since May 2026, so that a
/// report of any TCB can be forged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SnpPolicy {
    /// Families of processors that pass.
    pub allowed_products: BTreeSet<Product>,
    /// Kinds of signing keys that pass.
    pub allowed_signing_keys: BTreeSet<SigningKey>,
    /// Lowest security versions to which a machine may be able to go back, by family. A family without an entry has no
    /// minimum.
    pub min_committed_tcb: BTreeMap<Product, SnpTcb>,
    /// Lowest firmware that may run: major, minor, build.
    pub min_firmware: [u8; 3],
    /// Lowest security version of the guest.
    pub min_guest_svn: u32,
    /// Privilege levels that may ask for reports.
    pub allowed_vmpl: BTreeSet<u32>,
    /// Debugging may be allowed to the host. No production guest has it.
    pub allow_debug: bool,
    /// A migration agent may be associated.
    pub allow_migration_agent: bool,
    /// Multithreading may be on.
    pub allow_smt: bool,
    /// Memory behind CXL may be used.
    pub allow_cxl: bool,
    /// The guest must be bound to one socket.
    pub require_single_socket: bool,
    /// Memory must be encrypted with AES-256-XTS.
    pub require_aes_256_xts: bool,
    /// Energy counters must be off.
    pub require_rapl_disabled: bool,
    /// Ciphertext must be hidden from the host.
    pub require_ciphertext_hiding: bool,
    /// The host may not move pages.
    pub require_page_swap_disabled: bool,
    /// Memory must have been checked for aliases (BadRAM).
    pub require_alias_check: bool,
    /// Mitigations that must have been verified at launch and now, as bits.
    pub required_mitigations: u64,
    /// A revocation list must be there. One that is there counts in any case.
    pub require_revocation_list: bool,
    /// Revocation lists with a lower number are refused.
    pub min_crl_number: u64,
    /// How long after its challenge evidence may come; without a challenge it is refused if this is set.
    pub max_challenge_age_s: Option<u64>,
    /// Allowed launch measurements.
    pub allowed_measurements: AllowList<[u8; 48]>,
    /// Allowed data of the host.
    pub allowed_host_data: AllowList<[u8; 32]>,
    /// Allowed keys of identity blocks, by SHA-384.
    pub allowed_id_keys: AllowList<[u8; 48]>,
    /// Allowed keys that certify those, by SHA-384.
    pub allowed_author_keys: AllowList<[u8; 48]>,
    /// Allowed machines. A report forged with an extracted chip key is stopped by nothing else.
    pub allowed_chips: AllowList<[u8; 64]>,
    /// Allowed providers, where a loaded key signs.
    pub allowed_providers: AllowList<String>,
}

impl Default for SnpPolicy {
    fn default() -> Self {
        Self {
            allowed_products: BTreeSet::from([Product::Genoa, Product::Turin]),
            allowed_signing_keys: BTreeSet::from([SigningKey::Vcek]),
            min_committed_tcb: BTreeMap::new(),
            min_firmware: [0, 0, 0],
            min_guest_svn: 0,
            allowed_vmpl: BTreeSet::from([0]),
            allow_debug: false,
            allow_migration_agent: false,
            allow_smt: true,
            allow_cxl: false,
            require_single_socket: false,
            require_aes_256_xts: false,
            require_rapl_disabled: false,
            require_ciphertext_hiding: false,
            require_page_swap_disabled: false,
            require_alias_check: false,
            required_mitigations: 0,
            require_revocation_list: true,
            min_crl_number: 0,
            max_challenge_age_s: None,
            allowed_measurements: AllowList::NotChecked,
            allowed_host_data: AllowList::NotChecked,
            allowed_id_keys: AllowList::NotChecked,
            allowed_author_keys: AllowList::NotChecked,
            allowed_chips: AllowList::NotChecked,
            allowed_providers: AllowList::NotChecked,
        }
    }
}
