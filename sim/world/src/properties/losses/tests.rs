//! One refund of a client's whole deposit, submitted by a stranger, with one thing changed at a time.

use super::*;
use crate::{
    deployment::Party,
    properties::tests::{end, facts as common_facts, plan},
    recorder::{ContractState, Sent},
};

const S: u64 = 1_000_000_000;
const POOL: &str = "0:pool";
const ACCOUNT: &str = "0:client-1";
const OWNER: &str = "0:owner";
const WALLET: &str = "0:wallet";
const STRANGER: &str = "0:mallory";
const PRICE: u64 = 20;
const FEE: u64 = 16;

fn facts() -> Facts {
    let mut facts = common_facts();
    for (address, name, is_adversary) in [(OWNER, "client-1", false), (STRANGER, "mallory", true)] {
        let party = Party {
            name: name.to_owned(),
            part: "owner",
            proxy: None,
            prices: 0,
            is_adversary,
        };
        facts.parties.insert(address.to_owned(), party);
    }
    facts
}

/// A transaction that leaves `after` of `before`, by a message from `source` or from outside.
fn transaction(at_s: u64, account: &str, source: Option<&str>, coins: (u128, u128)) -> ChainTransaction {
    ChainTransaction {
        at_ns: at_s * S,
        account: account.to_owned(),
        lt: at_s,
        hash: String::new(),
        trace: Some(1),
        external: source.is_none().then(|| "order".to_owned()),
        source: source.map(str::to_owned),
        op: None,
        is_bounced: false,
        value_nanoton: 0,
        before_nanoton: coins.0,
        after_nanoton: coins.1,
        sent_nanoton: 0,
        sent: Vec::new(),
        is_success: true,
        exit_code: Some(0),
        action_code: None,
        gas_used: 0,
        fees_nanoton: 10,
        gas_fee_nanoton: 10,
        message_fee_nanoton: 0,
        storage_fee_nanoton: 0,
        old_price_nanoton: 0,
        new_price_nanoton: 0,
    }
}

fn to(row: ChainTransaction, sent: &[(&str, u128)]) -> ChainTransaction {
    let sent = sent.iter().map(|(to, value_nanoton)| Sent {
        to: (*to).to_owned(),
        value_nanoton: *value_nanoton,
    });
    ChainTransaction {
        sent: sent.collect(),
        ..row
    }
}

fn state(at_s: u64, balance_nanoton: u64, tokens: u64) -> ContractState {
    ContractState {
        at_ns: at_s * S,
        unix_s: 0,
        address: ACCOUNT.to_owned(),
        coins_nanoton: 0,
        storage_paid_nanoton: 0,
        view: ContractView::Client {
            proxy: POOL.to_owned(),
            state: 0,
            balance_nanoton,
            tokens,
            price_nanoton: PRICE,
            unlock_unix_s: 0,
            delay_s: 0,
        },
    }
}

/// 1000 are in the pool; ten tokens are charged, 800 are refunded; the account had 300 of its own and keeps 50. The
/// rest of it goes with the claim and comes to the owner.
fn honest() -> Rows {
    let mut before = transaction(1, ACCOUNT, Some(POOL), (300, 300));
    before.trace = None;
    let mut pool = state(1, 0, 0);
    pool.address = POOL.to_owned();
    pool.view = ContractView::Proxy {
        state: 0,
        share_nanoton: 0,
        stake_nanoton: 0,
        earned_nanoton: 0,
        unlock_unix_s: 0,
        delay_s: 0,
    };
    Rows {
        owners: [(ACCOUNT, WALLET), (WALLET, OWNER)]
            .map(|(address, owner)| (address.to_owned(), owner.to_owned()))
            .into(),
        transactions: vec![
            before,
            to(transaction(2, STRANGER, None, (9_000, 8_290)), &[(ACCOUNT, 700)]),
            to(transaction(3, ACCOUNT, Some(STRANGER), (300, 50)), &[(POOL, 940)]),
            to(
                transaction(4, POOL, Some(ACCOUNT), (5_000, 4_200)),
                &[(OWNER, 1_040), (STRANGER, 690)],
            ),
            transaction(5, OWNER, Some(POOL), (0, 1_030)),
            transaction(5, STRANGER, Some(POOL), (8_290, 8_970)),
        ],
        contracts: vec![state(1, 1_000, 0), pool, state(3, 0, 10)],
        ends: vec![
            end(S, "proxy-1", "proxy", "a", 10),
            end(S, "client-1", "client", "a", 10),
        ],
        ..Rows::default()
    }
}

fn lost(rows: &Rows) -> Option<String> {
    losses(&facts(), rows).violation().map(str::to_owned)
}

fn short_by(change: impl FnOnce(&mut Rows)) -> Option<String> {
    let mut rows = honest();
    change(&mut rows);
    lost(&rows).map(|text| text.split(' ').nth(2).unwrap_or_default().to_owned())
}

#[test]
fn whoever_gets_everything_but_charges_and_fees_has_lost_nothing() {
    assert!(losses(&facts(), &honest()).is_held_by(1));
    assert!(losses(&facts(), &Rows::default()).is_held_by(0));
}

