//! The management endpoint: health, metrics, counters and orders of one daemon, for whoever has its token.
//!
//! It stands on a port of its own that only this machine reaches ([`LoopbackAddress`]): what it shows is metadata
//! about other people's requests. Without the token every path answers alike, so that nothing can be probed.

use crate::{
    http_server::{self, NodeBody, Service, full_response, json_response},
    metrics::{self, Metrics},
    proxy::{ProxyControl, ProxyOrder},
    shutdown::Shutdown,
    telemetry::Role,
};
use chrysalis_env::{BoxFuture, Env, Listener};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use std::{fmt, net::SocketAddr, str::FromStr, sync::Arc};
use subtle::ConstantTimeEq;

/// Shortest token: 128 bits in hexadecimal.
pub const MIN_TOKEN_CHARS: usize = 32;
/// Longest token.
pub const MAX_TOKEN_CHARS: usize = 1024;

/// An address that only this machine reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopbackAddress(SocketAddr);

/// Why a text is no [`LoopbackAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoopbackError {
    /// Not an address at all.
    #[error("an address is IP:PORT, as in 127.0.0.1:9100")]
    Form,
    /// Other machines could reach it.
    #[error("the management endpoint listens on loopback only: 127.0.0.1 or [::1]")]
    NotLoopback,
}

impl FromStr for LoopbackAddress {
    type Err = LoopbackError;

    fn from_str(text: &str) -> Result<Self, LoopbackError> {
        let address: SocketAddr = text.parse().map_err(|_| LoopbackError::Form)?;
        // An IPv4-mapped address counts as what it stands for.
        if address.ip().to_canonical().is_loopback() {
            Ok(Self(address))
        } else {
            Err(LoopbackError::NotLoopback)
        }
    }
}

impl LoopbackAddress {
    /// The address.
    pub fn get(self) -> SocketAddr {
        self.0
    }
}

/// The secret that a caller shows.
#[derive(Clone)]
pub struct BearerToken(String);

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token has {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} visible ASCII characters and no spaces")]
pub struct TokenError;

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token stays out of logs.
        f.write_str("BearerToken")
    }
}

impl FromStr for BearerToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let fits = (MIN_TOKEN_CHARS..=MAX_TOKEN_CHARS).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TokenError)
        }
    }
}

impl BearerToken {
    /// Whether these headers carry it. Takes the same time wherever the first wrong character stands.
    fn is_shown_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some((scheme, shown)) = value.as_bytes().split_at_checked("bearer ".len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.ct_eq(self.0.as_bytes()))
    }
}

