//! Machines as simulated vendors make them: guests with what is wrong with them, and their GPUs.

use super::{VENDOR_SEED, evidence::FOREIGN_IMAGE};
use crate::plan::{Flaw, GpusPlan};
use chrysalis_attest::{
    Attester, SimTdxAttester, TdMeasurements,
    gpu::{CcMode, GuestWithGpus, SimGpuSlot, spdm::MEASUREMENTS},
    issue_cache::IssueCache,
    sim_pki::{GpuState, PlatformTcb, SimSnpMachine, SnpGuest, SnpMachineForm},
    snp::{ExtendedReport, Product, SimSnpAttester},
    tdx::AttestError,
};
use std::{collections::BTreeSet, sync::Arc};

/// A vendor whom no verifier trusts.
const FOREIGN_VENDOR_SEED: u64 = VENDOR_SEED ^ 1;
/// Processors of SNP machines without that flaw.
pub(super) const SNP_PRODUCT: Product = Product::Genoa;
/// A measurement of the driver's that its manifest lists.
const LISTED_MEASUREMENT: usize = 5;
const _: () = assert!(LISTED_MEASUREMENT < MEASUREMENTS);

/// What makes machines: pure functions of their numbers, made once.
pub(super) struct Machines {
    pub(super) issue: Arc<IssueCache>,
    pub(super) not_before_unix_s: u64,
}

fn seed_of(flaws: &BTreeSet<Flaw>, foreign: Flaw) -> u64 {
    if flaws.contains(&foreign) {
        FOREIGN_VENDOR_SEED
    } else {
        VENDOR_SEED
    }
}

fn image_of<'a>(image: &'a str, flaws: &BTreeSet<Flaw>) -> &'a str {
    if flaws.contains(&Flaw::OtherImage) {
        FOREIGN_IMAGE
    } else {
        image
    }
}

impl Machines {
    /// A TD of an image on machine number `n`.
    pub(super) fn td(&self, image: &str, n: u64, flaws: &BTreeSet<Flaw>) -> Arc<dyn Attester> {
        let vendor = self
            .issue
            .pki(seed_of(flaws, Flaw::ForeignRoot), self.not_before_unix_s);
        let platform = if flaws.contains(&Flaw::OutdatedTcb) {
            let mut tcb = PlatformTcb::default();
            // What the vendor calls out of date from the first day on.
            tcb.cpu_svn[0] -= 1;
            Arc::new(vendor.platform_with(n, tcb))
        } else {
            self.issue.platform(&vendor, n)
        };
        let attester = SimTdxAttester::new(platform, td_measurements(image_of(image, flaws), flaws));
        Arc::new(attester.with_cache(self.issue.clone()))
    }

    /// An SNP guest of an image on machine number `n`.
    pub(super) fn snp_guest(&self, image: &str, n: u64, flaws: &BTreeSet<Flaw>) -> Arc<dyn Attester> {
        let product = snp_product(flaws);
        let seed = seed_of(flaws, Flaw::ForeignRoot);
        let vendor = self.issue.snp_pki(seed, product, self.not_before_unix_s);
        let current = SnpMachineForm::current(product);
        let mut form = current;
        let mut guest = snp_measurements(image_of(image, flaws), flaws);
        if flaws.contains(&Flaw::OutdatedTcb) || flaws.contains(&Flaw::OverstatedTcb) {
            form.tcb.microcode -= 1;
        }
        if flaws.contains(&Flaw::OutdatedFirmware) {
            form.tcb.snp -= 1;
            let [build, ..] = &mut guest.firmware;
            *build -= 1;
        }
        let machine = self.issue.snp_machine(&vendor, n, form);
        if flaws.contains(&Flaw::OverstatedTcb) {
            let stating = self.issue.snp_machine(&vendor, n, current);
            return Arc::new(Overstating {
                stating,
                certified: machine,
                guest,
            });
        }
        Arc::new(SimSnpAttester::new(machine, guest))
    }

    /// The GPUs of machine number `n`, with what is wrong with each.
    pub(super) fn gpus(&self, n: u64, gpus: GpusPlan, flaws: &BTreeSet<Flaw>) -> Vec<SimGpuSlot> {
        let seed = seed_of(flaws, Flaw::GpuForeignRoot);
        let vendor = self.issue.gpu_pki(seed, self.not_before_unix_s);
        let state = gpu_state(flaws);
        let slots = (0..gpus.count).map(|slot| SimGpuSlot {
            gpu: self.issue.gpu(&vendor, gpu_number(n, slot), gpus.architecture),
            state: state.clone(),
        });
        slots.collect()
    }

    /// A guest with GPUs.
    pub(super) fn with_gpus(guest: Arc<dyn Attester>, slots: Vec<SimGpuSlot>) -> Arc<dyn Attester> {
        Arc::new(GuestWithGpus::new(guest, slots))
    }
}

/// No two machines share a GPU.
fn gpu_number(machine: u64, slot: u8) -> u64 {
    machine * u64::from(GpusPlan::MAX) + u64::from(slot)
}

/// The family of the processors of a machine.
pub(super) fn snp_product(flaws: &BTreeSet<Flaw>) -> Product {
    if flaws.contains(&Flaw::Milan) {
        Product::Milan
    } else {
        SNP_PRODUCT
    }
}

