//! Evidence for people: every field with its place, its value and what it means; and where bytes stop being evidence.
//!
//! Nothing here judges. Fields are shown as they stand, genuine or not, in canonical form or not, as far as their layout
//! can be followed; where it cannot, [`Unreadable`] says what was expected at which offset.
//!
//! | module | holds |
//! |---|---|
//! | `tdx` | quotes |
//! | `snp` | reports |
//! | `gpu` | measurements |
//! | `certificate` | certificates beside evidence or inside it |

mod certificate;
mod gpu;
mod snp;
mod tdx;

#[cfg(test)]
mod tests;

pub use certificate::certificate;

use crate::evidence::EvidenceKind;
use std::fmt;

/// Longest evidence that is looked at.
pub const MAX_EVIDENCE_LEN_BYTES: usize = 64 * 1024;

/// Bytes that cannot be read as what they should be: what was expected, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Bytes before the place.
    pub offset: usize,
    /// What was expected there, and what there is.
    pub problem: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {} ({:#x}): {}", self.offset, self.offset, self.problem)
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    pub(crate) fn new(offset: usize, problem: impl Into<String>) -> Self {
        Self {
            offset,
            problem: problem.into(),
        }
    }
}

/// A field of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Where it begins, in bytes from the beginning of what is shown.
    pub offset: usize,
    /// How long it is.
    pub len_bytes: usize,
    /// Its name in the vendor's documents.
    pub name: String,
    /// Numbers in decimal, other bytes in hexadecimal. Texts of certificates are as they stand there, and hostile.
    pub value: String,
    /// What the value says; empty if there is nothing to add.
    pub meaning: String,
}

/// Fields that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What they are.
    pub title: String,
    /// In the order of their places.
    pub fields: Vec<Field>,
}

/// Evidence, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What it is.
    pub kind: EvidenceKind,
    /// One line.
    pub summary: String,
    /// Its parts.
    pub sections: Vec<Section>,
}

/// Shows evidence.
///
/// # Errors
/// What was expected at which offset.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Unreadable> {
    if bytes.len() > MAX_EVIDENCE_LEN_BYTES {
        let problem = format!(
            "expected the end, as no evidence is longer; found {} more bytes",
            bytes.len() - MAX_EVIDENCE_LEN_BYTES
        );
        return Err(Unreadable::new(MAX_EVIDENCE_LEN_BYTES, problem));
    }
    let kind = EvidenceKind::of(bytes).map_err(|_| unrecognised(bytes))?;
    let (summary, sections) = match kind {
        EvidenceKind::Tdx => tdx::inspect(bytes)?,
        EvidenceKind::Sgx => tdx::inspect_sgx(bytes)?,
        EvidenceKind::Snp => snp::inspect(bytes)?,
        EvidenceKind::NvidiaGpu => gpu::inspect(bytes)?,
    };
    Ok(Inspection {
        kind,
        summary,
        sections,
    })
}

/// Recognises evidence whose layout can be followed to its end, so that whatever a verifier has against it is a verdict
/// and not a failure to read.
///
/// # Errors
/// What was expected at which offset.
pub fn readable(bytes: &[u8]) -> Result<EvidenceKind, Unreadable> {
    inspect(bytes).map(|inspection| inspection.kind)
}

/// Which kind the bytes come nearest to, and where they differ from it.
fn unrecognised(bytes: &[u8]) -> Unreadable {
    let word = |at: usize| {
        let word = bytes.get(at..at + 2)?;
        Some(u16::from_le_bytes([word[0], word[1]]))
    };
    let kinds = "a TDX quote (version 3 to 5, key type 2 or 3, TEE type 0x81), an SNP report (1184 bytes, bytes 2 and 3 \
                 zero) or GPU measurements (0x1x, 0xe0)";
    match (word(0), word(2)) {
        (None, _) => Unreadable::new(bytes.len(), format!("expected {kinds}; found the end")),
        (Some(3..=5), Some(2 | 3) | None) if bytes.len() < 8 => Unreadable::new(
            bytes.len(),
            "expected the rest of the header of a quote (48 bytes); found the end",
        ),
        (Some(3..=5), Some(2 | 3)) => Unreadable::new(
            4,
            format!(
                "expected TEE type 0x81 of a TDX quote; found {:#x}",
                u32::from(word(4).unwrap_or(0)) | u32::from(word(6).unwrap_or(0)) << 16
            ),
        ),
        (Some(0..=16), Some(0)) => Unreadable::new(
            bytes.len().min(crate::snp::REPORT_LEN_BYTES),
            format!("expected an SNP report of 1184 bytes; found {} bytes", bytes.len()),
        ),
        (Some(first), _) if first & 0xf0f0 == 0x6010 => Unreadable::new(
            0,
            "expected a request for measurements (0x1x, 0xe0) before the response of a GPU; found the response",
        ),
        _ => Unreadable::new(
            0,
            format!("expected {kinds}; found {}", hex::encode(&bytes[..bytes.len().min(4)])),
        ),
    }
}

