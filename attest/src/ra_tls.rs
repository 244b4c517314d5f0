//! TLS 1.3 with attested peers (spec §3.3): mutual, no tickets, no resumption, Ed25519 and nothing else.
//!
//! Cryptography and clock come from the caller. A session that is resumed shows no certificate, so its evidence would
//! never be appraised again: that is why there is none. Certificates are handed over by resolvers, because rustls'
//! usual ways of configuring one refuse the critical extensions of spec §3.4.

#[cfg(test)]
mod tests;

use crate::{
    certificate::{Identity, check::public_key_info},
    verifier::{AttestedPeer, Origin, PeerReason, PeerVerifier},
};
use rustls::{
    CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, SingleCertAndKey},
    time_provider::TimeProvider,
    version::TLS13,
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// For the end that dials.
///
/// # Errors
/// The provider has no suite for TLS 1.3 or cannot use Ed25519 keys.
pub fn client_config(
    provider: Arc<CryptoProvider>,
    time: Arc<dyn TimeProvider>,
    identity: &Identity,
    verifier: Arc<PeerVerifier>,
) -> Result<Arc<ClientConfig>, Error> {
    let certificate = resolver(&provider, identity)?;
    let handshake = HandshakeVerifier::new(&provider, verifier);
    let mut config = ClientConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(handshake)
        .with_client_cert_resolver(certificate);
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// For the end that listens. It asks for a certificate under every policy, also under [`crate::PeerPolicy::Any`].
///
/// # Errors
/// As for [`client_config`].
pub fn server_config(
    provider: Arc<CryptoProvider>,
    time: Arc<dyn TimeProvider>,
    identity: &Identity,
    verifier: Arc<PeerVerifier>,
) -> Result<Arc<ServerConfig>, Error> {
    let certificate = resolver(&provider, identity)?;
    let handshake = HandshakeVerifier::new(&provider, verifier);
    let mut config = ServerConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(handshake)
        .with_cert_resolver(certificate);
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// What a dialler gives to rustls as the name of any server. It is not sent, and the verifier does not look at it:
/// peers are known by key and evidence.
pub fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}

/// Who is at the other end, after the handshake, and whether that had to be found out.
///
/// # Errors
/// The handshake is not over, or the peer's evidence has expired since.
pub fn peer(
    connection: &CommonState,
    verifier: &PeerVerifier,
    now_unix_s: u64,
) -> Result<(AttestedPeer, Origin), PeerReason> {
    verifier.peer(connection.peer_certificates(), now_unix_s)
}

/// Why a handshake failed, if it was for the peer's certificate or evidence as this side saw it.
pub fn reason(error: &Error) -> Option<&PeerReason> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => reason.downcast_ref(),
        _ => None,
    }
}

fn resolver(provider: &CryptoProvider, identity: &Identity) -> Result<Arc<SingleCertAndKey>, Error> {
    let key = provider.key_provider.load_private_key(identity.key().to_pkcs8())?;
    Ok(Arc::new(SingleCertAndKey::from(CertifiedKey::new(
        vec![identity.certificate_der().clone()],
        key,
    ))))
}

/// Both ends check the other in the same way.
#[derive(Debug)]
struct HandshakeVerifier {
    peers: Arc<PeerVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl HandshakeVerifier {
    fn new(provider: &CryptoProvider, peers: Arc<PeerVerifier>) -> Arc<Self> {
        Arc::new(Self {
            peers,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    fn check(&self, certificate: &[u8], others: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        if !others.is_empty() {
            return Err(refusal(PeerReason::Chain {
                certificates: others.len() + 1,
            }));
        }
        self.peers
            .check(certificate, now.as_secs())
            .map(|_| ())
            .map_err(refusal)
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &[u8],
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signature.scheme != SignatureScheme::ED25519 {
            return Err(PeerIncompatible::NoSignatureSchemesInCommon.into());
        }
        let key = self.peers.accepted_key(certificate).map_err(refusal)?;
        // `verify_tls13_signature` would parse the certificate and refuse its critical extensions.
        let key = SubjectPublicKeyInfoDer::from(public_key_info(&key));
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }
}

fn refusal(reason: PeerReason) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
}

fn tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("only TLS 1.3 is configured".to_owned()))
}

impl ServerCertVerifier for HandshakeVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate, others, now)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for HandshakeVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(certificate, others, now)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
