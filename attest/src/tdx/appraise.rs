//! Quote in, verdict or typed reason out.
//!
//! [`appraise`] is a pure function: the time, the anchors, the collateral and the rules are arguments, and it never
//! panics. The signature engine is `dcap-qvl`; around it stand the checks that it leaves to its caller or does not make
//! (canonical encoding, PCE id, revocation lists from the future, attribute bits, XFAM, allow-lists).
//!
//! | module | holds |
//! |---|---|
//! | [`verdict`] | what is known after acceptance |
//! | [`reason`] | why evidence was refused |
//! | `canonical` | refuses every encoding but one, before any cryptography |
//! | `attributes` | TD attributes and XFAM |
//! | `failure` | the engine's messages as typed reasons |
//! | `stem` | what a TD's quotes have in common, so that it is judged once |

mod attributes;
mod canonical;
mod failure;
pub mod reason;
mod stem;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use crate::evidence::EvidenceId;
pub use canonical::MAX_QUOTE_LEN_BYTES;
pub(crate) use canonical::pem_of;
pub use reason::{AttributeFault, MeasuredField, Reason};
pub(crate) use stem::Stem;
pub(crate) use verdict::pseudonym;
pub use verdict::{Endorsement, PlatformId, TcbStatus, TdxEndorsement, Verdict};

use crate::{
    collateral::{Collateral, Fmspc},
    freshness::Expected,
    planted::{Bug, planted},
    policy::{AppraisalRules, AttributeRule, FakeTdxPolicy, PlatformFlags, TolerableAttribute, TrustAnchors},
    tdx::{FAKE_QUOTE_LEN_BYTES, TdReport, event_log::EventLog, image_hash},
};
use canonical::CanonicalQuote;
use dcap_qvl::{PckCertFlag, PckIdentity, QuoteClaims, QuotePolicy, verify::QuoteVerifier};

/// Everything besides the quote that an appraisal depends on.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The verifier's wall clock, Unix seconds.
    pub now_unix_s: u64,
    /// Whose evidence is accepted.
    pub anchors: &'a TrustAnchors,
    /// What the vendor says about the platform's family.
    pub collateral: &'a Collateral,
    /// What else is demanded.
    pub policy: &'a AppraisalRules,
    /// Log of what the TD measured while it ran.
    pub event_log: Option<&'a [u8]>,
    /// What the quote must be bound to.
    pub expected: Expected<'a>,
}

/// Appraises a TDX quote of version 4 or 5.
///
/// # Errors
/// The first reason to refuse it, in the order: encoding, root, collateral's dates and subject, signatures, TCB,
/// platform, TD attributes, measurements.
pub fn appraise(quote: &[u8], context: &Context<'_>) -> Result<Verdict, Reason> {
    Quote::read(quote)?.appraise(context)
}

/// The processor family that a quote claims, which tells what collateral to appraise it with. Not verified.
///
/// # Errors
/// The quote is not in canonical form.
pub fn claimed_fmspc(quote: &[u8]) -> Result<Fmspc, Reason> {
    Ok(Quote::read(quote)?.pck.fmspc)
}

/// A quote in canonical form with the claims of its platform certificate. Nothing of it is verified.
pub(crate) struct Quote<'a> {
    bytes: &'a [u8],
    canonical: CanonicalQuote,
    pck: ClaimedPlatform,
}

/// What holds of a quote whatever a policy says of it.
pub(crate) struct VerifiedQuote {
    pub(crate) claims: QuoteClaims,
    /// The log that came with it; its registers are the quote's.
    pub(crate) event_log: Option<EventLog>,
}

struct ClaimedPlatform {
    fmspc: Fmspc,
    pce_id: Vec<u8>,
    ppid: [u8; 16],
}

