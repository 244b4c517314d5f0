//! CPU time and memory.

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds of this process so far, user and system.
fn cpu_s() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// CPU nanoseconds of this process so far.
pub(crate) fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// CPU nanoseconds of this thread so far.
pub(crate) fn thread_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
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

/// What `run` gives, per CPU-second (user and system time of this process) that it takes.
pub fn per_cpu_second(run: impl FnOnce() -> f64) -> f64 {
    let start = cpu_s();
    let amount = run();
    amount / (cpu_s() - start)
}

/// CPU-seconds that `run` takes, 0 if it failed.
pub fn cpu_seconds(run: impl FnOnce() -> bool) -> f64 {
    let start = cpu_s();
    if run() { cpu_s() - start } else { 0.0 }
}

/// Things per CPU-second that `run` does; it returns their number, 0 if it failed.
pub(crate) fn rate(run: impl FnOnce() -> u64) -> f64 {
    per_cpu_second(|| run() as f64)
}
