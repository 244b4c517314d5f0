//! Client, proxy, worker and key manager of a confidential inference network.
//!
//! Roles are plain values ([`client::ClientSettings`], …) and one future each. They reach the world through
//! [`chrysalis_env::Env`] only, so the same code runs on real sockets and in a simulated world.
//!
//! | module | holds |
//! |---|---|
//! | [`client`] | the OpenAI-compatible endpoint in front of proxies |
//! | [`proxy`] | routing, reservations, the ledger, signed payments |
//! | [`worker`] | requests to an inference backend and back |
//! | [`key_manager`] | keys of proxies and workers, given out after appraisal |
//! | [`request_rules`] | which requests are forwarded, and what they may cost |
//! | [`chain`] | the chain as nodes see it |
//! | [`secure`], [`trust`] | proof of work, mutual TLS with evidence, allowed images |
//! | [`connection`] | frames, queries and keep-alive on one connection |
//! | [`receipts`] | what a client or worker knows of its account at a proxy |
//! | [`telemetry`] | what roles report: identifiers, sizes, codes |
//! | [`extension`] | messages beside the reference protocol |
//! | [`shutdown`] | asking a node to stop |
//! | [`orders`] | what an operator asks of a running node |
//! | [`sealed_file`] | state that only the same guest on the same machine can read |
//! | [`metrics`] | counters made of what roles report |
//! | [`management`] | health, metrics and orders over HTTP, for whoever has the token |
//! | [`daemon`] | one role as a process: configuration files, keys, logs, signals |

mod body;
pub mod chain;
pub mod client;
pub mod connection;
pub mod daemon;
mod dialing;
pub mod extension;
mod http_server;
pub mod key_manager;
mod live_session;
pub mod management;
pub mod metrics;
pub mod orders;
mod outbox;
pub mod proxy;
pub mod receipts;
pub mod request_rules;
pub mod sealed_file;
pub mod secure;
pub mod shutdown;
pub mod telemetry;
pub mod trust;
pub mod worker;

pub use outbox::SendError;
