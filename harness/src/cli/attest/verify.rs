//! attest verify.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrysalis_attest::anchors::AnchorKind;
use chrysalis_attest::appraise::{Accepted, Appraisal};
use chrysalis_attest::calendar::rfc3339;
use chrysalis_attest::files;
use chrysalis_attest::rego::RegoPolicy;
use chrysalis_attest::tdx::appraise::Endorsement;
use serde_json::json;

use super::args::Verify;
use super::input::{Judge, read_as, rego_policy};
use super::{columns, line};
use crate::cli::args::Global;
use crate::cli::problem::CommandError;
use crate::exit::Exit;
use crate::host::Host;

/// `chrysalis attest verify`
///
/// # Errors
/// What cannot be read. With `--json` the verdict `unreadable` is on stdout as well.
pub fn verify(host: &mut Host<'_>, global: &Global, command: &Verify) -> Result<Exit, CommandError> {
    let done = judged(host, global, command);
    if let Err(error) = &done
        && global.json
    {
        host.data(
            &json!({
                "verdict": "unreadable", "kind": null, "tcb_status": null, "reasons": [line(&error.to_string())],
                "identity": null, "anchor": null, "expires": null,
            })
            .to_string(),
        );
    }
    done
}

fn judged(host: &mut Host<'_>, global: &Global, command: &Verify) -> Result<Exit, CommandError> {
    let evidence = read_as(host, &command.evidence, files::evidence)?;
    let judge = Judge::read(host, &command.judgement)?;
    let rego = match &command.rego {
        Some(path) => Some(rego_policy(host, path)?),
        None if command.second_opinion => Some(second_opinion()),
        None => None,
    };
    let mut exit = Exit::Pass;
    for (n, one) in evidence.iter().enumerate() {
        let appraisal = judge.appraise(one);
        let rego = rego.as_ref().map(|policy| judge.rego(policy, one));
        let is_accepted = appraisal.is_accepted() && rego.as_ref().is_none_or(BTreeSet::is_empty);
        if !is_accepted {
            exit = Exit::Refused;
        }
        if command.claims {
            host.data(&match judge.claims(one) {
                Ok(claims) => format!("{claims:#}"),
                Err(reason) => json!({ "refused": line(&reason.to_string()) }).to_string(),
            });
        } else if global.json {
            host.data(&machine(&appraisal, rego.as_ref()));
        } else {
            let which = if evidence.len() > 1 {
                format!("{n}: ")
            } else {
                String::new()
            };
            host.data(&format!("{which}{}", judged_twice(&appraisal, rego.as_ref())));
        }
        if !global.quiet && n == 0 {
            for note in judge.notes(appraisal.kind) {
                host.say(&format!("note: {}", line(&note)));
            }
        }
    }
    Ok(exit)
}

/// One JSON object: the contract of `--json`.
fn machine(appraisal: &Appraisal, rego: Option<&BTreeSet<String>>) -> String {
    let mut report = appraisal.report();
    report
        .reasons
        .extend(rego.into_iter().flatten().map(|reason| format!("rego: {reason}")));
    if !report.reasons.is_empty() {
        report.verdict = "refused";
    }
    for reason in &mut report.reasons {
        *reason = line(reason);
    }
    json!(report).to_string()
}

/// The verdict for people, and what the policy in Rego says of it.
fn judged_twice(appraisal: &Appraisal, rego: Option<&BTreeSet<String>>) -> String {
    let of_types = people(appraisal);
    let Some(reasons) = rego else {
        return of_types;
    };
    let rows: Vec<_> = reasons.iter().map(|reason| ("reason", reason.clone())).collect();
    let rows = columns(&rows);
    match (appraisal.is_accepted(), reasons.is_empty()) {
        (true, false) => {
            let kind = appraisal.kind.map_or("evidence", |kind| kind.name());
            format!("refused: {kind}, by the policy in Rego\n{rows}by the typed rules alone it is {of_types}")
        }
        (_, true) => format!("{of_types}the policy in Rego accepts it\n"),
        (false, false) => format!("{of_types}the policy in Rego refuses it too\n{rows}"),
    }
}

fn second_opinion() -> RegoPolicy {
    #[expect(clippy::expect_used, reason = "a constant of this program, which its tests read")]
    RegoPolicy::second_opinion().expect("the embedded policy is Rego")
}

/// The verdict for people.
pub(super) fn people(appraisal: &Appraisal) -> String {
    let kind = appraisal.kind.map_or("evidence of no known kind", |kind| kind.name());
    let mut rows = Vec::new();
    let verdict = match &appraisal.outcome {
        Ok(accepted) => {
            let anchor = match accepted.anchor() {
                Some(AnchorKind::Vendor) => "the vendor's root",
                Some(AnchorKind::Simulation) => "a SIMULATED root: it proves nothing about hardware",
                None => "no root",
            };
            facts(accepted, &mut rows);
            let (from, until) = accepted.window_unix_s();
            rows.push(("valid from", rfc3339(from)));
            rows.push(("valid until", rfc3339(until)));
            format!("accepted: {kind}, chained to {anchor}")
        }
        Err(reason) => {
            rows.push(("reason", reason.to_string()));
            rows.push(("about", format!("{:?}", reason.class()).to_lowercase()));
            format!("refused: {kind}")
        }
    };
    let identity = appraisal
        .identity
        .map_or("none: not in canonical form".to_owned(), |id| hex::encode(id.0));
    rows.push(("identity", identity));
    let mut out = format!("{verdict}\n");
    let _ = write!(out, "{}", columns(&rows));
    out
}

fn facts(accepted: &Accepted, rows: &mut Vec<(&'static str, String)>) {
    match accepted {
        Accepted::Tdx(verdict) => {
            if let Endorsement::Tdx(endorsement) = &verdict.endorsement {
                rows.push(("TCB status", format!("{:?}", endorsement.tcb_status)));
                if !endorsement.advisories.is_empty() {
                    rows.push(("advisories", endorsement.advisories.join(", ")));
                }
                rows.push(("TCB evaluation", endorsement.tcb_evaluation_number.to_string()));
                rows.push(("FMSPC", hex::encode(endorsement.platform.fmspc)));
            }
            rows.push(("image hash", hex::encode(verdict.image_hash)));
            rows.push(("MRTD", hex::encode(verdict.report.measurements.mr_td)));
        }
        Accepted::Snp(verdict) => {
            let tcb = &verdict.tcb.committed;
            rows.push(("processor", verdict.product.name().to_owned()));
            rows.push(("signing key", format!("{:?}", verdict.signing_key).to_uppercase()));
            rows.push((
                "committed TCB",
                format!(
                    "boot loader {}, TEE {}, SNP {}, microcode {}",
                    tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode
                ),
            ));
            rows.push(("measurement", hex::encode(verdict.report.measurement)));
        }
        Accepted::Gpu(verdict) => {
            rows.push(("chip", verdict.chip.clone()));
            rows.push(("driver", verdict.report.driver_version.clone()));
            rows.push(("VBIOS", verdict.report.vbios_version.clone()));
            let mode = verdict.report.mode;
            rows.push((
                "mode",
                mode.map_or("not stated".to_owned(), |mode| format!("{mode:?}").to_uppercase()),
            ));
            rows.push(("device", hex::encode(verdict.device)));
        }
    }
}
