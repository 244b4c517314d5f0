//! Dates, TCB, revocation, attributes, allow-lists.

use super::*;
use crate::{policy::AllowList, sim_pki::CollateralOptions, tdx::report::Measurement};
use std::collections::BTreeSet;

/// Judges the default quote after `change`.
fn judged(change: impl FnOnce(&mut World)) -> Result<Verdict, Reason> {
    let mut world = World::new(7);
    change(&mut world);
    world.judge(&world.quote())
}

/// Judges the default quote with collateral made by `options`.
fn with_collateral(options: &CollateralOptions) -> Result<Verdict, Reason> {
    judged(|world| world.collateral = world.pki.collateral_with(START, options))
}

#[test]
fn collateral_counts_from_its_first_to_its_last_second() {
    let world = World::new(7);
    let quote = world.quote();
    // The revocation list ends with the second before its next update.
    let last = START + 30 * 86_400 - 1;
    assert_eq!(
        world.judge_at(&quote, START - 1),
        Err(Reason::NotYetValid { from_unix_s: START })
    );
    assert!(world.judge_at(&quote, START).is_ok());
    assert!(world.judge_at(&quote, last).is_ok());
    assert_eq!(
        world.judge(&quote).unwrap().expires_unix_s,
        last,
        "what a cache may rely on"
    );
    assert_eq!(
        world.judge_at(&quote, last + 1),
        Err(Reason::Expired { at_unix_s: last })
    );
    assert!(world.judge_at(&quote, u64::MAX).is_err());
    assert!(world.judge_at(&quote, 0).is_err());
}

#[test]
fn certificates_count_from_their_first_second() {
    let refused = judged(|world| {
        world.pki = SimPki::new(7, NOW + 1);
        world.anchors = world.pki.anchors(MARKER);
        world.collateral = world.pki.collateral(START);
    });
    assert!(
        matches!(
            refused,
            Err(Reason::CertificateChain { .. } | Reason::CollateralSignature { .. })
        ),
        "{refused:?}"
    );
}

#[test]
fn a_revocation_list_from_the_future_is_refused() {
    // The signature engine accepts it.
    let spliced = |list_issued: u64| {
        judged(|world| {
            let mut parts = world.collateral.parts().clone();
            parts.pck_crl = world.pki.collateral(list_issued).parts().pck_crl.clone();
            world.collateral = Collateral::from_parts(parts).unwrap();
        })
    };
    assert!(spliced(NOW).is_ok());
    assert_eq!(spliced(NOW + 1), Err(Reason::NotYetValid { from_unix_s: NOW + 1 }));
}

#[test]
fn what_is_revoked_is_refused_and_nothing_else() {
    let revoking = |change: fn(&mut CollateralOptions)| {
        let mut options = CollateralOptions::default();
        change(&mut options);
        with_collateral(&options)
    };
    assert_eq!(
        revoking(|o| o.revoked_platforms = BTreeSet::from([1])),
        Err(Reason::CertificateRevoked)
    );
    assert!(revoking(|o| o.revoked_platforms = BTreeSet::from([0, 2, 257])).is_ok());
    assert_eq!(
        revoking(|o| o.platform_ca_revoked = true),
        Err(Reason::CertificateRevoked)
    );
    assert_eq!(
        revoking(|o| o.tcb_signer_revoked = true),
        Err(Reason::CertificateRevoked)
    );
}

#[test]
fn only_accepted_tcb_statuses_pass_and_revoked_never_does() {
    let all = [
        TcbStatus::UpToDate,
        TcbStatus::SwHardeningNeeded,
        TcbStatus::ConfigurationNeeded,
        TcbStatus::ConfigurationAndSwHardeningNeeded,
        TcbStatus::OutOfDate,
        TcbStatus::OutOfDateConfigurationNeeded,
        TcbStatus::Revoked,
    ];
    for status in all {
        let with = |accepted: BTreeSet<TcbStatus>| {
            judged(|world| {
                let options = CollateralOptions {
                    default_tcb_status: status,
                    ..CollateralOptions::default()
                };
                world.collateral = world.pki.collateral_with(START, &options);
                world.rules.accepted_tcb = accepted;
            })
        };
        let accepted = with(all.into_iter().collect());
        if status == TcbStatus::Revoked {
            assert_eq!(accepted, Err(Reason::Tcb { status }));
        } else {
            let Endorsement::Tdx(endorsement) = accepted.unwrap().endorsement else {
                unreachable!()
            };
            assert_eq!(endorsement.tcb_status, status);
        }
        let others = all.into_iter().filter(|other| *other != status).collect();
        assert_eq!(with(others), Err(Reason::Tcb { status }), "{status:?}");
    }
}

