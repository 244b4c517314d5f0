//! Requests. Fields that are not listed here are ignored; which fields may come at all is the worker's business.

use super::response::Refusal;
use serde::Deserialize;

/// Answers to one request: prompts times choices.
const MAX_CHOICES: usize = 128;
/// Stop sequences of one request, and the length of each. An answer is held back while it could become one of them.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 1024;
/// Answer length of the older endpoint when the request names none, as the API documents it.
const COMPLETIONS_MAX_TOKENS: u32 = 16;

/// The two endpoints that reach a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
}

impl Endpoint {
    /// The endpoint with this path, which ends at the first `?`.
    pub fn from_path(path: &str) -> Option<Self> {
        match path.split('?').next()? {
            "/v1/chat/completions" => Some(Self::Chat),
            "/v1/completions" => Some(Self::Completions),
            _ => None,
        }
    }
}

/// What to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Text; a chat is rendered into one.
    Text(String),
    /// Token numbers of the model's own vocabulary.
    Tokens(Vec<u64>),
}

/// How a token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token; 1 follows the model's distribution.
    pub temperature: f32,
    /// Only the likeliest tokens that reach this probability together are considered; within (0, 1].
    pub top_p: f64,
    /// Taken off a token's score for each time that it has appeared in the answer.
    pub frequency_penalty: f32,
    /// Taken off a token's score once it has appeared in the answer.
    pub presence_penalty: f32,
    /// Makes the choice repeatable.
    pub seed: Option<u64>,
}

/// A request for generated text.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// Where it came in.
    pub endpoint: Endpoint,
    /// Base name of the model.
    pub model: String,
    /// At least one; a chat has exactly one.
    pub prompts: Vec<Prompt>,
    /// Answers to each prompt; at least 1.
    pub choices_per_prompt: u32,
    /// Longest answer in tokens; `None` leaves it to the context.
    pub max_tokens: Option<u32>,
    /// The answer comes token by token.
    pub stream: bool,
    /// A streamed answer ends with a chunk of usage.
    pub include_usage: bool,
    /// Texts that end an answer; they are not part of it.
    pub stop: Vec<String>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// An extension of vLLM and SGLang for measurements: answers are as long as allowed.
    pub ignore_eos: bool,
}

impl GenerationRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// The response that refuses it: unknown path (404), or a body that makes no sense (400).
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, Refusal> {
        let endpoint = Endpoint::from_path(path).ok_or_else(|| Refusal::not_found("there is no such endpoint here"))?;
        // By way of a value, so that of duplicate keys the last one counts, as it does for the worker.
        let body: serde_json::Value = serde_json::from_slice(body).map_err(|error| invalid(&error))?;
        let wire: Wire = serde_json::from_value(body).map_err(|error| invalid(&error))?;
        wire.into_request(endpoint)
    }

    /// Answers to all prompts together.
    pub fn choices(&self) -> usize {
        self.prompts.len() * self.choices_per_prompt as usize
    }
}

fn invalid(error: &serde_json::Error) -> Refusal {
    Refusal::bad_request(None, error.to_string())
}

#[derive(Deserialize)]
struct Wire {
    model: String,
    messages: Option<Vec<WireMessage>>,
    prompt: Option<WirePrompt>,
    n: Option<u64>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<WireStreamOptions>,
    stop: Option<WireStop>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
    seed: Option<i64>,
    ignore_eos: Option<bool>,
}

#[derive(Deserialize)]
struct WireMessage {
    role: String,
    content: Option<WireContent>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireContent {
    Text(String),
    Parts(Vec<WirePart>),
}

#[derive(Deserialize)]
struct WirePart {
    text: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WirePrompt {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u64>),
    TokenLists(Vec<Vec<u64>>),
}

#[derive(Deserialize)]
struct WireStreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireStop {
    One(String),
    Many(Vec<String>),
}

impl Wire {
    fn into_request(self, endpoint: Endpoint) -> Result<GenerationRequest, Refusal> {
        let sampling = self.sampling()?;
        let prompts = match endpoint {
            Endpoint::Chat => vec![Prompt::Text(render_chat(self.messages.unwrap_or_default())?)],
            Endpoint::Completions => prompts(self.prompt)?,
        };
        let choices_per_prompt = self.n.unwrap_or(1);
        let choices = u64::try_from(prompts.len())
            .unwrap_or(u64::MAX)
            .saturating_mul(choices_per_prompt);
        if choices == 0 || choices > MAX_CHOICES as u64 {
            let message = format!("prompts times n must be within 1..={MAX_CHOICES}");
            return Err(Refusal::bad_request(Some("n"), message));
        }
        let max_tokens = match endpoint {
            Endpoint::Chat => self.max_completion_tokens.or(self.max_tokens),
            Endpoint::Completions => Some(self.max_tokens.unwrap_or(COMPLETIONS_MAX_TOKENS.into())),
        };
        let include_usage = self.stream_options.and_then(|options| options.include_usage);
        Ok(GenerationRequest {
            endpoint,
            model: self.model,
            prompts,
            choices_per_prompt: u32::try_from(choices_per_prompt).unwrap_or(u32::MAX),
            max_tokens: max_tokens.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX)),
            stream: self.stream.unwrap_or(false),
            include_usage: include_usage.unwrap_or(false),
            stop: stops(self.stop)?,
            sampling,
            ignore_eos: self.ignore_eos.unwrap_or(false),
        })
    }

    fn sampling(&self) -> Result<Sampling, Refusal> {
        let within = |name: &'static str, value: Option<f64>, default: f64, low: f64, high: f64| {
            let value = value.unwrap_or(default);
            if (low..=high).contains(&value) {
                Ok(value)
            } else {
                let message = format!("{name} must be within {low}..={high}");
                Err(Refusal::bad_request(Some(name), message))
            }
        };
        Ok(Sampling {
            temperature: within("temperature", self.temperature, 1.0, 0.0, 2.0)? as f32,
            top_p: within("top_p", self.top_p, 1.0, f64::MIN_POSITIVE, 1.0)?,
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, 0.0, -2.0, 2.0)? as f32,
            presence_penalty: within("presence_penalty", self.presence_penalty, 0.0, -2.0, 2.0)? as f32,
            // A seed is a pattern of bits; its sign means nothing.
            seed: self.seed.map(i64::cast_unsigned),
        })
    }
}

