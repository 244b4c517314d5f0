//! One transaction against the rules.
//!
//! A block has at most one transaction of an account, so what a contract has stored before and after it is known.
//!
//! | module | holds |
//! |---|---|
//! | `client`, `worker`, `proxy` | what each contract may do |

mod client;
mod proxy;
mod worker;

use std::collections::{BTreeMap, BTreeSet};

use chrysalis_chain::{
    Chain, TxRecord,
    chain::{Message, MessageKind},
};
use chrysalis_settlement::onchain::{
    message::{ProxyMessage, proxy::ClientPayload},
    opcodes,
};
use tycho_types::cell::Cell;

use crate::{
    book::{Book, Claim},
    cast::{Person, Role, Scene, body_cell},
    finding::{Finding, Kind},
    step::{CLIENTS, WORKERS},
    view::View,
};

/// What was done how often: contract, operation, and whether it succeeded, bounced back or failed.
pub type Exercised = BTreeMap<(&'static str, &'static str, &'static str), u64>;

/// Follows one plan.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) view: View,
    pub(crate) book: Book,
    /// The first of each kind.
    pub(crate) findings: Vec<Finding>,
    pub(crate) steps: usize,
    pub(crate) exercised: Exercised,
    seen: BTreeSet<Kind>,
    /// A proxy closed in this slot and its owner was paid more than its share.
    swept: Option<String>,
    /// Changes what the rules are told, so that tests see them fire.
    #[cfg(test)]
    pub(crate) tamper: Option<Tamper>,
}

/// See [`Watch::tamper`].
#[cfg(test)]
pub(crate) type Tamper = fn(&mut View, &TxRecord);

/// A transaction as the rules look at it.
struct Seen<'a> {
    record: &'a TxRecord,
    from: Option<Role>,
    value_nanoton: u128,
    now_unix_s: u32,
    is_success: bool,
    is_bounced: bool,
    body: Cell,
}

impl Watch {
    pub(crate) fn new(view: View) -> Self {
        Self {
            view,
            book: Book::new(CLIENTS, WORKERS),
            findings: Vec::new(),
            steps: 0,
            exercised: Exercised::new(),
            seen: BTreeSet::new(),
            swept: None,
            #[cfg(test)]
            tamper: None,
        }
    }

    pub(crate) fn find(&mut self, kind: Kind, detail: impl Into<String>) {
        if self.seen.insert(kind) {
            self.findings.push(Finding {
                kind,
                after_steps: self.steps,
                detail: detail.into(),
            });
        }
    }

    /// Looks at a transaction. `chain` is as it is after its block.
    pub(crate) fn transaction(&mut self, scene: &Scene, chain: &Chain, record: &TxRecord) {
        let Some(role) = scene.role(&record.address) else {
            return;
        };
        self.errands(scene, role, record);
        if matches!(role, Role::Person(_)) {
            return;
        }
        #[cfg(test)]
        if let Some(tamper) = self.tamper {
            tamper(&mut self.view, record);
        }
        let before = self.view.clone();
        if let Err(why) = self.view.reload(scene, chain, role) {
            return self.find(Kind::Unreadable, why);
        }
        let Some(message) = record.in_message.as_deref() else {
            return;
        };
        let body = match body_cell(message) {
            Ok(body) => body,
            Err(error) => return self.find(Kind::Unreadable, error.to_string()),
        };
        let seen = Seen {
            record,
            from: message.from().and_then(|from| scene.role(from)),
            value_nanoton: message.value_nanoton(),
            now_unix_s: record.now_unix_s,
            is_success: !record.phases.aborted,
            is_bounced: message.is_bounced(),
            body,
        };
        *self.exercised.entry(exercise(role, message, &seen)).or_default() += 1;
        let is_whole = match role {
            Role::Proxy => self.proxy(scene, &before, &seen),
            Role::Client(index) => self.client(scene, &before, &seen, index),
            Role::Worker(index) => self.worker(scene, &before, &seen, index),
            Role::Wallet => self.wallet(&before, &seen),
            Role::Person(_) => Some(()),
        };
        if is_whole.is_none() {
            self.find(Kind::WrongEffect, format!("{role:?} is not there any more"));
        }
        if !seen.is_success && self.view != before {
            self.find(Kind::AbortedChanged, format!("{role:?}"));
        }
    }

