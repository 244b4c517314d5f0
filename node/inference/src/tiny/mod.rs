//! A real decoder of the Llama architecture on the CPU, small enough to answer thousands of tokens a second, with
//! results that are the same bits on every platform.

mod backend;
mod config;
mod decoder;
mod exact;
mod model;
mod sampler;
#[cfg(test)]
mod tests;
mod tokenizer;
mod weights;

pub use backend::{TinyBackend, TinyOptions};
pub use config::{ShapeError, TinyConfig, TinyShape};
pub use decoder::{ContextFull, Decoder};
pub use model::TinyModel;
pub use tokenizer::{Token, tokenize};
