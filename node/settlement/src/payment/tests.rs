//! The vectors of §5.7, equality with a general cell builder, and what is refused.

use proptest::prelude::*;
use tycho_types::{
    boc::{Boc, ser::BocHeader},
    cell::{Cell, CellBuilder, CellFamily as _},
};

use super::*;
use crate::{
    cells::{StoreFields, build},
    contracts::{self, vectors},
    keys::{PublicKey, Signature},
};

const EXCESSES: Address = Address::new(0, [0x55; 32]);

fn client() -> Address {
    contracts::client_address(
        &vectors::codes(),
        &vectors::params(),
        &vectors::proxy(),
        &vectors::CLIENT_OWNER,
    )
}

fn worker() -> Address {
    contracts::worker_address(
        &vectors::codes(),
        &vectors::params(),
        &vectors::proxy(),
        &vectors::WORKER_OWNER,
    )
}

fn charge() -> SignedPayment {
    SignedPayment::sign(
        &vectors::key(),
        PaymentKind::ClientCharge,
        1,
        1000,
        &client(),
        &EXCESSES,
    )
}

fn verify_charge(boc: &[u8]) -> Result<VerifiedPayment, PaymentError> {
    SignedPayment::parse_and_verify(boc, PaymentKind::ClientCharge, &client(), &vectors::key().public())
}

#[test]
fn a_charge_equals_the_specified_vector_byte_for_byte() {
    let payment = charge();
    assert_eq!(payment.boc.len(), PAYMENT_BOC_BYTES);
    // The specification prints 359 digits for these 180 bytes: one `a` of the long run is missing. The hashes below,
    // from the same place, cover every bit of both cells.
    assert_eq!(
        hex::encode(&payment.boc),
        "b5ee9c720101020100a90001dbbb63ff930000000000000001800aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa653dfe4a76e821505b1281385ecb38058edb97552a5d0e8b04bbb3455b3bbdfad067e1547dcfaaf3e6dab65a21435c537c54c3088ed48fc98b543b3be50e8005001006bbb63ff93000000000000000100000000000003e88015320b66dd47048dcfa08b61b4d710fa34c29abd06af8cb0e26be3b0463bf29530"
    );
    let verified = verify_charge(&payment.boc).unwrap();
    assert_eq!(
        hex::encode(verified.signed_hash()),
        "280a7d0a45c501eee17ccd7974672715ea4ef93f9fd6db0171fa8fb8b7b6af3e"
    );
    let signature = vectors::key().sign(verified.signed_hash());
    assert_eq!(
        format!("{signature:?}"),
        "329eff253b7410a82d89409c2f659c02c76dcbaa952e8745825dd9a2ad9ddefd6833f0aa3ee7d579f36d5b2d10a1ae29be2a6184476a47e4c5aa1d9df2874002"
    );
    let body = verified.message_body(&EXCESSES);
    assert_eq!(
        body.repr_hash().to_string(),
        "b42a9baa71a6a40a806ab06abf0215e9a2358c0daa3f867905d56d6d48bca1d9"
    );
    assert_eq!(
        (verified.kind(), verified.query_id(), verified.tokens()),
        (PaymentKind::ClientCharge, 1, 1000)
    );
    assert_eq!((verified.my_address(), verified.excesses()), (client(), EXCESSES));
}

#[test]
fn a_payout_has_the_specified_hashes() {
    let key = vectors::key();
    let payment = SignedPayment::sign(&key, PaymentKind::WorkerPayout, 2, 1000, &worker(), &EXCESSES);
    let verified =
        SignedPayment::parse_and_verify(&payment.boc, PaymentKind::WorkerPayout, &worker(), &key.public()).unwrap();
    assert_eq!(
        hex::encode(verified.signed_hash()),
        "89bba157ded54facfa77d344937935654d61f30fa1b0a6f6b61388880c63446f"
    );
    assert_eq!(
        verified.message_body(&EXCESSES).repr_hash().to_string(),
        "e064f9f58e1fbf1efe28d0a264180b3cb3bb1ee96e6a4113cec558953659142e"
    );
}

#[test]
fn op_codes_name_kinds() {
    for kind in PaymentKind::ALL {
        assert_eq!(PaymentKind::from_op(kind.op()), Some(kind));
    }
    assert_eq!(
        PaymentKind::from_op(0x636a_4391),
        None,
        "a proxy's close message is no payment"
    );
}

