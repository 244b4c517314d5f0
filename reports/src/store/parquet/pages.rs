//! The values of a column: pages, dictionaries, definition levels.

use std::borrow::Cow;

use super::footer::{Chunk, Codec};
use super::thrift::{Kind, Reader};
use super::{Budget, ParquetError, levels};
use crate::schema::{ColumnData, ColumnType};

/// Largest page after decompression, in bytes.
const MAX_PAGE_BYTES: u64 = 256 << 20;

const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;

const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE: i64 = 3;
const RLE_DICTIONARY: i64 = 8;

/// A value of a column as it stands in a page.
trait Value: Clone {
    /// Reads `count` values one after the other.
    fn plain(bytes: &[u8], count: usize) -> Result<Vec<Self>, ParquetError>;

    /// Memory beyond the row itself, in bytes.
    fn extra_bytes(&self) -> u64 {
        0
    }
}

impl Value for bool {
    fn plain(bytes: &[u8], count: usize) -> Result<Vec<Self>, ParquetError> {
        if bytes.len() < count.div_ceil(8) {
            return Err(ParquetError::cut_short());
        }
        Ok(bytes
            .iter()
            .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
            .take(count)
            .collect())
    }
}

macro_rules! little_endian {
    ($($number:ty),+) => {$(
        impl Value for $number {
            fn plain(bytes: &[u8], count: usize) -> Result<Vec<Self>, ParquetError> {
                let (chunks, _) = bytes.as_chunks();
                let values: Vec<Self> = chunks.iter().take(count).map(|chunk| Self::from_le_bytes(*chunk)).collect();
                if values.len() < count { Err(ParquetError::cut_short()) } else { Ok(values) }
            }
        }
    )+};
}
little_endian!(u32, u64, i64);

impl Value for String {
    fn plain(bytes: &[u8], count: usize) -> Result<Vec<Self>, ParquetError> {
        let mut reader = Reader::new(bytes);
        // Each takes at least the four bytes of its length.
        let mut values = Vec::with_capacity(count.min(bytes.len() / 4));
        for _ in 0..count {
            let text = std::str::from_utf8(length_prefixed(&mut reader)?);
            values.push(
                text.map_err(|_| ParquetError::new("damaged: text is not UTF-8"))?
                    .to_owned(),
            );
        }
        Ok(values)
    }

    fn extra_bytes(&self) -> u64 {
        self.len() as u64
    }
}

/// Bytes after their length in four bytes.
fn length_prefixed<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ParquetError> {
    let length = reader
        .take(4)?
        .first_chunk::<4>()
        .copied()
        .ok_or_else(ParquetError::cut_short)?;
    reader.take(u64::from(u32::from_le_bytes(length)))
}

/// The values of a column over all row groups.
pub(super) fn column<'a>(
    column_type: ColumnType,
    chunks: impl Iterator<Item = Chunk<'a>>,
    budget: &mut Budget,
) -> Result<ColumnData, ParquetError> {
    Ok(match column_type {
        ColumnType::Bool => ColumnData::Bool(values(chunks, budget)?),
        ColumnType::U32 => ColumnData::U32(values(chunks, budget)?),
        ColumnType::U64 => ColumnData::U64(values(chunks, budget)?),
        ColumnType::I64 => ColumnData::I64(values(chunks, budget)?),
        ColumnType::Text | ColumnType::Code(_) => ColumnData::Text(values(chunks, budget)?),
    })
}

fn values<'a, V: Value>(
    chunks: impl Iterator<Item = Chunk<'a>>,
    budget: &mut Budget,
) -> Result<Vec<Option<V>>, ParquetError> {
    let mut values = Vec::new();
    for chunk in chunks {
        chunk_values(chunk, budget, &mut values)?;
    }
    Ok(values)
}

fn chunk_values<V: Value>(
    chunk: Chunk<'_>,
    budget: &mut Budget,
    values: &mut Vec<Option<V>>,
) -> Result<(), ParquetError> {
    let mut reader = Reader::new(chunk.pages);
    let mut dictionary: Option<Vec<V>> = None;
    let mut missing = chunk.values;
    // Row groups without rows have pages, too.
    while missing > 0 || !reader.rest().is_empty() {
        let header = page_header(&mut reader)?;
        let stored = reader.take(header.compressed_bytes)?;
        // Many columns may point at the same few bytes, so pages count even though they do not last.
        budget.take(header.bytes)?;
        let page = decompress(stored, chunk.codec, header.bytes)?;
        if header.kind == DICTIONARY_PAGE {
            let count = usize::try_from(header.values).map_err(|_| ParquetError::cut_short())?;
            if dictionary.is_some() || !matches!(header.encoding, PLAIN | PLAIN_DICTIONARY) {
                return Err(ParquetError::new("damaged: a dictionary that cannot be"));
            }
            dictionary = Some(V::plain(&page, count)?);
            continue;
        }
        missing = missing
            .checked_sub(header.values)
            .filter(|_| header.kind == DATA_PAGE && (header.values > 0 || missing == 0))
            .ok_or_else(|| ParquetError::new("damaged: a page with other values than its column"))?;
        data_page(&header, &page, dictionary.as_deref(), budget, values)?;
    }
    Ok(())
}

