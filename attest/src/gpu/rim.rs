//! Manifests of reference values: TCG reference integrity manifests as SWID tags in XML, each with an enveloped
//! signature and the chain of its signer.

use super::xml::{self, Element};
use crate::{
    anchors::GpuAnchors,
    chain::{self, ChainFault, Window},
    hash::{fingerprint, sha384},
    lru::Lru,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// Longest manifest that is read; NVIDIA's have about 21 kB.
pub const MAX_MANIFEST_LEN_BYTES: usize = 256 * 1024;

/// Most values that one measurement may have.
const MAX_ALTERNATIVES: usize = 64;

const SWID: &str = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
const SHA384: &str = "http://www.w3.org/2001/04/xmlenc#sha384";
const SHA384_METHOD: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const ECDSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
const CANONICAL_XML: &str = "http://www.w3.org/2006/12/xml-c14n11";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RimFault {
    /// Longer than [`MAX_MANIFEST_LEN_BYTES`].
    #[error("manifest of {len_bytes} bytes")]
    TooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// Not XML of the form that manifests have.
    #[error("manifest: {what}")]
    Form {
        /// What is missing or wrong.
        what: &'static str,
    },
    /// The content is not what was signed.
    #[error("digest of the manifest's content")]
    Digest,
    /// The signer did not sign it.
    #[error("signature of the manifest")]
    Signature,
    /// The signer's chain.
    #[error("signer of the manifest: {0}")]
    Chain(#[from] ChainFault),
}

/// What a manifest is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RimKind {
    /// A driver: its version has three numbers or two.
    Driver,
    /// A VBIOS: its version has five pairs of hexadecimal digits.
    Vbios,
}

/// A manifest whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rim {
    /// Driver or VBIOS.
    pub kind: RimKind,
    /// Its version, in lower case.
    pub version: String,
    /// The chip it is for, such as "GH100".
    pub product: String,
    /// Active measurements: index, counted from 0, and the values that pass.
    pub measurements: Vec<(usize, Vec<[u8; 48]>)>,
    /// First second at which the signer's chain is valid.
    pub valid_from_unix_s: u64,
    /// Last second at which it is.
    pub expires_unix_s: u64,
}

/// Manifests that were verified before: those of one driver and VBIOS serve a whole fleet, and cost eight signatures of a
/// verification's fourteen. What it remembers is a pure function of manifest and roots; dates are compared each time.
pub struct ManifestMemo(Mutex<Lru<[u8; 32], Rim>>);

impl ManifestMemo {
    /// Remembers so many manifests.
    pub fn new(capacity: usize) -> Self {
        Self(Mutex::new(Lru::new(capacity)))
    }
}

impl fmt::Debug for ManifestMemo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManifestMemo")
    }
}

impl Rim {
    /// The same as [`Rim::verify`], from the memo where that has it.
    ///
    /// # Errors
    /// The first reason not to use it.
    pub fn verify_once(
        document: &[u8],
        anchors: &GpuAnchors,
        now_unix_s: u64,
        memo: Option<&ManifestMemo>,
    ) -> Result<Self, RimFault> {
        let Some(memo) = memo else {
            return Self::verify(document, anchors, now_unix_s);
        };
        let key = fingerprint(&[&anchors.fingerprint(), document]);
        let lock = || memo.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rim) = lock().get(&key)
            && (rim.valid_from_unix_s..=rim.expires_unix_s).contains(&now_unix_s)
        {
            return Ok(rim.clone());
        }
        let rim = Self::verify(document, anchors, now_unix_s)?;
        lock().insert(key, rim.clone());
        Ok(rim)
    }

    /// Reads and verifies a manifest.
    ///
    /// # Errors
    /// The first reason not to use it.
    pub fn verify(document: &[u8], anchors: &GpuAnchors, now_unix_s: u64) -> Result<Self, RimFault> {
        if document.len() > MAX_MANIFEST_LEN_BYTES {
            return Err(RimFault::TooLong {
                len_bytes: document.len(),
            });
        }
        let root = std::str::from_utf8(document)
            .ok()
            .and_then(xml::parse)
            .filter(|root| root.is(SWID, "SoftwareIdentity"))
            .ok_or(form("not a SWID tag in the subset of XML that is read here"))?;
        let signature = one(&root, SIGNATURE, "Signature")?;
        let parts = SignatureParts::read(signature)?;

        let is_signature = |element: &Element| element.is(SIGNATURE, "Signature");
        let content = xml::canonical(&root, &is_signature);
        if sha384(&[content.as_bytes()])[..] != parts.digest {
            return Err(RimFault::Digest);
        }
        let window = verify_signer(&parts, anchors, now_unix_s)?;
        Self::read(&root, window)
    }

    fn read(root: &Element, window: Window) -> Result<Self, RimFault> {
        let meta = one(root, SWID, "Meta")?;
        let attribute = |name, what| meta.attribute("", name).ok_or(form(what));
        let version = attribute("colloquialVersion", "no version")?.to_ascii_lowercase();
        let product = attribute("product", "no product")?.to_owned();
        let payload = one(root, SWID, "Payload")?;
        let mut measurements = Vec::new();
        for resource in payload.elements().filter(|element| element.is(SWID, "Resource")) {
            if resource.attribute("", "type") != Some("Measurement") {
                continue;
            }
            let (index, active, values) = measurement(resource)?;
            if measurements.iter().any(|(other, _)| *other == index) {
                return Err(form("one measurement twice"));
            }
            if active {
                measurements.push((index, values));
            }
        }
        Ok(Self {
            kind: if version.split('.').count() == 5 {
                RimKind::Vbios
            } else {
                RimKind::Driver
            },
            version,
            product,
            measurements,
            valid_from_unix_s: window.from_unix_s,
            expires_unix_s: window.until_unix_s,
        })
    }
}

