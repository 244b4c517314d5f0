//! When answers come: service times, slots, back-pressure, cancellation, all in virtual time.

use crate::support;

use chrysalis_inference::{
    Backend, Machine, ServiceTime, SimBackend, SimConfig, SimFaults, TinyBackend, TinyConfig, TinyModel, TinyOptions,
    TokenRange,
};
use futures_util::{FutureExt as _, StreamExt as _, future::join_all};
use serde_json::{Value, json};
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use support::{CHAT, COMPLETIONS, World, ask, call, stream};

const TIME: ServiceTime = ServiceTime {
    prefill_base_ns: 1_000,
    prefill_per_token_ns: 10,
    decode_base_ns: 100,
    decode_per_sequence_ns: 7,
};

fn machine(max_batch: u32) -> Machine {
    Machine {
        time: TIME,
        max_batch: NonZeroU32::new(max_batch).unwrap(),
    }
}

fn tiny(world: &World, machine: Option<Machine>) -> TinyBackend {
    let model = Arc::new(TinyModel::generate(TinyConfig::nano(), 42));
    let options = TinyOptions {
        machine,
        ..TinyOptions::default()
    };
    TinyBackend::new(world.env(), "m", model, options)
}

fn sim(world: &World, max_batch: u32) -> SimBackend {
    let config = SimConfig {
        machine: machine(max_batch),
        answer_tokens: TokenRange::between(1000, 1000),
        ..SimConfig::new("m")
    };
    SimBackend::new(world.env(), config)
}

fn body(max_tokens: u32, stream: bool) -> Value {
    json!({"model": "m", "prompt": "0123456789abcde", "max_tokens": max_tokens, "stream": stream, "ignore_eos": true})
}

#[test]
fn an_answer_takes_its_prompt_and_a_step_for_each_further_token() {
    for stream_it in [false, true] {
        let world = World::new(1);
        let backend = tiny(&world, Some(machine(8)));
        world.run(async {
            let response = call(&backend, COMPLETIONS, body(20, stream_it)).await;
            response.body.collect(1 << 20).await.unwrap();
        });
        // 16 tokens of prompt, 19 steps alone.
        assert_eq!(world.now_ns(), 1_000 + 160 + 19 * 107);
    }
    let world = World::new(1);
    let backend = sim(&world, 8);
    world.run(ask(&backend, COMPLETIONS, body(20, false)));
    // At 4 bytes a token, the same prompt has 4.
    assert_eq!(world.now_ns(), 1_000 + 40 + 19 * 107);
}

#[test]
fn without_a_machine_no_virtual_time_passes() {
    let world = World::new(1);
    let backend = tiny(&world, None);
    world.run(ask(&backend, COMPLETIONS, body(50, false)));
    assert_eq!(world.now_ns(), 0);
    assert_eq!(backend.load().generated_tokens, 50);
}

#[test]
fn each_chunk_comes_when_its_token_is_ready() {
    let world = World::new(1);
    let backend = sim(&world, 8);
    world.run(async {
        let mut response = call(&backend, COMPLETIONS, body(4, true)).await;
        assert_eq!(world.now_ns(), 0, "the head does not wait for the first token");
        let mut times = Vec::new();
        while response.body.next().await.is_some() {
            times.push(world.now_ns());
        }
        // Four tokens, the end of the choice, the end mark.
        assert_eq!(times, [1_040, 1_147, 1_254, 1_361, 1_361, 1_361]);
    });
}

#[test]
fn steps_of_a_full_batch_take_longer() {
    let world = World::new(1);
    let backend = sim(&world, 8);
    let (one, four) = (
        body(11, false),
        json!({"model": "m", "prompt": "0123456789abcde", "max_tokens": 11, "n": 4}),
    );
    world.run(ask(&backend, COMPLETIONS, one.clone()));
    assert_eq!(world.now_ns(), 1_040 + 10 * 107);
    let before_ns = world.now_ns();
    world.run(join_all((0..4).map(|_| ask(&backend, COMPLETIONS, one.clone()))));
    assert_eq!(world.now_ns() - before_ns, 1_040 + 10 * 128);
    let before_ns = world.now_ns();
    world.run(ask(&backend, COMPLETIONS, four));
    assert_eq!(world.now_ns() - before_ns, 1_040 + 10 * 128);
    assert_eq!(backend.load().running_sequences, 0);
}

