//! An OpenAI-compatible upstream over plain HTTP/1.1: vLLM, SGLang, llama-server.
//!
//! Each request has a connection of its own, driven by whoever polls the call or its body: no task, no reading ahead
//! of the consumer, and dropping the body closes the connection, which is how these servers learn of a cancellation.
//! Bodies pass through untouched, chunk by chunk.

mod base_url;
mod exchange;

pub use base_url::{BaseUrl, BaseUrlError};

use crate::{
    backend::{Backend, BackendRequest, BackendResponse},
    error::BackendError,
};
use chrysalis_env::{BoxFuture, Env};
use exchange::Exchange;
use hyper::{Method, StatusCode};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Longest list of models that a probe reads.
const PROBE_BODY_LIMIT_BYTES: usize = 1 << 20;

/// An upstream and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens.
    pub base_url: BaseUrl,
    /// Base names of the models that it serves.
    pub models: Vec<String>,
    /// Time-outs and connections.
    pub limits: HttpLimits,
}

/// Limits on the use of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Waiting for a free connection, connecting, sending the request and receiving the head.
    pub head: Duration,
    /// The whole body, from the head on.
    pub body: Duration,
    /// Silence in the middle of a body while the consumer is waiting for more.
    pub silence: Duration,
    /// As `head`, for a probe.
    pub probe_head: Duration,
    /// As `body`, for a probe.
    pub probe_body: Duration,
    /// Requests in flight at once; more wait in order of arrival. Probes do not count.
    pub connections: usize,
}

impl Default for HttpLimits {
    /// The reference's figures (spec §1.3, §1.5); silence is bounded by the body's limit alone.
    fn default() -> Self {
        Self {
            head: Duration::from_secs(120),
            body: Duration::from_secs(120),
            silence: Duration::from_secs(120),
            probe_head: Duration::from_secs(10),
            probe_body: Duration::from_secs(30),
            connections: 100,
        }
    }
}

/// An OpenAI-compatible upstream.
#[derive(Debug, Clone)]
pub struct HttpBackend {
    env: Env,
    config: HttpConfig,
    slots: Arc<Semaphore>,
}

impl HttpBackend {
    /// A backend that connects through `env`.
    pub fn new(env: Env, config: HttpConfig) -> Self {
        let slots = Arc::new(Semaphore::new(
            config.limits.connections.clamp(1, Semaphore::MAX_PERMITS),
        ));
        Self { env, config, slots }
    }

    async fn probe_models(&self) -> Result<(), BackendError> {
        let limits = &self.config.limits;
        let exchange = Exchange {
            env: &self.env,
            base_url: &self.config.base_url,
            head_limit: limits.probe_head,
            body_limit: limits.probe_body,
            silence_limit: limits.probe_body,
            slots: None,
        };
        let response = exchange.run(Method::GET, "/v1/models", None).await?;
        if response.status != StatusCode::OK.as_u16() {
            return Err(BackendError::Probe {
                status: response.status,
            });
        }
        response.body.collect(PROBE_BODY_LIMIT_BYTES).await?;
        Ok(())
    }
}

impl Backend for HttpBackend {
    fn models(&self) -> Vec<String> {
        self.config.models.clone()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), BackendError>> {
        Box::pin(self.probe_models())
    }

    fn call(&self, request: BackendRequest) -> BoxFuture<'_, Result<BackendResponse, BackendError>> {
        Box::pin(async move {
            let limits = &self.config.limits;
            let narrowed = |limit: Duration| request.timeout.map_or(limit, |timeout| timeout.min(limit));
            let exchange = Exchange {
                env: &self.env,
                base_url: &self.config.base_url,
                head_limit: narrowed(limits.head),
                body_limit: narrowed(limits.body),
                silence_limit: limits.silence,
                slots: Some(&self.slots),
            };
            let content = Some((request.content_type.as_str(), request.body));
            exchange.run(Method::POST, &request.path, content).await
        })
    }
}
