//! What can be wrong with a scenario file beyond the spelling of single values.

use super::scalar::{ScalarError, closest};
use crate::diagnostic::Code;

/// A mistake. Messages are fragments in lower case; what to do about it is [`Problem::help`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A single value cannot be read.
    #[error(transparent)]
    Scalar(#[from] ScalarError),
    /// More bytes than a file may have.
    #[error("the file has {bytes} bytes, more than the {max} that a scenario may have")]
    FileTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// Bytes that are no UTF-8.
    #[error("this byte (0x{byte:02x}) is not UTF-8")]
    NotUtf8 {
        /// The first of them.
        byte: u8,
    },
    /// Two-byte characters.
    #[error("the file is UTF-16, not UTF-8")]
    Utf16,
    /// EF BB BF.
    #[error("the file starts with a byte-order mark")]
    ByteOrderMark,
    /// No document.
    #[error("the file holds no YAML document")]
    EmptyFile,
    /// Not well-formed.
    #[error("this is not well-formed YAML: {what}")]
    Syntax {
        /// The reader's words.
        what: String,
    },
    /// A tab.
    #[error("a tab is used for indentation")]
    Tab,
    /// `---` in the middle.
    #[error("a second YAML document starts here")]
    MultipleDocuments,
    /// Twice.
    #[error("the key `{key}` is given twice in the same mapping")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// An alias bomb.
    #[error("aliases expand to too much here")]
    Aliases,
    /// Nested.
    #[error("lists and mappings are nested too deeply here")]
    TooDeep,
    /// Many.
    #[error("the file holds too many values")]
    TooManyValues,
    /// `!include` and the like.
    #[error("YAML tags have no meaning in a scenario")]
    UnsupportedTag,
    /// Unknown.
    #[error("there is no key `{key}` here")]
    UnknownKey {
        /// The key.
        key: String,
        /// Keys that count.
        known: Vec<&'static str>,
    },
    /// Left out.
    #[error("the key `{key}` is missing here")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// When it is needed, if not always.
        when: &'static str,
    },
    /// A list for a mapping and so on.
    #[error("{expected} is needed here")]
    WrongType {
        /// What is needed, with its article.
        expected: &'static str,
    },
    /// A value that its reader does not take.
    #[error("`{text}` stands here, and {expected} is needed")]
    WrongValue {
        /// What stands there.
        text: String,
        /// What is needed, in the reader's words.
        expected: String,
    },
    /// An unknown variant.
    #[error("there is no choice `{choice}` here")]
    UnknownVariant {
        /// What stands there.
        choice: String,
        /// What may.
        known: Vec<&'static str>,
    },
    /// More than one variant.
    #[error("only one of these choices can be made, and this is the second")]
    SecondVariant,
    /// Another language.
    #[error("this program reads version 1 of the scenario language, not version {version}")]
    UnsupportedVersion {
        /// What the file says.
        version: String,
    },
    /// `key:` and nothing.
    #[error("there is no value here")]
    EmptyValue,
    /// Zero.
    #[error("{what} must not be zero")]
    Zero {
        /// The key in words.
        what: &'static str,
    },
    /// Above or below the limit of this key.
    #[error("{what} must be {rule}")]
    OutOfRange {
        /// The key in words.
        what: &'static str,
        /// The rule in words.
        rule: String,
    },
    /// A name that is taken.
    #[error("the name `{name}` is used twice")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// No such region or node.
    #[error("there is no region or node `{name}`")]
    UnknownPlace {
        /// The name.
        name: String,
        /// Names that exist.
        known: Vec<String>,
    },
    /// No such region.
    #[error("there is no region `{name}`")]
    UnknownRegion {
        /// The name.
        name: String,
        /// Names that exist.
        known: Vec<String>,
    },
    /// No such node.
    #[error("there is no {kind} `{name}`")]
    UnknownNode {
        /// node, proxy, client.
        kind: &'static str,
        /// The name.
        name: String,
        /// Names that exist.
        known: Vec<String>,
    },
    /// No such model.
    #[error("no model `{name}` is served")]
    UnknownModel {
        /// The name.
        name: String,
        /// Names that exist.
        known: Vec<String>,
    },
    /// No such property.
    #[error("there is no built-in property `{name}`")]
    UnknownProperty {
        /// The name.
        name: String,
        /// Names that exist.
        known: Vec<&'static str>,
    },
    /// Two keys that exclude each other.
    #[error("`{key}` and `{other}` exclude each other")]
    Contradiction {
        /// The key at the place.
        key: &'static str,
        /// The other.
        other: &'static str,
        /// Which to keep.
        advice: &'static str,
    },
    /// A fault that does nothing.
    #[error("this entry does nothing")]
    NoAction {
        /// The actions.
        known: &'static [&'static str],
    },
    /// A link that cannot be.
    #[error("{why}")]
    ImpossibleLink {
        /// Why not.
        why: String,
    },
    /// Nodes.
    #[error("the world has more than {max} nodes")]
    TooManyNodes {
        /// The limit.
        max: usize,
    },
    /// Requests.
    #[error("the plan could have {requests} requests, and {max} is the limit")]
    TooManyRequests {
        /// What the workload could come to.
        requests: u64,
        /// The limit.
        max: u64,
    },
    /// Bytes of prompts.
    #[error("the plan could have {bytes} bytes of prompts, and {max} is the limit")]
    TooManyPromptBytes {
        /// What the workload could come to.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// Late.
    #[error("this would happen after the end of the run")]
    AfterTheEnd {
        /// The end.
        duration: String,
    },
    /// Never.
    #[error("the group stops before it starts")]
    StopBeforeStart,
    /// Fee and price.
    #[error("the worker's fee is higher than the price of a token")]
    FeeAbovePrice,
    /// No expectation.
    #[error("the scenario expects nothing, so it cannot fail")]
    NothingExpected,
    /// No request.
    #[error("this group of users never sends anything")]
    NothingSent,
    /// Both sides.
    #[error("`{name}` is on both sides of the partition")]
    Overlap {
        /// The place.
        name: String,
    },
    /// Entries.
    #[error("this list must have {rule}")]
    ListLength {
        /// How many.
        rule: &'static str,
    },
    /// A property without anything that it says something about.
    #[error("`{name}` would have nothing to check in this scenario, whatever the seed")]
    NothingToCheck {
        /// Its name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// A span.
    #[error("this ends before it begins")]
    EndsBeforeItBegins,
    /// Without a chain.
    #[error("{what} needs a chain")]
    NeedsChain {
        /// What does.
        what: &'static str,
    },
    /// Attacks and nothing said about them, or the other way round.
    #[error("{why}")]
    Attacks {
        /// What is wrong.
        why: &'static str,
    },
    /// A folder of contract codes that is not taken.
    #[error("{why}")]
    Contracts {
        /// What is wrong.
        why: String,
    },
    /// More than there is.
    #[error("the bound asks for {bound} requests, but the workload sends at most {most}")]
    BoundOutOfReach {
        /// The bound.
        bound: u64,
        /// What is sent.
        most: u64,
    },
}

impl Problem {
    /// Its diagnostic code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Scalar(error) => error.code(),
            Self::FileTooLarge { .. } => Code::FileTooLarge,
            Self::NotUtf8 { .. } | Self::Utf16 => Code::NotUtf8,
            Self::ByteOrderMark => Code::ByteOrderMark,
            Self::EmptyFile => Code::EmptyFile,
            Self::Syntax { .. } => Code::Syntax,
            Self::Tab => Code::Tab,
            Self::MultipleDocuments => Code::MultipleDocuments,
            Self::DuplicateKey { .. } => Code::DuplicateKey,
            Self::Aliases => Code::Aliases,
            Self::TooDeep => Code::TooDeep,
            Self::TooManyValues => Code::TooManyValues,
            Self::UnsupportedTag => Code::UnsupportedTag,
            Self::UnknownKey { .. } => Code::UnknownKey,
            Self::MissingKey { .. } | Self::NoAction { .. } => Code::MissingKey,
            Self::WrongType { .. } | Self::WrongValue { .. } => Code::WrongType,
            Self::UnknownVariant { .. } => Code::UnknownChoice,
            Self::UnsupportedVersion { .. } => Code::UnsupportedVersion,
            Self::EmptyValue => Code::EmptyValue,
            Self::Zero { .. } => Code::Zero,
            Self::OutOfRange { .. } => Code::OutOfRange,
            Self::DuplicateName { .. } => Code::DuplicateName,
            Self::UnknownPlace { .. } | Self::UnknownRegion { .. } => Code::UnknownPlace,
            Self::UnknownNode { .. } => Code::UnknownNode,
            Self::UnknownModel { .. } => Code::UnknownModel,
            Self::UnknownProperty { .. } => Code::UnknownProperty,
            Self::Contradiction { .. } | Self::SecondVariant => Code::Contradiction,
            Self::ImpossibleLink { .. } => Code::ImpossibleLink,
            Self::TooManyNodes { .. } => Code::TooManyNodes,
            Self::TooManyRequests { .. } | Self::TooManyPromptBytes { .. } => Code::TooManyRequests,
            Self::AfterTheEnd { .. } => Code::AfterTheEnd,
            Self::FeeAbovePrice => Code::FeeAbovePrice,
            Self::NothingExpected => Code::NothingExpected,
            Self::NothingSent | Self::StopBeforeStart => Code::NothingSent,
            Self::Overlap { .. } => Code::Overlap,
            Self::ListLength { .. } => Code::ListLength,
            Self::BoundOutOfReach { .. } => Code::BoundOutOfReach,
            Self::NothingToCheck { .. } => Code::NothingToCheck,
            Self::EndsBeforeItBegins => Code::EndsBeforeItBegins,
            Self::NeedsChain { .. } => Code::NeedsChain,
            Self::Attacks { .. } => Code::Attacks,
            Self::Contracts { .. } => Code::Contracts,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Scalar(error) => Some(error.help()),
            Self::UnknownKey { key, known } | Self::UnknownVariant { choice: key, known } => {
                Some(suggest(key, known.iter().copied()))
            }
            Self::UnknownProperty { name, known } => Some(suggest(name, known.iter().copied())),
            Self::UnknownPlace { name, known }
            | Self::UnknownRegion { name, known }
            | Self::UnknownNode { name, known, .. }
            | Self::UnknownModel { name, known } => Some(suggest(name, known.iter().map(String::as_str))),
            Self::NoAction { known } => Some(format!("choose one of {}", known.join(", "))),
            Self::MissingKey { when: "", .. } => None,
            Self::MissingKey { when, .. } => Some((*when).to_owned()),
            Self::Contradiction { advice, .. } => Some((*advice).to_owned()),
            Self::EmptyValue => Some("write a value, or leave the key out to use its default".to_owned()),
            Self::AfterTheEnd { duration } => Some(format!("the run ends after {duration}")),
            Self::Tab => Some("indent with two spaces".to_owned()),
            Self::ByteOrderMark | Self::NotUtf8 { .. } | Self::Utf16 => {
                Some("save the file as UTF-8 without a byte-order mark".to_owned())
            }
            Self::MultipleDocuments => Some("put it into a file of its own".to_owned()),
            Self::NothingToCheck { why, .. } => Some((*why).to_owned()),
            Self::NeedsChain { .. } => Some("add the section `settlement`; `settlement: {}` is a chain with all defaults".to_owned()),
            Self::Attacks { .. } => Some(
                "with `attacks` or `world.key_manager.askers`, and only then, write `reference: { attacks: seen }` and `hardened: { attacks: never }` under `expect`".to_owned(),
            ),
            Self::NothingExpected => Some("name a property or a bound under `expect`".to_owned()),
            _ => None,
        }
    }
}

/// "did you mean `x`?" or a list of what there is.
fn suggest<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    const SHOWN: usize = 12;
    if let Some(close) = closest(word, known.clone()) {
        return format!("did you mean `{close}`?");
    }
    let total = known.clone().count();
    let listed: Vec<&str> = known.take(SHOWN).collect();
    match total.checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("there are {} and {more} more", listed.join(", ")),
        _ if listed.is_empty() => "there is none".to_owned(),
        _ => format!("there are {}", listed.join(", ")),
    }
}
