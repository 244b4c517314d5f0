//! Certificates: names, dates, key, and the extensions that platforms are described in.

use super::{Field, Section};
use crate::calendar::rfc3339;
use x509_cert::{Certificate, der::Decode as _, time::Time};

/// Most characters of a name that are shown: names are chosen by whoever wrote the certificate.
const MAX_NAME_CHARS: usize = 200;

/// Fields of a certificate in DER; none if it is none. Nothing is verified, and names may hold anything.
pub fn certificate(der: &[u8]) -> Option<Section> {
    let certificate = Certificate::from_der(der).ok()?;
    let tbs = &certificate.tbs_certificate;
    let mut fields = Vec::new();
    let mut field = |name: &str, value: String, meaning: String| {
        fields.push(Field {
            offset: 0,
            len_bytes: 0,
            name: name.to_owned(),
            value,
            meaning,
        });
    };
    field("subject", shortened(&tbs.subject.to_string()), String::new());
    field("issuer", shortened(&tbs.issuer.to_string()), String::new());
    field(
        "serial number",
        hex::encode(tbs.serial_number.as_bytes()),
        String::new(),
    );
    field("not before", moment(&tbs.validity.not_before), String::new());
    field("not after", moment(&tbs.validity.not_after), String::new());
    let key = &tbs.subject_public_key_info;
    field(
        "key",
        hex_shortened(key.subject_public_key.raw_bytes()),
        key_name(&key.algorithm.oid.to_string()),
    );
    for extension in tbs.extensions.iter().flatten() {
        let id = extension.extn_id.to_string();
        let critical = if extension.critical { ", critical" } else { "" };
        let name = format!("extension {id}");
        let meaning = format!("{}{critical}", extension_name(&id));
        field(&name, hex_shortened(extension.extn_value.as_bytes()), meaning);
    }
    if let Ok(pck) = dcap_qvl::intel::parse_pck_extension(der) {
        field("FMSPC", hex::encode(pck.fmspc), "processor family".to_owned());
        field("PCE id", hex::encode(&pck.pce_id), String::new());
        field("PPID", hex::encode(&pck.ppid), "of the platform, for life".to_owned());
    }
    Some(Section {
        title: format!("certificate of {} bytes", der.len()),
        fields,
    })
}

fn shortened(text: &str) -> String {
    let mut out: String = text.chars().take(MAX_NAME_CHARS).collect();
    if out.len() < text.len() {
        out.push_str("...");
    }
    out
}

/// Keys of RSA and nested extensions are long, and people compare their beginnings.
fn hex_shortened(bytes: &[u8]) -> String {
    match bytes.get(..64) {
        Some(head) if bytes.len() > 128 => format!("{}... ({} bytes)", hex::encode(head), bytes.len()),
        _ => hex::encode(bytes),
    }
}

fn moment(time: &Time) -> String {
    rfc3339(time.to_unix_duration().as_secs())
}

fn key_name(algorithm: &str) -> String {
    match algorithm {
        "1.2.840.10045.2.1" => "elliptic curve",
        "1.2.840.113549.1.1.1" => "RSA",
        _ => "unknown algorithm",
    }
    .to_owned()
}

fn extension_name(id: &str) -> &'static str {
    match id {
        "2.5.29.14" => "subject key identifier",
        "2.5.29.15" => "key usage",
        "2.5.29.19" => "basic constraints",
        "2.5.29.31" => "where revocation lists are",
        "2.5.29.35" => "authority key identifier",
        "1.2.840.113741.1.13.1" => "SGX platform",
        "1.3.6.1.4.1.3704.1.1" => "SNP structure version",
        "1.3.6.1.4.1.3704.1.2" => "SNP product",
        "1.3.6.1.4.1.3704.1.3.1" => "SNP boot loader version",
        "1.3.6.1.4.1.3704.1.3.2" => "SNP TEE version",
        "1.3.6.1.4.1.3704.1.3.3" => "SNP firmware version",
        "1.3.6.1.4.1.3704.1.3.8" => "SNP microcode version",
        "1.3.6.1.4.1.3704.1.3.9" => "SNP FMC version",
        "1.3.6.1.4.1.3704.1.4" => "SNP chip id",
        "1.3.6.1.4.1.3704.1.5" => "SNP provider",
        "2.23.133.5.4.1" => "firmware id (Hopper)",
        "2.23.133.5.4.1.1" => "firmware id (Blackwell)",
        "2.23.133.5.4.9" => "evidence of interoperable RA-TLS",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_and_keys_are_cut() {
        assert_eq!(shortened(&"x".repeat(1_000)).len(), MAX_NAME_CHARS + 3);
        assert_eq!(shortened(&"é".repeat(MAX_NAME_CHARS)), "é".repeat(MAX_NAME_CHARS));
        assert!(hex_shortened(&[7; 129]).ends_with("... (129 bytes)"));
        assert_eq!(hex_shortened(&[7; 2]), "0707");
    }
}
