//! What the report data of a session's evidence cover.

use crate::certificate::{PublicKey, check::public_key_info};
use rustls::ConnectionCommon;
use sha2::{Digest, Sha512};

/// First part of what is hashed. Another form gets another label.
const LABEL: &[u8] = b"chrysalis session evidence v1";
/// Label of the exporter (RFC 8446 §7.5).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-chrysalis-session-evidence-v1";

/// What a node is in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sends requests.
    Client,
    /// Routes and settles.
    Proxy,
    /// Answers requests.
    Worker,
    /// Gives proxies and workers their keys.
    KeyManager,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Client, Self::Proxy, Self::Worker, Self::KeyManager];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Client => 1,
            Self::Proxy => 2,
            Self::Worker => 3,
            Self::KeyManager => 4,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Proxy => "proxy",
            Self::Worker => "worker",
            Self::KeyManager => "key_manager",
        }
    }
}

/// Which end of the TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Opened it: TLS client.
    Dialer,
    /// Accepted it: TLS server.
    Acceptor,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Dialer => 1,
            Self::Acceptor => 2,
        }
    }
}

/// A secret that only the two ends of one TLS session can compute.
#[derive(Clone, PartialEq, Eq)]
pub struct Exporter(pub [u8; 32]);

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporter(..)")
    }
}

/// The exporter of a connection after its handshake. It comes of the handshake up to the server's `Finished`, so it
/// differs for any two sessions, also where one machine relays between them.
///
/// # Errors
/// The handshake is not over.
pub fn exporter<Data>(connection: &ConnectionCommon<Data>) -> Result<Exporter, rustls::Error> {
    connection
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map(Exporter)
}

/// All that evidence of a session is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionBinding<'a> {
    /// The TLS session.
    pub exporter: &'a Exporter,
    /// What the verifier sent for this round.
    pub nonce: &'a [u8; 32],
    /// Number of the round; 0 is the one before the application begins.
    pub round: u32,
    /// Key in the certificate of the end that shows evidence.
    pub prover_key: &'a PublicKey,
    /// Key in the certificate of the end that asked.
    pub verifier_key: &'a PublicKey,
    /// What the end that shows evidence is.
    pub prover_role: Role,
    /// What the end that asked is.
    pub verifier_role: Role,
    /// Which end shows evidence.
    pub prover_side: Side,
}

impl SessionBinding<'_> {
    /// SHA-512 over all parts in order, each after its length in eight bytes (big-endian): no two bindings give the same
    /// input. Keys stand there as `SubjectPublicKeyInfo`.
    pub fn report_data(&self) -> [u8; 64] {
        let mut state = Sha512::new();
        for part in [
            LABEL,
            &self.exporter.0,
            self.nonce,
            &self.round.to_be_bytes(),
            &public_key_info(self.prover_key),
            &public_key_info(self.verifier_key),
            &[self.prover_role.code()],
            &[self.verifier_role.code()],
            &[self.prover_side.code()],
        ] {
            state.update((part.len() as u64).to_be_bytes());
            state.update(part);
        }
        state.finalize().into()
    }
}