fn form(what: &'static str) -> RimFault {
    RimFault::Form { what }
}

/// The only child of that name.
fn one<'a>(parent: &'a Element, namespace: &str, name: &'static str) -> Result<&'a Element, RimFault> {
    let mut found = parent.elements().filter(|element| element.is(namespace, name));
    match (found.next(), found.next()) {
        (Some(element), None) => Ok(element),
        _ => Err(form(name)),
    }
}

fn measurement(resource: &Element) -> Result<(usize, bool, Vec<[u8; 48]>), RimFault> {
    let number = |name, what| {
        resource
            .attribute("", name)
            .and_then(|text| text.parse::<usize>().ok())
            .ok_or(form(what))
    };
    let active = match resource.attribute("", "active") {
        Some("True") => true,
        Some("False") => false,
        _ => return Err(form("a measurement that is neither active nor not")),
    };
    let (index, alternatives) = (number("index", "index")?, number("alternatives", "alternatives")?);
    if !(1..=MAX_ALTERNATIVES).contains(&alternatives) || index >= super::spdm::MEASUREMENTS {
        return Err(form("index or alternatives out of range"));
    }
    let values = (0..alternatives)
        .map(|n| {
            let mut value = [0; 48];
            let text = resource.attribute(SHA384, &format!("Hash{n}"))?;
            hex::decode_to_slice(text, &mut value).ok()?;
            Some(value)
        })
        .collect::<Option<Vec<_>>>()
        .ok_or(form("hash"))?;
    Ok((index, active, values))
}

struct SignatureParts {
    /// Canonical form of what the signer signed.
    signed_info: String,
    digest: Vec<u8>,
    signature: Vec<u8>,
    certificates: Vec<Vec<u8>>,
}

impl SignatureParts {
    /// One form is read: one reference to the whole document, enveloped, Canonical XML 1.1, SHA-384, P-384.
    fn read(signature: &Element) -> Result<Self, RimFault> {
        let children = |element: &Element, names: &[&str]| {
            let children = element.only_elements()?;
            let fits = children.len() == names.len()
                && children
                    .iter()
                    .zip(names)
                    .all(|(child, name)| child.is(SIGNATURE, name));
            fits.then(|| children.into_iter().cloned().collect::<Vec<_>>())
        };
        let algorithm = |element: &Element, expected: &str| {
            element.attribute("", "Algorithm") == Some(expected) && element.children.is_empty()
        };
        let wrong = form("signature of another form");
        let [info, value, keys] = take(
            children(signature, &["SignedInfo", "SignatureValue", "KeyInfo"]),
            &wrong,
        )?;
        let [canonicalization, method, reference] = take(
            children(&info, &["CanonicalizationMethod", "SignatureMethod", "Reference"]),
            &wrong,
        )?;
        let [transforms, digest_method, digest] = take(
            children(&reference, &["Transforms", "DigestMethod", "DigestValue"]),
            &wrong,
        )?;
        let [first, second] = take(children(&transforms, &["Transform", "Transform"]), &wrong)?;
        let right = algorithm(&canonicalization, CANONICAL_XML)
            && algorithm(&method, ECDSA_SHA384)
            && reference.attribute("", "URI") == Some("")
            && algorithm(&first, ENVELOPED)
            && algorithm(&second, CANONICAL_XML)
            && algorithm(&digest_method, SHA384_METHOD);
        if !right {
            return Err(wrong);
        }
        let [data] = take(children(&keys, &["X509Data"]), &wrong)?;
        let certificates = data
            .only_elements()
            .filter(|all| all.len() <= chain::MAX_CHAIN_CERTIFICATES)
            .ok_or(form("signer's certificates"))?
            .into_iter()
            .map(|certificate| {
                certificate
                    .is(SIGNATURE, "X509Certificate")
                    .then(|| decode_base64(certificate))?
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(form("signer's certificates"))?;
        Ok(Self {
            signed_info: xml::canonical(&info, &|_| false),
            digest: decode_base64(&digest).ok_or(form("digest"))?,
            signature: decode_base64(&value).ok_or(form("signature"))?,
            certificates,
        })
    }
}

fn take<const N: usize>(elements: Option<Vec<Element>>, wrong: &RimFault) -> Result<[Element; N], RimFault> {
    elements
        .and_then(|elements| elements.try_into().ok())
        .ok_or_else(|| wrong.clone())
}

/// Base64 over lines.
fn decode_base64(element: &Element) -> Option<Vec<u8>> {
    let text: String = element.text()?.chars().filter(|c| !matches!(c, '\n' | ' ')).collect();
    STANDARD.decode(text).ok()
}

fn verify_signer(parts: &SignatureParts, anchors: &GpuAnchors, now_unix_s: u64) -> Result<Window, RimFault> {
    let chain = chain::read(&parts.certificates, 2..=5)?;
    let (Some(signer), Some(root)) = (chain.first(), chain.last()) else {
        return Err(ChainFault::Length { certificates: 0 }.into());
    };
    if !anchors.is_manifest_root(root) {
        return Err(ChainFault::UntrustedRoot.into());
    }
    let window = chain::verify(&chain, now_unix_s)?;
    if !signer.is_p384() {
        return Err(ChainFault::Algorithm { at: 0 }.into());
    }
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, signer.public_key())
        .verify(parts.signed_info.as_bytes(), &parts.signature)
        .map_err(|_| RimFault::Signature)?;
    Ok(window)
}
