//! A simulated NVIDIA: device and manifest roots, GPUs, manifests of reference values.

use super::{
    YEAR_S,
    keys::{SignedBy, SimKey384},
    x509::{Form, Role, certificate},
};
use crate::{
    der::{element, extension, integer, octets, oid, sequence},
    gpu::{Architecture, CcMode, rim::RimKind, spdm::MEASUREMENTS},
    hash::{sha256, sha384},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt::Write as _;

const DEVICE_ROOT: &str = "SIM Device Identity CA";
const MANIFEST_ROOT: &str = "SIM manifest signing root";

/// How many certificates stand between a GPU and its root, root included.
const AUTHORITIES: usize = 3;

/// Roots and intermediates.
pub struct SimGpuPki {
    seed: u64,
    not_before_unix_s: u64,
    /// Provisioner, identity, root.
    device_chain: Vec<Vec<u8>>,
    /// Signer, intermediate, root.
    manifest_chain: Vec<Vec<u8>>,
    provisioner: SimKey384,
    manifest_signer: SimKey384,
}

/// What a GPU says when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuState {
    /// Version of the driver, digits and dots.
    pub driver_version: String,
    /// Version of the VBIOS: highest part first, as tools print it.
    pub vbios_version: [u8; 5],
    /// Mode, if the driver states it.
    pub mode: Option<CcMode>,
    /// The firmware is stated.
    pub states_firmware: bool,
    /// All measurements.
    pub measurements: [[u8; 48]; MEASUREMENTS],
}

impl Default for GpuState {
    /// A production GPU with a driver that states everything.
    fn default() -> Self {
        let mut measurements = [[0; 48]; MEASUREMENTS];
        for (index, measurement) in measurements.iter_mut().enumerate().take(40) {
            *measurement = sha384(&[b"SIM GPU measurement", &(index as u64).to_le_bytes()]);
        }
        Self {
            driver_version: "590.12".to_owned(),
            vbios_version: [0x96, 0x00, 0xa5, 0x00, 0x01],
            mode: Some(CcMode::Spt),
            states_firmware: true,
            measurements,
        }
    }
}

impl GpuState {
    /// The version of the VBIOS as manifests and policies have it.
    pub fn vbios_text(&self) -> String {
        let parts: Vec<_> = self.vbios_version.iter().map(|part| format!("{part:02x}")).collect();
        parts.join(".")
    }
}

impl SimGpuPki {
    /// The vendor of `seed`, whose certificates begin at `not_before_unix_s`.
    pub fn new(seed: u64, not_before_unix_s: u64) -> Self {
        let key = |label| SimKey384::derive(label, seed, 0);
        let (root, identity, provisioner) = (key("GPU root"), key("GPU identity"), key("GPU provisioner"));
        let (manifest_root, manifest_authority, manifest_signer) =
            (key("manifest root"), key("manifest authority"), key("manifest signer"));
        let certify = |serial: u8, issuer: &str, subject: &str, subject_key: &SimKey384, role, years, signer| {
            certificate(
                &Form {
                    serial: &[serial],
                    issuer,
                    subject,
                    from_unix_s: not_before_unix_s,
                    until_unix_s: not_before_unix_s.saturating_add(years * YEAR_S),
                    subject_public_key_info: subject_key.subject_public_key_info(),
                    role,
                    extensions: Vec::new(),
                },
                SignedBy::P384(signer),
            )
        };
        let authority = Role::Authority(None);
        let device_chain = vec![
            certify(
                3,
                "SIM GPU Identity",
                "SIM GPU Provisioner ICA",
                &provisioner,
                authority,
                30,
                &identity,
            ),
            certify(2, DEVICE_ROOT, "SIM GPU Identity", &identity, authority, 30, &root),
            certify(1, DEVICE_ROOT, DEVICE_ROOT, &root, authority, 30, &root),
        ];
        debug_assert_eq!(device_chain.len(), AUTHORITIES);
        let manifest_chain = vec![
            certify(
                6,
                "SIM manifest CA",
                "SIM manifest signer",
                &manifest_signer,
                Role::Signer,
                2,
                &manifest_authority,
            ),
            certify(
                5,
                MANIFEST_ROOT,
                "SIM manifest CA",
                &manifest_authority,
                Role::Authority(Some(0)),
                10,
                &manifest_root,
            ),
            certify(
                4,
                MANIFEST_ROOT,
                MANIFEST_ROOT,
                &manifest_root,
                authority,
                30,
                &manifest_root,
            ),
        ];
        Self {
            seed,
            not_before_unix_s,
            device_chain,
            manifest_chain,
            provisioner,
            manifest_signer,
        }
    }

    /// Root of devices.
    pub fn device_root_der(&self) -> &[u8] {
        self.device_chain.last().map_or(&[], Vec::as_slice)
    }

