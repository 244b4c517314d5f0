//! The evaluation of TCB levels a second time, from Intel's description (PCS API v4, "Get TDX TCB Info": how to
//! determine the status; Intel TDX DCAP quote verification: convergence with module and quoting enclave, relaunch), and
//! compared with the engine on random publications and machines.
//!
//! The model has data of its own and writes the vendor's documents by itself: it shares no type and no code with the
//! engine. Where it differs on purpose from Intel's library, the engine does as well and the test says so.

use super::*;
use crate::{
    calendar::rfc3339,
    sim_pki::{CollateralOptions, SimPlatform, platform::QuotingEnclave, publication},
    tdx::QuoteForm,
};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// A level of a component: what it needs is elsewhere.
#[derive(Debug, Clone)]
struct Status {
    status: &'static str,
    date_unix_s: u64,
    advisory: Option<u8>,
}

#[derive(Debug, Clone)]
struct PlatformLevel {
    sgx: [u8; 16],
    pce: u16,
    tdx: [u8; 16],
    status: Status,
}

/// What a vendor publishes.
#[derive(Debug, Clone)]
struct Publication {
    levels: Vec<PlatformLevel>,
    /// By version of the module: lowest security version and status of each level, highest first.
    modules: BTreeMap<u8, Vec<(u8, Status)>>,
    enclaves: Vec<(u8, Status)>,
}

/// What a machine has.
#[derive(Debug, Clone, Copy)]
struct Machine {
    sgx: [u8; 16],
    pce: u8,
    /// At the launch of the TD.
    tdx: [u8; 16],
    /// Now, in quotes that say so.
    tdx_now: Option<[u8; 16]>,
    enclave: u8,
}

/// What both come to; none is a refusal.
type Evaluation = Option<(String, BTreeSet<String>)>;

fn advisory(number: u8) -> String {
    format!("SIM-SA-{number:05}")
}

fn worse(platform: &str, component: &str) -> String {
    let configuration = platform.contains("Configuration");
    match component {
        "Revoked" => "Revoked".to_owned(),
        "OutOfDate" if platform == "Revoked" => platform.to_owned(),
        "OutOfDate" if configuration => "OutOfDateConfigurationNeeded".to_owned(),
        "OutOfDate" => "OutOfDate".to_owned(),
        _ => platform.to_owned(),
    }
}

impl Publication {
    /// Status and advisories of the platform with the TDX module of these versions.
    fn evaluate(&self, machine: &Machine, tdx: &[u8; 16]) -> Evaluation {
        let covers = |have: &[u8], need: &[u8]| have.iter().zip(need).all(|(have, need)| have >= need);
        // Highest first. A module with a version of its own is judged by its own levels, and not here.
        let mut levels: Vec<_> = self.levels.iter().collect();
        levels.sort_by_key(|level| std::cmp::Reverse((level.sgx, level.pce, level.tdx)));
        let from = if tdx[1] > 0 { 2 } else { 0 };
        let level = levels.into_iter().find(|level| {
            covers(&machine.sgx, &level.sgx)
                && u16::from(machine.pce) >= level.pce
                && covers(&tdx[from..], &level.tdx[from..])
        })?;
        let mut status = level.status.status.to_owned();
        let mut advisories: BTreeSet<_> = level.status.advisory.map(advisory).into_iter().collect();
        if tdx[1] > 0 {
            let (_, module) = self.modules.get(&tdx[1])?.iter().find(|(least, _)| tdx[0] >= *least)?;
            status = worse(&status, module.status);
            advisories.extend(module.advisory.map(advisory));
        }
        Some((status, advisories))
    }

