//! Seeds and virtual seconds per CPU-second of the tests' plans: a quick look, not a benchmark of record.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "an example")]

#[path = "../tests/common/mod.rs"]
mod common;

use chrysalis_world::{Detail, EngineKind, RunOptions, Workshop, plan::*, run};
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn three_regions(seed: u64) -> Plan {
    let mut plan = common::hello(seed);
    let place = |region: &str| Place::Region(region.into());
    let rule = |a: &str, b: &str, ms| LinkRule {
        from: place(a),
        to: place(b),
        one_way: false,
        link: common::link(ms),
    };
    plan.network.rules = vec![rule("eu", "us", 45), rule("us", "asia", 80), rule("eu", "asia", 110)];
    let regions = ["eu", "us", "asia"];
    let node = |kind: &str, i: usize| NodePlan {
        region: regions[i % 3].into(),
        ..common::node(&format!("{kind}-{i}"))
    };
    plan.proxies = (0..2).map(|i| ProxyPlan { node: node("proxy", i) }).collect();
    plan.workers = (0..10)
        .map(|i| WorkerPlan {
            node: node("worker", i),
            model: "nano".into(),
            coefficient: 1000,
            max_active_requests: 200,
            backend: BackendPlan::ServiceTime {
                step_base_ns: 5_000_000,
                step_per_sequence_ns: 50_000,
                prefill_token_ns: 30_000,
                max_batch: 256,
            },
            proxies: Vec::new(),
        })
        .collect();
    plan.clients = (0..20)
        .map(|i| ClientPlan {
            node: node("client", i),
            secret: format!("s{i}"),
            proxies: Vec::new(),
            proxy_connections: 1,
        })
        .collect();
    plan.users = (0..20)
        .map(|i| UserPlan {
            name: format!("user-{i}"),
            client: i,
            pace: Pace::Open,
            requests: (0..25)
                .map(|k| RequestPlan {
                    max_tokens: 200,
                    ..common::request(
                        1_000 + (i as u64) * 20 + k * 400,
                        "Tell me a story about a long journey.",
                        true,
                    )
                })
                .collect(),
        })
        .collect();
    plan
}

fn main() {
    let workshop = Workshop::default();
    let engine = if std::env::args().any(|a| a == "madsim") {
        EngineKind::Madsim
    } else {
        EngineKind::Native
    };
    let options = RunOptions {
        detail: Detail::Verdicts,
        ..RunOptions::verdicts(engine)
    };
    run(&Arc::new(common::hello(0)), options, &workshop).unwrap();
    let start = cpu_s();
    let seeds = if std::env::args().any(|a| a == "regions") {
        0
    } else {
        200
    };
    for seed in 1..=seeds {
        assert!(
            run(&Arc::new(common::hello(seed)), options, &workshop)
                .unwrap()
                .passed()
        );
    }
    let used = cpu_s() - start;
    println!("hello: {:.1} seeds per CPU-second ({used:.2} s)", seeds as f64 / used);
    let start = cpu_s();
    let outcome = run(&Arc::new(three_regions(1)), options, &workshop).unwrap();
    let used = cpu_s() - start;
    let parts: usize = outcome.requests.iter().map(|r| r.parts.len()).sum();
    let failed: Vec<_> = outcome.assertions.iter().filter(|a| !a.held).collect();
    println!(
        "three regions: {:.1} virtual s per CPU-second ({used:.2} s, {} requests, {parts} parts, {} events) {failed:?}",
        outcome.stats.virtual_ns as f64 / 1e9 / used,
        outcome.requests.len(),
        outcome.stats.events,
    );
}
