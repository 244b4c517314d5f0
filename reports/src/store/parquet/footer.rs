//! Where in a file the columns are, and whether they are those of the table.

use super::ParquetError;
use super::thrift::{Kind, Reader};
use crate::schema::{Column, ColumnType, Table};

const MAGIC: &[u8; 4] = b"PAR1";
/// Length of the footer and the magic number at the end.
const TRAILER_BYTES: usize = 8;

/// Numbers that Parquet gives to physical types.
const BOOLEAN: i64 = 0;
const INT32: i64 = 1;
const INT64: i64 = 2;
const BYTE_ARRAY: i64 = 6;
/// Numbers that Parquet gives to meanings of physical types.
const UTF8: i64 = 0;
const UINT_32: i64 = 13;
const UINT_64: i64 = 14;
const INT_64: i64 = 18;
/// Number of an optional field.
const OPTIONAL: i64 = 1;
/// Numbers of codecs.
const UNCOMPRESSED: i64 = 0;
const ZSTD: i64 = 6;

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Uncompressed,
    Zstd,
}

/// The pages of one column in one row group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) pages: &'a [u8],
    pub(super) codec: Codec,
    pub(super) values: u64,
}

/// A file whose columns are those of the table.
#[derive(Debug)]
pub(super) struct Footer<'a> {
    /// For each row group the chunks of all columns, in the order of the table.
    pub(super) groups: Vec<Vec<Chunk<'a>>>,
}

