//! One direction between two nodes: how long packets take, how many get lost, what stands in their way.

use crate::{distribution::Distribution, entropy::EntropyStream, node::NodeId, slab::Key};
use std::{num::NonZeroU64, sync::Arc};

/// Properties of one direction of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpec {
    /// Time from the last byte's departure to its arrival, nanoseconds.
    pub latency: Distribution,
    /// Added to the latency, nanoseconds. Data stays in order all the same: a late segment holds up those behind it.
    pub jitter: Distribution,
    /// Packets lost, parts per million. Lost data is sent again after a time-out that doubles each time; lost SYNs and
    /// RSTs are simply gone.
    pub loss_ppm: u32,
    /// Rate of the link, shared by all connections on it; `None` is unlimited.
    pub bandwidth_bytes_per_s: Option<NonZeroU64>,
    /// Bytes that may be under way or unread in one direction of a connection, at most 1 GiB; beyond it the writer
    /// waits.
    pub socket_buffer_bytes: usize,
}

impl LinkSpec {
    /// Linux lets a send buffer grow to this (`tcp_wmem`).
    pub const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

    /// A link with a fixed latency, without jitter, loss or limit of rate.
    pub fn constant(latency_ns: u64) -> Self {
        Self {
            latency: Distribution::Constant(latency_ns),
            jitter: Distribution::Constant(0),
            loss_ppm: 0,
            bandwidth_bytes_per_s: None,
            socket_buffer_bytes: Self::SOCKET_BUFFER_BYTES,
        }
    }

    /// What connections within one node use.
    pub fn loopback() -> Self {
        Self::constant(10_000)
    }
}

impl Default for LinkSpec {
    /// 1 ms, nothing else.
    fn default() -> Self {
        Self::constant(1_000_000)
    }
}

/// What a packet meets at the entry of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Up,
    Cut,
    Held,
}

/// A packet that waits in a held link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeldPacket {
    Syn(Key),
    SynAck(Key),
    Ack(Key),
    Refusal(Key),
    /// Whatever the pipe has waiting: data and FIN.
    Tail(Key, usize),
    Rst(Key, usize),
}

/// Where a link's draws come from, if it ever draws.
pub(crate) struct LinkEntropy {
    seed: u64,
    label: String,
    stream: Option<Box<EntropyStream>>,
}

impl LinkEntropy {
    fn get(&mut self) -> &mut EntropyStream {
        let Self { seed, label, stream } = self;
        stream.get_or_insert_with(|| Box::new(EntropyStream::new(*seed, label)))
    }
}

pub(crate) struct Link {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    spec: Arc<LinkSpec>,
    /// The whole delay where nothing about it is random.
    fixed_ns: Option<u64>,
    /// What to expect: for acknowledgements and time-outs.
    pub(crate) typical_ns: u64,
    pub(crate) buffer_bytes: u32,
    busy_until_ns: u64,
    /// How many faults cut it.
    pub(crate) cuts: u32,
    /// How many faults hold it.
    pub(crate) holds: u32,
    pub(crate) held: Vec<HeldPacket>,
    entropy: LinkEntropy,
}

impl Link {
    pub(crate) fn new(from: NodeId, to: NodeId, spec: Arc<LinkSpec>, seed: u64, names: (&str, &str)) -> Self {
        let mut link = Self {
            from,
            to,
            spec: spec.clone(),
            fixed_ns: None,
            typical_ns: 0,
            buffer_bytes: 0,
            busy_until_ns: 0,
            cuts: 0,
            holds: 0,
            held: Vec::new(),
            entropy: LinkEntropy {
                seed,
                label: format!("link/{}-{}", names.0, names.1),
                stream: None,
            },
        };
        link.set_spec(spec);
        link
    }

    pub(crate) fn set_spec(&mut self, spec: Arc<LinkSpec>) {
        self.fixed_ns = match (spec.latency.constant(), spec.jitter.constant(), spec.loss_ppm) {
            (Some(latency), Some(jitter), 0) => Some(latency.saturating_add(jitter)),
            _ => None,
        };
        self.typical_ns = spec.latency.median().saturating_add(spec.jitter.median());
        self.buffer_bytes = spec.socket_buffer_bytes.clamp(1, BUFFER_BYTES_MAX) as u32;
        self.spec = spec;
    }

    /// The delay of all data, where that is one number.
    pub(crate) fn simple_delay_ns(&self) -> Option<u64> {
        self.fixed_ns.filter(|_| self.spec.bandwidth_bytes_per_s.is_none())
    }

