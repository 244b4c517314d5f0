use proptest::{collection, prelude::*};
use tycho_types::{boc::Boc, cell::Cell};

use super::{
    client::ClientMessage,
    common::Notice,
    envelope::{CloseKind, SignedClose, SignedCount},
    proxy::{ClientPayload, ClientState, ProxyMessage, WorkerPayout},
    root::{HashList, RootChange, RootMessage},
    wallet::{MAX_ORDERS, Order, OutgoingMessage, WalletExternal, WalletMessage},
    worker::WorkerMessage,
};
use crate::{
    contracts::vectors,
    keys::SigningKey,
    onchain::{
        LayoutError,
        arbitrary::{address, cell, coins, longer, registration, shorter, signed_close, signed_count, state},
    },
    payment::{PaymentKind, SignedPayment},
};

fn client_message() -> impl Strategy<Value = ClientMessage> {
    let fields = || (any::<(u64, u64, [u8; 32])>(), coins(), address());
    let count = signed_count(&[PaymentKind::ClientCharge, PaymentKind::ClientRefund]);
    prop_oneof![
        fields().prop_map(|((query_id, ..), amount, excesses)| ClientMessage::TopUp {
            query_id,
            amount,
            excesses
        }),
        fields().prop_map(
            |((query_id, _, secret_hash), amount, excesses)| ClientMessage::SecretAndTopUp {
                query_id,
                amount,
                secret_hash,
                excesses
            }
        ),
        fields().prop_map(|((query_id, nonce, _), _, excesses)| ClientMessage::Register {
            query_id,
            nonce,
            excesses
        }),
        fields().prop_map(
            |((query_id, _, secret_hash), _, excesses)| ClientMessage::ChangeSecret {
                query_id,
                secret_hash,
                excesses
            }
        ),
        fields().prop_map(|((query_id, ..), stake, excesses)| ClientMessage::IncreaseStake {
            query_id,
            stake,
            excesses
        }),
        fields().prop_map(|((query_id, ..), _, excesses)| ClientMessage::Withdraw { query_id, excesses }),
        fields().prop_map(|((query_id, ..), _, excesses)| ClientMessage::RequestRefund { query_id, excesses }),
        count.prop_map(ClientMessage::Signed),
    ]
}

fn worker_message() -> impl Strategy<Value = WorkerMessage> {
    let count = signed_count(&[PaymentKind::WorkerPayout, PaymentKind::WorkerLastPayout]);
    prop_oneof![
        (any::<u64>(), address()).prop_map(|(query_id, excesses)| WorkerMessage::Register { query_id, excesses }),
        count.prop_map(WorkerMessage::Signed),
    ]
}

fn client_payload() -> impl Strategy<Value = ClientPayload> {
    let amounts = || ([coins(), coins()], address());
    prop_oneof![
        amounts().prop_map(|([amount, _], excesses)| ClientPayload::TopUp { amount, excesses }),
        any::<u64>().prop_map(|nonce| ClientPayload::Register { nonce }),
        amounts().prop_map(|([amount, _], excesses)| ClientPayload::RefundGranted { amount, excesses }),
        amounts().prop_map(|([amount, _], excesses)| ClientPayload::RefundForce { amount, excesses }),
        amounts().prop_map(|([cost, refund], excesses)| ClientPayload::Settle { cost, refund, excesses }),
    ]
}

fn proxy_message() -> impl Strategy<Value = ProxyMessage> {
    let payout = ([coins(), coins()], address()).prop_map(|([to_pay, to_save], excesses)| WorkerPayout {
        to_pay,
        to_save,
        excesses,
    });
    let client_state = (state(), [coins(), coins()], any::<(u64, [u8; 32])>()).prop_map(
        |(state, [balance, stake], (tokens_used, secret_hash))| ClientState {
            state,
            balance,
            stake,
            tokens_used,
            secret_hash,
        },
    );
    prop_oneof![
        (any::<[u64; 2]>(), address(), state(), proptest::option::of(payout)).prop_map(
            |([query_id, tokens], owner, state, payload)| ProxyMessage::Worker {
                query_id,
                owner,
                state,
                tokens,
                payload
            }
        ),
        (
            any::<u64>(),
            address(),
            client_state,
            proptest::option::of(client_payload())
        )
            .prop_map(|(query_id, owner, state, payload)| ProxyMessage::Client {
                query_id,
                owner,
                state,
                payload
            }),
        (any::<u64>(), address()).prop_map(|(query_id, excesses)| ProxyMessage::Payout { query_id, excesses }),
        (any::<u64>(), address()).prop_map(|(query_id, excesses)| ProxyMessage::OwnerClose { query_id, excesses }),
        (any::<u64>(), coins(), address()).prop_map(|(query_id, amount, excesses)| ProxyMessage::IncreaseStake {
            query_id,
            amount,
            excesses
        }),
        signed_close().prop_map(ProxyMessage::Signed),
        Just(ProxyMessage::TextClose),
        Just(ProxyMessage::TextWithdraw),
    ]
}

