//! Broken scenario files: one clear error each, at the right place, exit code 3, nothing written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrysalis::diagnostic::source::printable;
use chrysalis::diagnostic::{Code, Position};
use chrysalis::scenario::parse;

/// File, what is wrong with it, and where: a text that occurs once in the file, or `@line:column`. Written down by hand
/// from the file, not from what the program says.
const BAD: &[(&str, Code, &str)] = &[
    ("empty", Code::EmptyFile, "@1:1"),
    ("only-comments", Code::EmptyFile, "@1:1"),
    ("scalar-document", Code::WrongType, "hello"),
    ("list-document", Code::WrongType, "@1:1"),
    ("null-document", Code::EmptyValue, "@1:4"),
    ("unclosed-quote", Code::Syntax, "@9:1"),
    ("unclosed-bracket", Code::Syntax, "[a, b"),
    ("wrong-indentation", Code::Syntax, "@3:13"),
    ("colon-in-text", Code::Syntax, "@3:17"),
    ("reserved-character", Code::Syntax, "@oops"),
    ("control-character", Code::Syntax, "@3:18"),
    ("tab-indentation", Code::Tab, "@5:1"),
    ("tab-in-list", Code::Tab, "@6:1"),
    ("two-documents", Code::MultipleDocuments, "@9:1"),
    ("duplicate-key", Code::DuplicateKey, "@5:1"),
    ("duplicate-nested-key", Code::DuplicateKey, "name: again"),
    ("unknown-anchor", Code::Syntax, "*nobody"),
    ("own-tag", Code::UnsupportedTag, "10s"),
    ("unknown-key", Code::UnknownKey, "durration"),
    ("unknown-key-without-suggestion", Code::UnknownKey, "colour"),
    ("unknown-nested-key", Code::UnknownKey, "latancy"),
    ("unknown-key-behind-alias", Code::UnknownKey, "nam: proxy"),
    ("missing-version", Code::MissingKey, "@1:1"),
    ("missing-duration", Code::MissingKey, "@1:1"),
    ("missing-workload", Code::MissingKey, "@1:1"),
    ("missing-group-name", Code::MissingKey, "arrivals"),
    ("missing-rate", Code::MissingKey, "{}"),
    ("missing-requests-of-closed-users", Code::MissingKey, "{ closed"),
    ("missing-fault-action", Code::MissingKey, "{ at: 3s }"),
    ("recheck-too-often", Code::OutOfRange, "@6:33"),
    ("revoked-client", Code::UnknownNode, "@8:40"),
    ("image-removed-on-chain", Code::Contradiction, "@9:29"),
    ("withdrawn-without-fault", Code::NothingToCheck, "@7:24"),
    ("missing-link-ends", Code::MissingKey, "{ latency"),
    ("missing-model-choice", Code::MissingKey, "{ name: users"),
    ("no-value", Code::EmptyValue, "@4:9"),
    ("null-value", Code::EmptyValue, "~"),
    ("no-mapping", Code::EmptyValue, "@5:6"),
    ("list-for-value", Code::WrongType, "[10s]"),
    ("mapping-for-value", Code::WrongType, "{ seconds"),
    ("value-for-list", Code::WrongType, "client-1"),
    ("value-for-mapping", Code::WrongType, "nothing"),
    ("mapping-for-list", Code::WrongType, "{ name: users"),
    ("yes-for-true", Code::WrongType, "yes"),
    ("unknown-choice", Code::UnknownChoice, "chats"),
    ("unknown-variant", Code::UnknownChoice, "possion"),
    ("unknown-evidence", Code::UnknownChoice, "sgx"),
    ("two-variants", Code::Contradiction, "closed"),
    ("version-2", Code::UnsupportedVersion, "@1:10"),
    ("version-zero", Code::UnsupportedVersion, "@1:10"),
    ("version-text", Code::NotANumber, "one"),
    ("missing-unit", Code::MissingUnit, "@4:11"),
    ("missing-unit-in-range", Code::MissingUnit, "10..40ms"),
    ("missing-unit-of-rate", Code::MissingUnit, "5 } } }"),
    ("wrong-unit", Code::UnknownUnit, "10 seconds"),
    ("wrong-unit-case", Code::UnknownUnit, "10MS"),
    ("wrong-kind-of-unit", Code::UnknownUnit, "64 KiB"),
    ("wrong-currency", Code::UnknownUnit, "15 USD"),
    ("nan", Code::NotANumber, ".nan"),
    ("infinite", Code::NotANumber, ".inf"),
    ("exponent", Code::NotANumber, "1e3"),
    ("words-for-number", Code::NotANumber, "ten seconds"),
    (
        "huge-number",
        Code::OutOfRange,
        "9999999999999999999999999999999999999999s",
    ),
    ("too-long", Code::OutOfRange, "400d"),
    ("too-slow-link", Code::OutOfRange, "2h"),
    ("too-many-tokens", Code::OutOfRange, "2_000_000"),
    ("too-much-loss", Code::OutOfRange, "60%"),
    ("too-much-work", Code::OutOfRange, "64 bits"),
    ("negative-count", Code::Negative, "-3"),
    ("negative-latency", Code::Negative, "-10ms"),
    ("too-precise", Code::TooPrecise, "0.5ns"),
    ("half-a-worker", Code::TooPrecise, "2.5"),
    ("zero-duration", Code::Zero, "0s"),
    ("zero-count", Code::Zero, "0 }"),
    ("zero-bandwidth", Code::Zero, "0 Mbit/s"),
    ("zero-rate", Code::Zero, "0/s"),
    ("range-backwards", Code::Distribution, "40ms..10ms"),
    ("unknown-distribution", Code::Distribution, "pareto(10ms, 2)"),
    ("name-with-space", Code::BadName, "my scenario"),
    ("name-with-slash", Code::BadName, "../../etc"),
    ("name-with-control-character", Code::BadName, "\"bad\\u001b[31m\""),
    ("name-with-direction-override", Code::BadName, "\"bad\\u202ename\""),
    ("name-too-long", Code::BadName, "@2:7"),
    ("bound-without-words", Code::BadBound, "95%"),
    ("bound-exact-share", Code::BadBound, "exactly 50%"),
    ("latency-bound-without-percentile", Code::BadBound, "800ms"),
    ("bad-time", Code::BadTime, "2026-02-30T00:00:00Z"),
    ("empty-seeds", Code::BadSeeds, "5..5"),
    ("seeds-backwards", Code::BadSeeds, "9..3"),
    ("duplicate-node-name", Code::DuplicateName, "@7:21"),
    ("duplicate-region", Code::DuplicateName, "@6:21"),
    ("node-named-like-region", Code::DuplicateName, "@7:21"),
    ("duplicate-group-name", Code::DuplicateName, "@7:13"),
    ("duplicate-property", Code::DuplicateName, "@7:44"),
    ("unknown-region-of-node", Code::UnknownPlace, "mars"),
    ("unknown-region-in-link", Code::UnknownPlace, "uss"),
    ("unknown-place-in-partition", Code::UnknownPlace, "worker-9"),
    ("unknown-node-in-fault", Code::UnknownNode, "worker1"),
    ("unknown-proxy-of-worker", Code::UnknownNode, "proxy-2"),
    ("unknown-client-of-users", Code::UnknownNode, "someone"),
    ("unknown-model-of-worker", Code::UnknownModel, "gpt"),
    ("unknown-model-of-users", Code::UnknownModel, "tiny-nanno"),
    ("unknown-property", Code::UnknownProperty, "monotonic-token"),
    ("seed-and-seeds", Code::Contradiction, "0..9"),
    ("two-actions", Code::Contradiction, "{ node: proxy-1, length"),
    ("between-and-from", Code::Contradiction, "us, latency"),
    ("requests-with-times", Code::Contradiction, "7 }"),
    ("link-to-itself", Code::ImpossibleLink, "[worker-1"),
    ("link-given-twice", Code::ImpossibleLink, "{ from: us"),
    ("fault-without-effect", Code::ImpossibleLink, "{ between"),
    ("too-many-nodes", Code::TooManyNodes, "30_000"),
    ("too-many-requests", Code::TooManyRequests, "{ poisson"),
    ("too-many-prompt-bytes", Code::TooManyRequests, "{ generated"),
    ("too-many-users", Code::OutOfRange, "200_000"),
    ("fault-after-the-end", Code::AfterTheEnd, "9s..11s"),
    ("request-after-the-end", Code::AfterTheEnd, "12s"),
    ("stop-before-start", Code::NothingSent, "3s"),
    ("fee-above-price", Code::FeeAbovePrice, "30 nanoTON"),
    ("nothing-expected", Code::NothingExpected, "{}"),
    ("overlapping-partition", Code::Overlap, "worker-1"),
    ("empty-list-of-nodes", Code::ListLength, "[]"),
    ("three-ends-of-a-link", Code::ListLength, "[c, b, a]"),
    ("bound-out-of-reach", Code::BoundOutOfReach, "exactly 5"),
    ("wipe-without-restart", Code::MissingKey, "true"),
    ("property-without-subject", Code::NothingToCheck, "answers-are-exact"),
    (
        "property-without-restart",
        Code::NothingToCheck,
        "ledger-keeps-signed-units",
    ),
    ("settlement-unknown-key", Code::UnknownKey, "walet"),
    ("settlement-unknown-prices", Code::UnknownChoice, "newest"),
    ("settlement-part-of-a-second", Code::OutOfRange, "1500ms"),
    ("settlement-ends-before-it-begins", Code::EndsBeforeItBegins, "3s }"),
    ("settlement-delay-without-time", Code::MissingKey, "{ from: 1s, fault"),
    ("settlement-drop-with-time", Code::Contradiction, "2s }"),
    ("settlement-unknown-node", Code::UnknownNode, "proxi"),
    ("settlement-stale-without-age", Code::MissingKey, "{ node: client-1"),
    ("settlement-too-stale", Code::OutOfRange, "99 }"),
    ("settlement-age-of-latest", Code::Contradiction, "3 }"),
    ("settlement-two-contracts", Code::Contradiction, "proxy-1 }"),
    ("settlement-account-without-proxy", Code::MissingKey, "{ account"),
    ("settlement-no-operation", Code::MissingKey, "{ at: 1s }"),
    (
        "settlement-two-operations",
        Code::Contradiction,
        "{ proxy: proxy-1 } }] }",
    ),
    ("settlement-worker-as-client", Code::UnknownNode, "worker-1"),
    ("settlement-fee-above-price", Code::FeeAbovePrice, "9 nanoTON"),
    ("settlement-nothing-added", Code::Zero, "0 TON"),
    ("settlement-operation-after-the-end", Code::AfterTheEnd, "11s"),
    ("settlement-unknown-threat", Code::UnknownChoice, "t10-magic"),
    ("settlement-same-attack-twice", Code::DuplicateName, "@5:82"),
    ("settlement-attack-without-both-sides", Code::Attacks, "{ properties"),
    ("settlement-sides-without-attack", Code::Attacks, "seen"),
    ("profile-without-chain", Code::NeedsChain, "{ violated"),
    ("policy-unknown-rule", Code::UnknownKey, "min-crl-nummer"),
    ("policy-wrong-digest", Code::WrongType, "allowed-mr-td"),
    ("gpus-without-evidence", Code::Contradiction, "{ count: 2 }"),
    ("too-many-gpus", Code::OutOfRange, "17"),
    ("no-gpus", Code::Zero, "0 }"),
    ("unknown-architecture", Code::UnknownChoice, "rubin"),
    ("gpus-of-nobody", Code::UnknownNode, "b] }"),
    ("gpu-unknown-rule", Code::UnknownKey, "allowed-mode"),
    ("gpu-attack-without-gpus", Code::Contradiction, "stale-gpu"),
    ("gpu-attack-as-proxy", Code::Contradiction, "proxy }"),
    ("gpu-flaw-without-gpus", Code::Contradiction, "gpu-unstated-mode"),
    ("flaw-of-other-evidence", Code::Contradiction, "sept-ve"),
    ("rules-of-other-evidence", Code::Contradiction, "{ min-crl-number"),
    ("snp-unknown-rule", Code::UnknownKey, "allow-smtt"),
    ("lasting-lists-of-amd", Code::Contradiction, "1h"),
    ("revoked-chip", Code::Contradiction, "{ node: worker-1 }"),
    ("recovered-levels-of-amd", Code::Contradiction, "{} }"),
    ("level-signer-of-amd", Code::Contradiction, "tcb_signer"),
    ("policy-unknown-status", Code::UnknownChoice, "Fine"),
    ("policy-unknown-machine", Code::UnknownNode, "client-1"),
    ("policy-without-evidence", Code::Contradiction, "{ anchors"),
    ("unknown-attack", Code::UnknownChoice, "leaked-keys"),
    ("attack-in-wrong-role", Code::Contradiction, "worker"),
    ("attack-of-nothing", Code::Contradiction, "worker-1"),
    ("attack-of-wrong-role", Code::UnknownNode, "proxy-1"),
    ("attack-with-flaws", Code::Contradiction, "[debug]"),
    ("attack-on-chain", Code::Contradiction, "[{ at: 1s, attack"),
    ("attack-twice", Code::DuplicateName, "{ at: 2s"),
    ("evidence-attack-without-expectation", Code::Attacks, "properties"),
    ("flaw-twice", Code::DuplicateName, "debug] }]"),
    ("machine-twice", Code::DuplicateName, "worker-1], flaws: [perfmon]"),
    ("threat-unknown-technique", Code::UnknownChoice, "T1558"),
    ("threat-without-stride", Code::MissingKey, "{ catalogue"),
    ("operation-without-chain", Code::NeedsChain, "{ operation:"),
    ("frozen-without-chain", Code::NeedsChain, "{ wallet"),
    ("unknown-operation", Code::UnknownChoice, "ext_client_topup"),
    ("property-without-chain", Code::NothingToCheck, "unlock-rules"),
    ("holds-and-does-not", Code::DuplicateName, "@8:67"),
    ("disk-copied-too-late", Code::EndsBeforeItBegins, "5s, re"),
];

