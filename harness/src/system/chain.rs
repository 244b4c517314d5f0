//! A simulated chain for ordinary TON clients, on loopback until it is told to stop.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrysalis_chain::api::http::Rules;
use chrysalis_chain::chain::GenesisAccount;
use chrysalis_chain::exec::FeeSchedule;
use chrysalis_chain::state_file::{self, StateFile};
use chrysalis_chain::wallet::{Wallet, WalletVersion};
use chrysalis_chain::{Chain, Genesis};
use chrysalis_settlement::{Address, Network};
use chrysalis_world::chain_server::{ChainServer, ServerOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::execute::runtime;
use crate::services::{ChainEvent, ChainOptions, ChainReady, ServiceError, TestAccount};

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long tasks may take to end.
const GRACE: Duration = Duration::from_secs(1);
/// Largest state file that is read.
const MAX_STATE_BYTES: u64 = 1 << 30;
/// Version of the file.
const STATE_VERSION: u32 = 1;

/// A chain in one file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedChain {
    chrysalis_chain_state: u32,
    /// Unix time of the last slot.
    now_unix_s: u32,
    manifest: serde_json::Value,
    boc_hex: String,
}

fn environment(error: &dyn std::fmt::Display) -> ServiceError {
    ServiceError::Environment(error.to_string())
}

/// Serves a chain until `stop` is not zero.
///
/// # Errors
/// The port is taken, the state file is none, a time that cannot be.
pub(super) fn serve(
    options: &ChainOptions,
    tell: &mut dyn FnMut(ChainEvent<'_>),
    stop: &AtomicUsize,
) -> Result<(), ServiceError> {
    let wallets = wallets(options)?;
    let saved = match &options.state {
        Some(path) => load(path)?,
        None => None,
    };
    let is_restored = saved.is_some();
    let chain = open(options, &wallets, saved)?;
    let runtime = runtime()?;
    let server = ServerOptions {
        speed: options.speed,
        rules: Rules {
            faucet_nanoton: options.faucet_nanoton,
        },
        max_body_bytes: options.max_body_bytes,
        ..ServerOptions::new(options.listen)
    };
    let mut server = runtime
        .block_on(ChainServer::start(chain, &server))
        .map_err(|error| ServiceError::Environment(format!("{}: {error}", options.listen)))?;
    tell(ChainEvent::Ready(&ChainReady {
        url: format!("http://{}", server.address),
        accounts: wallets.into_iter().map(|(account, _)| account).collect(),
        is_restored,
        has_faucet: options.faucet_nanoton.is_some(),
        now_unix_s: server.look(Chain::now_unix_s),
    }));
    let outcome = loop {
        if let Some(why) = server.failure() {
            break Err(ServiceError::Environment(format!("the chain stopped: {why}")));
        }
        if stop.load(Ordering::Relaxed) != 0 {
            break Ok(());
        }
        std::thread::sleep(LOOK);
    };
    runtime.block_on(server.stop());
    if let (Some(path), Ok(())) = (&options.state, &outcome) {
        server.look(|chain| save(path, chain))?;
        tell(ChainEvent::Line(&format!("the chain is in {}", path.display())));
    }
    tell(ChainEvent::Line(&format!("answered {} requests", server.requests())));
    drop(server);
    runtime.shutdown_timeout(GRACE);
    outcome
}

/// Test wallets: their keys follow from the seed and are no secret.
fn wallets(options: &ChainOptions) -> Result<Vec<(TestAccount, Wallet)>, ServiceError> {
    (0..options.accounts)
        .map(|index| {
            let mut hash = Sha256::new_with_prefix(b"chrysalis chain serve test wallet");
            hash.update(options.seed.to_be_bytes());
            hash.update(index.to_be_bytes());
            let seed: [u8; 32] = hash.finalize().into();
            let (version, name) = if index % 2 == 0 {
                (WalletVersion::V4R2, "v4r2")
            } else {
                (WalletVersion::V5R1, "v5r1")
            };
            let wallet = Wallet::new(version, &seed).map_err(|error| environment(&error))?;
            let address = Address::new(wallet.address().workchain, wallet.address().address.0);
            let account = TestAccount {
                address: address.to_wire(Network::Mainnet),
                wallet: name,
                public_key: hex::encode(wallet.public_key().0),
                secret_seed: hex::encode(seed),
            };
            Ok((account, wallet))
        })
        .collect()
}

fn open(
    options: &ChainOptions,
    wallets: &[(TestAccount, Wallet)],
    saved: Option<SavedChain>,
) -> Result<Chain, ServiceError> {
    let fees = if options.old_fees {
        FeeSchedule::old()
    } else {
        FeeSchedule::new()
    };
    let mut genesis = Genesis::with_fees(&fees).map_err(|error| environment(&error))?;
    let now_unix_s = match options.now_unix_s {
        Some(now) => now,
        None => machine_unix_s()?,
    };
    let Some(saved) = saved else {
        genesis.start_unix_s = now_unix_s;
        genesis.accounts = wallets
            .iter()
            .map(|(_, wallet)| GenesisAccount {
                address: wallet.address().clone(),
                balance_nanoton: options.balance_nanoton,
                state: Some(wallet.state().clone()),
            })
            .collect();
        return Chain::new(genesis).map_err(|error| ServiceError::Input(error.to_string()));
    };
    let invalid = |why: String| ServiceError::Input(format!("the state file: {why}"));
    if saved.now_unix_s > now_unix_s {
        let why = format!(
            "it is of {}, and now is {now_unix_s}: a chain cannot go back",
            saved.now_unix_s
        );
        return Err(invalid(why));
    }
    let file = StateFile {
        manifest: saved.manifest.to_string(),
        boc: hex::decode(&saved.boc_hex).map_err(|error| invalid(error.to_string()))?,
    };
    // The time that the file lay there passes at once: no blocks were made in it.
    let slot = saved
        .manifest
        .get("slot")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(0);
    let since_start_s = slot.saturating_mul(genesis.block_interval_ns) / 1_000_000_000;
    genesis.start_unix_s = u32::try_from(since_start_s)
        .ok()
        .and_then(|since| now_unix_s.checked_sub(since))
        .ok_or_else(|| invalid("its last slot is further from its start than now is from 1970".to_owned()))?;
    state_file::import(&file, genesis).map_err(|error| invalid(error.to_string()))
}

#[expect(clippy::disallowed_methods, reason = "the chain begins at the time of this machine")]
fn machine_unix_s() -> Result<u32, ServiceError> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since
        .ok()
        .and_then(|since| u32::try_from(since.as_secs()).ok())
        .ok_or_else(|| ServiceError::Environment("the clock of this machine is not between 1970 and 2106".to_owned()))
}

