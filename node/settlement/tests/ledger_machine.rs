//! Random sequences of everything that happens to one client's and one worker's account, against a model of the
//! client contract, with the invariants checked after each step.
//!
//! The same machine runs under the reference's policy as its own negative control: there the invariants must break.

use std::collections::VecDeque;

use chrysalis_settlement::{
    Address, AdjustedUsage, PaymentKind, ReportedUsage, ReservationRequest, TokenMultipliers,
    ledger::{
        ActionOutcome, ClientAccount, ClientChainState, ClientStatus, Completion, DbSnapshot, LedgerPolicy,
        Reservation, UpdateOutcome, WorkerAccount,
    },
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

const PRICE_NANOTON: u64 = 7;
const MULTIPLIERS: TokenMultipliers = TokenMultipliers {
    prompt: 10_000,
    cached: 2000,
    completion: 80_000,
    reasoning: 80_000,
};

/// What a worker reports of a request.
#[derive(Clone, Copy, Debug)]
enum Report {
    /// A share of the reservation, in thousandths: honest up to 1000.
    Share(u64),
    /// Anything.
    Raw(ReportedUsage),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve {
        max_tokens: i32,
        request_bytes: u64,
        max_coefficient: i32,
    },
    Narrow {
        which: usize,
        thousandths: u64,
    },
    Complete {
        which: usize,
        report: Report,
    },
    Fail {
        which: usize,
        thousandths: u64,
    },
    Release {
        which: usize,
    },
    StartFlush,
    EndFlush,
    CommitToChain {
        behind: u32,
    },
    BeginCharge,
    EndCharge {
        succeeds: bool,
    },
    BeginPayout,
    EndPayout {
        succeeds: bool,
    },
    SeeContract,
    TopUp {
        nanoton: u32,
    },
    Withdraw,
    RaiseStake {
        nanoton: u32,
    },
    RequestRefund,
    SubmitOldCharge,
}

/// The client contract of §6.6, as far as accounts are concerned.
#[derive(Clone, Copy, Debug)]
struct Contract(ClientChainState);

impl Contract {
    fn charge(&mut self, tokens: u64) -> bool {
        let state = &mut self.0;
        if state.status == ClientStatus::Closed || tokens <= state.tokens_used {
            return false;
        }
        let cost_nanoton = u128::from(tokens - state.tokens_used) * u128::from(PRICE_NANOTON);
        state.tokens_used = tokens;
        state.balance_nanoton = state.balance_nanoton.saturating_sub(cost_nanoton);
        true
    }

    fn grant_refund(&mut self, tokens: u64) -> bool {
        if self.0.status == ClientStatus::Closed || tokens < self.0.tokens_used {
            return false;
        }
        self.charge(tokens);
        self.0.status = ClientStatus::Closed;
        self.0.balance_nanoton = 0;
        true
    }
}

struct Machine {
    client: ClientAccount,
    worker: WorkerAccount,
    policy: LedgerPolicy,
    contract: Contract,
    unseen: VecDeque<ClientChainState>,
    outstanding: Vec<Reservation>,
    flushing: Option<(DbSnapshot, DbSnapshot)>,
    flushed_seqno: u32,
    charging: Option<(PaymentKind, u64)>,
    paying: Option<u64>,
    signed_charges: Vec<u64>,
    booked_tokens: i64,
}

type Broken = String;

impl Machine {
    fn new(policy: LedgerPolicy) -> Self {
        let policy = LedgerPolicy {
            charge_threshold_nanoton: 1000,
            payout_threshold_nanoton: 1000,
            ..policy
        };
        let [owner, client, worker] = [1, 2, 3].map(|byte| Address::new(0, [byte; 32]));
        let contract = Contract(ClientChainState {
            status: ClientStatus::Normal,
            balance_nanoton: 0,
            stake_nanoton: 100_000,
            ..ClientChainState::default()
        });
        Self {
            client: ClientAccount::new(owner, client, PRICE_NANOTON, policy),
            worker: WorkerAccount::new(owner, worker, PRICE_NANOTON - 1, policy),
            policy,
            contract,
            unseen: VecDeque::from([contract.0]),
            outstanding: Vec::new(),
            flushing: None,
            flushed_seqno: 0,
            charging: None,
            paying: None,
            signed_charges: Vec::new(),
            booked_tokens: 0,
        }
    }

    fn take(&mut self, which: usize) -> Option<Reservation> {
        let count = self.outstanding.len();
        (count > 0).then(|| self.outstanding.swap_remove(which % count))
    }

    fn book(&mut self, completion: Completion) -> Result<(), Broken> {
        let tokens = completion.charge.tokens();
        self.worker.book(completion.charge);
        self.booked_tokens += tokens;
        if tokens < 0 {
            Err(format!("a charge of {tokens}"))
        } else {
            Ok(())
        }
    }

    fn contract_changed(&mut self) {
        self.unseen.push_back(self.contract.0);
    }

    fn step(&mut self, step: Step) -> Result<(), Broken> {
        let abort = |error: chrysalis_settlement::ledger::LedgerError| format!("abort: {error}");
        match step {
            Step::Reserve {
                max_tokens,
                request_bytes,
                max_coefficient,
            } => {
                let request = ReservationRequest::single(max_tokens, request_bytes, max_coefficient);
                if let Ok(tokens) = self.policy.reservation.tokens(&request, &MULTIPLIERS)
                    && let Ok(reservation) = self.client.reserve(tokens)
                {
                    self.outstanding.push(reservation);
                }
            }
            Step::Narrow { which, thousandths } => {
                let count = self.outstanding.len();
                if count > 0 {
                    let reservation = &mut self.outstanding[which % count];
                    let tokens = reservation.tokens().max(0).unsigned_abs() * thousandths / 1000;
                    self.client.narrow(reservation, tokens);
                }
            }
            Step::Complete { which, report } => {
                if let Some(reservation) = self.take(which) {
                    let reported = match report {
                        Report::Share(thousandths) => part(&reservation, thousandths).to_reported(),
                        Report::Raw(reported) => reported,
                    };
                    let completion = self.client.complete(reservation, reported).map_err(abort)?;
                    self.book(completion)?;
                }
            }
            Step::Fail { which, thousandths } => {
                if let Some(reservation) = self.take(which) {
                    let delivered = part(&reservation, thousandths);
                    let completion = self.client.fail(reservation, delivered).map_err(abort)?;
                    if delivered.total() > 0 && completion.charge.tokens() == 0 && thousandths <= 1000 {
                        return Err(format!("{delivered:?} delivered for nothing"));
                    }
                    self.book(completion)?;
                }
            }
            Step::Release { which } => {
                if let Some(reservation) = self.take(which) {
                    self.client.release(reservation).map_err(abort)?;
                }
            }
            Step::StartFlush => {
                self.flushing = Some((self.client.ledger().snapshot(), self.worker.ledger().snapshot()));
            }
            Step::EndFlush => {
                if let Some((client, worker)) = self.flushing.take() {
                    self.flushed_seqno += 1;
                    self.client
                        .ledger_mut()
                        .commit_to_db(self.flushed_seqno, client)
                        .map_err(abort)?;
                    self.worker
                        .ledger_mut()
                        .commit_to_db(self.flushed_seqno, worker)
                        .map_err(abort)?;
                }
            }
            Step::CommitToChain { behind } => {
                let seqno = self.flushed_seqno.saturating_sub(behind);
                self.client.ledger_mut().commit_to_chain(seqno);
                self.worker.ledger_mut().commit_to_chain(seqno);
            }
            Step::BeginCharge => {
                if let Some(action) = self.client.begin_action() {
                    self.charging = Some((action.kind, action.tokens));
                    self.signed_charges.push(action.tokens);
                }
            }
            Step::EndCharge { succeeds } => {
                if let Some((kind, tokens)) = self.charging.take() {
                    let effect = succeeds
                        && match kind {
                            PaymentKind::ClientRefund => self.contract.grant_refund(tokens),
                            _ => self.contract.charge(tokens),
                        };
                    if effect {
                        self.contract_changed();
                    }
                    let outcome = if effect {
                        ActionOutcome::Succeeded
                    } else {
                        ActionOutcome::Failed
                    };
                    self.client.finish_action(outcome);
                }
            }
            Step::BeginPayout => {
                if let Some(action) = self.worker.begin_action() {
                    self.paying = Some(action.tokens);
                }
            }
            Step::EndPayout { succeeds } => {
                if let Some(tokens) = self.paying.take() {
                    let outcome = if succeeds {
                        ActionOutcome::Succeeded
                    } else {
                        ActionOutcome::Failed
                    };
                    self.worker.finish_action(outcome);
                    if succeeds {
                        self.worker.apply(tokens).map_err(abort)?;
                    }
                }
            }
            Step::SeeContract => {
                if let Some(state) = self.unseen.pop_front()
                    && let UpdateOutcome::Adopted { .. } = self.client.apply(state).map_err(abort)?
                {
                    return Err("the chain was ahead".to_owned());
                }
            }
            Step::TopUp { nanoton } => {
                if self.contract.0.status != ClientStatus::Closed {
                    self.contract.0.balance_nanoton += u128::from(nanoton);
                    self.contract_changed();
                }
            }
            Step::Withdraw => {
                let state = &mut self.contract.0;
                if state.status == ClientStatus::Normal && state.balance_nanoton > state.stake_nanoton {
                    state.balance_nanoton = state.stake_nanoton;
                    self.contract_changed();
                }
            }
            Step::RaiseStake { nanoton } => {
                if self.contract.0.status != ClientStatus::Closed {
                    self.contract.0.stake_nanoton += u128::from(nanoton);
                    self.contract_changed();
                }
            }
            Step::RequestRefund => {
                let state = &mut self.contract.0;
                match state.status {
                    ClientStatus::Normal => {
                        state.status = ClientStatus::Closing;
                        state.balance_nanoton = state.balance_nanoton.min(state.stake_nanoton);
                    }
                    ClientStatus::Closing => {
                        state.status = ClientStatus::Closed;
                        state.balance_nanoton = 0;
                    }
                    ClientStatus::Closed | ClientStatus::Unknown => return Ok(()),
                }
                self.contract_changed();
            }
            Step::SubmitOldCharge => {
                if let Some(&tokens) = self.signed_charges.first()
                    && self.contract.charge(tokens)
                {
                    self.contract_changed();
                }
            }
        }
        Ok(())
    }

    /// The invariants, and what may not change from one step to the next.
    fn check(&self, before: (i64, i64)) -> Result<(), Broken> {
        let broken = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let outstanding: i64 = self.outstanding.iter().map(Reservation::tokens).sum();
        broken(
            self.client.reserved_tokens() == outstanding,
            "reserved is the sum of the outstanding reservations",
        )?;
        broken(
            self.outstanding.iter().all(|reservation| reservation.tokens() >= 0),
            "no reservation is negative",
        )?;
        let running = usize::try_from(self.client.running_requests());
        broken(
            running == Ok(self.outstanding.len()),
            "running is the number of outstanding reservations",
        )?;
        for ledger in [self.client.ledger(), self.worker.ledger()] {
            let marks = [
                ledger.tokens_max(),
                ledger.committed_to_db(),
                ledger.committed_to_chain(),
                0,
            ];
            broken(
                marks.is_sorted_by(|a, b| a >= b),
                "used ≥ in the database ≥ on the chain ≥ 0",
            )?;
        }
        let (client_before, worker_before) = before;
        broken(
            self.client.tokens_used() >= client_before,
            "the client's count only grows",
        )?;
        broken(
            self.worker.ledger().tokens_max() >= worker_before,
            "the worker's count only grows",
        )?;
        broken(
            self.client.tokens_used() == self.booked_tokens,
            "the client's count is what was charged",
        )?;
        broken(
            self.worker.ledger().tokens_max() == self.booked_tokens,
            "workers are credited what clients are charged",
        )?;
        // A forced refund takes the balance whatever is owed; until the contract is seen closed everything is covered.
        let open = matches!(self.client.chain().status, ClientStatus::Normal | ClientStatus::Closing);
        broken(
            !open || self.client.available_tokens() >= 0,
            "available is not negative",
        )?;
        let signed = self.charging.map_or(0, |(_, tokens)| tokens);
        let durable = self.client.ledger().committed_to_db();
        broken(
            i64::try_from(signed).is_ok_and(|signed| signed <= durable),
            "only durable tokens are charged",
        )
    }
}

/// A part of a reservation, as usage.
fn part(reservation: &Reservation, thousandths: u64) -> AdjustedUsage {
    let tokens = reservation.tokens().max(0).unsigned_abs() * thousandths / 1000;
    AdjustedUsage::new(tokens / 3, 0, tokens - tokens / 3, 0).unwrap_or_default()
}

fn run(policy: LedgerPolicy, steps: &[Step]) -> Result<Machine, Broken> {
    let mut machine = Machine::new(policy);
    for &step in steps {
        let before = (machine.client.tokens_used(), machine.worker.ledger().tokens_max());
        machine.step(step)?;
        machine.check(before)?;
    }
    Ok(machine)
}

/// Everything that any party can do, honest or not.
fn any_step() -> impl Strategy<Value = Step> {
    let which = 0..8_usize;
    let report = prop_oneof![
        4 => (0..=1000_u64).prop_map(Report::Share),
        1 => (1001..=100_000_u64).prop_map(Report::Share),
        1 => any::<[i64; 5]>().prop_map(|[prompt, cached, completion, reasoning, total]| {
            Report::Raw(ReportedUsage { prompt, cached, completion, reasoning, total })
        }),
        1 => (-10_000..10_000_i64).prop_map(|total| Report::Raw(ReportedUsage { total, ..ReportedUsage::default() })),
    ];
    let reserve = prop_oneof![
        4 => (0..200_i32, 0..500_u64, 0..4000_i32),
        1 => (any::<i32>(), 0..500_u64, any::<i32>()),
        1 => (-2000..200_i32, 0..500_u64, -4000..4000_i32),
    ];
    prop_oneof![
        8 => reserve.prop_map(|(max_tokens, request_bytes, max_coefficient)| {
            Step::Reserve { max_tokens, request_bytes, max_coefficient }
        }),
        1 => (which.clone(), 0..=1200_u64).prop_map(|(which, thousandths)| Step::Narrow { which, thousandths }),
        4 => (which.clone(), report).prop_map(|(which, report)| Step::Complete { which, report }),
        2 => (which.clone(), 0..=2000_u64).prop_map(|(which, thousandths)| Step::Fail { which, thousandths }),
        1 => which.prop_map(|which| Step::Release { which }),
        2 => Just(Step::StartFlush),
        2 => Just(Step::EndFlush),
        2 => (0..3_u32).prop_map(|behind| Step::CommitToChain { behind }),
        2 => Just(Step::BeginCharge),
        2 => any::<bool>().prop_map(|succeeds| Step::EndCharge { succeeds }),
        1 => Just(Step::BeginPayout),
        1 => any::<bool>().prop_map(|succeeds| Step::EndPayout { succeeds }),
        4 => Just(Step::SeeContract),
        3 => (0..200_000_u32).prop_map(|nanoton| Step::TopUp { nanoton }),
        1 => Just(Step::Withdraw),
        1 => (0..50_000_u32).prop_map(|nanoton| Step::RaiseStake { nanoton }),
        1 => Just(Step::SubmitOldCharge),
    ]
}

/// Sequences that begin with an open, funded account; some of them close it.
fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let opening = [Step::TopUp { nanoton: 80_000 }, Step::SeeContract, Step::SeeContract];
    let closing = prop::collection::vec(prop_oneof![3 => any_step(), 1 => Just(Step::RequestRefund)], 0..30);
    (prop::collection::vec(any_step(), 0..150), closing)
        .prop_map(move |(middle, closing)| opening.into_iter().chain(middle).chain(closing).collect())
}

fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn sound_accounts_keep_their_invariants() {
    let mut charged = 0;
    let mut settled = 0;
    let mut refunded = 0;
    let result = runner(1500).run(&any_steps(), |steps| {
        run(LedgerPolicy::SOUND, &steps)
            .map(|_| ())
            .map_err(TestCaseError::fail)
    });
    result.unwrap();
    // The sequences reach what they are about: same generator, same seed.
    let mut runner = runner(1500);
    for _ in 0..300 {
        let steps = any_steps().new_tree(&mut runner).unwrap().current();
        let machine = run(LedgerPolicy::SOUND, &steps).unwrap();
        charged += usize::from(machine.client.tokens_used() > 0);
        settled += usize::from(machine.client.chain().tokens_used > 0);
        refunded += usize::from(machine.contract.0.status == ClientStatus::Closed);
    }
    assert!(
        charged > 100 && settled > 20 && refunded > 20,
        "{charged} {settled} {refunded}"
    );
}

/// Negative control: the same machine finds the reference's weak points.
#[test]
fn the_same_machine_breaks_the_reference() {
    let result = runner(1500).run(&any_steps(), |steps| {
        run(LedgerPolicy::REFERENCE, &steps)
            .map(|_| ())
            .map_err(TestCaseError::fail)
    });
    let Err(TestError::Fail(reason, _)) = result else {
        panic!("nothing was found: {result:?}")
    };
    assert!(!reason.message().is_empty());
}

