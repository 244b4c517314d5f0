//! One account at a time: each rule, sound and as in the reference. Sequences are in `tests/ledger_machine.rs`.

use super::*;
use crate::{
    address::Address,
    contracts::vectors,
    payment::PaymentKind,
    reservation::{ReservationRequest, ReservationRule},
    usage::{AdjustedUsage, ReportedUsage, UsageError},
};

const PRICE_NANOTON: u64 = 20;
const CONTRACT: Address = Address::new(0, [0xc1; 32]);
const WORKER_CONTRACT: Address = Address::new(0, [0x30; 32]);

/// A client contract with this many tokens of balance and of stake.
fn state(balance_tokens: u128, stake_tokens: u128) -> ClientChainState {
    ClientChainState {
        status: ClientStatus::Normal,
        balance_nanoton: balance_tokens * u128::from(PRICE_NANOTON),
        stake_nanoton: stake_tokens * u128::from(PRICE_NANOTON),
        ..ClientChainState::default()
    }
}

fn client(policy: LedgerPolicy) -> ClientAccount {
    let mut account = ClientAccount::new(vectors::CLIENT_OWNER, CONTRACT, PRICE_NANOTON, policy);
    assert_eq!(account.apply(state(10_000, 8000)), Ok(UpdateOutcome::Applied));
    account
}

fn worker(policy: LedgerPolicy) -> WorkerAccount {
    WorkerAccount::new(vectors::WORKER_OWNER, WORKER_CONTRACT, 16, policy)
}

fn usage(prompt: u64, completion: u64) -> AdjustedUsage {
    AdjustedUsage::new(prompt, 0, completion, 0).unwrap()
}

/// Uses tokens and lets database and chain follow.
fn use_and_commit(account: &mut ClientAccount, tokens: u64, seqno: u32) {
    let reservation = account.reserve(tokens.cast_signed()).unwrap();
    let completion = account.complete(reservation, usage(0, tokens).into()).unwrap();
    worker(LedgerPolicy::SOUND).book(completion.charge);
    let ledger = account.ledger_mut();
    ledger.commit_to_db(seqno, ledger.snapshot()).unwrap();
    ledger.commit_to_chain(seqno);
}

#[test]
fn available_is_what_balance_and_stake_cover() {
    let mut account = client(LedgerPolicy::SOUND);
    assert_eq!(account.available_tokens(), 8000, "the stake limits");
    let reservation = account.reserve(3000).unwrap();
    assert_eq!(
        (
            account.available_tokens(),
            account.reserved_tokens(),
            account.running_requests()
        ),
        (5000, 3000, 1)
    );
    let completion = account.complete(reservation, usage(500, 1500).into()).unwrap();
    assert_eq!(
        (completion.charge.tokens(), completion.verdict),
        (2000, Verdict::AsReported)
    );
    assert_eq!(
        (
            account.available_tokens(),
            account.reserved_tokens(),
            account.tokens_used()
        ),
        (6000, 0, 2000)
    );
    account
        .apply(ClientChainState {
            tokens_used: 2000,
            ..state(8000, 8000)
        })
        .unwrap();
    assert_eq!(account.available_tokens(), 8000, "a charge makes room under the stake");
    account
        .apply(ClientChainState {
            tokens_used: 2000,
            ..state(100, 8000)
        })
        .unwrap();
    assert_eq!(account.available_tokens(), 100, "the balance limits");
    assert_eq!(
        account.reserve(101),
        Err(ReserveError::Insufficient {
            needed_tokens: 101,
            available_tokens: 100
        })
    );
}

#[test]
fn absurd_chain_states_saturate() {
    // T28: anybody can set a stake of any size on a client contract.
    let mut account = client(LedgerPolicy::SOUND);
    let absurd = ClientChainState {
        balance_nanoton: u128::MAX,
        stake_nanoton: u128::MAX,
        ..state(0, 0)
    };
    account.apply(absurd).unwrap();
    assert_eq!(account.available_tokens(), i64::MAX);
    let all = account.reserve(i64::MAX).unwrap();
    assert_eq!(account.available_tokens(), 0);
    account.release(all).unwrap();
    account
        .apply(ClientChainState {
            tokens_used: u64::MAX,
            ..absurd
        })
        .unwrap();
    assert_eq!(account.available_tokens(), 0);
    let mut free = ClientAccount::new(vectors::CLIENT_OWNER, CONTRACT, 0, LedgerPolicy::SOUND);
    free.apply(state(1, 1)).unwrap();
    assert_eq!(free.available_tokens(), 1_000_000_000_000, "price 0 (§4.4)");
}

