//! Contract codes that users bring instead of the project's: named, scanned, and tried on data of the published layout.
//!
//! A code is taken if its get methods tell of a contract's data what this project reads from the same data. Then
//! nodes, properties and reports understand the contract; what it does with messages is what the run shows.

use crate::plan::{ContractBuild, UserContractPlan};
use chrysalis_chain::{
    StdAddr,
    boc::encode_base64,
    chain::state_init,
    exec::{
        self, Config, ConfigError, FeeSchedule, GetMethodError, StackValue as MachineValue, config::DEFAULT_VERSION,
        method_id, run_get_method,
    },
};
use chrysalis_settlement::{
    Address, Hash256, Params, Prices, SigningKey, TokenMultipliers,
    contracts::ProxyIdentity,
    onchain::{
        CodeProfile, CodeSet, ContractRole,
        getter::{GetterError, RootParams, StackValue, names, parse_flag, parse_seqno},
        storage::{
            ClientStorage, ContractState, ProxyStorage, Registration, Registry, RootStorage, WalletStorage,
            WorkerStorage,
        },
        user_code::{ConformanceError, UserCode, UserCodeError, check_getter, conformance_getters},
    },
    params::StructVersion,
};
use num_bigint::{BigInt, Sign};
use tycho_types::{
    cell::Cell,
    models::{Account, AccountState, CurrencyCollection, IntAddr},
};

/// Of the account that get methods are tried on.
const BALANCE_NANOTON: u128 = 1_000_000_000;
/// Some time: none of the methods depends on it.
const TRIED_AT_UNIX_S: u32 = 1_780_000_000;

/// An image that is in no list.
const UNLISTED: Hash256 = [0x3f; 32];

