//! Which Rust types may stand in a row, and how they become column values.

use super::column::{ColumnData, ColumnType};

/// Why columns are not rows of the expected table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// The number of columns is not the table's.
    #[error("{found} columns where {expected} are expected")]
    ColumnCount {
        /// Columns of the table.
        expected: usize,
        /// Columns given.
        found: usize,
    },
    /// A column has another number of rows than the first one.
    #[error("column {column} has {found} rows where {expected} are expected")]
    RowCount {
        /// Column at fault.
        column: &'static str,
        /// Rows of the first column.
        expected: usize,
        /// Rows of this column.
        found: usize,
    },
    /// A column holds values of another type.
    #[error("column {column} has values of another type")]
    WrongType {
        /// Column at fault.
        column: &'static str,
    },
    /// A value is absent where the column does not allow it.
    #[error("column {column}, row {row}: a value is absent")]
    Absent {
        /// Column at fault.
        column: &'static str,
        /// Row, counted from 0.
        row: usize,
    },
    /// A text is not in the column's closed list.
    #[error("column {column}, row {row}: {source}")]
    Unknown {
        /// Column at fault.
        column: &'static str,
        /// Row, counted from 0.
        row: usize,
        /// The text found.
        source: UnknownCode,
    },
}

/// A text that is not in a closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of {expected:?}")]
pub struct UnknownCode {
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub expected: &'static [&'static str],
}

/// A type of one row field.
pub(crate) trait Cell: Sized {
    /// Column type.
    const TYPE: ColumnType;
    /// Whether the column may hold absent values.
    const NULLABLE: bool = false;

    /// The column of these values.
    fn gather<'a>(values: impl Iterator<Item = &'a Self>) -> ColumnData
    where
        Self: 'a;

    /// The values of this column.
    fn scatter(column: &'static str, data: ColumnData) -> Result<Vec<Self>, CellError>;
}

/// A type whose optional form is a cell as well.
pub(crate) trait Scalar: Sized {
    const TYPE: ColumnType;
    fn gather(values: Vec<Option<&Self>>) -> ColumnData;
    fn scatter(column: &'static str, data: ColumnData) -> Result<Vec<Option<Self>>, CellError>;
}

impl<T: Scalar> Cell for T {
    const TYPE: ColumnType = T::TYPE;

    fn gather<'a>(values: impl Iterator<Item = &'a Self>) -> ColumnData
    where
        Self: 'a,
    {
        <T as Scalar>::gather(values.map(Some).collect())
    }

    fn scatter(column: &'static str, data: ColumnData) -> Result<Vec<Self>, CellError> {
        <T as Scalar>::scatter(column, data)?
            .into_iter()
            .enumerate()
            .map(|(row, value)| value.ok_or(CellError::Absent { column, row }))
            .collect()
    }
}

impl<T: Scalar> Cell for Option<T> {
    const TYPE: ColumnType = T::TYPE;
    const NULLABLE: bool = true;

    fn gather<'a>(values: impl Iterator<Item = &'a Self>) -> ColumnData
    where
        Self: 'a,
    {
        <T as Scalar>::gather(values.map(Option::as_ref).collect())
    }

    fn scatter(column: &'static str, data: ColumnData) -> Result<Vec<Self>, CellError> {
        <T as Scalar>::scatter(column, data)
    }
}

macro_rules! scalar {
    ($($rust:ty => $variant:ident),+ $(,)?) => {$(
        impl Scalar for $rust {
            const TYPE: ColumnType = ColumnType::$variant;

            fn gather(values: Vec<Option<&Self>>) -> ColumnData {
                ColumnData::$variant(values.into_iter().map(Option::<&Self>::cloned).collect())
            }

            fn scatter(column: &'static str, data: ColumnData) -> Result<Vec<Option<Self>>, CellError> {
                match data {
                    ColumnData::$variant(values) => Ok(values),
                    _ => Err(CellError::WrongType { column }),
                }
            }
        }
    )+};
}

scalar! { bool => Bool, u32 => U32, u64 => U64, i64 => I64, String => Text }

