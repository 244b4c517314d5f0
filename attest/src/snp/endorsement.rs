//! What the certificate of a signing key says about chip and TCB (AMD 57230, "Versioned Chip Endorsement Key
//! certificate and KDS interface specification").

use super::report::SnpTcb;
use crate::chain::StrictCertificate;

/// Families of processors, which differ in the layout of TCB versions and in their roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// EPYC 7003.
    Milan,
    /// EPYC 9004 and 8004.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl Product {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// As certificates name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    /// The family that CPUID tells; none if it is no SNP server.
    pub fn of_cpuid([family, model, _stepping]: [u8; 3]) -> Option<Self> {
        match (family, model) {
            (0x19, 0x00..=0x0f) => Some(Self::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Self::Genoa),
            (0x1a, 0x00..=0x11) => Some(Self::Turin),
            _ => None,
        }
    }

    /// Certificates name the product with or without a stepping: "Milan-B0", "Turin".
    fn is_named(self, name: &str) -> bool {
        name.split_once('-').map_or(name, |(product, _stepping)| product) == self.name()
    }
}

/// Whose key signs reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningKey {
    /// The chip's, derived from its fuses and its TCB.
    Vcek,
    /// Loaded by AMD for a cloud provider, and shared by that provider's machines.
    Vlek,
}

/// Contents of the certificate of a signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SigningKeyClaims {
    pub(crate) key: SigningKey,
    pub(crate) tcb: SnpTcb,
    /// The chip; only in the certificate of a chip's key.
    pub(crate) hardware_id: Option<Vec<u8>>,
    /// The provider; only in the certificate of a loaded key.
    pub(crate) provider: Option<String>,
}

const PRODUCT_NAME: &str = "1.3.6.1.4.1.3704.1.2";
const BOOT_LOADER: &str = "1.3.6.1.4.1.3704.1.3.1";
const TEE: &str = "1.3.6.1.4.1.3704.1.3.2";
const SNP: &str = "1.3.6.1.4.1.3704.1.3.3";
const MICROCODE: &str = "1.3.6.1.4.1.3704.1.3.8";
const FMC: &str = "1.3.6.1.4.1.3704.1.3.9";
const HARDWARE_ID: &str = "1.3.6.1.4.1.3704.1.4";
const PROVIDER: &str = "1.3.6.1.4.1.3704.1.5";

impl SigningKeyClaims {
    /// Reads the extensions; the error is the extension that is missing or malformed.
    pub(crate) fn read(certificate: &StrictCertificate, product: Product) -> Result<Self, &'static str> {
        let value = |id: &str, what| certificate.extension(id).ok_or(what);
        let name = ia5(value(PRODUCT_NAME, "product name")?).ok_or("product name")?;
        if !product.is_named(name) {
            return Err("product name");
        }
        let version = |id, what| small_integer(value(id, what)?).ok_or(what);
        let fmc = match (product, certificate.extension(FMC)) {
            (Product::Turin, Some(fmc)) => small_integer(fmc).ok_or("FMC version")?,
            (Product::Turin, None) => return Err("FMC version"),
            (Product::Milan | Product::Genoa, None) => 0,
            (Product::Milan | Product::Genoa, Some(_)) => return Err("FMC version"),
        };
        let tcb = SnpTcb {
            fmc,
            boot_loader: version(BOOT_LOADER, "boot loader version")?,
            tee: version(TEE, "TEE version")?,
            snp: version(SNP, "SNP version")?,
            microcode: version(MICROCODE, "microcode version")?,
        };
        let hardware_id = certificate.extension(HARDWARE_ID);
        let provider = certificate.extension(PROVIDER);
        match (hardware_id, provider) {
            (Some(id), None) => {
                let expected_len = if product == Product::Turin { 8 } else { 64 };
                if id.len() != expected_len || id.iter().all(|byte| *byte == 0) {
                    return Err("hardware id");
                }
                Ok(Self {
                    key: SigningKey::Vcek,
                    tcb,
                    hardware_id: Some(id.to_vec()),
                    provider: None,
                })
            }
            (None, Some(provider)) => Ok(Self {
                key: SigningKey::Vlek,
                tcb,
                hardware_id: None,
                provider: Some(ia5(provider).ok_or("provider")?.to_owned()),
            }),
            _ => Err("hardware id or provider"),
        }
    }

    /// Whether this is the certificate of that chip. Turin certifies 8 bytes, and reports them with zeros after them.
    pub(crate) fn is_for_chip(&self, chip_id: &[u8; 64]) -> bool {
        self.hardware_id.as_ref().is_some_and(|id| {
            chip_id
                .split_at_checked(id.len())
                .is_some_and(|(head, tail)| head == id && tail.iter().all(|byte| *byte == 0))
        })
    }
}

/// An INTEGER of 0 to 255 in DER.
fn small_integer(der: &[u8]) -> Option<u8> {
    match der {
        [0x02, 0x01, value @ 0..=0x7f] | [0x02, 0x02, 0x00, value @ 0x80..=0xff] => Some(*value),
        _ => None,
    }
}

/// An IA5String of less than 128 characters in DER.
fn ia5(der: &[u8]) -> Option<&str> {
    match der {
        [0x16, len @ 0..=0x7f, text @ ..] if usize::from(*len) == text.len() && text.is_ascii() => {
            std::str::from_utf8(text).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_have_one_encoding() {
        assert_eq!(small_integer(&[2, 1, 0x73]), Some(0x73));
        assert_eq!(small_integer(&[2, 2, 0, 0xa9]), Some(0xa9));
        for wrong in [&[2, 1, 0x80][..], &[2, 2, 0, 0x73], &[2, 2, 1, 0], &[2, 1], &[]] {
            assert_eq!(small_integer(wrong), None, "{wrong:?}");
        }
        assert_eq!(ia5(b"\x16\x05Turin"), Some("Turin"));
        for wrong in [
            &b"\x16\x06Turin"[..],
            b"\x0c\x05Turin",
            b"\x16\x81\x05Turin",
            b"\x16\x01\xff",
            b"",
        ] {
            assert_eq!(ia5(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn products_are_told_by_family_and_model() {
        assert_eq!(Product::of_cpuid([0x19, 0x01, 0x01]), Some(Product::Milan));
        assert_eq!(Product::of_cpuid([0x19, 0x11, 0x01]), Some(Product::Genoa));
        assert_eq!(Product::of_cpuid([0x19, 0xa0, 0x02]), Some(Product::Genoa));
        assert_eq!(Product::of_cpuid([0x1a, 0x02, 0x01]), Some(Product::Turin));
        assert_eq!(Product::of_cpuid([0x17, 0x31, 0x00]), None);
        assert!(Product::Milan.is_named("Milan-B0") && Product::Turin.is_named("Turin"));
        assert!(!Product::Milan.is_named("Milano") && !Product::Milan.is_named("Genoa-B1"));
    }
}
