//! One request across nodes.

use std::collections::BTreeSet;

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
    /// When parts of the answer passed, nanoseconds of the run, in order.
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
    let mut lanes: Vec<Lane> = Vec::new();
    for span in &spans {
        if lane_of(&lanes, span.role, &span.node).is_none() {
            lanes.push(Lane {
                role: span.role,
                node: Some(span.node.clone()),
                parts_ns: Vec::new(),
            });
        }
    }
    // Stable: within a role, the node that was reached first stands first.
    lanes.sort_by_key(|lane| lane.role);
    for part in tables.parts.iter().filter(|part| part.request_id == request_id) {
        let role = role_of(part.observer);
        match lanes.iter_mut().find(|lane| lane.role == role) {
            Some(lane) => lane.parts_ns.push(part.at_ns),
            None => {
                let position = lanes.partition_point(|lane| lane.role < role);
                lanes.insert(
                    position,
                    Lane {
                        role,
                        node: None,
                        parts_ns: vec![part.at_ns],
                    },
                );
            }
        }
    }
    for lane in &mut lanes {
        lane.parts_ns.sort_unstable();
    }
    let events = spans
        .into_iter()
        .filter_map(|span| {
            let lane = lane_of(&lanes, span.role, &span.node)?;
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

fn lane_of(lanes: &[Lane], role: Role, node: &str) -> Option<usize> {
    lanes
        .iter()
        .position(|lane| lane.role == role && lane.node.as_deref() == Some(node))
}

fn role_of(observer: Observer) -> Role {
    match observer {
        Observer::Client => Role::Client,
        Observer::Proxy => Role::Proxy,
        Observer::Worker => Role::Worker,
    }
}