    /// Root of signers of manifests.
    pub fn manifest_root_der(&self) -> &[u8] {
        self.manifest_chain.last().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.seed, self.not_before_unix_s)
    }

    /// GPU number `n`.
    pub fn gpu(&self, n: u64, architecture: Architecture) -> SimGpu {
        let device = SimKey384::derive("GPU device", self.seed, n);
        let leaf = SimKey384::derive("GPU leaf", self.seed, n);
        let chip = match architecture {
            Architecture::Hopper => "GH100",
            Architecture::Blackwell => "GB100",
        };
        let firmware_id = sha384(&[b"SIM GPU firmware", chip.as_bytes()]);
        let device_name = format!("{chip} SIM GSP BROM {n}");
        let until_unix_s = u64::MAX;
        let device_der = certificate(
            &Form {
                serial: &serial(0x20, n),
                issuer: "SIM GPU Provisioner ICA",
                subject: &device_name,
                from_unix_s: self.not_before_unix_s,
                until_unix_s,
                subject_public_key_info: device.subject_public_key_info(),
                role: Role::Authority(None),
                extensions: Vec::new(),
            },
            SignedBy::P384(&self.provisioner),
        );
        let leaf_der = certificate(
            &Form {
                serial: &serial(0x21, n),
                issuer: &device_name,
                subject: &format!("{chip} SIM GSP FMC LF"),
                from_unix_s: self.not_before_unix_s,
                until_unix_s,
                subject_public_key_info: leaf.subject_public_key_info(),
                role: Role::Signer,
                extensions: vec![firmware_extension(architecture, &leaf, &firmware_id)],
            },
            SignedBy::P384(&device),
        );
        let mut certificates = vec![leaf_der, device_der];
        certificates.extend(self.device_chain.iter().cloned());
        SimGpu {
            chip,
            certificates,
            firmware_id,
            device_key_sha256: sha256(&[&device.public_point()]),
            leaf,
        }
    }

    /// A signed manifest in which the measurements of `active` must have one of these values.
    pub fn manifest(&self, chip: &str, kind: RimKind, version: &str, active: &[(usize, Vec<[u8; 48]>)]) -> Vec<u8> {
        let body = manifest_body(chip, kind, version, active);
        let digest = STANDARD.encode(sha384(&[format!("{body}</SoftwareIdentity>").as_bytes()]));
        // Canonical as it stands, but for the namespaces that it inherits.
        let info = |namespaces: &str| {
            format!(
                "<ds:SignedInfo{namespaces}><ds:CanonicalizationMethod \
                 Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"></ds:CanonicalizationMethod><ds:SignatureMethod \
                 Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384\"></ds:SignatureMethod><ds:Reference \
                 URI=\"\"><ds:Transforms><ds:Transform \
                 Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform><ds:Transform \
                 Algorithm=\"http://www.w3.org/2006/12/xml-c14n11\"></ds:Transform></ds:Transforms><ds:DigestMethod \
                 Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#sha384\"></ds:DigestMethod><ds:DigestValue>{digest}\
                 </ds:DigestValue></ds:Reference></ds:SignedInfo>"
            )
        };
        let inherited = format!("{ROOT_NAMESPACES_BEFORE_DS} xmlns:ds=\"{DS}\"{ROOT_NAMESPACES_AFTER_DS}");
        let signature = STANDARD.encode(self.manifest_signer.sign_raw(info(&inherited).as_bytes()));
        let certificates: String = self
            .manifest_chain
            .iter()
            .map(|der| format!("<ds:X509Certificate>{}</ds:X509Certificate>", STANDARD.encode(der)))
            .collect();
        format!(
            "{body}<ds:Signature xmlns:ds=\"{DS}\">{}<ds:SignatureValue>{signature}</ds:SignatureValue><ds:KeyInfo>\
             <ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature></SoftwareIdentity>",
            info("")
        )
        .into_bytes()
    }

    /// Manifests of driver and VBIOS that a GPU in this state meets.
    pub fn manifests_for(&self, chip: &str, state: &GpuState) -> Vec<Vec<u8>> {
        let some = |from: usize, to: usize| {
            (from..to)
                .map(|index| (index, vec![[0xee; 48], state.measurements[index]]))
                .collect::<Vec<_>>()
        };
        vec![
            self.manifest(chip, RimKind::Driver, &state.driver_version, &some(1, 20)),
            self.manifest(chip, RimKind::Vbios, &state.vbios_text().to_uppercase(), &some(20, 30)),
        ]
    }
}

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Declarations on the root, in canonical order around that of the signature.
const ROOT_NAMESPACES_BEFORE_DS: &str = " xmlns=\"http://standards.iso.org/iso/19770/-2/2015/schema.xsd\"";
const ROOT_NAMESPACES_AFTER_DS: &str = " xmlns:ns2=\"http://www.w3.org/2001/04/xmlenc#sha384\"";

