//! Quotes of Intel machines (Intel TDX DCAP quote format, versions 4 and 5; SGX ECDSA quotes as far as their header).

use super::{Section, Unreadable, Walk, bits, certificate, little_endian, nothing, or_zero, plain};
use crate::{hash::sha256, tdx::appraise::MAX_QUOTE_LEN_BYTES};

const BODY_TDX_1_0: u64 = 2;
const BODY_TDX_1_5: u64 = 3;
const BODY_TDX_1_5_EXTENDED: u64 = 4;

/// Intel TDX module ABI specification, TD attributes.
const TD_ATTRIBUTES: [(u32, &str); 9] = [
    (0, "DEBUG: the host reads and writes memory"),
    (4, "HGS+ profiling"),
    (5, "PERF_PROF profiling"),
    (6, "PMT profiling"),
    (28, "SEPT_VE_DISABLE"),
    (29, "MIGRATABLE"),
    (30, "PKS"),
    (31, "KL"),
    (63, "PERFMON"),
];

const XFAM: [(u32, &str); 12] = [
    (0, "x87"),
    (1, "SSE"),
    (2, "AVX"),
    (5, "AVX-512 opmask"),
    (6, "AVX-512 ZMM_Hi256"),
    (7, "AVX-512 Hi16_ZMM"),
    (8, "PT"),
    (9, "PKRU"),
    (11, "CET user"),
    (12, "CET supervisor"),
    (17, "AMX configuration"),
    (18, "AMX data"),
];

pub(super) fn inspect(bytes: &[u8]) -> Result<(String, Vec<Section>), Unreadable> {
    let mut walk = Walk::new(bytes);
    let version = header(&mut walk)?;
    let body_type = if version == 4 {
        BODY_TDX_1_0
    } else {
        body_descriptor(&mut walk)?
    };
    let body_from = walk.offset;
    body(&mut walk, body_type)?;
    let signed_end = walk.offset;
    let image = image_hash(bytes, body_from);
    signature_data(&mut walk)?;
    walk.offset = end_of_signature_data(bytes, signed_end);
    walk.end = bytes.len();
    let rest = walk.rest();
    if !rest.is_empty() {
        let (offset, len) = (walk.offset, rest.len());
        walk.section("after the structure");
        let first = rest.iter().position(|byte| *byte != 0);
        let meaning = match first {
            None => "zero padding, which the name of the evidence leaves out".to_owned(),
            Some(at) => format!("not zero at offset {:#x}: not canonical", offset + at),
        };
        walk.push(offset, len, "padding", format!("{len} bytes"), meaning);
    }
    if bytes.len() > MAX_QUOTE_LEN_BYTES {
        let meaning = "longer than a verifier reads".to_owned();
        walk.push(
            MAX_QUOTE_LEN_BYTES,
            0,
            "limit",
            MAX_QUOTE_LEN_BYTES.to_string(),
            meaning,
        );
    }
    let form = match body_type {
        BODY_TDX_1_0 => "TDX 1.0",
        BODY_TDX_1_5 => "TDX 1.5",
        _ => "TDX 1.5, extended",
    };
    let summary = format!(
        "TDX quote, version {version}, body of {form}, {} bytes, image hash {}",
        bytes.len(),
        hex::encode(image)
    );
    Ok((summary, walk.sections))
}

pub(super) fn inspect_sgx(bytes: &[u8]) -> Result<(String, Vec<Section>), Unreadable> {
    let mut walk = Walk::new(bytes);
    let version = common_header(&mut walk, &[(3, ""), (4, ""), (5, "")])?;
    walk.one_of(4, "TEE type", &[(0, "SGX")])?;
    header_tail(&mut walk)?;
    let summary = format!(
        "SGX quote, version {version}, {} bytes: an enclave and no confidential machine, refused by name",
        bytes.len()
    );
    Ok((summary, walk.sections))
}

fn common_header(walk: &mut Walk<'_>, versions: &[(u64, &str)]) -> Result<u64, Unreadable> {
    walk.section("header");
    let version = walk.one_of(2, "version", versions)?;
    walk.one_of(
        2,
        "attestation key type",
        &[(2, "ECDSA over P-256"), (3, "ECDSA over P-384")],
    )?;
    Ok(version)
}

