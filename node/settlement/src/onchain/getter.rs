//! Get methods of the contracts and their results (§6.3 to §6.8).
//!
//! A machine that runs them is not part of this crate: it hands over its stack as [`StackValue`]s, bottom first.

use num_bigint::BigInt;
use tycho_types::cell::Cell;

use super::{LayoutError, fields::Fields, storage::ContractState};
use crate::{address::Address, hash::Hash256, keys::PublicKey};

/// A value on the machine's stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackValue {
    /// No value.
    Null,
    /// A number of 257 bits.
    Int(BigInt),
    /// Not a number: the result of a quiet operation that failed.
    Nan,
    /// A cell.
    Cell(Cell),
    /// What a slice still has to read, as a cell.
    Slice(Cell),
    /// What a builder has so far, as a cell.
    Builder(Cell),
    /// Several values.
    Tuple(Vec<StackValue>),
}

/// Why a stack is not the result of a get method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GetterError {
    /// More or fewer values.
    #[error("{found} values on the stack where {expected} were expected")]
    Count {
        /// As the method has them.
        expected: usize,
        /// As found.
        found: usize,
    },
    /// A value of another kind.
    #[error("value {index} is not {expected}")]
    Kind {
        /// From the bottom, from zero.
        index: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// A slice that is not an address, or a state that does not exist.
    #[error("value {index}: {error}")]
    Layout {
        /// From the bottom, from zero.
        index: usize,
        /// What is wrong.
        error: LayoutError,
    },
}

/// Names of the get methods.
pub mod names {
    /// Version, numbers, prices and owner of the root contract.
    pub const ROOT_DATA: &str = "get_cocoon_data";
    /// Parameters and codes of the root contract.
    pub const ROOT_PARAMS: &str = "get_cur_params";
    /// Whether proxies may run an image.
    pub const PROXY_HASH_IS_VALID: &str = "proxy_hash_is_valid";
    /// Whether workers may run an image.
    pub const WORKER_HASH_IS_VALID: &str = "worker_hash_is_valid";
    /// Whether workers may serve a model.
    pub const MODEL_HASH_IS_VALID: &str = "model_hash_is_valid";
    /// Number of the proxy that was registered last.
    pub const LAST_PROXY_SEQNO: &str = "last_proxy_seqno";
    /// A proxy contract.
    pub const PROXY_DATA: &str = "get_cocoon_proxy_data";
    /// A worker contract.
    pub const WORKER_DATA: &str = "get_cocoon_worker_data";
    /// A client contract.
    pub const CLIENT_DATA: &str = "get_cocoon_client_data";
    /// Number of a wallet's next order.
    pub const SEQNO: &str = "seqno";
    /// A wallet's key.
    pub const PUBLIC_KEY: &str = "get_public_key";
    /// A wallet's owner.
    pub const OWNER_ADDRESS: &str = "get_owner_address";
}

struct Stack<'a> {
    values: &'a [StackValue],
    index: usize,
}

impl<'a> Stack<'a> {
    fn new(values: &'a [StackValue], expected: usize) -> Result<Self, GetterError> {
        if values.len() == expected {
            return Ok(Self { values, index: 0 });
        }
        Err(GetterError::Count {
            expected,
            found: values.len(),
        })
    }

    /// The next value and its index; the constructor has counted the values.
    fn next(&mut self) -> (usize, &'a StackValue) {
        let index = self.index;
        self.index += 1;
        (index, self.values.get(index).unwrap_or(&StackValue::Null))
    }

    fn int(&mut self, expected: &'static str) -> Result<(usize, &'a BigInt), GetterError> {
        match self.next() {
            (index, StackValue::Int(value)) => Ok((index, value)),
            (index, _) => Err(GetterError::Kind { index, expected }),
        }
    }

