//! Where verifiers have revocation lists of SNP's roots from. A list is signed, and whoever brings it need not be trusted.

use super::endorsement::Product;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Revocation lists by family of processors, in DER; they may change while a policy lives.
pub trait RevocationListSource: Send + Sync {
    /// The list of the root of a family, if there is one.
    fn list(&self, product: Product) -> Option<Arc<[u8]>>;
}

/// Lists in memory.
#[derive(Debug, Default)]
pub struct RevocationListStore(RwLock<BTreeMap<Product, Arc<[u8]>>>);

impl RevocationListStore {
    /// No lists.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the place of the list before.
    pub fn insert(&self, product: Product, list: Arc<[u8]>) {
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        lists.insert(product, list);
    }
}

impl RevocationListSource for RevocationListStore {
    fn list(&self, product: Product) -> Option<Arc<[u8]>> {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        lists.get(&product).cloned()
    }
}
