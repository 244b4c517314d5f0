//! Measurements of a GPU with the chain of its key, appraised.

use super::{
    policy::{Architecture, CcMode, GpuPolicy},
    rim::{ManifestMemo, Rim, RimFault, RimKind},
    spdm::{GpuReport, SpdmFault},
};
use crate::{
    anchors::{AnchorKind, GpuAnchors},
    chain::{self, ChainFault, StrictCertificate, Window},
    evidence::EvidenceId,
    freshness::{Expected, FreshnessFault},
    planted::{Bug, planted},
};
use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use std::collections::BTreeSet;

/// Most manifests that come with one evidence.
const MAX_MANIFESTS: usize = 8;

/// Where leaf certificates keep the measurement of the firmware that holds their key: Hopper, and Blackwell.
const FIRMWARE_EXTENSIONS: [&str; 2] = ["2.23.133.5.4.1", "2.23.133.5.4.1.1"];
/// A FWID in DER, before its 48 bytes: SEQUENCE of the identifier of SHA-384 and an OCTET STRING.
const FIRMWARE_ID_PREFIX: [u8; 15] = [
    0x30, 0x3d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x04, 0x30,
];

/// The first reason to refuse a GPU's evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpuReason {
    /// Not in canonical form.
    #[error("measurements: {0}")]
    Spdm(#[from] SpdmFault),
    /// The chain of the device.
    #[error("certificates: {0}")]
    Chain(#[from] ChainFault),
    /// The chain ends in a root that is not trusted.
    #[error("the device chains to another root than the trusted one ({trusted:?})")]
    UntrustedRoot {
        /// What kind of root is trusted.
        trusted: AnchorKind,
    },
    /// The leaf does not name a chip or its firmware.
    #[error("certificate of the device: {what}")]
    Device {
        /// What is missing or malformed.
        what: &'static str,
    },
    /// The device's key did not sign this.
    #[error("signature of the measurements")]
    Signature,
    /// The firmware that is running is not the one that the key was certified for.
    #[error("firmware of the report is not that of the certificate")]
    Firmware,
    /// The report does not state its firmware, and the policy demands it.
    #[error("the report does not state its firmware")]
    FirmwareUnstated,
    /// The generation is not allowed.
    #[error("GPUs of chip {chip} are not allowed")]
    ArchitectureNotAllowed {
        /// Its name.
        chip: String,
    },
    /// The mode is not allowed.
    #[error("mode {mode:?} is not allowed")]
    ModeNotAllowed {
        /// Which.
        mode: CcMode,
    },
    /// The report does not state its mode, and the policy demands it.
    #[error("the report does not state its mode")]
    ModeUnstated,
    /// A version that is not in its list.
    #[error("{field} is not in the list of allowed values")]
    NotAllowed {
        /// Which.
        field: &'static str,
    },
    /// The device is not in its list.
    #[error("device is not in the list of allowed devices")]
    DeviceNotAllowed,
    /// A manifest cannot be used.
    #[error("{0}")]
    Manifest(#[from] RimFault),
    /// There is no manifest of this driver or VBIOS.
    #[error("no manifest of {kind:?} {version} for {chip}")]
    NoManifest {
        /// Driver or VBIOS.
        kind: RimKind,
        /// Its version.
        version: String,
        /// The chip.
        chip: String,
    },
    /// Too many manifests.
    #[error("{manifests} manifests")]
    ManyManifests {
        /// How many.
        manifests: usize,
    },
    /// Driver's and VBIOS's manifests both list a measurement.
    #[error("manifests of driver and VBIOS both list measurement {index}")]
    ManifestConflict {
        /// Index, counted from 0.
        index: usize,
    },
    /// A measurement is none of its manifest's values.
    #[error("measurement {index} is none of the values of its manifest")]
    Measurement {
        /// Index, counted from 0.
        index: usize,
    },
    /// Nonce or age.
    #[error("{0}")]
    Freshness(#[from] FreshnessFault),
}

/// Everything that the appraisal of a GPU depends on.
#[derive(Debug, Clone, Copy)]
pub struct GpuInput<'a> {
    /// Request and response.
    pub measurements: &'a [u8],
    /// The device's certificates, from the leaf to the root.
    pub certificates: &'a [Vec<u8>],
    /// Manifests of reference values.
    pub manifests: &'a [Vec<u8>],
    /// Remembers manifests that were verified.
    pub manifest_memo: Option<&'a ManifestMemo>,
    /// Trusted roots.
    pub anchors: &'a GpuAnchors,
    /// What else is demanded.
    pub policy: &'a GpuPolicy,
    /// What the evidence must be bound to.
    pub expected: Expected<'a>,
    /// The verifier's wall clock, Unix seconds.
    pub now_unix_s: u64,
}

/// What is known about an accepted GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuAppraised {
    /// Names the evidence.
    pub evidence_id: EvidenceId,
    /// The report.
    pub report: GpuReport,
    /// Name of the chip, such as "GH100".
    pub chip: String,
    /// SHA-256 of the key of the device's own certificate.
    pub device: [u8; 32],
    /// Kind of the root.
    pub anchor: AnchorKind,
    /// First second for which this holds.
    pub valid_from_unix_s: u64,
    /// Last second for which this holds.
    pub expires_unix_s: u64,
}

/// Names evidence if it and its leaf are in canonical form. Nothing is verified.
pub(crate) fn evidence_id(bytes: &[u8], certificates: &[Vec<u8>]) -> Option<EvidenceId> {
    GpuReport::parse(bytes).ok()?;
    let chain = chain::read(certificates, 2..=chain::MAX_CHAIN_CERTIFICATES).ok()?;
    id_of(bytes, chain.first()?.public_key())
}

fn id_of(bytes: &[u8], device_key: &[u8]) -> Option<EvidenceId> {
    let (signed, _) = GpuReport::signed_and_signature(bytes)?;
    let named = if planted(Bug::NameWholeBlob) { bytes } else { signed };
    Some(EvidenceId::of_gpu(named, device_key))
}

/// What holds of a GPU whatever a policy says of it.
pub(crate) struct VerifiedGpu {
    pub(crate) evidence_id: EvidenceId,
    pub(crate) report: GpuReport,
    pub(crate) chip: String,
    pub(crate) device: [u8; 32],
    /// Which manifests of its driver and VBIOS there were; the measurements that they list have their values.
    pub(crate) manifests: BTreeSet<RimKind>,
    pub(crate) window: Window,
}

/// Everything that does not depend on the policy: encoding, root, chain, signature, firmware, manifests that are there.
pub(crate) fn verify(input: &GpuInput<'_>) -> Result<VerifiedGpu, GpuReason> {
    let report = GpuReport::parse(input.measurements)?;
    let chain = chain::read(input.certificates, 2..=chain::MAX_CHAIN_CERTIFICATES)?;
    let [leaf, device, ..] = chain.as_slice() else {
        return Err(ChainFault::Length {
            certificates: chain.len(),
        }
        .into());
    };
    if !chain.last().is_some_and(|root| input.anchors.is_device_root(root)) {
        return Err(GpuReason::UntrustedRoot {
            trusted: input.anchors.kind(),
        });
    }
    let mut window = chain::verify(&chain, input.now_unix_s)?;
    check_signature(input.measurements, leaf)?;
    check_firmware(&report, leaf)?;
    let chip = chip_name(leaf)?;
    let manifests = check_manifests(input, &report, &chip, &mut window)?;
    Ok(VerifiedGpu {
        evidence_id: id_of(input.measurements, leaf.public_key()).ok_or(GpuReason::Signature)?,
        report,
        chip,
        device: device.public_key_sha256(),
        manifests,
        window,
    })
}

/// Appraises a GPU's measurements.
///
/// # Errors
/// The first reason to refuse them, in the order: encoding, root, chain, signature, firmware, manifests that are there,
/// mode, versions, device, manifests that are missing, nonce.
pub fn appraise(input: &GpuInput<'_>) -> Result<GpuAppraised, GpuReason> {
    let gpu = verify(input)?;
    check_policy(&gpu, input.policy)?;
    let age = input
        .expected
        .check_nonce(&gpu.report.nonce, input.policy.max_challenge_age_s, input.now_unix_s)?;
    Ok(GpuAppraised {
        evidence_id: gpu.evidence_id,
        report: gpu.report,
        chip: gpu.chip,
        device: gpu.device,
        anchor: input.anchors.kind(),
        valid_from_unix_s: gpu.window.from_unix_s,
        expires_unix_s: gpu.window.until_unix_s.min(age),
    })
}

fn check_signature(bytes: &[u8], leaf: &StrictCertificate) -> Result<(), GpuReason> {
    if !leaf.is_p384() {
        return Err(ChainFault::Algorithm { at: 0 }.into());
    }
    let (signed, signature) = GpuReport::signed_and_signature(bytes).ok_or(GpuReason::Signature)?;
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, leaf.public_key())
        .verify(signed, signature)
        .map_err(|_| GpuReason::Signature)
}

