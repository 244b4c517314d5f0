//! Nodes on a chain that they reach over HTTP: the simulated chain behind its server, and a server that lies.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrysalis_chain::{Chain, Genesis, Provider, StdAddr, api, chain::GenesisAccount, chain::state_init};
use chrysalis_env::{Env, Listener, tokio_engine::TokioNode};
use chrysalis_node::{
    chain::{
        AccountStatus, ChainError, ChainRoot, Done, Settlement, Wallet,
        toncenter::{Sending, Toncenter},
    },
    daemon,
    shutdown::shutdown_pair,
    telemetry::Role,
};
use chrysalis_settlement::{
    Address, Params, Prices, RootSource as _, SigningKey, TokenMultipliers,
    ledger::ActionOutcome,
    onchain::{
        CodeProfile, CodeSet, Coins,
        message::{common::Notice, wallet::OutgoingMessage},
        storage::{Registry, RootStorage, WalletStorage},
    },
    params::StructVersion,
};
use chrysalis_world::chain_server::{ChainServer, ServerOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tycho_types::cell::HashBytes;

const COIN: u128 = 1_000_000_000;
const OWNER: Address = Address::new(0, [0x11; 32]);
const NOBODY: Address = Address::new(0, [0x77; 32]);

fn env(name: &str) -> Env {
    let node = TokioNode {
        name: name.to_owned(),
        data_directory: std::env::temp_dir(),
        sink: Arc::new(|_, _, _| {}),
    };
    node.into_env()
}

fn codes() -> &'static CodeSet {
    CodeSet::builtin(CodeProfile::Hardened)
}

fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(&[5; 32]))
}

fn wallet_address() -> Address {
    WalletStorage::initial(key().public(), OWNER).init(codes()).address()
}

fn root() -> RootStorage {
    let params = Params {
        struct_version: StructVersion::default(),
        params_version: 7,
        unique_id: 13,
        is_test: true,
        prices: Prices {
            price_per_token_nanoton: 20,
            worker_fee_per_token_nanoton: 16,
            multipliers: TokenMultipliers {
                prompt: 10_000,
                cached: 10_000,
                completion: 10_000,
                reasoning: 10_000,
            },
        },
        proxy_delay_s: 60,
        client_delay_s: 60,
        min_proxy_stake_nanoton: 1,
        min_client_stake_nanoton: 1,
    };
    RootStorage {
        version: 3,
        registry: Registry {
            worker_hashes: BTreeSet::from([[9; 32]]),
            ..Registry::default()
        },
        ..RootStorage::initial(OWNER, params, codes().contracts())
    }
}

fn to_std(address: Address) -> StdAddr {
    StdAddr::new(address.workchain(), HashBytes(*address.hash()))
}

/// A root contract, and coins for the wallet.
fn chain() -> Chain {
    let mut genesis = Genesis::new().unwrap();
    let init = root().init(codes());
    genesis.accounts = vec![
        GenesisAccount {
            address: to_std(init.address()),
            balance_nanoton: COIN,
            state: Some(state_init(init.code().clone(), init.data().clone())),
        },
        GenesisAccount {
            address: to_std(wallet_address()),
            balance_nanoton: 100 * COIN,
            state: None,
        },
    ];
    Chain::new(genesis).unwrap()
}

async fn server() -> ChainServer {
    let options = ServerOptions {
        speed: 100,
        ..ServerOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    };
    ChainServer::start(chain(), &options).await.unwrap()
}

fn toncenter(address: SocketAddr, sending: Sending) -> Arc<Toncenter> {
    let url = format!("http://{address}/api/v2").parse().unwrap();
    Arc::new(Toncenter::open(env("node"), url, None, sending).unwrap())
}

fn payment(query_id: u64) -> OutgoingMessage {
    OutgoingMessage {
        bounce: false,
        dest: NOBODY,
        value: Coins::from(1_000_000_000),
        state_init: None,
        body: Notice::Excesses { query_id }.to_cell(),
    }
}

