//! TL serialisation (spec §2.5): the binary form of every object on the wire.
//!
//! | module | holds |
//! |---|---|
//! | [`writer`] | the growing output |
//! | [`reader`] | the bounded input: it never panics, never trusts a length, and takes only canonical forms |
//! | [`error`] | why input was refused |
//! | [`scalars`] | types of single fields that deserve a name: request ids, seconds, secrets |
//! | [`constructor`] | the table entry of a constructor: id, name, declaration |
//! | `field` | how each Rust type of a field is written, read and declared |
//! | `define` | the macros of the constructor table |
//!
//! The scheme has no recursive type, so the depth of a decoded object is bounded by the scheme itself; lengths and
//! counts are bounded by [`Limits`] and by the bytes that are actually there.

pub mod constructor;
pub(crate) mod define;
pub mod error;
pub(crate) mod field;
pub mod reader;
pub mod scalars;
#[cfg(test)]
mod tests;
pub mod writer;

pub use constructor::Constructor;
pub use error::DecodeError;
pub use reader::{Limits, Reader};
pub use scalars::{RequestId, Seconds, Secret};
pub use writer::Writer;

/// One constructor of the scheme: a product type with an id.
pub trait TlObject: Sized {
    /// Constructor id; on the wire four bytes, little endian.
    const ID: u32;
    /// Name in the scheme, such as `tcp.ping`.
    const NAME: &'static str;
    /// Length of the shortest bare encoding, bytes. Bounds the count of a vector before anything is allocated.
    const MIN_BARE_LEN: usize;

    /// Exact length of the bare encoding, bytes.
    fn bare_len(&self) -> usize;

    /// Appends the fields without the constructor id.
    fn write_bare(&self, writer: &mut Writer);

    /// Reads the fields; the constructor id was already read or is implied.
    ///
    /// # Errors
    /// The bytes are not a canonical encoding of this constructor.
    fn read_bare(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// Anything that stands on the wire with its constructor id in front: a constructor, a boxed type with several
/// constructors, or all messages of one direction.
pub trait Boxed: Sized {
    /// Name of the type or set, for errors.
    const TYPE: &'static str;

    /// Exact length of the boxed encoding, bytes.
    fn boxed_len(&self) -> usize;

    /// Appends the constructor id and the fields.
    fn write_boxed(&self, writer: &mut Writer);

    /// Reads the constructor id and the fields.
    ///
    /// # Errors
    /// Unknown constructor, or the fields are not a canonical encoding of it.
    fn read_boxed(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The boxed encoding, in one allocation.
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(self.boxed_len());
        self.write_boxed(&mut writer);
        writer.into_bytes()
    }

    /// Decodes exactly one boxed object.
    ///
    /// # Errors
    /// As [`Boxed::read_boxed`]; also if bytes follow the object.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let object = Self::read_boxed(&mut reader)?;
        reader.finish()?;
        Ok(object)
    }
}

impl<T: TlObject> Boxed for T {
    const TYPE: &'static str = T::NAME;

    fn boxed_len(&self) -> usize {
        4 + self.bare_len()
    }

    fn write_boxed(&self, writer: &mut Writer) {
        writer.id(T::ID);
        self.write_bare(writer);
    }

    fn read_boxed(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.id()? {
            id if id == T::ID => T::read_bare(reader),
            id => Err(DecodeError::UnknownConstructor { id, expected: T::NAME }),
        }
    }
}