    fn judge(&self, machine: &Machine) -> Evaluation {
        let (_, enclave) = self.enclaves.iter().find(|(least, _)| machine.enclave >= *least)?;
        let (at_launch, mut advisories) = self.evaluate(machine, &machine.tdx)?;
        advisories.extend(enclave.advisory.map(advisory));
        let mut status = worse(&at_launch, enclave.status);
        let now = match &machine.tdx_now {
            Some(tdx) => Some(worse(&self.evaluate(machine, tdx)?.0, enclave.status)),
            None => None,
        };
        // Intel's library looks for this at launch only.
        if status == "Revoked" || now.as_deref() == Some("Revoked") {
            return None;
        }
        if let Some(now) = now
            && status.starts_with("OutOfDate")
            && !now.starts_with("OutOfDate")
        {
            let configuration = status.contains("Configuration") || now.contains("Configuration");
            let needed = if configuration { "ConfigurationNeeded" } else { "" };
            status = format!("TDRelaunchAdvised{needed}");
        }
        Some((status, advisories))
    }

    fn tcb_info(&self) -> String {
        let components = |svns: &[u8; 16]| svns.iter().map(|svn| json!({ "svn": svn })).collect::<Vec<_>>();
        let status = |status: &Status, tcb: Value| {
            json!({
                "tcb": tcb,
                "tcbDate": rfc3339(status.date_unix_s),
                "tcbStatus": status.status,
                "advisoryIDs": status.advisory.map(advisory).into_iter().collect::<Vec<_>>(),
            })
        };
        let levels = self.levels.iter().map(|level| {
            let tcb = json!({
                "sgxtcbcomponents": components(&level.sgx),
                "pcesvn": level.pce,
                "tdxtcbcomponents": components(&level.tdx),
            });
            status(&level.status, tcb)
        });
        let module =
            json!({ "mrsigner": "0".repeat(96), "attributes": "0".repeat(16), "attributesMask": "F".repeat(16) });
        let identities = self.modules.iter().map(|(version, levels)| {
            let levels = levels
                .iter()
                .map(|(least, level)| status(level, json!({ "isvsvn": least })));
            let mut identity = module.clone();
            identity["id"] = json!(format!("TDX_{version:02X}"));
            identity["tcbLevels"] = levels.collect();
            identity
        });
        json!({
            "id": "TDX",
            "version": 3,
            "issueDate": rfc3339(START),
            "nextUpdate": rfc3339(START + 30 * 86_400),
            "fmspc": hex::encode_upper(SIM_FMSPC),
            "pceId": "0000",
            "tcbType": 0,
            "tcbEvaluationDataNumber": 18,
            "tdxModule": module,
            "tdxModuleIdentities": identities.collect::<Vec<_>>(),
            "tcbLevels": levels.collect::<Vec<_>>(),
        })
        .to_string()
    }

