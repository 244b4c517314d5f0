//! What an honest worker says first, so that whoever plays one can say something else in its place.

use super::peer::{Gone, RawPeer};
use chrysalis_settlement::{Address, Network};
use chrysalis_wire::{
    objects::{
        WorkerCapacity, WorkerCompareBalanceWithProxy, WorkerConnectToProxy, WorkerParams, WorkerProxyHandshakeComplete,
    },
    protocol_version::VersionRange,
};

/// Who the worker is and what it serves, at the usual price.
pub fn worker_connect(owner: &Address, network: Network, model: &str, slots: i32) -> WorkerConnectToProxy {
    WorkerConnectToProxy {
        params: WorkerParams {
            worker_owner_address: owner.to_wire(network),
            model: model.to_owned(),
            coefficient: 1000,
            capacity: Some(WorkerCapacity {
                is_test: true,
                proxy_cnt: 1,
                max_active_requests: slots,
            }),
            protocol: Some(VersionRange::CLIENT_AND_WORKER.to_announcement()),
        },
    }
}

/// What it remembers of its account.
pub const fn balance(chain: i64, db: i64, max: i64) -> WorkerCompareBalanceWithProxy {
    WorkerCompareBalanceWithProxy {
        tokens_committed_to_blockchain: chain,
        tokens_committed_to_db: db,
        max_tokens: max,
    }
}

/// The whole hand-shake of a worker that remembers nothing, and takes work or not.
///
/// # Errors
/// The proxy refuses.
pub async fn offer_work(peer: &mut RawPeer, connect: &WorkerConnectToProxy, is_disabled: bool) -> Result<(), Gone> {
    peer.query(connect).await?;
    peer.query(&balance(0, 0, 0)).await?;
    peer.query(&WorkerProxyHandshakeComplete { is_disabled }).await?;
    Ok(())
}
