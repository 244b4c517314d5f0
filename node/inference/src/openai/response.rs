//! Answers, whole or in chunks, and refusals.

use super::request::Endpoint;
use crate::backend::BackendResponse;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Tokens of a request and its answers (spec §2.10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of all prompts.
    pub prompt_tokens: u64,
    /// Tokens generated for all choices, the one that ends a text included.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Parts of the prompt tokens.
    pub prompt_tokens_details: PromptDetails,
    /// Parts of the completion tokens.
    pub completion_tokens_details: CompletionDetails,
}

/// Parts of the prompt tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptDetails {
    /// Tokens that the prefix cache had.
    pub cached_tokens: u64,
}

/// Parts of the completion tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionDetails {
    /// Tokens that are not part of the answer proper.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// From the four classes of tokens that are billed.
    pub fn new(prompt_tokens: u64, cached_tokens: u64, completion_tokens: u64, reasoning_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: PromptDetails { cached_tokens },
            completion_tokens_details: CompletionDetails { reasoning_tokens },
        }
    }
}

/// How the chunks of a streamed answer are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamFormat {
    /// Server-sent events, as the API has them: `data: {…}`, an empty line, and `data: [DONE]` at the end.
    #[default]
    ServerSentEvents,
    /// One JSON value on each line: what the reference worker can count (spec §2.10 b).
    JsonLines,
}

impl StreamFormat {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::ServerSentEvents => "text/event-stream; charset=utf-8",
            Self::JsonLines => "application/x-ndjson",
        }
    }

    fn frame(self, chunk: &impl Serialize) -> Bytes {
        let mut bytes = Vec::with_capacity(256);
        let (before, after): (&[u8], &[u8]) = match self {
            Self::ServerSentEvents => (b"data: ", b"\n\n"),
            Self::JsonLines => (b"", b"\n"),
        };
        bytes.extend_from_slice(before);
        write_json(&mut bytes, chunk);
        bytes.extend_from_slice(after);
        bytes.into()
    }

    /// What follows the last chunk.
    pub(crate) fn end(self) -> Option<Bytes> {
        match self {
            Self::ServerSentEvents => Some(Bytes::from_static(b"data: [DONE]\n\n")),
            Self::JsonLines => None,
        }
    }
}

/// A response that says why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    parameter: Option<&'static str>,
    message: String,
}

impl Refusal {
    /// The request makes no sense; `parameter` is the field at fault.
    pub(crate) fn bad_request(parameter: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            parameter,
            message: message.into(),
        }
    }

    /// The prompt and the longest answer that it allows do not fit into the model's context.
    pub(crate) fn context(limit_tokens: u64, prompt_tokens: u64, max_tokens: u64) -> Self {
        let message = format!(
            "the context is {limit_tokens} tokens, but the prompt has {prompt_tokens} and the answer may have {max_tokens}"
        );
        Self {
            code: Some("context_length_exceeded"),
            ..Self::bad_request(Some("max_tokens"), message)
        }
    }

    /// No such endpoint.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: 404,
            ..Self::bad_request(None, message)
        }
    }

    /// No such model.
    pub(crate) fn unknown_model() -> Self {
        Self {
            code: Some("model_not_found"),
            parameter: Some("model"),
            ..Self::not_found("this model is not served here")
        }
    }

    /// The backend failed.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self {
            status: 500,
            kind: "internal_server_error",
            ..Self::bad_request(None, message)
        }
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The response.
    pub fn into_response(self) -> BackendResponse {
        #[derive(Serialize)]
        struct Body<'a> {
            error: ErrorBody<'a>,
        }
        #[derive(Serialize)]
        struct ErrorBody<'a> {
            message: &'a str,
            r#type: &'a str,
            param: Option<&'a str>,
            code: Option<&'a str>,
        }
        let body = Body {
            error: ErrorBody {
                message: &self.message,
                r#type: self.kind,
                param: self.parameter,
                code: self.code,
            },
        };
        BackendResponse::json(self.status, json_bytes(&body))
    }
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finish {
    /// By itself, or at a stop sequence.
    Stop,
    /// At the longest length allowed.
    Length,
}

/// Which part of an answer a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    Reasoning,
    Answer,
}

