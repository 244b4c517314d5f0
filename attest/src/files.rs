//! What files hold: evidence, certificates and endorsements in the forms that vendors and tools keep them in, recognised by
//! their bytes. Nothing is verified.

use crate::{
    collateral::{Collateral, CollateralError, MAX_COLLATERAL_LEN_BYTES},
    gpu::bundle::{self, BundleError},
    inspect::{Unreadable, readable},
};
use x509_cert::{Certificate, crl::CertificateList, der::Decode as _};

/// Longest file that is read.
pub const MAX_FILE_LEN_BYTES: usize = 1024 * 1024;

/// Evidence of a file, with certificates where the file has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEvidence {
    /// The evidence itself.
    pub bytes: Vec<u8>,
    /// Certificates from the leaf to the root.
    pub certificates: Vec<Vec<u8>>,
}

/// Reads evidence: raw bytes, the same in hexadecimal, or the JSON of NVIDIA's tools, which may hold several.
///
/// # Errors
/// What was expected at which offset; of evidence in hexadecimal or JSON the offset counts in the evidence.
pub fn evidence(file: &[u8]) -> Result<Vec<FoundEvidence>, Unreadable> {
    too_long(file)?;
    let single = |bytes: Vec<u8>| {
        vec![FoundEvidence {
            bytes,
            certificates: Vec::new(),
        }]
    };
    let text = file.trim_ascii();
    if text.starts_with(b"[") {
        return bundle(text);
    }
    if text.len() >= 16
        && text
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace())
    {
        let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_hexdigit).collect();
        let bytes = hex::decode(&digits)
            .map_err(|_| Unreadable::new(file.len(), "expected another hexadecimal digit; found the end"))?;
        readable(&bytes)?;
        return Ok(single(bytes));
    }
    if let Some(label) = pem_label(text) {
        let problem =
            format!("expected evidence; found PEM of a {label}, which belongs to --certs, --root or --collateral");
        return Err(Unreadable::new(0, problem));
    }
    if text.starts_with(b"{") || text.starts_with(b"<") {
        let problem = "expected evidence; found a JSON object or XML, which may belong to --collateral";
        return Err(Unreadable::new(0, problem));
    }
    readable(file)?;
    Ok(single(file.to_vec()))
}

fn bundle(json: &[u8]) -> Result<Vec<FoundEvidence>, Unreadable> {
    let gpus = bundle::read(json)
        .map_err(|error: BundleError| Unreadable::new(0, format!("expected GPU evidence; found: {error}")))?;
    if gpus.is_empty() {
        return Err(Unreadable::new(1, "expected GPU evidence; found an empty list"));
    }
    gpus.into_iter()
        .map(|gpu| {
            readable(&gpu.measurements)?;
            Ok(FoundEvidence {
                bytes: gpu.measurements,
                certificates: gpu.certificates,
            })
        })
        .collect()
}

/// Reads certificates in PEM, in their order, or one in DER.
///
/// # Errors
/// What was expected at which offset.
pub fn certificates(file: &[u8]) -> Result<Vec<Vec<u8>>, Unreadable> {
    too_long(file)?;
    let found = if pem_label(file.trim_ascii()).is_some() {
        bundle::certificates(file).ok_or_else(|| Unreadable::new(0, "expected certificates in PEM; found other PEM"))?
    } else {
        vec![file.to_vec()]
    };
    for (at, der) in found.iter().enumerate() {
        if let Err(error) = Certificate::from_der(der) {
            let place = error.position().map_or(0, |length| u32::from(length) as usize);
            let which = if found.len() == 1 {
                String::new()
            } else {
                format!(" (certificate {at}, offset in its DER)")
            };
            return Err(Unreadable::new(
                place,
                format!("expected a certificate in DER; found: {}{which}", error.kind()),
            ));
        }
    }
    Ok(found)
}

/// What a vendor publishes.
#[derive(Debug, Clone)]
pub enum FoundEndorsement {
    /// Intel's collateral.
    Collateral(Box<Collateral>),
    /// A revocation list in DER.
    RevocationList(Vec<u8>),
    /// A manifest of reference values.
    Manifest(Vec<u8>),
}

