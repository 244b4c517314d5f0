//! Which requests reach an inference server, and what they may cost at most (spec §8.2, §8.3).
//!
//! A worker forwards only what it understands: an unknown field could make an answer cost more than was reserved, or
//! reach a part of the server that nobody meant to open. The proxy uses [`token_bound`] on the same body, so that what
//! it reserves is what the body can really produce: the reference system trusts the envelope alone (spec §10.2, T10).

use chrysalis_wire::error_code::ErrorCode;
use serde_json::{Map, Value};

/// Most alternatives (`n`, `best_of`) that one request may ask for.
const MAX_ALTERNATIVES: u64 = 16;
/// Completion tokens when the body names no limit (spec §1.5).
pub const DEFAULT_MAX_TOKENS: u32 = 1000;
/// Price factor limit when the body names none (spec §1.5): 4000 = 4.0.
pub const DEFAULT_MAX_COEFFICIENT: u32 = 4000;

/// A request that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// What is wrong, for the user.
    pub message: String,
}

impl RuleError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }

    /// The protocol's code for it.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::ProtocolViolation
    }
}

/// Endpoints that a worker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v1/chat/completions`.
    ChatCompletions,
    /// `/v1/completions`.
    Completions,
}

impl Endpoint {
    /// Reads the path of a request target; scheme, host and query are ignored.
    ///
    /// # Errors
    /// Any other path.
    pub fn from_target(target: &str) -> Result<Self, RuleError> {
        let path = match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |start| &rest[start..]),
            None => target,
        };
        match path.split(['?', '#']).next() {
            Some("/v1/chat/completions") => Ok(Self::ChatCompletions),
            Some("/v1/completions") => Ok(Self::Completions),
            _ => Err(RuleError::new(
                "only /v1/chat/completions and /v1/completions are served",
            )),
        }
    }

    /// The path to ask the inference server for.
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
        }
    }

    fn rules(self) -> &'static [(&'static str, Rule)] {
        match self {
            Self::ChatCompletions => CHAT_RULES,
            Self::Completions => COMPLETION_RULES,
        }
    }
}

#[derive(Clone, Copy)]
enum Rule {
    Any,
    Bool,
    Text,
    TextOrArray,
    Array,
    /// A number in a closed range.
    Number(f64, f64),
    /// An integer in a closed range.
    Integer(i64, i64),
    /// An object with these fields only.
    Object(&'static [(&'static str, Rule)]),
}

const ANY_NUMBER: Rule = Rule::Number(f64::MIN, f64::MAX);
const TOKENS: Rule = Rule::Integer(0, i32::MAX as i64);
const ALTERNATIVES: Rule = Rule::Integer(1, MAX_ALTERNATIVES as i64);
const STREAM_OPTIONS: Rule = Rule::Object(&[("include_obfuscation", Rule::Bool), ("include_usage", Rule::Bool)]);

const CHAT_RULES: &[(&str, Rule)] = &[
    ("messages", Rule::Array),
    ("model", Rule::Text),
    ("chat_template_kwargs", Rule::Object(&[("enable_thinking", Rule::Bool)])),
    ("frequency_penalty", Rule::Number(-2.0, 2.0)),
    ("max_completion_tokens", TOKENS),
    ("max_tokens", TOKENS),
    ("n", ALTERNATIVES),
    ("parallel_tool_calls", Rule::Bool),
    ("prediction", ANY_NUMBER),
    ("presence_penalty", ANY_NUMBER),
    ("reasoning_effort", Rule::Text),
    ("response_format", Rule::Any),
    ("seed", Rule::Integer(i64::MIN, i64::MAX)),
    ("stop", Rule::Any),
    ("stream", Rule::Bool),
    ("stream_options", STREAM_OPTIONS),
    ("temperature", ANY_NUMBER),
    ("top_logprobs", Rule::Integer(0, 20)),
    ("top_p", ANY_NUMBER),
    ("verbosity", Rule::Text),
];

const COMPLETION_RULES: &[(&str, Rule)] = &[
    ("prompt", Rule::TextOrArray),
    ("model", Rule::Text),
    ("best_of", ALTERNATIVES),
    ("echo", Rule::Bool),
    ("frequency_penalty", Rule::Number(-2.0, 2.0)),
    ("max_tokens", TOKENS),
    ("n", ALTERNATIVES),
    ("presence_penalty", ANY_NUMBER),
    ("seed", Rule::Integer(i64::MIN, i64::MAX)),
    ("skip_special_tokens", Rule::Bool),
    ("stop", Rule::Any),
    ("stream", Rule::Bool),
    ("stream_options", STREAM_OPTIONS),
    // The reference system asks for a Boolean here (spec §8.3); the interface it follows defines a text.
    ("suffix", Rule::Text),
    ("temperature", ANY_NUMBER),
    ("top_p", ANY_NUMBER),
];

