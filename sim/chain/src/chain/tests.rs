use super::*;
use crate::testing::{COIN, broken_order, external, genesis, order, player, player_address, run};
use crate::wallet::{Wallet, WalletVersion};
use tycho_types::boc::Boc;
use tycho_types::models::AccountStatus;

fn blocks(events: &[BlockEvent]) -> Vec<Arc<Block>> {
    events
        .iter()
        .filter_map(|event| match event {
            BlockEvent::Block(block) => Some(block.clone()),
            _ => None,
        })
        .collect()
}

pub(super) fn transactions(events: &[BlockEvent]) -> Vec<Arc<TxRecord>> {
    blocks(events)
        .iter()
        .flat_map(|block| block.transactions.clone())
        .collect()
}

pub(super) fn pay(index: u32, value: u128) -> Transfer {
    Transfer::new(player_address(index), value)
}

#[test]
fn a_wallet_is_funded_deployed_and_pays() {
    let mut chain = Chain::new(genesis(1, 1)).unwrap();
    let total = chain.total_nanoton();
    let wallet = Wallet::new(WalletVersion::V5R1, &[1; 32]).unwrap();
    chain.faucet(wallet.address(), 5 * COIN).unwrap();
    let events = run(&mut chain, 1);
    assert_eq!(transactions(&events).len(), 2, "the giver and the wallet");
    assert_eq!(chain.balance_nanoton(wallet.address()), 5 * COIN);
    assert_eq!(chain.account(wallet.address()).unwrap().status, AccountStatus::Uninit);

    let order = wallet.order(0, u32::MAX, &[pay(0, COIN)]).unwrap();
    let hash = chain.submit(&Boc::encode(order)).unwrap();
    assert_eq!(chain.waiting_externals(), 1);
    run(&mut chain, 1);
    assert_eq!(chain.account(wallet.address()).unwrap().status, AccountStatus::Active);
    let record = chain.transaction_by_message(&hash).unwrap();
    assert_eq!(record.phases.exit_code, Some(0));
    assert_eq!(chain.transaction(&record.hash).unwrap().lt, record.lt);
    let paid = chain.transactions(&player_address(0), None, 10);
    assert_eq!(paid.len(), 1);
    assert_eq!(paid[0].in_message.as_ref().unwrap().value_nanoton(), COIN);
    let seqno = chain
        .get_method(wallet.address(), crate::exec::method_id("seqno"), &[])
        .unwrap();
    assert_eq!(seqno.stack, [StackValue::int(1)]);
    assert_eq!(chain.total_nanoton(), total);
    let audit = chain.audit().unwrap();
    assert_eq!(audit.total_nanoton(), total);
    assert!(audit.fees_nanoton > 0);
}

#[test]
fn blocks_follow_the_slots_and_refer_to_each_other() {
    let mut plan = genesis(1, 1);
    plan.missed_slots = vec![
        MissedSlots {
            from_slot: 3,
            slots: 4,
            producer: Producer::All,
        },
        MissedSlots {
            from_slot: 9,
            slots: 1,
            producer: Producer::Masterchain,
        },
    ];
    let mut chain = Chain::new(plan).unwrap();
    assert_eq!(chain.next_block_at_ns(), 400_000_000);
    assert!(chain.advance(399_999_999).unwrap().is_empty());
    let events = chain.advance(4_000_000_000).unwrap();
    assert_eq!(chain.now_ns(), 4_000_000_000);
    let missed = events
        .iter()
        .filter(|event| matches!(event, BlockEvent::SlotMissed { .. }))
        .count();
    assert_eq!(missed, 9);
    let blocks = blocks(&events);
    let base: Vec<_> = blocks.iter().filter(|block| block.id.number.workchain == 0).collect();
    let masterchain: Vec<_> = blocks.iter().filter(|block| block.id.number.workchain == -1).collect();
    assert_eq!((base.len(), masterchain.len()), (6, 5));
    for chain in [&base, &masterchain] {
        for pair in chain.windows(2) {
            assert_eq!(pair[1].previous, [pair[0].id]);
            assert_eq!(pair[1].id.number.seqno, pair[0].id.number.seqno + 1);
            assert!(pair[1].start_lt >= pair[0].end_lt);
            assert_eq!(pair[1].start_lt % 1_000_000, 0);
        }
    }
    // A masterchain block refers to the block of its own slot, a shard block to the masterchain block before it.
    assert_eq!(masterchain[1].shards, [base[1].id]);
    assert_eq!(base[1].masterchain, Some(masterchain[0].id));
}

