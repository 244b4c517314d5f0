//! What is computed from runs: pure functions of run stores, in integers.
//!
//! Several runs count as one population; [`runs()`] keeps them apart. Everything is ordered, so equal stores give equal
//! results.

mod cost;
mod events;
mod latency;
mod observer;
mod payments;
mod runs;
mod security;
mod settlement;
mod timeline;
mod verdicts;

pub use cost::{ClassCost, Cost, TokenClass, cost, nanoton_per_million};
pub use events::{AttestationSummary, FaultSummary, Rejection, attestations, faults};
pub use latency::{Latency, LatencyMetric, MetricSummary, latency};
pub use observer::{DirectionView, ObserverView, observer_view};
pub use payments::{PaymentSummary, Unsigned, payments, unsigned};
pub use runs::{RunSummary, runs};
pub use security::{
    EvidenceEvent, EvidenceTimeline, Measured, PlatformSummary, ThreatSummary, evidence_timeline, platforms, threats,
};
pub use settlement::{Flow, OperationSummary, flows, operations};
pub use timeline::{Choice, Lane, Timeline, TimelineEvent, choose_request, timeline};
pub use verdicts::{PropertySummary, SuiteVerdict, VerdictSummary, verdicts};