/// In canonical form, up to and without the end tag of the root.
fn manifest_body(chip: &str, kind: RimKind, version: &str, active: &[(usize, Vec<[u8; 48]>)]) -> String {
    let mut resources = String::new();
    for index in 0..MEASUREMENTS {
        let values = active
            .iter()
            .find(|(listed, _)| *listed == index)
            .map(|(_, values)| values);
        let (is_active, values) = match values {
            Some(values) => ("True", values.as_slice()),
            None => ("False", &[[0; 48]][..]),
        };
        let mut hashes = String::new();
        // Attributes without a namespace come first; these are of one namespace and sort by name.
        let mut sorted: Vec<_> = values.iter().enumerate().collect();
        sorted.sort_by_key(|(n, _)| n.to_string());
        for (n, value) in sorted {
            let _ = write!(hashes, " ns2:Hash{n}=\"{}\"", hex::encode(value));
        }
        let _ = write!(
            resources,
            "<Resource active=\"{is_active}\" alternatives=\"{}\" index=\"{index}\" name=\"Measurement_{index}\" \
             size=\"48\" type=\"Measurement\"{hashes}></Resource>",
            values.len()
        );
    }
    let tag = hex::encode(sha256(&[
        chip.as_bytes(),
        format!("{kind:?}").as_bytes(),
        version.as_bytes(),
    ]));
    format!(
        "<SoftwareIdentity{ROOT_NAMESPACES_BEFORE_DS}{ROOT_NAMESPACES_AFTER_DS} name=\"{chip} SIM\" tagId=\"{tag}\">\
         <Meta colloquialVersion=\"{version}\" edition=\"GPU\" product=\"{chip}\"></Meta><Payload>{resources}</Payload>"
    )
}

fn serial(kind: u8, n: u64) -> Vec<u8> {
    let mut serial = vec![kind];
    serial.extend_from_slice(&n.to_be_bytes());
    serial
}

/// Hopper's certificates keep the firmware beside the key (CompositeDeviceID), Blackwell's under an identifier of its own.
fn firmware_extension(architecture: Architecture, leaf: &SimKey384, firmware_id: &[u8; 48]) -> Vec<u8> {
    let id = sequence(&[oid(&[2, 16, 840, 1, 101, 3, 4, 2, 2]), octets(firmware_id)]);
    match architecture {
        Architecture::Hopper => extension(
            &[2, 23, 133, 5, 4, 1],
            false,
            &sequence(&[integer(1), leaf.subject_public_key_info(), id]),
        ),
        Architecture::Blackwell => extension(&[2, 23, 133, 5, 4, 1, 1], false, &sequence(&[element(0xa6, &id)])),
    }
}

/// A GPU that answers.
pub struct SimGpu {
    chip: &'static str,
    certificates: Vec<Vec<u8>>,
    firmware_id: [u8; 48],
    device_key_sha256: [u8; 32],
    leaf: SimKey384,
}

impl SimGpu {
    /// Certificates from the leaf to the root.
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// Name of its chip.
    pub fn chip(&self) -> &'static str {
        self.chip
    }

    /// What policies list: SHA-256 of the key of its own certificate.
    pub fn device(&self) -> [u8; 32] {
        self.device_key_sha256
    }

    /// Evidence over `nonce`, reproducible byte for byte.
    pub fn evidence(&self, state: &GpuState, nonce: &[u8; 32]) -> Vec<u8> {
        self.sign(self.unsigned(state, nonce))
    }

    pub(crate) fn unsigned(&self, state: &GpuState, nonce: &[u8; 32]) -> Vec<u8> {
        let mut out = vec![0x11, 0xe0, 0x01, 0xff];
        out.extend_from_slice(nonce);
        out.push(0);
        out.extend_from_slice(&[0x11, 0x60, 0, 0, MEASUREMENTS as u8]);
        let mut record = Vec::new();
        for (index, measurement) in (1u8..).zip(&state.measurements) {
            record.extend_from_slice(&[index, 1, 51, 0, 1, 48, 0]);
            record.extend_from_slice(measurement);
        }
        out.extend_from_slice(&(record.len() as u32).to_le_bytes()[..3]);
        out.extend_from_slice(&record);
        out.extend_from_slice(&sha256(&[b"SIM GPU nonce", nonce]));

        let [high, b2, b1, b0, low] = state.vbios_version;
        let mut opaque = Vec::new();
        let mut field = |id: u16, value: &[u8]| {
            opaque.extend_from_slice(&id.to_le_bytes());
            opaque.extend_from_slice(&(value.len() as u16).to_le_bytes());
            opaque.extend_from_slice(value);
        };
        field(6, &[b0, b1, b2, high, low, 0, 0, 0]);
        field(14, b"SIM\0");
        field(3, format!("{}\0", state.driver_version).as_bytes());
        field(11, &[0x55]);
        if state.states_firmware {
            field(20, &self.firmware_id);
        }
        field(21, &[0x55]);
        if let Some(mode) = state.mode {
            field(36, &mode.feature_flag());
        }
        out.extend_from_slice(&(opaque.len() as u16).to_le_bytes());
        out.extend_from_slice(&opaque);
        out
    }

    /// Signs anything: what an attacker with the device's key does.
    pub(crate) fn sign(&self, mut message: Vec<u8>) -> Vec<u8> {
        let signature = self.leaf.sign_raw(&message);
        message.extend_from_slice(&signature);
        message
    }
}
