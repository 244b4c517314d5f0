//! Words of the section `world.attestation`, and of faults of trust.

use chrysalis_attest::anchors::AnchorKind;
use chrysalis_attest::gpu::Architecture;
use chrysalis_world::plan::{Authority, CollateralParts, Flaw, ImageOf, Pose, Technique, TeeKind};

use super::Words;

impl Words for TeeKind {
    const WHAT: &'static str = "a kind of evidence";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("simulated_tdx", Self::SimulatedTdx),
        ("simulated_snp", Self::SimulatedSnp),
        ("fake_tdx", Self::FakeTdx),
        ("none", Self::None),
    ];
    const EXAMPLES: &'static [&'static str] = &["simulated_tdx", "simulated_snp", "none"];
}

impl Words for Architecture {
    const WHAT: &'static str = "a generation of GPUs";
    const WORDS: &'static [(&'static str, Self)] = &[("hopper", Self::Hopper), ("blackwell", Self::Blackwell)];
    const EXAMPLES: &'static [&'static str] = &["hopper", "blackwell"];
}

impl Words for ImageOf {
    const WHAT: &'static str = "whose image";
    const WORDS: &'static [(&'static str, Self)] = &[("proxies", Self::Proxies), ("workers", Self::Workers)];
    const EXAMPLES: &'static [&'static str] = &["proxies", "workers"];
}

impl Words for AnchorKind {
    const WHAT: &'static str = "a kind of roots";
    const WORDS: &'static [(&'static str, Self)] = &[("simulation", Self::Simulation), ("vendor", Self::Vendor)];
    const EXAMPLES: &'static [&'static str] = &["simulation", "vendor"];
}

impl Words for Authority {
    const WHAT: &'static str = "an authority of the vendor";
    const WORDS: &'static [(&'static str, Self)] =
        &[("platform_ca", Self::PlatformCa), ("tcb_signer", Self::TcbSigner)];
    const EXAMPLES: &'static [&'static str] = &["platform_ca", "tcb_signer"];
}

impl Words for CollateralParts {
    const WHAT: &'static str = "parts of collateral";
    const WORDS: &'static [(&'static str, Self)] = &[("all", Self::All), ("revocation_lists", Self::RevocationLists)];
    const EXAMPLES: &'static [&'static str] = &["all", "revocation_lists"];
}

impl Words for Pose {
    const WHAT: &'static str = "a role that an adversary plays";
    const WORDS: &'static [(&'static str, Self)] = &[("worker", Self::Worker), ("proxy", Self::Proxy)];
    const EXAMPLES: &'static [&'static str] = &["worker", "proxy"];
}

impl Words for Technique {
    const WHAT: &'static str = "an attack on evidence";
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::LeakedKey.name(), Self::LeakedKey),
        (Self::StolenQuote.name(), Self::StolenQuote),
        (Self::NoEvidence.name(), Self::NoEvidence),
        (Self::OwnMachine.name(), Self::OwnMachine),
        (Self::ExtractedKey.name(), Self::ExtractedKey),
        (Self::ReplayedEvidence.name(), Self::ReplayedEvidence),
        (Self::ReflectedEvidence.name(), Self::ReflectedEvidence),
        (Self::OtherRole.name(), Self::OtherRole),
        (Self::Relay.name(), Self::Relay),
        (Self::BlindRelay.name(), Self::BlindRelay),
        (Self::LostMachine.name(), Self::LostMachine),
        (Self::Malleated.name(), Self::Malleated),
        (Self::Confused.name(), Self::Confused),
        (Self::Resumption.name(), Self::Resumption),
        (Self::Flood.name(), Self::Flood),
        (Self::Silence.name(), Self::Silence),
        (Self::DroppedGpu.name(), Self::DroppedGpu),
        (Self::RelayedGpu.name(), Self::RelayedGpu),
        (Self::ResoldGpu.name(), Self::ResoldGpu),
        (Self::StaleGpu.name(), Self::StaleGpu),
        (Self::OtherSessionGpu.name(), Self::OtherSessionGpu),
        (Self::UnvouchedGpu.name(), Self::UnvouchedGpu),
    ];
    const EXAMPLES: &'static [&'static str] = &["leaked-key", "own-machine"];
}

impl Words for Flaw {
    const WHAT: &'static str = "a flaw of a machine";
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::Debug.name(), Self::Debug),
        (Self::Profiling.name(), Self::Profiling),
        (Self::Migratable.name(), Self::Migratable),
        (Self::SeptVe.name(), Self::SeptVe),
        (Self::Perfmon.name(), Self::Perfmon),
        (Self::ServiceTd.name(), Self::ServiceTd),
        (Self::OutdatedTcb.name(), Self::OutdatedTcb),
        (Self::ForeignRoot.name(), Self::ForeignRoot),
        (Self::OtherImage.name(), Self::OtherImage),
        (Self::HostTables.name(), Self::HostTables),
        (Self::OtherConfiguration.name(), Self::OtherConfiguration),
        (Self::LowPrivilege.name(), Self::LowPrivilege),
        (Self::Smt.name(), Self::Smt),
        (Self::OutdatedFirmware.name(), Self::OutdatedFirmware),
        (Self::OverstatedTcb.name(), Self::OverstatedTcb),
        (Self::UncheckedMemory.name(), Self::UncheckedMemory),
        (Self::Milan.name(), Self::Milan),
        (Self::VisibleCiphertext.name(), Self::VisibleCiphertext),
        (Self::MovablePages.name(), Self::MovablePages),
        (Self::EnergyCounters.name(), Self::EnergyCounters),
        (Self::GpuUnstatedMode.name(), Self::GpuUnstatedMode),
        (Self::GpuProtectedPcie.name(), Self::GpuProtectedPcie),
        (Self::GpuOutdatedDriver.name(), Self::GpuOutdatedDriver),
        (Self::GpuOutdatedVbios.name(), Self::GpuOutdatedVbios),
        (Self::GpuOtherFirmware.name(), Self::GpuOtherFirmware),
        (Self::GpuUnstatedFirmware.name(), Self::GpuUnstatedFirmware),
        (Self::GpuForeignRoot.name(), Self::GpuForeignRoot),
    ];
    const EXAMPLES: &'static [&'static str] = &["debug", "outdated-tcb"];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::scalar::{Choice, Scalar as _};

    #[test]
    fn every_attack_and_every_flaw_has_its_word() {
        for technique in Technique::ALL {
            assert_eq!(Choice::<Technique>::parse(technique.name()), Ok(Choice(technique)));
        }
        for flaw in Flaw::ALL {
            assert_eq!(Choice::<Flaw>::parse(flaw.name()), Ok(Choice(flaw)));
        }
        assert!(Choice::<Technique>::parse("a2").is_err() && Choice::<Flaw>::parse("none").is_err());
    }
}
