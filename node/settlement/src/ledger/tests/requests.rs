//! Reservations and how requests end.

use super::*;

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
