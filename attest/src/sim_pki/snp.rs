//! A simulated AMD: roots of three families, chips, keys for providers, revocation lists.

use super::{
    YEAR_S,
    keys::{SignedBy, SimKey384},
    rsa::{ARK, ASK, ASVK},
    x509::{Form, Role, certificate, revocation_list},
};
use crate::{
    der::{element, extension, integer},
    hash::{sha256, sha384},
    snp::{Product, REPORT_LEN_BYTES, SigningKey, SnpTcb, report::SIGNED_LEN_BYTES},
    tdx::AttestError,
};

const AMD: [u64; 8] = [1, 3, 6, 1, 4, 1, 3_704, 1];
/// AMD's lists last about a year.
const REVOCATION_LIST_LIFETIME_S: u64 = YEAR_S;
const INTERMEDIATE_SERIAL: [u8; 3] = [1, 0, 1];
const PROVIDER: &str = "SIM provider";

/// Root and intermediates for one family of processors.
pub struct SimSnpPki {
    seed: u64,
    product: Product,
    not_before_unix_s: u64,
    root_der: Vec<u8>,
    chip_authority_der: Vec<u8>,
    provider_authority_der: Vec<u8>,
}

/// What a simulated machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnpMachineForm {
    /// Its security versions, which its key is derived for.
    pub tcb: SnpTcb,
    /// Which key signs its reports.
    pub signing_key: SigningKey,
}

impl SnpMachineForm {
    /// A current machine whose chip signs.
    pub fn current(product: Product) -> Self {
        Self {
            tcb: SnpTcb {
                fmc: u8::from(product == Product::Turin),
                boot_loader: 9,
                tee: 0,
                snp: 23,
                microcode: 72,
            },
            signing_key: SigningKey::Vcek,
        }
    }
}

/// What may differ between revocation lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnpRevocations {
    /// Number of the list.
    pub number: u64,
    /// What certifies chips is revoked.
    pub chip_authority: bool,
    /// What certifies providers' keys is revoked.
    pub provider_authority: bool,
}

impl Default for SnpRevocations {
    fn default() -> Self {
        Self {
            number: 1,
            chip_authority: false,
            provider_authority: false,
        }
    }
}

impl SimSnpPki {
    /// The vendor of `seed` for one family, whose certificates begin at `not_before_unix_s` and last 25 years.
    pub fn new(seed: u64, product: Product, not_before_unix_s: u64) -> Self {
        let (root, chips, providers) = (
            name("ARK", product, seed),
            name("SEV", product, seed),
            name("SEV-VLEK", product, seed),
        );
        let certify = |serial: &[u8], subject: &str, subject_public_key_info, path_length| {
            certificate(
                &Form {
                    serial,
                    issuer: &root,
                    subject,
                    from_unix_s: not_before_unix_s,
                    until_unix_s: not_before_unix_s.saturating_add(25 * YEAR_S),
                    subject_public_key_info,
                    role: Role::Authority(path_length),
                    extensions: Vec::new(),
                },
                SignedBy::Rsa(&ARK),
            )
        };
        Self {
            seed,
            product,
            not_before_unix_s,
            root_der: certify(&[1, 0, 0], &root, ARK.subject_public_key_info(), None),
            chip_authority_der: certify(&INTERMEDIATE_SERIAL, &chips, ASK.subject_public_key_info(), Some(0)),
            provider_authority_der: certify(&[1, 0, 2], &providers, ASVK.subject_public_key_info(), Some(0)),
        }
    }

    /// The root certificate.
    pub fn root_der(&self) -> &[u8] {
        &self.root_der
    }

    /// The family.
    pub fn product(&self) -> Product {
        self.product
    }

    pub(crate) fn identity(&self) -> (u64, Product, u64) {
        (self.seed, self.product, self.not_before_unix_s)
    }

    /// Machine number `n`, current.
    pub fn machine(&self, n: u64) -> SimSnpMachine {
        self.machine_with(n, SnpMachineForm::current(self.product))
    }

