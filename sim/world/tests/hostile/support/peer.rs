//! A raw peer. It does what it must to be heard (proof of work, TLS, frames in order) and leaves the rest to the test.

use super::seconds;
use chrysalis_attest::{
    Identity, PeerPolicy, PeerVerifier, ra_tls,
    session::{self, Exporter},
};
use chrysalis_env::{Env, Listener, Stream};
use chrysalis_wire::{
    frame::{FrameReader, FrameWriter},
    packet::{Packet, TcpConnect, TcpConnected, TcpPong, TcpQuery, TcpQueryAnswer},
    proof_of_work::{CHALLENGE_BYTES, Challenge, Difficulty, RESPONSE_BYTES, Response},
    query::Query,
    tl::Boxed,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};
use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// Nobody in these tests has a reason to be silent for longer, unless silence is the test.
const PATIENCE: Duration = seconds(20);

/// Why nothing came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The other end closed, in order or not; the text is the socket's.
    Closed(String),
    /// It said nothing in time.
    Silent,
    /// It refused the query.
    Refused(i32, String),
}

/// A connection of a raw peer.
pub(crate) struct RawPeer {
    env: Env,
    stream: TlsStream<Stream>,
    frames: FrameWriter,
    reader: FrameReader,
    unread: Vec<u8>,
    inbox: VecDeque<Packet>,
    next_query: i64,
}

/// The dialer's proof of work.
pub(crate) async fn pay(stream: &mut Stream) -> io::Result<()> {
    let mut bytes = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut bytes).await?;
    let challenge = Challenge::decode(&bytes).map_err(io::Error::other)?;
    let response = challenge
        .search(0..1 << 24)
        .ok_or_else(|| io::Error::other("no nonce"))?;
    stream.write_all(&response.encode()).await?;
    stream.flush().await
}

/// TLS of a dialer that shows `identity` and takes any server.
pub(crate) fn own_tls(env: &Env, identity: &Identity) -> Arc<ClientConfig> {
    let verifier = Arc::new(PeerVerifier::new(PeerPolicy::Any));
    ra_tls::client_config(env.crypto_provider(), env.time_provider(), identity, verifier).unwrap()
}