#[test]
fn only_an_open_contract_reserves() {
    let mut account = ClientAccount::new(vectors::CLIENT_OWNER, CONTRACT, PRICE_NANOTON, LedgerPolicy::SOUND);
    assert_eq!(
        account.reserve(0),
        Err(ReserveError::Status {
            status: ClientStatus::Unknown
        })
    );
    for status in [ClientStatus::Closing, ClientStatus::Closed] {
        account
            .apply(ClientChainState {
                status,
                ..state(10, 10)
            })
            .unwrap();
        assert_eq!(account.reserve(0), Err(ReserveError::Status { status }));
        assert_eq!(ClientStatus::from_number(status.number()), Some(status));
    }
    assert_eq!(ClientStatus::from_number(4), None);
}

/// T11: a negative reservation lifts what is available, and T29: giving back an honest one then aborts the reference.
#[test]
fn t11_t29_negative_reservations() {
    let request = ReservationRequest::single(1000, 0, -4000);
    let multipliers = &vectors::params().prices.multipliers;
    let tokens = ReservationRule::Reference.tokens(&request, multipliers).unwrap();
    assert_eq!(tokens, -4000);

    let mut reference = client(LedgerPolicy::REFERENCE);
    let honest = reference.reserve(500).unwrap();
    let negative = reference.reserve(tokens).unwrap();
    assert_eq!(reference.available_tokens(), 8000 + 3500, "more than was ever paid");
    let error = reference.release(honest).unwrap_err();
    assert_eq!(
        error,
        LedgerError::ReservedBelowZero {
            reserved: -3500,
            released: 500
        }
    );
    assert!(error.reference_aborts());
    drop(negative);

    assert!(ReservationRule::Sound.tokens(&request, multipliers).is_err());
    let mut sound = client(LedgerPolicy::SOUND);
    assert_eq!(sound.reserve(tokens), Err(ReserveError::Negative { tokens }));
    assert_eq!(sound.available_tokens(), 8000);
}

/// T12: a request that fails after delivery.
#[test]
fn t12_delivered_parts_of_a_failed_request() {
    let fail = |policy, delivered| {
        let mut account = client(policy);
        let reservation = account.reserve(1000).unwrap();
        let completion = account.fail(reservation, delivered).unwrap();
        assert_eq!(account.reserved_tokens(), 0);
        assert_eq!(account.tokens_used(), completion.charge.tokens());
        (completion.charge.tokens(), completion.verdict)
    };
    assert_eq!(
        fail(LedgerPolicy::REFERENCE, usage(100, 700)),
        (0, Verdict::NothingBooked)
    );
    assert_eq!(fail(LedgerPolicy::SOUND, usage(100, 700)), (800, Verdict::Delivered));
    assert_eq!(
        fail(LedgerPolicy::SOUND, AdjustedUsage::ZERO),
        (0, Verdict::NothingBooked)
    );
    let overrun = Verdict::Overrun {
        claimed_tokens: 1100,
        reserved_tokens: 1000,
    };
    assert_eq!(fail(LedgerPolicy::SOUND, usage(100, 1000)), (1000, overrun));
}

