//! A count of tokens, and how far database and chain have followed it (§4.4).

use std::collections::BTreeMap;

use super::LedgerError;
use crate::payment::SignedPayment;

/// The count of tokens of one account.
///
/// Three marks, each at most the one before: what was used, what the database holds, what a state commit on the chain
/// covers. Only the last is signed, so that a proxy which lost its database cannot have promised more than it knows.
///
/// Counts are signed because the reference adds what a worker reports, and a negative report lowers the count below
/// the marks (T15). Under the sound policy they only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenLedger {
    tokens_max: i64,
    committed_to_db: i64,
    committed_to_chain: i64,
    pending: BTreeMap<u32, i64>,
    last_seqno: Option<u32>,
}

/// The count that a database transaction is going to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DbSnapshot {
    tokens: i64,
}

impl DbSnapshot {
    /// The count to write.
    pub const fn tokens(self) -> i64 {
        self.tokens
    }
}

impl TokenLedger {
    /// The ledger of an account that was read from a database whose last flush had number `seqno`. Nothing is
    /// committed to the chain until a commit of this session is seen there.
    pub fn restored(tokens: i64, seqno: u32) -> Self {
        let mut ledger = Self {
            tokens_max: tokens,
            committed_to_db: tokens,
            ..Self::default()
        };
        ledger.pending.insert(seqno, tokens);
        ledger.last_seqno = Some(seqno);
        ledger
    }

    /// Everything used so far.
    pub const fn tokens_max(&self) -> i64 {
        self.tokens_max
    }

    /// What the database holds.
    pub const fn committed_to_db(&self) -> i64 {
        self.committed_to_db
    }

    /// What a state commit on the chain covers: the count that is signed.
    pub const fn committed_to_chain(&self) -> i64 {
        self.committed_to_chain
    }

    /// Counts in the database that no state commit covers yet, by the number of their flush.
    pub const fn pending(&self) -> &BTreeMap<u32, i64> {
        &self.pending
    }

    /// Whether database and chain have followed everything.
    pub const fn is_settled(&self) -> bool {
        self.tokens_max == self.committed_to_chain
    }

    /// The count for a database transaction that starts now. Requests may complete while it runs; they belong to the
    /// next one.
    pub const fn snapshot(&self) -> DbSnapshot {
        DbSnapshot {
            tokens: self.tokens_max,
        }
    }

    /// The flush with number `seqno` is durable. Returns whether the mark moved.
    ///
    /// # Errors
    /// A number that is not larger than those before, if the mark would move.
    pub fn commit_to_db(&mut self, seqno: u32, snapshot: DbSnapshot) -> Result<bool, LedgerError> {
        if snapshot.tokens <= self.committed_to_db {
            return Ok(false);
        }
        if let Some(last_seqno) = self.last_seqno.filter(|&last_seqno| seqno <= last_seqno) {
            return Err(LedgerError::SeqnoNotIncreasing { seqno, last_seqno });
        }
        self.committed_to_db = snapshot.tokens;
        self.pending.insert(seqno, snapshot.tokens);
        self.last_seqno = Some(seqno);
        Ok(true)
    }

    /// A state commit with number `seqno` was seen on the chain. Returns whether the mark moved, that is, whether an
    /// earlier signature is outdated.
    pub fn commit_to_chain(&mut self, seqno: u32) -> bool {
        let covered = self.pending.range(..=seqno).next_back().map(|(_, &tokens)| tokens);
        self.pending.retain(|&flush, _| flush > seqno);
        self.last_seqno = self.last_seqno.max(Some(seqno));
        match covered {
            Some(tokens) if tokens > self.committed_to_chain => {
                self.committed_to_chain = tokens;
                true
            }
            _ => false,
        }
    }

    /// Adds what a request used.
    pub(super) const fn book(&mut self, tokens: i64) {
        self.tokens_max = self.tokens_max.saturating_add(tokens);
    }

    /// Takes over a larger count.
    pub(super) fn raise_to(&mut self, tokens: i64) {
        self.tokens_max = self.tokens_max.max(tokens);
    }
}

/// The payment for the count that the chain covers; a new signature only if that count has moved.
pub(super) fn signed_once<'a>(
    cached: &'a mut Option<SignedPayment>,
    ledger: &TokenLedger,
    sign: impl FnOnce(u64) -> SignedPayment,
) -> &'a SignedPayment {
    // This mark never falls below its start at zero.
    let tokens = u64::try_from(ledger.committed_to_chain()).unwrap_or(0);
    let outdated = cached.take_if(|payment| payment.tokens != tokens);
    drop(outdated);
    cached.get_or_insert_with(|| sign(tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(ledger: &TokenLedger) -> (i64, i64, i64) {
        (
            ledger.tokens_max(),
            ledger.committed_to_db(),
            ledger.committed_to_chain(),
        )
    }

    #[test]
    fn marks_follow_one_after_the_other() {
        let mut ledger = TokenLedger::default();
        ledger.book(10);
        let first = ledger.snapshot();
        ledger.book(5);
        assert_eq!(ledger.commit_to_db(1, first), Ok(true));
        assert_eq!(
            marks(&ledger),
            (15, 10, 0),
            "what completed during the flush belongs to the next one"
        );
        assert_eq!(ledger.commit_to_db(2, ledger.snapshot()), Ok(true));
        assert_eq!(
            ledger.commit_to_db(3, ledger.snapshot()),
            Ok(false),
            "no growth, no entry"
        );
        assert_eq!(ledger.pending().len(), 2);
        assert!(ledger.commit_to_chain(1));
        assert_eq!(marks(&ledger), (15, 15, 10));
        assert!(!ledger.commit_to_chain(1), "seen twice");
        assert!(ledger.commit_to_chain(7), "covers every flush up to it");
        assert_eq!(marks(&ledger), (15, 15, 15));
        assert!(ledger.is_settled() && ledger.pending().is_empty());
    }

    #[test]
    fn sequence_numbers_only_grow() {
        let mut ledger = TokenLedger::default();
        ledger.book(1);
        ledger.commit_to_db(5, ledger.snapshot()).unwrap();
        ledger.book(1);
        for seqno in [4, 5] {
            let error = ledger.commit_to_db(seqno, ledger.snapshot()).unwrap_err();
            assert_eq!(error, LedgerError::SeqnoNotIncreasing { seqno, last_seqno: 5 });
            assert!(error.reference_aborts());
        }
        assert_eq!(marks(&ledger), (2, 1, 0), "unchanged by the refusal");
        ledger.commit_to_chain(8);
        assert!(
            ledger.commit_to_db(8, ledger.snapshot()).is_err(),
            "the chain was ahead of the flush"
        );
        assert_eq!(ledger.commit_to_db(u32::MAX, ledger.snapshot()), Ok(true));
        assert!(ledger.commit_to_chain(u32::MAX));
    }

    #[test]
    fn a_restored_ledger_signs_nothing_until_its_session_is_committed() {
        let mut ledger = TokenLedger::restored(100, 7);
        assert_eq!(marks(&ledger), (100, 100, 0));
        assert!(!ledger.commit_to_chain(6));
        assert!(ledger.commit_to_chain(8));
        assert_eq!(marks(&ledger), (100, 100, 100));
        assert!(!TokenLedger::restored(0, 7).commit_to_chain(7), "nothing moved");
    }
}