/// Lets the node's wallet send this many payments.
async fn pay(settlement: &Arc<Toncenter>, payments: u64) {
    let env = env("node");
    let wallet = Wallet::new(env.clone(), Role::Proxy, settlement.clone(), key(), OWNER, codes());
    let wallet = Arc::new(wallet);
    let (trigger, shutdown) = shutdown_pair();
    let running = env.spawn("wallet", wallet.clone().run(shutdown));
    for query_id in 1..=payments {
        let sent = wallet.order(query_id, payment(query_id), Done::Sent);
        let sent = env.timeout(Duration::from_secs(60), sent).await;
        assert_eq!(sent.unwrap(), Ok(ActionOutcome::Succeeded));
    }
    trigger.fire();
    drop(running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_reads_a_root_sends_and_reads_what_became_of_it() {
    let server = server().await;
    let settlement = toncenter(server.address, Sending::Testnet);

    let opened = ChainRoot::open(settlement.clone(), root().init(codes()).address(), true)
        .await
        .unwrap();
    assert_eq!(opened.current().worker_hashes, BTreeSet::from([[9; 32]]));
    assert_eq!((opened.current().version, opened.current().params_version()), (3, 7));

    let before = settlement.state(wallet_address()).await.unwrap();
    assert_eq!(
        (before.status, before.balance_nanoton),
        (AccountStatus::Uninit, 100 * COIN)
    );
    assert_eq!(settlement.state(NOBODY).await.unwrap().status, AccountStatus::Absent);
    assert_eq!(settlement.transactions(NOBODY, 0).await, Ok(Vec::new()));

    pay(&settlement, 2).await;
    let history = settlement.transactions(wallet_address(), 0).await.unwrap();
    let paid: Vec<u128> = history
        .iter()
        .flat_map(|found| &found.outgoing)
        .map(|out| out.value_nanoton)
        .collect();
    // What is sent pays for its way.
    assert!(
        paid.len() == 2 && paid.iter().all(|paid| (COIN * 99 / 100..=COIN).contains(paid)),
        "{paid:?}"
    );
    assert!(
        history
            .windows(2)
            .all(|pair| pair[0].lt < pair[1].lt && pair[1].previous_hash == pair[0].hash)
    );
    let rest = settlement.transactions(wallet_address(), history[0].lt).await.unwrap();
    assert_eq!(rest, history[1..]);
    let after = settlement.state(wallet_address()).await.unwrap();
    assert_eq!(
        (after.status, after.last_lt),
        (AccountStatus::Active, history.last().unwrap().lt)
    );
    assert!(settlement.now().await.unwrap() > history.last().unwrap().unix_s.saturating_sub(1));
}

/// The daemon itself: it reads the root contract, deploys its own, and commits its ledger before it serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_daemon_sets_itself_up_on_the_chain() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    secret("wallet.seed", &"05".repeat(32));
    secret("signing.seed", &"06".repeat(32));
    let root_address = root().init(codes()).address();
    let settings = json!({
        "is_test": true,
        "owner_address": OWNER.to_string(),
        "workers_rpc_port": 0,
        "client_rpc_port": 0,
        "rpc_address": "127.0.0.1",
        "db_path": "ledger",
        "signing_key_file": "signing.seed",
        "log": "error",
        "identity": {
            "key_seed_file": "proxy.seed",
            "evidence": { "simulated": { "seed": 7, "image": "proxy image" } },
        },
        "trust": { "anchors": { "simulation_seed": 7 } },
        "chain": {
            "root_address": root_address.to_string(),
            "toncenter": format!("http://{}/api/v2", server.address),
            "send": "testnet",
            "wallet_key_file": "wallet.seed",
        },
    });
    let file = folder.path().join("proxy.json");
    std::fs::write(&file, settings.to_string()).unwrap();
    let config = daemon::Config::load(Role::Proxy, &file).unwrap();
    let observer = env("observer");
    let ended = Arc::new(Mutex::new(None));
    let end = ended.clone();
    let running = observer.spawn("daemon", async move {
        let result = daemon::run(config).await;
        *end.lock().unwrap() = Some(format!("{result:?}"));
    });

    let settlement = toncenter(server.address, Sending::Never);
    let config = root().to_config(root_address).unwrap();
    let contract = config.proxy_address(&OWNER, &SigningKey::from_seed(&[6; 32]).public());
    let committed = async {
        loop {
            assert_eq!(*ended.lock().unwrap(), None, "the daemon stopped");
            let history = settlement.transactions(contract, 0).await.unwrap();
            let commit = history
                .iter()
                .filter_map(|found| found.incoming.as_ref())
                .any(|message| {
                    message.source == Some(wallet_address())
                        && matches!(Notice::parse(&message.body), Ok(Some(Notice::StateCommit { .. })))
                });
            if commit && settlement.state(contract).await.unwrap().status == AccountStatus::Active {
                return;
            }
            observer.sleep(Duration::from_millis(200)).await;
        }
    };
    observer
        .timeout(Duration::from_secs(60), committed)
        .await
        .expect("a commit on the chain");
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_permission_nothing_is_sent() {
    let server = server().await;
    let settlement = toncenter(server.address, Sending::Never);
    let message = payment(1).body;
    assert_eq!(settlement.submit(message).await, Err(ChainError::ReadOnly));
}

// ---- a server that lies ----

type Lie = fn(&str, &mut Value);

/// Answers from a chain, with one lie.
async fn lie(mut listener: Listener, chain: Arc<Mutex<Chain>>, lie: Lie) {
    while let Ok(mut stream) = listener.accept().await {
        let mut request = Vec::new();
        let body = loop {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).await.unwrap();
            request.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
            if let Some(question) = body.and_then(|body| serde_json::from_str::<Value>(&body).ok()) {
                break question;
            }
            if count == 0 {
                return;
            }
        };
        let mut answer = api::answer_json_rpc(&mut chain.lock().unwrap(), &Provider::default(), &body);
        lie(body["method"].as_str().unwrap(), &mut answer.body);
        let text = answer.body.to_string();
        let head = format!(
            "HTTP/1.1 {} Answer\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.status,
            text.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
}

/// The chain after two payments.
async fn chain_with_history() -> Arc<Mutex<Chain>> {
    let chain = Arc::new(Mutex::new(chain()));
    let address = liar(&chain, |_, _| {}).await;
    let clock = chain.clone();
    let ticking = env("clock").spawn("blocks", async move {
        let env = env("clock");
        loop {
            env.sleep(Duration::from_millis(10)).await;
            let mut chain = clock.lock().unwrap();
            let next_ns = chain.next_block_at_ns();
            chain.advance(next_ns).unwrap();
        }
    });
    pay(&toncenter(address, Sending::Testnet), 2).await;
    ticking.abort();
    chain
}

async fn liar(chain: &Arc<Mutex<Chain>>, what: Lie) -> SocketAddr {
    let env = env("liar");
    let listener = env.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_address();
    drop(env.spawn("liar", lie(listener, chain.clone(), what)));
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_with_holes_or_changes_is_refused() {
    let chain = chain_with_history().await;
    let read = async |what: Lie| {
        let address = liar(&chain, what).await;
        toncenter(address, Sending::Never)
            .transactions(wallet_address(), 0)
            .await
    };
    let whole = read(|_, _| {}).await.unwrap();
    assert!(whole.len() >= 2, "{whole:?}");

    let lies: [(&str, Lie); 4] = [
        ("the newest is left out", |method, answer| {
            if method == "getTransactions" {
                answer["result"].as_array_mut().unwrap().remove(0);
            }
        }),
        ("one in the middle is left out", |method, answer| {
            if method == "getTransactions" && answer["result"].as_array().unwrap().len() > 1 {
                answer["result"].as_array_mut().unwrap().remove(1);
            }
        }),
        ("another's stands for one", |method, answer| {
            if method == "getTransactions" {
                answer["result"][0]["data"] = answer["result"][1]["data"].clone();
            }
        }),
        ("an account has no history", |method, answer| {
            if method == "getTransactions" {
                answer["result"] = json!([]);
            }
        }),
    ];
    for (name, what) in lies {
        let found = read(what).await;
        // Leaving out the oldest of a page only makes another question necessary.
        assert!(
            matches!(found, Err(ChainError::Unreachable(_))) || found.as_ref() == Ok(&whole),
            "{name}: {found:?}"
        );
        assert!(name.contains("middle") || found.is_err(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_to_the_main_network() {
    let chain = Arc::new(Mutex::new(chain()));
    let address = liar(&chain, |method, answer| {
        if method == "getConfigParam" {
            let id = tycho_types::cell::CellBuilder::build_from((-239_i32).cast_unsigned()).unwrap();
            answer["result"]["config"]["bytes"] = json!(tycho_types::boc::Boc::encode_base64(&id));
        }
        assert_ne!(method, "sendBoc", "it was sent");
    })
    .await;
    let refused = toncenter(address, Sending::Testnet).submit(payment(1).body).await;
    assert!(
        matches!(&refused, Err(ChainError::Refused(text)) if text.contains("main network")),
        "{refused:?}"
    );
}
