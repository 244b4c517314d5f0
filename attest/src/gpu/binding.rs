//! How GPU evidence is tied to a CPU's evidence and to a session.
//!
//! A GPU signs whatever nonce it is given, by whoever drives it: genuine evidence of a GPU says nothing about which
//! guest uses it. So the nonce is derived from the session, and the guest's own report data name the GPU evidence. Each
//! half covers the other's part of the session, and neither can be replaced without the other noticing:
//!
//! 1. `b` is what the guest's report data would be without GPUs ([`crate::session::SessionBinding::report_data`]): it
//!    covers the TLS session, the verifier's nonce, both keys and both roles,
//! 2. `nonce = SHA-256(label, b)`,
//! 3. the GPUs answer with evidence,
//! 4. `report data = SHA-512(label, b, number of GPUs, id of each evidence)`; `b` itself if there is no GPU.
//!
//! What remains is a GPU whose owner signs nonces for others as they come. No binding sees that; a list of devices does,
//! and that one device serves one guest at a time ([`crate::verifier::gpus`]).

use crate::{
    evidence::EvidenceId,
    hash::{sha256, sha512},
};
use std::collections::BTreeSet;

/// Most GPUs that one guest can bind.
pub const MAX_GPUS: usize = 16;

/// The nonce that a guest gives its GPUs in this session.
pub fn nonce_for(binding: &[u8; 64]) -> [u8; 32] {
    sha256(&[b"chrysalis gpu nonce v1\0", binding])
}

/// Report data of a guest that vouches for these GPUs, in their order. None if there are more than [`MAX_GPUS`] or one
/// is there twice.
pub fn report_data_for(binding: &[u8; 64], gpus: &[EvidenceId]) -> Option<[u8; 64]> {
    if gpus.is_empty() {
        return Some(*binding);
    }
    let distinct: BTreeSet<_> = gpus.iter().collect();
    if gpus.len() > MAX_GPUS || distinct.len() != gpus.len() {
        return None;
    }
    let count = (gpus.len() as u64).to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![b"chrysalis report data with gpus v1\0", binding, &count];
    parts.extend(gpus.iter().map(|id| id.0.as_slice()));
    Some(sha512(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_session_changes_both_bindings() {
        let (binding, other) = ([1; 64], [9; 64]);
        let (a, b) = (EvidenceId([3; 48]), EvidenceId([4; 48]));
        assert_ne!(nonce_for(&binding), nonce_for(&other));
        assert_eq!(report_data_for(&binding, &[]), Some(binding));
        let data = report_data_for(&binding, &[a, b]).unwrap();
        for gpus in [&[b, a][..], &[a], &[]] {
            assert_ne!(report_data_for(&binding, gpus).unwrap(), data);
        }
        assert_ne!(report_data_for(&other, &[a, b]).unwrap(), data);
        assert_eq!(report_data_for(&binding, &[a, a]), None, "one GPU twice");
        let many: Vec<_> = (0..=MAX_GPUS as u8).map(|n| EvidenceId([n; 48])).collect();
        assert_eq!(report_data_for(&binding, &many), None);
        assert!(report_data_for(&binding, &many[1..]).is_some());
    }
}