/// T14 and T15: a worker's report that is too large, does not add up, or is negative.
#[test]
fn t14_t15_reports_of_a_dishonest_worker() {
    let complete = |policy, reported| {
        let mut account = client(policy);
        let reservation = account.reserve(1000).unwrap();
        let completion = account.complete(reservation, reported).unwrap();
        assert_eq!(account.tokens_used(), completion.charge.tokens());
        (completion.charge.tokens(), completion.verdict)
    };
    let huge = usage(0, 1_000_000_000).to_reported();
    let only_total = ReportedUsage {
        total: 900,
        ..ReportedUsage::default()
    };
    let negative = ReportedUsage {
        completion: -7000,
        total: -7000,
        ..ReportedUsage::default()
    };
    for reported in [huge, only_total, negative] {
        assert_eq!(
            complete(LedgerPolicy::REFERENCE, reported),
            (reported.total, Verdict::AsReported)
        );
    }
    let overrun = Verdict::Overrun {
        claimed_tokens: 1_000_000_000,
        reserved_tokens: 1000,
    };
    assert_eq!(complete(LedgerPolicy::SOUND, huge), (1000, overrun));
    let refused = Verdict::Refused(UsageError::TotalMismatch { total: 900, sum: 0 });
    assert_eq!(complete(LedgerPolicy::SOUND, only_total), (0, refused));
    assert_eq!(
        complete(LedgerPolicy::SOUND, negative),
        (0, Verdict::Refused(UsageError::Negative { tokens: -7000 }))
    );
}

/// T14, the coefficient: the reservation is narrowed to the chosen worker's.
#[test]
fn a_reservation_is_narrowed_and_never_widened() {
    let mut account = client(LedgerPolicy::SOUND);
    let mut reservation = account.reserve(4000).unwrap();
    assert!(!account.narrow(&mut reservation, 4000) && !account.narrow(&mut reservation, u64::MAX));
    assert!(account.narrow(&mut reservation, 1000));
    assert_eq!(
        (
            reservation.tokens(),
            account.reserved_tokens(),
            account.available_tokens()
        ),
        (1000, 1000, 7000)
    );
    let completion = account.complete(reservation, usage(0, 4000).into()).unwrap();
    assert_eq!(completion.charge.tokens(), 1000);
    assert_eq!(account.reserved_tokens(), 0);
}

#[test]
fn a_reservation_of_another_account_comes_back() {
    let mut account = client(LedgerPolicy::SOUND);
    // The same owner under newer parameters has another contract.
    let mut newer = ClientAccount::new(vectors::CLIENT_OWNER, vectors::ROOT, PRICE_NANOTON, LedgerPolicy::SOUND);
    newer.apply(state(10_000, 8000)).unwrap();
    let mut reservation = account.reserve(100).unwrap();
    assert!(!newer.narrow(&mut reservation, 1));
    let error = newer.complete(reservation, usage(0, 5).into()).unwrap_err();
    assert!(!error.reference_aborts());
    assert_eq!(
        (newer.tokens_used(), newer.reserved_tokens(), newer.running_requests()),
        (0, 0, 0)
    );
    let LedgerError::ForeignReservation { reservation } = error else {
        panic!("{error}")
    };
    account.release(reservation).unwrap();
    assert_eq!((account.reserved_tokens(), account.running_requests()), (0, 0));
}

#[test]
fn older_states_are_ignored_as_a_whole() {
    let mut account = client(LedgerPolicy::SOUND);
    use_and_commit(&mut account, 500, 1);
    account
        .apply(ClientChainState {
            tokens_used: 500,
            ..state(9500, 8000)
        })
        .unwrap();
    let older = ClientChainState {
        status: ClientStatus::Closed,
        tokens_used: 499,
        ..state(1, 1)
    };
    assert_eq!(account.apply(older), Ok(UpdateOutcome::Stale));
    assert_eq!(
        account.chain(),
        &ClientChainState {
            tokens_used: 500,
            ..state(9500, 8000)
        }
    );
}