/// Two shards: a message waits for the masterchain block and is taken in the next slot.
#[test]
fn neighbours_hear_of_a_message_only_through_the_masterchain() {
    let delivered_after = |missed: Vec<MissedSlots>, slow: Vec<SlowFinality>| {
        let mut plan = genesis(8, 10);
        plan.shards.initial_depth = 1;
        plan.missed_slots = missed;
        plan.faults.slow_finality = slow;
        let mut chain = Chain::new(plan).unwrap();
        let left = (0..8).find(|index| player_address(*index).address.0[0] < 0x80).unwrap();
        let right = (0..8)
            .find(|index| player_address(*index).address.0[0] >= 0x80)
            .unwrap();
        chain
            .submit(&external(&player_address(left), &[pay(right, COIN)], 0))
            .unwrap();
        for slots in 1..40 {
            let events = run(&mut chain, 1);
            if transactions(&events)
                .iter()
                .any(|record| record.address == player_address(right))
            {
                return slots;
            }
            chain.audit().unwrap();
        }
        panic!("never delivered");
    };
    assert_eq!(delivered_after(vec![], vec![]), 2);
    let masterchain = MissedSlots {
        from_slot: 1,
        slots: 3,
        producer: Producer::Masterchain,
    };
    assert_eq!(delivered_after(vec![masterchain], vec![]), 5);
    let slow = SlowFinality {
        from_ns: 0,
        to_ns: u64::MAX,
        extra_ns: 2_000_000_000,
    };
    assert_eq!(delivered_after(vec![], vec![slow]), 6);
}

#[test]
fn a_full_block_leaves_the_rest_for_the_next_in_order() {
    let mut plan = genesis(30, 10);
    plan.congestion = vec![Congestion {
        from_ns: 0,
        to_ns: 2_000_000_000,
        limits: BlockLimits {
            gas_soft: 2_000,
            gas_hard: 4_000,
            ..BlockLimits::BASE
        },
    }];
    let mut chain = Chain::new(plan).unwrap();
    for index in 0..20 {
        chain
            .submit(&external(&player_address(index), &[pay(index + 10, COIN)], index))
            .unwrap();
    }
    let first = run(&mut chain, 1);
    assert!(blocks(&first)[0].full);
    assert!(transactions(&first).len() < 10);
    let mut ledger = invariant::MessageLedger::default();
    let mut done = 0;
    for block in blocks(&first).iter().chain(&blocks(&run(&mut chain, 19))) {
        ledger.follow(block).unwrap();
        done += block.transactions.len();
    }
    assert_eq!(done, 40);
    assert_eq!(ledger.pending(), 0);
    ledger.settle(&chain).unwrap();
}

#[test]
fn a_sender_of_many_messages_is_deferred() {
    let mut chain = Chain::new(genesis(2, 1_000)).unwrap();
    for salt in 0..8 {
        let four = [pay(1, COIN), pay(1, COIN), pay(1, COIN), pay(1, COIN)];
        chain.submit(&external(&player_address(0), &four, salt)).unwrap();
    }
    let mut ledger = invariant::MessageLedger::default();
    let mut received = Vec::new();
    for _ in 0..4 {
        let events = run(&mut chain, 1);
        for block in &blocks(&events) {
            ledger.follow(block).unwrap();
        }
        ledger.settle(&chain).unwrap();
        chain.audit().unwrap();
        received.push(
            transactions(&events)
                .iter()
                .filter(|tx| tx.address == player_address(1))
                .count(),
        );
    }
    // Four transactions whose first message does not count: the eleventh counted message and all after it wait.
    assert!(received[0] < 32, "{received:?}");
    assert_eq!(received.iter().sum::<usize>(), 32, "{received:?}");
    let lts: Vec<u64> = chain
        .transactions(&player_address(1), None, 100)
        .iter()
        .rev()
        .map(|record| record.in_message.as_ref().unwrap().created_lt)
        .collect();
    assert!(lts.is_sorted(), "messages of one sender stay in order: {lts:?}");
}

