//! Commands, exit codes, run folders, interruption and resuming, with an executor that the test makes up.

use crate::common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrysalis::diagnostic::Code;
use chrysalis::exit::Exit;
use chrysalis::services::{ServiceError, Services};
use common::{Lab, failed, passed, scenario};

#[test]
fn a_run_that_passes_leaves_run_folders_and_says_little() {
    let lab = Lab::passing()
        .with("scenarios/b/two.yaml", &scenario("two", "seeds: 3..5\n"))
        .with("scenarios/a/one.yaml", &scenario("one", ""))
        .with("scenarios/corpus/old.yaml", "not a scenario")
        .with("scenarios/notes.txt", "not a scenario");
    let done = lab.go("run");
    assert_eq!((done.exit, done.out.as_str()), (Exit::Pass, ""), "{}", done.err);
    assert!(
        done.err
            .starts_with("pass  one: 1 of 1 seeds passed\npass  two: 2 of 2 seeds passed\n3 of 3 runs on madsim in ")
    );
    for run in ["one/0", "two/3", "two/4"] {
        for file in ["run.json", "plan.json", "requests.parquet"] {
            assert!(lab.path("runs").join(run).join(file).is_file(), "{run}/{file}");
        }
    }
    assert_eq!(
        std::fs::read_dir(lab.path("runs/two")).unwrap().count(),
        2,
        "nothing partial is left"
    );
    assert_eq!(lab.go("run -q").err, "");
    assert!(lab.go("run -v -k two").err.contains("two: seed 4 passed\n"));
}

#[test]
fn the_same_plan_leaves_the_same_files() {
    let lab = Lab::passing().with("one.yaml", &scenario("one", ""));
    let record = || std::fs::read(lab.path("runs/one/0/run.json")).unwrap();
    assert_eq!(lab.go("run one.yaml").exit, Exit::Pass);
    let first = record();
    assert_eq!(lab.go("run one.yaml --jobs 3").exit, Exit::Pass);
    assert_eq!(first, record());
}

#[test]
fn a_failing_seed_comes_with_a_command_that_runs_it_again() {
    let lab = Lab::new(|job, _| {
        Ok(if job.plan.seed % 5 == 2 {
            failed(job)
        } else {
            passed(job)
        })
    })
    .with("a.yaml", &scenario("a", "seeds: 0..20\n"));
    let done = lab.go("run a.yaml --json");
    assert_eq!(done.exit, Exit::Failures);
    assert!(
        done.err.contains("FAIL  a: 16 of 20 seeds passed\n      seed 2\n"),
        "{}",
        done.err
    );
    assert!(
        done.err
            .contains("every-request-ends: request 2 of users-1 never ended \u{fffd}[31m (at 1.500000000 s)")
    );
    let summary = done.json();
    let again = summary["scenarios"][0]["failed"][0]["again"].as_str().unwrap();
    assert_eq!(again, "chrysalis replay runs/a/2");
    assert_eq!(
        (&summary["exit_code"], &summary["scenarios"][0]["passed"]),
        (&100.into(), &16.into())
    );
    let replayed = lab.go(again.strip_prefix("chrysalis ").unwrap());
    assert_eq!(replayed.exit, Exit::Failures);
    assert!(
        replayed.err.starts_with("FAIL  a with seed 2, the same as recorded\n"),
        "{}",
        replayed.err
    );

    let summary = lab
        .go("run a.yaml --json --no-store --out elsewhere --engine native")
        .json();
    let again = summary["scenarios"][0]["failed"][3]["again"].as_str().unwrap();
    assert_eq!(again, "chrysalis run a.yaml --seeds 17..18 --engine native");
    assert_eq!(lab.go(again.strip_prefix("chrysalis ").unwrap()).exit, Exit::Failures);
    assert!(!lab.path("elsewhere").exists());
}

