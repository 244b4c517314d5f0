//! The table entry of a constructor, for naming ids in traces and for checking the whole scheme at once.

use super::DecodeError;

/// What is known of a constructor without an object at hand.
#[derive(Clone, Copy, Debug)]
pub struct Constructor {
    /// Constructor id.
    pub id: u32,
    /// Name in the scheme.
    pub name: &'static str,
    /// Whether the id is written in the declaration instead of following from it.
    pub is_explicit: bool,
    pub(crate) declare: fn() -> String,
    pub(crate) recode: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
    #[cfg(test)]
    pub(crate) check_round_trip: fn(&mut proptest::test_runner::TestRunner),
}

impl Constructor {
    /// The declaration in TL, without the id and the final semicolon, as the implicit id is computed from it.
    pub fn declaration(&self) -> String {
        (self.declare)()
    }

    /// The declaration as a line of a scheme file: with the id if it is explicit.
    pub fn scheme_line(&self) -> String {
        let declaration = self.declaration();
        if self.is_explicit {
            let rest = declaration.strip_prefix(self.name).unwrap_or_default();
            format!("{}#{:08x}{rest};", self.name, self.id)
        } else {
            format!("{declaration};")
        }
    }

    /// Decodes boxed bytes as this constructor and encodes them again; equal to the input whenever that is accepted.
    ///
    /// # Errors
    /// As the decoder.
    pub fn recode(&self, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        (self.recode)(bytes)
    }
}
