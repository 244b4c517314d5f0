//! A report with the chain of its signing key, appraised.

use super::{
    endorsement::{Product, SigningKey, SigningKeyClaims},
    policy::SnpPolicy,
    report::{self, REPORT_LEN_BYTES, ReportFault, SIGNED_LEN_BYTES, SnpReport, SnpTcb, StatedTcb},
};
use crate::{
    anchors::{AnchorKind, SnpAnchors},
    chain::{self, ChainFault, RevocationList, StrictCertificate, Window},
    evidence::EvidenceId,
    freshness::{Expected, FreshnessFault},
    planted::{Bug, planted},
};
use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

/// The first reason to refuse a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnpReason {
    /// Not in canonical form.
    #[error("report: {0}")]
    Report(#[from] ReportFault),
    /// The chain of the signing key.
    #[error("certificates: {0}")]
    Chain(#[from] ChainFault),
    /// The chain ends in a root that is not trusted.
    #[error("the report chains to another root than the trusted ones ({trusted:?})")]
    UntrustedRoot {
        /// What kind of roots is trusted.
        trusted: AnchorKind,
    },
    /// The signing key's certificate lacks what such certificates have.
    #[error("certificate of the signing key: {what} is missing or malformed")]
    Endorsement {
        /// Which part.
        what: &'static str,
    },
    /// The report is of another family of processors than its signing key.
    #[error("the report is of another family of processors than {certified:?}, which its key is of")]
    Product {
        /// Of the key.
        certified: Product,
    },
    /// The report names another kind of signing key than the certificate.
    #[error("the report names another kind of signing key than its certificate")]
    SigningKey,
    /// The signing key was derived for other security versions than the report states.
    #[error("reported TCB {reported:?} is not the certified one {certified:?}")]
    CertifiedTcb {
        /// Of the report.
        reported: SnpTcb,
        /// Of the certificate.
        certified: SnpTcb,
    },
    /// The signing key is another chip's.
    #[error("the report is of another chip than its certificate")]
    Chip,
    /// The signing key did not sign this report.
    #[error("report signature")]
    Signature,
    /// The stated security versions contradict each other.
    #[error("{higher} TCB is below the {lower} one")]
    Tcb {
        /// What should be at least as high.
        higher: &'static str,
        /// As what.
        lower: &'static str,
    },
    /// The family of processors is not allowed.
    #[error("processors of {product:?} are not allowed")]
    ProductNotAllowed {
        /// Which.
        product: Product,
    },
    /// The kind of signing key is not allowed.
    #[error("reports signed by a {key:?} are not allowed")]
    SigningKeyNotAllowed {
        /// Which.
        key: SigningKey,
    },
    /// There is no revocation list and the policy demands one.
    #[error("no revocation list")]
    NoRevocationList,
    /// The revocation list is older than the policy demands.
    #[error("revocation list number {number} is below the minimum")]
    RevocationListRolledBack {
        /// Its number.
        number: u64,
    },
    /// A property of guest or platform that the policy refuses.
    #[error("{0}")]
    Guest(GuestFault),
    /// A value that is not in its list.
    #[error("{field} is not in the list of allowed values")]
    NotAllowed {
        /// Which.
        field: &'static str,
    },
    /// The machine is not in its list.
    #[error("chip is not in the list of allowed machines")]
    PlatformNotAllowed,
    /// Binding or age.
    #[error("{0}")]
    Freshness(#[from] FreshnessFault),
}

/// A property of guest or platform that a policy refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum GuestFault {
    /// The host may read and write the guest's memory.
    #[error("debugging is allowed")]
    Debug,
    /// The guest may be moved.
    #[error("a migration agent is allowed or associated")]
    MigrationAgent,
    /// Multithreading.
    #[error("multithreading is allowed or on")]
    Smt,
    /// Memory behind CXL.
    #[error("CXL memory is allowed")]
    Cxl,
    /// More sockets than one.
    #[error("not bound to a single socket")]
    SingleSocket,
    /// A weaker cipher for memory.
    #[error("AES-256-XTS is not required")]
    Aes256Xts,
    /// Energy counters.
    #[error("energy counters are on")]
    Rapl,
    /// Ciphertext can be read by the host.
    #[error("ciphertext is not hidden")]
    CiphertextHiding,
    /// Pages can be moved by the host.
    #[error("pages may be swapped")]
    PageSwap,
    /// Memory was not checked for aliases.
    #[error("memory was not checked for aliases")]
    AliasCheck,
    /// A privilege level that is not allowed.
    #[error("privilege level is not allowed")]
    Vmpl,
    /// Mitigations are missing.
    #[error("mitigations are missing")]
    Mitigations,
    /// The firmware is too old.
    #[error("firmware is below the minimum")]
    Firmware,
    /// The guest's own version is too low.
    #[error("security version of the guest is below the minimum")]
    GuestSvn,
    /// The machine can be rolled back below the minimum.
    #[error("committed TCB is below the minimum")]
    CommittedTcb,
}

/// Everything that the appraisal of a report depends on.
#[derive(Debug, Clone, Copy)]
pub struct SnpInput<'a> {
    /// The report.
    pub report: &'a [u8],
    /// Certificates of signing key, intermediate and root.
    pub certificates: &'a [Vec<u8>],
    /// The root's revocation list.
    pub revocation_list: Option<&'a [u8]>,
    /// Trusted roots.
    pub anchors: &'a SnpAnchors,
    /// What else is demanded.
    pub policy: &'a SnpPolicy,
    /// What the evidence must be bound to.
    pub expected: Expected<'a>,
    /// The verifier's wall clock, Unix seconds.
    pub now_unix_s: u64,
}