#[test]
fn verdicts_do_not_depend_on_the_number_of_threads() {
    let lab = Lab::new(|job, _| {
        Ok(if job.plan.seed % 3 == 0 {
            failed(job)
        } else {
            passed(job)
        })
    })
    .with("a.yaml", &scenario("a", ""))
    .with("b.yaml", &scenario("b", ""));
    let summary = |jobs| {
        let mut summary = lab
            .go(&format!("run . --seeds 40 --no-store --json --jobs {jobs}"))
            .json();
        summary["elapsed_ms"] = 0.into();
        summary
    };
    assert_eq!(summary(1), summary(7));
    assert_eq!(lab.calls(), 160);
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_goes_on() {
    let stop = Arc::new(AtomicUsize::new(0));
    let signal = Arc::clone(&stop);
    let mut lab = Lab::new(move |job, call| {
        if call == 4 {
            signal.store(2, Ordering::SeqCst);
        }
        Ok(passed(job))
    })
    .with("a.yaml", &scenario("a", "seeds: 0..12\n"));
    lab.stop = stop;
    let done = lab.go("run a.yaml --jobs 1 --junit junit.xml --json");
    assert_eq!((done.exit, done.exit.code()), (Exit::Signal(2), 130));
    assert!(
        done.err
            .contains("interrupted; the same command with --resume goes on from here"),
        "{}",
        done.err
    );
    assert_eq!((lab.calls(), &done.json()["ended"]), (5, &5.into()));
    let xml = std::fs::read_to_string(lab.path("junit.xml")).expect("what is there is written");
    assert_eq!(
        (xml.matches("<testcase").count(), xml.matches("<skipped").count()),
        (12, 7),
        "what was not run is skipped, not missing: {xml}"
    );

    lab.stop.store(0, Ordering::SeqCst);
    let done = lab.go("run a.yaml --resume --json");
    assert_eq!((done.exit, lab.calls()), (Exit::Pass, 12), "{}", done.err);
    assert_eq!(done.json()["scenarios"][0]["resumed"], 5);
    assert!(done.err.contains("12 of 12 seeds passed, 5 of them from before"));

    // Another plan, another engine, or a broken record is not the run that was wanted.
    assert_eq!((lab.go("run a.yaml --resume").exit, lab.calls()), (Exit::Pass, 12));
    assert_eq!(
        (lab.go("run a.yaml --resume --engine native").exit, lab.calls()),
        (Exit::Pass, 24)
    );
    std::fs::write(lab.path("runs/a/3/run.json"), "{}").unwrap();
    assert_eq!(
        (lab.go("run a.yaml --resume --engine native").exit, lab.calls()),
        (Exit::Pass, 25)
    );
    // Neither is one of which a part is missing, or one by another build.
    std::fs::remove_file(lab.path("runs/a/4/requests.parquet")).unwrap();
    std::fs::remove_file(lab.path("runs/a/5/plan.json")).unwrap();
    assert_eq!(
        (lab.go("run a.yaml --resume --engine native").exit, lab.calls()),
        (Exit::Pass, 27)
    );
    assert_eq!(
        (lab.go("run a.yaml --resume --engine native").exit, lab.calls()),
        (Exit::Pass, 27)
    );
    let mut lab = lab.with("a.yaml", &scenario("a", "seeds: 0..12\nrace: Another plan.\n"));
    assert_eq!(
        (lab.go("run a.yaml --resume --engine native").exit, lab.calls()),
        (Exit::Pass, 39)
    );
    lab.fake.build = Some("build 2");
    let done = lab.go("replay runs/a/0");
    assert!(done.err.contains("recorded by another build (version "), "{}", done.err);
    assert_eq!(
        (lab.go("run a.yaml --resume --engine native").exit, lab.calls()),
        (Exit::Pass, 52)
    );
    assert!(!lab.go("replay runs/a/0").err.contains("another build"));
    // A build that cannot be told from others is the same as none.
    lab.fake.build = None;
    assert_eq!(lab.go("run a.yaml --engine native").exit, Exit::Pass);
    let before = lab.calls();
    assert_eq!(
        (lab.go("run a.yaml --resume --engine native").exit, lab.calls()),
        (Exit::Pass, before + 12)
    );
}

#[test]
fn failures_are_remembered_when_a_run_is_resumed() {
    let lab = Lab::new(|job, _| Ok(failed(job))).with("a.yaml", &scenario("a", ""));
    assert_eq!(lab.go("run a.yaml").exit, Exit::Failures);
    assert_eq!((lab.go("run a.yaml --resume").exit, lab.calls()), (Exit::Failures, 1));
}

#[test]
fn what_differs_between_two_runs_of_a_plan_is_reported_as_such() {
    let leaky = |job: &chrysalis::services::Job<'_>, call: usize| {
        let mut result = passed(job);
        result.world_digest = format!("world-{call}");
        Ok(result)
    };
    let lab = Lab::new(leaky).with("a.yaml", &scenario("a", ""));
    let done = lab.go("run a.yaml --twice --no-store");
    assert_eq!(done.exit, Exit::NotDeterministic);
    assert!(
        done.err
            .contains("the digest of all events was world-0 and is now world-1 [CHR-C006]"),
        "{}",
        done.err
    );

    assert_eq!(lab.go("run a.yaml").exit, Exit::Pass);
    let done = lab.go("replay runs/a/0 --json");
    assert_eq!(done.exit, Exit::NotDeterministic);
    assert_eq!(done.json()["same"], false);
    assert!(
        done.err
            .starts_with("error[CHR-C006]: a with seed 0 is not deterministic"),
        "{}",
        done.err
    );
    assert!(
        done.err.contains("first difference: event 17: worker-1 was polled"),
        "{}",
        done.err
    );
    // On real sockets times differ, and what users got does not.
    assert_eq!(lab.go("run a.yaml --twice --no-store --engine tokio").exit, Exit::Pass);

    let steady = Lab::passing().with("a.yaml", &scenario("a", ""));
    assert_eq!((steady.go("run a.yaml --twice").exit, steady.calls()), (Exit::Pass, 2));
    assert_eq!(steady.go("replay runs/a/0").exit, Exit::Pass);
}