/// Defines an enum that is stored as text out of a closed list.
macro_rules! codes {
    ($(
        $(#[doc = $doc:literal])+
        pub enum $name:ident { $( $(#[doc = $variant_doc:literal])+ $variant:ident = $code:literal, )+ }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[doc = $variant_doc])+ $variant, )+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The code of every value, in order.
            pub const CODES: &'static [&'static str] = &[$($code),+];

            /// The text that stands for this value in a table.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The value for which this text stands.
            pub fn from_code(code: &str) -> Result<Self, $crate::schema::UnknownCode> {
                match code {
                    $($code => Ok(Self::$variant),)+
                    other => Err($crate::schema::UnknownCode { found: other.to_owned(), expected: Self::CODES }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.code())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let code = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::from_code(&code).map_err(serde::de::Error::custom)
            }
        }

        impl $crate::schema::cell::Scalar for $name {
            const TYPE: $crate::schema::ColumnType = $crate::schema::ColumnType::Code(Self::CODES);

            fn gather(values: Vec<Option<&Self>>) -> $crate::schema::ColumnData {
                $crate::schema::ColumnData::Text(
                    values.into_iter().map(|value| value.map(|value| value.code().to_owned())).collect(),
                )
            }

            fn scatter(
                column: &'static str,
                data: $crate::schema::ColumnData,
            ) -> Result<Vec<Option<Self>>, $crate::schema::CellError> {
                let $crate::schema::ColumnData::Text(values) = data else {
                    return Err($crate::schema::CellError::WrongType { column });
                };
                values
                    .into_iter()
                    .enumerate()
                    .map(|(row, value)| match value.as_deref().map(Self::from_code) {
                        None => Ok(None),
                        Some(Ok(value)) => Ok(Some(value)),
                        Some(Err(source)) => Err($crate::schema::CellError::Unknown { column, row, source }),
                    })
                    .collect()
            }
        }
    )+};
}
pub(crate) use codes;

/// Defines a table: the row struct, and from its fields and doc comments the columns.
macro_rules! table {
    (
        $(#[doc = $doc:literal])+
        pub struct $row:ident in $name:literal {
            $( $(#[doc = $column_doc:literal])+ $column:ident : $cell:ty, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        pub struct $row {
            $( $(#[doc = $column_doc])+ pub $column: $cell, )+
        }

        impl $crate::schema::Row for $row {
            const TABLE: $crate::schema::Table = $crate::schema::Table {
                name: $name,
                doc: concat!($($doc),+).trim_ascii(),
                columns: &[$(
                    $crate::schema::Column {
                        name: stringify!($column),
                        column_type: <$cell as $crate::schema::cell::Cell>::TYPE,
                        nullable: <$cell as $crate::schema::cell::Cell>::NULLABLE,
                        doc: concat!($($column_doc),+).trim_ascii(),
                    },
                )+],
            };

            fn to_columns(rows: &[Self]) -> Vec<$crate::schema::ColumnData> {
                vec![$(
                    <$cell as $crate::schema::cell::Cell>::gather(rows.iter().map(|row| &row.$column)),
                )+]
            }

            fn from_columns(columns: Vec<$crate::schema::ColumnData>) -> Result<Vec<Self>, $crate::schema::CellError> {
                let rows = $crate::schema::cell::row_count(&Self::TABLE, &columns)?;
                let mut columns = columns.into_iter();
                $(
                    let mut $column = match columns.next() {
                        Some(data) => {
                            <$cell as $crate::schema::cell::Cell>::scatter(stringify!($column), data)?.into_iter()
                        }
                        None => Vec::new().into_iter(),
                    };
                )+
                let mut table = Vec::with_capacity(rows);
                while let ($(Some($column)),+ ,) = ($($column.next()),+ ,) {
                    table.push(Self { $($column),+ });
                }
                Ok(table)
            }
        }
    };
}
pub(crate) use table;

/// Number of rows, if the columns are as many as the table has and equally long.
pub(crate) fn row_count(table: &super::Table, columns: &[ColumnData]) -> Result<usize, CellError> {
    if columns.len() != table.columns.len() {
        return Err(CellError::ColumnCount {
            expected: table.columns.len(),
            found: columns.len(),
        });
    }
    let expected = columns.first().map_or(0, ColumnData::len);
    for (column, data) in table.columns.iter().zip(columns) {
        if data.len() != expected {
            return Err(CellError::RowCount {
                column: column.name,
                expected,
                found: data.len(),
            });
        }
    }
    Ok(expected)
}
