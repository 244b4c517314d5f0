//! Contract codes that users bring: loaded from bytes, named by their hash, and checked against this crate's layouts.
//!
//! Everything here is pure. Whoever has a machine runs the get methods of [`conformance_getters`] on an account's data
//! and hands the stacks to [`check_getter`]: a code whose getters tell of the same data something else has another
//! layout.

use tycho_types::cell::Cell;

use super::{
    CodeProfile, CodeSet, ContractRole, LayoutError,
    getter::{
        ClientData, GetterError, ProxyData, RootData, StackValue, WorkerData, names, parse_public_key, parse_seqno,
    },
    revisions::{KnownCode, known_code},
    storage::{ClientStorage, ProxyStorage, RootStorage, WalletStorage, WorkerStorage},
};
use crate::{
    boc::{self, BocError, BocLimits},
    contracts::{CodeError, ContractCodes, check_code},
    hash::Hash256,
};

/// Why a file is not a contract code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserCodeError {
    /// Not a bag of cells with one root, or one that no contract can have.
    #[error(transparent)]
    Boc(#[from] BocError),
    /// A cell that no contract can have as its code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The same role twice.
    #[error("two codes of {role:?} contracts")]
    Twice {
        /// The role.
        role: ContractRole,
    },
}

/// A code that a user brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode {
    role: ContractRole,
    code: Cell,
}

impl UserCode {
    /// Reads a bag of cells, in binary, hexadecimal or base64.
    ///
    /// # Errors
    /// A file that is no contract code.
    pub fn load(role: ContractRole, boc: &[u8]) -> Result<Self, UserCodeError> {
        let code = boc::decode_file(boc, BocLimits::CODE)?;
        check_code(&code)?;
        Ok(Self { role, code })
    }

    /// The contract that it is for.
    pub const fn role(&self) -> ContractRole {
        self.role
    }

    /// The code cell.
    pub const fn code(&self) -> &Cell {
        &self.code
    }

    /// Representation hash, by which explorers name a code.
    pub fn hash(&self) -> Hash256 {
        self.code.repr_hash().0
    }

    /// The project's own codes that this is.
    pub fn builtin(&self) -> Vec<(CodeProfile, ContractRole)> {
        CodeSet::identify(&self.hash())
    }

    /// The published code that this is.
    pub fn known(&self) -> Option<&'static KnownCode> {
        known_code(&self.hash())
    }
}

impl CodeSet {
    /// This set with some codes replaced.
    ///
    /// # Errors
    /// A role twice.
    pub fn with_user_codes(&self, codes: &[UserCode]) -> Result<Self, UserCodeError> {
        let mut set = ContractRole::ALL.map(|role| (role, self.code(role)));
        for (role, code) in &mut set {
            let mut brought = codes.iter().filter(|user| user.role == *role);
            if let Some(user) = brought.next() {
                *code = &user.code;
            }
            if brought.next().is_some() {
                return Err(UserCodeError::Twice { role: *role });
            }
        }
        let [root, proxy, client, worker, wallet] = set.map(|(_, code)| code.clone());
        Ok(Self::new(root, wallet, ContractCodes::new(proxy, worker, client)?)?)
    }
}

/// Why an account's code and data do not go with this crate's layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConformanceError {
    /// The data has another layout.
    #[error("the stored data: {0}")]
    Data(#[from] LayoutError),
    /// A get method has another result.
    #[error("{method}: {error}")]
    Getter {
        /// Its name.
        method: &'static str,
        /// What is wrong.
        error: GetterError,
    },
    /// Code and crate read different things from the same data.
    #[error("{method} and the stored data differ in {field}")]
    Differs {
        /// Name of the get method.
        method: &'static str,
        /// Which value.
        field: &'static str,
    },
}

/// Get methods whose results [`check_getter`] compares with the stored data.
pub const fn conformance_getters(role: ContractRole) -> &'static [&'static str] {
    match role {
        ContractRole::Root => &[names::ROOT_DATA],
        ContractRole::Proxy => &[names::PROXY_DATA],
        ContractRole::Client => &[names::CLIENT_DATA],
        ContractRole::Worker => &[names::WORKER_DATA],
        ContractRole::Wallet => &[names::SEQNO, names::PUBLIC_KEY],
    }
}

