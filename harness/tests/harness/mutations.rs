//! The gate of mutations as CI runs it: `cargo xtask mutations`.

use std::process::Command;

/// Numbered mutants follow from a seed: the same ones each time.
#[test]
#[ignore = "takes minutes: `cargo xtask mutations`"]
fn fifty_thousand_mutants_are_judged_as_declared() {
    let status = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args([
            "bench",
            "attest",
            "--quick",
            "--repetitions",
            "1",
            "--mutations",
            "50000",
        ])
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