    /// What must hold after every slot.
    pub(crate) fn slot(&mut self, scene: &Scene, chain: &Chain) {
        let Some(proxy) = &self.view.proxy else {
            return;
        };
        let pool = chain.balance_nanoton(&scene.proxy.at) + self.book.incoming_nanoton();
        let clients = self.view.clients.iter().flatten();
        let balances: u128 = clients.map(|client| u128::from(client.balance_nanoton)).sum();
        let paid: u128 = self.book.paid.iter().sum();
        // Only the hardened contract counts what workers may still ask for; for the other the books do.
        let earned = if scene.contracts.is_hardened {
            u128::from(proxy.earned_nanoton)
        } else {
            self.book.charged.saturating_sub(paid)
        };
        let of_clients = balances + self.book.owed_nanoton();
        let owed = of_clients + earned + u128::from(proxy.balance_nanoton) + u128::from(proxy.stake_nanoton);
        if let Some(detail) = self.swept.take().filter(|_| pool < of_clients) {
            self.find(
                Kind::SweptDeposits,
                format!("{detail}; {pool} are left of {of_clients}"),
            );
        }
        if pool < owed {
            self.find(
                Kind::PoolDoesNotCover,
                format!("{pool} for {owed}, {of_clients} of them clients'"),
            );
        }
        self.books();
    }

    /// Deposits and tokens, to the nano.
    fn books(&mut self) {
        for client in 0..self.view.clients.len() {
            let Some(balance) = self.view.clients[client]
                .as_ref()
                .map(|storage| storage.balance_nanoton)
            else {
                continue;
            };
            let book = self.book.clients[client];
            let found = u128::from(balance) + book.charged + book.returned + self.book.refunds_nanoton(client);
            if found != book.deposited {
                let detail = format!("client {client}: deposited {}, accounted {found}", book.deposited);
                self.find(Kind::ClientBooks, detail);
            }
        }
        for worker in 0..self.view.workers.len() {
            let Some(tokens) = self.view.workers[worker].as_ref().map(|storage| storage.tokens) else {
                continue;
            };
            let counted = u128::from(tokens) * u128::from(crate::cast::PRICE_NANOTON);
            let paid = self.book.paid[worker] + self.book.payouts_nanoton(worker);
            if counted != paid {
                self.find(
                    Kind::WorkerBooks,
                    format!("worker {worker}: counted {counted}, paid {paid}"),
                );
            }
        }
    }

    /// Whoever only carries signatures of others must not earn by it.
    fn errands(&mut self, scene: &Scene, role: Role, record: &TxRecord) {
        let errand = |person: Option<Role>| match person {
            Some(Role::Person(person @ (Person::Submitter | Person::Stranger))) => Some(person),
            _ => None,
        };
        for message in record.out_messages.iter().filter(|message| message.to().is_some()) {
            let Some(query_id) = query_id(message) else {
                continue;
            };
            if let Some(person) = errand(Some(role)) {
                let errand = self.book.errands.entry((person, query_id)).or_default();
                errand.sent_nanoton += message.value_nanoton();
            } else if let Some(person) = errand(message.to().and_then(|to| scene.role(to)))
                && message.op == Some(opcodes::EXCESSES)
            {
                let errand = self.book.errands.entry((person, query_id)).or_default();
                errand.received_nanoton += message.value_nanoton();
                if errand.received_nanoton > errand.sent_nanoton {
                    let detail = format!(
                        "{person:?} sent {} and got {}",
                        errand.sent_nanoton, errand.received_nanoton
                    );
                    self.find(Kind::SubmitterGained, detail);
                }
            }
        }
    }

    fn wallet(&mut self, before: &View, seen: &Seen<'_>) -> Option<()> {
        let (before, after) = (before.wallet.as_ref()?, self.view.wallet.as_ref()?);
        let is_order = seen
            .record
            .in_message
            .as_ref()
            .is_some_and(|message| matches!(message.kind, MessageKind::ExternalIn { .. }));
        if is_order && after.seqno == before.seqno {
            self.find(Kind::SeqnoNotKept, format!("seqno {}", before.seqno));
        } else if after.seqno != before.seqno + u32::from(is_order) {
            let detail = format!("seqno from {} to {}", before.seqno, after.seqno);
            self.find(Kind::NotMonotonic, detail);
        }
        Some(())
    }

    /// Remembers what a client or worker contract asked its proxy contract for.
    fn claims(&mut self, scene: &Scene, role: Role, record: &TxRecord) -> Vec<Claim> {
        let mut claims = Vec::new();
        for message in record.out_messages.iter() {
            if message.to() != Some(&scene.proxy.at) {
                continue;
            }
            match body_cell(message).map(|body| ProxyMessage::parse(&body)) {
                Ok(Ok(parsed)) => {
                    if let Some(claim) = claim(&parsed) {
                        self.book.flying.insert(message.hash, (role, claim));
                        claims.push(claim);
                    }
                }
                // Coins without a wish, for the pool.
                _ if message.op == Some(opcodes::DO_NOT_PROCESS) => {}
                _ => self.find(Kind::Unreadable, format!("a message of {role:?} to the proxy contract")),
            }
        }
        claims
    }

