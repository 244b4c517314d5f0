//! Stored data of the root contract (§6.3).

use std::collections::{BTreeMap, BTreeSet};

use tycho_types::{
    cell::{Cell, CellBuilder, CellFamily as _, HashBytes, Store as _},
    dict::{Dict, RawDict},
    error::Error,
};

use super::Registration;
use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    contracts::{CodeError, ContractCodes, ContractInit},
    hash::Hash256,
    onchain::{CodeSet, ContractRole, LayoutError, fields::Fields},
    params::Params,
    root_config::RootConfig,
};

/// Most entries of one dictionary that are read. A dictionary's cells can be shared, so a small one can have more
/// entries than a machine could ever list.
pub const MAX_ENTRIES: usize = 1 << 16;

/// The root's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Image hashes that proxies may run.
    pub proxy_hashes: BTreeSet<Hash256>,
    /// Proxies by their number, as text.
    pub registered_proxies: BTreeMap<u32, Registration>,
    /// Number of the proxy that was registered last; not reused.
    pub last_proxy_seqno: u32,
    /// Image hashes that workers may run.
    pub worker_hashes: BTreeSet<Hash256>,
    /// Models that workers may serve.
    pub model_hashes: BTreeSet<Hash256>,
}

/// The root contract's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootStorage {
    /// Who may change it.
    pub owner: Address,
    /// Grows with each change.
    pub version: u32,
    /// The lists.
    pub registry: Registry,
    /// Prices, delays, stakes.
    pub params: Params,
    /// Codes of proxy, worker and client contracts.
    pub codes: [Option<Cell>; 3],
}

/// Why a root contract cannot be used as configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootConfigError {
    /// Addresses cannot be derived.
    #[error("the root contract has no code of {role} contracts")]
    MissingCode {
        /// Whose.
        role: &'static str,
    },
    /// A code that no contract can have.
    #[error(transparent)]
    Code(#[from] CodeError),
}

impl Registry {
    fn to_cell(&self) -> Cell {
        #[expect(
            clippy::expect_used,
            reason = "distinct keys of one length in order, values of at most 111 bytes"
        )]
        let proxies = Dict::<u32, TextValue>::try_from_btree(
            &self
                .registered_proxies
                .iter()
                .map(|(seqno, text)| (*seqno, TextValue(text.clone())))
                .collect::<BTreeMap<_, _>>(),
        )
        .expect("a dictionary of short values");
        build(|cell| {
            store_hashes(cell, &self.proxy_hashes)?;
            proxies.store_into(cell, Cell::empty_context())?;
            cell.store_u32(self.last_proxy_seqno)?;
            store_hashes(cell, &self.worker_hashes)?;
            store_hashes(cell, &self.model_hashes)
        })
    }

    fn parse(data: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(data)?;
        let registry = Self {
            proxy_hashes: load_hashes(&mut fields)?,
            registered_proxies: load_proxies(&mut fields)?,
            last_proxy_seqno: fields.u32()?,
            worker_hashes: load_hashes(&mut fields)?,
            model_hashes: load_hashes(&mut fields)?,
        };
        fields.finish()?;
        Ok(registry)
    }
}

impl RootStorage {
    /// Data of a new root contract.
    pub fn initial(owner: Address, params: Params, codes: &ContractCodes) -> Self {
        Self {
            owner,
            version: 0,
            registry: Registry::default(),
            params,
            codes: [codes.proxy(), codes.worker(), codes.client()].map(|code| Some(code.clone())),
        }
    }

    /// Initial state and address of a root contract with this data.
    pub fn init(&self, codes: &CodeSet) -> ContractInit {
        ContractInit::new(codes.code(ContractRole::Root), self.to_cell())
    }

    /// The data cell.
    pub fn to_cell(&self) -> Cell {
        let [proxy, worker, client] = &self.codes;
        let params = self
            .params
            .to_cell_with([proxy.as_ref(), worker.as_ref(), client.as_ref()]);
        build(|cell| {
            cell.store_address(&self.owner)?;
            cell.store_u32(self.version)?;
            cell.store_reference(self.registry.to_cell())?;
            cell.store_reference(params)
        })
    }

