//! What a worker does to a backend's body on its way to the proxy (spec §2.10): cut it into JSON values, count the
//! tokens they report, write costs into them, send them on.
//!
//! | module | holds |
//! |---|---|
//! | [`usage`] | token counts as running maxima, and the cost fields |
//! | `values` | bodies that are JSON values one after the other |
//! | `events` | bodies that are Server-Sent Events |
//! | [`debug`] | debug facts, which a client writes into the last part |
//!
//! The reference reads events as text that is no JSON: it holds the stream back until the end and counts nothing, so
//! streams cost nothing (spec §10.2). Here both kinds are read as they arrive. What comes out, taken together, depends
//! only on the body and not on how it was cut into chunks. Nothing is kept but one incomplete value.
//!
//! Whoever needs the reference's unmetered streams, to show what they cost, reads every body as [`BodyKind::Values`]:
//! events are no JSON and pass as they are. They pass at once, where the reference holds them back to the end.

pub mod debug;
mod events;
pub mod usage;
mod values;

pub use usage::{Cost, RawUsage};

use events::EventReader;
use usage::Meter;
use values::ValueReader;

/// How a body is cut into JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// JSON values one after the other, with white space or nothing between them; also any body that is no JSON at all.
    Values,
    /// Server-Sent Events: `data: {…}`, an empty line, and at the end `data: [DONE]`.
    Events,
}

impl BodyKind {
    /// The kind that a `Content-Type` header tells. Only event streams are told by it: values are looked for in every
    /// other body, because a backend that mislabels its JSON must be metered too.
    pub fn from_content_type(content_type: Option<&str>) -> Self {
        let media_type = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if media_type.eq_ignore_ascii_case("text/event-stream") {
            Self::Events
        } else {
            Self::Values
        }
    }
}

/// Bounds of an [`AnswerStream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Longest JSON value or event, with the white space before it.
    pub value_bytes: usize,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self { value_bytes: 1 << 20 }
    }
}

/// Why a body cannot be sent on. What it held up to here was metered and sent; what follows would go unmetered, which
/// is why it is an error and not sent on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerStreamError {
    /// A value or event exceeds [`AnswerLimits::value_bytes`].
    #[error("a JSON value or event of the answer exceeds {limit_bytes} bytes")]
    ValueTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// A value is nested deeper than [`crate::json::MAX_DEPTH`].
    #[error("a JSON value of the answer is nested too deep")]
    ValueTooDeep,
}

/// What is known when a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerSummary {
    /// Tokens that the backend reported.
    pub usage: RawUsage,
    /// Bytes that were no JSON and were sent on as they are: not metered. The `[DONE]` of an event stream and comments
    /// do not count.
    pub unparsed_bytes: u64,
}

/// Transforms the body of one answer.
#[derive(Debug)]
pub struct AnswerStream<P> {
    reader: BodyReader,
    meter: Meter<P>,
    failure: Option<AnswerStreamError>,
}

#[derive(Debug)]
enum BodyReader {
    Values(ValueReader),
    Events(EventReader),
}

impl<P: Fn(&RawUsage) -> Cost> AnswerStream<P> {
    /// A transformer for a fresh body. `price` tells the cost of the usage so far; it is asked whenever usage grew.
    pub const fn new(kind: BodyKind, limits: AnswerLimits, price: P) -> Self {
        let reader = match kind {
            BodyKind::Values => BodyReader::Values(ValueReader::new(limits)),
            BodyKind::Events => BodyReader::Events(EventReader::new(limits)),
        };
        Self {
            reader,
            meter: Meter::new(price),
            failure: None,
        }
    }

    /// Takes a chunk of the body and appends to `out` what can be sent on now; possibly nothing.
    ///
    /// # Errors
    /// The body cannot be sent on from here. `out` holds what came before; further calls return the same error.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), AnswerStreamError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let outcome = match &mut self.reader {
            BodyReader::Values(reader) => reader.push(chunk, &mut self.meter, out),
            BodyReader::Events(reader) => reader.push(chunk, &mut self.meter, out),
        };
        self.failure = outcome.err();
        outcome
    }

    /// Ends the body and appends to `out` what was held back.
    ///
    /// # Errors
    /// As [`AnswerStream::push`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<AnswerSummary, AnswerStreamError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let unparsed_bytes = match &mut self.reader {
            BodyReader::Values(reader) => reader.finish(&mut self.meter, out)?,
            BodyReader::Events(reader) => reader.finish(&mut self.meter, out)?,
        };
        Ok(AnswerSummary {
            usage: self.meter.usage(),
            unparsed_bytes,
        })
    }

    /// Tokens that the backend reported so far.
    pub const fn usage(&self) -> RawUsage {
        self.meter.usage()
    }
}
