//! The text of a registered proxy (§6.3).

use tycho_types::{cell::CellBuilder, error::Error};

use crate::{
    onchain::{LayoutError, fields::Fields},
    root_config::{RegisteredProxy, RegistrationError},
};

/// Longest text. The length field holds 127, but a message that updates a registration has room for 110 beside its
/// other fields. Two endpoints of IPv6 need 95.
const MAX_BYTES: usize = 110;

/// A registered proxy as the root contract holds it: `u1 0, u7 length, text`. The contract checks no more than that;
/// [`endpoints`](Self::endpoints) does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registration(String);

impl Registration {
    /// `None` if the text is not printable ASCII of at most 110 bytes.
    pub fn new(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        (printable && text.len() <= MAX_BYTES).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The endpoints.
    ///
    /// # Errors
    /// A text of another form: readers skip such an entry.
    pub fn endpoints(&self) -> Result<RegisteredProxy, RegistrationError> {
        RegisteredProxy::parse(&self.0)
    }

    pub(crate) fn store(&self, cell: &mut CellBuilder) -> Result<(), Error> {
        // The length fits into seven bits, so the first of the eight is zero.
        cell.store_u8(self.0.len() as u8)?;
        cell.store_raw(self.0.as_bytes(), self.0.len() as u16 * 8)
    }

    pub(crate) fn load(fields: &mut Fields<'_>) -> Result<Self, LayoutError> {
        if fields.bit()? {
            return Err(LayoutError::Reserved);
        }
        let bytes = fields.small(7)?;
        let text = fields.text(bytes)?;
        std::str::from_utf8(&text)
            .ok()
            .and_then(Self::new)
            .ok_or(LayoutError::Text)
    }
}

impl TryFrom<&RegisteredProxy> for Registration {
    type Error = RegistrationError;

    fn try_from(proxy: &RegisteredProxy) -> Result<Self, RegistrationError> {
        let text = proxy.to_text();
        Self::new(&text).ok_or(RegistrationError::TooLong { bytes: text.len() })
    }
}