/// Files that are not committed: too large, or no text.
fn generated() -> Vec<(&'static str, Code, &'static str, Vec<u8>)> {
    let bomb = {
        let mut text = "tags: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        let mut alias = |name: &str, inner: usize| {
            text.push_str(&format!(
                "{name}: &a{} [{}]\n",
                inner + 1,
                vec![format!("*a{inner}"); 10].join(", ")
            ));
        };
        for (inner, name) in ["workload", "faults", "version", "name", "duration", "start"]
            .iter()
            .enumerate()
        {
            alias(name, inner);
        }
        text
    };
    let many = format!("version: 1\ntags: [{}]\n", "x, ".repeat(300_000));
    let replays = format!("tags: [&a x{}]\n", ", *a".repeat(20_000));
    vec![
        (
            "not-utf8",
            Code::NotUtf8,
            "@2:7",
            b"version: 1\nname: \xff\xfe\n".to_vec(),
        ),
        (
            "latin-1",
            Code::NotUtf8,
            "@3:16",
            b"version: 1\nname: bad\ndescription: \xc3\xa9t\xe9\n".to_vec(),
        ),
        (
            "utf-16",
            Code::NotUtf8,
            "@1:1",
            b"\xff\xfev\0e\0r\0s\0i\0o\0n\0".to_vec(),
        ),
        (
            "byte-order-mark",
            Code::ByteOrderMark,
            "@1:1",
            b"\xef\xbb\xbfversion: 1\n".to_vec(),
        ),
        ("nul-byte", Code::Syntax, "@2:8", b"version: 1\nname: b\0d\n".to_vec()),
        ("too-large", Code::FileTooLarge, "@1:1", vec![b'#'; (4 << 20) + 1]),
        (
            "nested-lists",
            Code::TooDeep,
            "@1:39",
            format!("tags: {}", "[".repeat(100_000)).into_bytes(),
        ),
        (
            "nested-block-lists",
            Code::WrongType,
            "@2:3",
            format!("tags:\n{}x\n", "- ".repeat(100_000)).into_bytes(),
        ),
        (
            "nested-mappings",
            Code::UnknownKey,
            "@2:2",
            nested_mappings().into_bytes(),
        ),
        ("alias-bomb", Code::WrongType, "@2:16", bomb.into_bytes()),
        ("alias-flood", Code::Aliases, "", replays.into_bytes()),
        ("too-many-values", Code::TooManyValues, "", many.into_bytes()),
    ]
}