/// Takes fields from the front and knows where it is.
struct Walk<'a> {
    bytes: &'a [u8],
    offset: usize,
    /// Where the innermost part that is being read ends.
    end: usize,
    sections: Vec<Section>,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            end: bytes.len(),
            sections: Vec::new(),
        }
    }

    fn section(&mut self, title: impl Into<String>) {
        self.sections.push(Section {
            title: title.into(),
            fields: Vec::new(),
        });
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..self.end).unwrap_or(&[])
    }

    fn take(&mut self, len: usize, name: &str) -> Result<&'a [u8], Unreadable> {
        let rest = self.rest();
        let taken = rest.get(..len).ok_or_else(|| {
            let problem = format!("expected {name} of {len} bytes; found the end after {}", rest.len());
            Unreadable::new(self.offset, problem)
        })?;
        self.offset += len;
        Ok(taken)
    }

    fn push(&mut self, offset: usize, len_bytes: usize, name: &str, value: String, meaning: String) {
        if self.sections.is_empty() {
            self.section("fields");
        }
        if let Some(section) = self.sections.last_mut() {
            section.fields.push(Field {
                offset,
                len_bytes,
                name: name.to_owned(),
                value,
                meaning,
            });
        }
    }

    /// A field that is shown in hexadecimal.
    fn bytes(&mut self, len: usize, name: &str, meaning: impl FnOnce(&[u8]) -> String) -> Result<&'a [u8], Unreadable> {
        let offset = self.offset;
        let bytes = self.take(len, name)?;
        self.push(offset, len, name, hex::encode(bytes), meaning(bytes));
        Ok(bytes)
    }

    /// A little-endian number.
    fn number(&mut self, len: usize, name: &str, meaning: impl FnOnce(u64) -> String) -> Result<u64, Unreadable> {
        let offset = self.offset;
        let bytes = self.take(len, name)?;
        let number = little_endian(bytes);
        self.push(offset, len, name, number.to_string(), meaning(number));
        Ok(number)
    }

    /// A number that must be one of a few.
    fn one_of(&mut self, len: usize, name: &str, allowed: &[(u64, &str)]) -> Result<u64, Unreadable> {
        let offset = self.offset;
        let found = self.number(len, name, |number| {
            let known = allowed.iter().find(|(value, _)| *value == number);
            known.map_or_else(String::new, |(_, meaning)| (*meaning).to_owned())
        })?;
        if allowed.iter().any(|(value, _)| *value == found) {
            return Ok(found);
        }
        let values: Vec<_> = allowed.iter().map(|(value, _)| value.to_string()).collect();
        Err(Unreadable::new(
            offset,
            format!("expected {name} {}; found {found}", values.join(" or ")),
        ))
    }

    /// Bytes that should be zero, shown only where they are not.
    fn reserved(&mut self, len: usize) -> Result<(), Unreadable> {
        let offset = self.offset;
        let bytes = self.take(len, "reserved bytes")?;
        if bytes.iter().any(|byte| *byte != 0) {
            let meaning = "should be zero".to_owned();
            self.push(offset, len, "reserved", hex::encode(bytes), meaning);
        }
        Ok(())
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The meaning of bytes that speak for themselves.
fn plain(_: &[u8]) -> String {
    String::new()
}

/// The meaning of numbers that speak for themselves.
fn nothing(_: u64) -> String {
    String::new()
}

/// "zero" where all bytes are, or what else there is to say.
fn or_zero(bytes: &[u8], zero: &str, other: &str) -> String {
    if bytes.iter().all(|byte| *byte == 0) {
        zero
    } else {
        other
    }
    .to_owned()
}

/// Names of the bits that are set.
fn bits(number: u64, names: &[(u32, &str)]) -> String {
    let known: u64 = names.iter().map(|(bit, _)| 1 << bit).sum();
    let mut set: Vec<_> = names
        .iter()
        .filter(|(bit, _)| number >> bit & 1 == 1)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    if number & !known != 0 {
        set.push(format!("unknown bits {:#x}", number & !known));
    }
    if set.is_empty() {
        "none set".to_owned()
    } else {
        set.join(", ")
    }
}
