//! One node's view of the world: what stands behind its `Env`.

use crate::{
    clock::NodeClock,
    config::CryptoMode,
    disk::NodeFiles,
    entropy::EntropyStream,
    log::{EventKind, mix},
    net::{listener::ListenerSocket, socket::Socket},
    node::NodeId,
    timer::TimerKey,
    world::{Spawned, Timer, World},
};
use chrysalis_env::{BoxFuture, Engine, Files, Listener, Observation, Stream, Value, tls};
use rustls::crypto::CryptoProvider;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

/// One life of a node, from its start to its death. What a dead one does has no effect on the world.
pub(crate) struct NodeEngine {
    pub(crate) world: Arc<World>,
    pub(crate) node: NodeId,
    pub(crate) incarnation: u32,
    name: Arc<str>,
    clock: Arc<NodeClock>,
    entropy: Mutex<Option<Box<EntropyStream>>>,
}

impl NodeEngine {
    pub(crate) fn new(
        world: Arc<World>,
        node: NodeId,
        incarnation: u32,
        name: Arc<str>,
        clock: Arc<NodeClock>,
    ) -> Self {
        Self {
            world,
            node,
            incarnation,
            name,
            clock,
            entropy: Mutex::new(None),
        }
    }

    /// Draws from the stream of this life of the node. What earlier lives drew does not matter, so a crash that is
    /// shrunk away shifts nothing after the next one.
    fn draw(&self, bytes: &mut [u8]) {
        let mut stream = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        stream
            .get_or_insert_with(|| {
                let label = format!("node/{}/{}", self.name, self.incarnation);
                Box::new(EntropyStream::new(self.world.config.seed, &label))
            })
            .fill(bytes);
    }
}

impl Engine for NodeEngine {
    fn node_name(&self) -> &str {
        &self.name
    }

    fn now_ns(&self) -> u64 {
        self.clock.local_ns(self.world.now_ns())
    }

    fn unix_ns(&self) -> u64 {
        self.clock.unix_ns(self.world.now_ns())
    }

    fn sleep_until(&self, at_ns: u64) -> BoxFuture<'static, ()> {
        Box::pin(Sleep {
            world: self.world.clone(),
            clock: self.clock.clone(),
            node: self.node,
            at_ns,
            timer: None,
        })
    }

    fn spawn(&self, label: &'static str, task: BoxFuture<'static, ()>) {
        let mut task = Some(task);
        self.world.with(|state| {
            if state.is_alive(self.node, self.incarnation)
                && let Some(task) = task.take()
            {
                state.spawn(self.node, label, task);
            }
        });
        // The future of a dead node is dropped here, where its destructors may look for their world.
        drop(task);
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Listener>> {
        Box::pin(async move {
            let (key, local) = self
                .world
                .with(|state| state.listen(self.node, self.incarnation, address))
                .ok_or(io::ErrorKind::NetworkDown)??;
            let socket = ListenerSocket::new(self.world.clone(), key);
            Ok(Listener::new(Box::new(socket), local.into()))
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Stream>> {
        Box::pin(async move {
            let opened = self
                .world
                .with(|state| state.connect(self.node, self.incarnation, address))
                .ok_or(io::ErrorKind::NetworkDown)??;
            // From here on dropping the future closes the half-open connection.
            let mut socket = Socket::new(self.world.clone(), opened.key, 0);
            std::future::poll_fn(|context| socket.poll_connected(context)).await?;
            Ok(Stream::new(Box::new(socket), opened.local.into(), opened.peer.into()))
        })
    }

    fn fill_entropy(&self, bytes: &mut [u8]) {
        self.draw(bytes);
        let digest = mix::bytes(bytes);
        self.world.with(|state| {
            if state.is_alive(self.node, self.incarnation) {
                state.event(EventKind::Entropy, self.node, 0, bytes.len() as u64, digest);
            }
        });
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(NodeFiles::new(self.world.clone(), self.node, self.incarnation))
    }

    fn crypto_provider(&self) -> Arc<CryptoProvider> {
        match self.world.config.crypto {
            CryptoMode::Deterministic => tls::deterministic_provider(),
            CryptoMode::StockRing => tls::stock_provider(),
        }
    }

    fn observe(&self, observation: &Observation<'_>) {
        let digest = digest_of(observation);
        let tap = self.world.with(|state| {
            if !state.is_alive(self.node, self.incarnation) {
                return None;
            }
            let fields = observation.fields.len() as u64;
            state.event(EventKind::Observation, self.node, 0, fields, digest);
            state.tap.clone()
        });
        if let Some(tap) = tap.flatten() {
            tap.on_observation(self.node, &self.name, self.world.now_ns(), observation);
        }
    }
}

fn digest_of(observation: &Observation<'_>) -> u64 {
    let mut digest = mix::bytes(observation.kind.as_bytes());
    for (name, value) in observation.fields {
        digest = mix::step(digest, mix::bytes(name.as_bytes()));
        let (variant, content) = match value {
            Value::U64(number) => (1, *number),
            Value::I64(number) => (2, *number as u64),
            Value::Bool(flag) => (3, u64::from(*flag)),
            Value::Text(text) => (4, mix::bytes(text.as_bytes())),
            Value::Bytes(bytes) => (5, mix::bytes(bytes)),
        };
        digest = mix::step(mix::step(digest, variant), content);
    }
    digest
}

/// Entropy of whichever node is being polled: one scope for a whole run instead of one per poll.
pub(crate) struct CurrentNodeEntropy(pub(crate) Arc<World>);

impl tls::EntropySource for CurrentNodeEntropy {
    fn fill_entropy(&self, bytes: &mut [u8]) {
        let engine = self.0.with(|state| {
            let node = state.tasks.current.node;
            state.nodes.get(node.index()).and_then(|node| node.engine.clone())
        });
        // A world that is over has no nodes: what is dropped then draws zeros.
        match engine.flatten() {
            Some(engine) => engine.fill_entropy(bytes),
            None => bytes.fill(0),
        }
    }
}

/// Waits for a node's clock.
struct Sleep {
    world: Arc<World>,
    clock: Arc<NodeClock>,
    node: NodeId,
    at_ns: u64,
    timer: Option<TimerKey>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.clock.local_ns(this.world.now_ns()) >= this.at_ns {
            return Poll::Ready(());
        }
        let stale = this.world.with(|state| {
            let current = state.tasks.current;
            if let Some(key) = this.timer
                && let Some(Timer::Sleep { wake, .. }) = state.wheel.get_mut(key)
            {
                return current.park(context, wake);
            }
            let mut timer = Timer::Sleep {
                node: this.node,
                wake: crate::task::WakeSlot::Empty,
            };
            if let Timer::Sleep { wake, .. } = &mut timer {
                current.park(context, wake);
            }
            this.timer = Some(state.wheel.insert(this.clock.true_ns(this.at_ns), timer));
            None
        });
        drop(stale);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.timer {
            // The entry may hold a foreign waker, which is dropped where nobody works on the state.
            let timer = self.world.with(|state| state.wheel.cancel(key));
            drop(timer);
        }
    }
}

impl crate::world::State {
    /// Adds a task to a node that is alive.
    pub(crate) fn spawn(&mut self, node: NodeId, label: &'static str, future: BoxFuture<'static, ()>) {
        let paused = self.nodes[node.index()].paused;
        let key = self.tasks.add(node, label, paused);
        self.event(EventKind::TaskSpawned, node, 0, 0, mix::bytes(label.as_bytes()));
        self.spawned.push(Spawned { key, future });
    }
}
