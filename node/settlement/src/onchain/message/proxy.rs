//! Messages to a proxy contract (§6.4): from its workers' and clients' contracts, its owner, its node, and anyone.

use tycho_types::cell::Cell;

use super::envelope::{CloseKind, SignedClose};
use crate::{
    address::Address,
    cells::{StoreFields as _, build},
    hash::Hash256,
    onchain::{
        Coins, LayoutError,
        fields::{Fields, StoreMessageFields as _, plain_body},
        opcodes,
        storage::ContractState,
    },
};

/// What a worker contract asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerPayout {
    /// For the worker's owner.
    pub to_pay: Coins,
    /// For the proxy's owner.
    pub to_save: Coins,
    /// Receives what is left of the message's value.
    pub excesses: Address,
}

impl WorkerPayout {
    /// The payload cell.
    pub fn to_cell(&self) -> Cell {
        build(|cell| {
            cell.store_u32(opcodes::PAYLOAD_PAYOUT)?;
            cell.store_amount(self.to_pay)?;
            cell.store_amount(self.to_save)?;
            cell.store_address(&self.excesses)
        })
    }

    /// Reads a payload cell.
    ///
    /// # Errors
    /// Another operation or layout.
    pub fn parse(payload: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(payload)?;
        let op = fields.u32()?;
        if op != opcodes::PAYLOAD_PAYOUT {
            return Err(LayoutError::UnknownPayload { op });
        }
        let payout = Self {
            to_pay: fields.coins()?,
            to_save: fields.coins()?,
            excesses: fields.address()?,
        };
        fields.finish()?;
        Ok(payout)
    }
}

/// A client contract's state as it tells its proxy contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientState {
    /// Normal, closing or closed.
    pub state: ContractState,
    /// Deposit that is left.
    pub balance: Coins,
    /// Part of it that stays until the account closes.
    pub stake: Coins,
    /// Tokens charged so far.
    pub tokens_used: u64,
    /// SHA-256 of the secret of short authorisation.
    pub secret_hash: Hash256,
}

impl ClientState {
    /// The state cell.
    pub fn to_cell(&self) -> Cell {
        build(|cell| {
            cell.store_small_uint(self.state.number(), 2)?;
            cell.store_amount(self.balance)?;
            cell.store_amount(self.stake)?;
            cell.store_u64(self.tokens_used)?;
            cell.store_hash(&self.secret_hash)
        })
    }

    /// Reads a state cell.
    ///
    /// # Errors
    /// Another layout.
    pub fn parse(cell: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(cell)?;
        let state = Self {
            state: ContractState::load(&mut fields)?,
            balance: fields.coins()?,
            stake: fields.coins()?,
            tokens_used: fields.u64()?,
            secret_hash: fields.hash()?,
        };
        fields.finish()?;
        Ok(state)
    }
}

/// What a client contract asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientPayload {
    /// Coins for the pool.
    TopUp {
        /// How many.
        amount: Coins,
        /// Receives what is left of the message's value.
        excesses: Address,
    },
    /// For the proxy's node.
    Register {
        /// As the node has given it.
        nonce: u64,
    },
    /// Pay to the client's owner.
    RefundGranted {
        /// How much.
        amount: Coins,
        /// Receives what is left of the message's value.
        excesses: Address,
    },
    /// Pay to the client's owner, though the proxy has not agreed.
    RefundForce {
        /// How much.
        amount: Coins,
        /// Receives what is left of the message's value.
        excesses: Address,
    },
    /// Profile `hardened`: a charge was booked, and perhaps a refund is due.
    Settle {
        /// What the charge took from the client's balance.
        cost: Coins,
        /// To pay to the client's owner.
        refund: Coins,
        /// Receives what is left of the message's value.
        excesses: Address,
    },
}

impl ClientPayload {
    /// The operation code.
    pub const fn op(&self) -> u32 {
        match self {
            Self::TopUp { .. } => opcodes::PAYLOAD_TOP_UP,
            Self::Register { .. } => opcodes::PAYLOAD_REGISTER,
            Self::RefundGranted { .. } => opcodes::PAYLOAD_REFUND_GRANTED,
            Self::RefundForce { .. } => opcodes::PAYLOAD_REFUND_FORCE,
            Self::Settle { .. } => opcodes::PAYLOAD_SETTLE,
        }
    }