#[test]
fn requests_beyond_the_slots_wait_in_order_of_arrival() {
    let world = World::new(1);
    let backend = sim(&world, 2);
    let finished: Vec<u64> = world.run(join_all((0..5).map(|_| async {
        ask(&backend, COMPLETIONS, body(1, false)).await;
        world.now_ns()
    })));
    assert_eq!(finished, [1_040, 1_040, 2_080, 2_080, 3_120]);
    // With room for all there is no queue.
    let world = World::new(1);
    let backend = sim(&world, 5);
    let finished: Vec<u64> = world.run(join_all((0..5).map(|_| async {
        ask(&backend, COMPLETIONS, body(1, false)).await;
        world.now_ns()
    })));
    assert_eq!(finished, [1_040; 5]);
}

#[test]
fn a_request_with_more_choices_than_slots_takes_the_whole_machine() {
    let world = World::new(1);
    let backend = sim(&world, 2);
    let body = json!({"model": "m", "prompt": "0123456789abcde", "max_tokens": 2, "n": 5});
    let (status, answer) = world.run(ask(&backend, COMPLETIONS, body.clone()));
    assert_eq!((status, answer["choices"].as_array().unwrap().len()), (200, 5));
    assert_eq!(world.now_ns(), 1_040 + 100 + 2 * 7);
    assert_eq!(backend.load().running_sequences, 0);
    // All slots are back.
    let before_ns = world.now_ns();
    world.run(ask(&backend, COMPLETIONS, body.clone()));
    assert_eq!(world.now_ns() - before_ns, 1_040 + 114);
}

#[test]
fn a_choice_that_ends_early_gives_its_slot_to_others() {
    let world = World::new(1);
    let config = SimConfig {
        machine: machine(2),
        answer_tokens: TokenRange::between(5, 50),
        ..SimConfig::new("m")
    };
    let backend = SimBackend::new(world.env(), config);
    let body = json!({"model": "m", "messages": [{"role": "user"}], "n": 2, "seed": 3});
    let (_, answer) = world.run(ask(&backend, CHAT, body));
    let words = |index: usize| {
        let text = answer["choices"][index]["message"]["content"].as_str().unwrap();
        text.split_whitespace().count() as u64
    };
    let (short, long) = (words(0).min(words(1)), words(0).max(words(1)));
    assert!(short < long, "this seed has answers of two lengths");
    // 24 bytes of prompt are 6 tokens.
    assert_eq!(world.now_ns(), 1_060 + (short - 1) * 114 + (long - short) * 107);
}

#[test]
fn slots_are_freed_when_the_last_token_is_there() {
    let world = World::new(1);
    let backend = sim(&world, 1);
    world.run(async {
        let mut first = call(&backend, COMPLETIONS, body(2, true)).await;
        let mut second = call(&backend, COMPLETIONS, body(2, true)).await;
        for _ in 0..2 {
            first.body.next().await.unwrap().unwrap();
        }
        assert!(second.body.next().now_or_never().is_none(), "the machine is taken");
        assert_eq!(backend.load().waiting_requests, 0, "a dropped wait does not count");
        let end = first.body.next().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&end).contains("length"));
        // The first body still has its end mark to give.
        first.body.next().await.unwrap().unwrap();
        second.body.next().await.unwrap().unwrap();
        drop(first);
    });
}

#[test]
fn a_consumer_that_stops_stops_the_generation() {
    let world = World::new(1);
    for backend in [tiny(&world, None), tiny(&world, Some(machine(4)))] {
        world.run(async {
            let mut response = call(&backend, COMPLETIONS, body(100, true)).await;
            assert_eq!(backend.load().generated_tokens, 0, "nothing before the first poll");
            for tokens in 1..=10 {
                response.body.next().await.unwrap().unwrap();
                assert_eq!(backend.load().generated_tokens, tokens);
            }
            world.env().sleep(Duration::from_secs(10)).await;
            assert_eq!(backend.load().generated_tokens, 10);
            assert_eq!(backend.load().running_sequences, 1);
            let rest = response.body.collect(1 << 20).await.unwrap();
            assert!(rest.ends_with(b"data: [DONE]\n\n"));
            assert_eq!(backend.load().generated_tokens, 100);
        });
    }
}

#[test]
fn a_machine_runs_one_token_ahead_of_a_slow_consumer_and_no_more() {
    let world = World::new(1);
    let backend = sim(&world, 4);
    world.run(async {
        let mut response = call(&backend, COMPLETIONS, body(100, true)).await;
        let mut next = async || {
            response.body.next().await.unwrap().unwrap();
            world.now_ns()
        };
        assert_eq!(next().await, 1_040);
        // Busy for less than a step: the next token is not late.
        world.env().sleep_until(1_100).await;
        assert_eq!(next().await, 1_147);
        // Away for long: one token is ready, the one after it takes a step.
        world.env().sleep_until(50_000).await;
        assert_eq!(next().await, 50_000);
        assert_eq!(next().await, 50_107);
    });
}

