//! Reports of simulated machines beside what the `sev` crate reads in them. What rules refuse and accept is tested with
//! the mutants ([`crate::mutate`]).

use super::*;
use crate::sim_pki::{SimSnpPki, SnpGuest};
use sev::{firmware::guest::AttestationReport, parser::ByteParser};

const START: u64 = 1_790_000_000;

#[test]
fn the_sev_crate_reads_the_same_fields() {
    for product in Product::ALL {
        let machine = SimSnpPki::new(7, product, START).machine(1);
        for version in [2, 3, 5] {
            let guest = SnpGuest {
                version,
                host_data: [0x33; 32],
                ..SnpGuest::of_image("worker")
            };
            let bytes = machine.report(&guest, &[0x42; 64]).unwrap();
            let ours = SnpReport::parse(&bytes).unwrap();
            let theirs = AttestationReport::from_bytes(&bytes).unwrap();
            assert_eq!(ours.version, theirs.version);
            assert_eq!(ours.guest_svn, theirs.guest_svn);
            assert_eq!(ours.policy.0, u64::from(theirs.policy));
            assert_eq!(ours.policy.debug(), theirs.policy.debug_allowed());
            assert_eq!(ours.policy.smt(), theirs.policy.smt_allowed());
            assert_eq!(ours.policy.migration_agent(), theirs.policy.migrate_ma_allowed());
            assert_eq!(ours.policy.single_socket(), theirs.policy.single_socket_required());
            assert_eq!(ours.policy.cxl(), theirs.policy.cxl_allowed());
            assert_eq!(ours.policy.aes_256_xts(), theirs.policy.mem_aes_256_xts());
            assert_eq!(ours.policy.rapl_disabled(), theirs.policy.rapl_dis());
            assert_eq!(ours.policy.ciphertext_hiding(), theirs.policy.ciphertext_hiding());
            assert_eq!(ours.policy.page_swap_disabled(), theirs.policy.page_swap_disabled());
            assert_eq!(ours.platform_info.smt(), theirs.plat_info.smt_enabled());
            assert_eq!(ours.platform_info.rapl_disabled(), theirs.plat_info.rapl_disabled());
            assert_eq!(
                ours.platform_info.ciphertext_hiding(),
                theirs.plat_info.ciphertext_hiding_enabled()
            );
            assert_eq!(
                ours.platform_info.alias_check(),
                theirs.plat_info.alias_check_complete()
            );
            assert_eq!(ours.vmpl, theirs.vmpl);
            assert_eq!(ours.report_data, theirs.report_data);
            assert_eq!(ours.measurement, theirs.measurement);
            assert_eq!(ours.host_data, theirs.host_data);
            assert_eq!(ours.chip_id, theirs.chip_id);
            assert_eq!(ours.migration_agent, theirs.report_id_ma);
            assert_eq!(ours.cpuid.map(|[family, ..]| family), theirs.cpuid_fam_id);
            assert_eq!(ours.cpuid.map(|[_, model, _]| model), theirs.cpuid_mod_id);
            assert_eq!(ours.mitigations.map(|(launch, _)| launch), theirs.launch_mit_vector);
            let tcb = ours.tcb(product).unwrap();
            for (ours, theirs) in [
                (tcb.current, theirs.current_tcb),
                (tcb.reported, theirs.reported_tcb),
                (tcb.committed, theirs.committed_tcb),
                (tcb.launch, theirs.launch_tcb),
            ] {
                assert_eq!(
                    (ours.boot_loader, ours.tee, ours.snp, ours.microcode),
                    (theirs.bootloader, theirs.tee, theirs.snp, theirs.microcode),
                    "{product:?} version {version}"
                );
            }
        }
    }
}

/// Why raw bytes are read here: the crate reads a signed reserved byte, forgets it, and would hash a report without it.
#[test]
fn the_sev_crate_does_not_keep_reserved_bytes() {
    let machine = SimSnpPki::new(7, Product::Genoa, START).machine(1);
    let mut bytes = machine.report(&SnpGuest::of_image("worker"), &[0x42; 64]).unwrap();
    bytes[0x38 + 2] = 1;
    let theirs = AttestationReport::from_bytes(&bytes).unwrap();
    assert_ne!(theirs.to_bytes().unwrap().to_vec(), bytes);
    assert_eq!(
        SnpReport::parse(&bytes).unwrap().tcb(Product::Genoa),
        Err(ReportFault::Reserved { offset: 0x38 })
    );
}

#[test]
fn tcb_versions_survive_their_bytes() {
    let tcb = SnpTcb {
        fmc: 0,
        boot_loader: 1,
        tee: 2,
        snp: 3,
        microcode: 4,
    };
    for product in Product::ALL {
        assert_eq!(SnpTcb::read(tcb.write(product), product), Some(tcb));
    }
    assert_eq!(
        SnpTcb::read([9, 1, 2, 3, 0, 0, 0, 4], Product::Turin).map(|tcb| tcb.fmc),
        Some(9)
    );
    assert_eq!(SnpTcb::read([1, 2, 1, 0, 0, 0, 3, 4], Product::Milan), None);
    let newer = SnpTcb { snp: 4, ..tcb };
    let mixed = SnpTcb { tee: 0, ..newer };
    assert!(newer.is_at_least(&tcb) && !tcb.is_at_least(&newer));
    assert!(!mixed.is_at_least(&tcb) && !tcb.is_at_least(&mixed), "incomparable");
}