/// Whether a node can do its work now.
pub trait HealthCheck: Send + Sync + 'static {
    /// `Ok`, or in a few words what is missing.
    fn check(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// What the endpoint shows.
pub struct Management {
    /// The node that it is about.
    pub env: Env,
    /// Its role.
    pub role: Role,
    /// What callers show.
    pub token: BearerToken,
    /// Its counters.
    pub metrics: Arc<Metrics>,
    /// Its health.
    pub health: Arc<dyn HealthCheck>,
    /// Takes the operator's orders; proxies on a chain do (spec §4.7).
    pub control: Option<Arc<ProxyControl>>,
    /// Whether it was asked to stop.
    pub stopping: Shutdown,
    /// When it started, of the node's monotonic clock.
    pub started_ns: u64,
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Management")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Serves until `shutdown`, which is to come after the node itself has stopped.
pub async fn serve(management: Management, listener: Listener, shutdown: Shutdown) {
    http_server::serve(management.env.clone(), listener, Arc::new(management), shutdown).await;
}

impl Service for Management {
    fn call(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<'static, Response<NodeBody>> {
        Box::pin(async move {
            if !self.token.is_shown_in(request.headers()) {
                let mut response = full_response(StatusCode::UNAUTHORIZED, "text/plain", "");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                return response;
            }
            let mut response = match (request.method(), request.uri().path()) {
                (&Method::GET, "/healthz") => self.health().await,
                (&Method::GET, "/metrics") => {
                    full_response(StatusCode::OK, metrics::CONTENT_TYPE, self.metrics.to_text())
                }
                (&Method::GET, "/stats") => json_response(StatusCode::OK, &self.stats()),
                (_, "/healthz" | "/metrics" | "/stats") => wrong_method("GET"),
                (method, path) => order(self.control.as_deref(), method, path),
            };
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        })
    }
}

fn wrong_method(allowed: &'static str) -> Response<NodeBody> {
    let mut response = full_response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "");
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Orders of the operator.
fn order(control: Option<&ProxyControl>, method: &Method, path: &str) -> Response<NodeBody> {
    let not_found = |paths| full_response(StatusCode::NOT_FOUND, "text/plain", paths);
    let Some(control) = control else {
        return not_found("GET /healthz, /metrics or /stats\n");
    };
    let name = path.strip_prefix("/request/");
    match ProxyOrder::ALL.into_iter().find(|order| name == Some(order.name())) {
        None => not_found("GET /healthz, /metrics or /stats; POST /request/disable or /request/enable\n"),
        Some(_) if method != Method::POST => wrong_method("POST"),
        Some(order) => {
            control.ask(order);
            full_response(StatusCode::ACCEPTED, "text/plain", "accepted\n")
        }
    }
}

impl Management {
    async fn health(&self) -> Response<NodeBody> {
        let health = if self.stopping.is_requested() {
            Err("stopping".to_owned())
        } else {
            self.health.check().await
        };
        match health {
            Ok(()) => full_response(StatusCode::OK, "text/plain", "ok\n"),
            Err(reason) => full_response(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{reason}\n")),
        }
    }

    fn stats(&self) -> serde_json::Value {
        let uptime_ns = self.env.now_ns().saturating_sub(self.started_ns);
        json!({
            "role": self.role.name(),
            "name": self.env.node_name(),
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": uptime_ns / 1_000_000_000,
            "stopping": self.stopping.is_requested(),
            "counters": self.metrics.to_json(self.role.name()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_taken() {
        for text in [
            "127.0.0.1:9100",
            "127.8.9.1:1",
            "[::1]:9100",
            "[::ffff:127.0.0.1]:1",
            "127.0.0.1:0",
        ] {
            assert!(text.parse::<LoopbackAddress>().is_ok(), "{text}");
        }
        for text in [
            "0.0.0.0:9100",
            "[::]:9100",
            "10.0.0.1:9100",
            "192.168.0.1:1",
            "[::ffff:10.0.0.1]:1",
        ] {
            assert_eq!(
                text.parse::<LoopbackAddress>(),
                Err(LoopbackError::NotLoopback),
                "{text}"
            );
        }
        for text in ["", "localhost:9100", "127.0.0.1", "9100"] {
            assert_eq!(text.parse::<LoopbackAddress>(), Err(LoopbackError::Form), "{text}");
        }
    }

    #[tokio::test]
    async fn orders_are_taken_by_post_where_there_is_somebody_to_take_them() {
        let control = ProxyControl::default();
        let answer = |control, method: &Method, path| order(control, method, path).status();
        let cases = [
            (Method::POST, "/request/stop", StatusCode::NOT_FOUND),
            (Method::POST, "/request", StatusCode::NOT_FOUND),
            (Method::GET, "/request/disable", StatusCode::METHOD_NOT_ALLOWED),
            (Method::POST, "/request/enable", StatusCode::ACCEPTED),
            (Method::POST, "/request/disable", StatusCode::ACCEPTED),
        ];
        for (method, path, status) in cases {
            assert_eq!(answer(Some(&control), &method, path), status, "{method} {path}");
            assert_eq!(answer(None, &method, path), StatusCode::NOT_FOUND, "{method} {path}");
        }
        assert_eq!(control.next().await, ProxyOrder::Enable);
        assert_eq!(control.next().await, ProxyOrder::Disable);
    }

    #[test]
    fn exactly_the_token_opens() {
        let secret = "0123456789abcdef0123456789abcdef";
        let token: BearerToken = secret.parse().unwrap();
        let shown = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            token.is_shown_in(&headers)
        };
        assert!(shown(&[&format!("Bearer {secret}")]));
        assert!(shown(&[&format!("bearer {secret}")]));
        for wrong in [
            String::new(),
            "Bearer ".to_owned(),
            secret.to_owned(),
            format!("Basic {secret}"),
            format!("Bearer {secret}0"),
            format!("Bearer  {secret}"),
            format!("Bearer {}", &secret[..31]),
            format!("Bearer {}", secret.to_uppercase()),
        ] {
            assert!(!shown(&[&wrong]), "{wrong:?}");
        }
        // Two headers are a confusion somewhere: refuse.
        assert!(!shown(&[&format!("Bearer {secret}"), &format!("Bearer {secret}")]));
        assert!(!shown(&[]));
    }

    #[test]
    fn tokens_that_can_be_guessed_or_sent_wrongly_are_refused() {
        assert!("x".repeat(MIN_TOKEN_CHARS).parse::<BearerToken>().is_ok());
        assert!("x".repeat(MIN_TOKEN_CHARS - 1).parse::<BearerToken>().is_err());
        assert!("x".repeat(MAX_TOKEN_CHARS + 1).parse::<BearerToken>().is_err());
        assert!(
            format!("{} {}", "x".repeat(20), "x".repeat(20))
                .parse::<BearerToken>()
                .is_err()
        );
        assert!(!format!("{:?}", "s".repeat(40).parse::<BearerToken>().unwrap()).contains('s'));
    }
}
