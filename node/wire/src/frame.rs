//! Frames: length, sequence number, payload (spec §2.2).

use crate::{
    packet::Packet,
    tl::{Boxed, TlObject, Writer, writer::string_encoded_len},
};

/// Length of a frame's head: length and sequence number.
pub const HEAD_BYTES: usize = 8;
/// Shortest payload: a constructor id.
pub const MIN_PAYLOAD_BYTES: usize = 4;
/// Longest payload.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 24;

/// Why a frame cannot be written, or why the peer's bytes are not a frame. After either the connection must close: the
/// reference drops an over-long frame in silence and leaves both ends waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The payload cannot hold a constructor id.
    #[error("a frame payload of {length_bytes} bytes is shorter than {MIN_PAYLOAD_BYTES}")]
    TooShort {
        /// Length of the payload.
        length_bytes: usize,
    },
    /// The payload is over the limit.
    #[error("a frame payload of {length_bytes} bytes is longer than {MAX_PAYLOAD_BYTES}")]
    TooLong {
        /// Length of the payload.
        length_bytes: usize,
    },
    /// A frame was lost, repeated or made up.
    #[error("frame {received} where frame {expected} is due")]
    WrongSeqno {
        /// The number that is due.
        expected: i32,
        /// The number that came.
        received: i32,
    },
    /// All sequence numbers are used; the reference would run into undefined behaviour.
    #[error("the connection used all of its 2^31 sequence numbers")]
    SeqnoExhausted,
}

/// Writes the frames of one direction of one connection.
#[derive(Clone, Debug, Default)]
pub struct FrameWriter {
    next_seqno: Seqno,
}

/// The number of the next frame; `None` when they are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seqno(Option<i32>);

impl Default for Seqno {
    fn default() -> Self {
        Self(Some(0))
    }
}

impl Seqno {
    fn current(self) -> Result<i32, FrameError> {
        self.0.ok_or(FrameError::SeqnoExhausted)
    }

    fn advance(&mut self) {
        self.0 = self.0.and_then(|seqno| seqno.checked_add(1));
    }
}

impl FrameWriter {
    /// A writer for a fresh connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a frame with `payload` to `out`.
    ///
    /// # Errors
    /// The payload is too short or too long, or no number is left; then nothing is written and no number is used.
    pub fn encode(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.frame(payload.len(), out, |writer| writer.raw(payload))
    }

    /// Appends a frame with a transport packet.
    ///
    /// # Errors
    /// As [`FrameWriter::encode`].
    pub fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.frame(packet.boxed_len(), out, |writer| packet.write_boxed(writer))
    }

    /// Appends a frame with a `tcp.packet` around `message`, built in place.
    ///
    /// # Errors
    /// As [`FrameWriter::encode`].
    pub fn message(&mut self, message: &impl Boxed, out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.envelope(crate::packet::TcpPacket::ID, None, message, out)
    }

    /// Appends a frame with a `tcp.query` around `query`, built in place.
    ///
    /// # Errors
    /// As [`FrameWriter::encode`].
    pub fn query(&mut self, id: i64, query: &impl Boxed, out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.envelope(crate::packet::TcpQuery::ID, Some(id), query, out)
    }

    /// Appends a frame with a `tcp.queryAnswer` around `answer`, built in place.
    ///
    /// # Errors
    /// As [`FrameWriter::encode`].
    pub fn query_answer(&mut self, id: i64, answer: &impl Boxed, out: &mut Vec<u8>) -> Result<(), FrameError> {
        self.envelope(crate::packet::TcpQueryAnswer::ID, Some(id), answer, out)
    }

    fn envelope(
        &mut self,
        constructor: u32,
        id: Option<i64>,
        content: &impl Boxed,
        out: &mut Vec<u8>,
    ) -> Result<(), FrameError> {
        let content_len = content.boxed_len();
        let len = 4 + id.map_or(0, |_| 8) + string_encoded_len(content_len);
        self.frame(len, out, |writer| {
            writer.id(constructor);
            if let Some(id) = id {
                writer.long(id);
            }
            writer.nested_string(content_len, |writer| content.write_boxed(writer));
        })
    }

    fn frame(&mut self, len: usize, out: &mut Vec<u8>, write: impl FnOnce(&mut Writer)) -> Result<(), FrameError> {
        check_len(len)?;
        let seqno = self.next_seqno.current()?;
        let mut writer = Writer::append_to(std::mem::take(out));
        writer.reserve(HEAD_BYTES + len);
        writer.id(len as u32);
        writer.int(seqno);
        write(&mut writer);
        *out = writer.into_bytes();
        self.next_seqno.advance();
        Ok(())
    }
}

