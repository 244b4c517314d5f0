//! A real network behind a service that speaks toncenter's HTTP protocol, version 2.
//!
//! The service is not believed more than it must be. Transactions come as cells: their hashes are computed, each names
//! the one before it, and so what a service shows of an account between two moments is whole and unchanged. What it
//! says the newest state is cannot be checked this way.
//!
//! Reads only, unless sending is allowed by name, and then never to the main network.
//!
//! | module | holds |
//! |---|---|
//! | [`endpoint`] | URLs of services |
//! | `exchange` | HTTP, with TLS |
//! | `answers` | what is read from an answer |

mod answers;
pub mod endpoint;
mod exchange;

use super::{AccountView, ChainError, Settlement, TransactionView};
use answers::Reported;
use bytes::Bytes;
use chrysalis_env::{BoxFuture, Env};
use chrysalis_settlement::{Address, Cell, onchain::transaction::encode_boc};
use endpoint::ChainUrl;
use exchange::Service;
use http::HeaderValue;
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Transactions that one question asks for.
const PAGE: usize = 100;
/// Pages that are read before an account counts as too far behind.
const MAX_PAGES: usize = 100;
/// Number of the main network (configuration parameter 19).
const MAIN_NETWORK: i32 = -239;

/// Whether messages are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sending {
    /// Never.
    #[default]
    Never,
    /// To networks that are not the main one.
    Testnet,
}

/// Why a service cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Its name has no address.
    #[error("{url}: {message}")]
    Name {
        /// The service.
        url: String,
        /// Why.
        message: String,
    },
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// The key has characters that no header has.
    #[error("the service's key has characters that cannot be sent")]
    Key,
}

/// See the module.
pub struct Toncenter(Arc<Inner>);

struct Inner {
    service: Service,
    sending: Sending,
    /// Once known, asked no more.
    is_not_main: AtomicBool,
}

impl fmt::Debug for Toncenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key stays out of logs.
        f.debug_struct("Toncenter")
            .field("url", &self.0.service.url)
            .finish_non_exhaustive()
    }
}

impl Toncenter {
    /// Looks the service's name up. Connects for each question.
    ///
    /// # Errors
    /// It has no address, or TLS cannot be set up.
    pub fn open(env: Env, url: ChainUrl, api_key: Option<&str>, sending: Sending) -> Result<Self, OpenError> {
        let address = url.resolve().map_err(|error| OpenError::Name {
            url: url.to_string(),
            message: error.to_string(),
        })?;
        let tls = match url.is_tls() {
            true => Some(exchange::public_tls(&env).map_err(OpenError::Tls)?),
            false => None,
        };
        let api_key = match api_key {
            Some(key) => {
                let mut value = HeaderValue::from_str(key).map_err(|_| OpenError::Key)?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let service = Service {
            env,
            url,
            address,
            api_key,
            tls,
        };
        Ok(Self(Arc::new(Inner {
            service,
            sending,
            is_not_main: AtomicBool::new(false),
        })))
    }
}

impl Inner {
    /// Calls a method and returns its result.
    async fn call(&self, method: &str, params: Value) -> Result<Value, ChainError> {
        let question = json!({ "id": "1", "jsonrpc": "2.0", "method": method, "params": params });
        let (status, body) = self.service.post("jsonRPC", Bytes::from(question.to_string())).await?;
        answers::result(status, &body)
    }

    async fn now(&self) -> Result<u64, ChainError> {
        let info = self.call("getMasterchainInfo", json!({})).await?;
        let block = answers::last_block(&info)?;
        let header = self.call("getBlockHeader", block).await?;
        answers::block_time(&header)
    }

    async fn account(&self, address: Address) -> Result<Reported, ChainError> {
        let found = self
            .call("getAddressInformation", json!({ "address": address.to_string() }))
            .await?;
        answers::account(&found)
    }

    /// Backwards from the newest, as the chain links them; then turned round.
    async fn transactions(&self, address: Address, after_lt: u64) -> Result<Vec<TransactionView>, ChainError> {
        let mut next = self.account(address).await?.last;
        let mut newest_first = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(position) = next.filter(|position| position.lt > after_lt) else {
                newest_first.reverse();
                return Ok(newest_first);
            };
            let question = json!({
                "address": address.to_string(),
                "limit": PAGE,
                "lt": position.lt.to_string(),
                "hash": position.hash_text(),
                "to_lt": after_lt.to_string(),
                "archival": true,
            });
            let page = self.call("getTransactions", question).await?;
            next = answers::page(&page, &address, position, after_lt, &mut newest_first)?;
        }
        Err(ChainError::Unreachable(format!(
            "{address} has more than {} transactions that are not read yet",
            PAGE * MAX_PAGES
        )))
    }

    async fn submit(&self, message: Cell) -> Result<(), ChainError> {
        if self.sending == Sending::Never {
            return Err(ChainError::ReadOnly);
        }
        if !self.is_not_main.load(Ordering::Relaxed) {
            let parameter = self.call("getConfigParam", json!({ "config_id": 19 })).await?;
            if answers::network(&parameter)? == MAIN_NETWORK {
                return Err(ChainError::Refused(
                    "this is the main network: messages are sent to test networks only".to_owned(),
                ));
            }
            self.is_not_main.store(true, Ordering::Relaxed);
        }
        let boc = answers::base64(&encode_boc(&message));
        self.call("sendBoc", json!({ "boc": boc })).await.map(drop)
    }
}

impl Settlement for Toncenter {
    fn now(&self) -> BoxFuture<'static, Result<u64, ChainError>> {
        let inner = self.0.clone();
        Box::pin(async move { inner.now().await })
    }

    fn state(&self, address: Address) -> BoxFuture<'static, Result<AccountView, ChainError>> {
        let inner = self.0.clone();
        Box::pin(async move { inner.account(address).await.map(|reported| reported.view) })
    }

    fn transactions(
        &self,
        address: Address,
        after_lt: u64,
    ) -> BoxFuture<'static, Result<Vec<TransactionView>, ChainError>> {
        let inner = self.0.clone();
        Box::pin(async move { inner.transactions(address, after_lt).await })
    }

    fn submit(&self, message: Cell) -> BoxFuture<'static, Result<(), ChainError>> {
        let inner = self.0.clone();
        Box::pin(async move { inner.submit(message).await })
    }
}