/// The cells as a general builder makes them.
fn general_cells(payment: &layout::SignedPart, envelope: &layout::Envelope) -> (Cell, Cell) {
    let signed = build(|cell| {
        cell.store_u32(payment.op)?;
        cell.store_u64(payment.query_id)?;
        cell.store_u64(payment.tokens)?;
        cell.store_address(&payment.my_address)
    });
    let body = build(|cell| {
        cell.store_u32(envelope.op)?;
        cell.store_u64(envelope.query_id)?;
        cell.store_address(&envelope.excesses)?;
        cell.store_raw(envelope.signature.as_bytes(), 512)?;
        cell.store_reference(signed.clone())
    });
    (body, signed)
}

prop_compose! {
    fn any_address()(workchain: i8, hash: [u8; 32]) -> Address {
        Address::new(workchain, hash)
    }
}

proptest! {
    #[test]
    fn the_direct_layout_equals_the_general_builder(
        op: u32,
        query_id: u64,
        tokens: u64,
        my_address in any_address(),
        excesses in any_address(),
        signature in prop::array::uniform32(any::<[u8; 2]>()),
    ) {
        let signature = Signature(signature.concat().try_into().unwrap());
        let signed = layout::SignedPart { op, query_id, tokens, my_address };
        let envelope = layout::Envelope { op, query_id, excesses, signature };
        let (body, signed_cell) = general_cells(&signed, &envelope);
        let (envelope_bytes, signed_bytes) = (envelope.to_bytes(), signed.to_bytes());
        prop_assert_eq!(&layout::signed_part_hash(&signed_bytes), signed_cell.repr_hash().as_array());
        let boc = layout::to_boc(&envelope_bytes, &signed_bytes);
        prop_assert_eq!(boc.to_vec(), Boc::encode(&body));
        prop_assert_eq!(layout::from_boc(&boc), Some((envelope_bytes, signed_bytes)));
        prop_assert_eq!(layout::SignedPart::from_bytes(&signed_bytes), Some(signed));
        prop_assert_eq!(layout::Envelope::from_bytes(&envelope_bytes), Some(envelope));
    }

    #[test]
    fn no_input_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..MAX_PAYMENT_BOC_BYTES + 8),
        cut in 0..PAYMENT_BOC_BYTES,
        header in prop::array::uniform7(0..=255_u8),
    ) {
        prop_assert!(verify_charge(&bytes).is_err());
        let charge = charge().boc;
        prop_assert!(verify_charge(&charge[..cut]).is_err());
        // Arbitrary header fields over honest cells reach deeper into the decoder than noise does.
        let mut boc = charge;
        boc[4..11].copy_from_slice(&header);
        let _ = verify_charge(&boc);
    }
}

/// Each changed bit: refused, or the same payment with other excesses, which nobody signs.
#[test]
fn no_bit_of_what_is_signed_can_be_changed() {
    let honest = charge();
    let body = verify_charge(&honest.boc).unwrap().message_body(&EXCESSES);
    let mut moved_excesses = 0;
    for bit in 0..8 * PAYMENT_BOC_BYTES {
        let mut boc = honest.boc.clone();
        boc[bit / 8] ^= 0x80 >> (bit % 8);
        if let Ok(verified) = verify_charge(&boc) {
            assert_eq!(verified.message_body(&EXCESSES), body, "bit {bit}");
            moved_excesses += usize::from(verified.excesses() != EXCESSES);
        }
    }
    assert_eq!(moved_excesses, 8 + 256, "workchain and account");
}

/// The reference takes any BoC; with index and checksum it is another byte string for the same cells.
#[test]
fn other_encodings_of_the_same_cells_are_accepted() {
    let cell = Boc::decode(charge().boc).unwrap();
    let mut indexed = Vec::new();
    let header: BocHeader<'_> = BocHeader::with_root(cell.as_ref());
    header.with_crc(true).encode(&mut indexed);
    assert_ne!(indexed, charge().boc);
    assert_eq!(verify_charge(&indexed), verify_charge(&charge().boc));
    // A wrong checksum is seen.
    *indexed.last_mut().unwrap() ^= 1;
    assert!(matches!(verify_charge(&indexed), Err(PaymentError::Boc { .. })));
}

