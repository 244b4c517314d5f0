//! Carries out a plan, block by block.

use chrysalis_chain::{
    Chain, StdAddr,
    chain::{BlockEvent, MessageLedger},
    wallet::Transfer,
};
use chrysalis_settlement::{
    Address, PaymentKind,
    onchain::{
        Coins,
        message::{
            ClientMessage, CloseKind, ProxyMessage, SignedClose, SignedCount, WalletExternal, WorkerMessage,
            proxy::{ClientPayload, ClientState, WorkerPayout},
            wallet::Order,
        },
        storage::ContractState,
    },
};
use tycho_types::{boc::Boc, cell::Cell, models::StateInit};

use crate::{
    cast::{CLIENT_DELAY_S, Person, Placed, Scene, from_std, order},
    finding::{Finding, Kind},
    step::{Action, CLIENTS, Delivery, Plan, Step, WORKERS, Who},
    view::View,
    watch::{Exercised, Watch},
};

/// Value that any message of the network is sent with, beside amounts (§5.4).
const CALL_NANOTON: u128 = 700_000_000;
/// Value that no message works with.
const POOR_NANOTON: u128 = 50_000_000;
/// One coin in nano.
const COIN: u128 = 1_000_000_000;
/// Slots after which every message must have arrived once nobody sends any more.
const SETTLE_SLOTS: u32 = 2_000;
/// Times that a client asks for its refund before it gives up.
const LEAVE_TRIES: u32 = 4;
/// Send mode: fees apart from the value.
const MODE_FEES_APART: u8 = 1;
/// Send mode that no chain takes.
const MODE_REFUSED: u8 = 64 + 128;

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

    fn query(&mut self) -> u64 {
        self.query += 1;
        self.query
    }

    fn excesses(&self, person: Person) -> Address {
        from_std(self.scene.person(person))
    }

    fn call(&self, person: Person, to: &StdAddr, value_nanoton: u128, body: Cell) -> Prepared {
        let transfer = Transfer {
            bounce: true,
            body: Some(body),
            mode: MODE_FEES_APART,
            ..Transfer::new(to.clone(), value_nanoton)
        };
        Prepared::FromPerson { person, transfer }
    }

    fn deploy(&self, which: u8) -> Prepared {
        let placed: &Placed = if which.is_multiple_of(2) {
            &self.scene.clients[CLIENTS - 1]
        } else {
            &self.scene.workers[WORKERS - 1]
        };
        let state: Option<StateInit> = Some(placed.state.clone());
        let transfer = Transfer {
            state,
            mode: MODE_FEES_APART,
            ..Transfer::new(placed.at.clone(), COIN)
        };
        Prepared::FromPerson {
            person: Person::Operator,
            transfer,
        }
    }

    fn prepare(&mut self, action: &Action) -> Prepared {
        match *action {
            Action::Deploy(which) => self.deploy(which),
            Action::Wait { slots } => Prepared::Wait(slots.into()),
            Action::TopUp { client, nanoton, by } => {
                let (index, person) = self.client(client, by);
                let message = ClientMessage::TopUp {
                    query_id: self.query(),
                    amount: Coins::from(nanoton),
                    excesses: self.excesses(person),
                };
                self.to_client(index, person, CALL_NANOTON + u128::from(nanoton), &message)
            }
            Action::Charge { client, tokens, by } => self.count(client, tokens, by, PaymentKind::ClientCharge),
            Action::GrantRefund { client, tokens, by } => self.count(client, tokens, by, PaymentKind::ClientRefund),
            Action::ChargeAgain { client, by } => self.again(client, by, PaymentKind::ClientCharge),
            Action::GrantAgain { client, by } => self.again(client, by, PaymentKind::ClientRefund),
            Action::Payout {
                worker,
                tokens,
                last,
                by,
            } => {
                let kind = if last {
                    PaymentKind::WorkerLastPayout
                } else {
                    PaymentKind::WorkerPayout
                };
                self.count(worker, tokens, by, kind)
            }
            Action::PayoutAgain { worker, by } => self.again(worker, by, PaymentKind::WorkerPayout),
            Action::Withdraw { client, by } => self.plain(client, by, |query_id, excesses| ClientMessage::Withdraw {
                query_id,
                excesses,
            }),
            Action::RequestRefund { client, by } => self.plain(client, by, |query_id, excesses| {
                ClientMessage::RequestRefund { query_id, excesses }
            }),
            Action::ChangeSecret { client, by } => {
                self.plain(client, by, |query_id, excesses| ClientMessage::ChangeSecret {
                    query_id,
                    secret_hash: [7; 32],
                    excesses,
                })
            }
            Action::Register { client } => {
                self.plain(client, Who::Owner, |query_id, excesses| ClientMessage::Register {
                    query_id,
                    nonce: query_id,
                    excesses,
                })
            }
            Action::IncreaseStake { client, nanoton } => {
                self.plain(client, Who::Owner, |query_id, excesses| ClientMessage::IncreaseStake {
                    query_id,
                    stake: Coins::from(nanoton),
                    excesses,
                })
            }
            Action::RegisterWorker { worker } => {
                let (index, person) = self.worker(worker, Who::Owner);
                let message = WorkerMessage::Register {
                    query_id: self.query(),
                    excesses: self.excesses(person),
                };
                self.call(person, &self.scene.workers[index].at, CALL_NANOTON, message.to_cell())
            }
            Action::ProxyPayout
            | Action::ProxyTextWithdraw { .. }
            | Action::ProxyStake { .. }
            | Action::ProxyOwnerClose { .. }
            | Action::ProxyClose { .. } => self.of_proxy(action),
            Action::ForgedRefund { client } => self.forged_refund(client),
            Action::ForgedPayout { worker } => self.forged_payout(worker),
            Action::ForgedSignature { account } => self.forged_signature(account),
            Action::Poor { account } => self.poor(account),
            Action::WalletOrder { too_much, bad_mode } => self.wallet_order(too_much, bad_mode),
            Action::WalletAgain => self.last_order.clone().map_or(Prepared::Nothing, Prepared::External),
        }
    }

    fn client(&self, client: u8, by: Who) -> (usize, Person) {
        let index = usize::from(client) % CLIENTS;
        (index, self.scene.who(by, Person::ClientOwner(index)))
    }

    fn worker(&self, worker: u8, by: Who) -> (usize, Person) {
        let index = usize::from(worker) % WORKERS;
        (index, self.scene.who(by, Person::WorkerOwner(index)))
    }

    fn to_client(&self, index: usize, person: Person, value_nanoton: u128, message: &ClientMessage) -> Prepared {
        self.call(person, &self.scene.clients[index].at, value_nanoton, message.to_cell())
    }

    fn plain(&mut self, client: u8, by: Who, message: impl FnOnce(u64, Address) -> ClientMessage) -> Prepared {
        let (index, person) = self.client(client, by);
        let message = message(self.query(), self.excesses(person));
        self.to_client(index, person, CALL_NANOTON, &message)
    }

    /// Account of a signed count: its index, who submits, its place.
    fn account(&self, number: u8, by: Who, kind: PaymentKind) -> (usize, Person, &'a Placed) {
        match kind {
            PaymentKind::ClientCharge | PaymentKind::ClientRefund => {
                let (index, person) = self.client(number, by);
                (index, person, &self.scene.clients[index])
            }
            PaymentKind::WorkerPayout | PaymentKind::WorkerLastPayout => {
                let (index, person) = self.worker(number, by);
                (index, person, &self.scene.workers[index])
            }
        }
    }

    fn signed(&mut self, index: usize, kind: PaymentKind) -> &mut Signed {
        match kind {
            PaymentKind::ClientCharge | PaymentKind::ClientRefund => &mut self.clients[index],
            PaymentKind::WorkerPayout | PaymentKind::WorkerLastPayout => &mut self.workers[index],
        }
    }

    fn count(&mut self, number: u8, tokens: u64, by: Who, kind: PaymentKind) -> Prepared {
        let (index, person, placed) = self.account(number, by, kind);
        let (query_id, excesses) = (self.query(), self.excesses(person));
        let key = &self.scene.proxy_key;
        let signed = self.signed(index, kind);
        signed.tokens = signed.tokens.saturating_add(tokens);
        let count = SignedCount::sign(key, kind, query_id, signed.tokens, placed.address, excesses);
        match kind {
            PaymentKind::ClientRefund => signed.last_refund = Some(count.clone()),
            _ => signed.last = Some(count.clone()),
        }
        self.call(person, &placed.at, CALL_NANOTON, count.to_cell())
    }

    /// The last signature once more, by whoever, with an address for excesses of its own.
    fn again(&mut self, number: u8, by: Who, kind: PaymentKind) -> Prepared {
        let (index, person, placed) = self.account(number, by, kind);
        let excesses = self.excesses(person);
        let signed = self.signed(index, kind);
        let last = match kind {
            PaymentKind::ClientRefund => &signed.last_refund,
            _ => &signed.last,
        };
        let Some(mut count) = last.clone() else {
            return Prepared::Nothing;
        };
        count.excesses = excesses;
        self.call(person, &placed.at, CALL_NANOTON, count.to_cell())
    }

    fn of_proxy(&mut self, action: &Action) -> Prepared {
        let query_id = self.query();
        let (person, more_nanoton, message) = match *action {
            Action::ProxyTextWithdraw { by } => (self.scene.who(by, Person::Operator), 0, ProxyMessage::TextWithdraw),
            Action::ProxyStake { nanoton } => {
                let message = ProxyMessage::IncreaseStake {
                    query_id,
                    amount: Coins::from(nanoton),
                    excesses: self.excesses(Person::Operator),
                };
                (Person::Operator, u128::from(nanoton), message)
            }
            Action::ProxyOwnerClose { by } => {
                let person = self.scene.who(by, Person::Operator);
                let excesses = self.excesses(person);
                (person, 0, ProxyMessage::OwnerClose { query_id, excesses })
            }
            Action::ProxyClose { complete, by } => {
                let person = self.scene.who(by, Person::Operator);
                let kind = if complete {
                    CloseKind::Complete
                } else {
                    CloseKind::Request
                };
                let (mine, excesses) = (self.scene.proxy.address, self.excesses(person));
                let close = SignedClose::sign(&self.scene.proxy_key, kind, query_id, mine, excesses);
                (person, 0, ProxyMessage::Signed(close))
            }
            _ => {
                let excesses = self.excesses(Person::Submitter);
                (Person::Submitter, 0, ProxyMessage::Payout { query_id, excesses })
            }
        };
        self.call(
            person,
            &self.scene.proxy.at,
            CALL_NANOTON + more_nanoton,
            message.to_cell(),
        )
    }

    fn forged_refund(&mut self, client: u8) -> Prepared {
        let (index, person) = self.client(client, Who::Stranger);
        let message = ProxyMessage::Client {
            query_id: self.query(),
            owner: self.excesses(Person::ClientOwner(index)),
            state: ClientState {
                state: ContractState::Normal,
                balance: Coins::from(1),
                stake: Coins::from(1),
                tokens_used: 0,
                secret_hash: [0; 32],
            },
            payload: Some(ClientPayload::RefundGranted {
                amount: Coins::from(1_000_000_000),
                excesses: self.excesses(person),
            }),
        };
        self.call(person, &self.scene.proxy.at, CALL_NANOTON, message.to_cell())
    }

    fn forged_payout(&mut self, worker: u8) -> Prepared {
        let (index, person) = self.worker(worker, Who::Stranger);
        let message = ProxyMessage::Worker {
            query_id: self.query(),
            owner: self.excesses(Person::WorkerOwner(index)),
            state: ContractState::Normal,
            tokens: 1,
            payload: Some(WorkerPayout {
                to_pay: Coins::from(1_000_000_000),
                to_save: Coins::from(0),
                excesses: self.excesses(person),
            }),
        };
        self.call(person, &self.scene.proxy.at, CALL_NANOTON, message.to_cell())
    }

    fn forged_signature(&mut self, account: u8) -> Prepared {
        let number = usize::from(account) % (CLIENTS + WORKERS);
        let (index, kind) = match number.checked_sub(CLIENTS) {
            None => (number, PaymentKind::ClientCharge),
            Some(worker) => (worker, PaymentKind::WorkerPayout),
        };
        let (_, person, placed) = self.account(index as u8, Who::Stranger, kind);
        let (query_id, excesses) = (self.query(), self.excesses(person));
        let key = &self.scene.other_key;
        let count = SignedCount::sign(key, kind, query_id, 1_000_000, placed.address, excesses);
        self.call(person, &placed.at, CALL_NANOTON, count.to_cell())
    }

    fn poor(&mut self, account: u8) -> Prepared {
        let (query_id, number) = (self.query(), usize::from(account));
        let stranger = self.excesses(Person::Stranger);
        if let Some(client) = self.scene.clients.get(number) {
            let message = ClientMessage::TopUp {
                query_id,
                amount: Coins::from(0),
                excesses: stranger,
            };
            return self.call(Person::Stranger, &client.at, POOR_NANOTON, message.to_cell());
        }
        if let Some(worker) = self.scene.workers.get(number - CLIENTS) {
            let owner = Person::WorkerOwner(number - CLIENTS);
            let message = WorkerMessage::Register {
                query_id,
                excesses: self.excesses(owner),
            };
            return self.call(owner, &worker.at, POOR_NANOTON, message.to_cell());
        }
        let message = ProxyMessage::Payout {
            query_id,
            excesses: stranger,
        };
        self.call(Person::Stranger, &self.scene.proxy.at, POOR_NANOTON, message.to_cell())
    }

    fn wallet_order(&mut self, too_much: bool, bad_mode: bool) -> Prepared {
        let seqno = self.watch.view.wallet.as_ref().map_or(0, |wallet| wallet.seqno);
        let coins = if too_much { 1_000 } else { 1 };
        let transfer = Transfer::new(self.scene.person(Person::Stranger).clone(), coins * COIN);
        let Ok(message) = transfer.message() else {
            return Prepared::Nothing;
        };
        let mode = if bad_mode { MODE_REFUSED } else { MODE_FEES_APART };
        let until = self.chain.now_unix_s().saturating_add(3_600);
        let orders = vec![Order { mode, message }];
        let Some(external) = WalletExternal::sign(&self.scene.wallet_key, 0, until, seqno, orders) else {
            return Prepared::Nothing;
        };
        let boc = Boc::encode(external.to_message(&self.scene.wallet.address, None));
        self.last_order = Some(boc.clone());
        Prepared::External(boc)
    }
}

