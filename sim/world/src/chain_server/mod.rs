//! A simulated chain behind HTTP, in time that goes on by itself: ordinary TON clients read it and send to it.
//!
//! What is answered is a pure function in `chrysalis_chain::api`; here are the socket, the limits and the clock.
//!
//! | module | holds |
//! |---|---|
//! | `clock` | virtual time from the machine's clock |
//! | `connection` | one connection: limits, bodies, responses |

mod clock;
mod connection;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrysalis_chain::{Chain, Provider, api::http::Rules, chain::BlockEvent};
use chrysalis_env::{AbortOnDrop, Env, Listener, tokio_engine::TokioNode};

use clock::Clock;

/// Open connections; more are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// Slots that are made without letting requests in between.
const SLOTS_AT_ONCE: u32 = 16;
/// How long requests that are being answered may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(3);

/// How a chain is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Virtual seconds to a second of the machine.
    pub speed: u32,
    /// What is allowed beside the public API.
    pub rules: Rules,
    /// Largest body of a request.
    pub max_body_bytes: usize,
}

impl ServerOptions {
    /// Largest body of a request unless told otherwise: an external message has 64 KiB, arguments of get-methods may be
    /// larger.
    pub const MAX_BODY_BYTES: usize = 1 << 20;
    /// A day in a second; more is not worth its blocks.
    pub const MAX_SPEED: u32 = 86_400;

    /// On a port, as fast as the clock, without a faucet.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            speed: 1,
            rules: Rules::default(),
            max_body_bytes: Self::MAX_BODY_BYTES,
        }
    }
}

/// What all connections share.
struct Shared {
    chain: Mutex<Chain>,
    provider: Provider,
    rules: Rules,
    max_body_bytes: usize,
    requests: AtomicUsize,
    failure: Mutex<Option<String>>,
}

impl Shared {
    fn chain(&self) -> MutexGuard<'_, Chain> {
        // A panic inside would be a defect of the chain; whoever asks next finds its last whole block.
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chain that is served; it ends when it is dropped.
pub struct ChainServer {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    open: Arc<AtomicUsize>,
    env: Env,
    accepting: Option<AbortOnDrop>,
    _ticking: AbortOnDrop,
}

impl std::fmt::Debug for ChainServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl ChainServer {
    /// Listens, and lets the chain go on from where it is.
    ///
    /// # Errors
    /// The port is taken or not allowed.
    pub async fn start(chain: Chain, options: &ServerOptions) -> io::Result<Self> {
        let env = TokioNode {
            name: "chain".to_owned(),
            // It keeps no files.
            data_directory: std::env::temp_dir(),
            sink: Arc::new(|_, _, _| {}),
        }
        .into_env();
        let listener = env.listen(options.listen).await?;
        let address = listener.local_address();
        let clock = Clock::new(env.now_ns(), chain.now_ns(), options.speed);
        let shared = Arc::new(Shared {
            chain: Mutex::new(chain),
            provider: Provider::default(),
            rules: options.rules,
            max_body_bytes: options.max_body_bytes,
            requests: AtomicUsize::new(0),
            failure: Mutex::new(None),
        });
        let open = Arc::new(AtomicUsize::new(0));
        let ticking = env.spawn("chain", keep_going(env.clone(), shared.clone(), clock));
        let accepting = env.spawn("accept", accept(env.clone(), listener, shared.clone(), open.clone()));
        Ok(Self {
            address,
            shared,
            open,
            env,
            accepting: Some(accepting.abort_on_drop()),
            _ticking: ticking.abort_on_drop(),
        })
    }

    /// Why the chain does not go on; none while it does. Requests are still answered.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let failure = self.shared.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that were answered.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Looks at the chain between two requests.
    pub fn look<T>(&self, read: impl FnOnce(&Chain) -> T) -> T {
        read(&self.shared.chain())
    }

    /// Takes no new connections and waits a while until those that are open are done.
    pub async fn stop(&mut self) {
        self.accepting = None;
        let until_ns = self.env.now_ns().saturating_add(GRACE.as_nanos() as u64);
        while self.open.load(Ordering::Acquire) > 0 && self.env.now_ns() < until_ns {
            self.env.sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Makes blocks when they are due and audits the coins after each that moved some.
async fn keep_going(env: Env, shared: Arc<Shared>, mut clock: Clock) {
    loop {
        let next_ns = shared.chain().next_block_at_ns();
        env.sleep_until(clock.real_ns(next_ns)).await;
        let virtual_ns = clock.virtual_ns(env.now_ns());
        let made = make_blocks(&mut shared.chain(), virtual_ns);
        match made {
            // A machine that cannot keep up has a chain that is late, not one that never answers.
            Ok(Some(now_ns)) => clock.fall_back(env.now_ns(), now_ns),
            Ok(None) => {}
            Err(why) => {
                *shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                return;
            }
        }
    }
}

/// Makes the blocks that are due at a virtual time, up to [`SLOTS_AT_ONCE`]; tells the time reached if some are left.
fn make_blocks(chain: &mut Chain, virtual_ns: u64) -> Result<Option<u64>, String> {
    for _ in 0..SLOTS_AT_ONCE {
        let next_ns = chain.next_block_at_ns();
        if next_ns > virtual_ns {
            return Ok(None);
        }
        let events = chain.advance(next_ns).map_err(|error| error.to_string())?;
        let moves = |event: &BlockEvent| matches!(event, BlockEvent::Block(block) if !block.transactions.is_empty());
        if events.iter().any(moves) {
            chain.audit().map_err(|violation| violation.to_string())?;
        }
    }
    Ok((chain.next_block_at_ns() <= virtual_ns).then(|| chain.now_ns()))
}

async fn accept(env: Env, mut listener: Listener, shared: Arc<Shared>, open: Arc<AtomicUsize>) {
    loop {
        let Ok(stream) = listener.accept().await else {
            // Out of descriptors, say: a pause keeps the loop from spinning.
            env.sleep(Duration::from_millis(100)).await;
            continue;
        };
        let place = connection::Place::take(&open, MAX_CONNECTIONS);
        let Some(place) = place else { continue };
        let answering = connection::answer(env.clone(), stream, shared.clone());
        env.spawn("connection", async move {
            answering.await;
            drop(place);
        });
    }
}
