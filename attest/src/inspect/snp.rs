//! Reports of AMD machines (AMD 56860, table "ATTESTATION_REPORT").

use super::{Section, Unreadable, Walk, bits, little_endian, nothing, or_zero, plain};
use crate::snp::{Product, REPORT_LEN_BYTES, SnpTcb};

const GUEST_POLICY: [(u32, &str); 10] = [
    (16, "SMT allowed"),
    (17, "reserved one"),
    (18, "migration agent allowed"),
    (19, "DEBUG: the host reads and writes memory"),
    (20, "single socket"),
    (21, "CXL allowed"),
    (22, "AES-256-XTS"),
    (23, "RAPL off"),
    (24, "ciphertext hiding"),
    (25, "page swap off"),
];

const PLATFORM_INFO: [(u32, &str); 7] = [
    (0, "SMT on"),
    (1, "TSME on"),
    (2, "ECC memory"),
    (3, "RAPL off"),
    (4, "ciphertext hidden"),
    (5, "aliases checked"),
    (7, "trusted I/O"),
];

pub(super) fn inspect(bytes: &[u8]) -> Result<(String, Vec<Section>), Unreadable> {
    let mut walk = Walk::new(bytes);
    walk.section("report");
    let version = walk.one_of(4, "version", &[(2, ""), (3, ""), (5, "")])?;
    walk.number(4, "guest SVN", nothing)?;
    walk.bytes(8, "guest policy", |value| {
        let number = little_endian(value);
        let (minor, major) = (number & 0xff, number >> 8 & 0xff);
        format!(
            "ABI {major}.{minor} or later; {}",
            bits(number >> 16 << 16, &GUEST_POLICY)
        )
    })?;
    walk.bytes(16, "family id", plain)?;
    walk.bytes(16, "image id", plain)?;
    walk.number(4, "VMPL", |vmpl| {
        if vmpl == 0 { "the highest privilege" } else { "" }.to_owned()
    })?;
    walk.one_of(4, "signature algorithm", &[(1, "ECDSA over P-384 with SHA-384")])?;

    // The layout of TCB versions depends on the family, which reports since version 3 state.
    let cpuid = bytes
        .get(0x188..0x18b)
        .and_then(|id| id.try_into().ok())
        .unwrap_or([0; 3]);
    let product = if version >= 3 { Product::of_cpuid(cpuid) } else { None };
    let tcb = |value: &[u8]| tcb_text(value, product);
    walk.bytes(8, "current TCB", tcb)?;
    walk.bytes(8, "platform information", |value| {
        bits(little_endian(value), &PLATFORM_INFO)
    })?;
    walk.bytes(4, "key information", |value| {
        let number = little_endian(value);
        let key = match number >> 2 & 7 {
            0 => "signed by the chip's key (VCEK)",
            1 => "signed by a loaded key (VLEK)",
            7 => "not signed",
            _ => "unknown signing key",
        };
        let flags = bits(number & 3, &[(0, "author key"), (1, "chip key masked")]);
        format!("{key}; flags: {flags}")
    })?;
    walk.reserved(4)?;
    walk.bytes(64, "report data", |value| {
        or_zero(value, "bound to nothing", "chosen by the guest")
    })?;
    walk.bytes(48, "measurement", |_| "of the launch".to_owned())?;
    walk.bytes(32, "host data", |value| {
        or_zero(value, "none", "given by the host at launch")
    })?;
    walk.bytes(48, "id key digest", |value| {
        or_zero(value, "no identity block", "SHA-384 of its key")
    })?;
    walk.bytes(48, "author key digest", |value| {
        or_zero(value, "no author key", "SHA-384 of the key")
    })?;
    walk.bytes(32, "report id", plain)?;
    walk.bytes(32, "migration agent's report id", |value| {
        if value.iter().all(|byte| *byte == 0xff) {
            "no migration agent"
        } else {
            "a migration agent"
        }
        .to_owned()
    })?;
    walk.bytes(8, "reported TCB", tcb)?;
    if version >= 3 {
        walk.bytes(3, "CPUID family, model, stepping", |_| {
            product.map_or("no SNP server", Product::name).to_owned()
        })?;
        walk.reserved(21)?;
    } else {
        walk.reserved(24)?;
    }
    walk.bytes(64, "chip id", |value| {
        or_zero(value, "masked", "of the processor, for life")
    })?;
    walk.bytes(8, "committed TCB", tcb)?;
    for name in ["current firmware", "committed firmware"] {
        walk.bytes(3, name, |value| format!("{}.{}.{}", value[2], value[1], value[0]))?;
        walk.reserved(1)?;
    }
    walk.bytes(8, "launch TCB", tcb)?;
    if version >= 5 {
        walk.bytes(8, "mitigations at launch", plain)?;
        walk.bytes(8, "mitigations now", plain)?;
    } else {
        walk.reserved(16)?;
    }
    walk.reserved(0x2a0 - walk.offset)?;

    walk.section("signature (unsigned bytes from here)");
    for name in ["r", "s"] {
        walk.bytes(48, name, |_| "little-endian".to_owned())?;
        walk.reserved(24)?;
    }
    walk.reserved(REPORT_LEN_BYTES - walk.offset)?;
    let family = product.map_or("family not stated".to_owned(), |product| product.name().to_owned());
    let summary = format!("SNP report, version {version}, {family}, {} bytes", bytes.len());
    Ok((summary, walk.sections))
}

fn tcb_text(value: &[u8], product: Option<Product>) -> String {
    // Milan and Genoa have one layout; before version 3 there was no other.
    let layout = product.unwrap_or(Product::Milan);
    let read = value.try_into().ok().and_then(|bytes| SnpTcb::read(bytes, layout));
    match read {
        None => "reserved bytes are not zero".to_owned(),
        Some(tcb) => {
            let fmc = if layout == Product::Turin {
                format!("FMC {}, ", tcb.fmc)
            } else {
                String::new()
            };
            format!(
                "{fmc}boot loader {}, TEE {}, SNP {}, microcode {}",
                tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode
            )
        }
    }
}
