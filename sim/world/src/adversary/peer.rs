//! A raw peer. It does what it must to be heard (proof of work, TLS, frames in order) and leaves the rest to whoever
//! plays it.

use chrysalis_attest::{
    Identity, PeerPolicy, PeerVerifier, ra_tls,
    session::{self, Exporter, Message, Role, Shown},
};
use chrysalis_env::{Env, Listener, Stream};
use chrysalis_wire::{
    frame::{FrameError, FrameReader, FrameWriter},
    packet::{Packet, TcpConnect, TcpConnected, TcpPing, TcpPong, TcpQuery, TcpQueryAnswer},
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

/// No honest node has a reason to be silent for longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of a record of the exchange of evidence that a raw peer reads.
const MAX_RECORD_LEN_BYTES: usize = 1 << 20;
/// Nonces that a raw peer tries at a proof of work.
const NONCES: std::ops::Range<i64> = 0..1 << 24;

/// Why nothing came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gone {
    /// The other end closed, in order or not; the text is the socket's.
    Closed(String),
    /// It said nothing in time.
    Silent,
    /// It refused the query.
    Refused(i32, String),
    /// It said something that no honest node says there.
    Strange(String),
    /// This end could not say what it wanted to.
    Unsaid(String),
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed(how) => write!(f, "closed: {how}"),
            Self::Silent => f.write_str("silence"),
            Self::Refused(code, text) => write!(f, "refused with code {code}: {text}"),
            Self::Strange(what) => write!(f, "unexpected: {what}"),
            Self::Unsaid(why) => write!(f, "nothing could be sent: {why}"),
        }
    }
}

fn closed(error: impl std::fmt::Display) -> Gone {
    Gone::Closed(error.to_string())
}

fn unsaid(error: impl std::fmt::Display) -> Gone {
    Gone::Unsaid(error.to_string())
}

fn strange(what: impl std::fmt::Debug) -> Gone {
    Gone::Strange(format!("{what:?}"))
}

/// A connection of a raw peer.
pub struct RawPeer {
    env: Env,
    stream: TlsStream<Stream>,
    frames: FrameWriter,
    reader: FrameReader,
    unread: Vec<u8>,
    inbox: VecDeque<Packet>,
    next_query: i64,
    /// Why the last message did not fit into a frame, until somebody asks.
    unsaid: Option<Gone>,
}

/// The dialer's proof of work.
///
/// # Errors
/// The socket failed, or the acceptor asks for too much.
pub async fn pay(stream: &mut Stream) -> io::Result<()> {
    let mut bytes = [0; CHALLENGE_BYTES];
    stream.read_exact(&mut bytes).await?;
    let challenge = Challenge::decode(&bytes).map_err(io::Error::other)?;
    let response = challenge.search(NONCES).ok_or_else(|| io::Error::other("no nonce"))?;
    stream.write_all(&response.encode()).await?;
    stream.flush().await
}

/// TLS of a dialer that shows `identity` and takes any server.
///
/// # Errors
/// The identity cannot be used with TLS.
pub fn own_tls(env: &Env, identity: &Identity) -> Result<Arc<ClientConfig>, rustls::Error> {
    let verifier = Arc::new(PeerVerifier::new(PeerPolicy::Any));
    ra_tls::client_config(env.crypto_provider(), env.time_provider(), identity, verifier)
}

