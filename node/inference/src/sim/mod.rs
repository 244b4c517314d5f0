//! A service-time model behind the backend seam: synthetic text, in virtual time, without arithmetic on weights.

mod prefix_cache;
mod text;

use crate::{
    answer::{Answer, Next, Terms, TokenSource},
    backend::{Backend, BackendRequest, BackendResponse},
    counter::Counter,
    error::BackendError,
    openai::{GenerationRequest, Prompt, Refusal, StreamFormat},
    service::{Load, Machine, Scheduler, ServiceTime},
};
use chrysalis_env::{BoxFuture, Env};
use prefix_cache::{BLOCK_TOKENS, PrefixCache};
use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Numbers of tokens from which lengths are drawn evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRange {
    low: u32,
    high: u32,
}

impl TokenRange {
    /// From the lower of the two to the higher, both included.
    pub fn between(one: u32, other: u32) -> Self {
        Self {
            low: one.min(other),
            high: one.max(other),
        }
    }

    fn draw(self, draws: Counter, index: u64) -> u32 {
        let width = u64::from(self.high - self.low) + 1;
        self.low + u32::try_from(draws.below(index, width)).unwrap_or(0)
    }
}

/// What goes wrong with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimFaults {
    /// Thousandths of its own time that the machine takes for everything; 1000 is none the worse.
    pub slowdown_permille: u32,
    /// Thousandths of the requests that are answered with status 500.
    pub error_permille: u32,
    /// Probes and new requests find nobody; answers under way go on.
    pub down: bool,
}

impl Default for SimFaults {
    fn default() -> Self {
        Self {
            slowdown_permille: 1000,
            error_permille: 0,
            down: false,
        }
    }
}

/// A served model as a model of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimConfig {
    /// Base name of the model.
    pub model: String,
    /// Speed and slots.
    pub machine: Machine,
    /// Length of an answer by itself; the request's own limit may cut it.
    pub answer_tokens: TokenRange,
    /// Length of the reasoning before it.
    pub reasoning_tokens: TokenRange,
    /// Bytes of a prompt that make a token.
    pub bytes_per_token: NonZeroU32,
    /// Prompt and answer together.
    pub max_context_tokens: u32,
    /// Blocks of 16 tokens that the prefix cache holds; 0 turns it off.
    pub prefix_cache_blocks: usize,
    /// How streamed answers are framed.
    pub stream_format: StreamFormat,
    /// What goes wrong from the start.
    pub faults: SimFaults,
}

impl SimConfig {
    /// A machine of the class of one H200 with an 8-billion-parameter model in bf16. The times are estimates from a
    /// roofline with the efficiency of published serving engines (contexts of about 1024 tokens), not measurements; a
    /// calibration replaces them.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            machine: Machine {
                time: ServiceTime {
                    prefill_base_ns: 5_500_000,
                    prefill_per_token_ns: 30_000,
                    decode_base_ns: 5_530_000,
                    decode_per_sequence_ns: 57_000,
                },
                max_batch: NonZeroU32::MIN.saturating_add(255),
            },
            answer_tokens: TokenRange::between(16, 512),
            reasoning_tokens: TokenRange::between(0, 0),
            bytes_per_token: NonZeroU32::MIN.saturating_add(3),
            max_context_tokens: 32_768,
            prefix_cache_blocks: 0,
            stream_format: StreamFormat::default(),
            faults: SimFaults::default(),
        }
    }
}

/// Serves one model of a service.
#[derive(Clone)]
pub struct SimBackend {
    env: Env,
    config: Arc<SimConfig>,
    scheduler: Arc<Scheduler>,
    state: Arc<Mutex<State>>,
}

struct State {
    faults: SimFaults,
    prefix_cache: PrefixCache,
}

impl SimBackend {
    /// A machine in the world of `env`.
    pub fn new(env: Env, config: SimConfig) -> Self {
        let scheduler = Scheduler::new(env.clone(), Some(config.machine));
        let state = State {
            faults: config.faults,
            prefix_cache: PrefixCache::new(config.prefix_cache_blocks),
        };
        let backend = Self {
            env,
            scheduler,
            state: Arc::new(Mutex::new(state)),
            config: Arc::new(config),
        };
        backend.set_faults(backend.config.faults);
        backend
    }

    /// What it is doing.
    pub fn load(&self) -> Load {
        self.scheduler.load()
    }

    /// Changes what goes wrong, from now on.
    pub fn set_faults(&self, faults: SimFaults) {
        self.scheduler.set_slowdown(faults.slowdown_permille);
        lock(&self.state).faults = faults;
    }

    fn reach(&self) -> Result<(), BackendError> {
        if lock(&self.state).faults.down {
            return Err(BackendError::Unavailable);
        }
        Ok(())
    }

