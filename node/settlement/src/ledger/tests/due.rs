//! What is due over all accounts.

use super::*;
use std::collections::BTreeMap;

/// Charges from 10000 nanoTON, pays from 8000.
const RULES: LedgerPolicy = LedgerPolicy {
    charge_threshold_nanoton: 10_000,
    payout_threshold_nanoton: 8000,
    ..LedgerPolicy::SOUND
};

fn owner(number: u8) -> Address {
    Address::new(0, [number; 32])
}

fn clients(tokens: &[u64]) -> BTreeMap<Address, ClientAccount> {
    let accounts = tokens.iter().zip(1..).map(|(tokens, number)| {
        let mut account = ClientAccount::new(owner(number), owner(number + 100), PRICE_NANOTON, RULES);
        account.apply(state(10_000, 8000)).unwrap();
        use_and_commit(&mut account, *tokens, 1);
        (owner(number), account)
    });
    accounts.collect()
}

fn workers(tokens: i64) -> BTreeMap<Address, WorkerAccount> {
    let mut account = worker(RULES);
    account.book(Charge { tokens });
    commit(account.ledger_mut(), 1);
    [(vectors::WORKER_OWNER, account)].into()
}

fn due(clients_tokens: &[u64], workers_tokens: i64, earned_nanoton: Option<u64>) -> Vec<(PaymentKind, Address, u64)> {
    let (mut clients, mut workers) = (clients(clients_tokens), workers(workers_tokens));
    let due = begin_due_actions(&mut clients, &mut workers, PRICE_NANOTON, earned_nanoton);
    let again = begin_due_actions(&mut clients, &mut workers, PRICE_NANOTON, earned_nanoton);
    assert!(
        again
            .iter()
            .all(|action| due.iter().all(|begun| begun.owner != action.owner))
    );
    due.iter()
        .map(|action| (action.kind, action.owner, action.tokens))
        .collect()
}

const CHARGE: PaymentKind = PaymentKind::ClientCharge;
const PAYOUT: PaymentKind = PaymentKind::WorkerPayout;

#[test]
fn everybody_above_the_threshold_is_settled() {
    let all = [
        (CHARGE, owner(1), 500),
        (CHARGE, owner(3), 700),
        (PAYOUT, vectors::WORKER_OWNER, 1699),
    ];
    assert_eq!(due(&[500, 499, 700], 1699, None), all);
    assert_eq!(due(&[500, 499, 700], 1699, Some(1699 * PRICE_NANOTON)), all);
}

#[test]
fn a_payout_that_is_not_covered_waits_and_small_debts_are_collected_for_it() {
    let payout = [(PAYOUT, vectors::WORKER_OWNER, 500)];
    assert_eq!(due(&[10, 300, 20], 500, Some(10_000)), payout);
    // 1 nanoTON is missing: the largest debt covers it.
    assert_eq!(due(&[10, 300, 20], 500, Some(9999)), [(CHARGE, owner(2), 300)]);
    let in_order = [(CHARGE, owner(2), 300), (CHARGE, owner(3), 20), (CHARGE, owner(1), 10)];
    assert_eq!(due(&[10, 300, 20], 500, Some(0)), in_order);
    // Under revision A nobody counts what was earned.
    assert_eq!(due(&[10, 300, 20], 500, None), payout);
}

/// A debt that nobody pays any more does not keep a worker from what was earned.
#[test]
fn where_nothing_is_left_to_collect_a_payout_goes_as_far_as_it_is_covered() {
    let payout = |tokens| [(PAYOUT, vectors::WORKER_OWNER, tokens)];
    assert_eq!(due(&[], 1000, Some(12_000)), payout(600));
    assert_eq!(due(&[], 1000, Some(12_019)), payout(600));
    assert_eq!(due(&[], 1000, Some(20_000)), payout(1000));
    // Less than is worth a message, and nothing at all.
    assert_eq!(due(&[], 1000, Some(9_980)), []);
    assert_eq!(due(&[], 1000, Some(0)), []);
    // What can be collected is collected first.
    assert_eq!(due(&[30], 1000, Some(12_000)), [(CHARGE, owner(1), 30)]);
}

/// T5: what the deposit does not cover.
#[test]
fn t5_a_charge_beyond_the_deposit() {
    for (cover, tokens) in [(CoverRule::Everything, 900), (CoverRule::WithinBalance, 600)] {
        let mut account = client(LedgerPolicy { cover, ..RULES });
        use_and_commit(&mut account, 900, 1);
        // A forced withdrawal, which the contract of revision A allows.
        let poor = ClientChainState {
            tokens_used: 100,
            ..state(500, 8000)
        };
        account.apply(poor).unwrap();
        assert_eq!(account.begin_action().map(|action| action.tokens), Some(tokens));
        account.finish_action(ActionOutcome::Succeeded);
        let emptied = ClientChainState {
            tokens_used: tokens,
            ..state(0, 8000)
        };
        account.apply(emptied).unwrap();
        assert_eq!(account.due_action(), None);
    }
}