/// A finished choice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChoiceText<'a> {
    pub(crate) reasoning: &'a str,
    pub(crate) answer: &'a str,
    pub(crate) finish: Finish,
}

/// What all chunks of an answer have in common.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) endpoint: Endpoint,
    pub(crate) id: String,
    pub(crate) created_unix_s: u64,
    pub(crate) model: String,
    pub(crate) fingerprint: Option<String>,
    /// Chunks then have a field for usage, empty in all but the last.
    pub(crate) include_usage: bool,
    pub(crate) format: StreamFormat,
}

impl Envelope {
    /// The whole answer as one JSON value.
    pub(crate) fn complete(&self, choices: &[ChoiceText<'_>], usage: Usage) -> Bytes {
        let choice = |(index, choice): (usize, &ChoiceText<'_>)| {
            let finish_reason = Some(choice.finish);
            match self.endpoint {
                Endpoint::Chat => Choice::Message {
                    index,
                    message: Message {
                        role: Some("assistant"),
                        reasoning_content: Some(choice.reasoning.to_owned()).filter(|text| !text.is_empty()),
                        content: Some(choice.answer.to_owned()),
                    },
                    logprobs: (),
                    finish_reason,
                },
                Endpoint::Completions => Choice::Text {
                    index,
                    text: format!("{}{}", choice.reasoning, choice.answer),
                    logprobs: (),
                    finish_reason,
                },
            }
        };
        let choices = choices.iter().enumerate().map(choice).collect();
        json_bytes(&self.object("chat.completion", choices, Some(Some(usage)))).into()
    }

    /// The first chunk of a choice in a chat: who speaks.
    pub(crate) fn role_chunk(&self, index: usize) -> Bytes {
        let delta = Message {
            role: Some("assistant"),
            content: Some(String::new()),
            reasoning_content: None,
        };
        self.delta_chunk(index, delta, None)
    }

    /// A piece of a choice's text.
    pub(crate) fn text_chunk(&self, index: usize, kind: TextKind, text: String) -> Bytes {
        match self.endpoint {
            Endpoint::Completions => self.plain_chunk(index, text, None),
            Endpoint::Chat => {
                let (content, reasoning_content) = match kind {
                    TextKind::Answer => (Some(text), None),
                    TextKind::Reasoning => (None, Some(text)),
                };
                let delta = Message {
                    role: None,
                    content,
                    reasoning_content,
                };
                self.delta_chunk(index, delta, None)
            }
        }
    }

    /// The end of a choice.
    pub(crate) fn finish_chunk(&self, index: usize, finish: Finish) -> Bytes {
        match self.endpoint {
            Endpoint::Completions => self.plain_chunk(index, String::new(), Some(finish)),
            Endpoint::Chat => self.delta_chunk(index, Message::default(), Some(finish)),
        }
    }

    /// The usage, after all choices.
    pub(crate) fn usage_chunk(&self, usage: Usage) -> Bytes {
        let chunk = self.object("chat.completion.chunk", Vec::new(), Some(Some(usage)));
        self.format.frame(&chunk)
    }

    fn plain_chunk(&self, index: usize, text: String, finish_reason: Option<Finish>) -> Bytes {
        self.chunk(Choice::Text {
            index,
            text,
            logprobs: (),
            finish_reason,
        })
    }

    fn delta_chunk(&self, index: usize, delta: Message, finish_reason: Option<Finish>) -> Bytes {
        self.chunk(Choice::Delta {
            index,
            delta,
            logprobs: (),
            finish_reason,
        })
    }

    fn chunk(&self, choice: Choice) -> Bytes {
        let usage = self.include_usage.then_some(None);
        self.format
            .frame(&self.object("chat.completion.chunk", vec![choice], usage))
    }

    fn object(&self, chat: &'static str, choices: Vec<Choice>, usage: Option<Option<Usage>>) -> Object<'_> {
        Object {
            id: &self.id,
            object: match self.endpoint {
                Endpoint::Chat => chat,
                Endpoint::Completions => "text_completion",
            },
            created: self.created_unix_s,
            model: &self.model,
            system_fingerprint: self.fingerprint.as_deref(),
            choices,
            usage,
        }
    }
}

#[derive(Serialize)]
struct Object<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'a str>,
    choices: Vec<Choice>,
    /// Absent, null, or there.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice {
    Message {
        index: usize,
        message: Message,
        logprobs: (),
        finish_reason: Option<Finish>,
    },
    Delta {
        index: usize,
        delta: Message,
        logprobs: (),
        finish_reason: Option<Finish>,
    },
    Text {
        index: usize,
        text: String,
        logprobs: (),
        finish_reason: Option<Finish>,
    },
}

#[derive(Default, Serialize)]
struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

fn json_bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, value);
    bytes
}

