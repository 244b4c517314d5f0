//! Scenarios on the chain with the program as it is shipped: contract codes that users bring, and controls of a scenario.

use std::path::Path;
use std::process::{Command, Output};

use chrysalis_settlement::boc::encode_base64;
use chrysalis_settlement::onchain::{CodeProfile, CodeSet, ContractRole};
use tempfile::TempDir;

const FORCED_REFUND: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../scenarios/settlement/t3-refund-without-stake.yaml"
);

fn codes(profile: CodeProfile, roles: &[ContractRole]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for role in roles {
        let code = encode_base64(CodeSet::builtin(profile).code(*role));
        std::fs::write(folder.path().join(format!("{}.boc", role.name())), code).unwrap();
    }
    folder
}

fn chrysalis(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(words)
        .current_dir(folder)
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap()
}

/// Runs one seed of an attack that works on the reference's contracts only.
fn attack(work: &Path, contracts: &Path, profile: &str) -> (Option<i32>, String) {
    let contracts = contracts.to_str().unwrap();
    let words = [
        "run",
        FORCED_REFUND,
        "--seeds",
        "1",
        "--profile",
        profile,
        "--contracts",
        contracts,
    ];
    let done = chrysalis(work, &words);
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

fn run(contracts: &Path, profile: &str) -> (Option<i32>, String) {
    let work = tempfile::tempdir().unwrap();
    attack(work.path(), contracts, profile)
}

/// The contracts are really those that were brought: with the reference's codes the attack works in the profile that
/// says that it never does, and with the hardened ones it does not in the other.
#[test]
fn codes_that_are_brought_are_the_ones_that_run() {
    let own = codes(CodeProfile::Hardened, &ContractRole::ALL);
    let (exit, said) = run(own.path(), "hardened");
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(said.matches("contract: ").count(), 5, "{said}");
    assert!(
        said.contains("known as this project's hardened proxy contract"),
        "{said}"
    );
    let (exit, said) = run(own.path(), "reference");
    assert_eq!(exit, Some(100), "{said}");
    let weak = codes(CodeProfile::Reference, &ContractRole::ALL);
    let (exit, said) = run(weak.path(), "hardened");
    assert_eq!(exit, Some(100), "{said}");
    assert!(said.contains("it worked"), "{said}");
    assert_eq!(run(weak.path(), "reference").0, Some(0));
}

/// A recorded run has the codes in it: it is replayed without the folder.
#[test]
fn a_run_with_brought_codes_is_replayed_without_them() {
    let work = tempfile::tempdir().unwrap();
    let folder = codes(CodeProfile::Reference, &[ContractRole::Proxy, ContractRole::Client]);
    let (exit, said) = attack(work.path(), folder.path(), "reference");
    assert_eq!(exit, Some(0), "{said}");
    drop(folder);
    let done = chrysalis(work.path(), &["replay", "runs/t3-refund-without-stake@reference/0"]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && said.contains("the same as recorded"), "{said}");
}

#[test]
fn folders_that_are_not_taken_are_one_clear_error_and_nothing_runs() {
    let refused = |folder: &Path| {
        let (exit, said) = run(folder, "hardened");
        assert_eq!(exit, Some(3), "{said}");
        assert_eq!(said.matches("error[CHR-S070]").count(), 1, "{said}");
        said
    };
    let folder = codes(CodeProfile::Hardened, &[]);
    assert!(refused(folder.path()).contains("root.boc, proxy.boc, client.boc, worker.boc, wallet.boc"));
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    put("readme.txt", b"not looked at");
    put("bank.boc", b"");
    assert!(refused(folder.path()).contains("bank.boc"));
    std::fs::remove_file(folder.path().join("bank.boc")).unwrap();
    put("proxy.boc", b"\xb5\xee\x9c\x72 and no more");
    assert!(refused(folder.path()).contains("proxy.boc: malformed bag of cells"));
    let client = CodeSet::builtin(CodeProfile::Hardened).code(ContractRole::Client);
    put("proxy.boc", encode_base64(client).as_bytes());
    assert!(refused(folder.path()).contains("there is no such method, so this is the code of another contract"));
    // The control: the same file under its own name.
    std::fs::rename(folder.path().join("proxy.boc"), folder.path().join("client.boc")).unwrap();
    assert_eq!(run(folder.path(), "hardened").0, Some(0));
    assert!(refused(Path::new("no-such-folder")).contains("no-such-folder"));
}

/// A scenario names a folder beside itself; what is wrong there is shown at that place.
#[test]
fn a_scenario_may_name_its_contracts() {
    let work = codes(CodeProfile::Reference, &ContractRole::ALL);
    let text = std::fs::read_to_string(FORCED_REFUND).unwrap();
    let with = |folder: &str| {
        let changed = text.replacen("settlement:\n", &format!("settlement:\n  contracts: {folder}\n"), 1);
        assert_ne!(changed, text, "the scenario has its section on lines of its own");
        std::fs::write(work.path().join("mine.yaml"), changed).unwrap();
    };
    with(".");
    // From another folder: the path is relative to the file.
    let elsewhere = tempfile::tempdir().unwrap();
    let file = work.path().join("mine.yaml");
    let done = chrysalis(
        elsewhere.path(),
        &["run", file.to_str().unwrap(), "--seeds", "1", "--no-store"],
    );
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(
        done.status.code(),
        Some(100),
        "the reference's contracts are weak: {said}"
    );
    with("nowhere");
    for command in ["run", "lint"] {
        let done = chrysalis(work.path(), &[command, "mine.yaml"]);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(3), "{said}");
        assert!(said.contains("error[CHR-S070]: nowhere: "), "{said}");
        let line = text.lines().position(|line| line == "settlement:").unwrap() + 2;
        assert!(said.contains(&format!("--> mine.yaml:{line}:14")), "{said}");
    }
}

