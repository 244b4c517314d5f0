//! Version 3.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tycho_types::cell::Cell;
use tycho_types::error::Error;
use tycho_types::models::{
    AccountState, AccountStatusChange, ActionPhase, BouncePhase, ComputePhase, ComputePhaseSkipReason, CreditPhase,
    StdAddr, StoragePhase, Transaction, TxInfo,
};
use tycho_types::num::Tokens;

use super::format::{
    block_ref_v3, block_v3, friendly, hash, masterchain_seqno, or_zero_state, parse_hash, raw, state_v3,
};
use super::{Failure, Params, format, stack, v2};
use crate::boc::encode_base64;
use crate::chain::{BlockNumber, Chain, Provider, TxRecord};
use crate::trace::Trace;

pub(super) fn call(chain: &mut Chain, provider: &Provider, method: &str, params: Params<'_>) -> Result<Value, Failure> {
    match method {
        "masterchainInfo" => {
            let last = or_zero_state(provider.masterchain_block(chain));
            let first = BlockNumber {
                seqno: 1,
                ..last.number
            };
            let first = chain.block(&first);
            let first_ref = first.as_ref().map_or(last, |block| block.id);
            Ok(json!({
                "last": block_v3(&last, chain.block(&last.number).as_deref()),
                "first": block_v3(&first_ref, first.as_deref()),
            }))
        }
        "account" | "addressInformation" => account(chain, provider, &params.address("address")?),
        "accountStates" => account_states(chain, provider, params),
        "transactions" => transactions(chain, provider, params),
        "transactionsByMessage" => {
            let wanted = wanted_hash(params, "msg_hash")?.ok_or_else(|| Failure::parameter("msg_hash", "missing"))?;
            let records: Vec<_> = chain.transaction_by_message(&wanted).into_iter().collect();
            transaction_list(chain, &records)
        }
        "runGetMethod" => {
            let result = v2::get_method_result(chain, provider, params)?;
            Ok(json!({
                "gas_used": result.gas_used,
                "exit_code": result.exit_code,
                "stack": result.stack.iter().map(stack::to_v3).collect::<Vec<_>>(),
            }))
        }
        "message" => {
            let message = v2::send(chain, params)?;
            let normalized = format::normalized_hash(&message)?;
            Ok(json!({ "message_hash": hash(&message.hash), "message_hash_norm": hash(&normalized) }))
        }
        "traces" => traces(chain, params),
        _ => Err(Failure::new(404, format!("unknown method {method}"))),
    }
}

fn wanted_hash(params: Params<'_>, name: &str) -> Result<Option<tycho_types::cell::HashBytes>, Failure> {
    let Some(text) = params.optional_text(name)? else {
        return Ok(None);
    };
    parse_hash(text)
        .map(Some)
        .ok_or_else(|| Failure::parameter(name, "malformed"))
}

/// Code, data and frozen hash of an account.
struct Cells {
    code: Option<Cell>,
    data: Option<Cell>,
    frozen: Option<tycho_types::cell::HashBytes>,
}

fn cells(entry: &crate::chain::AccountEntry) -> Result<Cells, Error> {
    Ok(match entry.account()?.map(|account| account.state) {
        Some(AccountState::Active(state)) => Cells {
            code: state.code,
            data: state.data,
            frozen: None,
        },
        Some(AccountState::Frozen(frozen)) => Cells {
            code: None,
            data: None,
            frozen: Some(frozen),
        },
        Some(AccountState::Uninit) | None => Cells {
            code: None,
            data: None,
            frozen: None,
        },
    })
}

fn account(chain: &Chain, provider: &Provider, address: &StdAddr) -> Result<Value, Failure> {
    let Some(entry) = provider.account(chain, address)? else {
        return Ok(json!({
            "balance": "0", "code": null, "data": null, "frozen_hash": null,
            "last_transaction_hash": null, "last_transaction_lt": null, "status": "nonexist",
        }));
    };
    let cells = cells(&entry)?;
    Ok(json!({
        "balance": entry.balance_nanoton.to_string(),
        "code": cells.code.as_ref().map(encode_base64),
        "data": cells.data.as_ref().map(encode_base64),
        "frozen_hash": cells.frozen.as_ref().map(hash),
        "last_transaction_hash": hash(&entry.state.last_trans_hash),
        "last_transaction_lt": entry.state.last_trans_lt.to_string(),
        "status": state_v3(Some(entry.status)),
    }))
}

