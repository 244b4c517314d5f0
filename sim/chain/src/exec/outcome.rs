//! What comes of a message: a transaction with its numbers, or why there is none.

use tycho_executor::TxError;
use tycho_types::cell::Cell;
use tycho_types::error::Error;
use tycho_types::models::{AccountStatus, ShardAccount};

/// Why there is no transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// An external message that the account does not pay for.
    #[error("external message not accepted{}", exit_text(*.exit_code))]
    NotAccepted {
        /// Exit code of the code that ran, when it ran.
        exit_code: Option<i32>,
    },
    /// A tick-tock of an account without code.
    #[error("the account has no code to run")]
    Inactive,
    /// The message or the account cannot be processed at all.
    #[error("cannot be executed: {0}")]
    Invalid(String),
}

fn exit_text(exit_code: Option<i32>) -> String {
    exit_code.map_or_else(String::new, |code| format!(" (exit code {code})"))
}

impl From<Error> for ExecError {
    fn from(error: Error) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<TxError> for ExecError {
    fn from(error: TxError) -> Self {
        match error {
            TxError::Skipped => Self::NotAccepted { exit_code: None },
            TxError::Fatal(error) => Self::Invalid(format!("{error:#}")),
        }
    }
}

/// `anyhow` is a dependency of the executor's interface only.
pub(super) fn invalid(error: impl std::fmt::Display) -> ExecError {
    ExecError::Invalid(format!("{error:#}"))
}

/// What the phases of a transaction did, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PhaseSummary {
    /// Exit code of the compute phase; none when it was skipped.
    pub exit_code: Option<i32>,
    /// Result code of the action phase; none when there was none.
    pub action_code: Option<i32>,
    /// Gas used.
    pub gas_used: u64,
    /// Steps of the virtual machine.
    pub vm_steps: u32,
    /// Fee of the compute phase in nano.
    pub gas_fee_nanoton: u128,
    /// Storage fee collected in nano.
    pub storage_fee_nanoton: u128,
    /// Storage fee still due in nano.
    pub storage_due_nanoton: u128,
    /// Forwarding fees of created messages in nano: the part collected now and the part that travels with them.
    pub forward_fee_nanoton: u128,
    /// Fee for the import of an external message in nano.
    pub import_fee_nanoton: u128,
    /// Collected by action and bounce phase in nano: a part of the forwarding fees, and fines. With storage, gas and
    /// import it makes up all fees of the transaction.
    pub action_fee_nanoton: u128,
    /// Whether compute or action phase failed.
    pub aborted: bool,
    /// Whether the message was sent back.
    pub bounced_back: bool,
    /// Whether the account was frozen by this transaction.
    pub frozen: bool,
    /// Whether the account ceased to exist.
    pub destroyed: bool,
}

/// A transaction and the state after it.
#[derive(Debug, Clone)]
pub struct Executed {
    /// Root of the transaction.
    pub transaction: Cell,
    /// Logical time of the transaction.
    pub lt: u64,
    /// First logical time after the transaction and its messages.
    pub end_lt: u64,
    /// The account after it.
    pub state: ShardAccount,
    /// Balance of the account after it in nano.
    pub balance_nanoton: u128,
    /// Whether the account exists after it.
    pub exists: bool,
    /// Status of the account after it.
    pub end_status: AccountStatus,
    /// Created messages in order.
    pub out_messages: Vec<Cell>,
    /// Fees collected by the transaction in nano (import of external messages included).
    pub total_fees_nanoton: u128,
    /// Value destroyed at the black hole address in nano.
    pub burned_nanoton: u128,
    /// The phases.
    pub phases: PhaseSummary,
}
