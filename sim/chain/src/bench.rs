//! The workloads that speed is measured with. They return what they did; who calls them measures the processor time.

use tycho_types::boc::Boc;
use tycho_types::cell::{Cell, CellBuilder};
use tycho_types::models::{StateInit, StdAddr};

use crate::chain::{
    BlockEvent, BlockLimits, Chain, ChainError, Genesis, GenesisAccount, PoolLimits, address_of, state_init,
};
use crate::wallet::{Transfer, Wallet, WalletError, WalletVersion, external_message};

/// One coin in nano.
const COIN: u128 = 1_000_000_000;
/// Nanoseconds of an hour.
const HOUR_NS: u64 = 3_600_000_000_000;

/// How a workload can fail.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A wallet.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// Cells.
    #[error("cells: {0}")]
    Cells(#[from] tycho_types::error::Error),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::exec::ConfigError),
    /// A message was not admitted.
    #[error(transparent)]
    Refused(#[from] crate::chain::Refused),
    /// The workload did not do what it was made for.
    #[error("the workload made {found} transactions where {expected} were expected")]
    Transactions {
        /// Expected.
        expected: u64,
        /// Found.
        found: u64,
    },
}

/// A relay: it accepts everything, and a body that begins with 1 is an order, u8 count, then a u8 send mode and a
/// reference to a message for each.
///
/// `SETCP0 · DROP · ACCEPT · DUP · SEMPTY · IFRET · 32 LDU · SWAP · 1 EQINT · IFNOTRET · 8 LDU · SWAP ·
/// <{ 8 LDU · LDREF · s0 s2 XCHG · SENDRAWMSG }> PUSHCONT · REPEAT · c4 PUSH · CTOS · 64 LDU · SWAP · INC · NEWC ·
/// 64 STU · STSLICER · ENDC · c4 POP · DROP`: it also counts its orders in its data.
const RELAY: [u8; 43] = [
    0xff, 0x00, 0x30, 0xf8, 0x00, 0x20, 0xc7, 0x00, 0xdc, 0xd3, 0x1f, 0x01, 0xc0, 0x01, 0xdd, 0xd3, 0x07, 0x01, 0x96,
    0xd3, 0x07, 0xd4, 0x02, 0xfb, 0x00, 0xe4, 0xed, 0x44, 0xd0, 0xd3, 0x3f, 0x01, 0xa4, 0xc8, 0xcb, 0x3f, 0x01, 0xcf,
    0x16, 0xc9, 0xed, 0x54, 0x30,
];

fn relay(index: u32) -> Result<StateInit, tycho_types::error::Error> {
    let mut code = CellBuilder::new();
    code.store_raw(&RELAY, 344)?;
    // Nine chained cells beside the counter: with the code it is the size of a small real contract.
    let mut data = CellBuilder::build_from(index)?;
    for level in 0..9_u32 {
        let mut builder = CellBuilder::new();
        builder.store_u64(u64::from(level))?;
        builder.store_u32(index)?;
        builder.store_reference(data)?;
        data = builder.build()?;
    }
    Ok(state_init(code.build()?, data))
}

fn order(transfers: &[Transfer], salt: u64) -> Result<Cell, tycho_types::error::Error> {
    let mut body = CellBuilder::new();
    body.store_u32(1)?;
    body.store_u8(u8::try_from(transfers.len()).unwrap_or(u8::MAX))?;
    for transfer in transfers {
        body.store_u8(transfer.mode)?;
        body.store_reference(transfer.message()?)?;
    }
    body.store_u64(salt)?;
    body.build()
}

fn open_genesis() -> Result<Genesis, BenchError> {
    let mut genesis = Genesis::new()?;
    genesis.limits = BlockLimits {
        gas_soft: u64::MAX / 2,
        gas_hard: u64::MAX / 2,
        lt_soft: 900_000,
        lt_hard: 900_000,
    };
    genesis.pool = PoolLimits {
        per_address_in_window: u32::MAX,
        per_address: u32::MAX,
        total: u32::MAX,
        ..PoolLimits::default()
    };
    genesis.keep_history = false;
    genesis.kept_states = 0;
    Ok(genesis)
}

fn relays(count: u32) -> Result<Vec<(StdAddr, GenesisAccount)>, BenchError> {
    (0..count)
        .map(|index| {
            let state = relay(index)?;
            let address = address_of(0, &state)?;
            let account = GenesisAccount {
                address: address.clone(),
                balance_nanoton: 1_000_000 * COIN,
                state: Some(state),
            };
            Ok((address, account))
        })
        .collect()
}

fn count_transactions(events: &[BlockEvent]) -> u64 {
    let count = |event: &BlockEvent| match event {
        BlockEvent::Block(block) => block.transactions.len() as u64,
        _ => 0,
    };
    events.iter().map(count).sum()
}

/// A chain and messages for it, ready to be run.
#[derive(Debug)]
pub struct Mix {
    chain: Chain,
    rounds: Vec<Vec<Vec<u8>>>,
    expected: u64,
}

impl Mix {
    /// A mix of contracts: in every round some wallets of two versions pay with signed orders, and relays pass on
    /// orders to other relays, some of which fail and bounce. `relays` accounts, `rounds` rounds of `relays / 4` external
    /// messages to relays and one signed order in sixteen of them.
    ///
    /// Signing and encoding are done here: they are the work of clients, not of the chain.
    pub fn new(relay_count: u32, rounds: u32) -> Result<Self, BenchError> {
        let relay_count = relay_count.max(16);
        let mut genesis = open_genesis()?;
        let relays = relays(relay_count)?;
        let mut wallets = Vec::new();
        for index in 0..relay_count / 64 + 1 {
            let mut seed = [0x5a; 32];
            seed[..4].copy_from_slice(&index.to_be_bytes());
            let version = if index % 2 == 0 {
                WalletVersion::V4R2
            } else {
                WalletVersion::V5R1
            };
            let wallet = Wallet::new(version, &seed)?;
            genesis.accounts.push(GenesisAccount {
                address: wallet.address().clone(),
                balance_nanoton: 1_000_000 * COIN,
                state: Some(wallet.state().clone()),
            });
            wallets.push(wallet);
        }
        genesis
            .accounts
            .extend(relays.iter().map(|(_, account)| account.clone()));
        let address = |index: u32| relays[(index % relay_count) as usize].0.clone();
        let mut expected = 0;
        let mut all = Vec::new();
        for round in 0..rounds {
            let mut messages = Vec::new();
            for wallet in &wallets {
                let pay = [
                    Transfer::new(address(round), COIN),
                    Transfer::new(address(round + 1), COIN),
                ];
                messages.push(Boc::encode(wallet.order(round, u32::MAX, &pay)?));
                expected += 3;
            }
            for step in 0..relay_count / 4 {
                let salt = u64::from(round) << 32 | u64::from(step);
                let base = step * 4 + round;
                let mut failing = CellBuilder::new();
                failing.store_u32(1)?;
                let last = Transfer {
                    bounce: true,
                    ..Transfer::new(address(base + 3), COIN / 10)
                };
                let inner = if step % 8 == 0 {
                    // Fails with exit code 9 and bounces.
                    expected += 2;
                    Transfer {
                        body: Some(failing.build()?),
                        ..last
                    }
                } else {
                    expected += 1;
                    last
                };
                let middle = order(&[inner, Transfer::new(address(base + 2), COIN / 10)], salt)?;
                let outer = Transfer {
                    body: Some(middle),
                    ..Transfer::new(address(base + 1), COIN)
                };
                let body = order(&[outer], salt)?;
                messages.push(Boc::encode(external_message(&address(base), None, body)?));
                expected += 3;
            }
            all.push(messages);
        }
        Ok(Self {
            chain: Chain::new(genesis)?,
            rounds: all,
            expected,
        })
    }

    /// Runs it; returns the number of transactions. Admission of every message, with its own run of the code up to
    /// acceptance, is part of the work.
    pub fn run(mut self) -> Result<u64, BenchError> {
        let mut found = 0;
        for messages in &self.rounds {
            for message in messages {
                self.chain.submit(message)?;
            }
            let next_ns = self.chain.next_block_at_ns();
            found += count_transactions(&self.chain.advance(next_ns)?);
        }
        for _ in 0..20 {
            let next_ns = self.chain.next_block_at_ns();
            found += count_transactions(&self.chain.advance(next_ns)?);
        }
        if found == self.expected {
            Ok(found)
        } else {
            Err(BenchError::Transactions {
                expected: self.expected,
                found,
            })
        }
    }
}

/// An hour of virtual time with `accounts` accounts and nothing to do. Returns the number of blocks.
pub fn idle_hour(accounts: u32) -> Result<u64, BenchError> {
    let mut genesis = Genesis::new()?;
    genesis.accounts = relays(accounts)?.into_iter().map(|(_, account)| account).collect();
    let mut chain = Chain::new(genesis)?;
    Ok(chain.advance(HOUR_NS)?.len() as u64)
}

/// An hour of virtual time with `accounts` accounts, `per_block` of which pass on an order in every block. Returns the
/// number of transactions.
pub fn loaded_hour(accounts: u32, per_block: u32) -> Result<u64, BenchError> {
    let relays = relays(accounts.max(2))?;
    let mut genesis = open_genesis()?;
    genesis.accounts = relays.iter().map(|(_, account)| account.clone()).collect();
    let mut chain = Chain::new(genesis)?;
    let (mut found, mut salt) = (0, 0_u64);
    while chain.next_block_at_ns() <= HOUR_NS {
        for _ in 0..per_block {
            let at = |offset: u64| relays[((salt + offset) % relays.len() as u64) as usize].0.clone();
            let body = order(&[Transfer::new(at(1), COIN / 1_000)], salt)?;
            chain.submit(&Boc::encode(external_message(&at(0), None, body)?))?;
            salt += 1;
        }
        let next_ns = chain.next_block_at_ns();
        found += count_transactions(&chain.advance(next_ns)?);
    }
    Ok(found)
}

/// A chain with `accounts` accounts whose state is saved and brought back.
#[derive(Debug)]
pub struct SnapshotBench {
    chain: Chain,
    relays: Vec<StdAddr>,
}

impl SnapshotBench {
    /// Makes the chain.
    pub fn new(accounts: u32) -> Result<Self, BenchError> {
        let relays = relays(accounts.max(2))?;
        let mut genesis = open_genesis()?;
        genesis.accounts = relays.iter().map(|(_, account)| account.clone()).collect();
        let chain = Chain::new(genesis)?;
        Ok(Self {
            chain,
            relays: relays.into_iter().map(|(address, _)| address).collect(),
        })
    }

    /// `times` times: save, make a block with `transactions` external messages, go back. Returns how often the chain was
    /// found unchanged, which is always.
    pub fn run(&mut self, times: u32, transactions: u32) -> Result<u32, BenchError> {
        self.rounds(times, transactions, &mut || 0)
            .map(|(unchanged, _)| unchanged)
    }

    /// The same; returns what `clock_ns` says that saving and going back alone took.
    pub fn run_timed(
        &mut self,
        times: u32,
        transactions: u32,
        clock_ns: &mut dyn FnMut() -> u64,
    ) -> Result<u64, BenchError> {
        let (unchanged, spent_ns) = self.rounds(times, transactions, clock_ns)?;
        if unchanged == times {
            Ok(spent_ns)
        } else {
            Err(BenchError::Transactions {
                expected: times.into(),
                found: unchanged.into(),
            })
        }
    }

    fn rounds(
        &mut self,
        times: u32,
        transactions: u32,
        clock_ns: &mut dyn FnMut() -> u64,
    ) -> Result<(u32, u64), BenchError> {
        let (mut unchanged, mut spent_ns) = (0, 0_u64);
        for round in 0..times {
            let start_ns = clock_ns();
            let snapshot = self.chain.snapshot();
            spent_ns += clock_ns().saturating_sub(start_ns);
            let before = self.chain.now_ns();
            for index in 0..transactions {
                let to = &self.relays[index as usize % self.relays.len()];
                let body = order(&[], u64::from(round) << 32 | u64::from(index))?;
                self.chain.submit(&Boc::encode(external_message(to, None, body)?))?;
            }
            if transactions > 0 {
                let next_ns = self.chain.next_block_at_ns();
                self.chain.advance(next_ns)?;
            }
            let start_ns = clock_ns();
            self.chain.revert(&snapshot);
            drop(snapshot);
            spent_ns += clock_ns().saturating_sub(start_ns);
            unchanged += u32::from(self.chain.now_ns() == before);
        }
        Ok((unchanged, spent_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_do_what_they_say() {
        let transactions = Mix::new(64, 3).unwrap().run().unwrap();
        assert!(transactions > 3 * 16 * 4, "{transactions}");
        assert_eq!(idle_hour(10).unwrap(), 18_000);
        assert_eq!(SnapshotBench::new(100).unwrap().run(5, 3).unwrap(), 5);
        let mut ticks = 0;
        let spent_ns = SnapshotBench::new(100).unwrap().run_timed(5, 3, &mut || {
            ticks += 1;
            ticks
        });
        // Saving and going back are looked at from both sides.
        assert_eq!((spent_ns.unwrap(), ticks), (10, 20));
        let mut mix = Mix::new(64, 1).unwrap();
        mix.expected += 1;
        assert!(matches!(mix.run(), Err(BenchError::Transactions { .. })));
    }
}
