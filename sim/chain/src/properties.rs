//! Property tests: a random history on a random chain, with every invariant checked after every slot.
//!
//! `CHRYSALIS_CHAIN_CASES` sets the number of histories (default 48).

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tycho_types::boc::Boc;
use tycho_types::cell::HashBytes;

use crate::chain::{
    AutoShards, Block, BlockEvent, BlockLimits, Chain, Congestion, ExternalFault, ExternalFaultKind, ExternalFilter,
    Genesis, MessageLedger, MissedSlots, Producer, ShardChange, ShardPolicy, SlowFinality, Violation,
};
use crate::testing::{COIN, broken_order, external, genesis, order, player_address};
use crate::wallet::{Transfer, Wallet, WalletVersion};

const PLAYERS: u32 = 12;

#[derive(Debug, Clone)]
enum Action {
    /// A player sends to others: receivers, whether the first fails, whether the last passes it on.
    Send {
        from: u32,
        to: Vec<u32>,
        fails: bool,
        passes_on: bool,
        bounce: bool,
        all: bool,
    },
    /// Coins for somebody who may not exist.
    Faucet { to: u8, coins: u32 },
    /// A signed order of a wallet, with whatever number.
    Wallet { seqno: u32 },
    /// Time goes on.
    Slots(u8),
    /// Much time goes on.
    Jump,
}

#[derive(Debug, Clone)]
struct Plan {
    shards: ShardPolicy,
    missed: Vec<MissedSlots>,
    faults: Vec<ExternalFault>,
    slow: Option<SlowFinality>,
    tight: bool,
}

impl Plan {
    fn genesis(&self) -> Genesis {
        let mut genesis = genesis(PLAYERS, 1_000);
        genesis.shards = self.shards.clone();
        genesis.missed_slots.clone_from(&self.missed);
        genesis.faults.externals.clone_from(&self.faults);
        genesis.faults.slow_finality = self.slow.into_iter().collect();
        if self.tight {
            genesis.congestion = vec![Congestion {
                from_ns: 0,
                to_ns: 4_000_000_000,
                limits: BlockLimits {
                    gas_soft: 4_000,
                    gas_hard: 8_000,
                    ..BlockLimits::BASE
                },
            }];
        }
        genesis
    }
}

