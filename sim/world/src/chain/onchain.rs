//! The chain of a deployment, and what nodes and owners need to use it.

use super::{SharedChain, genesis, to_std, watch::Watch};
use crate::{
    deployment::{DeployError, named_hash},
    plan::{ContractName, LieKind, LiePlan, NodePlan, Plan, SettlementPlan, Threat, ViewPlan},
    recorder::Recorder,
    user_contracts::code_set,
};
use chrysalis_chain::{
    Chain, Provider, View,
    chain::{GenesisAccount, provider::Lie, state_init},
    wallet::{Wallet as OwnerWallet, WalletVersion},
};
use chrysalis_env::{BoxFuture, Env};
use chrysalis_node::{
    chain::{ChainRoot, Settlement, Wallet},
    shutdown::shutdown_pair,
    telemetry::Role,
};
use chrysalis_settlement::{
    Address, Params, RootConfig, RootSource, SigningKey,
    ledger::LedgerPolicy,
    onchain::{
        CodeSet,
        storage::{Registry, RootStorage, WalletStorage},
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Coins that the root contract begins with.
const ROOT_NANOTON: u128 = 1_000_000_000;

/// Parties of the attacks, each with a wallet: see [`crate::script`].
pub(crate) const PARTIES: [&str; 5] = ["house", ADVERSARY, "victim", "stranger", "submitter"];
/// The party that means harm.
pub(crate) const ADVERSARY: &str = "mallory";

/// The chain of a deployment, and what nodes need to use it.
pub(crate) struct OnChain {
    pub(crate) chain: Arc<SharedChain>,
    pub(crate) codes: Arc<CodeSet>,
    pub(crate) params: Params,
    pub(crate) root_address: Address,
    access: Duration,
    pub(crate) ledger: LedgerPolicy,
    plan: Arc<Plan>,
    /// What each node is told of the chain; others are told the latest state.
    pub(crate) readers: BTreeMap<String, Provider>,
}

/// Every node of a plan.
pub(crate) fn nodes(plan: &Plan) -> impl Iterator<Item = &NodePlan> {
    let proxies = plan.proxies.iter().map(|proxy| &proxy.node);
    let workers = plan.workers.iter().map(|worker| &worker.node);
    let clients = plan.clients.iter().map(|client| &client.node);
    proxies.chain(workers).chain(clients)
}

/// Whoever owns things on the chain: the root contract, each node, and the parties of each attack.
fn owners(plan: &Plan, settlement: &SettlementPlan) -> Vec<String> {
    let nodes = nodes(plan).map(|node| node.name.clone());
    let parties = settlement
        .attacks
        .iter()
        .flat_map(|attack| PARTIES.iter().map(|party| party_name(attack.threat, party)));
    std::iter::once("root".to_owned()).chain(nodes).chain(parties).collect()
}

/// Name of a party of an attack.
pub(crate) fn party_name(threat: Threat, party: &str) -> String {
    format!("{} {party}", threat.name())
}

/// The wallet of an owner: an ordinary one, with a key that nobody else has.
pub(crate) fn owner_wallet(name: &str) -> Result<OwnerWallet, DeployError> {
    Ok(OwnerWallet::new(WalletVersion::V4R2, &named_hash("owner key", name))?)
}

/// Address of the wallet of an owner.
pub(crate) fn owner_address(name: &str) -> Result<Address, DeployError> {
    Ok(super::from_std(owner_wallet(name)?.address()))
}

fn wallet_key(name: &str) -> SigningKey {
    SigningKey::from_seed(&named_hash("wallet key", name))
}

impl OnChain {
    /// The chain as it begins: the root contract, and coins for the wallet of every node and every owner.
    pub(crate) fn new(
        plan: &Arc<Plan>,
        settlement: &SettlementPlan,
        params: Params,
        registry: Registry,
    ) -> Result<(RootConfig, Self), DeployError> {
        let codes = Arc::new(code_set(settlement.contracts, &settlement.user_contracts)?);
        let start_unix_s = u32::try_from(plan.start_unix_s).map_err(|_| DeployError::Date)?;
        let mut wallets = BTreeMap::new();
        for node in nodes(plan) {
            let owner = owner_address(&node.name)?;
            let wallet = WalletStorage::initial(wallet_key(&node.name).public(), owner).init(&codes);
            wallets.insert(node.name.clone(), wallet.address());
        }
        let seed = named_hash("chain", &plan.seed.to_string());
        // Names were checked when the scenario was read; a plan made by hand may name nobody.
        let wallet = |name: &str| to_std(wallets.get(name).unwrap_or(&Address::new(0, [0; 32])));
        let mut genesis = genesis::genesis(settlement, start_unix_s, seed, wallet)?;
        let storage = RootStorage {
            version: 1,
            registry,
            ..RootStorage::initial(owner_address("root")?, params.clone(), codes.contracts())
        };
        let init = storage.init(&codes);
        let root = storage.to_config(init.address())?;
        genesis.accounts.push(GenesisAccount {
            address: to_std(&init.address()),
            balance_nanoton: ROOT_NANOTON,
            state: Some(state_init(init.code().clone(), init.data().clone())),
        });
        genesis.accounts.extend(wallets.values().map(|address| GenesisAccount {
            address: to_std(address),
            balance_nanoton: settlement.wallet_nanoton.into(),
            state: None,
        }));
        for owner in owners(plan, settlement) {
            genesis.accounts.push(GenesisAccount {
                address: owner_wallet(&owner)?.address().clone(),
                balance_nanoton: settlement.owner_nanoton.into(),
                state: None,
            });
        }
        let onchain = Self {
            chain: SharedChain::new(Chain::new(genesis)?),
            codes,
            params,
            root_address: init.address(),
            access: Duration::from_nanos(settlement.access_ns),
            ledger: LedgerPolicy {
                charge_threshold_nanoton: settlement.charge_threshold_nanoton.into(),
                payout_threshold_nanoton: settlement.payout_threshold_nanoton.into(),
                ..LedgerPolicy::SOUND
            },
            plan: plan.clone(),
            readers: BTreeMap::new(),
        };
        Ok((root, onchain))
    }

    /// What each node of the plan is told; `find` gives the address of a contract.
    pub(crate) fn readers(
        plan: &Plan,
        find: impl Fn(&ContractName) -> Result<Option<Address>, DeployError>,
    ) -> Result<BTreeMap<String, Provider>, DeployError> {
        let mut readers = BTreeMap::new();
        for reader in plan.settlement.iter().flat_map(|settlement| &settlement.readers) {
            let mut provider = Provider::new(match reader.view {
                ViewPlan::Latest => View::Latest,
                ViewPlan::Final => View::Final,
                ViewPlan::Stale(blocks) => View::Stale(blocks as usize),
            });
            for LiePlan { about, lie } in &reader.lies {
                if let Some(address) = find(about)? {
                    let lie = match lie {
                        LieKind::Missing => Lie::Missing,
                        LieKind::Balance(nanoton) => Lie::Balance((*nanoton).into()),
                    };
                    provider = provider.lying(to_std(&address), lie);
                }
            }
            readers.insert(reader.node.clone(), provider);
        }
        Ok(readers)
    }

    /// Address of the wallet of a node.
    pub(crate) fn wallet_address(&self, name: &str) -> Result<Address, DeployError> {
        let key = wallet_key(name).public();
        Ok(WalletStorage::initial(key, owner_address(name)?)
            .init(&self.codes)
            .address())
    }

    pub(crate) fn settlement(&self, env: &Env) -> Arc<dyn Settlement> {
        let provider = self.readers.get(env.node_name()).cloned().unwrap_or_default();
        self.chain.access(env.clone(), provider, self.access)
    }

    /// A running wallet of the node of `env`.
    pub(crate) fn wallet(
        &self,
        env: &Env,
        role: Role,
        settlement: &Arc<dyn Settlement>,
    ) -> Result<Arc<Wallet>, DeployError> {
        let name = env.node_name();
        let key = Arc::new(wallet_key(name));
        let owner = owner_address(name)?;
        let wallet = Wallet::new(env.clone(), role, settlement.clone(), key, owner, &self.codes);
        let wallet = Arc::new(wallet);
        // A simulated node ends with its world or is killed: nothing asks its wallet to stop.
        let (_trigger, shutdown) = shutdown_pair();
        env.spawn("wallet", wallet.clone().run(shutdown));
        Ok(wallet)
    }

    /// The root contract as a node follows it.
    pub(crate) fn root(&self, env: &Env, role: Role, known: &RootConfig) -> Arc<dyn RootSource> {
        let root = Arc::new(ChainRoot::known(
            known.clone(),
            self.settlement(env),
            known.params.is_test,
        ));
        let (_trigger, shutdown) = shutdown_pair();
        env.spawn("root contract", root.clone().keep_fresh(env.clone(), role, shutdown));
        root
    }

    /// Makes blocks when they are due, for as long as it is polled. Ends with what was wrong.
    pub(crate) fn keep_going(&self, env: Env, recorder: Arc<Recorder>) -> BoxFuture<'static, String> {
        let proxies = self.plan.proxies.iter().filter_map(|proxy| {
            let name = &proxy.node.name;
            Some((to_std(&self.wallet_address(name).ok()?), name.clone()))
        });
        let watch = Watch::new(recorder, self.codes.clone(), proxies.collect());
        Box::pin(self.chain.clone().keep_going(env, watch))
    }
}
