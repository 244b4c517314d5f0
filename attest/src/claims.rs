//! What evidence says, verified, for policies that are not written in Rust.
//!
//! [`claims`] makes every check of [`crate::appraise::appraise`] that does not depend on a policy, and gives the facts as
//! a JSON document: bits as sets of their numbers, digests in lower-case hexadecimal, times in Unix seconds. What the
//! policy is to judge is in there as the hardware has it and not yet judged, so that a policy in another language does
//! not repeat what the typed one has concluded.

use crate::{anchors::TrustStore, snp::SnpTcb};
use crate::{
    anchors::{AnchorKind, SimulationOnly},
    appraise::{Endorsements, Reason},
    evidence::{Evidence, EvidenceKind},
    freshness::Expected,
    gpu::{self, GpuInput, GpuPolicy, rim::RimKind},
    policy::{AppraisalRules, AttributeRule},
    snp::{self, SigningKey, SnpInput, SnpPolicy},
    tdx::{
        TdReport,
        appraise::{self as tdx, VerifiedQuote},
        image_hash,
    },
};
use dcap_qvl::PckCertFlag;
use serde_json::{Value, json};

/// Everything besides the evidence that its claims depend on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The verifier's wall clock, Unix seconds.
    pub now_unix_s: u64,
    /// Whose evidence is accepted.
    pub trust: &'a TrustStore,
    /// What vendors say about platforms.
    pub endorsements: Endorsements<'a>,
    /// What the evidence must be bound to. Its age is left to the policy.
    pub expected: Expected<'a>,
}

/// The claims of evidence of any kind.
///
/// # Errors
/// Why every policy must refuse it. Collateral that has expired is none: the document has its dates.
pub fn claims(evidence: &Evidence<'_>, context: &Context<'_>) -> Result<Value, Reason> {
    let mut claims = match evidence.kind()? {
        EvidenceKind::Sgx => return Err(Reason::Sgx),
        EvidenceKind::Tdx => tdx_claims(evidence, context)?,
        EvidenceKind::Snp => snp_claims(evidence, context)?,
        EvidenceKind::NvidiaGpu => gpu_claims(evidence, context)?,
    };
    claims["anchor"] = json!(match context.trust.kind() {
        AnchorKind::Vendor => "vendor",
        AnchorKind::Simulation => "simulation",
    });
    Ok(claims)
}

fn challenge(is_bound: bool, expected: &Expected<'_>) -> Value {
    json!({ "is_bound": is_bound, "sent_unix_s": expected.challenged_unix_s })
}

fn bits(value: u64) -> Vec<u32> {
    (0..u64::BITS).filter(|bit| value >> bit & 1 == 1).collect()
}

fn tdx_claims(evidence: &Evidence<'_>, context: &Context<'_>) -> Result<Value, Reason> {
    let kind = EvidenceKind::Tdx;
    if !evidence.certificates.is_empty() {
        return Err(Reason::SurplusCertificates);
    }
    let anchors = context.trust.tdx().ok_or(Reason::NoAnchors { kind })?;
    let quote = tdx::Quote::read(evidence.bytes)?;
    let collateral = context
        .endorsements
        .tdx_collateral
        .ok_or(Reason::Tdx(tdx::Reason::NoCollateral { fmspc: *quote.fmspc() }))?;
    // Nothing may be judged here, and nothing is accepted here.
    let rules = AppraisalRules {
        collateral_grace_s: u64::MAX,
        td_attributes: AttributeRule::Reference(SimulationOnly::accept_no_security()),
        ..AppraisalRules::default()
    };
    let VerifiedQuote { claims, event_log } = quote.verify(&tdx::Context {
        now_unix_s: context.now_unix_s,
        anchors,
        collateral,
        policy: &rules,
        event_log: evidence.event_log,
        expected: context.expected,
    })?;
    let report = quote.report();
    let bound = context.expected.check(&report.report_data, None, context.now_unix_s);
    bound.map_err(tdx::Reason::from)?;
    let flag = |flag| match flag {
        PckCertFlag::True => json!(true),
        PckCertFlag::False => json!(false),
        PckCertFlag::Undefined => Value::Null,
    };
    let pck = &claims.platform.pck;
    let current = claims.platform.current_tcb_level.as_ref();
    Ok(json!({
        "kind": kind.name(),
        "tcb": {
            "status": tdx::TcbStatus::from(claims.tcb.status),
            "evaluation_number": claims.tcb.eval_data_number,
            "level_date_unix_s": claims.platform.tcb_date_tag,
            "advisories": claims.tcb.advisory_ids,
            "current_advisories": current.map(|level| &level.advisory_ids),
        },
        "platform": {
            "ppid": hex::encode(quote.ppid()),
            "fmspc": hex::encode(quote.fmspc()),
            "dynamic": flag(pck.dynamic_platform),
            "cached_keys": flag(pck.cached_keys),
            "smt": flag(pck.smt_enabled),
        },
        "collateral": {
            "issued_unix_s": collateral.issued_unix_s(),
            "expires_unix_s": collateral.expires_unix_s(),
            "crl_numbers": [claims.platform.root_ca_crl_num, claims.platform.pck_crl_num],
        },
        "td": td_claims(report),
        "events": event_log.map(|log| {
            log.events.iter().map(|event| hex::encode(event.digest)).collect::<Vec<_>>()
        }),
        "challenge": challenge(context.expected.report_data.is_some(), &context.expected),
    }))
}

