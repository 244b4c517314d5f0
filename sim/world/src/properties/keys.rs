//! Who gets keys, and which.

use super::{Checked, Violation};
use crate::{
    deployment::Facts,
    plan::Plan,
    recorder::{KeyReleased, Rows},
};
use std::collections::{BTreeMap, BTreeSet};

const S: u64 = 1_000_000_000;

/// How long after the end of an epoch the key of the next one may come: timers, the way, and the clock's own seconds.
const MARGIN_NS: u64 = 5 * S;

/// Each kind of node gets its own keys, with an image that is allowed for it.
pub(super) fn own_kind(facts: &Facts, rows: &Rows) -> Checked {
    let wrong = rows.keys_released.iter().find_map(|released| {
        let kind = match released.holder.as_str() {
            "proxies" => "proxy",
            _ => "worker",
        };
        let what = if released.peer_kind != kind {
            format!("a {}", released.peer_kind)
        } else if facts.allowed_image(kind) != Some(released.image_hash) {
            format!("a {kind} of an image that is not allowed")
        } else {
            return None;
        };
        let text = format!("{} gave a key of {} to {what}", released.node, released.holder);
        Some(Violation::at(released.at_ns, text))
    });
    Checked {
        count: rows.keys_released.len(),
        violation: wrong,
    }
}

/// Everybody gets a key of the running epoch, and epochs do not come again.
pub(super) fn advance(plan: &Plan, rows: &Rows) -> Checked {
    let Some(key_manager) = &plan.key_manager else {
        return Checked::held(0);
    };
    let period_ns = key_manager.period_s.saturating_mul(S).saturating_add(MARGIN_NS);
    let made = |released: &KeyReleased| {
        let is_it = |row: &&crate::recorder::KeyChanged| row.change == "made" && row.public_key == released.public_key;
        rows.keys_changed.iter().find(is_it).map(|row| row.at_ns)
    };
    // The newest key of each answer: keys of one answer come at one moment, and oldest first.
    let mut answers: BTreeMap<(u64, &str, &str), &KeyReleased> = BTreeMap::new();
    for released in &rows.keys_released {
        let answer = (released.at_ns, released.holder.as_str(), released.peer_kind.as_str());
        answers.insert(answer, released);
    }
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut count = 0;
    for ((at_ns, holder, _), released) in answers {
        count += 1;
        let last = newest.entry(holder).or_default();
        if released.epoch < *last {
            let text = format!(
                "the newest key of {holder} is of epoch {}, and was of {last}",
                released.epoch
            );
            return Checked::violated(count, Violation::at(at_ns, text));
        }
        *last = released.epoch;
        if made(released).is_none_or(|made_ns| made_ns.saturating_add(period_ns) < at_ns) {
            let text = format!("epoch {} of {holder} is over, and no other began", released.epoch);
            return Checked::violated(count, Violation::at(at_ns, text));
        }
    }
    let holds: BTreeSet<&str> = rows.keys_held.iter().map(|held| held.node.as_str()).collect();
    let proxies = plan.proxies.iter().map(|proxy| &proxy.node.name);
    let workers = plan.workers.iter().map(|worker| &worker.node.name);
    let without = proxies.chain(workers).find(|node| !holds.contains(node.as_str()));
    let violation = without.map(|node| Violation::at(None, format!("{node} never had keys")));
    Checked { count, violation }
}

