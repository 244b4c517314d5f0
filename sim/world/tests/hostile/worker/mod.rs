//! A real proxy, a real client, and workers with genuine evidence that cheat all the same.
//!
//! | module | holds |
//! |---|---|
//! | [`handshake`] | hand-shakes that do not fit, and memories that are too good |
//! | [`answers`] | answers for others, out of order, or that are none |
//! | [`claims`] | what a worker says was used, and what of it is booked |
//! | [`absence`] | workers that are silent or go away |

mod absence;
mod answers;
mod claims;
mod handshake;

use crate::support::{
    handshakes::{head, id, last_part, request, tokens},
    lab::Lab,
    milliseconds,
    parties::{SECRET, client_owner},
    peer::RawPeer,
    seconds,
    user::{Got, ask, chat},
};
use chrysalis_env::Env;
use chrysalis_wire::objects::{ClientQueryAnswerPartEx, ClientRunQueryEx, ProxyRunQueryEx};
use std::net::SocketAddr;

const OWNER: &str = "client-1";
const DEPOSIT: u64 = 1_000_000_000;

/// A real proxy and an account with money; workers are the test's.
async fn proxy(lab: &Lab) {
    lab.parties.deposits.open(client_owner(OWNER), DEPOSIT, SECRET);
    lab.start_proxy();
    lab.env().sleep(seconds(1)).await;
}

/// A raw client that asks, and the request as it reaches the worker.
async fn asked(client: &mut RawPeer, worker: &mut RawPeer, request: &ClientRunQueryEx) -> ProxyRunQueryEx {
    client.send(request).await;
    worker.message().await.unwrap()
}

/// The proxy still serves: an honest worker's answer reaches a client.
async fn serves(lab: &Lab) {
    let mut worker = lab.raw_worker("honest-worker", 64).await;
    let mut client = lab.raw_client("honest-client", OWNER).await;
    // Others may be chosen first as long as they are connected: ask until the honest one is.
    for number in 5_000_000..5_000_050 {
        client.send(&request(number, 8)).await;
        if worker
            .message_within::<ProxyRunQueryEx>(milliseconds(100))
            .await
            .is_ok()
        {
            worker.send(&head(id(number))).await;
            worker
                .send(&last_part(id(number), b"{\"good\": 1}", tokens(0, 8, 8)))
                .await;
            let answer: ClientQueryAnswerPartEx = client.message().await.unwrap();
            assert_eq!(
                (answer.request_id, &answer.answer[..]),
                (id(number), &b"{\"good\": 1}"[..])
            );
            return;
        }
    }
    panic!("the honest worker is never asked");
}

/// A real client in front of the real proxy, and where a user stands.
async fn with_user(lab: &Lab) -> (Env, SocketAddr) {
    let client = lab.start_client(OWNER);
    let user = lab.node("user").env();
    lab.env().sleep(seconds(2)).await;
    (user, Lab::http(&client))
}

/// Starts a user's request, and takes it at the worker.
async fn user_asks(
    worker: &mut RawPeer,
    user: &(Env, SocketAddr),
    is_stream: bool,
    timeout_s: u64,
) -> (ProxyRunQueryEx, tokio::sync::oneshot::Receiver<Got>) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let (env, http) = user.clone();
    user.0.spawn("user", async move {
        let _ = sender.send(ask(&env, http, &chat(is_stream, timeout_s)).await);
    });
    (worker.message().await.unwrap(), receiver)
}