fn header(walk: &mut Walk<'_>) -> Result<u64, Unreadable> {
    let version = common_header(walk, &[(4, ""), (5, "")])?;
    walk.one_of(4, "TEE type", &[(0x81, "TDX")])?;
    header_tail(walk)?;
    Ok(version)
}

fn header_tail(walk: &mut Walk<'_>) -> Result<(), Unreadable> {
    walk.number(2, "QE SVN", nothing)?;
    walk.number(2, "PCE SVN", nothing)?;
    walk.bytes(16, "QE vendor id", |id| {
        if *id == dcap_qvl::INTEL_QE_VENDOR_ID {
            "Intel"
        } else {
            "not Intel's"
        }
        .to_owned()
    })?;
    walk.bytes(20, "user data", plain)?;
    Ok(())
}

fn body_descriptor(walk: &mut Walk<'_>) -> Result<u64, Unreadable> {
    let body_type = walk.one_of(
        2,
        "body type",
        &[
            (BODY_TDX_1_0, "TDX 1.0"),
            (BODY_TDX_1_5, "TDX 1.5"),
            (BODY_TDX_1_5_EXTENDED, "TDX 1.5, extended"),
        ],
    )?;
    let len = match body_type {
        BODY_TDX_1_0 => 584,
        BODY_TDX_1_5 => 648,
        _ => 885,
    };
    walk.one_of(4, "body size", &[(len, "")])?;
    Ok(body_type)
}

fn body(walk: &mut Walk<'_>, body_type: u64) -> Result<(), Unreadable> {
    walk.section("TD report");
    tcb_svn(walk, "TEE TCB SVN")?;
    walk.bytes(48, "MRSEAM", |_| "measurement of the TDX module".to_owned())?;
    walk.bytes(48, "MRSIGNERSEAM", |signer| {
        or_zero(signer, "Intel's module", "another signer than Intel")
    })?;
    walk.bytes(8, "SEAM attributes", plain)?;
    walk.bytes(8, "TD attributes", |value| bits(little_endian(value), &TD_ATTRIBUTES))?;
    walk.bytes(8, "XFAM", |value| bits(little_endian(value), &XFAM))?;
    walk.bytes(48, "MRTD", |_| "initial contents of the TD".to_owned())?;
    walk.bytes(48, "MRCONFIGID", |value| or_zero(value, "not used", "configuration"))?;
    walk.bytes(48, "MROWNER", |value| or_zero(value, "not used", "owner"))?;
    walk.bytes(48, "MROWNERCONFIG", |value| {
        or_zero(value, "not used", "configuration by the owner")
    })?;
    for (name, meaning) in [
        ("RTMR0", "firmware's configuration"),
        ("RTMR1", "boot loader, kernel"),
        ("RTMR2", "kernel command line, initial file system"),
        ("RTMR3", "application"),
    ] {
        walk.bytes(48, name, |value| or_zero(value, "never extended", meaning))?;
    }
    walk.bytes(64, "REPORTDATA", |value| {
        or_zero(value, "bound to nothing", "chosen by the TD")
    })?;
    if body_type == BODY_TDX_1_0 {
        return Ok(());
    }
    tcb_svn(walk, "TEE TCB SVN 2")?;
    let service = |value: &[u8]| or_zero(value, "no service TD", "service TD");
    walk.bytes(48, "MRSERVICETD", service)?;
    if body_type == BODY_TDX_1_5 {
        return Ok(());
    }
    walk.number(1, "VM index", nothing)?;
    walk.bytes(32, "TD id", |_| "of this start of the TD".to_owned())?;
    walk.bytes(48, "device information", |value| {
        or_zero(value, "no devices", "hash of its CBOR")
    })?;
    walk.bytes(48, "initial service TD hash", service)?;
    walk.bytes(8, "initial service TD attributes", plain)?;
    walk.bytes(16, "initial CPU SVN", plain)?;
    walk.bytes(16, "initial TEE TCB SVN", plain)?;
    walk.bytes(12, "initial FMSPC", plain)?;
    walk.bytes(48, "current service TD hash", service)?;
    walk.bytes(8, "current service TD attributes", plain)?;
    Ok(())
}

fn tcb_svn(walk: &mut Walk<'_>, name: &str) -> Result<(), Unreadable> {
    walk.bytes(16, name, |svn| {
        format!(
            "SVN of TDX module {} (major {}), of SEAM loader {}",
            svn[0], svn[1], svn[2]
        )
    })?;
    Ok(())
}

