//! What becomes of service when the trust behind it is withdrawn.

use super::{Checked, Violation};
use crate::{
    plan::{BindingPlan, Plan},
    recorder::{Fault, Rows},
};

/// What a connection may take to close, and an answer that is under way to reach whoever counts it.
const MARGIN_NS: u64 = 5_000_000_000;

/// How long nodes of this plan may go on after trust was withdrawn. Those of the reference system have no such bound: they
/// are measured by that of the others.
fn bound_ns(plan: &Plan) -> u64 {
    let recheck_ns = |binding| match binding {
        BindingPlan::Session { recheck_ns, .. } => Some(recheck_ns),
        BindingPlan::Certificate => None,
    };
    recheck_ns(plan.attestation.binding)
        .or_else(|| recheck_ns(BindingPlan::default()))
        .unwrap_or(0)
        .saturating_add(MARGIN_NS)
}

/// Whether this fault takes the trust in a node away.
fn distrusts(plan: &Plan, fault: &Fault, node: &str) -> bool {
    let is_proxy = plan.proxies.iter().any(|proxy| proxy.node.name == node);
    let worker = plan.workers.iter().find(|worker| worker.node.name == node);
    match fault.kind.as_str() {
        "revoke_platform" => fault.target == node,
        "tcb_recovery" | "revoke_authority" => is_proxy || worker.is_some(),
        "remove_image" => match fault.target.as_str() {
            "proxies" => is_proxy,
            _ => worker.is_some(),
        },
        "remove_model" => worker.is_some_and(|worker| worker.model == fault.target),
        _ => false,
    }
}

/// No request is served to its end by a node that is no longer trusted.
pub(super) fn withdrawn(plan: &Plan, rows: &Rows) -> Checked {
    let bound_ns = bound_ns(plan);
    let mut count = 0;
    for fault in &rows.faults {
        let is_about_trust = matches!(
            fault.kind.as_str(),
            "revoke_platform" | "revoke_authority" | "tcb_recovery" | "remove_image" | "remove_model"
        );
        if !is_about_trust {
            continue;
        }
        count += 1;
        let until_ns = fault.at_ns.saturating_add(bound_ns);
        let served = rows
            .ends
            .iter()
            .find(|end| end.code == 0 && end.at_ns > until_ns && distrusts(plan, fault, &end.node));
        if let Some(end) = served {
            let text = format!(
                "{} served request {} {} s after {} of {}",
                end.node,
                end.request_id,
                end.at_ns.saturating_sub(fault.at_ns) / 1_000_000_000,
                fault.kind,
                fault.target
            );
            return Checked::violated(count, Violation::at(end.at_ns, text));
        }
    }
    Checked::held(count)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::plan, *};
    use crate::recorder::End;

    const S: u64 = 1_000_000_000;

    fn end(node: &str, at_s: u64, code: i64) -> End {
        End {
            at_ns: at_s * S,
            node: node.into(),
            role: "worker".into(),
            request_id: "ab".into(),
            code,
            prompt_tokens: 0,
            cached_tokens: 0,
            completion_tokens: 0,
            reasoning_tokens: 0,
            adjusted_tokens: 0,
        }
    }

    fn after(kind: &str, target: &str, ends: Vec<End>) -> Checked {
        let rows = Rows {
            faults: vec![Fault {
                at_ns: 100 * S,
                kind: kind.into(),
                target: target.into(),
            }],
            ends,
            ..Rows::default()
        };
        withdrawn(&plan(), &rows)
    }

    #[test]
    fn service_ends_within_the_bound() {
        let plan = plan();
        let (worker, model) = (plan.workers[0].node.name.clone(), plan.workers[0].model.clone());
        for (kind, target) in [
            ("revoke_platform", worker.as_str()),
            ("tcb_recovery", "vendor"),
            ("remove_image", "workers"),
            ("remove_model", model.as_str()),
        ] {
            assert!(after(kind, target, vec![end(&worker, 120, 0)]).is_held_by(1), "{kind}");
            assert!(after(kind, target, vec![end(&worker, 130, -1)]).is_held_by(1), "{kind}");
            assert!(
                after(kind, target, vec![end(&worker, 130, 0)]).violation().is_some(),
                "{kind}"
            );
        }
        for (kind, target) in [
            ("revoke_platform", "somebody"),
            ("remove_image", "proxies"),
            ("remove_model", "another"),
        ] {
            assert!(after(kind, target, vec![end(&worker, 130, 0)]).is_held_by(1), "{kind}");
        }
        assert!(after("kill", &worker, vec![end(&worker, 130, 0)]).is_held_by(0));
    }
}
