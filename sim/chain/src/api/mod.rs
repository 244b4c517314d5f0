//! Answers of a toncenter-compatible API over a chain: a pure function from a request to a status and a JSON body. The
//! server around it is elsewhere.
//!
//! Field names, address forms and error envelopes are those of the public API, so that public clients can talk to a
//! simulated chain. What a client reads comes through a [`Provider`], which may be behind or lie.
//!
//! | module | holds |
//! |---|---|
//! | `v2` | methods of version 2 (`/api/v2/METHOD`, `/api/v2/jsonRPC`) |
//! | `v3` | methods of version 3 (`/api/v3/METHOD`) |
//! | `stack` | values of the virtual machine in both forms |
//! | `format` | addresses, blocks, messages, transactions |
//! | [`http`] | paths, queries and bodies |

mod format;
pub mod http;
mod stack;
#[cfg(test)]
mod tests;
mod v2;
mod v3;

use serde_json::{Value, json};
use tycho_types::models::{StdAddr, StdAddrFormat};

use crate::chain::{Chain, Provider};

/// Version of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `/api/v2`.
    V2,
    /// `/api/v3`.
    V3,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Value,
}

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    code: u16,
    message: String,
}

impl Failure {
    fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A parameter that is missing or malformed.
    fn parameter(name: &str, what: &str) -> Self {
        Self::new(422, format!("parameter {name}: {what}"))
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(500, error.to_string())
    }
}

/// Answers `method` of the API, read through `provider`. `params` is an object; numbers may come as strings, as they do
/// from a query.
pub fn answer(chain: &mut Chain, provider: &Provider, version: Version, method: &str, params: &Value) -> Answer {
    let params = Params(params);
    match version {
        Version::V2 => match v2::call(chain, provider, method, params) {
            Ok(result) => Answer {
                status: 200,
                body: json!({ "ok": true, "result": result }),
            },
            Err(failure) => Answer {
                status: failure.code,
                body: json!({ "ok": false, "error": failure.message, "code": failure.code }),
            },
        },
        Version::V3 => match v3::call(chain, provider, method, params) {
            Ok(body) => Answer { status: 200, body },
            Err(failure) => Answer {
                status: failure.code,
                body: json!({ "error": failure.message, "code": failure.code }),
            },
        },
    }
}

/// Answers a JSON-RPC request of version 2: an object with `method`, `params` and `id`.
pub fn answer_json_rpc(chain: &mut Chain, provider: &Provider, request: &Value) -> Answer {
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let empty = json!({});
    let mut answer = match request.get("method").and_then(Value::as_str) {
        Some(method) => {
            let params = request.get("params").unwrap_or(&empty);
            answer(chain, provider, Version::V2, method, params)
        }
        None => Answer {
            status: 422,
            body: json!({ "ok": false, "error": "no method", "code": 422 }),
        },
    };
    if let Some(body) = answer.body.as_object_mut() {
        body.insert("id".to_owned(), id);
        body.insert("jsonrpc".to_owned(), json!("2.0"));
    }
    answer
}

/// Parameters of a request.
#[derive(Clone, Copy)]
pub(crate) struct Params<'a>(&'a Value);

impl<'a> Params<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(self, name: &str) -> Result<&'a str, Failure> {
        let value = self.get(name).ok_or_else(|| Failure::parameter(name, "missing"))?;
        value.as_str().ok_or_else(|| Failure::parameter(name, "not a string"))
    }

    fn optional_text(self, name: &str) -> Result<Option<&'a str>, Failure> {
        self.get(name).map_or(Ok(None), |_| self.text(name).map(Some))
    }

    fn optional_integer(self, name: &str) -> Result<Option<i128>, Failure> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let parsed = match value {
            Value::Number(number) => number.to_string().parse().ok(),
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        parsed
            .map(Some)
            .ok_or_else(|| Failure::parameter(name, "not an integer"))
    }

    fn optional_u64(self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(value) = self.optional_integer(name)? else {
            return Ok(None);
        };
        u64::try_from(value)
            .map(Some)
            .map_err(|_| Failure::parameter(name, "out of range"))
    }

    fn integer(self, name: &str) -> Result<i128, Failure> {
        self.optional_integer(name)?
            .ok_or_else(|| Failure::parameter(name, "missing"))
    }

    fn flag(self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text == "true" || text == "1",
            _ => false,
        }
    }

    fn limit(self, default: usize, most: usize) -> Result<usize, Failure> {
        let limit = self
            .optional_u64("limit")?
            .map_or(default, |limit| usize::try_from(limit).unwrap_or(most));
        Ok(limit.min(most))
    }

    fn address(self, name: &str) -> Result<StdAddr, Failure> {
        parse_address(self.text(name)?).ok_or_else(|| Failure::parameter(name, "incorrect address"))
    }

    /// A parameter that may be given several times: a string, a list of strings, or strings with commas between.
    fn texts(self, name: &str) -> Result<Vec<&'a str>, Failure> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text.split(',').filter(|part| !part.is_empty()).collect()),
            Some(Value::Array(list)) => list
                .iter()
                .map(|item| {
                    item.as_str()
                        .ok_or_else(|| Failure::parameter(name, "not a list of strings"))
                })
                .collect(),
            Some(_) => Err(Failure::parameter(name, "not a string")),
        }
    }

    fn addresses(self, name: &str) -> Result<Vec<StdAddr>, Failure> {
        let parse = |text: &str| parse_address(text).ok_or_else(|| Failure::parameter(name, "incorrect address"));
        self.texts(name)?.into_iter().map(parse).collect()
    }
}

/// An address in any of the public forms.
fn parse_address(text: &str) -> Option<StdAddr> {
    StdAddr::from_str_ext(text.trim(), StdAddrFormat::any())
        .ok()
        .map(|(address, _)| address)
}
