//! The bounded input of a decoder.

use super::{
    error::DecodeError,
    writer::{LONG_STRING_MARK, MEDIUM_STRING_MARK, MEDIUM_STRING_MAX_LEN, SHORT_STRING_MAX_LEN},
};

/// Upper bounds that a reader puts on what its input announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest string or byte string.
    pub string_bytes: usize,
    /// Most elements of one vector; the remaining input bounds it as well.
    pub vector_elements: usize,
}

impl Default for Limits {
    /// Nothing can be longer than the longest frame (spec §1.5).
    fn default() -> Self {
        Self {
            string_bytes: crate::frame::MAX_PAYLOAD_BYTES,
            vector_elements: 1 << 16,
        }
    }
}

/// Takes TL primitives off the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    limits: Limits,
}

impl<'a> Reader<'a> {
    /// A reader with the default [`Limits`].
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::with_limits(bytes, Limits::default())
    }

    /// A reader with its own limits.
    pub const fn with_limits(bytes: &'a [u8], limits: Limits) -> Self {
        Self { rest: bytes, limits }
    }

    /// Bytes not read yet.
    pub const fn left_bytes(&self) -> usize {
        self.rest.len()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Bytes are left.
    pub const fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count_bytes => Err(DecodeError::TrailingBytes { count_bytes }),
        }
    }

    /// A constructor id or flags.
    ///
    /// # Errors
    /// The input ends.
    pub fn id(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// `int`.
    ///
    /// # Errors
    /// The input ends.
    pub fn int(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_le_bytes)
    }

    /// `long`.
    ///
    /// # Errors
    /// The input ends.
    pub fn long(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_le_bytes)
    }

    /// A fixed array: `int128`, `int256`.
    ///
    /// # Errors
    /// The input ends.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.unexpected_end(N));
        };
        self.rest = rest;
        Ok(*head)
    }

    /// `string` or `bytes`, borrowed from the input.
    ///
    /// # Errors
    /// The input ends, the length is over the limit or not in its shortest form, or the padding is not zero.
    pub fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        let [mark] = self.array()?;
        let (head_len, length, shortest) = match mark {
            MEDIUM_STRING_MARK => {
                let [a, b, c] = self.array()?;
                (4, u64::from(u32::from_le_bytes([a, b, c, 0])), SHORT_STRING_MAX_LEN + 1)
            }
            LONG_STRING_MARK => {
                let [a, b, c, d, e, f, g] = self.array()?;
                (
                    8,
                    u64::from_le_bytes([a, b, c, d, e, f, g, 0]),
                    MEDIUM_STRING_MAX_LEN + 1,
                )
            }
            length => (1, u64::from(length), 0),
        };
        if length < shortest as u64 {
            return Err(DecodeError::NonCanonicalLength { length_bytes: length });
        }
        let len = usize::try_from(length)
            .ok()
            .filter(|len| *len <= self.limits.string_bytes)
            .ok_or(DecodeError::StringTooLong {
                length_bytes: length,
                limit_bytes: self.limits.string_bytes,
            })?;
        let data = self.take(len)?;
        let padding = self.take((head_len + len).next_multiple_of(4) - (head_len + len))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(DecodeError::NonZeroPadding);
        }
        Ok(data)
    }

    /// The count in front of a vector whose elements take at least `element_min_bytes` each.
    ///
    /// # Errors
    /// The input ends, or so many elements cannot follow.
    pub fn count(&mut self, element_min_bytes: usize) -> Result<usize, DecodeError> {
        let count = self.int()?;
        let limit = self
            .limits
            .vector_elements
            .min(self.rest.len() / element_min_bytes.max(1));
        usize::try_from(count)
            .ok()
            .filter(|elements| *elements <= limit)
            .ok_or(DecodeError::VectorTooLong { count, limit })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.unexpected_end(len));
        };
        self.rest = rest;
        Ok(head)
    }

    const fn unexpected_end(&self, wanted_bytes: usize) -> DecodeError {
        DecodeError::UnexpectedEnd {
            wanted_bytes,
            left_bytes: self.rest.len(),
        }
    }
}