    /// The claim that comes back to a contract with this bounce.
    fn bounced(&mut self, role: Role) -> Option<Claim> {
        self.book.returning.get_mut(&role)?.pop_front()
    }

    /// Takes back a claim that the proxy contract refused.
    fn refused(&mut self, role: Role, claim: Claim, comes_back: bool) {
        if comes_back {
            self.book.returning.entry(role).or_default().push_back(claim);
        } else {
            self.find(
                Kind::LostClaim,
                format!("{claim:?} of {role:?} does not even come back"),
            );
        }
    }

    /// Only this person may.
    fn only(&mut self, seen: &Seen<'_>, person: Person, what: &str) {
        if seen.from != Some(Role::Person(person)) {
            self.find(Kind::Unauthorised, format!("{what} by {:?}", seen.from));
        }
    }

    /// An honest party that submits what somebody else has submitted must not see a failure.
    fn settled(&mut self, role: Role, seen: &Seen<'_>, owner: Person) {
        let Some(Role::Person(person)) = seen.from else {
            return;
        };
        let is_honest = person == owner || person == Person::Submitter;
        let first = self.book.settled_by.get(&role).copied();
        if is_honest && first.is_some_and(|first| first != person) && !seen.is_success {
            let exit = seen.record.phases.exit_code;
            self.find(
                Kind::SettledPaymentRefused,
                format!("{role:?}: {person:?} after {first:?}, exit code {exit:?}"),
            );
        }
    }
}

fn exercise(role: Role, message: &Message, seen: &Seen<'_>) -> (&'static str, &'static str, &'static str) {
    let contract = match role {
        Role::Proxy => "proxy",
        Role::Client(_) => "client",
        Role::Worker(_) => "worker",
        Role::Wallet => "wallet",
        Role::Person(_) => "person",
    };
    let operation = match (&message.kind, message.op) {
        (MessageKind::ExternalIn { .. }, _) => "order",
        (_, None) => "coins",
        _ if seen.is_bounced => "bounce",
        (_, Some(op)) => opcodes::name(op).unwrap_or("unknown"),
    };
    let end = match (seen.is_success, seen.record.phases.bounced_back) {
        (true, _) => "done",
        (false, true) => "sent back",
        (false, false) => "failed",
    };
    (contract, operation, end)
}

/// What a message to the proxy contract asks for.
fn claim(message: &ProxyMessage) -> Option<Claim> {
    match message {
        ProxyMessage::Worker {
            payload: Some(payout), ..
        } => Some(Claim::Payout {
            pay_nanoton: payout.to_pay.nanoton(),
            save_nanoton: payout.to_save.nanoton(),
        }),
        ProxyMessage::Client {
            payload: Some(payload), ..
        } => match payload {
            ClientPayload::TopUp { amount, .. } => Some(Claim::TopUp {
                amount_nanoton: amount.nanoton(),
            }),
            ClientPayload::RefundGranted { amount, .. } => Some(Claim::Refund {
                amount_nanoton: amount.nanoton(),
                is_forced: false,
            }),
            ClientPayload::RefundForce { amount, .. } => Some(Claim::Refund {
                amount_nanoton: amount.nanoton(),
                is_forced: true,
            }),
            ClientPayload::Settle { cost, refund, .. } => Some(Claim::Settle {
                cost_nanoton: cost.nanoton(),
                refund_nanoton: refund.nanoton(),
            }),
            ClientPayload::Register { .. } => None,
        },
        _ => None,
    }
}

/// The number that answers repeat; texts and empty bodies have none.
fn query_id(message: &Message) -> Option<u64> {
    let mut body = message.body().ok()?;
    body.load_u32().ok().filter(|op| *op != opcodes::TEXT)?;
    body.load_u64().ok()
}

/// Value of the payouts that a transaction sent to somebody.
fn payouts_nanoton(scene: &Scene, record: &TxRecord, person: Person) -> u128 {
    let to = scene.person(person);
    let payouts = record.out_messages.iter();
    let payouts = payouts.filter(|message| message.op == Some(opcodes::PAYOUT) && message.to() == Some(to));
    payouts.map(|message| message.value_nanoton()).sum()
}