    fn number<T: TryFrom<&'a BigInt>>(&mut self, expected: &'static str) -> Result<T, GetterError> {
        let (index, value) = self.int(expected)?;
        T::try_from(value).map_err(|_| GetterError::Kind { index, expected })
    }

    fn u32(&mut self) -> Result<u32, GetterError> {
        self.number("a number of 32 bits")
    }

    fn u64(&mut self) -> Result<u64, GetterError> {
        self.number("a number of 64 bits")
    }

    /// True is -1; one contract of another compiler may say 1.
    fn flag(&mut self) -> Result<bool, GetterError> {
        let (_, value) = self.int("a truth value")?;
        Ok(*value != BigInt::ZERO)
    }

    fn hash(&mut self) -> Result<Hash256, GetterError> {
        let expected = "a number of 256 bits";
        let (index, value) = self.int(expected)?;
        let (sign, bytes) = value.to_bytes_be();
        if sign == num_bigint::Sign::Minus || bytes.len() > 32 {
            return Err(GetterError::Kind { index, expected });
        }
        let mut hash = [0; 32];
        hash[32 - bytes.len()..].copy_from_slice(&bytes);
        Ok(hash)
    }

    fn state(&mut self) -> Result<ContractState, GetterError> {
        let expected = "a state from 0 to 2";
        let index = self.index;
        let number: u8 = self.number(expected)?;
        ContractState::from_number(number).ok_or(GetterError::Kind { index, expected })
    }

    fn address(&mut self) -> Result<Address, GetterError> {
        let (index, StackValue::Slice(cell)) = self.next() else {
            return Err(GetterError::Kind {
                index: self.index - 1,
                expected: "a slice",
            });
        };
        let read = || -> Result<Address, LayoutError> {
            let mut fields = Fields::of(cell)?;
            let address = fields.address()?;
            fields.finish()?;
            Ok(address)
        };
        read().map_err(|error| GetterError::Layout { index, error })
    }
}

/// A result of [`names::ROOT_DATA`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootData {
    /// Grows with each change.
    pub version: u32,
    /// Number of the proxy that was registered last.
    pub last_proxy_seqno: u32,
    /// Version of the parameters.
    pub params_version: u32,
    /// Tells networks apart.
    pub unique_id: u32,
    /// Whether this is on a test network.
    pub is_test: bool,
    /// Per adjusted token.
    pub price_per_token_nanoton: u64,
    /// Per adjusted token.
    pub worker_fee_per_token_nanoton: u64,
    /// Read by no contract of revision A.
    pub min_proxy_stake_nanoton: u64,
    /// Initial stake of a client contract.
    pub min_client_stake_nanoton: u64,
    /// Who may change it.
    pub owner: Address,
}

impl RootData {
    /// Reads the result.
    ///
    /// # Errors
    /// Another number or kinds of values.
    pub fn parse(stack: &[StackValue]) -> Result<Self, GetterError> {
        let mut stack = Stack::new(stack, 10)?;
        Ok(Self {
            version: stack.u32()?,
            last_proxy_seqno: stack.u32()?,
            params_version: stack.u32()?,
            unique_id: stack.u32()?,
            is_test: stack.flag()?,
            price_per_token_nanoton: stack.u64()?,
            worker_fee_per_token_nanoton: stack.u64()?,
            min_proxy_stake_nanoton: stack.u64()?,
            min_client_stake_nanoton: stack.u64()?,
            owner: stack.address()?,
        })
    }
}

/// A result of [`names::ROOT_PARAMS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootParams {
    /// Version of the parameters.
    pub params_version: u32,
    /// Tells networks apart.
    pub unique_id: u32,
    /// Whether this is on a test network.
    pub is_test: bool,
    /// Per adjusted token.
    pub price_per_token_nanoton: u64,
    /// Per adjusted token.
    pub worker_fee_per_token_nanoton: u64,
    /// Weight of prompt tokens from a cache.
    pub cached_multiplier: u32,
    /// Weight of reasoning tokens.
    pub reasoning_multiplier: u32,
    /// Seconds between a proxy's request to close and its completion.
    pub proxy_delay_s: u32,
    /// Seconds between a client's first and second request for a refund.
    pub client_delay_s: u32,
    /// Read by no contract of revision A.
    pub min_proxy_stake_nanoton: u64,
    /// Initial stake of a client contract.
    pub min_client_stake_nanoton: u64,
    /// Hashes of the codes of proxy, worker and client contracts; zeros where one is missing.
    pub code_hashes: [Hash256; 3],
}