/// Why a code is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UserContractError {
    /// No code.
    #[error(transparent)]
    Code(#[from] UserCodeError),
    /// It would run here and nowhere on TON.
    #[error("its code has instructions that TON does not have ({families})")]
    Foreign {
        /// Names of their families.
        families: String,
    },
    /// A get method that every contract of its kind has does not run.
    #[error("its get method `{method}` ends with exit code {exit_code} on data of the published layout{hint}")]
    GetMethod {
        /// Its name.
        method: &'static str,
        /// How it ended.
        exit_code: i32,
        /// What that may mean.
        hint: &'static str,
    },
    /// Another layout of data or result.
    #[error("its layout is not the published one: {0}")]
    Layout(#[from] ConformanceError),
    /// The machine could not be set up.
    #[error("its get methods cannot be tried: {0}")]
    Machine(#[from] GetMethodError),
    /// Nor its configuration.
    #[error("the configuration of the chain: {0}")]
    Config(#[from] ConfigError),
}

/// A code that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserContract {
    /// For plans.
    pub plan: UserContractPlan,
    /// Representation hash of the code, hexadecimal.
    pub code_hash: String,
    /// What is known under this hash; empty if nothing is.
    pub known_as: String,
    /// What may go wrong in a run, a sentence each.
    pub warnings: Vec<String>,
}

/// Reads a file with the code of one contract and checks it.
///
/// # Errors
/// It is no code, or the code of something else.
pub fn inspect(role: ContractRole, file: &[u8]) -> Result<UserContract, UserContractError> {
    let user = UserCode::load(role, file)?;
    let scan = exec::scan(user.code());
    let foreign: Vec<_> = scan.foreign().map(exec::opcodes::Family::name).collect();
    if !foreign.is_empty() {
        let families = foreign.join(", ");
        return Err(UserContractError::Foreign { families });
    }
    let data = sample_data(user.role());
    try_get_methods(&user, &data, &data)?;
    let mut warnings: Vec<String> = scan
        .unsupported()
        .map(|family| {
            let name = family.name();
            format!("instructions {name} do not run here as on TON: a transaction that reaches one fails")
        })
        .collect();
    if scan.undecoded > 0 {
        let count = scan.undecoded;
        warnings.push(format!(
            "{count} parts of it could not be read as instructions and were not checked"
        ));
    }
    Ok(UserContract {
        plan: UserContractPlan {
            role,
            code: encode_base64(user.code()),
        },
        code_hash: hex(&user.hash()),
        known_as: known_as(&user),
        warnings,
    })
}

/// The codes of a run.
///
/// # Errors
/// A plan made by hand has no code, or a role twice.
pub(crate) fn code_set(build: ContractBuild, brought: &[UserContractPlan]) -> Result<CodeSet, UserCodeError> {
    let own = CodeSet::builtin(match build {
        ContractBuild::Reference => CodeProfile::Reference,
        ContractBuild::Hardened => CodeProfile::Hardened,
    });
    let brought = brought
        .iter()
        .map(|contract| UserCode::load(contract.role, contract.code.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    own.with_user_codes(&brought)
}

fn known_as(user: &UserCode) -> String {
    let own = user.builtin().into_iter().map(|(profile, role)| {
        let (profile, role) = (profile.name(), role.name());
        format!("this project's {profile} {role} contract")
    });
    let published = user.known().map(|known| known.name.to_owned());
    own.chain(published).collect::<Vec<_>>().join(", ")
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs the get methods of the role on `data`, in which no two fields are alike, and compares what they tell with
/// `stored`: the same, or in tests what the code would have to make of it.
fn try_get_methods(user: &UserCode, data: &Cell, stored: &Cell) -> Result<(), UserContractError> {
    let machine = Machine::new(user, data)?;
    for method in conformance_getters(user.role()) {
        check_getter(user.role(), method, stored, &machine.run(method, &[])?)?;
    }
    if user.role() == ContractRole::Root {
        let stored = RootStorage::parse(stored).map_err(ConformanceError::Data)?;
        try_lists(&machine, &stored.registry)?;
        try_params(&machine, &stored)?;
    }
    Ok(())
}

/// An account with the code, for its get methods.
struct Machine {
    config: Config,
    account: Account,
}

impl Machine {
    fn new(user: &UserCode, data: &Cell) -> Result<Self, UserContractError> {
        let account = Account {
            address: IntAddr::Std(StdAddr::new(0, *user.code().repr_hash())),
            storage_stat: Default::default(),
            last_trans_lt: 0,
            balance: CurrencyCollection {
                tokens: tycho_types::num::Tokens::new(BALANCE_NANOTON),
                ..CurrencyCollection::ZERO
            },
            state: AccountState::Active(state_init(user.code().clone(), data.clone())),
        };
        let config = Config::from_fees(&FeeSchedule::new(), DEFAULT_VERSION, TRIED_AT_UNIX_S)?;
        Ok(Self { config, account })
    }

    fn run(&self, method: &'static str, arguments: &[MachineValue]) -> Result<Vec<StackValue>, UserContractError> {
        let (config, account) = (&self.config, &self.account);
        let result = run_get_method(config, account, method_id(method), arguments, TRIED_AT_UNIX_S)?;
        // Both are success.
        if !matches!(result.exit_code, 0 | 1) {
            let (exit_code, hint) = (result.exit_code, hint(result.exit_code));
            return Err(UserContractError::GetMethod {
                method,
                exit_code,
                hint,
            });
        }
        Ok(result.stack.into_iter().map(told).collect())
    }
}

/// Asks each list of the root contract for each image and model of every list, and for one of none: the lists lie side
/// by side in its data, all of one kind.
fn try_lists(machine: &Machine, registry: &Registry) -> Result<(), UserContractError> {
    let lists = [
        (names::PROXY_HASH_IS_VALID, &registry.proxy_hashes),
        (names::WORKER_HASH_IS_VALID, &registry.worker_hashes),
        (names::MODEL_HASH_IS_VALID, &registry.model_hashes),
    ];
    let listed = lists.iter().flat_map(|(_, list)| list.iter().copied());
    let asked: Vec<Hash256> = listed.chain([UNLISTED]).collect();
    for (method, list) in lists {
        for hash in &asked {
            let argument = MachineValue::int(BigInt::from_bytes_be(Sign::Plus, hash));
            let is_listed = parse_flag(&machine.run(method, &[argument])?).map_err(|error| in_getter(method, error))?;
            differ_unless(is_listed == list.contains(hash), method, "what is listed")?;
        }
    }
    let method = names::LAST_PROXY_SEQNO;
    let last = parse_seqno(&machine.run(method, &[])?).map_err(|error| in_getter(method, error))?;
    differ_unless(last == registry.last_proxy_seqno, method, "last proxy number")
}

/// Compares everything that the root contract tells of its parameters.
fn try_params(machine: &Machine, stored: &RootStorage) -> Result<(), UserContractError> {
    let method = names::ROOT_PARAMS;
    let told = RootParams::parse(&machine.run(method, &[])?).map_err(|error| in_getter(method, error))?;
    let params = &stored.params;
    let code_hash = |code: &Option<Cell>| code.as_ref().map_or([0; 32], |code| code.repr_hash().0);
    let expected = RootParams {
        params_version: params.params_version,
        unique_id: params.unique_id,
        is_test: params.is_test,
        price_per_token_nanoton: params.prices.price_per_token_nanoton,
        worker_fee_per_token_nanoton: params.prices.worker_fee_per_token_nanoton,
        cached_multiplier: params.prices.multipliers.cached,
        reasoning_multiplier: params.prices.multipliers.reasoning,
        proxy_delay_s: params.proxy_delay_s,
        client_delay_s: params.client_delay_s,
        min_proxy_stake_nanoton: params.min_proxy_stake_nanoton,
        min_client_stake_nanoton: params.min_client_stake_nanoton,
        code_hashes: stored.codes.each_ref().map(code_hash),
    };
    differ_unless(told.code_hashes == expected.code_hashes, method, "hashes of codes")?;
    differ_unless(told == expected, method, "parameters")
}

const fn in_getter(method: &'static str, error: GetterError) -> ConformanceError {
    ConformanceError::Getter { method, error }
}

fn differ_unless(is_same: bool, method: &'static str, field: &'static str) -> Result<(), UserContractError> {
    if is_same {
        return Ok(());
    }
    Err(ConformanceError::Differs { method, field }.into())
}

const fn hint(exit_code: i32) -> &'static str {
    match exit_code {
        9 => ": it reads another layout",
        11 => ": there is no such method, so this is the code of another contract",
        _ => "",
    }
}

/// Data of a contract as the reference lays it out, each number another one.
fn sample_data(role: ContractRole) -> Cell {
    let address = |byte: u8| Address::new(0, [byte; 32]);
    let key = |byte: u8| SigningKey::from_seed(&[byte; 32]).public();
    let codes = CodeSet::builtin(CodeProfile::Reference);
    let params = Params {
        struct_version: StructVersion::default(),
        params_version: 3,
        unique_id: 5,
        is_test: true,
        prices: Prices {
            price_per_token_nanoton: 20,
            worker_fee_per_token_nanoton: 16,
            multipliers: TokenMultipliers {
                prompt: 10_001,
                cached: 10_002,
                completion: 10_003,
                reasoning: 10_004,
            },
        },
        proxy_delay_s: 7_200,
        client_delay_s: 3_600,
        min_proxy_stake_nanoton: 1_000_000_000,
        min_client_stake_nanoton: 2_000_000_000,
    };
    let proxy = ProxyIdentity {
        address: address(0x11),
        public_key: key(0x12),
    };
    let state = ContractState::Closing;
    match role {
        ContractRole::Root => {
            let mut root = RootStorage::initial(address(0x21), params, codes.contracts());
            root.version = 9;
            let images = |first: u8| [[first; 32], [first + 1; 32]].into();
            root.registry = Registry {
                proxy_hashes: images(0x31),
                registered_proxies: Registration::new("192.0.2.1:1 192.0.2.1:2")
                    .map(|proxy| (2, proxy))
                    .into_iter()
                    .collect(),
                last_proxy_seqno: 4,
                worker_hashes: images(0x33),
                model_hashes: images(0x35),
            };
            root.to_cell()
        }
        ContractRole::Proxy => ProxyStorage {
            owner: address(0x22),
            public_key: key(0x23),
            root: address(0x24),
            state,
            balance_nanoton: 31,
            stake_nanoton: 32,
            unlock_ts: 33,
            earned_nanoton: 0,
            params,
            worker_code: Some(codes.code(ContractRole::Worker).clone()),
            client_code: Some(codes.code(ContractRole::Client).clone()),
        }
        .to_cell(),
        ContractRole::Client => ClientStorage {
            state,
            balance_nanoton: 41,
            stake_nanoton: 42,
            tokens_used: 43,
            unlock_ts: 44,
            secret_hash: [0x25; 32],
            ..ClientStorage::initial(address(0x26), proxy, params)
        }
        .to_cell(),
        ContractRole::Worker => WorkerStorage {
            state,
            tokens: 51,
            ..WorkerStorage::initial(address(0x27), proxy, params)
        }
        .to_cell(),
        ContractRole::Wallet => WalletStorage {
            seqno: 61,
            subwallet: 62,
            ..WalletStorage::initial(key(0x28), address(0x29))
        }
        .to_cell(),
    }
}

/// The machine's value as settlement reads it. No get method of these contracts gives a continuation.
fn told(value: MachineValue) -> StackValue {
    match value {
        MachineValue::Null | MachineValue::Continuation => StackValue::Null,
        MachineValue::Nan => StackValue::Nan,
        MachineValue::Int(value) => StackValue::Int(value),
        MachineValue::Cell(cell) => StackValue::Cell(cell),
        MachineValue::Slice(cell) => StackValue::Slice(cell),
        MachineValue::Builder(cell) => StackValue::Builder(cell),
        MachineValue::Tuple(values) => StackValue::Tuple(values.into_iter().map(told).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tycho_types::{boc::Boc, cell::CellBuilder};

    fn file(profile: CodeProfile, role: ContractRole) -> Vec<u8> {
        Boc::encode(CodeSet::builtin(profile).code(role))
    }

    /// `SETCP0` and then these instructions.
    fn code(instructions: &[u8]) -> Vec<u8> {
        let bytes = [&[0xff, 0x00], instructions].concat();
        let mut cell = CellBuilder::new();
        cell.store_raw(&bytes, u16::try_from(8 * bytes.len()).unwrap()).unwrap();
        Boc::encode(cell.build().unwrap())
    }

    #[test]
    fn codes_of_both_builds_are_taken_and_named() {
        for profile in CodeProfile::ALL {
            for role in ContractRole::ALL {
                let taken = inspect(role, &file(profile, role)).unwrap();
                let own = format!("this project's {} {} contract", profile.name(), role.name());
                assert!(taken.known_as.contains(&own), "{taken:?}");
                assert_eq!(taken.warnings, Vec::<String>::new(), "{own}");
                assert_eq!(taken.code_hash.len(), 64);
                // What a plan keeps gives the same code again, also through its text form.
                let json = serde_json::to_string(&taken.plan).unwrap();
                let plan: UserContractPlan = serde_json::from_str(&json).unwrap();
                let set = code_set(ContractBuild::Hardened, &[plan]).unwrap();
                assert_eq!(set.code(role), CodeSet::builtin(profile).code(role));
            }
        }
        assert!(serde_json::from_str::<UserContractPlan>(r#"{"role":"bank","code":""}"#).is_err());
    }

    #[test]
    fn the_code_of_another_contract_is_refused() {
        for role in ContractRole::ALL {
            for other in ContractRole::ALL.into_iter().filter(|other| *other != role) {
                let refused = inspect(role, &file(CodeProfile::Hardened, other)).unwrap_err();
                let is_method = matches!(refused, UserContractError::GetMethod { exit_code: 11, .. });
                assert!(is_method, "{role:?} {other:?}: {refused}");
            }
        }
    }

    /// A get method that tells of other fields than the published one.
    #[test]
    fn another_layout_is_refused() {
        // PUSHINT 7 as the answer to every get method: one number where many values were expected.
        let refused = inspect(ContractRole::Worker, &code(&[0x30, 0x77])).unwrap_err();
        assert!(matches!(refused, UserContractError::Layout(_)), "{refused}");
        // The wallet's number is 61 in the data: a code that says 61 passes that method, and fails at the key.
        let refused = inspect(ContractRole::Wallet, &code(&[0x30, 0x80, 61])).unwrap_err();
        assert!(refused.to_string().contains("get_public_key"), "{refused}");
        let refused = inspect(ContractRole::Wallet, &code(&[0x30, 0x80, 62])).unwrap_err();
        assert!(refused.to_string().contains("seqno"), "{refused}");
    }

    /// The sample root with two of the four references of its registry exchanged: for the code it is as if its layout
    /// had them in the other order.
    fn exchanged(a: usize, b: usize) -> Cell {
        let data = sample_data(ContractRole::Root);
        let with_references = |cell: &Cell, references: Vec<Cell>| {
            let mut built = CellBuilder::new();
            built
                .store_slice(cell.as_slice().unwrap().get_prefix(cell.bit_len(), 0))
                .unwrap();
            for reference in references {
                built.store_reference(reference).unwrap();
            }
            built.build().unwrap()
        };
        let mut outer: Vec<Cell> = data.references().cloned().collect();
        let mut lists: Vec<Cell> = outer[0].references().cloned().collect();
        assert_eq!(lists.len(), 4, "no list is empty");
        lists.swap(a, b);
        outer[0] = with_references(&outer[0], lists);
        with_references(&data, outer)
    }

    /// The two layouts of root contracts that are about differ in the order of images of workers and registered proxies.
    #[test]
    fn a_root_with_its_lists_in_another_order_is_refused() {
        for profile in CodeProfile::ALL {
            let user = UserCode::load(ContractRole::Root, &file(profile, ContractRole::Root)).unwrap();
            let data = sample_data(ContractRole::Root);
            assert!(try_get_methods(&user, &exchanged(0, 0), &data).is_ok(), "the control");
            for (a, b) in [(1, 2), (0, 1), (0, 2), (0, 3), (2, 3)] {
                let refused = try_get_methods(&user, &exchanged(a, b), &data).unwrap_err().to_string();
                assert!(refused.contains("hash_is_valid"), "{a} {b}: {refused}");
            }
            // Other parameters under the same lists.
            let mut other = RootStorage::parse(&data).unwrap();
            other.params.prices.multipliers.reasoning += 1;
            let refused = try_get_methods(&user, &other.to_cell(), &data).unwrap_err().to_string();
            assert!(refused.contains("get_cur_params"), "{refused}");
        }
    }

    #[test]
    fn instructions_that_ton_does_not_have_are_refused_and_others_are_warned_of() {
        let refused = inspect(ContractRole::Wallet, &code(&[0xf9, 0x18, 0x00])).unwrap_err();
        assert!(matches!(refused, UserContractError::Foreign { .. }), "{refused}");
        // The own code with an instruction before it that is jumped over: PUSHCONT with P256_CHKSIGNU in it, DROP.
        let own = CodeSet::builtin(CodeProfile::Hardened)
            .code(ContractRole::Wallet)
            .clone();
        let mut cell = CellBuilder::new();
        cell.store_raw(&[0x92, 0xf9, 0x14, 0x30], 32).unwrap();
        cell.store_reference(own).unwrap();
        let taken = inspect(ContractRole::Wallet, &Boc::encode(cell.build().unwrap())).unwrap();
        assert!(taken.warnings[0].contains("P256_CHKSIGN*"), "{taken:?}");
        assert_eq!((taken.warnings.len(), taken.known_as.as_str()), (1, ""));
    }

    #[test]
    fn files_that_are_no_code_are_refused() {
        for bytes in [&b""[..], b"not cells", &[0xb5, 0xee, 0x9c, 0x72], &[0; 3 << 20]] {
            let refused = inspect(ContractRole::Proxy, bytes).unwrap_err();
            assert!(matches!(refused, UserContractError::Code(_)), "{refused}");
        }
        let twice = inspect(ContractRole::Proxy, &file(CodeProfile::Reference, ContractRole::Proxy))
            .unwrap()
            .plan;
        assert!(code_set(ContractBuild::Hardened, &[twice.clone(), twice]).is_err());
    }
}
