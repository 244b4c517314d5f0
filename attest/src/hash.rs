//! Digests over several parts without joining them first.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// SHA-256 of the parts in order.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    digest::<Sha256>(parts).into()
}

/// SHA-384 of the parts in order.
pub(crate) fn sha384(parts: &[&[u8]]) -> [u8; 48] {
    digest::<Sha384>(parts).into()
}

/// SHA-512 of the parts in order.
pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    digest::<Sha512>(parts).into()
}

fn digest<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize()
}

/// SHA-256 over parts with their lengths, so that no two lists of parts give the same input.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Sha256::new();
    for part in parts {
        state.update((part.len() as u64).to_be_bytes());
        state.update(part);
    }
    state.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_and_fingerprints_keep_them_apart() {
        assert_eq!(sha256(&[b"ab", b"c"]), sha256(&[b"abc"]));
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
        assert_ne!(sha384(&[b"a"])[..32], sha512(&[b"a"])[..32]);
    }
}