impl Rule {
    fn check(self, path: &str, value: &Value) -> Result<(), RuleError> {
        let expected = match self {
            Self::Any => return Ok(()),
            Self::Bool if value.is_boolean() => return Ok(()),
            Self::Bool => "true or false".to_owned(),
            Self::Text if value.is_string() => return Ok(()),
            Self::Text => "a text".to_owned(),
            Self::TextOrArray if value.is_string() || value.is_array() => return Ok(()),
            Self::TextOrArray => "a text or an array".to_owned(),
            Self::Array if value.is_array() => return Ok(()),
            Self::Array => "an array".to_owned(),
            Self::Number(low, high) => match value.as_f64() {
                Some(number) if (low..=high).contains(&number) => return Ok(()),
                _ if low == f64::MIN => "a number".to_owned(),
                _ => format!("a number from {low} to {high}"),
            },
            Self::Integer(low, high) => match value.as_i64() {
                Some(number) if (low..=high).contains(&number) => return Ok(()),
                _ if low == i64::MIN => "an integer".to_owned(),
                _ => format!("an integer from {low} to {high}"),
            },
            Self::Object(fields) => match value.as_object() {
                Some(object) => return check_fields(path, object, fields),
                None => "an object".to_owned(),
            },
        };
        Err(RuleError::new(format!("{path} must be {expected}")))
    }
}

fn check_fields(path: &str, object: &Map<String, Value>, rules: &[(&str, Rule)]) -> Result<(), RuleError> {
    for (key, value) in object {
        let place = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        // null stands for "not given" throughout the OpenAI interface.
        if value.is_null() {
            continue;
        }
        let Some((_, rule)) = rules.iter().find(|(name, _)| name == key) else {
            return Err(RuleError::new(format!("the field {place} is not supported")));
        };
        rule.check(&place, value)?;
    }
    Ok(())
}

/// Reads a body as a JSON object.
///
/// # Errors
/// Anything else.
pub fn parse_body(body: &[u8]) -> Result<Map<String, Value>, RuleError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(RuleError::new("the body must be a JSON object")),
        Err(error) => Err(RuleError::new(format!("the body is not JSON: {error}"))),
    }
}

/// A request that a worker may forward.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardedRequest {
    /// Where.
    pub endpoint: Endpoint,
    /// What, with usage reporting switched on.
    pub body: Map<String, Value>,
}

/// Checks a request for the model `base_name` and switches usage reporting on, without which nobody could be paid.
///
/// # Errors
/// The first rule that is broken.
pub fn forwarded_request(target: &str, body: &[u8], base_name: &str) -> Result<ForwardedRequest, RuleError> {
    let endpoint = Endpoint::from_target(target)?;
    let mut body = parse_body(body)?;
    check_fields("", &body, endpoint.rules())?;
    let required = match endpoint {
        Endpoint::ChatCompletions => "messages",
        Endpoint::Completions => "prompt",
    };
    if body.get(required).is_none_or(Value::is_null) {
        return Err(RuleError::new(format!("the field {required} is missing")));
    }
    match body.get("model").and_then(Value::as_str) {
        Some(model) if model == base_name => {}
        Some(_) => return Err(RuleError::new("this worker serves another model")),
        None => return Err(RuleError::new("the field model is missing")),
    }
    let wants_stream = body.get("stream").and_then(Value::as_bool);
    let has_options = body.get("stream_options").is_some_and(Value::is_object);
    if wants_stream == Some(true) || (has_options && wants_stream.is_none()) {
        body.insert("stream".into(), true.into());
        let options = body
            .entry("stream_options")
            .or_insert_with(|| Value::Object(Map::new()));
        match options {
            Value::Object(options) => options.insert("include_usage".into(), true.into()),
            other => {
                *other = serde_json::json!({ "include_usage": true });
                None
            }
        };
    } else {
        body.remove("stream_options");
    }
    Ok(ForwardedRequest { endpoint, body })
}

/// Most completion tokens that a body can produce: its limit times the alternatives; `None` without a limit.
pub fn token_bound(body: &Map<String, Value>) -> Option<u64> {
    let limit = body.get("max_completion_tokens").and_then(Value::as_u64);
    let limit = limit.or_else(|| body.get("max_tokens").and_then(Value::as_u64))?;
    Some(limit.saturating_mul(alternatives(body)))
}

