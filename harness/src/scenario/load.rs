//! Bytes to the file model: the only place that knows the YAML reader, its limits and its errors.

use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::{Error as YamlError, ExternalMessageSource, Options};

use super::file::ScenarioFile;
use super::limits::{ALIAS_DEPTH_MAX, ALIAS_EVENTS_MAX, DEPTH_MAX, FILE_BYTES_MAX, VALUES_MAX};
use super::located::{At, Text, position};
use super::problem::Problem;
use super::scalar::{Count, shown};
use crate::diagnostic::source::printable;
use crate::diagnostic::{Diagnostic, Position, Source};

/// A result with one diagnostic, boxed because it is large and rare.
pub type Checked<T> = Result<T, Box<Diagnostic>>;

/// Makes a diagnostic of a problem.
pub(crate) fn diagnose(source: &Arc<Source>, position: Position, problem: &Problem) -> Box<Diagnostic> {
    Box::new(Diagnostic {
        code: problem.code(),
        message: printable(&problem.to_string()),
        help: problem.help().map(|help| printable(&help)),
        position,
        note: None,
        source: Arc::clone(source),
    })
}

/// Reads a scenario file into its model.
///
/// # Errors
/// The first problem with its place.
pub(crate) fn load(source: &Arc<Source>, bytes: &[u8]) -> Checked<At<ScenarioFile>> {
    let text = decode(source, bytes)?;
    // The reader takes a file without a document for a mapping without keys.
    if text.lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
        return Err(diagnose(source, Position::START, &Problem::EmptyFile));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let (place, problem) = sharpen(text, &error, classify(source, &error));
        // A file of a newer language has unknown keys and shapes: what matters then is the version.
        let (place, problem) = match newer_version(text) {
            Some(version) if is_about_shape(&problem) => version,
            _ => (place, problem),
        };
        diagnose(source, place, &problem)
    })
}

/// How YAML that people write is read: with limits, and strictly.
pub(crate) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: VALUES_MAX,
            max_events: 4 * VALUES_MAX,
            max_anchors: 1_000,
            max_aliases: 10_000,
            max_recorded_anchor_events: ALIAS_EVENTS_MAX,
            max_merge_keys: 1_000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIAS_EVENTS_MAX,
            max_replay_stack_depth: ALIAS_DEPTH_MAX,
        },
        emit_comments: false,
        with_snippet: false,
        strict_booleans: true,
        strict_indentation: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
    }
}

fn decode<'a>(source: &Arc<Source>, bytes: &'a [u8]) -> Checked<&'a str> {
    let fail = |offset, problem: Problem| diagnose(source, Position::of_byte(bytes, offset), &problem);
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > FILE_BYTES_MAX {
        return Err(fail(
            0,
            Problem::FileTooLarge {
                bytes: size,
                max: FILE_BYTES_MAX,
            },
        ));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(fail(0, Problem::ByteOrderMark));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(fail(0, Problem::Utf16));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        fail(
            offset,
            Problem::NotUtf8 {
                byte: bytes.get(offset).copied().unwrap_or_default(),
            },
        )
    })
}

/// The version, read without looking at anything else, if it is not the one that this program reads.
fn newer_version(text: &str) -> Option<(Position, Problem)> {
    #[derive(Deserialize)]
    struct Header {
        version: At<Text<Count>>,
    }
    let header: Header = serde_saphyr::from_str_with_options(text, options()).ok()?;
    let version = header.version.value.raw.trim();
    let other = version != "1" && version.bytes().all(|byte| byte.is_ascii_digit()) && !version.is_empty();
    other.then(|| {
        (
            header.version.position,
            Problem::UnsupportedVersion {
                version: shown(version),
            },
        )
    })
}

fn is_about_shape(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::UnknownKey { .. } | Problem::UnknownVariant { .. } | Problem::WrongType { .. } | Problem::EmptyValue
    )
}

