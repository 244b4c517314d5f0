//! configfs-tsm (Linux 6.7 and later, Documentation/ABI/testing/configfs-tsm-report): a folder is made for each request,
//! the report data are written to `inblob`, and the evidence is read from `outblob`.
//!
//! Another process with the rights to the same folder could write between our writing and our reading. The kernel counts
//! writes in `generation`: unless it grew by exactly the writes made here, the evidence is thrown away.

use crate::{
    snp::ExtendedReport,
    tdx::{AttestError, Attester},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Where configfs is mounted by convention.
const REPORTS: &str = "/sys/kernel/config/tsm/report";

/// Longest evidence or certificate table that is read.
const MAX_BLOB_LEN_BYTES: usize = 64 * 1024;

/// Shortest evidence of any kind: header and body of a quote.
const MIN_BLOB_LEN_BYTES: usize = 48 + 584;

/// Who makes the evidence, by the kernel's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// A TD.
    Tdx,
    /// An SNP guest.
    Snp,
}

impl Provider {
    const fn name(self) -> &'static str {
        match self {
            Self::Tdx => "tdx_guest",
            Self::Snp => "sev_guest",
        }
    }
}

/// Evidence as the kernel gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TsmReport {
    /// The quote or report.
    pub evidence: Vec<u8>,
    /// Table of certificates (AMD GHCB specification), if the host gave one; empty otherwise.
    pub auxiliary: Vec<u8>,
}

/// The five things that are done to the tree. The kernel's tree and the one of tests differ in what happens by itself.
trait Tree: Send + Sync {
    fn make(&self, folder: &Path) -> io::Result<()>;
    fn remove(&self, folder: &Path) -> io::Result<()>;
    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()>;
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;
}

struct Kernel;

impl Tree for Kernel {
    fn make(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir(folder)
    }

    /// Attributes go with their folder.
    fn remove(&self, folder: &Path) -> io::Result<()> {
        std::fs::remove_dir(folder)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        use io::Write as _;
        // One call of write: configfs takes each for a whole value.
        let mut open = std::fs::OpenOptions::new().write(true).open(file)?;
        let written = open.write(bytes)?;
        if written == bytes.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        use io::Read as _;
        let mut bytes = Vec::new();
        let limit = MAX_BLOB_LEN_BYTES as u64 + 1;
        std::fs::File::open(file)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A guest that asks its kernel.
pub struct TsmAttester {
    tree: Box<dyn Tree>,
    reports: PathBuf,
    provider: Provider,
    /// Privilege level that an SNP guest asks for.
    privilege_level: Option<u32>,
}

/// Tells requests of this process apart.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

impl TsmAttester {
    /// The kernel's interface, for evidence of one provider.
    pub fn new(provider: Provider) -> Self {
        Self {
            tree: Box::new(Kernel),
            reports: REPORTS.into(),
            provider,
            privilege_level: None,
        }
    }

    /// Asks for reports of an SNP guest at this privilege level instead of the guest's own.
    #[must_use]
    pub fn at_privilege_level(mut self, vmpl: u32) -> Self {
        self.privilege_level = Some(vmpl);
        self
    }

    /// Evidence over `report_data`.
    ///
    /// # Errors
    /// There is no such interface, it is another provider's, or somebody else wrote to the request.
    pub fn report(&self, report_data: &[u8; 64]) -> Result<TsmReport, AttestError> {
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let folder = self.reports.join(format!("chrysalis-{}-{number}", std::process::id()));
        self.tree
            .make(&folder)
            .map_err(|error| failed(&folder, "cannot be made", &error))?;
        let request = Request {
            tree: &*self.tree,
            folder,
        };
        let provider = request.text("provider")?;
        if provider != self.provider.name() {
            let wanted = self.provider.name();
            return Err(AttestError::Platform(format!(
                "the kernel's provider is {provider:?} and not {wanted:?}"
            )));
        }
        let before = request.generation()?;
        let mut writes = 1;
        if let Some(level) = self.privilege_level {
            request.write("privlevel", level.to_string().as_bytes())?;
            writes += 1;
        }
        request.write("inblob", report_data)?;
        let evidence = request.read("outblob")?;
        // Of a TD there is no such file.
        let auxiliary = match request.read("auxblob") {
            Ok(auxiliary) => auxiliary,
            Err(_) if self.provider == Provider::Tdx => Vec::new(),
            Err(error) => return Err(error),
        };
        let after = request.generation()?;
        if after != before.wrapping_add(writes) {
            return Err(AttestError::Platform(format!(
                "generation went from {before} to {after}, where {writes} writes were made: somebody else writes to the request"
            )));
        }
        if !(MIN_BLOB_LEN_BYTES..=MAX_BLOB_LEN_BYTES).contains(&evidence.len()) || auxiliary.len() > MAX_BLOB_LEN_BYTES
        {
            return Err(AttestError::Platform(format!(
                "the kernel gave {} bytes of evidence",
                evidence.len()
            )));
        }
        Ok(TsmReport { evidence, auxiliary })
    }
}

impl Attester for TsmAttester {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        let TsmReport { evidence, auxiliary } = self.report(report_data)?;
        match self.provider {
            Provider::Tdx => Ok(evidence),
            // Peers want the certificates of the signing key beside the report; the host has them, or nobody.
            Provider::Snp => ExtendedReport::of_host(evidence, &auxiliary)
                .map_err(|fault| AttestError::Platform(format!("certificates of the host: {fault}"))),
        }
    }
}

/// A folder that goes when it is no longer needed.
struct Request<'a> {
    tree: &'a dyn Tree,
    folder: PathBuf,
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        // What is left behind is an empty request that the kernel forgets at the next start.
        let _ = self.tree.remove(&self.folder);
    }
}

impl Request<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, AttestError> {
        let file = self.folder.join(name);
        self.tree
            .read(&file)
            .map_err(|error| failed(&file, "cannot be read", &error))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), AttestError> {
        let file = self.folder.join(name);
        self.tree
            .write(&file, bytes)
            .map_err(|error| failed(&file, "cannot be written", &error))
    }

    fn text(&self, name: &str) -> Result<String, AttestError> {
        let bytes = self.read(name)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    fn generation(&self) -> Result<u64, AttestError> {
        let text = self.text("generation")?;
        text.parse()
            .map_err(|_| AttestError::Platform(format!("generation is {text:?} and no number")))
    }
}

fn failed(path: &Path, what: &str, error: &io::Error) -> AttestError {
    AttestError::Platform(format!("{} {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
