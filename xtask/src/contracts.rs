//! `cargo xtask contracts`: compiles the settlement contracts with the pinned compiler into `build/`, or checks what is
//! committed there.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Outcome;

/// Folders whose files are compiled.
const SOURCE_FOLDERS: [&str; 3] = ["src", "profiles/reference", "profiles/hardened"];

/// What `build.mjs` prints.
#[derive(Deserialize)]
struct Compiled {
    compiler: String,
    contracts: Vec<CompiledContract>,
}

#[derive(Deserialize)]
struct CompiledContract {
    profile: String,
    role: String,
    code_hash: String,
    boc_base64: String,
}

/// `build/manifest.json`: where the committed code comes from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// Name and version.
    compiler: String,
    /// SHA-256 over names and contents of all source files.
    source_sha256: String,
    contracts: Vec<ManifestContract>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ManifestContract {
    profile: String,
    role: String,
    /// Representation hash of the code cell.
    code_hash: String,
    boc_bytes: usize,
    boc_sha256: String,
}

pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("node/settlement/contracts")
}

pub(crate) fn run(root: &Path, rest: &[String]) -> Outcome {
    let contracts = folder(root);
    match rest {
        [] => {
            let built = compile(&contracts)?.ok_or("Node is not installed: the contracts cannot be compiled")?;
            for (path, bytes) in &built {
                write(&contracts.join("build").join(path), bytes)?;
            }
            println!("{} files in {}", built.len(), contracts.join("build").display());
            Ok(())
        }
        [flag] if flag == "--check" => check(&contracts),
        _ => Err("the only option is --check".into()),
    }
}

/// `cargo xtask conformance`: records what the reference executor makes of the contracts' traffic.
pub(crate) fn record(root: &Path) -> Outcome {
    let contracts = folder(root);
    if !has_tools(&contracts) {
        return Err("needs Node, and `npm ci` in node/settlement/contracts".into());
    }
    // The recorder starts in its own folder, so the path must not depend on where this runs.
    let out = root
        .canonicalize()
        .map_err(|error| format!("{}: {error}", root.display()))?
        .join("sim/chain/tests/conformance");
    let status = Command::new("node")
        .arg("conformance/record.mjs")
        .arg(&out)
        .current_dir(&contracts)
        .status()
        .map_err(|error| format!("node cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("the recorder found something that it did not expect".into())
    }
}

/// Whether Node and the packages of the lock file are there.
pub(crate) fn has_tools(contracts: &Path) -> bool {
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    node.is_ok_and(|status| status.success()) && contracts.join("node_modules/@ton/tolk-js").is_dir()
}

fn check(contracts: &Path) -> Outcome {
    let committed = check_committed(contracts)?;
    match compile(contracts)? {
        Some(built) => {
            for (path, bytes) in &built {
                if read(&contracts.join("build").join(path))? != *bytes {
                    return Err(format!(
                        "build/{path} is not what compiles today: run `cargo xtask contracts`"
                    ));
                }
            }
            println!(
                "{} files are byte for byte what {} makes",
                built.len(),
                committed.compiler
            );
        }
        None => println!(
            "Node or node_modules is missing: {} committed codes checked against the manifest only",
            committed.contracts.len()
        ),
    }
    Ok(())
}

/// What can be checked without the compiler: hashes of the sources and of the files.
fn check_committed(contracts: &Path) -> Result<Manifest, String> {
    let manifest = read(&contracts.join("build/manifest.json"))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|error| format!("manifest.json: {error}"))?;
    if manifest.source_sha256 != source_sha256(contracts)? {
        return Err("the sources changed after the last build: run `cargo xtask contracts`".into());
    }
    for contract in &manifest.contracts {
        let path = format!("build/{}/{}.boc", contract.profile, contract.role);
        if hex::encode(Sha256::digest(read(&contracts.join(&path))?)) != contract.boc_sha256 {
            return Err(format!("{path} is not the file of the manifest"));
        }
    }
    Ok(manifest)
}

/// Files of `build/` by their names in it; `None` without Node or the packages.
fn compile(contracts: &Path) -> Result<Option<BTreeMap<String, Vec<u8>>>, String> {
    if !has_tools(contracts) {
        return Ok(None);
    }
    let output = Command::new("node")
        .arg("build.mjs")
        .current_dir(contracts)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("node cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("the contracts do not compile".into());
    }
    let compiled: Compiled = serde_json::from_slice(&output.stdout).map_err(|error| format!("build.mjs: {error}"))?;
    let mut files = BTreeMap::new();
    let mut manifest = Manifest {
        compiler: compiled.compiler,
        source_sha256: source_sha256(contracts)?,
        contracts: Vec::new(),
    };
    for contract in compiled.contracts {
        let boc = BASE64_STANDARD
            .decode(&contract.boc_base64)
            .map_err(|error| format!("code of {}: {error}", contract.role))?;
        manifest.contracts.push(ManifestContract {
            code_hash: contract.code_hash,
            boc_bytes: boc.len(),
            boc_sha256: hex::encode(Sha256::digest(&boc)),
            profile: contract.profile.clone(),
            role: contract.role.clone(),
        });
        files.insert(format!("{}/{}.boc", contract.profile, contract.role), boc);
    }
    let mut text = serde_json::to_string_pretty(&manifest).map_err(|error| error.to_string())?;
    text.push('\n');
    files.insert("manifest.json".into(), text.into_bytes());
    Ok(Some(files))
}

fn source_sha256(contracts: &Path) -> Result<String, String> {
    let mut files = BTreeMap::new();
    for folder in SOURCE_FOLDERS {
        let entries = fs::read_dir(contracts.join(folder)).map_err(|error| format!("{folder}: {error}"))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{folder}: {error}"))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(format!("{folder}/{name}"), read(&path)?);
        }
    }
    let mut hash = Sha256::new();
    for (name, text) in files {
        hash.update(format!("{name}\0{}\0", text.len()));
        hash.update(text);
    }
    Ok(hex::encode(hash.finalize()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Outcome {
    let in_file = |error: io::Error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(in_file)?;
    }
    fs::write(path, bytes).map_err(in_file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;

    /// With Node: what is committed is what compiles. Without: it is at least what the manifest says, from these sources.
    #[test]
    fn committed_contracts_are_what_compiles() {
        check(&folder(&root())).unwrap();
    }

    /// Negative control: a changed source is noticed without a compiler.
    #[test]
    fn a_changed_source_is_noticed() {
        let copy = std::env::temp_dir().join(format!("chrysalis-contracts-{}", std::process::id()));
        for folder in SOURCE_FOLDERS.into_iter().chain(["build/reference", "build/hardened"]) {
            fs::create_dir_all(copy.join(folder)).unwrap();
            for entry in fs::read_dir(super::folder(&root()).join(folder)).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, copy.join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
        fs::copy(
            super::folder(&root()).join("build/manifest.json"),
            copy.join("build/manifest.json"),
        )
        .unwrap();
        check_committed(&copy).unwrap();
        let source = copy.join("src/worker.tolk");
        let text = fs::read_to_string(&source).unwrap();
        fs::write(&source, format!("{text}// changed\n")).unwrap();
        assert!(check_committed(&copy).unwrap_err().contains("sources changed"));
        fs::write(&source, text).unwrap();
        fs::write(copy.join("build/hardened/proxy.boc"), b"other").unwrap();
        assert!(check_committed(&copy).unwrap_err().contains("hardened/proxy.boc"));
        fs::remove_dir_all(copy).unwrap();
    }
}
