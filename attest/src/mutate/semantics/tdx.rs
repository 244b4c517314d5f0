//! Rules for TDs.

use super::{BINDING, ENCODING, ENDORSEMENT, OK, POLICY, TCB, TIME};
use crate::{
    mutate::{
        Case, Expectation, Lab,
        lab::{ISSUE_UNIX_S, NOW_UNIX_S},
        structure::List,
    },
    policy::{AllowList, AppraisalRules, TolerableAttribute},
    sim_pki::{CollateralOptions, PlatformTcb},
    tdx::{QuoteForm, TdMeasurements, appraise::TcbStatus, event_log::EventLog},
};
use std::sync::Arc;

const DAY_S: u64 = 86_400;

fn rules(case: &mut Case, change: impl FnOnce(&mut AppraisalRules)) {
    if let Some(rules) = &mut case.policy.tdx {
        change(rules);
    }
}

/// A quote of a TD that differs in attributes or features, which no list of measurements covers.
fn td(lab: &Lab, form: QuoteForm, case: &mut Case, change: impl FnOnce(&mut TdMeasurements)) {
    let mut td = lab.td();
    change(&mut td);
    case.evidence = lab.quote(lab.tdx.platform(1), td, form);
}

fn machine(lab: &Lab, form: QuoteForm, case: &mut Case, change: impl FnOnce(&mut PlatformTcb)) {
    let mut tcb = PlatformTcb::default();
    change(&mut tcb);
    case.evidence = lab.quote(lab.tdx.platform_with(1, tcb), lab.td(), form);
}

pub(super) fn mutants(list: &mut List<'_>, form: QuoteForm) {
    lists(list, form);
    attributes(list, form);
    tcb(list, form);
    published(list);
    event_log(list, form);
    let lab = list.lab;
    list.add("report data of another session", BINDING, |case| {
        case.report_data = Some([0; 64]);
    });
    // TEE.fail: everything genuine, made with the key of a machine that nobody listed.
    list.add("another genuine machine", POLICY, |case| {
        case.evidence = lab.quote(lab.tdx.platform(2), lab.td(), form);
    });
    list.add("another genuine machine, machines not checked", OK, |case| {
        case.evidence = lab.quote(lab.tdx.platform(2), lab.td(), form);
        rules(case, |rules| rules.allowed_ppids = AllowList::NotChecked);
    });
}

fn lists(list: &mut List<'_>, form: QuoteForm) {
    let lab = list.lab;
    type Change = fn(&mut AppraisalRules);
    let empty: [(&str, Change); 5] = [
        ("MRTD", |rules| rules.allowed_mr_td = AllowList::from_iter([])),
        ("RTMR", |rules| rules.allowed_rtmr = AllowList::from_iter([])),
        ("image hash", |rules| {
            rules.allowed_image_hashes = AllowList::from_iter([]);
        }),
        ("TDX module", |rules| rules.allowed_mr_seam = AllowList::from_iter([])),
        ("machine", |rules| rules.allowed_ppids = AllowList::from_iter([])),
    ];
    for (name, change) in empty {
        list.add(format!("empty list: {name}"), POLICY, |case| rules(case, change));
    }
    let others: [(&str, Change); 5] = [
        ("MRTD", |rules| alter(&mut rules.allowed_mr_td, |value| value[47] ^= 1)),
        ("RTMR 3", |rules| {
            alter(&mut rules.allowed_rtmr, |value| value[3][47] ^= 1);
        }),
        ("image hash", |rules| {
            alter(&mut rules.allowed_image_hashes, |value| value[31] ^= 1);
        }),
        ("TDX module", |rules| {
            alter(&mut rules.allowed_mr_seam, |value| value[47] ^= 1);
        }),
        ("machine", |rules| {
            alter(&mut rules.allowed_ppids, |value| value[15] ^= 1);
        }),
    ];
    for (name, change) in others {
        list.add(
            format!("listed value differs in its last bit: {name}"),
            POLICY,
            |case| {
                rules(case, change);
            },
        );
    }
    list.add("a list with others besides", Expectation::Same, |case| {
        let td = lab.td();
        rules(case, |rules| {
            rules.allowed_mr_td = AllowList::from_iter([[0; 48], td.mr_td, [1; 48]]);
        });
    });
    list.add("another image", POLICY, |case| {
        td(lab, form, case, |td| td.mr_td[0] ^= 1);
    });
}

/// Every value of a list, changed.
fn alter<T: Ord + Copy>(list: &mut AllowList<T>, change: fn(&mut T)) {
    if let AllowList::OneOf(values) = list {
        *values = values
            .iter()
            .map(|value| {
                let mut value = *value;
                change(&mut value);
                value
            })
            .collect();
    }
}

