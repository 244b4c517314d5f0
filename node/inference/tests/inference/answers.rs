//! What the backends inside the process answer: texts, limits, usage, streams, refusals.

use crate::support;

use chrysalis_inference::{
    Backend, BackendError, SimBackend, SimConfig, SimFaults, StreamFormat, TinyBackend, TinyConfig, TinyModel,
    TinyOptions, TokenRange, Usage, tiny::TinyShape,
};
use serde_json::{Value, json};
use std::sync::Arc;
use support::{CHAT, COMPLETIONS, START_UNIX_S, World, ask, call, events, stream, streamed_text};

const PROMPT: &str = "Once upon a time";

fn tiny(world: &World) -> TinyBackend {
    let model = Arc::new(TinyModel::generate(TinyConfig::nano(), 42));
    TinyBackend::new(world.env(), "nano", model, TinyOptions::default())
}

fn sim(world: &World) -> SimBackend {
    SimBackend::new(world.env(), SimConfig::new("sim"))
}

fn usage(answer: &Value) -> Usage {
    serde_json::from_value(answer["usage"].clone()).unwrap()
}

fn text(answer: &Value) -> &str {
    let choice = &answer["choices"][0];
    choice["message"]["content"]
        .as_str()
        .or(choice["text"].as_str())
        .unwrap()
}

#[test]
fn a_greedy_answer_has_the_golden_text() {
    let world = World::new(1);
    let backend = tiny(&world);
    let body = json!({"model": "nano", "prompt": PROMPT, "max_tokens": 64, "temperature": 0, "ignore_eos": true});
    let (status, answer) = world.run(ask(&backend, COMPLETIONS, body.clone()));
    assert_eq!(status, 200);
    assert_eq!(
        text(&answer),
        "5g8v^=K|:5gM/=[{f}Vc{Ym}T7M/=K08v^=[{f}Tinxs0/=K08v^=[{f}Tinv^=K"
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["created"], START_UNIX_S);
    assert_eq!(answer["object"], "text_completion");
    let system_fingerprint = answer["system_fingerprint"].as_str().unwrap();
    assert_eq!(system_fingerprint, "tiny-845edd8a");
    // Another model says so, and something else.
    let model = Arc::new(TinyModel::generate(TinyConfig::nano(), 43));
    let other = TinyBackend::new(world.env(), "nano", model, TinyOptions::default());
    let (_, other) = world.run(ask(&other, COMPLETIONS, body.clone()));
    assert_ne!(other["system_fingerprint"], system_fingerprint);
    assert_ne!(text(&other), text(&answer));
}

#[test]
fn the_same_world_gives_the_same_answer_to_the_byte() {
    let whole = |seed| {
        let world = World::new(seed);
        let backend = tiny(&world);
        let body = json!({"model": "nano", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 40});
        world.run(ask(&backend, CHAT, body.clone())).1
    };
    assert_eq!(whole(1), whole(1));
    let (one, other) = (whole(1), whole(2));
    assert_ne!(one["id"], other["id"]);
    assert_ne!(text(&one), text(&other));
}

#[test]
fn a_seed_fixes_the_answer_but_not_its_id() {
    for name in ["nano", "sim"] {
        let answer = |world_seed, seed| {
            let world = World::new(world_seed);
            let (tiny, sim) = (tiny(&world), sim(&world));
            let backend: &dyn Backend = if name == "nano" { &tiny } else { &sim };
            let body = json!({"model": name, "prompt": PROMPT, "max_tokens": 40, "seed": seed});
            world.run(ask(backend, COMPLETIONS, body.clone())).1
        };
        let (one, again, other) = (answer(1, 7), answer(2, 7), answer(1, 8));
        assert_eq!(text(&one), text(&again));
        assert_ne!(one["id"], again["id"]);
        assert_ne!(text(&one), text(&other));
    }
}

