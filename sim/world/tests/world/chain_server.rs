//! A simulated chain over real HTTP: what ordinary clients do, and what they must not be able to do.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use chrysalis_chain::{
    Chain, Genesis, StdAddr,
    api::http::Rules,
    chain::GenesisAccount,
    wallet::{Transfer, Wallet, WalletVersion},
};
use chrysalis_env::{Env, http::HyperIo, tokio_engine::TokioNode};
use chrysalis_world::chain_server::{ChainServer, ServerOptions};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tycho_types::{boc::Boc, cell::HashBytes};

const COIN: u128 = 1_000_000_000;

fn env() -> Env {
    let node = TokioNode {
        name: "user".to_owned(),
        data_directory: std::env::temp_dir(),
        sink: Arc::new(|_, _, _| {}),
    };
    node.into_env()
}

fn wallet(seed: u8) -> Wallet {
    Wallet::new(WalletVersion::V4R2, &[seed; 32]).unwrap()
}

fn nobody() -> StdAddr {
    StdAddr::new(0, HashBytes([0x77; 32]))
}

/// A chain with one funded wallet, a hundred times as fast as the clock.
fn options() -> ServerOptions {
    ServerOptions {
        speed: 100,
        rules: Rules {
            faucet_nanoton: Some(10 * COIN),
        },
        max_body_bytes: 100_000,
        ..ServerOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

async fn start(options: &ServerOptions) -> ChainServer {
    let mut genesis = Genesis::new().unwrap();
    genesis.accounts.push(GenesisAccount {
        address: wallet(1).address().clone(),
        balance_nanoton: 100 * COIN,
        state: Some(wallet(1).state().clone()),
    });
    ChainServer::start(Chain::new(genesis).unwrap(), options).await.unwrap()
}

struct Client {
    env: Env,
    server: SocketAddr,
}

impl Client {
    async fn ask(&self, method: &str, target: &str, body: &[u8]) -> (u16, Value) {
        let stream = self.env.connect(self.server).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(HyperIo(stream)).await.unwrap();
        let _connection = self
            .env
            .spawn("connection", async move {
                let _ = connection.await;
            })
            .abort_on_drop();
        let request = http::Request::builder()
            .method(method)
            .uri(target)
            .header("host", "chain")
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn rpc(&self, method: &str, params: Value) -> (u16, Value) {
        let request = json!({ "id": "1", "jsonrpc": "2.0", "method": method, "params": params });
        self.ask("POST", "/api/v2/jsonRPC", request.to_string().as_bytes())
            .await
    }

    async fn balance(&self, address: &StdAddr) -> u128 {
        let target = format!("/api/v2/getAddressBalance?address={address}");
        let (status, answer) = self.ask("GET", &target, b"").await;
        assert_eq!(status, 200, "{answer}");
        answer["result"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until an account has this much, for ten seconds at most.
    async fn wait_for(&self, address: &StdAddr, nanoton: u128) -> bool {
        for _ in 0..500 {
            if self.balance(address).await >= nanoton {
                return true;
            }
            self.env.sleep(Duration::from_millis(20)).await;
        }
        false
    }

    async fn send(&self, wallet: &Wallet, seqno: u32, valid_until: u32) -> (u16, Value) {
        let order = wallet
            .order(seqno, valid_until, &[Transfer::new(nobody(), COIN)])
            .unwrap();
        self.rpc("sendBoc", json!({ "boc": Boc::encode_base64(&order) })).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_reads_runs_sends_and_sees_it_arrive() {
    let mut server = start(&options()).await;
    let client = Client {
        env: env(),
        server: server.address,
    };
    let own = wallet(1);
    assert_eq!(client.balance(own.address()).await, 100 * COIN);
    let call = json!({ "address": own.address().to_string(), "method": "seqno", "stack": [] });
    let (_, seqno) = client.rpc("runGetMethod", call.clone()).await;
    assert_eq!(seqno["result"]["stack"], json!([["num", "0x0"]]), "{seqno}");

    let (status, sent) = client.send(&own, 0, u32::MAX).await;
    assert_eq!((status, &sent["ok"]), (200, &json!(true)), "{sent}");
    assert!(client.wait_for(&nobody(), COIN).await, "the transfer did not arrive");
    let (_, seqno) = client.rpc("runGetMethod", call).await;
    assert_eq!(seqno["result"]["stack"], json!([["num", "0x1"]]), "{seqno}");
    let (_, list) = client
        .ask(
            "GET",
            &format!("/api/v3/transactions?account={}&limit=1", own.address()),
            b"",
        )
        .await;
    assert_eq!(
        list["transactions"][0]["out_msgs"][0]["value"],
        COIN.to_string(),
        "{list}"
    );

    let wish = json!({ "address": nobody().to_string(), "nanoton": (3 * COIN).to_string() }).to_string();
    assert_eq!(client.ask("POST", "/faucet", wish.as_bytes()).await.0, 200);
    // A little of what was there before has paid for storage.
    assert!(
        client.wait_for(&nobody(), 4 * COIN - COIN / 1_000).await,
        "the faucet gave nothing"
    );

    assert_eq!(server.failure(), None);
    server.stop().await;
    server.look(Chain::audit).unwrap();
    assert!(server.requests() > 6);
    // Nobody listens any more.
    assert!(client.env.connect(server.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_wallet_refuses_is_refused_and_moves_nothing() {
    let server = start(&options()).await;
    let client = Client {
        env: env(),
        server: server.address,
    };
    let own = wallet(1);
    // Exit codes of the published wallet v4: 33 seqno, 35 signature, 36 expired.
    let (status, answer) = client.send(&own, 5, u32::MAX).await;
    assert_eq!(status, 500);
    assert!(answer["error"].as_str().unwrap().contains("33"), "{answer}");
    let (_, answer) = client.send(&own, 0, 1).await;
    assert!(answer["error"].as_str().unwrap().contains("36"), "{answer}");
    // The right number, signed with another key: the message of a stranger's wallet, sent to ours.
    let body = wallet(2).order(0, u32::MAX, &[Transfer::new(nobody(), COIN)]).unwrap();
    let stolen = readdressed(&body, own.address());
    let (status, answer) = client.rpc("sendBoc", json!({ "boc": stolen })).await;
    assert_eq!(status, 500);
    assert!(answer["error"].as_str().unwrap().contains("35"), "{answer}");
    // And of nothing at all.
    assert_eq!(client.rpc("sendBoc", json!({ "boc": "te6cc" })).await.0, 422);

    client.env.sleep(Duration::from_millis(100)).await;
    assert_eq!(client.balance(own.address()).await, 100 * COIN);
    assert_eq!(client.balance(&nobody()).await, 0);
    // The control of the test: with everything right it is taken.
    assert_eq!(client.send(&own, 0, u32::MAX).await.0, 200);
    assert!(client.wait_for(&nobody(), COIN).await);
    // The same order again has an old number.
    let (_, answer) = client.send(&own, 0, u32::MAX).await;
    assert!(answer["error"].as_str().unwrap().contains("33"), "{answer}");
}

/// The body of an external message in one to another address.
fn readdressed(message: &tycho_types::cell::Cell, to: &StdAddr) -> String {
    let body = chrysalis_chain::chain::Message::parse(message.clone()).unwrap();
    let body = tycho_types::cell::CellBuilder::build_from(body.body().unwrap()).unwrap();
    Boc::encode_base64(chrysalis_chain::wallet::external_message(to, None, body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_and_say_so() {
    let mut server = start(&options()).await;
    let client = Client {
        env: env(),
        server: server.address,
    };
    let (status, answer) = client.ask("POST", "/api/v2/sendBoc", &vec![b' '; 110_000]).await;
    assert_eq!((status, answer["code"].as_u64()), (413, Some(413)), "{answer}");
    assert_eq!(client.ask("GET", "/api/v2/sendBoc?boc=te6cc", b"").await.0, 405);
    assert_eq!(client.ask("POST", "/api/v2/jsonRPC", b"{").await.0, 422);
    assert_eq!(client.ask("GET", "/nowhere", b"").await.0, 404);
    assert_eq!(client.ask("GET", "/", b"").await.1["ok"], true);
    // A request line without an end, and one that is no HTTP: the connection ends, the server goes on.
    for text in [vec![b'a'; 200_000], b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_vec()] {
        let mut stream = client.env.connect(server.address).await.unwrap();
        let _ = stream.write_all(&text).await;
        let mut rest = Vec::new();
        let ended = client
            .env
            .timeout(Duration::from_secs(10), stream.read_to_end(&mut rest))
            .await;
        assert!(ended.is_ok(), "the connection stayed open");
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    }
    // A guest that says nothing takes a place and nobody else's; more guests than places are sent away.
    let mut silent = Vec::new();
    for _ in 0..300 {
        if let Ok(stream) = client.env.connect(server.address).await {
            silent.push(stream);
        }
    }
    let mut turned_away = 0;
    for stream in &mut silent {
        let mut byte = [0];
        let read = client
            .env
            .timeout(Duration::from_millis(5), stream.read(&mut byte))
            .await;
        turned_away += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!((44..=60).contains(&turned_away), "{turned_away} of 300 were sent away");
    drop(silent);
    client.env.sleep(Duration::from_millis(500)).await;
    assert!(client.wait_for(wallet(1).address(), 1).await);
    server.stop().await;
}
