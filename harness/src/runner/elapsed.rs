//! Real time. It is shown to people and never enters a result.

use std::time::{Duration, Instant};

/// A stop watch.
#[derive(Debug, Clone, Copy)]
pub struct Watch(Instant);

impl Watch {
    /// Starts it.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "how long people wait is real time; no world sees it"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// "12.3 s", "4 min 5 s".
#[must_use]
pub fn shown(duration: Duration) -> String {
    let tenths = duration.as_millis() / 100;
    if tenths < 1_200 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        format!("{} min {} s", tenths / 600, tenths / 10 % 60)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::shown;

    #[test]
    fn durations_are_short() {
        assert_eq!(shown(Duration::from_millis(49)), "0.0 s");
        assert_eq!(shown(Duration::from_millis(12_345)), "12.3 s");
        assert_eq!(shown(Duration::from_secs(245)), "4 min 5 s");
    }
}
