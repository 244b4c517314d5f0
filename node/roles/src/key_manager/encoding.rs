//! The keys as bytes, which is what is sealed:
//! `version u8 || number u64 || proxies || workers`, where each is
//! `last epoch u64 || count u16 || count times (epoch u64, since u64, until u64, secret 32)`, integers big-endian.

use super::{
    policy::MAX_LIVE_KEYS,
    ring::{Epochs, Key, KeyRing},
};
use chrysalis_wire::tl::Secret;

const VERSION: u8 = 1;

/// Why bytes are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// They end too early.
    #[error("they end too early")]
    Short,
    /// Bytes after the keys.
    #[error("bytes after the keys")]
    Trailing,
    /// Written by another version of this program.
    #[error("they are of version {version}, and this program reads {VERSION}")]
    Version {
        /// Theirs.
        version: u8,
    },
    /// More keys than can be alive at once.
    #[error("{count} keys of one kind, and {MAX_LIVE_KEYS} at most can be alive")]
    Count {
        /// How many.
        count: u16,
    },
    /// Epochs that do not grow, or a key that ends before it begins.
    #[error("key of epoch {epoch} is out of order")]
    Order {
        /// Which.
        epoch: u64,
    },
}

/// The bytes of all keys.
pub(super) fn encode(ring: &KeyRing) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&ring.number.to_be_bytes());
    for epochs in [&ring.proxies, &ring.workers] {
        out.extend_from_slice(&epochs.last.to_be_bytes());
        // At most MAX_LIVE_KEYS are alive.
        let count = u16::try_from(epochs.keys.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for key in &epochs.keys {
            for number in [key.epoch, key.since_unix_s, key.until_unix_s] {
                out.extend_from_slice(&number.to_be_bytes());
            }
            out.extend_from_slice(key.secret.expose());
        }
    }
    out
}

/// Reads exactly what [`encode`] writes.
pub(super) fn decode(bytes: &[u8]) -> Result<KeyRing, EncodingError> {
    let mut rest = Rest(bytes);
    let [version] = rest.take()?;
    if version != VERSION {
        return Err(EncodingError::Version { version });
    }
    let ring = KeyRing {
        number: rest.number()?,
        proxies: epochs(&mut rest)?,
        workers: epochs(&mut rest)?,
    };
    match rest.0 {
        [] => Ok(ring),
        _ => Err(EncodingError::Trailing),
    }
}

fn epochs(rest: &mut Rest<'_>) -> Result<Epochs, EncodingError> {
    let last = rest.number()?;
    let count = u16::from_be_bytes(rest.take()?);
    if usize::from(count) > MAX_LIVE_KEYS {
        return Err(EncodingError::Count { count });
    }
    let mut keys = Vec::with_capacity(count.into());
    let mut before = 0;
    for _ in 0..count {
        let key = Key {
            epoch: rest.number()?,
            since_unix_s: rest.number()?,
            until_unix_s: rest.number()?,
            secret: Secret::new(rest.take()?),
        };
        if key.epoch <= before || key.epoch > last || key.until_unix_s < key.since_unix_s {
            return Err(EncodingError::Order { epoch: key.epoch });
        }
        before = key.epoch;
        keys.push(key);
    }
    Ok(Epochs { last, keys })
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], EncodingError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(EncodingError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u64, EncodingError> {
        self.take().map(u64::from_be_bytes)
    }
}
