//! The part of CBOR that interoperable RA-TLS needs, in its one deterministic encoding (RFC 8949 §4.2.1): shortest
//! heads, definite lengths, nothing left over. Everything else is refused.

/// Major types.
const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// Why bytes are not what was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CborReason {
    /// They end too early.
    #[error("CBOR ends at offset {at}, in the middle of an item")]
    Short {
        /// Where.
        at: usize,
    },
    /// Another item than was due.
    #[error("CBOR at offset {at} is not {expected}")]
    Item {
        /// Where.
        at: usize,
        /// What was due.
        expected: &'static str,
    },
    /// A head that has a shorter form, or an indefinite length.
    #[error("CBOR at offset {at} is not in its shortest form")]
    NotShortest {
        /// Where.
        at: usize,
    },
    /// Bytes after the item.
    #[error("bytes after the CBOR item, at offset {at}")]
    Trailing {
        /// Where.
        at: usize,
    },
}

/// A head in its shortest form.
fn push_head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    match value {
        0..=23 => out.push(major | value as u8),
        24..=0xff => out.extend_from_slice(&[major | 24, value as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&(value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&(value as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Writes items one after the other.
#[derive(Default)]
pub(super) struct CborWriter(Vec<u8>);

impl CborWriter {
    pub(super) fn unsigned(mut self, value: u64) -> Self {
        push_head(&mut self.0, UNSIGNED, value);
        self
    }

    pub(super) fn bytes(self, value: &[u8]) -> Self {
        self.content(BYTES, value)
    }

    pub(super) fn text(self, value: &str) -> Self {
        self.content(TEXT, value.as_bytes())
    }

    pub(super) fn array(mut self, items: u64) -> Self {
        push_head(&mut self.0, ARRAY, items);
        self
    }

    pub(super) fn map(mut self, entries: u64) -> Self {
        push_head(&mut self.0, MAP, entries);
        self
    }

    pub(super) fn tag(mut self, tag: u64) -> Self {
        push_head(&mut self.0, TAG, tag);
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn content(mut self, major: u8, value: &[u8]) -> Self {
        push_head(&mut self.0, major, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
}

/// Reads items one after the other.
pub(super) struct CborReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> CborReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, CborReason> {
        self.head(UNSIGNED, "an unsigned number")
    }

    pub(super) fn byte_string(&mut self) -> Result<&'a [u8], CborReason> {
        let length = self.head(BYTES, "a byte string")?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, CborReason> {
        let at = self.at;
        let length = self.head(TEXT, "a text")?;
        let text = self.take(length)?;
        str::from_utf8(text).map_err(|_| CborReason::Item {
            at,
            expected: "UTF-8 text",
        })
    }

    pub(super) fn array_of(&mut self, items: u64) -> Result<(), CborReason> {
        self.exactly(ARRAY, items, "an array of the right length")
    }

    pub(super) fn tagged(&mut self, tag: u64) -> Result<(), CborReason> {
        self.exactly(TAG, tag, "the right tag")
    }

    /// The number of entries.
    pub(super) fn map(&mut self) -> Result<u64, CborReason> {
        self.head(MAP, "a map")
    }

    pub(super) fn end(self) -> Result<(), CborReason> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(CborReason::Trailing { at: self.at })
        }
    }

    fn exactly(&mut self, major: u8, value: u64, expected: &'static str) -> Result<(), CborReason> {
        let at = self.at;
        if self.head(major, expected)? == value {
            Ok(())
        } else {
            Err(CborReason::Item { at, expected })
        }
    }

    fn head(&mut self, major: u8, expected: &'static str) -> Result<u64, CborReason> {
        let at = self.at;
        let first = self.take(1)?[0];
        if first >> 5 != major {
            return Err(CborReason::Item { at, expected });
        }
        let additional = first & 0x1f;
        let following = match additional {
            0..=23 => return Ok(additional.into()),
            24..=27 => 1 << (additional - 24),
            _ => return Err(CborReason::NotShortest { at }),
        };
        let value = self
            .take(following)?
            .iter()
            .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        // The least that needs so many bytes.
        let least = match following {
            1 => 24,
            more => 1u64 << (more * 4),
        };
        if value < least {
            return Err(CborReason::NotShortest { at });
        }
        Ok(value)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], CborReason> {
        let short = CborReason::Short { at: self.bytes.len() };
        let length = usize::try_from(length).map_err(|_| short)?;
        let taken = self.bytes[self.at..].get(..length).ok_or(short)?;
        self.at += length;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_come_back_and_longer_forms_do_not() {
        for value in [
            0,
            23,
            24,
            0xff,
            0x100,
            0xffff,
            0x1_0000,
            0xffff_ffff,
            0x1_0000_0000,
            u64::MAX,
        ] {
            let bytes = CborWriter::default().unsigned(value).finish();
            let mut reader = CborReader::new(&bytes);
            assert_eq!(reader.unsigned(), Ok(value));
            assert_eq!(reader.end(), Ok(()));
        }
        for longer in [
            &[0x18, 23][..],
            &[0x19, 0, 0xff],
            &[0x1a, 0, 0, 0xff, 0xff],
            &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
            &[0x1f],
            &[0x1c],
        ] {
            assert_eq!(
                CborReader::new(longer).unsigned(),
                Err(CborReason::NotShortest { at: 0 }),
                "{longer:02x?}"
            );
        }
        assert_eq!(CborReader::new(&[]).unsigned(), Err(CborReason::Short { at: 0 }));
        assert_eq!(CborReader::new(&[0x19, 1]).unsigned(), Err(CborReason::Short { at: 2 }));
    }

    #[test]
    fn a_length_beyond_the_end_is_short_and_no_memory() {
        let huge = [&[BYTES << 5 | 27][..], &[0xff; 8]].concat();
        assert_eq!(CborReader::new(&huge).byte_string(), Err(CborReason::Short { at: 9 }));
        let mut reader = CborReader::new(&[0x61, 0xff]);
        assert!(matches!(reader.text(), Err(CborReason::Item { at: 0, .. })));
    }
}