/// The reader's error in the words of this program.
fn classify(source: &Source, error: &YamlError) -> (Position, Problem) {
    let mut inner = error.without_snippet();
    while let YamlError::AliasError { error, .. } = inner {
        inner = error.without_snippet();
    }
    // The place where an alias is used, if there is one: the anchor may be fine where it stands.
    let place = error
        .location()
        .or_else(|| inner.location())
        .map_or(Position::START, position);
    let wrong_type = |expected: &'static str| {
        if is_nothing(source, place) {
            Problem::EmptyValue
        } else {
            Problem::WrongType { expected }
        }
    };
    let problem = match inner {
        YamlError::SerdeUnknownField { field, expected, .. } => Problem::UnknownKey {
            key: shown(field),
            known: expected.clone(),
        },
        YamlError::SerdeUnknownVariant { variant, expected, .. } => Problem::UnknownVariant {
            choice: shown(variant),
            known: expected.clone(),
        },
        YamlError::SerdeInvalidType {
            unexpected, expected, ..
        }
        | YamlError::SerdeInvalidValue {
            unexpected, expected, ..
        } => Problem::WrongValue {
            text: shown(unexpected),
            expected: shown_sentence(expected),
        },
        YamlError::SerdeMissingField { field, .. } => Problem::MissingKey { key: field, when: "" },
        YamlError::DuplicateMappingKey { key, .. } => Problem::DuplicateKey {
            key: key.as_deref().map_or_else(|| "?".to_owned(), shown),
        },
        YamlError::NullIntoString { .. } => Problem::EmptyValue,
        YamlError::Unexpected { expected, .. } => wrong_type(match *expected {
            "sequence start" => "a list",
            "mapping start" => "a mapping, that is `key: value` lines,",
            _ => "a single value, neither a list nor a mapping,",
        }),
        YamlError::InvalidBooleanStrict { .. } => wrong_type("`true` or `false`"),
        YamlError::ExternallyTaggedEnumExpectedScalarOrMapping { .. }
        | YamlError::ExpectedStringKeyForExternallyTaggedEnum { .. }
        | YamlError::UnexpectedValueForUnitEnumVariant { .. } => wrong_type("a mapping with exactly one key"),
        YamlError::ExpectedMappingEndAfterEnumVariantValue { .. } => Problem::SecondVariant,
        YamlError::MultipleDocuments { .. } => Problem::MultipleDocuments,
        YamlError::Eof { .. } => Problem::EmptyFile,
        YamlError::AliasReplayCounterOverflow { .. }
        | YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. }
        | YamlError::RecursiveReferencesRequireWeakTypes { .. } => Problem::Aliases,
        YamlError::TaggedEnumMismatch { .. }
        | YamlError::InvalidBinaryBase64 { .. }
        | YamlError::BinaryNotUtf8 { .. }
        | YamlError::TaggedScalarCannotDeserializeIntoString { .. } => Problem::UnsupportedTag,
        YamlError::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => Problem::TooDeep,
            BudgetBreach::Aliases { .. }
            | BudgetBreach::Anchors { .. }
            | BudgetBreach::MergeKeys { .. }
            | BudgetBreach::RecordedAnchorEvents { .. }
            | BudgetBreach::RecordedAnchorBytes { .. }
            | BudgetBreach::AliasAnchorRatio { .. } => Problem::Aliases,
            _ => Problem::TooManyValues,
        },
        YamlError::ExternalMessage {
            source: origin, msg, ..
        } => match &**origin {
            ExternalMessageSource::Parser(scan) => match scan.kind() {
                ErrorKind::TabNotAllowed
                | ErrorKind::TabInBlockIndentation
                | ErrorKind::TabInIndentation
                | ErrorKind::TabAtBlockScalarStart => Problem::Tab,
                ErrorKind::RecursionLimitExceeded => Problem::TooDeep,
                _ => Problem::Syntax {
                    what: shown_sentence(msg),
                },
            },
            _ => Problem::Syntax {
                what: shown_sentence(msg),
            },
        },
        other => {
            let words = other.to_string();
            if words.contains("unsupported tag") || words.contains("tagged") {
                Problem::UnsupportedTag
            } else {
                // The reader adds the place, which stands in the diagnostic already.
                Problem::Syntax {
                    what: shown_sentence(words.split(" at line ").next().unwrap_or_default()),
                }
            }
        }
    };
    (place, problem)
}

/// The exact place of mistakes that the reader notices only later, or of which it knows only where they began.
fn sharpen(text: &str, error: &YamlError, (place, problem): (Position, Problem)) -> (Position, Problem) {
    if !matches!(problem, Problem::Syntax { .. } | Problem::Tab) {
        return (place, problem);
    }
    // A tab in an indentation makes one value of two lines, or ends one too early.
    for line in [place.line, place.line + 1] {
        let indentation = text
            .lines()
            .nth(line - 1)
            .into_iter()
            .flat_map(str::chars)
            .take_while(|c| " \t".contains(*c));
        if let Some(tab) = indentation.clone().position(|character| character == '\t') {
            return (
                Position {
                    line,
                    column: tab + 1,
                    length: 1,
                },
                Problem::Tab,
            );
        }
    }
    if let YamlError::ExternalMessage { source: origin, .. } = error.without_snippet()
        && let ExternalMessageSource::Parser(scan) = &**origin
        && let ErrorKind::UnexpectedCharacter { character } = scan.kind()
    {
        let mut line = text
            .lines()
            .nth(place.line - 1)
            .into_iter()
            .flat_map(str::chars)
            .skip(place.column - 1);
        if let Some(further) = line.position(|candidate| candidate == *character) {
            return (
                Position {
                    column: place.column + further,
                    length: 1,
                    ..place
                },
                problem,
            );
        }
    }
    (place, problem)
}

/// Whether there is no value at a place: `key:` alone, `~`, or `null`.
fn is_nothing(source: &Source, place: Position) -> bool {
    let rest: String = source.line(place.line).chars().skip(place.column - 1).collect();
    // The place of nothing is that of the colon before it.
    let rest = rest.strip_prefix(':').unwrap_or(&rest);
    let word = rest.split([',', '}', ']', '#']).next().unwrap_or_default().trim();
    word.is_empty() || word == "~" || word.eq_ignore_ascii_case("null")
}

/// The reader's words without control characters, at most 160 of them.
fn shown_sentence(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ").chars().take(160).collect()
}