/// A thousand levels of `world:`; indentation alone makes half a megabyte of it.
fn nested_mappings() -> String {
    (0..1_000)
        .map(|level| format!("{}world:\n", " ".repeat(level)))
        .collect()
}

fn expected(place: &str, text: &str) -> (usize, usize) {
    if let Some((line, column)) = place.strip_prefix('@').and_then(|place| place.split_once(':')) {
        return (line.parse().unwrap(), column.parse().unwrap());
    }
    assert_eq!(text.matches(place).count(), 1, "`{place}` must occur once");
    let before = &text[..text.find(place).unwrap()];
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap().chars().count() + 1)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

fn chrysalis(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chrysalis"))
        .args(words)
        .current_dir(folder)
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap()
}

/// Everything that must hold for one broken file.
fn check(name: &str, code: Code, place: &str, bytes: &[u8]) -> Result<(), String> {
    let file = format!("{name}.yaml");
    let Err(diagnostic) = parse(&file, bytes) else {
        return Err(format!("{name} is accepted"));
    };
    let Position { line, column, .. } = diagnostic.position;
    if diagnostic.code != code {
        return Err(format!("{name}: {} instead of {code}: {diagnostic}", diagnostic.code));
    }
    if !place.is_empty() {
        let wanted = expected(place, &String::from_utf8_lossy(bytes));
        if (line, column) != wanted {
            return Err(format!(
                "{name}: at {line}:{column} instead of {wanted:?}: {diagnostic}"
            ));
        }
    }
    let empty = tempfile::tempdir().unwrap();
    std::fs::write(empty.path().join(&file), bytes).unwrap();
    let run = chrysalis(empty.path(), &["run", &file, "--junit", "junit.xml", "--json"]);
    if run.status.code() != Some(3) {
        return Err(format!("{name}: {:?} instead of exit code 3", run.status));
    }
    if !run.stdout.is_empty() {
        return Err(format!("{name}: partial output"));
    }
    let shown = String::from_utf8(run.stderr).unwrap();
    if shown.matches("error[").count() != 1 || !shown.contains(&format!("--> {file}:{line}:{column}\n")) {
        return Err(format!("{name}: not exactly one error with its place:\n{shown}"));
    }
    if shown != printable(&shown) || shown.contains('\t') {
        return Err(format!("{name}: characters that steer a terminal reach it"));
    }
    if shown.len() > 2_000 {
        return Err(format!("{name}: {} bytes of error", shown.len()));
    }
    let left: Vec<_> = std::fs::read_dir(empty.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    if left != [std::ffi::OsString::from(&file)] {
        return Err(format!("{name}: files were created: {left:?}"));
    }
    insta::with_settings!({ snapshot_path => "../bad", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, shown);
    });
    Ok(())
}

