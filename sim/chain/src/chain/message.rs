//! Messages on their way.

use std::sync::Arc;

use tycho_types::cell::{Cell, CellSlice, HashBytes, Load};
use tycho_types::error::Error;
use tycho_types::models::{IntAddr, MsgInfo, StateInit, StdAddr};

/// What kind of message it is, with what belongs to that kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    /// From outside to an account.
    ExternalIn {
        /// Receiver.
        to: StdAddr,
    },
    /// From account to account.
    Internal {
        /// Sender.
        from: StdAddr,
        /// Receiver.
        to: StdAddr,
        /// Value carried in nano.
        value_nanoton: u128,
        /// Forwarding fee carried in nano; collected where the message is delivered.
        forward_fee_nanoton: u128,
        /// Whether a failure sends it back.
        bounce: bool,
        /// Whether it was sent back.
        bounced: bool,
    },
    /// From an account to outside.
    ExternalOut {
        /// Sender.
        from: StdAddr,
    },
}

/// A message with its header read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Root of the message.
    pub cell: Cell,
    /// Hash of the root.
    pub hash: HashBytes,
    /// Kind and what belongs to it.
    pub kind: MessageKind,
    /// Logical time at which it was created; 0 from outside.
    pub created_lt: u64,
    /// Unix time at which it was created; 0 from outside.
    pub created_at_unix_s: u32,
    /// First 32 bits of the body; none when it is shorter.
    pub op: Option<u32>,
}

/// Why a message cannot be carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not a message.
    #[error("not a message: {0}")]
    Cells(#[from] Error),
    /// An address of a form the network does not route.
    #[error("an address that is not a standard address of workchain 0 or -1")]
    Address,
}

impl Message {
    /// Reads the header of a message.
    pub fn parse(cell: Cell) -> Result<Self, MessageError> {
        let hash = *cell.repr_hash();
        let mut slice = cell.as_slice()?;
        let info = MsgInfo::load_from(&mut slice)?;
        let mut body = body(&mut slice)?;
        let op = body.load_u32().ok();
        let (kind, created_lt, created_at_unix_s) = match info {
            MsgInfo::Int(info) => {
                let kind = MessageKind::Internal {
                    from: standard(&info.src)?,
                    to: standard(&info.dst)?,
                    value_nanoton: info.value.tokens.into_inner(),
                    forward_fee_nanoton: info.fwd_fee.into_inner(),
                    bounce: info.bounce,
                    bounced: info.bounced,
                };
                (kind, info.created_lt, info.created_at)
            }
            MsgInfo::ExtIn(info) => (
                MessageKind::ExternalIn {
                    to: standard(&info.dst)?,
                },
                0,
                0,
            ),
            MsgInfo::ExtOut(info) => (
                MessageKind::ExternalOut {
                    from: standard(&info.src)?,
                },
                info.created_lt,
                info.created_at,
            ),
        };
        Ok(Self {
            cell,
            hash,
            kind,
            created_lt,
            created_at_unix_s,
            op,
        })
    }

    /// The receiver; none for messages to outside.
    #[must_use]
    pub const fn to(&self) -> Option<&StdAddr> {
        match &self.kind {
            MessageKind::ExternalIn { to } | MessageKind::Internal { to, .. } => Some(to),
            MessageKind::ExternalOut { .. } => None,
        }
    }

    /// The sender; none for messages from outside.
    #[must_use]
    pub const fn from(&self) -> Option<&StdAddr> {
        match &self.kind {
            MessageKind::ExternalOut { from } | MessageKind::Internal { from, .. } => Some(from),
            MessageKind::ExternalIn { .. } => None,
        }
    }

    /// Value carried in nano.
    #[must_use]
    pub const fn value_nanoton(&self) -> u128 {
        match self.kind {
            MessageKind::Internal { value_nanoton, .. } => value_nanoton,
            MessageKind::ExternalIn { .. } | MessageKind::ExternalOut { .. } => 0,
        }
    }

    /// Forwarding fee carried in nano.
    #[must_use]
    pub const fn forward_fee_nanoton(&self) -> u128 {
        match self.kind {
            MessageKind::Internal {
                forward_fee_nanoton, ..
            } => forward_fee_nanoton,
            MessageKind::ExternalIn { .. } | MessageKind::ExternalOut { .. } => 0,
        }
    }

    /// Whether it was sent back.
    #[must_use]
    pub const fn is_bounced(&self) -> bool {
        matches!(self.kind, MessageKind::Internal { bounced: true, .. })
    }

    /// The body as a slice of the message.
    pub fn body(&self) -> Result<CellSlice<'_>, Error> {
        let mut slice = self.cell.as_slice()?;
        MsgInfo::load_from(&mut slice)?;
        body(&mut slice)
    }
}

fn body<'a>(slice: &mut CellSlice<'a>) -> Result<CellSlice<'a>, Error> {
    if slice.load_bit()? {
        if slice.load_bit()? {
            slice.load_reference()?;
        } else {
            StateInit::load_from(slice)?;
        }
    }
    if slice.load_bit()? {
        slice.load_reference()?.as_slice()
    } else {
        Ok(*slice)
    }
}

fn standard(address: &IntAddr) -> Result<StdAddr, MessageError> {
    match address {
        IntAddr::Std(address) if address.anycast.is_none() && matches!(address.workchain, 0 | -1) => {
            Ok(address.clone())
        }
        IntAddr::Std(_) | IntAddr::Var(_) => Err(MessageError::Address),
    }
}

/// Place of a message in a queue: by logical time, then hash.
pub type QueueKey = (u64, HashBytes);

/// An internal message in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The message.
    pub message: Arc<Message>,
    /// Sender.
    pub from: StdAddr,
    /// Receiver.
    pub to: StdAddr,
    /// Logical time by which queues are ordered: of the creation, or of the release from a dispatch queue.
    pub queue_lt: u64,
    /// Whether it passed a dispatch queue: it is not deferred again.
    pub dispatched: bool,
}

impl Envelope {
    /// An internal message as it was created; none for other kinds.
    #[must_use]
    pub fn new(message: Arc<Message>) -> Option<Self> {
        let MessageKind::Internal { from, to, .. } = &message.kind else {
            return None;
        };
        let (from, to, queue_lt) = (from.clone(), to.clone(), message.created_lt);
        Some(Self {
            message,
            from,
            to,
            queue_lt,
            dispatched: false,
        })
    }

    /// Place in a queue.
    #[must_use]
    pub fn key(&self) -> QueueKey {
        (self.queue_lt, self.message.hash)
    }

    /// Coins on the way: value and forwarding fee in nano.
    #[must_use]
    pub fn coins_nanoton(&self) -> u128 {
        self.message.value_nanoton() + self.message.forward_fee_nanoton()
    }
}
