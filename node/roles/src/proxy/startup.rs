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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{
        MessageView, TransactionView,
        script::{Script, transaction, value},
    };

    const WALLET: Address = Address::new(0, [1; 32]);
    const STRANGER: Address = Address::new(0, [2; 32]);
    const SESSION: [u8; 32] = [7; 32];
    const INSTANCE: InstanceRecord = InstanceRecord {
        contract: Address::new(0, [3; 32]),
        price_per_token_nanoton: 20,
        params_version: 1,
    };

    fn commit(lt: u64, source: Address, seqno: i32) -> TransactionView {
        let notice = Notice::StateCommit {
            query_id: 0,
            seqno,
            session: SESSION,
        };
        TransactionView {
            incoming: Some(MessageView {
                source: Some(source),
                destination: Some(INSTANCE.contract),
                value_nanoton: 1,
                is_bounced: false,
                body: notice.to_cell(),
            }),
            ..transaction(lt)
        }
    }

    /// What comes of commits on the old contract, of which two are told at a time, as by a server with pages.
    fn found(history: &[(Address, i32)], known: &[u32]) -> Result<(), CommitError> {
        let commits = Commits {
            last_lt: 0,
            pending: known.iter().map(|seqno| (*seqno, SESSION)).collect(),
        };
        let all: Vec<_> = (1..)
            .zip(history)
            .map(|(lt, (source, seqno))| commit(lt, *source, *seqno))
            .collect();
        let script = Script::new(move |address, after_lt| {
            assert_eq!(address, INSTANCE.contract);
            let newer = all.iter().filter(|transaction| transaction.lt > after_lt);
            newer.take(2).cloned().collect()
        });
        value(check(&script, WALLET, &INSTANCE, commits)).map(Result::unwrap)
    }

    /// The contract of other parameters is closed on the ledger's word: every commit there must be known.
    #[test]
    fn a_ledger_that_does_not_know_a_commit_to_its_old_contract_is_refused() {
        assert_eq!(found(&[], &[]), Ok(()));
        let history = [(WALLET, 3), (STRANGER, 99), (WALLET, 5), (WALLET, 8)];
        assert_eq!(found(&history, &[3, 4, 5, 8, 9]), Ok(()));
        // A copy from before the last commit.
        assert_eq!(found(&history, &[3, 4, 5]), Err(CommitError::Unknown { seqno: 8 }));
        assert_eq!(found(&history, &[]), Err(CommitError::Unknown { seqno: 3 }));
    }
}
