//! Answer sources: the embedded tiny decoder, a service-time model, an OpenAI-compatible upstream.
//!
//! All of them stand behind one seam, [`Backend`], which is HTTP-shaped: a worker relays bytes, whatever made them.
//! Answers are pulled: nothing is generated before it is asked for, and dropping a call or a body cancels it.
//!
//! | module | holds |
//! |---|---|
//! | [`backend`] | the seam: [`Backend`], its requests, responses and bodies |
//! | [`error`] | [`BackendError`]: why there is no response |
//! | [`openai`] | the part of the OpenAI API that reaches a backend |
//! | [`service`] | service times and slots of a machine in virtual time |
//! | [`tiny`] | a bit-exact decoder of the Llama architecture on the CPU |
//! | [`sim`] | a service-time model that answers with synthetic text |
//! | [`http`] | an OpenAI-compatible upstream: vLLM, SGLang, llama-server |

mod answer;
pub mod backend;
mod counter;
pub mod error;
pub mod http;
pub mod openai;
pub mod service;
pub mod sim;
mod stop;
pub mod tiny;

pub use backend::{Backend, BackendRequest, BackendResponse, BodyStream};
pub use error::BackendError;
pub use http::{HttpBackend, HttpConfig, HttpLimits};
pub use openai::{StreamFormat, Usage};
pub use service::{Load, Machine, ServiceTime};
pub use sim::{SimBackend, SimConfig, SimFaults, TokenRange};
pub use tiny::{TinyBackend, TinyConfig, TinyModel, TinyOptions};
