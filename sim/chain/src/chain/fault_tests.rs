use super::tests::{pay, transactions};
use super::*;
use crate::testing::{COIN, external, genesis, player_address, run};
use crate::wallet::{Wallet, WalletVersion};
use tycho_types::boc::Boc;

#[test]
fn the_pool_has_limits() {
    let mut plan = genesis(3, 100);
    plan.pool = PoolLimits {
        per_address_in_window: 3,
        per_address: 4,
        total: 5,
        ..PoolLimits::default()
    };
    let mut chain = Chain::new(plan).unwrap();
    let message = |index: u32, salt: u32| external(&player_address(index), &[], salt);
    chain.submit(&message(0, 0)).unwrap();
    assert_eq!(chain.submit(&message(0, 0)), Err(Refused::Duplicate));
    chain.submit(&message(0, 1)).unwrap();
    chain.submit(&message(0, 2)).unwrap();
    assert_eq!(chain.submit(&message(0, 3)), Err(Refused::RateLimited));
    chain.submit(&message(1, 0)).unwrap();
    chain.submit(&message(1, 1)).unwrap();
    assert_eq!(chain.submit(&message(2, 0)), Err(Refused::PoolFull));
    run(&mut chain, 1);
    assert_eq!(chain.waiting_externals(), 0);
    assert_eq!(chain.submit(&message(0, 4)), Err(Refused::RateLimited));
    run(&mut chain, 25);
    chain.submit(&message(0, 5)).unwrap();

    assert!(matches!(chain.submit(b"junk"), Err(Refused::Boc(_))));
    let nobody = StdAddr::new(0, HashBytes([1; 32]));
    assert!(matches!(
        chain.submit(&external(&nobody, &[], 0)),
        Err(Refused::NotAccepted { .. })
    ));
    let internal = Transfer::new(player_address(0), 1).message().unwrap();
    assert!(chain.submit(&Boc::encode(internal)).is_err());
}

#[test]
fn consecutive_orders_of_a_wallet_are_admitted_before_the_first_is_in_a_block() {
    let mut chain = Chain::new(genesis(1, 1)).unwrap();
    let wallet = Wallet::new(WalletVersion::V4R2, &[2; 32]).unwrap();
    chain.faucet(wallet.address(), 5 * COIN).unwrap();
    run(&mut chain, 1);
    let order = |seqno| Boc::encode(wallet.order(seqno, u32::MAX, &[pay(0, COIN / 10)]).unwrap());
    assert!(matches!(chain.submit(&order(1)), Err(Refused::NotAccepted { .. })));
    for seqno in 0..3 {
        chain.submit(&order(seqno)).unwrap();
    }
    assert!(matches!(chain.submit(&order(4)), Err(Refused::NotAccepted { .. })));
    run(&mut chain, 1);
    assert_eq!(chain.transactions(&player_address(0), None, 10).len(), 3);
}

#[test]
fn faults_of_external_messages_are_data() {
    let fates = |kind: ExternalFaultKind| {
        let mut plan = genesis(2, 100);
        plan.faults.externals = vec![ExternalFault {
            filter: ExternalFilter {
                ordinal: Some(0),
                ..ExternalFilter::default()
            },
            kind,
        }];
        let mut chain = Chain::new(plan).unwrap();
        chain.submit(&external(&player_address(0), &[], 0)).unwrap();
        chain.submit(&external(&player_address(0), &[], 1)).unwrap();
        let first = chain.submit(&external(&player_address(0), &[], 0));
        let mut order = Vec::new();
        for slot in 1..10 {
            for record in transactions(&run(&mut chain, 1)) {
                let body = record.in_message.as_ref().unwrap().cell.clone();
                let salted = Message::parse(body).unwrap();
                let mut slice = salted.body().unwrap();
                slice.skip_first(40, 0).unwrap();
                order.push((slot, slice.load_u32().unwrap()));
            }
        }
        (order, first)
    };
    let second = 1_000_000_000;
    assert_eq!(
        fates(ExternalFaultKind::Drop).0,
        [(1, 1), (1, 0)],
        "the sender tries again and succeeds"
    );
    let (order, first) = fates(ExternalFaultKind::Delay { by_ns: second });
    assert_eq!(order, [(1, 1), (3, 0)]);
    assert_eq!(first, Err(Refused::Duplicate));
    assert_eq!(
        fates(ExternalFaultKind::Duplicate { after_ns: second }).0,
        [(1, 0), (1, 1), (3, 0)]
    );
    assert_eq!(fates(ExternalFaultKind::SwapWithNext).0, [(1, 1), (1, 0)]);
}

