//! A world that is not there: commands are tested with an executor that the test makes up.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use chrysalis::diagnostic::render::Style;
use chrysalis::exit::Exit;
use chrysalis::host::Host;
use chrysalis::plan::digest;
use chrysalis::services::{
    Assertion, AssertionVerdict, AttestBenchOptions, BenchOptions, BenchReport, ChainEvent, ChainOptions, ChainReady,
    Damaged, Endpoints, Engine, Execute, HtmlReport, Job, Measure, NetworkEvent, Report, RequestCounts, RunFolder,
    RunResult, Serve, ServiceError, Services,
};
use chrysalis_world::plan::Plan;
use tempfile::TempDir;

/// A result that everything held in, with digests that follow from the plan.
pub(crate) fn passed(job: &Job<'_>) -> RunResult {
    let digest = digest::of(job.plan).unwrap();
    RunResult {
        assertions: vec![Assertion {
            name: "every-request-ends".to_owned(),
            class: "eventually".to_owned(),
            verdict: AssertionVerdict::Held,
            detail: "2 of 2 ended".to_owned(),
            at_ns: None,
        }],
        requests: RequestCounts {
            succeeded: 2,
            ..RequestCounts::default()
        },
        virtual_ns: 7_000_000_000,
        events: 100,
        world_digest: format!("world-{}-{digest}", job.engine.name()),
        application_digest: format!("application-{digest}"),
    }
}

/// A result in which something did not hold.
pub(crate) fn failed(job: &Job<'_>) -> RunResult {
    let mut result = passed(job);
    result.assertions[0].verdict = AssertionVerdict::Violated;
    result.assertions[0].detail = "request 2 of users-1 never ended \u{1b}[31m".to_owned();
    result.assertions[0].at_ns = Some(1_500_000_000);
    result
}

/// A result in which the only expectation had nothing to check.
pub(crate) fn unchecked(job: &Job<'_>) -> RunResult {
    let mut result = passed(job);
    result.assertions[0].verdict = AssertionVerdict::NothingToCheck;
    result.assertions[0].detail = "nothing to check".to_owned();
    result
}