fn signature_data(walk: &mut Walk<'_>) -> Result<(), Unreadable> {
    walk.section("signature");
    narrow(walk, "signature data")?;
    walk.bytes(64, "signature of header and report", plain)?;
    let key = walk.bytes(64, "attestation key", |_| "P-256 point".to_owned())?;
    walk.number(2, "outer certification type", |number| {
        match number {
            6 => "report of the quoting enclave",
            _ => "not 6: not canonical",
        }
        .to_owned()
    })?;
    narrow(walk, "outer certification data")?;

    walk.section("report of the quoting enclave");
    walk.bytes(16, "CPU SVN", plain)?;
    walk.bytes(4, "MISCSELECT", plain)?;
    walk.reserved(28)?;
    walk.bytes(16, "attributes", |value| {
        if value[0] & 2 == 0 {
            "not a debugging enclave"
        } else {
            "DEBUG"
        }
        .to_owned()
    })?;
    walk.bytes(32, "MRENCLAVE", plain)?;
    walk.reserved(32)?;
    walk.bytes(32, "MRSIGNER", plain)?;
    walk.reserved(96)?;
    walk.number(2, "product id", nothing)?;
    walk.number(2, "security version", nothing)?;
    walk.reserved(60)?;
    let authentication = authentication_data(walk);
    walk.bytes(64, "report data", |bound| {
        // SHA-256 of attestation key and authentication data.
        if bound.get(..32) == Some(&sha256(&[key, authentication])[..]) {
            "binds the attestation key"
        } else {
            "does NOT bind the attestation key"
        }
        .to_owned()
    })?;
    walk.bytes(64, "signature by the platform", plain)?;
    let len = walk.number(2, "length of authentication data", nothing)? as usize;
    walk.bytes(len, "authentication data", plain)?;
    let inner_type = walk.number(2, "inner certification type", |number| {
        match number {
            5 => "certificate chain in PEM",
            _ => "not 5: not read",
        }
        .to_owned()
    })?;
    narrow(walk, "inner certification data")?;
    let (offset, inner) = (walk.offset, walk.rest());
    walk.offset = walk.end;
    if inner_type != 5 || !chain(walk, offset, inner) {
        let meaning = "not three certificates in PEM".to_owned();
        walk.push(
            offset,
            inner.len(),
            "certification data",
            format!("{} bytes", inner.len()),
            meaning,
        );
    }
    Ok(())
}

/// What comes after the report and its signature, ahead of its turn.
fn authentication_data<'a>(walk: &Walk<'a>) -> &'a [u8] {
    let rest = walk.rest();
    let len = rest.get(128..130).map_or(0, |len| little_endian(len) as usize);
    rest.get(130..130 + len).unwrap_or(&[])
}

/// Reads a length of four bytes, and goes no further than it says.
fn narrow(walk: &mut Walk<'_>, name: &str) -> Result<(), Unreadable> {
    let at = walk.offset;
    let len = walk.number(4, &format!("length of {name}"), nothing)? as usize;
    let left = walk.rest().len();
    if len > left {
        let problem = format!("expected a length of {name} of at most {left}; found {len}");
        return Err(Unreadable::new(at, problem));
    }
    walk.end = walk.offset + len;
    Ok(())
}

fn chain(walk: &mut Walk<'_>, offset: usize, text: &[u8]) -> bool {
    let blocks = pem::parse_many(text.strip_suffix(&[0]).unwrap_or(text)).unwrap_or_default();
    let sections: Option<Vec<_>> = blocks.iter().map(|block| certificate(block.contents())).collect();
    let Some(sections) = sections.filter(|sections| sections.len() == 3) else {
        return false;
    };
    for (title, mut section) in ["platform certificate", "intermediate", "root"]
        .into_iter()
        .zip(sections)
    {
        section.title = format!("{title} (of the chain at offset {offset:#x})");
        walk.sections.push(section);
    }
    true
}

fn end_of_signature_data(bytes: &[u8], at: usize) -> usize {
    let len = bytes.get(at..at + 4).map_or(0, |len| little_endian(len) as usize);
    at + 4 + len
}

fn image_hash(bytes: &[u8], body_from: usize) -> [u8; 32] {
    // MRTD to RTMR3, and zeros in place of the report data (spec §3.6).
    let registers = bytes.get(body_from + 136..body_from + 136 + 8 * 48).unwrap_or(&[]);
    sha256(&[registers, &[0; 64]])
}
