//! Cuts, holds, and what becomes of connections when a node dies.

use super::{
    connection::{Connection, Fin, Holder, ServerPhase},
    link::{HeldPacket, Path},
    transfer::Closing,
};
use crate::{
    node::{KillMode, NodeId},
    slab::Key,
    tap::FaultKind,
    world::State,
};

impl State {
    /// Packets that enter the link from now on are dropped.
    pub(crate) fn cut(&mut self, from: NodeId, to: NodeId) {
        let index = self.link_between(from, to, self.seed);
        self.net.links[index as usize].cuts += 1;
        self.net.epoch += 1;
        self.fault(FaultKind::Cut { from, to });
        // The acknowledgements of what is under way the other way will not come.
        let unanswered = self.ends_where(|connection, end| {
            connection.ends[1 - end].out == index && !connection.ends[1 - end].inbound.segments.is_empty()
        });
        for (key, end) in unanswered {
            self.await_answer(key, end);
        }
    }

    /// Takes back one cut. What waits is tried again at the end of its retransmission interval.
    pub(crate) fn heal(&mut self, from: NodeId, to: NodeId) {
        let index = self.link_between(from, to, self.seed);
        let link = &mut self.net.links[index as usize];
        link.cuts = link.cuts.saturating_sub(1);
        self.net.epoch += 1;
        self.fault(FaultKind::Heal { from, to });
    }

    /// Packets that enter the link from now on wait.
    pub(crate) fn hold(&mut self, from: NodeId, to: NodeId) {
        let index = self.link_between(from, to, self.seed);
        self.net.links[index as usize].holds += 1;
        self.net.epoch += 1;
        self.fault(FaultKind::Hold { from, to });
    }

    /// Takes back one hold.
    pub(crate) fn release(&mut self, from: NodeId, to: NodeId) {
        let index = self.link_between(from, to, self.seed);
        let link = &mut self.net.links[index as usize];
        link.holds = link.holds.saturating_sub(1);
        self.net.epoch += 1;
        self.fault(FaultKind::Release { from, to });
        self.let_go(index);
    }

    /// Takes back all cuts and holds.
    pub(crate) fn heal_all(&mut self) {
        self.net.epoch += 1;
        for index in 0..self.net.links.len() {
            let link = &mut self.net.links[index];
            let (from, to) = (link.from, link.to);
            let (was_cut, was_held) = (link.cuts > 0, link.holds > 0);
            link.cuts = 0;
            link.holds = 0;
            if was_cut {
                self.fault(FaultKind::Heal { from, to });
            }
            if was_held {
                self.fault(FaultKind::Release { from, to });
                self.let_go(index as u32);
            }
        }
    }

    /// Sends what a link held, in order, if nothing holds it any more.
    fn let_go(&mut self, index: u32) {
        if self.net.links[index as usize].holds > 0 {
            return;
        }
        for packet in std::mem::take(&mut self.net.links[index as usize].held) {
            match packet {
                HeldPacket::Syn(key) => self.transmit_syn(key),
                HeldPacket::SynAck(key) => self.transmit_syn_ack(key),
                HeldPacket::Ack(key) => self.transmit_ack(key),
                HeldPacket::Refusal(key) => self.transmit_refusal(key),
                HeldPacket::Rst(key, end) => self.send_reset(key, end),
                HeldPacket::Tail(key, end) => self.let_tail_go(key, end),
            }
        }
    }

    fn let_tail_go(&mut self, key: Key, end: usize) {
        let index = match self.net.connections.get_mut(key) {
            Some(connection) => {
                connection.ends[1 - end].inbound.held = false;
                connection.ends[end].out as usize
            }
            None => return,
        };
        match self.net.links[index].path() {
            Path::Up => self.send_tail(key, end),
            // It was cut while it was held.
            Path::Cut | Path::Held => self.await_answer(key, end),
        }
    }

    /// Connections and ends for which `matches`, in the order of their slots.
    fn ends_where(&self, matches: impl Fn(&Connection, usize) -> bool) -> Vec<(Key, usize)> {
        let mut found = Vec::new();
        for (key, connection) in self.net.connections.iter() {
            for end in 0..2 {
                if matches(connection, end) {
                    found.push((key, end));
                }
            }
        }
        found
    }

    /// All sockets of a node end with its process or its machine.
    pub(crate) fn close_node(&mut self, node: NodeId, mode: KillMode) {
        // Listeners first: what waits in their backlogs is reset.
        let listeners: Vec<Key> = self.nodes[node.index()]
            .ports
            .listeners
            .values()
            .flatten()
            .map(|(_, key)| *key)
            .collect();
        for key in listeners {
            match mode {
                KillMode::PowerLoss => self.forget_listener(key),
                KillMode::Process | KillMode::ProcessClose => self.close_listener(key),
            }
        }
        let held = self.ends_where(|connection, end| {
            let socket = &connection.ends[end];
            socket.node == node && (socket.is_held() || mode == KillMode::PowerLoss)
        });
        for (key, end) in held {
            match mode {
                KillMode::Process => self.close_end(key, end, Closing::Reset),
                KillMode::ProcessClose => self.close_end(key, end, Closing::AsLinux),
                KillMode::PowerLoss => self.silence_end(key, end),
            }
        }
    }

    /// The machine of `end` lost its power.
    fn silence_end(&mut self, key: Key, end: usize) {
        let now_ns = self.now_ns;
        let Some(connection) = self.net.connections.get_mut(key) else {
            return;
        };
        if end == 1 && connection.server == ServerPhase::HalfOpen {
            connection.server = ServerPhase::None;
            self.wheel.cancel(connection.syn_ack_timer);
        }
        if end == 0 {
            self.wheel.cancel(connection.syn_timer);
        }
        let (socket, peer) = connection.from(end);
        socket.holder = Holder::Silent;
        self.wheel.cancel(socket.read_timer);
        self.wheel.cancel(socket.write_timer);
        // What it had not sent is lost with it.
        peer.inbound.drop_waiting();
        if let Some(retry) = peer.inbound.retry.take() {
            self.wheel.cancel(retry.timer);
        }
        // What is under way to it will have to be sent again.
        let inbound = &mut socket.inbound;
        inbound.absorb(now_ns);
        inbound.waiting += inbound.segments.drain_length();
        if inbound.fin == Fin::Sent && inbound.fin_ns > now_ns {
            inbound.fin = Fin::Waiting;
        }
        if inbound.waiting > 0 || inbound.fin == Fin::Waiting {
            self.await_answer(key, 1 - end);
        }
        self.free_if_unheld(key);
    }
}
