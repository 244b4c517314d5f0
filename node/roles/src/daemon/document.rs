//! Reading a configuration file: TOML or JSON, by its extension, with the place of a mistake and a guess at what was
//! meant.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use std::{
    fmt::{self, Display},
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Largest configuration file.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Names less alike than this are no guess (Jaro-Winkler, 0 to 1).
const LIKENESS: f64 = 0.8;

/// A file with a mistake in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub path: PathBuf,
    /// Line and column from 1, if the mistake has a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
    /// What may help.
    pub help: Option<String>,
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistake {}

/// Why a file gave no configuration.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says something else than it may.
    #[error("{0}")]
    Mistake(#[from] Mistake),
}

/// Reads and checks a file.
///
/// # Errors
/// It cannot be read, is neither TOML nor JSON, or does not say what a `T` says.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, DocumentError> {
    let unreadable = |source| DocumentError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES {
        return Err(unreadable(io::Error::other(format!(
            "{length} bytes are too long for a configuration"
        ))));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Ok(parse(path, &text)?)
}

/// As [`read`], of a text that was read from `path`.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Mistake> {
    let (place, message) = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => match toml::from_str(text) {
            Ok(value) => return Ok(value),
            Err(error) => {
                let place = error.span().map(|span| place_of(text, span.start));
                (place, error.message().to_owned())
            }
        },
        Some("json") => match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            Err(error) => {
                let whole = error.to_string();
                let message = whole
                    .rsplit_once(" at line ")
                    .map_or(whole.as_str(), |(message, _)| message);
                (Some((error.line(), error.column())), message.to_owned())
            }
        },
        _ => (None, "a configuration is a file in .toml or .json".to_owned()),
    };
    let help = help_for(&message);
    Err(Mistake {
        path: path.to_owned(),
        place,
        message,
        help,
    })
}

/// Line and column, from 1, of a byte offset.
fn place_of(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Keys of the reference system's configuration that have another name here, or no meaning.
const REFERENCE_KEYS: [(&str, &str); 9] = [
    (
        "http_access_hash",
        "the management endpoint has a token: `token_file` in `[management]`",
    ),
    (
        "root_contract_address",
        "it is `root_address` in `[chain]`, or stands in the file that `root_config` names",
    ),
    (
        "ton_config_filename",
        "`toncenter` in `[chain]` names a service, or `root_config` a file with the root configuration",
    ),
    (
        "machine_specific_private_key",
        "keys stand in files of their own: `signing_key_file`",
    ),
    (
        "node_wallet_key",
        "keys stand in files of their own: `wallet_key_file` in `[chain]`",
    ),
    ("check_proxy_hashes", "image hashes are always checked"),
    ("check_worker_hashes", "image hashes are always checked"),
    ("image_hash", "the image hash follows from the evidence in `[identity]`"),
    ("connect_to_proxy_via", "proxies are dialled directly"),
];

/// A guess at what was meant by an unknown key or word. Works on serde's two messages of the form
/// ``unknown field `a`, expected one of `b`, `c` ``, which a test of this module pins.
fn help_for(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    if let Some((_, help)) = REFERENCE_KEYS.iter().find(|(key, _)| *key == unknown) {
        return Some((*help).to_owned());
    }
    let likeness = |known: &str| strsim::jaro_winkler(unknown, known);
    let best = quoted.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKENESS).then(|| format!("did you mean `{best}`?"))
}

/// For fields whose text has a parser of its own, so that its complaint has the place of the field.
pub(super) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(default)]
        max_active_requests: u32,
        #[serde(default)]
        word: Word,
        #[serde(deserialize_with = "from_text")]
        listen: SocketAddr,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        #[default]
        Vendor,
        Other,
    }

    fn mistake(name: &str, text: &str) -> Mistake {
        parse::<Sample>(Path::new(name), text).unwrap_err()
    }

    #[test]
    fn both_formats_say_the_same() {
        let toml: Sample = parse(
            Path::new("a.toml"),
            "max_active_requests = 3\nword = \"other\"\nlisten = \"127.0.0.1:1\"",
        )
        .unwrap();
        let json: Sample = parse(
            Path::new("a.json"),
            r#"{"max_active_requests": 3, "word": "other", "listen": "127.0.0.1:1"}"#,
        )
        .unwrap();
        assert_eq!(
            (toml.max_active_requests, toml.listen),
            (json.max_active_requests, json.listen)
        );
        assert_eq!((toml.word, json.word), (Word::Other, Word::Other));
    }

    #[test]
    fn a_mistake_has_its_place_and_a_guess() {
        let found = mistake("a.toml", "listen = \"127.0.0.1:1\"\nmax_active_request = 3\n");
        assert_eq!(found.place, Some((2, 1)));
        assert_eq!(found.help.as_deref(), Some("did you mean `max_active_requests`?"));
        assert!(
            found
                .to_string()
                .starts_with("a.toml:2:1: unknown field `max_active_request`"),
            "{found}"
        );

        let found = mistake("a.json", "{\"listen\": \"127.0.0.1:1\",\n \"max_active_request\": 3}");
        assert_eq!(found.place.map(|place| place.0), Some(2));
        assert_eq!(found.help.as_deref(), Some("did you mean `max_active_requests`?"));
        assert!(!found.message.contains("at line"), "{found}");

        let found = mistake("a.toml", "listen = \"127.0.0.1:1\"\nword = \"vender\"");
        assert_eq!(found.help.as_deref(), Some("did you mean `vendor`?"));
        let found = mistake("a.toml", "é = 1 # a column counts characters\nlisten = \"nowhere\"");
        assert_eq!(found.place, Some((1, 1)));
        let found = mistake("a.toml", "\n  listen = \"nowhere\"");
        assert_eq!(found.place, Some((2, 12)), "{found}");
    }

    #[test]
    fn what_is_like_nothing_gets_no_guess() {
        assert_eq!(mistake("a.toml", "zzz = 1").help, None);
        assert_eq!(mistake("a.toml", "listen = 3").help, None);
        assert!(mistake("a.yaml", "").place.is_none());
        let found = mistake("a.toml", "node_wallet_key = \"\"");
        assert!(found.help.is_some_and(|help| help.contains("wallet")));
    }
}