#[test]
fn answers_are_printable_and_end_by_themselves_sooner_or_later() {
    let world = World::new(5);
    let backend = tiny(&world);
    let mut stopped = 0;
    for seed in 0..20 {
        let body = json!({"model": "nano", "prompt": PROMPT, "max_tokens": 60, "seed": seed, "temperature": 1.5});
        let (_, answer) = world.run(ask(&backend, COMPLETIONS, body.clone()));
        let text = text(&answer);
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        let length = text.len() as u64;
        if answer["choices"][0]["finish_reason"] == "stop" {
            stopped += 1;
            // The token that ends a text was generated too.
            assert_eq!(usage(&answer).completion_tokens, length + 1);
        } else {
            assert_eq!((usage(&answer).completion_tokens, length), (60, 60));
        }
    }
    assert!(
        (1..20).contains(&stopped),
        "{stopped} of 20 answers ended by themselves"
    );
}

#[test]
fn usage_counts_what_there_was() {
    let world = World::new(1);
    let backend = tiny(&world);
    let body = json!({"model": "nano", "prompt": [PROMPT, "x"], "n": 3, "max_tokens": 20, "ignore_eos": true});
    let (_, answer) = world.run(ask(&backend, COMPLETIONS, body.clone()));
    // A byte is a token, and each prompt has a beginning; a prompt counts once for all its answers.
    assert_eq!(usage(&answer), Usage::new(PROMPT.len() as u64 + 1 + 2, 0, 6 * 20, 0));
    let choices = answer["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 6);
    let mut texts: Vec<&str> = choices.iter().map(|choice| choice["text"].as_str().unwrap()).collect();
    assert!(texts.iter().all(|text| text.len() == 20));
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 6, "each choice is drawn on its own");
    assert_eq!(backend.load().generated_tokens, 120);
}

#[test]
fn an_answer_of_no_tokens_is_an_answer() {
    let world = World::new(1);
    let backend = tiny(&world);
    let mut body = json!({"model": "nano", "messages": [{"role": "user"}], "max_tokens": 0});
    let (status, answer) = world.run(ask(&backend, CHAT, body.clone()));
    assert_eq!((status, text(&answer)), (200, ""));
    assert_eq!(usage(&answer).completion_tokens, 0);
    body["stream"] = true.into();
    let events = events(&world.run(stream(&backend, CHAT, body.clone())));
    assert_eq!(streamed_text(&events, 0), (String::new(), "length".to_owned()));
    body["max_tokens"] = 1.into();
    body["stream"] = false.into();
    assert_eq!(
        usage(&world.run(ask(&backend, CHAT, body.clone())).1).completion_tokens,
        1
    );
}

#[test]
fn a_stop_sequence_ends_the_answer_before_it() {
    let world = World::new(1);
    let backend = tiny(&world);
    let mut body = json!({"model": "nano", "prompt": PROMPT, "max_tokens": 60, "temperature": 0, "ignore_eos": true});
    let (_, plain) = world.run(ask(&backend, COMPLETIONS, body.clone()));
    let plain = text(&plain);
    let stop = &plain[20..24];
    let at = plain.find(stop).unwrap();
    body["stop"] = json!(["\u{1}", stop]);
    let (_, answer) = world.run(ask(&backend, COMPLETIONS, body.clone()));
    assert_eq!(text(&answer), &plain[..at]);
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    // Generated up to the end of the stop sequence, not one token further.
    assert_eq!(usage(&answer).completion_tokens, at as u64 + 4);

    body["stream"] = true.into();
    let events = events(&world.run(stream(&backend, COMPLETIONS, body.clone())));
    assert_eq!(streamed_text(&events, 0), (plain[..at].to_owned(), "stop".to_owned()));
    // One that does not come up changes nothing.
    body["stop"] = json!("\u{1}");
    body["stream"] = false.into();
    assert_eq!(text(&world.run(ask(&backend, COMPLETIONS, body.clone())).1), plain);
}

