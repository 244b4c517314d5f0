//! The TD report (spec §3.6; Intel TDX DCAP quote format, TDX 1.0 and 1.5 bodies).

use crate::hash::{sha256, sha384};
use std::fmt;

/// A SHA-384 measurement register.
pub type Measurement = [u8; 48];

/// SHA-256 over the measurements of a TD, the name by which contracts know an image (spec §3.6).
pub type ImageHash = [u8; 32];

/// The image hash of every peer with a fake quote (spec §3.7): SHA-256 of 448 zero bytes.
pub const FAKE_IMAGE_HASH: ImageHash = [
    0x5c, 0x55, 0xc8, 0xf4, 0xdb, 0x40, 0x10, 0xba, 0x92, 0x03, 0xd8, 0x35, 0x36, 0xd0, 0x60, 0x98, 0x56, 0xaf, 0x8c,
    0x84, 0x7a, 0xc0, 0x39, 0xe3, 0x7e, 0x7d, 0xde, 0x8f, 0xbd, 0x57, 0x4b, 0x61,
];

/// SEPT_VE_DISABLE, bit 28: the host cannot make the guest take exceptions by withdrawing its pages.
const ATTRIBUTE_SEPT_VE_DISABLE: u64 = 1 << 28;

/// State components of a present-day Linux guest: x87, SSE, AVX, AVX-512, PKRU, CET, AMX.
const XFAM_LINUX_GUEST: u64 = 0x0006_02e7;

/// What a TD is: everything that its launch and its own extensions of the runtime registers decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TdMeasurements {
    /// Initial contents and configuration of the TD.
    pub mr_td: Measurement,
    /// Software-defined identity of non-owner configuration.
    pub mr_config_id: Measurement,
    /// Software-defined identity of the owner.
    pub mr_owner: Measurement,
    /// Software-defined configuration by the owner.
    pub mr_owner_config: Measurement,
    /// Run-time extendable registers 0 to 3.
    pub rtmr: [Measurement; 4],
    /// Attribute bits as the TDX module keeps them, little-endian.
    pub td_attributes: [u8; 8],
    /// Extended features that the TD may use, little-endian.
    pub xfam: [u8; 8],
}

impl TdMeasurements {
    /// Measurements of a simulated image: each register is derived from the name, attributes are those of a production
    /// TD. Different names give different image hashes.
    pub fn of_image(name: &str) -> Self {
        let register = |label: &str| sha384(&[b"SIM measurement", label.as_bytes(), b"\0", name.as_bytes()]);
        Self {
            mr_td: register("mr_td"),
            mr_config_id: [0; 48],
            mr_owner: [0; 48],
            mr_owner_config: [0; 48],
            rtmr: [
                register("rtmr0"),
                register("rtmr1"),
                register("rtmr2"),
                register("rtmr3"),
            ],
            td_attributes: ATTRIBUTE_SEPT_VE_DISABLE.to_le_bytes(),
            xfam: XFAM_LINUX_GUEST.to_le_bytes(),
        }
    }

    /// The same TD started in debug mode, in which its host reads its memory. Its image hash does not change: the hash
    /// leaves attributes out, so an appraisal that compares hashes alone accepts it.
    #[must_use]
    pub fn in_debug_mode(mut self) -> Self {
        self.td_attributes[0] |= 1;
        self
    }

    /// See [`image_hash`].
    pub fn image_hash(&self) -> ImageHash {
        hash_registers(
            &self.mr_td,
            &self.mr_config_id,
            &self.mr_owner,
            &self.mr_owner_config,
            &self.rtmr,
        )
    }
}

/// The parsed body of a quote. A value of this type says nothing about who signed it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TdReport {
    /// Security versions of the TDX module and the SEAM loader.
    pub tee_tcb_svn: [u8; 16],
    /// Measurement of the TDX module.
    pub mr_seam: Measurement,
    /// Signer of the TDX module; zero for Intel's.
    pub mr_signer_seam: Measurement,
    /// Attributes of the TDX module.
    pub seam_attributes: [u8; 8],
    /// What the TD is.
    pub measurements: TdMeasurements,
    /// The 64 bytes that the TD asked to have signed.
    pub report_data: [u8; 64],
    /// Fields that only a TDX 1.5 body has.
    pub tdx_1_5: Option<TdxModule15>,
}

