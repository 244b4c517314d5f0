//! The project's chores: `cargo xtask <command>`. Each prints what it runs and stops at the first failure.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod contracts;
mod fuzz;
mod tidy;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

const USAGE: &str = "usage: cargo xtask <command>

  test    every test of the workspace (cargo nextest where it is installed, cargo test otherwise)
  tidy    walls between crates, paths of a machine, overlong files
  gate    the determinism gate over every scenario, and that a planted defect of the ledger is found
  mutations
          the gate of mutations: 50,000 mutated evidences, none of which may be accepted (for more of them:
          `chrysalis bench attest --mutations N`)
  schema  writes scenarios/schema.json anew
  contracts [--check]
          compiles the contracts (needs Node and node_modules), or checks that what is committed is what compiles
  conformance
          records the executor's traffic for sim/chain/tests/conformance (needs Node and node_modules)
  campaign settlement [OPTION...]
          a million transitions over the hardened contracts, and every attack found in the reference ones (release build)
  fuzz PACKAGE [TARGET...] [--seconds N]
          runs fuzz targets, ten minutes each if nothing else is said (needs a C++ compiler)
  lint    fmt, clippy and documentation, as CI runs them
  ci      everything that CI runs";

type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match command.as_str() {
        "test" => test(&rest),
        "tidy" => tidy::check(&root()),
        "gate" => gate(&rest),
        "mutations" => mutations(),
        "schema" => schema(),
        "contracts" => contracts::run(&root(), &rest),
        "conformance" => contracts::record(&root()),
        "campaign" => campaign(&rest),
        "fuzz" => fuzz::run(&root(), &rest),
        "lint" => lint(),
        "ci" => lint()
            .and_then(|()| tidy::check(&root()))
            .and_then(|()| test(&[]))
            .and_then(|()| gate(&[]))
            .and_then(|()| mutations()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {command}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    // The manifest of this package is one folder below the workspace.
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo(arguments: &[&str]) -> Outcome {
    println!("$ cargo {}", arguments.join(" "));
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`cargo {}` failed", arguments.join(" ")))
    }
}

fn has_nextest() -> bool {
    Command::new(env!("CARGO"))
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn test(rest: &[String]) -> Outcome {
    let mut arguments = if has_nextest() {
        vec!["nextest", "run", "--workspace"]
    } else {
        vec!["test", "--workspace"]
    };
    arguments.extend(rest.iter().map(String::as_str));
    cargo(&arguments)
}

/// Tests that guard the tests: they are chosen out of the whole workspace, because a package by itself has its libraries
/// built anew with other features.
fn gate(rest: &[String]) -> Outcome {
    let mut determinism = vec!["test", "--quiet", "--workspace", "--test", "harness", "determinism::"];
    determinism.extend(rest.iter().map(String::as_str));
    cargo(&determinism)?;
    // The defect must be found; the access to real networks, which is off by default, is tested in the same build.
    let others = "chrysalis-world/planted-ledger-bug,chrysalis-world/toncenter";
    let others = ["--features", others, "--test", "world", "--", "faults::", "toncenter::"];
    cargo(&[&["test", "--quiet", "--workspace"], &others[..]].concat())
}

/// In the build of the tests, for the same reason.
fn mutations() -> Outcome {
    let tests = ["test", "--quiet", "--workspace", "--test", "harness"];
    cargo(&[&tests[..], &["mutations::", "--", "--ignored", "--nocapture"]].concat())
}

/// Long campaigns are programs of their own, built for speed.
fn campaign(rest: &[String]) -> Outcome {
    let [subject, options @ ..] = rest else {
        return Err("which one? There is `settlement`".into());
    };
    if subject != "settlement" {
        return Err(format!("there is no campaign `{subject}`, only `settlement`"));
    }
    let mut arguments = vec!["run", "--release", "--quiet", "--package", "chrysalis-campaign", "--"];
    arguments.extend(options.iter().map(String::as_str));
    cargo(&arguments)
}

fn schema() -> Outcome {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "chrysalis", "--", "schema"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let path = root().join("scenarios/schema.json");
    std::fs::write(&path, output.stdout).map_err(|error| format!("{}: {error}", path.display()))
}

fn lint() -> Outcome {
    cargo(&["fmt", "--all", "--check"])?;
    // The same features for both, so that libraries are looked at once.
    let features = "chrysalis-world/toncenter,chrysalis-attest/hw-sev-guest,chrysalis-attest/hw-nvidia";
    cargo(&["clippy", "--workspace", "--all-targets", "--features", features])?;
    cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--features",
        features,
    ])?;
    fuzz_targets_compile()
}

/// Fuzz targets are no members of the workspace: nothing else would notice that they rot.
fn fuzz_targets_compile() -> Outcome {
    if Command::new("c++").arg("--version").output().is_err() {
        println!("no C++ compiler: the fuzz targets (libFuzzer) are not looked at");
        return Ok(());
    }
    for manifest in fuzz::manifests() {
        cargo(&[
            "check",
            "--quiet",
            "--locked",
            "--target-dir",
            "target",
            "--manifest-path",
            &manifest,
        ])?;
    }
    Ok(())
}