fn account_states(chain: &Chain, provider: &Provider, params: Params<'_>) -> Result<Value, Failure> {
    let include = params.get("include_boc").is_none() || params.flag("include_boc");
    let (mut accounts, mut book) = (Vec::new(), BTreeMap::new());
    for address in params.addresses("address")? {
        book.insert(raw(&address), address.clone());
        let Some(entry) = provider.account(chain, &address)? else {
            continue;
        };
        let cells = cells(&entry)?;
        let boc = |cell: &Option<Cell>| cell.as_ref().filter(|_| include).map(encode_base64);
        let cell_hash = |cell: &Option<Cell>| cell.as_ref().map(|cell| hash(cell.repr_hash()));
        accounts.push(json!({
            "address": raw(&address),
            "account_state_hash": hash(entry.state.account.inner().repr_hash()),
            "balance": entry.balance_nanoton.to_string(),
            "extra_currencies": {},
            "status": state_v3(Some(entry.status)),
            "last_transaction_hash": hash(&entry.state.last_trans_hash),
            "last_transaction_lt": entry.state.last_trans_lt.to_string(),
            "code_hash": cell_hash(&cells.code),
            "code_boc": boc(&cells.code),
            "data_hash": cell_hash(&cells.data),
            "data_boc": boc(&cells.data),
            "frozen_hash": cells.frozen.as_ref().map(hash),
            "contract_methods": null,
            "interfaces": [],
        }));
    }
    Ok(json!({ "accounts": accounts, "address_book": address_book(&book), "metadata": {} }))
}

fn address_book(addresses: &BTreeMap<String, StdAddr>) -> Value {
    let entry = |(raw, address): (&String, &StdAddr)| {
        (
            raw.clone(),
            json!({ "user_friendly": friendly(address, true), "domain": null, "interfaces": [] }),
        )
    };
    Value::Object(addresses.iter().map(entry).collect())
}

fn transactions(chain: &Chain, provider: &Provider, params: Params<'_>) -> Result<Value, Failure> {
    let (limit, offset) = (params.limit(10, 1_000)?, params.optional_u64("offset")?.unwrap_or(0));
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut records: Vec<Arc<TxRecord>> = Vec::new();
    if let Some(wanted) = wanted_hash(params, "hash")? {
        records.extend(chain.transaction(&wanted));
    } else {
        let (from, to) = (
            params.optional_u64("start_lt")?.unwrap_or(0),
            params.optional_u64("end_lt")?,
        );
        for address in params.addresses("account")? {
            let found = provider.transactions(chain, &address, to, usize::MAX);
            records.extend(found.into_iter().filter(|record| record.lt >= from));
        }
        let ascending = params.optional_text("sort")? == Some("asc");
        records.sort_by(|left, right| {
            let order = (left.lt, left.hash).cmp(&(right.lt, right.hash));
            if ascending { order } else { order.reverse() }
        });
    }
    let page: Vec<_> = records.into_iter().skip(offset).take(limit).collect();
    transaction_list(chain, &page)
}

fn transaction_list(chain: &Chain, records: &[Arc<TxRecord>]) -> Result<Value, Failure> {
    let mut book = BTreeMap::new();
    let mut list = Vec::with_capacity(records.len());
    for record in records {
        book.insert(raw(&record.address), record.address.clone());
        let trace = chain.trace_of_transaction(&record.hash);
        let root = trace
            .as_ref()
            .and_then(|trace| trace.rows.first())
            .map_or(record.hash, |row| row.record.hash);
        list.push(transaction(chain, record, &root)?);
    }
    Ok(json!({ "transactions": list, "address_book": address_book(&book) }))
}

fn transaction(chain: &Chain, record: &TxRecord, root: &tycho_types::cell::HashBytes) -> Result<Value, Error> {
    let info = record.cell.parse::<Transaction>()?.load_info()?;
    let out_messages: Result<Vec<Value>, Error> = record
        .out_messages
        .iter()
        .map(|message| format::message_v3(message))
        .collect();
    Ok(json!({
        "account": raw(&record.address),
        "hash": hash(&record.hash),
        "lt": record.lt.to_string(),
        "now": record.now_unix_s,
        "mc_block_seqno": masterchain_seqno(chain, record),
        "trace_id": hash(root),
        "prev_trans_hash": hash(&record.previous.1),
        "prev_trans_lt": record.previous.0.to_string(),
        "orig_status": state_v3(Some(record.status_before)),
        "end_status": state_v3(Some(record.status_after)),
        "total_fees": record.total_fees_nanoton.to_string(),
        "total_fees_extra_currencies": {},
        "description": description(&info),
        "block_ref": block_ref_v3(&record.block),
        "in_msg": record.in_message.as_ref().map(|message| format::message_v3(message)).transpose()?,
        "out_msgs": out_messages?,
        "account_state_before": {
            "hash": hash(&record.account_hash_before),
            "balance": record.balance_before_nanoton.to_string(),
            "account_status": state_v3(Some(record.status_before)),
        },
        "account_state_after": {
            "hash": hash(&record.account_hash_after),
            "balance": record.balance_after_nanoton.to_string(),
            "account_status": state_v3(Some(record.status_after)),
        },
        "emulated": false,
    }))
}

