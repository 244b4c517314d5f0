//! What must be sure before the ledger of a proxy on a chain is opened: that the root contract was read as new as the
//! ledger is, and that the ledger is not an older copy.
//!
//! Under the same parameters the contract of the proxy itself is asked for commits (spec §4.6), when an instance starts.
//! Under other ones the old contract is closed on the ledger's word, and signatures for it are final: so its commits are
//! asked for here, before anything becomes of it.

use super::{CommitError, ProxyError, ProxySettings, commits::Commits, ledger, records::InstanceRecord};
use crate::{
    chain::{Settlement, Watch},
    telemetry::{self, Role},
};
use chrysalis_env::Env;
use chrysalis_settlement::{Address, onchain::message::common::Notice};
use std::time::Duration;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until it is sure. `wallet` is the proxy's own.
///
/// # Errors
/// The ledger cannot be read, or is an older copy.
pub(super) async fn ready(
    env: &Env,
    settings: &ProxySettings,
    settlement: &dyn Settlement,
    wallet: Address,
    records: &[(String, Vec<u8>)],
) -> Result<(), ProxyError> {
    let Some((instance, commits)) = ledger::instance_and_commits(records)? else {
        return Ok(());
    };
    let mut said = String::new();
    let mut say = |text: String| {
        if said != text {
            telemetry::note(env, Role::Proxy, &text);
            said = text;
        }
    };
    while settings.root.current().params_version() < instance.params_version {
        say("the root contract is known in an older version than the ledger has seen".to_owned());
        env.sleep(PAUSE).await;
    }
    let root = settings.root.current();
    if root.proxy_address(&settings.owner, &settings.key.public()) == instance.contract {
        return Ok(());
    }
    loop {
        match check(settlement, wallet, &instance, commits.clone()).await? {
            Ok(()) => return Ok(()),
            Err(error) => say(format!("the chain: {error}")),
        }
        env.sleep(PAUSE).await;
    }
}

/// Reads the contract to its end; the ledger must know every commit.
async fn check(
    settlement: &dyn Settlement,
    wallet: Address,
    instance: &InstanceRecord,
    mut commits: Commits,
) -> Result<Result<(), crate::chain::ChainError>, CommitError> {
    let mut watch = Watch::after(instance.contract, commits.last_lt);
    loop {
        let news = match watch.news(settlement).await {
            Ok(news) if news.is_empty() => return Ok(Ok(())),
            Ok(news) => news,
            Err(error) => return Ok(Err(error)),
        };
        let messages = news.iter().filter_map(|transaction| transaction.incoming.as_ref());
        for message in messages.filter(|message| message.source == Some(wallet) && !message.is_bounced) {
            if let Ok(Some(Notice::StateCommit { seqno, session, .. })) = Notice::parse(&message.body) {
                commits.confirm(seqno, &session, &session)?;
            }
        }
    }
}