/// T15, T20: the chain knows of more tokens than the ledger.
#[test]
fn a_chain_that_is_ahead() {
    let ahead = ClientChainState {
        tokens_used: 700,
        ..state(9300, 8000)
    };
    let mut reference = client(LedgerPolicy::REFERENCE);
    let before = reference.clone();
    let error = reference.apply(ahead).unwrap_err();
    assert_eq!(
        error,
        LedgerError::ChainAhead {
            chain_tokens: 700,
            own_tokens: 0
        }
    );
    assert!(error.reference_aborts());
    assert_eq!(reference, before, "unchanged after an error");

    let mut sound = client(LedgerPolicy::SOUND);
    assert_eq!(
        sound.apply(ahead),
        Ok(UpdateOutcome::Adopted {
            from_tokens: 0,
            to_tokens: 700
        })
    );
    assert_eq!((sound.tokens_used(), sound.available_tokens()), (700, 8000));
    assert_eq!(
        sound.ledger().committed_to_chain(),
        0,
        "adopted tokens are signed only after a commit"
    );

    let mut sound = worker(LedgerPolicy::SOUND);
    assert_eq!(
        sound.apply(9),
        Ok(UpdateOutcome::Adopted {
            from_tokens: 0,
            to_tokens: 9
        })
    );
    assert_eq!(sound.apply(8), Ok(UpdateOutcome::Stale));
    let mut reference = worker(LedgerPolicy::REFERENCE);
    assert_eq!(
        reference.apply(9),
        Err(LedgerError::ChainAhead {
            chain_tokens: 9,
            own_tokens: 0
        })
    );
}

/// Charges from 10000 nanoTON: 500 tokens.
const EAGER: LedgerPolicy = LedgerPolicy {
    charge_threshold_nanoton: 10_000,
    payout_threshold_nanoton: 8000,
    ..LedgerPolicy::SOUND
};

#[test]
fn a_client_is_charged_from_the_threshold_one_at_a_time() {
    let mut account = client(EAGER);
    use_and_commit(&mut account, 499, 1);
    assert_eq!(account.due_action(), None);
    use_and_commit(&mut account, 1, 2);
    let action = ClientAction {
        kind: PaymentKind::ClientCharge,
        tokens: 500,
    };
    assert_eq!(account.begin_action(), Some(action));
    use_and_commit(&mut account, 1000, 3);
    assert_eq!(account.begin_action(), None, "one is under way");
    account.finish_action(ActionOutcome::Failed);
    assert_eq!(
        account.begin_action(),
        Some(ClientAction { tokens: 1500, ..action }),
        "tried again, for all"
    );
    account.finish_action(ActionOutcome::Succeeded);
    assert_eq!(account.due_action(), None, "expected to be settled");
    account
        .apply(ClientChainState {
            tokens_used: 1500,
            ..state(8500, 8000)
        })
        .unwrap();
    assert_eq!(account.due_action(), None);
}

/// T20: the reference signs a count that a crash can still undo.
#[test]
fn t20_the_count_that_is_charged() {
    for (charge, tokens) in [(ChargeRule::TokensMax, 800), (ChargeRule::Committed, 500)] {
        let mut account = client(LedgerPolicy { charge, ..EAGER });
        use_and_commit(&mut account, 500, 1);
        let reservation = account.reserve(300).unwrap();
        let _uncommitted = account.complete(reservation, usage(0, 300).into()).unwrap();
        assert_eq!(
            account.due_action(),
            Some(ClientAction {
                kind: PaymentKind::ClientCharge,
                tokens
            })
        );
    }
}

/// T27a: after a refund was sent.
#[test]
fn t27a_a_closing_client_is_refunded() {
    for (refund, repeats) in [(RefundRule::Repeat, true), (RefundRule::Once, false)] {
        let mut account = client(LedgerPolicy { refund, ..EAGER });
        use_and_commit(&mut account, 100, 1);
        let running = account.reserve(50).unwrap();
        account
            .apply(ClientChainState {
                status: ClientStatus::Closing,
                ..state(8000, 8000)
            })
            .unwrap();
        assert_eq!(account.due_action(), None, "a request is running");
        let _uncommitted = account.complete(running, usage(0, 50).into()).unwrap();
        assert_eq!(account.due_action(), None, "tokens are not committed");
        let ledger = account.ledger_mut();
        ledger.commit_to_db(2, ledger.snapshot()).unwrap();
        ledger.commit_to_chain(2);
        let action = Some(ClientAction {
            kind: PaymentKind::ClientRefund,
            tokens: 150,
        });
        assert_eq!(account.begin_action(), action);
        assert_eq!(account.due_action(), None, "under way");
        account.finish_action(ActionOutcome::Failed);
        assert_eq!(account.begin_action(), action, "a failed one is tried again");
        account.finish_action(ActionOutcome::Succeeded);
        assert_eq!(account.due_action(), repeats.then_some(action).flatten());
        account
            .apply(ClientChainState {
                status: ClientStatus::Closed,
                tokens_used: 150,
                ..state(0, 0)
            })
            .unwrap();
        assert_eq!(account.due_action(), None);
    }
}