/// Reads Intel's collateral (JSON), AMD's revocation list (DER or PEM) or NVIDIA's manifest (XML).
///
/// # Errors
/// What was expected at which offset.
pub fn endorsement(file: &[u8]) -> Result<FoundEndorsement, Unreadable> {
    too_long(file)?;
    let text = file.trim_ascii_start();
    let unmarked = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.starts_with(b"{") {
        return collateral(file).map(|found| FoundEndorsement::Collateral(Box::new(found)));
    }
    if unmarked.starts_with(b"<") {
        return Ok(FoundEndorsement::Manifest(file.to_vec()));
    }
    let der = match pem::parse(file) {
        Ok(block) if block.tag() == "X509 CRL" => block.into_contents(),
        Ok(block) => {
            let problem = format!(
                "expected PEM of an X509 CRL; found PEM of a {}",
                printable_label(block.tag())
            );
            return Err(Unreadable::new(0, problem));
        }
        Err(_) => file.to_vec(),
    };
    if let Err(error) = CertificateList::from_der(&der) {
        let place = error.position().map_or(0, |length| u32::from(length) as usize);
        let problem = format!(
            "expected collateral in JSON, a manifest in XML or a revocation list in DER; found: {}",
            error.kind()
        );
        return Err(Unreadable::new(place, problem));
    }
    Ok(FoundEndorsement::RevocationList(der))
}

fn collateral(file: &[u8]) -> Result<Collateral, Unreadable> {
    Collateral::from_json(file).map_err(|error| {
        // The reader of the form says where JSON ends to be JSON; that a part of it is malformed has no place in the file.
        let syntax = serde_json::from_slice::<serde::de::IgnoredAny>(file).err();
        let offset = syntax
            .as_ref()
            .map_or(0, |syntax| offset_of(file, syntax.line(), syntax.column()));
        let found = match (&error, syntax) {
            (CollateralError::Json, Some(syntax)) => syntax.to_string(),
            _ => error.to_string(),
        };
        Unreadable::new(
            offset,
            format!("expected collateral in JSON of at most {MAX_COLLATERAL_LEN_BYTES} bytes; found: {found}"),
        )
    })
}

fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (start + column.saturating_sub(1)).min(text.len())
}

fn too_long(file: &[u8]) -> Result<(), Unreadable> {
    if file.len() > MAX_FILE_LEN_BYTES {
        return Err(Unreadable::new(
            MAX_FILE_LEN_BYTES,
            "expected the end, as no such file is longer; found more",
        ));
    }
    Ok(())
}

/// The label of a text that begins like PEM.
fn pem_label(text: &[u8]) -> Option<String> {
    let rest = text.strip_prefix(b"-----BEGIN ")?;
    let end = rest.windows(5).position(|window| window == b"-----")?;
    Some(printable_label(&String::from_utf8_lossy(&rest[..end])))
}

