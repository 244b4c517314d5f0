//! What a world left, as tables of a run store (design §7).

use std::collections::{BTreeMap, BTreeSet};

use chrysalis_reports::{
    schema::{
        AssertionClass, AssertionRow, AssertionVerdict, AttackOutcome, AttackRow, AttestationRow, AttestationVerdict,
        Direction, FaultRow, Observer, PacketRow, PartRow, PaymentRow, PriceRow, RequestRow, RequestStatus, Role,
        SpanRow, Tables, TransactionRow,
    },
    store::{NamedThreat, RunDescription, RunVerdict, ThreatDescription},
};
use chrysalis_settlement::onchain::opcodes;
use chrysalis_world::{
    Outcome, RequestRecord,
    plan::{Plan, RequestOutcome},
    properties::{Class, Verdict},
    recorder::{ChainTransaction, End, Part, Payment},
};

use crate::scenario::scalar::Words;
use crate::scenario::threat::{Named, ThreatClass};
use crate::services::Job;

/// Error code of a request that ran out of time (spec §1.6).
const TIME_OUT_CODE: i64 = 652;

/// What the run was.
#[must_use]
pub fn description(job: &Job<'_>, plan: &Plan, outcome: &Outcome) -> RunDescription {
    RunDescription {
        scenario: plan.scenario.clone(),
        scenario_source: job.scenario_source.to_owned(),
        seed: plan.seed,
        profile: plan.profile.name().to_owned(),
        engine: job.engine.name().to_owned(),
        versions: BTreeMap::from([("chrysalis".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
        virtual_ns: outcome.stats.virtual_ns,
        world_digest: hex::encode(outcome.stats.world_digest),
        application_digest: hex::encode(outcome.application_digest),
        verdict: if outcome.passed() {
            RunVerdict::Pass
        } else {
            RunVerdict::Fail
        },
        threat: job.threat.map(threat),
    }
}

fn threat(class: &ThreatClass) -> ThreatDescription {
    fn named(ids: impl IntoIterator<Item = Named>) -> Vec<NamedThreat> {
        ids.into_iter()
            .map(|(id, name)| NamedThreat {
                id: id.to_owned(),
                name: name.to_owned(),
            })
            .collect()
    }
    fn words<T: Words + PartialEq>(categories: &[T]) -> Vec<String> {
        categories.iter().map(|category| category.word().to_owned()).collect()
    }
    ThreatDescription {
        catalogue: named(class.catalogue.iter().map(|id| id.0)),
        stride: words(&class.stride),
        linddun: words(&class.linddun),
        attack: named(class.attack.iter().map(|id| id.0)),
        atlas: named(class.atlas.iter().map(|id| id.0)),
        owasp: named(class.owasp.iter().map(|id| id.0)),
    }
}

/// Every table.
#[must_use]
pub fn tables(plan: &Plan, outcome: &Outcome) -> Tables {
    let rows = &outcome.rows;
    Tables {
        requests: requests(plan, outcome),
        parts: parts(outcome),
        spans: spans(outcome),
        packets: packets(plan, outcome),
        payments: payments(plan, outcome),
        transactions: transactions(outcome),
        attestations: attestations(outcome),
        faults: rows
            .faults
            .iter()
            .map(|fault| FaultRow {
                at_ns: fault.at_ns,
                kind: fault.kind.clone(),
                target: fault.target.clone(),
                detail: String::new(),
            })
            .collect(),
        assertions: assertions(outcome),
        attacks: attacks(outcome),
        prices: vec![
            PriceRow {
                at_ns: 0,
                name: "price_per_token".into(),
                nanoton: plan.economy.price_per_token_nanoton,
            },
            PriceRow {
                at_ns: 0,
                name: "worker_fee_per_token".into(),
                nanoton: plan.economy.worker_fee_per_token_nanoton,
            },
        ],
    }
}

fn ends<'a>(outcome: &'a Outcome, role: &str) -> BTreeMap<&'a str, &'a End> {
    outcome
        .rows
        .ends
        .iter()
        .filter(|end| end.role == role)
        .map(|end| (end.request_id.as_str(), end))
        .collect()
}

/// Token counts as the inference server reported them to the user; zero where it did not.
fn reported_usage(body: &[u8]) -> [u64; 4] {
    let text = String::from_utf8_lossy(body);
    let candidates: Vec<&str> = if text.trim_start().starts_with('{') {
        vec![text.trim()]
    } else {
        text.lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .collect()
    };
    let mut usage = [0; 4];
    for value in candidates
        .iter()
        .filter_map(|text| serde_json::from_str::<serde_json::Value>(text).ok())
    {
        let count = |pointer: &str| value.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let found = [
            count("/usage/prompt_tokens"),
            count("/usage/prompt_tokens_details/cached_tokens"),
            count("/usage/completion_tokens"),
            count("/usage/completion_tokens_details/reasoning_tokens"),
        ];
        for (known, found) in usage.iter_mut().zip(found) {
            *known = (*known).max(found);
        }
    }
    usage
}

fn status(record: &RequestRecord) -> RequestStatus {
    match record.outcome {
        RequestOutcome::Succeeded => RequestStatus::Ok,
        RequestOutcome::Failed if record.error_code == TIME_OUT_CODE => RequestStatus::Timeout,
        RequestOutcome::Failed => RequestStatus::Error,
        RequestOutcome::Cancelled => RequestStatus::Cancelled,
        RequestOutcome::Lost => RequestStatus::Lost,
    }
}

fn requests(plan: &Plan, outcome: &Outcome) -> Vec<RequestRow> {
    let (at_proxy, at_worker) = (ends(outcome, "proxy"), ends(outcome, "worker"));
    let users: BTreeMap<&str, (u64, &chrysalis_world::plan::UserPlan)> = plan
        .users
        .iter()
        .zip(0..)
        .map(|(user, index)| (user.name.as_str(), (index, user)))
        .collect();
    let row = |record: &RequestRecord| {
        let (user_index, user) = users.get(record.user.as_str())?;
        let planned = user.requests.get(record.index)?;
        let id = record
            .request_id
            .clone()
            .unwrap_or_else(|| format!("{}/{}", record.user, record.index));
        let (proxy, worker) = (at_proxy.get(id.as_str()), at_worker.get(id.as_str()));
        let adjusted = proxy.map_or(0, |end| end.adjusted_tokens);
        let class = |count: fn(&End) -> u64| proxy.map(|end| count(end));
        let [prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens] = reported_usage(&record.body);
        let complete = record.outcome == RequestOutcome::Succeeded;
        Some(RequestRow {
            client: plan
                .clients
                .get(user.client)
                .map(|client| client.node.name.clone())
                .unwrap_or_default(),
            user: *user_index,
            proxy: proxy.map(|end| end.node.clone()),
            worker: worker.map(|end| end.node.clone()),
            model: planned.model.clone(),
            streaming: planned.stream,
            intended_send_ns: record.intended_ns,
            send_ns: record.sent_ns,
            first_byte_ns: record.first_byte_ns,
            last_byte_ns: record.parts.last().map(|(at_ns, _)| *at_ns),
            ttft_ns: record
                .first_text_ns
                .filter(|_| complete)
                .map(|at| at.saturating_sub(record.sent_ns)),
            e2e_ns: record
                .end_ns
                .filter(|_| complete)
                .map(|at| at.saturating_sub(record.sent_ns)),
            status: status(record),
            error_code: (record.error_code != 0).then_some(record.error_code),
            http_status: record.http_status.map(u32::from),
            prompt_tokens,
            cached_tokens,
            completion_tokens,
            reasoning_tokens,
            adjusted_tokens: adjusted,
            adjusted_prompt_tokens: class(|end| end.prompt_tokens),
            adjusted_cached_tokens: class(|end| end.cached_tokens),
            adjusted_completion_tokens: class(|end| end.completion_tokens),
            adjusted_reasoning_tokens: class(|end| end.reasoning_tokens),
            cost_nanoton: adjusted.saturating_mul(plan.economy.price_per_token_nanoton),
            worker_fee_nanoton: adjusted.saturating_mul(plan.economy.worker_fee_per_token_nanoton),
            request_bytes: record.request_bytes,
            answer_bytes: record.parts.iter().map(|(_, bytes)| bytes).sum(),
            parts: record.parts.len() as u64,
            answer_digest: hex::encode(record.body_digest()),
            request_id: id,
        })
    };
    outcome.requests.iter().filter_map(row).collect()
}

fn parts(outcome: &Outcome) -> Vec<PartRow> {
    let mut next: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut rows = Vec::with_capacity(outcome.rows.parts.len());
    for part in &outcome.rows.parts {
        let Part {
            at_ns,
            role,
            request_id,
            bytes,
        } = part;
        let observer = match role.as_str() {
            "client" => Observer::Client,
            "proxy" => Observer::Proxy,
            _ => Observer::Worker,
        };
        let index = next.entry((request_id, role)).or_default();
        *index += 1;
        rows.push(PartRow {
            request_id: request_id.clone(),
            part_index: *index - 1,
            observer,
            at_ns: *at_ns,
            bytes: *bytes,
        });
    }
    rows
}

fn spans(outcome: &Outcome) -> Vec<SpanRow> {
    let role = |name: &str| match name {
        "client" => Role::Client,
        "proxy" => Role::Proxy,
        _ => Role::Worker,
    };
    let stages = outcome.rows.stages.iter().map(|stage| SpanRow {
        request_id: stage.request_id.clone(),
        node: stage.node.clone(),
        role: role(&stage.role),
        stage: stage.stage.clone(),
        at_ns: stage.at_ns,
    });
    let ends = outcome.rows.ends.iter().map(|end| SpanRow {
        request_id: end.request_id.clone(),
        node: end.node.clone(),
        role: role(&end.role),
        stage: "end".to_owned(),
        at_ns: end.at_ns,
    });
    let mut spans: Vec<SpanRow> = stages.chain(ends).collect();
    // A stable sort: what one node reported at one moment stays in its order.
    spans.sort_by_key(|span| span.at_ns);
    spans
}

/// Packets between clients and the rest of the network: what an observer at a client's access link sees.
fn packets(plan: &Plan, outcome: &Outcome) -> Vec<PacketRow> {
    let clients: BTreeSet<&str> = plan.clients.iter().map(|client| client.node.name.as_str()).collect();
    let users: BTreeSet<&str> = plan.users.iter().map(|user| user.name.as_str()).collect();
    let row = |packet: &chrysalis_world::recorder::Packet| {
        let (from, to) = (packet.from_node.as_str(), packet.to_node.as_str());
        if users.contains(from) || users.contains(to) {
            // The user and the client share a machine.
            return None;
        }
        let (direction, tap) = match (clients.contains(from), clients.contains(to)) {
            (true, _) => (Direction::Up, from),
            (false, true) => (Direction::Down, to),
            (false, false) => return None,
        };
        Some(PacketRow {
            at_ns: packet.at_ns,
            from_node: from.to_owned(),
            to_node: to.to_owned(),
            connection: packet.connection,
            direction,
            kind: packet.kind.clone(),
            bytes: packet.bytes,
            tap: tap.to_owned(),
        })
    };
    outcome.rows.packets.iter().filter_map(row).collect()
}

/// Signatures that cover more than the one before.
fn payments(plan: &Plan, outcome: &Outcome) -> Vec<PaymentRow> {
    let mut known: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut rows = Vec::new();
    for payment in outcome.rows.payments.iter().filter(|payment| payment.role == "proxy") {
        let Payment {
            at_ns,
            node,
            kind,
            contract,
            tokens,
            ..
        } = payment;
        let before = known.entry((node, contract)).or_default();
        let delta = i64::try_from(*tokens).unwrap_or(i64::MAX) - i64::try_from(*before).unwrap_or(i64::MAX);
        if delta == 0 {
            continue;
        }
        *before = *tokens;
        let price = if kind == "client_charge" {
            plan.economy.price_per_token_nanoton
        } else {
            plan.economy.worker_fee_per_token_nanoton
        };
        let holder = outcome
            .accounts
            .get(contract)
            .map_or_else(|| contract.clone(), |account| account.holder.clone());
        let (payer, payee) = if kind == "client_charge" {
            (holder.clone(), node.clone())
        } else {
            (node.clone(), holder.clone())
        };
        rows.push(PaymentRow {
            at_ns: *at_ns,
            payer,
            payee,
            proxy: node.clone(),
            counterparty: holder,
            kind: kind.clone(),
            tokens: *tokens,
            delta_tokens: delta,
            nanoton: u64::try_from(delta).unwrap_or(0).saturating_mul(price),
            request_id: None,
        });
    }
    rows.extend(arrivals(outcome));
    // A stable sort: what happened at one moment stays in its order.
    rows.sort_by_key(|row| row.at_ns);
    rows
}

/// Coins that arrived somewhere on the chain.
fn arrivals(outcome: &Outcome) -> impl Iterator<Item = PaymentRow> {
    let with_coins = |row: &&ChainTransaction| row.value_nanoton > 0;
    outcome.rows.transactions.iter().filter(with_coins).filter_map(|row| {
        Some(PaymentRow {
            at_ns: row.at_ns,
            payer: shown_party(outcome, row.source.as_ref()?),
            payee: shown_party(outcome, &row.account),
            proxy: String::new(),
            counterparty: String::new(),
            kind: operation(row),
            tokens: 0,
            delta_tokens: 0,
            nanoton: small(row.value_nanoton),
            request_id: None,
        })
    })
}

/// All coins that there are fit into 64 bits.
fn small(nanoton: u128) -> u64 {
    u64::try_from(nanoton).unwrap_or(u64::MAX)
}

/// Whose account an address is; the address itself where nobody is known.
fn shown_party(outcome: &Outcome, address: &str) -> String {
    let Some(party) = outcome.parties.get(address) else {
        return address.to_owned();
    };
    let prices = match party.prices {
        0 | 1 => String::new(),
        number => format!(", prices {number}"),
    };
    match (party.part, &party.proxy) {
        ("root", _) => "root contract".to_owned(),
        ("proxy", _) => format!("pool of {}{prices}", party.name),
        (part @ ("client" | "worker"), Some(proxy)) => format!("{} at {proxy} ({part}{prices})", party.name),
        (part, _) => format!("{} ({part})", party.name),
    }
}

/// Why a transaction came about.
fn operation(row: &ChainTransaction) -> String {
    match (row.is_bounced, row.op, &row.source) {
        (true, ..) => "bounced".to_owned(),
        (_, _, None) => "external".to_owned(),
        (_, None, _) => "plain".to_owned(),
        (_, Some(op), _) => opcodes::name(op).map_or_else(|| format!("{op:#010x}"), str::to_owned),
    }
}

fn transactions(outcome: &Outcome) -> Vec<TransactionRow> {
    let row = |row: &ChainTransaction| TransactionRow {
        at_ns: row.at_ns,
        account: shown_party(outcome, &row.account),
        part: outcome
            .parties
            .get(&row.account)
            .map_or_else(String::new, |party| party.part.to_owned()),
        address: row.account.clone(),
        lt: row.lt,
        hash: row.hash.clone(),
        source: row.source.as_ref().map(|source| shown_party(outcome, source)),
        operation: operation(row),
        value_nanoton: small(row.value_nanoton),
        sent_nanoton: small(row.sent_nanoton),
        is_success: row.is_success,
        exit_code: row.exit_code.map(i64::from),
        action_code: row.action_code.map(i64::from),
        gas_used: row.gas_used,
        fees_nanoton: small(row.fees_nanoton),
        gas_fee_nanoton: small(row.gas_fee_nanoton),
        message_fee_nanoton: small(row.message_fee_nanoton),
        storage_fee_nanoton: small(row.storage_fee_nanoton),
        old_price_nanoton: small(row.old_price_nanoton),
        new_price_nanoton: small(row.new_price_nanoton),
    };
    outcome.rows.transactions.iter().map(row).collect()
}

fn attestations(outcome: &Outcome) -> Vec<AttestationRow> {
    let row = |peer: &chrysalis_world::recorder::Peer| AttestationRow {
        at_ns: peer.at_ns,
        verifier: peer.node.clone(),
        peer: peer.kind.clone(),
        kind: peer.platform.evidence.clone(),
        verdict: if peer.accepted {
            AttestationVerdict::Accepted
        } else {
            AttestationVerdict::Rejected
        },
        reason: peer.reason.clone(),
        image_hash: hex::encode(peer.image_hash),
        cached: peer.cached,
        occasion: peer.occasion.clone(),
        anchor: peer.platform.anchor.clone(),
        tcb_status: peer.platform.tcb_status.clone(),
        platform: hex::encode(&peer.platform.pseudonym),
        gpus: peer.platform.gpus,
        trusted_until_unix_s: Some(peer.platform.trusted_until_unix_s).filter(|until| *until > 0),
    };
    outcome.rows.peers.iter().map(row).collect()
}

fn attacks(outcome: &Outcome) -> Vec<AttackRow> {
    let row = |attack: &chrysalis_world::recorder::Attack| AttackRow {
        at_ns: Some(attack.at_ns),
        attack: attack.threat.to_string(),
        outcome: match attack.worked {
            Some(true) => AttackOutcome::Worked,
            Some(false) => AttackOutcome::Stopped,
            None => AttackOutcome::NotCarriedOut,
        },
        detail: attack.detail.clone(),
    };
    outcome.rows.attacks.iter().map(row).collect()
}

fn assertions(outcome: &Outcome) -> Vec<AssertionRow> {
    let row = |assertion: &chrysalis_world::properties::Assertion| AssertionRow {
        name: assertion.name.clone(),
        class: match assertion.class {
            Class::Always => AssertionClass::Always,
            Class::Eventually => AssertionClass::Eventually,
            Class::Slo => AssertionClass::Slo,
            Class::Never => AssertionClass::Never,
            Class::Sometimes => AssertionClass::Sometimes,
        },
        verdict: match assertion.verdict {
            Verdict::Held => AssertionVerdict::Pass,
            Verdict::Violated => AssertionVerdict::Fail,
            Verdict::NothingToCheck => AssertionVerdict::NothingToCheck,
        },
        detail: assertion.detail.clone(),
        at_ns: assertion.at_ns,
    };
    outcome.assertions.iter().map(row).collect()
}
