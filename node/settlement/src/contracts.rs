//! Contract codes, initial data and derived addresses (§6.1, §6.4 to §6.6).
//!
//! An address is the hash of code and initial data, and the data holds the parameters, the proxy's key and the
//! owners: whoever knows those computes the address alone and need not believe anybody who announces it.

use tycho_types::cell::Cell;

use crate::{
    address::Address,
    cells::{StoreFields, build},
    keys::PublicKey,
    params::{Params, ParamsCodes},
};

/// The workchain of every contract of this network (§6.1).
const WORKCHAIN: i8 = 0;

/// Deepest code that is accepted. TON refuses contract states deeper than 512 cells.
const MAX_CODE_DEPTH: u16 = 500;

/// Why a cell cannot be the code of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A pruned branch, library reference or proof: what it stands for is not in it.
    #[error("contract code is not an ordinary cell")]
    Exotic,
    /// Deeper than a chain would accept.
    #[error("contract code is {depth} cells deep, more than {MAX_CODE_DEPTH}")]
    TooDeep {
        /// Depth of the cell.
        depth: u16,
    },
}

/// Refuses what no contract can have as its code.
pub(crate) fn check_code(code: &Cell) -> Result<(), CodeError> {
    let depth = code.repr_depth();
    if depth > MAX_CODE_DEPTH {
        return Err(CodeError::TooDeep { depth });
    }
    if code.is_exotic() || code.level() != 0 {
        return Err(CodeError::Exotic);
    }
    Ok(())
}

/// The codes of the contracts of one parameter version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractCodes {
    proxy: Cell,
    worker: Cell,
    client: Cell,
}

impl ContractCodes {
    /// Takes three code cells.
    ///
    /// # Errors
    /// A cell that no contract can have as its code.
    pub fn new(proxy: Cell, worker: Cell, client: Cell) -> Result<Self, CodeError> {
        [&proxy, &worker, &client].into_iter().try_for_each(check_code)?;
        Ok(Self { proxy, worker, client })
    }

    /// One-byte codes "P", "W" and "C" (§6.10), for worlds without a chain: they give every contract an address and
    /// nothing else.
    pub fn nominal() -> Self {
        let [proxy, worker, client] = [b'P', b'W', b'C'].map(|letter| build(|cell| cell.store_u8(letter)));
        Self { proxy, worker, client }
    }

    /// Code of proxy contracts.
    pub const fn proxy(&self) -> &Cell {
        &self.proxy
    }

    /// Code of worker contracts.
    pub const fn worker(&self) -> &Cell {
        &self.worker
    }

    /// Code of client contracts.
    pub const fn client(&self) -> &Cell {
        &self.client
    }
}

/// The proxy that a worker or client contract belongs to: its contract and the key that signs for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyIdentity {
    /// Address of the proxy contract.
    pub address: Address,
    /// Key of the proxy's signatures.
    pub public_key: PublicKey,
}

/// What deploys a contract: its state and the address that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractInit {
    code: Cell,
    data: Cell,
    state_init: Cell,
}

impl ContractInit {
    /// The state of a new contract. The code's depth was checked: [`check_code`].
    pub(crate) fn new(code: &Cell, data: Cell) -> Self {
        let state_init = build(|cell| {
            // No split depth, not special, code, data, no library (§6.1).
            cell.store_small_uint(0b0_0110, 5)?;
            cell.store_reference(code.clone())?;
            cell.store_reference(data.clone())
        });
        Self {
            code: code.clone(),
            data,
            state_init,
        }
    }

    /// The code cell.
    pub const fn code(&self) -> &Cell {
        &self.code
    }

    /// The initial data cell.
    pub const fn data(&self) -> &Cell {
        &self.data
    }

    /// The StateInit cell of a deploying message.
    pub const fn state_init(&self) -> &Cell {
        &self.state_init
    }

    /// The address: the hash of the StateInit cell.
    pub fn address(&self) -> Address {
        Address::new(WORKCHAIN, self.state_init.repr_hash().0)
    }
}

/// Initial state of a proxy contract (§6.4): normal, no balance, **no stake**.
pub fn proxy_init(
    codes: &ContractCodes,
    params: &Params,
    owner: &Address,
    public_key: &PublicKey,
    root: &Address,
) -> ContractInit {
    let data = build(|cell| {
        cell.store_address(owner)?;
        cell.store_public_key(public_key)?;
        cell.store_address(root)?;
        cell.store_small_uint(0, 2)?;
        cell.store_coins(0)?;
        cell.store_coins(0)?;
        cell.store_u32(0)?;
        cell.store_reference(params.to_cell(ParamsCodes::Proxy(codes)))
    });
    ContractInit::new(codes.proxy(), data)
}

