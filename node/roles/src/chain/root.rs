//! The root contract as the source of everybody's configuration (spec §1.3, §6.3).

use super::{AccountStatus, ChainError, Settlement};
use crate::{
    shutdown::Shutdown,
    telemetry::{self, Role},
};
use chrysalis_env::{Either, Env, race};
use chrysalis_settlement::{
    Address, RootConfig, RootSource,
    onchain::{
        LayoutError,
        storage::{RootConfigError, RootStorage},
    },
};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// Pause between two looks at the root contract (spec §1.3).
const REFRESH_PAUSE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(60));
/// Pause before the first configuration is asked for again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Why an account is no root contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The chain does not answer.
    #[error("{0}")]
    Chain(#[from] ChainError),
    /// Nothing that runs is there.
    #[error("there is no root contract at {0}")]
    Absent(Address),
    /// Its data is not a root contract's.
    #[error("the root contract's data: {0}")]
    Layout(#[from] LayoutError),
    /// Contract addresses cannot be derived from it.
    #[error("the root contract: {0}")]
    Config(#[from] RootConfigError),
    /// It belongs to another kind of deployment.
    #[error("the root contract belongs to another kind of deployment: its test flag is {is_test}")]
    OtherDeployment {
        /// As in the contract.
        is_test: bool,
    },
}

/// The latest configuration that was read from the root contract.
pub struct ChainRoot {
    chain: Arc<dyn Settlement>,
    address: Address,
    is_test: bool,
    current: RwLock<Arc<RootConfig>>,
}

impl std::fmt::Debug for ChainRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainRoot")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl ChainRoot {
    /// Reads the contract once.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub async fn open(chain: Arc<dyn Settlement>, address: Address, is_test: bool) -> Result<Self, RootError> {
        let config = read(&*chain, address, is_test).await?;
        Ok(Self {
            chain,
            address,
            is_test,
            current: RwLock::new(Arc::new(config)),
        })
    }

    /// Begins with a configuration that was read earlier.
    pub fn known(config: RootConfig, chain: Arc<dyn Settlement>, is_test: bool) -> Self {
        Self {
            chain,
            address: config.root_address,
            is_test,
            current: RwLock::new(Arc::new(config)),
        }
    }

    /// As [`Self::open`], again and again until the contract is there and can be read.
    pub async fn wait(env: &Env, role: Role, chain: Arc<dyn Settlement>, address: Address, is_test: bool) -> Self {
        let mut said = None;
        loop {
            match Self::open(chain.clone(), address, is_test).await {
                Ok(root) => return root,
                Err(error) => {
                    if said.as_ref() != Some(&error) {
                        telemetry::note(env, role, &format!("waiting for the root contract: {error}"));
                        said = Some(error);
                    }
                    env.sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Looks again; says whether the configuration changed. A state with a smaller version is older and ignored.
    ///
    /// # Errors
    /// It cannot be read, or is none any more: what is known stays.
    pub async fn refresh(&self) -> Result<bool, RootError> {
        let config = read(&*self.chain, self.address, self.is_test).await?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let is_newer = config.supersedes(&current);
        if is_newer {
            *current = Arc::new(config);
        }
        Ok(is_newer)
    }

    /// Refreshes until shut down.
    pub async fn keep_fresh(self: Arc<Self>, env: Env, role: Role, mut shutdown: Shutdown) {
        loop {
            let pause = env.random_span(REFRESH_PAUSE.0, REFRESH_PAUSE.1);
            if let Either::Right(()) = race(env.sleep(pause), shutdown.requested()).await {
                return;
            }
            match self.refresh().await {
                Ok(false) => {}
                Ok(true) => {
                    let root = self.current();
                    let text = format!(
                        "root configuration {}, parameters {}",
                        root.version,
                        root.params_version()
                    );
                    telemetry::note(&env, role, &text);
                }
                Err(error) => telemetry::note(&env, role, &format!("the root configuration stays as it was: {error}")),
            }
        }
    }
}

impl RootSource for ChainRoot {
    fn current(&self) -> Arc<RootConfig> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn read(chain: &dyn Settlement, address: Address, is_test: bool) -> Result<RootConfig, RootError> {
    let account = chain.state(address).await?;
    let (AccountStatus::Active, Some(data)) = (account.status, &account.data) else {
        return Err(RootError::Absent(address));
    };
    let config = RootStorage::parse(data)?.to_config(address)?;
    if config.params.is_test == is_test {
        Ok(config)
    } else {
        Err(RootError::OtherDeployment {
            is_test: config.params.is_test,
        })
    }
}