impl<'a> Quote<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Reason> {
        let canonical = CanonicalQuote::parse(bytes)?;
        let pck = dcap_qvl::intel::parse_pck_extension(canonical.platform_certificate())
            .map_err(|_| Reason::PlatformCertificate)?;
        let ppid = pck
            .ppid
            .as_slice()
            .try_into()
            .map_err(|_| Reason::PlatformCertificate)?;
        Ok(Self {
            bytes,
            canonical,
            pck: ClaimedPlatform {
                fmspc: pck.fmspc,
                pce_id: pck.pce_id,
                ppid,
            },
        })
    }

    pub(crate) fn fmspc(&self) -> &Fmspc {
        &self.pck.fmspc
    }

    pub(crate) fn evidence_id(&self) -> EvidenceId {
        let named = if planted(Bug::NameWholeBlob) {
            self.bytes
        } else {
            self.signed_part()
        };
        EvidenceId::of_tdx(named, &self.pck.ppid)
    }

    fn signed_part(&self) -> &'a [u8] {
        &self.bytes[..self.canonical.signed_len_bytes()]
    }

    /// Everything that does not depend on what a policy accepts: root, dates, signatures, revocation, event log. Of the
    /// policy only the grace for collateral counts, and whether the signature engine is to refuse attributes.
    pub(crate) fn verify(&self, context: &Context<'_>) -> Result<VerifiedQuote, Reason> {
        let Context {
            now_unix_s,
            anchors,
            collateral,
            policy,
            event_log,
            ..
        } = *context;
        if !anchors.is_root(self.canonical.root_certificate()) {
            return Err(Reason::UntrustedRoot {
                trusted: anchors.kind(),
            });
        }
        // During an outage of the vendor the policy may let collateral count for longer: time stands still at its end.
        let collateral_end = collateral.expires_unix_s();
        let now_for_collateral = if now_unix_s <= collateral_end.saturating_add(policy.collateral_grace_s) {
            now_unix_s.min(collateral_end)
        } else {
            now_unix_s
        };
        self.check_collateral(collateral, now_for_collateral)?;
        let claims = self.check_signatures(context, now_for_collateral)?;
        check_dates(&claims, now_for_collateral)?;
        if claims.platform.root_key_id != anchors.root_key_id() {
            return Err(Reason::UntrustedRoot {
                trusted: anchors.kind(),
            });
        }
        let event_log = replayed(event_log, self.report())?;
        Ok(VerifiedQuote { claims, event_log })
    }

    pub(crate) fn report(&self) -> &TdReport {
        self.canonical.report()
    }

    pub(crate) fn ppid(&self) -> &[u8; 16] {
        &self.pck.ppid
    }

    pub(crate) fn appraise(&self, context: &Context<'_>) -> Result<Verdict, Reason> {
        let Context {
            now_unix_s,
            anchors,
            collateral,
            policy,
            expected,
            ..
        } = *context;
        let VerifiedQuote { claims, event_log } = self.verify(context)?;
        let age_s = now_unix_s.saturating_sub(collateral.issued_unix_s());
        if policy.max_collateral_age_s.is_some_and(|max_age_s| age_s > max_age_s) {
            return Err(Reason::CollateralTooOld { age_s });
        }
        let tcb_end = check_tcb(&claims, policy, now_unix_s)?;
        check_flags(&claims.platform.pck, policy.platform_flags)?;

        let report = self.report();
        if policy.td_attributes == AttributeRule::Production {
            let tolerated = &policy.tolerated_attributes;
            if !planted(Bug::TdxAttributes) {
                attributes::check(report, tolerated)?;
            }
        }
        check_measurements(report, policy)?;
        check_event_log(event_log.as_ref(), policy)?;
        if !policy.allowed_ppids.permits(&self.pck.ppid) {
            return Err(Reason::PlatformNotAllowed);
        }
        let challenge_end = expected.check(&report.report_data, policy.max_challenge_age_s, now_unix_s)?;
        let collateral_end = collateral.expires_unix_s();
        let mut expires_unix_s = claims.earliest_expiration_date;
        if expires_unix_s >= collateral_end {
            expires_unix_s = collateral_end.saturating_add(policy.collateral_grace_s);
        }
        if let Some(max_age_s) = policy.max_collateral_age_s {
            expires_unix_s = expires_unix_s.min(collateral.issued_unix_s().saturating_add(max_age_s));
        }
        Ok(Verdict {
            evidence_id: self.evidence_id(),
            image_hash: image_hash(report),
            report: *report,
            valid_from_unix_s: claims.latest_issue_date,
            expires_unix_s: expires_unix_s.min(tcb_end).min(challenge_end),
            endorsement: Endorsement::Tdx(TdxEndorsement {
                anchor: anchors.kind(),
                platform: PlatformId {
                    ppid: self.pck.ppid,
                    fmspc: self.pck.fmspc,
                },
                tcb_status: claims.tcb.status.into(),
                tcb_evaluation_number: claims.tcb.eval_data_number,
                advisories: claims.tcb.advisory_ids,
            }),
        })
    }

    fn check_collateral(&self, collateral: &Collateral, now_unix_s: u64) -> Result<(), Reason> {
        if collateral.fmspc() != self.pck.fmspc {
            return Err(Reason::CollateralForOtherFamily {
                platform: self.pck.fmspc,
                collateral: collateral.fmspc(),
            });
        }
        if collateral.pce_id() != *self.pck.pce_id && !planted(Bug::TdxPceId) {
            return Err(Reason::PceIdMismatch);
        }
        if now_unix_s < collateral.issued_unix_s() && !planted(Bug::AcceptFutureRevocationList) {
            return Err(Reason::NotYetValid {
                from_unix_s: collateral.issued_unix_s(),
            });
        }
        if now_unix_s > collateral.expires_unix_s() {
            return Err(Reason::Expired {
                at_unix_s: collateral.expires_unix_s(),
            });
        }
        Ok(())
    }

    /// All signatures and chains, revocation, identity of the quoting enclave, TCB levels.
    fn check_signatures(&self, context: &Context<'_>, now_unix_s: u64) -> Result<QuoteClaims, Reason> {
        let rules = context.policy;
        let lenient = rules.td_attributes != AttributeRule::Production || planted(Bug::TdxAttributes);
        QuoteVerifier::new(self.canonical.root_certificate().to_vec())
            .allow_debug(lenient)
            .allow_service_td(lenient || rules.tolerated_attributes.contains(&TolerableAttribute::ServiceTd))
            .verify_with_policy(
                self.bytes,
                context.collateral.parts(),
                now_unix_s,
                // The engine's own policy answers in prose; ours is below, typed.
                &QuotePolicy::claims_only(now_unix_s),
            )
            .map_err(|error| failure::classify(&error, self.canonical.report()))
    }
}

