//! What could not leave, or got no answer: it is sent again with growing intervals until it gets through or the
//! socket gives up.

use super::{
    NetTimer,
    connection::{Failure, Fin, Holder, Parts, Retry},
    link::{HeldPacket, Path},
    segments::Segment,
};
use crate::{
    config::TransportConfig,
    log::EventKind,
    slab::Key,
    tap::PacketKind,
    world::{State, Timer},
};

impl Parts<'_> {
    /// What data from `end` meets. A silent machine is as good as a cut.
    pub(super) fn path_from(&self, end: usize) -> Path {
        let sender = &self.connection.ends[end];
        if self.connection.ends[1 - end].holder == Holder::Silent {
            return Path::Cut;
        }
        self.links[sender.out as usize].path()
    }

    /// Time-out of the first retransmission of what `end` sends.
    fn first_timeout_ns(&self, end: usize, config: &TransportConfig) -> u64 {
        let out = self.connection.ends[end].out as usize;
        let round_trip_ns = self.links[out].typical_ns.saturating_mul(2);
        config.retransmit_min_ns.saturating_add(round_trip_ns)
    }

    /// When data that leaves now arrives.
    pub(super) fn arrival_ns(&mut self, end: usize, length: usize, config: &TransportConfig) -> u64 {
        let timeout_ns = self.first_timeout_ns(end, config);
        let link = &mut self.links[self.connection.ends[end].out as usize];
        let at_ns = link.data_arrival_ns(self.now_ns, length, timeout_ns, config.retransmit_max_ns);
        let inbound = &mut self.connection.ends[1 - end].inbound;
        inbound.last_ns = inbound.last_ns.max(at_ns);
        inbound.last_ns
    }

    /// Remembers that what `end` sent has no answer.
    pub(super) fn arm_retry(&mut self, key: Key, end: usize, config: &TransportConfig) {
        let interval_ns = self.first_timeout_ns(end, config);
        let outbound = &mut self.connection.ends[1 - end].inbound;
        if outbound.retry.is_none() {
            let what = NetTimer::Retransmit(end as u8);
            let at_ns = self.now_ns.saturating_add(interval_ns);
            outbound.retry = Some(Box::new(Retry {
                timer: self.wheel.insert(at_ns, Timer::Net { connection: key, what }),
                since_ns: self.now_ns,
                interval_ns,
            }));
        }
    }

    /// What `end` has waiting could not leave.
    pub(super) fn stop_tail(&mut self, key: Key, end: usize, path: Path, config: &TransportConfig) {
        match path {
            Path::Up => {}
            Path::Cut => self.arm_retry(key, end, config),
            Path::Held => {
                let out = self.connection.ends[end].out as usize;
                let outbound = &mut self.connection.ends[1 - end].inbound;
                if !std::mem::replace(&mut outbound.held, true) {
                    self.links[out].held.push(HeldPacket::Tail(key, end));
                }
            }
        }
    }
}

impl State {
    /// What `end` sent will have no answer for a while.
    pub(super) fn await_answer(&mut self, key: Key, end: usize) {
        let config = self.net.config;
        if let Some(mut parts) = self.parts(key)
            && parts.connection.ends[end].holder != Holder::Silent
        {
            parts.arm_retry(key, end, &config);
        }
    }

    /// What `end` sent has had no answer for a while.
    pub(super) fn on_retransmit(&mut self, key: Key, end: usize) {
        let config = self.net.config;
        let now_ns = self.now_ns;
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        let peer = &mut connection.ends[1 - end];
        let Some(mut retry) = peer.inbound.retry.take() else {
            return;
        };
        let gives_up_ns = retry.since_ns.saturating_add(config.retransmit_total_ns);
        if now_ns >= gives_up_ns {
            return self.fail_socket(key, end, Failure::TimedOut);
        }
        if peer.holder == Holder::Silent && self.nodes[peer.node.index()].powered {
            // The machine is back and knows nothing of the connection.
            peer.holder = Holder::Closed;
        }
        let Some(mut parts) = self.parts(key) else { return };
        let path = parts.path_from(end);
        let acknowledged = parts.path_from(1 - end) != Path::Cut;
        match path {
            Path::Held => return parts.stop_tail(key, end, path, &config),
            Path::Up => {
                self.send_tail(key, end);
                if acknowledged {
                    return;
                }
            }
            Path::Cut => {}
        }
        retry.interval_ns = retry.interval_ns.saturating_mul(2).min(config.retransmit_max_ns);
        let at_ns = now_ns.saturating_add(retry.interval_ns).min(gives_up_ns);
        let what = NetTimer::Retransmit(end as u8);
        if let Some(parts) = self.parts(key) {
            retry.timer = parts.wheel.insert(at_ns, Timer::Net { connection: key, what });
            parts.connection.ends[1 - end].inbound.retry = Some(retry);
        }
    }

    /// Sends what `end` has waiting: the way is free.
    pub(super) fn send_tail(&mut self, key: Key, end: usize) {
        let config = self.net.config;
        let Some(mut parts) = self.parts(key) else { return };
        let (from, peer) = parts.connection.from(end);
        let (from, to) = (from.node.0, peer.node.0);
        let (waiting, receives, fin) = (peer.inbound.waiting, peer.receives(), peer.inbound.fin);
        peer.inbound.held = false;
        if waiting > 0 {
            let offset = peer.inbound.written - u64::from(waiting);
            let payload = if parts.has_tap {
                peer.inbound.bytes.last(waiting as usize)
            } else {
                Vec::new()
            };
            let at_ns = parts.arrival_ns(end, waiting as usize, &config);
            let id = parts.connection.id;
            parts.log.push(
                parts.now_ns,
                EventKind::Retransmit,
                from,
                to,
                id,
                u64::from(waiting),
                at_ns,
            );
            let inbound = &mut parts.connection.ends[1 - end].inbound;
            if receives {
                inbound.waiting = 0;
                inbound.segments.push_back(Segment { at_ns, length: waiting });
                parts.arm_reader(key, 1 - end);
            } else {
                inbound.drop_waiting();
            }
            self.show(key, end, PacketKind::Data, Some(at_ns), offset, &payload);
            if !receives {
                return self.answer_with_reset(key, 1 - end, at_ns);
            }
        }
        if fin == Fin::Waiting {
            self.send_fin(key, end);
        }
    }
}
