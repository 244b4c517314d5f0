//! Attestation evidence, its appraisal, and TLS that carries it.
//!
//! There is one verifier and two kinds of trust anchor: evidence of a simulated platform has the wire format of the
//! real one, and only the root it chains to tells them apart. Nothing here reads a clock, draws entropy or opens a
//! socket: times, serial numbers, collateral and TLS providers are arguments, so the same input gives the same bytes
//! and the same verdict everywhere.
//!
//! | module | holds |
//! |---|---|
//! | [`tdx`] | TD reports, the image hash, attesters that make quotes |
//! | [`sim_pki`] | a simulated vendor: root, platforms, TCB signer, revocation lists, collateral |
//! | [`collateral`] | what a vendor publishes about its platforms, and where a verifier gets it |
//! | [`tdx::appraise`] | quote in, verdict or typed reason out: pure, no clock, never panics |
//! | [`policy`] | trust anchors, allow-lists, and what a node accepts from its peers |
//! | [`certificate`] | the self-signed certificate that carries a quote (spec §3.4) |
//! | [`verifier`] | a policy applied to certificates, with a bounded cache of verdicts |
//! | [`ra_tls`] | rustls configurations made of the above |
//! | [`issue_cache`] | an explicit memo for processes that issue the same evidence many times |

pub mod anchors;
pub mod appraise;
mod calendar;
pub mod certificate;
pub mod chain;
pub mod collateral;
mod der;
pub mod evidence;
pub mod freshness;
pub mod gpu;
mod hash;
pub mod issue_cache;
mod lru;
pub mod mutate;
pub mod planted;
pub mod policy;
pub mod ra_tls;
pub mod sim_pki;
pub mod snp;
pub mod tdx;
pub mod verifier;

pub use certificate::{CertificateReason, Identity, report_data_for};
pub use collateral::{Collateral, CollateralSource, CollateralStore};
pub use policy::{AllowList, PeerPolicy, SimulationOnly, TdxPolicy, TrustAnchors};
pub use tdx::appraise::{Reason, Verdict};
pub use tdx::{AttestError, Attester, FakeTdxAttester, SimTdxAttester, TdMeasurements, TdReport, image_hash};
pub use verifier::{AttestedPeer, PeerReason, PeerVerifier, VerdictCache};