/// What is known about an accepted report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnpAppraised {
    /// Names the evidence.
    pub evidence_id: EvidenceId,
    /// The report.
    pub report: SnpReport,
    /// Family of the processor.
    pub product: Product,
    /// Who signed.
    pub signing_key: SigningKey,
    /// Security versions.
    pub tcb: StatedTcb,
    /// Kind of the root.
    pub anchor: AnchorKind,
    /// First second for which this holds.
    pub valid_from_unix_s: u64,
    /// Last second for which this holds.
    pub expires_unix_s: u64,
}

/// Names a report if it is in canonical form. Nothing is verified.
pub(crate) fn evidence_id(bytes: &[u8]) -> Option<EvidenceId> {
    SnpReport::parse(bytes).ok()?;
    Some(id_of(bytes))
}

fn id_of(bytes: &[u8]) -> EvidenceId {
    if planted(Bug::NameWholeBlob) {
        return EvidenceId::of_snp(bytes);
    }
    EvidenceId::of_snp(&bytes[..SIGNED_LEN_BYTES.min(bytes.len())])
}

/// The family of processors whose trusted root a chain ends in. Nothing is verified.
pub(crate) fn product_of(certificates: &[Vec<u8>], anchors: &SnpAnchors) -> Result<Product, SnpReason> {
    let chain = chain::read(certificates, 3..=3)?;
    chain
        .last()
        .and_then(|root| anchors.product_of(root))
        .ok_or(SnpReason::UntrustedRoot {
            trusted: anchors.kind(),
        })
}

/// What holds of a report whatever a policy says of it.
pub(crate) struct VerifiedReport {
    pub(crate) report: SnpReport,
    pub(crate) product: Product,
    pub(crate) tcb: StatedTcb,
    pub(crate) claims: SigningKeyClaims,
    /// Number of the revocation list, if there was one.
    pub(crate) list_number: Option<u64>,
    pub(crate) window: Window,
}

/// Everything that does not depend on the policy: encoding, root, chain, revocation, what the certificate says,
/// signature, order of versions.
pub(crate) fn verify(input: &SnpInput<'_>) -> Result<VerifiedReport, SnpReason> {
    let report = SnpReport::parse(input.report)?;
    let chain = chain::read(input.certificates, 3..=3)?;
    let [signer, intermediate, root] = chain.as_slice() else {
        return Err(ChainFault::Length {
            certificates: chain.len(),
        }
        .into());
    };
    let product = input.anchors.product_of(root).ok_or(SnpReason::UntrustedRoot {
        trusted: input.anchors.kind(),
    })?;
    let mut window = chain::verify(&chain, input.now_unix_s)?;
    let list_number = check_revocation(input, [signer, intermediate, root], &mut window)?;

    let claims = SigningKeyClaims::read(signer, product).map_err(|what| SnpReason::Endorsement { what })?;
    let tcb = report.tcb(product)?;
    check_endorsement(&report, &tcb, &claims, product)?;
    check_signature(input.report, signer, product)?;
    check_order(&tcb)?;
    Ok(VerifiedReport {
        report,
        product,
        tcb,
        claims,
        list_number,
        window,
    })
}