fn write_json(bytes: &mut Vec<u8>, value: &impl Serialize) {
    #[expect(
        clippy::expect_used,
        reason = "the types of this module have text keys and no map, and a vector takes every write"
    )]
    serde_json::to_writer(bytes, value).expect("plain structures are always JSON");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn envelope(endpoint: Endpoint) -> Envelope {
        Envelope {
            endpoint,
            id: "id-1".to_owned(),
            created_unix_s: 7,
            model: "m".to_owned(),
            fingerprint: None,
            include_usage: true,
            format: StreamFormat::ServerSentEvents,
        }
    }

    fn event(bytes: &Bytes) -> Value {
        let text = std::str::from_utf8(bytes).unwrap();
        serde_json::from_str(text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap()).unwrap()
    }

    #[test]
    fn a_whole_chat_answer() {
        let choice = ChoiceText {
            reasoning: "hm",
            answer: "a\n\"b\"",
            finish: Finish::Length,
        };
        let body = envelope(Endpoint::Chat).complete(&[choice], Usage::new(10, 3, 5, 2));
        let expected = json!({"id": "id-1", "object": "chat.completion", "created": 7, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "a\n\"b\"", "reasoning_content": "hm"},
             "logprobs": null, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}}});
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    }

    #[test]
    fn chunks_of_a_chat() {
        let envelope = envelope(Endpoint::Chat);
        let role = event(&envelope.role_chunk(1));
        assert_eq!(role["object"], "chat.completion.chunk");
        assert_eq!(
            role["choices"],
            json!([{"index": 1, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}])
        );
        assert_eq!(role.get("usage"), Some(&Value::Null));
        let reasoning = event(&envelope.text_chunk(0, TextKind::Reasoning, "x".to_owned()));
        assert_eq!(reasoning["choices"][0]["delta"], json!({"reasoning_content": "x"}));
        let answer = event(&envelope.text_chunk(0, TextKind::Answer, "x".to_owned()));
        assert_eq!(answer["choices"][0]["delta"], json!({"content": "x"}));
        let finish = event(&envelope.finish_chunk(0, Finish::Stop));
        assert_eq!(finish["choices"][0]["delta"], json!({}));
        assert_eq!(finish["choices"][0]["finish_reason"], "stop");
        let usage = event(&envelope.usage_chunk(Usage::new(1, 0, 2, 0)));
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"]["total_tokens"], 3);
    }

    #[test]
    fn chunks_of_a_completion_without_usage_as_lines() {
        let envelope = Envelope {
            include_usage: false,
            format: StreamFormat::JsonLines,
            fingerprint: Some("fp".to_owned()),
            ..envelope(Endpoint::Completions)
        };
        let line = envelope.text_chunk(2, TextKind::Answer, "a\nb".to_owned());
        // One line: the break inside the text is escaped.
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let value: Value = serde_json::from_slice(&line).unwrap();
        let expected = json!({"id": "id-1", "object": "text_completion", "created": 7, "model": "m",
            "system_fingerprint": "fp",
            "choices": [{"index": 2, "text": "a\nb", "logprobs": null, "finish_reason": null}]});
        assert_eq!(value, expected);
        assert_eq!(StreamFormat::JsonLines.end(), None);
        assert_eq!(StreamFormat::ServerSentEvents.end().unwrap(), "data: [DONE]\n\n");
    }

    #[test]
    fn usage_is_read_back_as_it_was_written() {
        let usage = Usage::new(5, 4, 3, 2);
        let text = serde_json::to_string(&usage).unwrap();
        assert_eq!(serde_json::from_str::<Usage>(&text).unwrap(), usage);
        assert_ne!(serde_json::from_str::<Usage>(&text.replace('4', "5")).unwrap(), usage);
    }
}
