//! The chain, what owners do on it, and adversaries.

use std::collections::BTreeMap;

use chrysalis_world::plan::{
    ChainFaults, CongestionPlan, ContractName, ExternalFaultKind, ExternalFaultPlan, FeeChange, FeePlan, LieKind,
    LiePlan, MissedSlotsPlan, Operation, Producer, ReaderPlan, SettlementPlan, SlowFinalityPlan, ViewPlan,
};

use super::context::Context;
use super::workload::Horizon;
use super::world::World;
use crate::diagnostic::Position;
use crate::scenario::file::{
    AttackFile, ChainFaultsFile, ContractFile, ExternalFile, FeeChangeFile, LieFile, OperationFile, ReaderFile,
    SettlementFile,
};
use crate::scenario::limits::{BLOCK_GAS_MAX, STALE_BLOCKS_MAX, STORAGE_FACTOR_MAX};
use crate::scenario::load::Checked;
use crate::scenario::located::{At, Key, Text};
use crate::scenario::model::{ContractsFolder, SettlementTemplate, Timed};
use crate::scenario::problem::Problem;
use crate::scenario::scalar::{Choice, Coins, Duration, Factor, FaultWord, Name, ViewWord};

const OPERATIONS: &[&str] = &[
    "withdraw",
    "request_refund",
    "top_up",
    "close_proxy",
    "disable_proxy",
    "enable_proxy",
    "take_share",
    "add_stake",
    "change_price",
    "touch",
];

const SECOND_NS: u64 = 1_000_000_000;

/// What all parts of the section need.
struct Chain<'a> {
    cx: &'a Context<'a>,
    world: &'a World,
    horizon: &'a Horizon,
}

pub(super) fn validate(
    cx: &Context<'_>,
    key: &Key<SettlementFile>,
    world: &World,
    horizon: &Horizon,
) -> Checked<Option<SettlementTemplate>> {
    let Some(At { value: file, .. }) = key.given() else {
        return Ok(None);
    };
    let chain = Chain { cx, world, horizon };
    let default = SettlementPlan::default();
    let coins = |key: &Key<Text<Coins>>, default: u64| cx.read_or(key, Coins(default)).map(|coins| coins.0);
    let fixed = SettlementPlan {
        fees: cx.read_or(&file.fees, Choice(FeePlan::New))?.0,
        wallet_nanoton: coins(&file.wallet, default.wallet_nanoton)?,
        owner_nanoton: coins(&file.owner_wallet, default.owner_nanoton)?,
        access_ns: cx.read_or(&file.access, Duration(default.access_ns))?.0,
        charge_threshold_nanoton: coins(&file.charge_threshold, default.charge_threshold_nanoton)?,
        payout_threshold_nanoton: coins(&file.payout_threshold, default.payout_threshold_nanoton)?,
        proxy_delay_s: chain.delay(&file.proxy_delay, "the delay of a proxy", default.proxy_delay_s)?,
        client_delay_s: chain.delay(&file.client_delay, "the delay of a client", default.client_delay_s)?,
        proxy_stake_nanoton: coins(&file.proxy_stake, default.proxy_stake_nanoton)?,
        fee_changes: chain.fee_changes(&file.fee_changes)?,
        faults: file
            .faults
            .given()
            .map_or(Ok(ChainFaults::default()), |faults| chain.faults(&faults.value))?,
        readers: chain.readers(&file.readers)?,
        ..default
    };
    let contracts = match file.contracts.given() {
        None => None,
        Some(text) => Some(ContractsFolder {
            path: cx.read(text)?.0.into(),
            position: text.position,
        }),
    };
    Ok(Some(SettlementTemplate {
        contracts,
        fixed,
        operations: chain.operations(&file.operations)?,
        attacks: chain.attacks(&file.attacks)?,
    }))
}

fn entries<T>(key: &Key<Vec<At<T>>>) -> &[At<T>] {
    key.given().map_or(&[][..], |list| &list.value)
}