fn attributes(list: &mut List<'_>, form: QuoteForm) {
    let lab = list.lab;
    for bit in 0..64 {
        let refused = match bit {
            0..=15 | 17 | 23..=26 | 29 | 32..=61 | 63 => true,
            16 | 18..=22 | 27 | 28 | 30 | 31 | 62 => false,
            _ => continue,
        };
        let expectation = if refused { POLICY } else { OK };
        list.add(format!("attribute bit {bit}"), expectation, |case| {
            td(lab, form, case, |td| {
                let bits = u64::from_le_bytes(td.td_attributes) | 1 << bit;
                td.td_attributes = bits.to_le_bytes();
            });
        });
    }
    list.add("SEPT_VE_DISABLE off", POLICY, |case| {
        td(lab, form, case, |td| td.td_attributes = [0; 8]);
    });
    let perfmon = |td: &mut TdMeasurements| td.td_attributes[7] |= 0x80;
    list.add("performance counters, tolerated", OK, |case| {
        td(lab, form, case, perfmon);
        rules(case, |rules| {
            rules.tolerated_attributes = [TolerableAttribute::Perfmon].into();
        });
    });
    list.add("debugging, counters tolerated", POLICY, |case| {
        td(lab, form, case, |td| {
            perfmon(td);
            td.td_attributes[0] |= 1;
        });
        rules(case, |rules| {
            rules.tolerated_attributes = [TolerableAttribute::Perfmon].into();
        });
    });
    for (name, xfam, expectation) in [
        ("no SSE", 0x0006_02e5u64, POLICY),
        ("unknown feature", 0x0016_02e7, POLICY),
        ("fewer features", 3, OK),
    ] {
        list.add(format!("XFAM: {name}"), expectation, |case| {
            td(lab, form, case, |td| td.xfam = xfam.to_le_bytes());
        });
    }
}

fn tcb(list: &mut List<'_>, form: QuoteForm) {
    let lab = list.lab;
    for status in [
        TcbStatus::SwHardeningNeeded,
        TcbStatus::ConfigurationNeeded,
        TcbStatus::ConfigurationAndSwHardeningNeeded,
        TcbStatus::OutOfDate,
        TcbStatus::OutOfDateConfigurationNeeded,
        TcbStatus::Revoked,
    ] {
        let published =
            |case: &mut Case| case.collateral = lab.collateral(|options| options.default_tcb_status = status);
        list.add(format!("status {status:?}"), TCB, |case| published(case));
        let expectation = if status == TcbStatus::Revoked { TCB } else { OK };
        list.add(format!("status {status:?}, accepted"), expectation, |case| {
            published(case);
            rules(case, |rules| rules.accepted_tcb = [status].into());
        });
        // The level of simulated machines is dated 30 days before the issue.
        let age_s = NOW_UNIX_S - (ISSUE_UNIX_S - 30 * DAY_S);
        let outdated = matches!(status, TcbStatus::OutOfDate | TcbStatus::OutOfDateConfigurationNeeded);
        for (name, grace_s, in_grace) in [("last second", age_s, true), ("second after", age_s - 1, false)] {
            let expectation = if outdated && in_grace { OK } else { TCB };
            list.add(format!("status {status:?}, {name} of grace"), expectation, |case| {
                published(case);
                rules(case, |rules| rules.tcb_grace_s = Some(grace_s));
            });
        }
    }
    list.add("no status accepted", TCB, |case| {
        rules(case, |rules| rules.accepted_tcb.clear());
    });
    type Change = fn(&mut PlatformTcb);
    let machines: [(&str, Expectation, Change); 5] = [
        ("newer processor", OK, |tcb| tcb.cpu_svn[0] += 1),
        ("older processor", TCB, |tcb| tcb.cpu_svn[0] -= 1),
        ("older provisioning enclave", TCB, |tcb| tcb.pce_svn -= 1),
        ("older TDX module", TCB, |tcb| tcb.tee_tcb_svn[0] -= 1),
        ("unknown TDX module", TCB, |tcb| tcb.tee_tcb_svn[1] = 9),
    ];
    for (name, expectation, change) in machines {
        list.add(name, expectation, |case| machine(lab, form, case, change));
    }
    let advisory = |options: &mut CollateralOptions| options.advisories = vec!["SIM-SA-00002".to_owned()];
    for (name, refused, expectation) in [
        ("refused", "SIM-SA-00002", TCB),
        ("not refused", "SIM-SA-00003", OK),
        ("prefix refused", "SIM-SA-0000", OK),
    ] {
        list.add(format!("advisory: {name}"), expectation, |case| {
            case.collateral = lab.collateral(advisory);
            rules(case, |rules| rules.refused_advisories = [refused.to_owned()].into());
        });
    }
    type Flags = fn(&mut AppraisalRules);
    let flags: [(&str, Flags); 3] = [
        ("dynamic platform", |rules| {
            rules.platform_flags.allow_dynamic_platform = false;
        }),
        ("cached keys", |rules| rules.platform_flags.allow_cached_keys = false),
        ("multithreading", |rules| rules.platform_flags.allow_smt = false),
    ];
    for (name, change) in flags {
        list.add(format!("{name} not allowed"), POLICY, |case| rules(case, change));
    }
}