/// A chat as one text: each message under a line with its role, then the assistant's turn.
fn render_chat(messages: Vec<WireMessage>) -> Result<String, Refusal> {
    if messages.is_empty() {
        return Err(Refusal::bad_request(Some("messages"), "messages must not be empty"));
    }
    let mut text = String::new();
    for message in messages {
        text.push_str("<|");
        text.push_str(&message.role);
        text.push_str("|>\n");
        match message.content {
            Some(WireContent::Text(content)) => text.push_str(&content),
            Some(WireContent::Parts(parts)) => parts.iter().for_each(|part| text.push_str(&part.text)),
            None => {}
        }
        text.push('\n');
    }
    text.push_str("<|assistant|>\n");
    Ok(text)
}

fn prompts(prompt: Option<WirePrompt>) -> Result<Vec<Prompt>, Refusal> {
    let prompts = match prompt {
        Some(WirePrompt::Text(text)) => vec![Prompt::Text(text)],
        Some(WirePrompt::Texts(texts)) => texts.into_iter().map(Prompt::Text).collect(),
        Some(WirePrompt::Tokens(tokens)) => vec![Prompt::Tokens(tokens)],
        Some(WirePrompt::TokenLists(lists)) => lists.into_iter().map(Prompt::Tokens).collect(),
        None => Vec::new(),
    };
    if prompts.is_empty() {
        return Err(Refusal::bad_request(
            Some("prompt"),
            "prompt is required and must not be empty",
        ));
    }
    Ok(prompts)
}

