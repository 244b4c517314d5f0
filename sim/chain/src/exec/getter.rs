//! Get-methods: code run against an account without changing it.
//!
//! The virtual machine is set up here and not by `VmCaller` of `tycho-vm`: that one reads the two storage prices of
//! today's configuration in the wrong order and fails (difference 3 of the notes), and its defaults read the host clock
//! (difference 13).

use num_bigint::BigInt;
use tycho_types::cell::{Cell, CellBuilder, CellSliceParts, HashBytes};
use tycho_types::dict::Dict;
use tycho_types::models::{Account, AccountState, IntAddr, LibDescr};
use tycho_vm::{GasParams, OwnedCellSlice, RcStackValue, SmcInfoBase, Stack, StackValueType, VmState, VmVersion};

use super::Config;

/// Deepest nesting of tuples that is converted.
const MAX_TUPLE_DEPTH: usize = 64;

/// A value on the stack of the virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackValue {
    /// Null.
    Null,
    /// Not a number.
    Nan,
    /// A signed integer of 257 bits.
    Int(BigInt),
    /// A cell.
    Cell(Cell),
    /// A slice, as the cell that holds exactly its content.
    Slice(Cell),
    /// A builder, as the cell it would make.
    Builder(Cell),
    /// A continuation; its content is not shown.
    Continuation,
    /// A tuple.
    Tuple(Vec<StackValue>),
}

impl StackValue {
    /// An integer.
    pub fn int(value: impl Into<BigInt>) -> Self {
        Self::Int(value.into())
    }
}

/// Result of a get-method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMethodResult {
    /// 0 and 1 are success.
    pub exit_code: i32,
    /// Gas used.
    pub gas_used: u64,
    /// The stack, its top last.
    pub stack: Vec<StackValue>,
}

/// Why a get-method could not be run at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GetMethodError {
    /// There is no code.
    #[error("the account has no code")]
    NoCode,
    /// An argument that is no stack value: a continuation, or tuples nested too deep.
    #[error("an argument cannot be put on the stack")]
    Argument,
}

/// Number of a get-method: CRC-16 of its name with bit 16 set.
#[must_use]
pub fn method_id(name: &str) -> u32 {
    u32::from(tycho_types::crc::crc_16(name.as_bytes())) | 0x1_0000
}

/// Runs get-method `method` of `account` with `arguments` (top last), with the gas limit of a public API (1,000,000).
pub fn run_get_method(
    config: &Config,
    account: &Account,
    method: u32,
    arguments: &[StackValue],
    now_unix_s: u32,
) -> Result<GetMethodResult, GetMethodError> {
    let AccountState::Active(state) = &account.state else {
        return Err(GetMethodError::NoCode);
    };
    let code = state.code.clone().ok_or(GetMethodError::NoCode)?;
    let mut stack = Vec::with_capacity(arguments.len() + 1);
    for argument in arguments {
        stack.push(to_vm(argument, 0).ok_or(GetMethodError::Argument)?);
    }
    stack.push(RcStackValue::new_dyn_value(BigInt::from(method)));

    let address_hash = match &account.address {
        IntAddr::Std(address) => address.address,
        IntAddr::Var(_) => HashBytes::ZERO,
    };
    let info = SmcInfoBase::new()
        .with_now(now_unix_s)
        .with_block_lt(account.last_trans_lt)
        .with_tx_lt(account.last_trans_lt)
        .with_mixed_rand_seed(&HashBytes::ZERO, &address_hash)
        .with_account_balance(account.balance.clone())
        .with_account_addr(account.address.clone())
        .with_config(config.parsed().raw.params.clone())
        .require_ton_v4()
        .with_code(code.clone())
        .require_ton_v6()
        .with_unpacked_config(config.parsed().unpacked.as_tuple())
        .with_due_payment(account.storage_stat.due_payment.unwrap_or_default())
        .require_ton_v11();
    let libraries = (&state.libraries, &Dict::<HashBytes, LibDescr>::new());
    let mut vm = VmState::builder()
        .with_smc_info(info)
        .with_version(VmVersion::Ton(12))
        .with_code(code)
        .with_data(state.data.clone().unwrap_or_default())
        .with_libraries(&libraries)
        .with_init_selector(false)
        .with_stack(stack)
        .with_gas(GasParams::getter())
        .build();
    let exit_code = !vm.run();
    let stack = vm.stack.items.iter().map(|value| from_vm(value, 0)).collect();
    Ok(GetMethodResult {
        exit_code,
        gas_used: vm.gas.consumed(),
        stack,
    })
}

fn to_vm(value: &StackValue, depth: usize) -> Option<RcStackValue> {
    Some(match value {
        StackValue::Null => Stack::make_null(),
        StackValue::Nan => Stack::make_nan(),
        StackValue::Int(int) if int.bits() <= 257 => RcStackValue::new_dyn_value(int.clone()),
        StackValue::Cell(cell) => RcStackValue::new_dyn_value(cell.clone()),
        StackValue::Slice(cell) => {
            RcStackValue::new_dyn_value(OwnedCellSlice::from(CellSliceParts::from(cell.clone())))
        }
        StackValue::Builder(cell) => {
            let mut builder = CellBuilder::new();
            builder.store_slice(cell.as_slice_allow_exotic()).ok()?;
            RcStackValue::new_dyn_value(builder)
        }
        StackValue::Tuple(items) if depth < MAX_TUPLE_DEPTH && items.len() <= 255 => {
            let items: Option<Vec<RcStackValue>> = items.iter().map(|item| to_vm(item, depth + 1)).collect();
            RcStackValue::new_dyn_value(items?)
        }
        StackValue::Int(_) | StackValue::Tuple(_) | StackValue::Continuation => return None,
    })
}

fn from_vm(value: &RcStackValue, depth: usize) -> StackValue {
    match StackValueType::from_raw(value.raw_ty()) {
        Some(StackValueType::Int) => value
            .as_int()
            .map_or(StackValue::Nan, |int| StackValue::Int(int.clone())),
        Some(StackValueType::Cell) => value
            .as_cell()
            .map_or(StackValue::Null, |cell| StackValue::Cell(cell.clone())),
        Some(StackValueType::Slice) => value
            .as_cell_slice()
            .and_then(|slice| CellBuilder::build_from(slice.apply()).ok())
            .map_or(StackValue::Null, StackValue::Slice),
        Some(StackValueType::Builder) => value
            .as_cell_builder()
            .and_then(|builder| builder.clone().build().ok())
            .map_or(StackValue::Null, StackValue::Builder),
        Some(StackValueType::Cont) => StackValue::Continuation,
        Some(StackValueType::Tuple) if depth < MAX_TUPLE_DEPTH => StackValue::Tuple(
            value
                .as_tuple()
                .unwrap_or_default()
                .iter()
                .map(|item| from_vm(item, depth + 1))
                .collect(),
        ),
        _ => StackValue::Null,
    }
}
