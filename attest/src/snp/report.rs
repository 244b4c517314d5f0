//! The attestation report (AMD 56860, SEV-SNP ABI specification, table "ATTESTATION_REPORT").
//!
//! A report has one canonical form: everything reserved is zero, signed or not. What a future firmware puts there is
//! refused until somebody has read what it means.

use super::endorsement::Product;
use crate::planted::{Bug, planted};
use std::fmt;

/// Every report has this length.
pub const REPORT_LEN_BYTES: usize = 1184;

/// What the signature covers.
pub(crate) const SIGNED_LEN_BYTES: usize = 0x2a0;

/// Little-endian numbers of the signature have so many bytes, of which P-384 uses 48.
const SIGNATURE_NUMBER_LEN_BYTES: usize = 72;

/// Signed bytes that are reserved in every version, by their place.
const RESERVED: [std::ops::Range<usize>; 5] = [
    0x4c..0x50,
    0x18b..0x1a0,
    0x1eb..0x1ec,
    0x1ef..0x1f0,
    0x208..SIGNED_LEN_BYTES,
];
/// Family, model and stepping, since version 3.
const CPUID: std::ops::Range<usize> = 0x188..0x18b;
/// Mitigation vectors, since version 5.
const MITIGATIONS: std::ops::Range<usize> = 0x1f8..0x208;
/// Where TCB versions stand: current, reported, committed, at launch.
const TCBS: [usize; 4] = [0x38, 0x180, 0x1e0, 0x1f0];

/// Security versions of a machine's components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnpTcb {
    /// Boot loader of the secure processor's mutable firmware; Turin and later only.
    #[serde(default)]
    pub fmc: u8,
    /// Boot loader.
    pub boot_loader: u8,
    /// Operating system of the secure processor.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Lowest microcode of all cores.
    pub microcode: u8,
}

impl SnpTcb {
    /// Reads the eight bytes of a TCB_VERSION; none if reserved ones are not zero.
    pub fn read(bytes: [u8; 8], product: Product) -> Option<Self> {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = bytes;
        let (tcb, reserved) = match product {
            Product::Milan | Product::Genoa => (
                Self {
                    fmc: 0,
                    boot_loader: b0,
                    tee: b1,
                    snp: b6,
                    microcode: b7,
                },
                [b2, b3, b4, b5],
            ),
            Product::Turin => (
                Self {
                    fmc: b0,
                    boot_loader: b1,
                    tee: b2,
                    snp: b3,
                    microcode: b7,
                },
                [b4, b5, b6, 0],
            ),
        };
        (reserved == [0; 4] || planted(Bug::SnpReencode)).then_some(tcb)
    }

    /// The eight bytes.
    pub fn write(&self, product: Product) -> [u8; 8] {
        match product {
            Product::Milan | Product::Genoa => [self.boot_loader, self.tee, 0, 0, 0, 0, self.snp, self.microcode],
            Product::Turin => [self.fmc, self.boot_loader, self.tee, self.snp, 0, 0, 0, self.microcode],
        }
    }

    /// Whether every component is at least as new. Versions of two machines may be incomparable.
    pub fn is_at_least(&self, minimum: &Self) -> bool {
        self.fmc >= minimum.fmc
            && self.boot_loader >= minimum.boot_loader
            && self.tee >= minimum.tee
            && self.snp >= minimum.snp
            && self.microcode >= minimum.microcode
    }
}

/// What the guest's owner allowed at launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestPolicy(pub u64);

impl GuestPolicy {
    const RESERVED_ONE: u64 = 1 << 17;
    const RESERVED_ZERO: u64 = !((1 << 26) - 1);

    const fn bit(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }
    /// Simultaneous multithreading is allowed.
    pub const fn smt(self) -> bool {
        self.bit(16)
    }
    /// Association with a migration agent is allowed.
    pub const fn migration_agent(self) -> bool {
        self.bit(18)
    }
    /// The host may debug the guest, which is to read and write its memory.
    pub const fn debug(self) -> bool {
        self.bit(19)
    }
    /// The guest runs on one socket only.
    pub const fn single_socket(self) -> bool {
        self.bit(20)
    }
    /// Memory behind CXL is allowed.
    pub const fn cxl(self) -> bool {
        self.bit(21)
    }
    /// Memory must be encrypted with AES-256-XTS.
    pub const fn aes_256_xts(self) -> bool {
        self.bit(22)
    }
    /// Energy counters must be off.
    pub const fn rapl_disabled(self) -> bool {
        self.bit(23)
    }
    /// Ciphertext must be hidden from the host.
    pub const fn ciphertext_hiding(self) -> bool {
        self.bit(24)
    }
    /// The host may not move or swap pages.
    pub const fn page_swap_disabled(self) -> bool {
        self.bit(25)
    }
    const fn is_well_formed(self) -> bool {
        self.0 & Self::RESERVED_ONE != 0 && self.0 & Self::RESERVED_ZERO == 0
    }
}