/// Appraises a report.
///
/// # Errors
/// The first reason to refuse it, in the order: encoding, root, chain, revocation, what the certificate says, signature,
/// TCB, revocation list, guest, lists, binding.
pub fn appraise(input: &SnpInput<'_>) -> Result<SnpAppraised, SnpReason> {
    let VerifiedReport {
        report,
        product,
        tcb,
        claims,
        list_number,
        window,
    } = verify(input)?;
    check_list(list_number, input.policy)?;
    check_policy(&report, &tcb, &claims, product, input.policy)?;
    let age = input
        .expected
        .check(&report.report_data, input.policy.max_challenge_age_s, input.now_unix_s)?;
    Ok(SnpAppraised {
        evidence_id: id_of(input.report),
        report,
        product,
        signing_key: claims.key,
        tcb,
        anchor: input.anchors.kind(),
        valid_from_unix_s: window.from_unix_s,
        expires_unix_s: window.until_unix_s.min(age),
    })
}

fn check_revocation(
    input: &SnpInput<'_>,
    [signer, intermediate, root]: [&StrictCertificate; 3],
    window: &mut Window,
) -> Result<Option<u64>, SnpReason> {
    let Some(der) = input.revocation_list.filter(|_| !planted(Bug::IgnoreRevocation)) else {
        return Ok(None);
    };
    let list = RevocationList::verify(der, root, input.now_unix_s)?;
    list.check(1, intermediate)?;
    list.check(0, signer)?;
    window.from_unix_s = window.from_unix_s.max(list.window.from_unix_s);
    window.until_unix_s = window.until_unix_s.min(list.window.until_unix_s);
    Ok(Some(list.number))
}

fn check_list(number: Option<u64>, policy: &SnpPolicy) -> Result<(), SnpReason> {
    match number {
        None if policy.require_revocation_list && !planted(Bug::IgnoreRevocation) => Err(SnpReason::NoRevocationList),
        Some(number) if number < policy.min_crl_number && !planted(Bug::IgnoreCollateralNumbers) => {
            Err(SnpReason::RevocationListRolledBack { number })
        }
        _ => Ok(()),
    }
}

/// That the certificate is of the key that this report, of this chip at this TCB, is signed with.
fn check_endorsement(
    report: &SnpReport,
    tcb: &StatedTcb,
    claims: &SigningKeyClaims,
    product: Product,
) -> Result<(), SnpReason> {
    if let Some(cpuid) = report.cpuid
        && Product::of_cpuid(cpuid) != Some(product)
    {
        return Err(SnpReason::Product { certified: product });
    }
    let named = match report.key_info.signing_key {
        0 => SigningKey::Vcek,
        1 => SigningKey::Vlek,
        _ => return Err(SnpReason::SigningKey),
    };
    // A masked chip key signs nothing.
    if named != claims.key || report.key_info.mask_chip_key {
        return Err(SnpReason::SigningKey);
    }
    if report.key_info.author_key != (report.author_key_digest != [0; 48]) {
        return Err(ReportFault::Value { offset: 0x48 }.into());
    }
    if tcb.reported != claims.tcb && !planted(Bug::SnpTcb) {
        return Err(SnpReason::CertifiedTcb {
            reported: tcb.reported,
            certified: claims.tcb,
        });
    }
    if claims.key == SigningKey::Vcek && !claims.is_for_chip(&report.chip_id) && !planted(Bug::SnpChipId) {
        return Err(SnpReason::Chip);
    }
    Ok(())
}

fn check_signature(bytes: &[u8], signer: &StrictCertificate, product: Product) -> Result<(), SnpReason> {
    let whole: &[u8; REPORT_LEN_BYTES] = bytes.try_into().map_err(|_| SnpReason::Signature)?;
    if !signer.is_p384() {
        return Err(ChainFault::Algorithm { at: 0 }.into());
    }
    let signed = &whole[..SIGNED_LEN_BYTES];
    let reencoded;
    let signed = if planted(Bug::SnpReencode) {
        reencoded = report::reencoded(signed, product);
        &reencoded
    } else {
        signed
    };
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, signer.public_key())
        .verify(signed, &report::signature(whole))
        .map_err(|_| SnpReason::Signature)
}

