//! Plans that several tests use.
#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use chrysalis_world::plan::*;

pub(crate) fn link(latency_ms: u64) -> LinkPlan {
    LinkPlan {
        latency_ns: SpanNs::Constant(latency_ms * 1_000_000),
        loss_ppm: 0,
        bandwidth_bytes_per_s: None,
        socket_buffer_bytes: 1 << 20,
    }
}

pub(crate) fn node(name: &str) -> NodePlan {
    NodePlan {
        name: name.into(),
        region: "eu".into(),
        clock_skew_ns: 0,
        clock_drift_ppb: 0,
    }
}

/// One client, one proxy, one worker with the smallest embedded model.
pub(crate) fn hello(seed: u64) -> Plan {
    Plan {
        scenario: "hello".into(),
        seed,
        start_unix_s: 1_793_491_200,
        duration_ns: 60_000_000_000,
        network: NetworkPlan {
            rules: Vec::new(),
            default_link: link(10),
        },
        economy: EconomyPlan {
            price_per_token_nanoton: 20,
            worker_fee_per_token_nanoton: 16,
            prompt_multiplier: 10_000,
            cached_multiplier: 2_000,
            completion_multiplier: 80_000,
            reasoning_multiplier: 80_000,
            client_balance_nanoton: 100_000_000_000,
            client_stake_nanoton: 15_000_000_000,
        },
        attestation: AttestationPlan::new(TeeKind::SimulatedTdx, 4),
        profile: Profile::Hardened,
        settlement: None,
        proxies: vec![ProxyPlan { node: node("proxy-1") }],
        workers: vec![WorkerPlan {
            node: node("worker-1"),
            model: "nano".into(),
            coefficient: 1000,
            max_active_requests: 4,
            backend: BackendPlan::Tiny {
                size: TinySize::Nano,
                step_ns: 5_000_000,
                prefill_token_ns: 100_000,
            },
            proxies: Vec::new(),
        }],
        clients: vec![ClientPlan {
            node: node("client-1"),
            secret: "open sesame".into(),
            proxies: Vec::new(),
            proxy_connections: 1,
        }],
        key_manager: None,
        users: vec![UserPlan {
            name: "user-1".into(),
            client: 0,
            pace: Pace::Open,
            requests: vec![
                request(1_000, "Say hello.", false),
                request(1_500, "Count to three.", true),
            ],
        }],
        faults: Vec::new(),
        expectations: [
            "conservation-of-coins",
            "honest-party-never-loses",
            "monotonic-tokens",
            "ledger-keeps-signed-units",
            "only-attested-peers-see-prompts",
            "answers-are-exact",
            "every-request-ends",
        ]
        .iter()
        .map(|name| Expectation::Property { name: (*name).into() })
        .chain([Expectation::Requests {
            outcome: RequestOutcome::Succeeded,
            bound: CountBound::ShareAtLeastBp(10_000),
        }])
        .collect(),
        race: None,
    }
}

pub(crate) fn request(at_ms: u64, prompt: &str, stream: bool) -> RequestPlan {
    RequestPlan {
        at_ns: at_ms * 1_000_000,
        endpoint: Endpoint::Chat,
        model: "nano".into(),
        prompt: prompt.into(),
        max_tokens: 12,
        stream,
        timeout_ns: 30_000_000_000,
        hang_up_after_ns: None,
        read_pause_ns: 0,
    }
}