/// What a TD measures that runs an image, and is not what it should be.
fn td_measurements(image: &str, flaws: &BTreeSet<Flaw>) -> TdMeasurements {
    let mut td = TdMeasurements::of_image(image);
    let mut attributes = u64::from_le_bytes(td.td_attributes);
    for flaw in flaws {
        match flaw {
            Flaw::Debug => attributes |= 1,
            Flaw::Profiling => attributes |= 1 << 4,
            Flaw::ServiceTd => attributes |= 1 << 17,
            Flaw::SeptVe => attributes &= !(1 << 28),
            Flaw::Migratable => attributes |= 1 << 29,
            Flaw::Perfmon => attributes |= 1 << 63,
            Flaw::HostTables => td.rtmr[0][0] ^= 1,
            Flaw::OtherConfiguration => td.rtmr[3][0] ^= 1,
            _ => {}
        }
    }
    td.td_attributes = attributes.to_le_bytes();
    td
}

/// The same for an SNP guest.
fn snp_measurements(image: &str, flaws: &BTreeSet<Flaw>) -> SnpGuest {
    let mut guest = SnpGuest::of_image(image);
    for flaw in flaws {
        match flaw {
            Flaw::Debug => guest.policy |= SnpGuest::POLICY_DEBUG,
            Flaw::Migratable => guest.policy |= SnpGuest::POLICY_MIGRATION_AGENT,
            Flaw::LowPrivilege => guest.vmpl = 1,
            Flaw::Smt => {
                guest.policy |= SnpGuest::POLICY_SMT;
                guest.platform_info |= SnpGuest::PLATFORM_SMT;
            }
            Flaw::UncheckedMemory => guest.platform_info &= !SnpGuest::PLATFORM_ALIAS_CHECK,
            Flaw::VisibleCiphertext => {
                guest.policy &= !SnpGuest::POLICY_CIPHERTEXT_HIDING;
                guest.platform_info &= !SnpGuest::PLATFORM_CIPHERTEXT_HIDING;
            }
            Flaw::MovablePages => guest.policy &= !SnpGuest::POLICY_PAGE_SWAP_DISABLED,
            Flaw::EnergyCounters => {
                guest.policy &= !SnpGuest::POLICY_RAPL_DISABLED;
                guest.platform_info &= !SnpGuest::PLATFORM_RAPL_DISABLED;
            }
            _ => {}
        }
    }
    guest
}

/// What GPUs of a machine say.
fn gpu_state(flaws: &BTreeSet<Flaw>) -> GpuState {
    let mut state = GpuState::default();
    for flaw in flaws {
        match flaw {
            Flaw::GpuUnstatedMode => state.mode = None,
            Flaw::GpuProtectedPcie => state.mode = Some(CcMode::Ppcie),
            Flaw::GpuOutdatedDriver => state.driver_version = "550.54".to_owned(),
            Flaw::GpuOutdatedVbios => state.vbios_version[4] -= 1,
            Flaw::GpuOtherFirmware => state.measurements[LISTED_MEASUREMENT][0] ^= 1,
            Flaw::GpuUnstatedFirmware => state.states_firmware = false,
            _ => {}
        }
    }
    state
}

/// A guest whose firmware states other security versions than its signing key was derived for. The certificate is that of
/// what really runs: a chip's key is the same in both.
struct Overstating {
    stating: Arc<SimSnpMachine>,
    certified: Arc<SimSnpMachine>,
    guest: SnpGuest,
}

impl Attester for Overstating {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, AttestError> {
        let extended = ExtendedReport {
            report: self.stating.report(&self.guest, report_data)?,
            certificates: self.certified.certificates().to_vec(),
        };
        Ok(extended.encode(self.certified.signing_key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_790_000_000;

    fn machines() -> Machines {
        Machines {
            issue: Arc::new(IssueCache::new(40)),
            not_before_unix_s: START,
        }
    }

    #[test]
    fn each_flaw_shows_in_what_a_machine_says() {
        use crate::plan::TeeKind;
        let machines = machines();
        let gpus = GpusPlan {
            count: 1,
            architecture: chrysalis_attest::gpu::Architecture::Hopper,
        };
        for tee in [TeeKind::SimulatedTdx, TeeKind::SimulatedSnp] {
            let guest = |flaws: &BTreeSet<Flaw>| match tee {
                TeeKind::SimulatedSnp => machines.snp_guest("image", 1, flaws),
                _ => machines.td("image", 1, flaws),
            };
            let said = |flaws: &BTreeSet<Flaw>| {
                let with_gpus = Machines::with_gpus(guest(flaws), machines.gpus(1, gpus, flaws));
                (with_gpus.quote(&[7; 64]).unwrap(), with_gpus.gpus(&[8; 32]).unwrap())
            };
            let sound = said(&BTreeSet::new());
            for flaw in Flaw::ALL {
                let flawed = said(&BTreeSet::from([flaw]));
                let (guest_differs, gpu_differs) = (flawed.0 != sound.0, flawed.1 != sound.1);
                let expected = (flaw.is_of(tee) && !flaw.is_of_gpus(), flaw.is_of_gpus());
                assert_eq!((guest_differs, gpu_differs), expected, "{flaw:?} of {tee:?}");
            }
        }
    }

    #[test]
    fn no_two_machines_share_a_gpu() {
        let machines = machines();
        let gpus = GpusPlan {
            count: GpusPlan::MAX,
            architecture: chrysalis_attest::gpu::Architecture::Blackwell,
        };
        let devices: BTreeSet<_> = [0, 1, 2]
            .into_iter()
            .flat_map(|n| machines.gpus(n, gpus, &BTreeSet::new()))
            .map(|slot| slot.gpu.device())
            .collect();
        assert_eq!(devices.len(), 3 * usize::from(GpusPlan::MAX));
    }
}
