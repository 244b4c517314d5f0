//! Sealed records.
//!
//! A record is `"CSR1" || role length u8 || role || security version u16 || number u64 || salt 32 || ciphertext || tag 16`,
//! integers big-endian. Each has a key of its own (HKDF of the persistent key with the salt), so that a host that puts an
//! old record back and lets the guest seal the same number again cannot make it use one key twice. All before the
//! ciphertext, and the record's name, is authenticated.

use super::derive::{KeyRole, MachineSecret, NoKey, PersistentKey, SealingIdentity, expand};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const MAGIC: &[u8; 4] = b"CSR1";
const SALT_LEN_BYTES: usize = 32;
const TAG_LEN_BYTES: usize = 16;

/// Largest content of a record.
pub const MAX_CONTENT_LEN_BYTES: usize = 16 << 20;
/// Longest record: the longest content and what stands around it.
pub const MAX_RECORD_LEN_BYTES: usize = MAX_CONTENT_LEN_BYTES + 1_024;

/// Why a record cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No key.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// More than [`MAX_CONTENT_LEN_BYTES`].
    #[error("{len_bytes} bytes: a sealed record holds at most {MAX_CONTENT_LEN_BYTES}")]
    TooLong {
        /// The length.
        len_bytes: usize,
    },
    /// Not a record.
    #[error("not a sealed record: {what} at offset {offset}")]
    Malformed {
        /// What was missed.
        what: &'static str,
        /// Where, in bytes from the beginning.
        offset: usize,
    },
    /// A record of another role.
    #[error("a record for another purpose than `{}`", role.name())]
    OtherRole {
        /// The expected one.
        role: KeyRole,
    },
    /// Changed, of another name, or sealed by another guest or machine.
    #[error("the record was changed, or sealed under another name, by another guest or on another machine")]
    NotGenuine,
    /// Genuine, but older than the newest that is known.
    #[error("the record is number {found}, and number {newest} is known: it was put back")]
    RolledBack {
        /// Of the record.
        found: u64,
        /// The newest known.
        newest: u64,
    },
}

/// What is known about the newest record of a name, from where the host cannot reach: a commit on a chain (spec §4.6),
/// peers, a counter in hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// No record older than this one may be opened.
    AtLeast(u64),
    /// Nobody knows: whatever is genuine opens. A guest that has nobody to ask cannot tell a record from an older copy.
    Unknown,
}

/// An opened record.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub number: u64,
    /// What was sealed.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened {{ number: {}, {} bytes }}", self.number, self.content.len())
    }
}

fn header(key: &PersistentKey, number: u64, salt: &[u8; SALT_LEN_BYTES]) -> Vec<u8> {
    let role = key.role.name().as_bytes();
    let mut header = Vec::with_capacity(MAGIC.len() + 1 + role.len() + 10 + salt.len());
    header.extend_from_slice(MAGIC);
    // Names of roles are short: see `KeyRole::name`.
    header.push(role.len() as u8);
    header.extend_from_slice(role);
    header.extend_from_slice(&key.security_version.to_be_bytes());
    header.extend_from_slice(&number.to_be_bytes());
    header.extend_from_slice(salt);
    header
}

fn cipher(key: &PersistentKey, salt: &[u8; SALT_LEN_BYTES]) -> LessSafeKey {
    let secret = expand(salt, &key.secret, b"chrysalis sealed record v1");
    #[expect(clippy::expect_used, reason = "the key has the 32 bytes that AES-256 takes")]
    let key = UnboundKey::new(&AES_256_GCM, &secret).expect("32 bytes");
    LessSafeKey::new(key)
}

/// A key is used for one record only.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn authenticated(header: &[u8], name: &str) -> Aad<Vec<u8>> {
    let mut all = header.to_vec();
    all.extend_from_slice(name.as_bytes());
    Aad::from(all)
}

/// Seals the record with this number of `name`. `salt` is to be entropy that was used for nothing else.
///
/// # Errors
/// The content is too long.
pub fn seal(
    key: &PersistentKey,
    name: &str,
    number: u64,
    content: &[u8],
    salt: [u8; SALT_LEN_BYTES],
) -> Result<Vec<u8>, SealError> {
    let too_long = SealError::TooLong {
        len_bytes: content.len(),
    };
    if content.len() > MAX_CONTENT_LEN_BYTES {
        return Err(too_long);
    }
    let mut record = header(key, number, &salt);
    let mut sealed = content.to_vec();
    cipher(key, &salt)
        .seal_in_place_append_tag(nonce(), authenticated(&record, name), &mut sealed)
        .map_err(|_| too_long)?;
    record.append(&mut sealed);
    Ok(record)
}

/// Opens a record of `name`.
///
/// # Errors
/// It is none, not genuine, or older than the newest that is known.
pub fn open(
    machine: &dyn MachineSecret,
    identity: &SealingIdentity,
    role: KeyRole,
    name: &str,
    record: &[u8],
    newest: Newest,
) -> Result<Opened, SealError> {
    if record.len() > MAX_RECORD_LEN_BYTES {
        return Err(SealError::TooLong {
            len_bytes: record.len(),
        });
    }
    let mut reader = Reader {
        rest: record,
        offset: 0,
    };
    if reader.take(MAGIC.len(), "mark")? != MAGIC {
        return Err(SealError::Malformed {
            what: "mark",
            offset: 0,
        });
    }
    let [role_len] = reader.array("length of the role")?;
    if reader.take(role_len.into(), "role")? != role.name().as_bytes() {
        return Err(SealError::OtherRole { role });
    }
    let security_version = u16::from_be_bytes(reader.array("security version")?);
    let number = u64::from_be_bytes(reader.array("number")?);
    let salt = reader.array("salt")?;
    if reader.rest.len() < TAG_LEN_BYTES {
        return Err(reader.malformed("content and tag"));
    }
    let key = PersistentKey::at(machine, identity, role, security_version)?;
    let mut sealed = reader.rest.to_vec();
    let header = &record[..reader.offset];
    let content = cipher(&key, &salt)
        .open_in_place(nonce(), authenticated(header, name), &mut sealed)
        .map_err(|_| SealError::NotGenuine)?
        .to_vec();
    match newest {
        Newest::AtLeast(newest) if number < newest => Err(SealError::RolledBack { found: number, newest }),
        _ => Ok(Opened { number, content }),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn malformed(&self, what: &'static str) -> SealError {
        SealError::Malformed {
            what,
            offset: self.offset,
        }
    }

    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], SealError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(self.malformed(what))?;
        self.rest = rest;
        self.offset += len;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], SealError> {
        let fault = self.malformed(what);
        self.take(N, what)?.try_into().map_err(|_| fault)
    }
}
