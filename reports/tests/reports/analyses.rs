//! Analyses against figures computed by hand.

use crate::support;

use chrysalis_reports::analyses::{
    Choice, LatencyMetric, SuiteVerdict, TokenClass, choose_request, cost, flows, latency, nanoton_per_million,
    observer_view, operations, payments, runs, timeline, verdicts,
};
use chrysalis_reports::schema::{
    AssertionClass, AssertionRow, AssertionVerdict, Direction, Observer, PacketRow, PartRow, PaymentRow, RequestRow,
    RequestStatus, Role, SpanRow,
};
use chrysalis_reports::{RunStore, RunVerdict, Tables};
use support::description;

fn store(tables: Tables) -> RunStore {
    RunStore::in_memory(tables, description(1, RunVerdict::Pass)).unwrap()
}

/// An answered request, to be changed by each test.
fn request(request_id: &str) -> RequestRow {
    RequestRow {
        request_id: request_id.to_owned(),
        intended_send_ns: 100,
        send_ns: 150,
        first_byte_ns: Some(250),
        last_byte_ns: Some(650),
        ttft_ns: Some(100),
        e2e_ns: Some(500),
        status: RequestStatus::Ok,
        prompt_tokens: 10,
        cached_tokens: 4,
        completion_tokens: 5,
        reasoning_tokens: 2,
        adjusted_tokens: 31,
        adjusted_prompt_tokens: Some(6),
        adjusted_cached_tokens: Some(1),
        adjusted_completion_tokens: Some(16),
        adjusted_reasoning_tokens: Some(8),
        cost_nanoton: 620,
        worker_fee_nanoton: 496,
        ..support::tables(1, 1, false).requests[0].clone()
    }
}

fn part(request_id: &str, part_index: u64, observer: Observer, at_ns: u64) -> PartRow {
    PartRow {
        request_id: request_id.to_owned(),
        part_index,
        observer,
        at_ns,
        bytes: 10,
    }
}

#[test]
fn latencies_follow_their_definitions() {
    let tables = Tables {
        requests: vec![
            request("a"),
            RequestRow {
                streaming: false,
                ..request("b")
            },
            RequestRow {
                completion_tokens: 1,
                ..request("c")
            },
            // Not answered, and usage that contradicts itself: neither may count nor overflow.
            RequestRow {
                status: RequestStatus::Timeout,
                ..request("d")
            },
            RequestRow {
                ttft_ns: Some(900),
                last_byte_ns: Some(1),
                ..request("e")
            },
        ],
        parts: vec![
            part("a", 2, Observer::Client, 650),
            part("a", 0, Observer::Client, 250),
            part("a", 1, Observer::Client, 300),
            part("a", 0, Observer::Worker, 200),
            part("c", 0, Observer::Client, 1_000),
            part("d", 0, Observer::Client, 1),
            part("d", 1, Observer::Client, 2),
        ],
        ..Tables::default()
    };
    let latency = latency(&[store(tables)]);
    let values = |metric| latency.metric(metric).unwrap().sample_ns.values().to_vec();
    assert_eq!(values(LatencyMetric::TimeToFirstToken), [100, 100, 100, 900]);
    assert_eq!(values(LatencyMetric::InterToken), [100]);
    assert_eq!(values(LatencyMetric::InterChunk), [50, 350]);
    assert_eq!(values(LatencyMetric::EndToEnd), [500, 500, 500, 500]);
    assert_eq!(values(LatencyMetric::EndToEndFromIntended), [550, 550, 550]);
    assert_eq!((latency.answered.successes(), latency.answered.trials()), (4, 5));
    assert_eq!(latency.outcomes[&RequestStatus::Timeout], 1);
    assert_eq!(latency.outcomes.len(), RequestStatus::ALL.len());
    assert!(!latency.metric(LatencyMetric::EndToEnd).unwrap().estimates[0].is_claimed());
}