/// TLS as any program on the Internet has it: nothing of this project in it, and any server is taken.
pub(crate) fn ordinary_tls(env: &Env, certificate: Option<&Identity>) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_details(env.crypto_provider(), env.time_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let mut config = match certificate {
        Some(identity) => {
            // Without rustls' look at the certificate: it does not know the extension with the evidence.
            let key = env
                .crypto_provider()
                .key_provider
                .load_private_key(identity.key().to_pkcs8())
                .unwrap();
            let certified = CertifiedKey::new(vec![identity.certificate_der().clone()], key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl RawPeer {
    fn over(env: &Env, stream: TlsStream<Stream>) -> Self {
        Self {
            env: env.clone(),
            stream,
            frames: FrameWriter::new(),
            reader: FrameReader::new(),
            unread: Vec::new(),
            inbox: VecDeque::new(),
            next_query: 1,
        }
    }

    /// Dials, pays, and ends its side of TLS. The other end may refuse all the same: that shows at the first read.
    pub(crate) async fn dial(env: &Env, address: SocketAddr, tls: Arc<ClientConfig>) -> io::Result<Self> {
        let mut stream = env.connect(address).await?;
        pay(&mut stream).await?;
        let stream = TlsConnector::from(tls).connect(ra_tls::server_name(), stream).await?;
        Ok(Self::over(env, stream.into()))
    }

    /// Dials as `identity`, up to the end of the transport's hand-shake.
    pub(crate) async fn connect(env: &Env, address: SocketAddr, identity: &Identity) -> Result<Self, Gone> {
        let closed = |error: io::Error| Gone::Closed(error.to_string());
        let mut peer = Self::dial(env, address, own_tls(env, identity)).await.map_err(closed)?;
        peer.greet().await?;
        Ok(peer)
    }

    /// The transport's hand-shake of a dialer.
    pub(crate) async fn greet(&mut self) -> Result<(), Gone> {
        self.send_packet(&Packet::Connect(TcpConnect { id: 1 })).await;
        match self.recv().await? {
            Packet::Connected(TcpConnected { id: 1 }) => Ok(()),
            other => panic!("{other:?} is no greeting"),
        }
    }

    /// The secret of the TLS session.
    pub(crate) fn exporter(&self) -> Exporter {
        match &self.stream {
            TlsStream::Client(stream) => session::exporter(stream.get_ref().1),
            TlsStream::Server(stream) => session::exporter(stream.get_ref().1),
        }
        .unwrap()
    }

    /// Sends a record of the exchange of evidence, before the first frame.
    pub(crate) async fn send_record(&mut self, message: &[u8]) {
        let length = u32::try_from(message.len()).unwrap().to_le_bytes();
        self.send_bytes(&[&length[..], message].concat()).await;
    }

    /// The next such record.
    pub(crate) async fn recv_record(&mut self) -> Result<Vec<u8>, Gone> {
        let env = self.env.clone();
        let read = async {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length).await?;
            let mut message = vec![0; u32::from_le_bytes(length) as usize];
            self.stream.read_exact(&mut message).await?;
            Ok::<_, io::Error>(message)
        };
        match env.timeout(PATIENCE, read).await {
            Ok(read) => read.map_err(|error| Gone::Closed(error.to_string())),
            Err(_) => Err(Gone::Silent),
        }
    }

    /// Takes a connection as [`Self::accept`] does, up to the end of TLS.
    pub(crate) async fn accept_tls(env: &Env, listener: &mut Listener, identity: &Identity) -> Result<Self, Gone> {
        let closed = |error: io::Error| Gone::Closed(error.to_string());
        let mut stream = listener.accept().await.map_err(closed)?;
        let challenge = Challenge {
            difficulty: Difficulty::new(1).unwrap(),
            salt: env.random(),
        };
        stream.write_all(&challenge.encode()).await.map_err(closed)?;
        stream.flush().await.map_err(closed)?;
        let mut bytes = [0; RESPONSE_BYTES];
        stream.read_exact(&mut bytes).await.map_err(closed)?;
        challenge.verify(Response::decode(&bytes).unwrap()).unwrap();
        let verifier = Arc::new(PeerVerifier::new(PeerPolicy::Any));
        let tls = ra_tls::server_config(env.crypto_provider(), env.time_provider(), identity, verifier).unwrap();
        let stream = TlsAcceptor::from(tls).accept(stream).await.map_err(closed)?;
        Ok(Self::over(env, stream.into()))
    }

    /// Takes a connection: asks for easy work and shows `identity`, whoever is there. The transport's hand-shake
    /// is part of it.
    pub(crate) async fn accept(env: &Env, listener: &mut Listener, identity: &Identity) -> Result<Self, Gone> {
        let mut peer = Self::accept_tls(env, listener, identity).await?;
        peer.welcome().await?;
        Ok(peer)
    }

    /// The transport's hand-shake of an acceptor.
    pub(crate) async fn welcome(&mut self) -> Result<(), Gone> {
        match self.recv().await? {
            Packet::Connect(TcpConnect { id }) => self.send_packet(&Packet::Connected(TcpConnected { id })).await,
            other => panic!("{other:?} is no greeting"),
        }
        Ok(())
    }

    /// Sends bytes inside TLS, whatever they are. Whether anybody still reads is not this end's business.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// As [`Self::send_bytes`], as long as the other end takes them within `limit`.
    pub(crate) async fn offer_bytes(&mut self, bytes: &[u8], limit: Duration) -> bool {
        let env = self.env.clone();
        let written = env
            .timeout(limit, async {
                self.stream.write_all(bytes).await?;
                self.stream.flush().await
            })
            .await;
        matches!(written, Ok(Ok(())))
    }

    pub(crate) async fn send_packet(&mut self, packet: &Packet) {
        let mut bytes = Vec::new();
        self.frames.packet(packet, &mut bytes).unwrap();
        self.send_bytes(&bytes).await;
    }

    /// Sends a frame whose payload is anything.
    pub(crate) async fn send_payload(&mut self, payload: &[u8]) {
        let mut bytes = Vec::new();
        self.frames.encode(payload, &mut bytes).unwrap();
        self.send_bytes(&bytes).await;
    }

    /// Sends an application message.
    pub(crate) async fn send(&mut self, message: &impl Boxed) {
        let mut bytes = Vec::new();
        self.frames.message(message, &mut bytes).unwrap();
        self.send_bytes(&bytes).await;
    }

    /// A message as bytes in a frame, for many at once.
    pub(crate) fn encode(&mut self, message: &impl Boxed, into: &mut Vec<u8>) {
        self.frames.message(message, into).unwrap();
    }

    /// The same for a query.
    pub(crate) fn encode_query(&mut self, id: i64, query: &impl Boxed, into: &mut Vec<u8>) {
        self.frames.query(id, query, into).unwrap();
    }

    /// Sends an application query without waiting for its answer.
    pub(crate) async fn send_query(&mut self, id: i64, query: &impl Boxed) {
        let mut bytes = Vec::new();
        self.frames.query(id, query, &mut bytes).unwrap();
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn answer(&mut self, id: i64, answer: &impl Boxed) {
        let mut bytes = Vec::new();
        self.frames.query_answer(id, answer, &mut bytes).unwrap();
        self.send_bytes(&bytes).await;
    }

    /// The next packet from the wire. Pings are answered on the way.
    async fn recv_wire(&mut self) -> Result<Packet, Gone> {
        loop {
            let mut input = &self.unread[..];
            let frame = self.reader.next_payload(&mut input).expect("honest nodes write frames");
            let taken = self.unread.len() - input.len();
            self.unread.drain(..taken);
            if let Some(frame) = frame {
                match Packet::decode(&frame).expect("honest nodes write packets") {
                    Packet::Ping(ping) => self.send_packet(&Packet::Pong(TcpPong { id: ping.id })).await,
                    Packet::Pong(_) => {}
                    other => return Ok(other),
                }
                continue;
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer).await {
                Ok(0) => return Err(Gone::Closed("end of stream".into())),
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) => return Err(Gone::Closed(error.to_string())),
            }
        }
    }

    /// The next packet, if one comes within `limit`.
    pub(crate) async fn recv_within(&mut self, limit: Duration) -> Result<Packet, Gone> {
        if let Some(packet) = self.inbox.pop_front() {
            return Ok(packet);
        }
        let env = self.env.clone();
        env.timeout(limit, self.recv_wire()).await.unwrap_or(Err(Gone::Silent))
    }

    pub(crate) async fn recv(&mut self) -> Result<Packet, Gone> {
        self.recv_within(PATIENCE).await
    }

    /// The next application message of a kind; others are left out.
    pub(crate) async fn message<M: Boxed>(&mut self) -> Result<M, Gone> {
        self.message_within(PATIENCE).await
    }

    pub(crate) async fn message_within<M: Boxed>(&mut self, limit: Duration) -> Result<M, Gone> {
        let until_ns = self.env.now_ns() + u64::try_from(limit.as_nanos()).unwrap();
        loop {
            let left = Duration::from_nanos(until_ns.saturating_sub(self.env.now_ns()));
            if let Packet::Packet(packet) = self.recv_within(left).await?
                && let Ok(message) = M::decode(&packet.data)
            {
                return Ok(message);
            }
        }
    }

    /// The next query of a kind, with its number.
    pub(crate) async fn asked<Q: Query>(&mut self) -> Result<(i64, Q), Gone> {
        loop {
            if let Packet::Query(TcpQuery { id, data }) = self.recv().await?
                && let Ok(query) = Q::decode(&data)
            {
                return Ok((id, query));
            }
        }
    }

    /// Asks and waits for the answer; messages that come in between are kept for later.
    pub(crate) async fn query<Q: Query>(&mut self, query: &Q) -> Result<Q::Answer, Gone> {
        let id = self.next_query;
        self.next_query += 1;
        self.send_query(id, query).await;
        let mut others = VecDeque::new();
        let answer = loop {
            match self.recv().await? {
                Packet::QueryAnswer(TcpQueryAnswer { id: answered, data }) if answered == id => {
                    break Ok(Q::Answer::decode(&data).expect("honest nodes answer what was asked"));
                }
                Packet::QueryError(error) if error.id == id => break Err(Gone::Refused(error.code, error.message)),
                other => others.push_back(other),
            }
        };
        others.append(&mut self.inbox);
        self.inbox = others;
        answer
    }

    /// Waits until the other end closes, at most `limit`; what it still says is dropped.
    pub(crate) async fn closed_within(&mut self, limit: Duration) -> bool {
        let until_ns = self.env.now_ns() + u64::try_from(limit.as_nanos()).unwrap();
        loop {
            let left = Duration::from_nanos(until_ns.saturating_sub(self.env.now_ns()));
            match self.recv_within(left).await {
                Ok(_) => {}
                Err(Gone::Closed(_)) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Whether the other end still answers a ping within a second.
    pub(crate) async fn is_alive(&mut self) -> bool {
        let ping = chrysalis_wire::packet::TcpPing { id: 99 };
        self.send_packet(&Packet::Ping(ping)).await;
        !self.closed_within(seconds(1)).await
    }
}
