//! `cargo xtask fuzz`: coverage-guided fuzzing without a nightly compiler. libFuzzer needs code that counts its edges and
//! compares, which LLVM adds on any compiler; what needs a nightly one are sanitizers, and the fuzzed crates have no
//! `unsafe` code.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const USAGE: &str = "which package? `cargo xtask fuzz attest|wire|settlement|chain [TARGET...] [--seconds N]`";
const DEFAULT_SECONDS: u64 = 600;
/// No input may take longer, seconds.
const INPUT_LIMIT: u32 = 10;
/// What `cargo fuzz` asks LLVM for: a counter for each edge, its address, and the operands of comparisons.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=on -Coverflow-checks=on";

/// A package of fuzz targets.
const PACKAGES: [(&str, &str); 4] = [
    ("attest", "attest/fuzz"),
    ("wire", "node/wire/fuzz"),
    ("settlement", "node/settlement/fuzz"),
    ("chain", "sim/chain/fuzz"),
];

/// Manifests of all packages.
pub(crate) fn manifests() -> impl Iterator<Item = String> {
    PACKAGES.iter().map(|(_, folder)| format!("{folder}/Cargo.toml"))
}

/// What the command line asks for.
struct Asked {
    folder: &'static str,
    targets: Vec<String>,
    seconds: u64,
}

fn parse(arguments: &[String]) -> Result<Asked, String> {
    let [package, rest @ ..] = arguments else {
        return Err(USAGE.to_owned());
    };
    let known = PACKAGES.iter().find(|(name, _)| name == package);
    let (_, folder) = known.ok_or_else(|| format!("there is no package `{package}`: {USAGE}"))?;
    let (mut targets, mut seconds) = (Vec::new(), DEFAULT_SECONDS);
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let value = rest.next().and_then(|text| text.parse().ok());
            seconds = value.ok_or("`--seconds` needs a number")?;
        } else {
            targets.push(argument.clone());
        }
    }
    Ok(Asked {
        folder,
        targets,
        seconds,
    })
}

/// Names of the targets in a folder, in order.
fn targets(folder: &Path) -> Result<Vec<String>, String> {
    let sources = folder.join("fuzz_targets");
    let entries = fs::read_dir(&sources).map_err(|error| format!("{}: {error}", sources.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Builds the targets and runs each for its time, from the corpus of the repository on. What they find is put beside the
/// corpus that they make, under `target`.
///
/// # Errors
/// The command line is wrong, a target does not build, or one of them finds something: all are run before that is said.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<(), String> {
    let asked = parse(arguments)?;
    let folder = root.join(asked.folder);
    let all = targets(&folder)?;
    if let Some(unknown) = asked.targets.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no target `{unknown}`; there are {}", all.join(", ")));
    }
    let chosen = if asked.targets.is_empty() { all } else { asked.targets };
    let work = target_folder(root).join("fuzz");
    let host = host()?;
    build(&folder, &work, &host)?;
    let mut finds = Vec::new();
    for name in chosen {
        let corpus = work.join("corpus").join(asked.folder).join(&name);
        let artifacts = work.join("artifacts").join(asked.folder).join(&name);
        for made in [&corpus, &artifacts] {
            fs::create_dir_all(made).map_err(|error| format!("{}: {error}", made.display()))?;
        }
        println!("== {name}, {} s", asked.seconds);
        let mut command = Command::new(work.join(&host).join("release").join(&name));
        command
            .arg(&corpus)
            .arg(format!("-max_total_time={}", asked.seconds))
            .arg(format!("-timeout={INPUT_LIMIT}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg("-print_final_stats=1")
            .arg("-verbosity=0");
        let seeds = folder.join("corpus").join(&name);
        if seeds.is_dir() {
            command.arg(seeds);
        }
        let status = command.status().map_err(|error| format!("{name}: {error}"))?;
        if !status.success() {
            finds.push(format!("{name} ({}): see {}", status, artifacts.display()));
        }
    }
    if finds.is_empty() {
        Ok(())
    } else {
        Err(format!("findings:\n{}", finds.join("\n")))
    }
}

/// The platform of this compiler.
fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.map_err(|error| format!("rustc cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "`rustc -vV` names no host".to_owned())
}

/// A platform is named although it is this one: only then build scripts and macros, which have no libFuzzer, are built
/// without these flags.
fn build(folder: &Path, work: &Path, host: &str) -> Result<(), String> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--target", host, "--target-dir"])
        .arg(work)
        .env("RUSTFLAGS", RUSTFLAGS)
        .current_dir(folder)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the targets of {} do not build", folder.display()))
    }
}

fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Asked, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn command_lines() {
        let asked = parsed("attest quote --seconds 5 token").unwrap();
        assert_eq!((asked.folder, asked.seconds), ("attest/fuzz", 5));
        assert_eq!(asked.targets, ["quote", "token"]);
        assert_eq!(parsed("wire").unwrap().seconds, DEFAULT_SECONDS);
        for line in ["", "nothing", "attest --seconds", "attest --seconds x"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn each_package_has_targets() {
        for (_, folder) in PACKAGES {
            assert!(!targets(&crate::root().join(folder)).unwrap().is_empty(), "{folder}");
        }
    }
}
