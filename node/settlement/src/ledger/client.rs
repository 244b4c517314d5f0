//! A client's account at a proxy (§4.4).

use super::{
    ActionOutcome, ChainAheadRule, ChargeRule, CompletionRule, CoverRule, FailureRule, LedgerError, LedgerPolicy,
    RefundRule, TokenLedger, UpdateOutcome,
    progress::ChainProgress,
    reservation::{Charge, Completion, Reservation, Verdict},
};
use crate::{
    address::Address,
    keys::SigningKey,
    payment::{PaymentKind, SignedPayment},
    reservation::ReservationRule,
    usage::{AdjustedUsage, ReportedUsage},
};

/// How many tokens any balance buys where a token costs nothing (§4.4).
const TOKENS_IF_FREE: i128 = 1_000_000_000_000;

/// State of a client contract (§4.4, §6.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientStatus {
    /// Open.
    Normal,
    /// The owner asked for a refund.
    Closing,
    /// Refunded.
    Closed,
    /// Nothing was seen yet.
    #[default]
    Unknown,
}

impl ClientStatus {
    /// The number in the contract and in the database; 3 is [`Unknown`](Self::Unknown).
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The status of a number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Normal),
            1 => Some(Self::Closing),
            2 => Some(Self::Closed),
            3 => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// What a client contract says of itself in a message to the proxy (§6.6). Coins have the full width of the chain:
/// anybody can set an absurd stake (T28).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientChainState {
    /// State of the contract.
    pub status: ClientStatus,
    /// Coins that pay for tokens.
    pub balance_nanoton: u128,
    /// Coins of the balance that cannot be withdrawn, and the most that can be owed.
    pub stake_nanoton: u128,
    /// Tokens charged so far.
    pub tokens_used: u64,
    /// SHA-256 of the client's secret; zero before the first was set.
    pub secret_hash: [u8; 32],
}

/// What a database holds of a client's account (§4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// Owner of the client contract.
    pub owner: Address,
    /// The client contract.
    pub contract: Address,
    /// The contract as last seen, its stake included (T25).
    pub chain: ClientChainState,
    /// The ledger's count.
    pub tokens_max: i64,
}

/// Why a request cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// The contract is not open.
    #[error("the client contract is not open: {status:?}")]
    Status {
        /// Its status.
        status: ClientStatus,
    },
    /// Not enough is payable.
    #[error("{needed_tokens} tokens needed, {available_tokens} available")]
    Insufficient {
        /// To reserve.
        needed_tokens: i64,
        /// Available.
        available_tokens: i64,
    },
    /// A negative number, under [`ReservationRule::Sound`] (T11).
    #[error("{tokens} tokens cannot be reserved")]
    Negative {
        /// As asked for.
        tokens: i64,
    },
}

/// A contract action that is due: submit a payment of this kind for this count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAction {
    /// [`ClientCharge`](PaymentKind::ClientCharge) or [`ClientRefund`](PaymentKind::ClientRefund).
    pub kind: PaymentKind,
    /// Count to sign.
    pub tokens: u64,
}

/// A client's account. Belongs to one client contract, that is, to one version of the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAccount {
    owner: Address,
    contract: Address,
    price_per_token_nanoton: u64,
    policy: LedgerPolicy,
    chain: ClientChainState,
    ledger: TokenLedger,
    progress: ChainProgress,
    reserved_tokens: i64,
    running_requests: u32,
    refund_sent: bool,
    payment: Option<SignedPayment>,
}

impl ClientAccount {
    /// An account of which nothing is known yet.
    pub fn new(owner: Address, contract: Address, price_per_token_nanoton: u64, policy: LedgerPolicy) -> Self {
        Self {
            owner,
            contract,
            price_per_token_nanoton,
            policy,
            chain: ClientChainState::default(),
            ledger: TokenLedger::default(),
            progress: ChainProgress::default(),
            reserved_tokens: 0,
            running_requests: 0,
            refund_sent: false,
            payment: None,
        }
    }

    /// An account from a database whose last flush had number `seqno`.
    pub fn restored(record: &ClientRecord, seqno: u32, price_per_token_nanoton: u64, policy: LedgerPolicy) -> Self {
        Self {
            chain: record.chain,
            ledger: TokenLedger::restored(record.tokens_max, seqno),
            progress: ChainProgress::at(record.chain.tokens_used),
            ..Self::new(record.owner, record.contract, price_per_token_nanoton, policy)
        }
    }

