//! Where a daemon's root configuration comes from, and its way to the chain if it has one.

use super::{
    Config, DaemonError, Origin,
    config::{ChainSection, SendSetting},
};
use crate::{
    chain::{Settlement, Wallet},
    shutdown::Shutdown,
    telemetry::Role,
};
use chrysalis_env::Env;
use chrysalis_settlement::{Address, RootSource, StaticRoot};
use std::sync::Arc;

/// What a node knows of the chain.
pub(super) struct Access {
    pub(super) root: Arc<dyn RootSource>,
    pub(super) live: Option<Live>,
}

/// A way to the chain.
pub(super) struct Live {
    pub(super) settlement: Arc<dyn Settlement>,
    /// What the node sends with, where it may.
    pub(super) wallet: Option<Arc<Wallet>>,
}

impl Access {
    /// Both, where the node may send.
    pub(super) fn wallet(&self) -> Option<(Arc<dyn Settlement>, Arc<Wallet>)> {
        let live = self.live.as_ref()?;
        Some((live.settlement.clone(), live.wallet.clone()?))
    }
}

/// Opens it; a node on the chain has read its root contract afterwards.
pub(super) async fn open(
    env: &Env,
    config: &Config,
    role: Role,
    owner: Address,
    shutdown: &Shutdown,
) -> Result<Access, DaemonError> {
    match &config.origin {
        Origin::File(root, _) => Ok(Access {
            root: Arc::new(StaticRoot::new((**root).clone())),
            live: None,
        }),
        Origin::Chain(section) => live::open(env, config, section, role, owner, shutdown).await,
    }
}

/// Checks of the section that need nothing but the file.
pub(super) fn check(section: &ChainSection, role: Role) -> Result<(), DaemonError> {
    let invalid = |text: &str| Err(DaemonError::Invalid(text.to_owned()));
    match (section.send, role) {
        _ if !cfg!(feature = "toncenter") => invalid(
            "`[chain]`: this build has no way to a real network; build it with `--features chrysalis-node/toncenter`, \
             or name a file: `root_config`",
        ),
        (SendSetting::Never, Role::Proxy) => {
            invalid("`send` in `[chain]`: a proxy commits its ledger to the chain and cannot work without: `testnet`")
        }
        (SendSetting::Testnet, _) if section.wallet_key_file.is_none() => {
            invalid("`wallet_key_file` in `[chain]` is missing: sending takes a wallet")
        }
        _ => Ok(()),
    }
}

#[cfg(not(feature = "toncenter"))]
mod live {
    use super::*;

    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(super) async fn open(
        _env: &Env,
        _config: &Config,
        section: &ChainSection,
        role: Role,
        _owner: Address,
        _shutdown: &Shutdown,
    ) -> Result<Access, DaemonError> {
        // The check has refused the section before.
        check(section, role)?;
        Err(DaemonError::Environment("no way to a real network".to_owned()))
    }
}

#[cfg(feature = "toncenter")]
mod live {
    use super::*;
    use crate::{
        chain::{
            ChainRoot, Newest, RootError,
            toncenter::{OpenError, Sending, Toncenter},
        },
        daemon::{created, evidence::Base, secret_file, warn},
    };
    use chrysalis_settlement::{
        SigningKey,
        onchain::{CodeProfile, CodeSet},
    };

    pub(super) async fn open(
        env: &Env,
        config: &Config,
        section: &ChainSection,
        role: Role,
        owner: Address,
        shutdown: &Shutdown,
    ) -> Result<Access, DaemonError> {
        let base = Base(&config.folder);
        let sending = match section.send {
            SendSetting::Never => Sending::Never,
            SendSetting::Testnet => Sending::Testnet,
        };
        let url = section
            .toncenter
            .parse()
            .map_err(|error| DaemonError::Invalid(format!("`toncenter` in `[chain]`: {error}")))?;
        let api_key = match &section.api_key_file {
            Some(file) => Some(secret_file::read(&base.path(file))?),
            None => None,
        };
        let service = Toncenter::open(env.clone(), url, api_key.as_deref(), sending).map_err(|error| match error {
            OpenError::Key => DaemonError::Invalid(format!("`api_key_file` in `[chain]`: {error}")),
            OpenError::Name { .. } | OpenError::Tls(_) => DaemonError::Environment(error.to_string()),
        })?;
        let settlement: Arc<dyn Settlement> = Arc::new(Newest::new(env.clone(), Arc::new(service)));
        let is_test = config.file.common().is_test;
        let root = ChainRoot::open(settlement.clone(), section.root_address, is_test).await;
        let root = Arc::new(root.map_err(|error| match error {
            RootError::Chain(_) | RootError::Absent(_) => DaemonError::Environment(error.to_string()),
            RootError::Layout(_) | RootError::Config(_) | RootError::OtherDeployment { .. } => {
                DaemonError::Invalid(format!("`root_address` in `[chain]`: {error}"))
            }
        })?);
        env.spawn(
            "root contract",
            root.clone().keep_fresh(env.clone(), role, shutdown.clone()),
        );
        let wallet = match (&section.wallet_key_file, sending) {
            (Some(file), Sending::Testnet) => {
                let path = base.path(file);
                let (seed, is_new) = secret_file::seed(&path, || env.random())?;
                if is_new {
                    created(env, &path);
                }
                let key = Arc::new(SigningKey::from_seed(&seed));
                let codes = CodeSet::builtin(CodeProfile::Hardened);
                let wallet = Arc::new(Wallet::new(env.clone(), role, settlement.clone(), key, owner, codes));
                warn(
                    env,
                    &format!(
                        "the node's wallet is {}: it pays for what the node sends",
                        wallet.address()
                    ),
                );
                env.spawn("wallet", wallet.clone().run(shutdown.clone()));
                Some(wallet)
            }
            _ => None,
        };
        Ok(Access {
            root,
            live: Some(Live { settlement, wallet }),
        })
    }
}