fn description(info: &TxInfo) -> Value {
    match info {
        TxInfo::Ordinary(info) => json!({
            "type": "ord",
            "aborted": info.aborted,
            "destroyed": info.destroyed,
            "credit_first": info.credit_first,
            "storage_ph": info.storage_phase.as_ref().map(storage),
            "credit_ph": info.credit_phase.as_ref().map(credit),
            "compute_ph": compute(&info.compute_phase),
            "action": info.action_phase.as_ref().map(action),
            "bounce": info.bounce_phase.as_ref().map(bounce),
        }),
        TxInfo::TickTock(info) => json!({
            "type": "tick_tock",
            "is_tock": matches!(info.kind, tycho_types::models::TickTock::Tock),
            "aborted": info.aborted,
            "destroyed": info.destroyed,
            "storage_ph": storage(&info.storage_phase),
            "compute_ph": compute(&info.compute_phase),
            "action": info.action_phase.as_ref().map(action),
        }),
    }
}

fn tokens(value: Tokens) -> String {
    value.into_inner().to_string()
}

const fn status_change(change: AccountStatusChange) -> &'static str {
    match change {
        AccountStatusChange::Unchanged => "unchanged",
        AccountStatusChange::Frozen => "frozen",
        AccountStatusChange::Deleted => "deleted",
    }
}

fn storage(phase: &StoragePhase) -> Value {
    json!({
        "storage_fees_collected": tokens(phase.storage_fees_collected),
        "storage_fees_due": phase.storage_fees_due.map(tokens),
        "status_change": status_change(phase.status_change),
    })
}

fn credit(phase: &CreditPhase) -> Value {
    json!({
        "credit": tokens(phase.credit.tokens),
        "due_fees_collected": phase.due_fees_collected.map(tokens),
    })
}

fn compute(phase: &ComputePhase) -> Value {
    match phase {
        ComputePhase::Skipped(skipped) => json!({
            "skipped": true,
            "reason": match skipped.reason {
                ComputePhaseSkipReason::NoState => "no_state",
                ComputePhaseSkipReason::BadState => "bad_state",
                ComputePhaseSkipReason::NoGas => "no_gas",
                ComputePhaseSkipReason::Suspended => "suspended",
            },
        }),
        ComputePhase::Executed(executed) => json!({
            "skipped": false,
            "success": executed.success,
            "msg_state_used": executed.msg_state_used,
            "account_activated": executed.account_activated,
            "gas_fees": tokens(executed.gas_fees),
            "gas_used": executed.gas_used.into_inner().to_string(),
            "gas_limit": executed.gas_limit.into_inner().to_string(),
            "gas_credit": executed.gas_credit.map(|credit| credit.into_inner().to_string()),
            "mode": executed.mode,
            "exit_code": executed.exit_code,
            "exit_arg": executed.exit_arg,
            "vm_steps": executed.vm_steps,
            "vm_init_state_hash": hash(&executed.vm_init_state_hash),
            "vm_final_state_hash": hash(&executed.vm_final_state_hash),
        }),
    }
}

fn action(phase: &ActionPhase) -> Value {
    json!({
        "success": phase.success,
        "valid": phase.valid,
        "no_funds": phase.no_funds,
        "status_change": status_change(phase.status_change),
        "total_fwd_fees": phase.total_fwd_fees.map(tokens),
        "total_action_fees": phase.total_action_fees.map(tokens),
        "result_code": phase.result_code,
        "result_arg": phase.result_arg,
        "tot_actions": phase.total_actions,
        "spec_actions": phase.special_actions,
        "skipped_actions": phase.skipped_actions,
        "msgs_created": phase.messages_created,
        "action_list_hash": hash(&phase.action_list_hash),
        "tot_msg_size": {
            "cells": phase.total_message_size.cells.into_inner().to_string(),
            "bits": phase.total_message_size.bits.into_inner().to_string(),
        },
    })
}

