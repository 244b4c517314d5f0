//! A real client and a real worker, and a proxy with genuine evidence that cheats all the same. Whatever it does: the
//! processes live, and users know where they stand within their own time limit.
//!
//! | module | holds |
//! |---|---|
//! | [`accounts`] | contracts and payments that a client does not take |
//! | [`answers`] | answers that nobody waits for or that are none |
//! | [`absence`] | proxies that stall, are silent or go away |
//! | [`of_worker`] | all of it towards a worker |

mod absence;
mod accounts;
mod answers;
mod of_worker;

use crate::support::{
    handshakes::{http_head, payment, tokens, welcome_client, welcome_worker},
    lab::{FOR_CLIENTS, FOR_WORKERS, Lab, lab},
    milliseconds,
    parties::{PROXY_IMAGE, PROXY_MACHINE, Policy, client_owner, named_hash, worker_owner},
    peer::RawPeer,
    user::{Got, ask, chat},
};
use chrysalis_env::{Env, Listener};
use chrysalis_settlement::{Address, PaymentKind, SigningKey};
use chrysalis_wire::{
    objects::{
        ClientQueryAnswerEx, ClientQueryAnswerPartEx, ClientQueryFinalInfo, ClientRunQueryEx, ProxySignedPayment,
        SignedPayment,
    },
    tl::RequestId,
};
use std::net::SocketAddr;

const CLIENT: &str = "client-1";
const WORKER: &str = "worker-1";

/// The proxy is the test's; client or worker are real.
struct Scene {
    lab: Lab,
    env: Env,
    listener: Listener,
    user: Env,
    http: SocketAddr,
}

impl Scene {
    async fn with_client(lab: Lab) -> Self {
        let env = lab.false_proxy().env();
        let listener = lab.listen(&env, FOR_CLIENTS).await;
        let http = Lab::http(&lab.start_client(CLIENT));
        let user = lab.node("user").env();
        Self {
            lab,
            env,
            listener,
            user,
            http,
        }
    }

    async fn with_worker(lab: Lab) -> Self {
        let env = lab.false_proxy().env();
        let listener = lab.listen(&env, FOR_WORKERS).await;
        lab.start_worker(WORKER);
        let user = lab.node("user").env();
        Self {
            lab,
            env,
            listener,
            user,
            http: FOR_CLIENTS,
        }
    }

    /// The next connection that the real node makes.
    async fn accept(&mut self) -> RawPeer {
        let identity = self.lab.parties.honest("proxy", PROXY_IMAGE, PROXY_MACHINE);
        RawPeer::accept(&self.env, &mut self.listener, &identity).await.unwrap()
    }

    async fn client(&mut self) -> RawPeer {
        let mut client = self.accept().await;
        welcome_client(&mut client, &self.lab.parties, &client_owner(CLIENT))
            .await
            .unwrap();
        self.lab.env().sleep(milliseconds(100)).await;
        client
    }

    async fn worker(&mut self) -> RawPeer {
        let mut worker = self.accept().await;
        welcome_worker(&mut worker, &self.lab.parties, &worker_owner(WORKER))
            .await
            .unwrap();
        self.lab.env().sleep(milliseconds(100)).await;
        worker
    }

    /// A user asks the real client.
    fn asks(&self, is_stream: bool, timeout_s: u64) -> tokio::sync::oneshot::Receiver<Got> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (env, http) = (self.user.clone(), self.http);
        self.user.spawn("user", async move {
            let _ = sender.send(ask(&env, http, &chat(is_stream, timeout_s)).await);
        });
        receiver
    }

    /// The client lives: a proxy that behaves serves its user on this connection.
    async fn serves(&mut self, client: &mut RawPeer) {
        let got = self.asks(false, 10);
        let request: ClientRunQueryEx = client.message().await.unwrap();
        client.send(&head(request.request_id)).await;
        client.send(&last(request.request_id, b"{\"choices\": []}")).await;
        let got = got.await.unwrap();
        assert!(got.is_answer(), "{got:?}");
    }
}

fn head(request_id: RequestId) -> ClientQueryAnswerEx {
    ClientQueryAnswerEx {
        request_id,
        answer: http_head(200, "application/json"),
        final_info: None,
    }
}

fn stream_head(request_id: RequestId) -> ClientQueryAnswerEx {
    ClientQueryAnswerEx {
        request_id,
        answer: http_head(200, "text/event-stream"),
        final_info: None,
    }
}

fn part(request_id: RequestId, bytes: &[u8]) -> ClientQueryAnswerPartEx {
    ClientQueryAnswerPartEx {
        request_id,
        answer: bytes.to_vec(),
        final_info: None,
    }
}

fn last(request_id: RequestId, bytes: &[u8]) -> ClientQueryAnswerPartEx {
    let final_info = Some(ClientQueryFinalInfo {
        tokens_used: tokens(0, 1, 1),
        debug: None,
        times: None,
    });
    ClientQueryAnswerPartEx {
        request_id,
        answer: bytes.to_vec(),
        final_info,
    }
}

#[test]
fn a_proxy_that_behaves_is_used() {
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::with_client(lab).await;
        let mut client = scene.client().await;
        scene.serves(&mut client).await;
        assert_eq!(scene.lab.watch.accepted(CLIENT, "proxy"), 1);
    });
}

fn foreign_key() -> SigningKey {
    SigningKey::from_seed(&named_hash("proxy key", "another"))
}

/// Payments that a client or worker must not take for its contract, each with what they are.
fn wrong_payments(key: &SigningKey, kind: PaymentKind, contract: &Address) -> Vec<(&'static str, SignedPayment)> {
    let other_kind = match kind {
        PaymentKind::ClientCharge => PaymentKind::ClientRefund,
        _ => PaymentKind::WorkerLastPayout,
    };
    let SignedPayment::Signed(good) = payment(key, kind, 100, contract) else {
        unreachable!()
    };
    let mut altered = good.data.clone();
    let at = altered.len() - 40;
    altered[at] ^= 1;
    let raw = |data: Vec<u8>| SignedPayment::Signed(ProxySignedPayment { data });
    vec![
        ("another key's", payment(&foreign_key(), kind, 100, contract)),
        ("for another contract", payment(key, kind, 100, &client_owner("x"))),
        ("of another kind", payment(key, other_kind, 100, contract)),
        ("altered", raw(altered)),
        ("cut", raw(good.data[..100].to_vec())),
        ("nothing", raw(Vec::new())),
        ("garbage", raw(vec![0xb5; 100_000])),
        ("empty", SignedPayment::EMPTY),
        ("smaller", payment(key, kind, 9, contract)),
    ]
}
