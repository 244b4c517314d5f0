//! One account at a time: each rule, sound and as in the reference. Sequences are in `tests/ledger_machine`.

mod chain;
mod due;
mod requests;

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

/// Database and chain follow.
fn commit(ledger: &mut TokenLedger, seqno: u32) {
    ledger.commit_to_db(seqno, ledger.snapshot()).unwrap();
    ledger.commit_to_chain(seqno);
}

/// Uses tokens and lets database and chain follow.
fn use_and_commit(account: &mut ClientAccount, tokens: u64, seqno: u32) {
    let reservation = account.reserve(tokens.cast_signed()).unwrap();
    let completion = account.complete(reservation, usage(0, tokens).into()).unwrap();
    worker(LedgerPolicy::SOUND).book(completion.charge);
    commit(account.ledger_mut(), seqno);
}
