//! Rules for SNP guests.

use super::{ENDORSEMENT, OK, POLICY, SIGNATURE, TCB};
use crate::{
    mutate::{Case, Expectation, Lab, lab::ISSUE_UNIX_S, structure::List, structure::resign},
    policy::AllowList,
    sim_pki::{SnpGuest, SnpMachineForm, SnpRevocations},
    snp::{Product, SigningKey, SnpPolicy, SnpTcb},
};

fn policy(case: &mut Case, change: impl FnOnce(&mut SnpPolicy)) {
    if let Some(policy) = &mut case.policy.snp {
        change(policy);
    }
}

/// A report of a guest that differs, on the same machine.
fn guest(lab: &Lab, case: &mut Case, change: impl FnOnce(&mut SnpGuest)) {
    let mut guest = SnpGuest::of_image("worker");
    change(&mut guest);
    if let Ok(report) = lab.machine().report(&guest, &lab.report_data()) {
        case.evidence = report;
    }
}

/// A report of the same guest on a machine that differs.
fn machine(lab: &Lab, case: &mut Case, n: u64, form: SnpMachineForm) {
    let machine = lab.snp.machine_with(n, form);
    case.certificates = machine.certificates().to_vec();
    if let Ok(report) = machine.report(&SnpGuest::of_image("worker"), &lab.report_data()) {
        case.evidence = report;
    }
}

pub(super) fn mutants(list: &mut List<'_>, product: Product) {
    guests(list);
    lists(list);
    machines(list, product);
    tcb_order(list, product);
    revocation(list);
}

/// A rule with what it refuses; the strict policy of a lab demands everything, so the same guest passes without the rule.
fn guests(list: &mut List<'_>) {
    let lab = list.lab;
    type Guest = fn(&mut SnpGuest);
    type Relax = fn(&mut SnpPolicy);
    let pairs: [(&str, Guest, Relax); 17] = [
        (
            "debugging",
            |guest| guest.policy |= 1 << 19,
            |policy| policy.allow_debug = true,
        ),
        (
            "migration agent allowed",
            |guest| guest.policy |= 1 << 18,
            |policy| policy.allow_migration_agent = true,
        ),
        (
            "migration agent associated",
            |guest| guest.migration_agent = [1; 32],
            |policy| policy.allow_migration_agent = true,
        ),
        (
            "multithreading allowed",
            |guest| guest.policy |= 1 << 16,
            |policy| policy.allow_smt = true,
        ),
        (
            "multithreading on",
            |guest| guest.platform_info |= 1,
            |policy| policy.allow_smt = true,
        ),
        (
            "CXL memory",
            |guest| guest.policy |= 1 << 21,
            |policy| policy.allow_cxl = true,
        ),
        (
            "several sockets",
            |guest| guest.policy &= !(1 << 20),
            |policy| policy.require_single_socket = false,
        ),
        (
            "a weaker cipher",
            |guest| guest.policy &= !(1 << 22),
            |policy| policy.require_aes_256_xts = false,
        ),
        (
            "energy counters allowed",
            |guest| guest.policy &= !(1 << 23),
            |policy| policy.require_rapl_disabled = false,
        ),
        (
            "energy counters on",
            |guest| guest.platform_info &= !(1 << 3),
            |policy| policy.require_rapl_disabled = false,
        ),
        (
            "ciphertext may be visible",
            |guest| guest.policy &= !(1 << 24),
            |policy| policy.require_ciphertext_hiding = false,
        ),
        (
            "ciphertext visible",
            |guest| guest.platform_info &= !(1 << 4),
            |policy| policy.require_ciphertext_hiding = false,
        ),
        (
            "pages may be swapped",
            |guest| guest.policy &= !(1 << 25),
            |policy| policy.require_page_swap_disabled = false,
        ),
        (
            "aliases not checked",
            |guest| guest.platform_info &= !(1 << 5),
            |policy| policy.require_alias_check = false,
        ),
        (
            "mitigations missing",
            |guest| guest.mitigations = 0b10,
            |policy| policy.required_mitigations = 0,
        ),
        (
            "older firmware",
            |guest| guest.firmware = [28, 55, 1],
            |policy| policy.min_firmware = [1, 55, 28],
        ),
        (
            "lower version of the guest",
            |guest| guest.guest_svn = 0,
            |policy| policy.min_guest_svn = 0,
        ),
    ];
    for (name, change, relax) in pairs {
        list.add(name, POLICY, |case| guest(lab, case, change));
        list.add(format!("{name}, allowed"), OK, |case| {
            guest(lab, case, change);
            policy(case, relax);
        });
    }
    list.add("newer firmware with a lower build", OK, |case| {
        guest(lab, case, |guest| guest.firmware = [1, 56, 1]);
    });
    for vmpl in 1..4 {
        list.add(format!("privilege level {vmpl}"), POLICY, |case| {
            guest(lab, case, |guest| guest.vmpl = vmpl);
        });
        list.add(format!("privilege level {vmpl}, allowed"), OK, |case| {
            guest(lab, case, |guest| guest.vmpl = vmpl);
            policy(case, |policy| {
                policy.allowed_vmpl.insert(vmpl);
            });
        });
    }
    list.add("no privilege level allowed", POLICY, |case| {
        policy(case, |policy| policy.allowed_vmpl.clear());
    });
}

