//! A small deterministic DER writer: enough for the certificates and revocation lists that this crate issues.

use crate::calendar::{X509Time, x509_time};

/// Object identifier as its arcs.
pub(crate) type Oid = [u64];

/// One element: identifier octet, shortest definite length, contents.
pub(crate) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(contents.len() + 6);
    out.push(tag);
    let length = contents.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    match significant {
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | long.len() as u8);
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(contents);
    out
}

pub(crate) fn sequence<T: AsRef<[u8]>>(parts: &[T]) -> Vec<u8> {
    element(0x30, &join(parts))
}

pub(crate) fn set<T: AsRef<[u8]>>(parts: &[T]) -> Vec<u8> {
    element(0x31, &join(parts))
}

fn join<T: AsRef<[u8]>>(parts: &[T]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.as_ref().len()).sum());
    for part in parts {
        out.extend_from_slice(part.as_ref());
    }
    out
}

/// INTEGER from big-endian unsigned bytes.
pub(crate) fn unsigned(big_endian: &[u8]) -> Vec<u8> {
    let start = big_endian
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(big_endian.len());
    let mut contents = Vec::with_capacity(big_endian.len() + 1);
    // A leading zero keeps the number non-negative, and is all of zero.
    if big_endian.get(start).is_none_or(|first| first & 0x80 != 0) {
        contents.push(0);
    }
    contents.extend_from_slice(&big_endian[start..]);
    element(0x02, &contents)
}

pub(crate) fn integer(value: u64) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

pub(crate) fn enumerated(value: u8) -> Vec<u8> {
    element(0x0a, &[value])
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    element(0x01, &[if value { 0xff } else { 0x00 }])
}

pub(crate) fn octets(contents: &[u8]) -> Vec<u8> {
    element(0x04, contents)
}

/// BIT STRING of whole bytes.
pub(crate) fn bits(contents: &[u8]) -> Vec<u8> {
    let mut padded = Vec::with_capacity(contents.len() + 1);
    padded.push(0);
    padded.extend_from_slice(contents);
    element(0x03, &padded)
}

/// BIT STRING of the named bits of a key usage in one byte, without trailing zero bits as DER wants it.
pub(crate) fn named_bits(flags: u8) -> Vec<u8> {
    element(0x03, &[flags.trailing_zeros() as u8 & 7, flags])
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    element(0x0c, text.as_bytes())
}

pub(crate) fn printable(text: &str) -> Vec<u8> {
    element(0x13, text.as_bytes())
}

/// Context-specific constructed tag.
pub(crate) fn explicit(number: u8, contents: &[u8]) -> Vec<u8> {
    element(0xa0 | number, contents)
}

/// Context-specific primitive tag.
pub(crate) fn implicit(number: u8, contents: &[u8]) -> Vec<u8> {
    element(0x80 | number, contents)
}

pub(crate) fn oid(arcs: &Oid) -> Vec<u8> {
    let mut contents = Vec::new();
    if let [first, second, rest @ ..] = arcs {
        push_base128(&mut contents, first * 40 + second);
        for arc in rest {
            push_base128(&mut contents, *arc);
        }
    }
    element(0x06, &contents)
}

fn push_base128(out: &mut Vec<u8>, value: u64) {
    let groups = (64 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        out.push((value >> (7 * group)) as u8 & 0x7f | more);
    }
}

pub(crate) fn time(unix_s: u64) -> Vec<u8> {
    match x509_time(unix_s) {
        X509Time::Utc(text) => element(0x17, text.as_bytes()),
        X509Time::Generalized(text) => element(0x18, text.as_bytes()),
    }
}

/// An X.509 extension; the default of the critical flag is left out.
pub(crate) fn extension(id: &Oid, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(id)];
    if critical {
        parts.push(boolean(true));
    }
    parts.push(octets(value));
    sequence(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_cert::der::{Decode, Encode, asn1};

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(element(4, &[0; 0])[..], [4, 0]);
        assert_eq!(element(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(element(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
        assert_eq!(element(4, &[0; 65_536])[..5], [4, 0x83, 1, 0, 0]);
    }

    #[test]
    fn an_independent_reader_accepts_and_reproduces_what_is_written() {
        fn same<'a, T: Decode<'a> + Encode>(bytes: &'a [u8]) {
            assert_eq!(T::from_der(bytes).unwrap().to_der().unwrap(), bytes);
        }
        for value in [0, 1, 127, 128, 255, 256, u64::MAX] {
            let bytes = integer(value);
            same::<asn1::Uint>(&bytes);
            assert_eq!(u64::from_der(&bytes).unwrap(), value);
        }
        same::<asn1::ObjectIdentifier>(&oid(&[1, 2, 840, 113_741, 1, 13, 1]));
        same::<asn1::ObjectIdentifier>(&oid(&[2, 5, 29, 15]));
        same::<asn1::BitString>(&bits(&[1, 2, 3]));
        same::<asn1::BitString>(&named_bits(0x80));
        same::<asn1::BitString>(&named_bits(0x06));
        same::<asn1::OctetString>(&octets(&[9; 300]));
        same::<x509_cert::time::Time>(&time(1_773_699_363));
        same::<x509_cert::time::Time>(&time(4_102_444_799));
        same::<x509_cert::ext::Extension>(&extension(&[2, 5, 29, 19], true, &[0x30, 0]));
        same::<x509_cert::ext::Extension>(&extension(&[2, 5, 29, 19], false, &[0x30, 0]));
    }

    #[test]
    fn the_reader_refuses_what_is_not_der() {
        assert!(asn1::Uint::from_der(&[2, 2, 0, 1]).is_err(), "superfluous zero");
        assert!(bool::from_der(&[1, 1, 1]).is_err(), "TRUE is 0xff");
    }
}