#[test]
fn machines_are_judged_by_their_own_security_versions() {
    let on = |change: fn(&mut PlatformTcb)| {
        let world = World::new(7);
        let mut tcb = PlatformTcb::default();
        change(&mut tcb);
        world.judge(&world.quote_on(world.pki.platform_with(1, tcb), &world.td))
    };
    let out_of_date = Err(Reason::Tcb {
        status: TcbStatus::OutOfDate,
    });
    assert!(on(|tcb| tcb.cpu_svn[0] += 1).is_ok());
    assert_eq!(on(|tcb| tcb.cpu_svn[0] -= 1), out_of_date);
    for lower in [
        on(|tcb| tcb.cpu_svn[0] -= 2),
        on(|tcb| tcb.pce_svn -= 1),
        on(|tcb| tcb.tee_tcb_svn[0] -= 1),
        on(|tcb| tcb.tee_tcb_svn[1] = 9),
    ] {
        assert!(matches!(lower, Err(Reason::TcbUnknown { .. })), "{lower:?}");
    }
}

#[test]
fn advisories_can_be_refused_whatever_the_status() {
    let refusing = |refused: &str| {
        judged(|world| {
            let options = CollateralOptions {
                advisories: vec!["SIM-SA-00002".into()],
                ..CollateralOptions::default()
            };
            world.collateral = world.pki.collateral_with(START, &options);
            world.rules.refused_advisories = BTreeSet::from([refused.to_owned()]);
        })
    };
    assert_eq!(
        refusing("SIM-SA-00002"),
        Err(Reason::Advisory {
            advisory: "SIM-SA-00002".into()
        })
    );
    assert!(refusing("SIM-SA-0000").is_ok(), "no comparison of prefixes");
}

#[test]
fn collateral_cannot_be_rolled_back() {
    let demanding = |change: fn(&mut AppraisalRules)| judged(|world| change(&mut world.rules));
    assert!(demanding(|rules| rules.min_tcb_evaluation_number = 18).is_ok());
    assert!(matches!(
        demanding(|rules| rules.min_tcb_evaluation_number = 19),
        Err(Reason::CollateralRolledBack {
            field: "TCB evaluation number"
        })
    ));
    assert!(demanding(|rules| rules.min_crl_number = 1).is_ok());
    assert!(matches!(
        demanding(|rules| rules.min_crl_number = 2),
        Err(Reason::CollateralRolledBack {
            field: "revocation list number"
        })
    ));
}

#[test]
fn collateral_must_be_for_the_platform() {
    let other_family = CollateralOptions {
        fmspc: [9; 6],
        ..CollateralOptions::default()
    };
    assert_eq!(
        with_collateral(&other_family),
        Err(Reason::CollateralForOtherFamily {
            platform: SIM_FMSPC,
            collateral: [9; 6]
        })
    );
    let other_enclave = CollateralOptions {
        pce_id: [0, 1],
        ..CollateralOptions::default()
    };
    assert_eq!(
        with_collateral(&other_enclave),
        Err(Reason::PceIdMismatch),
        "the signature engine does not compare it"
    );
}

#[test]
fn platform_flags_can_be_refused() {
    for (flag, change) in [
        (
            "dynamic platform",
            (|flags| flags.allow_dynamic_platform = false) as fn(&mut PlatformFlags),
        ),
        ("cached keys", |flags| flags.allow_cached_keys = false),
        ("multithreading", |flags| flags.allow_smt = false),
    ] {
        assert_eq!(
            judged(|world| change(&mut world.rules.platform_flags)),
            Err(Reason::PlatformFlag { flag })
        );
    }
}