/// Reads the footer of a file that must hold exactly this table with so many rows.
pub(super) fn read<'a>(table: &Table, file: &'a [u8], rows: u64) -> Result<Footer<'a>, ParquetError> {
    let not_parquet = || ParquetError::new("not a Parquet file");
    let body = file
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.strip_suffix(MAGIC))
        .ok_or_else(not_parquet)?;
    let (before, length) = body.split_last_chunk::<4>().ok_or_else(not_parquet)?;
    let start = before
        .len()
        .checked_sub(u32::from_le_bytes(*length) as usize)
        .ok_or_else(not_parquet)?;
    let footer = before.get(start..).ok_or_else(not_parquet)?;
    debug_assert_eq!(before.len() + MAGIC.len() + TRAILER_BYTES, file.len());

    let mut found_rows = None;
    let mut groups = Vec::new();
    let mut schema_seen = false;
    Reader::new(footer).fields(|reader, id, kind| {
        match (id, kind) {
            (2, Kind::List) => {
                check_schema(table, reader)?;
                schema_seen = true;
            }
            (3, Kind::I64) => found_rows = Some(reader.unsigned()?),
            (4, Kind::List) => {
                let (Kind::Struct, count) = reader.list()? else {
                    return Err(ParquetError::new("damaged: row groups of another type"));
                };
                for _ in 0..count {
                    groups.push(row_group(table, file, reader)?);
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if !schema_seen {
        return Err(ParquetError::new("damaged: no schema"));
    }
    let in_groups = groups.iter().try_fold(0_u64, |sum, (_, rows)| sum.checked_add(*rows));
    if found_rows != Some(rows) || in_groups != Some(rows) {
        return Err(ParquetError(format!(
            "{} rows where {rows} are expected",
            found_rows.unwrap_or(0)
        )));
    }
    Ok(Footer {
        groups: groups.into_iter().map(|(chunks, _)| chunks).collect(),
    })
}

#[derive(Default)]
struct Element<'a> {
    physical: Option<i64>,
    meaning: Option<i64>,
    repetition: Option<i64>,
    name: &'a [u8],
}

fn check_schema(table: &Table, reader: &mut Reader<'_>) -> Result<(), ParquetError> {
    let other = || ParquetError::new("the columns are not those of the table");
    let (Kind::Struct, count) = reader.list()? else {
        return Err(other());
    };
    // The first element is the root.
    if count != table.columns.len() as u64 + 1 {
        return Err(other());
    }
    schema_element(reader)?;
    for column in table.columns {
        let element = schema_element(reader)?;
        if element.name != column.name.as_bytes() {
            return Err(other());
        }
        if !has_type(column, &element) {
            return Err(ParquetError(format!(
                "column {} has values of another type",
                column.name
            )));
        }
    }
    Ok(())
}

fn schema_element<'a>(reader: &mut Reader<'a>) -> Result<Element<'a>, ParquetError> {
    let mut element = Element::default();
    reader.fields(|reader, id, kind| {
        match (id, kind) {
            (1, Kind::I32) => element.physical = Some(reader.integer()?),
            (3, Kind::I32) => element.repetition = Some(reader.integer()?),
            (4, Kind::Binary) => element.name = reader.binary()?,
            (6, Kind::I32) => element.meaning = Some(reader.integer()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(element)
}

fn has_type(column: &Column, element: &Element<'_>) -> bool {
    // All columns are written as optional; whether a value may be absent is checked with the values.
    if element.repetition != Some(OPTIONAL) {
        return false;
    }
    matches!(
        (column.column_type, element.physical, element.meaning),
        (ColumnType::Bool, Some(BOOLEAN), None)
            | (ColumnType::U32, Some(INT32), Some(UINT_32))
            | (ColumnType::U64, Some(INT64), Some(UINT_64))
            | (ColumnType::I64, Some(INT64), None | Some(INT_64))
            | (ColumnType::Text | ColumnType::Code(_), Some(BYTE_ARRAY), Some(UTF8))
    )
}

fn row_group<'a>(
    table: &Table,
    file: &'a [u8],
    reader: &mut Reader<'_>,
) -> Result<(Vec<Chunk<'a>>, u64), ParquetError> {
    let mut chunks = Vec::new();
    let mut rows = None;
    reader.fields(|reader, id, kind| {
        match (id, kind) {
            (1, Kind::List) => {
                let (Kind::Struct, count) = reader.list()? else {
                    return Err(ParquetError::new("damaged: columns of another type"));
                };
                for _ in 0..count {
                    chunks.push(column_chunk(file, reader)?);
                }
            }
            (3, Kind::I64) => rows = Some(reader.unsigned()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let rows = rows.ok_or_else(|| ParquetError::new("damaged: a row group without a number of rows"))?;
    if chunks.len() != table.columns.len() || chunks.iter().any(|chunk| chunk.values != rows) {
        return Err(ParquetError::new(
            "damaged: a row group does not have every value of every column",
        ));
    }
    Ok((chunks, rows))
}

fn column_chunk<'a>(file: &'a [u8], reader: &mut Reader<'_>) -> Result<Chunk<'a>, ParquetError> {
    let mut chunk = None;
    reader.fields(|reader, id, kind| {
        match (id, kind) {
            (1, _) => return Err(ParquetError::new("a column is in another file")),
            (3, Kind::Struct) => chunk = Some(column_metadata(file, reader)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    chunk.ok_or_else(|| ParquetError::new("damaged: a column without metadata"))
}

fn column_metadata<'a>(file: &'a [u8], reader: &mut Reader<'_>) -> Result<Chunk<'a>, ParquetError> {
    let (mut codec, mut values, mut bytes) = (None, None, None);
    let (mut data_start, mut dictionary_start) = (None, None);
    reader.fields(|reader, id, kind| {
        match (id, kind) {
            (4, Kind::I32) => {
                codec = Some(match reader.integer()? {
                    UNCOMPRESSED => Codec::Uncompressed,
                    ZSTD => Codec::Zstd,
                    _ => return Err(ParquetError::new("compressed in a way that run stores do not use")),
                });
            }
            (5, Kind::I64) => values = Some(reader.unsigned()?),
            (7, Kind::I64) => bytes = Some(reader.unsigned()?),
            (9, Kind::I64) => data_start = Some(reader.unsigned()?),
            (11, Kind::I64) => dictionary_start = Some(reader.unsigned()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let incomplete = || ParquetError::new("damaged: a column does not say where it is");
    let start = dictionary_start.or(data_start).ok_or_else(incomplete)?;
    let end = start
        .checked_add(bytes.ok_or_else(incomplete)?)
        .ok_or_else(incomplete)?;
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let pages = range
        .and_then(|(start, end)| file.get(start..end))
        .ok_or_else(ParquetError::cut_short)?;
    Ok(Chunk {
        pages,
        codec: codec.ok_or_else(incomplete)?,
        values: values.ok_or_else(incomplete)?,
    })
}
