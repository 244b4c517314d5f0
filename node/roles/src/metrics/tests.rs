use super::*;

fn end(metrics: &Metrics, now_ns: u64, id: u8, code: i32) {
    let request = [id; 32];
    let fields = [
        ("request", Value::from(&request)),
        ("role", "proxy".into()),
        ("code", code.into()),
        ("prompt_tokens", 7_u64.into()),
        ("adjusted_tokens", 11_u64.into()),
    ];
    metrics.record(
        now_ns,
        &Observation {
            kind: "request.end",
            fields: &fields,
        },
    );
}

fn stage(metrics: &Metrics, now_ns: u64, id: u8, stage: &'static str) {
    let request = [id; 32];
    let fields = [
        ("request", Value::from(&request)),
        ("role", "proxy".into()),
        ("stage", stage.into()),
    ];
    metrics.record(
        now_ns,
        &Observation {
            kind: "request.stage",
            fields: &fields,
        },
    );
}

/// Sum and count of a histogram in the text.
fn line<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::trim)
}

#[test]
fn a_request_is_counted_and_timed_once() {
    let metrics = Metrics::new();
    stage(&metrics, 1_000_000_000, 1, "received");
    stage(&metrics, 1_500_000_000, 1, "assigned");
    stage(&metrics, 2_000_000_000, 1, "head");
    assert_eq!(metrics.to_json("proxy")["requests_running"], 1);
    end(&metrics, 5_000_000_000, 1, 0);
    // Without a start there is nothing to time.
    end(&metrics, 9_000_000_000, 2, 653);
    let text = metrics.to_text();
    assert_eq!(
        line(&text, r#"chrysalis_requests_total{role="proxy",code="0"}"#),
        Some("1"),
        "{text}"
    );
    assert_eq!(
        line(&text, r#"chrysalis_requests_total{role="proxy",code="653"}"#),
        Some("1")
    );
    assert_eq!(
        line(&text, r#"chrysalis_request_duration_seconds_count{role="proxy"}"#),
        Some("1")
    );
    assert_eq!(
        line(&text, r#"chrysalis_request_duration_seconds_sum{role="proxy"}"#),
        Some("4.0")
    );
    assert_eq!(
        line(&text, r#"chrysalis_request_head_duration_seconds_sum{role="proxy"}"#),
        Some("1.0")
    );
    assert_eq!(
        line(&text, r#"chrysalis_adjusted_tokens_total{role="proxy"}"#),
        Some("22")
    );
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(metrics.to_json("proxy")["requests_running"], 0);
    assert_eq!(
        metrics.to_json("proxy")["requests_by_code"],
        json!({ "0": 1, "653": 1 })
    );
}

#[test]
fn what_is_ready_follows_what_happens() {
    let metrics = Metrics::new();
    let record = |kind, field, value: bool| {
        let fields = [("role", Value::from("worker")), (field, value.into())];
        metrics.record(0, &Observation { kind, fields: &fields });
    };
    assert_eq!(metrics.sessions_ready(Role::Worker), 0);
    record("session", "ready", true);
    record("session", "ready", true);
    record("session", "ready", false);
    assert_eq!(metrics.sessions_ready(Role::Worker), 1);
    record("session", "ready", false);
    assert_eq!(metrics.sessions_ready(Role::Worker), 0);
    assert!(!metrics.is_ledger_writable(), "it was not opened");
    record("ledger.opened", "role", true);
    assert!(metrics.is_ledger_writable());
    record("ledger.state", "writable", false);
    assert!(!metrics.is_ledger_writable());
    record("ledger.state", "writable", true);
    assert!(metrics.is_ledger_writable());
}

#[test]
fn texts_of_peers_and_unknown_numbers_make_no_labels() {
    let metrics = Metrics::new();
    for number in 0..100 {
        end(&metrics, 0, 1, 10_000 + number);
        let text = format!("evil {number}");
        let fields = [
            ("role", Value::from(text.as_str())),
            ("peer_kind", text.as_str().into()),
            ("payment", text.as_str().into()),
            ("reason", text.as_str().into()),
            ("accepted", false.into()),
        ];
        for kind in ["peer", "payment", "note", "connection.closed", "request.part"] {
            metrics.record(0, &Observation { kind, fields: &fields });
        }
    }
    let text = metrics.to_text();
    assert!(!text.contains("evil"), "{text}");
    assert_eq!(
        line(&text, r#"chrysalis_requests_total{role="proxy",code="other"}"#),
        Some("100")
    );
    let refused = r#"chrysalis_peers_total{role="other",peer_kind="other",verdict="refused"}"#;
    assert_eq!(line(&text, refused), Some("100"));
}

#[test]
fn the_memory_for_starts_is_bounded_and_forgets_the_oldest() {
    let mut running = Running::default();
    let key = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(number as u64).to_le_bytes());
        ("proxy", id)
    };
    for number in 0..=MAX_TIMED_REQUESTS {
        running.begin(key(number), number as u64);
    }
    assert_eq!(
        (running.starts.len(), running.by_age.len()),
        (MAX_TIMED_REQUESTS, MAX_TIMED_REQUESTS)
    );
    assert_eq!(running.begin(key(1), 0), [("proxy", 0); 2], "a known start is kept");
    assert_eq!(running.end(&key(0)), None);
    assert_eq!(running.end(&key(1)), Some(1));
    assert_eq!(running.starts.len(), running.by_age.len());
}
