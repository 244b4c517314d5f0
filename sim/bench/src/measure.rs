//! CPU time, memory, medians.

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// CPU seconds of this process so far, user and system.
pub(crate) fn cpu_s() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// Seconds of a clock that only goes forward. (The standard library's clock is simulated inside madsim.)
pub(crate) fn wall_s() -> f64 {
    seconds(ClockId::Monotonic)
}

fn seconds(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Resident memory now, bytes.
pub(crate) fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split_whitespace().nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages * PAGE_BYTES)
}

/// What one run did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Things done.
    pub(crate) count: u64,
    /// CPU seconds.
    pub(crate) cpu_s: f64,
    /// Simulated seconds.
    pub(crate) virtual_s: f64,
}

impl Sample {
    /// Things per CPU second.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.cpu_s
    }
}

/// Measures what `run` does; it returns the count and the simulated nanoseconds.
pub(crate) fn sample(run: impl FnOnce() -> (u64, u64)) -> Sample {
    let start = cpu_s();
    let (count, virtual_ns) = run();
    Sample {
        count,
        cpu_s: cpu_s() - start,
        virtual_s: virtual_ns as f64 / 1e9,
    }
}

/// The middle of several numbers.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

/// Several runs of one thing.
pub(crate) struct Series {
    samples: Vec<Sample>,
}

impl Series {
    /// Runs it once to warm up and then `runs` times.
    pub(crate) fn measure(runs: usize, run: impl Fn() -> Sample) -> Self {
        run();
        Self {
            samples: (0..runs).map(|_| run()).collect(),
        }
    }

    /// Median of the rates.
    pub(crate) fn rate(&self) -> f64 {
        median(self.samples.iter().map(Sample::rate).collect())
    }

    /// For people and for comparison.
    pub(crate) fn to_json(&self) -> Value {
        let rates: Vec<f64> = self.samples.iter().map(|sample| sample.rate().round()).collect();
        let virtual_rates = self
            .samples
            .iter()
            .map(|sample| sample.virtual_s / sample.cpu_s)
            .collect();
        json!({
            "median_per_cpu_s": self.rate().round(),
            "virtual_s_per_cpu_s": median(virtual_rates),
            "runs_per_cpu_s": rates,
            "cpu_s": self.samples.iter().map(|sample| sample.cpu_s).sum::<f64>(),
        })
    }
}