/// What a TDX 1.5 body appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TdxModule15 {
    /// Security versions after an update of the TDX module that kept the TD running.
    pub tee_tcb_svn_2: [u8; 16],
    /// Measurement of the service TD that may migrate this one; zero if there is none.
    pub mr_service_td: Measurement,
}

impl TdReport {
    /// The report that a fake quote stands for (spec §3.7): every register zero.
    pub fn fake(report_data: [u8; 64]) -> Self {
        Self {
            tee_tcb_svn: [0; 16],
            mr_seam: [0; 48],
            mr_signer_seam: [0; 48],
            seam_attributes: [0; 8],
            measurements: TdMeasurements {
                mr_td: [0; 48],
                mr_config_id: [0; 48],
                mr_owner: [0; 48],
                mr_owner_config: [0; 48],
                rtmr: [[0; 48]; 4],
                td_attributes: [0; 8],
                xfam: [0; 8],
            },
            report_data,
            tdx_1_5: None,
        }
    }
}

impl fmt::Debug for TdReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TdReport")
            .field("image_hash", &hex::encode(image_hash(self)))
            .field("mr_td", &hex::encode(self.measurements.mr_td))
            .field("td_attributes", &hex::encode(self.measurements.td_attributes))
            .field("report_data", &hex::encode(self.report_data))
            .finish_non_exhaustive()
    }
}

/// SHA-256 of MRTD, MRCONFIGID, MROWNER, MROWNERCONFIG, RTMR0 to 3 and 64 zero bytes in place of the report data
/// (spec §3.6). Attributes, XFAM and the TDX module are not in it.
pub fn image_hash(report: &TdReport) -> ImageHash {
    report.measurements.image_hash()
}

fn hash_registers(
    mr_td: &Measurement,
    mr_config_id: &Measurement,
    mr_owner: &Measurement,
    mr_owner_config: &Measurement,
    rtmr: &[Measurement; 4],
) -> ImageHash {
    let [rtmr0, rtmr1, rtmr2, rtmr3] = rtmr;
    sha256(&[
        mr_td,
        mr_config_id,
        mr_owner,
        mr_owner_config,
        rtmr0,
        rtmr1,
        rtmr2,
        rtmr3,
        &[0; 64],
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_hash_of_a_fake_is_the_vector() {
        let fake = TdReport::fake([0x42; 64]);
        assert_eq!(image_hash(&fake), FAKE_IMAGE_HASH);
        assert_eq!(
            hex::encode(FAKE_IMAGE_HASH),
            "5c55c8f4db4010ba9203d83536d0609856af8c847ac039e37e7dde8fbd574b61"
        );
    }

    #[test]
    fn the_image_hash_covers_every_register_and_nothing_else() {
        let base = TdReport {
            measurements: TdMeasurements::of_image("a"),
            ..TdReport::fake([0; 64])
        };
        type Change = (&'static str, bool, fn(&mut TdReport));
        let changes: [Change; 12] = [
            ("mr_td", true, |r| r.measurements.mr_td[47] ^= 1),
            ("mr_config_id", true, |r| r.measurements.mr_config_id[0] ^= 1),
            ("mr_owner", true, |r| r.measurements.mr_owner[0] ^= 1),
            ("mr_owner_config", true, |r| r.measurements.mr_owner_config[0] ^= 1),
            ("rtmr0", true, |r| r.measurements.rtmr[0][0] ^= 1),
            ("rtmr1", true, |r| r.measurements.rtmr[1][0] ^= 1),
            ("rtmr2", true, |r| r.measurements.rtmr[2][0] ^= 1),
            ("rtmr3", true, |r| r.measurements.rtmr[3][47] ^= 1),
            ("td_attributes", false, |r| {
                r.measurements = r.measurements.in_debug_mode();
            }),
            ("xfam", false, |r| r.measurements.xfam[0] ^= 1),
            ("mr_seam", false, |r| r.mr_seam[0] ^= 1),
            ("report_data", false, |r| r.report_data[0] ^= 1),
        ];
        for (field, covered, change) in changes {
            let mut changed = base;
            change(&mut changed);
            assert_ne!(changed, base, "{field}");
            assert_eq!(image_hash(&changed) != image_hash(&base), covered, "{field}");
        }
    }

    #[test]
    fn images_are_told_apart_by_name() {
        assert_eq!(TdMeasurements::of_image("a"), TdMeasurements::of_image("a"));
        assert_ne!(
            TdMeasurements::of_image("a").image_hash(),
            TdMeasurements::of_image("b").image_hash()
        );
    }
}