    /// The payload cell.
    pub fn to_cell(&self) -> Cell {
        build(|cell| {
            cell.store_u32(self.op())?;
            match self {
                Self::Register { nonce } => cell.store_u64(*nonce),
                Self::TopUp { amount, excesses }
                | Self::RefundGranted { amount, excesses }
                | Self::RefundForce { amount, excesses } => {
                    cell.store_amount(*amount)?;
                    cell.store_address(excesses)
                }
                Self::Settle { cost, refund, excesses } => {
                    cell.store_amount(*cost)?;
                    cell.store_amount(*refund)?;
                    cell.store_address(excesses)
                }
            }
        })
    }

    /// Reads a payload cell.
    ///
    /// # Errors
    /// Another operation or layout.
    pub fn parse(payload: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(payload)?;
        let op = fields.u32()?;
        let parsed = match op {
            opcodes::PAYLOAD_TOP_UP => Self::TopUp {
                amount: fields.coins()?,
                excesses: fields.address()?,
            },
            opcodes::PAYLOAD_REGISTER => Self::Register { nonce: fields.u64()? },
            opcodes::PAYLOAD_REFUND_GRANTED => Self::RefundGranted {
                amount: fields.coins()?,
                excesses: fields.address()?,
            },
            opcodes::PAYLOAD_REFUND_FORCE => Self::RefundForce {
                amount: fields.coins()?,
                excesses: fields.address()?,
            },
            opcodes::PAYLOAD_SETTLE => Self::Settle {
                cost: fields.coins()?,
                refund: fields.coins()?,
                excesses: fields.address()?,
            },
            _ => return Err(LayoutError::UnknownPayload { op }),
        };
        fields.finish()?;
        Ok(parsed)
    }
}

/// A message to a proxy contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyMessage {
    /// From a worker contract. Without a payload anyone can send it: only the sender's address says who it was.
    Worker {
        /// Of the message that the worker contract handled.
        query_id: u64,
        /// Owner that the sender's address is derived from.
        owner: Address,
        /// State **before** the operation.
        state: ContractState,
        /// Tokens **after** the operation.
        tokens: u64,
        /// What it asks for.
        payload: Option<WorkerPayout>,
    },
    /// From a client contract. Without a payload anyone can send it: only the sender's address says who it was.
    Client {
        /// Of the message that the client contract handled.
        query_id: u64,
        /// Owner that the sender's address is derived from.
        owner: Address,
        /// State after the operation.
        state: ClientState,
        /// What it asks for.
        payload: Option<ClientPayload>,
    },
    /// Pay the proxy's share to its owner; from anyone.
    Payout {
        /// Repeated in answers.
        query_id: u64,
        /// Receives what is left of the message's value.
        excesses: Address,
    },
    /// Add to the stake; from anyone.
    IncreaseStake {
        /// Repeated in answers.
        query_id: u64,
        /// Part of the message's value that is for the stake.
        amount: Coins,
        /// Receives what is left of the message's value.
        excesses: Address,
    },
    /// Start to close; from the owner.
    OwnerClose {
        /// Repeated in answers.
        query_id: u64,
        /// Receives what is left of the message's value.
        excesses: Address,
    },
    /// Start to close, or close after the delay; from anyone.
    Signed(SignedClose),
    /// Text `c`: start to close; from the owner.
    TextClose,
    /// Text `w`: pay the proxy's share to its owner; from the owner.
    TextWithdraw,
}

const TEXT_CLOSE: u8 = b'c';
const TEXT_WITHDRAW: u8 = b'w';

impl ProxyMessage {
    /// The operation code.
    pub const fn op(&self) -> u32 {
        match self {
            Self::Worker { .. } => opcodes::WORKER_REQUEST,
            Self::Client { .. } => opcodes::CLIENT_REQUEST,
            Self::Payout { .. } => opcodes::PROXY_PAYOUT,
            Self::IncreaseStake { .. } => opcodes::PROXY_INCREASE_STAKE,
            Self::OwnerClose { .. } => opcodes::PROXY_OWNER_CLOSE,
            Self::Signed(close) => close.kind.op(),
            Self::TextClose | Self::TextWithdraw => opcodes::TEXT,
        }
    }