/// A disabled proxy serves again after it was enabled and the prices changed, and each of the three steps counts.
#[test]
fn every_step_of_the_disabled_proxy_counts() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scenarios/settlement/proxy-disabled.yaml"
    );
    let text = std::fs::read_to_string(file).unwrap();
    let work = tempfile::tempdir().unwrap();
    let run = |left_out: &[&str]| {
        let lines = text
            .lines()
            .filter(|line| !left_out.iter().any(|word| line.contains(word)));
        let changed: Vec<&str> = lines.collect();
        std::fs::write(work.path().join("mine.yaml"), changed.join("\n")).unwrap();
        let done = chrysalis(work.path(), &["run", "mine.yaml", "--seeds", "1", "--no-store"]);
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    assert_eq!(run(&[]).0, Some(0));
    for (left_out, served) in [
        (&["disable_proxy"][..], "8 of 8"),
        (&["enable_proxy"], "2 of 8"),
        (&["at: 24m", "change_price"], "2 of 8"),
    ] {
        let (exit, said) = run(left_out);
        assert_eq!(exit, Some(100), "{said}");
        assert!(
            said.contains(&format!("requests succeeded: exactly 4: {served}")),
            "{said}"
        );
    }
}

/// Every shipped scenario on the chain says of both profiles what is so, and none of its expectations is about nothing.
#[test]
fn every_scenario_on_the_chain_passes_in_both_profiles() {
    let scenarios = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/settlement");
    let files = std::fs::read_dir(scenarios).unwrap().count();
    let work = tempfile::tempdir().unwrap();
    for profile in ["reference", "hardened"] {
        let words = ["run", scenarios, "--seeds", "1", "--no-store", "--profile", profile];
        let done = chrysalis(work.path(), &words);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(0), "{profile}: {said}");
        assert!(said.contains(&format!("{files} of {files} runs")), "{profile}: {said}");
    }
}

/// A shipped scenario with something replaced, and one seed of it in a profile.
fn run_changed(name: &str, change: (&str, &str), profile: &str, contracts: Option<&Path>) -> (Option<i32>, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios/settlement")
        .join(name);
    let text = std::fs::read_to_string(file).unwrap();
    let changed = text.replacen(change.0, change.1, 1);
    assert!(change.0 == change.1 || changed != text, "{name} has {:?}", change.0);
    let work = tempfile::tempdir().unwrap();
    std::fs::write(work.path().join("mine.yaml"), changed).unwrap();
    let mut words = vec!["run", "mine.yaml", "--seeds", "1", "--no-store", "--profile", profile];
    if let Some(contracts) = contracts {
        words.extend(["--contracts", contracts.to_str().unwrap()]);
    }
    let done = chrysalis(work.path(), &words);
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

/// Fees are ten times as high in one price list as in the other: whether an order was accepted again does not depend
/// on what it cost.
#[test]
fn a_replayed_order_is_judged_alike_at_both_price_lists() {
    for fees in ["settlement:\n  fees: old\n", "settlement:\n  fees: new\n"] {
        for profile in ["reference", "hardened"] {
            let change = ("settlement:\n", fees);
            let (exit, said) = run_changed("t8-replayed-order.yaml", change, profile, None);
            assert_eq!(exit, Some(0), "{fees} {profile}: {said}");
        }
    }
}

/// Contracts that have the weak point in some payments only are neither sound nor a proof: no profile accepts them.
#[test]
fn front_running_that_works_on_one_contract_is_no_verdict() {
    let worker = codes(CodeProfile::Reference, &[ContractRole::Worker]);
    let change = ("attacks: seen", "attacks: seen");
    let (exit, said) = run_changed("t7-front-running.yaml", change, "hardened", Some(worker.path()));
    assert_eq!(exit, Some(100), "{said}");
    assert!(
        said.contains("it could not be carried out: 2 of 4 honest submissions failed"),
        "{said}"
    );
}

/// In the profile of the weak contracts each attack costs an honest party, and the property that says so is the one
/// that fails when a scenario claims the opposite.
#[test]
fn what_an_attack_costs_is_a_loss() {
    for name in [
        "t1-top-up-while-closing.yaml",
        "t5-charge-beyond-balance.yaml",
        "t6-redirected-excesses.yaml",
        "t8-replayed-order.yaml",
        "t9-stolen-key.yaml",
    ] {
        let file = format!("{}/../scenarios/settlement/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).unwrap();
        let (_, after) = text.split_once("  reference:\n").unwrap();
        let (weak, _) = after.split_once("  hardened:\n").unwrap();
        assert!(
            weak.contains("violated") && weak.contains("honest-party-never-loses]"),
            "{name}"
        );
        // The same claim as of hardened contracts.
        let claim = "    attacks: seen\n    properties: [honest-party-never-loses]\n";
        let (exit, said) = run_changed(name, (weak, claim), "reference", None);
        assert_eq!(exit, Some(100), "{name}: {said}");
        assert!(said.contains("        honest-party-never-loses: "), "{name}: {said}");
    }
}
