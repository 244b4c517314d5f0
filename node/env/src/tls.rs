//! rustls on a node's clock and entropy.
//!
//! ring draws its own randomness from the operating system, in key exchange even when told otherwise. In a simulated
//! world [`deterministic_provider`] takes both from the node that is being polled: the executor brings it in with
//! [`EntropyScope`]. Ciphers, hashes and signature checks stay ring's. Real worlds use [`stock_provider`].

use crate::Env;
use ::ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use rustls::{
    NamedGroup,
    crypto::{
        ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup,
        ring::{self, cipher_suite},
    },
    pki_types::UnixTime,
    time_provider::TimeProvider,
};
use std::{
    cell::RefCell,
    sync::{Arc, LazyLock},
    time::Duration,
};

/// A source of a node's entropy.
pub trait EntropySource: Send + Sync {
    /// Fills `bytes`.
    fn fill_entropy(&self, bytes: &mut [u8]);
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<dyn EntropySource>>> = const { RefCell::new(None) };
}

/// While it lives, rustls objects of the deterministic provider on this thread draw from one node's entropy.
///
/// Executors enter it around each poll of the node's tasks. Scopes nest; the inner one counts.
pub struct EntropyScope {
    outer: Option<Arc<dyn EntropySource>>,
}

impl EntropyScope {
    /// Makes `source` the current one.
    pub fn enter(source: Arc<dyn EntropySource>) -> Self {
        Self {
            outer: CURRENT.with(|current| current.borrow_mut().replace(source)),
        }
    }
}

impl Drop for EntropyScope {
    fn drop(&mut self) {
        CURRENT.with(|current| *current.borrow_mut() = self.outer.take());
    }
}

fn fill_current(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    CURRENT.with(|current| match current.borrow().as_ref() {
        Some(source) => {
            source.fill_entropy(bytes);
            Ok(())
        }
        // Outside a node there is no entropy that could be replayed: fail loudly rather than leak the host's.
        None => Err(GetRandomFailed),
    })
}

/// TLS 1.3 with the two suites of the reference system (spec §3.3), randomness and X25519 from the current node.
pub fn deterministic_provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            secure_random: &NodeRandom,
            kx_groups: vec![&NodeX25519],
            ..base_provider()
        })
    });
    PROVIDER.clone()
}

/// The same suites and group with the operating system's entropy.
pub fn stock_provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            kx_groups: vec![ring::kx_group::X25519],
            ..base_provider()
        })
    });
    PROVIDER.clone()
}

fn base_provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
        ],
        ..ring::default_provider()
    }
}

#[derive(Debug)]
struct NodeRandom;

impl SecureRandom for NodeRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        fill_current(bytes)
    }
}

/// ring's X25519 with a secret of the node's entropy.
#[derive(Debug)]
struct NodeX25519;

struct PendingExchange {
    secret: EphemeralPrivateKey,
    public: agreement::PublicKey,
}

impl SupportedKxGroup for NodeX25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        let mut seed = [0; 32];
        fill_current(&mut seed)?;
        let secret = secret_from(&seed)?;
        let public = secret.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(PendingExchange { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// ring takes secrets of key exchange only from its own sources of randomness, one of which plays back bytes that it is
/// given. It is hidden and deprecated, for ring will take it away; `x25519-dalek` is the way back (decision 3).
#[expect(deprecated, reason = "see above")]
fn secret_from(seed: &[u8; 32]) -> Result<EphemeralPrivateKey, rustls::Error> {
    let source = ::ring::test::rand::FixedSliceRandom { bytes: seed };
    Ok(EphemeralPrivateKey::generate(&agreement::X25519, &source).map_err(|_| GetRandomFailed)?)
}

impl ActiveKeyExchange for PendingExchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, rustls::Error> {
        let peer = UnparsedPublicKey::new(&agreement::X25519, peer);
        // It refuses keys of another length and points of a low order, as RFC 8446 §7.4.2 demands.
        agreement::agree_ephemeral(self.secret, &peer, |shared| SharedSecret::from(shared))
            .map_err(|_| rustls::PeerMisbehaved::InvalidKeyShare.into())
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// A node's wall clock for rustls.
#[derive(Debug)]
pub struct NodeTime(Env);

impl NodeTime {
    /// The clock of `env`.
    pub fn new(env: Env) -> Self {
        Self(env)
    }
}

impl TimeProvider for NodeTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_nanos(self.0.unix_ns())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);
    impl EntropySource for Fixed {
        fn fill_entropy(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn key_share() -> Vec<u8> {
        deterministic_provider().kx_groups[0]
            .start()
            .unwrap()
            .pub_key()
            .to_vec()
    }

    #[test]
    fn key_shares_follow_the_node_that_is_polled() {
        let outer = EntropyScope::enter(Arc::new(Fixed(1)));
        let one = key_share();
        {
            let _inner = EntropyScope::enter(Arc::new(Fixed(2)));
            assert_ne!(key_share(), one);
        }
        assert_eq!(key_share(), one);
        drop(outer);
        assert!(
            deterministic_provider().kx_groups[0].start().is_err(),
            "no node, no entropy"
        );
    }

    /// The secret is the node's entropy and nothing else: RFC 7748 §6.1.
    #[test]
    fn a_key_share_is_that_of_its_secret() {
        struct Alice;
        impl EntropySource for Alice {
            fn fill_entropy(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&[
                    0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
                    0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
                ]);
            }
        }
        let _scope = EntropyScope::enter(Arc::new(Alice));
        assert_eq!(
            key_share(),
            [
                0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d,
                0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
            ]
        );
    }

    #[test]
    fn the_two_sides_agree_and_a_low_order_point_is_refused() {
        let provider = deterministic_provider();
        let (a, b) = {
            let _scope = EntropyScope::enter(Arc::new(Fixed(7)));
            let a = provider.kx_groups[0].start().unwrap();
            let _scope = EntropyScope::enter(Arc::new(Fixed(9)));
            (a, ring::kx_group::X25519.start().unwrap())
        };
        let (a_public, b_public) = (a.pub_key().to_vec(), b.pub_key().to_vec());
        let ours = a.complete(&b_public).unwrap();
        let rings = b.complete(&a_public).unwrap();
        assert_eq!(ours.secret_bytes(), rings.secret_bytes());

        let _scope = EntropyScope::enter(Arc::new(Fixed(7)));
        assert!(provider.kx_groups[0].start().unwrap().complete(&[0; 32]).is_err());
    }
}
