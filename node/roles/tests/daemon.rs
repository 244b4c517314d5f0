//! The daemon as its operators meet it: processes, files, ports, signals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so and stops"
)]

#[path = "fixtures/inference_server.rs"]
mod inference_server;
#[path = "fixtures/mistakes.rs"]
mod mistakes;
#[path = "fixtures/network.rs"]
mod network;
#[path = "fixtures/process.rs"]
mod process;

use chrysalis_node::metrics::CONTENT_TYPE;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{Response, body::Incoming};
use mistakes::{MISTAKES, Mistake};
use network::{Folder, Network, names, text, user_env, wait_for_log};
use process::{Daemon, run, wait_for};
use serde_json::{Value, json};
use std::{net::TcpStream, path::Path, time::Duration};

/// Stands for what must never be in a log.
const MARKER: &str = "xylophone-quandary-4711";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Waits for the first piece of a streamed answer.
async fn first_piece(response: &mut Response<Incoming>) -> String {
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[test]
fn answers_reach_users_and_nothing_of_them_reaches_a_log() {
    runtime().block_on(async {
        let backend = inference_server::start(&user_env(), Duration::from_millis(1)).await;
        let mut network = Network::start(backend).await;

        let whole = network.chat(&format!("say {MARKER}"), false).await;
        assert_eq!(whole.status(), StatusCode::OK);
        let whole = text(whole).await;
        // What the logs are searched for does pass: the search below is not in vain.
        assert!(whole.contains(&format!("echo: say {MARKER}")), "{whole}");
        let streamed = network.chat(&format!("one two {MARKER} four"), true).await;
        assert_eq!(streamed.headers()[header::CONTENT_TYPE], "text/event-stream");
        let streamed = text(streamed).await;
        assert!(
            streamed.contains(MARKER) && streamed.trim_end().ends_with("data: [DONE]"),
            "{streamed}"
        );
        let refused = network.chat(&format!("{MARKER} \u{0}"), false).await.status();
        assert!(refused.is_success() || refused.is_client_error());

        management(&network).await;

        let secret = network.folder_secret();
        for daemon in [&mut network.client, &mut network.worker, &mut network.proxy] {
            daemon.signal("TERM");
            assert_eq!(daemon.exit_code(), 143, "{:#?}", daemon.lines());
            assert!(
                !daemon.logged("request.part").is_empty(),
                "the log is at its most talkative"
            );
            let hidden = [
                MARKER.to_owned(),
                "echo".to_owned(),
                hex::encode(MARKER),
                secret.clone(),
            ];
            for line in daemon.lines() {
                let parsed: Value = serde_json::from_str(&line).unwrap();
                assert!(parsed["unix_ns"].is_u64() && parsed["kind"].is_string(), "{line}");
                // The model's name is in no line either; "echo" is a part of it.
                assert!(!hidden.iter().any(|text| line.contains(text.as_str())), "{line}");
            }
        }
    });
}

impl Network {
    fn folder_secret(&self) -> String {
        let client = std::fs::read_to_string(self.folder.path("client.json")).unwrap();
        serde_json::from_str::<Value>(&client).unwrap()["secret_string"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// Health, metrics and counters after two requests; and that nothing opens without the token.
async fn management(network: &Network) {
    let roles = [
        ("client", &network.client),
        ("proxy", &network.proxy),
        ("worker", &network.worker),
    ];
    for (role, daemon) in roles {
        let token = daemon.token();
        let (status, health) = network.manage(daemon, "/healthz", &token).await;
        assert_eq!((status, health.body().as_str()), (StatusCode::OK, "ok\n"), "{role}");

        let (status, metrics) = network.manage(daemon, "/metrics", &token).await;
        assert_eq!(
            (status, metrics.headers()[header::CONTENT_TYPE].to_str().unwrap()),
            (StatusCode::OK, CONTENT_TYPE)
        );
        let metrics = metrics.into_body();
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{role}: no {name} in {metrics}"))
                .trim()
                .parse::<f64>()
                .unwrap()
        };
        assert!(value(&format!("chrysalis_requests_total{{role=\"{role}\",code=\"0\"}}")) >= 2.0);
        assert!(value(&format!("chrysalis_request_duration_seconds_count{{role=\"{role}\"}}")) >= 2.0);
        assert!(value(&format!("chrysalis_answer_bytes_total{{role=\"{role}\"}}")) > 100.0);
        assert!(value(&format!("chrysalis_adjusted_tokens_total{{role=\"{role}\"}}")) > 0.0);
        assert!(metrics.ends_with("# EOF\n"));

        let (_, stats) = network.manage(daemon, "/stats", &token).await;
        let stats: Value = serde_json::from_str(stats.body()).unwrap();
        assert_eq!(
            (stats["role"].as_str(), stats["stopping"].as_bool()),
            (Some(role), Some(false))
        );
        assert!(
            stats["counters"]["requests_by_code"]["0"].as_u64() >= Some(2),
            "{stats}"
        );

        let (status, _) = network.manage(daemon, "/elsewhere", &token).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        for wrong in ["", "0", &token[1..], &format!("{token}0"), &token.to_uppercase()] {
            for path in ["/healthz", "/metrics", "/stats", "/request/disable", "/elsewhere"] {
                let (status, answer) = network.manage(daemon, path, wrong).await;
                assert_eq!(
                    (status, answer.body().as_str()),
                    (StatusCode::UNAUTHORIZED, ""),
                    "{role} {path} {wrong:?}"
                );
            }
        }
    }
    let accepted = |stats: &Value, kind: &str| stats["counters"]["peers"][format!("{kind}_accepted")].as_u64();
    let (_, stats) = network.manage(&network.proxy, "/stats", &network.proxy.token()).await;
    let stats: Value = serde_json::from_str(stats.body()).unwrap();
    assert_eq!(
        (accepted(&stats, "client"), accepted(&stats, "worker")),
        (Some(1), Some(1)),
        "{stats}"
    );
}

#[test]
fn a_running_stream_is_finished_after_a_request_to_stop() {
    runtime().block_on(async {
        let backend = inference_server::start(&user_env(), Duration::from_millis(150)).await;
        let mut network = Network::start(backend).await;
        let prompt: Vec<String> = (0..20).map(|number| format!("word{number}")).collect();
        let mut response = network.chat(&prompt.join(" "), true).await;
        let mut answer = first_piece(&mut response).await;
        network.proxy.signal("TERM");
        wait_for_log(&network.proxy, "daemon.stopping");
        assert!(!answer.contains("word19"), "the stream is under way");
        answer.push_str(&text(response).await);
        assert!(
            answer.contains("word19") && answer.trim_end().ends_with("data: [DONE]"),
            "{answer}"
        );
        assert_eq!(network.proxy.exit_code(), 143);
    });
}

#[test]
fn a_second_signal_ends_the_wait() {
    runtime().block_on(async {
        let backend = inference_server::start(&user_env(), Duration::from_millis(300)).await;
        let mut network = Network::start(backend).await;
        let mut response = network.chat(&"word ".repeat(60), true).await;
        first_piece(&mut response).await;
        network.proxy.signal("TERM");
        wait_for_log(&network.proxy, "daemon.stopping");
        assert!(network.proxy.is_running(), "it waits for the stream");
        network.proxy.signal("INT");
        assert_eq!(network.proxy.exit_code(), 130);
        let rest = response
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let finished = rest.is_ok_and(|rest| String::from_utf8_lossy(&rest).trim_end().ends_with("data: [DONE]"));
        assert!(!finished, "the stream was cut");
    });
}

#[test]
fn a_proxy_keeps_its_ledger() {
    runtime().block_on(async {
        let backend = inference_server::start(&user_env(), Duration::from_millis(1)).await;
        let mut network = Network::start(backend).await;
        assert!(
            network.proxy.logged("ledger.restored").is_empty(),
            "a new ledger has nothing to restore"
        );
        assert_eq!(network.chat("hello", false).await.status(), StatusCode::OK);
        let (clients, workers) = (network.proxy.address("clients"), network.proxy.address("workers"));
        network.proxy.signal("INT");
        assert_eq!(network.proxy.exit_code(), 130);

        network.restart_proxy(clients, workers);
        let restored = wait_for("one client and one worker", || {
            Some(network.proxy.logged("ledger.restored")).filter(|restored| restored.len() == 2)
        });
        assert!(
            restored.iter().all(|account| account["tokens"].as_u64() > Some(0)),
            "{restored:?}"
        );
        network.wait_until_usable().await;
        let again = network.chat("hello again", false).await;
        assert_eq!(again.status(), StatusCode::OK, "{}", text(again).await);

        // The ledger is signed: with another key it is somebody else's.
        network.proxy.signal("TERM");
        assert_eq!(network.proxy.exit_code(), 143);
        let mut settings = network.folder.settings("proxy");
        settings["signing_key_file"] = "other.seed".into();
        let config = network.folder.write_settings("proxy", &settings);
        let (code, stderr) = run(&["proxy", "--config", config.to_str().unwrap()]);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("not signed by this proxy"), "{stderr}");
    });
}

#[test]
fn a_backend_that_is_down_is_waited_for() {
    let folder = Folder::new();
    let nowhere = "127.0.0.1:1".parse().unwrap();
    folder.write_root("root.json", nowhere, nowhere);
    let mut settings = folder.settings("worker");
    settings["forward_requests_to"] = "http://127.0.0.1:1".into();
    let mut worker = Daemon::start("worker", &folder.write_settings("worker", &settings));
    let note = wait_for("a note", || {
        worker.logged("note").into_iter().find(|line| {
            line["text"]
                .as_str()
                .is_some_and(|text| text.contains("inference server"))
        })
    });
    assert_eq!(note["role"], "worker");
    runtime().block_on(async {
        let request =
            http::Request::get("/healthz").header(header::AUTHORIZATION, format!("Bearer {}", worker.token()));
        let request = request.body(http_body_util::Full::default()).unwrap();
        let response = network::send(&user_env(), worker.address("management"), request)
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(text(response).await.contains("inference server"));
    });
    assert!(worker.is_running());
    worker.signal("TERM");
    assert_eq!(worker.exit_code(), 143);
}

#[test]
fn usage_and_environment_have_codes_of_their_own() {
    assert_eq!(run(&["--help"]).0, 0);
    assert_eq!(run(&[]).0, 2);
    assert_eq!(run(&["gateway", "--config", "x.toml"]).0, 2);
    assert_eq!(run(&["proxy"]).0, 2);
    let (code, stderr) = run(&["proxy", "--config", "/nonexistent/proxy.toml"]);
    assert_eq!(code, 2, "{stderr}");

    let folder = Folder::new();
    let nowhere = "127.0.0.1:1".parse().unwrap();
    folder.write_root("root.json", nowhere, nowhere);
    let first = Daemon::start("proxy", &folder.write_settings("proxy", &folder.settings("proxy")));
    let port = first.address("clients").port();
    assert!(TcpStream::connect_timeout(&first.address("clients"), Duration::from_secs(5)).is_ok());

    let mut settings = folder.settings("proxy");
    settings["client_rpc_port"] = port.into();
    settings["db_path"] = "another-ledger".into();
    let taken = folder.write("taken.json", &settings.to_string());
    let (code, stderr) = run(&["proxy", "--config", taken.to_str().unwrap()]);
    assert_eq!(code, 5, "{stderr}");
    assert!(
        stderr.contains(&format!("the clients port 127.0.0.1:{port} cannot be opened")),
        "{stderr}"
    );

    let same = folder.write("same.json", &folder.settings("proxy").to_string());
    let (code, stderr) = run(&["proxy", "--config", same.to_str().unwrap()]);
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("another daemon uses this `db_path`"), "{stderr}");
}

#[test]
fn a_mistake_gets_one_clear_error_and_changes_nothing() {
    let folder = Folder::new();
    let (workers, clients) = ("127.0.0.1:2".parse().unwrap(), "127.0.0.1:3".parse().unwrap());
    folder.write_root("root.json", workers, clients);
    for role in ["client", "proxy", "worker"] {
        let config = folder.write_settings(role, &folder.settings(role));
        assert_eq!(
            run(&[role, "--config", config.to_str().unwrap(), "--check"]),
            (0, String::new())
        );
    }
    for Mistake(role, change, complaint) in MISTAKES {
        let mut settings = folder.settings(role);
        change(&mut settings);
        let config = folder.write_settings(role, &settings);
        // As if to run it: nothing may be made or opened.
        let (code, stderr) = run(&[role, "--config", config.to_str().unwrap()]);
        assert_eq!(code, 3, "{complaint}: {stderr}");
        assert!(stderr.contains(complaint), "{complaint}: {stderr}");
        let errors = stderr
            .lines()
            .filter(|line| line.starts_with("chrysalis-node: "))
            .count();
        assert_eq!(errors, 1, "{stderr}");
        assert!(stderr.contains(&format!("{role}.json")), "the file is named: {stderr}");
    }
    assert_eq!(
        names(&folder.path("")),
        ["client.json", "proxy.json", "root.json", "worker.json"]
    );
}

#[test]
fn simulated_evidence_takes_the_test_flag() {
    let folder = Folder::new();
    let nowhere = "127.0.0.1:1".parse().unwrap();
    folder.write_root("root.json", nowhere, nowhere);
    let mut settings = folder.settings("client");
    settings["is_test"] = false.into();
    let config = folder.write_settings("client", &settings);
    let (code, stderr) = run(&["client", "--config", config.to_str().unwrap()]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("a simulated root has no security"), "{stderr}");

    // Trusted on purpose, it is warned of.
    let client = Daemon::start("client", &folder.write_settings("client", &folder.settings("client")));
    let warning = wait_for_log(&client, "daemon.warning");
    assert!(warning["text"].as_str().unwrap().contains("no security"), "{warning}");
    // Files that were made are named, and nobody else may read them.
    let created: Vec<String> = client
        .logged("daemon.created")
        .iter()
        .map(|line| line["path"].as_str().unwrap().to_owned())
        .collect();
    for name in ["client.seed", "client.token"] {
        assert!(created.iter().any(|path| path.ends_with(name)), "{created:?}");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder.path(name)).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn evidence_of_another_vendor_is_refused() {
    runtime().block_on(async {
        let backend = inference_server::start(&user_env(), Duration::from_millis(1)).await;
        let network = Network::start(backend).await;
        let mut settings = network.folder.settings("worker");
        settings["forward_requests_to"] = format!("http://{backend}").into();
        settings["identity"]["evidence"]["simulated"]["seed"] = 8.into();
        let config = network.folder.write("foreign.json", &settings.to_string());
        // Its own policy would refuse its evidence: it does not even start.
        let (code, stderr) = run(&["worker", "--config", config.to_str().unwrap()]);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("fails this node's own `[trust]`"), "{stderr}");

        // With a policy to match it starts, and both ends refuse each other.
        settings["trust"]["anchors"]["simulation_seed"] = 8.into();
        settings["identity"]["key_seed_file"] = "foreign.seed".into();
        std::fs::create_dir(network.folder.path("foreign")).unwrap();
        settings["root_config"] = "../root.json".into();
        let config = network.folder.write("foreign/worker.json", &settings.to_string());
        let foreign = Daemon::start("worker", &config);
        let refusal = wait_for_log(&foreign, "peer");
        assert_eq!(
            (refusal["peer_kind"].as_str(), refusal["accepted"].as_bool()),
            (Some("proxy"), Some(false))
        );
        let (_, stats) = network.manage(&foreign, "/healthz", &foreign.token()).await;
        assert!(stats.body().contains("no proxy"), "{stats:?}");
    });
}

#[test]
fn hardware_evidence_is_the_machines_own_or_the_node_says_that_there_is_none() {
    runtime().block_on(async {
        let backend = inference_server::start(&user_env(), Duration::from_millis(1)).await;
        let network = Network::start(backend).await;
        let mut settings = network.folder.settings("worker");
        settings["forward_requests_to"] = format!("http://{backend}").into();
        settings["identity"] =
            serde_json::json!({ "key_seed_file": "hardware.seed", "evidence": { "hardware": "tdx" } });
        let config = network.folder.write("hardware.json", &settings.to_string());
        let (code, stderr) = run(&["worker", "--config", config.to_str().unwrap()]);
        // A genuine TD would be refused by the policy for simulated ones.
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.contains("`[identity] evidence`"), "{stderr}");
        assert!(
            stderr.contains("the platform made no quote") || stderr.contains("fails this node's own `[trust]`"),
            "{stderr}"
        );
    });
}

