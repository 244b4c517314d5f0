//! One thread, one seed: how much faster are two?

use crate::{
    measure::wall_s,
    tls::{Evidence, Work, attested},
};
use chrysalis_sim::{CryptoMode, EngineKind};
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
    bound_to_session: false,
};

struct Campaign {
    wall_s: f64,
    /// All digests, in any order.
    digest: u64,
}

fn campaign(engine: EngineKind, evidence: &Arc<Evidence>, seeds: u64, threads: usize) -> Campaign {
    let start_s = wall_s();
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
        wall_s: wall_s() - start_s,
        digest: digest.into_inner().unwrap_or(0),
    }
}

/// How much faster two threads are than one, by the wall clock; 0 if they do not come to the same.
pub(crate) fn speed_up(engine: EngineKind, evidence: &Arc<Evidence>, seeds: u64) -> f64 {
    let one = campaign(engine, evidence, seeds, 1);
    let two = campaign(engine, evidence, seeds, 2);
    if one.digest == two.digest && one.digest != 0 {
        one.wall_s / two.wall_s
    } else {
        0.0
    }
}
