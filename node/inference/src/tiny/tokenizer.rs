//! Bytes as tokens.

/// A token of the byte vocabulary: a byte, the start of a text, or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(u16);

impl Token {
    /// Tokens in the vocabulary.
    pub const VOCABULARY: usize = 258;
    /// The start of each text.
    pub const BEGIN: Token = Token(256);
    /// The end of a text.
    pub const END: Token = Token(257);

    /// The token with number `id`, if there is one.
    pub fn new(id: u64) -> Option<Self> {
        u16::try_from(id)
            .ok()
            .filter(|id| usize::from(*id) < Self::VOCABULARY)
            .map(Self)
    }

    /// The token of a byte.
    pub const fn byte(byte: u8) -> Self {
        Self(byte as u16)
    }

    /// Its number.
    pub const fn id(self) -> usize {
        self.0 as usize
    }

    /// Its byte, if it is one.
    pub fn as_byte(self) -> Option<u8> {
        u8::try_from(self.0).ok()
    }
}

/// A text as tokens, from [`Token::BEGIN`] on.
pub fn tokenize(text: &str) -> Vec<Token> {
    std::iter::once(Token::BEGIN)
        .chain(text.bytes().map(Token::byte))
        .collect()
}

/// The tokens that an answer may hold: printable ASCII and the end. Weights are random, so that without this bound
/// answers would be broken UTF-8 and control characters.
pub(super) fn answer_tokens() -> impl Iterator<Item = Token> {
    (b' '..=b'~').map(Token::byte).chain([Token::END])
}

/// How many tokens an answer may be made of.
pub(super) const ANSWER_VOCABULARY: usize = (b'~' - b' ') as usize + 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_of_a_text_is_a_token() {
        let tokens = tokenize("aé");
        assert_eq!(
            tokens,
            [Token::BEGIN, Token::byte(b'a'), Token::byte(0xc3), Token::byte(0xa9)]
        );
        assert_eq!(tokens[1].as_byte(), Some(b'a'));
        assert_eq!(Token::BEGIN.as_byte(), None);
    }

    #[test]
    fn numbers_beyond_the_vocabulary_are_no_tokens() {
        assert_eq!(Token::new(257), Some(Token::END));
        assert_eq!(Token::new(258), None);
        assert_eq!(Token::new(u64::MAX), None);
        // Cut to 16 bits this would be a token.
        assert_eq!(Token::new(65_536), None);
    }

    #[test]
    fn answers_are_printable() {
        assert_eq!(answer_tokens().count(), ANSWER_VOCABULARY);
        let bytes: Vec<u8> = answer_tokens().filter_map(Token::as_byte).collect();
        assert!(bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' '));
        assert_eq!(bytes.len(), 95);
    }
}
