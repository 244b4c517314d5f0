//! JSON as it travels: compact, keys in byte order, the last of duplicate keys, numbers kept digit by digit
//! (spec §2.9, §2.10).
//!
//! Numbers must survive being read and written: a seed, a probability or a price must not change on the way. The
//! `arbitrary_precision` feature of `serde_json` would do that, but features unify over a build and this one changes
//! what every other crate gets from `serde_json::Value`. So values are read through `RawValue`, which only adds a type,
//! and a number stays the text it was. The price is that each level of nesting is scanned once more, which
//! [`MAX_DEPTH`] bounds.

use std::{collections::BTreeMap, fmt};

use serde_json::value::RawValue;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;

/// Why a text is not taken as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not exactly one JSON value.
    #[error("not a JSON value")]
    Syntax,
    /// The value is nested too deep.
    #[error("JSON nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, its keys in byte order.
    Object(BTreeMap<String, Value>),
}

/// A number, as the text it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    text: String,
}

impl Number {
    /// As an unsigned integer: no sign, fraction or exponent, and within 64 bits. Only these count as token counts.
    pub fn as_u64(&self) -> Option<u64> {
        self.text.parse().ok()
    }

    /// As a signed integer.
    pub fn as_i64(&self) -> Option<i64> {
        self.text.parse().ok()
    }

    /// The nearest double; `None` beyond the range of doubles.
    pub fn as_f64(&self) -> Option<f64> {
        self.text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Unix seconds with six decimals.
    pub fn unix_seconds(unix_ns: u64) -> Self {
        Self {
            text: crate::http::unix_seconds(unix_ns),
        }
    }
}

macro_rules! numbers_from {
    ($($integer:ty),+) => {$(
        impl From<$integer> for Number {
            fn from(number: $integer) -> Self {
                Self { text: number.to_string() }
            }
        }

        impl From<$integer> for Value {
            fn from(number: $integer) -> Self {
                Self::Number(number.into())
            }
        }
    )+};
}

numbers_from!(i32, i64, u32, u64, u128);

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<BTreeMap<String, Self>> for Value {
    fn from(members: BTreeMap<String, Self>) -> Self {
        Self::Object(members)
    }
}

impl<const N: usize> From<[(&str, Self); N]> for Value {
    fn from(members: [(&str, Self); N]) -> Self {
        Self::Object(
            members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }
}

impl Value {
    /// Reads exactly one value, with white space around it.
    ///
    /// # Errors
    /// It is no JSON, or nested deeper than [`MAX_DEPTH`].
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(text).map_err(|_| JsonError::Syntax)?;
        Self::from_raw(raw(text)?, MAX_DEPTH)
    }

    fn from_raw(raw: &RawValue, depth_left: usize) -> Result<Self, JsonError> {
        let text = raw.get();
        let inner_depth = || depth_left.checked_sub(1).ok_or(JsonError::TooDeep);
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let depth = inner_depth()?;
                let members: BTreeMap<String, &RawValue> = read(text)?;
                let members = members
                    .into_iter()
                    .map(|(key, raw)| Ok((key, Self::from_raw(raw, depth)?)));
                Self::Object(members.collect::<Result<_, JsonError>>()?)
            }
            Some(b'[') => {
                let depth = inner_depth()?;
                let elements: Vec<&RawValue> = read(text)?;
                let elements = elements.into_iter().map(|raw| Self::from_raw(raw, depth));
                Self::Array(elements.collect::<Result<_, JsonError>>()?)
            }
            Some(b'"') => Self::String(read(text)?),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Null,
            _ => Self::Number(Number { text: text.to_owned() }),
        })
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The member of an object, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_object_mut()?.get_mut(key)
    }

    /// The members of an object.
    pub const fn as_object(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The members of an object, to be changed.
    pub const fn as_object_mut(&mut self) -> Option<&mut BTreeMap<String, Self>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The number, if it is an unsigned integer of 64 bits.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    /// The truth value.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Appends the compact form.
    pub fn write_compact(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(number) => out.extend_from_slice(number.text.as_bytes()),
            Self::String(text) => write_string(text, out),
            Self::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    element.write_compact(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(key, out);
                    out.push(b':');
                    value.write_compact(out);
                }
                out.push(b'}');
            }
        }
    }

    /// The compact form.
    pub fn to_compact(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_compact(&mut out);
        out
    }
}

/// The compact form.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_compact()))
    }
}

fn raw(text: &str) -> Result<&RawValue, JsonError> {
    read(text)
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|_| JsonError::Syntax)
}