#[test]
fn a_stream_is_the_whole_answer_in_pieces() {
    for (name, path) in [
        ("nano", CHAT),
        ("nano", COMPLETIONS),
        ("sim", CHAT),
        ("sim", COMPLETIONS),
    ] {
        let world = World::new(1);
        let (tiny, sim) = (tiny(&world), sim(&world));
        let backend: &dyn Backend = if name == "nano" { &tiny } else { &sim };
        let mut body = json!({"model": name, "max_tokens": 30, "n": 2, "temperature": 0, "ignore_eos": true});
        match path {
            CHAT => body["messages"] = json!([{"role": "user", "content": PROMPT}]),
            _ => body["prompt"] = PROMPT.into(),
        }
        let (_, whole) = world.run(ask(backend, path, body.clone()));
        body["stream"] = true.into();
        body["stream_options"] = json!({"include_usage": true});
        let chunks = world.run(stream(backend, path, body.clone()));
        let roles = if path == CHAT { 2 } else { 0 };
        // Roles, 30 tokens and an end for each of two choices, usage, end mark.
        assert_eq!(chunks.len(), roles + 60 + 2 + 2, "{name} {path}");
        let events = events(&chunks);
        for index in 0..2 {
            let choice = &whole["choices"][index as usize];
            let expected = choice["message"]["content"]
                .as_str()
                .or(choice["text"].as_str())
                .unwrap();
            assert_eq!(
                streamed_text(&events, index),
                (expected.to_owned(), "length".to_owned())
            );
        }
        let (last, others) = events.split_last().unwrap();
        assert_eq!(usage(last), usage(&whole));
        assert_eq!(last["choices"], json!([]));
        assert!(others.iter().all(|event| event.get("usage") == Some(&Value::Null)));
        assert!(events.iter().all(|event| event["id"] == events[0]["id"]));

        body["stream_options"] = json!({"include_usage": false});
        let chunks = world.run(stream(backend, path, body.clone()));
        assert_eq!(chunks.len(), roles + 60 + 2 + 1);
        assert!(
            support::events(&chunks)
                .iter()
                .all(|event| event.get("usage").is_none())
        );
    }
}

#[test]
fn streams_as_json_lines_are_one_value_on_each_line() {
    let world = World::new(1);
    let config = SimConfig {
        stream_format: StreamFormat::JsonLines,
        ..SimConfig::new("sim")
    };
    let backend = SimBackend::new(world.env(), config);
    let body = json!({"model": "sim", "prompt": PROMPT, "stream": true, "stream_options": {"include_usage": true}});
    let response = world.run(call(&backend, COMPLETIONS, body.clone()));
    assert_eq!(response.header("content-type"), Some("application/x-ndjson"));
    let whole = world.run(response.body.collect(1 << 20)).unwrap();
    let lines: Vec<Value> = whole
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 16 + 1 + 1);
    assert_eq!(usage(&lines[17]).completion_tokens, 16);

    let events = SimBackend::new(world.env(), SimConfig::new("sim"));
    let response = world.run(call(&events, COMPLETIONS, body.clone()));
    assert_eq!(
        response.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
}

