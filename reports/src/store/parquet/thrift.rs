//! Thrift's compact protocol, as much of it as Parquet's footers and page headers use.

use super::ParquetError;

/// Structs within structs that are followed; Parquet's own need fewer.
const MAX_DEPTH: u32 = 16;

/// Type of a field or element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    True,
    False,
    Byte,
    I16,
    I32,
    I64,
    Double,
    Binary,
    List,
    Set,
    Map,
    Struct,
}

impl Kind {
    fn of(code: u8) -> Result<Self, ParquetError> {
        Ok(match code {
            1 => Self::True,
            2 => Self::False,
            3 => Self::Byte,
            4 => Self::I16,
            5 => Self::I32,
            6 => Self::I64,
            7 => Self::Double,
            8 => Self::Binary,
            9 => Self::List,
            10 => Self::Set,
            11 => Self::Map,
            12 => Self::Struct,
            _ => return Err(ParquetError::new("damaged: a field of unknown type")),
        })
    }
}

/// Bytes that are still to be read.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn byte(&mut self) -> Result<u8, ParquetError> {
        let (first, rest) = self.bytes.split_first().ok_or_else(ParquetError::cut_short)?;
        self.bytes = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], ParquetError> {
        let length = usize::try_from(length).map_err(|_| ParquetError::cut_short())?;
        let (taken, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or_else(ParquetError::cut_short)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// An unsigned integer in groups of seven bits.
    pub(super) fn varint(&mut self) -> Result<u64, ParquetError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ParquetError::new("damaged: an integer is too long"))
    }

    /// A signed integer with the sign in its lowest bit.
    pub(super) fn integer(&mut self) -> Result<i64, ParquetError> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// An integer that must not be negative.
    pub(super) fn unsigned(&mut self) -> Result<u64, ParquetError> {
        u64::try_from(self.integer()?).map_err(|_| ParquetError::new("damaged: a size is negative"))
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], ParquetError> {
        let length = self.varint()?;
        self.take(length)
    }

    /// The head of a list: type and number of its elements, of which each takes at least one byte.
    pub(super) fn list(&mut self) -> Result<(Kind, u64), ParquetError> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        if count > self.bytes.len() as u64 {
            return Err(ParquetError::cut_short());
        }
        Ok((Kind::of(head & 0x0f)?, count))
    }

    /// Hands each field of a struct to `field`, which reads it and says so, or leaves it to be skipped.
    pub(super) fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, Kind) -> Result<bool, ParquetError>,
    ) -> Result<(), ParquetError> {
        let mut id: i16 = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.integer()?).map_err(|_| ParquetError::new("damaged: a field has no number"))?,
                delta => id.saturating_add(i16::from(delta)),
            };
            let kind = Kind::of(head & 0x0f)?;
            if !field(self, id, kind)? {
                self.skip(kind, 0)?;
            }
        }
    }

    fn skip(&mut self, kind: Kind, depth: u32) -> Result<(), ParquetError> {
        if depth > MAX_DEPTH {
            return Err(ParquetError::new("damaged: nested too deeply"));
        }
        match kind {
            Kind::True | Kind::False => {}
            Kind::Byte => drop(self.byte()?),
            Kind::I16 | Kind::I32 | Kind::I64 => drop(self.varint()?),
            Kind::Double => drop(self.take(8)?),
            Kind::Binary => drop(self.binary()?),
            Kind::List | Kind::Set => {
                let (kind, count) = self.list()?;
                for _ in 0..count {
                    self.skip_element(kind, depth)?;
                }
            }
            Kind::Map => {
                let count = self.varint()?;
                if count > 0 {
                    let kinds = self.byte()?;
                    let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds & 0x0f)?);
                    for _ in 0..count {
                        self.skip_element(key, depth)?;
                        self.skip_element(value, depth)?;
                    }
                }
            }
            Kind::Struct => loop {
                let head = self.byte()?;
                if head == 0 {
                    break;
                }
                if head >> 4 == 0 {
                    self.integer()?;
                }
                self.skip(Kind::of(head & 0x0f)?, depth + 1)?;
            },
        }
        Ok(())
    }

    /// Elements of lists and maps are skipped like fields, but a truth value takes a byte of its own.
    fn skip_element(&mut self, kind: Kind, depth: u32) -> Result<(), ParquetError> {
        match kind {
            Kind::True | Kind::False => self.byte().map(drop),
            _ => self.skip(kind, depth + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_follow_the_protocol() {
        assert_eq!(Reader::new(&[0xac, 0x02]).varint(), Ok(300));
        assert_eq!(Reader::new(&[0x01]).integer(), Ok(-1));
        assert_eq!(Reader::new(&[0x02]).integer(), Ok(1));
        let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&largest).varint(), Ok(u64::MAX));
        assert_eq!(Reader::new(&largest).integer(), Ok(i64::MIN));
        let mut beyond = largest;
        beyond[9] = 2;
        assert!(Reader::new(&beyond).varint().is_err());
        assert!(Reader::new(&[0x80; 20]).varint().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
    }

    #[test]
    fn unknown_fields_are_skipped() {
        // 1: i32 = 1, 2: list<i32> [1, 2], 3: struct { 1: bool }, 4: map<i32, binary> {1: "a"}, 7: i32 = -2
        let bytes = [
            0x15, 2, 0x19, 0x25, 2, 4, 0x1c, 0x11, 0, 0x1b, 1, 0x58, 2, 1, b'a', 0x35, 3, 0,
        ];
        let mut found = Vec::new();
        let mut reader = Reader::new(&bytes);
        reader
            .fields(|reader, id, kind| {
                let known = kind == Kind::I32;
                if known {
                    found.push((id, reader.integer()?));
                }
                Ok(known)
            })
            .unwrap();
        assert_eq!(found, [(1, 1), (7, -2)]);
        assert_eq!(reader.rest(), b"");
    }

    #[test]
    fn what_would_never_end_is_refused() {
        let deep: Vec<u8> = std::iter::repeat_n(0x1c, 100_000).collect();
        assert!(Reader::new(&deep).fields(|_, _, _| Ok(false)).is_err());
        // A list of four billion elements in five bytes, and a map as large.
        for head in [[0x19, 0xf5].as_slice(), &[0x1b]] {
            let bytes = [head, &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
            assert!(Reader::new(&bytes).fields(|_, _, _| Ok(false)).is_err());
        }
    }
}