fn root_message() -> impl Strategy<Value = RootMessage> {
    let list = || proptest::sample::select(&[HashList::Workers, HashList::Models, HashList::Proxies][..]);
    let change = prop_oneof![
        (list(), any::<[u8; 32]>()).prop_map(|(list, hash)| RootChange::Add { list, hash }),
        (list(), any::<[u8; 32]>()).prop_map(|(list, hash)| RootChange::Remove { list, hash }),
        registration().prop_map(RootChange::RegisterProxy),
        any::<u32>().prop_map(|seqno| RootChange::UnregisterProxy { seqno }),
        (any::<u32>(), registration())
            .prop_map(|(seqno, registration)| RootChange::UpdateProxy { seqno, registration }),
        [coins(), coins()].prop_map(|[price, worker_fee]| RootChange::Fees { price, worker_fee }),
        (any::<[u32; 2]>(), [coins(), coins(), coins(), coins()]).prop_map(|(delays, coins)| RootChange::Params {
            price: coins[0],
            worker_fee: coins[1],
            proxy_delay_s: delays[0],
            client_delay_s: delays[1],
            min_proxy_stake: coins[2],
            min_client_stake: coins[3],
        }),
        [cell(), cell(), cell()].prop_map(|[proxy, worker, client]| RootChange::Contracts { proxy, worker, client }),
        cell().prop_map(RootChange::Code),
        Just(RootChange::Reset),
        [cell(), cell()].prop_map(|[data, code]| RootChange::Full { data, code }),
        address().prop_map(RootChange::Owner),
    ];
    (any::<u64>(), change).prop_map(|(query_id, change)| RootMessage { query_id, change })
}

fn notice() -> impl Strategy<Value = Notice> {
    prop_oneof![
        Just(Notice::Empty),
        any::<u64>().prop_map(|query_id| Notice::Excesses { query_id }),
        any::<u64>().prop_map(|query_id| Notice::Payout { query_id }),
        any::<(u64, i32, [u8; 32])>().prop_map(|(query_id, seqno, session)| Notice::StateCommit {
            query_id,
            seqno,
            session
        }),
        cell().prop_map(|rest| Notice::Ignored { rest }),
    ]
}

fn wallet_message() -> impl Strategy<Value = WalletMessage> {
    prop_oneof![
        notice().prop_map(WalletMessage::Notice),
        (any::<(u64, u8)>(), cell()).prop_map(|((query_id, mode), message)| WalletMessage::Send {
            query_id,
            mode,
            message
        }),
        proptest::sample::select(&[WalletMessage::Withdraw, WalletMessage::Block, WalletMessage::Unblock][..]),
    ]
}

fn outgoing() -> impl Strategy<Value = OutgoingMessage> {
    let parts = (any::<bool>(), address(), coins(), proptest::option::of(cell()), cell());
    parts.prop_map(|(bounce, dest, value, state_init, body)| OutgoingMessage {
        bounce,
        dest,
        value,
        state_init,
        body,
    })
}

/// What is written reads back, and nothing longer or shorter does.
fn round_trip<T: PartialEq + std::fmt::Debug>(
    value: &T,
    body: &Cell,
    parse: impl Fn(&Cell) -> Result<T, LayoutError>,
) -> Result<(), TestCaseError> {
    let parsed = parse(body);
    prop_assert_eq!(parsed.as_ref(), Ok(value));
    for longer in longer(body) {
        prop_assert!(parse(&longer).is_err(), "trailing data");
    }
    prop_assert!(parse(&shorter(body)).is_err(), "missing data");
    Ok(())
}

