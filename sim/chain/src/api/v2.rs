//! Version 2.

use serde_json::{Value, json};
use tycho_types::cell::CellFamily;
use tycho_types::models::{AccountState, AccountStatus, StdAddr};

use super::format::{block_v2, friendly, hash, or_zero_state, parse_hash, parse_shard, state_v2, transaction_id};
use super::{Failure, Params, format, stack};
use crate::boc::{BocError, BocLimits, decode_base64, encode_base64};
use crate::chain::{BlockNumber, BlockRef, Chain, Message, Provider, ReadError, Refused, TxRecord, state_init};
use crate::exec::{GLOBAL_ID, GetMethodResult, StackValue, method_id};
use crate::wallet::{WalletVersion, external_message};

/// Exit code of a get-method of an account that has no code, as the public API reports it.
const EXIT_NO_ACCOUNT: i32 = -13;

pub(super) fn call(chain: &mut Chain, provider: &Provider, method: &str, params: Params<'_>) -> Result<Value, Failure> {
    match method {
        "getMasterchainInfo" => {
            let last = or_zero_state(provider.masterchain_block(chain));
            Ok(json!({
                "@type": "blocks.masterchainInfo",
                "last": block_v2(&last),
                "state_root_hash": hash(&last.root_hash),
                "init": block_v2(&or_zero_state(None)),
            }))
        }
        "getAddressInformation" => address_information(chain, provider, &params.address("address")?),
        "getExtendedAddressInformation" => extended_information(chain, provider, &params.address("address")?),
        "getWalletInformation" => wallet_information(chain, provider, &params.address("address")?),
        "getAddressBalance" => {
            let account = provider.account(chain, &params.address("address")?)?;
            Ok(json!(account.map_or(0, |entry| entry.balance_nanoton).to_string()))
        }
        "getAddressState" => {
            let account = provider.account(chain, &params.address("address")?)?;
            Ok(json!(state_v2(account.map(|entry| entry.status))))
        }
        "packAddress" => Ok(json!(friendly(&params.address("address")?, true))),
        "unpackAddress" => {
            let address = params.address("address")?;
            Ok(json!(format!(
                "{}:{}",
                address.workchain,
                hex::encode(address.address.0)
            )))
        }
        "detectAddress" => {
            let address = params.address("address")?;
            let form =
                |bounceable| json!({ "b64": friendly(&address, bounceable), "b64url": friendly(&address, bounceable) });
            let raw = format!("{}:{}", address.workchain, hex::encode(address.address.0));
            Ok(json!({
                "raw_form": raw,
                "bounceable": form(true),
                "non_bounceable": form(false),
                "given_type": if params.text("address")?.contains(':') { "raw_form" } else { "friendly" },
                "test_only": false,
            }))
        }
        "getTransactions" => transactions(chain, provider, params),
        "runGetMethod" => run_get_method(chain, provider, params),
        "sendBoc" => send(chain, params).map(|_| json!({ "@type": "ok" })),
        "sendBocReturnHash" => {
            let message = send(chain, params)?;
            let normalized = format::normalized_hash(&message)?;
            Ok(json!({
                "@type": "raw.extMessageInfo",
                "hash": hash(&message.hash),
                "hash_norm": hash(&normalized),
            }))
        }
        "estimateFee" => estimate_fee(chain, params),
        "shards" | "getShards" => shards(chain, provider, params),
        "lookupBlock" => Ok(block_v2(&lookup(chain, params)?)),
        "getBlockHeader" => {
            let id = lookup(chain, params)?;
            let block = chain
                .block(&id.number)
                .ok_or_else(|| Failure::new(404, "block not found"))?;
            Ok(json!({
                "@type": "blocks.header",
                "id": block_v2(&id),
                "global_id": GLOBAL_ID,
                "version": 0,
                "after_merge": block.previous.len() > 1,
                "gen_utime": block.now_unix_s,
                "start_lt": block.start_lt.to_string(),
                "end_lt": block.end_lt.to_string(),
                "is_key_block": false,
                "prev_blocks": block.previous.iter().map(block_v2).collect::<Vec<_>>(),
            }))
        }
        "getBlockTransactions" => block_transactions(chain, params),
        "tryLocateTx" | "tryLocateResultTx" => locate(chain, params, true),
        "tryLocateSourceTx" => locate(chain, params, false),
        "getConfigAll" => {
            let config = provider.config(chain);
            let cell = json!({ "@type": "tvm.cell", "bytes": encode_base64(config.root()) });
            Ok(json!({ "@type": "configInfo", "config": cell }))
        }
        "getConfigParam" => {
            let wanted = params
                .optional_integer("param")?
                .or(params.optional_integer("config_id")?);
            let id = wanted
                .and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| Failure::parameter("param", "missing"))?;
            let config = provider.config(chain);
            let cell = config.parsed().raw.params.as_dict().get(id)?;
            let cell = cell.ok_or_else(|| Failure::new(404, "no such parameter"))?;
            let cell = json!({ "@type": "tvm.cell", "bytes": encode_base64(&cell) });
            Ok(json!({ "@type": "configInfo", "config": cell }))
        }
        _ => Err(Failure::new(404, format!("unknown method {method}"))),
    }
}