fn data_page<V: Value>(
    header: &PageHeader,
    page: &[u8],
    dictionary: Option<&[V]>,
    budget: &mut Budget,
    values: &mut Vec<Option<V>>,
) -> Result<(), ParquetError> {
    let count = usize::try_from(header.values).map_err(|_| ParquetError::cut_short())?;
    if header.level_encoding != RLE {
        return Err(ParquetError::new(
            "damaged: levels in an encoding that run stores do not use",
        ));
    }
    let mut reader = Reader::new(page);
    let present = levels::read(length_prefixed(&mut reader)?, 1, count)?;
    let present_count = present.iter().filter(|level| **level == 1).count();
    let found: Vec<V> = match header.encoding {
        PLAIN => V::plain(reader.rest(), present_count)?,
        RLE_DICTIONARY | PLAIN_DICTIONARY if present_count == 0 => Vec::new(),
        RLE_DICTIONARY | PLAIN_DICTIONARY => {
            let dictionary = dictionary.ok_or_else(|| ParquetError::new("damaged: no dictionary"))?;
            let width = reader.byte()?;
            let mut found = Vec::with_capacity(present_count);
            for index in levels::read(reader.rest(), width, present_count)? {
                let value = dictionary.get(index as usize);
                let value = value.ok_or_else(|| ParquetError::new("damaged: an index outside of its dictionary"))?;
                budget.take(value.extra_bytes())?;
                found.push(value.clone());
            }
            found
        }
        _ => return Err(ParquetError::new("encoded in a way that run stores do not use")),
    };
    if header.encoding == PLAIN {
        budget.take(found.iter().map(Value::extra_bytes).sum())?;
    }
    let mut found = found.into_iter();
    values.extend(
        present
            .into_iter()
            .map(|level| if level == 1 { found.next() } else { None }),
    );
    Ok(())
}

struct PageHeader {
    kind: i64,
    bytes: u64,
    compressed_bytes: u64,
    values: u64,
    encoding: i64,
    level_encoding: i64,
}

fn page_header(reader: &mut Reader<'_>) -> Result<PageHeader, ParquetError> {
    let (mut kind, mut bytes, mut compressed_bytes) = (None, None, None);
    let (mut values, mut encoding, mut level_encoding) = (None, None, RLE);
    reader.fields(|reader, id, field| {
        match (id, field) {
            (1, Kind::I32) => kind = Some(reader.integer()?),
            (2, Kind::I32) => bytes = Some(reader.unsigned()?),
            (3, Kind::I32) => compressed_bytes = Some(reader.unsigned()?),
            // Headers of data pages and of dictionary pages begin alike.
            (5 | 7, Kind::Struct) => reader.fields(|reader, id, field| {
                match (id, field) {
                    (1, Kind::I32) => values = Some(reader.unsigned()?),
                    (2, Kind::I32) => encoding = Some(reader.integer()?),
                    (3, Kind::I32) => level_encoding = reader.integer()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    match (kind, bytes, compressed_bytes, values, encoding) {
        (Some(kind), Some(bytes), Some(compressed_bytes), Some(values), Some(encoding)) => Ok(PageHeader {
            kind,
            bytes,
            compressed_bytes,
            values,
            encoding,
            level_encoding,
        }),
        _ => Err(ParquetError::new("damaged: an incomplete page header")),
    }
}

fn decompress(stored: &[u8], codec: Codec, bytes: u64) -> Result<Cow<'_, [u8]>, ParquetError> {
    let length = usize::try_from(bytes).ok().filter(|_| bytes <= MAX_PAGE_BYTES);
    let length = length.ok_or_else(|| ParquetError::new("a page is larger than any that this program writes"))?;
    let page = match codec {
        Codec::Uncompressed => Cow::Borrowed(stored),
        Codec::Zstd if length == 0 && stored.is_empty() => Cow::Borrowed(stored),
        // Allocates no more than `length`, whatever the compressed data promise.
        Codec::Zstd => zstd::bulk::decompress(stored, length)
            .map(Cow::Owned)
            .map_err(|_| ParquetError::new("damaged: a page cannot be decompressed"))?,
    };
    if page.len() == length {
        Ok(page)
    } else {
        Err(ParquetError::new("damaged: a page of another size"))
    }
}