/// The engine refuses what has expired; what is dated in the future it accepts in revocation lists.
fn check_dates(claims: &QuoteClaims, now_unix_s: u64) -> Result<(), Reason> {
    if now_unix_s < claims.latest_issue_date && !planted(Bug::AcceptFutureRevocationList) {
        return Err(Reason::NotYetValid {
            from_unix_s: claims.latest_issue_date,
        });
    }
    if now_unix_s > claims.earliest_expiration_date {
        return Err(Reason::Expired {
            at_unix_s: claims.earliest_expiration_date,
        });
    }
    Ok(())
}

/// The last second for which the status passes.
fn check_tcb(claims: &QuoteClaims, rules: &AppraisalRules, now_unix_s: u64) -> Result<u64, Reason> {
    let status = TcbStatus::from(claims.tcb.status);
    let outdated = matches!(status, TcbStatus::OutOfDate | TcbStatus::OutOfDateConfigurationNeeded);
    let grace_end = rules
        .tcb_grace_s
        .filter(|_| outdated)
        .map(|grace_s| claims.platform.tcb_date_tag.saturating_add(grace_s))
        .filter(|end| now_unix_s <= *end);
    let end = if status == TcbStatus::Revoked {
        None
    } else if rules.accepted_tcb.contains(&status) || planted(Bug::TdxTcbStatus) {
        Some(u64::MAX)
    } else {
        grace_end
    };
    let end = end.ok_or(Reason::Tcb { status })?;
    if planted(Bug::IgnoreCollateralNumbers) {
        return Ok(end);
    }
    if claims.tcb.eval_data_number < rules.min_tcb_evaluation_number {
        return Err(Reason::CollateralRolledBack {
            field: "TCB evaluation number",
        });
    }
    if claims.platform.pck_crl_num.min(claims.platform.root_ca_crl_num) < rules.min_crl_number {
        return Err(Reason::CollateralRolledBack {
            field: "revocation list number",
        });
    }
    let current = claims
        .platform
        .current_tcb_level
        .iter()
        .flat_map(|level| &level.advisory_ids);
    match claims
        .tcb
        .advisory_ids
        .iter()
        .chain(current)
        .find(|id| rules.refused_advisories.contains(*id))
    {
        Some(advisory) => Err(Reason::Advisory {
            advisory: advisory.clone(),
        }),
        None => Ok(end),
    }
}

