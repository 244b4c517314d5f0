//! The part of the OpenAI API that reaches a backend (spec §8.3): requests, answers, usage, errors.

mod request;
mod response;

pub use request::{Endpoint, GenerationRequest, Prompt, Sampling};
pub use response::{CompletionDetails, PromptDetails, Refusal, StreamFormat, Usage};

pub(crate) use response::{ChoiceText, Envelope, Finish, TextKind};
