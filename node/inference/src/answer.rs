//! From tokens to an OpenAI answer: what the backends inside the process have in common.
//!
//! Everything is pulled. A token is generated when the call (whole answers) or the body (streamed ones) is polled for
//! it, and dropping either ends the generation.

use crate::{
    backend::{BackendResponse, BodyStream},
    openai::{ChoiceText, Endpoint, Envelope, Finish, GenerationRequest, StreamFormat, TextKind, Usage},
    service::{Scheduler, Seat, yield_now},
    stop::StopFilter,
};
use bytes::Bytes;
use chrysalis_env::{Env, Value};
use futures_util::stream;
use std::{collections::VecDeque, fmt::Write as _, mem, sync::Arc};

/// Where the tokens of one request come from.
pub(crate) trait TokenSource: Send + 'static {
    /// Tokens of all prompts.
    fn prompt_tokens(&self) -> u64;
    /// How many of them need no work; known once the request has its slots.
    fn cached_tokens(&mut self) -> u64;
    /// Works off a part of the prompts; true when all is done.
    fn prefill(&mut self) -> bool;
    /// Generates the next token of a choice and appends its text.
    fn next(&mut self, choice: usize, text: &mut String) -> Next;
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Part of the answer.
    Answer,
    /// Part of the reasoning before it.
    Reasoning,
    /// The last one; its text, if it has any, is part of the answer.
    End,
}

/// What the backend adds to a request.
pub(crate) struct Terms {
    /// Tokens of an answer at most.
    pub(crate) max_tokens: u32,
    pub(crate) format: StreamFormat,
    pub(crate) fingerprint: Option<String>,
}

/// An answer in the making.
pub(crate) struct Answer<S> {
    env: Env,
    source: S,
    scheduler: Arc<Scheduler>,
    envelope: Envelope,
    max_tokens: u32,
    choices: Vec<Choice>,
    /// The choice whose turn it is; choices take turns, one token each in every step.
    cursor: usize,
    phase: Phase,
    seat: Option<Seat>,
    cached_tokens: u64,
    started_ns: u64,
    queue_ns: u64,
    prefilled_ns: u64,
    ready: VecDeque<Bytes>,
}

struct Choice {
    tokens: u32,
    reasoning_tokens: u32,
    filter: StopFilter,
    /// Text not yet sent; of a whole answer all of it.
    reasoning: String,
    answer: String,
    finish: Option<Finish>,
}