fn action() -> impl Strategy<Value = Action> {
    let send = (
        0..PLAYERS,
        prop::collection::vec(0..PLAYERS + 2, 1..4),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(from, to, fails, passes_on, bounce, all)| Action::Send {
            from,
            to,
            fails,
            passes_on,
            bounce,
            all,
        });
    prop_oneof![
        12 => send,
        1 => (any::<u8>(), 0..5_u32).prop_map(|(to, coins)| Action::Faucet { to, coins }),
        2 => (0..4_u32).prop_map(|seqno| Action::Wallet { seqno }),
        6 => (1..4_u8).prop_map(Action::Slots),
        1 => Just(Action::Jump),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let full = 1_u64 << 63;
    let prefix = prop::sample::select(vec![
        full,
        full >> 1,
        full | full >> 1,
        full >> 2,
        full >> 1 | full >> 2,
    ]);
    let change = (1..40_u64, prefix, any::<bool>()).prop_map(|(slot, prefix, split)| {
        (
            slot,
            if split {
                ShardChange::Split(prefix)
            } else {
                ShardChange::Merge(prefix)
            },
        )
    });
    let auto = prop::option::of(Just(AutoShards {
        split_after_full_blocks: 1,
        merge_after_idle_blocks: 2,
        min_depth: 0,
        max_depth: 3,
    }));
    let producer = prop::sample::select(vec![Producer::All, Producer::Masterchain, Producer::Shards]);
    let missed = (1..40_u64, 1..5_u64, producer).prop_map(|(from_slot, slots, producer)| MissedSlots {
        from_slot,
        slots,
        producer,
    });
    let kind = prop::sample::select(vec![
        ExternalFaultKind::Drop,
        ExternalFaultKind::Delay { by_ns: 1_000_000_000 },
        ExternalFaultKind::Duplicate { after_ns: 700_000_000 },
        ExternalFaultKind::SwapWithNext,
    ]);
    let fault = (0..30_u64, kind).prop_map(|(ordinal, kind)| ExternalFault {
        filter: ExternalFilter {
            ordinal: Some(ordinal),
            ..ExternalFilter::default()
        },
        kind,
    });
    let slow = prop::option::of((0..5_000_000_000_u64).prop_map(|from_ns| SlowFinality {
        from_ns,
        to_ns: from_ns + 3_000_000_000,
        extra_ns: 1_300_000_000,
    }));
    (
        (0..3_u16, prop::collection::vec(change, 0..8), auto),
        prop::collection::vec(missed, 0..3),
        prop::collection::vec(fault, 0..6),
        slow,
        any::<bool>(),
    )
        .prop_map(|((initial_depth, plan, auto), missed, faults, slow, tight)| Plan {
            shards: ShardPolicy {
                initial_depth,
                plan,
                auto,
            },
            missed,
            faults,
            slow,
            tight,
        })
}

/// A chain under watch.
struct Watched {
    chain: Chain,
    ledger: MessageLedger,
    hashes: Vec<HashBytes>,
    blocks: Vec<Arc<Block>>,
    salt: u32,
}

impl Watched {
    fn new(plan: &Plan) -> Self {
        let chain = Chain::new(plan.genesis()).unwrap();
        Self {
            chain,
            ledger: MessageLedger::default(),
            hashes: Vec::new(),
            blocks: Vec::new(),
            salt: 0,
        }
    }

    fn slots(&mut self, slots: u64) -> Result<(), Violation> {
        for _ in 0..slots {
            let next_ns = self.chain.next_block_at_ns();
            for event in self.chain.advance(next_ns).unwrap() {
                if let BlockEvent::Block(block) = event {
                    self.ledger.follow(&block)?;
                    self.hashes.push(block.id.root_hash);
                    self.blocks.push(block);
                }
            }
            let audit = self.chain.audit()?;
            assert_eq!(audit.total_nanoton(), self.chain.total_nanoton());
            assert_eq!(audit.stranded_nanoton, 0);
            self.ledger.settle(&self.chain)?;
        }
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Result<(), Violation> {
        self.salt += 1;
        match action {
            Action::Send {
                from,
                to,
                fails,
                passes_on,
                bounce,
                all,
            } => {
                let receivers = to.len();
                let transfers: Vec<Transfer> = to
                    .iter()
                    .enumerate()
                    .map(|(index, to)| {
                        let body = if *fails && index == 0 {
                            Some(broken_order())
                        } else if *passes_on && index + 1 == receivers {
                            Some(order(&[Transfer::new(player_address((to + 1) % PLAYERS), COIN / 20)]))
                        } else {
                            None
                        };
                        let mode = if *all { 128 } else { 3 };
                        Transfer {
                            bounce: *bounce,
                            body,
                            mode,
                            ..Transfer::new(player_address(*to), COIN / 10)
                        }
                    })
                    .collect();
                let _ = self
                    .chain
                    .submit(&external(&player_address(*from), &transfers, self.salt));
            }
            Action::Faucet { to, coins } => {
                let to = crate::StdAddr::new(0, HashBytes([*to; 32]));
                self.chain.faucet(&to, u128::from(*coins) * COIN).unwrap();
                self.chain
                    .faucet(wallet().address(), u128::from(*coins) * COIN)
                    .unwrap();
            }
            Action::Wallet { seqno } => {
                let pay = [Transfer::new(player_address(0), COIN / 3)];
                let _ = self
                    .chain
                    .submit(&Boc::encode(wallet().order(*seqno, u32::MAX, &pay).unwrap()));
            }
            Action::Slots(slots) => self.slots(u64::from(*slots))?,
            Action::Jump => self.slots(60)?,
        }
        Ok(())
    }

    fn acts(&mut self, actions: &[Action]) -> Result<(), Violation> {
        actions.iter().try_for_each(|action| self.act(action))
    }
}

fn wallet() -> Wallet {
    Wallet::new(WalletVersion::V5R1, &[9; 32]).unwrap()
}

fn config() -> ProptestConfig {
    let cases = std::env::var("CHRYSALIS_CHAIN_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(48);
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn seen(result: Result<(), Violation>) -> Result<(), TestCaseError> {
    result.map_err(|violation| TestCaseError::fail(violation.to_string()))
}

proptest! {
    #![proptest_config(config())]

    /// Conservation to the nano, logical time, queue order, no message lost or doubled, whatever shards do.
    #[test]
    fn nothing_is_lost_and_time_goes_on(plan in plan(), actions in prop::collection::vec(action(), 1..40)) {
        let mut watched = Watched::new(&plan);
        seen(watched.acts(&actions))?;
        // After the faults everything arrives.
        seen(watched.slots(120))?;
        prop_assert_eq!(watched.ledger.pending(), 0);
    }

    /// Same inputs, same blocks; and a detour that is taken back leaves no trace.
    #[test]
    fn histories_repeat_and_detours_leave_no_trace(
        plan in plan(),
        before in prop::collection::vec(action(), 1..12),
        detour in prop::collection::vec(action(), 1..12),
        after in prop::collection::vec(action(), 1..12),
    ) {
        let mut straight = Watched::new(&plan);
        seen(straight.acts(&before))?;
        let mut with_detour = Watched::new(&plan);
        seen(with_detour.acts(&before))?;
        prop_assert_eq!(&straight.hashes, &with_detour.hashes);
        let (snapshot, ledger, salt) =
            (with_detour.chain.snapshot(), with_detour.ledger.clone(), with_detour.salt);
        seen(with_detour.acts(&detour))?;
        seen(with_detour.slots(2))?;
        with_detour.chain.revert(&snapshot);
        with_detour.ledger = ledger;
        with_detour.salt = salt;
        with_detour.hashes.truncate(straight.hashes.len());
        for watched in [&mut straight, &mut with_detour] {
            seen(watched.acts(&after))?;
            seen(watched.slots(3))?;
        }
        prop_assert_eq!(&straight.hashes, &with_detour.hashes);
    }
}

/// A history with enough in it for the controls below.
fn history() -> Watched {
    let shards = ShardPolicy {
        initial_depth: 1,
        ..ShardPolicy::default()
    };
    let plan = Plan {
        shards,
        missed: vec![],
        faults: vec![],
        slow: None,
        tight: false,
    };
    let mut watched = Watched::new(&plan);
    for from in 0..PLAYERS {
        let to = (0..PLAYERS).filter(|to| *to != from).take(3).collect();
        let send = Action::Send {
            from,
            to,
            fails: false,
            passes_on: true,
            bounce: true,
            all: false,
        };
        watched.act(&send).unwrap();
    }
    watched.slots(1).unwrap();
    assert!(watched.ledger.pending() > 0);
    watched
}

/// Replays the blocks of a history with one of them changed.
fn replay(blocks: &[Arc<Block>], change: impl Fn(&mut Block) -> bool) -> Result<(), Violation> {
    let mut ledger = MessageLedger::default();
    let mut changed = false;
    for block in blocks {
        let mut block = block.as_ref().clone();
        changed = changed || change(&mut block);
        ledger.follow(&block)?;
    }
    assert!(changed, "the control changed nothing");
    Ok(())
}

#[test]
fn planted_errors_in_blocks_are_seen() {
    let mut watched = history();
    watched.slots(5).unwrap();
    let blocks = &watched.blocks;
    let at_least = |count: usize, queued: bool| {
        move |block: &Block| {
            block
                .transactions
                .iter()
                .filter(|tx| !queued || tx.queue_key.is_some())
                .count()
                >= count
        }
    };
    // Logical time goes back.
    let result = replay(blocks, |block| {
        at_least(4, false)(block) && {
            let last = block.transactions.pop().unwrap();
            let mut earlier = last.as_ref().clone();
            earlier.lt = 1;
            block.transactions.insert(0, last);
            block.transactions.push(Arc::new(earlier));
            true
        }
    });
    assert!(
        matches!(
            result,
            Err(Violation::LogicalTime { .. } | Violation::Lost(_) | Violation::QueueOrder(_))
        ),
        "{result:?}"
    );
    // Two messages of a queue change places.
    let result = replay(blocks, |block| {
        at_least(2, true)(block) && {
            let queued: Vec<usize> = (0..block.transactions.len())
                .filter(|at| block.transactions[*at].queue_key.is_some())
                .collect();
            block.transactions.swap(queued[0], queued[1]);
            true
        }
    });
    assert!(matches!(result, Err(Violation::QueueOrder(_))), "{result:?}");
    // A transaction is doubled under a later logical time.
    let result = replay(blocks, |block| {
        let internal = block.transactions.iter().find(|tx| tx.queue_key.is_some()).cloned();
        internal.is_some_and(|internal| {
            let mut again = internal.as_ref().clone();
            again.lt = u64::MAX - 1;
            again.queue_key = None;
            block.transactions.push(Arc::new(again));
            true
        })
    });
    assert!(matches!(result, Err(Violation::DeliveredTwice(_))), "{result:?}");
    // A message is taken that nobody sent.
    let result = replay(blocks, |block| {
        let sender = block.transactions.iter().position(|tx| !tx.out_messages.is_empty());
        sender.is_some_and(|at| {
            let mut silent = block.transactions[at].as_ref().clone();
            silent.out_messages.clear();
            block.transactions[at] = Arc::new(silent);
            true
        })
    });
    assert!(matches!(result, Err(Violation::Lost(_))), "{result:?}");
    assert!(replay(blocks, |_| true).is_ok());
}

#[test]
fn another_seed_or_another_message_is_another_history() {
    let hashes = |seed: u8, value: u128| {
        let mut genesis = genesis(2, 10);
        genesis.seed = [seed; 32];
        let mut chain = Chain::new(genesis).unwrap();
        let pay = Transfer::new(player_address(1), value);
        chain.submit(&external(&player_address(0), &[pay], 0)).unwrap();
        let events = crate::testing::run(&mut chain, 2);
        let hash = |event: &BlockEvent| match event {
            BlockEvent::Block(block) => Some(block.id.root_hash),
            _ => None,
        };
        events.iter().filter_map(hash).collect::<Vec<_>>()
    };
    assert_eq!(hashes(0, COIN), hashes(0, COIN));
    assert_ne!(hashes(0, COIN), hashes(0, COIN + 1));
}