impl Chain<'_> {
    /// Whole seconds: contracts know no parts of them.
    fn delay(&self, key: &Key<Text<Duration>>, what: &'static str, default_s: u32) -> Checked<u32> {
        let Some(text) = key.given() else { return Ok(default_s) };
        let Duration(ns) = self.cx.read(text)?;
        match u32::try_from(ns / SECOND_NS) {
            Ok(seconds) if ns % SECOND_NS == 0 => Ok(seconds),
            _ => {
                let rule = "a number of whole seconds".to_owned();
                self.cx.fail(text.position, Problem::OutOfRange { what, rule })
            }
        }
    }

    /// A time within the run.
    fn time(&self, key: &Key<Text<Duration>>, name: &'static str, parent: Position) -> Checked<u64> {
        let text = self.cx.required(key, name, parent)?;
        let Duration(at_ns) = self.cx.read(text)?;
        self.horizon.check(self.cx, at_ns, text.position)?;
        Ok(at_ns)
    }

    /// A span that begins before it ends. Its end may be that of the run or later.
    fn span(&self, from: &Key<Text<Duration>>, to: &Key<Text<Duration>>, parent: Position) -> Checked<(u64, u64)> {
        let from_ns = self.time(from, "from", parent)?;
        let to = self.cx.required(to, "to", parent)?;
        let Duration(to_ns) = self.cx.read(to)?;
        if to_ns <= from_ns {
            return self.cx.fail(to.position, Problem::EndsBeforeItBegins);
        }
        Ok((from_ns, to_ns))
    }

    fn node(&self, key: &Key<Text<Name>>, name: &'static str, parent: Position) -> Checked<String> {
        self.world.places.node(self.cx, self.cx.required(key, name, parent)?)
    }

    fn proxy(&self, key: &Key<Text<Name>>, parent: Position) -> Checked<String> {
        proxy(self.cx, self.world, key, parent)
    }

    fn client(&self, key: &Key<Text<Name>>, parent: Position) -> Checked<String> {
        let clients = self.world.clients.iter().map(|client| &client.node.name);
        node_of(self.cx, key, "client", parent, clients)
    }

    fn amount(&self, key: &Key<Text<Coins>>, parent: Position) -> Checked<u64> {
        let text = self.cx.required(key, "amount", parent)?;
        Ok(self.cx.positive(text, "an amount of coins")?.0)
    }

    fn fee_changes(&self, key: &Key<Vec<At<FeeChangeFile>>>) -> Checked<Vec<FeeChange>> {
        let cx = self.cx;
        let mut changes: Vec<FeeChange> = Vec::new();
        for At { value: file, position } in entries(key) {
            let what = "the factor on the price of storage";
            let storage_factor = cx.number_or(&file.storage_factor, what, &(1..=STORAGE_FACTOR_MAX), 1)?;
            let Factor(factor_permille) = cx.read_or(&file.factor, Factor(1_000))?;
            if factor_permille == 0 {
                let place = file.factor.given().map_or(*position, |text| text.position);
                let what = "the factor on prices";
                return cx.fail(place, Problem::Zero { what });
            }
            changes.push(FeeChange {
                at_ns: self.time(&file.at, "at", *position)?,
                fees: cx.read_or(&file.fees, Choice(FeePlan::New))?.0,
                factor_permille,
                storage_factor,
            });
        }
        changes.sort_by_key(|change| change.at_ns);
        Ok(changes)
    }

    fn faults(&self, file: &ChainFaultsFile) -> Checked<ChainFaults> {
        let cx = self.cx;
        let mut faults = ChainFaults::default();
        for At { value: file, position } in entries(&file.externals) {
            faults.externals.push(self.external(file, *position)?);
        }
        for At { value: file, position } in entries(&file.missed_slots) {
            let (from_ns, to_ns) = self.span(&file.from, &file.to, *position)?;
            faults.missed_slots.push(MissedSlotsPlan {
                from_ns,
                to_ns,
                producer: cx.read_or(&file.producer, Choice(Producer::All))?.0,
            });
        }
        for At { value: file, position } in entries(&file.slow_finality) {
            let (from_ns, to_ns) = self.span(&file.from, &file.to, *position)?;
            let extra = cx.required(&file.extra, "extra", *position)?;
            faults.slow_finality.push(SlowFinalityPlan {
                from_ns,
                to_ns,
                extra_ns: cx.positive(extra, "the extra time of finality")?.0,
            });
        }
        for At { value: file, position } in entries(&file.congestion) {
            let (from_ns, to_ns) = self.span(&file.from, &file.to, *position)?;
            cx.required(&file.block_gas, "block_gas", *position)?;
            faults.congestion.push(CongestionPlan {
                from_ns,
                to_ns,
                block_gas: cx.number_or(&file.block_gas, "the gas of a block", &(1..=BLOCK_GAS_MAX), 1)?,
            });
        }
        Ok(faults)
    }

    fn external(&self, file: &ExternalFile, position: Position) -> Checked<ExternalFaultPlan> {
        let cx = self.cx;
        let from_ns = self.time(&file.from, "from", position)?;
        let to_ns = match file.to.given() {
            None => None,
            Some(_) => Some(self.span(&file.from, &file.to, position)?.1),
        };
        let node = match file.node.given() {
            None => None,
            Some(_) => Some(self.node(&file.node, "node", position)?),
        };
        let Choice(word) = cx.read_required(&file.fault, "fault", position)?;
        let by = || -> Checked<u64> {
            let when = "with `delay` and `duplicate`, say how much later";
            let text = cx.required_when(&file.by, "by", position, when)?;
            Ok(cx.positive(text, "the delay of a message")?.0)
        };
        if let (FaultWord::Drop | FaultWord::Swap, Some(by)) = (word, file.by.given()) {
            let problem = Problem::Contradiction {
                key: "by",
                other: "fault",
                advice: "only `delay` and `duplicate` take a time",
            };
            return cx.fail(by.position, problem);
        }
        let kind = match word {
            FaultWord::Drop => ExternalFaultKind::Drop,
            FaultWord::Delay => ExternalFaultKind::Delay(by()?),
            FaultWord::Duplicate => ExternalFaultKind::Duplicate(by()?),
            FaultWord::Swap => ExternalFaultKind::Swap,
        };
        Ok(ExternalFaultPlan {
            from_ns,
            to_ns,
            node,
            kind,
        })
    }

    fn readers(&self, key: &Key<Vec<At<ReaderFile>>>) -> Checked<Vec<ReaderPlan>> {
        let cx = self.cx;
        let mut readers: Vec<ReaderPlan> = Vec::new();
        for At { value: file, position } in entries(key) {
            let node = self.node(&file.node, "node", *position)?;
            if readers.iter().any(|reader| reader.node == node) {
                let place = file.node.given().map_or(*position, |text| text.position);
                return cx.fail(place, Problem::DuplicateName { name: node });
            }
            let Choice(word) = cx.read_or(&file.view, Choice(ViewWord::Latest))?;
            let view = match (word, file.blocks.given()) {
                (ViewWord::Stale, _) => {
                    let when = "with `view: stale`, say how many blocks old the state is";
                    cx.required_when(&file.blocks, "blocks", *position, when)?;
                    let what = "the age of a stale state";
                    ViewPlan::Stale(cx.number_or(&file.blocks, what, &(1..=STALE_BLOCKS_MAX), 1)?)
                }
                (_, Some(blocks)) => {
                    let problem = Problem::Contradiction {
                        key: "blocks",
                        other: "view",
                        advice: "only `view: stale` takes a number of blocks",
                    };
                    return cx.fail(blocks.position, problem);
                }
                (ViewWord::Latest, None) => ViewPlan::Latest,
                (ViewWord::Final, None) => ViewPlan::Final,
            };
            let mut lies = Vec::new();
            for At { value: lie, position } in entries(&file.lies) {
                lies.push(self.lie(lie, *position)?);
            }
            readers.push(ReaderPlan { node, view, lies });
        }
        Ok(readers)
    }

    fn lie(&self, file: &LieFile, position: Position) -> Checked<LiePlan> {
        let balance = self.cx.optional(&file.balance)?;
        Ok(LiePlan {
            about: self.contract(self.cx.required(&file.about, "about", position)?)?,
            lie: balance.map_or(LieKind::Missing, |Coins(nanoton)| LieKind::Balance(nanoton)),
        })
    }

    fn contract(&self, file: &At<ContractFile>) -> Checked<ContractName> {
        contract(self.cx, self.world, file)
    }

    fn operations(&self, key: &Key<Vec<At<OperationFile>>>) -> Checked<Vec<Timed<Operation>>> {
        let cx = self.cx;
        let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut operations = Vec::new();
        for At { value: file, position } in entries(key) {
            let text = cx.required(&file.at, "at", *position)?;
            let at = cx.read(text)?;
            self.horizon.check(cx, at.largest_named().0, text.position)?;
            let what = self.operation(file, *position)?;
            let number = seen.entry(what.name()).or_default();
            *number += 1;
            operations.push(Timed {
                label: format!("{}/{number}", what.name()),
                at: at.into(),
                what,
            });
        }
        Ok(operations)
    }

    fn operation(&self, file: &OperationFile, position: Position) -> Checked<Operation> {
        let cx = self.cx;
        let places = [
            file.withdraw.given().map(|action| action.position),
            file.request_refund.given().map(|action| action.position),
            file.top_up.given().map(|action| action.position),
            file.close_proxy.given().map(|action| action.position),
            file.disable_proxy.given().map(|action| action.position),
            file.enable_proxy.given().map(|action| action.position),
            file.take_share.given().map(|action| action.position),
            file.add_stake.given().map(|action| action.position),
            file.change_price.given().map(|action| action.position),
            file.touch.given().map(|action| action.position),
        ];
        let mut given: Vec<(Position, &'static str)> = places
            .iter()
            .zip(OPERATIONS)
            .filter_map(|(place, name)| place.map(|place| (place, *name)))
            .collect();
        given.sort_unstable();
        if let [(_, other), (place, key), ..] = given.as_slice() {
            let advice = "an entry has one operation; write two entries with the same time";
            return cx.fail(*place, Problem::Contradiction { key, other, advice });
        }
        if let Some(At { value, position }) = file.withdraw.given() {
            let (client, proxy) = (
                self.client(&value.client, *position)?,
                self.proxy(&value.proxy, *position)?,
            );
            return Ok(Operation::Withdraw { client, proxy });
        }
        if let Some(At { value, position }) = file.request_refund.given() {
            let (client, proxy) = (
                self.client(&value.client, *position)?,
                self.proxy(&value.proxy, *position)?,
            );
            return Ok(Operation::RequestRefund { client, proxy });
        }
        if let Some(At { value, position }) = file.top_up.given() {
            return Ok(Operation::TopUp {
                client: self.client(&value.client, *position)?,
                proxy: self.proxy(&value.proxy, *position)?,
                amount_nanoton: self.amount(&value.amount, *position)?,
            });
        }
        if let Some(At { value, position }) = file.close_proxy.given() {
            let proxy = self.proxy(&value.proxy, *position)?;
            return Ok(Operation::CloseProxy { proxy });
        }
        if let Some(At { value, position }) = file.disable_proxy.given() {
            let proxy = self.proxy(&value.proxy, *position)?;
            return Ok(Operation::DisableProxy { proxy });
        }
        if let Some(At { value, position }) = file.enable_proxy.given() {
            let proxy = self.proxy(&value.proxy, *position)?;
            return Ok(Operation::EnableProxy { proxy });
        }
        if let Some(At { value, position }) = file.take_share.given() {
            let proxy = self.proxy(&value.proxy, *position)?;
            return Ok(Operation::TakeShare { proxy });
        }
        if let Some(At { value, position }) = file.add_stake.given() {
            return Ok(Operation::AddStake {
                proxy: self.proxy(&value.proxy, *position)?,
                amount_nanoton: self.amount(&value.amount, *position)?,
            });
        }
        if let Some(At { value, position }) = file.change_price.given() {
            let price = cx.required(&value.price_per_token, "price_per_token", *position)?;
            let fee = cx.required(&value.worker_fee_per_token, "worker_fee_per_token", *position)?;
            let Coins(price_per_token_nanoton) = cx.positive(price, "the price of a token")?;
            let Coins(worker_fee_per_token_nanoton) = cx.read(fee)?;
            if worker_fee_per_token_nanoton > price_per_token_nanoton {
                return cx.fail(fee.position, Problem::FeeAbovePrice);
            }
            return Ok(Operation::ChangePrice {
                price_per_token_nanoton,
                worker_fee_per_token_nanoton,
            });
        }
        if let Some(At { value, position }) = file.touch.given() {
            return Ok(Operation::Touch {
                contract: self.contract(cx.required(&value.contract, "contract", *position)?)?,
                amount_nanoton: self.amount(&value.amount, *position)?,
            });
        }
        cx.fail(position, Problem::NoAction { known: OPERATIONS })
    }

    fn attacks(&self, key: &Key<Vec<At<AttackFile>>>) -> Checked<Vec<Timed<chrysalis_world::plan::Threat>>> {
        let cx = self.cx;
        let mut attacks: Vec<Timed<chrysalis_world::plan::Threat>> = Vec::new();
        for At { value: file, position } in entries(key) {
            let text = cx.required(&file.at, "at", *position)?;
            let at = cx.read(text)?;
            self.horizon.check(cx, at.largest_named().0, text.position)?;
            let threat = cx.required(&file.threat, "threat", *position)?;
            let Choice(what) = cx.read(threat)?;
            // Each has its parties, which cannot be in two places.
            if attacks.iter().any(|attack| attack.what == what) {
                let name = what.name().to_owned();
                return cx.fail(threat.position, Problem::DuplicateName { name });
            }
            attacks.push(Timed {
                label: format!("attack/{}", what.name()),
                at: at.into(),
                what,
            });
        }
        Ok(attacks)
    }
}

