//! doctor: can this machine and this build run scenarios?

use std::path::Path;

use serde_json::json;

use super::args::Global;
use crate::exit::Exit;
use crate::host::Host;
use crate::services::{Engine, Services};

/// Free space below which run stores are not safe.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    name: &'static str,
    state: State,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Scenarios run all the same.
    Worse,
    /// They do not.
    Bad,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Worse => "note",
            Self::Bad => "BAD",
        }
    }
}

/// `chrysalis doctor`
pub fn doctor(services: &Services<'_>, host: &mut Host<'_>, global: &Global) -> Exit {
    let mut checks = engines(services);
    checks.push(output(&host.resolve(Path::new("runs"))));
    checks.push(cores());
    checks.push(disk(&host.folder));
    let usable = checks.iter().all(|check| check.state != State::Bad);
    if global.json {
        let entries: Vec<_> = checks
            .iter()
            .map(|check| json!({ "check": check.name, "state": check.state.name(), "detail": check.detail }))
            .collect();
        host.data(&json!({ "usable": usable, "version": env!("CARGO_PKG_VERSION"), "checks": entries }).to_string());
    } else {
        for check in &checks {
            host.data(&format!("{:<5}{:<15}{}", check.state.name(), check.name, check.detail));
        }
    }
    if usable { Exit::Pass } else { Exit::Environment }
}

fn engines(services: &Services<'_>) -> Vec<Check> {
    let Some(execute) = services.execute else {
        let detail = "this build has no world to run plans in".to_owned();
        return vec![Check {
            name: "engines",
            state: State::Bad,
            detail,
        }];
    };
    [
        ("madsim engine", Engine::Madsim),
        ("native engine", Engine::Native),
        ("tokio engine", Engine::Tokio),
    ]
    .into_iter()
    .map(|(name, engine)| match execute.check(engine) {
        Ok(()) => Check {
            name,
            state: State::Good,
            detail: "available".to_owned(),
        },
        // Without the native engine there is nothing deterministic to fall back to.
        Err(why) if engine == Engine::Native => Check {
            name,
            state: State::Bad,
            detail: why,
        },
        Err(why) => Check {
            name,
            state: State::Worse,
            detail: why,
        },
    })
    .collect()
}

/// Whether run folders can be written, tried out and tidied up.
fn output(runs: &Path) -> Check {
    let name = "output folder";
    let existed = runs.exists();
    let probe = runs.join(format!(".doctor-{}", std::process::id()));
    let tried = std::fs::create_dir_all(runs).and_then(|()| std::fs::write(&probe, b"probe"));
    let _ = std::fs::remove_file(&probe);
    if !existed {
        // Only if nothing is in it.
        let _ = std::fs::remove_dir(runs);
    }
    match tried {
        Ok(()) => Check {
            name,
            state: State::Good,
            detail: "run folders can be written".to_owned(),
        },
        Err(error) => Check {
            name,
            state: State::Bad,
            detail: format!("run folders cannot be written: {error}"),
        },
    }
}

fn cores() -> Check {
    let name = "cores";
    match std::thread::available_parallelism() {
        Ok(cores) => Check {
            name,
            state: State::Good,
            detail: format!("{cores}, so {cores} seeds run at a time"),
        },
        Err(error) => Check {
            name,
            state: State::Worse,
            detail: format!("unknown, one seed runs at a time: {error}"),
        },
    }
}

#[cfg(unix)]
fn disk(folder: &Path) -> Check {
    let name = "disk";
    match rustix::fs::statvfs(folder) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let mib = free >> 20;
            if free < FREE_BYTES_MIN {
                let detail = format!("only {mib} MiB are free; run stores need {} MiB", FREE_BYTES_MIN >> 20);
                Check {
                    name,
                    state: State::Bad,
                    detail,
                }
            } else {
                Check {
                    name,
                    state: State::Good,
                    detail: format!("{mib} MiB are free"),
                }
            }
        }
        Err(error) => Check {
            name,
            state: State::Worse,
            detail: format!("free space is unknown: {error}"),
        },
    }
}

#[cfg(not(unix))]
fn disk(_: &Path) -> Check {
    Check {
        name: "disk",
        state: State::Worse,
        detail: "free space is not checked on this system".to_owned(),
    }
}
