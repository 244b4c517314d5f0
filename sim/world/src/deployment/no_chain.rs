//! Accounts of scenarios without a chain: as they are at the start, for good. The root contract changes by faults only.

use chrysalis_env::{BoxFuture, Env};
use chrysalis_node::{client::Registrar, proxy::ChainSource};
use chrysalis_settlement::{Address, RootConfig, RootSource, ledger::ClientChainState};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

/// From a client's registration to the moment when its proxy sees it.
const REGISTRATION: Duration = Duration::from_secs(5);

/// Accounts as the chain would have them.
#[derive(Debug)]
pub(super) struct StaticChain {
    pub(super) clients: BTreeMap<Address, ClientChainState>,
    /// Nonces by the client that registered them.
    pub(super) registered: Mutex<BTreeSet<(Address, u64)>>,
}

/// The root contract as every node sees it at once.
#[derive(Debug)]
pub(super) struct StaticRoot(RwLock<Arc<RootConfig>>);

impl StaticRoot {
    pub(super) fn new(config: RootConfig) -> Self {
        Self(RwLock::new(Arc::new(config)))
    }

    /// Its owner changes it.
    pub(super) fn change(&self, change: impl FnOnce(&mut RootConfig)) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut config = RootConfig::clone(&current);
        config.version += 1;
        change(&mut config);
        *current = Arc::new(config);
    }
}

impl RootSource for StaticRoot {
    fn current(&self) -> Arc<RootConfig> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Registers nonces of one client.
pub(super) struct StaticRegistrar {
    pub(super) env: Env,
    pub(super) chain: Arc<StaticChain>,
    pub(super) owner: Address,
}

impl Registrar for StaticRegistrar {
    fn register(&self, _client_contract: Address, nonce: u64) -> BoxFuture<'static, Result<(), String>> {
        let (env, chain, owner) = (self.env.clone(), self.chain.clone(), self.owner);
        Box::pin(async move {
            let later = env.clone();
            env.spawn("chain: registration", async move {
                later.sleep(REGISTRATION).await;
                chain
                    .registered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert((owner, nonce));
            });
            Ok(())
        })
    }
}

impl ChainSource for StaticChain {
    fn client(&self, owner: &Address) -> Option<ClientChainState> {
        self.clients.get(owner).copied()
    }

    fn worker_tokens_paid(&self, _owner: &Address) -> u64 {
        0
    }

    fn is_registered(&self, owner: &Address, nonce: u64) -> bool {
        let registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        registered.contains(&(*owner, nonce))
    }
}
