//! `attest`, as `clap` sees it.

use std::path::PathBuf;

use chrysalis_attest::calendar::parse_rfc3339;
use chrysalis_attest::gpu::Architecture;
use chrysalis_attest::snp::Product;
use chrysalis_attest::tdx::QuoteForm;
use clap::{Subcommand, ValueEnum, ValueHint};

/// What to do with evidence.
#[derive(Debug, Clone, Subcommand)]
pub enum AttestCommand {
    /// Judge evidence: exit code 0 accepted, 1 refused, 2 unreadable.
    Verify(Verify),
    /// Show every field of evidence, or of a file that comes beside it, with its meaning. Nothing is verified.
    Show(Show),
    /// Make simulated evidence, and write everything that `verify` needs to accept it.
    Issue(Issue),
    /// Make mutants of evidence and say what the verifier makes of each: exit code 1 if one is not judged as declared.
    Mutate(Mutate),
}

/// Options of `verify`.
#[derive(Debug, Clone, clap::Args)]
pub struct Verify {
    /// A TDX quote, an SNP report or GPU measurements, raw or in hexadecimal; or the JSON list of NVIDIA's tools. The kind
    /// is recognised from the bytes.
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath)]
    pub evidence: PathBuf,
    /// What else the verdict depends on.
    #[command(flatten)]
    pub judgement: Judgement,
    /// A policy in Rego that must accept the evidence as well: the set `data.chrysalis.appraisal.reasons` of texts, empty to
    /// accept. Its input is what `--claims` prints.
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath)]
    pub rego: Option<PathBuf>,
    /// Judge by the policy twice: by the typed rules and by the same rules in Rego. Where the two differ the evidence is
    /// refused.
    #[arg(long, conflicts_with = "rego")]
    pub second_opinion: bool,
    /// Print what a policy in Rego is asked about, as JSON, in place of the verdict.
    #[arg(long)]
    pub claims: bool,
}

/// Everything besides evidence that a verdict depends on.
#[derive(Debug, Clone, clap::Args)]
pub struct Judgement {
    /// Intel's collateral in JSON, AMD's revocation list in DER or PEM, NVIDIA's manifests in XML.
    #[arg(long, value_name = "F", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub collateral: Vec<PathBuf>,
    /// Certificates beside evidence in PEM or DER, from the leaf to the root. A TDX quote carries its own.
    #[arg(long, value_name = "F", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub certs: Vec<PathBuf>,
    /// `vendor` for the pinned roots of Intel, AMD and NVIDIA, or files with simulated roots.
    #[arg(long, value_name = "vendor|F", num_args = 1.., default_value = "vendor", value_hint = ValueHint::FilePath)]
    pub root: Vec<PathBuf>,
    /// The verifier's clock: RFC 3339, such as 2026-03-20T12:00:00Z, or Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: u64,
    /// A policy in YAML. Default: the strict rules for every kind, with measurements left open.
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,
    /// Log of what a TD measured while it ran.
    #[arg(long, value_name = "F", value_hint = ValueHint::FilePath)]
    pub event_log: Option<PathBuf>,
    /// The 64 bytes that a CPU's evidence must be bound to. Without it they are not compared.
    #[arg(long, value_name = "HEX", value_parser = bytes::<64>)]
    pub report_data: Option<[u8; 64]>,
    /// The nonce that a GPU's evidence must be bound to. Without it it is not compared.
    #[arg(long, value_name = "HEX", value_parser = bytes::<32>)]
    pub nonce: Option<[u8; 32]>,
    /// When the challenge was sent that report data or nonce contain, for policies that limit the age of evidence.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub challenged_at: Option<u64>,
}

/// Options of `show`.
#[derive(Debug, Clone, clap::Args)]
pub struct Show {
    /// Evidence, certificates, collateral or a revocation list.
    #[arg(value_name = "F", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Technologies of which simulated evidence is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tee {
    /// Intel TDX.
    Tdx,
    /// AMD SEV-SNP.
    Snp,
    /// NVIDIA confidential computing.
    Gpu,
}

/// Forms of a TDX quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Version 4.
    V4,
    /// Version 5, TDX 1.0.
    V5Tdx10,
    /// Version 5, TDX 1.5.
    V5Tdx15,
    /// Version 5, TDX 1.5 extended.
    V5Tdx15Extended,
}

impl From<Form> for QuoteForm {
    fn from(form: Form) -> Self {
        match form {
            Form::V4 => Self::V4,
            Form::V5Tdx10 => Self::V5Tdx10,
            Form::V5Tdx15 => Self::V5Tdx15,
            Form::V5Tdx15Extended => Self::V5Tdx15Extended,
        }
    }
}

/// Families of SNP processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Family {
    /// EPYC 7003, which the strict rules refuse.
    Milan,
    /// EPYC 9004 and 8004.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl From<Family> for Product {
    fn from(family: Family) -> Self {
        match family {
            Family::Milan => Self::Milan,
            Family::Genoa => Self::Genoa,
            Family::Turin => Self::Turin,
        }
    }
}

/// Generations of GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generation {
    /// GH100.
    Hopper,
    /// GB100.
    Blackwell,
}

impl From<Generation> for Architecture {
    fn from(generation: Generation) -> Self {
        match generation {
            Generation::Hopper => Self::Hopper,
            Generation::Blackwell => Self::Blackwell,
        }
    }
}