const fn check_len(length_bytes: usize) -> Result<(), FrameError> {
    if length_bytes < MIN_PAYLOAD_BYTES {
        Err(FrameError::TooShort { length_bytes })
    } else if length_bytes > MAX_PAYLOAD_BYTES {
        Err(FrameError::TooLong { length_bytes })
    } else {
        Ok(())
    }
}

/// Cuts the bytes of one direction of one connection into frames.
///
/// Holds at most one frame: input that belongs to the next one is left with the caller. Memory grows with the bytes
/// that arrive, not with the length that a head announces.
#[derive(Clone, Debug, Default)]
pub struct FrameReader {
    next_seqno: Seqno,
    state: ReaderState,
}

#[derive(Clone, Debug)]
enum ReaderState {
    Head { bytes: [u8; HEAD_BYTES], filled: usize },
    Payload { len: usize, bytes: Vec<u8> },
    Failed(FrameError),
}

impl Default for ReaderState {
    fn default() -> Self {
        Self::Head {
            bytes: [0; HEAD_BYTES],
            filled: 0,
        }
    }
}

impl FrameReader {
    /// A reader for a fresh connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` until a frame is complete, and returns its payload; `None` when `input` is
    /// used up before that. To be called until it returns `None`.
    ///
    /// # Errors
    /// The bytes are not the due frame. The connection must close: every further call returns the same error.
    pub fn next_payload(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        loop {
            match &mut self.state {
                ReaderState::Failed(error) => return Err(*error),
                ReaderState::Head { bytes, filled } => {
                    let taken = take(input, HEAD_BYTES - *filled);
                    bytes[*filled..][..taken.len()].copy_from_slice(taken);
                    *filled += taken.len();
                    if *filled < HEAD_BYTES {
                        return Ok(None);
                    }
                    let head = *bytes;
                    self.state = match self.check_head(head) {
                        Ok(len) => ReaderState::Payload { len, bytes: Vec::new() },
                        Err(error) => ReaderState::Failed(error),
                    };
                }
                ReaderState::Payload { len, bytes } => {
                    let taken = take(input, *len - bytes.len());
                    bytes.extend_from_slice(taken);
                    if bytes.len() < *len {
                        return Ok(None);
                    }
                    let payload = std::mem::take(bytes);
                    self.state = ReaderState::default();
                    self.next_seqno.advance();
                    return Ok(Some(payload));
                }
            }
        }
    }

    /// Whether no frame is begun, so that the end of the stream here loses nothing.
    pub const fn is_between_frames(&self) -> bool {
        matches!(self.state, ReaderState::Head { filled: 0, .. })
    }

    fn check_head(&self, head: [u8; HEAD_BYTES]) -> Result<usize, FrameError> {
        let [l0, l1, l2, l3, s0, s1, s2, s3] = head;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        check_len(len)?;
        let expected = self.next_seqno.current()?;
        let received = i32::from_le_bytes([s0, s1, s2, s3]);
        if received != expected {
            return Err(FrameError::WrongSeqno { expected, received });
        }
        Ok(len)
    }
}

/// Splits at most `limit` bytes off the front of `input`.
fn take<'a>(input: &mut &'a [u8], limit: usize) -> &'a [u8] {
    let (head, rest) = input.split_at(limit.min(input.len()));
    *input = rest;
    head
}