#[test]
fn dropping_a_body_or_a_call_ends_the_generation_and_frees_the_slots() {
    let world = World::new(1);
    let backend = tiny(&world, Some(machine(1)));
    world.run(async {
        let mut response = call(&backend, COMPLETIONS, body(100, true)).await;
        response.body.next().await.unwrap().unwrap();
        assert_eq!(backend.load().running_sequences, 1);
        drop(response);
        assert_eq!(backend.load().running_sequences, 0);

        // A whole answer is cancelled with its call.
        let waiting = support::request(COMPLETIONS, &body(100, false));
        let env = world.env();
        let cut = env.timeout(Duration::from_nanos(2_000), backend.call(waiting));
        assert!(cut.await.is_err());
        let after = backend.load();
        assert_eq!(after.running_sequences, 0);
        assert!((2..100).contains(&after.generated_tokens), "{after:?}");

        // The slots are there for the next one.
        stream(&backend, COMPLETIONS, body(3, true)).await;
        assert_eq!(backend.load().generated_tokens, after.generated_tokens + 3);
    });
}

#[test]
fn a_wait_that_is_given_up_lets_the_next_one_in() {
    let world = World::new(1);
    let backend = sim(&world, 1);
    world.run(async {
        let mut first = call(&backend, COMPLETIONS, body(100, true)).await;
        first.body.next().await.unwrap().unwrap();
        let mut second = Box::pin(ask(&backend, COMPLETIONS, body(1, false)));
        assert!(second.as_mut().now_or_never().is_none());
        let mut third = Box::pin(ask(&backend, COMPLETIONS, body(1, false)));
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!(backend.load().waiting_requests, 2);
        drop(second);
        assert_eq!(backend.load().waiting_requests, 1);
        drop(first);
        assert_eq!(third.await.0, 200);
        assert_eq!(backend.load().waiting_requests, 0);
    });
}

#[test]
fn a_slower_machine_takes_its_time_from_now_on() {
    let world = World::new(1);
    let backend = sim(&world, 4);
    backend.set_faults(SimFaults {
        slowdown_permille: 2_500,
        ..SimFaults::default()
    });
    world.run(ask(&backend, COMPLETIONS, body(3, false)));
    // 1040 and 107 times two and a half, cut to whole nanoseconds.
    assert_eq!(world.now_ns(), 2_600 + 2 * 267);
    backend.set_faults(SimFaults::default());
    let before_ns = world.now_ns();
    world.run(ask(&backend, COMPLETIONS, body(3, false)));
    assert_eq!(world.now_ns() - before_ns, 1_040 + 2 * 107);
}

#[test]
fn cached_tokens_take_no_time() {
    let world = World::new(1);
    let config = SimConfig {
        machine: machine(1),
        prefix_cache_blocks: 100,
        ..SimConfig::new("m")
    };
    let backend = SimBackend::new(world.env(), config);
    let body = json!({"model": "m", "prompt": "x".repeat(640), "max_tokens": 1});
    world.run(ask(&backend, COMPLETIONS, body.clone()));
    assert_eq!(world.now_ns(), 1_000 + 160 * 10);
    world.run(ask(&backend, COMPLETIONS, body.clone()));
    assert_eq!(world.now_ns(), 1_000 + 160 * 10 + 1_000);
}

#[test]
fn observed_times_add_up() {
    let world = World::new(1);
    let backend = sim(&world, 1);
    world.run(join_all((0..2).map(|_| ask(&backend, COMPLETIONS, body(3, false)))));
    let observed = world.observations();
    let times =
        |index: usize| ["queue_ns", "prefill_ns", "decode_ns"].map(|name| observed[index][name].as_u64().unwrap());
    assert_eq!(times(0), [0, 1_040, 214]);
    assert_eq!(times(1), [1_254, 1_040, 214]);
}

#[test]
fn a_long_answer_lets_others_run_between_tokens() {
    let world = World::new(1);
    let backend = tiny(&world, None);
    world.run(async {
        let mut long = Box::pin(ask(&backend, COMPLETIONS, body(100, false)));
        // Each poll is a token, not the whole answer.
        for _ in 0..10 {
            assert!(long.as_mut().now_or_never().is_none());
        }
        let so_far = backend.load().generated_tokens;
        assert!((1..=10).contains(&so_far), "{so_far}");
    });
}