#[test]
fn synthetic_answers_have_the_lengths_that_were_asked_for() {
    let world = World::new(1);
    let config = SimConfig {
        answer_tokens: TokenRange::between(40, 10),
        reasoning_tokens: TokenRange::between(5, 8),
        ..SimConfig::new("sim")
    };
    let backend = SimBackend::new(world.env(), config);
    let mut lengths = Vec::new();
    for _ in 0..60 {
        let body = json!({"model": "sim", "messages": [{"role": "user", "content": "abcdefgh"}]});
        let (_, answer) = world.run(ask(&backend, CHAT, body.clone()));
        let usage = usage(&answer);
        // "<|user|>\nabcdefgh\n<|assistant|>\n" at 4 bytes a token.
        assert_eq!(usage.prompt_tokens, 8);
        let message = &answer["choices"][0]["message"];
        let words = |text: &Value| text.as_str().unwrap().split_whitespace().count() as u64;
        let reasoning = usage.completion_tokens_details.reasoning_tokens;
        assert_eq!(words(&message["reasoning_content"]), reasoning);
        assert_eq!(words(&message["content"]), usage.completion_tokens - reasoning);
        assert!((5..=8).contains(&reasoning));
        assert!((10..=40).contains(&(usage.completion_tokens - reasoning)));
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        lengths.push(usage.completion_tokens);
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert!(lengths.len() > 15, "lengths vary: {lengths:?}");

    let body = json!({"model": "sim", "prompt": PROMPT, "max_tokens": 7});
    let (_, answer) = world.run(ask(&backend, COMPLETIONS, body.clone()));
    assert_eq!(usage(&answer).completion_tokens, 7);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
}

#[test]
fn a_greedy_synthetic_answer_follows_from_the_request() {
    let answer = |world_seed, prompt: &str, temperature: f64| {
        let world = World::new(world_seed);
        let backend = sim(&world);
        let body = json!({"model": "sim", "prompt": prompt, "max_tokens": 12, "temperature": temperature});
        text(&world.run(ask(&backend, COMPLETIONS, body.clone())).1).to_owned()
    };
    assert_eq!(answer(1, "a", 0.0), answer(2, "a", 0.0));
    assert_ne!(answer(1, "a", 0.0), answer(1, "b", 0.0));
    assert_ne!(answer(1, "a", 1.0), answer(2, "a", 1.0));
}

#[test]
fn cached_tokens_are_those_of_a_common_beginning() {
    let world = World::new(1);
    let cached = |backend: &SimBackend, prompt: &str| {
        let body = json!({"model": "sim", "prompt": prompt});
        usage(&world.run(ask(backend, COMPLETIONS, body.clone())).1)
            .prompt_tokens_details
            .cached_tokens
    };
    let config = SimConfig {
        prefix_cache_blocks: 1000,
        ..SimConfig::new("sim")
    };
    let backend = SimBackend::new(world.env(), config);
    let common = "x".repeat(64 * 5);
    assert_eq!(cached(&backend, &format!("{common}{}", "a".repeat(200))), 0);
    assert_eq!(cached(&backend, &format!("{common}{}", "b".repeat(200))), 5 * 16);
    let without = sim(&world);
    assert_eq!(cached(&without, &common), 0);
    assert_eq!(cached(&without, &common), 0);
}

#[test]
fn refusals_say_what_was_wrong() {
    let world = World::new(1);
    let (tiny, sim) = (tiny(&world), sim(&world));
    let backends: [(&str, &dyn Backend); 2] = [("nano", &tiny), ("sim", &sim)];
    for (name, backend) in backends {
        assert_eq!(backend.models(), [name]);
        let ask = |path, body: Value| {
            let (status, answer) = world.run(ask(backend, path, body.clone()));
            (status, answer["error"]["code"].as_str().unwrap_or("").to_owned())
        };
        let good = json!({"model": name, "prompt": PROMPT});
        assert_eq!(ask(COMPLETIONS, good.clone()), (200, String::new()));
        assert_eq!(ask("/v1/embeddings", good).0, 404);
        let unknown = json!({"model": "other", "prompt": PROMPT});
        assert_eq!(ask(COMPLETIONS, unknown), (404, "model_not_found".to_owned()));
        let long = json!({"model": name, "prompt": PROMPT, "max_tokens": 1_000_000});
        assert_eq!(ask(COMPLETIONS, long), (400, "context_length_exceeded".to_owned()));
        let long = json!({"model": name, "prompt": "x".repeat(200_000)});
        assert_eq!(ask(COMPLETIONS, long), (400, "context_length_exceeded".to_owned()));
        let unread = json!({"model": name, "prompt": 7});
        assert_eq!(ask(COMPLETIONS, unread).0, 400);
    }
    let tokens = |tokens: Value| json!({"model": "nano", "prompt": tokens});
    assert_eq!(world.run(ask(&tiny, COMPLETIONS, tokens(json!([256, 65])))).0, 200);
    assert_eq!(world.run(ask(&tiny, COMPLETIONS, tokens(json!([])))).0, 400);
    assert_eq!(world.run(ask(&tiny, COMPLETIONS, tokens(json!([[]])))).0, 200);
    assert_eq!(world.run(ask(&tiny, COMPLETIONS, tokens(json!([258])))).0, 400);
}

#[test]
fn a_prompt_that_just_fits_is_answered_to_the_end_of_the_context() {
    let world = World::new(1);
    let shape = TinyShape {
        max_context_tokens: 50,
        ..*TinyConfig::nano().shape()
    };
    let model = Arc::new(TinyModel::generate(TinyConfig::new(shape).unwrap(), 1));
    let backend = TinyBackend::new(world.env(), "nano", model, TinyOptions::default());
    let prompt = "x".repeat(50 - 1 - 8);
    let mut body = json!({"model": "nano", "messages": [], "prompt": prompt, "ignore_eos": true});
    for (max_tokens, status) in [(8, 200), (9, 400)] {
        body["max_tokens"] = max_tokens.into();
        let (actual, answer) = world.run(ask(&backend, COMPLETIONS, body.clone()));
        assert_eq!(actual, status);
        if status == 200 {
            assert_eq!(usage(&answer).completion_tokens, 8);
        }
    }
    // A chat without a limit has what is left: here, of "<|user|>\n\n<|assistant|>\n" and the beginning, 50 - 25.
    let chat = json!({"model": "nano", "messages": [{"role": "user"}], "ignore_eos": true});
    let (_, answer) = world.run(ask(&backend, CHAT, chat));
    assert_eq!(usage(&answer), Usage::new(25, 0, 25, 0));
}

#[test]
fn machines_fail_as_often_as_they_are_told_to() {
    let world = World::new(1);
    let backend = sim(&world);
    let failures = |error_permille| {
        backend.set_faults(SimFaults {
            error_permille,
            ..SimFaults::default()
        });
        let body = json!({"model": "sim", "prompt": PROMPT, "max_tokens": 1});
        let statuses = (0..300).map(|_| world.run(ask(&backend, COMPLETIONS, body.clone())).0);
        statuses.filter(|status| *status == 500).count()
    };
    assert_eq!(failures(0), 0);
    assert_eq!(failures(1000), 300);
    let some = failures(300);
    assert!((50..130).contains(&some), "{some}");
}

#[test]
fn a_machine_that_is_down_is_not_reached() {
    let world = World::new(1);
    let backend = sim(&world);
    assert!(world.run(backend.probe()).is_ok());
    let down = SimFaults {
        down: true,
        ..SimFaults::default()
    };
    backend.set_faults(down);
    let request = support::request(COMPLETIONS, &json!({"model": "sim", "prompt": PROMPT, "max_tokens": 1}));
    assert!(matches!(world.run(backend.probe()), Err(BackendError::Unavailable)));
    let result = world.run(backend.call(request.clone()));
    assert!(matches!(result, Err(BackendError::Unavailable)));
    backend.set_faults(SimFaults::default());
    assert_eq!(world.run(backend.call(request)).unwrap().status, 200);
}

#[test]
fn finished_answers_are_observed_with_sizes_and_without_text() {
    let world = World::new(1);
    let backend = tiny(&world);
    let body = json!({"model": "nano", "prompt": PROMPT, "max_tokens": 5, "ignore_eos": true, "stream": true});
    world.run(stream(&backend, COMPLETIONS, body.clone()));
    let observations = world.observations();
    assert_eq!(observations.len(), 1);
    assert_eq!(observations[0]["kind"], "inference.answer");
    assert_eq!(observations[0]["completion_tokens"], 5);
    assert_eq!(observations[0]["prompt_tokens"], 17);
    assert!(!observations[0].to_string().contains(PROMPT));
    // A cancelled one is not.
    let response = world.run(call(&backend, COMPLETIONS, body.clone()));
    drop(response);
    assert_eq!(world.observations().len(), 1);
}
