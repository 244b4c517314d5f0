//! Our contracts' traffic against the reference executor: every recorded call again, by hash. The vectors are made by
//! `cargo xtask conformance`; `node/settlement/contracts/conformance/README.md` has their format.
#![expect(
    clippy::unwrap_used,
    reason = "files of this crate: what is wrong with them fails the test"
)]

use std::{collections::BTreeMap, fs::File, io::Read as _, path::PathBuf, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrysalis_chain::exec::{
    BlockContext, Config, ExecError, StackValue, StorageDictCache, execute_message, run_get_method,
};
use flate2::read::GzDecoder;
use num_bigint::BigInt;
use serde::Deserialize;
use tycho_types::{
    boc::Boc,
    cell::{Cell, CellBuilder, HashBytes},
    models::{Account, AccountState, IntAddr, MsgInfo, OwnedMessage, ShardAccount, StateInit, StdAddr},
};

/// Of the issue: at least this share of transactions is identical, in thousandths.
const IDENTICAL_PERMILLE: usize = 999;
const MIN_TRANSACTIONS: usize = 2000;
const MIN_GETTERS: usize = 100;

#[derive(Deserialize)]
struct Vectors {
    format: u32,
    configs: Vec<String>,
    random_seed: String,
    states: BTreeMap<String, String>,
    calls: Vec<Call>,
    codes: BTreeMap<String, String>,
    getters: Vec<Getter>,
}

/// Fields by position, as `call_fields` names them.
#[derive(Clone, Deserialize)]
struct Call {
    account: u32,
    now: u32,
    lt: u64,
    config: usize,
    before: String,
    message: String,
    transaction: Option<String>,
    after: Option<String>,
    exit: Option<i32>,
    gas: Option<u64>,
}

/// Fields by position, as `getter_fields` names them.
#[derive(Deserialize)]
struct Getter {
    code: String,
    data: String,
    address: String,
    name: String,
    method_id: u32,
    arguments: Vec<String>,
    now: u32,
    balance: String,
    config: usize,
    exit: i32,
    gas: u64,
    stack: Vec<Vec<String>>,
}

fn vectors(profile: &str) -> Vectors {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/conformance/{profile}.json.gz"));
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let vectors: Vectors = serde_json::from_str(&text).unwrap();
    assert_eq!(vectors.format, 1);
    vectors
}

fn cell(base64: &str) -> Cell {
    Boc::decode(BASE64_STANDARD.decode(base64).unwrap()).unwrap()
}

fn configs(vectors: &Vectors, now: u32) -> Vec<Arc<Config>> {
    let config = |text: &String| Arc::new(Config::from_root(cell(text), now).unwrap());
    vectors.configs.iter().map(config).collect()
}

fn destination(message: &Cell) -> StdAddr {
    let message: OwnedMessage = message.parse().unwrap();
    let dst = match message.info {
        MsgInfo::Int(info) => info.dst,
        MsgInfo::ExtIn(info) => info.dst,
        MsgInfo::ExtOut(_) => panic!("nobody receives this"),
    };
    match dst {
        IntAddr::Std(address) => address,
        IntAddr::Var(_) => panic!("no variable addresses in the vectors"),
    }
}

/// What became of one call here, in the vectors' terms.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    transaction: Option<String>,
    after: Option<String>,
    exit: Option<i32>,
    gas: Option<u64>,
}

/// Runs all calls and returns how many were run and what differs.
fn replay(vectors: &Vectors) -> (usize, Vec<String>) {
    let seed = HashBytes(hex::decode(&vectors.random_seed).unwrap().try_into().unwrap());
    let mut accounts: BTreeMap<u32, ShardAccount> = BTreeMap::new();
    let mut hashes: BTreeMap<u32, String> = BTreeMap::new();
    let mut cache = StorageDictCache::default();
    // Storage prices depend on the time, and all calls are later than the last change of them.
    let configs = configs(vectors, vectors.calls[0].now);
    let mut differences = Vec::new();
    let mut transactions = 0;
    for (index, call) in vectors.calls.iter().enumerate() {
        if hashes.get(&call.account) != Some(&call.before) {
            let Some(state) = vectors.states.get(&call.before) else {
                differences.push(format!("call {index}: not replayed, an earlier one differs"));
                continue;
            };
            accounts.insert(call.account, cell(state).parse().unwrap());
            hashes.insert(call.account, call.before.clone());
        }
        let message = cell(&call.message);
        let address = destination(&message);
        let block = BlockContext::new(Arc::clone(&configs[call.config]), call.now, call.lt, seed, None);
        let account = &accounts[&call.account];
        let outcome = match execute_message(&block, &mut cache, &address, &message, account, call.lt) {
            Ok(executed) => {
                let after = CellBuilder::build_from(&executed.state)
                    .unwrap()
                    .repr_hash()
                    .to_string();
                accounts.insert(call.account, executed.state);
                hashes.insert(call.account, after.clone());
                let ran = executed.phases.exit_code.is_some();
                Outcome {
                    transaction: Some(executed.transaction.repr_hash().to_string()),
                    after: Some(after),
                    exit: executed.phases.exit_code,
                    gas: ran.then_some(executed.phases.gas_used),
                }
            }
            Err(ExecError::NotAccepted { exit_code }) => Outcome {
                transaction: None,
                after: None,
                exit: exit_code,
                gas: None,
            },
            Err(error) => panic!("call {index}: {error}"),
        };
        transactions += usize::from(call.transaction.is_some());
        let recorded = Outcome {
            transaction: call.transaction.clone(),
            after: call.after.clone(),
            exit: call.exit,
            gas: call.gas,
        };
        if outcome != recorded {
            differences.push(format!("call {index}: {outcome:?} instead of {recorded:?}"));
        }
    }
    (transactions, differences)
}

