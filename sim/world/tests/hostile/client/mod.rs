//! A real proxy and clients that wish it ill. After each attack the proxy runs, its accounts are whole to the token, and
//! an honest client is served.
//!
//! | module | holds |
//! |---|---|
//! | [`access`] | what nobody gets without the secret |
//! | [`requests`] | requests that lie, and more of them than allowed |
//! | [`transport`] | bytes that are no protocol |
//! | [`leaving`] | clients that hang up or cancel |
//! | [`slow`] | clients that do not read |

mod access;
mod leaving;
mod requests;
mod slow;
mod transport;

use crate::support::{
    handshakes::{head, id, last_part, request, reservation, tokens},
    lab::{FOR_CLIENTS, Lab, lab},
    milliseconds,
    parties::{MODEL, Policy, SECRET, client_owner, plain},
    peer::RawPeer,
    seconds,
};
use chrysalis_env::Env;
use chrysalis_wire::{
    messages::ProxyToClientMessage,
    objects::{ClientQueryAnswerErrorEx, ClientQueryAnswerPartEx, ProxyRunQueryEx},
};
use serde_json::json;

/// The account that is attacked, by its owner or by others.
const OWNER: &str = "client-1";
/// Requests that its deposit covers at the same time, to the token.
const COVERED: u64 = 5;
/// Completion tokens of an honest request.
const TOKENS: i32 = 8;

/// A proxy, a worker that the test plays, and a deposit for exactly [`COVERED`] requests at once.
struct Scene {
    lab: Lab,
    worker: RawPeer,
    /// Where hostile clients live.
    evil: Env,
}

impl Scene {
    async fn new(lab: Lab) -> Self {
        Self::with_deposit(lab, COVERED * reservation(&request(1_000_000, TOKENS))).await
    }

    async fn with_deposit(lab: Lab, deposit_tokens: u64) -> Self {
        lab.parties.deposits.open(client_owner(OWNER), deposit_tokens, SECRET);
        lab.start_proxy();
        lab.env().sleep(seconds(1)).await;
        let worker = lab.raw_worker("worker-1", 4096).await;
        let evil = lab.node("evil").env();
        Self { lab, worker, evil }
    }

    /// A connection that knows the secret.
    async fn owner(&mut self) -> RawPeer {
        self.lab.raw_client_on(&self.evil, OWNER).await
    }

    /// A connection that is greeted and nothing more.
    async fn stranger(&mut self) -> RawPeer {
        RawPeer::connect(&self.evil, FOR_CLIENTS, &plain("evil")).await.unwrap()
    }

    /// Answers a request completely, at no cost.
    async fn complete(&mut self, request: &ProxyRunQueryEx) {
        self.worker.send(&head(request.request_id)).await;
        self.worker
            .send(&last_part(request.request_id, b"{}", tokens(0, 0, 0)))
            .await;
    }

    /// Requests that reach the worker while nothing else happens for a while.
    async fn arrived(&mut self) -> Vec<ProxyRunQueryEx> {
        let mut arrived = Vec::new();
        while let Ok(request) = self.worker.message_within::<ProxyRunQueryEx>(milliseconds(300)).await {
            arrived.push(request);
        }
        arrived
    }

    /// The proxy runs, nothing was booked, nothing is reserved: an honest client can run what the deposit covers, at
    /// once, and one more is refused for want of money.
    async fn assert_whole(mut self) {
        self.arrived().await;
        let mut honest = self.lab.raw_client("honest", OWNER).await;
        for number in 0..=COVERED {
            honest.send(&request(1_000_000 + number, TOKENS)).await;
        }
        let refused: ClientQueryAnswerErrorEx = honest.message().await.unwrap();
        assert_eq!(refused.request_id, id(1_000_000 + COVERED), "{refused:?}");
        assert!(refused.error.contains("available"), "{refused:?}");
        let arrived = self.arrived().await;
        let ids: Vec<_> = arrived.iter().map(|request| request.request_id).collect();
        assert_eq!(
            ids,
            (0..COVERED).map(|number| id(1_000_000 + number)).collect::<Vec<_>>()
        );
        for request in &arrived {
            self.complete(request).await;
        }
        for _ in 0..COVERED {
            honest.message::<ClientQueryAnswerPartEx>().await.unwrap();
        }
        // What is signed is what is booked: nothing.
        self.lab.env().sleep(seconds(4)).await;
        assert_eq!(self.lab.watch.booked("proxy"), 0);
        assert!(
            self.lab
                .watch
                .paid("proxy", "client_charge")
                .iter()
                .all(|tokens| *tokens == 0)
        );
        assert!(self.worker.is_alive().await);
    }
}

fn attack<F>(script: impl FnOnce(Scene) -> F + Send + 'static)
where
    F: Future<Output = Scene> + Send + 'static,
{
    lab(Policy::Tdx, |lab| async move {
        script(Scene::new(lab).await).await.assert_whole().await;
    });
}

#[test]
fn an_account_that_nobody_attacked_is_whole() {
    attack(|scene| async move { scene });
}

#[test]
fn a_reservation_that_is_not_given_back_would_be_seen() {
    // The control of every test here: one request that still runs, and the account is not whole.
    let outcome = std::panic::catch_unwind(|| {
        attack(|mut scene| async move {
            let mut owner = scene.owner().await;
            owner.send(&request(1, TOKENS)).await;
            // Keeps the connection, and with it the request.
            scene.lab.env().sleep(seconds(1)).await;
            std::mem::forget(owner);
            scene
        });
    });
    assert!(outcome.is_err());
}

fn chat_body(extra: &serde_json::Value) -> serde_json::Value {
    let mut body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "x" }] });
    for (key, value) in extra.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn every_message_of_a_proxy_is_one_that_clients_know() {
    // A control of this kit: what it filters by kind loses nothing that the proxy says.
    lab(Policy::Tdx, |lab| async move {
        let mut scene = Scene::new(lab).await;
        let mut owner = scene.owner().await;
        owner.send(&request(1, TOKENS)).await;
        let arrived = scene.arrived().await;
        scene.complete(&arrived[0]).await;
        let mut names = Vec::new();
        while let Ok(message) = owner.message_within::<ProxyToClientMessage>(seconds(2)).await {
            names.push(message.name());
        }
        assert_eq!(
            names,
            [
                "client.queryAnswerEx",
                "client.queryAnswerPartEx",
                "proxy.clientRequestPayment"
            ]
        );
    });
}
