//! Each property with honest rows, and with one number changed at a time.

use super::*;
use crate::{
    deployment::Party,
    plan::{OperationPlan, SettlementPlan},
    properties::tests::{end, facts as common_facts, plan as common_plan},
    recorder::{ClaimKind, Coins, Note},
};

const S: u64 = 1_000_000_000;
const POOL: &str = "0:pool";
const CLIENT: &str = "0:client-1";
const WORKER: &str = "0:worker-1";
const START_UNIX_S: u32 = 1_000;
const PRICE: u64 = 20;
const FEE: u64 = 16;

fn plan(contracts: ContractBuild) -> Plan {
    let mut plan = common_plan();
    plan.settlement = Some(SettlementPlan {
        contracts,
        ..SettlementPlan::default()
    });
    plan
}

fn hardened() -> Plan {
    plan(ContractBuild::Hardened)
}

fn reference() -> Plan {
    plan(ContractBuild::Reference)
}

fn facts() -> Facts {
    let mut facts = common_facts();
    let party = |name: &str, is_adversary| Party {
        name: name.to_owned(),
        part: "owner",
        proxy: None,
        prices: 0,
        is_adversary,
    };
    facts.parties.insert("0:honest".to_owned(), party("client-1", false));
    facts.parties.insert("0:mallory".to_owned(), party("mallory", true));
    facts
}

fn state(at_s: u64, address: &str, coins_nanoton: u128, view: ContractView) -> ContractState {
    ContractState {
        at_ns: at_s * S,
        unix_s: START_UNIX_S + u32::try_from(at_s).unwrap(),
        address: address.to_owned(),
        coins_nanoton,
        storage_paid_nanoton: 0,
        view,
    }
}

fn pool(state: u8, share_nanoton: u64, unlock_unix_s: u32) -> ContractView {
    ContractView::Proxy {
        state,
        share_nanoton,
        stake_nanoton: 5,
        earned_nanoton: 0,
        unlock_unix_s,
        delay_s: 100,
    }
}

fn client(state: u8, balance_nanoton: u64, tokens: u64, unlock_unix_s: u32) -> ContractView {
    ContractView::Client {
        proxy: POOL.to_owned(),
        state,
        balance_nanoton,
        tokens,
        price_nanoton: PRICE,
        unlock_unix_s,
        delay_s: 50,
    }
}

fn worker(state: u8, tokens: u64) -> ContractView {
    ContractView::Worker {
        proxy: POOL.to_owned(),
        state,
        tokens,
        price_nanoton: PRICE,
        fee_nanoton: FEE,
    }
}

fn claim(at_s: u64, account: &str, kind: ClaimKind) -> Claim {
    Claim {
        at_ns: at_s * S,
        account: account.to_owned(),
        proxy: POOL.to_owned(),
        owner: "0:honest".to_owned(),
        kind,
        deposit_nanoton: 0,
        due_nanoton: 0,
        tokens_nanoton: 0,
        answered_at_ns: Some(at_s * S),
        is_refused: false,
        paid_nanoton: 0,
        returned_at_ns: None,
    }
}

