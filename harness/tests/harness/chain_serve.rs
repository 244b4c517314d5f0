//! `chrysalis chain serve`: the program as it is shipped, with a public TON client where Node is there.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_chrysalis");

struct Served {
    child: Child,
    ready: Value,
}

impl Served {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(BINARY)
            .args(["chain", "serve", "--json", "--listen", "127.0.0.1:0"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Ok(ready) = serde_json::from_str(&line) else {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            let _ = child.wait();
            panic!("not ready: {line}{why}");
        };
        Self { child, ready }
    }

    fn text(&self, pointer: &str) -> &str {
        self.ready.pointer(pointer).and_then(Value::as_str).unwrap()
    }

    /// As Ctrl-C ends it: its exit code and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let interrupt = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(interrupt.unwrap().success());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ton-client")
}

/// What keeps the public client from running here.
fn missing() -> Option<&'static str> {
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    if !node.is_ok_and(|status| status.success()) {
        return Some("Node is not installed");
    }
    let packages = client_folder().join("node_modules/@ton/ton").is_dir();
    (!packages).then_some("its packages are not installed: `npm ci` in harness/tests/ton-client")
}

/// Runs the public client; `None`, with the reason printed, where it cannot be.
#[expect(
    clippy::print_stderr,
    reason = "whoever reads the log must see that nothing was checked"
)]
fn public_client(words: &[&str]) -> Option<Output> {
    if let Some(why) = missing() {
        eprintln!("skipped: a public TON client is not tried, {why}");
        return None;
    }
    let done = Command::new("node")
        .arg("client.mjs")
        .args(words)
        .current_dir(client_folder())
        // The chain is on this machine, whatever stands between it and others.
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    Some(done)
}

#[test]
fn a_public_client_reads_runs_sends_and_is_refused_what_is_wrong() {
    let served = Served::start(&["--accounts", "1", "--balance", "20 TON", "--speed", "20"]);
    // An address that nobody has a key for.
    let receiver = format!("0:{}", "7".repeat(64));
    let Some(done) = public_client(&[served.text("/url"), served.text("/accounts/0/secret_seed"), &receiver]) else {
        return;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let saw: Value = serde_json::from_slice(&done.stdout).unwrap();
    let says = |name: &str, part: &str| {
        let found = saw[name].as_str().unwrap_or_else(|| panic!("{name}: {saw}"));
        assert!(found.contains(part), "{name}: {saw}");
    };
    // Its library derives the same address from the same key.
    says("address", served.text("/accounts/0/address"));
    assert_eq!(
        (&saw["before"], &saw["deployed"]),
        (&"20000000000".into(), &true.into()),
        "{saw}"
    );
    assert_eq!(
        saw["publicKey"],
        served.text("/accounts/0/public_key").trim_start_matches('0'),
        "{saw}"
    );
    // The published wallet's exit codes: 33 for the number, 35 for the signature.
    says("wrongSeqno", "33");
    says("wrongKey", "35");
    assert_eq!(saw["afterRefusals"], saw["before"], "{saw}");
    assert_eq!(saw["arrived"], "1500000000", "{saw}");
    assert_eq!((&saw["seqno"], &saw["seqnoAfter"]), (&0.into(), &1.into()), "{saw}");
    says("repeated", "33");
    assert_eq!(
        (&saw["comment"], &saw["from"]),
        (&"for tea".into(), &saw["address"]),
        "{saw}"
    );
    assert_eq!(saw["located"], saw["receivedLt"], "{saw}");
    let (code, said) = served.end();
    assert_eq!(code, Some(0), "{said}");
}

/// Negative control: the client does fail where there is no chain.
#[test]
fn a_public_client_without_a_chain_fails() {
    let served = Served::start(&["--accounts", "1"]);
    let (url, seed) = (
        served.text("/url").to_owned(),
        served.text("/accounts/0/secret_seed").to_owned(),
    );
    assert_eq!(served.end().0, Some(0));
    if let Some(done) = public_client(&[&url, &seed, &format!("0:{}", "7".repeat(64))]) {
        assert!(!done.status.success());
    }
}

#[test]
fn the_chain_is_kept_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chain.json");
    let state = ["--state", file.to_str().unwrap(), "--speed", "100"];
    let served = Served::start(&[&state[..], &["--now", "1800000000", "--faucet", "5 TON"]].concat());
    assert_eq!(
        (&served.ready["is_restored"], &served.ready["has_faucet"]),
        (&false.into(), &true.into())
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(served.end().0, Some(0));

    let again = Served::start(&[&state[..], &["--now", "1800100000"]].concat());
    assert_eq!(again.ready["is_restored"], true);
    let now = again.ready["now_unix_s"].as_u64().unwrap();
    assert!((1_800_099_999..=1_800_100_100).contains(&now), "{now}");
    assert_eq!(again.end().0, Some(0));

    // Back in time, another format, a damaged file: refused with a reason.
    let refused = |words: &[&str], reason: &str| {
        let mut all = vec!["chain", "serve"];
        if !words.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(words);
        let done = Command::new(BINARY).args(all).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(reason), "{said}");
    };
    refused(
        &["--state", file.to_str().unwrap(), "--now", "1700000000"],
        "cannot go back",
    );
    let text = std::fs::read_to_string(&file).unwrap();
    for (from, to, reason) in [
        (
            "\"chrysalis_chain_state\":1",
            "\"chrysalis_chain_state\":9",
            "version 9",
        ),
        ("\"boc_hex\":\"b5", "\"boc_hex\":\"b6", "bag of cells"),
        ("{", "[", "expected"),
    ] {
        let damaged = folder.path().join("damaged.json");
        std::fs::write(&damaged, text.replacen(from, to, 1)).unwrap();
        refused(&["--state", damaged.to_str().unwrap(), "--now", "1900000000"], reason);
    }
    refused(&["--listen", "0.0.0.0:0"], "not a loopback address");
    refused(&["--speed", "0"], "0 is not in");
    refused(&["--balance", "7"], "15 TON");
}

#[test]
fn a_port_that_is_taken_is_an_environment_that_may_change() {
    let served = Served::start(&[]);
    let address = served.text("/url").trim_start_matches("http://").to_owned();
    let done = Command::new(BINARY)
        .args(["chain", "serve", "--listen", &address])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(5), "{}", String::from_utf8_lossy(&done.stderr));
}
