//! Two accounts, a model of the client contract, what can happen to them, and what must hold.

use std::collections::VecDeque;

use chrysalis_settlement::{
    Address, AdjustedUsage, PaymentKind, ReportedUsage, ReservationRequest, TokenMultipliers,
    ledger::{
        ActionOutcome, ClientAccount, ClientChainState, ClientStatus, Completion, DbSnapshot, LedgerPolicy,
        Reservation, UpdateOutcome, WorkerAccount,
    },
};

pub(crate) const PRICE_NANOTON: u64 = 7;
pub(crate) const MULTIPLIERS: TokenMultipliers = TokenMultipliers {
    prompt: 10_000,
    cached: 2000,
    completion: 80_000,
    reasoning: 80_000,
};

/// What a worker reports of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Report {
    /// A share of the reservation, in thousandths: honest up to 1000.
    Share(u64),
    /// Anything.
    Raw(ReportedUsage),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
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
pub(crate) struct Contract(pub(crate) ClientChainState);

impl Contract {
    pub(crate) fn charge(&mut self, tokens: u64) -> bool {
        let state = &mut self.0;
        if state.status == ClientStatus::Closed || tokens <= state.tokens_used {
            return false;
        }
        let cost_nanoton = u128::from(tokens - state.tokens_used) * u128::from(PRICE_NANOTON);
        state.tokens_used = tokens;
        state.balance_nanoton = state.balance_nanoton.saturating_sub(cost_nanoton);
        true
    }

    pub(crate) fn grant_refund(&mut self, tokens: u64) -> bool {
        if self.0.status == ClientStatus::Closed || tokens < self.0.tokens_used {
            return false;
        }
        self.charge(tokens);
        self.0.status = ClientStatus::Closed;
        self.0.balance_nanoton = 0;
        true
    }
}

pub(crate) struct Machine {
    pub(crate) client: ClientAccount,
    worker: WorkerAccount,
    policy: LedgerPolicy,
    pub(crate) contract: Contract,
    unseen: VecDeque<ClientChainState>,
    pub(crate) outstanding: Vec<Reservation>,
    flushing: Option<(DbSnapshot, DbSnapshot)>,
    flushed_seqno: u32,
    charging: Option<(PaymentKind, u64)>,
    paying: Option<u64>,
    signed_charges: Vec<u64>,
    booked_tokens: i64,
}

pub(crate) type Broken = String;

impl Machine {
    pub(crate) fn new(policy: LedgerPolicy) -> Self {
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

    pub(crate) fn step(&mut self, step: Step) -> Result<(), Broken> {
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
    pub(crate) fn check(&self, before: (i64, i64)) -> Result<(), Broken> {
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
pub(crate) fn part(reservation: &Reservation, thousandths: u64) -> AdjustedUsage {
    let tokens = reservation.tokens().max(0).unsigned_abs() * thousandths / 1000;
    AdjustedUsage::new(tokens / 3, 0, tokens - tokens / 3, 0).unwrap_or_default()
}

pub(crate) fn run(policy: LedgerPolicy, steps: &[Step]) -> Result<Machine, Broken> {
    let mut machine = Machine::new(policy);
    for &step in steps {
        let before = (machine.client.tokens_used(), machine.worker.ledger().tokens_max());
        machine.step(step)?;
        machine.check(before)?;
    }
    Ok(machine)
}
