//! Commits of the ledger to the chain (spec §4.6): what was sent, what was seen, and what must stop the proxy.

use std::collections::BTreeMap;

/// Commits of flushes to the chain, as the ledger keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Commits {
    /// Logical time up to which the own contract was read.
    pub(super) last_lt: u64,
    /// Commits that were sent and not seen yet, by number, with the session that sent them.
    pub(super) pending: BTreeMap<u32, [u8; 32]>,
}

/// Why a proxy must not go on with the ledger that it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A commit that this ledger does not know.
    #[error(
        "the chain holds commit {seqno} of this proxy, which its ledger does not know: the ledger is an older \
             copy, or another process uses the same key"
    )]
    Unknown {
        /// Its number.
        seqno: i64,
    },
}

impl Commits {
    /// A commit was seen on the chain. Returns whether `session` sent it.
    pub(super) fn confirm(&mut self, seqno: i32, sent_by: &[u8; 32], session: &[u8; 32]) -> Result<bool, CommitError> {
        let unknown = CommitError::Unknown { seqno: seqno.into() };
        let number = u32::try_from(seqno).map_err(|_| unknown.clone())?;
        if self.pending.get(&number) != Some(sent_by) {
            return Err(unknown);
        }
        self.pending = self.pending.split_off(&(number + 1));
        Ok(sent_by == session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [u8; 32] = [1; 32];
    const EARLIER: [u8; 32] = [2; 32];

    fn commits(pending: &[(u32, [u8; 32])]) -> Commits {
        Commits {
            last_lt: 0,
            pending: pending.iter().copied().collect(),
        }
    }

    #[test]
    fn a_commit_covers_what_was_sent_before_it() {
        let mut commits = commits(&[(3, EARLIER), (5, OURS), (9, OURS)]);
        assert_eq!(
            commits.confirm(3, &EARLIER, &OURS),
            Ok(false),
            "an earlier session's covers nothing of this one"
        );
        assert_eq!(commits.confirm(5, &OURS, &OURS), Ok(true));
        assert_eq!(commits.pending.keys().copied().collect::<Vec<_>>(), [9]);
    }

    /// An older copy of the ledger, no ledger, or a second process: each shows as a commit that is not in the list.
    #[test]
    fn unknown_commits_stop_the_proxy() {
        for (seqno, sent_by) in [(4, OURS), (5, EARLIER), (6, OURS), (-1, OURS)] {
            let mut known = commits(&[(5, OURS)]);
            assert_eq!(
                known.confirm(seqno, &sent_by, &OURS),
                Err(CommitError::Unknown { seqno: seqno.into() })
            );
            assert_eq!(known, commits(&[(5, OURS)]));
        }
        assert!(commits(&[]).confirm(1, &OURS, &OURS).is_err());
    }
}