/// Options of `issue`.
#[derive(Debug, Clone, clap::Args)]
pub struct Issue {
    /// What the evidence is of.
    #[arg(long, value_enum)]
    pub tee: Tee,
    /// Folder of the simulated vendors. It is made if it is not there, and says what all keys follow from.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sim_root: PathBuf,
    /// What all keys of new vendors follow from. Vendors that are there already keep theirs.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// When collateral is issued. New vendors begin 30 days earlier.
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = moment)]
    pub at: u64,
    /// Number of the machine.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub machine: u64,
    /// Name of the image that measurements are derived from.
    #[arg(long, value_name = "NAME", default_value = "worker")]
    pub image: String,
    /// Form of a TDX quote.
    #[arg(long, value_enum, default_value_t = Form::V4)]
    pub form: Form,
    /// Family of the SNP processor.
    #[arg(long, value_enum, default_value_t = Family::Genoa)]
    pub family: Family,
    /// Generation of the GPU.
    #[arg(long, value_enum, default_value_t = Generation::Hopper)]
    pub generation: Generation,
    /// What a CPU's evidence is bound to. Default: zeros.
    #[arg(long, value_name = "HEX", value_parser = bytes::<64>)]
    pub report_data: Option<[u8; 64]>,
    /// What a GPU's evidence is bound to. Default: zeros.
    #[arg(long, value_name = "HEX", value_parser = bytes::<32>)]
    pub nonce: Option<[u8; 32]>,
    /// A guest that its host may debug, which the strict rules refuse.
    #[arg(long)]
    pub debug: bool,
    /// Folder to write to. Default: `evidence` in the folder of the vendors.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Beginning of the names of all files. Default: kind and number of the machine, such as `tdx-1`.
    #[arg(long, value_name = "NAME", value_parser = file_name)]
    pub name: Option<String>,
}

/// Options of `mutate`.
#[derive(Debug, Clone, clap::Args)]
pub struct Mutate {
    /// Evidence that the verifier accepts.
    #[arg(value_name = "F", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// What the mutants follow from.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Number of the first mutant.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub first: u64,
    /// How many mutants.
    #[arg(short = 'n', long = "mutants", value_name = "N", default_value_t = 100)]
    pub count: u64,
    /// Folder to write what differs from the genuine files to: DIR/NUMBER/evidence.bin and so on.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// What else the verdict depends on.
    #[command(flatten)]
    pub judgement: Judgement,
}

/// A moment in Unix seconds or by RFC 3339; fractions of a second are left out.
fn moment(text: &str) -> Result<u64, String> {
    if let Ok(unix_s) = text.parse() {
        return Ok(unix_s);
    }
    rfc3339(text).ok_or_else(|| "a time such as 2026-03-20T12:00:00Z, or Unix seconds".to_owned())
}

fn rfc3339(text: &str) -> Option<u64> {
    let (date_time, zone) = text.split_at_checked("2026-03-20T12:00:00".len())?;
    let as_if_utc = parse_rfc3339(&format!("{}Z", date_time.to_ascii_uppercase()))?;
    let zone = match zone.strip_prefix('.') {
        None => zone,
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
            (rest.len() < fraction.len()).then_some(rest)?
        }
    };
    if zone.eq_ignore_ascii_case("Z") {
        return Some(as_if_utc);
    }
    let (sign, offset) = zone.split_at_checked(1)?;
    let (hours, minutes) = offset.split_once(':')?;
    let number = |digits: &str, below: u64| -> Option<u64> {
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number| is_number && *number < below)
    };
    let offset_s = number(hours, 24)? * 3_600 + number(minutes, 60)? * 60;
    match sign {
        "+" => as_if_utc.checked_sub(offset_s),
        "-" => as_if_utc.checked_add(offset_s),
        _ => None,
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let mut value = [0; N];
    match hex::decode_to_slice(text, &mut value) {
        Ok(()) => Ok(value),
        Err(_) => Err(format!("{N} bytes in hexadecimal, {} digits", 2 * N)),
    }
}

/// A name that stays in its folder.
fn file_name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.starts_with('.') || text.len() > 64 || !text.bytes().all(is_plain) {
        return Err("up to 64 letters, digits, `-`, `_` and `.`, not beginning with `.`".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{bytes, file_name, moment};

    #[test]
    fn moments_have_two_forms() {
        for (text, unix_s) in [
            ("0", 0),
            ("1773699363", 1_773_699_363),
            ("2026-03-16T22:16:03Z", 1_773_699_363),
            ("2026-03-16t22:16:03z", 1_773_699_363),
            ("2026-03-16T22:16:03.999Z", 1_773_699_363),
            ("2026-03-17T00:16:03+02:00", 1_773_699_363),
            ("2026-03-16T16:46:03-05:30", 1_773_699_363),
        ] {
            assert_eq!(moment(text), Ok(unix_s), "{text}");
        }
        for text in [
            "",
            "-1",
            "now",
            "2026-03-16",
            "2026-03-16T22:16:03",
            "2026-03-16T22:16:03.Z",
            "2026-03-16T22:16:03+2:00",
            "2026-03-16T22:16:03+24:00",
            "2026-03-16T22:16:03+02:0x",
            "2026-02-30T00:00:00Z",
            "1970-01-01T00:00:00+01:00",
            "2026-03-16T22:16:0éZ",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_and_names_are_whole_and_plain() {
        assert_eq!(bytes::<2>("0aFF"), Ok([0x0a, 0xff]));
        assert!(bytes::<2>("0a").is_err() && bytes::<2>("0a0b0c").is_err() && bytes::<2>("0x0b").is_err());
        assert!(file_name("tdx-1").is_ok());
        for name in ["", "..", ".x", "a/b", "a\\b", "a b", "\u{1b}"] {
            assert!(file_name(name).is_err(), "{name:?}");
        }
    }
}