/// Each single rule of the reference breaks the machine on its own, so each is needed.
#[test]
fn each_rule_of_the_reference_breaks_on_its_own() {
    let (sound, reference) = (LedgerPolicy::SOUND, LedgerPolicy::REFERENCE);
    for (name, policy) in [
        (
            "reservation",
            LedgerPolicy {
                reservation: reference.reservation,
                ..sound
            },
        ),
        (
            "completion",
            LedgerPolicy {
                completion: reference.completion,
                ..sound
            },
        ),
        (
            "failure",
            LedgerPolicy {
                failure: reference.failure,
                ..sound
            },
        ),
        (
            "charge",
            LedgerPolicy {
                charge: reference.charge,
                ..sound
            },
        ),
    ] {
        let result = runner(1500).run(&any_steps(), |steps| {
            run(policy, &steps).map(|_| ()).map_err(TestCaseError::fail)
        });
        assert!(
            matches!(result, Err(TestError::Fail(..))),
            "the reference's {name} rule was not found out"
        );
    }
}

/// An open account: 80000 nanoTON buy 11428 tokens.
const OPENING: [Step; 3] = [Step::TopUp { nanoton: 80_000 }, Step::SeeContract, Step::SeeContract];

fn broken_by(policy: LedgerPolicy, attack: &[Step]) -> Option<Broken> {
    run(policy, &[&OPENING, attack].concat()).err()
}