/// A firmware that is stated is the certified one.
fn check_firmware(report: &GpuReport, leaf: &StrictCertificate) -> Result<(), GpuReason> {
    let Some(stated) = &report.firmware_id else {
        return Ok(());
    };
    let certified = certified_firmware(leaf)?;
    if certified != stated && !planted(Bug::GpuFirmware) {
        return Err(GpuReason::Firmware);
    }
    Ok(())
}

/// The measurement in the leaf. The extension differs by generation and so does what is around the FWID, but each has
/// exactly one of SHA-384; the vendor's signature covers it, so that no second one can be slipped in.
fn certified_firmware(leaf: &StrictCertificate) -> Result<&[u8], GpuReason> {
    let wrong = |what| GpuReason::Device { what };
    let mut extensions = FIRMWARE_EXTENSIONS.iter().filter_map(|id| leaf.extension(id));
    let (Some(extension), None) = (extensions.next(), extensions.next()) else {
        return Err(wrong("not one extension with a firmware id"));
    };
    let mut found = extension
        .windows(FIRMWARE_ID_PREFIX.len() + 48)
        .filter_map(|window| window.strip_prefix(&FIRMWARE_ID_PREFIX));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        _ => Err(wrong("not one firmware id of SHA-384")),
    }
}

/// First word of the leaf's common name: "GH100 A01 GSP FMC LF".
fn chip_name(leaf: &StrictCertificate) -> Result<String, GpuReason> {
    let subject = leaf.subject();
    let mut names = subject.split(',').filter_map(|part| part.trim().strip_prefix("CN="));
    match (names.next().and_then(|name| name.split(' ').next()), names.next()) {
        (Some(chip), None) if chip.len() >= 3 && chip.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Ok(chip.to_owned())
        }
        _ => Err(GpuReason::Device {
            what: "no name of a chip",
        }),
    }
}