/// TLS as any program on the Internet has it: nothing of this project in it, and any server is taken.
///
/// # Errors
/// The certificate cannot be used with TLS.
pub fn ordinary_tls(env: &Env, certificate: Option<&Identity>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_details(env.crypto_provider(), env.time_provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let mut config = match certificate {
        Some(identity) => {
            // Without rustls' look at the certificate: it does not know the extension with the evidence.
            let provider = env.crypto_provider();
            let key = provider.key_provider.load_private_key(identity.key().to_pkcs8())?;
            let certified = CertifiedKey::new(vec![identity.certificate_der().clone()], key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
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
            unsaid: None,
        }
    }

    /// Dials, pays, and ends its side of TLS. The other end may refuse all the same: that shows at the first read.
    ///
    /// # Errors
    /// The socket or TLS failed.
    pub async fn dial(env: &Env, address: SocketAddr, tls: Arc<ClientConfig>) -> io::Result<Self> {
        let mut stream = env.connect(address).await?;
        pay(&mut stream).await?;
        let stream = TlsConnector::from(tls).connect(ra_tls::server_name(), stream).await?;
        Ok(Self::over(env, stream.into()))
    }

    /// Dials as `identity`, up to the end of the transport's hand-shake.
    ///
    /// # Errors
    /// The other end is not there, or refuses.
    pub async fn connect(env: &Env, address: SocketAddr, identity: &Identity) -> Result<Self, Gone> {
        let tls = own_tls(env, identity).map_err(unsaid)?;
        let mut peer = Self::dial(env, address, tls).await.map_err(closed)?;
        peer.greet().await?;
        Ok(peer)
    }

    /// The transport's hand-shake of a dialer.
    ///
    /// # Errors
    /// The other end refuses.
    pub async fn greet(&mut self) -> Result<(), Gone> {
        self.send_packet(&Packet::Connect(TcpConnect { id: 1 })).await;
        match self.recv().await? {
            Packet::Connected(TcpConnected { id: 1 }) => Ok(()),
            other => Err(strange(other)),
        }
    }

    /// The TLS session.
    pub fn tls(&self) -> &TlsStream<Stream> {
        &self.stream
    }

    /// The secret of the TLS session.
    ///
    /// # Errors
    /// The hand-shake is not over.
    pub fn exporter(&self) -> Result<Exporter, rustls::Error> {
        match &self.stream {
            TlsStream::Client(stream) => session::exporter(stream.get_ref().1),
            TlsStream::Server(stream) => session::exporter(stream.get_ref().1),
        }
    }

    /// Sends a record of the exchange of evidence, before the first frame.
    pub async fn send_record(&mut self, message: &[u8]) {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.send_bytes(&[&length[..], message].concat()).await;
    }

    /// The next such record.
    ///
    /// # Errors
    /// The other end closed, is silent, or announces more than a record has.
    pub async fn recv_record(&mut self) -> Result<Vec<u8>, Gone> {
        let env = self.env.clone();
        let read = async {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length).await.map_err(closed)?;
            let len_bytes = u32::from_le_bytes(length) as usize;
            if len_bytes > MAX_RECORD_LEN_BYTES {
                return Err(Gone::Strange(format!("a record of {len_bytes} bytes")));
            }
            let mut message = vec![0; len_bytes];
            self.stream.read_exact(&mut message).await.map_err(closed)?;
            Ok(message)
        };
        env.timeout(PATIENCE, read).await.unwrap_or(Err(Gone::Silent))
    }

    /// Says what this end is, and asks for evidence if there is a nonce: the first message of the exchange of evidence.
    pub async fn say_hello(&mut self, role: Role, nonce: Option<[u8; 32]>) {
        self.send_record(&Message::Hello { role, nonce }.encode()).await;
    }

    /// The next message of the exchange of evidence.
    ///
    /// # Errors
    /// As for [`Self::recv_record`], or the bytes are no message.
    pub async fn recv_evidence(&mut self) -> Result<Message, Gone> {
        let bytes = self.recv_record().await?;
        Message::decode(&bytes).map_err(|error| Gone::Strange(error.to_string()))
    }

    /// The challenge in the other end's first message.
    ///
    /// # Errors
    /// As for [`Self::recv_evidence`], or it is something else than `role`, or asks for nothing.
    pub async fn challenge(&mut self, role: Role) -> Result<[u8; 32], Gone> {
        match self.recv_evidence().await? {
            Message::Hello {
                role: found,
                nonce: Some(nonce),
            } if found == role => Ok(nonce),
            other => Err(strange(other)),
        }
    }

    /// Answers the first challenge.
    pub async fn show(&mut self, shown: Shown) {
        self.send_record(&Message::Evidence { round: 0, shown }.encode()).await;
    }

    /// Takes a connection as [`Self::accept`] does, up to the end of TLS.
    ///
    /// # Errors
    /// Whoever dials does no work, or refuses.
    pub async fn accept_tls(env: &Env, listener: &mut Listener, identity: &Identity) -> Result<Self, Gone> {
        let mut stream = listener.accept().await.map_err(closed)?;
        let challenge = Challenge {
            difficulty: Difficulty::new(1).map_err(unsaid)?,
            salt: env.random(),
        };
        stream.write_all(&challenge.encode()).await.map_err(closed)?;
        stream.flush().await.map_err(closed)?;
        let mut bytes = [0; RESPONSE_BYTES];
        stream.read_exact(&mut bytes).await.map_err(closed)?;
        let response = Response::decode(&bytes).map_err(strange)?;
        challenge.verify(response).map_err(strange)?;
        let verifier = Arc::new(PeerVerifier::new(PeerPolicy::Any));
        let tls = ra_tls::server_config(env.crypto_provider(), env.time_provider(), identity, verifier);
        let accepting = TlsAcceptor::from(tls.map_err(unsaid)?).accept(stream);
        Ok(Self::over(env, accepting.await.map_err(closed)?.into()))
    }

    /// Takes a connection: asks for easy work and shows `identity`, whoever is there. The transport's hand-shake
    /// is part of it.
    ///
    /// # Errors
    /// As for [`Self::accept_tls`] and [`Self::welcome`].
    pub async fn accept(env: &Env, listener: &mut Listener, identity: &Identity) -> Result<Self, Gone> {
        let mut peer = Self::accept_tls(env, listener, identity).await?;
        peer.welcome().await?;
        Ok(peer)
    }

    /// The transport's hand-shake of an acceptor.
    ///
    /// # Errors
    /// The other end closed, or says something else.
    pub async fn welcome(&mut self) -> Result<(), Gone> {
        match self.recv().await? {
            Packet::Connect(TcpConnect { id }) => {
                self.send_packet(&Packet::Connected(TcpConnected { id })).await;
                Ok(())
            }
            other => Err(strange(other)),
        }
    }

    /// Sends bytes inside TLS, whatever they are. Whether anybody still reads is not this end's business.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// As [`Self::send_bytes`], as long as the other end takes them within `limit`.
    pub async fn offer_bytes(&mut self, bytes: &[u8], limit: Duration) -> bool {
        let env = self.env.clone();
        let written = env
            .timeout(limit, async {
                self.stream.write_all(bytes).await?;
                self.stream.flush().await
            })
            .await;
        matches!(written, Ok(Ok(())))
    }

    /// Sends what was encoded; what could not be shows at the next read.
    async fn send_encoded(&mut self, encoded: Result<(), FrameError>, bytes: &[u8]) {
        match encoded {
            Ok(()) => self.send_bytes(bytes).await,
            Err(error) => self.unsaid = Some(unsaid(error)),
        }
    }

    /// Sends a packet.
    pub async fn send_packet(&mut self, packet: &Packet) {
        let mut bytes = Vec::new();
        let encoded = self.frames.packet(packet, &mut bytes);
        self.send_encoded(encoded, &bytes).await;
    }

    /// Sends a frame whose payload is anything.
    pub async fn send_payload(&mut self, payload: &[u8]) {
        let mut bytes = Vec::new();
        let encoded = self.frames.encode(payload, &mut bytes);
        self.send_encoded(encoded, &bytes).await;
    }

    /// Sends an application message.
    pub async fn send(&mut self, message: &impl Boxed) {
        let mut bytes = Vec::new();
        let encoded = self.frames.message(message, &mut bytes);
        self.send_encoded(encoded, &bytes).await;
    }

    /// A message as bytes in a frame, for many at once.
    ///
    /// # Errors
    /// It does not fit.
    pub fn encode(&mut self, message: &impl Boxed, into: &mut Vec<u8>) -> Result<(), FrameError> {
        self.frames.message(message, into)
    }

    /// The same for a query.
    ///
    /// # Errors
    /// It does not fit.
    pub fn encode_query(&mut self, id: i64, query: &impl Boxed, into: &mut Vec<u8>) -> Result<(), FrameError> {
        self.frames.query(id, query, into)
    }

    /// Sends an application query without waiting for its answer.
    pub async fn send_query(&mut self, id: i64, query: &impl Boxed) {
        let mut bytes = Vec::new();
        let encoded = self.frames.query(id, query, &mut bytes);
        self.send_encoded(encoded, &bytes).await;
    }

    /// Answers a query.
    pub async fn answer(&mut self, id: i64, answer: &impl Boxed) {
        let mut bytes = Vec::new();
        let encoded = self.frames.query_answer(id, answer, &mut bytes);
        self.send_encoded(encoded, &bytes).await;
    }

    /// The next packet from the wire. Pings are answered on the way.
    async fn recv_wire(&mut self) -> Result<Packet, Gone> {
        if let Some(unsaid) = self.unsaid.take() {
            return Err(unsaid);
        }
        loop {
            let mut input = &self.unread[..];
            let frame = self.reader.next_payload(&mut input).map_err(strange)?;
            let taken = self.unread.len() - input.len();
            self.unread.drain(..taken);
            if let Some(frame) = frame {
                match Packet::decode(&frame).map_err(strange)? {
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
                Err(error) => return Err(closed(error)),
            }
        }
    }

    /// The next packet, if one comes within `limit`.
    ///
    /// # Errors
    /// The other end closed, is silent, or says what no node says.
    pub async fn recv_within(&mut self, limit: Duration) -> Result<Packet, Gone> {
        if let Some(packet) = self.inbox.pop_front() {
            return Ok(packet);
        }
        let env = self.env.clone();
        env.timeout(limit, self.recv_wire()).await.unwrap_or(Err(Gone::Silent))
    }

    /// The next packet.
    ///
    /// # Errors
    /// As for [`Self::recv_within`].
    pub async fn recv(&mut self) -> Result<Packet, Gone> {
        self.recv_within(PATIENCE).await
    }

    /// The next application message of a kind; others are left out.
    ///
    /// # Errors
    /// None came in time.
    pub async fn message<M: Boxed>(&mut self) -> Result<M, Gone> {
        self.message_within(PATIENCE).await
    }

    /// The same, within `limit`.
    ///
    /// # Errors
    /// None came in time.
    pub async fn message_within<M: Boxed>(&mut self, limit: Duration) -> Result<M, Gone> {
        let until_ns = self.env.now_ns() + nanoseconds(limit);
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
    ///
    /// # Errors
    /// None came in time.
    pub async fn asked<Q: Query>(&mut self) -> Result<(i64, Q), Gone> {
        loop {
            if let Packet::Query(TcpQuery { id, data }) = self.recv().await?
                && let Ok(query) = Q::decode(&data)
            {
                return Ok((id, query));
            }
        }
    }

    /// Asks and waits for the answer; messages that come in between are kept for later.
    ///
    /// # Errors
    /// The other end refuses, closes, or is silent.
    pub async fn query<Q: Query>(&mut self, query: &Q) -> Result<Q::Answer, Gone> {
        let id = self.next_query;
        self.next_query += 1;
        self.send_query(id, query).await;
        let mut others = VecDeque::new();
        let answer = loop {
            match self.recv().await? {
                Packet::QueryAnswer(TcpQueryAnswer { id: answered, data }) if answered == id => {
                    break Q::Answer::decode(&data).map_err(strange);
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
    pub async fn closed_within(&mut self, limit: Duration) -> bool {
        let until_ns = self.env.now_ns() + nanoseconds(limit);
        loop {
            let left = Duration::from_nanos(until_ns.saturating_sub(self.env.now_ns()));
            match self.recv_within(left).await {
                Ok(_) => {}
                Err(Gone::Closed(_)) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Gives a sign of life: acceptors close connections that say nothing.
    pub async fn ping(&mut self) {
        self.send_packet(&Packet::Ping(TcpPing { id: 99 })).await;
    }

    /// Whether the other end still answers a ping within a second.
    pub async fn is_alive(&mut self) -> bool {
        self.ping().await;
        !self.closed_within(Duration::from_secs(1)).await
    }
}