/// Initial state of a worker contract (§6.5): normal, nothing paid.
pub fn worker_init(codes: &ContractCodes, params: &Params, proxy: &ProxyIdentity, owner: &Address) -> ContractInit {
    let data = build(|cell| {
        cell.store_address(owner)?;
        cell.store_address(&proxy.address)?;
        cell.store_public_key(&proxy.public_key)?;
        cell.store_small_uint(0, 2)?;
        cell.store_u64(0)?;
        cell.store_reference(params.to_cell(ParamsCodes::Account))
    });
    ContractInit::new(codes.worker(), data)
}

/// Initial state of a client contract (§6.6): normal, no balance, the least stake, secret hash zero.
pub fn client_init(codes: &ContractCodes, params: &Params, proxy: &ProxyIdentity, owner: &Address) -> ContractInit {
    let parties = build(|cell| {
        cell.store_address(owner)?;
        cell.store_address(&proxy.address)?;
        cell.store_public_key(&proxy.public_key)
    });
    let data = build(|cell| {
        cell.store_small_uint(0, 2)?;
        cell.store_coins(0)?;
        cell.store_coins(params.min_client_stake_nanoton)?;
        cell.store_u64(0)?;
        cell.store_u32(0)?;
        cell.store_zeros(256)?;
        cell.store_reference(parties)?;
        cell.store_reference(params.to_cell(ParamsCodes::Account))
    });
    ContractInit::new(codes.client(), data)
}

/// Address of the proxy contract of an owner and a key.
pub fn proxy_address(
    codes: &ContractCodes,
    params: &Params,
    owner: &Address,
    public_key: &PublicKey,
    root: &Address,
) -> Address {
    proxy_init(codes, params, owner, public_key, root).address()
}

/// Address of an owner's worker contract at a proxy.
pub fn worker_address(codes: &ContractCodes, params: &Params, proxy: &ProxyIdentity, owner: &Address) -> Address {
    worker_init(codes, params, proxy, owner).address()
}

/// Address of an owner's client contract at a proxy.
pub fn client_address(codes: &ContractCodes, params: &Params, proxy: &ProxyIdentity, owner: &Address) -> Address {
    client_init(codes, params, proxy, owner).address()
}

/// The world of §6.10, for the tests of this crate.
#[cfg(test)]
pub(crate) mod vectors {
    use crate::{
        address::Address,
        contracts::{ContractCodes, ProxyIdentity},
        keys::SigningKey,
        params::{Params, StructVersion},
        pricing::{Prices, TokenMultipliers},
    };

    pub(crate) const OWNER: Address = Address::new(0, [0x11; 32]);
    pub(crate) const WORKER_OWNER: Address = Address::new(0, [0x22; 32]);
    pub(crate) const CLIENT_OWNER: Address = Address::new(0, [0x33; 32]);
    pub(crate) const ROOT: Address = Address::new(0, [0x44; 32]);

    pub(crate) fn key() -> SigningKey {
        SigningKey::from_seed(&[0x42; 32])
    }

    pub(crate) fn codes() -> ContractCodes {
        ContractCodes::nominal()
    }

    pub(crate) fn params() -> Params {
        let multipliers = TokenMultipliers {
            prompt: 10_000,
            cached: 2000,
            completion: 80_000,
            reasoning: 80_000,
        };
        Params {
            struct_version: StructVersion::V3,
            params_version: 7,
            unique_id: 13,
            is_test: true,
            prices: Prices {
                price_per_token_nanoton: 20,
                worker_fee_per_token_nanoton: 16,
                multipliers,
            },
            proxy_delay_s: 86_400,
            client_delay_s: 43_200,
            min_proxy_stake_nanoton: 1_000_000_000,
            min_client_stake_nanoton: 15_000_000_000,
        }
    }