#[test]
fn costs_are_split_exactly_by_role_and_class() {
    let tables = Tables {
        requests: vec![
            request("a"),
            // A bill that is not split, one whose split does not add up, and one that costs nothing.
            RequestRow {
                adjusted_cached_tokens: None,
                ..request("b")
            },
            RequestRow {
                adjusted_cached_tokens: Some(2),
                ..request("c")
            },
            RequestRow {
                cost_nanoton: 0,
                worker_fee_nanoton: 0,
                ..request("d")
            },
        ],
        ..Tables::default()
    };
    let cost = cost(&[store(tables)]);
    assert_eq!((cost.requests, cost.billed_requests, cost.split_requests), (4, 3, 2));
    assert_eq!(cost.tokens, 4 * 15);
    assert_eq!(
        (cost.client_pays_nanoton, cost.worker_earns_nanoton),
        (3 * 620, 3 * 496)
    );
    assert_eq!(cost.proxy_margin_nanoton, 3 * 124);
    assert_eq!(cost.margin_ppm(), Some(200_000));
    let class = |class| *cost.classes.iter().find(|entry| entry.class == class).unwrap();
    assert_eq!(class(TokenClass::Prompt).tokens, 4 * 6);
    assert_eq!(class(TokenClass::Prompt).split_tokens, 2 * 6);
    assert_eq!(class(TokenClass::Prompt).cost_nanoton, 6 * 20);
    assert_eq!(class(TokenClass::Cached).cost_nanoton, 20);
    assert_eq!(class(TokenClass::Completion).cost_nanoton, 16 * 20);
    assert_eq!(class(TokenClass::Reasoning).cost_nanoton, 8 * 20);
    // Every nanoTON is somewhere.
    let attributed: u128 = cost.classes.iter().map(|class| class.cost_nanoton).sum();
    assert_eq!(attributed + cost.unattributed_nanoton, cost.client_pays_nanoton);
    assert_eq!(cost.unattributed_nanoton, 2 * 620);
    assert_eq!(nanoton_per_million(20, 1_000), Some(20_000));
    assert_eq!(nanoton_per_million(20, 0), None);
}

#[test]
fn fractions_of_a_nanoton_are_not_lost() {
    // 100 nanoTON for 31 units do not divide.
    let tables = Tables {
        requests: vec![RequestRow {
            cost_nanoton: 100,
            ..request("a")
        }],
        ..Tables::default()
    };
    let cost = cost(&[store(tables)]);
    let attributed: u128 = cost.classes.iter().map(|class| class.cost_nanoton).sum();
    assert_eq!((attributed, cost.unattributed_nanoton), (19 + 3 + 51 + 25, 2));
}

#[test]
fn a_loss_of_the_proxy_is_negative() {
    let tables = Tables {
        requests: vec![RequestRow {
            worker_fee_nanoton: 930,
            ..request("a")
        }],
        ..Tables::default()
    };
    let cost = cost(&[store(tables)]);
    assert_eq!((cost.proxy_margin_nanoton, cost.margin_ppm()), (-310, Some(-500_000)));
}

#[test]
fn the_observer_sees_its_own_taps_only() {
    let packet = |tap: &str, direction, at_ns, bytes| PacketRow {
        at_ns,
        from_node: String::new(),
        to_node: String::new(),
        connection: 1,
        direction,
        kind: "data".to_owned(),
        bytes,
        tap: tap.to_owned(),
    };
    let tables = Tables {
        packets: vec![
            packet("client-0", Direction::Down, 40, 100),
            packet("client-0", Direction::Down, 10, 100),
            packet("client-0", Direction::Down, 15, 200),
            packet("client-0", Direction::Up, 5, 300),
            packet("worker-0", Direction::Up, 6, 999),
        ],
        ..Tables::default()
    };
    // Two runs: gaps never reach from one into the other.
    let view = observer_view(&[store(tables.clone()), store(tables)]);
    assert_eq!(view.taps.iter().collect::<Vec<_>>(), ["client-0"]);
    assert_eq!(view.connections, 2);
    assert_eq!(view.up.sizes_bytes.values(), [300, 300]);
    assert_eq!(view.down.sizes_bytes.values(), [100, 100, 100, 100, 200, 200]);
    assert_eq!(view.down.gaps_ns.values(), [5, 5, 25, 25]);
    assert_eq!((view.up.distinct_sizes, view.down.distinct_sizes), (1, 2));
    assert_eq!(view.down.kinds["data"], 6);
}