/// What the platform is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformInfo(pub u64);

impl PlatformInfo {
    /// Bit 6 and everything above 7 is reserved.
    const RESERVED: u64 = !0b1011_1111;

    const fn bit(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }
    /// Multithreading is on.
    pub const fn smt(self) -> bool {
        self.bit(0)
    }
    /// Energy counters are off.
    pub const fn rapl_disabled(self) -> bool {
        self.bit(3)
    }
    /// Ciphertext is hidden from the host.
    pub const fn ciphertext_hiding(self) -> bool {
        self.bit(4)
    }
    /// Memory was checked for aliases since the last reset (BadRAM).
    pub const fn alias_check(self) -> bool {
        self.bit(5)
    }
}

/// What is malformed in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportFault {
    /// Another length than 1184 bytes.
    #[error("{len_bytes} bytes instead of {REPORT_LEN_BYTES}")]
    Length {
        /// Its length.
        len_bytes: usize,
    },
    /// A version that is not read here.
    #[error("version {version} (offset 0) is not 2, 3 or 5")]
    Version {
        /// Which.
        version: u32,
    },
    /// Reserved bytes that are not zero.
    #[error("reserved byte at offset {offset:#x} is not zero")]
    Reserved {
        /// Where.
        offset: usize,
    },
    /// Bytes after the signature's numbers that are not zero.
    #[error("unsigned byte at offset {offset:#x} is not zero")]
    Unsigned {
        /// Where.
        offset: usize,
    },
    /// An algorithm that is not ECDSA with P-384 and SHA-384.
    #[error("signature algorithm {algorithm} (offset 0x34) is not 1")]
    Algorithm {
        /// Which.
        algorithm: u32,
    },
    /// Guest policy or platform information have reserved bits that are wrong.
    #[error("reserved bits of the field at offset {offset:#x}")]
    Bits {
        /// Where the field is.
        offset: usize,
    },
    /// A privilege level that does not exist, or an unknown kind of signing key.
    #[error("value of the field at offset {offset:#x}")]
    Value {
        /// Where the field is.
        offset: usize,
    },
}

/// Which key signed, as the report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyInfo {
    pub(crate) author_key: bool,
    pub(crate) mask_chip_key: bool,
    pub(crate) signing_key: u8,
}

/// A report in canonical form. A value of this type says nothing about who signed it.
#[derive(Clone, PartialEq, Eq)]
pub struct SnpReport {
    /// Version of the layout.
    pub version: u32,
    /// Security version of the guest, by its owner.
    pub guest_svn: u32,
    /// What the owner allowed.
    pub policy: GuestPolicy,
    /// Privilege level that asked for the report; 0 is the highest.
    pub vmpl: u32,
    /// What the platform is doing.
    pub platform_info: PlatformInfo,
    /// The 64 bytes that the guest asked to have signed.
    pub report_data: [u8; 64],
    /// Launch measurement.
    pub measurement: [u8; 48],
    /// 32 bytes that the host gave at launch.
    pub host_data: [u8; 32],
    /// SHA-384 of the key that signed the guest's identity block, zero if none did.
    pub id_key_digest: [u8; 48],
    /// SHA-384 of the key that certified that key, zero if none did.
    pub author_key_digest: [u8; 48],
    /// Family, model and stepping, since version 3.
    pub cpuid: Option<[u8; 3]>,
    /// Identity of the chip, zero where it is masked.
    pub chip_id: [u8; 64],
    /// Build, minor and major version of the running firmware.
    pub firmware: [u8; 3],
    /// Mitigations that the firmware verified: at launch and now, since version 5.
    pub mitigations: Option<(u64, u64)>,
    /// The report's migration agent; all ones if there is none.
    pub migration_agent: [u8; 32],
    pub(crate) key_info: KeyInfo,
    /// In the order of [`TCBS`].
    tcbs: [[u8; 8]; 4],
}

/// Security versions that a report states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatedTcb {
    /// Running now.
    pub current: SnpTcb,
    /// What the signing key was derived for.
    pub reported: SnpTcb,
    /// Lowest that the machine can be rolled back to.
    pub committed: SnpTcb,
    /// Running at launch or import of the guest.
    pub launch: SnpTcb,
}

