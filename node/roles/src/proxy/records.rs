//! The ledger's records: fixed-size fields, little endian, behind a version byte.

use super::commits::Commits;
use chrysalis_settlement::{
    Address,
    ledger::{ClientChainState, ClientRecord, ClientStatus, WorkerRecord},
    onchain::policy::{OldAccount, OldInstance, OldStage},
};
use std::collections::BTreeMap;

const RECORD_VERSION: u8 = 1;
pub(super) const SEQNO_KEY: &str = "seqno";
pub(super) const COMMITS_KEY: &str = "commits";
pub(super) const INSTANCE_KEY: &str = "instance";
pub(super) const DISABLED_KEY: &str = "disabled";
pub(super) const CLIENT_PREFIX: &str = "client/";
pub(super) const WORKER_PREFIX: &str = "worker/";
pub(super) const OLD_PREFIX: &str = "old/";

/// Which contract the accounts of the ledger belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InstanceRecord {
    pub(super) contract: Address,
    pub(super) price_per_token_nanoton: u64,
    /// Version of the parameters that it belongs to.
    pub(super) params_version: u32,
}

pub(super) fn key(prefix: &str, owner: &Address) -> String {
    format!("{prefix}{owner}")
}

pub(super) fn encode_client(record: &ClientRecord) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    put_address(&mut bytes, &record.owner);
    put_address(&mut bytes, &record.contract);
    bytes.push(record.chain.status.number());
    bytes.extend_from_slice(&record.chain.balance_nanoton.to_le_bytes());
    bytes.extend_from_slice(&record.chain.stake_nanoton.to_le_bytes());
    bytes.extend_from_slice(&record.chain.tokens_used.to_le_bytes());
    bytes.extend_from_slice(&record.chain.secret_hash);
    bytes.extend_from_slice(&record.tokens_max.to_le_bytes());
    bytes
}

pub(super) fn decode_client(bytes: &[u8]) -> Option<ClientRecord> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let record = ClientRecord {
        owner: fields.address()?,
        contract: fields.address()?,
        chain: ClientChainState {
            status: ClientStatus::from_number(u8::from_le_bytes(fields.take()?))?,
            balance_nanoton: u128::from_le_bytes(fields.take()?),
            stake_nanoton: u128::from_le_bytes(fields.take()?),
            tokens_used: u64::from_le_bytes(fields.take()?),
            secret_hash: fields.take()?,
        },
        tokens_max: i64::from_le_bytes(fields.take()?),
    };
    fields.end().then_some(record)
}

pub(super) fn encode_worker(record: &WorkerRecord) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    put_address(&mut bytes, &record.owner);
    put_address(&mut bytes, &record.contract);
    bytes.extend_from_slice(&record.tokens_paid.to_le_bytes());
    bytes.extend_from_slice(&record.tokens_max.to_le_bytes());
    bytes
}

pub(super) fn decode_worker(bytes: &[u8]) -> Option<WorkerRecord> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let record = WorkerRecord {
        owner: fields.address()?,
        contract: fields.address()?,
        tokens_paid: u64::from_le_bytes(fields.take()?),
        tokens_max: i64::from_le_bytes(fields.take()?),
    };
    fields.end().then_some(record)
}

pub(super) fn encode_commits(commits: &Commits) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    bytes.extend_from_slice(&commits.last_lt.to_le_bytes());
    for (seqno, session) in &commits.pending {
        bytes.extend_from_slice(&seqno.to_le_bytes());
        bytes.extend_from_slice(session);
    }
    bytes
}

pub(super) fn decode_commits(bytes: &[u8]) -> Option<Commits> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let mut commits = Commits {
        last_lt: u64::from_le_bytes(fields.take()?),
        pending: BTreeMap::new(),
    };
    while !fields.end() {
        commits
            .pending
            .insert(u32::from_le_bytes(fields.take()?), fields.take()?);
    }
    Some(commits)
}

pub(super) fn encode_instance(instance: &InstanceRecord) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    put_address(&mut bytes, &instance.contract);
    bytes.extend_from_slice(&instance.price_per_token_nanoton.to_le_bytes());
    bytes.extend_from_slice(&instance.params_version.to_le_bytes());
    bytes
}

pub(super) fn decode_instance(bytes: &[u8]) -> Option<InstanceRecord> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let instance = InstanceRecord {
        contract: fields.address()?,
        price_per_token_nanoton: u64::from_le_bytes(fields.take()?),
        params_version: u32::from_le_bytes(fields.take()?),
    };
    fields.end().then_some(instance)
}

/// Parameters below this version are not served.
pub(super) fn encode_disabled(until_params_version: u32) -> Vec<u8> {
    [&[RECORD_VERSION][..], &until_params_version.to_le_bytes()].concat()
}

pub(super) fn decode_disabled(bytes: &[u8]) -> Option<u32> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let until_params_version = u32::from_le_bytes(fields.take()?);
    fields.end().then_some(until_params_version)
}

