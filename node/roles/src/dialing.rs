//! Keeping a connection to each proxy that a node wants one to (spec §1.5, §2.4).

use crate::{
    connection::{self, CloseReason, Connection, Handler},
    live_session::LiveSession,
    shutdown::Shutdown,
    telemetry::{self, Role},
    trust::{AllowedImages, Trust},
};
use chrysalis_env::{Either, Env, race};
use chrysalis_settlement::RootSource;
use chrysalis_wire::{connection::Side, keep_alive::KeepAlivePolicy};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Time for a TCP connection to come up.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Pause before another attempt: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Whom clients and workers dial, in reports.
const PEER_KIND: &str = "proxy";
/// A connection that lived this long was a good one: the next attempt comes soon.
const STABLE_AFTER_NS: u64 = 30_000_000_000;

/// What a role does with a connection to a proxy.
pub(crate) trait Dials: Send + Sync + 'static {
    /// Receives what the proxy sends.
    type Handler: Handler + Unpin + 'static;
    /// A connection is up; the transport hand-shake comes next.
    fn opened(self: &Arc<Self>, connection: &Connection, address: SocketAddr) -> Self::Handler;
    /// It is gone.
    fn closed(self: &Arc<Self>, connection: &Connection, reason: &CloseReason);
}

/// What dialling needs besides the role.
#[derive(Clone)]
pub(crate) struct Dialing {
    pub(crate) env: Env,
    pub(crate) role: Role,
    pub(crate) trust: Trust,
    pub(crate) root: Arc<dyn RootSource>,
    pub(crate) next_id: Arc<AtomicU64>,
}

impl Dialing {
    /// Keeps one connection to `address` until shut down.
    pub(crate) async fn keep<D: Dials>(self, target: Arc<D>, address: SocketAddr, mut shutdown: Shutdown) {
        let mut pause = FIRST_PAUSE;
        while !shutdown.is_requested() {
            let started_ns = self.env.now_ns();
            if let Err(reason) = self.one(&target, address, &mut shutdown).await {
                telemetry::note(
                    &self.env,
                    self.role,
                    &format!("no connection to proxy {address}: {reason}"),
                );
            }
            if self.env.now_ns() - started_ns >= STABLE_AFTER_NS {
                pause = FIRST_PAUSE;
            }
            let jittered = self.env.random_span(pause / 2, pause);
            if let Either::Right(()) = race(self.env.sleep(jittered), shutdown.requested()).await {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn one<D: Dials>(&self, target: &Arc<D>, address: SocketAddr, shutdown: &mut Shutdown) -> Result<(), String> {
        let env = &self.env;
        let stream = env
            .timeout(CONNECT_LIMIT, env.connect(address))
            .await
            .map_err(|elapsed| elapsed.to_string())?
            .map_err(|error| error.to_string())?;
        let dialer = self
            .trust
            .dialer(env, self.role, Role::Proxy)
            .map_err(|error| error.to_string())?;
        let secured = match dialer.dial(env, stream).await {
            Ok(secured) => secured,
            Err(error) => {
                let reason = error.to_string();
                self.trust.report_refusal(env, self.role, PEER_KIND, &reason);
                return Err(reason);
            }
        };
        let allowed = AllowedImages {
            root: self.root.clone(),
            of: |root| &root.proxy_hashes,
        };
        if !self.trust.admits(env, self.role, PEER_KIND, &secured, &allowed) {
            return Err("its image hash is not in the root contract".into());
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Connection::new(env.clone(), id, address);
        let live = secured.session.map(|session| LiveSession {
            session,
            trust: self.trust.clone(),
            role: self.role,
            peer_kind: PEER_KIND,
            network_salt: allowed.network_salt(),
            allowed: Some(allowed),
        });
        let handler = target.opened(&connection, address);
        let drive = connection::drive(
            env.clone(),
            secured.stream,
            connection.clone(),
            Side::Dialer,
            KeepAlivePolicy::default(),
            live,
            handler,
        );
        let mut drive = Box::pin(drive);
        let reason = match race(drive.as_mut(), shutdown.requested()).await {
            Either::Left(reason) => reason,
            Either::Right(()) => {
                connection.close(CloseReason::Local("this node is stopping".into()));
                drive.await
            }
        };
        target.closed(&connection, &reason);
        match reason {
            CloseReason::PeerClosed => Ok(()),
            CloseReason::Local(_) if shutdown.is_requested() => Ok(()),
            other => Err(other.to_string()),
        }
    }
}
