//! Attestation evidence, its appraisal, and TLS that carries it.
//!
//! There is one verifier and two kinds of trust anchor: evidence of a simulated platform has the wire format of the
//! real one, and only the root it chains to tells them apart. Nothing here reads a clock, draws entropy or opens a
//! socket: times, serial numbers, collateral and TLS providers are arguments, so the same input gives the same bytes
//! and the same verdict everywhere.
//!
//! Three kinds of evidence are appraised by one function, [`appraise::appraise`]: quotes of Intel TDs, reports of AMD
//! SEV-SNP guests, measurements of NVIDIA GPUs.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@appraise`] | evidence of any kind in, verdict or typed reason out: pure, no clock, never panics; the policy |
//! | [`evidence`] | kinds of evidence, recognised by their bytes, and their names |
//! | [`anchors`] | roots of vendors, pinned by key, and of simulations; never both in one store |
//! | [`freshness`] | what evidence must be bound to and how old it may be |
//! | [`tdx`] | TD reports, event logs, the image hash, appraisal of quotes, attesters that make them |
//! | [`snp`] | reports of SEV-SNP guests, what certificates say of their keys, appraisal |
//! | [`gpu`] | measurements of GPUs, manifests of reference values, binding to a CPU, appraisal |
//! | [`hardware`] | attesters of the machine that this runs on |
//! | [`chain`] | certificate chains and revocation lists with P-384 and RSA-PSS |
//! | [`sealing`] | keys that outlive a restart, records that the host can neither read, change nor put back unseen |
//! | [`sim_pki`] | simulated vendors: roots, platforms, revocation lists, collateral, manifests |
//! | [`collateral`] | what Intel publishes about its platforms, and where a verifier gets it |
//! | [`policy`] | rules for TDs, allow-lists, and what a node accepts from its peers |
//! | [`claims`] | what evidence says, verified and not judged, as a document for policies in other languages |
//! | `rego` | the same policy in Rego: a second opinion; feature `rego` |
//! | [`ear`] | results as signed tokens |
//! | [`audit`] | a log of results that cannot be changed unseen |
//! | [`certificate`] | the self-signed certificate that carries a quote (spec §3.4) |
//! | [`verifier`] | a policy applied to certificates and sessions, with a bounded cache of verdicts |
//! | [`session`] | evidence that is bound to a TLS session and renewed while it lives |
//! | [`ra_tls`] | rustls configurations made of the above |
//! | [`issue_cache`] | an explicit memo for processes that issue the same evidence many times |
//! | [`mutate`] | evidence with one thing wrong, and the gate that judges it |
//! | [`files`] | evidence, certificates and endorsements in the forms that files have |
//! | [`inspect`] | evidence for people, field by field; where bytes stop being evidence |
//! | [`calendar`] | Unix seconds as text |
//! | [`planted`] | verifier bugs that tests switch on to show that the gate finds them |

pub mod anchors;
pub mod appraise;
pub mod audit;
pub mod calendar;
pub mod certificate;
pub mod chain;
pub mod claims;
pub mod collateral;
mod der;
pub mod ear;
pub mod evidence;
pub mod files;
pub mod freshness;
pub mod gpu;
pub mod hardware;
mod hash;
pub mod inspect;
pub mod issue_cache;
mod lru;
pub mod mutate;
pub mod planted;
pub mod policy;
pub mod ra_tls;
#[cfg(any(test, feature = "rego"))]
pub mod rego;
pub mod sealing;
pub mod session;
pub mod sim_pki;
pub mod snp;
pub mod tdx;
pub mod verifier;

pub use anchors::TrustStore;
pub use certificate::{CertificateReason, Identity, report_data_for};
pub use collateral::{Collateral, CollateralSource, CollateralStore};
pub use evidence::{Evidence, EvidenceId, EvidenceKind};
pub use policy::{AllowList, PeerPolicy, SimulationOnly, SnpPeerPolicy, TdxPolicy, TrustAnchors};
pub use tdx::appraise::{Reason, Verdict};
pub use tdx::{AttestError, Attester, FakeTdxAttester, SimTdxAttester, TdMeasurements, TdReport, image_hash};
pub use verifier::{AttestedPeer, Binding, GpuDemand, GuestVerdict, Origin, PeerReason, PeerVerifier, VerdictCache};