    fn prepare(&self, request: &BackendRequest) -> Result<(GenerationRequest, Answer<SimSource>), Refusal> {
        let config = &*self.config;
        let request = GenerationRequest::parse(&request.path, &request.body)?;
        if request.model != config.model {
            return Err(Refusal::unknown_model());
        }
        let prompt_tokens = |prompt: &Prompt| match prompt {
            Prompt::Text(text) => (text.len() as u64).div_ceil(config.bytes_per_token.get().into()),
            Prompt::Tokens(tokens) => tokens.len() as u64,
        };
        let longest = request.prompts.iter().map(prompt_tokens).max().unwrap_or(0);
        let limit = u64::from(config.max_context_tokens);
        let room = limit.saturating_sub(longest);
        let max_tokens = request.max_tokens.map_or(room, u64::from);
        if longest >= limit || max_tokens > room {
            return Err(Refusal::context(limit, longest, max_tokens));
        }
        // As with a real model, a greedy answer follows from the prompt, a sampled one from its seed or from chance.
        let draws = match request.sampling.seed {
            Some(seed) => Counter::new(seed),
            None if request.sampling.temperature == 0.0 => prompt_stream(&request.prompts),
            None => Counter::new(self.env.random_u64()),
        };
        if draws.stream(0).below(0, 1000) < u64::from(lock(&self.state).faults.error_permille) {
            return Err(Refusal::internal("the machine failed"));
        }
        let source = SimSource {
            state: Arc::clone(&self.state),
            prompt_tokens: request.prompts.iter().map(prompt_tokens).sum(),
            prompts: request.prompts.clone(),
            block_bytes: config.bytes_per_token.get() as usize * BLOCK_TOKENS,
            sequences: (0..request.choices() as u64)
                .map(|choice| Sequence::new(config, draws.stream(choice + 1), request.ignore_eos))
                .collect(),
        };
        let terms = Terms {
            max_tokens: u32::try_from(max_tokens).unwrap_or(u32::MAX),
            format: config.stream_format,
            fingerprint: None,
        };
        let answer = Answer::new(&self.env, &self.scheduler, &request, terms, source);
        Ok((request, answer))
    }
}

impl Backend for SimBackend {
    fn models(&self) -> Vec<String> {
        vec![self.config.model.clone()]
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        Box::pin(async { self.reach() })
    }

    fn call(&self, request: BackendRequest) -> BoxFuture<'_, Result<BackendResponse, BackendError>> {
        Box::pin(async move {
            self.reach()?;
            Ok(match self.prepare(&request) {
                Err(refusal) => refusal.into_response(),
                Ok((request, answer)) if request.stream => answer.into_stream(),
                Ok((_, answer)) => answer.complete().await,
            })
        })
    }
}

impl fmt::Debug for SimBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimBackend")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Draws that follow from what is to be continued.
fn prompt_stream(prompts: &[Prompt]) -> Counter {
    prompts.iter().fold(Counter::new(0), |draws, prompt| match prompt {
        Prompt::Text(text) => draws.text_stream(text.as_bytes()),
        Prompt::Tokens(tokens) => tokens.iter().copied().fold(draws, Counter::stream),
    })
}

/// A panic in another holder leaves each of the two parts whole.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sequences of one request.
struct SimSource {
    state: Arc<Mutex<State>>,
    prompt_tokens: u64,
    prompts: Vec<Prompt>,
    /// Bytes of text that make a block of the prefix cache.
    block_bytes: usize,
    sequences: Vec<Sequence>,
}

struct Sequence {
    words: Counter,
    generated: u32,
    reasoning_tokens: u32,
    /// Reasoning included; `None` goes on until it is cut.
    tokens: Option<u32>,
}

impl Sequence {
    fn new(config: &SimConfig, draws: Counter, endless: bool) -> Self {
        let reasoning_tokens = config.reasoning_tokens.draw(draws, 0);
        let answer_tokens = config.answer_tokens.draw(draws, 1);
        Self {
            words: draws.stream(0),
            generated: 0,
            reasoning_tokens,
            tokens: (!endless).then_some(reasoning_tokens.saturating_add(answer_tokens)),
        }
    }
}

impl TokenSource for SimSource {
    fn prompt_tokens(&self) -> u64 {
        self.prompt_tokens
    }

    fn cached_tokens(&mut self) -> u64 {
        let cache = &mut lock(&self.state).prefix_cache;
        let cached = self.prompts.iter().map(|prompt| match prompt {
            Prompt::Text(text) => cache.take_in(text.as_bytes().chunks_exact(self.block_bytes)),
            Prompt::Tokens(tokens) => {
                let blocks: Vec<Vec<u8>> = tokens
                    .chunks_exact(BLOCK_TOKENS)
                    .map(|block| block.iter().flat_map(|id| id.to_le_bytes()).collect())
                    .collect();
                cache.take_in(blocks.iter().map(Vec::as_slice))
            }
        });
        cached.sum()
    }

    fn prefill(&mut self) -> bool {
        true
    }

    fn next(&mut self, choice: usize, text: &mut String) -> Next {
        let sequence = &mut self.sequences[choice];
        if sequence.tokens == Some(0) {
            return Next::End;
        }
        text::word(sequence.words, sequence.generated.into(), text);
        sequence.generated = sequence.generated.saturating_add(1);
        if sequence.tokens.is_some_and(|tokens| sequence.generated >= tokens) {
            Next::End
        } else if sequence.generated <= sequence.reasoning_tokens {
            Next::Reasoning
        } else {
            Next::Answer
        }
    }
}
