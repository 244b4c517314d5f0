//! Rows about the chain: transactions, contracts after each block, claims between contracts, where coins are.

/// Coins that a transaction sent to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Receiver, raw form.
    pub to: String,
    /// Coins, without what forwarding costs.
    pub value_nanoton: u128,
}

/// A transaction on the simulated chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainTransaction {
    /// When its block was made, true time since the start.
    pub at_ns: u64,
    /// Account, raw form.
    pub account: String,
    /// Logical time.
    pub lt: u64,
    /// Hash, hexadecimal.
    pub hash: String,
    /// The message from outside that it came of, by its number in the run; `None` if it came of none.
    pub trace: Option<u64>,
    /// Hash of the message that caused it, hexadecimal, if that one came from outside.
    pub external: Option<String>,
    /// Sender of the message that caused it, raw form; none from outside.
    pub source: Option<String>,
    /// Operation of that message.
    pub op: Option<u32>,
    /// Whether that message had come back.
    pub is_bounced: bool,
    /// Coins that came with it.
    pub value_nanoton: u128,
    /// Coins on the account before.
    pub before_nanoton: u128,
    /// Coins on the account after.
    pub after_nanoton: u128,
    /// Coins that it sent on.
    pub sent_nanoton: u128,
    /// Whom it sent messages, and what came with each.
    pub sent: Vec<Sent>,
    /// Whether it did what it was asked for.
    pub is_success: bool,
    /// Exit code of the contract, where it ran.
    pub exit_code: Option<i32>,
    /// Result of its actions, where there were any.
    pub action_code: Option<i32>,
    /// Gas.
    pub gas_used: u64,
    /// All fees that it paid.
    pub fees_nanoton: u128,
    /// Of these, for gas.
    pub gas_fee_nanoton: u128,
    /// Of these, for messages: import, sending, delivery.
    pub message_fee_nanoton: u128,
    /// Of these, for storage.
    pub storage_fee_nanoton: u128,
    /// What its gas and the messages that it sent would cost at the prices until April 2026.
    pub old_price_nanoton: u128,
    /// The same at the prices since then.
    pub new_price_nanoton: u128,
}

/// A contract after a block in which something happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractState {
    /// When the block was made, true time since the start.
    pub at_ns: u64,
    /// Unix time of the block.
    pub unix_s: u32,
    /// Address, raw form.
    pub address: String,
    /// Coins on it.
    pub coins_nanoton: u128,
    /// Storage fees that it has paid so far.
    pub storage_paid_nanoton: u128,
    /// What its data says.
    pub view: ContractView,
}

/// What a contract's data says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContractView {
    /// It could not pay its storage.
    Frozen,
    /// Its data has not the layout of its code.
    Unreadable,
    /// A proxy contract.
    Proxy {
        /// 0 normal, 1 closing, 2 closed.
        state: u8,
        /// The owner's share.
        share_nanoton: u64,
        /// The owner's stake.
        stake_nanoton: u64,
        /// Coins that clients were charged and that workers and owner may still ask for. Zero in the reference's
        /// build, which does not count them.
        earned_nanoton: u64,
        /// When it may be closed, Unix time; 0 if it is not closing.
        unlock_unix_s: u32,
        /// From closing to closed.
        delay_s: u32,
    },
    /// A client's account.
    Client {
        /// Address of its proxy contract, raw form.
        proxy: String,
        /// 0 normal, 1 closing, 2 closed.
        state: u8,
        /// What is left of the deposit.
        balance_nanoton: u64,
        /// Tokens that were charged.
        tokens: u64,
        /// Price of a token.
        price_nanoton: u64,
        /// When the refund may be forced, Unix time; 0 if it was not asked for.
        unlock_unix_s: u32,
        /// From asking to forcing.
        delay_s: u32,
    },
    /// A worker's account.
    Worker {
        /// Address of its proxy contract, raw form.
        proxy: String,
        /// 0 normal, 2 closed.
        state: u8,
        /// Tokens that were paid.
        tokens: u64,
        /// Price of a token.
        price_nanoton: u64,
        /// What the worker gets of it.
        fee_nanoton: u64,
    },
}

/// What an account asks of its proxy contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimKind {
    /// Take these coins into the pool.
    TopUp,
    /// Pay a refund that was granted, or what exceeds the stake.
    Refund,
    /// Pay a refund that was not granted.
    ForcedRefund,
    /// Note that a charge was booked; possibly pay a refund.
    Settle,
    /// Pay a worker.
    Payout,
}

impl ClaimKind {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Refund => "refund",
            Self::ForcedRefund => "forced_refund",
            Self::Settle => "settle",
            Self::Payout => "payout",
        }
    }
}

/// A message from an account to its proxy contract with which coins change hands, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// When it was sent, true time since the start.
    pub at_ns: u64,
    /// The account, raw form.
    pub account: String,
    /// The proxy contract, raw form.
    pub proxy: String,
    /// Who owns the account, raw form.
    pub owner: String,
    /// What is asked.
    pub kind: ClaimKind,
    /// Coins for the pool.
    pub deposit_nanoton: u128,
    /// Coins for the owner.
    pub due_nanoton: u128,
    /// What tokens cost that were charged or paid with it.
    pub tokens_nanoton: u128,
    /// When the proxy contract had it.
    pub answered_at_ns: Option<u64>,
    /// Whether the proxy contract refused it.
    pub is_refused: bool,
    /// Coins that the proxy contract then paid to the owner.
    pub paid_nanoton: u128,
    /// When a refused one was back at the account.
    pub returned_at_ns: Option<u64>,
}

/// Where all coins were after a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coins {
    /// When the block was made, true time since the start.
    pub at_ns: u64,
    /// What the chain began with.
    pub issued_nanoton: u128,
    /// Balances of accounts, read from their cells.
    pub balances_nanoton: u128,
    /// On the way.
    pub in_flight_nanoton: u128,
    /// Fees collected.
    pub fees_nanoton: u128,
    /// Destroyed, or in messages that could not be executed.
    pub gone_nanoton: u128,
}

/// What became of an operation of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerOperation {
    /// When it was over, true time since the start.
    pub at_ns: u64,
    /// Which.
    pub operation: String,
    /// Why it was not carried out; `None` if it was.
    pub failure: Option<String>,
}

/// How an attack of the plan ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// When it ended, true time since the start.
    pub at_ns: u64,
    /// Which threat.
    pub threat: String,
    /// Whether it worked; `None` if it could not be carried out.
    pub worked: Option<bool>,
    /// What was found.
    pub detail: String,
}