#[test]
fn a_replay_on_another_engine_compares_what_users_got() {
    let lab = Lab::new(|job, _| {
        let mut result = passed(job);
        if job.plan.race.is_some() {
            result.application_digest = job.engine.name().to_owned();
        }
        Ok(result)
    })
    .with("a.yaml", &scenario("a", ""))
    .with("racy.yaml", &scenario("racy", "race: Two answers at once.\n"));
    assert_eq!(lab.go("run .").exit, Exit::Pass);
    assert!(
        lab.go("replay runs/a/0 --engine native")
            .err
            .contains("the same as recorded")
    );
    let done = lab.go("replay runs/racy/0 --engine native --json");
    assert_eq!((done.exit, &done.json()["compared"]), (Exit::Pass, &false.into()));
}

#[test]
fn a_panic_is_a_defect_and_other_seeds_go_on() {
    let lab = Lab::new(|job, _| {
        assert!(job.plan.seed != 3, "a defect in node code");
        Ok(passed(job))
    })
    .with("a.yaml", &scenario("a", "seeds: 0..8\n"));
    let done = lab.go("run a.yaml --json");
    assert_eq!((done.exit, done.exit.code()), (Exit::Internal, 101));
    let failed = &done.json()["scenarios"][0]["failed"][0];
    assert_eq!((&failed["code"], &failed["seed"]), (&"CHR-C008".into(), &3.into()));
    assert_eq!(done.json()["scenarios"][0]["passed"], 7);
    assert!(!lab.path("runs/a/3").exists() && !lab.path("runs/a/.3.partial").exists());
}

