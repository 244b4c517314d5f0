//! Small integers in runs and bit-packed groups: definition levels and dictionary indices.

use super::ParquetError;
use super::thrift::Reader;

/// Values of a bit-packed group.
const GROUP: u64 = 8;

/// Reads exactly `count` integers of `width` bits in Parquet's hybrid of runs and bit-packed groups.
pub(super) fn read(bytes: &[u8], width: u8, count: usize) -> Result<Vec<u32>, ParquetError> {
    if width > 32 {
        return Err(ParquetError::new("damaged: integers of more than 32 bits"));
    }
    let mut values = Vec::with_capacity(count);
    let mut reader = Reader::new(bytes);
    while values.len() < count {
        let missing = count - values.len();
        let head = reader.varint()?;
        if head & 1 == 0 {
            let length = usize::try_from(head >> 1)
                .ok()
                .filter(|length| (1..=missing).contains(length));
            let length = length.ok_or_else(|| ParquetError::new("damaged: a run of an impossible length"))?;
            let raw = reader.take(u64::from(width.div_ceil(8)))?;
            let value = raw
                .iter()
                .rev()
                .fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            values.extend(std::iter::repeat_n(value, length));
        } else {
            let groups = head >> 1;
            // The last group may be longer than needed, but none is without use.
            if groups == 0 || (groups - 1).saturating_mul(GROUP) >= missing as u64 {
                return Err(ParquetError::new("damaged: groups without use"));
            }
            let packed = reader.take(groups * u64::from(width))?;
            if width == 0 {
                values.extend(std::iter::repeat_n(0, missing.min((groups * GROUP) as usize)));
                continue;
            }
            values.extend(unpack(packed, width).take(missing.min((groups * GROUP) as usize)));
        }
    }
    Ok(values)
}

/// Integers of `width` bits, at most 32, lowest bits first.
fn unpack(packed: &[u8], width: u8) -> impl Iterator<Item = u32> {
    let mask = (1_u64 << width) - 1;
    (0..).step_by(usize::from(width)).map(move |start: usize| {
        let rest = packed.get(start / 8..).unwrap_or_default();
        // Up to 32 bits, of which the first may be the last of its byte: five bytes.
        let window = match rest.first_chunk::<8>() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => rest.iter().rev().fold(0, |window, byte| window << 8 | u64::from(*byte)),
        };
        (window >> (start % 8) & mask) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_groups_are_read_as_the_format_says() {
        // The example of the Parquet specification: 0 to 7 in three bits.
        assert_eq!(read(&[0x03, 0x88, 0xc6, 0xfa], 3, 8), Ok(vec![0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(read(&[0x03, 0x88, 0xc6, 0xfa], 3, 5), Ok(vec![0, 1, 2, 3, 4]));
        assert_eq!(read(&[0x06, 0x02, 0x04, 0x01], 2, 5), Ok(vec![2, 2, 2, 1, 1]));
        assert_eq!(read(&[0x04, 0x01, 0x02], 12, 2), Ok(vec![0x201, 0x201]));
        // One-entry dictionaries have indices of no bits.
        assert_eq!(read(&[0x08], 0, 4), Ok(vec![0; 4]));
        assert_eq!(read(&[], 1, 0), Ok(vec![]));
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for (bytes, width, count) in [
            (&[0x0a, 0x01][..], 1, 4),
            (&[0x00, 0x01], 1, 4),
            (&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1], 1, 4),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1], 0, 4),
            (&[0x01], 0, 4),
            (&[0x03], 1, 4),
            (&[0x08], 1, 4),
            (&[0x02, 0x01], 1, 4),
            (&[0x08, 0, 0, 0, 0, 0], 33, 4),
        ] {
            assert!(read(bytes, width, count).is_err(), "{bytes:?}");
        }
    }
}
