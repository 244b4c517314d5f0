//! How each Rust type of a field is written, read and declared.

use super::{
    DecodeError, Reader, TlObject, Writer,
    scalars::{RequestId, Seconds, Secret},
    writer::string_encoded_len,
};

/// A type that may stand as a field of a constructor.
pub(crate) trait Field: Sized {
    /// Length of the shortest encoding, bytes.
    const MIN_LEN: usize;

    /// The type in a TL declaration.
    fn tl_type() -> String;

    /// Appends the declaration of a field of this type; `condition` is empty or `flags.N?`.
    fn declare(name: &str, condition: &str, declaration: &mut String) {
        declaration.push_str(&format!(" {name}:{condition}{}", Self::tl_type()));
    }

    fn encoded_len(&self) -> usize;
    fn write(&self, writer: &mut Writer);
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// The types that always take the same number of bytes.
macro_rules! fixed_fields {
    ($($type:ty, $tl_type:literal, $len:literal, |$writer:ident, $value:ident| $write:expr, |$reader:ident| $read:expr;)*) => {$(
        impl Field for $type {
            const MIN_LEN: usize = $len;

            fn tl_type() -> String {
                $tl_type.into()
            }

            fn encoded_len(&self) -> usize {
                $len
            }

            fn write(&self, $writer: &mut Writer) {
                let $value = self;
                $write;
            }

            fn read($reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $read
            }
        }
    )*};
}

fixed_fields! {
    i32, "int", 4, |writer, value| writer.int(*value), |reader| reader.int();
    i64, "long", 8, |writer, value| writer.long(*value), |reader| reader.long();
    [u8; 32], "int256", 32, |writer, value| writer.raw(value), |reader| reader.array();
    RequestId, "int256", 32, |writer, value| writer.raw(&value.0), |reader| reader.array().map(Self);
    Seconds, "double", 8, |writer, value| writer.raw(&value.to_f64().to_le_bytes()),
        |reader| reader.array().map(|bytes| Self::from_f64(f64::from_le_bytes(bytes)));
    bool, "Bool", 4, |writer, value| writer.id(if *value { BOOL_TRUE_ID } else { BOOL_FALSE_ID }),
        |reader| match reader.id()? {
            BOOL_TRUE_ID => Ok(true),
            BOOL_FALSE_ID => Ok(false),
            id => Err(DecodeError::UnknownConstructor { id, expected: "Bool" }),
        };
}

/// Id of `boolTrue`.
pub(crate) const BOOL_TRUE_ID: u32 = 0x9972_75b5;
/// Id of `boolFalse`.
pub(crate) const BOOL_FALSE_ID: u32 = 0xbc79_9737;

impl Field for String {
    const MIN_LEN: usize = 4;

    fn tl_type() -> String {
        "string".into()
    }

    fn encoded_len(&self) -> usize {
        string_encoded_len(self.len())
    }

    fn write(&self, writer: &mut Writer) {
        writer.string(self.as_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(reader.string()?).map_err(|_| DecodeError::NotUtf8)?;
        Ok(text.to_owned())
    }
}

impl Field for Vec<u8> {
    const MIN_LEN: usize = 4;

    fn tl_type() -> String {
        "bytes".into()
    }

    fn encoded_len(&self) -> usize {
        string_encoded_len(self.len())
    }

    fn write(&self, writer: &mut Writer) {
        writer.string(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.string().map(<[u8]>::to_vec)
    }
}

/// A bare vector of bare objects.
impl<T: TlObject> Field for Vec<T> {
    const MIN_LEN: usize = 4;

    fn tl_type() -> String {
        format!("vector {}", T::NAME)
    }

    fn encoded_len(&self) -> usize {
        4 + self.iter().map(T::bare_len).sum::<usize>()
    }

    fn write(&self, writer: &mut Writer) {
        // A count beyond i32 would need more elements than fit any frame; it is written as a count that no reader takes.
        writer.int(i32::try_from(self.len()).unwrap_or(-1));
        for element in self {
            element.write_bare(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.count(T::MIN_BARE_LEN)?;
        // Room is made as elements arrive: an element in memory is larger than its shortest encoding.
        let mut elements = Self::with_capacity(count.min(64));
        for _ in 0..count {
            elements.push(T::read_bare(reader)?);
        }
        Ok(elements)
    }
}

/// A bare object.
impl<T: TlObject> Field for T {
    const MIN_LEN: usize = T::MIN_BARE_LEN;

    fn tl_type() -> String {
        T::NAME.into()
    }

    fn encoded_len(&self) -> usize {
        self.bare_len()
    }

    fn write(&self, writer: &mut Writer) {
        self.write_bare(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read_bare(reader)
    }
}

impl<T: Field> Field for Secret<T> {
    const MIN_LEN: usize = T::MIN_LEN;

    fn tl_type() -> String {
        T::tl_type()
    }

    fn encoded_len(&self) -> usize {
        self.expose().encoded_len()
    }

    fn write(&self, writer: &mut Writer) {
        self.expose().write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(reader).map(Self::new)
    }
}
