//! Tables as Parquet files.
//!
//! Writing is done by polars, on the calling thread and with fixed parameters, so that bytes depend on nothing but the
//! rows. Reading is not: a store may have been made by anyone, and polars' decoders trust the lengths inside pages. One
//! changed byte makes them allocate 2^61 bytes, which ends the process and cannot be caught. What polars writes is a
//! small part of Parquet (flat optional columns, version 1 pages, plain and dictionary encoding, zstd), and that part is
//! read here in safe code with every length checked and all memory counted. Tests read the files with polars as well.
//!
//! | module | subject |
//! |---|---|
//! | `thrift` | the protocol of footers and page headers |
//! | `footer` | where the columns are, and whether they are the table's |
//! | `levels` | runs and bit-packed groups |
//! | `pages` | values |

mod footer;
mod levels;
mod pages;
mod thrift;

use polars::io::parquet::write::KeyValueMetadata;
use polars::prelude::{Column as Series, DataFrame, ParquetCompression, ParquetWriter, PolarsError, StatisticsOptions};

use crate::schema::{ColumnData, Row, SCHEMA_VERSION};

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// Why bytes are not the expected table, or rows not a file: a reason in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ParquetError(String);

impl ParquetError {
    fn new(reason: &str) -> Self {
        Self(reason.to_owned())
    }

    fn cut_short() -> Self {
        Self::new("damaged: cut short")
    }
}

impl From<PolarsError> for ParquetError {
    fn from(error: PolarsError) -> Self {
        Self(error.to_string())
    }
}

/// Memory that decoded tables may still take, in bytes: a small file can stand for a very large table.
#[derive(Debug)]
pub(crate) struct Budget {
    left_bytes: u64,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { left_bytes: bytes }
    }

    fn take(&mut self, bytes: u64) -> Result<(), ParquetError> {
        let left = self.left_bytes.checked_sub(bytes);
        self.left_bytes = left.ok_or_else(|| ParquetError::new("takes more memory than a run store may"))?;
        Ok(())
    }
}

