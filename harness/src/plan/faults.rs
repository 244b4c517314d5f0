//! Times and lengths of faults.

use chrysalis_world::plan::{FaultAction, FaultPlan, SpanNs};

use super::sampling::span_ns;
use super::streams::{Stream, Streams};
use crate::scenario::model::{ActionTemplate, FaultTemplate};

/// The faults of a run, ordered by time; those of the same time as in the file.
pub(super) fn faults(templates: &[FaultTemplate], streams: &Streams) -> Vec<FaultPlan> {
    let mut faults: Vec<FaultPlan> = templates
        .iter()
        .map(|template| {
            let mut stream = streams.stream(&format!("plan/fault/{}", template.label));
            FaultPlan {
                at_ns: span_ns(template.at, &mut stream),
                action: action(&template.action, &mut stream),
            }
        })
        .collect();
    faults.sort_by_key(|fault| fault.at_ns);
    faults
}

fn action(template: &ActionTemplate, stream: &mut Stream) -> FaultAction {
    let draw = |span: &Option<SpanNs>, stream: &mut Stream| span.map(|span| span_ns(span, stream));
    match template {
        ActionTemplate::Kill {
            node,
            restart_after,
            wipe,
        } => FaultAction::Kill {
            node: node.clone(),
            restart_after_ns: draw(restart_after, stream),
            wipe: *wipe,
        },
        ActionTemplate::PowerLoss {
            node,
            restart_after,
            wipe,
        } => FaultAction::PowerLoss {
            node: node.clone(),
            restart_after_ns: draw(restart_after, stream),
            wipe: *wipe,
        },
        ActionTemplate::Pause { node, length } => FaultAction::Pause {
            node: node.clone(),
            length_ns: span_ns(*length, stream),
        },
        ActionTemplate::Partition {
            left,
            right,
            one_way,
            length,
        } => FaultAction::Partition {
            left: left.clone(),
            right: right.clone(),
            one_way: *one_way,
            length_ns: draw(length, stream),
        },
        ActionTemplate::Hold {
            left,
            right,
            one_way,
            length,
        } => FaultAction::Hold {
            left: left.clone(),
            right: right.clone(),
            one_way: *one_way,
            length_ns: draw(length, stream),
        },
        ActionTemplate::Link {
            from,
            to,
            one_way,
            link,
            length,
        } => FaultAction::Link {
            from: from.clone(),
            to: to.clone(),
            one_way: *one_way,
            link: link.clone(),
            length_ns: draw(length, stream),
        },
        ActionTemplate::ClockJump { node, by_ns } => FaultAction::ClockJump {
            node: node.clone(),
            by_ns: *by_ns,
        },
        ActionTemplate::OldDisk {
            node,
            copied_at_ns,
            restart_after,
        } => FaultAction::OldDisk {
            node: node.clone(),
            copied_at_ns: *copied_at_ns,
            restart_after_ns: span_ns(*restart_after, stream),
        },
        ActionTemplate::KillAt {
            node,
            moment,
            restart_after,
        } => FaultAction::KillAt {
            node: node.clone(),
            moment: *moment,
            restart_after_ns: span_ns(*restart_after, stream),
        },
        ActionTemplate::RevokePlatform { node } => FaultAction::RevokePlatform { node: node.clone() },
        ActionTemplate::TcbRecovery => FaultAction::TcbRecovery,
        ActionTemplate::FreezeCollateral { length } => FaultAction::FreezeCollateral {
            length_ns: draw(length, stream),
        },
        ActionTemplate::RevokeAuthority { authority } => FaultAction::RevokeAuthority { authority: *authority },
        ActionTemplate::OldCollateral { parts, length } => FaultAction::OldCollateral {
            parts: *parts,
            length_ns: draw(length, stream),
        },
        ActionTemplate::AllowForeignImage { image } => FaultAction::AllowForeignImage { image: *image },
        ActionTemplate::OtherImage { node, restart_after } => FaultAction::OtherImage {
            node: node.clone(),
            restart_after_ns: span_ns(*restart_after, stream),
        },
        ActionTemplate::RevokeKey { of } => FaultAction::RevokeKey { of: *of },
        ActionTemplate::RemoveImage { image } => FaultAction::RemoveImage { image: *image },
        ActionTemplate::RemoveModel { model } => FaultAction::RemoveModel { model: model.clone() },
        ActionTemplate::DiskFull { node, length } => FaultAction::DiskFull {
            node: node.clone(),
            length_ns: draw(length, stream),
        },
    }
}