#[test]
fn shards_split_and_merge_by_plan_and_nothing_is_lost() {
    let mut plan = genesis(16, 100);
    let full = 1_u64 << 63;
    plan.shards.plan = vec![
        (2, ShardChange::Split(full)),
        (3, ShardChange::Split(full >> 1)),
        (3, ShardChange::Split(full >> 1)),
        (6, ShardChange::Merge(full >> 1)),
        (8, ShardChange::Merge(full)),
    ];
    let mut chain = Chain::new(plan).unwrap();
    let mut ledger = invariant::MessageLedger::default();
    let mut shards = Vec::new();
    let mut delivered = 0;
    for slot in 0..12_u32 {
        for index in 0..16 {
            let to = [pay((index + slot + 1) % 16, COIN), pay((index + 5) % 16, COIN)];
            chain.submit(&external(&player_address(index), &to, slot)).unwrap();
        }
        let events = run(&mut chain, 1);
        for block in &blocks(&events) {
            ledger.follow(block).unwrap();
        }
        delivered += transactions(&events).len();
        ledger.settle(&chain).unwrap();
        chain.audit().unwrap();
        shards.push(chain.shards().count());
    }
    assert_eq!(shards, [1, 2, 3, 3, 3, 2, 2, 1, 1, 1, 1, 1]);
    let events = run(&mut chain, 3);
    delivered += transactions(&events).len();
    assert_eq!(delivered, 12 * 16 * 3);
}

#[test]
fn shards_split_and_merge_by_load() {
    let mut plan = genesis(16, 100);
    plan.shards.auto = Some(AutoShards {
        split_after_full_blocks: 2,
        merge_after_idle_blocks: 3,
        min_depth: 0,
        max_depth: 2,
    });
    plan.limits = BlockLimits {
        gas_soft: 3_000,
        gas_hard: 5_000,
        ..BlockLimits::BASE
    };
    let mut chain = Chain::new(plan).unwrap();
    let mut most = 1;
    for slot in 0..12_u32 {
        for index in 0..16 {
            let _ = chain.submit(&external(&player_address(index), &[pay((index + 1) % 16, COIN)], slot));
        }
        run(&mut chain, 1);
        chain.audit().unwrap();
        most = most.max(chain.shards().count());
    }
    assert!(most > 1);
    run(&mut chain, 100);
    assert_eq!(chain.shards().count(), 1);
    assert_eq!(chain.in_flight().count(), 0);
    chain.audit().unwrap();
}

#[test]
fn a_failure_bounces_and_every_coin_is_accounted_for() {
    let mut chain = Chain::new(genesis(2, 100)).unwrap();
    let failing = Transfer {
        bounce: true,
        body: Some(broken_order()),
        ..pay(1, COIN)
    };
    chain.submit(&external(&player_address(0), &[failing], 0)).unwrap();
    let events = run(&mut chain, 1);
    let records = transactions(&events);
    assert_eq!(records.len(), 3);
    assert_eq!(records[1].phases.exit_code, Some(9));
    assert!(records[1].phases.bounced_back);
    assert!(records[2].in_message.as_ref().unwrap().is_bounced());
    assert_eq!(records[2].address, player_address(0));
    chain.audit().unwrap();
}

#[test]
fn storage_debt_freezes_and_deletes() {
    let mut plan = genesis(1, 1_000_000);
    let poor = player(7, 300);
    // Not the address of this state: a frozen account whose state gives its address is uninitialised instead.
    let address = StdAddr::new(0, HashBytes([7; 32]));
    plan.accounts.push(GenesisAccount {
        address: address.clone(),
        balance_nanoton: 1_000,
        state: Some(poor),
    });
    let mut fees = crate::exec::FeeSchedule::new();
    for prices in &mut fees.storage {
        prices.cell_price_ps = 5_000_000_000_000;
    }
    let year = Config::from_fees(&fees, 15, genesis::START_UNIX_S).unwrap();
    plan.config_changes = vec![ConfigChange {
        from_ns: 2_000_000_000,
        config: Arc::new(year),
    }];
    let mut chain = Chain::new(plan).unwrap();
    run(&mut chain, 50);
    let touch = |chain: &mut Chain, salt| {
        let touch = Transfer {
            bounce: true,
            ..Transfer::new(address.clone(), 2_000_000)
        };
        chain.submit(&external(&player_address(0), &[touch], salt)).unwrap();
        run(chain, 1);
        chain.audit().unwrap();
    };
    touch(&mut chain, 1);
    assert_eq!(chain.account(&address).unwrap().status, AccountStatus::Frozen);
    run(&mut chain, 50);
    touch(&mut chain, 2);
    let after = chain.account(&address).map(|entry| entry.status);
    assert!(after.is_none() || after == Some(AccountStatus::Uninit), "{after:?}");
}