    /// Machine number `n` as `form` says.
    pub fn machine_with(&self, n: u64, form: SnpMachineForm) -> SimSnpMachine {
        let loaded = form.signing_key == SigningKey::Vlek;
        // A loaded key is a provider's: its machines share it.
        let (label, number) = if loaded { ("VLEK", 0) } else { ("VCEK", n) };
        let key = SimKey384::derive(label, self.seed, number);
        let chip_id = self.chip_id(n);
        let field = |path: &[u64], value: &[u8]| extension(&[&AMD[..], path].concat(), false, value);
        let version = |path: &[u64], svn: u8| field(path, &integer(svn.into()));
        let mut extensions = vec![
            version(&[1], 0),
            field(&[2], &element(0x16, self.product.name().as_bytes())),
        ];
        if self.product == Product::Turin {
            extensions.push(version(&[3, 9], form.tcb.fmc));
        }
        extensions.push(version(&[3, 1], form.tcb.boot_loader));
        extensions.push(version(&[3, 2], form.tcb.tee));
        extensions.push(version(&[3, 3], form.tcb.snp));
        extensions.push(version(&[3, 8], form.tcb.microcode));
        extensions.push(if loaded {
            field(&[5], &element(0x16, PROVIDER.as_bytes()))
        } else {
            let len = if self.product == Product::Turin { 8 } else { 64 };
            field(&[4], &chip_id[..len])
        });
        let (authority, signer, authority_der) = if loaded {
            ("SEV-VLEK", &*ASVK, &self.provider_authority_der)
        } else {
            ("SEV", &*ASK, &self.chip_authority_der)
        };
        let leaf = certificate(
            &Form {
                // AMD numbers none of its chips.
                serial: &[if loaded { 7 } else { 0 }],
                issuer: &name(authority, self.product, self.seed),
                subject: if loaded { "SIM SEV-VLEK" } else { "SIM SEV-VCEK" },
                from_unix_s: self.not_before_unix_s,
                until_unix_s: self.not_before_unix_s.saturating_add(7 * YEAR_S),
                subject_public_key_info: key.subject_public_key_info(),
                role: Role::Unstated,
                extensions,
            },
            SignedBy::Rsa(signer),
        );
        SimSnpMachine {
            product: self.product,
            form,
            chip_id,
            certificates: vec![leaf, authority_der.clone(), self.root_der.clone()],
            key,
        }
    }

    fn chip_id(&self, n: u64) -> [u8; 64] {
        let mut id = [0; 64];
        let half = |label: &[u8]| sha256(&[label, &self.seed.to_le_bytes(), &n.to_le_bytes()]);
        id[..32].copy_from_slice(&half(b"SIM chip a"));
        id[32..].copy_from_slice(&half(b"SIM chip b"));
        if self.product == Product::Turin {
            id[8..].fill(0);
        }
        id
    }

    /// The root's revocation list, issued at `issue_unix_s`.
    pub fn revocation_list(&self, issue_unix_s: u64, revocations: &SnpRevocations) -> Vec<u8> {
        let serials: Vec<_> = [
            (revocations.chip_authority, INTERMEDIATE_SERIAL),
            (revocations.provider_authority, [1, 0, 2]),
        ]
        .into_iter()
        .filter(|(revoked, _)| *revoked)
        .map(|(_, serial)| serial.to_vec())
        .collect();
        revocation_list(
            &name("ARK", self.product, self.seed),
            SignedBy::Rsa(&ARK),
            [issue_unix_s, issue_unix_s.saturating_add(REVOCATION_LIST_LIFETIME_S)],
            revocations.number,
            &serials,
        )
    }
}

fn name(role: &str, product: Product, seed: u64) -> String {
    format!("SIM {role}-{} {seed}", product.name())
}

/// What a simulated guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnpGuest {
    /// Version of its reports: 2, 3 or 5.
    pub version: u32,
    /// Guest policy.
    pub policy: u64,
    /// Platform information.
    pub platform_info: u64,
    /// Privilege level.
    pub vmpl: u32,
    /// Security version.
    pub guest_svn: u32,
    /// Launch measurement.
    pub measurement: [u8; 48],
    /// Data of the host.
    pub host_data: [u8; 32],
    /// Digest of the key of its identity block.
    pub id_key_digest: [u8; 48],
    /// Migration agent; all ones if there is none.
    pub migration_agent: [u8; 32],
    /// Build, minor and major version of the firmware.
    pub firmware: [u8; 3],
    /// Mitigation vectors, in reports of version 5.
    pub mitigations: u64,
}

