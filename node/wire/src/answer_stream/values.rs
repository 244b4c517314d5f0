//! Bodies that are JSON values one after the other.

use super::{AnswerLimits, AnswerStreamError, Cost, RawUsage, usage::Meter};
use crate::json::{JsonError, Value};

/// Takes complete JSON values off the front of a body and sends each on, compactly, on a line of its own. The first
/// text that is no JSON value ends that: it and everything after it is sent on as it is.
#[derive(Debug)]
pub(super) struct ValueReader {
    limits: AnswerLimits,
    /// The body after the last complete value.
    pending: Vec<u8>,
    scanner: ValueScanner,
    is_unparsable: bool,
    unparsed_bytes: u64,
}

impl ValueReader {
    pub(super) const fn new(limits: AnswerLimits) -> Self {
        Self {
            limits,
            pending: Vec::new(),
            scanner: ValueScanner::new(),
            is_unparsable: false,
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
        while !rest.is_empty() {
            if self.is_unparsable {
                self.pass_on(rest, out);
                return Ok(());
            }
            // Never look further than the limit, so that the outcome does not depend on the size of chunks.
            let room = self.limits.value_bytes - self.pending.len();
            let window = &rest[..room.min(rest.len())];
            match self.scanner.scan(window) {
                Scan::Complete { len } => {
                    self.pending.extend_from_slice(&window[..len]);
                    rest = &rest[len..];
                    self.take_value(meter, out)?;
                }
                Scan::NotJson => self.give_up(out),
                Scan::Incomplete if window.len() < rest.len() => {
                    return Err(AnswerStreamError::ValueTooLong {
                        limit_bytes: self.limits.value_bytes,
                    });
                }
                Scan::Incomplete => {
                    self.pending.extend_from_slice(window);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends on what is left and tells how many bytes were no JSON.
    pub(super) fn finish(
        &mut self,
        meter: &mut Meter<impl Fn(&RawUsage) -> Cost>,
        out: &mut Vec<u8>,
    ) -> Result<u64, AnswerStreamError> {
        if self.scanner.may_end_here() {
            self.take_value(meter, out)?;
        }
        if self.pending.iter().all(u8::is_ascii_whitespace) {
            out.append(&mut self.pending);
        } else {
            self.give_up(out);
        }
        Ok(self.unparsed_bytes)
    }

    fn take_value(
        &mut self,
        meter: &mut Meter<impl Fn(&RawUsage) -> Cost>,
        out: &mut Vec<u8>,
    ) -> Result<(), AnswerStreamError> {
        match Value::parse(&self.pending) {
            Ok(mut value) => {
                meter.examine(&mut value);
                value.write_compact(out);
                out.push(b'\n');
                self.pending.clear();
                self.scanner = ValueScanner::new();
                Ok(())
            }
            Err(JsonError::Syntax) => {
                self.give_up(out);
                Ok(())
            }
            Err(JsonError::TooDeep) => Err(AnswerStreamError::ValueTooDeep),
        }
    }

    fn give_up(&mut self, out: &mut Vec<u8>) {
        self.is_unparsable = true;
        let pending = std::mem::take(&mut self.pending);
        self.pass_on(&pending, out);
    }

    fn pass_on(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        self.unparsed_bytes += bytes.len() as u64;
    }
}

/// Finds where a JSON value ends, looking at each byte once. It only balances brackets and quotes; whether the text is
/// JSON is for the parser to say.
#[derive(Clone, Copy, Debug)]
pub(super) struct ValueScanner {
    state: ScannerState,
}

#[derive(Clone, Copy, Debug)]
enum ScannerState {
    /// Before the first byte of the value.
    White,
    /// Within `depth` brackets.
    Nested { depth: usize, string: StringState },
    /// Within a string that is the value.
    Text { string: StringState },
    /// Within a number; it ends where something else begins.
    Number,
    /// Within `true`, `false` or `null`, `left` bytes before the end.
    Word { left: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StringState {
    Outside,
    Inside,
    AfterBackslash,
}

/// What the scanner found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The value goes on beyond these bytes.
    Incomplete,
    /// The value ends after so many of these bytes.
    Complete { len: usize },
    /// No JSON value starts here.
    NotJson,
}

impl ValueScanner {
    pub(super) const fn new() -> Self {
        Self {
            state: ScannerState::White,
        }
    }

    /// Whether a value that only ends where something else begins may end here: a number.
    pub(super) const fn may_end_here(&self) -> bool {
        matches!(self.state, ScannerState::Number)
    }

    /// Looks at the next bytes.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scan {
        for (index, byte) in bytes.iter().enumerate() {
            self.state = match self.state {
                ScannerState::White => match byte {
                    b' ' | b'\t' | b'\n' | b'\r' => ScannerState::White,
                    b'{' | b'[' => ScannerState::Nested {
                        depth: 1,
                        string: StringState::Outside,
                    },
                    b'"' => ScannerState::Text {
                        string: StringState::Inside,
                    },
                    b'-' | b'0'..=b'9' => ScannerState::Number,
                    b't' | b'n' => ScannerState::Word { left: 3 },
                    b'f' => ScannerState::Word { left: 4 },
                    _ => return Scan::NotJson,
                },
                ScannerState::Nested {
                    depth,
                    string: StringState::Outside,
                } => match byte {
                    b'{' | b'[' => ScannerState::Nested {
                        depth: depth + 1,
                        string: StringState::Outside,
                    },
                    b'}' | b']' if depth == 1 => return Scan::Complete { len: index + 1 },
                    b'}' | b']' => ScannerState::Nested {
                        depth: depth - 1,
                        string: StringState::Outside,
                    },
                    b'"' => ScannerState::Nested {
                        depth,
                        string: StringState::Inside,
                    },
                    _ => self.state,
                },
                ScannerState::Nested { depth, string } => ScannerState::Nested {
                    depth,
                    string: string.after(*byte),
                },
                ScannerState::Text { string } => match string.after(*byte) {
                    StringState::Outside => return Scan::Complete { len: index + 1 },
                    string => ScannerState::Text { string },
                },
                ScannerState::Number => match byte {
                    b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9' => ScannerState::Number,
                    _ => return Scan::Complete { len: index },
                },
                ScannerState::Word { left: 1 } => return Scan::Complete { len: index + 1 },
                ScannerState::Word { left } => ScannerState::Word { left: left - 1 },
            };
        }
        Scan::Incomplete
    }
}

impl StringState {
    /// The state after a byte within a string.
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Inside, b'"') => Self::Outside,
            (Self::Inside, b'\\') => Self::AfterBackslash,
            _ => Self::Inside,
        }
    }
}
