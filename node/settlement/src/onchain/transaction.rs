//! Transactions and their messages, read off the cells that the chain keeps: nothing is believed that a server says
//! about a cell beside it.

use tycho_types::{
    cell::{Cell, CellBuilder},
    models::{IntAddr, Message, MsgInfo, Transaction, TxInfo},
};

use crate::{
    address::Address,
    boc::{self, BocError, BocLimits},
    hash::Hash256,
};

/// Of a bag of cells from a server: twice what a block may hold, and what a chain allows an account.
const BOC_LIMITS: BocLimits = BocLimits {
    bytes: 4 << 20,
    cells: 1 << 16,
    depth: 512,
};

/// A message in a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// `None`: from outside.
    pub source: Option<Address>,
    /// `None`: to outside.
    pub destination: Option<Address>,
    /// Coins with it.
    pub value_nanoton: u128,
    /// It comes back from an account that refused it.
    pub is_bounced: bool,
    /// Its body.
    pub body: Cell,
}

/// A transaction of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionView {
    /// Logical time.
    pub lt: u64,
    /// Hash.
    pub hash: Hash256,
    /// Logical time of the account's transaction before it; 0 for the first.
    pub previous_lt: u64,
    /// Hash of the account's transaction before it; zero for the first.
    pub previous_hash: Hash256,
    /// Time of its block, Unix seconds.
    pub unix_s: u64,
    /// Whether the contract ran to its end and its actions were done.
    pub is_success: bool,
    /// What caused it.
    pub incoming: Option<MessageView>,
    /// What it sent, in order.
    pub outgoing: Vec<MessageView>,
}

/// Why a cell is no transaction of an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The bytes are no bag of cells, or too many.
    #[error(transparent)]
    Boc(#[from] BocError),
    /// The cell has another layout.
    #[error("not a transaction: {0}")]
    Layout(String),
    /// It is another account's.
    #[error("a transaction of account {account}, not of the one asked for")]
    OtherAccount {
        /// Hash of the account, in hexadecimal.
        account: String,
    },
    /// An address that contracts of this network cannot have.
    #[error("a message with an address that is not a standard one")]
    Address,
}

/// Decodes a bag of cells with one root from a server.
///
/// # Errors
/// Too long, or none.
pub fn decode_boc(bytes: &[u8]) -> Result<Cell, TransactionError> {
    Ok(boc::decode(bytes, BOC_LIMITS)?)
}

/// The bag of cells under `root`.
pub fn encode_boc(root: &Cell) -> Vec<u8> {
    tycho_types::boc::Boc::encode(root)
}

impl TransactionView {
    /// Reads the transaction in `cell`, which must be `account`'s.
    ///
    /// # Errors
    /// Another layout, or another account's.
    pub fn parse(cell: &Cell, account: &Address) -> Result<Self, TransactionError> {
        let layout = |error: tycho_types::error::Error| TransactionError::Layout(error.to_string());
        let found: Transaction = cell.parse().map_err(layout)?;
        if found.account.0 != *account.hash() {
            return Err(TransactionError::OtherAccount {
                account: hex::encode(found.account.0),
            });
        }
        let is_success = match found.load_info().map_err(layout)? {
            TxInfo::Ordinary(info) => !info.aborted,
            TxInfo::TickTock(info) => !info.aborted,
        };
        let mut outgoing = Vec::new();
        for message in found.out_msgs.values() {
            outgoing.push(MessageView::parse(&message.map_err(layout)?)?);
        }
        Ok(Self {
            lt: found.lt,
            hash: cell.repr_hash().0,
            previous_lt: found.prev_trans_lt,
            previous_hash: found.prev_trans_hash.0,
            unix_s: found.now.into(),
            is_success,
            incoming: found.in_msg.as_ref().map(MessageView::parse).transpose()?,
            outgoing,
        })
    }
}

impl MessageView {
    fn parse(cell: &Cell) -> Result<Self, TransactionError> {
        let layout = |error: tycho_types::error::Error| TransactionError::Layout(error.to_string());
        let message: Message<'_> = cell.parse().map_err(layout)?;
        let mut body = CellBuilder::new();
        body.store_slice(message.body).map_err(layout)?;
        let body = body.build().map_err(layout)?;
        let view = |source, destination, value_nanoton, is_bounced| Self {
            source,
            destination,
            value_nanoton,
            is_bounced,
            body,
        };
        Ok(match message.info {
            MsgInfo::Int(info) => view(
                Some(standard(&info.src)?),
                Some(standard(&info.dst)?),
                info.value.tokens.into_inner(),
                info.bounced,
            ),
            MsgInfo::ExtIn(info) => view(None, Some(standard(&info.dst)?), 0, false),
            MsgInfo::ExtOut(info) => view(Some(standard(&info.src)?), None, 0, false),
        })
    }
}

