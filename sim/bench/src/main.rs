//! Measures the simulated world: messages, handshakes, memory and threads, against itself and against others.
//!
//! Usage: `chrysalis-bench-sim [--quick] [PART ...]`, PART one of those listed in `PARTS`. One JSON object on stdout.
//!
//! All rates are per CPU second (user and system time of the process), medians of five runs after a warm-up; ratios
//! are between medians of the same invocation.

mod echo;
mod measure;
mod rivals;
mod threads;
mod tls;

use chrysalis_sim::{CryptoMode, EngineKind, MADSIM_AVAILABLE};
use measure::Series;
use serde_json::{Map, Value, json};
use std::io::Write as _;

const PARTS: [&str; 4] = ["echo", "rivals", "tls", "threads"];

struct Options {
    runs: usize,
    /// Work of a run, percent of the full work.
    scale_percent: usize,
    parts: Vec<String>,
}

impl Options {
    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }

    fn rounds(&self, full: usize) -> usize {
        (full * self.scale_percent / 100).max(2)
    }
}

fn main() -> std::process::ExitCode {
    let mut options = Options {
        runs: 5,
        scale_percent: 100,
        parts: Vec::new(),
    };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--quick" => options.scale_percent = 10,
            part if PARTS.contains(&part) => options.parts.push(argument),
            _ => return std::process::ExitCode::from(2),
        }
    }
    let mut results = Map::new();
    if options.wants("echo") {
        results.insert("echo".into(), echo_results(&options));
    }
    if options.wants("rivals") {
        results.insert("rivals".into(), rival_results(&options));
    }
    if options.wants("tls") {
        results.insert("tls".into(), tls_results(&options));
    }
    if options.wants("threads") {
        results.insert("threads".into(), thread_results(&options));
    }
    let text = format!("{:#}\n", Value::Object(results));
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(_) => std::process::ExitCode::FAILURE,
    }
}

fn engines() -> Vec<(&'static str, EngineKind)> {
    let mut engines = vec![("native", EngineKind::Native)];
    if MADSIM_AVAILABLE {
        engines.push(("madsim", EngineKind::Madsim));
    }
    engines
}

fn echo_results(options: &Options) -> Value {
    let mut results = Map::new();
    for (name, engine) in engines() {
        for (clients, rounds) in [(100, 5_000), (1_000, 500), (10_000, 50)] {
            let rounds = options.rounds(rounds);
            let series = Series::measure(options.runs, || echo::measure(engine, clients, rounds));
            let memory = echo::echo(engine, 1, clients, 2).map_or(0, |(_, memory)| memory);
            results.insert(
                format!("{name}/{clients}"),
                json!({ "messages": series.to_json(), "resident_bytes_per_client": memory }),
            );
        }
    }
    Value::Object(results)
}

fn rival_results(options: &Options) -> Value {
    let mut results = Map::new();
    let ours = Series::measure(options.runs, || {
        echo::measure(EngineKind::Native, 100, options.rounds(5_000))
    });
    let mut rival = |name: &str, series: &Series| {
        let ratio = ours.rate() / series.rate();
        results.insert(
            name.into(),
            json!({ "messages": series.to_json(), "native_is_times_faster": ratio }),
        );
    };
    #[cfg(madsim)]
    {
        let rounds = options.rounds(2_000);
        rival(
            "madsim tcp",
            &Series::measure(options.runs, || rivals::madsim_tcp(100, rounds)),
        );
        rival(
            "native network on madsim",
            &Series::measure(options.runs, || echo::measure(EngineKind::Madsim, 100, rounds)),
        );
    }
    rival(
        "turmoil 1 ms",
        &Series::measure(options.runs, || rivals::turmoil(100, options.rounds(10))),
    );
    rival(
        "loopback sockets",
        &Series::measure(options.runs, || rivals::loopback(100, options.rounds(500))),
    );
    Value::Object(results)
}

fn tls_results(options: &Options) -> Value {
    let Some(evidence) = tls::Evidence::new() else {
        return Value::Null;
    };
    let mut results = Map::new();
    for (name, engine) in engines() {
        for (crypto_name, crypto) in [
            ("deterministic", CryptoMode::Deterministic),
            ("stock ring", CryptoMode::StockRing),
        ] {
            let handshakes = tls::Work {
                clients: 100,
                connections: options.rounds(20),
                rounds: 0,
                message_bytes: 64,
            };
            let messages = tls::Work {
                connections: 1,
                rounds: options.rounds(2_000),
                ..handshakes
            };
            for (kind, work) in [("handshakes", handshakes), ("messages", messages)] {
                let series = Series::measure(options.runs, || tls::measure(engine, crypto, &evidence, work));
                results.insert(format!("{name}/{crypto_name}/{kind}"), series.to_json());
            }
        }
    }
    Value::Object(results)
}

fn thread_results(options: &Options) -> Value {
    let Some(evidence) = tls::Evidence::new() else {
        return Value::Null;
    };
    let seeds = options.rounds(400) as u64;
    engines()
        .into_iter()
        .map(|(name, engine)| (name, threads::results(engine, &evidence, seeds, options.runs)))
        .collect()
}