#[test]
fn unaccepted_messages_are_tried_again_and_dropped() {
    let wallet = Wallet::new(WalletVersion::V4R2, &[2; 32]).unwrap();
    let mut plan = genesis(1, 1);
    // The first order is doubled; its copy can never be accepted.
    plan.faults.externals = vec![ExternalFault {
        filter: ExternalFilter {
            to: Some(wallet.address().clone()),
            ..ExternalFilter::default()
        },
        kind: ExternalFaultKind::Duplicate { after_ns: 400_000_000 },
    }];
    let mut chain = Chain::new(plan).unwrap();
    chain.faucet(wallet.address(), COIN).unwrap();
    run(&mut chain, 1);
    let hash = chain
        .submit(&Boc::encode(wallet.order(0, u32::MAX, &[]).unwrap()))
        .unwrap();
    let events = run(&mut chain, 60);
    assert_eq!(transactions(&events).len(), 1);
    let dropped: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            BlockEvent::ExternalDropped { hash, reason } => Some((*hash, reason.clone())),
            _ => None,
        })
        .collect();
    assert!(matches!(&dropped[..], [(dropped, DropReason::NotAccepted { exit_code: Some(_) })] if *dropped == hash));
    assert_eq!(chain.waiting_externals(), 0);
}

#[test]
fn providers_may_be_behind_or_lie() {
    let mut chain = Chain::new(genesis(2, 100)).unwrap();
    run(&mut chain, 5);
    let (payer, payee) = (player_address(0), player_address(1));
    chain.submit(&external(&payer, &[pay(1, COIN)], 0)).unwrap();
    run(&mut chain, 1);
    let balance = |chain: &Chain, provider: &Provider| {
        provider
            .account(chain, &payee)
            .unwrap()
            .map(|entry| entry.balance_nanoton)
    };
    let (old, new) = (100 * COIN, chain.balance_nanoton(&payee));
    assert!(new > old);
    assert_eq!(balance(&chain, &Provider::new(View::Latest)), Some(new));
    assert_eq!(balance(&chain, &Provider::new(View::Final)), Some(old));
    assert_eq!(balance(&chain, &Provider::new(View::Stale(1))), Some(old));
    run(&mut chain, 2);
    assert_eq!(balance(&chain, &Provider::new(View::Final)), Some(new));
    let liar = |lie| Provider::new(View::Latest).lying(payee.clone(), lie);
    assert_eq!(balance(&chain, &liar(Lie::Balance(7))), Some(7));
    assert_eq!(balance(&chain, &liar(Lie::Missing)), None);
    let other = liar(Lie::Data(Cell::default()))
        .account(&chain, &payee)
        .unwrap()
        .unwrap();
    assert_ne!(other.state.account, chain.account(&payee).unwrap().state.account);
    // The chain itself is untouched.
    chain.audit().unwrap();
}

/// Whatever the bytes, an answer and no panic: bits of good messages are flipped.
#[test]
fn damaged_messages_are_refused_or_executed() {
    let mut chain = Chain::new(genesis(3, 100)).unwrap();
    let wallet = Wallet::new(WalletVersion::V5R1, &[2; 32]).unwrap();
    chain.faucet(wallet.address(), COIN).unwrap();
    run(&mut chain, 1);
    let good = [
        external(
            &player_address(0),
            &[
                pay(1, COIN),
                Transfer {
                    mode: 128 + 32,
                    ..pay(2, 0)
                },
            ],
            0,
        ),
        Boc::encode(wallet.order(0, u32::MAX, &[pay(1, 1)]).unwrap()),
    ];
    let start = chain.snapshot();
    let (mut taken, mut refused) = (0, 0);
    for message in good {
        for bit in 0..message.len() * 8 {
            let mut damaged = message.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            chain.revert(&start);
            match chain.submit(&damaged) {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
            run(&mut chain, 1);
            chain.audit().unwrap();
        }
    }
    assert!(taken > 100 && refused > 1_000, "{taken} {refused}");
}