impl SnpReport {
    /// Reads a report.
    ///
    /// # Errors
    /// It is not in canonical form.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportFault> {
        let report: &[u8; REPORT_LEN_BYTES] = bytes
            .try_into()
            .map_err(|_| ReportFault::Length { len_bytes: bytes.len() })?;
        let version = u32_at(report, 0);
        if !matches!(version, 2 | 3 | 5) {
            return Err(ReportFault::Version { version });
        }
        let algorithm = u32_at(report, 0x34);
        if algorithm != 1 {
            return Err(ReportFault::Algorithm { algorithm });
        }
        let mut reserved = RESERVED.to_vec();
        if version < 3 {
            reserved.push(CPUID);
        }
        if version < 5 {
            reserved.push(MITIGATIONS);
        }
        if let Some(offset) = reserved.into_iter().flatten().find(|at| report[*at] != 0) {
            return Err(ReportFault::Reserved { offset });
        }
        if let Some(offset) = unsigned_bytes().find(|at| report[*at] != 0)
            && !planted(Bug::SnpPadding)
        {
            return Err(ReportFault::Unsigned { offset });
        }

        let policy = GuestPolicy(u64_at(report, 8));
        if !policy.is_well_formed() {
            return Err(ReportFault::Bits { offset: 8 });
        }
        let platform_info = PlatformInfo(u64_at(report, 0x40));
        if platform_info.0 & PlatformInfo::RESERVED != 0 {
            return Err(ReportFault::Bits { offset: 0x40 });
        }
        let key_bits = u32_at(report, 0x48);
        if key_bits >> 5 != 0 {
            return Err(ReportFault::Bits { offset: 0x48 });
        }
        let vmpl = u32_at(report, 0x30);
        if vmpl > 3 {
            return Err(ReportFault::Value { offset: 0x30 });
        }
        Ok(Self {
            version,
            guest_svn: u32_at(report, 4),
            policy,
            vmpl,
            platform_info,
            report_data: array_at(report, 0x50),
            measurement: array_at(report, 0x90),
            host_data: array_at(report, 0xc0),
            id_key_digest: array_at(report, 0xe0),
            author_key_digest: array_at(report, 0x110),
            cpuid: (version >= 3).then(|| array_at(report, CPUID.start)),
            chip_id: array_at(report, 0x1a0),
            firmware: array_at(report, 0x1e8),
            mitigations: (version >= 5).then(|| (u64_at(report, 0x1f8), u64_at(report, 0x200))),
            migration_agent: array_at(report, 0x160),
            key_info: KeyInfo {
                author_key: key_bits & 1 != 0,
                mask_chip_key: key_bits & 2 != 0,
                signing_key: (key_bits >> 2) as u8 & 7,
            },
            tcbs: TCBS.map(|at| array_at(report, at)),
        })
    }

    /// The security versions in the layout of `product`.
    ///
    /// # Errors
    /// Bytes that are reserved in that layout are not zero.
    pub fn tcb(&self, product: Product) -> Result<StatedTcb, ReportFault> {
        let read = |n: usize| SnpTcb::read(self.tcbs[n], product).ok_or(ReportFault::Reserved { offset: TCBS[n] });
        Ok(StatedTcb {
            current: read(0)?,
            reported: read(1)?,
            committed: read(2)?,
            launch: read(3)?,
        })
    }

    /// Whether the chip hides its identity.
    pub fn masks_chip(&self) -> bool {
        self.chip_id == [0; 64]
    }
}

impl fmt::Debug for SnpReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The chip is left out: it names an operator.
        f.debug_struct("SnpReport")
            .field("version", &self.version)
            .field("policy", &format_args!("{:#x}", self.policy.0))
            .field("vmpl", &self.vmpl)
            .field("measurement", &hex::encode(self.measurement))
            .field("report_data", &hex::encode(self.report_data))
            .finish_non_exhaustive()
    }
}

/// `r` and `s`, big-endian as verifiers want them.
pub(crate) fn signature(report: &[u8; REPORT_LEN_BYTES]) -> [u8; 96] {
    let mut out = [0; 96];
    for (half, from) in [
        (0, SIGNED_LEN_BYTES),
        (48, SIGNED_LEN_BYTES + SIGNATURE_NUMBER_LEN_BYTES),
    ] {
        for at in 0..48 {
            out[half + at] = report[from + 47 - at];
        }
    }
    out
}

/// The signed part as the planted bug sees it: reserved bytes of TCB fields cleared.
pub(crate) fn reencoded(signed: &[u8], product: Product) -> Vec<u8> {
    let mut out = signed.to_vec();
    for at in TCBS {
        if let Some(tcb) = SnpTcb::read(array_at(signed, at), product) {
            out[at..at + 8].copy_from_slice(&tcb.write(product));
        }
    }
    out
}

fn unsigned_bytes() -> impl Iterator<Item = usize> {
    let number = |from: usize| from + 48..from + SIGNATURE_NUMBER_LEN_BYTES;
    number(SIGNED_LEN_BYTES)
        .chain(number(SIGNED_LEN_BYTES + SIGNATURE_NUMBER_LEN_BYTES))
        .chain(SIGNED_LEN_BYTES + 2 * SIGNATURE_NUMBER_LEN_BYTES..REPORT_LEN_BYTES)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    // Offsets are constants below the fixed length of a report.
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}
