//! Names, free text, and choices among a few words.

use chrysalis_world::plan::{Endpoint, TinySize};

use super::{Scalar, ScalarError, shown};

const NAME_CHARACTERS_MAX: usize = 64;
const LINE_CHARACTERS_MAX: usize = 500;
const PROMPT_BYTES_MAX: usize = 64 * 1024;

/// A name that can stand in a path, a log line and a command line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub String);

/// The name of a model: `name`, or `name@commit:hash`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModelName(pub String);

impl ModelName {
    /// What users ask for: the part before the `@`.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

/// A sentence or two for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(pub String);

/// What a user says to a model: any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt(pub String);

fn name(what: &'static str, text: &str, more: &[char]) -> Result<String, ScalarError> {
    let wrong = |why: String| {
        Err(ScalarError::BadName {
            what,
            text: shown(text),
            why,
        })
    };
    if text.is_empty() {
        return wrong("it is empty".to_owned());
    }
    if text.chars().count() > NAME_CHARACTERS_MAX {
        return wrong(format!("it has more than {NAME_CHARACTERS_MAX} characters"));
    }
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character) || more.contains(&character);
    if let Some(stranger) = text.chars().find(|character| !allowed(*character)) {
        // Many characters look like nothing, or like another one: whatever is not plain is named by its number.
        let plain = stranger.is_ascii_graphic() || stranger.is_alphanumeric() || stranger == ' ';
        let which = if plain {
            stranger.to_string()
        } else {
            format!("U+{:04X}", u32::from(stranger))
        };
        return wrong(format!("`{which}` cannot be in it"));
    }
    if !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return wrong("it must start with a letter or digit".to_owned());
    }
    Ok(text.to_owned())
}

impl Scalar for Name {
    const WHAT: &'static str = "a name";
    const EXAMPLES: &'static [&'static str] = &["worker-1", "eu-west"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        name(Self::WHAT, text, &[]).map(Self)
    }
}

impl Scalar for ModelName {
    const WHAT: &'static str = "the name of a model";
    const EXAMPLES: &'static [&'static str] = &["tiny-nano", "Qwen/Qwen3-32B@9216db57:4f8c1d"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        name(Self::WHAT, text, &['/', '@', ':']).map(Self)
    }
}

impl Scalar for Line {
    const WHAT: &'static str = "a text";
    const EXAMPLES: &'static [&'static str] = &["One user asks one worker twice."];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let wrong = |why: String| {
            Err(ScalarError::BadName {
                what: Self::WHAT,
                text: shown(text),
                why,
            })
        };
        // A folded block scalar ends with a line feed.
        let folded = text.trim_end_matches('\n');
        if folded.trim().is_empty() {
            return wrong("it is empty".to_owned());
        }
        if folded.chars().count() > LINE_CHARACTERS_MAX {
            return wrong(format!("it has more than {LINE_CHARACTERS_MAX} characters"));
        }
        if let Some(control) = folded
            .chars()
            .find(|character| character.is_control() && *character != '\n')
        {
            return wrong(format!("`U+{:04X}` cannot be in it", u32::from(control)));
        }
        Ok(Self(folded.replace('\n', " ")))
    }
}

impl Scalar for Prompt {
    const WHAT: &'static str = "a prompt";
    const EXAMPLES: &'static [&'static str] = &["Why is the sky blue?"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        if text.is_empty() {
            return Err(ScalarError::BadName {
                what: Self::WHAT,
                text: String::new(),
                why: "it is empty".to_owned(),
            });
        }
        if text.len() > PROMPT_BYTES_MAX {
            let rule = format!("a prompt has at most {PROMPT_BYTES_MAX} bytes");
            return Err(ScalarError::OutOfRange {
                text: shown(text),
                rule,
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// One of a few words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<T>(pub T);

/// A type whose values have words.
pub trait Words: Sized + Copy + 'static {
    /// What it is, with its article.
    const WHAT: &'static str;
    /// Every word and its value.
    const WORDS: &'static [(&'static str, Self)];
    /// The first words, as examples.
    const EXAMPLES: &'static [&'static str];

    /// The word of a value.
    fn word(self) -> &'static str
    where
        Self: PartialEq,
    {
        Self::WORDS
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("", |(word, _)| *word)
    }
}

impl<T: Words> Scalar for Choice<T> {
    const WHAT: &'static str = T::WHAT;
    const EXAMPLES: &'static [&'static str] = T::EXAMPLES;

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let found = T::WORDS
            .iter()
            .find(|(word, _)| *word == text.trim())
            .map(|(_, value)| Self(*value));
        found.ok_or_else(|| ScalarError::UnknownChoice {
            what: T::WHAT,
            text: shown(text),
            choices: T::WORDS.iter().map(|(word, _)| *word).collect(),
        })
    }

    fn words() -> Option<Vec<&'static str>> {
        Some(T::WORDS.iter().map(|(word, _)| *word).collect())
    }
}

impl Words for Endpoint {
    const WHAT: &'static str = "an endpoint";
    const WORDS: &'static [(&'static str, Self)] = &[("chat", Self::Chat), ("completions", Self::Completions)];
    const EXAMPLES: &'static [&'static str] = &["chat", "completions"];
}

impl Words for TinySize {
    const WHAT: &'static str = "a size of the embedded model";
    const WORDS: &'static [(&'static str, Self)] = &[("nano", Self::Nano), ("tiny", Self::Tiny)];
    const EXAMPLES: &'static [&'static str] = &["nano", "tiny"];
}

#[cfg(test)]
mod tests {
    use super::{Choice, Line, ModelName, Name, Prompt, Scalar};
    use chrysalis_world::plan::Endpoint;

    #[test]
    fn names_are_safe_in_paths_and_logs() {
        assert!(Name::parse("worker-1").is_ok() && Name::parse("a.b_C").is_ok());
        for text in [
            "",
            "-a",
            ".hidden",
            "..",
            "a/b",
            "a b",
            "a\u{7}",
            "ä",
            "a\u{202e}b",
            &"x".repeat(65),
        ] {
            assert!(Name::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(ModelName::parse("a/b@c:d").unwrap().base(), "a/b");
        assert!(ModelName::parse("a b").is_err());
    }

    #[test]
    fn free_text_is_one_line_and_prompts_are_anything() {
        assert_eq!(Line::parse("two\nlines\n"), Ok(Line("two lines".to_owned())));
        assert!(
            Line::parse(" \n").is_err() && Line::parse("a\u{1b}b").is_err() && Line::parse(&"x".repeat(501)).is_err()
        );
        assert!(Prompt::parse("a\n\u{1b}").is_ok());
        assert!(Prompt::parse("").is_err() && Prompt::parse(&"x".repeat(65_537)).is_err());
    }

    #[test]
    fn a_choice_is_one_of_its_words() {
        assert_eq!(Choice::<Endpoint>::parse("chat"), Ok(Choice(Endpoint::Chat)));
        let error = Choice::<Endpoint>::parse("chats").unwrap_err();
        assert!(error.help().contains("did you mean `chat`"), "{}", error.help());
    }
}
