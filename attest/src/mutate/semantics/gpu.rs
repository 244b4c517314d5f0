//! Rules for GPUs.

use super::{BINDING, ENDORSEMENT, OK, POLICY};
use crate::{
    gpu::{Architecture, CcMode, GpuPolicy},
    mutate::{Case, Expectation, Lab, structure::List},
    policy::AllowList,
    sim_pki::GpuState,
};

fn policy(case: &mut Case, change: impl FnOnce(&mut GpuPolicy)) {
    if let Some(policy) = &mut case.policy.gpu {
        change(policy);
    }
}

/// The same GPU in a state that differs, with the manifests of the genuine one.
fn state(lab: &Lab, architecture: Architecture, case: &mut Case, change: impl FnOnce(&mut GpuState)) {
    let mut state = GpuState::default();
    change(&mut state);
    case.evidence = lab.gpu.gpu(1, architecture).evidence(&state, &lab.nonce());
}

pub(super) fn mutants(list: &mut List<'_>, architecture: Architecture) {
    let lab = list.lab;
    for bit in [0, 255] {
        list.add(format!("nonce differs in bit {bit}"), BINDING, |case| {
            if let Some(nonce) = &mut case.nonce {
                nonce[bit / 8] ^= 1 << (bit % 8);
            }
        });
    }
    list.add("nonce left to the caller, age limited", BINDING, |case| {
        case.nonce = None;
    });
    list.add("nonce left to the caller, age not limited", Expectation::Same, |case| {
        case.nonce = None;
        policy(case, |policy| policy.max_challenge_age_s = None);
    });
    list.add("evidence of another session", BINDING, |case| {
        case.evidence = lab.gpu.gpu(1, architecture).evidence(&GpuState::default(), &[0; 32]);
    });
    modes(list, architecture);
    lists(list, architecture);
    measurements(list, architecture);
    list.add("another genuine GPU", POLICY, |case| other_gpu(lab, architecture, case));
    list.add("another genuine GPU, devices not checked", OK, |case| {
        other_gpu(lab, architecture, case);
        policy(case, |policy| policy.allowed_devices = AllowList::NotChecked);
    });
    list.add("chain of another GPU", Expectation::Refused, |case| {
        case.certificates = lab.gpu.gpu(2, architecture).certificates().to_vec();
        policy(case, |policy| policy.allowed_devices = AllowList::NotChecked);
    });
}

fn other_gpu(lab: &Lab, architecture: Architecture, case: &mut Case) {
    let gpu = lab.gpu.gpu(2, architecture);
    case.evidence = gpu.evidence(&GpuState::default(), &lab.nonce());
    case.certificates = gpu.certificates().to_vec();
}

fn modes(list: &mut List<'_>, architecture: Architecture) {
    let lab = list.lab;
    for mode in [CcMode::Mpt, CcMode::Ppcie] {
        list.add(format!("mode {mode:?}"), POLICY, |case| {
            state(lab, architecture, case, |state| state.mode = Some(mode));
        });
        list.add(format!("mode {mode:?}, allowed"), OK, |case| {
            state(lab, architecture, case, |state| state.mode = Some(mode));
            policy(case, |policy| {
                policy.allowed_modes.insert(mode);
            });
        });
    }
    list.add("no mode allowed", POLICY, |case| {
        policy(case, |policy| policy.allowed_modes.clear());
    });
    list.add("mode not stated", POLICY, |case| {
        state(lab, architecture, case, |state| state.mode = None);
    });
    list.add("mode not stated, allowed", OK, |case| {
        state(lab, architecture, case, |state| state.mode = None);
        policy(case, |policy| policy.allow_unstated_mode = true);
    });
    list.add("firmware not stated", POLICY, |case| {
        state(lab, architecture, case, |state| state.states_firmware = false);
    });
    list.add("firmware not stated, allowed", OK, |case| {
        state(lab, architecture, case, |state| state.states_firmware = false);
        policy(case, |policy| policy.allow_unstated_firmware = true);
    });
}

fn lists(list: &mut List<'_>, architecture: Architecture) {
    let lab = list.lab;
    type Change = fn(&mut GpuPolicy);
    let changes: [(&str, Change); 8] = [
        ("no generation", |policy| policy.allowed_architectures.clear()),
        ("no driver", |policy| policy.allowed_drivers = AllowList::from_iter([])),
        ("another driver", |policy| {
            policy.allowed_drivers = AllowList::only("590.1".to_owned());
        }),
        ("no VBIOS", |policy| policy.allowed_vbioses = AllowList::from_iter([])),
        ("another VBIOS", |policy| {
            policy.allowed_vbioses = AllowList::only("96.00.a5.00.02".to_owned());
        }),
        ("no device", |policy| policy.allowed_devices = AllowList::from_iter([])),
        ("another device", |policy| {
            policy.allowed_devices = AllowList::only([1; 32]);
        }),
        ("the other generation", |policy| {
            let all = [Architecture::Hopper, Architecture::Blackwell];
            policy.allowed_architectures = all
                .into_iter()
                .filter(|one| !policy.allowed_architectures.contains(one))
                .collect();
        }),
    ];
    for (name, change) in changes {
        list.add(format!("allowed: {name}"), POLICY, |case| policy(case, change));
    }
    list.add("another driver with its manifests", POLICY, |case| {
        another_driver(lab, architecture, case);
    });
    list.add("another driver with its manifests, allowed", OK, |case| {
        another_driver(lab, architecture, case);
        policy(case, |policy| {
            policy.allowed_drivers = AllowList::only("591.0".to_owned());
        });
    });
    list.add("another driver without its manifest, allowed", ENDORSEMENT, |case| {
        let manifests = case.manifests.clone();
        another_driver(lab, architecture, case);
        case.manifests = manifests;
        policy(case, |policy| policy.allowed_drivers = AllowList::NotChecked);
    });
    list.add("no manifests", ENDORSEMENT, |case| case.manifests.clear());
    list.add("no manifests, none demanded", Expectation::Same, |case| {
        case.manifests.clear();
        policy(case, |policy| policy.require_manifests = false);
    });
}

fn another_driver(lab: &Lab, architecture: Architecture, case: &mut Case) {
    let newer = GpuState {
        driver_version: "591.0".to_owned(),
        ..GpuState::default()
    };
    let gpu = lab.gpu.gpu(1, architecture);
    case.evidence = gpu.evidence(&newer, &lab.nonce());
    case.manifests = lab.gpu.manifests_for(gpu.chip(), &newer);
}

fn measurements(list: &mut List<'_>, architecture: Architecture) {
    let lab = list.lab;
    // Manifests of labs list 1 to 29.
    for (index, expectation) in [
        (0, OK),
        (1, POLICY),
        (19, POLICY),
        (20, POLICY),
        (29, POLICY),
        (30, OK),
        (63, OK),
    ] {
        list.add(format!("measurement {index} differs"), expectation, |case| {
            state(lab, architecture, case, |state| state.measurements[index][47] ^= 1);
        });
    }
    list.add("measurement 5 differs, no manifests demanded", POLICY, |case| {
        state(lab, architecture, case, |state| state.measurements[5][0] ^= 1);
        policy(case, |policy| policy.require_manifests = false);
    });
    list.add("measurement 5 has the other listed value", OK, |case| {
        state(lab, architecture, case, |state| state.measurements[5] = [0xee; 48]);
    });
}
