//! Nodes, models, prices, evidence.

use std::collections::BTreeMap;

use chrysalis_world::plan::{
    AttestationPlan, BackendPlan, ClientPlan, EconomyPlan, KeyManagerPlan, NetworkPlan, NodePlan, Place, ProxyPlan,
    TinySize, WorkerPlan,
};

use super::attestation::{self, Gpus};
use super::context::Context;
use super::workload::Horizon;
use super::{keys, links};
use crate::diagnostic::Position;
use crate::scenario::file::{
    BackendFile, ClientFile, ClockFile, EconomyFile, List, ModelFile, ProxyFile, ServiceTimeFile, TinyFile, WorkerFile,
    WorldFile,
};
use crate::scenario::limits::NODES_MAX;
use crate::scenario::load::Checked;
use crate::scenario::located::{At, Key, Text};
use crate::scenario::problem::Problem;
use crate::scenario::scalar::{Choice, Coins, Count, Drift, Duration, Factor, ModelName, Name, SignedDuration};

/// Everything that stands under `world`, checked.
pub(super) struct World {
    pub(super) places: Places,
    pub(super) network: NetworkPlan,
    pub(super) economy: EconomyPlan,
    pub(super) attestation: AttestationPlan,
    pub(super) proxies: Vec<ProxyPlan>,
    pub(super) workers: Vec<WorkerPlan>,
    pub(super) clients: Vec<ClientPlan>,
    pub(super) key_manager: Option<KeyManagerPlan>,
}

/// Names of regions and nodes; they share one space.
#[derive(Default)]
pub(super) struct Places {
    /// Where each name was given first. A place that is there by default has none.
    names: BTreeMap<String, Option<Position>>,
    /// Regions in the order of the file.
    regions: Vec<String>,
    /// The region of each node.
    nodes: BTreeMap<String, String>,
    /// Nodes without a name so far, by kind.
    unnamed: BTreeMap<&'static str, u64>,
}

impl Places {
    fn declare(&mut self, cx: &Context<'_>, name: &str, position: Option<Position>) -> Checked<()> {
        let Some(earlier) = self.names.insert(name.to_owned(), position) else {
            return Ok(());
        };
        let problem = Problem::DuplicateName { name: name.to_owned() };
        let place = position.unwrap_or(Position::START);
        match earlier {
            Some(earlier) => cx.fail_with(place, &problem, (earlier, "it was given first")),
            None => cx.fail(place, problem),
        }
    }

    /// The region or node of this name.
    pub(super) fn find(&self, cx: &Context<'_>, name: &At<Name>) -> Checked<Place> {
        let Name(text) = &name.value;
        if self.nodes.contains_key(text) {
            return Ok(Place::Node(text.clone()));
        }
        if self.regions.contains(text) {
            return Ok(Place::Region(text.clone()));
        }
        let known = self.regions.iter().chain(self.nodes.keys()).cloned().collect();
        cx.fail(
            name.position,
            Problem::UnknownPlace {
                name: text.clone(),
                known,
            },
        )
    }

    /// The node of this name.
    pub(super) fn node(&self, cx: &Context<'_>, name: &At<Text<Name>>) -> Checked<String> {
        let Name(text) = cx.read(name)?;
        if self.nodes.contains_key(&text) {
            return Ok(text);
        }
        let known = self.nodes.keys().cloned().collect();
        cx.fail(
            name.position,
            Problem::UnknownNode {
                kind: "node",
                name: text,
                known,
            },
        )
    }

    /// The region of a node.
    pub(super) fn region_of(&self, node: &str) -> Option<&str> {
        self.nodes.get(node).map(String::as_str)
    }

    fn region(&self, cx: &Context<'_>, region: &Key<Text<Name>>) -> Checked<String> {
        let Some(text) = region.given() else {
            return Ok(self.regions.first().cloned().unwrap_or_default());
        };
        let Name(name) = cx.read(text)?;
        if self.regions.contains(&name) {
            return Ok(name);
        }
        cx.fail(
            text.position,
            Problem::UnknownRegion {
                name,
                known: self.regions.clone(),
            },
        )
    }
}