pub(super) fn encode_old(old: &OldInstance) -> Vec<u8> {
    let mut bytes = vec![RECORD_VERSION];
    put_address(&mut bytes, &old.contract);
    bytes.extend_from_slice(&old.price_per_token_nanoton.to_le_bytes());
    let (is_closing, unlock_unix_s) = match old.stage {
        OldStage::Open => (0, 0),
        OldStage::Closing { unlock_unix_s } => (1, unlock_unix_s),
    };
    bytes.push(is_closing);
    bytes.extend_from_slice(&unlock_unix_s.to_le_bytes());
    bytes.push(old.attempts);
    for (kind, accounts) in [(0, &old.clients), (1, &old.workers)] {
        for account in accounts {
            bytes.push(kind);
            put_address(&mut bytes, &account.contract);
            bytes.extend_from_slice(&account.tokens.to_le_bytes());
            bytes.push(account.attempts);
        }
    }
    bytes
}

pub(super) fn decode_old(bytes: &[u8]) -> Option<OldInstance> {
    let mut fields = Fields(bytes);
    fields.version()?;
    let mut old = OldInstance {
        contract: fields.address()?,
        price_per_token_nanoton: u64::from_le_bytes(fields.take()?),
        stage: OldStage::Open,
        clients: Vec::new(),
        workers: Vec::new(),
        attempts: 0,
    };
    old.stage = match (u8::from_le_bytes(fields.take()?), u32::from_le_bytes(fields.take()?)) {
        (0, 0) => OldStage::Open,
        (1, unlock_unix_s) => OldStage::Closing { unlock_unix_s },
        _ => return None,
    };
    old.attempts = u8::from_le_bytes(fields.take()?);
    while !fields.end() {
        let accounts = match u8::from_le_bytes(fields.take()?) {
            0 => &mut old.clients,
            1 => &mut old.workers,
            _ => return None,
        };
        accounts.push(OldAccount {
            contract: fields.address()?,
            tokens: u64::from_le_bytes(fields.take()?),
            attempts: u8::from_le_bytes(fields.take()?),
        });
    }
    Some(old)
}

fn put_address(bytes: &mut Vec<u8>, address: &Address) {
    bytes.extend_from_slice(&address.workchain().to_le_bytes());
    bytes.extend_from_slice(address.hash());
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn version(&mut self) -> Option<()> {
        (self.take()? == [RECORD_VERSION]).then_some(())
    }

    fn address(&mut self) -> Option<Address> {
        Some(Address::new(i8::from_le_bytes(self.take()?), self.take()?))
    }

    fn end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(byte: u8) -> Address {
        Address::new(0, [byte; 32])
    }

    #[test]
    fn records_survive_the_ledger_and_damaged_ones_are_refused() {
        let client = ClientRecord {
            owner: address(1),
            contract: address(2),
            chain: ClientChainState {
                status: ClientStatus::Normal,
                balance_nanoton: u128::MAX,
                stake_nanoton: 15,
                tokens_used: 7,
                secret_hash: [9; 32],
            },
            tokens_max: 1234,
        };
        let bytes = encode_client(&client);
        assert_eq!(decode_client(&bytes), Some(client));
        assert_eq!(decode_client(&bytes[..bytes.len() - 1]), None);
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode_client(&longer), None);
        let other_version = [&[RECORD_VERSION + 1], &bytes[1..]].concat();
        assert_eq!(decode_client(&other_version), None);

        let worker = WorkerRecord {
            owner: address(3),
            contract: address(4),
            tokens_paid: 5,
            tokens_max: 6,
        };
        let bytes = encode_worker(&worker);
        assert_eq!(decode_worker(&bytes), Some(worker));
        assert_eq!(decode_worker(&bytes[1..]), None);

        let instance = InstanceRecord {
            contract: address(5),
            price_per_token_nanoton: u64::MAX,
            params_version: 7,
        };
        let bytes = encode_instance(&instance);
        assert_eq!(decode_instance(&bytes), Some(instance));
        assert_eq!(decode_instance(&bytes[1..]), None);
        assert_eq!(decode_disabled(&encode_disabled(7)), Some(7));
        assert_eq!(decode_disabled(&encode_disabled(7)[..4]), None);

        let account = |byte| OldAccount {
            contract: address(byte),
            tokens: u64::MAX - u64::from(byte),
            attempts: byte,
        };
        let open = OldInstance {
            contract: address(6),
            price_per_token_nanoton: 20,
            stage: OldStage::Open,
            clients: vec![account(7), account(8)],
            workers: vec![account(9)],
            attempts: 2,
        };
        let stage = OldStage::Closing { unlock_unix_s: 77 };
        let closing = OldInstance { stage, ..open.clone() };
        for old in [open, closing] {
            let bytes = encode_old(&old);
            assert_eq!(decode_old(&bytes), Some(old));
            assert_eq!(decode_old(&bytes[..bytes.len() - 1]), None);
        }

        let commits = Commits {
            last_lt: 7,
            pending: [(1, [2; 32]), (u32::MAX, [3; 32])].into(),
        };
        let bytes = encode_commits(&commits);
        assert_eq!(decode_commits(&bytes), Some(commits));
        assert_eq!(decode_commits(&bytes[..bytes.len() - 1]), None);
    }
}