    fn qe_identity(&self) -> String {
        let enclave = QuotingEnclave::default();
        let levels = self.enclaves.iter().map(|(least, level)| {
            json!({
                "tcb": { "isvsvn": least },
                "tcbDate": rfc3339(level.date_unix_s),
                "tcbStatus": level.status,
                "advisoryIDs": level.advisory.map(advisory).into_iter().collect::<Vec<_>>(),
            })
        });
        json!({
            "id": "TD_QE",
            "version": 2,
            "issueDate": rfc3339(START),
            "nextUpdate": rfc3339(START + 30 * 86_400),
            "tcbEvaluationDataNumber": 18,
            "miscselect": "00000000",
            "miscselectMask": "FFFFFFFF",
            "attributes": hex::encode_upper(enclave.attributes),
            "attributesMask": "F".repeat(32),
            "mrsigner": hex::encode_upper(enclave.signer),
            "isvprodid": enclave.product_id,
            "tcbLevels": levels.collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// What the engine says.
fn engine(world: &World, publication: &Publication, machine: &Machine) -> Evaluation {
    /// Header, and type and length of the body, of a quote of version 5.
    const BODY: usize = 54;
    const TEE_TCB_SVN_2: usize = BODY + 584;
    const SIGNED_LEN_BYTES: usize = BODY + 648;

    let tcb = PlatformTcb {
        cpu_svn: machine.sgx,
        pce_svn: machine.pce,
        tee_tcb_svn: machine.tdx,
        ..PlatformTcb::default()
    };
    let enclave = QuotingEnclave {
        security_version: machine.enclave.into(),
        ..QuotingEnclave::default()
    };
    let platform = Arc::new(SimPlatform::new(&world.pki, 1, tcb, &enclave));
    let form = if machine.tdx_now.is_some() {
        QuoteForm::V5Tdx15
    } else {
        QuoteForm::V4
    };
    let attester = SimTdxAttester::new(platform.clone(), world.td).with_form(form);
    let mut quote = attester.quote(&REPORT_DATA).unwrap();
    if let Some(tdx) = &machine.tdx_now {
        quote.truncate(SIGNED_LEN_BYTES);
        quote[TEE_TCB_SVN_2..TEE_TCB_SVN_2 + 16].copy_from_slice(tdx);
        quote = platform.sign_quote(&quote);
    }
    let documents = [publication.tcb_info(), publication.qe_identity()];
    let collateral = publication::sign(&world.pki, START, &CollateralOptions::default(), documents);
    let context = Context {
        now_unix_s: NOW,
        anchors: &world.anchors,
        collateral: &collateral,
        policy: &world.rules,
        event_log: None,
        expected: Expected::default(),
    };
    match Quote::read(&quote).unwrap().verify(&context) {
        Ok(verified) => {
            let status = TcbStatus::from(verified.claims.tcb.status);
            let Value::String(status) = serde_json::to_value(status).unwrap() else {
                panic!("statuses are texts")
            };
            Some((status, verified.claims.tcb.advisory_ids.into_iter().collect()))
        }
        // Whatever else is wrong with the quote would be a mistake of this test.
        Err(Reason::Tcb { .. } | Reason::TcbUnknown { .. }) => None,
        Err(Reason::QuotingEnclave { detail }) if detail.contains("is below minimum") => None,
        Err(other) => panic!("{other}"),
    }
}

/// The first components of 16; the others are zero.
fn versions(first: [std::ops::Range<u8>; 3]) -> impl Strategy<Value = [u8; 16]> {
    first.prop_map(|first| {
        let mut all = [0; 16];
        all[..first.len()].copy_from_slice(&first);
        all
    })
}

fn status(statuses: &'static [&'static str]) -> impl Strategy<Value = Status> {
    (select(statuses), 0_u64..100, prop::option::of(0_u8..6)).prop_map(|(status, age_days, advisory)| Status {
        status,
        date_unix_s: START - 86_400 * (1 + age_days),
        advisory,
    })
}

const PLATFORM: &[&str] = &[
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
];
const MODULE: &[&str] = &["UpToDate", "UpToDate", "UpToDate", "OutOfDate", "OutOfDate", "Revoked"];

/// Levels of one component, highest first, as the vendor publishes them.
fn component() -> impl Strategy<Value = Vec<(u8, Status)>> {
    prop::collection::btree_map(0_u8..4, status(MODULE), 1..4).prop_map(|levels| levels.into_iter().rev().collect())
}

/// Versions are few, and lower than those of machines, so that levels are met more often than missed.
fn publication_of_levels() -> impl Strategy<Value = Publication> {
    let level = (
        versions([0..4, 0..3, 0..2]),
        0_u16..2,
        versions([0..3, 0..1, 0..3]),
        status(PLATFORM),
    );
    let level = level.prop_map(|(sgx, pce, tdx, status)| PlatformLevel { sgx, pce, tdx, status });
    (
        prop::collection::vec(level, 1..6),
        prop::collection::btree_map(1_u8..3, component(), 1..3),
        component(),
    )
        .prop_map(|(levels, modules, enclaves)| Publication {
            levels,
            modules,
            enclaves,
        })
}

fn machine() -> impl Strategy<Value = Machine> {
    let tdx = || versions([0..5, 0..3, 0..4]);
    (
        versions([1..5, 1..4, 0..3]),
        0_u8..4,
        tdx(),
        prop::option::of(tdx()),
        1_u8..6,
    )
        .prop_map(|(sgx, pce, tdx, tdx_now, enclave)| Machine {
            sgx,
            pce,
            tdx,
            tdx_now,
            enclave,
        })
}

#[test]
fn the_engine_evaluates_levels_as_the_description_says() {
    let world = World::new(11);
    let seen = RefCell::new(BTreeMap::<String, u32>::new());
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig {
            cases: 2_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let outcome = runner.run(&(publication_of_levels(), machine()), |(publication, machine)| {
        // Two levels with the same needs have no order.
        let needs: BTreeSet<_> = publication
            .levels
            .iter()
            .map(|level| (level.sgx, level.pce, level.tdx))
            .collect();
        prop_assume!(needs.len() == publication.levels.len());
        let expected = publication.judge(&machine);
        prop_assert_eq!(&engine(&world, &publication, &machine), &expected);
        let status = expected.map_or("refused".to_owned(), |(status, _)| status);
        *seen.borrow_mut().entry(status).or_default() += 1;
        Ok(())
    });
    outcome.unwrap();
    // Every status was reached, and more than a few were accepted.
    let seen = seen.into_inner();
    for status in PLATFORM.iter().filter(|status| **status != "Revoked") {
        assert!(seen.contains_key(*status), "{status} was not reached: {seen:?}");
    }
    for status in ["TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded", "refused"] {
        assert!(seen.contains_key(status), "{status} was not reached: {seen:?}");
    }
}

/// The comparison notices: a model with any one of its rules left out differs from the engine.
#[test]
fn each_part_of_the_description_matters() {
    let world = World::new(11);
    let good = |status| Status {
        status,
        date_unix_s: START - 86_400,
        advisory: None,
    };
    let level = |sgx0: u8, tdx0: u8, status| {
        let (mut sgx, mut tdx) = ([0; 16], [0; 16]);
        (sgx[0], tdx[0]) = (sgx0, tdx0);
        PlatformLevel {
            sgx,
            pce: 0,
            tdx,
            status: good(status),
        }
    };
    let publication = Publication {
        levels: vec![level(1, 0, "OutOfDate"), level(2, 3, "UpToDate")],
        modules: BTreeMap::from([(1, vec![(2, good("UpToDate")), (1, good("OutOfDate"))])]),
        enclaves: vec![(2, good("UpToDate")), (1, good("OutOfDate"))],
    };
    let machine = |sgx0: u8, tdx: [u8; 2], now: Option<[u8; 2]>, enclave| {
        let mut machine = Machine {
            sgx: [0; 16],
            pce: 0,
            tdx: [0; 16],
            tdx_now: now.map(|_| [0; 16]),
            enclave,
        };
        machine.sgx[0] = sgx0;
        machine.tdx[..2].copy_from_slice(&tdx);
        if let (Some(all), Some(now)) = (&mut machine.tdx_now, now) {
            all[..2].copy_from_slice(&now);
        }
        machine
    };
    for (machine, expected) in [
        // The order of the document does not count, the highest level does.
        (machine(2, [3, 0], None, 2), Some("UpToDate")),
        (machine(1, [3, 0], None, 2), Some("OutOfDate")),
        (machine(0, [3, 0], None, 2), None),
        // Without a module of its own version the first components count, with one they do not.
        (machine(2, [2, 0], None, 2), Some("OutOfDate")),
        (machine(2, [2, 1], None, 2), Some("UpToDate")),
        (machine(2, [1, 1], None, 2), Some("OutOfDate")),
        (machine(2, [0, 1], None, 2), None),
        (machine(2, [2, 2], None, 2), None),
        // The quoting enclave.
        (machine(2, [3, 0], None, 1), Some("OutOfDate")),
        (machine(2, [3, 0], None, 0), None),
        // A module that was updated under the TD.
        (machine(2, [1, 1], Some([2, 1]), 2), Some("TDRelaunchAdvised")),
        (machine(2, [1, 1], Some([1, 1]), 2), Some("OutOfDate")),
    ] {
        let evaluated = publication.judge(&machine);
        assert_eq!(
            evaluated.as_ref().map(|(status, _)| status.as_str()),
            expected,
            "{machine:?}"
        );
        assert_eq!(engine(&world, &publication, &machine), evaluated, "{machine:?}");
    }
}