/// How many answers a body asks for: alternatives (`n`, `best_of`) times prompts; at least one. Several prompts are an
/// array of texts or of token arrays; an array of numbers is one prompt in tokens.
pub fn alternatives(body: &Map<String, Value>) -> u64 {
    let alternatives = ["n", "best_of"]
        .iter()
        .filter_map(|key| body.get(*key)?.as_u64())
        .max()
        .unwrap_or(1)
        .max(1);
    let prompts = match body.get("prompt").and_then(Value::as_array) {
        Some(prompts) if !prompts.iter().all(Value::is_number) => prompts.len() as u64,
        _ => 1,
    };
    alternatives.saturating_mul(prompts.max(1))
}

/// Server-sent events in a piece of an answer: each carries at least one token.
pub(crate) fn count_events(bytes: &[u8]) -> u64 {
    memchr::memmem::find_iter(bytes, b"\n\n").count() as u64
}

/// What a user asked of the client itself, taken out of the body (spec §8.2).
#[derive(Debug, Clone, PartialEq)]
pub struct UserRequest {
    /// Base name of the model.
    pub model: String,
    /// Completion tokens to reserve, alternatives included.
    pub max_tokens: u32,
    /// Highest price factor, 1000 = 1.0.
    pub max_coefficient: u32,
    /// Time limit in nanoseconds.
    pub timeout_ns: u64,
    /// Whether timing details are wanted in the answer.
    pub enable_debug: bool,
    /// The rest.
    pub body: Map<String, Value>,
}

/// Default and longest time limit of a request.
const DEFAULT_TIMEOUT_S: f64 = 120.0;
const MAX_TIMEOUT_S: f64 = 3600.0;

