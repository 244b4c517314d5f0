//! Values that know where they stand in the file.
//!
//! Every key of the file model is a [`Key`], every single value a [`Text`], so that what the YAML reader cannot know
//! (units, references, limits) is checked afterwards and still points at the right place.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

use super::scalar::Scalar;
use crate::diagnostic::Position;

/// A value and its place.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands; for an alias, where it is used.
    pub position: Position,
}

/// A key of a mapping: given with a value, or left out. A key without a value (`key:`) is neither and an error.
#[derive(Debug, Clone)]
pub struct Key<T>(pub Option<At<T>>);

/// A single value as it is written, to be read as a `T`.
#[derive(Debug, Clone)]
pub struct Text<T> {
    /// As in the file, without quotes.
    pub raw: String,
    kind: PhantomData<T>,
}

impl<T> Default for Key<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Key<T> {
    /// The value with its place.
    #[must_use]
    pub fn given(&self) -> Option<&At<T>> {
        self.0.as_ref()
    }
}

/// The place of a YAML node.
#[must_use]
pub fn position(location: Location) -> Position {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Position {
        line: number(location.line()).max(1),
        column: number(location.column()).max(1),
        length: usize::try_from(location.span().len()).unwrap_or(1).max(1),
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            position: position(spanned.referenced),
            value: spanned.value,
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Key<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        At::deserialize(deserializer).map(|value| Self(Some(value)))
    }
}

impl<'de, T> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|raw| Self { raw, kind: PhantomData })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Key<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: Scalar> JsonSchema for Text<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed(T::WHAT)
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        match T::words() {
            Some(words) => json_schema!({ "enum": words }),
            None => {
                let kind = match T::JSON_TYPES {
                    [only] => serde_json::json!(only),
                    several => serde_json::json!(several),
                };
                json_schema!({ "type": kind, "examples": examples::<T>() })
            }
        }
    }
}

/// Examples as the JSON values that an editor would see.
fn examples<T: Scalar>() -> Vec<serde_json::Value> {
    let numeric = T::JSON_TYPES.iter().any(|kind| matches!(*kind, "integer" | "number"));
    let value = |text: &&str| match serde_json::from_str::<serde_json::Number>(text) {
        Ok(number) if numeric => serde_json::Value::Number(number),
        _ => serde_json::Value::String((*text).to_owned()),
    };
    let allowed = |value: &serde_json::Value| value.is_number() == numeric || T::JSON_TYPES.contains(&"string");
    T::EXAMPLES.iter().map(value).filter(allowed).collect()
}
