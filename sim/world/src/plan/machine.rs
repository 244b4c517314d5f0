//! Machines of nodes and of adversaries: their GPUs, and what is wrong with them.

use super::TeeKind;
use chrysalis_attest::gpu::{Architecture, binding};
use serde::{Deserialize, Serialize};

/// GPUs of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpusPlan {
    /// How many, at least one.
    pub count: u8,
    /// Their generation.
    pub architecture: Architecture,
}

impl GpusPlan {
    /// Most GPUs of a machine: what one guest can bind.
    pub const MAX: u8 = binding::MAX_GPUS as u8;
}

/// What is wrong with a machine, with the guest on it, or with its GPUs. Image hashes show only `OtherImage`,
/// `HostTables` and `OtherConfiguration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// The guest was started in debug mode: its host reads its memory.
    Debug,
    /// TDX: the host may profile the TD.
    Profiling,
    /// The host may move the guest to another machine.
    Migratable,
    /// TDX: the host can make the guest take exceptions by withdrawing its pages.
    SeptVe,
    /// TDX: performance counters are exposed to the TD, and so to who shares the core.
    Perfmon,
    /// TDX: another TD has power over this one.
    ServiceTd,
    /// Microcode of an earlier level, with a known flaw.
    OutdatedTcb,
    /// The machine is of a vendor whom nobody trusts, in the real format.
    ForeignRoot,
    /// Another image runs.
    OtherImage,
    /// TDX: the image runs on tables of the host's making, such as ACPI's, which the first register measures.
    HostTables,
    /// TDX: the application was started with another configuration, which the last register measures.
    OtherConfiguration,
    /// SNP: the report was asked for by software with less privilege than the guest's first level.
    LowPrivilege,
    /// SNP: multithreading is allowed and on.
    Smt,
    /// SNP: firmware of an earlier level, with a known flaw.
    OutdatedFirmware,
    /// SNP: the firmware states newer microcode than its key was derived for.
    OverstatedTcb,
    /// SNP: memory was not checked for aliases.
    UncheckedMemory,
    /// SNP: a processor of the family whose chip keys can be read by software.
    Milan,
    /// SNP: the host sees the ciphertext of the guest's memory.
    VisibleCiphertext,
    /// SNP: the host may move pages of the guest.
    MovablePages,
    /// SNP: the host reads energy counters.
    EnergyCounters,
    /// GPU: the driver does not say whether confidential computing is on.
    GpuUnstatedMode,
    /// GPU: protected PCIe only; links between GPUs are not encrypted.
    GpuProtectedPcie,
    /// GPU: a driver for which there is no manifest any more.
    GpuOutdatedDriver,
    /// GPU: a VBIOS for which there is no manifest any more.
    GpuOutdatedVbios,
    /// GPU: firmware that no manifest lists, such as a build for debugging.
    GpuOtherFirmware,
    /// GPU: the driver does not say which firmware holds the device's key.
    GpuUnstatedFirmware,
    /// GPU: the device is of a vendor whom nobody trusts, in the real format.
    GpuForeignRoot,
}

impl Flaw {
    /// All of them, in order.
    pub const ALL: [Self; 27] = [
        Self::Debug,
        Self::Profiling,
        Self::Migratable,
        Self::SeptVe,
        Self::Perfmon,
        Self::ServiceTd,
        Self::OutdatedTcb,
        Self::ForeignRoot,
        Self::OtherImage,
        Self::HostTables,
        Self::OtherConfiguration,
        Self::LowPrivilege,
        Self::Smt,
        Self::OutdatedFirmware,
        Self::OverstatedTcb,
        Self::UncheckedMemory,
        Self::Milan,
        Self::VisibleCiphertext,
        Self::MovablePages,
        Self::EnergyCounters,
        Self::GpuUnstatedMode,
        Self::GpuProtectedPcie,
        Self::GpuOutdatedDriver,
        Self::GpuOutdatedVbios,
        Self::GpuOtherFirmware,
        Self::GpuUnstatedFirmware,
        Self::GpuForeignRoot,
    ];

    /// Its name in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Profiling => "profiling",
            Self::Migratable => "migratable",
            Self::SeptVe => "sept-ve",
            Self::Perfmon => "perfmon",
            Self::ServiceTd => "service-td",
            Self::OutdatedTcb => "outdated-tcb",
            Self::ForeignRoot => "foreign-root",
            Self::OtherImage => "other-image",
            Self::HostTables => "host-tables",
            Self::OtherConfiguration => "other-configuration",
            Self::LowPrivilege => "low-privilege",
            Self::Smt => "smt",
            Self::OutdatedFirmware => "outdated-firmware",
            Self::OverstatedTcb => "overstated-tcb",
            Self::UncheckedMemory => "unchecked-memory",
            Self::Milan => "milan",
            Self::VisibleCiphertext => "visible-ciphertext",
            Self::MovablePages => "movable-pages",
            Self::EnergyCounters => "energy-counters",
            Self::GpuUnstatedMode => "gpu-unstated-mode",
            Self::GpuProtectedPcie => "gpu-protected-pcie",
            Self::GpuOutdatedDriver => "gpu-outdated-driver",
            Self::GpuOutdatedVbios => "gpu-outdated-vbios",
            Self::GpuOtherFirmware => "gpu-other-firmware",
            Self::GpuUnstatedFirmware => "gpu-unstated-firmware",
            Self::GpuForeignRoot => "gpu-foreign-root",
        }
    }

    /// Whether it is one of GPUs, which machines of any kind may have.
    #[must_use]
    pub const fn is_of_gpus(self) -> bool {
        matches!(
            self,
            Self::GpuUnstatedMode
                | Self::GpuProtectedPcie
                | Self::GpuOutdatedDriver
                | Self::GpuOutdatedVbios
                | Self::GpuOtherFirmware
                | Self::GpuUnstatedFirmware
                | Self::GpuForeignRoot
        )
    }

    /// Whether evidence of this kind can have it.
    #[must_use]
    pub const fn is_of(self, tee: TeeKind) -> bool {
        let of_tds = matches!(
            self,
            Self::Profiling
                | Self::SeptVe
                | Self::Perfmon
                | Self::ServiceTd
                | Self::HostTables
                | Self::OtherConfiguration
        );
        let of_snp = matches!(
            self,
            Self::LowPrivilege
                | Self::Smt
                | Self::OutdatedFirmware
                | Self::OverstatedTcb
                | Self::UncheckedMemory
                | Self::Milan
                | Self::VisibleCiphertext
                | Self::MovablePages
                | Self::EnergyCounters
        );
        match tee {
            TeeKind::SimulatedTdx => !of_snp,
            TeeKind::SimulatedSnp => !of_tds,
            TeeKind::FakeTdx | TeeKind::None => false,
        }
    }
}
