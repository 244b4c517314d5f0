//! Tokens per CPU second of the embedded decoder, as one line of JSON for each model and phase.
#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot run has nothing better to do than to say so"
)]

use chrysalis_inference::tiny::{Decoder, TinyConfig, TinyModel, Token};
use std::{fs, io::Write as _, sync::Arc};

const TOKENS: usize = 1024;

fn main() {
    let mut out = std::io::stdout();
    for (name, config) in [("nano", TinyConfig::nano()), ("tiny", TinyConfig::tiny())] {
        let (model, generate_ns) = timed(|| Arc::new(TinyModel::generate(config, 42)));
        let prompt: Vec<Token> = (b'a'..=b'z').cycle().map(Token::byte).take(TOKENS).collect();
        let (_, prefill_ns) = timed(|| {
            let mut decoder = Decoder::new(model.clone());
            decoder.feed(&prompt).expect("the context is longer").len()
        });
        for decoded in [128, TOKENS] {
            let (_, decode_ns) = timed(|| {
                let mut decoder = Decoder::new(model.clone());
                for token in &prompt[..decoded] {
                    decoder
                        .feed(std::slice::from_ref(token))
                        .expect("the context is longer");
                }
            });
            writeln!(
                out,
                r#"{{"model":"{name}","parameters":{},"generate_ns":{generate_ns},"prefill_tokens_per_cpu_s":{:.0},"decode_tokens":{decoded},"decode_tokens_per_cpu_s":{:.0}}}"#,
                model.parameters(),
                per_second(TOKENS, prefill_ns),
                per_second(decoded, decode_ns),
            )
            .expect("standard output is open");
        }
    }
}

fn per_second(count: usize, ns: u64) -> f64 {
    count as f64 * 1e9 / ns as f64
}

/// Time of this thread on a CPU, which other load on the machine does not lengthen.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux keeps scheduling statistics");
    let first = text.split(' ').next().expect("the first field is the time on a CPU");
    first.parse().expect("it is a number of nanoseconds")
}

/// Mean time of a run over at least a second: the kernel's figure moves in steps of some milliseconds.
fn timed<T>(run: impl Fn() -> T) -> (T, u64) {
    let start = cpu_ns();
    for runs in 1.. {
        let result = run();
        let spent = cpu_ns() - start;
        if spent > 1_000_000_000 {
            return (result, spent / runs);
        }
    }
    unreachable!("the loop has no end")
}