#[test]
fn trouble_with_the_environment_is_not_a_failure_of_the_scenario() {
    let lab = Lab::new(|_, _| Err(ServiceError::Environment("no port is free".to_owned())))
        .with("a.yaml", &scenario("a", ""));
    let done = lab.go("run a.yaml");
    assert_eq!(done.exit, Exit::Environment);
    assert!(done.err.contains("no port is free [CHR-C007]"), "{}", done.err);

    let lab = Lab::passing()
        .with("a.yaml", &scenario("a", "seeds: 0..50\n"))
        .with("taken", "a file");
    let done = lab.go("run a.yaml --out taken --jobs 1");
    assert_eq!((done.exit, lab.calls()), (Exit::Environment, 0));
    assert!(
        done.err.contains("[CHR-C005]") && done.err.contains("1 of 50 runs"),
        "it stops at once: {}",
        done.err
    );
}

#[test]
fn nothing_that_is_not_a_run_is_replaced() {
    let lab = Lab::passing()
        .with("a.yaml", &scenario("a", ""))
        .with("runs/a/0/thesis.txt", "precious");
    let done = lab.go("run a.yaml");
    assert_eq!(done.exit, Exit::Environment);
    assert!(
        done.err.contains("something that is not a run is there already"),
        "{}",
        done.err
    );
    assert_eq!(std::fs::read(lab.path("runs/a/0/thesis.txt")).unwrap(), b"precious");
}

#[test]
fn an_invalid_scenario_means_that_nothing_runs() {
    let lab = Lab::passing()
        .with("good.yaml", &scenario("good", ""))
        .with("bad.yaml", "version: 1\nnam: bad\n");
    for command in ["run .", "lint ."] {
        let done = lab.go(command);
        assert_eq!((done.exit, done.out.as_str(), lab.calls()), (Exit::Invalid, "", 0));
        assert!(
            done.err.starts_with("error[CHR-S020]: there is no key `nam` here\n"),
            "{}",
            done.err
        );
        assert!(done.err.contains("bad.yaml:2:1"));
    }
    assert!(!lab.path("runs").exists());
    let json = lab.go("lint . --json").json();
    assert_eq!(
        (
            &json["valid"],
            &json["diagnostics"][0]["code"],
            &json["diagnostics"][0]["line"]
        ),
        (&1.into(), &"CHR-S020".into(), &2.into())
    );
}

#[test]
fn nothing_selected_is_not_a_pass() {
    let lab = Lab::passing()
        .with("a.yaml", &scenario("a", "tags: [x]\n"))
        .with("empty/readme.md", "");
    for line in [
        "run . -k nobody",
        "run . --tag y",
        "run empty",
        "lint empty",
        "list empty",
    ] {
        let done = lab.go(line);
        assert_eq!(done.exit, Exit::NothingSelected, "{line}");
        assert!(done.err.starts_with("error[CHR-C002]"), "{}", done.err);
    }
    assert_eq!((lab.go("run . --tag x").exit, lab.calls()), (Exit::Pass, 1));
    let done = lab.go("run nowhere.yaml");
    assert_eq!(done.exit, Exit::Usage);
    assert!(
        done.err.starts_with("error[CHR-C001]: cannot read nowhere.yaml: "),
        "{}",
        done.err
    );
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let lab = Lab::passing()
        .with("a.yaml", &scenario("same", ""))
        .with("b.yaml", &scenario("same", ""));
    let done = lab.go("run .");
    assert_eq!((done.exit, lab.calls()), (Exit::Invalid, 0));
    assert!(done.err.starts_with("error[CHR-C010]: "), "{}", done.err);
    assert_eq!(
        (lab.go("run a.yaml ./a.yaml").exit, lab.calls()),
        (Exit::Pass, 1),
        "one file, named twice"
    );
}

#[test]
fn an_engine_that_is_not_there_is_said_in_one_sentence() {
    let mut lab = Lab::passing().with("a.yaml", &scenario("a", ""));
    lab.fake.madsim = false;
    let done = lab.go("run a.yaml --engine madsim");
    assert_eq!(done.exit, Exit::Environment);
    assert!(
        done.err
            .starts_with("error[CHR-C004]: the madsim engine is not available: this build lacks --cfg madsim\n")
    );
    let done = lab.go("run a.yaml");
    assert_eq!(done.exit, Exit::Pass);
    assert!(
        done.err.contains("1 of 1 runs on native"),
        "without madsim the native engine is the default: {}",
        done.err
    );
}

