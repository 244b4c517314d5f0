//! Tables as Parquet files; the only module that names polars.
//!
//! Encoding runs on the calling thread with fixed parameters, so that bytes depend on nothing but the rows.
//!
//! Decoding takes hostile bytes. polars reports most damage as errors, but its decoders also panic on some; such panics
//! are contained here. Before any page is decoded, the footer must agree with the expected table and row count.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::io::parquet::write::KeyValueMetadata;
use polars::prelude::{
    Column as Series, DataFrame, DataType, ParallelStrategy, ParquetCompression, ParquetReader, ParquetWriter,
    PolarsError, PolarsResult, SerReader as _, StatisticsOptions,
};

use crate::schema::{ColumnData, ColumnType, Row, SCHEMA_VERSION, Table};

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// Why bytes are not the expected table. The reason is text because polars' own errors carry no structure worth keeping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ParquetError(String);

impl From<PolarsError> for ParquetError {
    fn from(error: PolarsError) -> Self {
        Self(error.to_string())
    }
}

/// The rows as a Parquet file.
pub(crate) fn encode<R: Row>(rows: &[R]) -> Result<Vec<u8>, ParquetError> {
    let columns = R::TABLE
        .columns
        .iter()
        .zip(R::to_columns(rows))
        .map(|(column, data)| to_series(column.name, data))
        .collect();
    let mut frame = DataFrame::new(rows.len(), columns)?;
    let metadata = KeyValueMetadata::from_static(vec![
        ("chrysalis.schema_version".to_owned(), SCHEMA_VERSION.to_string()),
        ("chrysalis.table".to_owned(), R::TABLE.name.to_owned()),
    ]);
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::default())
        .with_row_group_size(Some(ROW_GROUP_ROWS))
        .with_key_value_metadata(Some(metadata))
        .set_parallel(false)
        .finish(&mut frame)?;
    Ok(bytes)
}

/// The rows of a Parquet file that must hold exactly `rows` rows of the table.
pub(crate) fn decode<R: Row>(bytes: Vec<u8>, rows: u64) -> Result<Vec<R>, ParquetError> {
    // Nothing that the closure touches outlives a panic, so no broken invariant can be seen.
    catch_unwind(AssertUnwindSafe(|| decode_columns(&R::TABLE, bytes, rows)))
        .unwrap_or_else(|_| Err(ParquetError("damaged: the Parquet decoder gave up".to_owned())))
        .and_then(|columns| R::from_columns(columns).map_err(|error| ParquetError(error.to_string())))
}

fn decode_columns(table: &Table, bytes: Vec<u8>, rows: u64) -> Result<Vec<ColumnData>, ParquetError> {
    let mut reader = ParquetReader::new(Cursor::new(bytes)).read_parallel(ParallelStrategy::None);
    let metadata = reader.get_metadata()?;
    let in_groups: u128 = metadata.row_groups.iter().map(|group| group.num_rows() as u128).sum();
    if metadata.num_rows as u128 != u128::from(rows) || in_groups != u128::from(rows) {
        return Err(ParquetError(format!(
            "{} rows where {rows} are expected",
            metadata.num_rows
        )));
    }
    let names: Vec<String> = reader.schema()?.iter_names().map(ToString::to_string).collect();
    if !names
        .iter()
        .map(String::as_str)
        .eq(table.columns.iter().map(|column| column.name))
    {
        return Err(ParquetError("the columns are not those of the table".to_owned()));
    }
    let frame = reader.finish()?;
    table
        .columns
        .iter()
        .zip(frame.columns())
        .map(|(column, series)| {
            if series.dtype() != &data_type(column.column_type) {
                return Err(ParquetError(format!(
                    "column {} has values of another type",
                    column.name
                )));
            }
            Ok(from_series(column.column_type, series)?)
        })
        .collect()
}

fn data_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::Bool => DataType::Boolean,
        ColumnType::U32 => DataType::UInt32,
        ColumnType::U64 => DataType::UInt64,
        ColumnType::I64 => DataType::Int64,
        ColumnType::Text | ColumnType::Code(_) => DataType::String,
    }
}

fn to_series(name: &str, data: ColumnData) -> Series {
    match data {
        ColumnData::Bool(values) => Series::new(name.into(), values),
        ColumnData::U32(values) => Series::new(name.into(), values),
        ColumnData::U64(values) => Series::new(name.into(), values),
        ColumnData::I64(values) => Series::new(name.into(), values),
        ColumnData::Text(values) => Series::new(name.into(), values),
    }
}

fn from_series(column_type: ColumnType, series: &Series) -> PolarsResult<ColumnData> {
    Ok(match column_type {
        ColumnType::Bool => ColumnData::Bool(series.bool()?.iter().collect()),
        ColumnType::U32 => ColumnData::U32(series.u32()?.iter().collect()),
        ColumnType::U64 => ColumnData::U64(series.u64()?.iter().collect()),
        ColumnType::I64 => ColumnData::I64(series.i64()?.iter().collect()),
        ColumnType::Text | ColumnType::Code(_) => {
            ColumnData::Text(series.str()?.iter().map(|text| text.map(str::to_owned)).collect())
        }
    })
}
