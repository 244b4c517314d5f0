//! A node's wallet: sends what the role wants sent, and says what became of it (spec §5.6).
//!
//! Contracts answer a message that they carried out with its excesses, and one that they refused comes back. Both carry
//! the query id, so an order's outcome is read off what the wallet receives. The reference takes an order for done when
//! its wallet has sent it, whatever the contract did with it (T27).

use super::{AccountStatus, ChainError, MessageView, Settlement, Watch};
use crate::{
    shutdown::Shutdown,
    telemetry::{self, Role},
};
use chrysalis_env::{Either, Env, race};
use chrysalis_settlement::{
    Address, ContractInit, SigningKey,
    ledger::ActionOutcome,
    onchain::{
        CodeSet,
        bounce::Bounced,
        message::{common::Notice, wallet::OutgoingMessage},
        storage::WalletStorage,
        wallet::{WalletQueue, WalletRules},
    },
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

/// Pause between two looks at the wallet (spec §1.3).
const TICK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// How long after an order was sent its answer may take. Then it counts as failed, and what it was for is tried again:
/// contracts refuse a count that they have seen.
const ANSWER_LIMIT_S: u64 = 300;

/// When an order is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// When its receiver has answered: excesses or a bounce with its query id.
    Answered,
    /// When the wallet has sent it: for messages that nobody answers.
    Sent,
}

struct Open {
    done: Done,
    sent_unix_s: Option<u64>,
    outcome: oneshot::Sender<ActionOutcome>,
}

struct State {
    queue: WalletQueue,
    /// From the first look on.
    watch: Option<Watch>,
    /// Orders without an outcome, by query id.
    open: BTreeMap<u64, Open>,
    balance_nanoton: u128,
    said: Option<String>,
}

/// See the module.
pub struct Wallet {
    env: Env,
    role: Role,
    chain: Arc<dyn Settlement>,
    key: Arc<SigningKey>,
    init: ContractInit,
    state: Mutex<State>,
    wanted: Notify,
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

impl Wallet {
    /// The wallet of `key`, which its `owner` can empty.
    pub fn new(
        env: Env,
        role: Role,
        chain: Arc<dyn Settlement>,
        key: Arc<SigningKey>,
        owner: Address,
        codes: &CodeSet,
    ) -> Self {
        let init = WalletStorage::initial(key.public(), owner).init(codes);
        let state = State {
            queue: WalletQueue::new(WalletRules::default()),
            watch: None,
            open: BTreeMap::new(),
            balance_nanoton: 0,
            said: None,
        };
        Self {
            env,
            role,
            chain,
            key,
            init,
            state: Mutex::new(state),
            wanted: Notify::new(),
        }
    }

    /// Where its coins are.
    pub fn address(&self) -> Address {
        self.init.address()
    }