#[test]
fn scenarios_with_faults_do_not_run_on_real_sockets() {
    let lab = Lab::passing().with("a.yaml", &scenario("a", "")).with(
        "b.yaml",
        &scenario("b", "faults: [{ at: 3s, kill: { node: worker-1 } }]\n"),
    );
    let done = lab.go("run . --engine tokio");
    assert_eq!((done.exit, lab.calls()), (Exit::Usage, 0));
    assert!(
        done.err
            .starts_with("error[CHR-C011]: these scenarios have faults, and real sockets have none: b\n")
    );
    assert_eq!((lab.go("run a.yaml --engine tokio").exit, lab.calls()), (Exit::Pass, 1));
}

#[cfg(unix)]
#[test]
fn circles_of_links_and_pipes_do_no_harm() {
    let lab = Lab::passing().with("s/a.yaml", &scenario("a", ""));
    std::os::unix::fs::symlink(".", lab.path("s/again")).unwrap();
    std::os::unix::fs::symlink("a.yaml", lab.path("s/link.yaml")).unwrap();
    std::os::unix::fs::symlink("nowhere", lab.path("s/broken.yaml")).unwrap();
    assert_eq!((lab.go("run s").exit, lab.calls()), (Exit::Pass, 1));
    assert_eq!(lab.go("lint /dev/null").exit, Exit::Usage);
}

#[test]
fn a_folder_that_is_not_a_run_cannot_be_replayed() {
    let lab = Lab::passing().with("a.yaml", &scenario("a", ""));
    assert_eq!(lab.go("run a.yaml").exit, Exit::Pass);
    let done = lab.go("replay nowhere");
    assert_eq!(done.exit, Exit::Usage);
    assert!(
        done.err
            .starts_with("error[CHR-C003]: nowhere is not the folder of a run"),
        "{}",
        done.err
    );
    let plan = std::fs::read_to_string(lab.path("runs/a/0/plan.json")).unwrap();
    let altered = plan.replace("\"seed\":0", "\"seed\":1");
    assert_ne!(plan, altered);
    std::fs::write(lab.path("runs/a/0/plan.json"), altered).unwrap();
    let done = lab.go("replay runs/a/0");
    assert_eq!(done.exit, Exit::Usage);
    assert!(
        done.err.contains("plan.json is not the plan that run.json is about"),
        "{}",
        done.err
    );
}

#[test]
fn a_record_that_names_another_seed_or_scenario_than_its_plan_is_refused() {
    for (said, altered) in [
        ("\"seed\": 1", "\"seed\": 2"),
        ("\"scenario\": \"a\"", "\"scenario\": \"b\""),
    ] {
        let lab = Lab::passing().with("a.yaml", &scenario("a", "seed: 1\n"));
        assert_eq!(lab.go("run a.yaml").exit, Exit::Pass);
        let record = std::fs::read_to_string(lab.path("runs/a/1/run.json")).unwrap();
        assert!(record.contains(said), "{record}");
        std::fs::write(lab.path("runs/a/1/run.json"), record.replace(said, altered)).unwrap();
        let done = lab.go("replay runs/a/1");
        assert_eq!(done.exit, Exit::Usage);
        assert!(done.err.contains("and plan.json is of a with seed 1"), "{}", done.err);
        assert_eq!((lab.go("run a.yaml --resume").exit, lab.calls()), (Exit::Pass, 2));
    }
}