/// Charged 200, fees of 10 at the account and at the owner's wallet: 1300 become 1080.
#[test]
fn one_nano_less_is_seen_wherever_it_is_missing() {
    assert_eq!(short_by(|rows| rows.transactions[4].after_nanoton -= 1).unwrap(), "1");
    assert_eq!(short_by(|rows| rows.transactions[2].after_nanoton -= 1).unwrap(), "1");
    assert_eq!(short_by(|rows| rows.contracts[0] = state(1, 1_001, 0)).unwrap(), "1");
    // Not paid at all, and paid to the stranger who submitted it.
    assert_eq!(short_by(|rows| rows.transactions[4].after_nanoton = 0).unwrap(), "1030");
    // Less charged: more should have been refunded.
    assert_eq!(short_by(|rows| rows.contracts[2] = state(3, 0, 9)).unwrap(), "20");
    assert_eq!(
        short_by(|rows| rows.contracts[2] = state(3, 1, 10)),
        None,
        "one more than before"
    );
}

#[test]
fn what_an_adversary_loses_is_nobodys_loss() {
    let mut facts = facts();
    facts.parties.get_mut(OWNER).unwrap().is_adversary = true;
    let mut rows = honest();
    rows.transactions[4].after_nanoton = 0;
    assert!(losses(&facts, &rows).is_held_by(0));
    rows.owners.clear();
    assert!(losses(&super::tests::facts(), &rows).violation().is_none(), "nobody's");
}

#[test]
fn what_is_on_its_way_is_not_lost_yet() {
    assert_eq!(short_by(|rows| drop(rows.transactions.remove(4))), None);
}

/// The owner asks for something itself: all fees of it are its own, and so is what it gives away.
#[test]
fn an_order_of_ones_own_costs_what_it_costs_once() {
    let order = |rows: &mut Rows, fees: u128| {
        rows.transactions = vec![
            to(
                ChainTransaction {
                    fees_nanoton: fees,
                    ..transaction(2, WALLET, None, (1_000, 700 - fees))
                },
                &[("0:somebody", 300)],
            ),
            transaction(3, "0:somebody", Some(WALLET), (0, 290)),
        ];
        rows.contracts.truncate(2);
    };
    assert_eq!(short_by(|rows| order(rows, 25)), None);
    // The same message is accepted again.
    let again = |rows: &mut Rows, hash: &str| {
        order(rows, 25);
        rows.transactions.push(ChainTransaction {
            trace: Some(2),
            external: Some(hash.to_owned()),
            ..transaction(4, WALLET, None, (675, 650))
        });
    };
    assert_eq!(short_by(|rows| again(rows, "order")).unwrap(), "25");
    let other = short_by(|rows| {
        again(rows, "another order");
        rows.transactions[2].fees_nanoton = 25;
    });
    assert_eq!(other, None, "the control");
}

/// A payout counts as paid, and is paid or not.
#[test]
fn work_that_counts_as_paid_and_is_not_is_seen() {
    let worker = |at_s: u64, tokens: u64| ContractState {
        view: ContractView::Worker {
            proxy: POOL.to_owned(),
            state: 0,
            tokens,
            price_nanoton: PRICE,
            fee_nanoton: FEE,
        },
        ..state(at_s, 0, 0)
    };
    let payout = |paid: u128| {
        short_by(|rows| {
            rows.contracts[0] = worker(1, 0);
            rows.contracts[2] = worker(3, 10);
            rows.transactions[2].after_nanoton = 300;
            rows.transactions[4].after_nanoton = paid;
        })
    };
    // Ten tokens at 16, without the fees of 10 at the account and 10 at the wallet.
    assert_eq!(payout(140), None);
    assert_eq!(payout(139).unwrap(), "1");
    assert_eq!(payout(0).unwrap(), "140");
}

/// What a contract has booked is known after a block: what met there is judged together.
#[test]
fn orders_that_meet_in_a_block_of_a_contract_are_judged_together() {
    let mut rows = honest();
    rows.transactions.push(ChainTransaction {
        trace: Some(2),
        ..transaction(3, ACCOUNT, Some(STRANGER), (50, 50))
    });
    let holdings_facts = facts();
    let holdings = Holdings::of(&holdings_facts, &rows);
    assert_eq!(affairs_of(&holdings, &rows), [(1, 1), (2, 1)].into());
    rows.transactions[6].at_ns += 1;
    assert_eq!(
        affairs_of(&Holdings::of(&holdings_facts, &rows), &rows),
        [(1, 1), (2, 2)].into()
    );
}

#[test]
fn a_charge_for_more_than_was_used_is_seen() {
    let judge = |tokens: u64| {
        let mut rows = honest();
        rows.contracts[2] = state(3, 0, tokens);
        charges(&plan(), &facts(), &[], &rows)
    };
    assert!(judge(10).is_held_by(1));
    let seen = judge(11);
    assert!(seen.violation().unwrap().contains("charged for 11 tokens"), "{seen:?}");
}