#[test]
fn rules_for_peers_are_those_of_policies() {
    runtime().block_on(async {
        let backend = inference_server::start(&user_env(), Duration::from_millis(1)).await;
        let network = Network::start(backend).await;
        let mut settings = network.folder.settings("worker");
        settings["forward_requests_to"] = format!("http://{backend}").into();
        settings["identity"]["key_seed_file"] = "rules.seed".into();
        settings["trust"]["rules"] = serde_json::json!({ "min-tcb-evaluation-number": 4_000_000_000_u32 });
        let config = network.folder.write("rules.json", &settings.to_string());
        let (code, stderr) = run(&["worker", "--config", config.to_str().unwrap()]);
        assert_eq!(code, 3, "{stderr}");
        assert!(
            stderr.contains("fails this node's own `[trust]`") && stderr.contains("TCB"),
            "{stderr}"
        );
    });
}

#[test]
fn the_examples_work() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folder = Folder::new();
    for name in ["root.toml", "client.toml", "proxy.toml", "worker.toml"] {
        std::fs::copy(examples.join(name), folder.path(name)).unwrap();
    }
    for role in ["client", "proxy", "worker"] {
        let config = folder.path(&format!("{role}.toml"));
        let (code, stderr) = run(&[role, "--config", config.to_str().unwrap(), "--check"]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{role}");
    }
    // On free ports, since another run may have the examples' own; otherwise as they are.
    let free = |name: &str, changes: &[(&str, &str)]| {
        let mut text = std::fs::read_to_string(folder.path(name)).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{name}: {from}");
            text = text.replace(from, to);
        }
        folder.write(name, &text)
    };
    let ports = [
        ("port = 11001", "port = 0"),
        ("port = 11002", "port = 0"),
        (":11000", ":0"),
    ];
    let proxy = Daemon::start("proxy", &free("proxy.toml", &ports));
    let (workers, clients) = (
        proxy.address("workers").to_string(),
        proxy.address("clients").to_string(),
    );
    free(
        "root.toml",
        &[("127.0.0.1:11001", &workers), ("127.0.0.1:11002", &clients)],
    );
    let _worker = Daemon::start("worker", &free("worker.toml", &[(":12000", ":0")]));
    let client = Daemon::start(
        "client",
        &free("client.toml", &[("port = 10000", "port = 0"), (":10001", ":0")]),
    );
    runtime().block_on(async {
        let env = user_env();
        let ask = || {
            let body = json!({
                "model": "chrysalis/tiny",
                "messages": [{ "role": "user", "content": "hello" }],
                "max_tokens": 5,
            });
            let request = http::Request::post("/v1/chat/completions")
                .body(body.to_string().into())
                .unwrap();
            network::send(&env, client.address("http"), request)
        };
        let mut status = StatusCode::IM_A_TEAPOT;
        for _ in 0..1200 {
            let response = ask().await.unwrap();
            status = response.status();
            if status == StatusCode::OK {
                let answer: Value = serde_json::from_str(&text(response).await).unwrap();
                assert_eq!(answer["usage"]["completion_tokens"], 5, "{answer}");
                return;
            }
            env.sleep(Duration::from_millis(100)).await;
        }
        panic!("{status}: {:#?}", client.lines());
    });
}