#[test]
fn configurations_come_into_force_at_their_time() {
    use crate::exec::FeeSchedule;
    let mut plan = Genesis::with_fees(&FeeSchedule::old()).unwrap();
    plan.accounts = genesis(2, 100).accounts;
    let new = Config::from_fees(&FeeSchedule::new().scaled_permille(3_000), 15, genesis::START_UNIX_S).unwrap();
    plan.config_changes = vec![ConfigChange {
        from_ns: 1_000_000_000,
        config: Arc::new(new),
    }];
    let mut chain = Chain::new(plan).unwrap();
    let fee = |chain: &mut Chain, salt| {
        chain
            .submit(&external(&player_address(0), &[pay(1, COIN)], salt))
            .unwrap();
        let events = run(chain, 2);
        transactions(&events)[0].phases.gas_fee_nanoton
    };
    let (before, after) = (fee(&mut chain, 0), fee(&mut chain, 1));
    assert!(
        before.abs_diff(after * 2) < 10,
        "a sixth times three is a half: {before} {after}"
    );
}

#[test]
fn snapshots_are_points_to_come_back_to() {
    let mut chain = Chain::new(genesis(4, 100)).unwrap();
    run(&mut chain, 3);
    let snapshot = chain.snapshot();
    let play = |chain: &mut Chain| {
        for index in 0..4 {
            chain
                .submit(&external(&player_address(index), &[pay((index + 1) % 4, COIN)], index))
                .unwrap();
        }
        let events = run(chain, 3);
        blocks(&events).iter().map(|block| block.id).collect::<Vec<_>>()
    };
    let first = play(&mut chain);
    assert_ne!(chain.masterchain_block(), snapshot.state.last_masterchain_block());
    chain.revert(&snapshot);
    assert_eq!(chain.transactions(&player_address(0), None, 10).len(), 0);
    assert_eq!(play(&mut chain), first);
}

#[test]
fn a_planted_error_is_seen_by_the_audit() {
    let mut chain = Chain::new(genesis(2, 100)).unwrap();
    chain.state.coins.fees_nanoton += 1;
    assert!(matches!(chain.audit(), Err(Violation::Conservation { .. })));
    chain.state.coins.fees_nanoton -= 1;
    let mut entry = chain.account(&player_address(0)).unwrap().clone();
    entry.balance_nanoton += 1;
    chain.state.accounts.insert(player_address(0), Arc::new(entry));
    assert!(matches!(chain.audit(), Err(Violation::Balance { .. })));
    assert_eq!(order(&[]).bit_len(), 40);
}

#[test]
fn a_genesis_that_cannot_be_is_refused() {
    let mut twice = genesis(1, 1);
    twice.accounts.push(twice.accounts[0].clone());
    assert!(matches!(Chain::new(twice), Err(ChainError::Cells(_))));
    let mut still = genesis(1, 1);
    still.block_interval_ns = 0;
    assert!(matches!(Chain::new(still), Err(ChainError::Genesis(_))));
}

/// Controls for the checks on queues: a message taken away, doubled, or put in a shard that does not hold its receiver.
#[test]
fn planted_errors_in_queues_are_seen() {
    let mut plan = genesis(12, 100);
    plan.shards.initial_depth = 1;
    let mut chain = Chain::new(plan).unwrap();
    let mut ledger = MessageLedger::default();
    for index in 0..12 {
        chain
            .submit(&external(&player_address(index), &[pay((index + 1) % 12, COIN)], 0))
            .unwrap();
    }
    for block in &blocks(&run(&mut chain, 1)) {
        ledger.follow(block).unwrap();
    }
    ledger.settle(&chain).unwrap();
    let clean = chain.snapshot();
    let (key, envelope) = chain.state.transit.get_min().cloned().unwrap();

    chain.state.transit.remove(&key);
    assert_eq!(ledger.settle(&chain), Err(Violation::Lost(envelope.message.hash)));
    assert!(matches!(chain.audit(), Err(Violation::Conservation { .. })));

    chain.revert(&clean);
    let shard = chain.state.shard_of(&envelope.to).unwrap();
    chain
        .state
        .shards
        .get_mut(&shard)
        .unwrap()
        .inbox
        .insert(envelope.key(), envelope.clone());
    assert_eq!(
        ledger.settle(&chain),
        Err(Violation::DeliveredTwice(envelope.message.hash))
    );
    assert!(matches!(chain.audit(), Err(Violation::Conservation { .. })));

    chain.revert(&clean);
    chain.state.transit.remove(&key);
    let other = chain
        .state
        .shards
        .keys()
        .copied()
        .find(|other| *other != shard && other.0 == 0)
        .unwrap();
    chain
        .state
        .shards
        .get_mut(&other)
        .unwrap()
        .inbox
        .insert(envelope.key(), envelope.clone());
    assert_eq!(chain.audit(), Err(Violation::WrongShard(envelope.message.hash)));

    chain.revert(&clean);
    ledger.settle(&chain).unwrap();
    chain.audit().unwrap();
}
