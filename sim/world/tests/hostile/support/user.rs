//! A user of a client's HTTP endpoint.

use super::parties::MODEL;
use bytes::Bytes;
use chrysalis_env::{Env, http::HyperIo};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use std::net::SocketAddr;

/// What a user got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    /// None if the connection ended without an answer.
    pub(crate) status: Option<u16>,
    pub(crate) headers: usize,
    pub(crate) body: Vec<u8>,
    /// The body came to its proper end.
    pub(crate) is_whole: bool,
    /// From the request to the end.
    pub(crate) took_ns: u64,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of an error body.
    pub(crate) fn error_code(&self) -> Option<i64> {
        serde_json::from_slice::<serde_json::Value>(&self.body)
            .ok()?
            .get("error_code")?
            .as_i64()
    }

    /// A stream whose last event says why it ends here. It ends in order: breaking off could lose that event.
    pub(crate) fn ends_with_error(&self, code: u64) -> bool {
        let text = self.text();
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let said = last
            .strip_prefix("data: ")
            .and_then(|event| serde_json::from_str(event).ok());
        let said = said.and_then(|event: serde_json::Value| event["error_code"].as_u64());
        self.status == Some(200) && self.is_whole && said == Some(code) && !text.contains("[DONE]")
    }

    /// An answer of the model.
    pub(crate) fn is_answer(&self) -> bool {
        self.status == Some(200) && self.is_whole && self.text().contains("choices")
    }
}

/// A usual request.
pub(crate) fn chat(stream: bool, timeout_s: u64) -> serde_json::Value {
    serde_json::json!({
        "model": MODEL,
        "messages": [{ "role": "user", "content": "Say hello." }],
        "max_tokens": 8,
        "temperature": 0,
        "stream": stream,
        "timeout": timeout_s,
    })
}

/// Asks and waits for the end of the answer.
pub(crate) async fn ask(env: &Env, client: SocketAddr, body: &serde_json::Value) -> Got {
    let start_ns = env.now_ns();
    let mut got = Got {
        status: None,
        headers: 0,
        body: Vec::new(),
        is_whole: false,
        took_ns: 0,
    };
    exchange(env, client, body, &mut got).await;
    got.took_ns = env.now_ns() - start_ns;
    got
}

async fn exchange(env: &Env, client: SocketAddr, body: &serde_json::Value, got: &mut Got) {
    let Ok(stream) = env.connect(client).await else { return };
    let Ok((mut sender, connection)) = hyper::client::conn::http1::Builder::new()
        .max_headers(1 << 17)
        .max_buf_size(1 << 24)
        .handshake(HyperIo(stream))
        .await
    else {
        return;
    };
    let _connection = env
        .spawn("user: http connection", async move {
            let _ = connection.await;
        })
        .abort_on_drop();
    let request = Request::post("/v1/chat/completions")
        .header(header::HOST, "client")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let Ok(response) = sender.send_request(request).await else {
        return;
    };
    got.status = Some(response.status().as_u16());
    got.headers = response.headers().len();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return };
        if let Ok(data) = frame.into_data() {
            got.body.extend_from_slice(&data);
        }
    }
    got.is_whole = true;
}