/// What every description of an account has.
struct Described {
    balance: String,
    status: Option<AccountStatus>,
    code: String,
    data: String,
    frozen_hash: String,
    last_transaction: Value,
}

fn describe(chain: &Chain, provider: &Provider, address: &StdAddr) -> Result<Described, Failure> {
    let Some(entry) = provider.account(chain, address)? else {
        return Ok(Described {
            balance: "0".to_owned(),
            status: None,
            code: String::new(),
            data: String::new(),
            frozen_hash: String::new(),
            last_transaction: transaction_id(0, &tycho_types::cell::HashBytes::ZERO),
        });
    };
    let (mut code, mut data, mut frozen_hash) = (String::new(), String::new(), String::new());
    match entry.account()?.map(|account| account.state) {
        Some(AccountState::Active(state)) => {
            code = state.code.as_ref().map_or_else(String::new, encode_base64);
            data = state.data.as_ref().map_or_else(String::new, encode_base64);
        }
        Some(AccountState::Frozen(state_hash)) => frozen_hash = hash(&state_hash),
        Some(AccountState::Uninit) | None => {}
    }
    Ok(Described {
        balance: entry.balance_nanoton.to_string(),
        status: Some(entry.status),
        code,
        data,
        frozen_hash,
        last_transaction: transaction_id(entry.state.last_trans_lt, &entry.state.last_trans_hash),
    })
}

fn address_information(chain: &Chain, provider: &Provider, address: &StdAddr) -> Result<Value, Failure> {
    let account = describe(chain, provider, address)?;
    Ok(json!({
        "@type": "raw.fullAccountState",
        "balance": account.balance,
        "extra_currencies": [],
        "code": account.code,
        "data": account.data,
        "last_transaction_id": account.last_transaction,
        "block_id": block_v2(&or_zero_state(provider.masterchain_block(chain))),
        "frozen_hash": account.frozen_hash,
        "sync_utime": provider.now_unix_s(chain),
        "state": state_v2(account.status),
    }))
}

fn extended_information(chain: &Chain, provider: &Provider, address: &StdAddr) -> Result<Value, Failure> {
    let account = describe(chain, provider, address)?;
    let state = match account.status {
        Some(AccountStatus::Active) => {
            json!({ "@type": "raw.accountState", "code": account.code, "data": account.data, "frozen_hash": "" })
        }
        _ => json!({ "@type": "uninited.accountState", "frozen_hash": account.frozen_hash }),
    };
    Ok(json!({
        "@type": "fullAccountState",
        "address": { "@type": "accountAddress", "account_address": friendly(address, true) },
        "balance": account.balance,
        "extra_currencies": [],
        "last_transaction_id": account.last_transaction,
        "block_id": block_v2(&or_zero_state(provider.masterchain_block(chain))),
        "sync_utime": provider.now_unix_s(chain),
        "account_state": state,
        "revision": 0,
    }))
}

fn wallet_information(chain: &Chain, provider: &Provider, address: &StdAddr) -> Result<Value, Failure> {
    let account = describe(chain, provider, address)?;
    let entry = provider.account(chain, address)?;
    let code_hash = match entry
        .as_ref()
        .map(|entry| entry.account())
        .transpose()?
        .flatten()
        .map(|account| account.state)
    {
        Some(AccountState::Active(state)) => state.code.map(|code| *code.repr_hash()),
        _ => None,
    };
    let version = code_hash.and_then(|code| WalletVersion::of_code(&code));
    let mut value = json!({
        "wallet": version.is_some(),
        "balance": account.balance,
        "extra_currencies": [],
        "account_state": state_v2(account.status),
        "last_transaction_id": account.last_transaction,
    });
    if let (Some(version), Some(object)) = (version, value.as_object_mut()) {
        object.insert("wallet_type".to_owned(), json!(version.name()));
        for (field, method) in [("seqno", "seqno"), ("wallet_id", "get_subwallet_id")] {
            let result = provider.get_method(chain, address, method_id(method), &[])?;
            if let (0, [StackValue::Int(number)]) = (result.exit_code, result.stack.as_slice()) {
                let number = i64::try_from(number).map_err(|_| Failure::new(500, "a number out of range"))?;
                object.insert(field.to_owned(), json!(number));
            }
        }
    }
    Ok(value)
}

