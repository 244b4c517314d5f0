//! What follows from a plan before anything runs: whose contracts and addresses there will be.

use super::{DeployError, Deployment, NETWORK, PROXY_IMAGE, WORKER_IMAGE};
use crate::{
    chain::{ADVERSARY, PARTIES, nodes, owner_address, party_name},
    plan::{ContractName, TeeKind},
};
use chrysalis_settlement::Address;
use std::collections::BTreeMap;

/// Which of a proxy's two kinds of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountKind {
    /// Of a client, which is charged.
    Client,
    /// Of a worker, which is paid.
    Worker,
}

/// Whose a contract is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// Name of the proxy that keeps it.
    pub proxy: String,
    /// Of a client or a worker.
    pub kind: AccountKind,
    /// Name of the client or worker.
    pub holder: String,
    /// Address of the contract, raw form.
    pub address: String,
    /// Which prices it belongs to: 1 for those of the start, and one more for each change.
    pub prices: u32,
}

/// What follows from a plan before anything runs, for those who judge what nodes report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Allowed images of proxies and of workers; `None` if there is no evidence.
    pub(crate) images: Option<([u8; 32], [u8; 32])>,
    /// Contracts by address.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Whether a signature waits for a commit of the ledger to a chain.
    pub(crate) commits_to_chain: bool,
    /// Who is behind each address of the chain that is known beforehand, by raw address.
    pub(crate) parties: BTreeMap<String, Party>,
}

impl Facts {
    /// Accounts by the raw address of their contracts.
    pub(crate) fn accounts_by_address(&self) -> BTreeMap<&str, &Account> {
        let accounts = self.accounts.values();
        accounts.map(|account| (account.address.as_str(), account)).collect()
    }
}

/// Who is behind an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Party {
    /// Whose it is: a node, `root`, or a party of an attack.
    pub name: String,
    /// What it is there: `root`, `owner`, `wallet`, `proxy`, `client`, `worker`.
    pub part: &'static str,
    /// At which proxy, for accounts.
    pub proxy: Option<String>,
    /// Which prices it belongs to: 1 for those of the start, and one more for each change. 0 for what has none.
    pub prices: u32,
    /// Whether it is an adversary of the plan.
    pub is_adversary: bool,
}

impl Party {
    fn new(name: &str, part: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            part,
            proxy: None,
            prices: 0,
            is_adversary: false,
        }
    }

    /// Whether a plan means this contract by a name: that of the prices of the start.
    pub(crate) fn is_behind(&self, contract: &ContractName) -> bool {
        let is = |part: &str, name: &str| self.part == part && self.name == name;
        match contract {
            ContractName::Root => is("root", "root"),
            ContractName::Wallet(node) => is("wallet", node),
            ContractName::Proxy(proxy) => is("proxy", proxy) && self.prices == 1,
            ContractName::Account { holder, proxy } => {
                let at = self.proxy.as_ref() == Some(proxy) && self.prices == 1;
                at && (is("client", holder) || is("worker", holder))
            }
        }
    }
}

impl Facts {
    /// The image that peers of a kind must show; `None` if they show none.
    pub(crate) fn allowed_image(&self, kind: &str) -> Option<[u8; 32]> {
        let (proxy, worker) = self.images?;
        match kind {
            "proxy" => Some(proxy),
            "worker" => Some(worker),
            _ => None,
        }
    }
}

impl Deployment {
    pub(crate) fn facts(&self) -> Result<Facts, DeployError> {
        let images = (self.plan.attestation.tee != TeeKind::None).then(|| {
            let hash = |image| self.evidence.image_hash(image);
            (hash(PROXY_IMAGE), hash(WORKER_IMAGE))
        });
        let mut accounts = BTreeMap::new();
        let roots = self.roots();
        let each = || (1..).zip(&roots);
        let proxies = self.plan.proxies.iter().enumerate();
        for ((index, proxy), (prices, root)) in proxies.flat_map(|proxy| each().map(move |root| (proxy, root))) {
            let name = &proxy.node.name;
            let uses = |chosen: &[usize]| chosen.is_empty() || chosen.contains(&index);
            let clients = self.plan.clients.iter().filter(|client| uses(&client.proxies));
            let clients = clients.map(|client| (AccountKind::Client, &client.node.name));
            let workers = self.plan.workers.iter().filter(|worker| uses(&worker.proxies));
            let workers = workers.map(|worker| (AccountKind::Worker, &worker.node.name));
            for (kind, holder) in clients.chain(workers) {
                let named = ContractName::Account {
                    holder: holder.clone(),
                    proxy: name.clone(),
                };
                if let Some(contract) = self.contract_at(root, &named)? {
                    let account = Account {
                        proxy: name.clone(),
                        kind,
                        holder: holder.clone(),
                        address: contract.to_string(),
                        prices,
                    };
                    accounts.insert(contract.to_wire(NETWORK), account);
                }
            }
        }
        Ok(Facts {
            images,
            parties: self.parties(&accounts)?,
            accounts,
            commits_to_chain: self.onchain.is_some(),
        })
    }

    /// Who is behind the addresses of the chain.
    fn parties(&self, accounts: &BTreeMap<String, Account>) -> Result<BTreeMap<String, Party>, DeployError> {
        let mut parties = BTreeMap::new();
        let (Some(onchain), Some(settlement)) = (&self.onchain, &self.plan.settlement) else {
            return Ok(parties);
        };
        let mut add = |address: Address, party: Party| drop(parties.insert(address.to_string(), party));
        add(onchain.root_address, Party::new("root", "root"));
        add(owner_address("root")?, Party::new("root", "owner"));
        for node in nodes(&self.plan) {
            add(owner_address(&node.name)?, Party::new(&node.name, "owner"));
            add(onchain.wallet_address(&node.name)?, Party::new(&node.name, "wallet"));
        }
        for proxy in &self.plan.proxies {
            let name = &proxy.node.name;
            for (prices, root) in (1..).zip(&self.roots()) {
                let party = Party {
                    prices,
                    ..Party::new(name, "proxy")
                };
                add(self.proxy_identity(root, name)?.address, party);
            }
        }
        for attack in &settlement.attacks {
            for party in PARTIES {
                let name = party_name(attack.threat, party);
                let party = Party {
                    is_adversary: party == ADVERSARY,
                    ..Party::new(&name, "owner")
                };
                add(owner_address(&name)?, party);
            }
        }
        for account in accounts.values() {
            let party = Party {
                name: account.holder.clone(),
                part: match account.kind {
                    AccountKind::Client => "client",
                    AccountKind::Worker => "worker",
                },
                proxy: Some(account.proxy.clone()),
                prices: account.prices,
                is_adversary: false,
            };
            parties.insert(account.address.clone(), party);
        }
        Ok(parties)
    }
}