/// A top-up of 1000 that is in the pool, a charge of 10 tokens, a payout of the same, a refund of what is left.
fn honest() -> Rows {
    let top_up = Claim {
        deposit_nanoton: 1_000,
        ..claim(1, CLIENT, ClaimKind::TopUp)
    };
    let settle = Claim {
        tokens_nanoton: 200,
        ..claim(2, CLIENT, ClaimKind::Settle)
    };
    let payout = Claim {
        due_nanoton: 160,
        tokens_nanoton: 200,
        paid_nanoton: 160,
        ..claim(3, WORKER, ClaimKind::Payout)
    };
    let refund = Claim {
        due_nanoton: 800,
        paid_nanoton: 800,
        ..claim(60, CLIENT, ClaimKind::ForcedRefund)
    };
    Rows {
        ends: vec![
            end(S, "proxy-1", "proxy", "a", 10),
            end(S, "client-1", "client", "a", 10),
            end(S, "worker-1", "worker", "a", 10),
        ],
        coins: vec![Coins {
            at_ns: S,
            issued_nanoton: 100,
            balances_nanoton: 60,
            in_flight_nanoton: 25,
            fees_nanoton: 10,
            gone_nanoton: 5,
        }],
        contracts: vec![
            state(1, POOL, 1_005, pool(NORMAL, 0, 0)),
            state(1, CLIENT, 7, client(NORMAL, 1_000, 0, 0)),
            state(2, CLIENT, 7, client(NORMAL, 800, 10, 0)),
            state(3, WORKER, 7, worker(NORMAL, 10)),
            state(3, POOL, 845, pool(NORMAL, 40, 0)),
            state(4, CLIENT, 7, client(CLOSING, 800, 10, START_UNIX_S + 54)),
            state(5, POOL, 845, pool(CLOSING, 40, START_UNIX_S + 105)),
            state(60, CLIENT, 7, client(CLOSED, 0, 10, START_UNIX_S + 54)),
            state(60, POOL, 45, pool(CLOSING, 40, START_UNIX_S + 105)),
            state(105, POOL, 45, pool(CLOSED, 40, 0)),
        ],
        claims: vec![top_up, settle, payout, refund],
        ..Rows::default()
    }
}

fn covers(rows: &Rows) -> Checked {
    pool_covers(&hardened(), &facts(), &[], rows)
}

fn all(plan: &Plan, rows: &Rows) -> [Checked; 6] {
    [
        conservation(rows),
        pool_covers(plan, &facts(), &[], rows),
        monotonic(plan, rows),
        unlock_rules(rows),
        bounces(plan, rows),
        honest_claims(plan, &facts(), rows),
    ]
}

fn view_of(rows: &mut Rows, index: usize) -> &mut ContractView {
    &mut rows.contracts[index].view
}

#[test]
fn honest_rows_break_nothing_and_no_rows_are_nothing_to_check() {
    for plan in [hardened(), reference()] {
        for checked in all(&plan, &honest()) {
            assert!(checked.violation().is_none(), "{checked:?}");
        }
        // Nothing came back in them.
        let counts = all(&plan, &honest()).map(|checked| checked.count > 0);
        assert_eq!(counts, [true, true, true, true, false, true]);
        assert!(bounces(&plan, &refused(0)).is_held_by(1));
        for checked in all(&plan, &Rows::default()) {
            assert!(checked.is_held_by(0), "{checked:?}");
        }
    }
}

#[test]
fn one_nano_too_much_or_too_little_is_seen() {
    for change in [
        |coins: &mut Coins| coins.issued_nanoton += 1,
        |coins: &mut Coins| coins.balances_nanoton -= 1,
        |coins: &mut Coins| coins.in_flight_nanoton += 1,
        |coins: &mut Coins| coins.fees_nanoton -= 1,
        |coins: &mut Coins| coins.gone_nanoton += 1,
    ] {
        let mut rows = honest();
        change(&mut rows.coins[0]);
        assert!(conservation(&rows).violation().is_some());
    }
    let mut rows = honest();
    rows.chain_defects.push(Note {
        at_ns: S,
        node: "chain".to_owned(),
        text: "a message was lost".to_owned(),
    });
    assert_eq!(conservation(&rows).violation(), Some("the chain: a message was lost"));
}

#[test]
fn a_pool_that_is_one_nano_short_is_seen() {
    for index in [0, 4, 8, 9] {
        let mut rows = honest();
        assert!(covers(&rows).violation().is_none(), "row {index}");
        rows.contracts[index].coins_nanoton -= 1;
        assert!(covers(&rows).violation().is_some(), "row {index}");
        // Storage comes out of the pool.
        rows.contracts[index].storage_paid_nanoton = 1;
        assert!(covers(&rows).violation().is_none(), "row {index}");
    }
    let mut rows = honest();
    *view_of(&mut rows, 4) = pool(NORMAL, 41, 0);
    assert!(covers(&rows).violation().is_some(), "the owner's share counts");
}