/// The log of a TD, which must give the registers that the TD reports. A log that is there counts whether or not it is
/// demanded.
fn replayed(log: Option<&[u8]>, report: &TdReport) -> Result<Option<EventLog>, Reason> {
    let log = log.map(EventLog::replay).transpose()?;
    let replayed = log.iter().flat_map(|log| &log.registers);
    let mut registers = replayed.zip(&report.measurements.rtmr);
    if let Some(register) = registers.position(|(replayed, reported)| replayed != reported)
        && !planted(Bug::TdxEventLog)
    {
        return Err(Reason::EventLogMismatch { register });
    }
    Ok(log)
}

/// Judges the log of a TD whose quote is judged elsewhere.
pub(crate) fn judge_event_log(log: Option<&[u8]>, report: &TdReport, rules: &AppraisalRules) -> Result<(), Reason> {
    check_event_log(replayed(log, report)?.as_ref(), rules)
}

/// What the TD measured while it ran must be what the policy demands.
fn check_event_log(log: Option<&EventLog>, rules: &AppraisalRules) -> Result<(), Reason> {
    if planted(Bug::TdxEventLog) {
        return Ok(());
    }
    let Some(log) = log else {
        let demanded = rules.require_event_log || !rules.required_events.is_empty();
        return if demanded { Err(Reason::NoEventLog) } else { Ok(()) };
    };
    match rules.required_events.iter().find(|digest| !log.measured(digest)) {
        Some(digest) => Err(Reason::EventMissing { digest: *digest }),
        None => Ok(()),
    }
}

fn check_flags(pck: &PckIdentity, allowed: PlatformFlags) -> Result<(), Reason> {
    for (flag, allowed, name) in [
        (pck.dynamic_platform, allowed.allow_dynamic_platform, "dynamic platform"),
        (pck.cached_keys, allowed.allow_cached_keys, "cached keys"),
        (pck.smt_enabled, allowed.allow_smt, "multithreading"),
    ] {
        if flag == PckCertFlag::True && !allowed {
            return Err(Reason::PlatformFlag { flag: name });
        }
    }
    Ok(())
}

fn check_measurements(report: &TdReport, rules: &AppraisalRules) -> Result<(), Reason> {
    let td = &report.measurements;
    for (permitted, field) in [
        (rules.allowed_mr_seam.permits(&report.mr_seam), MeasuredField::MrSeam),
        (rules.allowed_mr_td.permits(&td.mr_td), MeasuredField::MrTd),
        (rules.allowed_rtmr.permits(&td.rtmr), MeasuredField::Rtmr),
        (
            rules.allowed_image_hashes.permits(&td.image_hash()),
            MeasuredField::ImageHash,
        ),
    ] {
        if !permitted {
            return Err(Reason::NotAllowed { field });
        }
    }
    Ok(())
}

/// Appraises the 64-byte quote of a test network (spec §3.7). It is valid for ever and proves nothing.
///
/// # Errors
/// Any other length, or an image hash that the policy does not allow.
pub fn appraise_fake(quote: &[u8], policy: &FakeTdxPolicy) -> Result<Verdict, Reason> {
    let report_data: &[u8; FAKE_QUOTE_LEN_BYTES] = quote
        .try_into()
        .map_err(|_| Reason::NotFake { len_bytes: quote.len() })?;
    let report = TdReport::fake(*report_data);
    let image_hash = image_hash(&report);
    if !policy.allowed_image_hashes().permits(&image_hash) {
        return Err(Reason::NotAllowed {
            field: MeasuredField::ImageHash,
        });
    }
    Ok(Verdict {
        evidence_id: EvidenceId::of_fake(report_data),
        image_hash,
        report,
        valid_from_unix_s: 0,
        expires_unix_s: u64::MAX,
        endorsement: Endorsement::Fake,
    })
}