impl RootParams {
    /// Reads the result.
    ///
    /// # Errors
    /// Another number or kinds of values.
    pub fn parse(stack: &[StackValue]) -> Result<Self, GetterError> {
        let mut stack = Stack::new(stack, 14)?;
        Ok(Self {
            params_version: stack.u32()?,
            unique_id: stack.u32()?,
            is_test: stack.flag()?,
            price_per_token_nanoton: stack.u64()?,
            worker_fee_per_token_nanoton: stack.u64()?,
            cached_multiplier: stack.u32()?,
            reasoning_multiplier: stack.u32()?,
            proxy_delay_s: stack.u32()?,
            client_delay_s: stack.u32()?,
            min_proxy_stake_nanoton: stack.u64()?,
            min_client_stake_nanoton: stack.u64()?,
            code_hashes: [stack.hash()?, stack.hash()?, stack.hash()?],
        })
    }
}

/// A result of [`names::PROXY_DATA`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyData {
    /// Who gets the proxy's share.
    pub owner: Address,
    /// Key of the proxy's signatures.
    pub public_key: PublicKey,
    /// The root contract.
    pub root: Address,
    /// Normal, closing or closed.
    pub state: ContractState,
    /// The proxy's share so far.
    pub balance_nanoton: u64,
    /// What forced refunds are paid from in revision A.
    pub stake_nanoton: u64,
    /// Unix seconds from which a closing proxy can be closed.
    pub unlock_ts: u32,
    /// Per adjusted token.
    pub price_per_token_nanoton: u64,
    /// Per adjusted token.
    pub worker_fee_per_token_nanoton: u64,
    /// Read by no contract of revision A.
    pub min_proxy_stake_nanoton: u64,
    /// Initial stake of a client contract.
    pub min_client_stake_nanoton: u64,
    /// Version of the parameters.
    pub params_version: u32,
}

impl ProxyData {
    /// Reads the result.
    ///
    /// # Errors
    /// Another number or kinds of values.
    pub fn parse(stack: &[StackValue]) -> Result<Self, GetterError> {
        let mut stack = Stack::new(stack, 12)?;
        Ok(Self {
            owner: stack.address()?,
            public_key: PublicKey(stack.hash()?),
            root: stack.address()?,
            state: stack.state()?,
            balance_nanoton: stack.u64()?,
            stake_nanoton: stack.u64()?,
            unlock_ts: stack.u32()?,
            price_per_token_nanoton: stack.u64()?,
            worker_fee_per_token_nanoton: stack.u64()?,
            min_proxy_stake_nanoton: stack.u64()?,
            min_client_stake_nanoton: stack.u64()?,
            params_version: stack.u32()?,
        })
    }
}

/// A result of [`names::WORKER_DATA`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerData {
    /// Whose account.
    pub owner: Address,
    /// The proxy contract.
    pub proxy: Address,
    /// Key of the proxy's signatures.
    pub public_key: PublicKey,
    /// Normal or closed.
    pub state: ContractState,
    /// Tokens paid so far.
    pub tokens: u64,
}

impl WorkerData {
    /// Reads the result.
    ///
    /// # Errors
    /// Another number or kinds of values.
    pub fn parse(stack: &[StackValue]) -> Result<Self, GetterError> {
        let mut stack = Stack::new(stack, 5)?;
        Ok(Self {
            owner: stack.address()?,
            proxy: stack.address()?,
            public_key: PublicKey(stack.hash()?),
            state: stack.state()?,
            tokens: stack.u64()?,
        })
    }
}

/// A result of [`names::CLIENT_DATA`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientData {
    /// Whose account.
    pub owner: Address,
    /// The proxy contract.
    pub proxy: Address,
    /// Key of the proxy's signatures.
    pub public_key: PublicKey,
    /// Normal, closing or closed.
    pub state: ContractState,
    /// Deposit that is left.
    pub balance_nanoton: u64,
    /// Part of it that stays until the account closes.
    pub stake_nanoton: u64,
    /// Tokens charged so far.
    pub tokens_used: u64,
    /// Unix seconds from which a closing account's refund can be forced.
    pub unlock_ts: u32,
    /// SHA-256 of the secret of short authorisation.
    pub secret_hash: Hash256,
}