    /// What a database transaction that starts now should hold.
    pub const fn to_record(&self) -> ClientRecord {
        ClientRecord {
            owner: self.owner,
            contract: self.contract,
            chain: self.chain,
            tokens_max: self.ledger.tokens_max(),
        }
    }

    /// Owner of the client contract.
    pub const fn owner(&self) -> Address {
        self.owner
    }

    /// The client contract.
    pub const fn contract(&self) -> Address {
        self.contract
    }

    /// The contract as last seen.
    pub const fn chain(&self) -> &ClientChainState {
        &self.chain
    }

    /// The count of tokens.
    pub const fn ledger(&self) -> &TokenLedger {
        &self.ledger
    }

    /// For the commits of flushes and of states. Tokens are booked only by ending a request.
    pub const fn ledger_mut(&mut self) -> &mut TokenLedger {
        &mut self.ledger
    }

    /// Everything used so far.
    pub const fn tokens_used(&self) -> i64 {
        self.ledger.tokens_max()
    }

    /// Sum of the reservations of running requests.
    pub const fn reserved_tokens(&self) -> i64 {
        self.reserved_tokens
    }

    /// Number of running requests.
    pub const fn running_requests(&self) -> u32 {
        self.running_requests
    }

    /// Tokens that can still be reserved: what balance and stake cover, less what is used and reserved (§4.4).
    /// Negative after a forced refund, and whenever the reference's rules let a client overdraw.
    pub fn available_tokens(&self) -> i64 {
        let charged = i128::from(self.chain.tokens_used);
        let paid = self.tokens_for(self.chain.balance_nanoton) + charged;
        let staked = self.tokens_for(self.chain.stake_nanoton) + charged;
        // The count is 64 bits wide, so nothing beyond can be used.
        let limit = paid.min(staked).min(i128::from(i64::MAX));
        clamp(limit - i128::from(self.reserved_tokens) - i128::from(self.ledger.tokens_max()))
    }

    fn tokens_for(&self, nanoton: u128) -> i128 {
        match nanoton.checked_div(self.price_per_token_nanoton.into()) {
            Some(tokens) => i128::try_from(tokens).unwrap_or(i128::MAX / 2),
            None => TOKENS_IF_FREE,
        }
    }

    /// Reserves tokens for a request that starts. How many is the caller's, by
    /// [`ReservationRule::tokens`].
    ///
    /// # Errors
    /// A contract that is not open, or more than is available.
    pub fn reserve(&mut self, tokens: i64) -> Result<Reservation, ReserveError> {
        let status = self.chain.status;
        if status != ClientStatus::Normal {
            return Err(ReserveError::Status { status });
        }
        if tokens < 0 && self.policy.reservation == ReservationRule::Sound {
            return Err(ReserveError::Negative { tokens });
        }
        let available_tokens = self.available_tokens();
        if tokens > available_tokens {
            return Err(ReserveError::Insufficient {
                needed_tokens: tokens,
                available_tokens,
            });
        }
        self.reserved_tokens = self.reserved_tokens.saturating_add(tokens);
        self.running_requests = self.running_requests.saturating_add(1);
        Ok(Reservation {
            contract: self.contract,
            tokens,
        })
    }

    /// Lowers a reservation to what the request can still need, for instance once a worker is chosen whose
    /// coefficient is below the accepted one. The difference is available at once, and the worker cannot be paid for
    /// it (T14). Returns whether it was lowered: it is never raised, and a reservation of another account is left
    /// alone.
    pub fn narrow(&mut self, reservation: &mut Reservation, tokens: u64) -> bool {
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        if reservation.contract != self.contract || tokens >= reservation.tokens {
            return false;
        }
        self.reserved_tokens = self.reserved_tokens.saturating_sub(reservation.tokens - tokens);
        reservation.tokens = tokens;
        true
    }

