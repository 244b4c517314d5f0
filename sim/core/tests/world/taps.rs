//! What a tap sees, and what it does not.

use crate::support::{MS, Pair, engines};
use chrysalis_env::{Observation, Value};
use chrysalis_sim::{FaultEvent, FaultKind, KillMode, NodeId, PacketEvent, PacketKind, SimConfig, Tap, run};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[derive(Default)]
struct Recorder {
    packets: Mutex<Vec<PacketEvent>>,
    observations: Mutex<Vec<(String, u64)>>,
    faults: Mutex<Vec<FaultKind>>,
    wants_payload: bool,
    sim: Mutex<Option<chrysalis_sim::Sim>>,
}

impl Tap for Recorder {
    fn on_packet(&self, packet: &PacketEvent) {
        // A tap may look at the world it watches.
        let sim = self.sim.lock().unwrap();
        assert!(sim.as_ref().is_none_or(|sim| sim.census().tasks > 0));
        self.packets.lock().unwrap().push(packet.clone());
    }

    fn on_observation(&self, _: NodeId, name: &str, _: u64, observation: &Observation<'_>) {
        let bytes = observation.u64("bytes").unwrap();
        self.observations
            .lock()
            .unwrap()
            .push((format!("{name} {}", observation.kind), bytes));
    }

    fn on_fault(&self, fault: &FaultEvent) {
        self.faults.lock().unwrap().push(fault.kind);
    }

    fn wants_payload(&self) -> bool {
        self.wants_payload
    }
}

#[test]
fn packets_are_seen_with_their_times_and_without_their_contents() {
    for engine in engines() {
        for wants_payload in [false, true] {
            let tap = Arc::new(Recorder {
                wants_payload,
                ..Recorder::default()
            });
            let recorder = tap.clone();
            run(engine, SimConfig::new(1), move |sim| async move {
                *tap.sim.lock().unwrap() = Some(sim.clone());
                sim.set_tap(tap.clone());
                let pair = Pair::new(engine, &sim, 10 * MS);
                let (mut client, mut server) = pair.connection().await;
                client.write_all(b"secret").await.unwrap();
                server.read_exact(&mut [0; 6]).await.unwrap();
                drop(client);
                assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
                pair.client.env().observe("test.done", &[("bytes", Value::U64(6))]);
                pair.sim.network().cut_one_way(&pair.client, &pair.server);
                server.write_all(b"to nobody").await.unwrap();
                sim.sleep(Duration::from_millis(10)).await;
                pair.server.kill(KillMode::PowerLoss);
                tap.sim.lock().unwrap().take();
            })
            .unwrap();
            let packets = recorder.packets.lock().unwrap();
            let kinds: Vec<PacketKind> = packets.iter().map(|packet| packet.kind).collect();
            use PacketKind::{Ack, Data, Fin, Rst, Syn, SynAck};
            assert_eq!(kinds, [Syn, SynAck, Ack, Data, Fin, Data, Rst]);
            for packet in packets.iter() {
                assert_eq!(packet.connection, packets[0].connection);
                let delay = packet.arrives_ns.map(|at_ns| at_ns - packet.at_ns);
                match packet.kind {
                    // It leaves when the data that it answers arrives, into the cut.
                    Rst => assert_eq!(delay, None),
                    _ => assert_eq!(delay, Some(10 * MS)),
                }
                let payload = match (packet.kind, packet.length_bytes) {
                    (Data, 6) => Some(&b"secret"[..]),
                    (Data, 9) => Some(&b"to nobody"[..]),
                    (_, length) => {
                        assert_eq!(length, 0);
                        None
                    }
                };
                assert_eq!(packet.payload(), payload.filter(|_| wants_payload));
            }
            let (syn, answer) = (&packets[0], &packets[1]);
            assert_eq!((syn.from, syn.to), (answer.to, answer.from));
            assert_eq!(
                (Some(syn.from_node), syn.to_node),
                (answer.to_node, Some(answer.from_node))
            );
            assert_eq!(
                *recorder.observations.lock().unwrap(),
                [("client test.done".to_owned(), 6)]
            );
            let faults = recorder.faults.lock().unwrap();
            assert!(matches!(
                faults[..],
                [
                    FaultKind::LinkChanged,
                    FaultKind::Cut { .. },
                    FaultKind::Kill {
                        mode: KillMode::PowerLoss,
                        ..
                    }
                ]
            ));
        }
    }
}
