//! What properties say about rows that are made by hand.

use super::*;
use crate::{
    deployment::{Account, AccountKind},
    plan::*,
    recorder::{End, Fault, Payment, Peer, PlatformTrust},
};

/// One client, one proxy, one worker with an embedded model, one request.
pub(super) fn plan() -> Plan {
    let node = |name: &str| NodePlan {
        name: name.into(),
        region: "eu".into(),
        clock_skew_ns: 0,
        clock_drift_ppb: 0,
    };
    Plan {
        scenario: "by hand".into(),
        seed: 0,
        start_unix_s: 0,
        duration_ns: 1,
        network: NetworkPlan {
            rules: Vec::new(),
            default_link: LinkPlan {
                latency_ns: SpanNs::Constant(1),
                loss_ppm: 0,
                bandwidth_bytes_per_s: None,
                socket_buffer_bytes: 1,
            },
        },
        economy: EconomyPlan {
            price_per_token_nanoton: 20,
            worker_fee_per_token_nanoton: 16,
            prompt_multiplier: 10_000,
            cached_multiplier: 10_000,
            completion_multiplier: 10_000,
            reasoning_multiplier: 10_000,
            client_balance_nanoton: 0,
            client_stake_nanoton: 0,
        },
        attestation: AttestationPlan::new(TeeKind::SimulatedTdx, 0),
        profile: crate::plan::Profile::Hardened,
        settlement: None,
        proxies: vec![ProxyPlan { node: node("proxy-1") }],
        workers: vec![WorkerPlan {
            node: node("worker-1"),
            model: "nano".into(),
            coefficient: 1000,
            max_active_requests: 1,
            backend: BackendPlan::Tiny {
                size: TinySize::Nano,
                step_ns: 0,
                prefill_token_ns: 0,
            },
            proxies: Vec::new(),
        }],
        clients: vec![ClientPlan {
            node: node("client-1"),
            secret: "s".into(),
            proxies: Vec::new(),
            proxy_connections: 1,
        }],
        key_manager: None,
        users: vec![UserPlan {
            name: "user-1".into(),
            client: 0,
            pace: Pace::Open,
            requests: vec![RequestPlan {
                at_ns: 10,
                endpoint: Endpoint::Chat,
                model: "nano".into(),
                prompt: "Hello".into(),
                max_tokens: 1,
                stream: true,
                timeout_ns: 1,
                hang_up_after_ns: None,
                read_pause_ns: 0,
            }],
        }],
        faults: Vec::new(),
        expectations: Vec::new(),
        race: None,
    }
}

/// `C` is the client's contract and `W` the worker's; images are 1 and 2.
pub(super) fn facts() -> Facts {
    let account = |kind, holder: &str| Account {
        proxy: "proxy-1".into(),
        kind,
        holder: holder.into(),
        address: format!("0:{holder}"),
        prices: 1,
    };
    Facts {
        commits_to_chain: false,
        parties: BTreeMap::new(),
        images: Some(([1; 32], [2; 32])),
        accounts: BTreeMap::from([
            ("C".to_owned(), account(AccountKind::Client, "client-1")),
            ("W".to_owned(), account(AccountKind::Worker, "worker-1")),
        ]),
    }
}

pub(super) fn end(at_ns: u64, node: &str, role: &str, request_id: &str, adjusted_tokens: u64) -> End {
    End {
        at_ns,
        node: node.into(),
        role: role.into(),
        request_id: request_id.into(),
        code: 0,
        prompt_tokens: 0,
        cached_tokens: 0,
        completion_tokens: adjusted_tokens,
        reasoning_tokens: 0,
        adjusted_tokens,
    }
}

pub(super) fn payment(at_ns: u64, node: &str, role: &str, kind: &str, contract: &str, tokens: u64) -> Payment {
    Payment {
        at_ns,
        node: node.into(),
        role: role.into(),
        kind: kind.into(),
        contract: contract.into(),
        tokens,
    }
}

pub(super) fn fault(at_ns: u64, kind: &str, target: &str) -> Fault {
    Fault {
        at_ns,
        kind: kind.into(),
        target: target.into(),
    }
}

fn peer(kind: &str, image_hash: [u8; 32]) -> Peer {
    Peer {
        at_ns: 5,
        node: "proxy-1".into(),
        kind: kind.into(),
        accepted: true,
        reason: String::new(),
        image_hash,
        occasion: "session".into(),
        cached: false,
        platform: PlatformTrust::default(),
    }
}

