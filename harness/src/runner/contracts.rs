//! A folder with contract codes that take the place of the project's own (`--contracts`, `settlement.contracts`).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use chrysalis_settlement::boc::BocLimits;
use chrysalis_settlement::onchain::ContractRole;
use chrysalis_world::user_contracts::{UserContract, UserContractError, inspect};

use crate::scenario::model::SettlementTemplate;

/// How files with codes end.
const ENDING: &str = "boc";

/// Why a folder is not taken. Nothing of it is used then.
#[derive(Debug, thiserror::Error)]
pub enum ContractsError {
    /// The folder, or a file in it.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// As it was named.
        path: PathBuf,
        /// The operating system's words.
        error: std::io::Error,
    },
    /// A file for no contract.
    #[error("{}: there is no contract of this name; files are {}", path.display(), names())]
    UnknownName {
        /// The file.
        path: PathBuf,
    },
    /// Nothing to use.
    #[error("{} has no contracts; files are {}", path.display(), names())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Not the code of such a contract.
    #[error("{}: {error}", path.display())]
    Contract {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: UserContractError,
    },
}

/// A code and the file that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// As it was named.
    pub file: PathBuf,
    /// What was found in it.
    pub contract: UserContract,
}

impl Brought {
    /// What it is, in one line, and what may go wrong with it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let (file, contract) = (self.file.display(), &self.contract);
        let known = if contract.known_as.is_empty() {
            String::new()
        } else {
            format!(", known as {}", contract.known_as)
        };
        let first = format!("contract: {file}, code hash {}{known}", contract.code_hash);
        let warnings = contract
            .warnings
            .iter()
            .map(|warning| format!("warning: {file}: {warning}"));
        std::iter::once(first).chain(warnings).collect()
    }
}

/// `root.boc, proxy.boc, …`
fn names() -> String {
    ContractRole::ALL
        .map(|role| format!("{}.{ENDING}", role.name()))
        .join(", ")
}

/// Reads and checks every code in a folder. `shown` is the folder as the user named it. Other files are left alone.
///
/// # Errors
/// The first file that is not what it should be; no file at all.
pub fn load(folder: &Path, shown: &Path) -> Result<Vec<Brought>, ContractsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| ContractsError::Unreadable { path, error }
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(shown))? {
        let name = PathBuf::from(entry.map_err(unreadable(shown))?.file_name());
        if name
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING))
        {
            files.push(name);
        }
    }
    // The order of a folder is not the same everywhere.
    files.sort();
    let mut brought = Vec::new();
    for name in files {
        let path = shown.join(&name);
        let stem = name.file_stem().unwrap_or_default();
        let Some(role) = ContractRole::ALL.into_iter().find(|role| stem == role.name()) else {
            return Err(ContractsError::UnknownName { path });
        };
        let file = std::fs::File::open(folder.join(&name)).map_err(unreadable(&path))?;
        // A code as text takes twice its bytes, and one byte more is refused like all others.
        let most = 2 * BocLimits::CODE.bytes as u64 + 1;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(unreadable(&path))?;
        match inspect(role, &bytes) {
            Ok(contract) => brought.push(Brought { file: path, contract }),
            Err(error) => return Err(ContractsError::Contract { path, error }),
        }
    }
    if brought.is_empty() {
        let path = shown.to_owned();
        return Err(ContractsError::Empty { path });
    }
    Ok(brought)
}

/// Puts the codes into a scenario, instead of any that it had.
pub fn put(template: &mut SettlementTemplate, brought: &[Brought]) {
    template.fixed.user_contracts = brought.iter().map(|brought| brought.contract.plan.clone()).collect();
}
