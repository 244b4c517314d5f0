//! The one place through which anything about a node leaves it: log lines, metrics, protocol events.
//!
//! Observations carry identifiers, sizes, counts and codes; prompts and answers never. A simulated world turns them
//! into run-store rows, the daemon into structured log lines and OpenMetrics.

use std::fmt::Write as _;

/// One thing that happened in a node.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// What happened, `area.event` in lower case, for example `request.first_byte`.
    pub kind: &'static str,
    /// Details, units last in names.
    pub fields: &'a [(&'static str, Value<'a>)],
}

/// A field of an [`Observation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A count, size, time or amount.
    U64(u64),
    /// A signed number, such as an error code.
    I64(i64),
    /// A flag.
    Bool(bool),
    /// A short text without prompt content.
    Text(&'a str),
    /// An identifier or digest, shown in hexadecimal.
    Bytes(&'a [u8]),
}

impl<'a> Observation<'a> {
    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<Value<'a>> {
        self.fields
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    /// The field called `name` as an unsigned number.
    pub fn u64(&self, name: &str) -> Option<u64> {
        match self.field(name)? {
            Value::U64(number) => Some(number),
            Value::I64(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    /// The field called `name` as text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        match self.field(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The field called `name` as bytes.
    pub fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        match self.field(name)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// One line of JSON for a log file: time, node, kind, fields.
    pub fn to_json_line(&self, unix_ns: u64, node: &str) -> String {
        let mut object = serde_json::Map::new();
        object.insert("unix_ns".into(), unix_ns.into());
        object.insert("node".into(), node.into());
        object.insert("kind".into(), self.kind.into());
        for (key, value) in self.fields {
            object.insert((*key).into(), value.to_json());
        }
        serde_json::Value::Object(object).to_string()
    }
}

impl Value<'_> {
    fn to_json(self) -> serde_json::Value {
        match self {
            Value::U64(number) => number.into(),
            Value::I64(number) => number.into(),
            Value::Bool(flag) => flag.into(),
            Value::Text(text) => text.into(),
            Value::Bytes(bytes) => bytes
                .iter()
                .fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
                    // Writing to a String cannot fail.
                    let _ = write!(hex, "{byte:02x}");
                    hex
                })
                .into(),
        }
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Value::U64(number)
    }
}
impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::U64(number.into())
    }
}
impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Value::U64(number as u64)
    }
}
impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::I64(number)
    }
}
impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Value::I64(number.into())
    }
}
impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}
impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}
impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Bytes(bytes)
    }
}
impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Value::Bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_json_whatever_the_text_holds() {
        let fields = [
            ("peer", Value::Text("a\"\n\u{1b}[31m")),
            ("id", Value::Bytes(&[0, 255])),
        ];
        let line = Observation {
            kind: "test.line",
            fields: &fields,
        }
        .to_json_line(7, "n\"1");
        assert!(!line.contains('\n'));
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["peer"], "a\"\n\u{1b}[31m");
        assert_eq!(parsed["id"], "00ff");
        assert_eq!(parsed["node"], "n\"1");
    }
}
