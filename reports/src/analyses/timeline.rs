//! One request across nodes.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{Observer, RequestStatus, Role, Tables};

/// Something that happened to the request at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEvent {
    /// When, nanoseconds of the run.
    pub at_ns: u64,
    /// Index of the lane.
    pub lane: usize,
    /// Stage that was reached.
    pub stage: String,
}

/// A node and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// What the node is.
    pub role: Role,
    /// Its name; absent if only parts, which name no node, were seen there.
    pub node: Option<String>,
    /// When parts of the answer passed nodes of this role, nanoseconds of the run, in order; with the first node of the
    /// role only.
    pub parts_ns: Vec<u64>,
}

/// A request's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Which request.
    pub request_id: String,
    /// Nodes, clients first.
    pub lanes: Vec<Lane>,
    /// Events in order of time.
    pub events: Vec<TimelineEvent>,
}

impl Timeline {
    /// First and last moment.
    pub fn range_ns(&self) -> Option<(u64, u64)> {
        let events = self.events.iter().map(|event| event.at_ns);
        let parts = self.lanes.iter().flat_map(|lane| lane.parts_ns.iter().copied());
        let mut moments = events.chain(parts);
        let first = moments.next()?;
        Some(moments.fold((first, first), |(low, high), at_ns| (low.min(at_ns), high.max(at_ns))))
    }
}

/// Why a request was chosen to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The first one that was not answered.
    FirstFailure,
    /// The one with the median end-to-end latency.
    Median,
    /// The reader named it.
    Named,
}

/// The most telling request that has a timeline: the first failure, otherwise the one of median latency.
pub fn choose_request(tables: &Tables) -> Option<(&str, Choice)> {
    let traced: BTreeSet<&str> = tables.spans.iter().map(|span| span.request_id.as_str()).collect();
    let candidates = || {
        tables
            .requests
            .iter()
            .filter(|request| traced.contains(request.request_id.as_str()))
    };
    if let Some(failed) = candidates().find(|request| request.status != RequestStatus::Ok) {
        return Some((&failed.request_id, Choice::FirstFailure));
    }
    let mut answered: Vec<(u64, &str)> = candidates()
        .filter_map(|request| Some((request.e2e_ns?, request.request_id.as_str())))
        .collect();
    answered.sort_unstable();
    let median = answered.len().checked_sub(1)? / 2;
    answered
        .get(median)
        .map(|(_, request_id)| (*request_id, Choice::Median))
}

/// The timeline of a request; absent if no node reported a stage of it.
pub fn timeline(tables: &Tables, request_id: &str) -> Option<Timeline> {
    let mut spans: Vec<_> = tables
        .spans
        .iter()
        .filter(|span| span.request_id == request_id)
        .collect();
    spans.sort_by_key(|span| span.at_ns);
    spans.first()?;
    let mut parts_ns: BTreeMap<Role, Vec<u64>> = BTreeMap::new();
    for part in tables.parts.iter().filter(|part| part.request_id == request_id) {
        parts_ns.entry(role_of(part.observer)).or_default().push(part.at_ns);
    }
    parts_ns.values_mut().for_each(|moments| moments.sort_unstable());

    // Nodes by role, within a role in the order in which the request reached them.
    let mut reached: BTreeMap<(Role, &str), usize> = BTreeMap::new();
    for (order, span) in spans.iter().enumerate() {
        reached.entry((span.role, &span.node)).or_insert(order);
    }
    let mut nodes: Vec<(Role, usize, Option<&str>)> = reached
        .iter()
        .map(|((role, node), order)| (*role, *order, Some(*node)))
        .collect();
    for role in parts_ns
        .keys()
        .filter(|role| spans.iter().all(|span| span.role != **role))
    {
        nodes.push((*role, 0, None));
    }
    nodes.sort_unstable();
    let mut lanes = Vec::new();
    let mut lane_of: BTreeMap<(Role, &str), usize> = BTreeMap::new();
    for (role, _, node) in nodes {
        if let Some(node) = node {
            lane_of.insert((role, node), lanes.len());
        }
        // Parts name a role but no node: they stand with the first node of the role.
        let parts_ns = parts_ns.remove(&role).unwrap_or_default();
        lanes.push(Lane {
            role,
            node: node.map(str::to_owned),
            parts_ns,
        });
    }
    let events = spans
        .into_iter()
        .filter_map(|span| {
            let lane = lane_of.get(&(span.role, span.node.as_str())).copied()?;
            Some(TimelineEvent {
                at_ns: span.at_ns,
                lane,
                stage: span.stage.clone(),
            })
        })
        .collect();
    Some(Timeline {
        request_id: request_id.to_owned(),
        lanes,
        events,
    })
}

fn role_of(observer: Observer) -> Role {
    match observer {
        Observer::Client => Role::Client,
        Observer::Proxy => Role::Proxy,
        Observer::Worker => Role::Worker,
    }
}