    /// The request ended with a worker's report.
    ///
    /// # Errors
    /// See [`release`](Self::release).
    pub fn complete(&mut self, reservation: Reservation, reported: ReportedUsage) -> Result<Completion, LedgerError> {
        let (tokens, verdict) = match self.policy.completion {
            CompletionRule::Reference => (reported.total, Verdict::AsReported),
            CompletionRule::Sound => match AdjustedUsage::try_from(reported) {
                Ok(usage) => capped(usage, &reservation, Verdict::AsReported),
                Err(error) => (0, Verdict::Refused(error)),
            },
        };
        self.end(reservation, tokens, verdict)
    }

    /// The request failed or timed out after `delivered` had gone to the client, as the proxy itself counted it.
    ///
    /// # Errors
    /// See [`release`](Self::release).
    pub fn fail(&mut self, reservation: Reservation, delivered: AdjustedUsage) -> Result<Completion, LedgerError> {
        let (tokens, verdict) = match self.policy.failure {
            FailureRule::BookDelivered if delivered != AdjustedUsage::ZERO => {
                capped(delivered, &reservation, Verdict::Delivered)
            }
            FailureRule::BookNothing | FailureRule::BookDelivered => (0, Verdict::NothingBooked),
        };
        self.end(reservation, tokens, verdict)
    }

    /// The request never reached a worker: nothing is charged.
    ///
    /// # Errors
    /// A reservation of another account, which comes back in the error; or, under the reference's rules only, more
    /// given back than is reserved.
    pub fn release(&mut self, reservation: Reservation) -> Result<(), LedgerError> {
        self.give_back(reservation)
    }

    fn end(&mut self, reservation: Reservation, tokens: i64, verdict: Verdict) -> Result<Completion, LedgerError> {
        self.give_back(reservation)?;
        self.ledger.book(tokens);
        Ok(Completion {
            charge: Charge { tokens },
            verdict,
        })
    }

    fn give_back(&mut self, reservation: Reservation) -> Result<(), LedgerError> {
        if reservation.contract != self.contract {
            return Err(LedgerError::ForeignReservation { reservation });
        }
        let (reserved, released) = (self.reserved_tokens, reservation.tokens);
        let left = reserved.saturating_sub(released);
        if left < 0 {
            return Err(LedgerError::ReservedBelowZero { reserved, released });
        }
        self.reserved_tokens = left;
        self.running_requests = self.running_requests.saturating_sub(1);
        Ok(())
    }

    /// The client contract was seen in this state. A state with fewer charged tokens than known is older and ignored
    /// as a whole (§4.4).
    ///
    /// # Errors
    /// [`LedgerError::ChainAhead`] under [`ChainAheadRule::Abort`].
    pub fn apply(&mut self, state: ClientChainState) -> Result<UpdateOutcome, LedgerError> {
        if state.tokens_used < self.progress.on_chain {
            return Ok(UpdateOutcome::Stale);
        }
        let outcome = adopt(&mut self.ledger, self.policy.chain_ahead, state.tokens_used)?;
        self.progress.seen(state.tokens_used);
        self.chain = state;
        Ok(outcome)
    }

    /// The contract action that is due, if any (§5.4): a refund for a closing client without running requests whose
    /// count is settled, or a charge above the threshold.
    pub fn due_action(&self) -> Option<ClientAction> {
        if !self.progress.is_idle() {
            return None;
        }
        let settled_tokens = u64::try_from(self.ledger.tokens_max())
            .ok()
            .filter(|_| self.ledger.is_settled());
        let may_refund = self.policy.refund == RefundRule::Repeat || !self.refund_sent;
        match (self.chain.status, settled_tokens) {
            (ClientStatus::Closing, Some(tokens)) if self.running_requests == 0 => {
                return may_refund.then(|| ClientAction {
                    kind: PaymentKind::ClientRefund,
                    tokens: self.payable(tokens),
                });
            }
            (ClientStatus::Normal | ClientStatus::Closing, _) => {}
            (ClientStatus::Closed | ClientStatus::Unknown, _) => return None,
        }
        let owed_nanoton = self.chargeable_nanoton()?;
        (owed_nanoton >= self.policy.charge_threshold_nanoton)
            .then(|| self.charge())
            .flatten()
    }

    /// Coins that a charge would collect now; `None` if there is nothing to collect or an action is under way.
    pub fn chargeable_nanoton(&self) -> Option<u128> {
        let is_open = matches!(self.chain.status, ClientStatus::Normal | ClientStatus::Closing);
        let safe = u64::try_from(self.ledger.committed_to_chain()).unwrap_or(0);
        let owed = self
            .progress
            .owed_nanoton(self.payable(safe), self.price_per_token_nanoton);
        (is_open && self.progress.is_idle() && owed > 0).then_some(owed)
    }

