//! What real runs leave: latencies and payments in their stores, stores that are damaged, commands in their reports.

use crate::common;

use std::sync::Arc;

use chrysalis::cli::args::{Args, Command};
use chrysalis::exit::Exit;
use chrysalis::services::{Engine, Execute as _};
use chrysalis::system::{System, store};
use chrysalis_reports::store::RunStore;
use chrysalis_world::{Detail, Outcome, plan::Plan};
use clap::Parser as _;
use common::{Done, Lab};

const SCENARIO: &str = "version: 1\nname: small\ndescription: Two requests.\nduration: 60s\nseeds: 3..5\nworkload:\n  \
    - { name: users, arrivals: { at: [1s, 2s] }, tokens: 6 }\n\
    expect: { properties: [answers-are-exact, conservation-of-coins, every-request-ends] }\n";

fn small() -> (Arc<Plan>, Outcome) {
    let scenario = chrysalis::scenario::parse("small.yaml", SCENARIO.as_bytes()).unwrap();
    let plan = Arc::new(chrysalis::plan::plan(&scenario, 3));
    let outcome = System::default()
        .outcome(&plan, Engine::Native, Detail::Full, false)
        .unwrap();
    assert!(outcome.passed(), "{:?}", outcome.assertions);
    (plan, outcome)
}

/// A lab whose commands reach the real system.
struct Real {
    lab: Lab,
    system: System,
}

impl Real {
    fn new() -> Self {
        Self {
            lab: Lab::passing().with("scenarios/small.yaml", SCENARIO),
            system: System::default(),
        }
    }

    fn go(&self, line: &str) -> Done {
        self.lab.go_with(&self.system.services(), line)
    }
}

#[test]
fn latencies_count_from_sending_and_the_intended_moment_is_a_figure_of_its_own() {
    let (plan, mut outcome) = small();
    let record = &mut outcome.requests[0];
    // As if the request had waited for its turn, and as if the first piece had no text.
    let (sent, end) = (record.sent_ns, record.end_ns.unwrap());
    record.intended_ns = sent - 700;
    record.first_byte_ns = Some(sent + 10);
    record.first_text_ns = Some(sent + 25);
    let row = &store::tables(&plan, &outcome).requests[0];
    assert_eq!((row.intended_send_ns, row.send_ns), (sent - 700, sent));
    assert_eq!(row.first_byte_ns, Some(sent + 10));
    assert_eq!(row.ttft_ns, Some(25), "from sending to the first text");
    assert_eq!(row.e2e_ns, Some(end - sent), "from sending to the end");
    assert_eq!(
        row.last_byte_ns.map(|last| last - row.intended_send_ns),
        Some(end - sent + 700),
        "what the report calls E2E from intended send"
    );
}

#[test]
fn payments_name_their_holders_and_are_worth_their_change() {
    let (plan, mut outcome) = small();
    // The last bills of a run cover what the ones before did not.
    let mut late = outcome.rows.payments.clone();
    let total: u64 = outcome
        .rows
        .ends
        .iter()
        .filter(|end| end.role == "proxy")
        .map(|end| end.adjusted_tokens)
        .sum();
    for payment in late.iter_mut().filter(|payment| payment.role == "proxy") {
        payment.tokens = total;
    }
    outcome.rows.payments.extend(late);
    let rows = store::tables(&plan, &outcome).payments;
    for (kind, holder, price) in [
        (
            "client_charge",
            &plan.clients[0].node.name,
            plan.economy.price_per_token_nanoton,
        ),
        (
            "worker_payout",
            &plan.workers[0].node.name,
            plan.economy.worker_fee_per_token_nanoton,
        ),
    ] {
        let of_kind: Vec<_> = rows.iter().filter(|row| row.kind == kind).collect();
        assert!(of_kind.len() >= 2, "{kind}: {of_kind:?}");
        assert!(of_kind.iter().all(|row| &row.counterparty == holder), "{of_kind:?}");
        let paid: u64 = of_kind.iter().map(|row| row.nanoton).sum();
        assert_eq!(paid, total * price, "{kind}: amounts add up to the account");
    }
}

