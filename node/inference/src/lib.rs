//! Answer sources: the embedded tiny decoder, a service-time model, an OpenAI-compatible upstream.
//!
//! | module | holds |
//! |---|---|
//! | [`backend`] | the seam: [`Backend`], its requests, responses and bodies |
//! | [`error`] | [`BackendError`]: why there is no response |
//! | [`http`] | an OpenAI-compatible upstream: vLLM, SGLang, llama-server |
//! | [`service`] | service times and slots of a machine in virtual time |

pub mod backend;
pub mod error;
pub mod http;
pub mod service;

pub use backend::{Backend, BackendRequest, BackendResponse, BodyStream};
pub use error::BackendError;
pub use http::{HttpBackend, HttpConfig, HttpLimits};
pub use service::{Machine, ServiceTime};