proptest! {
    #[test]
    fn client_messages_read_back(message in client_message()) {
        round_trip(&message, &message.to_cell(), ClientMessage::parse)?;
    }

    #[test]
    fn worker_messages_read_back(message in worker_message()) {
        round_trip(&message, &message.to_cell(), WorkerMessage::parse)?;
    }

    #[test]
    fn proxy_messages_read_back(message in proxy_message()) {
        round_trip(&message, &message.to_cell(), ProxyMessage::parse)?;
    }

    #[test]
    fn root_messages_read_back(message in root_message()) {
        // Four references are full: nothing longer fits.
        let parsed = RootMessage::parse(&message.to_cell());
        prop_assert_eq!(parsed.as_ref(), Ok(&message));
        prop_assert!(RootMessage::parse(&shorter(&message.to_cell())).is_err());
        prop_assert!(longer(&message.to_cell()).iter().all(|longer| RootMessage::parse(longer).is_err()));
    }

    #[test]
    fn wallet_messages_read_back(message in wallet_message()) {
        let parsed = WalletMessage::parse(&message.to_cell());
        prop_assert_eq!(parsed.as_ref(), Ok(&message));
    }

    #[test]
    fn outgoing_messages_read_back(message in outgoing()) {
        round_trip(&message, &message.to_cell(), OutgoingMessage::parse)?;
    }

    #[test]
    fn orders_read_back(messages in collection::vec((any::<u8>(), cell()), 0..=MAX_ORDERS), numbers: [u32; 3]) {
        let key = vectors::key();
        let orders: Vec<_> = messages.into_iter().map(|(mode, message)| Order { mode, message }).collect();
        let [subwallet, valid_until, seqno] = numbers;
        let external = WalletExternal::sign(&key, subwallet, valid_until, seqno, orders.clone()).unwrap();
        let parsed = WalletExternal::parse(&external.to_cell()).unwrap();
        prop_assert_eq!(&parsed, &external);
        prop_assert!(parsed.verifies(&key.public()));
        prop_assert!(!parsed.verifies(&SigningKey::from_seed(&[1; 32]).public()));
        let mut other = parsed;
        other.seqno = seqno.wrapping_add(1);
        prop_assert!(!other.verifies(&key.public()));
        let five = vec![Order { mode: 0, message: Cell::default() }; MAX_ORDERS + 1];
        prop_assert_eq!(WalletExternal::sign(&key, 0, 0, 0, five), None);
    }

    /// No cell panics any reader.
    #[test]
    fn no_cell_panics(cell in cell(), op in proptest::sample::select(crate::onchain::opcodes::ALL)) {
        let mut builder = tycho_types::cell::CellBuilder::new();
        builder.store_u32(op.0).unwrap();
        builder.store_slice(cell.as_slice().unwrap()).unwrap();
        for cell in [cell, builder.build().unwrap()] {
            let _ = ClientMessage::parse(&cell);
            let _ = WorkerMessage::parse(&cell);
            let _ = ProxyMessage::parse(&cell);
            let _ = RootMessage::parse(&cell);
            let _ = WalletMessage::parse(&cell);
            let _ = WalletExternal::parse(&cell);
            let _ = OutgoingMessage::parse(&cell);
        }
    }
}

/// The signed messages are the cells that nodes exchange as BoCs, by the vectors of §5.7.
#[test]
fn signed_counts_are_the_payments_that_nodes_exchange() {
    let (key, my_address) = (vectors::key(), vectors::OWNER);
    let excesses = crate::Address::new(0, [0x55; 32]);
    for kind in PaymentKind::ALL {
        let count = SignedCount::sign(&key, kind, 1, 1000, my_address, excesses);
        assert!(count.verifies(&key.public()) && !count.verifies(&SigningKey::from_seed(&[1; 32]).public()));
        let payment = SignedPayment::sign(&key, kind, 1, 1000, &my_address, &excesses);
        assert_eq!(Boc::decode(&payment.boc).unwrap(), count.to_cell());
        let verified = SignedPayment::parse_and_verify(&payment.boc, kind, &my_address, &key.public()).unwrap();
        assert_eq!(SignedCount::submit(&verified, excesses), count);
        assert_eq!(verified.message_body(&excesses), count.to_cell());
    }
    let close = SignedClose::sign(&key, CloseKind::Request, 7, my_address, excesses);
    assert!(close.verifies(&key.public()));
    assert!(!SignedClose { query_id: 8, ..close }.verifies(&key.public()));
}

#[test]
fn envelope_and_signed_part_must_agree() {
    let key = vectors::key();
    let count = |query_id| {
        SignedCount::sign(
            &key,
            PaymentKind::ClientCharge,
            query_id,
            5,
            vectors::OWNER,
            vectors::ROOT,
        )
    };
    // The envelope of one around the signed part of another.
    let (outer, inner) = (count(1).to_cell(), count(2).to_cell());
    let mut mixed = tycho_types::cell::CellBuilder::new();
    let bits = outer.bit_len();
    mixed
        .store_slice(outer.as_slice().unwrap().load_prefix(bits, 0).unwrap())
        .unwrap();
    mixed.store_reference(inner.reference_cloned(0).unwrap()).unwrap();
    assert_eq!(
        ClientMessage::parse(&mixed.build().unwrap()),
        Err(LayoutError::EnvelopeMismatch)
    );
    assert_eq!(
        WorkerMessage::parse(&outer),
        Err(LayoutError::UnknownOp {
            op: PaymentKind::ClientCharge.op()
        })
    );
}