#[test]
fn scenarios_and_properties_are_listed() {
    let lab = Lab::passing()
        .with("s/b.yaml", &scenario("b", "seeds: 5..9\ntags: [x, y]\n"))
        .with("s/a.yaml", &scenario("alpha", ""));
    let done = lab.go("list s");
    assert_eq!(done.out, "alpha  0..1       About alpha.\nb      5..9  x,y  About b.\n");
    let json = lab.go("list s --json").json();
    assert_eq!(
        (&json[1]["name"], &json[1]["seeds"], &json[1]["tags"][1]),
        (&"b".into(), &"5..9".into(), &"y".into())
    );
    assert_eq!(json[1]["path"], "s/b.yaml");
    let done = lab.go("list --properties");
    assert_eq!((done.exit, done.out.lines().count()), (Exit::Pass, 14));
    assert_eq!(
        lab.go("list --properties --json").json()[0]["name"],
        "answers-are-exact"
    );
}

#[test]
fn every_code_is_explained() {
    let lab = Lab::passing();
    for code in Code::ALL {
        let done = lab.go(&format!("explain {}", code.id().to_lowercase()));
        assert_eq!(done.exit, Exit::Pass);
        assert!(
            done.out.starts_with(&format!("{code}: {}\n\n", code.title())),
            "{}",
            done.out
        );
        assert!(
            done.out.lines().count() >= 3 && done.out.lines().all(|line| line.chars().count() <= 100),
            "{}",
            done.out
        );
    }
    assert_eq!(lab.go("explain").out.lines().count(), Code::ALL.len());
    let done = lab.go("explain CHR-X999");
    assert_eq!(done.exit, Exit::Usage);
    assert!(
        done.err
            .starts_with("error[CHR-C009]: there is no diagnostic `CHR-X999`"),
        "{}",
        done.err
    );
}

#[test]
fn scenarios_without_a_chain_have_no_use_for_contracts() {
    let lab = Lab::passing()
        .with("a.yaml", &scenario("a", "settlement: {}\n"))
        .with("b.yaml", &scenario("b", ""));
    let done = lab.go("run a.yaml b.yaml --contracts nowhere");
    assert_eq!(done.exit, Exit::Usage);
    let text =
        "error[CHR-C012]: `--contracts` is for scenarios on a chain, and these have no section `settlement`: b\n";
    assert!(done.err.starts_with(text), "{}", done.err);
    // The control: then the folder is looked for.
    let done = lab.go("run a.yaml --contracts nowhere");
    assert_eq!(done.exit, Exit::Invalid);
    assert!(done.err.starts_with("error[CHR-S070]: nowhere: "), "{}", done.err);
    assert_eq!(lab.fake.calls.load(Ordering::SeqCst), 0, "nothing runs");
}

#[test]
fn every_command_code_is_shown_by_a_test_of_this_file() {
    let here = include_str!("cli.rs");
    for code in Code::ALL.iter().filter(|code| code.id().starts_with("CHR-C")) {
        assert!(here.contains(code.id()), "no test shows {code}");
    }
}

#[test]
fn up_tells_where_the_network_is() {
    let lab = Lab::passing().with("a.yaml", &scenario("a", "world: { clients: [{ count: 2 }] }\n"));
    let done = lab.go("up");
    assert_eq!(
        (done.exit, done.out.as_str()),
        (Exit::Pass, "client\thttp://127.0.0.1:8080\n")
    );
    assert!(
        done.err
            .contains("try: curl -N http://127.0.0.1:8080/v1/chat/completions"),
        "{}",
        done.err
    );
    let json = lab.go("up a.yaml --json -q").json();
    assert_eq!(
        (&json["clients"][1][0], &json["model"]),
        (&"client-2".into(), &"tiny-nano".into())
    );
    assert_eq!(lab.go("up nowhere").exit, Exit::Usage);
    assert!(lab.go("up -v").err.contains("something happened"));
    assert!(!lab.go("up").err.contains("something happened"));
}

