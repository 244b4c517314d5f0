//! Carries out a plan, block by block.

mod prepare;
#[cfg(test)]
mod tests;

use chrysalis_chain::{
    Chain,
    chain::{BlockEvent, MessageLedger},
    wallet::Transfer,
};
use chrysalis_settlement::onchain::message::SignedCount;

use crate::{
    cast::{CLIENT_DELAY_S, Person, Scene, order},
    finding::{Finding, Kind},
    step::{Action, CLIENTS, Delivery, Plan, Step, WORKERS, Who},
    view::View,
    watch::{Exercised, Watch},
};

/// Slots after which every message must have arrived once nobody sends any more.
const SETTLE_SLOTS: u32 = 2_000;
/// Times that a client asks for its refund before it gives up.
const LEAVE_TRIES: u32 = 4;

/// What came of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The first finding of each kind.
    pub findings: Vec<Finding>,
    /// Steps that were taken.
    pub steps: usize,
    /// Transactions that were looked at.
    pub transactions: u64,
    /// What was done how often.
    pub exercised: Exercised,
}

/// Somebody's message, ready to be handed to the chain.
enum Prepared {
    Nothing,
    FromPerson { person: Person, transfer: Transfer },
    External(Vec<u8>),
    Wait(u32),
}

/// What the proxy has signed for an account.
#[derive(Debug, Clone, Default)]
struct Signed {
    tokens: u64,
    last: Option<SignedCount>,
    last_refund: Option<SignedCount>,
}

struct Machine<'a> {
    scene: &'a Scene,
    chain: &'a mut Chain,
    watch: Watch,
    ledger: MessageLedger,
    clients: Vec<Signed>,
    workers: Vec<Signed>,
    last_order: Option<Vec<u8>>,
    held: Option<Vec<Vec<u8>>>,
    late: Vec<(u32, Vec<Vec<u8>>)>,
    slot: u32,
    number: u64,
    query: u64,
    transactions: u64,
}

/// Runs a plan from the beginning of the scene. The same plan gives the same outcome.
pub fn run(scene: &mut Scene, plan: &Plan) -> Outcome {
    let mut stages = std::mem::take(&mut scene.stages);
    let depth = usize::from(plan.shard_depth) % stages.len().max(1);
    let outcome = match stages.get_mut(depth) {
        Some((chain, start)) => {
            chain.revert(start);
            Machine::new(scene, chain).live(&plan.steps)
        }
        None => failed(Kind::Unreadable, "the scene is in use".to_owned()),
    };
    scene.stages = stages;
    outcome
}

fn failed(kind: Kind, detail: String) -> Outcome {
    let finding = Finding {
        kind,
        after_steps: 0,
        detail,
    };
    Outcome {
        findings: vec![finding],
        steps: 0,
        transactions: 0,
        exercised: Exercised::new(),
    }
}

impl<'a> Machine<'a> {
    fn new(scene: &'a Scene, chain: &'a mut Chain) -> Self {
        let (view, broken) = match View::load(scene, chain) {
            Ok(view) => (view, None),
            Err(why) => {
                let (clients, workers) = (vec![None; CLIENTS], vec![None; WORKERS]);
                let empty = View {
                    proxy: None,
                    clients,
                    workers,
                    wallet: None,
                };
                (empty, Some(why))
            }
        };
        let mut watch = Watch::new(view);
        if let Some(why) = broken {
            watch.find(Kind::Unreadable, why);
        }
        Self {
            scene,
            chain,
            watch,
            ledger: MessageLedger::default(),
            clients: vec![Signed::default(); CLIENTS],
            workers: vec![Signed::default(); WORKERS],
            last_order: None,
            held: None,
            late: Vec::new(),
            slot: 0,
            number: 0,
            query: 0,
            transactions: 0,
        }
    }

    fn live(mut self, steps: &[Step]) -> Outcome {
        for step in steps {
            self.watch.steps += 1;
            self.step(step);
        }
        self.settle(SETTLE_SLOTS);
        if self.scene.contracts.is_hardened {
            self.leave();
        }
        if let Err(violation) = self.chain.audit() {
            self.watch.find(Kind::Conservation, violation.to_string());
        }
        if let Err(violation) = self.ledger.settle(self.chain) {
            self.watch.find(Kind::Messages, violation.to_string());
        }
        Outcome {
            findings: self.watch.findings,
            steps: self.watch.steps,
            transactions: self.transactions,
            exercised: self.watch.exercised,
        }
    }

