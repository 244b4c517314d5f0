//! The run-store schema: every table defined once, as a Rust struct.
//!
//! A table definition ([`tables`]) is a struct whose doc comments are the documentation of the columns. From that one
//! definition follow the writer, the reader and the reference page ([`reference_page`]), so they cannot disagree.
//!
//! Conventions: times are nanoseconds of virtual time since the start of the run (`_ns`), money is nanoTON
//! (`_nanoton`), sizes are bytes (`_bytes` or `bytes`). Sums of money need `u128`.

mod cell;
mod column;
mod reference;
mod tables;

pub use cell::{CellError, UnknownCode};
pub use column::{Column, ColumnData, ColumnType, Table};
pub use reference::reference_page;
pub(crate) use tables::for_each_table;
pub use tables::{
    AssertionClass, AssertionRow, AssertionVerdict, AttackOutcome, AttackRow, AttestationRow, AttestationVerdict,
    Direction, FaultRow, Observer, PacketRow, PartRow, PaymentRow, PriceRow, RequestRow, RequestStatus, Role, SpanRow,
    Tables, TransactionRow,
};

/// Version of the schema: of the set of tables, their columns and their meaning. A store of another version is refused.
pub const SCHEMA_VERSION: u32 = 5;

/// A row of a table, and with it the table's definition.
pub trait Row: Sized {
    /// Name, documentation and columns of the table.
    const TABLE: Table;

    /// The rows as columns, in the order of [`Table::columns`].
    fn to_columns(rows: &[Self]) -> Vec<ColumnData>;

    /// The rows of these columns, which must be those of [`Table::columns`], in order and of equal length.
    fn from_columns(columns: Vec<ColumnData>) -> Result<Vec<Self>, CellError>;
}
