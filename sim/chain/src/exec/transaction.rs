//! One transaction: the phases in TON's order over the public phases of `tycho-executor`.
//!
//! Differences of the executor from the reference node, by their number in the notes, and where each is answered:
//!
//! | # | answer |
//! |---|---|
//! | 1, 2, 14 | [`super::config`] |
//! | 3, 13 | [`super::getter`]; nothing here reads the host clock either |
//! | 4 | an account frozen by the storage phase has no code for the rest of the transaction: [`run_phases`] |
//! | 5 | no StateInit in the message: the skip reason is `NoState`: [`run_phases`] |
//! | 6 | `result_arg` 0 is recorded as none: [`run_phases`] |
//! | 7 | `msg_state_used` and `account_activated` are never set by the reference: cleared before the record is built |
//! | 8 | a bounce without funds records the full required fee: [`full_bounce_fee`] |
//! | 9 | [`super::storage_dict`], set before the account is serialised |
//! | 10 | fines of a failed action phase are charged from version 15 on: [`BlockContext::new`] |
//! | 11 | from version 14 on a failed action phase gives back the message balance it had before: [`run_phases`] |
//! | 12 | from version 15 on only the masterchain may change libraries: [`super::actions`] |
//!
//! Two more rules of the reference are kept here: an account deleted by the storage phase that ends with a balance is
//! uninitialised, not gone (otherwise coins would vanish); and an account that freezes in its initial state is recorded
//! as frozen, though stored as uninitialised (`record_as_frozen`). What is not recorded: the forwarding fees counted by an
//! action phase before it failed (`total_fwd_fees`), which the executor drops; account state is not affected.

use std::sync::Arc;

use tycho_executor::phase::{
    ActionPhaseContext, BouncePhaseContext, ComputePhaseContext, ComputePhaseFull, StoragePhaseContext,
    TransactionInput,
};
use tycho_executor::{Executor, ExecutorParams, ExecutorState, TxError, UncommittedTransaction};
use tycho_types::cell::{Cell, CellBuilder, CellTreeStats, HashBytes, Lazy};
use tycho_types::error::Error;
use tycho_types::models::{
    AccountState, AccountStatus, AccountStatusChange, BlockId, BouncePhase, BounceReason, ComputePhase,
    ComputePhaseSkipReason, MsgInfo, NewBounceComputePhaseInfo, OrdinaryTxInfo, ShardAccount, StdAddr, StorageExtra,
    TickTock, TickTockTxInfo, Transaction,
};
use tycho_types::num::Tokens;

use super::outcome::{ExecError, Executed, PhaseSummary, invalid};
use super::storage_dict::{StorageDictCache, same_roots};
use super::{Config, actions};

/// Everything a transaction sees of its block.
#[derive(Debug)]
pub struct BlockContext {
    config: Arc<Config>,
    params: ExecutorParams,
}

impl BlockContext {
    /// A block at `now_unix_s` with logical time `block_lt`, after masterchain block `masterchain`.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        now_unix_s: u32,
        block_lt: u64,
        rand_seed: HashBytes,
        masterchain: Option<BlockId>,
    ) -> Self {
        let params = ExecutorParams {
            rand_seed,
            block_unixtime: now_unix_s,
            block_lt,
            prev_mc_block_id: masterchain,
            charge_action_fees_on_fail: config.version() >= 15,
            strict_extra_currency: true,
            ..ExecutorParams::default()
        };
        Self { config, params }
    }

    /// The same block in which every check of a signature succeeds: for estimates only.
    #[must_use]
    pub const fn ignoring_signatures(mut self) -> Self {
        self.params.vm_modifiers.chksig_always_succeed = true;
        self
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Unix time of the block.
    #[must_use]
    pub const fn now_unix_s(&self) -> u32 {
        self.params.block_unixtime
    }
}

