//! Texts of random words.

use chrysalis_world::plan::SpanNs;

use super::sampling::span_ns;
use super::streams::Stream;
use crate::scenario::limits::WORDS_MAX;
use crate::scenario::model::Prompts;

/// Words that prompts are made of. Their order is part of what a seed means: append, never insert.
const WORDS: [&str; 64] = [
    "the",
    "a",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "with",
    "on",
    "as",
    "by",
    "from",
    "at",
    "about",
    "how",
    "why",
    "what",
    "when",
    "where",
    "which",
    "can",
    "does",
    "write",
    "explain",
    "compare",
    "list",
    "summarise",
    "code",
    "story",
    "letter",
    "river",
    "mountain",
    "city",
    "market",
    "price",
    "price-list",
    "network",
    "protocol",
    "message",
    "number",
    "proof",
    "garden",
    "winter",
    "summer",
    "music",
    "history",
    "physics",
    "engine",
    "ship",
    "forest",
    "stone",
    "paper",
    "table",
    "window",
    "road",
    "bridge",
    "light",
    "shadow",
    "question",
    "answer",
    "reason",
    "plan",
];

/// The prompt of the request with this number.
pub(super) fn prompt(prompts: &Prompts, number: u64, stream: &mut Stream) -> String {
    match prompts {
        Prompts::Texts(texts) => {
            let index = number
                .checked_rem(u64::try_from(texts.len()).unwrap_or(u64::MAX))
                .unwrap_or(0);
            usize::try_from(index)
                .ok()
                .and_then(|index| texts.get(index))
                .cloned()
                .unwrap_or_default()
        }
        Prompts::Generated { words } => generated(*words, stream),
    }
}

fn generated(words: SpanNs, stream: &mut Stream) -> String {
    let count = span_ns(words, stream).clamp(1, WORDS_MAX);
    let mut text = String::new();
    for _ in 0..count {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(WORDS.get(stream.index(WORDS.len())).copied().unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Prompts, SpanNs, WORDS, WORDS_MAX, prompt};
    use crate::plan::streams::Streams;
    use crate::scenario::limits::WORD_BYTES_MAX;

    #[test]
    fn words_fit_the_size_that_limits_count_with() {
        let longest = WORDS.iter().map(|word| word.len()).max().unwrap();
        assert!(u64::try_from(longest).unwrap() < WORD_BYTES_MAX, "{longest}");
        assert!(WORDS.iter().all(|word| word.is_ascii() && !word.contains(' ')));
    }

    #[test]
    fn texts_take_turns_and_generated_prompts_have_the_length_asked_for() {
        let mut stream = Streams::new(1).stream("prompts");
        let texts = Prompts::Texts(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(
            [0, 1, 2].map(|number| prompt(&texts, number, &mut stream)),
            ["a", "b", "a"]
        );
        let words = |span| Prompts::Generated { words: span };
        let count = |text: &str| u64::try_from(text.split(' ').count()).unwrap();
        assert_eq!(count(&prompt(&words(SpanNs::Constant(5)), 0, &mut stream)), 5);
        assert_eq!(count(&prompt(&words(SpanNs::Constant(0)), 0, &mut stream)), 1);
        assert_eq!(
            count(&prompt(&words(SpanNs::Constant(u64::MAX)), 0, &mut stream)),
            WORDS_MAX
        );
    }
}