/// T11: a negative `max_tokens` reserves a negative number.
#[test]
fn t11_negative_max_tokens() {
    let attack = [Step::Reserve {
        max_tokens: -1_000_000,
        request_bytes: 100,
        max_coefficient: 1000,
    }];
    let broken = broken_by(LedgerPolicy::REFERENCE, &attack);
    assert_eq!(broken.as_deref(), Some("no reservation is negative"));
    assert_eq!(broken_by(LedgerPolicy::SOUND, &attack), None);

    // What it buys: a request for 900000 tokens on a balance of 11428, charged in full.
    let mut machine = run(LedgerPolicy::REFERENCE, &OPENING).unwrap_or_else(|broken| panic!("{broken}"));
    assert_eq!(machine.client.available_tokens(), 11_428);
    for step in [
        attack[0],
        Step::Reserve {
            max_tokens: 900_000,
            request_bytes: 0,
            max_coefficient: 1000,
        },
        Step::Release { which: 0 },
        Step::Complete {
            which: 0,
            report: Report::Share(1000),
        },
    ] {
        machine.step(step).unwrap();
    }
    assert_eq!(machine.client.available_tokens(), 11_428 - 900_000);
    assert_eq!(machine.check((0, 0)).unwrap_err(), "available is not negative");
}

/// T29: a negative reservation and one overlapping honest request; giving the honest one back aborts.
#[test]
fn t29_negative_coefficient_aborts() {
    let attack = [
        Step::Reserve {
            max_tokens: 100,
            request_bytes: 0,
            max_coefficient: 1000,
        },
        Step::Reserve {
            max_tokens: 1000,
            request_bytes: 0,
            max_coefficient: -4000,
        },
        Step::Complete {
            which: 0,
            report: Report::Share(1000),
        },
    ];
    let mut machine = run(LedgerPolicy::REFERENCE, &OPENING).unwrap_or_else(|broken| panic!("{broken}"));
    machine.step(attack[0]).unwrap();
    machine.step(attack[1]).unwrap();
    let abort = machine.step(attack[2]).unwrap_err();
    assert_eq!(abort, "abort: 100 tokens given back while -3900 are reserved");
    assert_eq!(broken_by(LedgerPolicy::SOUND, &attack), None);
}

/// T15: a negative report takes back what was used before.
#[test]
fn t15_negative_report() {
    let reserve = Step::Reserve {
        max_tokens: 500,
        request_bytes: 0,
        max_coefficient: 1000,
    };
    let negative = ReportedUsage {
        total: -500,
        ..ReportedUsage::default()
    };
    let attack = [
        reserve,
        Step::Complete {
            which: 0,
            report: Report::Share(1000),
        },
        reserve,
        Step::Complete {
            which: 0,
            report: Report::Raw(negative),
        },
    ];
    assert_eq!(
        broken_by(LedgerPolicy::REFERENCE, &attack).as_deref(),
        Some("a charge of -500")
    );
    assert_eq!(broken_by(LedgerPolicy::SOUND, &attack), None);
}