/// Executes an inbound message on `account`.
///
/// `min_lt` is the first logical time the transaction may have; the message's own time and the account's are seen to.
pub fn execute_message(
    block: &BlockContext,
    cache: &mut StorageDictCache,
    address: &StdAddr,
    message: &Cell,
    account: &ShardAccount,
    min_lt: u64,
) -> Result<Executed, ExecError> {
    let mut state = begin(block, address, account, min_lt)?;
    let (info, import_fee) = run_phases(&mut state, block.config.version(), message)?;
    let mut summary = PhaseSummary {
        import_fee_nanoton: import_fee.into_inner(),
        ..PhaseSummary::default()
    };
    summarise(
        &mut summary,
        &info.compute_phase,
        info.action_phase.as_ref(),
        info.storage_phase.as_ref(),
    );
    summary.aborted = info.aborted;
    summary.destroyed = info.destroyed;
    if let Some(BouncePhase::Executed(bounce)) = &info.bounce_phase {
        summary.bounced_back = true;
        summary.forward_fee_nanoton += bounce.msg_fees.into_inner() + bounce.fwd_fees.into_inner();
    }
    finish(block, cache, state, account, Some(message.clone()), info, summary)
}

/// Runs the tick or tock of a special account; see [`execute_message`].
pub fn execute_tick_tock(
    block: &BlockContext,
    cache: &mut StorageDictCache,
    address: &StdAddr,
    kind: TickTock,
    account: &ShardAccount,
    min_lt: u64,
) -> Result<Executed, ExecError> {
    let mut state = begin(block, address, account, min_lt)?;
    let mut info: TickTockTxInfo = match state.run_tick_tock_transaction(kind, None) {
        Ok(info) => info,
        Err(TxError::Skipped) => return Err(ExecError::Inactive),
        Err(TxError::Fatal(error)) => return Err(invalid(error)),
    };
    clear_flags(&mut info.compute_phase);
    if let Some(action) = &mut info.action_phase {
        action.result_arg = action.result_arg.filter(|arg| *arg != 0);
    }
    let mut summary = PhaseSummary::default();
    summarise(
        &mut summary,
        &info.compute_phase,
        info.action_phase.as_ref(),
        Some(&info.storage_phase),
    );
    summary.aborted = info.aborted;
    summary.destroyed = info.destroyed;
    finish(block, cache, state, account, None, info, summary)
}

/// Whether `account` would pay for an external message now. Runs the code only up to its acceptance.
pub fn check_external(
    block: &BlockContext,
    address: &StdAddr,
    message: &Cell,
    account: &ShardAccount,
    min_lt: u64,
) -> Result<(), ExecError> {
    let mut state = begin(block, address, account, min_lt)?;
    let mut received = match state.receive_in_msg(message.clone()) {
        Ok(received) if received.is_external => received,
        Ok(_) => return Err(ExecError::Invalid("not an external message".to_owned())),
        Err(error) => return Err(invalid(error)),
    };
    let storage = state
        .storage_phase(StoragePhaseContext {
            adjust_msg_balance: false,
            received_message: Some(&mut received),
            inspector: None,
        })
        .map_err(invalid)?;
    freeze_now(&mut state, storage.status_change)?;
    let compute = state
        .compute_phase(ComputePhaseContext {
            input: TransactionInput::Ordinary(&received),
            storage_fee: storage.storage_fees_collected,
            force_accept: false,
            stop_on_accept: true,
            inspector: None,
        })
        .map_err(invalid)?;
    if compute.accepted {
        Ok(())
    } else {
        Err(ExecError::NotAccepted {
            exit_code: exit_code(&compute.compute_phase),
        })
    }
}

fn begin<'a>(
    block: &'a BlockContext,
    address: &StdAddr,
    account: &ShardAccount,
    min_lt: u64,
) -> Result<ExecutorState<'a>, ExecError> {
    let executor = Executor::new(&block.params, block.config.parsed()).with_min_lt(min_lt);
    executor.begin(address, account.load_account()?).map_err(invalid)
}

