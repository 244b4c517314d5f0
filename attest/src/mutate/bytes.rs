//! Byte-level mutants of any case: bits, collateral, lengths, and the equivalence class.

use super::{Case, Class, Expectation, Mutant, SplitMix};
use crate::{collateral::Collateral, evidence::EvidenceKind, tdx::appraise::MAX_QUOTE_LEN_BYTES};
use std::sync::Arc;

pub(super) fn mutant(genuine: &Case, random: &mut SplitMix) -> Mutant {
    let kind = EvidenceKind::of(&genuine.evidence).ok();
    // Half of all flip bits; there are most of those.
    match random.below(16) {
        0..=1 => collateral(genuine, random),
        2..=4 => truncated(genuine, random),
        5 => extended(genuine, kind, random),
        6 => length_field(genuine, kind, random),
        7 => twin(genuine, kind, random),
        8..=9 => beside(genuine, random),
        _ => bit(genuine, random),
    }
}

fn made(class: Class, recipe: String, case: Case, expectation: Expectation) -> Mutant {
    Mutant {
        class,
        recipe,
        case,
        expectation,
    }
}

fn flip(bytes: &mut [u8], bit: usize) {
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

fn bit(genuine: &Case, random: &mut SplitMix) -> Mutant {
    let mut case = genuine.clone();
    let bit = random.below(case.evidence.len() * 8);
    flip(&mut case.evidence, bit);
    made(
        Class::M1Bits,
        format!("evidence: bit {bit}"),
        case,
        Expectation::Refused,
    )
}

/// A bit of a certificate, revocation list or manifest beside the evidence.
fn beside(genuine: &Case, random: &mut SplitMix) -> Mutant {
    let mut case = genuine.clone();
    let mut parts: Vec<(&str, &mut Vec<u8>)> = case.certificates.iter_mut().map(|der| ("certificate", der)).collect();
    parts.extend(case.revocation_list.iter_mut().map(|der| ("revocation list", der)));
    parts.extend(case.manifests.iter_mut().map(|document| ("manifest", document)));
    if parts.is_empty() {
        return bit(genuine, random);
    }
    let chosen = random.below(parts.len());
    let (name, bytes) = &mut parts[chosen];
    let bit = random.below(bytes.len() * 8);
    flip(bytes, bit);
    let recipe = format!("{name} (part {chosen}): bit {bit}");
    made(Class::M1Bits, recipe, case, Expectation::Refused)
}

/// A byte of one of the nine parts of Intel's collateral.
fn collateral(genuine: &Case, random: &mut SplitMix) -> Mutant {
    let mut case = genuine.clone();
    let Some(collateral) = &genuine.collateral else {
        return beside(genuine, random);
    };
    let mut parts = collateral.parts().clone();
    let mask = [0x01, 0x02, 0x20, 0x80][random.below(4)];
    let part = random.below(9);
    let mut text = |text: &mut String| {
        let mut bytes = std::mem::take(text).into_bytes();
        let at = random.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= mask & 0x7f;
        }
        *text = String::from_utf8_lossy(&bytes).into_owned();
        at
    };
    // Text of issuer chains is not signed: whatever is found in it either verifies or not.
    let unsigned = Expectation::RefusedOrSame;
    let (name, at, expectation) = match part {
        0 => (
            "PCK list's issuer chain",
            text(&mut parts.pck_crl_issuer_chain),
            unsigned,
        ),
        1 => (
            "TCB info's issuer chain",
            text(&mut parts.tcb_info_issuer_chain),
            unsigned,
        ),
        2 => (
            "QE identity's issuer chain",
            text(&mut parts.qe_identity_issuer_chain),
            unsigned,
        ),
        3 => ("TCB info", text(&mut parts.tcb_info), Expectation::Refused),
        4 => ("QE identity", text(&mut parts.qe_identity), Expectation::Refused),
        n => {
            let (name, bytes) = match n {
                5 => ("root list", &mut parts.root_ca_crl),
                6 => ("PCK list", &mut parts.pck_crl),
                7 => ("signature of TCB info", &mut parts.tcb_info_signature),
                _ => ("signature of QE identity", &mut parts.qe_identity_signature),
            };
            let at = random.below(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
            (name, at, Expectation::Refused)
        }
    };
    // A mask that the text cannot have leaves it as it was.
    let unchanged = parts == *collateral.parts();
    case.collateral = Collateral::from_parts(parts).ok().map(Arc::new);
    made(
        Class::M2Collateral,
        format!("{name}: byte {at} mask {mask:#x}"),
        case,
        if unchanged { Expectation::Same } else { expectation },
    )
}

fn truncated(genuine: &Case, random: &mut SplitMix) -> Mutant {
    let mut case = genuine.clone();
    let len = random.below(case.evidence.len());
    let unpadded = case.evidence.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    case.evidence.truncate(len);
    // Genuine quotes come padded; without the padding they are the same evidence.
    let expectation = if len >= unpadded {
        Expectation::RefusedOrSame
    } else {
        Expectation::Refused
    };
    made(Class::M3Lengths, format!("{len} bytes left"), case, expectation)
}

fn extended(genuine: &Case, kind: Option<EvidenceKind>, random: &mut SplitMix) -> Mutant {
    let mut case = genuine.clone();
    let len = case.evidence.len();
    let extra = match random.below(4) {
        0 => 1,
        1 => 4_096,
        2 => MAX_QUOTE_LEN_BYTES.saturating_sub(len).max(1),
        _ => MAX_QUOTE_LEN_BYTES.saturating_sub(len) + 1 + random.below(64),
    };
    let zeros = random.below(2) == 0;
    case.evidence.resize(len + extra, 0);
    let padding = zeros && kind == Some(EvidenceKind::Tdx) && len + extra <= MAX_QUOTE_LEN_BYTES;
    if !zeros && let Some(last) = case.evidence.last_mut() {
        *last = 1 + random.below(255) as u8;
    }
    let recipe = format!(
        "{extra} bytes more, {}",
        if zeros { "zero" } else { "the last not zero" }
    );
    if padding {
        made(Class::Equivalent, recipe, case, Expectation::Same)
    } else {
        made(Class::M3Lengths, recipe, case, Expectation::Refused)
    }
}

/// Places of length fields, with their widths.
fn length_fields(bytes: &[u8], kind: Option<EvidenceKind>) -> Vec<(usize, usize)> {
    match kind {
        Some(EvidenceKind::Tdx) => {
            let body = |at: usize| {
                let field = bytes.get(at..at + 4).and_then(|field| field.try_into().ok());
                field.map_or(584, |field| u32::from_le_bytes(field) as usize)
            };
            let (mut fields, signed) = if bytes.first() == Some(&5) {
                (vec![(50, 4)], 54 + body(50))
            } else {
                (Vec::new(), 48 + 584)
            };
            // Signature data; outer certification data; authentication data of the QE; inner certification data.
            fields.push((signed, 4));
            fields.push((signed + 4 + 64 + 64 + 2, 4));
            let authentication = signed + 4 + 64 + 64 + 6 + 384 + 64;
            fields.push((authentication, 2));
            fields.push((authentication + 2 + 32 + 2, 4));
            fields
        }
        Some(EvidenceKind::NvidiaGpu) => {
            // Record; first and last measurement and their values; opaque data and its first field.
            let opaque = 37 + 8 + 64 * 55 + 32;
            let last = 37 + 8 + 63 * 55;
            vec![
                (42, 3),
                (47, 2),
                (50, 2),
                (last + 2, 2),
                (last + 5, 2),
                (opaque, 2),
                (opaque + 4, 2),
            ]
        }
        Some(EvidenceKind::Sgx | EvidenceKind::Snp) | None => Vec::new(),
    }
}

fn length_field(genuine: &Case, kind: Option<EvidenceKind>, random: &mut SplitMix) -> Mutant {
    let mut case = genuine.clone();
    let fields = length_fields(&case.evidence, kind);
    let Some((at, width)) = fields.get(random.below(fields.len())).copied() else {
        return truncated(genuine, random);
    };
    let Some(field) = case.evidence.get_mut(at..at + width) else {
        return truncated(genuine, random);
    };
    let mut word = [0; 8];
    word[..width].copy_from_slice(field);
    let old = u64::from_le_bytes(word);
    let new = match random.below(5) {
        0 => 0,
        1 => old.wrapping_sub(1),
        2 => old.wrapping_add(1),
        3 => u64::MAX,
        _ => old.wrapping_add(256),
    };
    field.copy_from_slice(&new.to_le_bytes()[..width]);
    let unchanged = case.evidence == genuine.evidence;
    made(
        Class::M3Lengths,
        format!("length at {at}: {old} becomes {new}"),
        case,
        if unchanged {
            Expectation::Same
        } else {
            Expectation::Refused
        },
    )
}

/// The other signature over the same message: `s` replaced by `n - s`.
fn twin(genuine: &Case, kind: Option<EvidenceKind>, random: &mut SplitMix) -> Mutant {
    let mut case = genuine.clone();
    let done = match kind {
        Some(EvidenceKind::Tdx) => {
            let signed = length_fields(&case.evidence, kind)
                .iter()
                .map(|(at, _)| *at)
                .find(|at| *at > 100)
                .unwrap_or(0);
            case.evidence
                .get_mut(signed + 4 + 32..signed + 4 + 64)
                .is_some_and(negate_p256)
        }
        Some(EvidenceKind::Snp) => case.evidence.get_mut(0x2a0 + 72..0x2a0 + 72 + 48).is_some_and(|s| {
            s.reverse();
            let done = negate_p384(s);
            s.reverse();
            done
        }),
        Some(EvidenceKind::NvidiaGpu) => {
            let len = case.evidence.len();
            case.evidence.get_mut(len.saturating_sub(48)..).is_some_and(negate_p384)
        }
        Some(EvidenceKind::Sgx) | None => false,
    };
    if !done {
        return bit(genuine, random);
    }
    made(
        Class::Equivalent,
        "twin of the signature".to_owned(),
        case,
        Expectation::Same,
    )
}

fn negate_p256(s: &mut [u8]) -> bool {
    use p256::elliptic_curve::PrimeField as _;
    let Ok(bytes) = <[u8; 32]>::try_from(&*s) else {
        return false;
    };
    let scalar: Option<p256::Scalar> = p256::Scalar::from_repr(bytes.into()).into();
    let Some(scalar) = scalar else { return false };
    s.copy_from_slice(&(-scalar).to_repr());
    true
}

fn negate_p384(s: &mut [u8]) -> bool {
    use p384::elliptic_curve::PrimeField as _;
    let Ok(bytes) = <[u8; 48]>::try_from(&*s) else {
        return false;
    };
    let scalar: Option<p384::Scalar> = p384::Scalar::from_repr(bytes.into()).into();
    let Some(scalar) = scalar else { return false };
    s.copy_from_slice(&(-scalar).to_repr());
    true
}