pub(super) fn validate(cx: &Context<'_>, key: &Key<WorldFile>, horizon: &Horizon) -> Checked<World> {
    let default_file = WorldFile::default();
    let file = key.given().map_or(&default_file, |world| &world.value);
    let mut places = Places::default();
    let regions = cx.list_if_given(&file.regions)?;
    for At {
        value: Name(region),
        position,
    } in &regions
    {
        places.declare(cx, region, Some(*position))?;
        places.regions.push(region.clone());
    }
    if regions.is_empty() {
        places.declare(cx, "local", None)?;
        places.regions.push("local".to_owned());
    }
    let models = models(cx, &file.models)?;
    let proxies = proxies(cx, &mut places, &file.proxies)?;
    let (workers, gpus) = workers(cx, &mut places, &file.workers, &models, &proxies)?;
    let clients = clients(cx, &mut places, &file.clients, &proxies)?;
    let attestation = attestation::fixed(cx, &file.attestation, &proxies, &workers, gpus)?;
    let key_manager = keys::validate(cx, &mut places, &file.key_manager, attestation.tee, horizon)?;
    let network = links::validate(cx, file, &places)?;
    let economy = economy(cx, &file.economy)?;
    Ok(World {
        places,
        network,
        economy,
        attestation,
        proxies,
        workers,
        clients,
        key_manager,
    })
}

/// The keys that all kinds of nodes share.
pub(super) struct Shared<'a> {
    pub(super) kind: &'static str,
    pub(super) name: &'a Key<Text<Name>>,
    pub(super) count: &'a Key<Text<Count>>,
    pub(super) region: &'a Key<Text<Name>>,
    pub(super) clock: &'a Key<ClockFile>,
    pub(super) position: Position,
}

/// The nodes that one entry of a list stands for.
pub(super) fn nodes(cx: &Context<'_>, places: &mut Places, shared: &Shared<'_>) -> Checked<Vec<NodePlan>> {
    let limit = u64::try_from(NODES_MAX).unwrap_or(u64::MAX);
    let count = cx.number_or(shared.count, "the number of nodes", &(1..=u64::from(u32::MAX)), 1)?;
    if u64::try_from(places.nodes.len())
        .unwrap_or(u64::MAX)
        .saturating_add(count)
        > limit
    {
        let place = shared.count.given().map_or(shared.position, |text| text.position);
        return cx.fail(place, Problem::TooManyNodes { max: NODES_MAX });
    }
    let region = places.region(cx, shared.region)?;
    let clock = shared.clock.given().map(|clock| &clock.value);
    let skew = clock.map_or(Ok(SignedDuration(0)), |clock| {
        cx.read_or(&clock.skew, SignedDuration(0))
    })?;
    let drift = clock.map_or(Ok(Drift(0)), |clock| cx.read_or(&clock.drift, Drift(0)))?;
    let name = cx.optional(shared.name)?;
    let place = shared.name.given().map_or(shared.position, |text| text.position);
    let mut nodes = Vec::new();
    for number in 1..=count {
        let name = match &name {
            Some(Name(name)) if shared.count.given().is_none() => name.clone(),
            Some(Name(name)) => format!("{name}-{number}"),
            None => {
                let unnamed = places.unnamed.entry(shared.kind).or_default();
                *unnamed += 1;
                format!("{}-{unnamed}", shared.kind)
            }
        };
        places.declare(cx, &name, Some(place))?;
        places.nodes.insert(name.clone(), region.clone());
        nodes.push(NodePlan {
            name,
            region: region.clone(),
            clock_skew_ns: skew.0,
            clock_drift_ppb: drift.0,
        });
    }
    Ok(nodes)
}

/// The entries of a list of nodes; one with all defaults if there is no list.
fn entries<T: Default + Clone>(cx: &Context<'_>, key: &Key<Vec<At<T>>>) -> Checked<Vec<At<T>>> {
    match key.given() {
        Some(list) => {
            cx.not_empty(list)?;
            Ok(list.value.clone())
        }
        None => Ok(vec![At {
            value: T::default(),
            position: Position::START,
        }]),
    }
}

