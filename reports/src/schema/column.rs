//! Columns without any file format: what a table is made of.

/// Definition of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Name of the table and stem of its file.
    pub name: &'static str,
    /// What one row is.
    pub doc: &'static str,
    /// Columns in file order.
    pub columns: &'static [Column],
}

impl Table {
    /// Name of the table's file within a run store.
    pub fn file_name(&self) -> String {
        format!("{}.parquet", self.name)
    }
}

/// Definition of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name, units last.
    pub name: &'static str,
    /// Type of the values.
    pub column_type: ColumnType,
    /// Whether a value may be absent.
    pub nullable: bool,
    /// Meaning, units and range.
    pub doc: &'static str,
}

/// Type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer.
    U64,
    /// Signed 64-bit integer.
    I64,
    /// UTF-8 text. Not trusted: nodes may have chosen it.
    Text,
    /// UTF-8 text out of a closed list.
    Code(&'static [&'static str]),
}

/// Values of one column, in row order; `None` is an absent value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnData {
    /// Values of a [`ColumnType::Bool`] column.
    Bool(Vec<Option<bool>>),
    /// Values of a [`ColumnType::U32`] column.
    U32(Vec<Option<u32>>),
    /// Values of a [`ColumnType::U64`] column.
    U64(Vec<Option<u64>>),
    /// Values of a [`ColumnType::I64`] column.
    I64(Vec<Option<i64>>),
    /// Values of a [`ColumnType::Text`] or [`ColumnType::Code`] column.
    Text(Vec<Option<String>>),
}

impl ColumnData {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::U64(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Bytes of text, without what each value takes anyway.
    pub(crate) fn text_bytes(&self) -> u64 {
        match self {
            Self::Text(values) => values.iter().flatten().map(|text| text.len() as u64).sum(),
            _ => 0,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
