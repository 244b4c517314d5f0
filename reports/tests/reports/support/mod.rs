//! Synthetic runs: plausible, seeded, made without a simulator.

#![allow(dead_code, reason = "each test binary and the example use a part")]

pub(crate) mod html;

use std::collections::BTreeMap;

use chrysalis_reports::schema::{
    AssertionClass, AssertionRow, AssertionVerdict, AttackOutcome, AttackRow, AttestationRow, AttestationVerdict,
    Direction, FaultRow, Observer, PacketRow, PartRow, PaymentRow, PriceRow, RequestRow, RequestStatus, Role, SpanRow,
    Tables, TransactionRow,
};
use chrysalis_reports::{NamedThreat, RunDescription, RunVerdict, ThreatDescription};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const PRICE_NANOTON: u64 = 20;
const FEE_NANOTON: u64 = 16;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Sum of four uniform values: a hump.
    pub(crate) fn hump(&mut self, bound: u64) -> u64 {
        (0..4).map(|_| self.below(bound / 4 + 1)).sum()
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

pub(crate) fn description(seed: u64, verdict: RunVerdict) -> RunDescription {
    RunDescription {
        scenario: "payments/slow-worker".to_owned(),
        scenario_source:
            "name: payments/slow-worker\nclients: 2\nproxies: 2\nworkers: 3\nfaults:\n  - crash: worker-1\n".to_owned(),
        seed,
        profile: "hardened".to_owned(),
        engine: "madsim".to_owned(),
        versions: BTreeMap::from([
            ("chrysalis".to_owned(), "0.1.0".to_owned()),
            ("contracts".to_owned(), "sha256:5f2c".to_owned()),
        ]),
        virtual_ns: 600 * SECOND,
        world_digest: format!(
            "{:064x}",
            u128::from(Random(seed).next()) << 64 | u128::from(Random(!seed).next())
        ),
        application_digest: format!("{:064x}", Random(seed ^ 7).next()),
        verdict,
        threat: None,
    }
}

/// How a threat is classified.
pub(crate) fn threat(catalogue: &str) -> ThreatDescription {
    let named = |id: &str, name: &str| {
        vec![NamedThreat {
            id: id.to_owned(),
            name: name.to_owned(),
        }]
    };
    ThreatDescription {
        catalogue: named(catalogue, "leaked key with old evidence"),
        stride: vec!["spoofing".to_owned()],
        linddun: vec!["data_disclosure".to_owned()],
        attack: named("T1550", "Use Alternate Authentication Material"),
        atlas: named("AML.T0057", "LLM Data Leakage"),
        owasp: named("LLM02", "Sensitive Information Disclosure"),
    }
}

/// One attack and what came of it.
pub(crate) fn attack(outcome: AttackOutcome) -> AttackRow {
    AttackRow {
        at_ns: Some(45 * MS),
        attack: "leaked-key".to_owned(),
        outcome,
        detail: "the proxy said: report data are not the expected ones".to_owned(),
    }
}

/// A run of this many requests. If `failing`, a property is violated.
pub(crate) fn tables(seed: u64, requests: u64, failing: bool) -> Tables {
    let mut random = Random(seed);
    let mut tables = Tables::default();
    let crash_ns = 300 * SECOND + random.below(60 * SECOND);
    tables.prices = [
        ("price_per_token", PRICE_NANOTON),
        ("worker_fee_per_token", FEE_NANOTON),
    ]
    .map(|(name, nanoton)| PriceRow {
        at_ns: 0,
        name: name.to_owned(),
        nanoton,
    })
    .to_vec();
    attestations(&mut tables);
    tables.faults = vec![
        FaultRow {
            at_ns: crash_ns,
            kind: "crash".to_owned(),
            target: "worker-1".to_owned(),
            detail: "restart after 20 s".to_owned(),
        },
        FaultRow {
            at_ns: crash_ns + 90 * SECOND,
            kind: "slow_link".to_owned(),
            target: "proxy-0–worker-2".to_owned(),
            detail: "bandwidth 2 MB/s for 30 s".to_owned(),
        },
    ];
    let mut account = 0;
    for index in 0..requests {
        let intended_send_ns = index * 560 * SECOND / requests + random.below(SECOND);
        let down = (crash_ns..crash_ns + 20 * SECOND).contains(&intended_send_ns) && index % 3 == 1;
        let status = match (down, random.below(400)) {
            (true, _) => RequestStatus::Error,
            (false, 0) => RequestStatus::Timeout,
            _ => RequestStatus::Ok,
        };
        account += request(&mut tables, &mut random, index, intended_send_ns, status, account);
    }
    tables.payments.push(PaymentRow {
        at_ns: 590 * SECOND,
        payer: "proxy-0".to_owned(),
        payee: "worker-0".to_owned(),
        proxy: "proxy-0".to_owned(),
        counterparty: "worker-0".to_owned(),
        kind: "worker_payout".to_owned(),
        tokens: account,
        delta_tokens: i64::try_from(account).unwrap(),
        nanoton: account * FEE_NANOTON,
        request_id: None,
    });
    chain(&mut tables);
    assertions(&mut tables, seed, failing);
    tables
}

/// A top-up on its way from wallet to pool, a charge, and one that the contract refuses.
fn chain(tables: &mut Tables) {
    let wallet = "client-0 (wallet)";
    let (account, pool) = ("client-0 at proxy-0 (client)", "pool of proxy-0");
    let operations = [
        (wallet, "wallet", None, "external", 0, 3_000, Some(0)),
        (
            account,
            "client",
            Some(wallet),
            "ext_client_top_up",
            15_700_000_000,
            7_137,
            Some(0),
        ),
        (
            pool,
            "proxy",
            Some(account),
            "client_proxy_request",
            15_699_000_000,
            8_447,
            Some(0),
        ),
        (
            account,
            "client",
            Some(wallet),
            "ext_client_charge_signed",
            700_000_000,
            10_133,
            Some(0),
        ),
        (
            account,
            "client",
            Some(wallet),
            "ext_client_charge_signed",
            700_000_000,
            2_000,
            Some(1_000),
        ),
        (account, "client", Some(pool), "bounced", 12_000, 0, None),
    ];
    for (number, (account, part, source, operation, value_nanoton, gas_used, exit_code)) in (1..).zip(operations) {
        let at_ns = number * 2 * SECOND;
        tables.transactions.push(TransactionRow {
            at_ns,
            account: account.to_owned(),
            part: part.to_owned(),
            address: format!("0:{number:064x}"),
            lt: number * 1_000_000,
            hash: format!("{:064x}", number * 7),
            source: source.map(str::to_owned),
            operation: operation.to_owned(),
            value_nanoton,
            sent_nanoton: value_nanoton.saturating_sub(1_000_000),
            is_success: exit_code == Some(0),
            exit_code,
            action_code: exit_code.filter(|code| *code == 0),
            gas_used,
            fees_nanoton: gas_used * 67 + 90_000,
            gas_fee_nanoton: gas_used * 67,
            message_fee_nanoton: 89_990,
            storage_fee_nanoton: 10,
            old_price_nanoton: gas_used * 400 + 400_000,
            new_price_nanoton: gas_used * 67 + 66_667,
        });
        if let Some(source) = source {
            tables.payments.push(PaymentRow {
                at_ns,
                payer: source.to_owned(),
                payee: account.to_owned(),
                proxy: String::new(),
                counterparty: String::new(),
                kind: operation.to_owned(),
                tokens: 0,
                delta_tokens: 0,
                nanoton: value_nanoton,
                request_id: None,
            });
        }
    }
}

fn attestations(tables: &mut Tables) {
    tables.attacks.push(AttackRow {
        at_ns: None,
        outcome: AttackOutcome::NotCarriedOut,
        ..attack(AttackOutcome::Stopped)
    });
    for (at_ns, verifier, peer, kind, verdict, reason, cached) in [
        (
            5 * MS,
            "proxy-0",
            "worker-0",
            "tdx",
            AttestationVerdict::Accepted,
            "",
            false,
        ),
        (
            6 * MS,
            "proxy-0",
            "worker-1",
            "tdx",
            AttestationVerdict::Accepted,
            "",
            false,
        ),
        (
            7 * MS,
            "proxy-0",
            "worker-2",
            "snp",
            AttestationVerdict::Accepted,
            "",
            false,
        ),
        (
            9 * MS,
            "client-0",
            "proxy-0",
            "tdx",
            AttestationVerdict::Accepted,
            "",
            false,
        ),
        (
            9 * MS,
            "client-1",
            "proxy-0",
            "tdx",
            AttestationVerdict::Accepted,
            "",
            true,
        ),
        (
            44 * MS,
            "proxy-0",
            "worker-3",
            "tdx",
            AttestationVerdict::Rejected,
            "TCB level out of date",
            false,
        ),
    ] {
        tables.attestations.push(AttestationRow {
            at_ns,
            verifier: verifier.to_owned(),
            peer: peer.to_owned(),
            kind: kind.to_owned(),
            verdict,
            reason: reason.to_owned(),
            image_hash: "9a41".repeat(16),
            cached,
            occasion: "session".to_owned(),
            anchor: "simulation".to_owned(),
            tcb_status: "UpToDate".to_owned(),
            platform: "5ce1".repeat(8),
            gpus: 1,
            trusted_until_unix_s: Some(1_790_000_000),
        });
    }
}

/// Adds a request with all that belongs to it; gives back the billed units.
fn request(
    tables: &mut Tables,
    random: &mut Random,
    index: u64,
    intended_send_ns: u64,
    status: RequestStatus,
    account: u64,
) -> u64 {
    let request_id = format!("{:032x}", u128::from(random.next()) << 64 | u128::from(random.next()));
    let (client, worker) = (format!("client-{}", index % 2), format!("worker-{}", index % 3));
    let send_ns = intended_send_ns + random.below(2 * MS);
    let answered = status == RequestStatus::Ok;
    let prompt_tokens = 40 + random.below(1_200);
    let cached_tokens = if index.is_multiple_of(4) { prompt_tokens / 2 } else { 0 };
    let completion_tokens = if answered { 20 + random.hump(300) } else { 0 };
    let reasoning_tokens = if index.is_multiple_of(5) {
        completion_tokens / 3
    } else {
        0
    };
    let slow = if index % 3 == 2 { 3 } else { 1 };
    let long_tail = if random.below(60) == 0 { 900 * MS } else { 0 };
    let ttft_ns = 90 * MS + random.hump(160 * MS) * slow / 2 + prompt_tokens * 60_000 + long_tail;
    let token_ns = 4 * MS * slow + random.below(MS);
    let parts = completion_tokens.div_ceil(4);
    let mut at_ns = send_ns + ttft_ns;
    for part_index in 0..if answered { parts } else { 0 } {
        for (observer, late_ns) in [
            (Observer::Worker, 0),
            (Observer::Proxy, 6 * MS),
            (Observer::Client, 12 * MS),
        ] {
            tables.parts.push(PartRow {
                request_id: request_id.clone(),
                part_index,
                observer,
                at_ns: at_ns - 12 * MS + late_ns,
                bytes: 90 + random.below(40),
            });
        }
        tables.packets.push(PacketRow {
            at_ns,
            from_node: "proxy-0".to_owned(),
            to_node: client.clone(),
            connection: index % 2,
            direction: Direction::Down,
            kind: "data".to_owned(),
            bytes: 160 + random.hump(90),
            tap: format!("{client}/link"),
        });
        at_ns += token_ns * 4;
    }
    tables.packets.push(PacketRow {
        at_ns: send_ns,
        from_node: client.clone(),
        to_node: "proxy-0".to_owned(),
        connection: index % 2,
        direction: Direction::Up,
        kind: "data".to_owned(),
        bytes: 400 + prompt_tokens * 4,
        tap: format!("{client}/link"),
    });
    let last_ns = at_ns.max(send_ns + ttft_ns);
    for (node, role, stage, at_ns) in [
        (client.as_str(), Role::Client, "accepted from the user", send_ns),
        ("proxy-0", Role::Proxy, "received", send_ns + 6 * MS),
        ("proxy-0", Role::Proxy, "tokens reserved", send_ns + 7 * MS),
        (worker.as_str(), Role::Worker, "received", send_ns + 13 * MS),
        (worker.as_str(), Role::Worker, "first part", send_ns + ttft_ns - 12 * MS),
        (client.as_str(), Role::Client, "first part", send_ns + ttft_ns),
        (worker.as_str(), Role::Worker, "usage reported", last_ns - 12 * MS),
        ("proxy-0", Role::Proxy, "charged", last_ns - 5 * MS),
        (client.as_str(), Role::Client, "complete", last_ns),
    ] {
        if answered || at_ns < send_ns + ttft_ns - 12 * MS {
            tables.spans.push(SpanRow {
                request_id: request_id.clone(),
                node: node.to_owned(),
                role,
                stage: stage.to_owned(),
                at_ns,
            });
        }
    }
    let units = |tokens: u64, multiplier: u64| if answered { tokens * multiplier / 10_000 } else { 0 };
    let adjusted_prompt = units(prompt_tokens - cached_tokens, 10_000);
    let adjusted_cached = units(cached_tokens, 2_000);
    let adjusted_completion = units(completion_tokens - reasoning_tokens, 80_000);
    let adjusted_reasoning = units(reasoning_tokens, 80_000);
    let adjusted_tokens = adjusted_prompt + adjusted_cached + adjusted_completion + adjusted_reasoning;
    if answered {
        tables.payments.push(PaymentRow {
            at_ns: last_ns,
            payer: client.clone(),
            payee: "proxy-0".to_owned(),
            proxy: "proxy-0".to_owned(),
            counterparty: client.clone(),
            kind: "client_charge".to_owned(),
            tokens: account + adjusted_tokens,
            delta_tokens: i64::try_from(adjusted_tokens).unwrap(),
            nanoton: adjusted_tokens * PRICE_NANOTON,
            request_id: Some(request_id.clone()),
        });
    }
    tables.requests.push(RequestRow {
        request_id,
        client,
        user: index % 7,
        proxy: Some("proxy-0".to_owned()),
        worker: answered.then_some(worker),
        model: "sim/llama-8b".to_owned(),
        streaming: true,
        intended_send_ns,
        send_ns,
        first_byte_ns: answered.then_some(send_ns + ttft_ns),
        last_byte_ns: answered.then_some(last_ns),
        ttft_ns: answered.then_some(ttft_ns),
        e2e_ns: answered.then_some(last_ns - send_ns),
        status,
        error_code: (status == RequestStatus::Error).then_some(651),
        http_status: match status {
            RequestStatus::Ok => Some(200),
            RequestStatus::Error => Some(502),
            _ => None,
        },
        prompt_tokens: if answered { prompt_tokens } else { 0 },
        cached_tokens: if answered { cached_tokens } else { 0 },
        completion_tokens,
        reasoning_tokens,
        adjusted_tokens,
        adjusted_prompt_tokens: Some(adjusted_prompt),
        adjusted_cached_tokens: Some(adjusted_cached),
        adjusted_completion_tokens: Some(adjusted_completion),
        adjusted_reasoning_tokens: Some(adjusted_reasoning),
        cost_nanoton: adjusted_tokens * PRICE_NANOTON,
        worker_fee_nanoton: adjusted_tokens * FEE_NANOTON,
        request_bytes: prompt_tokens * 4 + 120,
        answer_bytes: completion_tokens * 5,
        parts: if answered { parts } else { 0 },
        answer_digest: if answered { "c0de".repeat(16) } else { String::new() },
    });
    adjusted_tokens
}

fn assertions(tables: &mut Tables, seed: u64, failing: bool) {
    let mut add = |name: &str, class, verdict, detail: &str| {
        tables.assertions.push(AssertionRow {
            name: name.to_owned(),
            class,
            verdict,
            detail: detail.to_owned(),
            at_ns: (verdict == AssertionVerdict::Fail).then_some(331 * SECOND),
        });
    };
    add(
        "conservation-of-coins",
        AssertionClass::Always,
        AssertionVerdict::Pass,
        "",
    );
    add(
        "no-plaintext-leaves-tee",
        AssertionClass::Never,
        AssertionVerdict::Pass,
        "",
    );
    if failing {
        let detail = "worker-1 served 3,412 billed units for which proxy-0 never paid";
        add(
            "honest-party-never-loses",
            AssertionClass::Always,
            AssertionVerdict::Fail,
            detail,
        );
    } else {
        add(
            "honest-party-never-loses",
            AssertionClass::Always,
            AssertionVerdict::Pass,
            "",
        );
    }
    add(
        "every-request-ends",
        AssertionClass::Eventually,
        AssertionVerdict::Pass,
        "",
    );
    add(
        "ttft-p90-below-500ms",
        AssertionClass::Slo,
        AssertionVerdict::Pass,
        "p90 301.2 ms",
    );
    let seen = if seed.is_multiple_of(3) {
        AssertionVerdict::Pass
    } else {
        AssertionVerdict::Unseen
    };
    add("worker-crashes-mid-answer", AssertionClass::Sometimes, seen, "");
}

/// Markup, an end of every context it may land in, a bidirectional override, a control character and a null.
pub(crate) const HOSTILE: &str =
    "</title></style></svg>--><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{202E}\u{1B}[2J\0\u{200B}";

/// The same run with hostile text in every text column.
pub(crate) fn hostile(mut tables: Tables) -> Tables {
    let taint = |text: &mut String| text.push_str(HOSTILE);
    let taint_optional = |text: &mut Option<String>| text.iter_mut().for_each(taint);
    for row in &mut tables.requests {
        let RequestRow {
            request_id,
            client,
            proxy,
            worker,
            model,
            answer_digest,
            ..
        } = row;
        [request_id, client, model, answer_digest].into_iter().for_each(taint);
        [proxy, worker].into_iter().for_each(taint_optional);
    }
    tables.parts.iter_mut().for_each(|row| taint(&mut row.request_id));
    for SpanRow {
        request_id,
        node,
        stage,
        ..
    } in &mut tables.spans
    {
        [request_id, node, stage].into_iter().for_each(taint);
    }
    for PacketRow {
        from_node,
        to_node,
        kind,
        tap,
        ..
    } in &mut tables.packets
    {
        [from_node, to_node, kind, tap].into_iter().for_each(taint);
    }
    for PaymentRow {
        payer,
        payee,
        proxy,
        counterparty,
        kind,
        request_id,
        ..
    } in &mut tables.payments
    {
        [payer, payee, proxy, counterparty, kind].into_iter().for_each(taint);
        taint_optional(request_id);
    }
    for TransactionRow {
        account,
        part,
        address,
        hash,
        source,
        operation,
        ..
    } in &mut tables.transactions
    {
        [account, part, address, hash, operation].into_iter().for_each(taint);
        taint_optional(source);
    }
    for AttestationRow {
        verifier,
        peer,
        kind,
        reason,
        image_hash,
        occasion,
        anchor,
        tcb_status,
        platform,
        ..
    } in &mut tables.attestations
    {
        [
            verifier, peer, kind, reason, image_hash, occasion, anchor, tcb_status, platform,
        ]
        .into_iter()
        .for_each(taint);
    }
    for AttackRow { attack, detail, .. } in &mut tables.attacks {
        [attack, detail].into_iter().for_each(taint);
    }
    for FaultRow {
        kind, target, detail, ..
    } in &mut tables.faults
    {
        [kind, target, detail].into_iter().for_each(taint);
    }
    for AssertionRow { name, detail, .. } in &mut tables.assertions {
        [name, detail].into_iter().for_each(taint);
    }
    tables.prices.iter_mut().for_each(|row| taint(&mut row.name));
    tables
}

/// A description with hostile text in every text field.
pub(crate) fn hostile_description() -> RunDescription {
    let text = HOSTILE.to_owned();
    RunDescription {
        scenario: text.clone(),
        scenario_source: text.clone(),
        profile: text.clone(),
        engine: text.clone(),
        versions: BTreeMap::from([(text.clone(), text.clone())]),
        world_digest: text.clone(),
        application_digest: text.clone(),
        threat: Some(ThreatDescription {
            catalogue: vec![NamedThreat {
                id: text.clone(),
                name: text.clone(),
            }],
            stride: vec![text.clone()],
            linddun: vec![text.clone()],
            ..ThreatDescription::default()
        }),
        ..description(3, RunVerdict::Fail)
    }
}
