//! How GPU evidence is tied to a CPU's evidence and to a session.
//!
//! A GPU signs whatever nonce it is given, by whoever drives it: genuine evidence of a GPU says nothing about which
//! guest uses it. So the nonce is derived from the session and from the key that the guest holds, and the guest's own
//! report data name the GPU evidence. Each half covers the other's part of the session, and neither can be replaced
//! without the other noticing:
//!
//! 1. `nonce = SHA-256(label, session challenge, guest's key)`,
//! 2. the GPU answers with evidence `g`,
//! 3. `report data = SHA-512(label, session challenge, guest's key, number of GPUs, id of each g)`.

use crate::{
    evidence::EvidenceId,
    hash::{sha256, sha512},
};

/// Most GPUs that one guest can bind.
pub const MAX_GPUS: usize = 16;

/// The nonce that a guest with this key gives its GPUs in this session.
pub fn nonce_for(challenge: &[u8; 32], guest_key: &[u8; 32]) -> [u8; 32] {
    sha256(&[b"chrysalis gpu nonce v1\0", challenge, guest_key])
}

/// Report data of a guest that vouches for these GPUs, in their order. None if there are more than [`MAX_GPUS`] or one
/// is there twice: a GPU that is sold twice is one GPU.
pub fn report_data_for(challenge: &[u8; 32], guest_key: &[u8; 32], gpus: &[EvidenceId]) -> Option<[u8; 64]> {
    let distinct: std::collections::BTreeSet<_> = gpus.iter().collect();
    if gpus.len() > MAX_GPUS || distinct.len() != gpus.len() {
        return None;
    }
    let count = (gpus.len() as u64).to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![b"chrysalis report data with gpus v1\0", challenge, guest_key, &count];
    parts.extend(gpus.iter().map(|id| id.0.as_slice()));
    Some(sha512(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_session_changes_both_bindings() {
        let (challenge, key) = ([1; 32], [2; 32]);
        let (a, b) = (EvidenceId([3; 48]), EvidenceId([4; 48]));
        assert_ne!(nonce_for(&challenge, &key), nonce_for(&[9; 32], &key));
        assert_ne!(nonce_for(&challenge, &key), nonce_for(&challenge, &[9; 32]));
        let data = report_data_for(&challenge, &key, &[a, b]).unwrap();
        for other in [
            report_data_for(&[9; 32], &key, &[a, b]),
            report_data_for(&challenge, &[9; 32], &[a, b]),
            report_data_for(&challenge, &key, &[b, a]),
            report_data_for(&challenge, &key, &[a]),
            report_data_for(&challenge, &key, &[]),
        ] {
            assert_ne!(other.unwrap(), data);
        }
        assert_eq!(report_data_for(&challenge, &key, &[a, a]), None, "one GPU twice");
        let many: Vec<_> = (0..=MAX_GPUS as u8).map(|n| EvidenceId([n; 48])).collect();
        assert_eq!(report_data_for(&challenge, &key, &many), None);
        assert!(report_data_for(&challenge, &key, &many[1..]).is_some());
    }
}