    pub(crate) fn proxy() -> ProxyIdentity {
        let public_key = key().public();
        ProxyIdentity {
            address: super::proxy_address(&codes(), &params(), &OWNER, &public_key, &ROOT),
            public_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use tycho_types::{
        cell::{CellBuilder, CellFamily as _, HashBytes},
        merkle::make_pruned_branch,
        models::StateInit,
    };

    use super::*;

    fn check(init: &ContractInit, data: &str, address: &str) {
        assert_eq!(init.data().repr_hash().to_string(), data);
        assert_eq!(hex::encode(init.address().hash()), address);
        assert_eq!(init.address().workchain(), 0);
        // The library's own StateInit, written by others, has the same hash.
        let state = StateInit {
            code: Some(init.code().clone()),
            data: Some(init.data().clone()),
            ..StateInit::default()
        };
        assert_eq!(&CellBuilder::build_from(state).unwrap(), init.state_init());
    }

    #[test]
    fn data_and_addresses_equal_the_specified_vectors() {
        let (codes, params, key) = (vectors::codes(), vectors::params(), vectors::key().public());
        assert!(hex::encode(key.as_bytes()).starts_with("2152f8d1") && hex::encode(key.as_bytes()).ends_with("db12"));
        check(
            &proxy_init(&codes, &params, &vectors::OWNER, &key, &vectors::ROOT),
            "8fd6fe45b5c78bcc5722d3783dc90a9a3cd4fa6b6b800861cf4a382ca8dfbb17",
            "70460d48f769e5d758eab3525074f72aa5f7813dd4f9fcc49b15319ad11c931d",
        );
        check(
            &worker_init(&codes, &params, &vectors::proxy(), &vectors::WORKER_OWNER),
            "e00db99cd8385bac8564fabbc48b2bbbd8b2be30f6b8629329485f7a4a54e3ec",
            "ae24feb4ad2f560e1987f67fa37fd639374905ff0c2746ec2c4241732fde0e38",
        );
        check(
            &client_init(&codes, &params, &vectors::proxy(), &vectors::CLIENT_OWNER),
            "2d67d37863b9892d0c0ebeef560e636ef83a8d9cfcbfb24e14951f269b8269a6",
            "a9905b36ea38246e7d045b0da6b887d1a614d5e8357c6587135f1d8231df94a9",
        );
    }

    /// An address commits to everything below it: changing any one input changes it.
    #[test]
    fn every_input_enters_the_address() {
        let (codes, params, proxy) = (vectors::codes(), vectors::params(), vectors::proxy());
        let owner = vectors::CLIENT_OWNER;
        let base = client_address(&codes, &params, &proxy, &owner);
        let changed_params = Params {
            client_delay_s: 1,
            ..params.clone()
        };
        let other_proxy = ProxyIdentity {
            address: vectors::ROOT,
            ..proxy
        };
        let other_key = ProxyIdentity {
            public_key: PublicKey([1; 32]),
            ..proxy
        };
        let other_codes = ContractCodes::new(codes.proxy().clone(), codes.worker().clone(), codes.worker().clone());
        for other in [
            client_address(&codes, &changed_params, &proxy, &owner),
            client_address(&codes, &params, &other_proxy, &owner),
            client_address(&codes, &params, &other_key, &owner),
            client_address(&codes, &params, &proxy, &vectors::WORKER_OWNER),
            client_address(&other_codes.unwrap(), &params, &proxy, &owner),
        ] {
            assert_ne!(other, base);
        }
        // A client's address does not depend on the other codes: its copy of the parameters has none.
        let new_worker_code = ContractCodes::new(codes.proxy().clone(), codes.proxy().clone(), codes.client().clone());
        assert_eq!(client_address(&new_worker_code.unwrap(), &params, &proxy, &owner), base);
    }

    /// The largest values fit, so no fixed layout can overflow its cell.
    #[test]
    fn the_largest_values_fit() {
        let mut deep = Cell::empty_cell();
        for _ in 0..MAX_CODE_DEPTH {
            deep = build(|cell| cell.store_reference(deep));
        }
        let codes = ContractCodes::new(deep.clone(), deep.clone(), deep.clone()).unwrap();
        let mut params = vectors::params();
        params.prices.price_per_token_nanoton = u64::MAX;
        params.prices.worker_fee_per_token_nanoton = u64::MAX;
        params.min_proxy_stake_nanoton = u64::MAX;
        params.min_client_stake_nanoton = u64::MAX;
        let proxy = vectors::proxy();
        let root_params = params.to_cell(ParamsCodes::Root(&codes));
        assert_eq!(root_params.repr_depth(), MAX_CODE_DEPTH + 1);
        proxy_init(&codes, &params, &vectors::OWNER, &proxy.public_key, &vectors::ROOT);
        worker_init(&codes, &params, &proxy, &vectors::WORKER_OWNER);
        client_init(&codes, &params, &proxy, &vectors::CLIENT_OWNER);

        let deeper = build(|cell| cell.store_reference(deep.clone()));
        assert_eq!(
            ContractCodes::new(deeper, Cell::empty_cell(), Cell::empty_cell()),
            Err(CodeError::TooDeep {
                depth: MAX_CODE_DEPTH + 1
            })
        );
        let pruned = make_pruned_branch(deep.as_ref(), 0, Cell::empty_context()).unwrap();
        let incomplete = build(|cell| cell.store_reference(pruned));
        assert_eq!(
            ContractCodes::new(Cell::empty_cell(), Cell::empty_cell(), incomplete),
            Err(CodeError::Exotic)
        );
        let library = CellBuilder::build_library(&HashBytes([1; 32]));
        assert_eq!(
            ContractCodes::new(Cell::empty_cell(), library, Cell::empty_cell()),
            Err(CodeError::Exotic)
        );
    }
}