fn lists(list: &mut List<'_>) {
    let lab = list.lab;
    type Change = fn(&mut SnpPolicy);
    let lists: [(&str, Change); 14] = [
        ("no measurement", |policy| {
            policy.allowed_measurements = AllowList::from_iter([]);
        }),
        ("another measurement", |policy| {
            policy.allowed_measurements = AllowList::only([0; 48]);
        }),
        ("no host data", |policy| {
            policy.allowed_host_data = AllowList::from_iter([]);
        }),
        ("other host data", |policy| {
            policy.allowed_host_data = AllowList::only([1; 32]);
        }),
        ("no identity key", |policy| {
            policy.allowed_id_keys = AllowList::from_iter([]);
        }),
        ("another identity key", |policy| {
            policy.allowed_id_keys = AllowList::only([1; 48]);
        }),
        ("no author key", |policy| {
            policy.allowed_author_keys = AllowList::from_iter([]);
        }),
        ("another author key", |policy| {
            policy.allowed_author_keys = AllowList::only([1; 48]);
        }),
        ("no chip", |policy| policy.allowed_chips = AllowList::from_iter([])),
        ("another chip", |policy| policy.allowed_chips = AllowList::only([1; 64])),
        ("no product", |policy| policy.allowed_products.clear()),
        ("no kind of key", |policy| policy.allowed_signing_keys.clear()),
        ("a higher minimum of the guest", |policy| policy.min_guest_svn = 2),
        ("a higher minimum of the firmware", |policy| {
            policy.min_firmware = [1, 55, 30];
        }),
    ];
    for (name, change) in lists {
        list.add(format!("allowed: {name}"), POLICY, |case| policy(case, change));
    }
    list.add("allowed: other products", POLICY, |case| {
        policy(case, |policy| {
            let own = lab.snp.product();
            policy.allowed_products = Product::ALL.into_iter().filter(|product| *product != own).collect();
        });
    });
    // A value that begins like the listed one.
    list.add("measurement that differs in its last bit", POLICY, |case| {
        guest(lab, case, |guest| guest.measurement[47] ^= 1);
    });
    list.add("measurement among others", Expectation::Same, |case| {
        let measurement = SnpGuest::of_image("worker").measurement;
        policy(case, |policy| {
            policy.allowed_measurements = AllowList::from_iter([[0; 48], measurement]);
        });
    });
}

fn machines(list: &mut List<'_>, product: Product) {
    let lab = list.lab;
    let current = SnpMachineForm::current(product);
    // MilanLaunchy, TEE.fail: everything genuine but for who holds the key.
    list.add("another genuine machine", POLICY, |case| machine(lab, case, 2, current));
    list.add("another genuine machine, machines not checked", OK, |case| {
        machine(lab, case, 2, current);
        policy(case, |policy| policy.allowed_chips = AllowList::NotChecked);
    });
    list.add("certificate of another machine", SIGNATURE, |case| {
        case.certificates = lab.snp.machine(2).certificates().to_vec();
    });
    list.add("report that names another machine", SIGNATURE, |case| {
        let other = lab.snp.machine(2).chip_id();
        resign(lab, case, |report| report[0x1a0..0x1e0].copy_from_slice(&other));
        policy(case, |policy| policy.allowed_chips = AllowList::only(other));
    });
    list.add("report that names no machine", SIGNATURE, |case| {
        resign(lab, case, |report| report[0x1a0..0x1e0].fill(0));
        policy(case, |policy| policy.allowed_chips = AllowList::NotChecked);
    });
    let loaded = SnpMachineForm {
        signing_key: SigningKey::Vlek,
        ..current
    };
    list.add("key of a provider", POLICY, |case| machine(lab, case, 1, loaded));
    for (name, provider, expectation) in [
        ("allowed", AllowList::only("SIM provider".to_owned()), OK),
        ("of another", AllowList::only("SIM".to_owned()), POLICY),
        ("of none", AllowList::from_iter([]), POLICY),
    ] {
        list.add(format!("key of a provider, {name}"), expectation, |case| {
            machine(lab, case, 1, loaded);
            policy(case, |policy| {
                policy.allowed_signing_keys = [SigningKey::Vlek].into();
                policy.allowed_providers = provider;
            });
        });
    }
    let other_cpuid = match product {
        Product::Milan => [0x19, 0x11, 0x01],
        Product::Genoa => [0x1a, 0x02, 0x01],
        Product::Turin => [0x19, 0x01, 0x01],
    };
    list.add("processor of another family", SIGNATURE, |case| {
        resign(lab, case, |report| report[0x188..0x18b].copy_from_slice(&other_cpuid));
    });
    list.add("another stepping", OK, |case| {
        resign(lab, case, |report| report[0x18a] = 0);
    });
}

