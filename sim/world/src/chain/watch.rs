//! What every block did, as rows: transactions, contracts, claims, coins. Nothing is judged here but what the chain
//! itself must guarantee.

use super::{body_of, from_std};
use crate::recorder::{
    ChainTransaction, Claim, ClaimKind, Coins, ContractState, ContractView, Note, Recorder, Sent, hex,
};
use chrysalis_chain::{
    Cell, Chain, HashBytes, StdAddr, TxRecord,
    chain::{Block, Message, invariant::MessageLedger},
    exec::FeeSchedule,
    trace::FeeSplit,
};
use chrysalis_settlement::{
    Address,
    contracts::{client_address, proxy_init, worker_address},
    onchain::{
        CodeSet, ContractRole,
        message::{
            common::Notice,
            proxy::{ClientPayload, ProxyMessage, WorkerPayout},
        },
        opcodes,
        storage::{ClientStorage, ProxyStorage, WalletStorage, WorkerStorage},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tycho_types::{
    cell::{CellTreeStats, HashBytes as CellHash},
    models::AccountState,
};

/// Follows a chain, block after block.
pub(super) struct Watch {
    recorder: Arc<Recorder>,
    codes: Arc<CodeSet>,
    roles: BTreeMap<HashBytes, ContractRole>,
    messages: MessageLedger,
    /// Claims that have not come to their end, by the message that carries them.
    open: BTreeMap<HashBytes, usize>,
    /// Messages on their way, with the number of the message from outside that they came of.
    traces: BTreeMap<HashBytes, u64>,
    next_trace: u64,
    storage_paid: BTreeMap<StdAddr, u128>,
    /// Proxies by the address of their wallet.
    proxies: BTreeMap<StdAddr, String>,
    prices: [FeeSchedule; 2],
}

impl Watch {
    pub(super) fn new(recorder: Arc<Recorder>, codes: Arc<CodeSet>, proxies: BTreeMap<StdAddr, String>) -> Self {
        let roles = ContractRole::ALL.map(|role| (*codes.code(role).repr_hash(), role));
        Self {
            recorder,
            codes,
            roles: roles.into(),
            messages: MessageLedger::default(),
            open: BTreeMap::new(),
            traces: BTreeMap::new(),
            next_trace: 0,
            storage_paid: BTreeMap::new(),
            proxies,
            prices: [FeeSchedule::old(), FeeSchedule::new()],
        }
    }

    /// Takes the blocks of one slot. `false`: the chain is not what a chain must be, and a row says why.
    pub(super) fn slot(&mut self, chain: &Chain, at_ns: u64, blocks: &[Arc<Block>]) -> bool {
        let mut touched = BTreeSet::new();
        for block in blocks {
            if let Err(violation) = self.messages.follow(block) {
                return self.defect(at_ns, violation.to_string());
            }
            for record in &block.transactions {
                self.transaction(chain, at_ns, record);
                touched.insert(record.address.clone());
            }
        }
        if let Err(violation) = self.messages.settle(chain) {
            return self.defect(at_ns, violation.to_string());
        }
        // A slot without transactions moves no coins.
        if touched.is_empty() {
            return true;
        }
        match chain.audit() {
            Ok(audit) => self.recorder.rows().coins.push(Coins {
                at_ns,
                issued_nanoton: audit.issued_nanoton,
                balances_nanoton: audit.balances_nanoton,
                in_flight_nanoton: audit.in_flight_nanoton,
                fees_nanoton: audit.fees_nanoton,
                gone_nanoton: audit.burned_nanoton + audit.stranded_nanoton,
            }),
            Err(violation) => return self.defect(at_ns, violation.to_string()),
        }
        let states: Vec<_> = touched
            .iter()
            .filter_map(|address| self.contract(chain, at_ns, address))
            .collect();
        self.recorder.rows().contracts.extend(states);
        true
    }

    fn defect(&self, at_ns: u64, text: String) -> bool {
        self.recorder.rows().chain_defects.push(Note {
            at_ns,
            node: "chain".to_owned(),
            text,
        });
        false
    }

    fn transaction(&mut self, chain: &Chain, at_ns: u64, record: &TxRecord) {
        *self.storage_paid.entry(record.address.clone()).or_default() += record.phases.storage_fee_nanoton;
        let trace = self.trace(record);
        let row = self.row(at_ns, trace, record);
        self.recorder.rows().transactions.push(row);
        let incoming = record.in_message.as_deref();
        if let Some(index) = incoming.and_then(|message| self.open.remove(&message.hash)) {
            self.answer(at_ns, index, record);
        }
        match self.role(chain, &record.address) {
            Some(ContractRole::Client | ContractRole::Worker) => {
                for message in &record.out_messages {
                    if let Some(claim) = claim(at_ns, message) {
                        let mut rows = self.recorder.rows();
                        self.open.insert(message.hash, rows.claims.len());
                        rows.claims.push(claim);
                    }
                }
            }
            Some(ContractRole::Proxy) => {
                let wallet = incoming.and_then(Message::from);
                if let Some(name) = wallet.and_then(|wallet| self.proxies.get(wallet))
                    && incoming.is_some_and(is_commit)
                {
                    self.recorder.moments.committed(name, at_ns);
                }
            }
            _ => {}
        }
    }

    /// The message from outside that a transaction came of.
    fn trace(&mut self, record: &TxRecord) -> Option<u64> {
        let incoming = record.in_message.as_deref()?;
        let trace = if incoming.from().is_some() {
            self.traces.remove(&incoming.hash)?
        } else {
            self.next_trace += 1;
            self.next_trace
        };
        let sent = record.out_messages.iter().filter(|message| message.to().is_some());
        self.traces.extend(sent.map(|message| (message.hash, trace)));
        Some(trace)
    }

    /// A claim arrived at its proxy contract, or is back where it came from.
    fn answer(&mut self, at_ns: u64, index: usize, record: &TxRecord) {
        let mut rows = self.recorder.rows();
        let Some(claim) = rows.claims.get_mut(index) else {
            return;
        };
        if claim.answered_at_ns.is_some() {
            claim.returned_at_ns = Some(at_ns);
            return;
        }
        claim.answered_at_ns = Some(at_ns);
        claim.is_refused = record.phases.aborted;
        claim.paid_nanoton = record
            .out_messages
            .iter()
            .filter(|message| message.op == Some(opcodes::PAYOUT))
            .filter(|message| message.to().is_some_and(|to| raw(to) == claim.owner))
            .map(|message| message.value_nanoton())
            .sum();
        if let Some(back) = record.out_messages.iter().find(|message| message.is_bounced()) {
            self.open.insert(back.hash, index);
        }
    }

    fn role(&self, chain: &Chain, address: &StdAddr) -> Option<ContractRole> {
        let account = chain.account(address)?.account().ok()??;
        match account.state {
            AccountState::Active(state) => self.roles.get(state.code?.repr_hash()).copied(),
            AccountState::Uninit | AccountState::Frozen(_) => None,
        }
    }

    fn contract(&self, chain: &Chain, at_ns: u64, address: &StdAddr) -> Option<ContractState> {
        let entry = chain.account(address)?;
        let account = entry.account().ok()??;
        let view = match account.state {
            AccountState::Uninit => return None,
            AccountState::Frozen(_) => ContractView::Frozen,
            AccountState::Active(state) => {
                let role = self.roles.get(state.code?.repr_hash())?;
                let data = state.data.unwrap_or_default();
                if let Some(owner) = self.owner(*role, address, &data) {
                    self.recorder.rows().owners.insert(raw(address), owner.to_string());
                }
                self.view(*role, address, &data)?
            }
        };
        Some(ContractState {
            at_ns,
            unix_s: chain.now_unix_s(),
            address: raw(address),
            coins_nanoton: entry.balance_nanoton,
            storage_paid_nanoton: self.storage_paid.get(address).copied().unwrap_or(0),
            view,
        })
    }

    /// Whose a contract is; `None` if it is not at the address that follows from its owner.
    fn owner(&self, role: ContractRole, address: &StdAddr, data: &Cell) -> Option<Address> {
        let codes = self.codes.contracts();
        let (owner, derived) = match role {
            ContractRole::Root => return None,
            ContractRole::Proxy => {
                let proxy = ProxyStorage::parse(data).ok()?;
                let init = proxy_init(codes, &proxy.params, &proxy.owner, &proxy.public_key, &proxy.root);
                (proxy.owner, init.address())
            }
            ContractRole::Client => {
                let client = ClientStorage::parse(data).ok()?;
                let derived = client_address(codes, &client.params, &client.proxy, &client.owner);
                (client.owner, derived)
            }
            ContractRole::Worker => {
                let worker = WorkerStorage::parse(data).ok()?;
                let derived = worker_address(codes, &worker.params, &worker.proxy, &worker.owner);
                (worker.owner, derived)
            }
            ContractRole::Wallet => {
                let wallet = WalletStorage::parse(data).ok()?;
                let first = WalletStorage::initial(wallet.public_key, wallet.owner);
                (wallet.owner, first.init(&self.codes).address())
            }
        };
        (derived == from_std(address)).then_some(owner)
    }

    /// What a contract's data says; `None` if no proxy contract would take this account for one of its own.
    fn view(&self, role: ContractRole, address: &StdAddr, data: &Cell) -> Option<ContractView> {
        let codes = self.codes.contracts();
        match role {
            ContractRole::Root | ContractRole::Wallet => None,
            ContractRole::Proxy => Some(match ProxyStorage::parse(data) {
                Err(_) => ContractView::Unreadable,
                Ok(proxy) => ContractView::Proxy {
                    state: proxy.state.number(),
                    share_nanoton: proxy.balance_nanoton,
                    stake_nanoton: proxy.stake_nanoton,
                    earned_nanoton: proxy.earned_nanoton,
                    unlock_unix_s: proxy.unlock_ts,
                    delay_s: proxy.params.proxy_delay_s,
                },
            }),
            ContractRole::Client => match ClientStorage::parse(data) {
                Err(_) => Some(ContractView::Unreadable),
                Ok(client) => {
                    let derived = client_address(codes, &client.params, &client.proxy, &client.owner);
                    (derived == from_std(address)).then(|| ContractView::Client {
                        proxy: client.proxy.address.to_string(),
                        state: client.state.number(),
                        balance_nanoton: client.balance_nanoton,
                        tokens: client.tokens_used,
                        price_nanoton: client.params.prices.price_per_token_nanoton,
                        unlock_unix_s: client.unlock_ts,
                        delay_s: client.params.client_delay_s,
                    })
                }
            },
            ContractRole::Worker => match WorkerStorage::parse(data) {
                Err(_) => Some(ContractView::Unreadable),
                Ok(worker) => {
                    let derived = worker_address(codes, &worker.params, &worker.proxy, &worker.owner);
                    (derived == from_std(address)).then(|| ContractView::Worker {
                        proxy: worker.proxy.address.to_string(),
                        state: worker.state.number(),
                        tokens: worker.tokens,
                        price_nanoton: worker.params.prices.price_per_token_nanoton,
                        fee_nanoton: worker.params.prices.worker_fee_per_token_nanoton,
                    })
                }
            },
        }
    }

    fn row(&self, at_ns: u64, trace: Option<u64>, record: &TxRecord) -> ChainTransaction {
        let incoming = record.in_message.as_deref();
        let sent = record.out_messages.iter().filter_map(|message| {
            Some(Sent {
                to: raw(message.to()?),
                value_nanoton: message.value_nanoton(),
            })
        });
        let fees = FeeSplit::of(record);
        let [old_price_nanoton, new_price_nanoton] =
            [&self.prices[0], &self.prices[1]].map(|prices| price(prices, record));
        ChainTransaction {
            at_ns,
            account: raw(&record.address),
            lt: record.lt,
            hash: hex(&record.hash.0),
            trace,
            external: incoming
                .filter(|message| message.from().is_none())
                .map(|message| hex(&message.hash.0)),
            source: incoming.and_then(|message| Some(raw(message.from()?))),
            op: incoming.and_then(|message| message.op),
            is_bounced: incoming.is_some_and(Message::is_bounced),
            value_nanoton: incoming.map_or(0, Message::value_nanoton),
            before_nanoton: record.balance_before_nanoton,
            after_nanoton: record.balance_after_nanoton,
            sent: sent.collect(),
            sent_nanoton: record.out_messages.iter().map(|message| message.value_nanoton()).sum(),
            is_success: !record.phases.aborted,
            exit_code: record.phases.exit_code,
            action_code: record.phases.action_code,
            gas_used: record.phases.gas_used,
            fees_nanoton: fees.total_nanoton(),
            gas_fee_nanoton: fees.compute_nanoton,
            message_fee_nanoton: fees.import_nanoton + fees.action_nanoton + fees.forward_nanoton,
            storage_fee_nanoton: fees.storage_nanoton,
            old_price_nanoton,
            new_price_nanoton,
        }
    }
}

/// Raw form of an address.
pub(crate) fn raw(address: &StdAddr) -> String {
    from_std(address).to_string()
}

fn is_commit(message: &Message) -> bool {
    message.op == Some(opcodes::DO_NOT_PROCESS)
        && body_of(message)
            .ok()
            .and_then(|body| Notice::parse(&body).ok().flatten())
            .is_some_and(|notice| matches!(notice, Notice::StateCommit { .. }))
}

/// What the gas of a transaction and the messages that it sent cost at some prices.
fn price(prices: &FeeSchedule, record: &TxRecord) -> u128 {
    let gas = match record.phases.exit_code {
        Some(_) => prices.gas.compute_gas_fee(record.phases.gas_used).into_inner(),
        // The machine did not run.
        None => 0,
    };
    let sent = record
        .out_messages
        .iter()
        .map(|message| prices.forward.compute_fwd_fee(size(&message.cell)).into_inner());
    let imported = record
        .in_message
        .iter()
        .filter(|message| message.from().is_none())
        .map(|message| prices.forward.compute_fwd_fee(size(&message.cell)).into_inner());
    gas + sent.chain(imported).sum::<u128>()
}

/// Different cells of a message below its root, and their bits: what forwarding is paid for.
fn size(message: &Cell) -> CellTreeStats {
    let mut seen: BTreeSet<CellHash> = BTreeSet::new();
    let mut stats = CellTreeStats {
        bit_count: 0,
        cell_count: 0,
    };
    let mut left: Vec<Cell> = message.references().cloned().collect();
    while let Some(cell) = left.pop() {
        if seen.insert(*cell.repr_hash()) {
            stats.bit_count += u64::from(cell.bit_len());
            stats.cell_count += 1;
            left.extend(cell.references().cloned());
        }
    }
    stats
}

/// The claim that a message of an account carries to its proxy contract, if it carries one.
fn claim(at_ns: u64, message: &Message) -> Option<Claim> {
    let (from, to) = (message.from()?, message.to()?);
    let claim = |owner: &Address, kind, deposit: u128, due: u128, tokens: u128| Claim {
        at_ns,
        account: raw(from),
        proxy: raw(to),
        owner: owner.to_string(),
        kind,
        deposit_nanoton: deposit,
        due_nanoton: due,
        tokens_nanoton: tokens,
        answered_at_ns: None,
        is_refused: false,
        paid_nanoton: 0,
        returned_at_ns: None,
    };
    match ProxyMessage::parse(&body_of(message).ok()?).ok()? {
        ProxyMessage::Worker {
            owner,
            payload: Some(WorkerPayout { to_pay, to_save, .. }),
            ..
        } => {
            let (due, saved) = (to_pay.nanoton(), to_save.nanoton());
            Some(claim(&owner, ClaimKind::Payout, 0, due, due + saved))
        }
        ProxyMessage::Client {
            owner,
            payload: Some(payload),
            ..
        } => match payload {
            ClientPayload::TopUp { amount, .. } => Some(claim(&owner, ClaimKind::TopUp, amount.nanoton(), 0, 0)),
            ClientPayload::RefundGranted { amount, .. } => {
                Some(claim(&owner, ClaimKind::Refund, 0, amount.nanoton(), 0))
            }
            ClientPayload::RefundForce { amount, .. } => {
                Some(claim(&owner, ClaimKind::ForcedRefund, 0, amount.nanoton(), 0))
            }
            ClientPayload::Settle { cost, refund, .. } => {
                let (due, tokens) = (refund.nanoton(), cost.nanoton());
                Some(claim(&owner, ClaimKind::Settle, 0, due, tokens))
            }
            ClientPayload::Register { .. } => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::Detail;
    use chrysalis_chain::{
        BlockEvent, Genesis,
        chain::GenesisAccount,
        wallet::{Transfer, Wallet, WalletVersion},
    };
    use chrysalis_settlement::onchain::CodeProfile;
    use tycho_types::boc::Boc;

    const COIN: u128 = 1_000_000_000;

    /// Slots of a chain on which somebody sends a coin to somebody who bounces it; slots that `is_shown` leaves out
    /// are not shown to the watch. What is then wrong with the chain.
    fn defects(is_shown: impl Fn(usize) -> bool) -> (usize, Vec<String>) {
        let sender = Wallet::new(WalletVersion::V4R2, &[7; 32]).unwrap();
        let receiver = Wallet::new(WalletVersion::V4R2, &[8; 32]).unwrap();
        let mut genesis = Genesis::new().unwrap();
        genesis.accounts = vec![GenesisAccount {
            address: sender.address().clone(),
            balance_nanoton: 10 * COIN,
            state: None,
        }];
        // New messages wait for the next block as soon as anything has run.
        genesis.limits.gas_soft = 1;
        let mut chain = Chain::new(genesis).unwrap();
        let transfer = Transfer {
            bounce: true,
            ..Transfer::new(receiver.address().clone(), COIN)
        };
        let order = sender.order(0, chain.now_unix_s() + 60, &[transfer]).unwrap();
        chain.submit(&Boc::encode(&order)).unwrap();
        let recorder = Arc::new(Recorder::new(Detail::Full));
        let codes = Arc::new(CodeSet::builtin(CodeProfile::Hardened).clone());
        let mut watch = Watch::new(recorder.clone(), codes, BTreeMap::new());
        let mut with_transactions = 0;
        for _slot in 0..10 {
            let at_ns = chain.next_block_at_ns();
            let events = chain.advance(at_ns).unwrap();
            let blocks: Vec<_> = events.into_iter().filter_map(BlockEvent::into_block).collect();
            let is_empty = blocks.iter().all(|block| block.transactions.is_empty());
            with_transactions += usize::from(!is_empty);
            let blocks = if is_empty || is_shown(with_transactions) {
                blocks
            } else {
                Vec::new()
            };
            watch.slot(&chain, at_ns, &blocks);
        }
        let texts = recorder.take().chain_defects.into_iter().map(|defect| defect.text);
        (with_transactions, texts.collect())
    }

    /// A message that is neither delivered nor on its way any more is lost, and one that nobody sent is on its way
    /// twice: in the slot in which it is so, without waiting for what would come of it.
    #[test]
    fn every_message_is_delivered_or_on_its_way_after_every_slot() {
        let (slots, found) = defects(|_| true);
        assert!(slots >= 2, "messages were on their way between slots: {slots}");
        assert_eq!(found, Vec::<String>::new());
        let (_, found) = defects(|slot| slot != 2);
        assert!(found[0].ends_with("was lost"), "{found:?}");
        let (_, found) = defects(|slot| slot != 1);
        assert!(found[0].ends_with("was delivered twice"), "{found:?}");
    }
}
