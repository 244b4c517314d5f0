use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection, prelude::*};
use tycho_types::cell::{Cell, CellBuilder};

use super::{
    ClientStorage, ContractState, MAX_ENTRIES, ProxyStorage, Registration, Registry, RootConfigError, RootStorage,
    WalletStorage, WorkerStorage,
};
use crate::{
    contracts::{self, vectors},
    keys::PublicKey,
    onchain::{
        CodeProfile, CodeSet, LayoutError,
        arbitrary::{address, balance, cell, longer, params, proxy, registration, shorter, state},
    },
};

fn client() -> impl Strategy<Value = ClientStorage> {
    let numbers = (state(), [balance(), balance()], any::<(u64, u32, [u8; 32])>());
    (numbers, address(), proxy(), params()).prop_map(|(numbers, owner, proxy, params)| {
        let (state, [balance_nanoton, stake_nanoton], (tokens_used, unlock_ts, secret_hash)) = numbers;
        ClientStorage {
            state,
            balance_nanoton,
            stake_nanoton,
            tokens_used,
            unlock_ts,
            secret_hash,
            owner,
            proxy,
            params,
        }
    })
}

fn worker() -> impl Strategy<Value = WorkerStorage> {
    let parts = (state(), any::<u64>(), address(), proxy(), params());
    parts.prop_map(|(state, tokens, owner, proxy, params)| WorkerStorage {
        state,
        tokens,
        owner,
        proxy,
        params,
    })
}

fn proxy_storage() -> impl Strategy<Value = ProxyStorage> {
    let parties = ([address(), address()], any::<[u8; 32]>());
    let numbers = (state(), [balance(), balance(), balance()], any::<u32>());
    let codes = proptest::option::of(cell());
    (parties, numbers, params(), codes).prop_map(|(([owner, root], key), (state, coins, unlock_ts), params, code)| {
        ProxyStorage {
            owner,
            public_key: PublicKey(key),
            root,
            state,
            balance_nanoton: coins[0],
            stake_nanoton: coins[1],
            unlock_ts,
            earned_nanoton: coins[2],
            params,
            worker_code: code.clone(),
            client_code: code,
        }
    })
}

fn root() -> impl Strategy<Value = RootStorage> {
    let hashes = || collection::btree_set(any::<[u8; 32]>(), 0..5);
    let registry = (
        [hashes(), hashes(), hashes()],
        collection::btree_map(any::<u32>(), registration(), 0..5),
        any::<u32>(),
    );
    let registry = registry.prop_map(
        |([proxy_hashes, worker_hashes, model_hashes], proxies, seqno)| Registry {
            proxy_hashes,
            registered_proxies: proxies,
            last_proxy_seqno: seqno,
            worker_hashes,
            model_hashes,
        },
    );
    let codes = [
        proptest::option::of(cell()),
        proptest::option::of(cell()),
        proptest::option::of(cell()),
    ];
    (address(), any::<u32>(), registry, params(), codes).prop_map(|(owner, version, registry, params, codes)| {
        RootStorage {
            owner,
            version,
            registry,
            params,
            codes,
        }
    })
}

fn round_trip<T: PartialEq + std::fmt::Debug>(
    value: &T,
    data: &Cell,
    parse: impl Fn(&Cell) -> Result<T, LayoutError>,
) -> Result<(), TestCaseError> {
    let parsed = parse(data);
    prop_assert_eq!(parsed.as_ref(), Ok(value));
    for longer in longer(data) {
        prop_assert!(parse(&longer).is_err(), "trailing data");
    }
    prop_assert!(parse(&shorter(data)).is_err(), "missing data");
    Ok(())
}

proptest! {
    #[test]
    fn client_data_reads_back(storage in client()) {
        round_trip(&storage, &storage.to_cell(), ClientStorage::parse)?;
    }

    #[test]
    fn worker_data_reads_back(storage in worker()) {
        round_trip(&storage, &storage.to_cell(), WorkerStorage::parse)?;
    }

    #[test]
    fn proxy_data_reads_back(storage in proxy_storage()) {
        round_trip(&storage, &storage.to_cell(), ProxyStorage::parse)?;
    }

    #[test]
    fn root_data_reads_back(storage in root()) {
        round_trip(&storage, &storage.to_cell(), RootStorage::parse)?;
    }

    #[test]
    fn wallet_data_reads_back(numbers: [u32; 3], key: [u8; 32], owner in address()) {
        let [seqno, subwallet, status] = numbers;
        let storage = WalletStorage { seqno, subwallet, public_key: PublicKey(key), status, owner };
        prop_assert_eq!(storage.is_blocked(), status % 2 == 1);
        round_trip(&storage, &storage.to_cell(), WalletStorage::parse)?;
    }

    #[test]
    fn no_cell_panics(cell in cell()) {
        let _ = ClientStorage::parse(&cell);
        let _ = WorkerStorage::parse(&cell);
        let _ = ProxyStorage::parse(&cell);
        let _ = RootStorage::parse(&cell);
        let _ = WalletStorage::parse(&cell);
    }
}