fn bounce(phase: &BouncePhase) -> Value {
    match phase {
        BouncePhase::NegativeFunds => json!({ "type": "negfunds" }),
        BouncePhase::NoFunds(phase) => json!({
            "type": "nofunds",
            "msg_size": {
                "cells": phase.msg_size.cells.into_inner().to_string(),
                "bits": phase.msg_size.bits.into_inner().to_string(),
            },
            "req_fwd_fees": tokens(phase.req_fwd_fees),
        }),
        BouncePhase::Executed(phase) => json!({
            "type": "ok",
            "msg_size": {
                "cells": phase.msg_size.cells.into_inner().to_string(),
                "bits": phase.msg_size.bits.into_inner().to_string(),
            },
            "msg_fees": tokens(phase.msg_fees),
            "fwd_fees": tokens(phase.fwd_fees),
        }),
    }
}

fn traces(chain: &Chain, params: Params<'_>) -> Result<Value, Failure> {
    let mut found: Vec<Trace> = Vec::new();
    if let Some(message) = wanted_hash(params, "msg_hash")? {
        let transaction = chain.transaction_by_message(&message);
        found.extend(transaction.and_then(|record| chain.trace_of_transaction(&record.hash)));
    } else if let Some(transaction) = wanted_hash(params, "tx_hash")?.or(wanted_hash(params, "trace_id")?) {
        found.extend(chain.trace_of_transaction(&transaction));
    } else {
        let address = params.address("account")?;
        let mut roots = Vec::new();
        for record in chain.transactions(&address, None, usize::MAX) {
            if found.len() >= params.limit(10, 100)? {
                break;
            }
            if let Some(trace) = chain.trace_of_transaction(&record.hash) {
                let root = trace.rows.first().map(|row| row.record.hash);
                if !roots.contains(&root) {
                    roots.push(root);
                    found.push(trace);
                }
            }
        }
    }
    let mut book = BTreeMap::new();
    let mut list = Vec::with_capacity(found.len());
    for trace in &found {
        for row in &trace.rows {
            book.insert(raw(&row.record.address), row.record.address.clone());
        }
        list.push(trace_value(chain, trace)?);
    }
    Ok(json!({ "traces": list, "address_book": address_book(&book), "metadata": {} }))
}

fn trace_value(chain: &Chain, trace: &Trace) -> Result<Value, Error> {
    let records = || trace.rows.iter().map(|row| row.record.as_ref());
    let Some(root) = records().next() else {
        return Ok(Value::Null);
    };
    let mut order: Vec<&TxRecord> = records().collect();
    order.sort_by_key(|record| (record.lt, record.hash));
    let mut transactions = serde_json::Map::new();
    for record in records() {
        transactions.insert(hash(&record.hash), transaction(chain, record, &root.hash)?);
    }
    // Children stand after their parents: built from the end, every node finds its children ready.
    let mut nodes: Vec<Vec<Value>> = vec![Vec::new(); trace.rows.len()];
    let mut tree = Value::Null;
    for (place, row) in trace.rows.iter().enumerate().rev() {
        let mut children = std::mem::take(&mut nodes[place]);
        children.reverse();
        let node = json!({
            "tx_hash": hash(&row.record.hash),
            "in_msg_hash": row.record.in_message.as_ref().map(|message| hash(&message.hash)),
            "children": children,
        });
        match row.parent {
            Some(parent) => nodes[parent].push(node),
            None => tree = node,
        }
    }
    let state = if trace.is_complete() { "complete" } else { "pending" };
    let first = |pick: fn(&TxRecord) -> u64| records().map(pick).min().unwrap_or(0);
    let last = |pick: fn(&TxRecord) -> u64| records().map(pick).max().unwrap_or(0);
    let seqnos = || records().map(|record| masterchain_seqno(chain, record));
    Ok(json!({
        "trace_id": hash(&root.hash),
        "external_hash": root.in_message.as_ref().map(|message| hash(&message.hash)),
        "mc_seqno_start": seqnos().min().unwrap_or(0).to_string(),
        "mc_seqno_end": seqnos().max().unwrap_or(0).to_string(),
        "start_lt": first(|record| record.lt).to_string(),
        "end_lt": last(|record| record.lt).to_string(),
        "start_utime": first(|record| u64::from(record.now_unix_s)),
        "end_utime": last(|record| u64::from(record.now_unix_s)),
        "is_incomplete": !trace.is_complete(),
        "trace_info": {
            "trace_state": state,
            "messages": trace.rows.len() + trace.pending.len(),
            "transactions": trace.rows.len(),
            "pending_messages": trace.pending.len(),
            "classification_state": "unclassified",
        },
        "trace": tree,
        "transactions_order": order.iter().map(|record| hash(&record.hash)).collect::<Vec<_>>(),
        "transactions": transactions,
    }))
}