    fn charge(&self) -> Option<ClientAction> {
        let tokens = match self.policy.charge {
            ChargeRule::TokensMax => self.ledger.tokens_max(),
            ChargeRule::Committed => self.ledger.committed_to_chain(),
        };
        Some(ClientAction {
            kind: PaymentKind::ClientCharge,
            tokens: self.payable(u64::try_from(tokens).ok()?),
        })
    }

    /// Tokens of a signature for `tokens`: under the sound rule no more than the deposit pays, since a contract of
    /// revision A forgets the rest and a hardened one refuses (T5).
    fn payable(&self, tokens: u64) -> u64 {
        match self.policy.cover {
            CoverRule::Everything => tokens,
            CoverRule::WithinBalance => {
                let covered = self.tokens_for(self.chain.balance_nanoton) + i128::from(self.chain.tokens_used);
                // A contract refuses a count below its own, also for a refund.
                tokens
                    .min(u64::try_from(covered).unwrap_or(u64::MAX))
                    .max(self.chain.tokens_used)
            }
        }
    }

    /// Starts the action that is due. No other starts until [`finish_action`](Self::finish_action).
    pub fn begin_action(&mut self) -> Option<ClientAction> {
        let action = self.due_action()?;
        self.begin(action);
        Some(action)
    }

    /// Starts a charge whatever the threshold, if there is anything to charge.
    pub(super) fn begin_charge(&mut self) -> Option<ClientAction> {
        let action = self.chargeable_nanoton().and_then(|_| self.charge())?;
        self.begin(action);
        Some(action)
    }

    fn begin(&mut self, action: ClientAction) {
        self.progress.begin(action.tokens);
        self.refund_sent |= action.kind == PaymentKind::ClientRefund;
    }

    /// The action ended: a transaction of the own wallet with its query id was seen.
    pub fn finish_action(&mut self, outcome: ActionOutcome) {
        self.progress.finish(outcome);
        if outcome == ActionOutcome::Failed {
            self.refund_sent = false;
        }
    }

    /// The charge for the count that the chain covers, signed once per count. `query_id` draws a random number if a
    /// new signature is needed.
    pub fn payment(&mut self, key: &SigningKey, query_id: impl FnOnce() -> u64, excesses: &Address) -> &SignedPayment {
        let (ledger, contract) = (&self.ledger, &self.contract);
        super::tokens::signed_once(&mut self.payment, ledger, |tokens| {
            SignedPayment::sign(key, PaymentKind::ClientCharge, query_id(), tokens, contract, excesses)
        })
    }
}

/// Charges at most the reservation.
fn capped(usage: AdjustedUsage, reservation: &Reservation, verdict: Verdict) -> (i64, Verdict) {
    let claimed_tokens = usage.total();
    let reserved_tokens = u64::try_from(reservation.tokens).unwrap_or(0);
    if claimed_tokens > reserved_tokens {
        (
            reservation.tokens.max(0),
            Verdict::Overrun {
                claimed_tokens,
                reserved_tokens,
            },
        )
    } else {
        (usage.to_reported().total, verdict)
    }
}

/// Compares a contract's count with the ledger's.
pub(super) fn adopt(
    ledger: &mut TokenLedger,
    rule: ChainAheadRule,
    chain_tokens: u64,
) -> Result<UpdateOutcome, LedgerError> {
    let own_tokens = ledger.tokens_max();
    let to_tokens = i64::try_from(chain_tokens).unwrap_or(i64::MAX);
    if to_tokens <= own_tokens {
        return Ok(UpdateOutcome::Applied);
    }
    match rule {
        ChainAheadRule::Abort => Err(LedgerError::ChainAhead {
            chain_tokens,
            own_tokens,
        }),
        ChainAheadRule::Adopt => {
            ledger.raise_to(to_tokens);
            Ok(UpdateOutcome::Adopted {
                from_tokens: own_tokens,
                to_tokens,
            })
        }
    }
}

fn clamp(tokens: i128) -> i64 {
    i64::try_from(tokens).unwrap_or(if tokens < 0 { i64::MIN } else { i64::MAX })
}