fn printable_label(label: &str) -> String {
    label
        .chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(40)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gpu::Architecture,
        mutate::{Lab, lab::Subject},
        snp::Product,
        tdx::QuoteForm,
    };
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    fn pem_text(tag: &str, ders: &[Vec<u8>]) -> Vec<u8> {
        ders.iter()
            .map(|der| pem::encode(&pem::Pem::new(tag, der.as_slice())))
            .collect::<String>()
            .into_bytes()
    }

    #[test]
    fn evidence_is_found_in_each_form() {
        let case = Lab::new(Subject::Gpu(Architecture::Hopper), 7).genuine();
        let single = |bytes: &[u8]| {
            let mut found = evidence(bytes).unwrap();
            assert_eq!(found.len(), 1);
            found.remove(0)
        };
        assert_eq!(single(&case.evidence).bytes, case.evidence);
        let text = format!(" {}\n", hex::encode(&case.evidence));
        assert_eq!(single(text.as_bytes()).bytes, case.evidence);
        let json = serde_json::json!([{
            "evidence": STANDARD.encode(&case.evidence),
            "certificate": STANDARD.encode(pem_text("CERTIFICATE", &case.certificates)),
        }]);
        let found = single(json.to_string().as_bytes());
        assert_eq!((found.bytes, found.certificates), (case.evidence, case.certificates));
    }

    #[test]
    fn what_is_no_evidence_says_what_it_looks_like() {
        let case = Lab::new(Subject::Snp(Product::Genoa), 7).genuine();
        for (bytes, problem) in [
            (pem_text("CERTIFICATE", &case.certificates), "PEM of a CERTIFICATE"),
            (b"-----BEGIN \x1b[31m-----".to_vec(), "PEM of a [31m,"),
            (b"{\"a\":1}".to_vec(), "JSON object"),
            (b"[]".to_vec(), "empty list"),
            (b"[1]".to_vec(), "not a JSON list of GPU evidence"),
            (b"0123456789abcdef0".to_vec(), "another hexadecimal digit"),
            (b"0123456789abcdef01".to_vec(), "neither"),
            (vec![0; MAX_FILE_LEN_BYTES + 1], "no such file is longer"),
        ] {
            let error = evidence(&bytes).unwrap_err();
            let expected = if problem == "neither" {
                "expected a TDX quote"
            } else {
                problem
            };
            assert!(error.problem.contains(expected), "{error}");
        }
    }

    #[test]
    fn certificates_are_pem_or_der_and_nothing_else() {
        let case = Lab::new(Subject::Snp(Product::Genoa), 7).genuine();
        assert_eq!(
            certificates(&pem_text("CERTIFICATE", &case.certificates)).unwrap(),
            case.certificates
        );
        assert_eq!(certificates(&case.certificates[0]).unwrap(), case.certificates[..1]);
        let truncated = certificates(&case.certificates[0][..500]).unwrap_err();
        assert!(
            truncated.problem.contains("expected a certificate in DER"),
            "{truncated}"
        );
        assert!(certificates(&pem_text("PRIVATE KEY", &case.certificates)).is_err());
        let mut second = case.certificates.clone();
        second[1].truncate(40);
        let error = certificates(&pem_text("CERTIFICATE", &second)).unwrap_err();
        assert!(error.problem.contains("certificate 1"), "{error}");
        assert!(certificates(b"").is_err());
    }

    #[test]
    fn endorsements_are_recognised_by_their_bytes() {
        let tdx = Lab::new(Subject::Tdx(QuoteForm::V4), 7).genuine();
        let snp = Lab::new(Subject::Snp(Product::Genoa), 7).genuine();
        let gpu = Lab::new(Subject::Gpu(Architecture::Hopper), 7).genuine();
        let json = tdx.collateral.unwrap().to_json().unwrap();
        assert!(matches!(endorsement(&json), Ok(FoundEndorsement::Collateral(_))));
        let list = snp.revocation_list.unwrap();
        for file in [list.clone(), pem_text("X509 CRL", std::slice::from_ref(&list))] {
            assert!(matches!(endorsement(&file), Ok(FoundEndorsement::RevocationList(der)) if der == list));
        }
        assert!(matches!(
            endorsement(&gpu.manifests[0]),
            Ok(FoundEndorsement::Manifest(_))
        ));

        for (file, offset, problem) in [
            (json[..json.len() / 2].to_vec(), json.len() / 2 - 1, "EOF"),
            (b"{}".to_vec(), 0, "not in the form"),
            (b"{\n  \"a\" 1}".to_vec(), 8, "expected `:`"),
            (list[..100].to_vec(), 2, "revocation list in DER"),
            (
                pem_text("CERTIFICATE", &snp.certificates[..1]),
                0,
                "PEM of a CERTIFICATE",
            ),
            (Vec::new(), 0, "revocation list in DER"),
        ] {
            let error = endorsement(&file).unwrap_err();
            assert!(error.problem.contains(problem), "{error}");
            assert!(error.offset.abs_diff(offset) <= 2, "{error} instead of {offset}");
        }
    }
}