impl ClientData {
    /// Reads the result.
    ///
    /// # Errors
    /// Another number or kinds of values.
    pub fn parse(stack: &[StackValue]) -> Result<Self, GetterError> {
        let mut stack = Stack::new(stack, 9)?;
        Ok(Self {
            owner: stack.address()?,
            proxy: stack.address()?,
            public_key: PublicKey(stack.hash()?),
            state: stack.state()?,
            balance_nanoton: stack.u64()?,
            stake_nanoton: stack.u64()?,
            tokens_used: stack.u64()?,
            unlock_ts: stack.u32()?,
            secret_hash: stack.hash()?,
        })
    }
}

/// Reads the truth value of [`names::PROXY_HASH_IS_VALID`] and the like.
///
/// # Errors
/// Another number or kind of values.
pub fn parse_flag(stack: &[StackValue]) -> Result<bool, GetterError> {
    Stack::new(stack, 1)?.flag()
}

/// Reads the number of [`names::SEQNO`] or [`names::LAST_PROXY_SEQNO`].
///
/// # Errors
/// Another number or kind of values.
pub fn parse_seqno(stack: &[StackValue]) -> Result<u32, GetterError> {
    Stack::new(stack, 1)?.u32()
}

/// Reads the key of [`names::PUBLIC_KEY`].
///
/// # Errors
/// Another number or kind of values.
pub fn parse_public_key(stack: &[StackValue]) -> Result<PublicKey, GetterError> {
    Ok(PublicKey(Stack::new(stack, 1)?.hash()?))
}

/// Reads the address of [`names::OWNER_ADDRESS`].
///
/// # Errors
/// Another number or kind of values.
pub fn parse_address(stack: &[StackValue]) -> Result<Address, GetterError> {
    Stack::new(stack, 1)?.address()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::{StoreFields as _, build},
        contracts::vectors,
    };

    fn int(value: u64) -> StackValue {
        StackValue::Int(value.into())
    }

    fn address(address: &Address) -> StackValue {
        StackValue::Slice(build(|cell| cell.store_address(address)))
    }

    fn worker_stack() -> Vec<StackValue> {
        let key = BigInt::from_bytes_be(num_bigint::Sign::Plus, &[0xfe; 32]);
        let (owner, proxy) = (address(&vectors::WORKER_OWNER), address(&vectors::ROOT));
        vec![owner, proxy, StackValue::Int(key), int(2), int(1000)]
    }

    #[test]
    fn a_result_is_read_by_position() {
        let data = WorkerData::parse(&worker_stack()).unwrap();
        assert_eq!((data.owner, data.proxy), (vectors::WORKER_OWNER, vectors::ROOT));
        assert_eq!((data.state, data.tokens), (ContractState::Closed, 1000));
        assert_eq!(data.public_key, PublicKey([0xfe; 32]));
        assert_eq!(parse_flag(&[StackValue::Int((-1).into())]), Ok(true));
        assert_eq!(parse_flag(&[int(0)]), Ok(false));
        assert_eq!(parse_seqno(&[int(7)]), Ok(7));
        assert_eq!(parse_address(&[address(&vectors::ROOT)]), Ok(vectors::ROOT));
        assert_eq!(parse_public_key(&[int(1)]).unwrap().as_bytes()[31], 1);
    }

    /// Each value replaced by one of another kind, or by a number out of range, is refused at its index.
    #[test]
    fn a_wrong_value_is_named() {
        for index in 0..worker_stack().len() {
            for wrong in [
                StackValue::Null,
                StackValue::Nan,
                StackValue::Int((-5).into()),
                StackValue::Int(BigInt::from(1) << 256),
                StackValue::Slice(Cell::default()),
                StackValue::Tuple(vec![]),
            ] {
                let mut stack = worker_stack();
                stack[index] = wrong;
                let error = WorkerData::parse(&stack).unwrap_err();
                assert!(
                    matches!(error, GetterError::Kind { index: at, .. } | GetterError::Layout { index: at, .. } if at == index),
                    "{index}: {error}"
                );
            }
        }
        assert_eq!(
            WorkerData::parse(&worker_stack()[1..]),
            Err(GetterError::Count { expected: 5, found: 4 })
        );
    }
}