/// Storage and credit in the order the bounce flag asks for, compute, action, bounce.
fn run_phases(
    state: &mut ExecutorState<'_>,
    version: u32,
    message: &Cell,
) -> Result<(OrdinaryTxInfo, Tokens), ExecError> {
    let mut received = state.receive_in_msg(message.clone()).map_err(invalid)?;
    let is_external = received.is_external;
    // Nothing but the import of an external message has been charged so far.
    let import_fee = state.total_fees;
    let credit_first = !received.bounce_enabled;

    let mut credit_phase = None;
    if credit_first && !is_external {
        credit_phase = Some(state.credit_phase(&received).map_err(invalid)?);
    }
    let storage_phase = state
        .storage_phase(StoragePhaseContext {
            adjust_msg_balance: credit_first,
            received_message: Some(&mut received),
            inspector: None,
        })
        .map_err(invalid)?;
    if !credit_first && !is_external {
        credit_phase = Some(state.credit_phase(&received).map_err(invalid)?);
    }
    freeze_now(state, storage_phase.status_change)?;

    let ComputePhaseFull {
        mut compute_phase,
        accepted,
        original_balance,
        new_state,
        actions,
    } = state
        .compute_phase(ComputePhaseContext {
            input: TransactionInput::Ordinary(&received),
            storage_fee: storage_phase.storage_fees_collected,
            force_accept: false,
            stop_on_accept: false,
            inspector: None,
        })
        .map_err(invalid)?;
    if is_external && !accepted {
        return Err(ExecError::NotAccepted {
            exit_code: exit_code(&compute_phase),
        });
    }
    if let ComputePhase::Skipped(skipped) = &mut compute_phase
        && skipped.reason == ComputePhaseSkipReason::BadState
        && received.init.is_none()
    {
        skipped.reason = ComputePhaseSkipReason::NoState;
    }

    let mut action_phase = None;
    let (mut aborted, mut bounce_needed, mut fine, mut destroyed) = (true, true, Tokens::ZERO, false);
    if let ComputePhase::Executed(executed) = &compute_phase
        && executed.success
    {
        let balance_before = received.balance_remaining.clone();
        let refused = actions::refused(&actions, version, state.address.is_masterchain());
        let result = if let Some(refused) = refused {
            refused
        } else {
            state
                .action_phase(ActionPhaseContext {
                    received_message: Some(&mut received),
                    original_balance,
                    new_state,
                    actions,
                    compute_phase: executed,
                    inspector: None,
                })
                .map_err(invalid)?
        };
        aborted = !result.action_phase.success;
        bounce_needed = result.state_exceeds_limits || result.bounce;
        fine = result.action_fine;
        destroyed = state.end_status == AccountStatus::NotExists;
        let mut record = result.action_phase;
        record.result_arg = record.result_arg.filter(|arg| *arg != 0);
        if version >= 14 && aborted {
            received.balance_remaining = balance_before;
        }
        action_phase = Some(record);
    }

    let mut bounce_phase = None;
    if received.bounce_enabled && bounce_needed {
        let reason = match (&action_phase, &compute_phase) {
            (Some(action), _) => BounceReason::ActionPhaseFailed {
                result_code: action.result_code,
            },
            (None, ComputePhase::Executed(compute)) => BounceReason::ComputePhaseFailed {
                exit_code: compute.exit_code,
            },
            (None, ComputePhase::Skipped(skipped)) => BounceReason::ComputePhaseSkipped(skipped.reason),
        };
        let (gas_fees, compute_phase_info) = match &compute_phase {
            ComputePhase::Executed(compute) => (
                compute.gas_fees,
                Some(NewBounceComputePhaseInfo {
                    gas_used: u32::try_from(compute.gas_used.into_inner()).unwrap_or(u32::MAX),
                    vm_steps: compute.vm_steps,
                }),
            ),
            ComputePhase::Skipped(_) => (Tokens::ZERO, None),
        };
        let mut record = state
            .bounce_phase(BouncePhaseContext {
                gas_fees,
                action_fine: fine,
                received_message: &received,
                reason,
                compute_phase_info,
            })
            .map_err(invalid)?;
        full_bounce_fee(state, &received.root, &mut record)?;
        bounce_phase = Some(record);
    }
    clear_flags(&mut compute_phase);
    let info = OrdinaryTxInfo {
        credit_first,
        storage_phase: Some(storage_phase),
        credit_phase,
        compute_phase,
        action_phase,
        aborted,
        bounce_phase,
        destroyed,
    };
    Ok((info, import_fee))
}

