//! A log of appraisals that cannot be changed unseen: each entry holds the hash of the one before, and signed
//! checkpoints say how far the log had come.
//!
//! Without checkpoints whoever holds the file can cut its end off or write it anew; with the last checkpoint, kept
//! elsewhere, they cannot. Entries name evidence by its id and platforms not at all: the id of a platform names an
//! operator.

use crate::{
    appraise::Appraisal,
    certificate::{IdentityKey, PublicKey},
    hash::sha256,
};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// Longest entry, as a line of JSON, that is read.
pub const MAX_ENTRY_LEN_BYTES: usize = 16 * 1024;

/// One appraisal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Place in the log, from 0.
    pub number: u64,
    /// When, by the verifier's clock, Unix seconds.
    pub at_unix_s: u64,
    /// Who asked, in the verifier's words: a connection, a request.
    pub subject: String,
    /// `accepted` or `refused`.
    pub verdict: String,
    /// Kind of the evidence.
    pub kind: Option<String>,
    /// Name of the evidence.
    pub identity: Option<String>,
    /// Why it was refused.
    pub reasons: Vec<String>,
    /// Hash of the entry before, in hexadecimal; zeros in the first.
    pub previous: String,
}

/// A statement that the log had this entry last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// How many entries there were.
    pub entries: u64,
    /// Hash of the last, in hexadecimal.
    pub head: String,
    /// Ed25519 over both, in hexadecimal.
    pub signature: String,
}

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A line that is no entry, or not as it was written.
    #[error("line {line} is not an entry of a log")]
    Entry {
        /// Which, from 0.
        line: usize,
    },
    /// An entry that does not follow the one before.
    #[error("entry {line} does not follow the one before")]
    Chain {
        /// Which, from 0.
        line: usize,
    },
    /// Time runs backwards.
    #[error("entry {line} is older than the one before")]
    Time {
        /// Which, from 0.
        line: usize,
    },
    /// The checkpoint is not signed by the verifier.
    #[error("signature of the checkpoint")]
    Signature,
    /// The log is shorter than the checkpoint says, or was another one then.
    #[error("the log is not the one of the checkpoint")]
    Checkpoint,
}

/// A log that is being written. Whoever calls keeps the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLog {
    entries: u64,
    head: [u8; 32],
    last_unix_s: u64,
}

impl Default for AuditLog {
    fn default() -> Self {
        Self::new()
    }
}

impl AuditLog {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            entries: 0,
            head: [0; 32],
            last_unix_s: 0,
        }
    }

    /// Takes up a log where its lines end.
    ///
    /// # Errors
    /// The lines are not a log.
    pub fn resume<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, AuditError> {
        let mut log = Self::new();
        for (line, text) in lines.into_iter().enumerate() {
            log.follow(line, text)?;
        }
        Ok(log)
    }

    /// The line to append for an appraisal, without a line feed. A clock that went back is written as it last was: order
    /// is what the log is for.
    pub fn append(&mut self, at_unix_s: u64, subject: &str, appraisal: &Appraisal) -> String {
        let report = appraisal.report();
        let entry = AuditEntry {
            number: self.entries,
            at_unix_s: at_unix_s.max(self.last_unix_s),
            subject: subject.chars().take(256).collect(),
            verdict: report.verdict.to_owned(),
            kind: report.kind.map(str::to_owned),
            identity: report.identity,
            reasons: report.reasons,
            previous: hex::encode(self.head),
        };
        let line = line_of(&entry);
        self.advance(&entry, &line);
        line
    }

    /// Says how far the log has come.
    pub fn checkpoint(&self, key: &IdentityKey) -> Checkpoint {
        Checkpoint {
            entries: self.entries,
            head: hex::encode(self.head),
            signature: hex::encode(key.sign(&checkpoint_text(self.entries, &self.head))),
        }
    }

    fn advance(&mut self, entry: &AuditEntry, line: &str) {
        self.entries += 1;
        self.head = sha256(&[b"chrysalis audit entry v1\0", line.as_bytes()]);
        self.last_unix_s = entry.at_unix_s;
    }

    fn follow(&mut self, line: usize, text: &str) -> Result<(), AuditError> {
        let wrong = AuditError::Entry { line };
        if text.len() > MAX_ENTRY_LEN_BYTES {
            return Err(wrong);
        }
        let entry: AuditEntry = serde_json::from_str(text).map_err(|_| wrong)?;
        // One content has one line.
        if line_of(&entry) != text {
            return Err(wrong);
        }
        if entry.number != self.entries || entry.previous != hex::encode(self.head) {
            return Err(AuditError::Chain { line });
        }
        if entry.at_unix_s < self.last_unix_s {
            return Err(AuditError::Time { line });
        }
        self.advance(&entry, text);
        Ok(())
    }
}

/// Verifies a log against a checkpoint that was kept elsewhere. Entries after the checkpoint are chained, and that is
/// all that is known of them; how many there are is the answer.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    checkpoint: &Checkpoint,
    key: &PublicKey,
) -> Result<u64, AuditError> {
    let mut head = [0; 32];
    hex::decode_to_slice(&checkpoint.head, &mut head).map_err(|_| AuditError::Signature)?;
    let signature = hex::decode(&checkpoint.signature).map_err(|_| AuditError::Signature)?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&checkpoint_text(checkpoint.entries, &head), &signature)
        .map_err(|_| AuditError::Signature)?;
    let mut log = AuditLog::new();
    let mut met = log.entries == checkpoint.entries && log.head == head;
    for (line, text) in lines.into_iter().enumerate() {
        log.follow(line, text)?;
        met |= log.entries == checkpoint.entries && log.head == head;
    }
    if met {
        Ok(log.entries - checkpoint.entries)
    } else {
        Err(AuditError::Checkpoint)
    }
}

