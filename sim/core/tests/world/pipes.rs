//! Whatever the sizes, times, links and faults: the bytes that come out are the bytes that went in.

use crate::support::{MS, Pair, engines};
use chrysalis_sim::{Distribution, LinkSpec, SimConfig, run};
use proptest::prelude::*;
use std::{num::NonZeroU64, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What happens next, on one side.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Writes or reads up to this many bytes.
    Move(usize),
    /// Waits microseconds.
    Wait(u64),
    /// Cuts or heals the direction from client to server.
    Toggle,
    /// Holds or releases the direction from server to client.
    Hold,
}

fn steps(faults: bool) -> impl Strategy<Value = Vec<Step>> {
    let fault_weight = u32::from(faults);
    let step = prop_oneof![
        6 => prop_oneof![1_usize..200, 1_usize..20_000, Just(100_000)].prop_map(Step::Move),
        3 => (0_u64..400_000).prop_map(Step::Wait),
        fault_weight => Just(Step::Toggle),
        fault_weight => Just(Step::Hold),
    ];
    proptest::collection::vec(step, 1..25)
}

fn link() -> impl Strategy<Value = LinkSpec> {
    let latency = prop_oneof![
        Just(Distribution::Constant(0)),
        (0_u64..50 * MS).prop_map(Distribution::Constant),
        (0_u64..20 * MS).prop_map(|mean| Distribution::Exponential { mean }),
    ];
    (
        latency,
        0_u64..10 * MS,
        prop_oneof![Just(0_u32), 0_u32..300_000],
        proptest::option::of(10_000_u64..10_000_000),
        1_usize..70_000,
    )
        .prop_map(|(latency, jitter, loss_ppm, rate, socket_buffer_bytes)| LinkSpec {
            latency,
            jitter: Distribution::Uniform { low: 0, high: jitter },
            loss_ppm,
            bandwidth_bytes_per_s: rate.and_then(NonZeroU64::new),
            socket_buffer_bytes,
        })
}

/// The byte at an offset of the stream; it repeats only after a prime.
fn byte_at(offset: usize) -> u8 {
    (offset % 65_521 % 251) as u8
}

async fn transfer(pair: Pair, writes: Vec<Step>, mut reads: Vec<Step>) {
    // A pattern of waits alone would never end.
    reads.push(Step::Move(500));
    let network = pair.sim.network();
    let (mut client, mut server) = pair.connection().await;
    let total: usize = writes
        .iter()
        .map(|step| if let Step::Move(count) = step { *count } else { 0 })
        .sum();
    let writer = pair.clone();
    pair.client.env().spawn("writer", async move {
        let (mut sent, mut is_cut, mut is_held) = (0, false, false);
        for step in writes {
            match step {
                Step::Move(count) => {
                    let bytes: Vec<u8> = (sent..sent + count).map(byte_at).collect();
                    // A write into a cut may wait for the heal, which comes after this step.
                    if is_cut || is_held {
                        writer.sim.network().heal_all();
                        (is_cut, is_held) = (false, false);
                    }
                    client.write_all(&bytes).await.unwrap();
                    sent += count;
                }
                Step::Wait(micros) => writer.sim.sleep(Duration::from_micros(micros)).await,
                Step::Toggle if is_cut => {
                    writer.sim.network().heal_one_way(&writer.client, &writer.server);
                    is_cut = false;
                }
                Step::Toggle => {
                    writer.sim.network().cut_one_way(&writer.client, &writer.server);
                    is_cut = true;
                }
                Step::Hold if is_held => {
                    writer.sim.network().release_one_way(&writer.server, &writer.client);
                    is_held = false;
                }
                Step::Hold => {
                    writer.sim.network().hold_one_way(&writer.server, &writer.client);
                    is_held = true;
                }
            }
        }
        client.shutdown().await.unwrap();
        writer.sim.network().heal_all();
        // Stays open until the reader has all.
        let _ = client.read_u8().await;
    });
    let mut received = 0;
    let mut pattern = reads.into_iter().cycle();
    loop {
        let size = match pattern.next() {
            Some(Step::Move(count)) => count,
            Some(Step::Wait(micros)) => {
                pair.sim.sleep(Duration::from_micros(micros)).await;
                continue;
            }
            _ => 1_000,
        };
        let mut buffer = vec![0; size];
        let count = server.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        for (index, byte) in buffer[..count].iter().enumerate() {
            assert_eq!(*byte, byte_at(received + index), "at {}", received + index);
        }
        received += count;
    }
    assert_eq!(received, total);
    network.heal_all();
    drop(server);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn bytes_come_out_as_they_went_in(
        writes in steps(true),
        reads in steps(false),
        there in link(),
        back in link(),
        seed in any::<u64>(),
    ) {
        for engine in engines() {
            let (writes, reads, there, back) = (writes.clone(), reads.clone(), there.clone(), back.clone());
            let ran = run(engine, SimConfig::new(seed), move |sim| {
                let pair = Pair::new(engine, &sim, MS);
                async move {
                    let (client, server) = (pair.client.clone(), pair.server.clone());
                    sim.network().set_link_one_way(&client, &server, there);
                    sim.network().set_link_one_way(&server, &client, back);
                    transfer(pair, writes, reads).await;
                    // Both ends are closed: nothing of the connection is left.
                    sim.sleep(Duration::from_secs(2_000)).await;
                    sim.census()
                }
            });
            let census = match ran {
                Ok((census, _)) => census,
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            };
            prop_assert_eq!((census.connections, census.timers), (0, 0));
        }
    }
}