fn td_claims(report: &TdReport) -> Value {
    let td = &report.measurements;
    json!({
        "attribute_bits": bits(u64::from_le_bytes(td.td_attributes)),
        "xfam_bits": bits(u64::from_le_bytes(td.xfam)),
        "service_td": report.tdx_1_5.map(|body| hex::encode(body.mr_service_td)),
        "mr_seam": hex::encode(report.mr_seam),
        "mr_td": hex::encode(td.mr_td),
        "rtmr": td.rtmr.map(hex::encode),
        "image_hash": hex::encode(image_hash(report)),
    })
}

fn snp_claims(evidence: &Evidence<'_>, context: &Context<'_>) -> Result<Value, Reason> {
    let verified = snp::appraise::verify(&SnpInput {
        report: evidence.bytes,
        certificates: evidence.certificates,
        revocation_list: context.endorsements.snp_revocation_list,
        anchors: context.trust.snp(),
        policy: &SnpPolicy::default(),
        expected: context.expected,
        now_unix_s: context.now_unix_s,
    })?;
    let report = &verified.report;
    let bound = context.expected.check(&report.report_data, None, context.now_unix_s);
    bound.map_err(snp::SnpReason::from)?;
    let version = |tcb: &SnpTcb| [tcb.fmc, tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode];
    let [build, minor, major] = report.firmware;
    let (at_launch, current) = report.mitigations.unwrap_or_default();
    Ok(json!({
        "kind": EvidenceKind::Snp.name(),
        "product": verified.product,
        "signing_key": verified.claims.key,
        "provider": verified.claims.provider,
        "is_loaded_key": verified.claims.key == SigningKey::Vlek,
        "crl_number": verified.list_number,
        "committed_tcb": version(&verified.tcb.committed),
        "reported_tcb": version(&verified.tcb.reported),
        "firmware": [major, minor, build],
        "guest": {
            "svn": report.guest_svn,
            "vmpl": report.vmpl,
            "policy_bits": bits(report.policy.0),
            "migration_agent": hex::encode(report.migration_agent),
            "measurement": hex::encode(report.measurement),
            "host_data": hex::encode(report.host_data),
            "id_key_digest": hex::encode(report.id_key_digest),
            "author_key_digest": hex::encode(report.author_key_digest),
        },
        "platform_bits": bits(report.platform_info.0),
        "chip_id": hex::encode(report.chip_id),
        "mitigation_bits": { "launch": bits(at_launch), "current": bits(current) },
        "challenge": challenge(context.expected.report_data.is_some(), &context.expected),
    }))
}

fn gpu_claims(evidence: &Evidence<'_>, context: &Context<'_>) -> Result<Value, Reason> {
    let verified = gpu::appraise::verify(&GpuInput {
        measurements: evidence.bytes,
        certificates: evidence.certificates,
        manifests: context.endorsements.gpu_manifests,
        manifest_memo: context.endorsements.gpu_manifest_memo,
        anchors: context.trust.gpu(),
        policy: &GpuPolicy::default(),
        expected: context.expected,
        now_unix_s: context.now_unix_s,
    })?;
    let report = &verified.report;
    let bound = context.expected.check_nonce(&report.nonce, None, context.now_unix_s);
    bound.map_err(gpu::GpuReason::from)?;
    Ok(json!({
        "kind": EvidenceKind::NvidiaGpu.name(),
        "chip": verified.chip,
        "device": hex::encode(verified.device),
        "driver": report.driver_version,
        "vbios": report.vbios_version,
        "mode": report.mode,
        "states_firmware": report.firmware_id.is_some(),
        "manifests": {
            "driver": verified.manifests.contains(&RimKind::Driver),
            "vbios": verified.manifests.contains(&RimKind::Vbios),
        },
        "challenge": challenge(context.expected.nonce.is_some(), &context.expected),
    }))
}
