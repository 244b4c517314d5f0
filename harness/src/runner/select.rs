//! Paths and filters to checked scenarios.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contracts::{self, Brought};
use crate::cli::problem::CommandError;
use crate::diagnostic::{Diagnostic, Source};
use crate::scenario::limits::FILE_BYTES_MAX;
use crate::scenario::load::{Checked, diagnose};
use crate::scenario::problem::Problem;
use crate::scenario::{Scenario, parse};

/// Folders within folders that are searched.
const FOLDER_DEPTH_MAX: usize = 16;

/// A scenario and where it came from.
#[derive(Debug, Clone)]
pub struct Selected {
    /// The file as it was named or found, for messages and replay commands.
    pub path: PathBuf,
    /// Its text.
    pub source: String,
    /// What it says.
    pub scenario: Scenario,
    /// Codes of contracts that it, or the command line, brings.
    pub contracts: Vec<Brought>,
}

/// What a selection came to.
#[derive(Debug, Default)]
pub struct Selection {
    /// Scenarios that are valid, in the order of their paths.
    pub valid: Vec<Selected>,
    /// One diagnostic for each file that is not.
    pub invalid: Vec<Diagnostic>,
}

/// Which of the scenarios found are meant.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The name contains this.
    pub name: Option<String>,
    /// It has this tag.
    pub tag: Option<String>,
}

impl Filter {
    fn fits(&self, scenario: &Scenario) -> bool {
        self.name
            .as_ref()
            .is_none_or(|part| scenario.name.contains(part.as_str()))
            && self.tag.as_ref().is_none_or(|tag| scenario.tags.contains(tag))
    }
}

/// Finds and checks scenarios. Invalid files are part of the selection whatever the filter says: their names are unknown.
///
/// # Errors
/// A path does not exist, nothing is selected, or two scenarios have one name.
pub fn select(folder: &Path, paths: &[PathBuf], filter: &Filter) -> Result<Selection, CommandError> {
    let mut files = Vec::new();
    for path in paths {
        let resolved = folder.join(path);
        let kind = std::fs::metadata(&resolved).map_err(|error| CommandError::PathNotFound {
            path: path.clone(),
            why: error.to_string(),
        })?;
        if kind.is_dir() {
            find(&resolved, path, 0, &mut files)?;
        } else if kind.is_file() {
            files.push((resolved, path.clone()));
        } else {
            let why = "it is neither a file nor a folder".to_owned();
            return Err(CommandError::PathNotFound {
                path: path.clone(),
                why,
            });
        }
    }
    // The same file may be below several paths.
    let mut seen = BTreeSet::new();
    files.retain(|(resolved, _)| seen.insert(std::fs::canonicalize(resolved).unwrap_or_else(|_| resolved.clone())));
    files.sort_by(|left, right| left.1.cmp(&right.1));

    let mut selection = Selection::default();
    for (resolved, path) in files {
        let bytes = read(&resolved, &path)?;
        match parse(&path.display().to_string(), &bytes) {
            Ok(mut scenario) if filter.fits(&scenario) => match bring(&mut scenario, &resolved, &path, &bytes) {
                Ok(contracts) => {
                    let source = String::from_utf8_lossy(&bytes).into_owned();
                    selection.valid.push(Selected {
                        path,
                        source,
                        scenario,
                        contracts,
                    });
                }
                Err(diagnostic) => selection.invalid.push(*diagnostic),
            },
            Ok(_) => {}
            Err(diagnostic) => selection.invalid.push(*diagnostic),
        }
    }
    if selection.valid.is_empty() && selection.invalid.is_empty() {
        return Err(CommandError::NothingSelected);
    }
    let mut names: BTreeMap<&str, &Path> = BTreeMap::new();
    for Selected { path, scenario, .. } in &selection.valid {
        if let Some(first) = names.insert(&scenario.name, path) {
            let (name, first, second) = (scenario.name.clone(), first.to_owned(), path.clone());
            return Err(CommandError::NameTaken { name, first, second });
        }
    }
    Ok(selection)
}

/// Reads the contract codes that a scenario names, and puts them into it.
fn bring(scenario: &mut Scenario, resolved: &Path, shown: &Path, bytes: &[u8]) -> Checked<Vec<Brought>> {
    let Some(template) = &mut scenario.settlement else {
        return Ok(Vec::new());
    };
    let Some(folder) = template.contracts.clone() else {
        return Ok(Vec::new());
    };
    let beside = |file: &Path| file.with_file_name("").join(&folder.path);
    let brought = contracts::load(&beside(resolved), &beside(shown)).map_err(|error| {
        let source = Arc::new(Source::new(&shown.display().to_string(), bytes));
        let why = error.to_string();
        diagnose(&source, folder.position, &Problem::Contracts { why })
    })?;
    contracts::put(template, &brought);
    Ok(brought)
}

/// Scenario files below a folder, with the path to show for each.
fn find(folder: &Path, shown: &Path, depth: usize, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<(), CommandError> {
    let unreadable = |error: std::io::Error| CommandError::PathNotFound {
        path: shown.to_owned(),
        why: error.to_string(),
    };
    if depth > FOLDER_DEPTH_MAX {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        // Hidden folders are tools' own; a corpus holds records of past failures, not scenarios.
        if name.to_string_lossy().starts_with('.') || name == "corpus" {
            continue;
        }
        let (path, shown) = (entry.path(), shown.join(&name));
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        // Links to folders are not followed, because they can lead in circles; pipes and devices are no files.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            find(&path, &shown, depth + 1, files)?;
        } else if is_yaml && path.is_file() {
            files.push((path, shown));
        }
    }
    Ok(())
}

/// Reads one byte more than a scenario may have: the rest of a huge file does not matter.
fn read(resolved: &Path, shown: &Path) -> Result<Vec<u8>, CommandError> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| CommandError::PathNotFound {
        path: shown.to_owned(),
        why: error.to_string(),
    };
    let file = std::fs::File::open(resolved).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}
