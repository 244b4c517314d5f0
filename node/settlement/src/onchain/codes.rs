//! The project's own contract codes, in two builds of one source (`node/settlement/contracts`).

use std::sync::OnceLock;

use tycho_types::{boc::Boc, cell::Cell};

use crate::contracts::{CodeError, ContractCodes, check_code};

/// A build of the contracts (design §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeProfile {
    /// Behaves as the published revision A, weak points included. For simulations.
    Reference,
    /// Every weak point of §10.1 closed.
    Hardened,
}

impl CodeProfile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reference, Self::Hardened];

    /// Name of its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Hardened => "hardened",
        }
    }
}

/// The five contracts of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContractRole {
    /// What everybody reads.
    Root,
    /// Holds the pool.
    Proxy,
    /// A client's account at a proxy.
    Client,
    /// A worker's account at a proxy.
    Worker,
    /// A node's wallet.
    Wallet,
}

impl ContractRole {
    /// All five.
    pub const ALL: [Self; 5] = [Self::Root, Self::Proxy, Self::Client, Self::Worker, Self::Wallet];

    /// Name, as in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Proxy => "proxy",
            Self::Client => "client",
            Self::Worker => "worker",
            Self::Wallet => "wallet",
        }
    }
}

/// Codes of all five contracts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeSet {
    root: Cell,
    wallet: Cell,
    contracts: ContractCodes,
}

macro_rules! built {
    ($profile:literal) => {
        [
            include_bytes!(concat!("../../contracts/build/", $profile, "/root.boc")).as_slice(),
            include_bytes!(concat!("../../contracts/build/", $profile, "/proxy.boc")).as_slice(),
            include_bytes!(concat!("../../contracts/build/", $profile, "/client.boc")).as_slice(),
            include_bytes!(concat!("../../contracts/build/", $profile, "/worker.boc")).as_slice(),
            include_bytes!(concat!("../../contracts/build/", $profile, "/wallet.boc")).as_slice(),
        ]
    };
}

impl CodeSet {
    /// Takes the codes of root and wallet, and those that addresses are derived from.
    ///
    /// # Errors
    /// A cell that no contract can have as its code.
    pub fn new(root: Cell, wallet: Cell, contracts: ContractCodes) -> Result<Self, CodeError> {
        check_code(&root)?;
        check_code(&wallet)?;
        Ok(Self {
            root,
            wallet,
            contracts,
        })
    }

    /// The project's own build.
    pub fn builtin(profile: CodeProfile) -> &'static Self {
        static REFERENCE: OnceLock<CodeSet> = OnceLock::new();
        static HARDENED: OnceLock<CodeSet> = OnceLock::new();
        match profile {
            CodeProfile::Reference => REFERENCE.get_or_init(|| Self::decode(built!("reference"))),
            CodeProfile::Hardened => HARDENED.get_or_init(|| Self::decode(built!("hardened"))),
        }
    }

    fn decode(bocs: [&[u8]; 5]) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "files of this crate; a test decodes every one of them"
        )]
        {
            let [root, proxy, client, worker, wallet] = bocs.map(|boc| Boc::decode(boc).expect("a built contract"));
            let contracts = ContractCodes::new(proxy, worker, client).expect("ordinary cells of small depth");
            Self::new(root, wallet, contracts).expect("ordinary cells of small depth")
        }
    }

    /// Code of one contract.
    pub const fn code(&self, role: ContractRole) -> &Cell {
        match role {
            ContractRole::Root => &self.root,
            ContractRole::Proxy => self.contracts.proxy(),
            ContractRole::Client => self.contracts.client(),
            ContractRole::Worker => self.contracts.worker(),
            ContractRole::Wallet => &self.wallet,
        }
    }

    /// The three codes that the parameters carry.
    pub const fn contracts(&self) -> &ContractCodes {
        &self.contracts
    }

    /// The build that a code is of, and its role: both builds of a contract may be the same code.
    pub fn identify(code_hash: &[u8; 32]) -> Vec<(CodeProfile, ContractRole)> {
        let every = CodeProfile::ALL
            .into_iter()
            .flat_map(|profile| ContractRole::ALL.map(|role| (profile, role)));
        every
            .filter(|(profile, role)| Self::builtin(*profile).code(*role).repr_hash().0 == *code_hash)
            .collect()
    }
}

impl ContractCodes {
    /// The project's own contracts with the behaviour of revision A; see [`CodeProfile::Reference`].
    pub fn reference() -> Self {
        CodeSet::builtin(CodeProfile::Reference).contracts.clone()
    }

    /// The project's own contracts with every weak point closed; see [`CodeProfile::Hardened`].
    pub fn hardened() -> Self {
        CodeSet::builtin(CodeProfile::Hardened).contracts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The embedded codes are those of the manifest, by hash.
    #[test]
    fn embedded_codes_are_those_of_the_manifest() {
        let manifest: serde_json::Value =
            serde_json::from_str(include_str!("../../contracts/build/manifest.json")).unwrap();
        assert!(manifest["compiler"].as_str().unwrap().starts_with("tolk 1."));
        let listed = manifest["contracts"].as_array().unwrap();
        assert_eq!(listed.len(), CodeProfile::ALL.len() * ContractRole::ALL.len());
        for entry in listed {
            let text = |key: &str| entry[key].as_str().unwrap();
            let profile = CodeProfile::ALL
                .into_iter()
                .find(|p| p.name() == text("profile"))
                .unwrap();
            let role = ContractRole::ALL
                .into_iter()
                .find(|r| r.name() == text("role"))
                .unwrap();
            let hash = CodeSet::builtin(profile).code(role).repr_hash();
            assert_eq!(hash.to_string(), text("code_hash"), "{profile:?} {role:?}");
            assert!(CodeSet::identify(&hash.0).contains(&(profile, role)));
        }
    }

    /// Negative control of the above: no two roles share a code, and the builds differ where there is something to fix.
    #[test]
    fn codes_differ_where_they_should() {
        let [reference, hardened] = CodeProfile::ALL.map(CodeSet::builtin);
        for role in ContractRole::ALL {
            let same = reference.code(role) == hardened.code(role);
            assert_eq!(same, role == ContractRole::Root, "{role:?}");
            for other in ContractRole::ALL {
                assert_eq!(reference.code(role) == reference.code(other), role == other);
            }
        }
        assert_eq!(CodeSet::identify(&[0; 32]), []);
        assert_ne!(ContractCodes::reference(), ContractCodes::hardened());
    }
}
