//! Who sends what when (§5.4): pure functions from what a node knows to what it should do next. The caller reads the
//! chain, holds the wallet and remembers what it has sent; an account that waits for a result is `busy` and gets no
//! second action.
//!
//! Sound by default. What the reference does otherwise is a named variant of a rule, for simulations.
//!
//! | module | decides for |
//! |---|---|
//! | [`client`] | a client, about its contract |
//! | [`worker`] | a worker, about its contract |
//! | [`old_instance`] | a proxy, about the contracts of an older version of the parameters |
//!
//! What a proxy does with its clients' and workers' contracts of the present version is in
//! [`ledger::due`](crate::ledger::due), beside the counts that it needs.

pub mod client;
pub mod old_instance;
pub mod worker;

pub use client::{ClientAction, ClientContract, ClientRules, ClientView, client_action};
pub use old_instance::{AfterSetback, OldAccount, OldAction, OldInstance, OldStage, OldView, Progress, Setback};
pub use worker::{WorkerAction, WorkerRules, WorkerView, worker_action};

/// Coins that go with the messages of §5.4; what is not used comes back.
pub mod values {
    /// Deploying a client contract.
    pub const DEPLOY_CLIENT_NANOTON: u64 = 800_000_000;
    /// Deploying a worker contract.
    pub const DEPLOY_WORKER_NANOTON: u64 = 300_000_000;
    /// A call of a client or worker contract.
    pub const CALL_NANOTON: u64 = 700_000_000;
    /// A client's registration at a proxy.
    pub const REGISTER_NANOTON: u64 = 1_000_000_000;
    /// A payout that a worker asks for itself.
    pub const WORKER_PAYOUT_NANOTON: u64 = 500_000_000;
    /// A payout of the proxy's share.
    pub const PROXY_PAYOUT_NANOTON: u64 = 200_000_000;
    /// A step of closing a proxy, and every message to contracts of an old version (§4.7).
    pub const CLOSE_NANOTON: u64 = 1_000_000_000;
    /// A commit of the proxy node's state (§4.6).
    pub const COMMIT_NANOTON: u64 = 1;
}

const TON: u64 = 1_000_000_000;
