//! One question and its answer on one connection.

use super::endpoint::ChainUrl;
use crate::chain::ChainError;
use bytes::Bytes;
use chrysalis_env::{Env, http::HyperIo};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// How long a question may take.
const LIMIT: Duration = Duration::from_secs(20);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// A service that answers questions in JSON.
pub(super) struct Service {
    pub(super) env: Env,
    pub(super) url: ChainUrl,
    pub(super) address: SocketAddr,
    /// Value of the header `X-API-Key`.
    pub(super) api_key: Option<HeaderValue>,
    pub(super) tls: Option<TlsConnector>,
}

fn unreachable(what: &str, error: impl std::fmt::Display) -> ChainError {
    ChainError::Unreachable(format!("{what}: {error}"))
}

/// TLS to public services: the machine's own roots.
pub(super) fn public_tls(env: &Env) -> Result<TlsConnector, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found
            .errors
            .first()
            .map_or_else(String::new, |error| format!(": {error}"));
        return Err(format!("this machine has no root certificates{why}"));
    }
    let config = ClientConfig::builder_with_details(env.crypto_provider(), env.time_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Service {
    /// Posts `body` to a method and reads the answer, whatever its status.
    pub(super) async fn post(&self, method: &str, body: Bytes) -> Result<(StatusCode, Bytes), ChainError> {
        match self.env.timeout(LIMIT, self.ask(method, body)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(ChainError::Unreachable(elapsed.to_string())),
        }
    }

    async fn ask(&self, method: &str, body: Bytes) -> Result<(StatusCode, Bytes), ChainError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.url.target(method))
            .header(header::HOST, self.url.authority())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close");
        if let Some(key) = &self.api_key {
            request = request.header("X-API-Key", key);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| unreachable("the question", error))?;
        let socket = self.env.connect(self.address).await;
        let socket = socket.map_err(|error| unreachable("connecting", error))?;
        match &self.tls {
            None => self.exchange(socket, request).await,
            Some(tls) => {
                let name = ServerName::try_from(self.url.host().to_owned());
                let name = name.map_err(|error| unreachable("its name", error))?;
                let secured = tls.connect(name, socket).await;
                let secured = secured.map_err(|error| unreachable("TLS", error))?;
                self.exchange(secured, request).await
            }
        }
    }

    async fn exchange<S>(&self, socket: S, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ChainError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(HyperIo(socket))
            .await
            .map_err(|error| unreachable("HTTP", error))?;
        // It ends with the answer: the connection is not kept.
        let driving = self.env.spawn("chain: connection", async move {
            let _ = connection.await;
        });
        let answer = async {
            let response = sender.send_request(request).await;
            let (head, body) = response.map_err(|error| unreachable("HTTP", error))?.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| unreachable("the answer", error))?;
            Ok((head.status, body.to_bytes()))
        };
        let answer = answer.await;
        driving.abort();
        answer
    }
}
