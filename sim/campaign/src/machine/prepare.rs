//! Messages of the steps, as parties would make them.

use chrysalis_chain::{StdAddr, wallet::Transfer};
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

use super::{Machine, Prepared, Signed};
use crate::{
    cast::{Person, Placed, from_std},
    step::{Action, CLIENTS, WORKERS, Who},
};

/// Value that any message of the network is sent with, beside amounts (§5.4).
const CALL_NANOTON: u128 = 700_000_000;
/// Value that no message works with.
const POOR_NANOTON: u128 = 50_000_000;
/// One coin in nano.
const COIN: u128 = 1_000_000_000;
/// Send mode: fees apart from the value.
const MODE_FEES_APART: u8 = 1;
/// Send mode that no chain takes.
const MODE_REFUSED: u8 = 64 + 128;

impl<'a> Machine<'a> {
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

    pub(super) fn prepare(&mut self, action: &Action) -> Prepared {
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