impl Choice {
    /// What a whole answer says of the choice, once it has ended.
    fn text(&self) -> Option<ChoiceText<'_>> {
        Some(ChoiceText {
            reasoning: &self.reasoning,
            answer: &self.answer,
            finish: self.finish?,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Prefill,
    Decode,
    Trailer,
    Done,
}

impl<S: TokenSource> Answer<S> {
    pub(crate) fn new(
        env: &Env,
        scheduler: &Arc<Scheduler>,
        request: &GenerationRequest,
        terms: Terms,
        source: S,
    ) -> Self {
        let stops: Arc<[String]> = request.stop.clone().into();
        let choice = || Choice {
            tokens: 0,
            reasoning_tokens: 0,
            filter: StopFilter::new(Arc::clone(&stops)),
            reasoning: String::new(),
            answer: String::new(),
            finish: (terms.max_tokens == 0).then_some(Finish::Length),
        };
        let kind = match request.endpoint {
            Endpoint::Chat => "chatcmpl",
            Endpoint::Completions => "cmpl",
        };
        Self {
            source,
            scheduler: Arc::clone(scheduler),
            envelope: Envelope {
                endpoint: request.endpoint,
                id: format!("{kind}-{}", hex(&env.random::<16>())),
                created_unix_s: env.unix_s(),
                model: request.model.clone(),
                fingerprint: terms.fingerprint,
                include_usage: request.include_usage,
                format: terms.format,
            },
            max_tokens: terms.max_tokens,
            choices: (0..request.choices()).map(|_| choice()).collect(),
            cursor: 0,
            phase: Phase::Prefill,
            seat: None,
            cached_tokens: 0,
            started_ns: env.now_ns(),
            queue_ns: 0,
            prefilled_ns: 0,
            ready: VecDeque::new(),
            env: env.clone(),
        }
    }

    /// Generates the whole answer.
    pub(crate) async fn complete(mut self) -> BackendResponse {
        self.prefill().await;
        while self.advance().await.is_some() {}
        self.observe();
        let choices: Vec<_> = self.choices.iter().filter_map(Choice::text).collect();
        BackendResponse::json(200, self.envelope.complete(&choices, self.usage()))
    }

    /// Answers at once, and generates as the body is polled.
    pub(crate) fn into_stream(self) -> BackendResponse {
        let content_type = self.envelope.format.content_type().to_owned();
        let events = stream::unfold(self, |mut answer| async move {
            let event = answer.next_event().await?;
            Some((Ok(event), answer))
        });
        BackendResponse {
            status: 200,
            headers: vec![("content-type".to_owned(), content_type)],
            body: BodyStream::new(events),
        }
    }

    async fn next_event(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.phase {
                Phase::Prefill => {
                    self.prefill().await;
                    self.phase = Phase::Decode;
                    for index in 0..self.choices.len() {
                        if self.envelope.endpoint == Endpoint::Chat {
                            self.ready.push_back(self.envelope.role_chunk(index));
                        }
                        if let Some(finish) = self.choices[index].finish {
                            self.ready.push_back(self.envelope.finish_chunk(index, finish));
                        }
                    }
                }
                Phase::Decode => match self.advance().await {
                    Some(index) => self.chunk(index),
                    None => self.phase = Phase::Trailer,
                },
                Phase::Trailer => {
                    self.phase = Phase::Done;
                    self.observe();
                    if self.envelope.include_usage {
                        self.ready.push_back(self.envelope.usage_chunk(self.usage()));
                    }
                    self.ready.extend(self.envelope.format.end());
                }
                Phase::Done => return None,
            }
        }
    }

    /// Makes chunks of what choice `index` has to send. Nothing, if all of it could still become a stop sequence.
    fn chunk(&mut self, index: usize) {
        let choice = &mut self.choices[index];
        let texts = [
            (TextKind::Reasoning, mem::take(&mut choice.reasoning)),
            (TextKind::Answer, mem::take(&mut choice.answer)),
        ];
        for (kind, text) in texts {
            if !text.is_empty() {
                self.ready.push_back(self.envelope.text_chunk(index, kind, text));
            }
        }
        if let Some(finish) = choice.finish {
            self.ready.push_back(self.envelope.finish_chunk(index, finish));
        }
    }

    /// Waits for slots and works off the prompts.
    async fn prefill(&mut self) {
        let choices = u32::try_from(self.choices.len()).unwrap_or(u32::MAX);
        let mut seat = self.scheduler.admit(choices).await;
        self.cached_tokens = self.source.cached_tokens();
        while !self.source.prefill() {
            yield_now().await;
        }
        let work = self.source.prompt_tokens().saturating_sub(self.cached_tokens);
        seat.prefill(u32::try_from(work).unwrap_or(u32::MAX)).await;
        self.prefilled_ns = self.env.now_ns();
        self.queue_ns = seat.queue_ns();
        self.seat = Some(seat);
    }

    /// Choices that have not ended. When there are none, the slots go to others, even if this answer's last chunks are
    /// still to be taken.
    fn live(&mut self) -> u32 {
        let live = self.choices.iter().filter(|choice| choice.finish.is_none()).count();
        if live == 0 {
            self.seat = None;
        }
        u32::try_from(live).unwrap_or(u32::MAX)
    }

    /// Generates one token and returns the choice that got it; `None` when all choices have ended.
    async fn advance(&mut self) -> Option<usize> {
        let unfinished = |choice: &Choice| choice.finish.is_none();
        let live = self.live();
        let seat = self.seat.as_mut()?;
        let at = match self.choices[self.cursor..].iter().position(unfinished) {
            Some(offset) => self.cursor + offset,
            None => {
                seat.shrink(live);
                seat.step().await;
                self.choices.iter().position(unfinished)?
            }
        };
        self.cursor = at + 1;
        seat.count_token();

        let choice = &mut self.choices[at];
        let mut text = String::new();
        let next = self.source.next(at, &mut text);
        choice.tokens += 1;
        if next == Next::Reasoning {
            choice.reasoning_tokens += 1;
            choice.reasoning.push_str(&text);
        } else if choice.filter.push(&text, &mut choice.answer) || next == Next::End {
            choice.finish = Some(Finish::Stop);
        }
        if choice.finish.is_none() && choice.tokens >= self.max_tokens {
            choice.finish = Some(Finish::Length);
        }
        if choice.finish.is_some() {
            choice.filter.finish(&mut choice.answer);
            self.live();
        }
        Some(at)
    }

    fn usage(&self) -> Usage {
        let sum = |count: fn(&Choice) -> u32| self.choices.iter().map(|choice| u64::from(count(choice))).sum();
        Usage::new(
            self.source.prompt_tokens(),
            self.cached_tokens,
            sum(|choice| choice.tokens),
            sum(|choice| choice.reasoning_tokens),
        )
    }

    /// Tells the node's observers how a finished answer went: sizes and times, no text. One that is cancelled is dropped
    /// in silence: a drop may come from an engine that is killing the node.
    fn observe(&self) {
        let usage = self.usage();
        let now_ns = self.env.now_ns();
        let prefill_ns = self.prefilled_ns.saturating_sub(self.started_ns + self.queue_ns);
        let fields = [
            ("model", Value::from(self.envelope.model.as_str())),
            ("choices", Value::from(self.choices.len())),
            ("prompt_tokens", Value::from(usage.prompt_tokens)),
            ("cached_tokens", Value::from(usage.prompt_tokens_details.cached_tokens)),
            ("completion_tokens", Value::from(usage.completion_tokens)),
            (
                "reasoning_tokens",
                Value::from(usage.completion_tokens_details.reasoning_tokens),
            ),
            ("queue_ns", Value::from(self.queue_ns)),
            ("prefill_ns", Value::from(prefill_ns)),
            ("decode_ns", Value::from(now_ns.saturating_sub(self.prefilled_ns))),
        ];
        self.env.observe("inference.answer", &fields);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