/// The rows as a Parquet file. Takes at least as much of the budget as reading it will take: whatever is written can be
/// read.
pub(crate) fn encode<R: Row>(rows: &[R], budget: &mut Budget) -> Result<Vec<u8>, ParquetError> {
    let columns = R::to_columns(rows);
    // The rows themselves, their text, and the pages, which are smaller than both together; three times is ample.
    let text_bytes: u64 = columns.iter().map(ColumnData::text_bytes).sum();
    budget.take((rows.len() as u64 * size_of::<R>() as u64 + text_bytes).saturating_mul(3))?;
    let columns = R::TABLE
        .columns
        .iter()
        .zip(columns)
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
pub(crate) fn decode<R: Row>(file: &[u8], rows: u64, budget: &mut Budget) -> Result<Vec<R>, ParquetError> {
    // Before anything is allocated for them.
    budget.take(rows.saturating_mul(size_of::<R>() as u64))?;
    let footer = footer::read(&R::TABLE, file, rows)?;
    let mut columns = Vec::new();
    for (index, column) in R::TABLE.columns.iter().enumerate() {
        let chunks = footer.groups.iter().filter_map(|group| group.get(index).copied());
        columns.push(pages::column(column.column_type, chunks, budget)?);
    }
    R::from_columns(columns).map_err(|error| ParquetError(error.to_string()))
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

#[cfg(test)]
mod tests {
    use polars::prelude::{ParquetReader, SerReader as _};

    use super::*;
    use crate::schema::{AssertionClass, AssertionRow, AssertionVerdict, Observer, PartRow, PriceRow};

    const AMPLE_BYTES: u64 = 1 << 30;

    fn rows(count: u64) -> Vec<PartRow> {
        (0..count)
            .map(|index| PartRow {
                request_id: format!("request-{}", index / 3),
                part_index: index % 3,
                observer: Observer::ALL[(index % 3) as usize],
                at_ns: index * index,
                bytes: index,
            })
            .collect()
    }

    /// Optional values, repeated text and text that occurs once.
    fn assertions(count: u64) -> Vec<AssertionRow> {
        (0..count)
            .map(|index| AssertionRow {
                name: "coins".to_owned(),
                class: AssertionClass::ALL[(index % 5) as usize],
                verdict: AssertionVerdict::Pass,
                detail: "é".repeat((index % 7) as usize) + &index.to_string(),
                at_ns: (index % 3 == 0).then_some(index),
            })
            .collect()
    }

    fn write<R: Row>(rows: &[R]) -> Vec<u8> {
        encode(rows, &mut Budget::new(u64::MAX)).unwrap()
    }

    fn read<R: Row>(file: &[u8], rows: u64) -> Result<Vec<R>, ParquetError> {
        decode(file, rows, &mut Budget::new(AMPLE_BYTES))
    }

    #[test]
    fn every_size_comes_back_in_order() {
        for count in [
            0,
            1,
            2,
            7,
            8,
            9,
            127,
            128,
            129,
            1_000,
            70_000,
            ROW_GROUP_ROWS as u64 + 10,
        ] {
            let parts = rows(count);
            assert!(read::<PartRow>(&write(&parts), count).unwrap() == parts, "{count}");
            let assertions = assertions(count);
            assert!(
                read::<AssertionRow>(&write(&assertions), count).unwrap() == assertions,
                "{count}"
            );
        }
    }

    /// Our own reader could share a mistake with nobody but us.
    #[test]
    fn polars_reads_the_same() {
        let rows = assertions(1_000);
        let frame = ParquetReader::new(std::io::Cursor::new(write(&rows))).finish().unwrap();
        let details: Vec<&str> = frame
            .column("detail")
            .unwrap()
            .str()
            .unwrap()
            .iter()
            .flatten()
            .collect();
        let moments: Vec<Option<u64>> = frame.column("at_ns").unwrap().u64().unwrap().iter().collect();
        assert!(details.into_iter().eq(rows.iter().map(|row| row.detail.as_str())));
        assert!(moments.into_iter().eq(rows.iter().map(|row| row.at_ns)));
    }

    #[test]
    fn other_tables_and_other_row_counts_are_refused() {
        let file = write(&rows(9));
        assert_eq!(read::<PartRow>(&file, 9), Ok(rows(9)));
        assert!(read::<PriceRow>(&file, 9).is_err());
        for count in [0, 8, 10, u64::MAX] {
            assert!(read::<PartRow>(&file, count).is_err(), "{count}");
        }
        for junk in [
            &b""[..],
            b"PAR1",
            b"PAR1PAR1",
            b"PAR1\0\0\0\0PAR1",
            b"PAR1\xff\xff\xff\xffPAR1",
            b"no table at all",
        ] {
            assert!(read::<PartRow>(junk, 0).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn what_is_written_within_a_budget_is_read_within_it() {
        for count in [0, 1, 100, 5_000] {
            for (file, bytes) in [budget_of(&rows(count)), budget_of(&assertions(count))] {
                assert!(!file.is_empty() && bytes < AMPLE_BYTES);
            }
        }
        // A small file that stands for a large table.
        let file = write(&vec![rows(1)[0].clone(); 100_000]);
        assert!(file.len() < 10_000);
        assert!(decode::<PartRow>(&file, 100_000, &mut Budget::new(1 << 20)).is_err());
        assert!(encode(&rows(1_000), &mut Budget::new(1 << 10)).is_err());
    }

    fn budget_of<R: Row + PartialEq>(rows: &[R]) -> (Vec<u8>, u64) {
        let mut budget = Budget::new(AMPLE_BYTES);
        let file = encode(rows, &mut budget).unwrap();
        let taken = AMPLE_BYTES - budget.left_bytes;
        assert!(decode::<R>(&file, rows.len() as u64, &mut Budget::new(taken)).is_ok_and(|read| read == rows));
        (file, taken)
    }

    /// Files whose digest is right, because somebody made it so, reach the decoder. Whatever is changed, the answer is
    /// an error or rows.
    #[test]
    fn damaged_files_are_refused_or_read_and_nothing_else() {
        let good = write(&assertions(200));
        let (mut refused, mut total) = (0, 0);
        let mut check = |bad: &[u8]| {
            total += 1;
            refused += usize::from(read::<AssertionRow>(bad, 200).is_err());
        };
        for position in 0..good.len() {
            for change in [0x01, 0x40, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[position] ^= change;
                check(&bad);
            }
        }
        for length in 0..good.len() {
            check(&good[..length]);
            // A hole in the middle, with an intact footer.
            check(&[&good[..length], &good[good.len().min(length + 9)..]].concat());
        }
        assert!(refused > total / 2, "{refused} of {total} refused");
        assert!(refused < total, "what is not read (statistics) cannot be damaged");
    }

    /// The same, with pages that are not compressed: changes reach lengths and levels instead of failing in zstd.
    #[test]
    fn damaged_pages_are_refused_or_read_and_nothing_else() {
        let mut frame = DataFrame::new(
            60,
            AssertionRow::TABLE
                .columns
                .iter()
                .zip(AssertionRow::to_columns(&assertions(60)))
                .map(|(column, data)| to_series(column.name, data))
                .collect(),
        )
        .unwrap();
        let mut good = Vec::new();
        let writer = ParquetWriter::new(&mut good).with_compression(ParquetCompression::Uncompressed);
        writer.set_parallel(false).finish(&mut frame).unwrap();
        assert_eq!(read::<AssertionRow>(&good, 60), Ok(assertions(60)));
        let (mut refused, mut changed) = (0, 0);
        for position in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[position] ^= 1 << bit;
                match read::<AssertionRow>(&bad, 60) {
                    Ok(rows) => changed += usize::from(rows != assertions(60)),
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(
            refused > 1_000 && changed > 1_000,
            "{refused} refused, {changed} changed"
        );
    }
}
