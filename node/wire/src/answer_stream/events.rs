//! Bodies that are Server-Sent Events, as the HTML standard defines them.

use super::{AnswerLimits, AnswerStreamError, Cost, RawUsage, usage::Meter};
use crate::json::{JsonError, MAX_DEPTH, Value};
use serde::{Deserialize, de::IgnoredAny};
use std::borrow::Cow;

/// Ends an OpenAI-like stream.
const DONE: &[u8] = b"[DONE]";
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// Takes complete events off the front of a body. Data that reports usage is written anew with its cost, compactly on one
/// line; everything else is sent on with its content unchanged. Line ends become `\n`.
#[derive(Debug)]
pub(super) struct EventReader {
    limits: AnswerLimits,
    /// The complete lines of the incomplete event, each with `\n`, and the incomplete line.
    pending: Vec<u8>,
    /// Where the incomplete line starts in `pending`.
    line_start: usize,
    /// The last byte ended a line by `\r`, so that a `\n` right after it belongs to the same end.
    is_after_carriage_return: bool,
    is_first_line: bool,
    unparsed_bytes: u64,
}

impl EventReader {
    pub(super) const fn new(limits: AnswerLimits) -> Self {
        Self {
            limits,
            pending: Vec::new(),
            line_start: 0,
            is_after_carriage_return: false,
            is_first_line: true,
            unparsed_bytes: 0,
        }
    }

    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        meter: &mut Meter<impl Fn(&RawUsage) -> Cost>,
        out: &mut Vec<u8>,
    ) -> Result<(), AnswerStreamError> {
        let mut rest = chunk;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.is_after_carriage_return) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let line_len = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (line, line_end) = rest.split_at(line_len.unwrap_or(rest.len()));
            if !line.is_empty() && self.pending.len() + line.len() > self.limits.value_bytes {
                return Err(AnswerStreamError::ValueTooLong {
                    limit_bytes: self.limits.value_bytes,
                });
            }
            self.pending.extend_from_slice(line);
            let Some((end, after)) = line_end.split_first() else {
                return Ok(());
            };
            self.is_after_carriage_return = *end == b'\r';
            self.end_line(meter, out)?;
            rest = after;
        }
        Ok(())
    }

    /// Sends on an event that the body left without an empty line, and tells how many bytes of data were no JSON.
    pub(super) fn finish(
        &mut self,
        meter: &mut Meter<impl Fn(&RawUsage) -> Cost>,
        out: &mut Vec<u8>,
    ) -> Result<u64, AnswerStreamError> {
        if self.pending.len() > self.line_start {
            self.end_line(meter, out)?;
        }
        self.end_event(meter, out)?;
        Ok(self.unparsed_bytes)
    }

    fn end_line(
        &mut self,
        meter: &mut Meter<impl Fn(&RawUsage) -> Cost>,
        out: &mut Vec<u8>,
    ) -> Result<(), AnswerStreamError> {
        if std::mem::take(&mut self.is_first_line) && self.pending.starts_with(BYTE_ORDER_MARK) {
            self.pending.drain(..BYTE_ORDER_MARK.len());
        }
        if self.pending.len() == self.line_start {
            return self.end_event(meter, out);
        }
        self.pending.push(b'\n');
        self.line_start = self.pending.len();
        Ok(())
    }

    fn end_event(
        &mut self,
        meter: &mut Meter<impl Fn(&RawUsage) -> Cost>,
        out: &mut Vec<u8>,
    ) -> Result<(), AnswerStreamError> {
        let event = std::mem::take(&mut self.pending);
        self.line_start = 0;
        if event.is_empty() {
            return Ok(());
        }
        let mut data: Option<Cow<'_, [u8]>> = None;
        for line in lines(&event) {
            match (data_of(line), &mut data) {
                (None, _) => write_line(b"", line, out),
                (Some(line), None) => data = Some(Cow::Borrowed(line)),
                (Some(line), Some(data)) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(line);
                }
            }
        }
        match data {
            None => {}
            Some(Cow::Borrowed(line)) if is_json_without_usage(line) => write_line(b"data: ", line, out),
            Some(data) => match Value::parse(&data) {
                Ok(mut value) => {
                    meter.examine(&mut value);
                    out.extend_from_slice(b"data: ");
                    value.write_compact(out);
                    out.push(b'\n');
                }
                Err(JsonError::Syntax) => {
                    if *data != *DONE {
                        self.unparsed_bytes += data.len() as u64;
                    }
                    data.split(|byte| *byte == b'\n')
                        .for_each(|line| write_line(b"data: ", line, out));
                }
                Err(JsonError::TooDeep) => return Err(AnswerStreamError::ValueTooDeep),
            },
        }
        // The buffer of this event serves the next.
        self.pending = event;
        self.pending.clear();
        out.push(b'\n');
        Ok(())
    }
}

/// What of an event decides whether it must be written anew.
#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    usage: Option<IgnoredAny>,
}

/// Whether a line is one JSON value that reports no usage. Nearly every event of a stream is such a value, and needs no
/// more than being scanned. It says no whenever there is doubt: at a key that comes twice, and at more brackets than the
/// deepest value may have levels.
fn is_json_without_usage(line: &[u8]) -> bool {
    line.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() <= MAX_DEPTH
        && matches!(serde_json::from_slice(line), Ok(Probe { usage: None }))
}

/// The lines of an event, without their ends.
pub(super) fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    event.strip_suffix(b"\n").unwrap_or(event).split(|byte| *byte == b'\n')
}

/// The value of a `data` field, without the one space that may follow the colon.
pub(super) fn data_of(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data")?;
    match value.split_first() {
        None => Some(value),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

fn write_line(prefix: &[u8], line: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(line);
    out.push(b'\n');
}