fn transactions(chain: &Chain, provider: &Provider, params: Params<'_>) -> Result<Value, Failure> {
    let address = params.address("address")?;
    let limit = params.limit(10, 1_000)?;
    let from_lt = params.optional_u64("lt")?;
    let to_lt = params.optional_u64("to_lt")?.unwrap_or(0);
    let found = provider.transactions(chain, &address, from_lt, limit);
    if let (Some(lt), Some(text)) = (from_lt, params.optional_text("hash")?) {
        let wanted = parse_hash(text).ok_or_else(|| Failure::parameter("hash", "malformed"))?;
        let first = found.first().filter(|record| record.lt == lt && record.hash == wanted);
        if first.is_none() {
            return Err(Failure::new(
                500,
                "LITE_SERVER_UNKNOWN: cannot locate transaction in block with specified logical time",
            ));
        }
    }
    let records = found.iter().take_while(|record| to_lt == 0 || record.lt > to_lt);
    let values: Result<Vec<Value>, _> = records.map(|record| format::transaction_v2(record)).collect();
    Ok(Value::Array(values?))
}

/// Name or number of a get-method.
pub(super) fn method(params: Params<'_>) -> Result<u32, Failure> {
    let value = params
        .get("method")
        .ok_or_else(|| Failure::parameter("method", "missing"))?;
    if let Some(number) = value.as_u64() {
        return u32::try_from(number).map_err(|_| Failure::parameter("method", "out of range"));
    }
    let name = value
        .as_str()
        .ok_or_else(|| Failure::parameter("method", "neither name nor number"))?;
    Ok(name.parse().unwrap_or_else(|_| method_id(name)))
}

/// Runs a get-method; an account without code has an exit code of its own.
pub(super) fn get_method_result(
    chain: &Chain,
    provider: &Provider,
    params: Params<'_>,
) -> Result<GetMethodResult, Failure> {
    let address = params.address("address")?;
    let arguments = stack::arguments(params.get("stack"))?;
    match provider.get_method(chain, &address, method(params)?, &arguments) {
        Ok(result) => Ok(result),
        Err(ReadError::NoAccount | ReadError::GetMethod(crate::exec::GetMethodError::NoCode)) => Ok(GetMethodResult {
            exit_code: EXIT_NO_ACCOUNT,
            gas_used: 0,
            stack: Vec::new(),
        }),
        Err(error) => Err(Failure::new(422, error.to_string())),
    }
}

fn run_get_method(chain: &Chain, provider: &Provider, params: Params<'_>) -> Result<Value, Failure> {
    let result = get_method_result(chain, provider, params)?;
    let account = describe(chain, provider, &params.address("address")?)?;
    Ok(json!({
        "@type": "smc.runResult",
        "gas_used": result.gas_used,
        "stack": result.stack.iter().map(stack::to_v2).collect::<Vec<_>>(),
        "exit_code": result.exit_code,
        "block_id": block_v2(&or_zero_state(provider.masterchain_block(chain))),
        "last_transaction_id": account.last_transaction,
    }))
}

/// Submits the message in `boc`.
pub(super) fn send(chain: &mut Chain, params: Params<'_>) -> Result<Message, Failure> {
    let cell = decode_base64(params.text("boc")?, BocLimits::EXTERNAL_MESSAGE)
        .map_err(|error| Failure::new(422, error.to_string()))?;
    let boc = tycho_types::boc::Boc::encode(cell.as_ref());
    match chain.submit(&boc) {
        Ok(_) => Message::parse(cell).map_err(Failure::from),
        Err(error @ (Refused::Boc(BocError::Malformed(_) | BocError::Base64(_)) | Refused::NotExternal)) => {
            Err(Failure::new(422, error.to_string()))
        }
        Err(error) => Err(Failure::new(
            500,
            format!("LITE_SERVER_UNKNOWN: cannot apply external message to current state : {error}"),
        )),
    }
}