fn check(profile: &str) {
    let vectors = vectors(profile);
    let (transactions, differences) = replay(&vectors);
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(transactions >= MIN_TRANSACTIONS, "{transactions} transactions");
    assert!(
        (transactions.saturating_sub(differences.len())) * 1000 >= transactions * IDENTICAL_PERMILLE,
        "{} of {transactions} differ:\n{shown}",
        differences.len()
    );
    // Every difference must be explained here; there are none.
    assert_eq!(differences, Vec::<String>::new());
    check_getters(&vectors);
}

fn check_getters(vectors: &Vectors) {
    assert!(vectors.getters.len() >= MIN_GETTERS);
    let configs = configs(vectors, vectors.getters[0].now);
    for getter in &vectors.getters {
        let account = Account {
            address: IntAddr::Std(getter.address.parse().unwrap()),
            storage_stat: Default::default(),
            last_trans_lt: 0,
            balance: tycho_types::models::CurrencyCollection::new(getter.balance.parse().unwrap()),
            state: AccountState::Active(StateInit {
                code: Some(cell(&vectors.codes[&getter.code])),
                data: Some(cell(&getter.data)),
                ..StateInit::default()
            }),
        };
        let arguments: Vec<_> = getter
            .arguments
            .iter()
            .map(|text| StackValue::Int(text.parse().unwrap()))
            .collect();
        let config = &configs[getter.config];
        let result = run_get_method(config, &account, getter.method_id, &arguments, getter.now).unwrap();
        assert_eq!(
            (result.exit_code, result.gas_used),
            (getter.exit, getter.gas),
            "{}",
            getter.name
        );
        let expected: Vec<_> = getter.stack.iter().map(|value| stack_value(value)).collect();
        assert_eq!(result.stack, expected, "{}", getter.name);
    }
}

fn stack_value(value: &[String]) -> StackValue {
    match value {
        [kind] if kind == "null" => StackValue::Null,
        [kind, number] if kind == "int" => StackValue::Int(number.parse::<BigInt>().unwrap()),
        [kind, boc] if kind == "slice" => StackValue::Slice(cell(boc)),
        [kind, boc] if kind == "cell" => StackValue::Cell(cell(boc)),
        other => panic!("a value of another kind: {other:?}"),
    }
}

#[test]
fn contracts_of_profile_reference_run_as_in_the_reference_executor() {
    check("reference");
}

#[test]
fn contracts_of_profile_hardened_run_as_in_the_reference_executor() {
    check("hardened");
}

/// Negative control: another time, another logical time or another configuration is noticed.
#[test]
fn a_changed_call_is_noticed() {
    let original = vectors("reference");
    let first = |change: fn(&mut Call)| {
        let mut vectors = Vectors {
            calls: original.calls[..1].to_vec(),
            configs: original.configs.clone(),
            random_seed: original.random_seed.clone(),
            states: original.states.clone(),
            codes: BTreeMap::new(),
            getters: Vec::new(),
            format: 1,
        };
        change(&mut vectors.calls[0]);
        replay(&vectors).1.len()
    };
    assert_eq!(first(|_| {}), 0);
    assert_eq!(first(|call| call.now += 1), 1);
    assert_eq!(first(|call| call.lt += 1_000_000), 1);
    assert_eq!(first(|call| call.config = 0), 1);
    assert_eq!(first(|call| call.before = "00".repeat(32)), 1);
}