#[test]
fn every_broken_file_gives_one_clear_error_at_the_right_place() {
    let committed = BAD.iter().map(|(name, code, place)| {
        let bytes =
            std::fs::read(folder().join(format!("{name}.yaml"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        (*name, *code, *place, bytes)
    });
    let failures: Vec<String> = committed
        .chain(generated())
        .filter_map(|(name, code, place, bytes)| check(name, code, place, &bytes).err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_file_is_in_the_table_and_every_scenario_code_has_a_file() {
    let named: BTreeSet<String> = BAD.iter().map(|(name, ..)| format!("{name}.yaml")).collect();
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    assert_eq!(named, found);
    let shown: BTreeSet<Code> = BAD
        .iter()
        .map(|(_, code, _)| *code)
        .chain(generated().iter().map(|(_, code, ..)| *code))
        .collect();
    // What is wrong with other files than the scenario: harness/tests/settlement.rs.
    let elsewhere = [Code::Contracts];
    let codes = Code::ALL.iter().filter(|code| code.id().starts_with("CHR-S"));
    for code in codes.filter(|code| !elsewhere.contains(code)) {
        assert!(shown.contains(code), "{code} has no golden file");
    }
}

#[test]
fn the_check_notices_a_wrong_place_a_wrong_code_and_a_good_file() {
    let bytes = std::fs::read(folder().join("missing-unit.yaml")).unwrap();
    assert!(
        check("missing-unit", Code::MissingUnit, "@4:12", &bytes)
            .unwrap_err()
            .contains("instead of (4, 12)")
    );
    assert!(
        check("missing-unit", Code::UnknownUnit, "@4:11", &bytes)
            .unwrap_err()
            .contains("instead of CHR-S031")
    );
    let good = String::from_utf8(bytes)
        .unwrap()
        .replace("duration: 10", "duration: 10s");
    assert!(
        check("missing-unit", Code::MissingUnit, "@4:11", good.as_bytes())
            .unwrap_err()
            .contains("is accepted")
    );
}