fn estimate_fee(chain: &mut Chain, params: Params<'_>) -> Result<Value, Failure> {
    let address = params.address("address")?;
    let cell = |name: &str| match params.optional_text(name)? {
        None | Some("") => Ok::<_, Failure>(None),
        Some(text) => Ok(Some(
            decode_base64(text, BocLimits::STATE).map_err(|error| Failure::new(422, error.to_string()))?,
        )),
    };
    let body = cell("body")?.unwrap_or_else(tycho_types::cell::Cell::empty_cell);
    let state = match (cell("init_code")?, cell("init_data")?) {
        (Some(code), Some(data)) => Some(state_init(code, data)),
        _ => None,
    };
    let message = external_message(&address, state, body)?;
    let executed = chain.estimate(&address, &message, params.flag("ignore_chksig"))?;
    let forward = executed.phases.forward_fee_nanoton;
    let number = |nanoton: u128| u64::try_from(nanoton).unwrap_or(u64::MAX);
    Ok(json!({
        "@type": "query.fees",
        "source_fees": {
            "@type": "fees",
            "in_fwd_fee": number(executed.phases.import_fee_nanoton),
            "storage_fee": number(executed.phases.storage_fee_nanoton),
            "gas_fee": number(executed.phases.gas_fee_nanoton),
            "fwd_fee": number(forward),
        },
        "destination_fees": [],
    }))
}

fn shards(chain: &Chain, provider: &Provider, params: Params<'_>) -> Result<Value, Failure> {
    let shards = match params.optional_u64("seqno")? {
        None => provider.shard_blocks(chain),
        Some(seqno) => {
            let number = masterchain_number(seqno)?;
            chain
                .block(&number)
                .ok_or_else(|| Failure::new(404, "block not found"))?
                .shards
                .clone()
        }
    };
    Ok(json!({ "@type": "blocks.shards", "shards": shards.iter().map(block_v2).collect::<Vec<_>>() }))
}

fn masterchain_number(seqno: u64) -> Result<BlockNumber, Failure> {
    let seqno = u32::try_from(seqno).map_err(|_| Failure::parameter("seqno", "out of range"))?;
    Ok(BlockNumber {
        seqno,
        ..or_zero_state(None).number
    })
}

fn block_number(params: Params<'_>) -> Result<BlockNumber, Failure> {
    let workchain =
        i32::try_from(params.integer("workchain")?).map_err(|_| Failure::parameter("workchain", "out of range"))?;
    let shard = params
        .get("shard")
        .and_then(parse_shard)
        .ok_or_else(|| Failure::parameter("shard", "malformed"))?;
    let seqno = params
        .optional_u64("seqno")?
        .ok_or_else(|| Failure::parameter("seqno", "missing"))?;
    let seqno = u32::try_from(seqno).map_err(|_| Failure::parameter("seqno", "out of range"))?;
    Ok(BlockNumber {
        workchain,
        shard,
        seqno,
    })
}

fn lookup(chain: &Chain, params: Params<'_>) -> Result<BlockRef, Failure> {
    let block = chain.block(&block_number(params)?);
    block
        .map(|block| block.id)
        .ok_or_else(|| Failure::new(404, "block not found"))
}

fn block_transactions(chain: &Chain, params: Params<'_>) -> Result<Value, Failure> {
    let block = chain
        .block(&block_number(params)?)
        .ok_or_else(|| Failure::new(404, "block not found"))?;
    let count = params
        .optional_u64("count")?
        .map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let short = |record: &TxRecord| {
        json!({
            "@type": "blocks.shortTxId",
            "mode": 135,
            "account": format!("{}:{}", record.address.workchain, hex::encode(record.address.address.0)),
            "lt": record.lt.to_string(),
            "hash": hash(&record.hash),
        })
    };
    Ok(json!({
        "@type": "blocks.transactions",
        "id": block_v2(&block.id),
        "req_count": count.min(block.transactions.len()),
        "incomplete": count < block.transactions.len(),
        "transactions": block.transactions.iter().take(count).map(|record| short(record)).collect::<Vec<_>>(),
    }))
}

fn locate(chain: &Chain, params: Params<'_>, result: bool) -> Result<Value, Failure> {
    let not_found = || Failure::new(404, "transaction was not found");
    let source = params.address("source")?;
    let destination = params.address("destination")?;
    let created_lt = params
        .optional_u64("created_lt")?
        .ok_or_else(|| Failure::parameter("created_lt", "missing"))?;
    let sender = chain.transaction_by_out_lt(&source, created_lt).ok_or_else(not_found)?;
    let mut messages = sender.out_messages.iter();
    let message = messages
        .find(|message| message.created_lt == created_lt && message.to() == Some(&destination))
        .ok_or_else(not_found)?;
    let record = if result {
        chain.transaction_by_message(&message.hash).ok_or_else(not_found)?
    } else {
        sender
    };
    Ok(format::transaction_v2(&record)?)
}
