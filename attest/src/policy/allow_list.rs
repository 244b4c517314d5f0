//! Lists of allowed values, in code and in YAML.

use crate::planted::{Bug, planted};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{collections::BTreeSet, fmt, marker::PhantomData};

/// Longest list that a policy may have.
const MAX_VALUES: usize = 100_000;

/// How a list that is not checked is written.
const NOT_CHECKED: &str = "not-checked";

/// Values that are allowed, or the statement that this layer does not check them.
///
/// An empty list allows nothing. The reference system reads an empty list as "any" (spec §3.5); here that takes
/// [`AllowList::NotChecked`].
///
/// In YAML it is a list of values (digests in hexadecimal, lower or upper case, whole), or the word `not-checked`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowList<T: Ord> {
    /// Somebody else decides: image hashes are compared one layer up, with the root contract (spec §3.5).
    NotChecked,
    /// One of these and no other.
    OneOf(BTreeSet<T>),
}

impl<T: Ord + ListedValue> AllowList<T> {
    /// Whether `value` passes.
    pub fn permits(&self, value: &T) -> bool {
        match self {
            Self::NotChecked => true,
            Self::OneOf(allowed) if planted(Bug::EmptyListAllowsAll) && allowed.is_empty() => true,
            Self::OneOf(allowed) if planted(Bug::ComparePrefix) => {
                let start = |value: &T| value.to_text().get(..2).map(str::to_owned);
                allowed.iter().any(|listed| start(listed) == start(value))
            }
            Self::OneOf(allowed) => allowed.contains(value),
        }
    }
}

impl<T: Ord> AllowList<T> {
    /// Whether no value passes.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::OneOf(allowed) if allowed.is_empty())
    }

    /// Exactly this value.
    pub fn only(value: T) -> Self {
        Self::OneOf(BTreeSet::from([value]))
    }
}

impl<T: Ord> FromIterator<T> for AllowList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::OneOf(values.into_iter().collect())
    }
}

/// A value that lists hold, with its text in YAML.
pub trait ListedValue: Sized {
    /// What the text must be, for messages.
    const EXPECTED: &'static str;

    /// The text.
    fn to_text(&self) -> String;

    /// Reads the text; none if it is not a value.
    fn from_text(text: &str) -> Option<Self>;
}

impl<const N: usize> ListedValue for [u8; N] {
    const EXPECTED: &'static str = "a digest or identifier in hexadecimal, in full length";

    fn to_text(&self) -> String {
        hex::encode(self)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut value = [0; N];
        hex::decode_to_slice(text, &mut value).ok()?;
        Some(value)
    }
}

/// RTMR 0 to 3, compared as one.
impl ListedValue for [[u8; 48]; 4] {
    const EXPECTED: &'static str = "four registers in hexadecimal, joined with commas";

    fn to_text(&self) -> String {
        self.map(hex::encode).join(",")
    }

    fn from_text(text: &str) -> Option<Self> {
        let registers: Option<Vec<_>> = text.split(',').map(|one| ListedValue::from_text(one.trim())).collect();
        registers?.try_into().ok()
    }
}

impl ListedValue for String {
    const EXPECTED: &'static str = "a text";

    fn to_text(&self) -> String {
        self.clone()
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl<T: Ord + ListedValue> Serialize for AllowList<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::NotChecked => serializer.serialize_str(NOT_CHECKED),
            Self::OneOf(values) => serializer.collect_seq(values.iter().map(ListedValue::to_text)),
        }
    }
}

impl<'de, T: Ord + ListedValue> Deserialize<'de> for AllowList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Ord + ListedValue> de::Visitor<'de> for ListVisitor<T> {
    type Value = AllowList<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{NOT_CHECKED}` or a list, each of which is {}", T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == NOT_CHECKED {
            Ok(AllowList::NotChecked)
        } else {
            Err(E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
        let mut values = BTreeSet::new();
        while let Some(text) = texts.next_element::<String>()? {
            if values.len() == MAX_VALUES {
                return Err(de::Error::custom(format_args!("more than {MAX_VALUES} values")));
            }
            let value = T::from_text(&text)
                .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &T::EXPECTED))?;
            values.insert(value);
        }
        Ok(AllowList::OneOf(values))
    }
}

/// Sets of digests in hexadecimal that say "all of these", where an empty set demands nothing.
pub(crate) mod digests {
    use super::{BTreeSet, Deserialize, Deserializer, ListedValue, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(set: &BTreeSet<[u8; 48]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(set.iter().map(ListedValue::to_text))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<[u8; 48]>, D::Error> {
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|text| {
                <[u8; 48]>::from_text(text)
                    .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(text), &<[u8; 48]>::EXPECTED))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_allows_nothing_and_prefixes_do_not_count() {
        let empty = AllowList::<[u8; 4]>::from_iter([]);
        assert!(!empty.permits(&[0; 4]));
        assert!(AllowList::NotChecked.permits(&[0; 4]));
        let one = AllowList::only([1, 2, 3, 4]);
        assert!(one.permits(&[1, 2, 3, 4]) && !one.permits(&[1, 2, 3, 5]));
    }

    #[test]
    fn lists_survive_their_text_and_nothing_else_is_read() {
        fn read<T: Ord + ListedValue>(json: &str) -> Result<AllowList<T>, serde_json::Error> {
            serde_json::from_str(json)
        }
        for list in [
            AllowList::NotChecked,
            AllowList::from_iter([]),
            AllowList::only([0xab; 4]),
        ] {
            let text = serde_json::to_string(&list).unwrap();
            assert_eq!(read::<[u8; 4]>(&text).unwrap(), list, "{text}");
        }
        assert_eq!(read::<[u8; 4]>("[\"ABABABAB\"]").unwrap(), AllowList::only([0xab; 4]));
        for wrong in [
            "[\"ababab\"]",
            "[\"ababababab\"]",
            "[\"0xabababab\"]",
            "\"any\"",
            "null",
            "[1]",
        ] {
            assert!(read::<[u8; 4]>(wrong).is_err(), "{wrong}");
        }
        let registers = [[1; 48], [2; 48], [3; 48], [4; 48]];
        assert_eq!(ListedValue::from_text(&registers.to_text()), Some(registers));
        assert_eq!(<[[u8; 48]; 4]>::from_text(&[7u8; 48].to_text()), None);
    }
}