/// What was revoked is given to nobody.
pub(super) fn revoked(rows: &Rows) -> Checked {
    let revoked: Vec<_> = rows.keys_changed.iter().filter(|row| row.change == "revoked").collect();
    let again = revoked.iter().find_map(|row| {
        let is_it = |released: &&KeyReleased| released.at_ns > row.at_ns && released.public_key == row.public_key;
        let released = rows.keys_released.iter().find(is_it)?;
        let text = format!(
            "{} gave the key of epoch {} of {} to a {} {} s after it was revoked",
            released.node,
            released.epoch,
            released.holder,
            released.peer_kind,
            released.at_ns.saturating_sub(row.at_ns) / S
        );
        Some(Violation::at(released.at_ns, text))
    });
    Checked {
        count: revoked.len(),
        violation: again,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::plan, *};
    use crate::{
        plan::KeyManagerPlan,
        recorder::{KeyChanged, KeysHeld},
    };

    const PROXY: [u8; 32] = [1; 32];
    const WORKER: [u8; 32] = [2; 32];

    fn changed(at_s: u64, epoch: u64, public_key: &str, change: &str) -> KeyChanged {
        KeyChanged {
            at_ns: at_s * S,
            node: "keys".into(),
            holder: "workers".into(),
            epoch,
            public_key: public_key.into(),
            change: change.into(),
        }
    }

    fn released(at_s: u64, epoch: u64, public_key: &str) -> KeyReleased {
        KeyReleased {
            at_ns: at_s * S,
            node: "keys".into(),
            holder: "workers".into(),
            epoch,
            public_key: public_key.into(),
            peer_kind: "worker".into(),
            image_hash: WORKER,
        }
    }

    fn rows(keys_changed: Vec<KeyChanged>, keys_released: Vec<KeyReleased>) -> Rows {
        let plan = plan();
        let proxies = plan.proxies.iter().map(|proxy| &proxy.node.name);
        let nodes = proxies.chain(plan.workers.iter().map(|worker| &worker.node.name));
        Rows {
            keys_changed,
            keys_released,
            keys_held: nodes
                .map(|node| KeysHeld {
                    at_ns: 1,
                    node: node.clone(),
                    count: 1,
                    public_key: "a".into(),
                })
                .collect(),
            ..Rows::default()
        }
    }

    #[test]
    fn keys_are_for_their_own_kind_and_for_allowed_images() {
        let facts = Facts {
            images: Some((PROXY, WORKER)),
            ..Facts::default()
        };
        let judge = |change: fn(&mut KeyReleased)| {
            let mut released = released(1, 1, "a");
            change(&mut released);
            own_kind(&facts, &rows(Vec::new(), vec![released]))
        };
        assert!(judge(|_| ()).is_held_by(1));
        assert!(judge(|row| row.image_hash = PROXY).violation().is_some());
        assert!(judge(|row| row.image_hash = [3; 32]).violation().is_some());
        assert!(judge(|row| row.peer_kind = "proxy".into()).violation().is_some());
        assert!(judge(|row| row.holder = "proxies".into()).violation().is_some());
        assert!(own_kind(&facts, &Rows::default()).is_held_by(0));
    }

    #[test]
    fn epochs_go_on_and_do_not_come_again() {
        let mut plan = plan();
        plan.key_manager = Some(KeyManagerPlan {
            node: plan.workers[0].node.clone(),
            period_s: 60,
            grace_s: 30,
            askers: Vec::new(),
        });
        let made = || vec![changed(0, 1, "a", "made"), changed(60, 2, "b", "made")];
        let judge = |answers| advance(&plan, &rows(made(), answers));
        let good = || vec![released(1, 1, "a"), released(61, 1, "a"), released(61, 2, "b")];
        assert!(judge(good()).is_held_by(2));
        let late = vec![released(66, 1, "a")];
        assert!(judge(late).violation().is_some_and(|text| text.contains("over")));
        let mut back = good();
        back.push(released(62, 1, "a"));
        assert!(judge(back).violation().is_some_and(|text| text.contains("was of 2")));
        assert!(judge(vec![released(1, 1, "unknown")]).violation().is_some());
        let mut without = rows(made(), good());
        without.keys_held.pop();
        let text = advance(&plan, &without);
        assert!(text.violation().is_some_and(|text| text.contains("never had keys")));
        plan.key_manager = None;
        assert!(advance(&plan, &rows(made(), good())).is_held_by(0));
    }

    #[test]
    fn what_was_revoked_is_given_to_nobody() {
        let judge = |at_s, key| {
            let changes = vec![changed(0, 1, "a", "made"), changed(10, 1, "a", "revoked")];
            revoked(&rows(changes, vec![released(at_s, 1, key)]))
        };
        assert!(judge(9, "a").is_held_by(1) && judge(11, "b").is_held_by(1));
        assert!(judge(11, "a").violation().is_some());
        assert!(revoked(&Rows::default()).is_held_by(0));
    }
}
