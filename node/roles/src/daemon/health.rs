//! Whether a role can do its work, asked when somebody asks.

use crate::{management::HealthCheck, metrics::Metrics, telemetry::Role};
use bytes::Bytes;
use chrysalis_env::{BoxFuture, Either, Env, http::HyperIo, race};
use chrysalis_inference::Backend;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

/// Time for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// A client is well when its own endpoint can list models: then a proxy is connected and answers.
pub(super) struct ClientHealth {
    env: Env,
    endpoint: SocketAddr,
}

impl ClientHealth {
    pub(super) fn new(env: Env, mut endpoint: SocketAddr) -> Self {
        if endpoint.ip().is_unspecified() {
            endpoint.set_ip(match endpoint.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        Self { env, endpoint }
    }

    async fn list_models(&self) -> Result<StatusCode, String> {
        let text = |error: &dyn std::fmt::Display| format!("the endpoint does not answer: {error}");
        let stream = self.env.connect(self.endpoint).await.map_err(|error| text(&error))?;
        let (mut sender, connection) = http1::handshake(HyperIo(stream)).await.map_err(|error| text(&error))?;
        let request = Request::get("/v1/models")
            .header(header::HOST, self.endpoint.to_string())
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| text(&error))?;
        let mut answer = pin!(sender.send_request(request));
        let response = match race(answer.as_mut(), pin!(connection)).await {
            Either::Left(response) => response,
            // The connection may end in the very moment in which it has brought the answer.
            Either::Right(_) => answer.await,
        };
        response.map(|response| response.status()).map_err(|error| text(&error))
    }
}

impl HealthCheck for ClientHealth {
    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            match self.env.timeout(LIMIT, self.list_models()).await {
                Ok(Ok(StatusCode::OK)) => Ok(()),
                Ok(Ok(_)) => Err("no proxy is ready".to_owned()),
                Ok(Err(reason)) => Err(reason),
                Err(elapsed) => Err(elapsed.to_string()),
            }
        })
    }
}

/// A worker is well when its backend answers and it serves a proxy.
pub(super) struct WorkerHealth {
    pub(super) env: Env,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) metrics: Arc<Metrics>,
}

impl HealthCheck for WorkerHealth {
    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            match self.env.timeout(LIMIT, self.backend.probe()).await {
                Ok(Ok(())) if self.metrics.sessions_ready(Role::Worker) > 0 => Ok(()),
                Ok(Ok(())) => Err("no proxy is connected".to_owned()),
                Ok(Err(error)) => Err(format!("the inference server does not answer: {error}")),
                Err(elapsed) => Err(format!("the inference server does not answer: {elapsed}")),
            }
        })
    }
}

/// A proxy is well while its ledger can be written: it waits for others, and refuses requests that it could not keep.
pub(super) struct ProxyHealth {
    pub(super) metrics: Arc<Metrics>,
}

impl HealthCheck for ProxyHealth {
    fn check(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            if self.metrics.is_ledger_writable() {
                Ok(())
            } else {
                Err("the ledger cannot be written".to_owned())
            }
        })
    }
}