/// Negative controls: each rule that no weak contract breaks is told a lie, and must say so.
#[cfg(test)]
mod tests {
    use chrysalis_settlement::onchain::CodeProfile;

    use super::*;
    use crate::{cast::Contracts, watch::Tamper};

    fn once(action: Action) -> Step {
        Step {
            action,
            delivery: Delivery::Once,
            slots: 20,
        }
    }

    fn top_up(by: Who) -> Step {
        once(Action::TopUp {
            client: 0,
            nanoton: 10_000_000_000,
            by,
        })
    }

    fn charge(tokens: u64) -> Step {
        once(Action::Charge {
            client: 0,
            tokens,
            by: Who::Owner,
        })
    }

    fn refund(by: Who) -> Step {
        once(Action::RequestRefund { client: 0, by })
    }

    fn payout(tokens: u64) -> Step {
        once(Action::Payout {
            worker: 0,
            tokens,
            last: false,
            by: Who::Owner,
        })
    }

    fn found(tamper: Option<Tamper>, steps: &[Step]) -> Vec<Kind> {
        let mut scene = Scene::new(Contracts::builtin(CodeProfile::Hardened)).unwrap();
        let mut stages = std::mem::take(&mut scene.stages);
        let (chain, _) = stages.first_mut().unwrap();
        let mut machine = Machine::new(&scene, chain);
        machine.watch.tamper = tamper;
        let outcome = machine.live(steps);
        outcome.findings.iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn honest_lives_find_nothing() {
        let steps = [
            top_up(Who::Owner),
            charge(100_000_000),
            payout(50_000_000),
            payout(500_000_000),
            refund(Who::Owner),
            refund(Who::Stranger),
            refund(Who::Owner),
        ];
        assert_eq!(found(None, &steps), []);
    }

    #[test]
    fn a_counter_that_goes_back_is_seen() {
        let tamper: Tamper = |view, _| view.clients[0].as_mut().unwrap().tokens_used += 1;
        assert!(found(Some(tamper), &[top_up(Who::Owner)]).contains(&Kind::NotMonotonic));
        let tamper: Tamper = |view, _| view.wallet.as_mut().unwrap().seqno += 7;
        let order = once(Action::WalletOrder {
            too_much: false,
            bad_mode: false,
        });
        assert!(found(Some(tamper), &[order]).contains(&Kind::NotMonotonic));
    }

    #[test]
    fn a_failure_that_changes_data_is_seen() {
        let tamper: Tamper = |view, record| {
            if record.phases.aborted {
                view.clients[0].as_mut().unwrap().secret_hash = [1; 32];
            }
        };
        assert!(found(Some(tamper), &[refund(Who::Stranger)]).contains(&Kind::AbortedChanged));
    }

    #[test]
    fn what_comes_too_early_is_seen() {
        let tamper: Tamper = |view, _| {
            let client = view.clients[0].as_mut().unwrap();
            if client.unlock_ts > 0 {
                client.unlock_ts = u32::MAX;
            }
        };
        let steps = [top_up(Who::Owner), refund(Who::Owner), refund(Who::Owner)];
        assert!(found(Some(tamper), &steps).contains(&Kind::Unlock));
    }

    #[test]
    fn an_effect_of_another_size_is_seen() {
        let tamper: Tamper = |view, _| view.clients[0].as_mut().unwrap().balance_nanoton += 1;
        assert!(found(Some(tamper), &[top_up(Who::Owner)]).contains(&Kind::WrongEffect));
        let tamper: Tamper = |view, _| view.proxy.as_mut().unwrap().balance_nanoton += 1;
        assert!(found(Some(tamper), &[once(Action::ProxyPayout)]).contains(&Kind::WrongEffect));
    }

    #[test]
    fn a_bounce_that_restores_something_else_is_seen() {
        // The worker's claim is refused, because nobody was charged, and comes back.
        let tamper: Tamper = |view, record| {
            if record.in_message.as_ref().is_some_and(|message| message.is_bounced()) {
                view.workers[0].as_mut().unwrap().tokens += 1;
            }
        };
        assert!(found(Some(tamper), &[payout(1_000)]).contains(&Kind::LostClaim));
    }

    #[test]
    fn books_that_do_not_add_up_are_seen() {
        let mut scene = Scene::new(Contracts::builtin(CodeProfile::Hardened)).unwrap();
        let mut stages = std::mem::take(&mut scene.stages);
        let (chain, start) = stages.first_mut().unwrap();
        let mut machine = Machine::new(&scene, chain);
        machine.step(&top_up(Who::Owner));
        machine.watch.book.clients[0].deposited += 1;
        machine.watch.book.paid[0] += 1;
        machine.step(&charge(1));
        let kinds: Vec<Kind> = machine.watch.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [Kind::ClientBooks, Kind::WorkerBooks]);
        // And the pool must hold every nano of it.
        chain.revert(start);
        let mut machine = Machine::new(&scene, chain);
        machine.step(&top_up(Who::Owner));
        machine.watch.view.proxy.as_mut().unwrap().stake_nanoton = 2_000_000_000;
        machine.watch.slot(&scene, machine.chain);
        let kinds: Vec<Kind> = machine.watch.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [Kind::PoolDoesNotCover]);
    }

    #[test]
    fn who_may_not_is_seen() {
        // The owner's account is taken for a stranger's.
        let mut scene = Scene::new(Contracts::builtin(CodeProfile::Hardened)).unwrap();
        scene.rename(Person::ClientOwner(0), Person::Stranger);
        let mut stages = std::mem::take(&mut scene.stages);
        let (chain, _) = stages.first_mut().unwrap();
        let outcome = Machine::new(&scene, chain).live(&[top_up(Who::Owner), refund(Who::Owner)]);
        assert!(
            outcome
                .findings
                .iter()
                .any(|finding| finding.kind == Kind::Unauthorised)
        );
    }

    #[test]
    fn what_never_ends_and_what_cannot_be_read_is_seen() {
        let mut scene = Scene::new(Contracts::builtin(CodeProfile::Hardened)).unwrap();
        let mut stages = std::mem::take(&mut scene.stages);
        let (chain, start) = stages.first_mut().unwrap();
        let mut machine = Machine::new(&scene, chain);
        machine.step(&Step {
            slots: 0,
            ..top_up(Who::Owner)
        });
        machine.settle(1);
        assert_eq!(machine.watch.findings[0].kind, Kind::NeverSettles);
        chain.revert(start);
        scene.clients[0].at = scene.person(Person::Stranger).clone();
        let outcome = Machine::new(&scene, chain).live(&[]);
        assert_eq!(outcome.findings[0].kind, Kind::Unreadable);
    }
}
