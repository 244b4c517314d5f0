//! The program as it is shipped: streams, exit codes, the checked-in schema, the shipped scenarios.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn chrysalis(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(words)
        .current_dir(root())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_checked_in_schema_is_current() {
    let done = chrysalis(&["schema"]);
    assert_eq!(done.status.code(), Some(0));
    let path = root().join("scenarios/schema.json");
    let current = text(&done.stdout);
    if std::env::var_os("CHRYSALIS_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == current,
        "scenarios/schema.json is not what `chrysalis schema` prints: write it again"
    );
    let schema: serde_json::Value = serde_json::from_str(&current).unwrap();
    assert_eq!(schema["properties"]["duration"]["type"], "string");
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["world"]["$ref"].is_string() || schema["properties"]["world"].is_object());
}

#[test]
fn shipped_scenarios_are_valid_and_point_to_the_schema() {
    let done = chrysalis(&["lint"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let listed = chrysalis(&["list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let listed = listed.as_array().unwrap();
    assert!(listed.len() >= 7);
    for entry in listed {
        let path = root().join(entry["path"].as_str().unwrap());
        let scenario = std::fs::read_to_string(&path).unwrap();
        let first = scenario.lines().next().unwrap();
        let schema = first
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_else(|| panic!("{}", path.display()));
        assert!(
            path.parent().unwrap().join(schema).is_file(),
            "{} points to nothing",
            path.display()
        );
        assert!(
            !entry["tags"].as_array().unwrap().is_empty(),
            "{} has no tags",
            path.display()
        );
    }
}

#[test]
fn stdout_is_data_and_stderr_is_for_people() {
    let done = chrysalis(&["--version"]);
    assert_eq!(
        (done.status.code(), text(&done.stdout)),
        (Some(0), format!("chrysalis {}\n", env!("CARGO_PKG_VERSION")))
    );
    let done = chrysalis(&["explain", "CHR-S031"]);
    assert!(text(&done.stdout).starts_with("CHR-S031: a unit is not known\n"));
    let done = chrysalis(&["lint", "nowhere"]);
    assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0));
    let done = chrysalis(&[]);
    assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0));
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(["explain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), String::new()));
}