/// The contract that a file means.
pub(super) fn contract(
    cx: &Context<'_>,
    world: &World,
    At { value: file, position }: &At<ContractFile>,
) -> Checked<ContractName> {
    if let Some(wallet) = file.wallet.given() {
        if let Some(other) = file.account.given().or(file.proxy.given()) {
            let problem = Problem::Contradiction {
                key: "wallet",
                other: if file.account.given().is_some() {
                    "account"
                } else {
                    "proxy"
                },
                advice: "a contract is one of a wallet, a proxy, and an account at a proxy",
            };
            return cx.fail(other.position.max(wallet.position), problem);
        }
        return Ok(ContractName::Wallet(world.places.node(cx, wallet)?));
    }
    if file.account.given().is_some() {
        let when = "an account is at a proxy";
        cx.required_when(&file.proxy, "proxy", *position, when)?;
        let workers = world.workers.iter().map(|worker| &worker.node.name);
        let clients = world.clients.iter().map(|client| &client.node.name);
        return Ok(ContractName::Account {
            holder: node_of(cx, &file.account, "account", *position, workers.chain(clients))?,
            proxy: proxy(cx, world, &file.proxy, *position)?,
        });
    }
    if file.proxy.given().is_some() {
        return Ok(ContractName::Proxy(proxy(cx, world, &file.proxy, *position)?));
    }
    Ok(ContractName::Root)
}

/// A node of one kind.
fn node_of<'n>(
    cx: &Context<'_>,
    key: &Key<Text<Name>>,
    kind: &'static str,
    parent: Position,
    nodes: impl Iterator<Item = &'n String>,
) -> Checked<String> {
    let text = cx.required(key, kind, parent)?;
    let Name(name) = cx.read(text)?;
    let known: Vec<String> = nodes.cloned().collect();
    if known.contains(&name) {
        return Ok(name);
    }
    cx.fail(text.position, Problem::UnknownNode { kind, name, known })
}

fn proxy(cx: &Context<'_>, world: &World, key: &Key<Text<Name>>, parent: Position) -> Checked<String> {
    let proxies = world.proxies.iter().map(|proxy| &proxy.node.name);
    node_of(cx, key, "proxy", parent, proxies)
}