fn check_policy(gpu: &VerifiedGpu, policy: &GpuPolicy) -> Result<(), GpuReason> {
    let VerifiedGpu {
        report, chip, device, ..
    } = gpu;
    if report.firmware_id.is_none() && !policy.allow_unstated_firmware {
        return Err(GpuReason::FirmwareUnstated);
    }
    let known = Architecture::of_chip(chip);
    if !known.is_some_and(|architecture| policy.allowed_architectures.contains(&architecture)) {
        return Err(GpuReason::ArchitectureNotAllowed { chip: chip.to_owned() });
    }
    match report.mode {
        _ if planted(Bug::GpuMode) => {}
        None if policy.allow_unstated_mode => {}
        None => return Err(GpuReason::ModeUnstated),
        Some(mode) if policy.allowed_modes.contains(&mode) => {}
        Some(mode) => return Err(GpuReason::ModeNotAllowed { mode }),
    }
    if !policy.allowed_drivers.permits(&report.driver_version) {
        return Err(GpuReason::NotAllowed { field: "driver" });
    }
    if !policy.allowed_vbioses.permits(&report.vbios_version) {
        return Err(GpuReason::NotAllowed { field: "VBIOS" });
    }
    if !policy.allowed_devices.permits(device) {
        return Err(GpuReason::DeviceNotAllowed);
    }
    let missing = versions(report).find(|(kind, _)| policy.require_manifests && !gpu.manifests.contains(kind));
    match missing {
        Some((kind, version)) => Err(GpuReason::NoManifest {
            kind,
            version: version.clone(),
            chip: chip.clone(),
        }),
        None => Ok(()),
    }
}

/// What manifests are about, with the version of each.
fn versions(report: &GpuReport) -> impl Iterator<Item = (RimKind, &String)> {
    [
        (RimKind::Driver, &report.driver_version),
        (RimKind::Vbios, &report.vbios_version),
    ]
    .into_iter()
}

/// Manifests that are there count whether or not the policy demands them: a wrong one is never a reason to accept.
fn check_manifests(
    input: &GpuInput<'_>,
    report: &GpuReport,
    chip: &str,
    window: &mut Window,
) -> Result<BTreeSet<RimKind>, GpuReason> {
    if input.manifests.len() > MAX_MANIFESTS {
        return Err(GpuReason::ManyManifests {
            manifests: input.manifests.len(),
        });
    }
    let manifests = input
        .manifests
        .iter()
        .map(|document| Rim::verify_once(document, input.anchors, input.now_unix_s, input.manifest_memo))
        .collect::<Result<Vec<_>, _>>()?;
    let mut listed: Vec<Option<&[[u8; 48]]>> = vec![None; report.measurements.len()];
    let mut found = BTreeSet::new();
    for (kind, version) in versions(report) {
        let manifest = manifests
            .iter()
            .find(|manifest| manifest.kind == kind && manifest.version == *version && manifest.product == chip);
        let Some(manifest) = manifest else { continue };
        found.insert(kind);
        for (index, values) in &manifest.measurements {
            let slot = listed.get_mut(*index).ok_or(GpuReason::Measurement { index: *index })?;
            if slot.replace(values).is_some() {
                return Err(GpuReason::ManifestConflict { index: *index });
            }
        }
        window.from_unix_s = window.from_unix_s.max(manifest.valid_from_unix_s);
        window.until_unix_s = window.until_unix_s.min(manifest.expires_unix_s);
    }
    for (index, (measured, values)) in report.measurements.iter().zip(listed).enumerate() {
        if values.is_some_and(|values| !values.contains(measured)) && !planted(Bug::GpuManifest) {
            return Err(GpuReason::Measurement { index });
        }
    }
    Ok(found)
}
