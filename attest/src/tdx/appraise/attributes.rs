//! TD attributes and XFAM. The image hash leaves them out, so nothing else refuses a debug TD with the right hash.

use super::reason::{AttributeFault, Reason};
use crate::{policy::TolerableAttribute, tdx::TdReport};
use std::collections::BTreeSet;

/// Bits 7 to 0 make a TD untrusted: bit 0 is DEBUG, bits 4 to 6 are profiling.
const DEBUG: u64 = 1;
const PROFILING: u64 = 0b111 << 4;
const SERVICE_TD: u64 = 1 << 17;
const SEPT_VE_DISABLE: u64 = 1 << 28;
const MIGRATABLE: u64 = 1 << 29;
const PERFMON: u64 = 1 << 63;
/// Bits that the TDX 1.5 ABI reserves (348551-008US, table 3.23).
const RESERVED: u64 = (0b111 << 1) | (0x1ff << 7) | (0xf << 23) | (((1 << 30) - 1) << 32);

/// x87 and SSE cannot be off.
const XFAM_FIXED_1: u64 = 0b11;
/// Every component that a TDX module knows: x87, SSE, AVX, AVX-512 (3), PT, PKRU, CET (2), ULI, LBR and AMX (2).
const XFAM_KNOWN: u64 = 0x0006_dbe7;

pub(super) fn check(report: &TdReport, tolerated: &BTreeSet<TolerableAttribute>) -> Result<(), Reason> {
    let tolerated = |fault: &AttributeFault| tolerated.iter().any(|one| one.fault() == *fault);
    match faults(report).find(|fault| !tolerated(fault)) {
        Some(fault) => Err(Reason::Attributes(fault)),
        None => Ok(()),
    }
}

pub(super) fn fault(report: &TdReport) -> Option<AttributeFault> {
    faults(report).next()
}

fn faults(report: &TdReport) -> impl Iterator<Item = AttributeFault> + use<> {
    let attributes = u64::from_le_bytes(report.measurements.td_attributes);
    let xfam = u64::from_le_bytes(report.measurements.xfam);
    let service_td = report.tdx_1_5.is_some_and(|body| body.mr_service_td != [0; 48]);
    [
        (attributes & DEBUG != 0, AttributeFault::Debug),
        (attributes & PROFILING != 0, AttributeFault::Profiling),
        (attributes & RESERVED != 0, AttributeFault::Reserved),
        (attributes & MIGRATABLE != 0, AttributeFault::Migratable),
        (attributes & SERVICE_TD != 0 || service_td, AttributeFault::ServiceTd),
        (attributes & SEPT_VE_DISABLE == 0, AttributeFault::SeptVeEnabled),
        (attributes & PERFMON != 0, AttributeFault::Perfmon),
        (
            xfam & XFAM_FIXED_1 != XFAM_FIXED_1 || xfam & !XFAM_KNOWN != 0,
            AttributeFault::Xfam,
        ),
    ]
    .into_iter()
    .filter_map(|(wrong, fault)| wrong.then_some(fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tdx::{TdMeasurements, TdxModule15};

    fn report(attributes: u64, xfam: u64) -> TdReport {
        let mut measurements = TdMeasurements::of_image("image");
        measurements.td_attributes = attributes.to_le_bytes();
        measurements.xfam = xfam.to_le_bytes();
        TdReport {
            measurements,
            ..TdReport::fake([0; 64])
        }
    }

    #[test]
    fn every_attribute_bit_has_the_documented_consequence() {
        use AttributeFault as F;
        for bit in 0..64 {
            let expected = match bit {
                0 => Some(F::Debug),
                4..=6 => Some(F::Profiling),
                1..=3 | 7..=15 | 23..=26 | 32..=61 => Some(F::Reserved),
                17 => Some(F::ServiceTd),
                29 => Some(F::Migratable),
                63 => Some(F::Perfmon),
                // Defences and features that the guest asked for.
                16 | 18..=22 | 27 | 28 | 30 | 31 | 62 => None,
                _ => unreachable!(),
            };
            assert_eq!(
                fault(&report(SEPT_VE_DISABLE | 1 << bit, 0x0006_02e7)),
                expected,
                "bit {bit}"
            );
        }
        assert_eq!(fault(&report(0, 0x0006_02e7)), Some(F::SeptVeEnabled));
    }

    #[test]
    fn xfam_has_its_fixed_bits_and_no_unknown_ones() {
        let wrong = Some(AttributeFault::Xfam);
        assert_eq!(fault(&report(SEPT_VE_DISABLE, 3)), None);
        assert_eq!(fault(&report(SEPT_VE_DISABLE, 2)), wrong);
        assert_eq!(fault(&report(SEPT_VE_DISABLE, 1)), wrong);
        assert_eq!(fault(&report(SEPT_VE_DISABLE, 3 | 1 << 20)), wrong);
    }

    #[test]
    fn a_service_td_in_the_longer_body_counts() {
        let mut with_body = report(SEPT_VE_DISABLE, 3);
        let mut body = TdxModule15 {
            tee_tcb_svn_2: [0; 16],
            mr_service_td: [0; 48],
        };
        with_body.tdx_1_5 = Some(body);
        assert_eq!(fault(&with_body), None);
        body.mr_service_td[47] = 1;
        with_body.tdx_1_5 = Some(body);
        assert_eq!(fault(&with_body), Some(AttributeFault::ServiceTd));
    }
}