#[test]
fn a_command_that_a_report_prints_runs_and_gives_the_same_digest() {
    let real = Real::new();
    assert_eq!(real.go("run").exit, Exit::Pass);
    assert_eq!(real.go("report runs").exit, Exit::Pass);
    let html = std::fs::read_to_string(real.lab.path("report.html")).unwrap();
    let commands: Vec<&str> = html
        .split("<code>chrysalis run ")
        .skip(1)
        .map(|rest| rest.split_once("</code>").unwrap().0)
        .collect();
    assert_eq!(commands.len(), 2, "one for each run");
    let digest = |seed: u64| {
        let store = RunStore::open(real.lab.path(&format!("runs/small/{seed}/store"))).unwrap();
        store.run().world_digest.clone()
    };
    let before = [digest(3), digest(4)];
    std::fs::remove_dir_all(real.lab.path("runs")).unwrap();
    for command in commands {
        let words = ["chrysalis", "run"].into_iter().chain(command.split(' '));
        let parsed = Args::try_parse_from(words).unwrap_or_else(|error| panic!("{command}: {error}"));
        assert!(matches!(parsed.command, Command::Run(_)));
        assert_eq!(real.go(&format!("run {command}")).exit, Exit::Pass, "{command}");
    }
    assert_eq!([digest(3), digest(4)], before);
}

#[test]
fn a_store_that_is_damaged_is_made_again_by_resume_and_named_by_report() {
    let real = Real::new();
    assert_eq!(real.go("run").exit, Exit::Pass);
    let resumed = |real: &Real| real.go("run --resume --json").json()["scenarios"][0]["resumed"].clone();
    assert_eq!(resumed(&real), 2);
    let parts = real.lab.path("runs/small/4/store/parts.parquet");
    let whole = std::fs::read(&parts).unwrap();
    for name in ["absent", "cut", "altered"] {
        match name {
            "absent" => std::fs::remove_file(&parts).unwrap(),
            "cut" => std::fs::write(&parts, &whole[..whole.len() - 1]).unwrap(),
            _ => {
                let mut bytes = whole.clone();
                bytes[whole.len() / 2] ^= 1;
                std::fs::write(&parts, bytes).unwrap();
            }
        }
        let done = real.go("report runs");
        assert_eq!(done.exit, Exit::Usage, "{name}");
        assert!(
            done.err
                .contains("1 of 2 runs cannot be read\n  runs/small/4: table parts: ")
                && done.err.contains("`--skip-damaged`"),
            "{name}: {}",
            done.err
        );
        let done = real.go("report runs --skip-damaged");
        assert_eq!(done.exit, Exit::Pass, "{name}");
        assert!(
            done.err.starts_with("left out: runs/small/4: table parts: ")
                && done.err.ends_with("report on 1 run: report.html\n"),
            "{name}: {}",
            done.err
        );
        let html = std::fs::read_to_string(real.lab.path("report.html")).unwrap();
        assert!(html.contains("1 run</b> could not be read"), "{name}");
        assert_eq!(resumed(&real), 1, "{name}");
        assert_eq!(std::fs::read(&parts).unwrap(), whole, "{name}: the same store again");
        assert_eq!(resumed(&real), 2, "{name}");
    }
    // The store of another seed is whole, and is not this run's.
    let (three, four) = (real.lab.path("runs/small/3/store"), real.lab.path("runs/small/4/store"));
    std::fs::remove_dir_all(&four).unwrap();
    std::fs::rename(&three, &four).unwrap();
    assert_eq!(resumed(&real), 0);
    // Nothing is left of any: a report on nothing is none.
    for seed in [3, 4] {
        std::fs::remove_dir_all(real.lab.path(&format!("runs/small/{seed}/store"))).unwrap();
    }
    assert_eq!(real.go("report runs --skip-damaged").exit, Exit::Usage);
}

#[test]
fn a_build_is_told_from_others_by_what_it_is() {
    let build = System::default().build().unwrap();
    assert_eq!(System::default().build(), Some(build.clone()), "the same for each call");
    let length = std::fs::metadata(std::env::current_exe().unwrap()).unwrap().len();
    assert!(build.starts_with(&format!("{length:x}-")), "{build}");
}