/// What was charged and not paid out is owed, by the tokens of the accounts or by what the contract itself counts.
#[test]
fn a_pool_that_gave_away_what_workers_earned_is_seen() {
    let between = |coins: u128, earned_nanoton: u64, paid_tokens: u64| {
        let view = ContractView::Proxy {
            state: NORMAL,
            share_nanoton: 0,
            stake_nanoton: 5,
            earned_nanoton,
            unlock_unix_s: 0,
            delay_s: 100,
        };
        let mut rows = honest();
        rows.contracts.truncate(3);
        rows.contracts.push(state(2, WORKER, 7, worker(NORMAL, paid_tokens)));
        rows.contracts.push(state(2, POOL, coins, view));
        covers(&rows).violation().is_none()
    };
    // 800 of the client, 200 charged, a stake of 5.
    assert!(between(1_005, 0, 0) && !between(1_004, 0, 0));
    assert!(between(1_005, 200, 0) && !between(1_004, 200, 0));
    // Four of ten tokens were paid out.
    assert!(between(925, 0, 4) && !between(924, 0, 4));
    assert!(
        between(1_005, 200, 4) && !between(1_004, 200, 4),
        "the contract counts more"
    );
}

#[test]
fn a_top_up_on_the_way_counts_and_one_that_was_paid_back_does_not() {
    let mut rows = honest();
    rows.contracts[0].coins_nanoton = 5;
    assert!(covers(&rows).violation().is_some(), "negative control");
    rows.claims[0].answered_at_ns = Some(2 * S);
    rows.contracts.insert(2, state(2, POOL, 1_005, pool(NORMAL, 0, 0)));
    assert!(covers(&rows).violation().is_none(), "{:?}", covers(&rows));
}

#[test]
fn workers_may_be_paid_before_clients_are_charged_but_only_for_what_was_booked() {
    // The charge comes after the payout.
    let mut rows = honest();
    rows.contracts[2].at_ns = 4 * S - 1;
    rows.contracts.swap(2, 4);
    rows.contracts.sort_by_key(|state| state.at_ns);
    assert!(covers(&rows).violation().is_none(), "{:?}", covers(&rows));
    rows.ends.clear();
    assert!(covers(&rows).violation().is_some(), "nothing was booked");
}

#[test]
fn counters_and_states_that_go_back_are_seen() {
    let broken = |change: fn(&mut Rows)| {
        let mut rows = honest();
        change(&mut rows);
        [hardened(), reference()].map(|plan| monotonic(&plan, &rows).violation().is_some())
    };
    assert_eq!(broken(|_| ()), [false, false]);
    assert_eq!(
        broken(|rows| *view_of(rows, 5) = client(CLOSING, 800, 9, 1_054)),
        [true, true]
    );
    assert_eq!(broken(|rows| *view_of(rows, 9) = pool(NORMAL, 40, 0)), [true, true]);
    assert_eq!(
        broken(|rows| rows.contracts.push(state(200, WORKER, 7, worker(NORMAL, 9)))),
        [true, true]
    );
}

/// The payout of [`honest`] is refused, and is back in its account a second later.
fn refused(restored_tokens: u64) -> Rows {
    let mut rows = honest();
    let payout = &mut rows.claims[2];
    payout.is_refused = true;
    payout.paid_nanoton = 0;
    payout.returned_at_ns = Some(4 * S);
    rows.contracts[4] = state(3, POOL, 1_005, pool(NORMAL, 0, 0));
    rows.contracts
        .insert(5, state(4, WORKER, 7, worker(NORMAL, restored_tokens)));
    rows
}

#[test]
fn a_hardened_contract_takes_back_exactly_what_was_refused() {
    let rows = refused(0);
    assert!(monotonic(&hardened(), &rows).violation().is_none());
    assert!(bounces(&hardened(), &rows).violation().is_none());
    assert!(honest_claims(&hardened(), &facts(), &rows).violation().is_none());
    // The exception is one of the hardened build.
    assert!(monotonic(&reference(), &rows).violation().is_some());

    // What the reference's build does, and what no build may do.
    let lost = refused(10);
    for tokens in [10, 1] {
        let rows = refused(tokens);
        assert!(bounces(&hardened(), &rows).violation().is_some(), "{tokens}");
        assert!(
            honest_claims(&hardened(), &facts(), &rows).violation().is_some(),
            "{tokens}"
        );
    }
    assert!(bounces(&reference(), &lost).violation().is_some());
    let mut of_an_adversary = lost;
    of_an_adversary.claims[2].owner = "0:mallory".to_owned();
    assert!(
        honest_claims(&reference(), &facts(), &of_an_adversary)
            .violation()
            .is_none()
    );

    // More than was refused.
    let mut rows = refused(0);
    rows.claims[2].tokens_nanoton = 180;
    assert!(monotonic(&hardened(), &rows).violation().is_some());
}