/// Control characters, quotation marks and backslashes escaped, everything else as it is.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::any, prop_assert_eq, proptest};

    use super::*;

    fn compact(text: &str) -> Result<String, JsonError> {
        Value::parse(text.as_bytes()).map(|value| value.to_string())
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        for number in [
            "0",
            "-0",
            "1.0",
            "1.10",
            "1e5",
            "1E+5",
            "0.1000000000000000055511151231257827",
            "18446744073709551616",
            "1e400",
            "-12345678901234567890123456789",
        ] {
            assert_eq!(compact(number).as_deref(), Ok(number));
            assert_eq!(
                compact(&format!("[{number} , {number}]")).unwrap(),
                format!("[{number},{number}]")
            );
        }
        for wrong in ["01", "+1", ".5", "1.", "0x1", "NaN", "1e", "--1", "1_000"] {
            assert_eq!(compact(wrong), Err(JsonError::Syntax), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_read_by_kind() {
        let number = |text: &str| Value::parse(text.as_bytes()).unwrap().as_number().unwrap().clone();
        assert_eq!(number("18446744073709551615").as_u64(), Some(u64::MAX));
        assert_eq!(number("18446744073709551616").as_u64(), None);
        assert_eq!((number("-1").as_u64(), number("-1").as_i64()), (None, Some(-1)));
        assert_eq!((number("1.0").as_i64(), number("1.0").as_f64()), (None, Some(1.0)));
        assert_eq!(number("1e400").as_f64(), None);
        assert_eq!(Number::unix_seconds(1_500_000_000).as_str(), "1.500000");
    }

    #[test]
    fn strings_are_escaped_only_where_they_must_be() {
        assert_eq!(compact(r#""\u00e9 \ud83e\udd8b \/ é 🦋""#).unwrap(), "\"é 🦋 / é 🦋\"");
        assert_eq!(
            compact(r#""\"\\\b\f\n\r\t\u0000\u001f\u007f""#).unwrap(),
            "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}\""
        );
        for wrong in ["\"\n\"", r#""\ud800""#, r#""\x""#, "\"", "'a'"] {
            assert_eq!(compact(wrong), Err(JsonError::Syntax), "{wrong}");
        }
        assert_eq!(Value::parse(b"\"\xff\""), Err(JsonError::Syntax));
    }

    #[test]
    fn keys_are_sorted_and_the_last_duplicate_wins() {
        assert_eq!(
            compact(r#"{"b":1,"a":{"z":1,"y":2},"b":2,"":3}"#).unwrap(),
            r#"{"":3,"a":{"y":2,"z":1},"b":2}"#
        );
        assert_eq!(compact(r#"{"é":1,"\u00e9":2,"z":3}"#).unwrap(), r#"{"z":3,"é":2}"#);
    }

    #[test]
    fn exactly_one_value() {
        assert_eq!(compact(" \t\r\n{} \n").as_deref(), Ok("{}"));
        for wrong in [
            "",
            " ",
            "{} {}",
            "1 2",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "nul",
            "[",
            "{\"a\"}",
            "// x\n1",
        ] {
            assert_eq!(compact(wrong), Err(JsonError::Syntax), "{wrong}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "[{\"a\":".repeat(depth), "}]".repeat(depth));
        assert!(compact(&nested(MAX_DEPTH / 2)).is_ok());
        assert_eq!(compact(&nested(MAX_DEPTH / 2 + 1)), Err(JsonError::TooDeep));
        let abyss = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
        assert_eq!(compact(&abyss), Err(JsonError::TooDeep));
    }

    #[test]
    fn members_are_reached_and_changed() {
        let mut value = Value::parse(br#"{"a":{"b":[true,"x"]}}"#).unwrap();
        let inner = value
            .get("a")
            .and_then(|a| a.get("b"))
            .and_then(Value::as_array)
            .unwrap();
        assert_eq!((inner[0].as_bool(), inner[1].as_str()), (Some(true), Some("x")));
        value
            .get_mut("a")
            .and_then(Value::as_object_mut)
            .unwrap()
            .insert("c".into(), 5_u64.into());
        assert_eq!(value.to_string(), r#"{"a":{"b":[true,"x"],"c":5}}"#);
        assert_eq!(value.get("b"), None);
        assert_eq!(Value::Null.get("a"), None);
    }

    proptest! {
        /// An independent reader agrees on what is JSON and on what it says, up to the precision of its numbers.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}",:0-9a-c\\ .eE+\-tnu]{0,24}"#) {
            let ours = compact(&text).ok();
            let theirs: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            // Its numbers are doubles, so it refuses those beyond their range.
            if !text.contains(['e', 'E']) {
                prop_assert_eq!(ours.is_some(), theirs.is_some(), "{}", text);
            }
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                let again: serde_json::Value = serde_json::from_str(&ours).unwrap();
                prop_assert_eq!(again, theirs);
            }
        }

        #[test]
        fn strings_survive(text in any::<String>()) {
            let value = Value::from(text);
            prop_assert_eq!(Value::parse(&value.to_compact()), Ok(value.clone()));
            let theirs: serde_json::Value = serde_json::from_slice(&value.to_compact()).unwrap();
            prop_assert_eq!(theirs.as_str(), value.as_str());
        }
    }
}
