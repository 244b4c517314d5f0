//! The decoder behind the backend seam.

use super::{
    decoder::{CHUNK_TOKENS, Decoder},
    model::TinyModel,
    sampler::Sampler,
    tokenizer::{Token, tokenize},
};
use crate::{
    answer::{Answer, Next, Terms, TokenSource},
    backend::{Backend, BackendRequest, BackendResponse},
    error::BackendError,
    openai::{GenerationRequest, Prompt, Refusal, StreamFormat},
    service::{Load, Machine, Scheduler},
};
use chrysalis_env::{BoxFuture, Env};
use std::{collections::VecDeque, fmt, sync::Arc};

/// How the embedded decoder is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TinyOptions {
    /// In a simulated world, where computing takes no time: the machine whose speed is imitated. `None` for real use:
    /// tokens then take as long as they take to compute, and there is no limit on sequences.
    pub machine: Option<Machine>,
    /// How streamed answers are framed.
    pub stream_format: StreamFormat,
}

/// Serves one model of the embedded decoder.
#[derive(Clone)]
pub struct TinyBackend {
    env: Env,
    base_name: String,
    model: Arc<TinyModel>,
    /// Short form of the model's identity, for `system_fingerprint`.
    fingerprint: String,
    options: TinyOptions,
    scheduler: Arc<Scheduler>,
}

impl TinyBackend {
    /// Serves `model` under `base_name`.
    pub fn new(env: Env, base_name: impl Into<String>, model: Arc<TinyModel>, options: TinyOptions) -> Self {
        let [a, b, c, d, ..] = model.identity();
        Self {
            fingerprint: format!("tiny-{a:02x}{b:02x}{c:02x}{d:02x}"),
            scheduler: Scheduler::new(env.clone(), options.machine),
            env,
            base_name: base_name.into(),
            model,
            options,
        }
    }

    /// What it is doing.
    pub fn load(&self) -> Load {
        self.scheduler.load()
    }

    fn prepare(&self, request: &BackendRequest) -> Result<(GenerationRequest, Answer<TinySource>), Refusal> {
        let request = GenerationRequest::parse(&request.path, &request.body)?;
        if request.model != self.base_name {
            return Err(Refusal::unknown_model());
        }
        let prompts = request.prompts.iter().map(tokens_of);
        let prompts: Vec<Vec<Token>> = prompts.collect::<Result<_, _>>()?;
        let limit = self.model.config().shape().max_context_tokens as u64;
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0) as u64;
        let room = limit.saturating_sub(longest);
        let max_tokens = request.max_tokens.map_or(room, u64::from);
        if longest >= limit || max_tokens > room {
            return Err(Refusal::context(limit, longest, max_tokens));
        }
        let seed = request.sampling.seed.unwrap_or_else(|| self.env.random_u64());
        let samplers = (0..request.choices() as u64)
            .map(|choice| Sampler::new(request.sampling, !request.ignore_eos, seed, choice))
            .collect();
        let source = TinySource {
            prompt_tokens: prompts.iter().map(Vec::len).sum::<usize>() as u64,
            choices_per_prompt: request.choices_per_prompt as usize,
            prompts: prompts.into(),
            current: None,
            model: Arc::clone(&self.model),
            decoders: Vec::new(),
            samplers,
            chosen: vec![None; request.choices()],
        };
        let terms = Terms {
            max_tokens: u32::try_from(max_tokens).unwrap_or(u32::MAX),
            format: self.options.stream_format,
            fingerprint: Some(self.fingerprint.clone()),
        };
        let answer = Answer::new(&self.env, &self.scheduler, &request, terms, source);
        Ok((request, answer))
    }
}

fn tokens_of(prompt: &Prompt) -> Result<Vec<Token>, Refusal> {
    match prompt {
        Prompt::Text(text) => Ok(tokenize(text)),
        Prompt::Tokens(ids) if ids.is_empty() => Ok(vec![Token::BEGIN]),
        Prompt::Tokens(ids) => {
            let tokens: Option<Vec<Token>> = ids.iter().map(|id| Token::new(*id)).collect();
            tokens.ok_or_else(|| {
                let message = format!("token numbers must be below {}", Token::VOCABULARY);
                Refusal::bad_request(Some("prompt"), message)
            })
        }
    }
}

impl Backend for TinyBackend {
    fn models(&self) -> Vec<String> {
        vec![self.base_name.clone()]
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }

    fn call(&self, request: BackendRequest) -> BoxFuture<'_, Result<BackendResponse, BackendError>> {
        Box::pin(async move {
            Ok(match self.prepare(&request) {
                Err(refusal) => refusal.into_response(),
                Ok((request, answer)) if request.stream => answer.into_stream(),
                Ok((_, answer)) => answer.complete().await,
            })
        })
    }
}

impl fmt::Debug for TinyBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TinyBackend")
            .field("base_name", &self.base_name)
            .field("model", &self.model)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The sequences of one request.
struct TinySource {
    prompt_tokens: u64,
    choices_per_prompt: usize,
    /// Prompts not yet worked off, and the decoder that is in the first of them.
    prompts: VecDeque<Vec<Token>>,
    current: Option<Decoder>,
    model: Arc<TinyModel>,
    /// One for each choice.
    decoders: Vec<Decoder>,
    samplers: Vec<Sampler>,
    /// Each choice's last token, which its decoder does not have yet.
    chosen: Vec<Option<Token>>,
}

impl TokenSource for TinySource {
    fn prompt_tokens(&self) -> u64 {
        self.prompt_tokens
    }

    fn cached_tokens(&mut self) -> u64 {
        0
    }

    fn prefill(&mut self) -> bool {
        let Some(prompt) = self.prompts.front() else {
            return true;
        };
        let mut decoder = match self.current.take() {
            Some(decoder) => decoder,
            None => Decoder::new(Arc::clone(&self.model)),
        };
        let start = decoder.position();
        let end = prompt.len().min(start + CHUNK_TOKENS);
        // Prompt and answer were checked to fit into the context; a refusal would end the prompt early.
        if decoder.feed(&prompt[start..end]).is_err() || end == prompt.len() {
            self.decoders
                .extend(std::iter::repeat_n(decoder, self.choices_per_prompt));
            self.prompts.pop_front();
        } else {
            self.current = Some(decoder);
        }
        self.prompts.is_empty()
    }

    fn next(&mut self, choice: usize, text: &mut String) -> Next {
        let decoder = &mut self.decoders[choice];
        if let Some(token) = self.chosen[choice].take()
            && decoder.feed(&[token]).is_err()
        {
            return Next::End;
        }
        let token = self.samplers[choice].choose(decoder.logits());
        self.chosen[choice] = Some(token);
        match token.as_byte() {
            Some(byte) => {
                text.push(char::from(byte));
                Next::Answer
            }
            None => Next::End,
        }
    }
}