    /// Reads a data cell.
    ///
    /// # Errors
    /// Another layout.
    pub fn parse(data: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(data)?;
        let owner = fields.address()?;
        let version = fields.u32()?;
        let registry = fields.reference()?;
        let params = fields.reference()?;
        fields.finish()?;
        let (params, codes) = Params::from_cell(&params)?;
        Ok(Self {
            owner,
            version,
            registry: Registry::parse(&registry)?,
            params,
            codes,
        })
    }

    /// Whether a cell has the lists in this network's order, with texts where proxies are.
    pub(crate) fn is_registry(cell: &Cell) -> bool {
        Registry::parse(cell).is_ok()
    }

    /// The lists from their dictionaries: proxy images, registered proxies, worker images, models.
    pub(crate) fn registry_cell(dictionaries: [Option<&Cell>; 4], last_proxy_seqno: u32) -> Cell {
        let [proxy_images, registered, worker_images, models] = dictionaries;
        build(|cell| {
            cell.store_maybe_ref(proxy_images)?;
            cell.store_maybe_ref(registered)?;
            cell.store_u32(last_proxy_seqno)?;
            cell.store_maybe_ref(worker_images)?;
            cell.store_maybe_ref(models)
        })
    }

    /// What nodes read. Registered proxies whose text has another form are left out (§6.3).
    ///
    /// # Errors
    /// A code is missing or no contract can have it.
    pub fn to_config(&self, root_address: Address) -> Result<RootConfig, RootConfigError> {
        let [proxy, worker, client] = &self.codes;
        let present = |code: &Option<Cell>, role| code.clone().ok_or(RootConfigError::MissingCode { role });
        let codes = ContractCodes::new(
            present(proxy, "proxy")?,
            present(worker, "worker")?,
            present(client, "client")?,
        )?;
        let registered_proxies = self.registry.registered_proxies.iter();
        Ok(RootConfig {
            root_address,
            owner: self.owner,
            version: self.version,
            proxy_hashes: self.registry.proxy_hashes.clone(),
            worker_hashes: self.registry.worker_hashes.clone(),
            model_hashes: self.registry.model_hashes.clone(),
            registered_proxies: registered_proxies
                .filter_map(|(seqno, text)| Some((*seqno, text.endpoints().ok()?)))
                .collect(),
            last_proxy_seqno: self.registry.last_proxy_seqno,
            params: self.params.clone(),
            codes,
        })
    }
}

struct TextValue(Registration);

impl tycho_types::cell::Store for TextValue {
    fn store_into(&self, cell: &mut CellBuilder, _: &dyn tycho_types::cell::CellContext) -> Result<(), Error> {
        self.0.store(cell)
    }
}

fn store_hashes(cell: &mut CellBuilder, hashes: &BTreeSet<Hash256>) -> Result<(), Error> {
    let entries: BTreeMap<_, ()> = hashes.iter().map(|hash| (HashBytes(*hash), ())).collect();
    Dict::<HashBytes, ()>::try_from_btree(&entries)?.store_into(cell, Cell::empty_context())
}

fn load_hashes(fields: &mut Fields<'_>) -> Result<BTreeSet<Hash256>, LayoutError> {
    let mut hashes = BTreeSet::new();
    let root = fields.maybe_reference()?;
    let dict = RawDict::<256>::from(root);
    for entry in dict.iter() {
        let (key, value) = entry?;
        if hashes.len() == MAX_ENTRIES {
            return Err(LayoutError::TooManyEntries { limit: MAX_ENTRIES });
        }
        Fields::of_slice(value).finish()?;
        let mut hash = [0; 32];
        key.as_data_slice().load_raw(&mut hash, 256)?;
        hashes.insert(hash);
    }
    Ok(hashes)
}

fn load_proxies(fields: &mut Fields<'_>) -> Result<BTreeMap<u32, Registration>, LayoutError> {
    let mut proxies = BTreeMap::new();
    let root = fields.maybe_reference()?;
    let dict = RawDict::<32>::from(root);
    for entry in dict.iter() {
        let (key, value) = entry?;
        if proxies.len() == MAX_ENTRIES {
            return Err(LayoutError::TooManyEntries { limit: MAX_ENTRIES });
        }
        let mut value = Fields::of_slice(value);
        // The contract takes any bytes; readers skip what is no text (§6.3).
        if let Ok(registration) = Registration::load(&mut value) {
            value.finish()?;
            proxies.insert(key.as_data_slice().load_u32()?, registration);
        }
    }
    Ok(proxies)
}