fn line_of(entry: &AuditEntry) -> String {
    // Text and numbers: there is nothing in an entry that has no JSON form.
    serde_json::to_string(entry).unwrap_or_default()
}

fn checkpoint_text(entries: u64, head: &[u8; 32]) -> Vec<u8> {
    [
        b"chrysalis audit checkpoint v1\0".as_slice(),
        &entries.to_be_bytes(),
        head,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mutate::{
            Lab,
            lab::{NOW_UNIX_S, Subject},
        },
        tdx::QuoteForm,
    };

    fn key() -> IdentityKey {
        IdentityKey::from_seed([1; 32])
    }

    /// Five appraisals, every other one refused, and the checkpoint after the third.
    fn log() -> (Vec<String>, Checkpoint) {
        let genuine = Lab::new(Subject::Tdx(QuoteForm::V4), 7).genuine();
        let mut refused = genuine.clone();
        refused.event_log = None;
        let mut log = AuditLog::new();
        let mut lines = Vec::new();
        let mut checkpoint = None;
        for n in 0..5u64 {
            let case = if n % 2 == 0 { &genuine } else { &refused };
            lines.push(log.append(NOW_UNIX_S + n, &format!("connection {n}"), &case.appraise()));
            if n == 2 {
                checkpoint = Some(log.checkpoint(&key()));
            }
        }
        (lines, checkpoint.unwrap())
    }

    fn judged(lines: &[String], checkpoint: &Checkpoint) -> Result<u64, AuditError> {
        verify(lines.iter().map(String::as_str), checkpoint, key().public_key())
    }

    #[test]
    fn a_log_verifies_and_goes_on_where_it_ended() {
        let (mut lines, checkpoint) = log();
        assert_eq!(judged(&lines, &checkpoint), Ok(2));
        assert_eq!(judged(&lines[..3], &checkpoint), Ok(0));
        assert!(lines[1].contains("no event log") && lines[1].contains("refused"));
        let mut again = AuditLog::resume(lines.iter().map(String::as_str)).unwrap();
        let appraisal = Lab::new(Subject::Tdx(QuoteForm::V4), 8).genuine().appraise();
        lines.push(again.append(0, "a clock that went back", &appraisal));
        assert_eq!(judged(&lines, &checkpoint), Ok(3));
        assert_eq!(AuditLog::resume(lines.iter().map(String::as_str)), Ok(again));
        assert_eq!(judged(&[], &AuditLog::new().checkpoint(&key())), Ok(0));
    }

    #[test]
    fn every_change_of_a_log_is_seen() {
        let (lines, checkpoint) = log();
        for at in 0..lines.len() {
            let mut missing = lines.clone();
            missing.remove(at);
            // The last two entries are after the checkpoint, and the very last leaves no gap.
            assert_eq!(judged(&missing, &checkpoint).is_err(), at < 4, "entry {at} missing");
            let mut swapped = lines.clone();
            swapped.swap(at, (at + 1) % 5);
            assert!(judged(&swapped, &checkpoint).is_err(), "entry {at} swapped");
            let mut altered = lines.clone();
            altered[at] = altered[at].replacen("connection", "konnection", 1);
            assert_eq!(judged(&altered, &checkpoint).is_err(), at < 4, "entry {at} altered");
            let mut respelt = lines.clone();
            respelt[at] = respelt[at].replacen(':', ": ", 1);
            assert_eq!(judged(&respelt, &checkpoint), Err(AuditError::Entry { line: at }));
        }
        assert_eq!(judged(&lines[..2], &checkpoint), Err(AuditError::Checkpoint), "cut");
        // A whole log written anew is consistent and is not the one of the checkpoint.
        let mut other = AuditLog::new();
        let appraisal = Lab::new(Subject::Tdx(QuoteForm::V4), 9).genuine().appraise();
        let anew: Vec<_> = (0..5).map(|n| other.append(n, "x", &appraisal)).collect();
        assert_eq!(judged(&anew, &checkpoint), Err(AuditError::Checkpoint));
    }

    #[test]
    fn checkpoints_are_the_verifiers_own() {
        let (lines, checkpoint) = log();
        let forged = |change: fn(&mut Checkpoint)| {
            let mut forged = checkpoint.clone();
            change(&mut forged);
            judged(&lines, &forged)
        };
        assert_eq!(forged(|checkpoint| checkpoint.entries = 2), Err(AuditError::Signature));
        assert_eq!(
            forged(|checkpoint| checkpoint.head = "00".repeat(32)),
            Err(AuditError::Signature)
        );
        assert_eq!(
            forged(|checkpoint| checkpoint.signature.clear()),
            Err(AuditError::Signature)
        );
        let other = IdentityKey::from_seed([2; 32]);
        let lines = lines.iter().map(String::as_str);
        assert_eq!(
            verify(lines, &checkpoint, other.public_key()),
            Err(AuditError::Signature)
        );
    }
}