fn stops(stop: Option<WireStop>) -> Result<Vec<String>, Refusal> {
    let stops = match stop {
        None => Vec::new(),
        Some(WireStop::One(text)) => vec![text],
        Some(WireStop::Many(texts)) => texts,
    };
    let fits = |text: &String| (1..=MAX_STOP_BYTES).contains(&text.len());
    if stops.len() > MAX_STOPS || !stops.iter().all(fits) {
        let message = format!("stop takes up to {MAX_STOPS} texts of 1 to {MAX_STOP_BYTES} bytes");
        return Err(Refusal::bad_request(Some("stop"), message));
    }
    Ok(stops)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const CHAT: &str = "/v1/chat/completions";
    const COMPLETIONS: &str = "/v1/completions";

    fn parse(path: &str, body: &Value) -> Result<GenerationRequest, Refusal> {
        GenerationRequest::parse(path, body.to_string().as_bytes())
    }

    #[test]
    fn defaults_of_both_endpoints() {
        let chat = parse(
            CHAT,
            &json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
        )
        .unwrap();
        let expected = GenerationRequest {
            endpoint: Endpoint::Chat,
            model: "m".to_owned(),
            prompts: vec![Prompt::Text("<|user|>\nhi\n<|assistant|>\n".to_owned())],
            choices_per_prompt: 1,
            max_tokens: None,
            stream: false,
            include_usage: false,
            stop: Vec::new(),
            sampling: Sampling {
                temperature: 1.0,
                top_p: 1.0,
                frequency_penalty: 0.0,
                presence_penalty: 0.0,
                seed: None,
            },
            ignore_eos: false,
        };
        assert_eq!(chat, expected);
        let completion = parse(COMPLETIONS, &json!({"model": "m", "prompt": "hi"})).unwrap();
        assert_eq!(completion.max_tokens, Some(16));
        assert_eq!(completion.prompts, [Prompt::Text("hi".to_owned())]);
    }

    #[test]
    fn content_in_parts_absent_content_and_unknown_fields() {
        let body = json!({"model": "m", "verbosity": "low", "response_format": {"type": "text"}, "messages": [
            {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": null, "name": "x"},
            {"role": "user"}]});
        let request = parse(CHAT, &body).unwrap();
        let text = "<|system|>\nab\n<|assistant|>\n\n<|user|>\n\n<|assistant|>\n";
        assert_eq!(request.prompts, [Prompt::Text(text.to_owned())]);
    }

    #[test]
    fn the_newer_limit_wins_in_chats_and_is_unknown_to_completions() {
        let chat = json!({"model": "m", "messages": [{"role": "user"}], "max_tokens": 5, "max_completion_tokens": 7});
        assert_eq!(parse(CHAT, &chat).unwrap().max_tokens, Some(7));
        let completion = json!({"model": "m", "prompt": "", "max_tokens": 5, "max_completion_tokens": 7});
        assert_eq!(parse(COMPLETIONS, &completion).unwrap().max_tokens, Some(5));
        let long = json!({"model": "m", "prompt": "", "max_tokens": u64::MAX});
        assert_eq!(parse(COMPLETIONS, &long).unwrap().max_tokens, Some(u32::MAX));
    }

    #[test]
    fn all_forms_of_prompts_and_stops() {
        let read = |prompt: Value| parse(COMPLETIONS, &json!({"model": "m", "prompt": prompt})).map(|r| r.prompts);
        let text = |text: &str| Prompt::Text(text.to_owned());
        assert_eq!(read(json!(["a", "b"])), Ok(vec![text("a"), text("b")]));
        assert_eq!(read(json!([1, 2])), Ok(vec![Prompt::Tokens(vec![1, 2])]));
        assert_eq!(read(json!([[1], [2, 3]])).unwrap().len(), 2);
        for bad in [json!(null), json!([]), json!(7), json!([-1]), json!(["a", 1])] {
            assert_eq!(read(bad.clone()).unwrap_err().status(), 400, "{bad}");
        }
        let stop = |stop: Value| parse(COMPLETIONS, &json!({"model": "m", "prompt": "", "stop": stop})).map(|r| r.stop);
        assert_eq!(stop(json!(null)), Ok(vec![]));
        assert_eq!(stop(json!("x")), Ok(vec!["x".to_owned()]));
        assert_eq!(stop(json!(["x", "y"])).unwrap().len(), 2);
        for bad in [
            json!(""),
            json!(["x", ""]),
            json!(vec!["x"; 17]),
            json!("x".repeat(1025)),
            json!(1),
        ] {
            assert_eq!(stop(bad.clone()).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        let with = |name: &str, value: Value| {
            let mut body = json!({"model": "m", "prompt": ["a", "b"]});
            body[name] = value;
            parse(COMPLETIONS, &body)
        };
        let accepted = [
            ("temperature", json!(0)),
            ("temperature", json!(2)),
            ("top_p", json!(1)),
            ("top_p", json!(0.001)),
            ("frequency_penalty", json!(-2)),
            ("presence_penalty", json!(2)),
            ("n", json!(64)),
            ("seed", json!(-1)),
            ("max_tokens", json!(0)),
        ];
        for (name, value) in accepted {
            assert!(with(name, value.clone()).is_ok(), "{name} {value}");
        }
        let refused = [
            ("temperature", json!(-0.1)),
            ("temperature", json!(2.1)),
            ("top_p", json!(0)),
            ("top_p", json!(1.1)),
            ("frequency_penalty", json!(-2.1)),
            ("presence_penalty", json!(2.1)),
            ("n", json!(0)),
            ("n", json!(65)),
            ("n", json!(u64::MAX)),
            ("seed", json!(0.5)),
            ("max_tokens", json!(-1)),
            ("stream", json!("yes")),
        ];
        for (name, value) in refused {
            assert_eq!(with(name, value.clone()).unwrap_err().status(), 400, "{name} {value}");
        }
        assert_eq!(with("seed", json!(-1)).unwrap().sampling.seed, Some(u64::MAX));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let status = |path: &str, body: &[u8]| GenerationRequest::parse(path, body).unwrap_err().status();
        assert_eq!(status("/v1/embeddings", b"{}"), 404);
        assert_eq!(status("/v1/chat/completions/", b"{}"), 404);
        for body in [
            &b""[..],
            b"{",
            b"[]",
            b"{}",
            b"null",
            b"\xff",
            br#"{"model":"m"}"#,
            br#"{"model":1}"#,
        ] {
            assert_eq!(status(CHAT, body), 400);
            assert_eq!(status(COMPLETIONS, body), 400);
        }
        let image = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]});
        assert_eq!(parse(CHAT, &image).unwrap_err().status(), 400);
    }

    #[test]
    fn of_duplicate_keys_the_last_one_counts() {
        let body = br#"{"model":"a","prompt":"","model":"b"}"#;
        assert_eq!(
            GenerationRequest::parse("/v1/completions?x=1", body).unwrap().model,
            "b"
        );
    }
}