#[test]
fn a_worker_is_paid_what_clients_are_charged() {
    let (mut account, mut worker) = (client(EAGER), worker(EAGER));
    let reservation = account.reserve(1000).unwrap();
    worker.book(account.complete(reservation, usage(100, 400).into()).unwrap().charge);
    assert_eq!(worker.ledger().tokens_max(), account.tokens_used());
    assert_eq!(worker.due_action(), None, "not committed");
    let ledger = worker.ledger_mut();
    ledger.commit_to_db(1, ledger.snapshot()).unwrap();
    ledger.commit_to_chain(1);
    let action = WorkerAction {
        kind: PaymentKind::WorkerPayout,
        tokens: 500,
    };
    assert_eq!((worker.begin_action(), worker.begin_action()), (Some(action), None));
    worker.finish_action(ActionOutcome::Failed);
    assert_eq!(worker.begin_action(), Some(action));
    worker.finish_action(ActionOutcome::Succeeded);
    assert_eq!(worker.apply(500), Ok(UpdateOutcome::Applied));
    assert_eq!((worker.due_action(), worker.tokens_paid()), (None, 500));
}

#[test]
fn a_payment_is_signed_once_per_committed_count() {
    let (key, excesses) = (vectors::key(), vectors::OWNER);
    let mut account = client(EAGER);
    let first = account.payment(&key, || 1, &excesses).clone();
    assert_eq!(first.tokens, 0, "a real payment also for nothing (§4.2)");
    let reservation = account.reserve(100).unwrap();
    let _uncommitted = account.complete(reservation, usage(0, 100).into()).unwrap();
    assert_eq!(account.payment(&key, || panic!("signed again"), &excesses), &first);
    let ledger = account.ledger_mut();
    ledger.commit_to_db(1, ledger.snapshot()).unwrap();
    ledger.commit_to_chain(1);
    let second = account.payment(&key, || 2, &excesses).clone();
    let verify = crate::SignedPayment::parse_and_verify;
    let verified = verify(&second.boc, PaymentKind::ClientCharge, &CONTRACT, &key.public()).unwrap();
    assert_eq!((verified.tokens(), verified.query_id()), (100, 2));

    let payout = worker(EAGER).payment(&key, || 3, &excesses).clone();
    verify(&payout.boc, PaymentKind::WorkerPayout, &WORKER_CONTRACT, &key.public()).unwrap();
}

#[test]
fn accounts_survive_the_database() {
    let mut account = client(EAGER);
    use_and_commit(&mut account, 600, 3);
    account
        .apply(ClientChainState {
            tokens_used: 100,
            secret_hash: [9; 32],
            ..state(9900, 8000)
        })
        .unwrap();
    let restored = ClientAccount::restored(&account.to_record(), 3, PRICE_NANOTON, EAGER);
    assert_eq!(
        restored.available_tokens(),
        account.available_tokens(),
        "the stake too (T25)"
    );
    assert_eq!(restored.to_record(), account.to_record());
    assert_eq!(
        restored.due_action(),
        None,
        "nothing is signed before this session is committed"
    );
    let mut restored = restored;
    restored.ledger_mut().commit_to_chain(4);
    assert_eq!(
        restored.due_action(),
        Some(ClientAction {
            kind: PaymentKind::ClientCharge,
            tokens: 600
        })
    );

    let mut worker = worker(EAGER);
    worker.apply(77).unwrap();
    let restored = WorkerAccount::restored(&worker.to_record(), 3, 16, EAGER);
    assert_eq!(restored.to_record(), worker.to_record());
}