    /// Coins at the last look.
    pub fn balance_nanoton(&self) -> u128 {
        self.lock().balance_nanoton
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Critical sections are map and queue operations; they leave the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a message sent as soon as the balance allows. `query_id` is that of its body. Dropping the result does not
    /// take the order back.
    pub fn order(&self, query_id: u64, message: OutgoingMessage, done: Done) -> oneshot::Receiver<ActionOutcome> {
        let (outcome, receiver) = oneshot::channel();
        let mut state = self.lock();
        match state.queue.enqueue(query_id, message) {
            Ok(()) => {
                let open = Open {
                    done,
                    sent_unix_s: None,
                    outcome,
                };
                state.open.insert(query_id, open);
            }
            Err(error) => {
                telemetry::note(&self.env, self.role, &format!("the wallet cannot send: {error}"));
                let _ = outcome.send(ActionOutcome::Failed);
            }
        }
        drop(state);
        self.wanted.notify_one();
        receiver
    }

    /// Sends and watches until shut down.
    pub async fn run(self: Arc<Self>, mut shutdown: Shutdown) {
        loop {
            if let Err(error) = self.tick().await {
                self.say(error.to_string());
            }
            let pause = self.env.sleep(self.env.random_span(TICK.0, TICK.1));
            let wake = race(pause, self.wanted.notified());
            if let Either::Right(()) = race(wake, shutdown.requested()).await {
                return;
            }
        }
    }

    /// Says something once, until something else is to be said.
    fn say(&self, text: String) {
        let mut state = self.lock();
        if state.said.as_ref() != Some(&text) {
            telemetry::note(&self.env, self.role, &format!("wallet: {text}"));
            state.said = Some(text);
        }
    }

    async fn tick(&self) -> Result<(), ChainError> {
        let address = self.address();
        let account = self.chain.state(address).await?;
        // Orders of earlier processes are not remembered, so neither are answers to them.
        let begin = Watch::after(address, account.last_lt);
        let mut watch = self.lock().watch.unwrap_or(begin);
        let news = watch.news(&*self.chain).await?;
        let now_unix_s = self.env.unix_s();
        let seqno = match (account.status, &account.data) {
            (AccountStatus::Active, Some(data)) => match WalletStorage::parse(data) {
                Ok(storage) if storage.is_blocked() => {
                    self.say("its owner has blocked it".to_owned());
                    return Ok(());
                }
                Ok(storage) => Some(storage.seqno),
                Err(error) => {
                    self.say(format!("its data: {error}"));
                    return Ok(());
                }
            },
            (AccountStatus::Frozen, _) => {
                self.say("it is frozen".to_owned());
                return Ok(());
            }
            // The first order deploys it.
            _ => None,
        };
        let external = {
            let mut state = self.lock();
            state.watch = Some(watch);
            state.balance_nanoton = account.balance_nanoton;
            for queued in state.queue.observe(seqno.unwrap_or(0)) {
                state.sent(queued.id, now_unix_s);
            }
            for message in news.iter().filter_map(|news| news.incoming.as_ref()) {
                state.received(message);
            }
            state.give_up(now_unix_s);
            let now_s = u32::try_from(now_unix_s).unwrap_or(u32::MAX);
            let balance = u64::try_from(account.balance_nanoton).unwrap_or(u64::MAX);
            state.queue.next_external(now_s, seqno.unwrap_or(0), balance, &self.key)
        };
        if let Some(external) = external {
            let state_init = seqno.is_none().then(|| self.init.state_init());
            self.chain.submit(external.to_message(&address, state_init)).await?;
        }
        Ok(())
    }
}

impl State {
    fn sent(&mut self, query_id: u64, now_unix_s: u64) {
        let Some(open) = self.open.get_mut(&query_id) else {
            return;
        };
        match open.done {
            Done::Sent => self.finish(query_id, ActionOutcome::Succeeded),
            Done::Answered => open.sent_unix_s = Some(now_unix_s),
        }
    }

    fn received(&mut self, message: &MessageView) {
        if message.is_bounced {
            // Other forms are of other senders' messages.
            if let Some(query_id) = Bounced::parse(&message.body)
                .ok()
                .and_then(|bounced| bounced.query_id())
            {
                self.finish(query_id, ActionOutcome::Failed);
            }
        } else if let Ok(Some(Notice::Excesses { query_id } | Notice::Payout { query_id })) =
            Notice::parse(&message.body)
        {
            self.finish(query_id, ActionOutcome::Succeeded);
        }
    }

    /// Anybody can send the wallet excesses with a query id. Whoever guesses one of 64 random bits makes an order look
    /// done that is not; what it was for shows in the contract, and is tried again.
    fn finish(&mut self, query_id: u64, outcome: ActionOutcome) {
        if let Some(open) = self.open.remove(&query_id) {
            // Whoever asked may have left.
            let _ = open.outcome.send(outcome);
        }
    }

    fn give_up(&mut self, now_unix_s: u64) {
        let is_late = |open: &Open| {
            open.sent_unix_s
                .is_some_and(|sent| now_unix_s.saturating_sub(sent) > ANSWER_LIMIT_S)
        };
        let late: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, open)| is_late(open))
            .map(|(id, _)| *id)
            .collect();
        for query_id in late {
            self.finish(query_id, ActionOutcome::Failed);
        }
    }
}