/// Whether data has the layout of its role.
///
/// # Errors
/// Another layout.
pub fn check_data(role: ContractRole, data: &Cell) -> Result<(), LayoutError> {
    match role {
        ContractRole::Root => RootStorage::parse(data).map(drop),
        ContractRole::Proxy => ProxyStorage::parse(data).map(drop),
        ContractRole::Client => ClientStorage::parse(data).map(drop),
        ContractRole::Worker => WorkerStorage::parse(data).map(drop),
        ContractRole::Wallet => WalletStorage::parse(data).map(drop),
    }
}

/// Compares what a get method says with the data that it was run on.
///
/// # Errors
/// Another layout of data or result, or different values. A method that is none of [`conformance_getters`] compares
/// nothing.
pub fn check_getter(
    role: ContractRole,
    method: &'static str,
    data: &Cell,
    stack: &[StackValue],
) -> Result<(), ConformanceError> {
    let in_getter = |error| ConformanceError::Getter { method, error };
    let differing = match (role, method) {
        (ContractRole::Root, names::ROOT_DATA) => {
            let (stored, told) = (RootStorage::parse(data)?, RootData::parse(stack).map_err(in_getter)?);
            let params = &stored.params;
            first_difference(&[
                ("version", stored.version == told.version),
                (
                    "last proxy number",
                    stored.registry.last_proxy_seqno == told.last_proxy_seqno,
                ),
                ("parameters version", params.params_version == told.params_version),
                ("unique id", params.unique_id == told.unique_id),
                ("test flag", params.is_test == told.is_test),
                (
                    "price",
                    params.prices.price_per_token_nanoton == told.price_per_token_nanoton,
                ),
                (
                    "worker fee",
                    params.prices.worker_fee_per_token_nanoton == told.worker_fee_per_token_nanoton,
                ),
                (
                    "proxy stake",
                    params.min_proxy_stake_nanoton == told.min_proxy_stake_nanoton,
                ),
                (
                    "client stake",
                    params.min_client_stake_nanoton == told.min_client_stake_nanoton,
                ),
                ("owner", stored.owner == told.owner),
            ])
        }
        (ContractRole::Proxy, names::PROXY_DATA) => {
            let (stored, told) = (ProxyStorage::parse(data)?, ProxyData::parse(stack).map_err(in_getter)?);
            first_difference(&[
                ("owner", stored.owner == told.owner),
                ("key", stored.public_key == told.public_key),
                ("root", stored.root == told.root),
                ("state", stored.state == told.state),
                ("balance", stored.balance_nanoton == told.balance_nanoton),
                ("stake", stored.stake_nanoton == told.stake_nanoton),
                ("unlock time", stored.unlock_ts == told.unlock_ts),
                (
                    "parameters version",
                    stored.params.params_version == told.params_version,
                ),
            ])
        }
        (ContractRole::Client, names::CLIENT_DATA) => {
            let (stored, told) = (
                ClientStorage::parse(data)?,
                ClientData::parse(stack).map_err(in_getter)?,
            );
            first_difference(&[
                ("owner", stored.owner == told.owner),
                ("proxy", stored.proxy.address == told.proxy),
                ("key", stored.proxy.public_key == told.public_key),
                ("state", stored.state == told.state),
                ("balance", stored.balance_nanoton == told.balance_nanoton),
                ("stake", stored.stake_nanoton == told.stake_nanoton),
                ("tokens", stored.tokens_used == told.tokens_used),
                ("unlock time", stored.unlock_ts == told.unlock_ts),
                ("secret", stored.secret_hash == told.secret_hash),
            ])
        }
        (ContractRole::Worker, names::WORKER_DATA) => {
            let (stored, told) = (
                WorkerStorage::parse(data)?,
                WorkerData::parse(stack).map_err(in_getter)?,
            );
            first_difference(&[
                ("owner", stored.owner == told.owner),
                ("proxy", stored.proxy.address == told.proxy),
                ("key", stored.proxy.public_key == told.public_key),
                ("state", stored.state == told.state),
                ("tokens", stored.tokens == told.tokens),
            ])
        }
        (ContractRole::Wallet, names::SEQNO) => {
            let (stored, told) = (WalletStorage::parse(data)?, parse_seqno(stack).map_err(in_getter)?);
            first_difference(&[("number", stored.seqno == told)])
        }
        (ContractRole::Wallet, names::PUBLIC_KEY) => {
            let (stored, told) = (WalletStorage::parse(data)?, parse_public_key(stack).map_err(in_getter)?);
            first_difference(&[("key", stored.public_key == told)])
        }
        _ => None,
    };
    differing.map_or(Ok(()), |field| Err(ConformanceError::Differs { method, field }))
}