#[test]
fn debug_and_other_attributes_are_refused_although_signed() {
    const SEPT_VE_DISABLE: u64 = 1 << 28;
    let with = |attributes: u64, rule: AttributeRule| {
        judged(|world| {
            world.td.td_attributes = attributes.to_le_bytes();
            world.rules.td_attributes = rule;
        })
    };
    let refused = |attributes| with(attributes, AttributeRule::Production).unwrap_err();
    assert!(with(SEPT_VE_DISABLE, AttributeRule::Production).is_ok());
    for (bits, fault) in [
        (1, AttributeFault::Debug),
        (1 << 4, AttributeFault::Profiling),
        (1 << 7, AttributeFault::Reserved),
        (1 << 17, AttributeFault::ServiceTd),
        (1 << 29, AttributeFault::Migratable),
        (1 << 63, AttributeFault::Perfmon),
    ] {
        assert_eq!(refused(SEPT_VE_DISABLE | bits), Reason::Attributes(fault));
    }
    assert_eq!(refused(0), Reason::Attributes(AttributeFault::SeptVeEnabled));

    // What the reference system accepts: a debug TD has the image hash of the production TD.
    let reference = AttributeRule::Reference(MARKER);
    let debug = with(SEPT_VE_DISABLE | 1, reference).unwrap();
    assert_eq!(
        debug.image_hash,
        with(SEPT_VE_DISABLE, AttributeRule::Production).unwrap().image_hash
    );
    assert!(with(SEPT_VE_DISABLE | 1 << 63, reference).is_ok());
    assert_eq!(
        with(SEPT_VE_DISABLE | 1 << 7, reference),
        Err(Reason::Attributes(AttributeFault::Reserved))
    );
}

#[test]
fn xfam_is_judged() {
    let with = |xfam: u64| judged(|world| world.td.xfam = xfam.to_le_bytes());
    assert!(with(3).is_ok());
    assert_eq!(with(0), Err(Reason::Attributes(AttributeFault::Xfam)));
}

#[test]
fn measurements_must_be_in_their_lists() {
    const OTHER: Measurement = [9; 48];
    let td = TdMeasurements::of_image("worker");
    let seam = PlatformTcb::default().mr_seam;
    type Set = fn(&mut AppraisalRules, bool, &TdMeasurements);
    let fields: [(MeasuredField, Set); 4] = [
        (MeasuredField::MrTd, |rules, right, td| {
            rules.allowed_mr_td = [OTHER].into_iter().chain(right.then_some(td.mr_td)).collect();
        }),
        (MeasuredField::Rtmr, |rules, right, td| {
            let mut swapped = td.rtmr;
            swapped.swap(1, 2);
            rules.allowed_rtmr = [swapped].into_iter().chain(right.then_some(td.rtmr)).collect();
        }),
        (MeasuredField::ImageHash, |rules, right, td| {
            rules.allowed_image_hashes = [[9; 32]].into_iter().chain(right.then(|| td.image_hash())).collect();
        }),
        (MeasuredField::MrSeam, |rules, right, _| {
            rules.allowed_mr_seam = [OTHER]
                .into_iter()
                .chain(right.then(|| PlatformTcb::default().mr_seam))
                .collect();
        }),
    ];
    for (field, set) in fields {
        assert!(judged(|world| set(&mut world.rules, true, &td)).is_ok(), "{field:?}");
        assert_eq!(
            judged(|world| set(&mut world.rules, false, &td)),
            Err(Reason::NotAllowed { field })
        );
    }
    let empty = judged(|world| world.rules.allowed_mr_seam = AllowList::from_iter([]));
    assert_eq!(
        empty,
        Err(Reason::NotAllowed {
            field: MeasuredField::MrSeam
        }),
        "an empty list allows nothing"
    );
    assert!(judged(|world| world.rules.allowed_mr_seam = AllowList::only(seam)).is_ok());
}

#[test]
fn only_listed_machines_pass() {
    let allowing =
        |n: u64| judged(|world| world.rules.allowed_ppids = AllowList::only(world.pki.platform(n).id().ppid));
    assert!(allowing(1).is_ok());
    assert_eq!(allowing(2), Err(Reason::PlatformNotAllowed));
}
