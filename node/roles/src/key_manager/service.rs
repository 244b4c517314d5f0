//! The ports of a key manager, its file, and what it reports.

use super::{
    KeyManagerError, KeyManagerSettings, KeyOrder, KeyPorts, encoding,
    policy::RollbackRule,
    ring::{Asker, KeyEvent, KeyHolder, KeyRing, Lineage},
};
use crate::{
    connection::{self, CloseReason, Connection, Handler, Inbound, Next},
    extension::{KeyWitness, KeyWitnessed},
    live_session::LiveSession,
    sealed_file::SealedFile,
    shutdown::Shutdown,
    telemetry::{self, Role},
    trust::AllowedImages,
};
use chrysalis_attest::sealing::KeyRole;
use chrysalis_env::{Either, Env, Listener, Stream, race};
use chrysalis_wire::{
    connection::Side,
    error_code::ErrorCode,
    keep_alive::KeepAlivePolicy,
    messages::KeyManagerQuery,
    objects::{KeyManagerPrivateKey, KeyManagerPrivateKeys},
    tl::Boxed,
};
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Name of the file of keys, and of the record in it.
const FILE: &str = "keys.sealed";
/// Name of the records that witnesses keep.
const WITNESS: &str = "witness";
/// Longest pause between two looks at the clock, which may jump.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn serve(
    env: Env,
    settings: KeyManagerSettings,
    ports: KeyPorts<Listener>,
    mut shutdown: Shutdown,
) -> Result<(), KeyManagerError> {
    let service = Arc::new(Service::open(env, settings)?);
    service.turn()?;
    let mut tasks = Vec::new();
    for (kind, listener) in [(KeyHolder::Proxies, ports.proxies), (KeyHolder::Workers, ports.workers)] {
        let task = service
            .env
            .spawn("key manager: port", service.clone().accept(kind, listener));
        tasks.push(task.abort_on_drop());
    }
    let work = race(Box::pin(service.keep_turning()), Box::pin(service.failed()));
    match race(Box::pin(work), shutdown.requested()).await {
        Either::Left(Either::Left(turned)) => turned.map(|never| match never {}),
        Either::Left(Either::Right(error)) => Err(error),
        Either::Right(()) => Ok(()),
    }
}

struct Service {
    env: Env,
    settings: KeyManagerSettings,
    file: SealedFile,
    lineage: Lineage,
    state: Mutex<State>,
    failing: Notify,
    open: AtomicUsize,
    next_id: AtomicU64,
}

#[derive(Default)]
struct State {
    ring: KeyRing,
    /// Why no key is given out any more.
    failure: Option<KeyManagerError>,
    has_failed: bool,
}