fn tcb_order(list: &mut List<'_>, product: Product) {
    let lab = list.lab;
    let current = SnpMachineForm::current(product);
    type Change = fn(&mut SnpTcb);
    let components: [(&str, Change, Change); 3] = [
        ("boot loader", |tcb| tcb.boot_loader -= 1, |tcb| tcb.boot_loader += 1),
        ("SNP firmware", |tcb| tcb.snp -= 1, |tcb| tcb.snp += 1),
        ("microcode", |tcb| tcb.microcode -= 1, |tcb| tcb.microcode += 1),
    ];
    for (name, lower, higher) in components {
        let with = |change: Change| {
            let mut form = current;
            change(&mut form.tcb);
            form
        };
        list.add(format!("{name} below the minimum"), POLICY, |case| {
            machine(lab, case, 1, with(lower));
        });
        list.add(format!("{name} above the minimum"), OK, |case| {
            machine(lab, case, 1, with(higher));
        });
        // The machine says it is newer than what its key was derived for (TOB-WAPI-8).
        let claimed = with(higher).tcb.write(product);
        list.add(format!("{name} reported above the certificate"), SIGNATURE, |case| {
            resign(lab, case, |report| {
                for field in [0x38, 0x180, 0x1e0, 0x1f0] {
                    report[field..field + 8].copy_from_slice(&claimed);
                }
            });
        });
        let below = with(lower).tcb.write(product);
        for (field, place, expectation) in [("current", 0x38, TCB), ("committed", 0x1e0, TCB), ("launch", 0x1f0, OK)] {
            list.add(format!("{field} {name} below the others"), expectation, |case| {
                resign(lab, case, |report| report[place..place + 8].copy_from_slice(&below));
            });
        }
        let above = with(higher).tcb.write(product);
        list.add(format!("{name} at launch above the current one"), TCB, |case| {
            resign(lab, case, |report| report[0x1f0..0x1f8].copy_from_slice(&above));
        });
    }
    list.add("a family without a minimum", Expectation::Same, |case| {
        policy(case, |policy| policy.min_committed_tcb.clear());
    });
}

fn revocation(list: &mut List<'_>) {
    let lab = list.lab;
    list.add("no revocation list", ENDORSEMENT, |case| case.revocation_list = None);
    list.add("no revocation list, none demanded", Expectation::Same, |case| {
        case.revocation_list = None;
        policy(case, |policy| policy.require_revocation_list = false);
    });
    type Change = fn(&mut SnpRevocations);
    let lists: [(&str, Expectation, Change); 5] = [
        ("chips' authority revoked", ENDORSEMENT, |list| {
            list.chip_authority = true;
        }),
        ("providers' authority revoked", OK, |list| {
            list.provider_authority = true;
        }),
        ("number 0, minimum 1", ENDORSEMENT, |list| list.number = 0),
        ("number 2, minimum 1", OK, |list| list.number = 2),
        ("a huge number", OK, |list| list.number = u64::MAX),
    ];
    for (name, expectation, change) in lists {
        list.add(format!("revocation list: {name}"), expectation, |case| {
            let mut revocations = SnpRevocations::default();
            change(&mut revocations);
            case.revocation_list = Some(lab.snp.revocation_list(ISSUE_UNIX_S, &revocations));
        });
    }
    list.add(
        "revocation list says revoked, and is not demanded",
        ENDORSEMENT,
        |case| {
            let revocations = SnpRevocations {
                chip_authority: true,
                ..SnpRevocations::default()
            };
            case.revocation_list = Some(lab.snp.revocation_list(ISSUE_UNIX_S, &revocations));
            policy(case, |policy| policy.require_revocation_list = false);
        },
    );
}