fn standard(address: &IntAddr) -> Result<Address, TransactionError> {
    match address {
        IntAddr::Std(address) if address.anycast.is_none() => Ok(Address::new(address.workchain, address.address.0)),
        IntAddr::Std(_) | IntAddr::Var(_) => Err(TransactionError::Address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tycho_types::{
        cell::{CellFamily as _, HashBytes, Lazy},
        models::{
            AccountStatus, ComputePhase, ComputePhaseSkipReason, CurrencyCollection, HashUpdate, IntMsgInfo,
            OrdinaryTxInfo, OwnedMessage, SkippedComputePhase,
        },
    };

    const ACCOUNT: Address = Address::new(0, [3; 32]);

    fn message(value_nanoton: u128) -> Cell {
        let info = IntMsgInfo {
            src: Address::new(0, [1; 32]).into(),
            dst: ACCOUNT.into(),
            value: CurrencyCollection::new(value_nanoton),
            bounced: true,
            ..IntMsgInfo::default()
        };
        let body = CellBuilder::build_from(7_u32).unwrap();
        let message = OwnedMessage {
            info: MsgInfo::Int(info),
            init: None,
            body: body.into(),
            layout: None,
        };
        CellBuilder::build_from(message).unwrap()
    }

    fn transaction() -> Cell {
        let skipped = SkippedComputePhase {
            reason: ComputePhaseSkipReason::NoGas,
        };
        let info = OrdinaryTxInfo {
            credit_first: false,
            storage_phase: None,
            credit_phase: None,
            compute_phase: ComputePhase::Skipped(skipped),
            action_phase: None,
            aborted: true,
            bounce_phase: None,
            destroyed: false,
        };
        let zero = HashUpdate {
            old: HashBytes::ZERO,
            new: HashBytes::ZERO,
        };
        let found = Transaction {
            account: HashBytes(*ACCOUNT.hash()),
            lt: 10,
            prev_trans_hash: HashBytes([5; 32]),
            prev_trans_lt: 8,
            now: 1000,
            out_msg_count: Default::default(),
            orig_status: AccountStatus::Active,
            end_status: AccountStatus::Active,
            in_msg: Some(message(1)),
            out_msgs: Default::default(),
            total_fees: CurrencyCollection::ZERO,
            state_update: Lazy::new(&zero).unwrap(),
            info: Lazy::new(&TxInfo::Ordinary(info)).unwrap(),
        };
        CellBuilder::build_from(found).unwrap()
    }

    #[test]
    fn a_transaction_says_who_sent_what() {
        let cell = transaction();
        let view = TransactionView::parse(&cell, &ACCOUNT).unwrap();
        assert_eq!(
            (view.lt, view.previous_lt, view.unix_s, view.is_success),
            (10, 8, 1000, false)
        );
        assert_eq!((view.hash, view.previous_hash), (cell.repr_hash().0, [5; 32]));
        let incoming = view.incoming.unwrap();
        assert_eq!(
            (incoming.source, incoming.destination),
            (Some(Address::new(0, [1; 32])), Some(ACCOUNT))
        );
        assert_eq!((incoming.value_nanoton, incoming.is_bounced), (1, true));
        assert_eq!(incoming.body, CellBuilder::build_from(7_u32).unwrap());
        let other = TransactionView::parse(&cell, &Address::new(0, [4; 32]));
        assert!(matches!(other, Err(TransactionError::OtherAccount { .. })));
        assert!(matches!(
            TransactionView::parse(&message(1), &ACCOUNT),
            Err(TransactionError::Layout(_))
        ));
        assert!(matches!(
            TransactionView::parse(&Cell::empty_cell(), &ACCOUNT),
            Err(TransactionError::Layout(_))
        ));
    }

    #[test]
    fn bags_of_cells_have_a_limit() {
        let boc = encode_boc(&transaction());
        assert_eq!(decode_boc(&boc), Ok(transaction()));
        assert!(matches!(decode_boc(&boc[1..]), Err(TransactionError::Boc(_))));
        assert!(matches!(
            decode_boc(&vec![0; BOC_LIMITS.bytes + 1]),
            Err(TransactionError::Boc(_))
        ));
    }

    proptest! {
        /// Whatever a server sends: an error or a view, never a panic.
        #[test]
        fn changed_bytes_never_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut boc = encode_boc(&transaction());
            let at = at.index(boc.len());
            boc[at] = to;
            if let Ok(cell) = decode_boc(&boc) {
                let _ = TransactionView::parse(&cell, &ACCOUNT);
            }
        }
    }
}
