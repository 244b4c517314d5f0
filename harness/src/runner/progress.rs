//! A bar on a terminal, plain lines elsewhere, nothing if nobody wants it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::campaign::{SeedOutcome, Verdict};
use super::elapsed::Watch;

/// Plain lines come at most this often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How far a campaign is.
pub struct Progress {
    view: View,
    watch: Watch,
    last_line: Duration,
    total: u64,
    ended: u64,
    failed: u64,
    virtual_ns: u128,
}

enum View {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// Progress of this many runs: a bar if `live`, plain lines otherwise, nothing if `quiet`.
    #[must_use]
    pub fn new(total: u64, live: bool, quiet: bool) -> Self {
        let view = match (quiet, live) {
            (true, _) => View::Nothing,
            (false, false) => View::Lines,
            (false, true) => {
                let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} seeds  {msg}") {
                    bar.set_style(style);
                }
                View::Bar(bar)
            }
        };
        Self {
            view,
            watch: Watch::start(),
            last_line: Duration::ZERO,
            total,
            ended: 0,
            failed: 0,
            virtual_ns: 0,
        }
    }

    /// Counts a run.
    pub fn ended(&mut self, outcome: &SeedOutcome) {
        self.ended += 1;
        if !outcome.resumed {
            self.virtual_ns += u128::from(outcome.virtual_ns);
        }
        if outcome.verdict != Verdict::Passed {
            self.failed += 1;
        }
    }

    /// Shows where it is: a line to print, or `None` if there is a bar or a line came only just now.
    pub fn tick(&mut self) -> Option<String> {
        let speed = self.speed();
        match &self.view {
            View::Bar(bar) => {
                bar.set_position(self.ended);
                bar.set_message(speed);
                None
            }
            View::Lines => {
                let now = self.watch.elapsed();
                (now.saturating_sub(self.last_line) >= LINE_EVERY).then(|| {
                    self.last_line = now;
                    format!("{} of {} seeds, {speed}", self.ended, self.total)
                })
            }
            View::Nothing => None,
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }

    /// "12.5 seeds/s, 340 virtual s/s, 2 failed".
    #[must_use]
    pub fn speed(&self) -> String {
        let ms = self.watch.elapsed().as_millis().max(1);
        let seeds_e1 = u128::from(self.ended) * 10_000 / ms;
        let virtual_s = self.virtual_ns / 1_000_000 / ms;
        let failed = if self.failed == 0 {
            String::new()
        } else {
            format!(", {} failed", self.failed)
        };
        format!(
            "{}.{} seeds/s, {virtual_s} virtual s/s{failed}",
            seeds_e1 / 10,
            seeds_e1 % 10
        )
    }
}
