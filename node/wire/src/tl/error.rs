//! Why a decoder refused its input.

/// A byte string that is not the canonical encoding of the wanted object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The object goes on where the input ends.
    #[error("input ends after {left_bytes} more bytes where {wanted_bytes} are needed")]
    UnexpectedEnd {
        /// Bytes that the next field needs.
        wanted_bytes: usize,
        /// Bytes that are left.
        left_bytes: usize,
    },
    /// Bytes follow the object.
    #[error("{count_bytes} bytes follow the object")]
    TrailingBytes {
        /// How many.
        count_bytes: usize,
    },
    /// The constructor id is not one of those allowed here.
    #[error("constructor {id:#010x} where {expected} is expected")]
    UnknownConstructor {
        /// The id that was read.
        id: u32,
        /// The type, constructor or set of messages that was expected.
        expected: &'static str,
    },
    /// A string or byte string is longer than the reader's limit.
    #[error("a string of {length_bytes} bytes exceeds the limit of {limit_bytes}")]
    StringTooLong {
        /// Announced length.
        length_bytes: u64,
        /// [`Limits::string_bytes`](super::Limits::string_bytes).
        limit_bytes: usize,
    },
    /// A string length is written in a longer form than needed. The reference reads such forms but never writes them.
    #[error("the length {length_bytes} of a string is not written in its shortest form")]
    NonCanonicalLength {
        /// Announced length.
        length_bytes: u64,
    },
    /// The padding after a string is not zero.
    #[error("the padding after a string is not zero")]
    NonZeroPadding,
    /// A text field holds bytes that are not UTF-8.
    #[error("a text field is not UTF-8")]
    NotUtf8,
    /// A vector announces more elements than the limit, or than could be in the remaining bytes, or a negative count.
    #[error("a vector of {count} elements exceeds {limit}")]
    VectorTooLong {
        /// Announced count.
        count: i32,
        /// The most elements that could stand here.
        limit: usize,
    },
    /// A flag bit that no known protocol version defines.
    #[error("{constructor} has undefined flags {flags:#x}")]
    UndefinedFlags {
        /// Constructor name.
        constructor: &'static str,
        /// All flag bits that were read.
        flags: u32,
    },
    /// A flag bit that only a later protocol version defines: its field would be misread.
    #[error("flag bit {bit} of {constructor} belongs to protocol version {protocol}, which is not supported")]
    FlagOfLaterProtocol {
        /// Constructor name.
        constructor: &'static str,
        /// The bit.
        bit: u32,
        /// First protocol version that has it.
        protocol: u32,
    },
}
