//! A folder that behaves like the kernel's: attributes appear with a request, and writing makes evidence.

use super::*;
use crate::{
    mutate::{Lab, lab::Subject},
    sim_pki::SimPki,
    snp::{Product, SigningKey},
    tdx::{SimTdxAttester, TdMeasurements},
};
use std::{fs, sync::Arc};

/// What is wrong with a kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// Another process writes to the request.
    Intruder,
    /// The evidence is cut off.
    Truncated,
    /// There is far too much of it.
    Endless,
    /// Making evidence fails, as when the quoting service is down.
    NoQuote,
    /// `generation` is no number.
    Garbage,
}

type Make = Box<dyn Fn(&[u8; 64]) -> Vec<u8> + Send + Sync>;

/// Files are real and in a temporary folder; what the kernel does by itself is done here.
struct Mimic {
    provider: &'static str,
    fault: Fault,
    auxiliary: Option<Vec<u8>>,
    make: Make,
}

impl Mimic {
    fn count(&self, folder: &Path, by: u64) -> io::Result<()> {
        let file = folder.join("generation");
        let now: u64 = fs::read_to_string(&file)?.trim().parse().unwrap_or(0);
        fs::write(file, format!("{}\n", now + by))
    }
}

impl Tree for Mimic {
    fn make(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)?;
        fs::write(folder.join("provider"), format!("{}\n", self.provider))?;
        let generation = if self.fault == Fault::Garbage { "many" } else { "0\n" };
        fs::write(folder.join("generation"), generation)?;
        fs::write(folder.join("inblob"), "")?;
        if self.provider == "sev_guest" {
            fs::write(folder.join("privlevel"), "")?;
        }
        Ok(())
    }

    fn remove(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir_all(folder)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        Kernel.write(file, bytes)?;
        let Some(folder) = file.parent() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.count(folder, if self.fault == Fault::Intruder { 2 } else { 1 })?;
        if file.ends_with("inblob") && self.fault != Fault::NoQuote {
            let report_data = bytes.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
            let mut evidence = (self.make)(report_data);
            match self.fault {
                Fault::Truncated => evidence.truncate(100),
                Fault::Endless => evidence.resize(MAX_BLOB_LEN_BYTES + 1, 0),
                _ => {}
            }
            fs::write(folder.join("outblob"), evidence)?;
            if let Some(table) = &self.auxiliary {
                fs::write(folder.join("auxblob"), table)?;
            }
        }
        Ok(())
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        Kernel.read(file)
    }
}

/// A kernel of a TD in a folder that is gone at the end.
struct Machine {
    folder: PathBuf,
    attester: TsmAttester,
}

/// Report and certificates of an SNP guest.
fn guests() -> ExtendedReport {
    let genuine = Lab::new(Subject::Snp(Product::Genoa), 7).genuine();
    ExtendedReport {
        report: genuine.evidence,
        certificates: genuine.certificates,
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Machine {
    fn new(name: &str, asked: Provider, mimic: Mimic) -> Self {
        let folder = std::env::temp_dir().join(format!("chrysalis-tsm-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut attester = TsmAttester::new(asked);
        attester.reports.clone_from(&folder);
        attester.tree = Box::new(mimic);
        Self { folder, attester }
    }

    fn td(name: &str, fault: Fault) -> Self {
        let platform = Arc::new(SimPki::new(7, 1_760_000_000).platform(1));
        let sim = SimTdxAttester::new(platform, TdMeasurements::of_image("worker"));
        let mimic = Mimic {
            provider: "tdx_guest",
            fault,
            auxiliary: None,
            make: Box::new(move |data| sim.quote(data).unwrap()),
        };
        Self::new(name, Provider::Tdx, mimic)
    }

    fn guest(name: &str, auxiliary: Option<Vec<u8>>) -> Self {
        let report = guests().report;
        let mimic = Mimic {
            provider: "sev_guest",
            fault: Fault::Nothing,
            auxiliary,
            make: Box::new(move |_| report.clone()),
        };
        Self::new(name, Provider::Snp, mimic)
    }

    fn is_clean(&self) -> bool {
        fs::read_dir(&self.folder).unwrap().next().is_none()
    }
}

#[test]
fn a_td_gets_a_quote_over_its_report_data_and_leaves_nothing_behind() {
    let machine = Machine::td("td", Fault::Nothing);
    for byte in [0x42, 0x43] {
        let quote = machine.attester.quote(&[byte; 64]).unwrap();
        assert_eq!(quote[48 + 520..48 + 584], [byte; 64]);
        assert!(crate::inspect::readable(&quote).is_ok());
    }
    assert!(machine.is_clean());
}

#[test]
fn an_snp_guest_gets_report_and_certificates_at_its_level() {
    let peers_see = guests().encode(SigningKey::Vcek);
    let table = peers_see[1_184..].to_vec();
    let mut machine = Machine::guest("guest", Some(table.clone()));
    let report = machine.attester.report(&[1; 64]).unwrap();
    assert_eq!((report.evidence.len(), report.auxiliary), (1_184, table));
    assert_eq!(machine.attester.quote(&[1; 64]), Ok(peers_see));
    machine.attester.privilege_level = Some(2);
    assert!(
        machine.attester.report(&[1; 64]).is_ok(),
        "two writes are two generations"
    );
    assert!(machine.is_clean());

    let without = Machine::guest("no-table", None);
    let error = without.attester.report(&[1; 64]).unwrap_err();
    assert!(error.to_string().contains("auxblob"), "{error}");
    let empty = Machine::guest("empty-table", Some(Vec::new()));
    let error = empty.attester.quote(&[1; 64]).unwrap_err();
    assert!(error.to_string().contains("certificates of the host"), "{error}");
}

#[test]
fn a_kernel_that_is_wrong_or_interfered_with_gives_no_evidence() {
    for (name, fault, problem) in [
        ("intruder", Fault::Intruder, "generation went from 0 to 2"),
        ("truncated", Fault::Truncated, "gave 100 bytes"),
        ("endless", Fault::Endless, "gave 65537 bytes"),
        ("no-quote", Fault::NoQuote, "outblob"),
        ("garbage", Fault::Garbage, "no number"),
    ] {
        let machine = Machine::td(name, fault);
        let error = machine.attester.quote(&[0; 64]).unwrap_err().to_string();
        assert!(error.contains(problem), "{name}: {error}");
        assert!(machine.is_clean(), "{name}");
    }
    let mut other = Machine::td("other", Fault::Nothing);
    other.attester.provider = Provider::Snp;
    let error = other.attester.quote(&[0; 64]).unwrap_err().to_string();
    assert!(error.contains("\"tdx_guest\" and not \"sev_guest\""), "{error}");
    assert!(other.is_clean());
}

/// On a machine that is no confidential guest, and on one that is.
#[test]
fn the_machine_of_the_test_says_that_it_has_none_or_gives_evidence() {
    for provider in [Provider::Tdx, Provider::Snp] {
        match TsmAttester::new(provider).quote(&[7; 64]) {
            Ok(evidence) => assert!(crate::inspect::readable(&evidence).is_ok()),
            Err(error) => assert!(
                error.to_string().contains(REPORTS) || error.to_string().contains("provider"),
                "{error}"
            ),
        }
    }
}
