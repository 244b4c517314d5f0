//! The log: one JSON object a line, to standard error.
//!
//! A thread of its own writes, so that a reader that stalls cannot stall the node: lines that find the queue full are
//! dropped and counted.

use crate::metrics::Metrics;
use chrysalis_env::{Observation, tokio_engine::Sink};
use serde::Deserialize;
use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// Lines that wait for a slow reader.
const QUEUE_LINES: usize = 4096;

/// How much is logged; each level holds the ones before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What an operator should know.
    Error,
    /// Requests, payments, peers.
    #[default]
    Info,
    /// Every piece of every answer: its size, never its content.
    Debug,
}

/// The level of a kind of observation.
pub fn level_of(kind: &str) -> LogLevel {
    match kind {
        "note" | "daemon.warning" | "daemon.created" | "daemon.failed" => LogLevel::Error,
        "request.part" => LogLevel::Debug,
        _ => LogLevel::Info,
    }
}

/// Writes lines on a thread of its own.
pub struct LogWriter {
    lines: Mutex<Option<SyncSender<String>>>,
    done: Mutex<Receiver<()>>,
}

impl fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogWriter")
    }
}

impl LogWriter {
    /// Starts the thread, which ends after [`LogWriter::finish`].
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(mut output: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = sync_channel::<String>(QUEUE_LINES);
        let (finished, done) = sync_channel(1);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            while let Ok(line) = queue.recv() {
                // A log that cannot be written must not end the node, and there is nowhere else to say so.
                let _ = writeln!(output, "{line}");
            }
            let _ = output.flush();
            let _ = finished.send(());
        })?;
        Ok(Self {
            lines: Mutex::new(Some(lines)),
            done: Mutex::new(done),
        })
    }

    /// Queues a line; whether there was room.
    pub fn line(&self, line: String) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.as_ref().is_some_and(|lines| lines.try_send(line).is_ok())
    }

    /// Takes no more lines and waits until all are written, but not longer than `limit`.
    pub fn finish(&self, limit: Duration) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A reader that is stuck loses the rest.
        let _ = self
            .done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(limit);
    }
}

/// Counts every observation and logs those of `level`.
pub fn sink(level: LogLevel, writer: Arc<LogWriter>, metrics: Arc<Metrics>) -> Sink {
    #[expect(
        clippy::disallowed_methods,
        reason = "the daemon lives in real time; the wall clock that a sink gets may jump"
    )]
    let started = Instant::now();
    Arc::new(move |node: &str, unix_ns: u64, observation: &Observation<'_>| {
        let now_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        metrics.record(now_ns, observation);
        if level_of(observation.kind) <= level && !writer.line(observation.to_json_line(unix_ns, node)) {
            metrics.log_line_dropped();
        }
    })
}

/// Makes a panic in any task end the process with code 101 and one line in the log: what is in memory cannot be
/// trusted any more. The line has the place, but not the message: that could quote what was being handled.
pub fn stop_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let line = serde_json::json!({ "kind": "daemon.panic", "place": place });
        let _ = writeln!(io::stderr().lock(), "{line}");
        std::process::exit(101);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrysalis_env::Value;

    /// Blocks in its first write until told to go on.
    struct Stuck(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // After the sender is gone writes go through.
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_loses_lines_and_holds_nobody_up() {
        let (go_on, stuck) = sync_channel::<()>(0);
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::new(LogWriter::start(Stuck(stuck, written.clone())).unwrap());
        let metrics = Arc::new(Metrics::new());
        let sink = sink(LogLevel::Info, writer.clone(), metrics.clone());
        let sent = QUEUE_LINES + 100;
        for _ in 0..sent {
            sink(
                "n",
                1,
                &Observation {
                    kind: "note",
                    fields: &[],
                },
            );
        }
        let dropped = metrics.to_json("client")["log_lines_dropped"].as_u64().unwrap();
        assert!((1..=100).contains(&dropped), "{dropped}");
        drop(go_on);
        writer.finish(Duration::from_secs(30));
        let lines = written.lock().unwrap().iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines as u64 + dropped, sent as u64);
        assert!(!writer.line(String::new()), "closed");
    }

    #[test]
    fn levels_filter_the_log_and_not_the_metrics() {
        let lines_at = |level| {
            let written = Arc::new(Mutex::new(Vec::new()));
            let (go_on, stuck) = sync_channel::<()>(0);
            drop(go_on);
            let writer = Arc::new(LogWriter::start(Stuck(stuck, written.clone())).unwrap());
            let metrics = Arc::new(Metrics::new());
            let sink = sink(level, writer.clone(), metrics.clone());
            for kind in ["note", "request.end", "request.part"] {
                sink(
                    "n",
                    1,
                    &Observation {
                        kind,
                        fields: &[("role", Value::Text("client")), ("bytes", 3_u64.into())],
                    },
                );
            }
            writer.finish(Duration::from_secs(30));
            assert_eq!(metrics.to_json("client")["answer_bytes"], 3);
            String::from_utf8(written.lock().unwrap().clone())
                .unwrap()
                .lines()
                .count()
        };
        assert_eq!(
            [LogLevel::Error, LogLevel::Info, LogLevel::Debug].map(lines_at),
            [1, 2, 3]
        );
    }
}
