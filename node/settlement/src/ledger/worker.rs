//! A worker's account at a proxy (§4.4).

use super::{
    ActionOutcome, Charge, LedgerError, LedgerPolicy, TokenLedger, UpdateOutcome, client::adopt,
    progress::ChainProgress,
};
use crate::{
    address::Address,
    keys::SigningKey,
    payment::{PaymentKind, SignedPayment},
};

/// What a database holds of a worker's account (§4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
    /// Owner of the worker contract.
    pub owner: Address,
    /// The worker contract.
    pub contract: Address,
    /// Tokens paid in the contract as last seen.
    pub tokens_paid: u64,
    /// The ledger's count.
    pub tokens_max: i64,
}

/// A payout that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerAction {
    /// [`WorkerPayout`](PaymentKind::WorkerPayout).
    pub kind: PaymentKind,
    /// Count to sign.
    pub tokens: u64,
}

/// A worker owner's account: all its connections together. Belongs to one worker contract, that is, to one version of
/// the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerAccount {
    owner: Address,
    contract: Address,
    fee_per_token_nanoton: u64,
    policy: LedgerPolicy,
    ledger: TokenLedger,
    progress: ChainProgress,
    payment: Option<SignedPayment>,
}

impl WorkerAccount {
    /// An account of which nothing is known yet.
    pub fn new(owner: Address, contract: Address, fee_per_token_nanoton: u64, policy: LedgerPolicy) -> Self {
        Self {
            owner,
            contract,
            fee_per_token_nanoton,
            policy,
            ledger: TokenLedger::default(),
            progress: ChainProgress::default(),
            payment: None,
        }
    }

    /// An account from a database whose last flush had number `seqno`.
    pub fn restored(record: &WorkerRecord, seqno: u32, fee_per_token_nanoton: u64, policy: LedgerPolicy) -> Self {
        Self {
            ledger: TokenLedger::restored(record.tokens_max, seqno),
            progress: ChainProgress::at(record.tokens_paid),
            ..Self::new(record.owner, record.contract, fee_per_token_nanoton, policy)
        }
    }

    /// What a database transaction that starts now should hold.
    pub const fn to_record(&self) -> WorkerRecord {
        WorkerRecord {
            owner: self.owner,
            contract: self.contract,
            tokens_paid: self.progress.on_chain,
            tokens_max: self.ledger.tokens_max(),
        }
    }

    /// Owner of the worker contract.
    pub const fn owner(&self) -> Address {
        self.owner
    }

    /// The worker contract.
    pub const fn contract(&self) -> Address {
        self.contract
    }

    /// Tokens paid in the contract as last seen.
    pub const fn tokens_paid(&self) -> u64 {
        self.progress.on_chain
    }

    /// The count of tokens.
    pub const fn ledger(&self) -> &TokenLedger {
        &self.ledger
    }

    /// For the commits of flushes and of states. Tokens are booked only by charges.
    pub const fn ledger_mut(&mut self) -> &mut TokenLedger {
        &mut self.ledger
    }

    /// Credits what a client was charged.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a charge is consumed, so that it is booked once"
    )]
    pub const fn book(&mut self, charge: Charge) {
        self.ledger.book(charge.tokens);
    }

    /// The worker contract was seen with this count. A smaller one than known is older and ignored (§4.4).
    ///
    /// # Errors
    /// [`LedgerError::ChainAhead`] under [`ChainAheadRule::Abort`](super::ChainAheadRule::Abort).
    pub fn apply(&mut self, tokens_paid: u64) -> Result<UpdateOutcome, LedgerError> {
        if tokens_paid < self.progress.on_chain {
            return Ok(UpdateOutcome::Stale);
        }
        let outcome = adopt(&mut self.ledger, self.policy.chain_ahead, tokens_paid)?;
        self.progress.seen(tokens_paid);
        Ok(outcome)
    }

    /// The payout that is due, if any (§5.4): committed tokens whose fee reaches the threshold.
    pub fn due_action(&self) -> Option<WorkerAction> {
        self.due_action_within(u64::MAX)
    }

    /// The same for a count that is not larger than this.
    pub(super) fn due_action_within(&self, tokens_max: u64) -> Option<WorkerAction> {
        let committed = u64::try_from(self.ledger.committed_to_chain()).ok()?.min(tokens_max);
        let owed_nanoton = self.progress.owed_nanoton(committed, self.fee_per_token_nanoton);
        if !self.progress.is_idle() || owed_nanoton == 0 || owed_nanoton < self.policy.payout_threshold_nanoton {
            return None;
        }
        Some(WorkerAction {
            kind: PaymentKind::WorkerPayout,
            tokens: committed,
        })
    }

    /// Starts the payout that is due. No other starts until [`finish_action`](Self::finish_action).
    pub fn begin_action(&mut self) -> Option<WorkerAction> {
        let action = self.due_action()?;
        self.begin(action);
        Some(action)
    }

    pub(super) fn begin(&mut self, action: WorkerAction) {
        self.progress.begin(action.tokens);
    }

    /// The payout ended: a transaction of the own wallet with its query id was seen.
    pub fn finish_action(&mut self, outcome: ActionOutcome) {
        self.progress.finish(outcome);
    }

    /// The payout for the count that the chain covers, signed once per count. `query_id` draws a random number if a
    /// new signature is needed.
    pub fn payment(&mut self, key: &SigningKey, query_id: impl FnOnce() -> u64, excesses: &Address) -> &SignedPayment {
        let (ledger, contract) = (&self.ledger, &self.contract);
        super::tokens::signed_once(&mut self.payment, ledger, |tokens| {
            SignedPayment::sign(key, PaymentKind::WorkerPayout, query_id(), tokens, contract, excesses)
        })
    }
}