/// Firmware reports no version that it could not be rolled back to, and is committed to none that does not run.
fn check_order(tcb: &StatedTcb) -> Result<(), SnpReason> {
    for (higher, lower, ordered) in [
        ("committed", "reported", tcb.committed.is_at_least(&tcb.reported)),
        ("current", "committed", tcb.current.is_at_least(&tcb.committed)),
        ("current", "launch", tcb.current.is_at_least(&tcb.launch)),
    ] {
        if !ordered {
            return Err(SnpReason::Tcb { higher, lower });
        }
    }
    Ok(())
}

fn check_policy(
    report: &SnpReport,
    tcb: &StatedTcb,
    claims: &SigningKeyClaims,
    product: Product,
    policy: &SnpPolicy,
) -> Result<(), SnpReason> {
    if !policy.allowed_products.contains(&product) {
        return Err(SnpReason::ProductNotAllowed { product });
    }
    if !policy.allowed_signing_keys.contains(&claims.key) {
        return Err(SnpReason::SigningKeyNotAllowed { key: claims.key });
    }
    if let Some(fault) = guest_fault(report, tcb, product, policy) {
        return Err(SnpReason::Guest(fault));
    }
    for (permitted, field) in [
        (policy.allowed_measurements.permits(&report.measurement), "measurement"),
        (policy.allowed_host_data.permits(&report.host_data), "host data"),
        (policy.allowed_id_keys.permits(&report.id_key_digest), "identity key"),
        (
            policy.allowed_author_keys.permits(&report.author_key_digest),
            "author key",
        ),
        (
            claims
                .provider
                .as_ref()
                .is_none_or(|provider| policy.allowed_providers.permits(provider)),
            "provider",
        ),
    ] {
        if !permitted {
            return Err(SnpReason::NotAllowed { field });
        }
    }
    if policy.allowed_chips.permits(&report.chip_id) {
        Ok(())
    } else {
        Err(SnpReason::PlatformNotAllowed)
    }
}

fn guest_fault(report: &SnpReport, tcb: &StatedTcb, product: Product, policy: &SnpPolicy) -> Option<GuestFault> {
    let (guest, platform) = (report.policy, report.platform_info);
    let [build, minor, major] = report.firmware;
    let mitigated = |vector: u64| vector & policy.required_mitigations == policy.required_mitigations;
    let (launch, current) = report.mitigations.unwrap_or((0, 0));
    let migrates = guest.migration_agent() || report.migration_agent != [0xff; 32];
    [
        (
            guest.debug() && !policy.allow_debug && !planted(Bug::SnpDebug),
            GuestFault::Debug,
        ),
        (migrates && !policy.allow_migration_agent, GuestFault::MigrationAgent),
        ((guest.smt() || platform.smt()) && !policy.allow_smt, GuestFault::Smt),
        (guest.cxl() && !policy.allow_cxl, GuestFault::Cxl),
        (
            policy.require_single_socket && !guest.single_socket(),
            GuestFault::SingleSocket,
        ),
        (
            policy.require_aes_256_xts && !guest.aes_256_xts(),
            GuestFault::Aes256Xts,
        ),
        (
            policy.require_rapl_disabled && !(guest.rapl_disabled() && platform.rapl_disabled()),
            GuestFault::Rapl,
        ),
        (
            policy.require_ciphertext_hiding && !(guest.ciphertext_hiding() && platform.ciphertext_hiding()),
            GuestFault::CiphertextHiding,
        ),
        (
            policy.require_page_swap_disabled && !guest.page_swap_disabled(),
            GuestFault::PageSwap,
        ),
        (
            policy.require_alias_check && !platform.alias_check(),
            GuestFault::AliasCheck,
        ),
        (
            !policy.allowed_vmpl.contains(&report.vmpl) && !planted(Bug::SnpVmpl),
            GuestFault::Vmpl,
        ),
        (!mitigated(launch) || !mitigated(current), GuestFault::Mitigations),
        ([major, minor, build] < policy.min_firmware, GuestFault::Firmware),
        (report.guest_svn < policy.min_guest_svn, GuestFault::GuestSvn),
        (
            policy
                .min_committed_tcb
                .get(&product)
                .is_some_and(|minimum| !tcb.committed.is_at_least(minimum))
                && !planted(Bug::SnpCommittedTcb),
            GuestFault::CommittedTcb,
        ),
    ]
    .into_iter()
    .find_map(|(wrong, fault)| wrong.then_some(fault))
}
