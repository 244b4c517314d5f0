//! The growing output of an encoder.

/// Appends TL primitives to a byte vector.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// Longest string whose length fits the one-byte form.
pub(crate) const SHORT_STRING_MAX_LEN: usize = 253;
/// Longest string whose length fits the three-byte form.
pub(crate) const MEDIUM_STRING_MAX_LEN: usize = (1 << 24) - 1;
/// First byte of the three-byte form.
pub(crate) const MEDIUM_STRING_MARK: u8 = 0xfe;
/// First byte of the longest form: four bytes of length and three zero bytes, hence a seven-byte length.
pub(crate) const LONG_STRING_MARK: u8 = 0xff;

/// Bytes that a string of `len` bytes takes with its length and padding.
pub(crate) const fn string_encoded_len(len: usize) -> usize {
    let head = if len <= SHORT_STRING_MAX_LEN {
        1
    } else if len <= MEDIUM_STRING_MAX_LEN {
        4
    } else {
        8
    };
    (head + len).next_multiple_of(4)
}

impl Writer {
    /// An empty writer.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// An empty writer with room for `capacity_bytes`.
    pub fn with_capacity(capacity_bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity_bytes),
        }
    }

    /// Goes on after the end of `bytes`.
    pub const fn append_to(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Makes room for `additional_bytes` more.
    pub fn reserve(&mut self, additional_bytes: usize) {
        self.bytes.reserve(additional_bytes);
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A constructor id or flags.
    pub fn id(&mut self, id: u32) {
        self.bytes.extend_from_slice(&id.to_le_bytes());
    }

    /// `int`.
    pub fn int(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// `long`.
    pub fn long(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes as they are, without length and padding: `int128`, `int256`, fixed arrays.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// `string` or `bytes`: length, data, zero padding to a multiple of four.
    pub fn string(&mut self, data: &[u8]) {
        self.nested_string(data.len(), |writer| writer.raw(data));
    }

    /// A string whose `len` bytes are written in place by `write`; saves building a nested object apart.
    ///
    /// `write` must append exactly `len` bytes.
    pub(crate) fn nested_string(&mut self, len: usize, write: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        if len <= SHORT_STRING_MAX_LEN {
            self.bytes.push(len as u8);
        } else {
            let length = (len as u64).to_le_bytes();
            if len <= MEDIUM_STRING_MAX_LEN {
                self.bytes.push(MEDIUM_STRING_MARK);
                self.bytes.extend_from_slice(&length[..3]);
            } else {
                self.bytes.push(LONG_STRING_MARK);
                self.bytes.extend_from_slice(&length[..7]);
            }
        }
        let data_start = self.bytes.len();
        write(self);
        debug_assert_eq!(
            self.bytes.len() - data_start,
            len,
            "a nested object wrote another length than it announced"
        );
        let padding = (self.bytes.len() - start).next_multiple_of(4) - (self.bytes.len() - start);
        self.bytes.extend_from_slice(&[0; 3][..padding]);
    }
}