/// The data of new contracts is the one that addresses are derived from (§6.10).
#[test]
fn initial_data_is_what_addresses_commit_to() {
    let (codes, params, proxy) = (vectors::codes(), vectors::params(), vectors::proxy());
    let client = ClientStorage::initial(vectors::CLIENT_OWNER, proxy, params.clone());
    let init = contracts::client_init(&codes, &params, &proxy, &vectors::CLIENT_OWNER);
    assert_eq!(&client.to_cell(), init.data());
    let worker = WorkerStorage::initial(vectors::WORKER_OWNER, proxy, params.clone());
    let init = contracts::worker_init(&codes, &params, &proxy, &vectors::WORKER_OWNER);
    assert_eq!(&worker.to_cell(), init.data());
    let init = contracts::proxy_init(&codes, &params, &vectors::OWNER, &proxy.public_key, &vectors::ROOT);
    let storage = ProxyStorage::parse(init.data()).unwrap();
    assert_eq!((storage.state, storage.stake_nanoton), (ContractState::Normal, 0));
    assert_eq!(storage.worker_code.as_ref(), Some(codes.worker()));
    assert_eq!(&storage.to_cell(), init.data());
}

/// A dictionary of shared cells: thirty cells with 2^30 entries. It is refused after as many as are allowed.
#[test]
fn a_dictionary_of_shared_cells_does_not_keep_the_reader_busy() {
    // A leaf for the last bits of a hash, then forks whose two branches are the same cell, each with an empty label.
    let depth = 30;
    let mut node = {
        let mut leaf = CellBuilder::new();
        // hml_long$10: a label of all bits that are left, its length in as many bits as that number needs.
        leaf.store_small_uint(0b10, 2).unwrap();
        leaf.store_uint(u64::from(256_u16 - depth), 8).unwrap();
        leaf.store_zeros(256 - depth).unwrap();
        leaf.build().unwrap()
    };
    for _ in 0..depth {
        let mut fork = CellBuilder::new();
        fork.store_zeros(2).unwrap();
        fork.store_reference(node.clone()).unwrap();
        fork.store_reference(node).unwrap();
        node = fork.build().unwrap();
    }
    let mut registry = CellBuilder::new();
    registry.store_bit(true).unwrap();
    registry.store_reference(node).unwrap();
    registry.store_zeros(1 + 32 + 1 + 1).unwrap();
    let sample = RootStorage::initial(vectors::OWNER, vectors::params(), &vectors::codes()).to_cell();
    let mut root = CellBuilder::new();
    let bits = sample.bit_len();
    root.store_slice(sample.as_slice().unwrap().load_prefix(bits, 0).unwrap())
        .unwrap();
    root.store_reference(registry.build().unwrap()).unwrap();
    root.store_reference(sample.reference_cloned(1).unwrap()).unwrap();
    assert_eq!(
        RootStorage::parse(&root.build().unwrap()),
        Err(LayoutError::TooManyEntries { limit: MAX_ENTRIES })
    );
}

#[test]
fn a_root_becomes_the_configuration_that_nodes_read() {
    let mut storage = RootStorage::initial(vectors::OWNER, vectors::params(), &vectors::codes());
    storage.registry.proxy_hashes = BTreeSet::from([[1; 32]]);
    storage.registry.registered_proxies = BTreeMap::from([
        (1, Registration::new("10.0.0.1:9000").unwrap()),
        (2, Registration::new("not an endpoint").unwrap()),
    ]);
    let storage = RootStorage::parse(&storage.to_cell()).unwrap();
    let config = storage.to_config(vectors::ROOT).unwrap();
    assert_eq!(config.registered_proxies.len(), 1);
    assert_eq!(config.codes, vectors::codes());
    assert_eq!(config.proxy_hashes, BTreeSet::from([[1; 32]]));
    let without = RootStorage {
        codes: [None, None, None],
        ..storage
    };
    assert_eq!(
        without.to_config(vectors::ROOT),
        Err(RootConfigError::MissingCode { role: "proxy" })
    );
}

#[test]
fn a_wallet_has_an_address_of_its_own() {
    let codes = CodeSet::builtin(CodeProfile::Hardened);
    let storage = WalletStorage::initial(vectors::key().public(), vectors::OWNER);
    let other = WalletStorage::initial(vectors::key().public(), vectors::ROOT);
    assert_ne!(storage.init(codes).address(), other.init(codes).address());
    assert_eq!(storage.init(codes).address().workchain(), 0);
}

#[test]
fn what_is_no_state_is_refused() {
    let storage = WorkerStorage::initial(vectors::WORKER_OWNER, vectors::proxy(), vectors::params());
    let bits = 267 + 267 + 256;
    let mut data = CellBuilder::new();
    let cell = storage.to_cell();
    data.store_slice(cell.as_slice().unwrap().load_prefix(bits, 0).unwrap())
        .unwrap();
    data.store_small_uint(3, 2).unwrap();
    data.store_zeros(64).unwrap();
    data.store_reference(cell.reference_cloned(0).unwrap()).unwrap();
    assert_eq!(
        WorkerStorage::parse(&data.build().unwrap()),
        Err(LayoutError::State { state: 3 })
    );
}