#[test]
fn each_check_refuses_on_its_own() {
    let key = vectors::key();
    let boc = charge().boc;
    let verify = SignedPayment::parse_and_verify;
    assert_eq!(
        verify(&boc, PaymentKind::WorkerPayout, &client(), &key.public()),
        Err(PaymentError::Kind {
            found: PaymentKind::ClientCharge,
            expected: PaymentKind::WorkerPayout
        })
    );
    assert_eq!(
        verify(&boc, PaymentKind::ClientCharge, &worker(), &key.public()),
        Err(PaymentError::Address {
            found: client(),
            expected: worker()
        })
    );
    assert_eq!(
        verify(&boc, PaymentKind::ClientCharge, &client(), &PublicKey([9; 32])),
        Err(PaymentError::Signature)
    );
    assert_eq!(
        verify_charge(&[0; MAX_PAYMENT_BOC_BYTES + 1]),
        Err(PaymentError::TooLong {
            bytes: MAX_PAYMENT_BOC_BYTES + 1
        })
    );
    assert!(matches!(verify_charge(&[]), Err(PaymentError::Boc { .. })));
}

/// Cells that are almost a payment, made by a general builder and signed correctly.
#[test]
fn almost_payments_are_refused() {
    let kind = PaymentKind::ClientCharge;
    let part = layout::SignedPart {
        op: kind.op(),
        query_id: 1,
        tokens: 1000,
        my_address: client(),
    };
    let sign = |signed: &Cell| vectors::key().sign(signed.repr_hash().as_array());
    let refused = |change: &dyn Fn(&mut CellBuilder, &mut CellBuilder), qid: u64| {
        let mut signed = CellBuilder::new();
        signed
            .store_slice(
                general_cells(&part, &envelope(Signature([0; 64])))
                    .1
                    .as_slice()
                    .unwrap(),
            )
            .unwrap();
        let mut body = CellBuilder::new();
        change(&mut body, &mut signed);
        let signed = signed.build().unwrap();
        if body.size_bits() == 0 {
            let header = layout::Envelope {
                query_id: qid,
                ..envelope(sign(&signed))
            };
            let with_wrong_ref = general_cells(&part, &header).0;
            body.store_slice_data(with_wrong_ref.as_slice().unwrap()).unwrap();
        }
        body.store_reference(signed).unwrap();
        verify_charge(&Boc::encode(body.build().unwrap()))
    };
    // Negative control: unchanged, the construction is accepted.
    assert!(refused(&|_, _| {}, 1).is_ok());
    assert_eq!(refused(&|_, _| {}, 2), Err(PaymentError::EnvelopeMismatch));
    assert_eq!(
        refused(&|_, signed| signed.store_bit(true).unwrap(), 1),
        Err(PaymentError::Layout)
    );
    assert_eq!(
        refused(&|_, signed| signed.store_reference(Cell::empty_cell()).unwrap(), 1),
        Err(PaymentError::Layout)
    );
    assert_eq!(
        refused(&|body, _| body.store_reference(Cell::empty_cell()).unwrap(), 1),
        Err(PaymentError::Layout)
    );
    assert_eq!(
        refused(&|body, _| body.store_bit(true).unwrap(), 1),
        Err(PaymentError::Layout)
    );
}

fn envelope(signature: Signature) -> layout::Envelope {
    layout::Envelope {
        op: PaymentKind::ClientCharge.op(),
        query_id: 1,
        excesses: EXCESSES,
        signature,
    }
}

#[test]
fn an_operation_that_is_no_payment_and_an_anycast_address_are_refused() {
    let op = 0x636a_4391;
    let part = layout::SignedPart {
        op,
        query_id: 1,
        tokens: 1000,
        my_address: client(),
    };
    let boc = |part: &[u8; layout::SIGNED_BYTES], op: u32| {
        let signature = vectors::key().sign(&layout::signed_part_hash(part));
        layout::to_boc(
            &layout::Envelope {
                op,
                ..envelope(signature)
            }
            .to_bytes(),
            part,
        )
    };
    assert_eq!(
        verify_charge(&boc(&part.to_bytes(), op)),
        Err(PaymentError::UnknownOp { op })
    );

    let op = PaymentKind::ClientCharge.op();
    let mut bytes = layout::SignedPart { op, ..part }.to_bytes();
    assert!(verify_charge(&boc(&bytes, op)).is_ok());
    // Third bit of the address: anycast present. First two: another kind of address.
    for flip in [0x20, 0x40, 0x80] {
        bytes[20] ^= flip;
        assert_eq!(
            verify_charge(&boc(&bytes, op)),
            Err(PaymentError::AddressForm),
            "{flip:#x}"
        );
        bytes[20] ^= flip;
    }
}