#[test]
fn an_image_that_is_not_allowed_is_seen() {
    let judge = |facts: &Facts, peers: &[Peer]| {
        let rows = Rows {
            peers: peers.to_vec(),
            ..Rows::default()
        };
        attested(&plan(), facts, &rows)
    };
    let good = [peer("worker", [2; 32]), peer("proxy", [1; 32]), peer("client", [0; 32])];
    assert!(judge(&facts(), &good).is_held_by(2));
    let other = judge(&facts(), &[peer("worker", [3; 32])]);
    assert_eq!(
        other.violation(),
        Some("proxy-1 accepted a worker of an image that is not allowed")
    );
    assert!(
        judge(&facts(), &[peer("worker", [1; 32])]).violation().is_some(),
        "a proxy's image"
    );
    let none = judge(&facts(), &[peer("proxy", [0; 32])]);
    assert_eq!(none.violation(), Some("proxy-1 accepted a proxy without evidence"));
    let mut refused = peer("worker", [3; 32]);
    refused.accepted = false;
    assert!(judge(&facts(), &[refused]).is_held_by(0));
    // Without evidence there is nothing to compare.
    assert!(judge(&Facts::default(), &[peer("worker", [0; 32])]).is_held_by(0));
}

#[test]
fn nothing_to_check_is_neither_held_nor_violated() {
    let mut plan = plan();
    plan.users.clear();
    plan.expectations = PROPERTIES
        .iter()
        .map(|(name, ..)| Expectation::Property { name: (*name).into() })
        .collect();
    let assertions = check(&plan, &facts(), &[], &Rows::default(), &ExpectedAnswers::new());
    for assertion in &assertions {
        let wanted = if assertion.name == "nodes-run" {
            (Verdict::Held, "3 checked")
        } else {
            (Verdict::NothingToCheck, "nothing to check")
        };
        assert_eq!(
            (assertion.verdict, assertion.detail.as_str()),
            wanted,
            "{}",
            assertion.name
        );
    }
    assert_eq!(assertions.len(), PROPERTIES.len() + 1);
}

#[test]
fn what_can_never_be_checked_is_told_beforehand() {
    let plan = plan();
    let mut timed = plan.workers.clone();
    timed[0].backend = BackendPlan::ServiceTime {
        step_base_ns: 1,
        step_per_sequence_ns: 0,
        prefill_token_ns: 0,
        max_batch: 1,
    };
    let models = BTreeSet::from(["nano".to_owned()]);
    let all = Scope {
        tee: TeeKind::SimulatedTdx,
        workers: &plan.workers,
        models_asked_for: &models,
        a_proxy_restarts: true,
        on_chain: true,
        trust_is_withdrawn: true,
        has_key_manager: true,
        a_key_is_revoked: true,
    };
    for (name, ..) in PROPERTIES {
        assert_eq!(never_applies(name, &all), None, "{name}");
    }
    let none = Scope {
        tee: TeeKind::None,
        workers: &timed,
        a_proxy_restarts: false,
        on_chain: false,
        trust_is_withdrawn: false,
        has_key_manager: false,
        a_key_is_revoked: false,
        ..all
    };
    let refused: Vec<&str> = PROPERTIES
        .iter()
        .map(|(name, ..)| *name)
        .filter(|name| never_applies(name, &none).is_some())
        .collect();
    assert_eq!(
        refused,
        [
            "pool-covers-clients",
            "unlock-rules",
            "every-bounce-accounted",
            "ledger-keeps-signed-units",
            "only-attested-peers-see-prompts",
            "withdrawn-trust-ends-service",
            "keys-go-to-their-own-kind",
            "key-epochs-advance",
            "revoked-keys-stay-revoked",
            "answers-are-exact"
        ]
    );
}

#[test]
fn times_count_from_sending_and_to_the_first_text() {
    let mut record = with_lost(&plan(), Vec::new()).remove(0);
    record.outcome = RequestOutcome::Succeeded;
    record.intended_ns = 100;
    record.sent_ns = 150;
    record.first_byte_ns = Some(160);
    record.first_text_ns = Some(180);
    record.end_ns = Some(250);
    let of = |metric| latency_samples(metric, std::slice::from_ref(&record));
    assert_eq!(of(LatencyMetric::TimeToFirstToken), [30]);
    assert_eq!(of(LatencyMetric::EndToEnd), [100]);
    assert_eq!(of(LatencyMetric::EndToEndFromIntended), [150]);
}
