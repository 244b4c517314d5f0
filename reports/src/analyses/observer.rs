//! What a passive observer of the network beside the client saw: sizes, times and directions, never contents.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{Direction, PacketRow};
use crate::stats::Sample;
use crate::store::RunStore;

/// Taps with this prefix belong to the observer at the client.
const CLIENT_TAP: &str = "client";

/// One direction as the observer saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectionView {
    /// Sizes of packets in bytes.
    pub sizes_bytes: Sample,
    /// Times between successive packets of a connection in nanoseconds.
    pub gaps_ns: Sample,
    /// Number of different sizes: one means that sizes carry no information.
    pub distinct_sizes: u64,
    /// Number of packets by kind.
    pub kinds: BTreeMap<String, u64>,
}

/// The observer's view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObserverView {
    /// Names of the taps that were read.
    pub taps: BTreeSet<String>,
    /// Number of connections seen.
    pub connections: u64,
    /// From the client.
    pub up: DirectionView,
    /// To the client.
    pub down: DirectionView,
}

/// What the observer at the client saw in these runs.
pub fn observer_view(runs: &[RunStore]) -> ObserverView {
    let mut view = ObserverView::default();
    let mut up = Collector::default();
    let mut down = Collector::default();
    for run in runs {
        let mut connections: BTreeSet<u64> = BTreeSet::new();
        for packet in run
            .tables()
            .packets
            .iter()
            .filter(|packet| packet.tap.starts_with(CLIENT_TAP))
        {
            if !view.taps.contains(&packet.tap) {
                view.taps.insert(packet.tap.clone());
            }
            connections.insert(packet.connection);
            match packet.direction {
                Direction::Up => up.add(packet),
                Direction::Down => down.add(packet),
            }
        }
        view.connections += connections.len() as u64;
        up.end_of_run();
        down.end_of_run();
    }
    view.up = up.finish();
    view.down = down.finish();
    view
}

#[derive(Default)]
struct Collector {
    sizes: Vec<u64>,
    gaps: Vec<u64>,
    kinds: BTreeMap<String, u64>,
    times_of_run: BTreeMap<u64, Vec<u64>>,
}

impl Collector {
    fn add(&mut self, packet: &PacketRow) {
        self.sizes.push(packet.bytes);
        match self.kinds.get_mut(&packet.kind) {
            Some(count) => *count += 1,
            None => {
                self.kinds.insert(packet.kind.clone(), 1);
            }
        }
        self.times_of_run
            .entry(packet.connection)
            .or_default()
            .push(packet.at_ns);
    }

    fn end_of_run(&mut self) {
        for mut times in std::mem::take(&mut self.times_of_run).into_values() {
            times.sort_unstable();
            self.gaps.extend(times.windows(2).filter_map(|pair| match pair {
                [earlier, later] => later.checked_sub(*earlier),
                _ => None,
            }));
        }
    }

    fn finish(self) -> DirectionView {
        let sizes_bytes = Sample::new(self.sizes);
        let distinct_sizes = sizes_bytes.values().chunk_by(|left, right| left == right).count() as u64;
        DirectionView {
            sizes_bytes,
            gaps_ns: Sample::new(self.gaps),
            distinct_sizes,
            kinds: self.kinds,
        }
    }
}