/// Difference 4: the executor notes the freeze but would still run the code.
fn freeze_now(state: &mut ExecutorState<'_>, change: AccountStatusChange) -> Result<(), ExecError> {
    if change == AccountStatusChange::Frozen
        && let AccountState::Active(init) = &state.state
    {
        let hash = *CellBuilder::build_from(init)?.repr_hash();
        state.state = AccountState::Frozen(hash);
    }
    Ok(())
}

/// Difference 8: the executor records what is missing, the reference what is required.
fn full_bounce_fee(state: &ExecutorState<'_>, message: &Cell, record: &mut BouncePhase) -> Result<(), ExecError> {
    if let BouncePhase::NoFunds(no_funds) = record
        && no_funds.req_fwd_fees != Tokens::MAX
    {
        let size = CellTreeStats {
            bit_count: no_funds.msg_size.bits.into_inner(),
            cell_count: no_funds.msg_size.cells.into_inner(),
        };
        let from_masterchain = match message.parse::<MsgInfo>()? {
            MsgInfo::Int(info) => info.src.is_masterchain(),
            MsgInfo::ExtIn(_) | MsgInfo::ExtOut(_) => false,
        };
        let masterchain = state.address.is_masterchain() || from_masterchain;
        no_funds.req_fwd_fees = state.config.fwd_prices(masterchain).compute_fwd_fee(size);
    }
    Ok(())
}

/// Difference 7.
const fn clear_flags(compute: &mut ComputePhase) {
    if let ComputePhase::Executed(executed) = compute {
        executed.msg_state_used = false;
        executed.account_activated = false;
    }
}

const fn exit_code(compute: &ComputePhase) -> Option<i32> {
    match compute {
        ComputePhase::Executed(executed) => Some(executed.exit_code),
        ComputePhase::Skipped(_) => None,
    }
}

fn summarise(
    summary: &mut PhaseSummary,
    compute: &ComputePhase,
    action: Option<&tycho_types::models::ActionPhase>,
    storage: Option<&tycho_types::models::StoragePhase>,
) {
    if let ComputePhase::Executed(compute) = compute {
        summary.exit_code = Some(compute.exit_code);
        summary.gas_used = compute.gas_used.into_inner();
        summary.vm_steps = compute.vm_steps;
        summary.gas_fee_nanoton = compute.gas_fees.into_inner();
    }
    if let Some(action) = action {
        summary.action_code = Some(action.result_code);
        summary.forward_fee_nanoton = action.total_fwd_fees.map_or(0, Tokens::into_inner);
    }
    if let Some(storage) = storage {
        summary.storage_fee_nanoton = storage.storage_fees_collected.into_inner();
        summary.storage_due_nanoton = storage.storage_fees_due.map_or(0, Tokens::into_inner);
        summary.frozen = storage.status_change == AccountStatusChange::Frozen;
    }
}