#[test]
fn a_refund_that_was_refused_is_back_in_the_balance() {
    let refused = |balance: u64| {
        let mut rows = honest();
        rows.claims[3].is_refused = true;
        rows.claims[3].paid_nanoton = 0;
        rows.claims[3].returned_at_ns = Some(61 * S);
        let back = client(CLOSED, balance, 10, START_UNIX_S + 54);
        rows.contracts.insert(9, state(61, CLIENT, 7, back));
        bounces(&hardened(), &rows).violation().is_none()
    };
    assert!(refused(800));
    assert!(!refused(0) && !refused(799) && !refused(801));
}

#[test]
fn an_honest_party_that_is_paid_less_than_booked_is_seen() {
    for index in [2, 3] {
        let mut rows = honest();
        rows.claims[index].paid_nanoton -= 1;
        assert!(honest_claims(&hardened(), &facts(), &rows).violation().is_some());
        rows.claims[index].answered_at_ns = None;
        assert!(
            honest_claims(&hardened(), &facts(), &rows).violation().is_none(),
            "still on its way"
        );
    }
}

#[test]
fn whoever_opens_too_early_or_moves_the_time_is_seen() {
    let broken = |change: fn(&mut Rows)| {
        let mut rows = honest();
        change(&mut rows);
        unlock_rules(&rows).violation().is_some()
    };
    assert!(!broken(|_| ()));
    assert!(
        broken(|rows| *view_of(rows, 5) = client(CLOSING, 800, 10, START_UNIX_S + 53)),
        "locked too short"
    );
    assert!(
        broken(|rows| *view_of(rows, 6) = pool(CLOSING, 40, START_UNIX_S + 104)),
        "locked too short"
    );
    assert!(
        broken(|rows| *view_of(rows, 8) = pool(CLOSING, 40, START_UNIX_S + 90)),
        "the time was moved"
    );
    assert!(
        broken(|rows| rows.contracts[7].unix_s = START_UNIX_S + 54),
        "forced in the second of its time"
    );
    assert!(
        broken(|rows| rows.contracts[9].unix_s = START_UNIX_S + 104),
        "completed before its time"
    );
    assert!(
        broken(|rows| *view_of(rows, 2) = client(NORMAL, 800, 10, 1)),
        "a time without closing"
    );
    assert!(
        broken(|rows| *view_of(rows, 7) = client(NORMAL, 0, 10, 0)),
        "opened again"
    );
    // Granted by the proxy: no time has to pass.
    assert!(!broken(|rows| {
        rows.contracts[7].unix_s = START_UNIX_S + 5;
        *view_of(rows, 7) = client(CLOSED, 0, 10, 0);
    }));
    // Out of the blue.
    assert!(broken(|rows| {
        rows.contracts.remove(5);
    }));
}

#[test]
fn what_is_frozen_keeps_what_it_knew() {
    let mut rows = honest();
    rows.contracts.insert(5, state(4, CLIENT, 0, ContractView::Frozen));
    for checked in all(&hardened(), &rows) {
        assert!(checked.violation().is_none(), "{checked:?}");
    }
}

#[test]
fn changes_of_prices_are_known_from_the_plan() {
    let mut plan = hardened();
    assert!(!changes_prices(&plan));
    plan.settlement.as_mut().unwrap().operations.push(OperationPlan {
        at_ns: 0,
        operation: Operation::ChangePrice {
            price_per_token_nanoton: 2,
            worker_fee_per_token_nanoton: 1,
        },
    });
    assert!(changes_prices(&plan));
}