#[test]
fn timelines_order_nodes_by_role_and_stages_by_time() {
    let span = |node: &str, role, stage: &str, at_ns| SpanRow {
        request_id: "a".to_owned(),
        node: node.to_owned(),
        role,
        stage: stage.to_owned(),
        at_ns,
    };
    let tables = Tables {
        requests: vec![request("a")],
        spans: vec![
            span("w1", Role::Worker, "received", 30),
            span("w0", Role::Worker, "received", 20),
            span("c", Role::Client, "sent", 10),
            SpanRow {
                request_id: "b".to_owned(),
                ..span("x", Role::Client, "sent", 1)
            },
        ],
        parts: vec![
            part("a", 1, Observer::Worker, 60),
            part("a", 0, Observer::Worker, 50),
            part("a", 0, Observer::Proxy, 55),
        ],
        ..Tables::default()
    };
    assert_eq!(timeline(&tables, "none"), None);
    let found = timeline(&tables, "a").unwrap();
    let lanes: Vec<_> = found
        .lanes
        .iter()
        .map(|lane| (lane.role, lane.node.as_deref(), lane.parts_ns.as_slice()))
        .collect();
    assert_eq!(
        lanes,
        [
            (Role::Client, Some("c"), [].as_slice()),
            (Role::Proxy, None, [55].as_slice()),
            (Role::Worker, Some("w0"), [50, 60].as_slice()),
            (Role::Worker, Some("w1"), [].as_slice()),
        ]
    );
    let events: Vec<_> = found.events.iter().map(|event| (event.at_ns, event.lane)).collect();
    assert_eq!(events, [(10, 0), (20, 2), (30, 3)]);
    assert_eq!(found.range_ns(), Some((10, 60)));
    assert_eq!(choose_request(&tables), Some(("a", Choice::Median)));
    let failed = Tables {
        requests: vec![RequestRow {
            status: RequestStatus::Lost,
            ..request("a")
        }],
        ..tables
    };
    assert_eq!(choose_request(&failed), Some(("a", Choice::FirstFailure)));
    assert_eq!(choose_request(&Tables::default()), None);
}

#[test]
fn payments_are_summed_by_kind_proxy_and_counterparty() {
    let payment = |kind: &str, counterparty: &str, delta_tokens, nanoton| PaymentRow {
        at_ns: 0,
        payer: counterparty.to_owned(),
        payee: "p".to_owned(),
        proxy: "p".to_owned(),
        counterparty: counterparty.to_owned(),
        kind: kind.to_owned(),
        tokens: 0,
        delta_tokens,
        nanoton,
        request_id: None,
    };
    let tables = Tables {
        payments: vec![
            payment("charge", "c", 5, 100),
            payment("payout", "w", -5, 80),
            payment("charge", "c", -2, u64::MAX),
        ],
        ..Tables::default()
    };
    let sums: Vec<_> = payments(&[store(tables)])
        .into_iter()
        .map(|sum| (sum.kind, sum.counterparty, sum.count, sum.delta_tokens, sum.nanoton))
        .collect();
    assert_eq!(
        sums,
        [
            ("charge".to_owned(), "c".to_owned(), 2, 3, 100 + u128::from(u64::MAX)),
            ("payout".to_owned(), "w".to_owned(), 1, -5, 80),
        ]
    );
}

fn asserted(seed: u64, run: RunVerdict, rows: &[(&str, AssertionClass, AssertionVerdict)]) -> RunStore {
    let assertions = rows
        .iter()
        .map(|(name, class, verdict)| AssertionRow {
            name: (*name).to_owned(),
            class: *class,
            verdict: *verdict,
            detail: format!("in {seed}"),
            at_ns: None,
        })
        .collect();
    RunStore::in_memory(
        Tables {
            assertions,
            ..Tables::default()
        },
        description(seed, run),
    )
    .unwrap()
}