type Behaviour = Box<dyn Fn(&Job<'_>, usize) -> Result<RunResult, ServiceError> + Sync>;

/// An executor that does what a closure says; the closure hears how many runs came before.
pub(crate) struct Fake {
    behaviour: Behaviour,
    pub(crate) calls: AtomicUsize,
    pub(crate) madsim: bool,
    pub(crate) build: Option<&'static str>,
}

impl Execute for Fake {
    fn check(&self, engine: Engine) -> Result<(), String> {
        if engine == Engine::Madsim && !self.madsim {
            return Err("this build lacks --cfg madsim".to_owned());
        }
        Ok(())
    }

    fn run(&self, job: &Job<'_>) -> Result<RunResult, ServiceError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(store) = job.store {
            std::fs::write(store.join("requests.parquet"), job.plan.seed.to_le_bytes()).unwrap();
        }
        (self.behaviour)(job, call)
    }

    fn build(&self) -> Option<String> {
        self.build.map(str::to_owned)
    }

    fn check_store(&self, run: &Path, _: &RunResult) -> Result<(), String> {
        let is_there = run.join("requests.parquet").is_file();
        is_there.then_some(()).ok_or_else(|| "a table is absent".to_owned())
    }

    fn first_divergence(&self, _: &Job<'_>, recorded: &Path) -> Result<Option<String>, ServiceError> {
        assert!(
            recorded.join("requests.parquet").is_file(),
            "the recorded store is what is compared with"
        );
        Ok(Some("event 17: worker-1 was polled, proxy-1 before".to_owned()))
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A folder with scenarios and a fake world.
pub(crate) struct Lab {
    pub(crate) folder: TempDir,
    pub(crate) fake: Fake,
    pub(crate) stop: std::sync::Arc<AtomicUsize>,
}

/// The smallest scenario of this name, with more lines.
pub(crate) fn scenario(name: &str, more: &str) -> String {
    format!(
        "version: 1\nname: {name}\ndescription: About {name}.\nduration: 10s\nworkload:\n  - {{ name: users, arrivals: {{ at: [1s, 2s] }} }}\n\
         expect: {{ properties: [every-request-ends] }}\n{more}"
    )
}

impl Lab {
    pub(crate) fn new(behaviour: impl Fn(&Job<'_>, usize) -> Result<RunResult, ServiceError> + Sync + 'static) -> Self {
        let fake = Fake {
            behaviour: Box::new(behaviour),
            calls: AtomicUsize::new(0),
            madsim: true,
            build: Some("build 1"),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            fake,
            stop: std::sync::Arc::default(),
        }
    }

    pub(crate) fn passing() -> Self {
        Self::new(|job, _| Ok(passed(job)))
    }

    pub(crate) fn with(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn calls(&self) -> usize {
        self.fake.calls.load(Ordering::SeqCst)
    }

    /// Runs a command line without the program's name.
    pub(crate) fn go(&self, line: &str) -> Done {
        let services = Services {
            execute: Some(&self.fake),
            report: Some(&Others),
            serve: Some(&Others),
            measure: Some(&Others),
        };
        self.go_with(&services, line)
    }

    pub(crate) fn go_with(&self, services: &Services<'_>, line: &str) -> Done {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut host = Host {
            stdout: &mut out,
            stderr: &mut err,
            style: Style::Plain,
            live: false,
            folder: self.folder.path().to_owned(),
            stop: &self.stop,
        };
        let words = std::iter::once("chrysalis")
            .chain(line.split_whitespace())
            .map(OsString::from);
        let exit = chrysalis::run_with(services, &mut host, words);
        Done {
            exit,
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    }
}

/// Reports, networks and benchmarks that are not there either.
pub(crate) struct Others;

impl Report for Others {
    fn html(&self, runs: &[RunFolder], damaged: Damaged) -> Result<HtmlReport, ServiceError> {
        assert!(runs.iter().all(|run| run.path.join("run.json").is_file()));
        let whole = |run: &&RunFolder| run.path.join("requests.parquet").is_file();
        let left_out: Vec<String> = runs
            .iter()
            .filter(|run| !whole(run))
            .map(|run| format!("{}: a table is absent", run.shown.display()))
            .collect();
        if damaged == Damaged::Refuse && !left_out.is_empty() {
            return Err(ServiceError::Input(left_out.join("\n")));
        }
        let html = format!("<!doctype html>{} runs", runs.len() - left_out.len());
        let text = String::new();
        Ok(HtmlReport { html, text, left_out })
    }
}

impl Serve for Others {
    fn up(
        &self,
        plan: &Plan,
        verbose: bool,
        tell: &mut dyn FnMut(NetworkEvent<'_>),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError> {
        assert!(plan.users.is_empty() && plan.faults.is_empty());
        tell(NetworkEvent::Ready(&Endpoints {
            clients: plan
                .clients
                .iter()
                .map(|client| (client.node.name.clone(), "127.0.0.1:8080".to_owned()))
                .collect(),
            proxies: vec![("proxy".to_owned(), "127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned())],
            model: plan.workers[0].model.clone(),
        }));
        if verbose {
            tell(NetworkEvent::Line("something happened"));
        }
        stop.store(2, Ordering::SeqCst);
        Ok(())
    }

    fn tunnel(
        &self,
        target: SocketAddr,
        ready: &mut dyn FnMut(SocketAddr),
        tell: &mut dyn FnMut(&str),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError> {
        ready(SocketAddr::from(([127, 0, 0, 1], 4443)));
        tell(&format!("{target}: connection refused"));
        stop.store(2, Ordering::SeqCst);
        Ok(())
    }

    fn chain(
        &self,
        options: &ChainOptions,
        tell: &mut dyn FnMut(ChainEvent<'_>),
        stop: &AtomicUsize,
    ) -> Result<(), ServiceError> {
        tell(ChainEvent::Ready(&ChainReady {
            url: format!("http://{}", options.listen),
            accounts: Vec::new(),
            is_restored: options.state.is_some(),
            has_faucet: options.faucet_nanoton.is_some(),
            now_unix_s: options.now_unix_s.unwrap_or(7),
        }));
        tell(ChainEvent::Line("answered 0 requests"));
        stop.store(2, Ordering::SeqCst);
        Ok(())
    }
}

impl Measure for Others {
    fn attest(
        &self,
        options: &AttestBenchOptions,
        stop: &AtomicUsize,
        progress: &mut dyn FnMut(&str),
    ) -> Result<BenchReport, ServiceError> {
        progress("issue");
        let gate = options.gate;
        // A seed that finds something, and one that is interrupted.
        if gate.is_some_and(|gate| gate.seed == 2) {
            stop.store(2, Ordering::SeqCst);
        }
        Ok(BenchReport {
            is_blocked: gate.is_some_and(|gate| gate.seed == 1),
            text: format!("issue {}\n", options.runs),
            json: serde_json::json!({ "gate": gate.map(|gate| (gate.seed, gate.first, gate.count, gate.threads)) }),
        })
    }

    fn chain(
        &self,
        options: BenchOptions,
        repository: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<BenchReport, ServiceError> {
        progress("mix");
        Ok(BenchReport {
            is_blocked: false,
            text: format!("mix {} in {}\n", options.runs, repository.is_dir()),
            json: serde_json::json!({ "runs": options.runs, "quick": options.is_quick }),
        })
    }

    fn sim(&self, options: BenchOptions, progress: &mut dyn FnMut(&str)) -> Result<BenchReport, ServiceError> {
        progress("echo");
        Ok(BenchReport {
            is_blocked: false,
            text: format!("echo {}\n", options.runs),
            json: serde_json::json!({ "runs": options.runs, "quick": options.is_quick, "parts": options.parts.len() }),
        })
    }
}
