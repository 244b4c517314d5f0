//! A person with a wallet on the chain.

use super::ScriptError;
use crate::chain::{SharedChain, from_std, owner_wallet, to_std};
use chrysalis_chain::{
    Cell, HashBytes, Refused, TxRecord,
    wallet::{Transfer, Wallet},
};
use chrysalis_env::Env;
use chrysalis_settlement::Address;
use std::{sync::Arc, time::Duration};
use tycho_types::{
    boc::Boc,
    models::{AccountState, StateInit},
};

/// Pause between two looks at the chain: one slot.
const LOOK: Duration = Duration::from_millis(400);
/// An order that nothing came of is sent again after this, like a wallet's application would.
const AGAIN: Duration = Duration::from_secs(60);
/// How often an order is sent.
const ATTEMPTS: u64 = 5;
/// More transactions than an account of an attack has.
const MANY: usize = 1_000;
/// An order is valid this long.
const VALID_S: u32 = 600;

/// The chain as somebody outside a node sees it.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) env: Env,
    pub(super) chain: Arc<SharedChain>,
}

impl Reach {
    /// Coins of an account.
    pub(super) fn balance(&self, address: &Address) -> u128 {
        self.chain.lock().balance_nanoton(&to_std(address))
    }

    /// Data of an account with code.
    pub(super) fn data(&self, address: &Address) -> Result<Cell, ScriptError> {
        let missing = || ScriptError::Step(format!("{address} has no data"));
        let chain = self.chain.lock();
        let entry = chain.account(&to_std(address)).ok_or_else(missing)?;
        match entry.account()?.ok_or_else(missing)?.state {
            AccountState::Active(state) => state.data.ok_or_else(missing),
            AccountState::Uninit | AccountState::Frozen(_) => Err(missing()),
        }
    }

    /// Whether an account has code.
    pub(super) fn is_active(&self, address: &Address) -> bool {
        self.data(address).is_ok()
    }

    /// How often an account has accepted this message from outside.
    pub(super) fn acceptances(&self, address: &Address, message: &Cell) -> usize {
        let chain = self.chain.lock();
        let records = chain.transactions_after(&to_std(address), 0, MANY);
        let caused = |record: &&Arc<TxRecord>| record.in_message.as_ref().map(|message| message.hash);
        records
            .iter()
            .filter(|record| caused(record) == Some(*message.repr_hash()))
            .count()
    }

    /// Unix time of the chain.
    pub(super) fn unix_s(&self) -> u32 {
        self.chain.lock().now_unix_s()
    }

    /// Waits for a Unix time of the chain to have passed.
    pub(super) async fn until_after(&self, unix_s: u32) {
        while self.unix_s() <= unix_s {
            self.env.sleep(LOOK).await;
        }
    }

    /// Gives a message from outside to the chain and waits until everything that came of it has happened.
    pub(super) async fn submit(&self, message: &Cell) -> Result<Vec<Arc<TxRecord>>, ScriptError> {
        let boc = Boc::encode(message);
        for _attempt in 0..ATTEMPTS {
            let taken = self.chain.lock().submit(&boc);
            let hash = match taken {
                Ok(hash) => hash,
                // It waits already.
                Err(Refused::Duplicate) => *message.repr_hash(),
                Err(error) => return Err(error.into()),
            };
            if let Some(records) = self.outcome(&hash).await {
                return Ok(records);
            }
        }
        Err(ScriptError::Late(ATTEMPTS * AGAIN.as_secs()))
    }

    async fn outcome(&self, hash: &HashBytes) -> Option<Vec<Arc<TxRecord>>> {
        let give_up_ns = self
            .env
            .now_ns()
            .saturating_add(u64::try_from(AGAIN.as_nanos()).unwrap_or(u64::MAX));
        loop {
            self.env.sleep(LOOK).await;
            let trace = self.chain.lock().trace(hash);
            match trace {
                Some(trace) if trace.is_complete() => {
                    return Some(trace.rows.into_iter().map(|row| row.record).collect());
                }
                // What has begun comes to its end.
                Some(_) => {}
                None if self.env.now_ns() >= give_up_ns => return None,
                None => {}
            }
        }
    }
}

/// See the module.
pub(super) struct Actor {
    pub(super) reach: Reach,
    wallet: Wallet,
}

/// What came of a message that an actor sent.
pub(super) struct Sent {
    records: Vec<Arc<TxRecord>>,
}

impl Sent {
    /// What the receiver made of it: exit code 0 is success. `None` if the receiver had no code to run.
    pub(super) fn exit_code(&self, receiver: &Address) -> Option<i32> {
        let receiver = to_std(receiver);
        let record = self.records.iter().find(|record| record.address == receiver)?;
        record.phases.exit_code
    }

    /// An error unless the receiver did what it was asked for.
    pub(super) fn must_be_done_by(&self, receiver: &Address, what: &str) -> Result<(), ScriptError> {
        match self.exit_code(receiver) {
            Some(0) => Ok(()),
            code => Err(ScriptError::Step(format!("{what}: exit code {code:?}"))),
        }
    }
}

impl Actor {
    /// The owner of this name.
    pub(super) fn new(reach: &Reach, name: &str) -> Result<Self, ScriptError> {
        Ok(Self {
            reach: reach.clone(),
            wallet: owner_wallet(name)?,
        })
    }

    pub(super) fn address(&self) -> Address {
        from_std(self.wallet.address())
    }

    pub(super) fn balance(&self) -> u128 {
        self.reach.balance(&self.address())
    }

    fn seqno(&self) -> Result<u32, ScriptError> {
        if !self.reach.is_active(&self.address()) {
            return Ok(0);
        }
        let data = self.reach.data(&self.address())?;
        // Wallet v4r2 begins with its number.
        Ok(data.as_slice()?.load_u32()?)
    }

    /// Sends messages in one order and waits until everything that came of them has happened.
    pub(super) async fn order(&self, transfers: &[Transfer]) -> Result<Sent, ScriptError> {
        let valid_until = self.reach.unix_s().saturating_add(VALID_S);
        let message = self.wallet.order(self.seqno()?, valid_until, transfers)?;
        let records = self.reach.submit(&message).await?;
        Ok(Sent { records })
    }

    /// Sends one message that bounces if it fails.
    pub(super) async fn send(&self, to: &Address, value_nanoton: u128, body: Cell) -> Result<Sent, ScriptError> {
        self.order(&[message(to, value_nanoton, body)]).await
    }

    /// Deploys a contract.
    pub(super) async fn deploy(&self, to: &Address, value_nanoton: u128, state: StateInit) -> Result<(), ScriptError> {
        let transfer = Transfer {
            state: Some(state),
            ..Transfer::new(to_std(to), value_nanoton)
        };
        self.order(&[transfer]).await?;
        if self.reach.is_active(to) {
            Ok(())
        } else {
            Err(ScriptError::Step(format!("{to} was not deployed")))
        }
    }
}

/// A message that bounces if it fails.
pub(super) fn message(to: &Address, value_nanoton: u128, body: Cell) -> Transfer {
    Transfer {
        bounce: true,
        body: Some(body),
        ..Transfer::new(to_std(to), value_nanoton)
    }
}
