//! One thread, one seed: how much faster are two?

use crate::{
    measure::{cpu_s, median, wall_s},
    tls::{Evidence, Work, attested},
};
use chrysalis_sim::{CryptoMode, EngineKind};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// A small cluster, as a campaign runs thousands of.
const WORK: Work = Work {
    clients: 5,
    connections: 3,
    rounds: 20,
    message_bytes: 64,
};

struct Campaign {
    wall_s: f64,
    cpu_s: f64,
    /// All digests, in any order.
    digest: u64,
}

fn campaign(engine: EngineKind, evidence: &Arc<Evidence>, seeds: u64, threads: usize) -> Campaign {
    let (wall, cpu) = (wall_s(), cpu_s());
    let next = AtomicU64::new(0);
    let digest = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let report = attested(engine, CryptoMode::Deterministic, seed, evidence, WORK);
                    let first = report.map_or(0, |report| {
                        report.digest[..8]
                            .iter()
                            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
                    });
                    if let Ok(mut digest) = digest.lock() {
                        *digest ^= first.rotate_left((seed % 64) as u32);
                    }
                }
            });
        }
    });
    Campaign {
        wall_s: wall_s() - wall,
        cpu_s: cpu_s() - cpu,
        digest: digest.into_inner().unwrap_or(0),
    }
}

/// Pairs of campaigns, on one thread and on two, in turns.
pub(crate) fn results(engine: EngineKind, evidence: &Arc<Evidence>, seeds: u64, runs: usize) -> Value {
    campaign(engine, evidence, seeds / 4, 1);
    let pairs: Vec<(Campaign, Campaign)> = (0..runs)
        .map(|_| {
            (
                campaign(engine, evidence, seeds, 1),
                campaign(engine, evidence, seeds, 2),
            )
        })
        .collect();
    let over =
        |value: fn(&Campaign, &Campaign) -> f64| median(pairs.iter().map(|(one, two)| value(one, two)).collect());
    json!({
        "seeds_per_cpu_s": over(|one, _| 1.0 / one.cpu_s) * seeds as f64,
        "wall_speed_up_of_two_threads": over(|one, two| one.wall_s / two.wall_s),
        "cpu_growth_of_two_threads": over(|one, two| two.cpu_s / one.cpu_s),
        "digests_agree": pairs.iter().all(|(one, two)| one.digest == two.digest && one.digest != 0),
    })
}
