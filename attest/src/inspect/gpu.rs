//! Measurements of NVIDIA GPUs (DMTF DSP0274 §10.11; opaque data as NVIDIA's attestation SDK numbers them).

use super::{Section, Unreadable, Walk, nothing, or_zero, plain};
use crate::gpu::GpuReport;

pub(super) fn inspect(bytes: &[u8]) -> Result<(String, Vec<Section>), Unreadable> {
    // The form is strict: what parses has one layout, and what does not says where.
    let report = GpuReport::parse(bytes).map_err(|fault| {
        Unreadable::new(
            fault.offset,
            format!("expected GPU measurements; found: {}", fault.what),
        )
    })?;
    let mut walk = Walk::new(bytes);
    walk.section("request");
    walk.bytes(2, "SPDM version and code", |_| "1.1, GET_MEASUREMENTS".to_owned())?;
    walk.bytes(2, "parameters", |_| "signed, all measurements".to_owned())?;
    walk.bytes(32, "nonce", |value| {
        or_zero(value, "bound to nothing", "chosen by the verifier")
    })?;
    walk.number(1, "slot", nothing)?;

    walk.section("response");
    walk.bytes(2, "SPDM version and code", |_| "1.1, MEASUREMENTS".to_owned())?;
    walk.bytes(2, "parameters", plain)?;
    walk.number(1, "number of measurements", nothing)?;
    walk.number(3, "length of measurements", nothing)?;
    for index in 0..report.measurements.len() {
        walk.take(7, "head of a measurement")?;
        walk.bytes(48, &format!("measurement {index}"), |value| {
            or_zero(value, "not used", "")
        })?;
    }
    walk.bytes(32, "nonce of the GPU", plain)?;
    let opaque_len = walk.number(2, "length of opaque data", nothing)? as usize;

    walk.section("opaque data");
    let end = walk.offset + opaque_len;
    while walk.offset < end {
        let offset = walk.offset;
        let head = walk.take(4, "opaque field")?;
        let (id, len) = (
            u16::from_le_bytes([head[0], head[1]]),
            usize::from(u16::from_le_bytes([head[2], head[3]])),
        );
        let value = walk.take(len, "opaque field")?;
        let (name, meaning) = opaque(id, &report);
        walk.push(offset, 4 + len, &format!("{id}: {name}"), hex::encode(value), meaning);
    }
    walk.section("signature");
    walk.bytes(96, "signature", |_| {
        "r and s of P-384, over everything before it".to_owned()
    })?;
    let summary = format!(
        "GPU measurements, driver {}, VBIOS {}, {}, {} bytes",
        report.driver_version,
        report.vbios_version,
        report
            .mode
            .map_or("mode not stated".to_owned(), |mode| format!("mode {mode:?}")),
        bytes.len()
    );
    Ok((summary, walk.sections))
}

fn opaque(id: u16, report: &GpuReport) -> (&'static str, String) {
    match id {
        3 => ("driver version", report.driver_version.clone()),
        6 => ("VBIOS version", report.vbios_version.clone()),
        11 => ("state of NVDEC0", String::new()),
        14 => ("board id", String::new()),
        20 => ("firmware id", "must be that of the certificate".to_owned()),
        21 => ("state of protected PCIe", String::new()),
        36 => (
            "feature flag",
            report.mode.map_or_else(String::new, |mode| format!("mode {mode:?}")),
        ),
        _ => ("not read", String::new()),
    }
}