fn proxies(cx: &Context<'_>, places: &mut Places, key: &Key<Vec<At<ProxyFile>>>) -> Checked<Vec<ProxyPlan>> {
    let mut proxies = Vec::new();
    for At { value: file, position } in entries(cx, key)? {
        let shared = Shared {
            kind: "proxy",
            name: &file.name,
            count: &file.count,
            region: &file.region,
            clock: &file.clock,
            position,
        };
        proxies.extend(nodes(cx, places, &shared)?.into_iter().map(|node| ProxyPlan { node }));
    }
    Ok(proxies)
}

fn workers(
    cx: &Context<'_>,
    places: &mut Places,
    key: &Key<Vec<At<WorkerFile>>>,
    models: &[(ModelName, BackendPlan)],
    proxies: &[ProxyPlan],
) -> Checked<(Vec<WorkerPlan>, Gpus)> {
    let (mut workers, mut gpus) = (Vec::new(), Gpus::default());
    for At { value: file, position } in entries(cx, key)? {
        let shared = Shared {
            kind: "worker",
            name: &file.name,
            count: &file.count,
            region: &file.region,
            clock: &file.clock,
            position,
        };
        let nodes = nodes(cx, places, &shared)?;
        let (model, backend) = worker_model(cx, &file.model, models, position)?;
        let coefficient = cx.read_or(&file.coefficient, Factor(1_000))?.0;
        let slots = "the number of requests at once";
        let max_active_requests = cx.number_or(&file.max_active_requests, slots, &(1..=65_536), 4)?;
        let proxies = proxy_indices(cx, &file.proxies, proxies)?;
        if let Some(given) = file.gpus.given() {
            gpus.add(cx, given, &nodes)?;
        }
        workers.extend(nodes.into_iter().map(|node| WorkerPlan {
            node,
            model: model.clone(),
            coefficient,
            max_active_requests,
            backend: backend.clone(),
            proxies: proxies.clone(),
        }));
    }
    Ok((workers, gpus))
}

fn clients(
    cx: &Context<'_>,
    places: &mut Places,
    key: &Key<Vec<At<ClientFile>>>,
    proxies: &[ProxyPlan],
) -> Checked<Vec<ClientPlan>> {
    let mut clients = Vec::new();
    for At { value: file, position } in entries(cx, key)? {
        let shared = Shared {
            kind: "client",
            name: &file.name,
            count: &file.count,
            region: &file.region,
            clock: &file.clock,
            position,
        };
        let nodes = nodes(cx, places, &shared)?;
        let secret = cx.optional(&file.secret)?;
        let what = "the number of connections to proxies";
        let proxy_connections = cx.number_or(&file.connections, what, &(1..=64), 1)?;
        let proxies = proxy_indices(cx, &file.proxies, proxies)?;
        clients.extend(nodes.into_iter().map(|node| {
            ClientPlan {
                secret: secret
                    .as_ref()
                    .map_or_else(|| format!("secret-of-{}", node.name), |Name(secret)| secret.clone()),
                node,
                proxies: proxies.clone(),
                proxy_connections,
            }
        }));
    }
    Ok(clients)
}

fn proxy_indices(cx: &Context<'_>, list: &List<Name>, proxies: &[ProxyPlan]) -> Checked<Vec<usize>> {
    let mut indices: Vec<usize> = Vec::new();
    for At {
        value: Name(name),
        position,
    } in cx.list_if_given(list)?
    {
        let Some(index) = proxies.iter().position(|proxy| proxy.node.name == name) else {
            let known = proxies.iter().map(|proxy| proxy.node.name.clone()).collect();
            return cx.fail(
                position,
                Problem::UnknownNode {
                    kind: "proxy",
                    name,
                    known,
                },
            );
        };
        if indices.contains(&index) {
            return cx.fail(position, Problem::DuplicateName { name });
        }
        indices.push(index);
    }
    Ok(indices)
}