    fn step(&mut self, step: &Step) {
        let copies = if step.delivery == Delivery::Twice { 2 } else { 1 };
        let (messages, wait) = match self.prepare(&step.action) {
            Prepared::Nothing => (Vec::new(), 0),
            Prepared::Wait(slots) => (Vec::new(), slots),
            Prepared::External(boc) => (vec![boc; copies], 0),
            Prepared::FromPerson { person, transfer } => {
                let orders = (0..copies).filter_map(|_| {
                    self.number += 1;
                    order(self.scene.person(person), &transfer, self.number).ok()
                });
                (orders.collect(), 0)
            }
        };
        let before = self.held.take();
        match step.delivery {
            Delivery::Once | Delivery::Twice => self.submit(&messages),
            Delivery::Lost => {}
            Delivery::AfterNext => self.held = Some(messages),
            Delivery::Late { slots } => self.late.push((self.slot + u32::from(slots), messages)),
        }
        if let Some(before) = before {
            self.submit(&before);
        }
        for _ in 0..u32::from(step.slots) + wait {
            self.slot();
        }
    }

    fn submit(&mut self, messages: &[Vec<u8>]) {
        for message in messages {
            // Refused orders of the wallet are part of the game, and people's accounts take everything.
            let _ = self.chain.submit(message);
        }
    }

    fn slot(&mut self) {
        self.slot += 1;
        let slot = self.slot;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= slot);
        self.late = later;
        for (_, messages) in due {
            self.submit(&messages);
        }
        let events = match self.chain.advance(self.chain.next_block_at_ns()) {
            Ok(events) => events,
            Err(error) => return self.watch.find(Kind::Messages, error.to_string()),
        };
        let mut has_transactions = false;
        for event in &events {
            match event {
                BlockEvent::Block(block) => {
                    if let Err(violation) = self.ledger.follow(block) {
                        self.watch.find(Kind::Messages, violation.to_string());
                    }
                    for record in &block.transactions {
                        has_transactions = true;
                        self.transactions += 1;
                        self.watch.transaction(self.scene, self.chain, record);
                    }
                }
                BlockEvent::Stranded { reason, .. } => self.watch.find(Kind::Messages, reason.clone()),
                _ => {}
            }
        }
        if has_transactions {
            // The sum from the running balances after every block; from the cells at the end.
            let (found, issued) = (self.chain.total_nanoton(), self.chain.coins().issued_nanoton);
            if found != issued {
                self.watch.find(Kind::Conservation, format!("{found} of {issued}"));
            }
            self.watch.slot(self.scene, self.chain);
        }
    }

    /// Lets everything arrive that is on its way.
    fn settle(&mut self, slots_max: u32) {
        if let Some(held) = self.held.take() {
            self.submit(&held);
        }
        for _ in 0..slots_max {
            let is_quiet =
                self.late.is_empty() && self.chain.waiting_externals() == 0 && self.chain.in_flight().next().is_none();
            if is_quiet {
                if self.watch.book.open().next().is_some() {
                    self.watch.find(Kind::LostClaim, "claims that nothing is left of");
                }
                return;
            }
            self.slot();
        }
        self.watch.find(Kind::NeverSettles, format!("after {slots_max} slots"));
    }

    /// Every client asks for its refund as often as it takes: it must get what it has not used.
    fn leave(&mut self) {
        let slot_s = self.chain.genesis().block_interval_ns / 1_000_000_000;
        let delay_slots = u64::from(CLIENT_DELAY_S) / slot_s.max(1) + 2;
        for _ in 0..LEAVE_TRIES {
            let mut is_done = true;
            for client in 0..CLIENTS {
                let has_balance = self.watch.view.clients[client]
                    .as_ref()
                    .is_some_and(|storage| storage.balance_nanoton > 0);
                if has_balance {
                    is_done = false;
                    let action = Action::RequestRefund {
                        client: client as u8,
                        by: Who::Owner,
                    };
                    self.step(&Step {
                        action,
                        delivery: Delivery::Once,
                        slots: 0,
                    });
                }
            }
            if is_done {
                break;
            }
            self.settle(SETTLE_SLOTS);
            for _ in 0..delay_slots {
                self.slot();
            }
        }
        for client in 0..CLIENTS {
            let book = self.watch.book.clients[client];
            if self.watch.view.clients[client].is_some() && book.returned + book.charged != book.deposited {
                self.watch
                    .find(Kind::DepositStuck, format!("client {client}: {book:?}"));
            }
        }
    }
}
