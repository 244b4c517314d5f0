//! Rules that no compiler checks: who may depend on whom, what may not stand in a file.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A source file longer than this hides its rooms.
const MAX_RUST_LINES: usize = 700;

/// Crates of the simulated side: nothing in `node/` or `attest` may depend on them (design §3).
const SIMULATION_SIDE: [&str; 5] = [
    "chrysalis-sim",
    "chrysalis-world",
    "chrysalis-chain",
    "chrysalis-reports",
    "chrysalis",
];

/// Libraries that belong to one folder.
const ONE_PLACE: [(&str, &str); 3] = [("polars", "reports"), ("madsim", "sim"), ("cudarc", "node/inference")];

/// Folders whose absolute paths belong to a machine.
const MACHINE_FOLDERS: [&str; 4] = ["work", "root", "farm", "home"];

pub(crate) fn check(root: &Path) -> Result<(), String> {
    let files = tracked_files(root)?;
    let mut problems = Vec::new();
    for file in &files {
        let path = root.join(file);
        // A tracked file that is not on disk is being deleted; one that is not text has no lines to check.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if file.file_name().is_some_and(|name| name == "Cargo.toml") {
            problems.extend(check_walls(file, &text)?);
        }
        if file.extension().is_some_and(|extension| extension == "rs") && text.lines().count() > MAX_RUST_LINES {
            problems.push(format!(
                "{}: {} lines, more than {MAX_RUST_LINES}",
                file.display(),
                text.lines().count()
            ));
        }
        problems.extend(machine_paths(&text).map(|line| format!("{}:{line}: the path of a machine", file.display())));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("\n  {}", problems.join("\n  ")))
    }
}

fn tracked_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("not a git checkout".into());
    }
    let names = String::from_utf8(output.stdout).map_err(|_| "a file name is not UTF-8")?;
    Ok(names.split_terminator('\0').map(PathBuf::from).collect())
}

fn check_walls(file: &Path, text: &str) -> Result<Vec<String>, String> {
    let manifest: toml::Table = text.parse().map_err(|error| format!("{}: {error}", file.display()))?;
    let mut names = BTreeSet::new();
    collect_dependencies(&manifest, &mut names);
    let place = file.parent().unwrap_or(Path::new(""));
    let production = place.starts_with("node") || place.starts_with("attest");
    let mut problems = Vec::new();
    for name in &names {
        if production && SIMULATION_SIDE.contains(&name.as_str()) {
            problems.push(format!("{}: a production crate depends on {name}", file.display()));
        }
        for (library, folder) in ONE_PLACE {
            if name == library && !place.starts_with(folder) {
                problems.push(format!("{}: {library} belongs to {folder}/", file.display()));
            }
        }
    }
    Ok(problems)
}

/// Names in every dependency table, those behind `target` included; the workspace's own list is no dependency.
fn collect_dependencies(table: &toml::Table, names: &mut BTreeSet<String>) {
    for (key, value) in table {
        let Some(inner) = value.as_table() else { continue };
        match key.as_str() {
            "workspace" => {}
            "dependencies" | "dev-dependencies" | "build-dependencies" => names.extend(inner.keys().cloned()),
            _ => collect_dependencies(inner, names),
        }
    }
}

fn machine_paths(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.lines().enumerate().filter_map(|(index, line)| {
        let hit = MACHINE_FOLDERS.iter().any(|folder| {
            line.match_indices(&format!("/{folder}/")).any(|(at, _)| {
                // A folder inside something is fine; one at the root, after a space or a quote, belongs to a machine.
                let before = line[..at].chars().next_back();
                before
                    .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '/' | '}' | ')' | '>' | ':'))
            })
        });
        hit.then_some(index + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_production_crate_that_imports_the_simulator_is_named() {
        let manifest =
            "[dev-dependencies]\nchrysalis-sim.workspace = true\n[target.\"cfg(x)\".dependencies]\npolars = \"1\"\n";
        let problems = check_walls(Path::new("node/roles/Cargo.toml"), manifest).unwrap();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            check_walls(Path::new("reports/Cargo.toml"), "[dependencies]\npolars = \"1\"\n")
                .unwrap()
                .is_empty()
        );
        assert!(
            check_walls(Path::new("Cargo.toml"), "[workspace.dependencies]\nmadsim = \"1\"\n")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn only_absolute_paths_of_a_machine_count() {
        let folder = MACHINE_FOLDERS[0];
        let bad = format!("see \"/{folder}/x\"");
        let good = format!("a/{folder}/x and ../{folder}/x");
        assert_eq!(machine_paths(&bad).collect::<Vec<_>>(), [1]);
        assert_eq!(machine_paths(&good).count(), 0);
    }
}