fn models(cx: &Context<'_>, key: &Key<Vec<At<ModelFile>>>) -> Checked<Vec<(ModelName, BackendPlan)>> {
    let Some(list) = key.given() else {
        return Ok(vec![(
            ModelName("tiny-nano".to_owned()),
            tiny(cx, &TinyFile::default())?,
        )]);
    };
    cx.not_empty(list)?;
    let mut models: Vec<(ModelName, BackendPlan)> = Vec::new();
    for At { value: file, position } in &list.value {
        let text = cx.required(&file.name, "name", *position)?;
        let name = cx.read(text)?;
        if models.iter().any(|(earlier, _)| earlier.base() == name.base()) {
            return cx.fail(
                text.position,
                Problem::DuplicateName {
                    name: name.base().to_owned(),
                },
            );
        }
        let backend = match file.backend.given().map(|backend| &backend.value) {
            None => tiny(cx, &TinyFile::default())?,
            Some(BackendFile::Tiny(file)) => tiny(cx, &file.value)?,
            Some(BackendFile::ServiceTime(file)) => service_time(cx, &file.value)?,
        };
        models.push((name, backend));
    }
    Ok(models)
}

fn tiny(cx: &Context<'_>, file: &TinyFile) -> Checked<BackendPlan> {
    Ok(BackendPlan::Tiny {
        size: cx.read_or(&file.size, Choice(TinySize::Nano))?.0,
        step_ns: cx.read_or(&file.step, Duration(5_000_000))?.0,
        prefill_token_ns: cx.read_or(&file.prefill_token, Duration(100_000))?.0,
    })
}

fn service_time(cx: &Context<'_>, file: &ServiceTimeFile) -> Checked<BackendPlan> {
    Ok(BackendPlan::ServiceTime {
        step_base_ns: cx.read_or(&file.step, Duration(10_000_000))?.0,
        step_per_sequence_ns: cx.read_or(&file.step_per_sequence, Duration(200_000))?.0,
        prefill_token_ns: cx.read_or(&file.prefill_token, Duration(100_000))?.0,
        max_batch: cx.number_or(&file.max_batch, "the number of sequences at once", &(1..=65_536), 32)?,
    })
}

fn worker_model(
    cx: &Context<'_>,
    key: &Key<Text<ModelName>>,
    models: &[(ModelName, BackendPlan)],
    parent: Position,
) -> Checked<(String, BackendPlan)> {
    let found = match key.given() {
        None => models.first(),
        Some(text) => {
            let name = cx.read(text)?;
            models
                .iter()
                .find(|(model, _)| *model == name || model.base() == name.0)
        }
    };
    if let Some((ModelName(name), backend)) = found {
        return Ok((name.clone(), backend.clone()));
    }
    let name = key.given().map(|text| text.value.raw.clone()).unwrap_or_default();
    let known = models.iter().map(|(ModelName(name), _)| name.clone()).collect();
    cx.fail(
        key.given().map_or(parent, |text| text.position),
        Problem::UnknownModel { name, known },
    )
}

fn economy(cx: &Context<'_>, key: &Key<EconomyFile>) -> Checked<EconomyPlan> {
    let default_file = EconomyFile::default();
    let file = key.given().map_or(&default_file, |economy| &economy.value);
    let plan = EconomyPlan {
        price_per_token_nanoton: cx
            .positive_or(&file.price_per_token, "the price of a token", Coins(20))?
            .0,
        worker_fee_per_token_nanoton: cx.read_or(&file.worker_fee_per_token, Coins(16))?.0,
        prompt_multiplier: cx.read_or(&file.prompt_multiplier, Factor(10_000))?.0,
        cached_multiplier: cx.read_or(&file.cached_multiplier, Factor(2_000))?.0,
        completion_multiplier: cx.read_or(&file.completion_multiplier, Factor(80_000))?.0,
        reasoning_multiplier: cx.read_or(&file.reasoning_multiplier, Factor(80_000))?.0,
        client_balance_nanoton: cx.read_or(&file.client_balance, Coins(15_000_000_000))?.0,
        client_stake_nanoton: cx.read_or(&file.client_stake, Coins(1_000_000_000))?.0,
    };
    if plan.worker_fee_per_token_nanoton > plan.price_per_token_nanoton {
        let fee = file.worker_fee_per_token.given().or(file.price_per_token.given());
        return cx.fail(
            fee.map_or(Position::START, |text| text.position),
            Problem::FeeAbovePrice,
        );
    }
    Ok(plan)
}