fn first_difference(fields: &[(&'static str, bool)]) -> Option<&'static str> {
    fields.iter().find(|(_, same)| !same).map(|(field, _)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::{StoreFields as _, build},
        contracts::vectors,
    };
    use tycho_types::boc::Boc;

    fn boc(cell: &Cell) -> Vec<u8> {
        Boc::encode(cell)
    }

    #[test]
    fn a_file_is_loaded_and_named() {
        let own = CodeSet::builtin(CodeProfile::Hardened);
        let user = UserCode::load(ContractRole::Proxy, &boc(own.code(ContractRole::Proxy))).unwrap();
        assert_eq!(user.builtin(), [(CodeProfile::Hardened, ContractRole::Proxy)]);
        assert_eq!(user.known(), None);
        let reference = CodeSet::builtin(CodeProfile::Reference);
        let mixed = reference.with_user_codes(std::slice::from_ref(&user)).unwrap();
        assert_eq!(mixed.code(ContractRole::Proxy), own.code(ContractRole::Proxy));
        assert_eq!(mixed.code(ContractRole::Client), reference.code(ContractRole::Client));
        assert_eq!(
            reference.with_user_codes(&[user.clone(), user]),
            Err(UserCodeError::Twice {
                role: ContractRole::Proxy
            })
        );
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let load = |bytes: &[u8]| UserCode::load(ContractRole::Client, bytes).unwrap_err();
        assert!(matches!(load(b"not cells"), UserCodeError::Boc(_)));
        assert!(matches!(load(&[]), UserCodeError::Boc(_)));
        assert!(matches!(
            load(&vec![0; BocLimits::CODE.bytes + 1]),
            UserCodeError::Boc(BocError::TooLarge { .. })
        ));
        let mut cut = boc(CodeSet::builtin(CodeProfile::Hardened).code(ContractRole::Client));
        cut.truncate(cut.len() / 2);
        assert!(matches!(load(&cut), UserCodeError::Boc(_)));
        let mut deep = Cell::default();
        for _ in 0..600 {
            deep = build(|cell| cell.store_reference(deep));
        }
        assert_eq!(
            load(&boc(&deep)),
            UserCodeError::Boc(BocError::TooDeep {
                depth: 600,
                limit_depth: 512
            })
        );
        let library = tycho_types::cell::CellBuilder::build_library(&tycho_types::cell::HashBytes([1; 32]));
        assert_eq!(load(&boc(&library)), UserCodeError::Code(CodeError::Exotic));
    }

    /// A getter that reads two addresses in another order is found out, by name.
    #[test]
    fn another_layout_is_found_by_its_getter() {
        let storage = WorkerStorage::initial(vectors::WORKER_OWNER, vectors::proxy(), vectors::params());
        let data = storage.to_cell();
        let address = |address: &crate::Address| StackValue::Slice(build(|cell| cell.store_address(address)));
        let int = |value: u64| StackValue::Int(value.into());
        let key = StackValue::Int(num_bigint::BigInt::from_bytes_be(
            num_bigint::Sign::Plus,
            storage.proxy.public_key.as_bytes(),
        ));
        let (owner, proxy) = (address(&storage.owner), address(&storage.proxy.address));
        let check = |stack: &[StackValue]| check_getter(ContractRole::Worker, names::WORKER_DATA, &data, stack);
        let honest = [owner.clone(), proxy.clone(), key.clone(), int(0), int(0)];
        assert_eq!(check(&honest), Ok(()));
        let exchanged = [proxy.clone(), owner.clone(), key.clone(), int(0), int(0)];
        let method = names::WORKER_DATA;
        assert_eq!(
            check(&exchanged),
            Err(ConformanceError::Differs { method, field: "owner" })
        );
        let other_tokens = [owner, proxy, key, int(0), int(1)];
        assert_eq!(
            check(&other_tokens),
            Err(ConformanceError::Differs {
                method,
                field: "tokens"
            })
        );
        assert!(matches!(check(&[]), Err(ConformanceError::Getter { .. })));
        assert_eq!(check_data(ContractRole::Worker, &data), Ok(()));
        assert!(check_data(ContractRole::Client, &data).is_err());
        for role in ContractRole::ALL {
            assert!(!conformance_getters(role).is_empty());
        }
    }
}