impl Service {
    fn open(env: Env, settings: KeyManagerSettings) -> Result<Self, KeyManagerError> {
        let file = SealedFile {
            env: env.clone(),
            sealing: settings.sealing.clone(),
            role: KeyRole::KeyManager,
            name: FILE,
        };
        let ring = match file.read()? {
            Some(opened) => encoding::decode(&opened.content)?,
            None => KeyRing::default(),
        };
        env.observe("keys.opened", &[("number", ring.number().into())]);
        let lineage = Lineage {
            session: env.random(),
            opened: ring.number(),
        };
        Ok(Self {
            env,
            settings,
            file,
            lineage,
            state: Mutex::new(State {
                ring,
                ..State::default()
            }),
            failing: Notify::new(),
            open: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The keys are replaced whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the keys. The change is on the disk before anybody can ask for its result, or it did not happen.
    fn change(&self, change: impl FnOnce(&mut KeyRing) -> Vec<KeyEvent>) -> Result<(), KeyManagerError> {
        let mut state = self.lock();
        let mut changed = state.ring.clone();
        let events = change(&mut changed);
        if events.is_empty() {
            return Ok(());
        }
        self.file.write(changed.number(), &encoding::encode(&changed))?;
        state.ring = changed;
        for event in &events {
            telemetry::key_changed(&self.env, event);
        }
        Ok(())
    }

    fn turn(&self) -> Result<(), KeyManagerError> {
        let now_unix_s = self.env.unix_s();
        self.change(|ring| ring.turn(now_unix_s, &self.settings.policy, || self.env.random()))
    }

    fn revoke(&self, holder: KeyHolder) -> Result<(), KeyManagerError> {
        self.change(|ring| ring.revoke(holder).into_iter().collect())?;
        self.turn()
    }

    /// Begins epochs and carries out orders for as long as it is polled.
    async fn keep_turning(&self) -> Result<Infallible, KeyManagerError> {
        loop {
            let due_unix_s = self.lock().ring.due_unix_s(&self.settings.policy);
            let left = Duration::from_secs(due_unix_s.saturating_sub(self.env.unix_s()).max(1));
            match race(self.settings.control.next(), self.env.sleep(left.min(LONGEST_PAUSE))).await {
                Either::Left(KeyOrder::Revoke(holder)) => self.revoke(holder)?,
                Either::Right(()) => self.turn()?,
            }
        }
    }

    /// No key is given out from now on.
    fn fail(&self, error: KeyManagerError) {
        let mut state = self.lock();
        state.has_failed = true;
        state.failure.get_or_insert(error);
        drop(state);
        self.failing.notify_one();
    }

    async fn failed(&self) -> KeyManagerError {
        loop {
            let failure = self.lock().failure.take();
            match failure {
                Some(error) => return error,
                None => self.failing.notified().await,
            }
        }
    }

    async fn accept(self: Arc<Self>, kind: KeyHolder, mut listener: Listener) {
        loop {
            let Ok(stream) = listener.accept().await else {
                self.env.sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if self.open.load(Ordering::Relaxed) >= self.settings.max_connections {
                // Dropping it resets the connection: the peer comes back.
                continue;
            }
            let service = self.clone();
            service.open.fetch_add(1, Ordering::Relaxed);
            self.env.spawn("key manager: connection", async move {
                service.attend(kind, stream).await;
                service.open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    async fn attend(self: &Arc<Self>, kind: KeyHolder, stream: Stream) {
        let (env, trust) = (&self.env, &self.settings.trust);
        let address = stream.peer_address();
        let peer_kind = kind.role().name();
        let accepted = async {
            trust
                .acceptor(env, Role::KeyManager, kind.role())?
                .accept(env, stream)
                .await
        };
        let secured = match accepted.await {
            Ok(secured) => secured,
            Err(error) => {
                trust.report_refusal(env, Role::KeyManager, peer_kind, &error.to_string());
                return;
            }
        };
        let allowed = AllowedImages {
            root: self.settings.root.clone(),
            of: match kind {
                KeyHolder::Proxies => |root| &root.proxy_hashes,
                KeyHolder::Workers => |root| &root.worker_hashes,
            },
        };
        if !trust.admits(env, Role::KeyManager, peer_kind, &secured, &allowed) {
            return;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Connection::new(env.clone(), id, address);
        let handler = AskerHandler {
            service: self.clone(),
            kind,
            is_session_bound: secured.session.is_some(),
            image_hash: secured.peer.image_hash,
            allowed: allowed.clone(),
        };
        let live = secured.session.map(|session| LiveSession {
            session,
            trust: trust.clone(),
            role: Role::KeyManager,
            peer_kind,
            network_salt: allowed.network_salt(),
            allowed: Some(allowed),
        });
        let policy = KeepAlivePolicy::default();
        let reason = connection::drive(
            env.clone(),
            secured.stream,
            connection,
            Side::Acceptor,
            policy,
            live,
            handler,
        )
        .await;
        env.observe(
            "connection.closed",
            &[
                ("role", Role::KeyManager.name().into()),
                ("reason", reason.to_string().as_str().into()),
            ],
        );
    }

    /// What a node is to bring along when it comes again. `token` is what it brought this time, empty if nothing.
    fn witness(&self, token: &[u8]) -> Result<Vec<u8>, String> {
        let sealing = &self.settings.sealing;
        let own = self.lock().ring.number();
        if !token.is_empty() {
            let opened = sealing
                .open(KeyRole::KeyManager, WITNESS, token)
                .map_err(|error| error.to_string())?;
            let newest = self.lineage.newest(&opened.content, own);
            if opened.number > newest {
                let error = KeyManagerError::RolledBack {
                    own: newest,
                    witnessed: opened.number,
                };
                let text = error.to_string();
                self.fail(error);
                return Err(text);
            }
        }
        sealing
            .seal(&self.env, KeyRole::KeyManager, WITNESS, own, &self.lineage.session)
            .map_err(|error| error.to_string())
    }
}

/// One node that asks.
struct AskerHandler {
    service: Arc<Service>,
    kind: KeyHolder,
    is_session_bound: bool,
    image_hash: [u8; 32],
    allowed: AllowedImages,
}

impl Handler for AskerHandler {
    fn handle(&mut self, connection: &Connection, inbound: Inbound) -> Next {
        match inbound {
            Inbound::Ready => Next::Continue,
            Inbound::Message(_) => Next::Close(CloseReason::Violation("a key manager takes no messages".into())),
            Inbound::Query { id, data } => {
                self.query(connection, id, &data);
                Next::Continue
            }
        }
    }
}

impl AskerHandler {
    fn query(&self, connection: &Connection, id: i64, data: &[u8]) {
        let service = &self.service;
        let rollback = service.settings.policy.rules().rollback;
        // Answers to a connection that is closing are lost: the node asks again.
        let refuse = |code: ErrorCode, text: String| {
            let _ = connection.refuse(id, code.number(), text);
        };
        if service.lock().has_failed {
            return refuse(ErrorCode::NotReady, "this key manager is stopping".to_owned());
        }
        if rollback == RollbackRule::Witnessed
            && let Ok(KeyWitness { token }) = KeyWitness::decode(data)
        {
            match service.witness(&token) {
                Ok(token) => {
                    let _ = connection.answer(id, &KeyWitnessed { token });
                }
                Err(text) => refuse(ErrorCode::Error, text),
            }
            return;
        }
        let (asks_for, min_config_version) = match KeyManagerQuery::decode(data) {
            Ok(KeyManagerQuery::GetProxyPrivateKeys(query)) => (KeyHolder::Proxies, query.min_config_version),
            Ok(KeyManagerQuery::GetWorkerPrivateKeys(query)) => (KeyHolder::Workers, query.min_config_version),
            Err(error) => return refuse(ErrorCode::ProtocolViolation, error.to_string()),
        };
        match self.release(asks_for, min_config_version.into()) {
            Ok(keys) => {
                let _ = connection.answer(id, &KeyManagerPrivateKeys { keys });
            }
            Err(text) => refuse(ErrorCode::Error, text),
        }
    }

    fn release(&self, asks_for: KeyHolder, min_config_version: i64) -> Result<Vec<KeyManagerPrivateKey>, String> {
        let Service { env, settings, .. } = &*self.service;
        // The clock may have jumped since the last look.
        if let Err(error) = self.service.turn() {
            let text = error.to_string();
            self.service.fail(error);
            return Err(text);
        }
        let asker = Asker {
            kind: self.kind,
            is_session_bound: self.is_session_bound,
            is_image_allowed: settings.trust.refuses_image(&self.image_hash, &self.allowed).is_none(),
            asks_for,
            min_config_version,
        };
        let state = self.service.lock();
        let config_version = settings.root.current().version;
        let released = state
            .ring
            .release(&asker, config_version, env.unix_s(), &settings.policy);
        let released = released.map_err(|refusal| {
            telemetry::key_refused(env, self.kind, &self.image_hash, &refusal);
            refusal.to_string()
        })?;
        let keys = released.into_iter().map(|released| {
            telemetry::key_released(env, self.kind, &self.image_hash, &released);
            KeyManagerPrivateKey {
                valid_until_utime: i32::try_from(released.key.until_unix_s).unwrap_or(i32::MAX),
                private_key: released.key.secret.clone(),
            }
        });
        Ok(keys.collect())
    }
}