#[test]
fn suites_pass_only_if_everything_holds_and_everything_is_seen() {
    use AssertionClass::{Always, Slo, Sometimes};
    use AssertionVerdict::{Fail, Pass, Undecided, Unseen};
    let suite = |runs: &[RunStore]| {
        let summary = verdicts(runs);
        (summary.suite, summary.passed_runs)
    };
    let good = |seed, seen| {
        asserted(
            seed,
            RunVerdict::Pass,
            &[("coins", Always, Pass), ("crash", Sometimes, seen)],
        )
    };
    assert_eq!(suite(&[]), (SuiteVerdict::Undecided, 0));
    assert_eq!(suite(&[good(1, Pass), good(2, Unseen)]), (SuiteVerdict::Pass, 2));
    assert_eq!(suite(&[good(1, Unseen), good(2, Unseen)]), (SuiteVerdict::Fail, 2));
    let undecided = asserted(3, RunVerdict::Pass, &[("coins", Always, Pass), ("p99", Slo, Undecided)]);
    assert_eq!(suite(&[good(1, Pass), undecided]), (SuiteVerdict::Undecided, 1));
    // A manifest cannot talk a violated property away, nor the other way round.
    let lying = asserted(4, RunVerdict::Pass, &[("coins", Always, Fail)]);
    assert_eq!(suite(&[good(1, Pass), lying.clone()]), (SuiteVerdict::Fail, 1));
    let unexplained = asserted(5, RunVerdict::Fail, &[("coins", Always, Pass)]);
    assert_eq!(suite(&[good(1, Pass), unexplained]), (SuiteVerdict::Fail, 1));
    let unsteady = asserted(6, RunVerdict::NonDeterministic, &[]);
    assert_eq!(suite(&[lying.clone(), unsteady]), (SuiteVerdict::NonDeterministic, 0));

    let summary = verdicts(&[good(1, Pass), lying]);
    let coins = &summary.properties[0];
    assert_eq!((coins.passed, coins.failed, coins.verdict), (1, 1, SuiteVerdict::Fail));
    assert_eq!(coins.example, Some((4, "in 4".to_owned())));
}

#[test]
fn runs_are_kept_apart() {
    let slow = Tables {
        requests: vec![RequestRow {
            e2e_ns: Some(9_000),
            ..request("a")
        }],
        ..Tables::default()
    };
    let fast = Tables {
        requests: vec![
            request("a"),
            RequestRow {
                status: RequestStatus::Error,
                ..request("b")
            },
        ],
        ..Tables::default()
    };
    let summaries = runs(&[store(slow), store(fast)]);
    assert_eq!(
        summaries.iter().map(|run| run.e2e_p50_ns).collect::<Vec<_>>(),
        [Some(9_000), Some(500)]
    );
    assert_eq!(
        (summaries[1].answered.successes(), summaries[1].answered.trials()),
        (1, 2)
    );
    assert_eq!(summaries[1].client_pays_nanoton, 1_240);
}

#[test]
fn flows_and_operations_of_the_chain_add_up() {
    let run = store(support::tables(1, 12, false));
    let flows = flows(std::slice::from_ref(&run));
    let first = &flows[0];
    assert_eq!(
        (
            first.payer.as_str(),
            first.reason.as_str(),
            first.payee.as_str(),
            first.nanoton
        ),
        (
            "client-0 (wallet)",
            "ext_client_top_up",
            "client-0 at proxy-0 (client)",
            15_700_000_000
        )
    );
    assert!(flows.is_sorted_by_key(|flow| std::cmp::Reverse(flow.nanoton)));
    // Everything that arrived and every fee is in one flow, signatures in none.
    let tables = run.tables();
    let arrived = tables.payments.iter().filter(|row| row.proxy.is_empty());
    let arrived: u128 = arrived.map(|row| u128::from(row.nanoton)).sum();
    let fees: u128 = tables.transactions.iter().map(|row| u128::from(row.fees_nanoton)).sum();
    assert_eq!(flows.iter().map(|flow| flow.nanoton).sum::<u128>(), arrived + fees);

    let operations = operations(std::slice::from_ref(&run));
    let charge = operations
        .iter()
        .find(|row| row.operation == "ext_client_charge_signed")
        .unwrap();
    assert_eq!(
        (charge.part.as_str(), charge.count, charge.failed, charge.gas),
        ("client", 2, 1, 12_133)
    );
    assert_eq!(charge.old_price_nanoton, 12_133 * 400 + 800_000);
    assert_eq!(operations.iter().map(|row| row.count).sum::<u64>(), 6);
}