/// The chain in a file; none if there is no such file yet.
fn load(path: &Path) -> Result<Option<SavedChain>, ServiceError> {
    let invalid = |error: &dyn std::fmt::Display| ServiceError::Input(format!("{}: {error}", path.display()));
    match std::fs::metadata(path) {
        Ok(found) if found.len() > MAX_STATE_BYTES => {
            return Err(invalid(&format!("{} bytes, more than {MAX_STATE_BYTES}", found.len())));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(invalid(&error)),
    }
    let text = std::fs::read(path).map_err(|error| invalid(&error))?;
    let saved: SavedChain = serde_json::from_slice(&text).map_err(|error| invalid(&error))?;
    if saved.chrysalis_chain_state != STATE_VERSION {
        return Err(invalid(&format!(
            "version {} is not known",
            saved.chrysalis_chain_state
        )));
    }
    Ok(Some(saved))
}

/// Writes a whole file beside the old one, then puts it in its place.
fn save(path: &Path, chain: &Chain) -> Result<(), ServiceError> {
    let in_file = |error: &dyn std::fmt::Display| ServiceError::Environment(format!("{}: {error}", path.display()));
    let file = state_file::export(chain).map_err(|error| in_file(&error))?;
    let saved = SavedChain {
        chrysalis_chain_state: STATE_VERSION,
        now_unix_s: chain.now_unix_s(),
        manifest: serde_json::from_str(&file.manifest).map_err(|error| in_file(&error))?,
        boc_hex: hex::encode(&file.boc),
    };
    let text = serde_json::to_string(&saved).map_err(|error| in_file(&error))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let beside = tempfile::NamedTempFile::new_in(folder).map_err(|error| in_file(&error))?;
    std::fs::write(beside.path(), text).map_err(|error| in_file(&error))?;
    beside.persist(path).map_err(|error| in_file(&error))?;
    Ok(())
}