    /// The query id; 0 in answers to texts, which have none.
    pub const fn query_id(&self) -> u64 {
        match self {
            Self::Worker { query_id, .. }
            | Self::Client { query_id, .. }
            | Self::Payout { query_id, .. }
            | Self::IncreaseStake { query_id, .. }
            | Self::OwnerClose { query_id, .. } => *query_id,
            Self::Signed(close) => close.query_id,
            Self::TextClose | Self::TextWithdraw => 0,
        }
    }

    /// The body.
    pub fn to_cell(&self) -> Cell {
        let (op, query_id) = (self.op(), self.query_id());
        match self {
            Self::Worker {
                owner,
                state,
                tokens,
                payload,
                ..
            } => build(|cell| {
                cell.store_header(op, query_id)?;
                cell.store_address(owner)?;
                cell.store_small_uint(state.number(), 2)?;
                cell.store_u64(*tokens)?;
                cell.store_maybe_ref(payload.as_ref().map(WorkerPayout::to_cell).as_ref())
            }),
            Self::Client {
                owner, state, payload, ..
            } => build(|cell| {
                cell.store_header(op, query_id)?;
                cell.store_address(owner)?;
                cell.store_reference(state.to_cell())?;
                cell.store_maybe_ref(payload.as_ref().map(ClientPayload::to_cell).as_ref())
            }),
            Self::Payout { excesses, .. } | Self::OwnerClose { excesses, .. } => plain_body(op, query_id, excesses),
            Self::IncreaseStake { amount, excesses, .. } => build(|cell| {
                cell.store_header(op, query_id)?;
                cell.store_amount(*amount)?;
                cell.store_address(excesses)
            }),
            Self::Signed(close) => close.to_cell(),
            Self::TextClose => text(TEXT_CLOSE),
            Self::TextWithdraw => text(TEXT_WITHDRAW),
        }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What the contract would refuse too: an unknown operation, short or trailing data.
    pub fn parse(body: &Cell) -> Result<Self, LayoutError> {
        let mut fields = Fields::of(body)?;
        let op = fields.u32()?;
        if op == opcodes::TEXT {
            let command = fields.u8()?;
            fields.finish()?;
            return match command {
                TEXT_CLOSE => Ok(Self::TextClose),
                TEXT_WITHDRAW => Ok(Self::TextWithdraw),
                _ => Err(LayoutError::UnknownText { command }),
            };
        }
        let query_id = fields.u64()?;
        let message = match op {
            opcodes::WORKER_REQUEST => Self::Worker {
                query_id,
                owner: fields.address()?,
                state: ContractState::load(&mut fields)?,
                tokens: fields.u64()?,
                payload: fields
                    .maybe_reference()?
                    .as_ref()
                    .map(WorkerPayout::parse)
                    .transpose()?,
            },
            opcodes::CLIENT_REQUEST => Self::Client {
                query_id,
                owner: fields.address()?,
                state: ClientState::parse(&fields.reference()?)?,
                payload: fields
                    .maybe_reference()?
                    .as_ref()
                    .map(ClientPayload::parse)
                    .transpose()?,
            },
            opcodes::PROXY_PAYOUT => Self::Payout {
                query_id,
                excesses: fields.address()?,
            },
            opcodes::PROXY_INCREASE_STAKE => Self::IncreaseStake {
                query_id,
                amount: fields.coins()?,
                excesses: fields.address()?,
            },
            opcodes::PROXY_OWNER_CLOSE => Self::OwnerClose {
                query_id,
                excesses: fields.address()?,
            },
            opcodes::PROXY_CLOSE => Self::Signed(SignedClose::parse(CloseKind::Request, query_id, &mut fields)?),
            opcodes::PROXY_CLOSE_COMPLETE => {
                Self::Signed(SignedClose::parse(CloseKind::Complete, query_id, &mut fields)?)
            }
            _ => return Err(LayoutError::UnknownOp { op }),
        };
        fields.finish()?;
        Ok(message)
    }
}

/// Operation 0 and one letter: no query id.
pub(super) fn text(command: u8) -> Cell {
    build(|cell| {
        cell.store_u32(opcodes::TEXT)?;
        cell.store_u8(command)
    })
}