#[test]
fn a_tunnel_tells_its_address_and_what_went_wrong() {
    let lab = Lab::passing();
    let done = lab.go("tunnel 127.0.0.1:2");
    assert_eq!((done.exit, done.out.as_str()), (Exit::Pass, "127.0.0.1:4443\n"));
    assert!(
        done.err.contains("openssl s_client -connect 127.0.0.1:4443"),
        "{}",
        done.err
    );
    assert!(done.err.contains("127.0.0.1:2: connection refused"), "{}", done.err);
    let json = lab.go("tunnel 127.0.0.1:2 --json -q").json();
    assert_eq!(
        (&json["tunnel"], &json["node"]),
        (&"127.0.0.1:4443".into(), &"127.0.0.1:2".into())
    );
    assert_eq!(lab.go("tunnel nowhere").exit, Exit::Usage);
}

#[test]
fn benchmarks_are_a_table_or_json() {
    let lab = Lab::passing();
    let done = lab.go("bench sim");
    assert_eq!((done.out.as_str(), done.err.as_str()), ("echo 5\n", "echo\n"));
    let json = lab.go("bench sim --repetitions 9 --quick --json").json();
    assert_eq!(
        (&json["runs"], &json["quick"], &json["parts"]),
        (&9.into(), &true.into(), &5.into())
    );
    assert_eq!(lab.go("bench sim --part echo --part tls --json").json()["parts"], 2);
    let wrong = lab.go("bench sim --part ehco");
    assert!(
        wrong.exit == Exit::Usage && wrong.err.contains("memory, echo, tls"),
        "{}",
        wrong.err
    );
    assert_eq!(lab.go("bench sim --repetitions 0").exit, Exit::Usage);
}

#[test]
fn a_build_without_services_says_so() {
    let lab = Lab::passing().with("a.yaml", &scenario("a", ""));
    assert_eq!(lab.go("run a.yaml").exit, Exit::Pass);
    for line in [
        "run a.yaml",
        "replay runs/a/0",
        "up",
        "tunnel 127.0.0.1:2",
        "report runs",
        "bench sim",
    ] {
        let done = lab.go_with(&Services::default(), line);
        assert_eq!(done.exit, Exit::Environment, "{line}");
        assert!(
            done.err.starts_with("error[CHR-C007]") && done.err.contains("this build has no"),
            "{}",
            done.err
        );
    }
    assert_eq!(lab.go_with(&Services::default(), "doctor").exit, Exit::Environment);
}

#[test]
fn the_doctor_looks_at_engines_output_cores_and_disk() {
    let mut lab = Lab::passing();
    let done = lab.go("doctor");
    assert_eq!((done.exit, done.out.lines().count()), (Exit::Pass, 6), "{}", done.out);
    assert!(!lab.path("runs").exists(), "nothing is left behind");
    lab.fake.madsim = false;
    let done = lab.go("doctor");
    assert_eq!(done.exit, Exit::Pass, "the native engine is enough");
    assert!(
        done.out.contains("note madsim engine  this build lacks --cfg madsim"),
        "{}",
        done.out
    );
    let lab = lab.with("runs", "a file where a folder is needed");
    let done = lab.go("doctor --json");
    assert_eq!((done.exit, &done.json()["usable"]), (Exit::Environment, &false.into()));
}

#[test]
fn usage_errors_and_help_have_their_streams_and_codes() {
    let lab = Lab::passing();
    for line in [
        "",
        "walk",
        "run --seeds",
        "run --seeds 5..5",
        "run --jobs 0",
        "run --no-store --resume",
        "list -q -v",
    ] {
        let done = lab.go(line);
        assert_eq!((done.exit, done.out.as_str()), (Exit::Usage, ""), "{line}");
        assert!(!done.err.is_empty());
    }
    for line in ["--help", "--version", "run --help"] {
        let done = lab.go(line);
        assert_eq!((done.exit, done.err.as_str()), (Exit::Pass, ""), "{line}");
        assert!(!done.out.is_empty() && !done.out.contains('\u{1b}'));
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            lab.go(&format!("completions {shell}")).out.contains("chrysalis"),
            "{shell}"
        );
    }
}
