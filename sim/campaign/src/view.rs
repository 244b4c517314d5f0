//! Stored data of the contracts.

use chrysalis_chain::Chain;
use chrysalis_settlement::onchain::storage::{ClientStorage, ProxyStorage, WalletStorage, WorkerStorage};
use tycho_types::{cell::Cell, models::AccountState};

use crate::cast::{Placed, Role, Scene};

/// What the contracts hold; none for those that are not deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) proxy: Option<ProxyStorage>,
    pub(crate) clients: Vec<Option<ClientStorage>>,
    pub(crate) workers: Vec<Option<WorkerStorage>>,
    pub(crate) wallet: Option<WalletStorage>,
}

/// Data of a contract; none if it is not deployed.
fn data(chain: &Chain, placed: &Placed) -> Result<Option<Cell>, String> {
    let Some(entry) = chain.account(&placed.at) else {
        return Ok(None);
    };
    let account = entry.account().map_err(|error| format!("{}: {error}", placed.at))?;
    Ok(account.and_then(|account| match account.state {
        AccountState::Active(state) => state.data,
        AccountState::Uninit | AccountState::Frozen(_) => None,
    }))
}

fn parsed<T, E: std::fmt::Display>(
    chain: &Chain,
    placed: &Placed,
    parse: impl FnOnce(&Cell) -> Result<T, E>,
) -> Result<Option<T>, String> {
    let data = data(chain, placed)?;
    data.as_ref()
        .map(parse)
        .transpose()
        .map_err(|error| format!("{}: {error}", placed.at))
}

impl View {
    /// All of it, as it is now.
    pub(crate) fn load(scene: &Scene, chain: &Chain) -> Result<Self, String> {
        let clients = scene
            .clients
            .iter()
            .map(|placed| parsed(chain, placed, ClientStorage::parse));
        let workers = scene
            .workers
            .iter()
            .map(|placed| parsed(chain, placed, WorkerStorage::parse));
        Ok(Self {
            proxy: parsed(chain, &scene.proxy, ProxyStorage::parse)?,
            clients: clients.collect::<Result<_, _>>()?,
            workers: workers.collect::<Result<_, _>>()?,
            wallet: parsed(chain, &scene.wallet, WalletStorage::parse)?,
        })
    }

    /// The part of one contract anew.
    pub(crate) fn reload(&mut self, scene: &Scene, chain: &Chain, role: Role) -> Result<(), String> {
        match role {
            Role::Proxy => self.proxy = parsed(chain, &scene.proxy, ProxyStorage::parse)?,
            Role::Client(index) => {
                self.clients[index] = parsed(chain, &scene.clients[index], ClientStorage::parse)?;
            }
            Role::Worker(index) => {
                self.workers[index] = parsed(chain, &scene.workers[index], WorkerStorage::parse)?;
            }
            Role::Wallet => self.wallet = parsed(chain, &scene.wallet, WalletStorage::parse)?,
            Role::Person(_) => {}
        }
        Ok(())
    }
}
