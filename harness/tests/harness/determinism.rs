//! The determinism gate (design §4): every shipped scenario gives the same run twice in this process, on other threads,
//! with what earlier runs left in caches, and in a child process; on the other engine it gives the same verdicts, and the same application digest unless the
//! scenario says that it has a race. A permanent negative control shows that a leak would be noticed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use chrysalis::services::Engine;
use chrysalis::system::System;
use chrysalis_world::{
    Detail, EngineKind, MADSIM_AVAILABLE, Outcome, RunOptions, Workshop, plan::Plan, properties::Verdict, run,
};

/// Tells the child which scenario, seed and engine to run.
const CHILD_VARIABLE: &str = "CHRYSALIS_GATE_CHILD";
/// The seed that the gate uses; campaigns use many.
const SEED: u64 = 3;

fn scenarios() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files = Vec::new();
    for family in ["basics", "faults"] {
        for entry in std::fs::read_dir(root.join(family)).unwrap() {
            files.push(entry.unwrap().path());
        }
    }
    files.sort();
    assert!(files.len() >= 7, "the library has {} scenarios", files.len());
    files
}

fn plan(path: &Path) -> Arc<Plan> {
    let bytes = std::fs::read(path).unwrap();
    let scenario = chrysalis::scenario::parse(&path.display().to_string(), &bytes).unwrap();
    Arc::new(chrysalis::plan::plan(&scenario, SEED))
}

fn digests(outcome: &Outcome) -> String {
    format!(
        "{} {}",
        hex::encode(outcome.stats.world_digest),
        hex::encode(outcome.application_digest)
    )
}

fn outcome_in(system: &System, path: &Path, engine: Engine) -> Outcome {
    system.outcome(&plan(path), engine, Detail::Verdicts, false).unwrap()
}

/// In a system of its own, with empty caches.
fn outcome(path: &Path, engine: Engine) -> Outcome {
    outcome_in(&System::default(), path, engine)
}

fn engines() -> Vec<Engine> {
    if MADSIM_AVAILABLE {
        vec![Engine::Native, Engine::Madsim]
    } else {
        vec![Engine::Native]
    }
}

/// Runs in the child only; in the parent it has nothing to do.
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD_VARIABLE) else {
        return;
    };
    let (engine, path) = task.split_once(' ').unwrap();
    let engine = if engine == "madsim" {
        Engine::Madsim
    } else {
        Engine::Native
    };
    let outcome = outcome(Path::new(path), engine);
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    {
        println!("gate:{}", digests(&outcome));
    }
}

fn in_a_child(path: &Path, engine: Engine) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["determinism::child", "--exact", "--nocapture"])
        .env(CHILD_VARIABLE, format!("{} {}", engine.name(), path.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find_map(|line| line.split_once("gate:").map(|(_, digests)| digests.to_owned()));
    line.unwrap_or_else(|| panic!("the child said: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn every_scenario_is_the_same_run_wherever_it_runs() {
    for path in scenarios() {
        let mut of_engines = Vec::new();
        for engine in engines() {
            let system = System::default();
            let first = outcome_in(&system, &path, engine);
            let shown = format!("{} on {}", path.display(), engine.name());
            let again = outcome_in(&system, &path, engine);
            assert_eq!(
                digests(&first),
                digests(&again),
                "{shown}: second run, with full caches"
            );
            let (there, here) = std::thread::scope(|scope| {
                let there = scope.spawn(|| digests(&outcome_in(&system, &path, engine)));
                let here = scope.spawn(|| digests(&outcome(&path, engine)));
                (there.join().unwrap(), here.join().unwrap())
            });
            assert_eq!(
                (digests(&first), digests(&first)),
                (there, here),
                "{shown}: on two threads"
            );
            assert_eq!(
                digests(&first),
                in_a_child(&path, engine),
                "{shown}: in a child process"
            );
            of_engines.push((engine, first));
        }
        let plan = plan(&path);
        for pair in of_engines.windows(2) {
            let verdicts = |outcome: &Outcome| -> Vec<(String, Verdict)> {
                outcome
                    .assertions
                    .iter()
                    .map(|assertion| (assertion.name.clone(), assertion.verdict))
                    .collect()
            };
            assert_eq!(
                verdicts(&pair[0].1),
                verdicts(&pair[1].1),
                "{}: verdicts",
                path.display()
            );
            let same = pair[0].1.application_digest == pair[1].1.application_digest;
            assert!(
                same || plan.race.is_some(),
                "{}: users got other things, and no race is declared",
                path.display()
            );
        }
    }
}

#[test]
fn a_leak_of_entropy_is_reported_with_its_first_event() {
    let path = scenarios()
        .into_iter()
        .find(|path| path.ends_with("hello.yaml"))
        .unwrap();
    let plan = plan(&path);
    for engine in [EngineKind::Native, EngineKind::Madsim] {
        if engine == EngineKind::Madsim && !MADSIM_AVAILABLE {
            continue;
        }
        let options = RunOptions {
            leak_entropy: true,
            record_events: true,
            ..RunOptions::verdicts(engine)
        };
        let a = run(&plan, options, &Workshop::default()).unwrap();
        let b = run(&plan, options, &Workshop::default()).unwrap();
        assert_ne!(a.stats.world_digest, b.stats.world_digest);
        let divergence = run::first_divergence(a.log.as_ref(), b.log.as_ref()).unwrap();
        assert!(divergence.contains("event"), "{divergence}");
    }
}
