//! Evidence of the machine that this runs on.
//!
//! The one interface of Linux for quotes of TDs and reports of SNP guests is configfs-tsm, which needs nothing but files:
//! [`tsm`]. Older kernels have `/dev/sev-guest` (feature `hw-sev-guest`); evidence of GPUs comes from NVIDIA's management
//! library (feature `hw-nvidia`), which is loaded when it is asked for. `tdx-guest` is a crate for kernels of guests
//! (docs/decisions/0011-tdx-guest.md).
//!
//! No machine with any of these was at hand: [`tsm`] is tested on a folder that behaves like the kernel's, the other two
//! as far as saying that there is no such device.

#[cfg(feature = "hw-nvidia")]
pub mod nvidia;
#[cfg(feature = "hw-sev-guest")]
pub mod sev_guest;
pub mod tsm;