/// Splits a user's body into what the client keeps and what it forwards, and writes the default token limit into it.
///
/// # Errors
/// Not an object, no model, or a field of the client's own that is out of range (the reference cuts such numbers to 32
/// bits and lets negative ones through: T11).
pub fn user_request(body: &[u8]) -> Result<UserRequest, RuleError> {
    let mut body = parse_body(body)?;
    let model = match body.get("model") {
        Some(Value::String(model)) if !model.is_empty() => model.clone(),
        _ => return Err(RuleError::new("the field model must be a text")),
    };
    let max_coefficient = match body.remove("max_coefficient") {
        None | Some(Value::Null) => DEFAULT_MAX_COEFFICIENT,
        Some(value) => value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number < 1_000_000_000)
            .ok_or_else(|| RuleError::new("max_coefficient must be an integer from 0 to 999999999"))?,
    };
    let timeout_s = match body.remove("timeout") {
        None | Some(Value::Null) => DEFAULT_TIMEOUT_S,
        Some(value) => value
            .as_f64()
            .filter(|number| *number > 0.0 && *number <= MAX_TIMEOUT_S)
            .ok_or_else(|| RuleError::new("timeout must be a number of seconds above 0, at most 3600"))?,
    };
    let enable_debug = match body.remove("enable_debug") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => flag,
        Some(_) => return Err(RuleError::new("enable_debug must be true or false")),
    };
    body.remove("request_guid");
    // Two names for one limit: the newer one wins, and only one is forwarded (spec §8.2).
    if body.get("max_completion_tokens").is_some_and(|value| !value.is_null()) {
        body.remove("max_tokens");
    }
    let bound = match token_bound(&body) {
        Some(bound) => bound,
        None => {
            for key in ["max_tokens", "max_completion_tokens"] {
                if body.get(key).is_some_and(|value| !value.is_null()) {
                    return Err(RuleError::new(format!("{key} must be an integer of at least 0")));
                }
                body.remove(key);
            }
            body.insert("max_tokens".into(), DEFAULT_MAX_TOKENS.into());
            token_bound(&body).unwrap_or(u64::from(DEFAULT_MAX_TOKENS))
        }
    };
    let max_tokens = i32::try_from(bound)
        .ok()
        .and_then(|bound| u32::try_from(bound).ok())
        .ok_or_else(|| RuleError::new("max_tokens times the number of alternatives is above 2147483647"))?;
    // Positive and at most an hour: the cast keeps every value.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked above"
    )]
    let timeout_ns = (timeout_s * 1e9) as u64;
    Ok(UserRequest {
        model,
        max_tokens,
        max_coefficient,
        timeout_ns,
        enable_debug,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn forward(target: &str, body: &Value) -> Result<ForwardedRequest, RuleError> {
        forwarded_request(target, body.to_string().as_bytes(), "tiny")
    }

    #[test]
    fn a_streaming_request_reports_usage() {
        let chat = json!({"model": "tiny", "messages": [], "stream": true});
        let request = forward("/v1/chat/completions", &chat).unwrap();
        assert_eq!(request.body["stream_options"], json!({"include_usage": true}));

        let only_options = json!({"model": "tiny", "prompt": "p", "stream_options": {"include_usage": false}});
        let request = forward("http://host:1/v1/completions?x=1", &only_options).unwrap();
        assert_eq!(request.body["stream"], true);
        assert_eq!(request.body["stream_options"]["include_usage"], true);

        let plain = json!({"model": "tiny", "messages": [], "stream": false, "stream_options": {}});
        assert!(
            !forward("/v1/chat/completions", &plain)
                .unwrap()
                .body
                .contains_key("stream_options")
        );
    }

    #[test]
    fn what_a_worker_does_not_understand_is_refused() {
        let cases = [
            ("/v1/embeddings", json!({}), "only /v1"),
            ("/v1/chat/completions", json!([]), "JSON object"),
            ("/v1/chat/completions", json!({"model": "tiny"}), "messages is missing"),
            (
                "/v1/chat/completions",
                json!({"model": "other", "messages": []}),
                "another model",
            ),
            (
                "/v1/chat/completions",
                json!({"model": "tiny", "messages": [], "tools": []}),
                "tools is not supported",
            ),
            (
                "/v1/chat/completions",
                json!({"model": "tiny", "messages": [], "n": 17}),
                "n must be",
            ),
            (
                "/v1/chat/completions",
                json!({"model": "tiny", "messages": [], "n": 0}),
                "n must be",
            ),
            (
                "/v1/chat/completions",
                json!({"model": "tiny", "messages": [], "max_tokens": -1}),
                "max_tokens",
            ),
            (
                "/v1/chat/completions",
                json!({"model": "tiny", "messages": [], "frequency_penalty": 2.5}),
                "-2 to 2",
            ),
            (
                "/v1/chat/completions",
                json!({"model": "tiny", "messages": [], "chat_template_kwargs": {"x": 1}}),
                "chat_template_kwargs.x",
            ),
            (
                "/v1/completions",
                json!({"model": "tiny", "prompt": 1}),
                "prompt must be",
            ),
            (
                "/v1/completions",
                json!({"model": "tiny", "prompt": "p", "max_completion_tokens": 1}),
                "not supported",
            ),
        ];
        for (target, body, expected) in cases {
            let error = forward(target, &body).unwrap_err();
            assert!(error.message.contains(expected), "{body}: {error}");
        }
    }

    #[test]
    fn the_clients_own_fields_are_taken_out() {
        let body = json!({
            "model": "tiny", "messages": [], "timeout": 2.5, "max_coefficient": 1500, "enable_debug": true,
            "request_guid": "g", "max_tokens": 5, "max_completion_tokens": 7, "n": 2
        });
        let request = user_request(body.to_string().as_bytes()).unwrap();
        assert_eq!((request.max_tokens, request.max_coefficient), (14, 1500));
        assert_eq!((request.timeout_ns, request.enable_debug), (2_500_000_000, true));
        let mut keys: Vec<_> = request.body.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["max_completion_tokens", "messages", "model", "n"]);
    }

    #[test]
    fn a_missing_limit_is_written_into_the_body() {
        let request = user_request(br#"{"model":"tiny","messages":[]}"#).unwrap();
        assert_eq!(request.body["max_tokens"], DEFAULT_MAX_TOKENS);
        assert_eq!(request.max_tokens, DEFAULT_MAX_TOKENS);
    }

    #[test]
    fn several_prompts_are_several_answers() {
        let bound = |body: Value| token_bound(body.as_object().unwrap());
        assert_eq!(
            bound(json!({"prompt": ["a", "b", "c"], "max_tokens": 8, "n": 2})),
            Some(48)
        );
        assert_eq!(bound(json!({"prompt": [[1, 2], [3]], "max_tokens": 8})), Some(16));
        assert_eq!(bound(json!({"prompt": [1, 2, 3], "max_tokens": 8})), Some(8));
        assert_eq!(bound(json!({"prompt": [], "max_tokens": 8})), Some(8));
    }

    #[test]
    fn numbers_that_would_wrap_are_refused() {
        for body in [
            json!({"model": "tiny", "max_tokens": 2_147_483_648_u64}),
            json!({"model": "tiny", "max_tokens": 2_000_000_000, "n": 2}),
            json!({"model": "tiny", "max_tokens": -1}),
            json!({"model": "tiny", "max_tokens": "7"}),
            json!({"model": "tiny", "max_coefficient": -4000}),
            json!({"model": "tiny", "timeout": 0}),
            json!({"model": "tiny", "timeout": 1e9}),
            json!({"model": 7}),
        ] {
            assert!(user_request(body.to_string().as_bytes()).is_err(), "{body}");
        }
    }
}