fn finish(
    block: &BlockContext,
    cache: &mut StorageDictCache,
    mut state: ExecutorState<'_>,
    account: &ShardAccount,
    message: Option<Cell>,
    info: impl Into<tycho_types::models::TxInfo>,
    mut phases: PhaseSummary,
) -> Result<Executed, ExecError> {
    if state.end_status == AccountStatus::NotExists && !state.balance.is_zero() {
        state.end_status = AccountStatus::Uninit;
    }
    set_storage_dict(block, cache, &mut state, account)?;
    let lt = state.start_lt;
    let mut output = UncommittedTransaction::with_info(state, account, message, info)
        .and_then(UncommittedTransaction::commit)
        .map_err(invalid)?;
    if phases.frozen {
        record_as_frozen(&mut output.transaction, &mut output.new_state)?;
    }
    let new_account = output.new_state_meta;
    let total_fees_nanoton = output.transaction_meta.total_fees.into_inner();
    let others = phases.storage_fee_nanoton + phases.gas_fee_nanoton + phases.import_fee_nanoton;
    phases.action_fee_nanoton = total_fees_nanoton.saturating_sub(others);
    Ok(Executed {
        lt,
        end_lt: output.transaction_meta.next_lt,
        end_status: end_status(&output.transaction)?,
        transaction: output.transaction.into_inner(),
        state: output.new_state,
        balance_nanoton: if new_account.exists {
            new_account.balance.tokens.into_inner()
        } else {
            0
        },
        exists: new_account.exists,
        out_messages: output
            .transaction_meta
            .out_msgs
            .into_iter()
            .map(Lazy::into_inner)
            .collect(),
        total_fees_nanoton,
        burned_nanoton: output.burned.into_inner(),
        phases,
    })
}

/// The status as it was recorded: the executor normalises it while it commits.
/// An account that freezes in its initial state is stored as uninitialised, because its address says as much as the
/// frozen hash. The executor records that status in the transaction too; the reference records "frozen".
fn record_as_frozen(transaction: &mut Lazy<Transaction>, state: &mut ShardAccount) -> Result<(), Error> {
    let mut record = transaction.load()?;
    if record.end_status == AccountStatus::Uninit {
        record.end_status = AccountStatus::Frozen;
        *transaction = Lazy::new(&record)?;
        state.last_trans_hash = *transaction.inner().repr_hash();
    }
    Ok(())
}

fn end_status(transaction: &Lazy<Transaction>) -> Result<AccountStatus, Error> {
    // transaction$0111 account_addr:bits256 lt:uint64 prev_trans_hash:bits256 prev_trans_lt:uint64 now:uint32
    // outmsg_cnt:uint15 orig_status:AccountStatus end_status:AccountStatus
    let mut slice = transaction.inner().as_slice()?;
    slice.skip_first(4 + 256 + 64 + 256 + 64 + 32 + 15 + 2, 0)?;
    Ok(match slice.load_small_uint(2)? {
        0 => AccountStatus::Uninit,
        1 => AccountStatus::Frozen,
        2 => AccountStatus::Active,
        _ => AccountStatus::NotExists,
    })
}

/// Difference 9: sets the hash the account will carry, before it is serialised, so that nothing is built twice.
fn set_storage_dict(
    block: &BlockContext,
    cache: &mut StorageDictCache,
    state: &mut ExecutorState<'_>,
    account: &ShardAccount,
) -> Result<(), ExecError> {
    let active = match (&state.state, state.end_status) {
        (AccountState::Active(init), AccountStatus::Active) if !state.address.is_masterchain() => init,
        _ => {
            state.storage_stat.storage_extra = StorageExtra::None;
            return Ok(());
        }
    };
    if state.orig_status == AccountStatus::Active
        && let Some(before) = account.load_account()?
        && let AccountState::Active(before_init) = &before.state
        && same_roots(before_init, active)
    {
        // Same cells, same answer: the value that came with the account stays.
        return Ok(());
    }
    let hash = cache.hash(active, block.config.state_cells_for_storage_dict())?;
    state.storage_stat.storage_extra = hash.map_or(StorageExtra::None, StorageExtra::DictHash);
    Ok(())
}
