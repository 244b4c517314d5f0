//! attest show.

use std::fmt::Write as _;

use chrysalis_attest::Collateral;
use chrysalis_attest::calendar::rfc3339;
use chrysalis_attest::files::{self, FoundEndorsement};
use chrysalis_attest::inspect::{self, Field, Section, Unreadable};
use serde_json::json;

use super::args::Show;
use super::input::read_as;
use super::line;
use crate::cli::args::Global;
use crate::cli::problem::CommandError;
use crate::exit::Exit;
use crate::host::Host;

/// A file for people.
struct Shown {
    summary: String,
    sections: Vec<Section>,
    /// Whether places are counted in the file.
    has_offsets: bool,
}

/// `chrysalis attest show`
///
/// # Errors
/// What cannot be read.
pub fn show(host: &mut Host<'_>, global: &Global, command: &Show) -> Result<Exit, CommandError> {
    for shown in read_as(host, &command.file, shown)? {
        host.data(&if global.json { machine(&shown) } else { people(&shown) });
    }
    Ok(Exit::Pass)
}

fn shown(file: &[u8]) -> Result<Vec<Shown>, Unreadable> {
    let text = file.trim_ascii_start();
    let begins_like_der = matches!(file, [0x30, 0x80..=0x84, ..]);
    if text.starts_with(b"-----BEGIN CERTIFICATE-----") || (begins_like_der && files::certificates(file).is_ok()) {
        return Ok(vec![certificates(&files::certificates(file)?)]);
    }
    if text.starts_with(b"{") || text.starts_with(b"-----BEGIN X509 CRL-----") || begins_like_der {
        return Ok(vec![endorsement(files::endorsement(file)?, file.len())]);
    }
    files::evidence(file)?
        .into_iter()
        .map(|evidence| {
            let inspection = inspect::inspect(&evidence.bytes)?;
            let mut sections = inspection.sections;
            sections.extend(certificates(&evidence.certificates).sections);
            Ok(Shown {
                summary: inspection.summary,
                sections,
                has_offsets: true,
            })
        })
        .collect()
}

fn certificates(ders: &[Vec<u8>]) -> Shown {
    let sections: Vec<_> = ders.iter().filter_map(|der| inspect::certificate(der)).collect();
    Shown {
        summary: format!("{} certificates", sections.len()),
        sections,
        has_offsets: false,
    }
}

fn endorsement(found: FoundEndorsement, len_bytes: usize) -> Shown {
    let (summary, rows) = match found {
        FoundEndorsement::Collateral(collateral) => ("collateral of Intel's form", collateral_rows(&collateral)),
        FoundEndorsement::RevocationList(_) => ("revocation list in DER", Vec::new()),
        FoundEndorsement::Manifest(_) => ("manifest of reference values in XML", Vec::new()),
    };
    let fields = rows
        .into_iter()
        .map(|(name, value)| Field {
            offset: 0,
            len_bytes: 0,
            name: name.to_owned(),
            value,
            meaning: String::new(),
        })
        .collect();
    Shown {
        summary: format!("{summary}, {len_bytes} bytes, not verified"),
        sections: vec![Section {
            title: "content".to_owned(),
            fields,
        }],
        has_offsets: false,
    }
}

fn collateral_rows(collateral: &Collateral) -> Vec<(&'static str, String)> {
    vec![
        ("FMSPC", hex::encode(collateral.fmspc())),
        ("PCE id", hex::encode(collateral.pce_id())),
        ("all parts valid from", rfc3339(collateral.issued_unix_s())),
        ("all parts valid until", rfc3339(collateral.expires_unix_s())),
    ]
}

fn people(shown: &Shown) -> String {
    let mut out = format!("{}\n", line(&shown.summary));
    for section in &shown.sections {
        if section.fields.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n{}", line(&section.title));
        let width = section.fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
        // Fields of a certificate have no places of their own.
        let has_offsets = shown.has_offsets && section.fields.iter().any(|field| field.len_bytes > 0);
        for field in &section.fields {
            let place = if has_offsets {
                format!("{:#06x}  ", field.offset)
            } else {
                String::new()
            };
            let meaning = if field.meaning.is_empty() {
                String::new()
            } else {
                format!("  ({})", line(&field.meaning))
            };
            let _ = writeln!(
                out,
                "  {place}{:width$}  {}{meaning}",
                line(&field.name),
                line(&field.value)
            );
        }
    }
    out
}

fn machine(shown: &Shown) -> String {
    let field = |field: &Field| {
        json!({
            "offset": (field.len_bytes > 0).then_some(field.offset),
            "length": field.len_bytes,
            "name": line(&field.name),
            "value": line(&field.value),
            "meaning": line(&field.meaning),
        })
    };
    let sections: Vec<_> = shown
        .sections
        .iter()
        .map(|section| json!({ "title": line(&section.title), "fields": section.fields.iter().map(field).collect::<Vec<_>>() }))
        .collect();
    json!({ "summary": line(&shown.summary), "sections": sections }).to_string()
}
