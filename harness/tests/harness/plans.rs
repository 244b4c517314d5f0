//! Plans: the same on every machine, and local: what one part of a scenario draws does not depend on the others.

use std::path::{Path, PathBuf};

use chrysalis::plan::{digest, plan};
use chrysalis::scenario::{Scenario, parse};
use chrysalis_world::plan::{FaultAction, Pace, Plan, UserPlan};
use proptest::prelude::*;

const HEAD: &str =
    "version: 1\nname: t\ndescription: A test.\nduration: 100s\nexpect: { properties: [every-request-ends] }\n";

fn scenario(rest: &str) -> Scenario {
    parse("test.yaml", format!("{HEAD}{rest}").as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

fn users_of<'a>(plan: &'a Plan, group: &str) -> Vec<&'a UserPlan> {
    plan.users
        .iter()
        .filter(|user| user.name.rsplit_once('-').unwrap().0 == group)
        .collect()
}

fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut files: Vec<PathBuf> = ["basics", "faults"]
        .iter()
        .flat_map(|family| std::fs::read_dir(root.join(family)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

#[test]
fn plans_of_shipped_scenarios_are_fixed() {
    // A change here means that recorded seeds no longer reproduce what they reproduced: it must be on purpose.
    let lines: Vec<String> = shipped()
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let scenario = parse(&name, &std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.name, name, "a scenario is named after its file");
            let plans = [plan(&scenario, 0), plan(&scenario, 1)];
            let requests: usize = plans[0].users.iter().map(|user| user.requests.len()).sum();
            let hashes = plans.map(|plan| digest::of(&plan).unwrap());
            assert_ne!(hashes[0], hashes[1], "the seed is part of the plan");
            format!("{name}: {requests} requests, {}", hashes[0])
        })
        .collect();
    assert!(lines.len() >= 7);
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn adding_a_group_or_a_fault_changes_no_other_draw() {
    let group = |name: &str| {
        format!(
            "  - name: {name}\n    arrivals: {{ poisson: {{ rate: 3/s }} }}\n    users: 4\n    tokens: 1..100\n    \
             prompts: {{ generated: {{ words: 1..30 }} }}\n    hang_up: {{ after: 1s..9s, share: 50% }}\n"
        )
    };
    let fault = |at: &str| format!("  - at: {at}\n    kill: {{ node: worker-1, restart_after: 1s..5s }}\n");
    let alone = scenario(&format!("workload:\n{}faults:\n{}", group("a"), fault("1s..90s")));
    let pause = "  - at: 1s..90s\n    pause: { node: proxy-1, length: 1s..2s }\n";
    let more = scenario(&format!(
        "workload:\n{}{}faults:\n{pause}{}{}",
        group("b"),
        group("a"),
        fault("1s..90s"),
        fault("2s")
    ));
    for seed in 0..20 {
        let (alone, more) = (plan(&alone, seed), plan(&more, seed));
        assert_eq!(users_of(&alone, "a"), users_of(&more, "a"));
        assert_ne!(
            users_of(&more, "a")[0].requests,
            users_of(&more, "b")[0].requests,
            "groups must differ"
        );
        assert!(more.faults.contains(&alone.faults[0]));
        assert!(more.faults.is_sorted_by_key(|fault| fault.at_ns));
    }
}

#[test]
fn spans_of_faults_are_drawn_anew_for_each_seed() {
    let scenario = scenario(
        "workload:\n  - { name: a, arrivals: { at: [1s] } }\nfaults:\n  - at: 10s..20s\n    kill: { node: worker-1, restart_after: 1s..2s }\n",
    );
    let times: Vec<(u64, u64)> = (0..50)
        .map(|seed| {
            let fault = &plan(&scenario, seed).faults[0];
            let FaultAction::Kill {
                restart_after_ns: Some(restart),
                ..
            } = fault.action
            else {
                panic!("{fault:?}")
            };
            (fault.at_ns, restart)
        })
        .collect();
    assert!(
        times
            .iter()
            .all(|(at, restart)| (10..=20).contains(&(at / 1_000_000_000))
                && (1..=2).contains(&(restart / 1_000_000_000)))
    );
    assert!(times.iter().any(|(at, _)| *at < 14_000_000_000) && times.iter().any(|(at, _)| *at > 16_000_000_000));
}

#[test]
fn closed_users_take_turns_and_start_out_of_step() {
    let scenario = scenario("workload:\n  - { name: a, users: 3, requests: 8, arrivals: { closed: { think: 2s } } }\n");
    let plan = plan(&scenario, 5);
    let counts: Vec<usize> = plan.users.iter().map(|user| user.requests.len()).collect();
    assert_eq!(counts, [3, 3, 2]);
    assert!(plan.users.iter().all(|user| user.pace
        == Pace::Closed {
            think_ns: 2_000_000_000
        }));
    let starts: Vec<u64> = plan.users.iter().map(|user| user.requests[0].at_ns).collect();
    assert!(
        starts.iter().all(|at| *at < 2_000_000_000) && starts[0] != starts[1],
        "{starts:?}"
    );
}

#[test]
fn even_arrivals_do_not_drift() {
    let scenario = scenario("workload:\n  - { name: a, arrivals: { uniform: { rate: 3/s } } }\n");
    let plan = plan(&scenario, 5);
    let times: Vec<u64> = plan.users[0].requests.iter().map(|request| request.at_ns).collect();
    assert_eq!(times.len(), 300);
    assert_eq!(
        (times[1], times[3], times[299]),
        (333_333_333, 1_000_000_000, 99_666_666_666)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn poisson_arrivals_have_the_rate_asked_for(seed in any::<u64>(), rate in 1_u64..60, users in 1_usize..9) {
        let scenario = scenario(&format!(
            "workload:\n  - {{ name: a, users: {users}, start: 10s, stop: 90s, arrivals: {{ poisson: {{ rate: {rate}/s }} }} }}\n"
        ));
        let plan = plan(&scenario, seed);
        let mut times: Vec<u64> = Vec::new();
        for user in &plan.users {
            prop_assert!(user.requests.is_sorted_by_key(|request| request.at_ns));
            times.extend(user.requests.iter().map(|request| request.at_ns));
        }
        prop_assert!(times.iter().all(|at| (10_000_000_000..90_000_000_000).contains(at)));
        // Eighty seconds: the count is within six standard deviations of its mean for every seed but one in 10^8.
        let (count, mean) = (times.len() as u64, 80 * rate);
        prop_assert!(count.abs_diff(mean) <= 6 * (mean.isqrt() + 1), "{} arrivals instead of {}", count, mean);
        // Memoryless: a share of about 1 - 1/e = 63% of gaps is shorter than the mean gap.
        if count > 2_000 {
            times.sort_unstable();
            let gap = 1_000_000_000 / rate;
            let short = times.windows(2).filter(|pair| pair[1] - pair[0] < gap).count() as u64;
            prop_assert!((58..68).contains(&(short * 100 / count)), "{} of {} gaps", short, count);
        }
        prop_assert_eq!(digest::of(&plan).unwrap(), digest::of(&chrysalis::plan::plan(&scenario, seed)).unwrap());
    }

    #[test]
    fn every_plan_keeps_the_limits_of_its_group(seed in any::<u64>(), limit in 1_usize..50) {
        let scenario = scenario(&format!(
            "workload:\n  - {{ name: a, requests: {limit}, tokens: exponential(20), arrivals: {{ poisson: {{ rate: 30/s }} }} }}\n"
        ));
        let plan = plan(&scenario, seed);
        let requests: Vec<_> = plan.users.iter().flat_map(|user| &user.requests).collect();
        prop_assert!(requests.len() <= limit);
        prop_assert!(requests.iter().all(|request| request.max_tokens >= 1 && !request.prompt.is_empty()));
    }
}