fn published(list: &mut List<'_>) {
    let lab = list.lab;
    type Change = fn(&mut CollateralOptions);
    let revocations: [(&str, Expectation, Change); 5] = [
        ("this machine revoked", ENDORSEMENT, |options| {
            options.revoked_platforms = [1].into();
        }),
        ("other machines revoked", OK, |options| {
            options.revoked_platforms = [0, 2, 257].into();
        }),
        ("platform CA revoked", ENDORSEMENT, |options| {
            options.platform_ca_revoked = true;
        }),
        ("TCB signer revoked", ENDORSEMENT, |options| {
            options.tcb_signer_revoked = true;
        }),
        ("another family", ENDORSEMENT, |options| options.fmspc = [9; 6]),
    ];
    for (name, expectation, change) in revocations {
        list.add(name, expectation, |case| case.collateral = lab.collateral(change));
    }
    list.add("another provisioning enclave", ENDORSEMENT, |case| {
        case.collateral = lab.collateral(|options| options.pce_id = [0, 1]);
    });
    for (number, expectation) in [(18, OK), (19, OK), (17, ENDORSEMENT)] {
        list.add(format!("evaluation number {number}, minimum 18"), expectation, |case| {
            case.collateral = lab.collateral(|options| options.tcb_evaluation_number = number);
        });
    }
    for (number, expectation) in [(1, OK), (2, OK), (0, ENDORSEMENT)] {
        list.add(
            format!("revocation list number {number}, minimum 1"),
            expectation,
            |case| {
                case.collateral = lab.collateral(|options| options.crl_number = number);
            },
        );
    }
    let end = ISSUE_UNIX_S + 30 * DAY_S - 1;
    let at = |case: &mut Case, now_unix_s, grace_s| {
        case.now_unix_s = now_unix_s;
        case.challenged_unix_s = Some(now_unix_s);
        rules(case, |rules| rules.collateral_grace_s = grace_s);
    };
    list.add("collateral expired, no grace", TIME, |case| at(case, end + 1, 0));
    list.add("collateral expired, last second of grace", OK, |case| {
        at(case, end + DAY_S, DAY_S);
    });
    list.add("collateral expired, grace over", TIME, |case| {
        at(case, end + DAY_S + 1, DAY_S);
    });
    list.add("collateral from the future, with grace", TIME, |case| {
        at(case, ISSUE_UNIX_S - 1, DAY_S);
    });
    for (max_age_s, expectation) in [(1_000, OK), (999, TIME)] {
        list.add(
            format!("collateral of 1000 s, {max_age_s} allowed"),
            expectation,
            |case| {
                rules(case, |rules| rules.max_collateral_age_s = Some(max_age_s));
            },
        );
    }
    // The list of revoked platforms alone is dated in the future: the quote engine accepts that.
    for (issue_unix_s, expectation) in [(NOW_UNIX_S, OK), (NOW_UNIX_S + 1, TIME)] {
        list.add(
            format!("revocation list issued at {issue_unix_s}"),
            expectation,
            |case| {
                let Some(collateral) = &case.collateral else { return };
                let mut parts = collateral.parts().clone();
                parts.pck_crl = lab.tdx.collateral(issue_unix_s).parts().pck_crl.clone();
                case.collateral = crate::Collateral::from_parts(parts).ok().map(Arc::new);
            },
        );
    }
}

fn event_log(list: &mut List<'_>, form: QuoteForm) {
    let lab = list.lab;
    list.add("no event log", POLICY, |case| case.event_log = None);
    list.add("no event log, none demanded", Expectation::Same, |case| {
        case.event_log = None;
        rules(case, |rules| {
            rules.require_event_log = false;
            rules.required_events.clear();
        });
    });
    list.add("a wrong event log, none demanded", POLICY, |case| {
        case.event_log = Some(EventLog::write(&[]));
        rules(case, |rules| {
            rules.require_event_log = false;
            rules.required_events.clear();
        });
    });
    list.add("no event log but demanded events", POLICY, |case| {
        case.event_log = None;
        rules(case, |rules| rules.require_event_log = false);
    });
    list.add("an event that was not measured is demanded", POLICY, |case| {
        rules(case, |rules| {
            rules.required_events.insert([0x99; 48]);
        });
    });
    for register in 0..4 {
        // The host cannot change registers; a TD that measured something else has another log.
        list.add(format!("RTMR {register} extended once more"), POLICY, |case| {
            td(lab, form, case, |td| td.rtmr[register] = [7; 48]);
            rules(case, |rules| {
                rules.allowed_rtmr = AllowList::NotChecked;
                rules.allowed_image_hashes = AllowList::NotChecked;
            });
        });
    }
    list.add("event log of another form", ENCODING, |case| {
        case.event_log = Some(vec![0; 64]);
    });
}