    #[inline]
    pub(crate) fn path(&self) -> Path {
        if self.cuts > 0 {
            Path::Cut
        } else if self.holds > 0 {
            Path::Held
        } else {
            Path::Up
        }
    }

    /// When data of `length_bytes` that leaves at `now_ns` arrives. Losses become delays: each costs a retransmission
    /// time-out that starts at `timeout_ns` and doubles up to `timeout_max_ns`.
    #[inline]
    pub(crate) fn data_arrival_ns(
        &mut self,
        now_ns: u64,
        length_bytes: usize,
        timeout_ns: u64,
        timeout_max_ns: u64,
    ) -> u64 {
        let departure = self.departure_ns(now_ns, length_bytes);
        if let Some(fixed) = self.fixed_ns {
            return departure.saturating_add(fixed);
        }
        let loss_ppm = self.spec.loss_ppm.min(LOSS_PPM_MAX);
        let stream = self.entropy.get();
        let mut lost_ns = 0_u64;
        let mut timeout = timeout_ns;
        while stream.chance_ppm(loss_ppm) {
            lost_ns = lost_ns.saturating_add(timeout);
            timeout = timeout.saturating_mul(2).min(timeout_max_ns);
        }
        departure
            .saturating_add(lost_ns)
            .saturating_add(self.spec.latency.sample(stream))
            .saturating_add(self.spec.jitter.sample(stream))
    }

    /// When a packet that nobody sends again arrives; `None` if it is lost.
    pub(crate) fn control_arrival_ns(&mut self, now_ns: u64) -> Option<u64> {
        let departure = self.departure_ns(now_ns, 0);
        if let Some(fixed) = self.fixed_ns {
            return Some(departure.saturating_add(fixed));
        }
        let stream = self.entropy.get();
        if stream.chance_ppm(self.spec.loss_ppm) {
            return None;
        }
        Some(
            departure
                .saturating_add(self.spec.latency.sample(stream))
                .saturating_add(self.spec.jitter.sample(stream)),
        )
    }

    /// When the last byte has left, after those that queue before it.
    #[inline]
    fn departure_ns(&mut self, now_ns: u64, length_bytes: usize) -> u64 {
        let Some(rate) = self.spec.bandwidth_bytes_per_s else {
            return now_ns;
        };
        let start = self.busy_until_ns.max(now_ns);
        let serialization = (length_bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate.get()));
        self.busy_until_ns = start.saturating_add(serialization as u64);
        self.busy_until_ns
    }
}

/// More than any kernel gives, and little enough to be counted in 32 bits.
const BUFFER_BYTES_MAX: usize = 1 << 30;

/// A link that loses everything is a cut; beyond this rate retransmission would loop for no insight.
const LOSS_PPM_MAX: u32 = 950_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn link(spec: LinkSpec) -> Link {
        Link::new(NodeId(1), NodeId(2), Arc::new(spec), 1, ("a", "b"))
    }

    #[test]
    fn bandwidth_queues_packets() {
        let mut link = link(LinkSpec {
            bandwidth_bytes_per_s: NonZeroU64::new(1_000_000),
            ..LinkSpec::constant(5_000)
        });
        assert_eq!(link.data_arrival_ns(0, 1_000, 0, 0), 1_005_000);
        assert_eq!(link.data_arrival_ns(0, 1_000, 0, 0), 2_005_000);
        assert_eq!(link.data_arrival_ns(10_000_000, 1, 0, 0), 10_006_000);
    }

    #[test]
    fn losses_cost_doubling_timeouts() {
        let mut link = link(LinkSpec {
            loss_ppm: 500_000,
            ..LinkSpec::constant(7)
        });
        let mut delays: Vec<u64> = (0..4_000)
            .map(|_| link.data_arrival_ns(0, 1, 1_000, 1_000_000) - 7)
            .collect();
        delays.sort_unstable();
        // k losses in a row cost (2^k - 1) time-outs, with probability 2^-(k+1).
        for (losses, share) in [(0_u32, 2_000_usize), (1, 1_000), (2, 500), (3, 250)] {
            let wanted = 1_000 * (2_u64.pow(losses) - 1);
            let seen = delays.iter().filter(|delay| **delay == wanted).count();
            assert!(seen.abs_diff(share) < share / 5, "{losses} losses: {seen}");
        }
        let lost = (0..4_000).filter(|_| link.control_arrival_ns(0).is_none()).count();
        assert!(lost.abs_diff(2_000) < 200, "{lost}");
    }
}
