//! What the chain says, what is submitted to it, what survives a restart.

use super::*;

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
    // The client submits an older payment of its own, and that is seen first.
    account
        .apply(ClientChainState {
            tokens_used: 500,
            ..state(9500, 8000)
        })
        .unwrap();
    assert_eq!(account.due_action(), None, "still expected to be settled");
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
        commit(account.ledger_mut(), 2);
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
    commit(worker.ledger_mut(), 1);
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
    commit(account.ledger_mut(), 1);
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