impl SnpGuest {
    /// Bit 16 of the guest policy: multithreading is allowed.
    pub const POLICY_SMT: u64 = 1 << 16;
    /// Bit 18: a migration agent may be associated.
    pub const POLICY_MIGRATION_AGENT: u64 = 1 << 18;
    /// Bit 19: the host may debug the guest.
    pub const POLICY_DEBUG: u64 = 1 << 19;
    /// Bit 23: energy counters must be off.
    pub const POLICY_RAPL_DISABLED: u64 = 1 << 23;
    /// Bit 24: ciphertext must be hidden from the host.
    pub const POLICY_CIPHERTEXT_HIDING: u64 = 1 << 24;
    /// Bit 25: the host may not move pages.
    pub const POLICY_PAGE_SWAP_DISABLED: u64 = 1 << 25;
    /// Bit 0 of the platform's information: multithreading is on.
    pub const PLATFORM_SMT: u64 = 1;
    /// Bit 3: energy counters are off.
    pub const PLATFORM_RAPL_DISABLED: u64 = 1 << 3;
    /// Bit 4: ciphertext is hidden.
    pub const PLATFORM_CIPHERTEXT_HIDING: u64 = 1 << 4;
    /// Bit 5: memory was checked for aliases.
    pub const PLATFORM_ALIAS_CHECK: u64 = 1 << 5;

    /// A production guest whose measurement is derived from a name.
    pub fn of_image(image: &str) -> Self {
        Self {
            version: 5,
            // Bit 17 is reserved and one; ciphertext hiding, no page swap, single socket, no energy counters.
            policy: 1 << 17 | 1 << 20 | 1 << 22 | 1 << 23 | 1 << 24 | 1 << 25,
            // ECC, energy counters off, ciphertext hidden, aliases checked.
            platform_info: 0b11_1100,
            vmpl: 0,
            guest_svn: 1,
            measurement: sha384(&[b"SIM SNP measurement", image.as_bytes()]),
            host_data: [0; 32],
            id_key_digest: [0; 48],
            migration_agent: [0xff; 32],
            firmware: [29, 55, 1],
            mitigations: 0b1,
        }
    }
}

/// A machine that makes reports.
pub struct SimSnpMachine {
    product: Product,
    form: SnpMachineForm,
    chip_id: [u8; 64],
    certificates: Vec<Vec<u8>>,
    key: SimKey384,
}

impl SimSnpMachine {
    /// Certificates of signing key, intermediate and root.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Which chip it is.
    pub fn chip_id(&self) -> [u8; 64] {
        self.chip_id
    }

    /// Which key signs its reports.
    pub fn signing_key(&self) -> SigningKey {
        self.form.signing_key
    }

    /// A report of `guest` over `report_data`, reproducible byte for byte.
    ///
    /// # Errors
    /// None: the signature is the interface's.
    pub fn report(&self, guest: &SnpGuest, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        let mut report = vec![0; REPORT_LEN_BYTES];
        let mut put = |at: usize, bytes: &[u8]| report[at..at + bytes.len()].copy_from_slice(bytes);
        let tcb = self.form.tcb.write(self.product);
        put(0, &guest.version.to_le_bytes());
        put(4, &guest.guest_svn.to_le_bytes());
        put(8, &guest.policy.to_le_bytes());
        put(0x30, &guest.vmpl.to_le_bytes());
        put(0x34, &1u32.to_le_bytes());
        put(0x38, &tcb);
        put(0x40, &guest.platform_info.to_le_bytes());
        let loaded = self.form.signing_key == SigningKey::Vlek;
        put(0x48, &(u32::from(loaded) << 2).to_le_bytes());
        put(0x50, report_data);
        put(0x90, &guest.measurement);
        put(0xc0, &guest.host_data);
        put(0xe0, &guest.id_key_digest);
        put(0x140, &sha256(&[b"SIM report id", &guest.measurement]));
        put(0x160, &guest.migration_agent);
        put(0x180, &tcb);
        if guest.version >= 3 {
            put(
                0x188,
                &match self.product {
                    Product::Milan => [0x19, 0x01, 0x01],
                    Product::Genoa => [0x19, 0x11, 0x01],
                    Product::Turin => [0x1a, 0x02, 0x01],
                },
            );
        }
        put(0x1a0, &self.chip_id);
        put(0x1e0, &tcb);
        put(0x1e8, &guest.firmware);
        put(0x1ec, &guest.firmware);
        put(0x1f0, &tcb);
        if guest.version >= 5 {
            put(0x1f8, &guest.mitigations.to_le_bytes());
            put(0x200, &guest.mitigations.to_le_bytes());
        }
        self.sign(&mut report);
        Ok(report)
    }

    /// Signs what stands in the signed part. Firmware signs nothing that it did not write; this is what an attacker with
    /// the chip's key does.
    pub(crate) fn sign(&self, report: &mut [u8]) {
        let Some((signed, tail)) = report.split_at_mut_checked(SIGNED_LEN_BYTES) else {
            return;
        };
        let signature = self.key.sign_raw(signed);
        for (number, out) in signature.chunks(48).zip(tail.chunks_mut(72)) {
            for (byte, out) in number.iter().rev().zip(out) {
                *out = *byte;
            }
        }
    }
}
