//! Addresses, blocks, messages and transactions as the API writes them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tycho_types::cell::{Cell, CellBuilder, CellSliceParts, HashBytes};
use tycho_types::error::Error;
use tycho_types::models::{
    AccountStatus, Base64StdAddrFlags, DisplayBase64StdAddr, ExtInMsgInfo, MessageLayout, MsgInfo, OwnedMessage,
    ShardIdent, StdAddr,
};
use tycho_types::num::Tokens;

use crate::boc::encode_base64;
use crate::chain::{Block, BlockNumber, BlockRef, Chain, Message, MessageKind, TxRecord};
use crate::exec::GLOBAL_ID;

/// Base64 of a hash.
pub(super) fn hash(hash: &HashBytes) -> String {
    STANDARD.encode(hash.0)
}

/// A hash in base64 of either alphabet or in hexadecimal.
pub(super) fn parse_hash(text: &str) -> Option<HashBytes> {
    let text = text.trim();
    let bytes = if text.len() == 64 { hex::decode(text).ok() } else { None };
    let bytes = bytes
        .or_else(|| STANDARD.decode(text).ok())
        .or_else(|| URL_SAFE.decode(text).ok());
    let bytes = bytes.or_else(|| URL_SAFE_NO_PAD.decode(text).ok())?;
    Some(HashBytes(<[u8; 32]>::try_from(bytes).ok()?))
}

/// The friendly form, bounceable or not.
pub(super) fn friendly(address: &StdAddr, bounceable: bool) -> String {
    let flags = Base64StdAddrFlags {
        testnet: false,
        base64_url: true,
        bounceable,
    };
    DisplayBase64StdAddr { addr: address, flags }.to_string()
}

/// The raw form with capital letters, as version 3 writes it.
pub(super) fn raw(address: &StdAddr) -> String {
    format!("{}:{}", address.workchain, hex::encode_upper(address.address.0))
}

/// The last masterchain block, or the zero state before the first.
pub(super) fn or_zero_state(block: Option<BlockRef>) -> BlockRef {
    block.unwrap_or(BlockRef {
        number: BlockNumber {
            workchain: -1,
            shard: ShardIdent::PREFIX_FULL,
            seqno: 0,
        },
        root_hash: HashBytes::ZERO,
        file_hash: HashBytes::ZERO,
    })
}

/// Version 2 writes a shard as a signed number.
pub(super) fn block_v2(block: &BlockRef) -> Value {
    json!({
        "@type": "ton.blockIdExt",
        "workchain": block.number.workchain,
        "shard": block.number.shard.cast_signed().to_string(),
        "seqno": block.number.seqno,
        "root_hash": hash(&block.root_hash),
        "file_hash": hash(&block.file_hash),
    })
}

/// Version 3 writes a shard as a hexadecimal number.
pub(super) fn block_ref_v3(number: &BlockNumber) -> Value {
    json!({ "workchain": number.workchain, "shard": shard_v3(number.shard), "seqno": number.seqno })
}

pub(super) fn shard_v3(shard: u64) -> String {
    format!("{shard:016X}")
}

/// A block of version 3.
pub(super) fn block_v3(id: &BlockRef, block: Option<&Block>) -> Value {
    json!({
        "workchain": id.number.workchain,
        "shard": shard_v3(id.number.shard),
        "seqno": id.number.seqno,
        "root_hash": hash(&id.root_hash),
        "file_hash": hash(&id.file_hash),
        "global_id": GLOBAL_ID,
        "version": 0,
        "after_merge": block.is_some_and(|block| block.previous.len() > 1),
        "before_split": false,
        "after_split": false,
        "want_merge": false,
        "want_split": false,
        "key_block": false,
        "vert_seqno_incr": false,
        "flags": 0,
        "gen_utime": block.map_or(0, |block| block.now_unix_s).to_string(),
        "start_lt": block.map_or(0, |block| block.start_lt).to_string(),
        "end_lt": block.map_or(0, |block| block.end_lt).to_string(),
        "tx_count": block.map_or(0, |block| block.transactions.len()),
        "masterchain_block_ref": block
            .and_then(|block| block.masterchain)
            .map_or(Value::Null, |masterchain| block_ref_v3(&masterchain.number)),
        "prev_blocks": block.map_or_else(Vec::new, |block| {
            block.previous.iter().map(|previous| block_ref_v3(&previous.number)).collect::<Vec<_>>()
        }),
    })
}

/// A shard prefix from either form.
pub(super) fn parse_shard(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_i64().map(i64::cast_unsigned).or_else(|| number.as_u64()),
        Value::String(text) => {
            let signed = text.parse::<i64>().ok().map(i64::cast_unsigned);
            // Sixteen digits are the hexadecimal form; the decimal form of a shard prefix has eighteen or more.
            let hexadecimal = || u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
            hexadecimal().or(signed).or_else(|| text.parse().ok())
        }
        _ => None,
    }
}

/// Status as version 2 names it.
pub(super) const fn state_v2(status: Option<AccountStatus>) -> &'static str {
    match status {
        Some(AccountStatus::Active) => "active",
        Some(AccountStatus::Frozen) => "frozen",
        Some(AccountStatus::Uninit | AccountStatus::NotExists) | None => "uninitialized",
    }
}

/// Status as version 3 names it.
pub(super) const fn state_v3(status: Option<AccountStatus>) -> &'static str {
    match status {
        Some(AccountStatus::Active) => "active",
        Some(AccountStatus::Frozen) => "frozen",
        Some(AccountStatus::Uninit) => "uninit",
        Some(AccountStatus::NotExists) | None => "nonexist",
    }
}

/// Body of a message as a cell of its own.
fn body_cell(message: &Message) -> Result<Cell, Error> {
    CellBuilder::build_from(message.body()?)
}

/// A message of version 2. External messages have no source or no destination: an empty string.
pub(super) fn message_v2(message: &Message) -> Result<Value, Error> {
    let body = body_cell(message)?;
    let address = |address: Option<&StdAddr>| address.map_or_else(String::new, |address| friendly(address, true));
    Ok(json!({
        "@type": "raw.message",
        "hash": hash(&message.hash),
        "source": address(message.from()),
        "destination": address(message.to()),
        "value": message.value_nanoton().to_string(),
        "extra_currencies": [],
        "fwd_fee": message.forward_fee_nanoton().to_string(),
        "ihr_fee": "0",
        "created_lt": message.created_lt.to_string(),
        "body_hash": hash(body.repr_hash()),
        "msg_data": { "@type": "msg.dataRaw", "body": encode_base64(&body), "init_state": "" },
        "message": "",
    }))
}

/// A message of version 3.
pub(super) fn message_v3(message: &Message) -> Result<Value, Error> {
    let body = body_cell(message)?;
    let internal = matches!(message.kind, MessageKind::Internal { .. });
    let external_in = matches!(message.kind, MessageKind::ExternalIn { .. });
    let when = |present: bool, value: Value| if present { value } else { Value::Null };
    let address = |address: Option<&StdAddr>| address.map_or(Value::Null, |address| json!(raw(address)));
    let bounce = matches!(message.kind, MessageKind::Internal { bounce: true, .. });
    let hash_norm = if external_in {
        normalized_hash(message)?
    } else {
        message.hash
    };
    Ok(json!({
        "hash": hash(&message.hash),
        "hash_norm": when(external_in, json!(hash(&hash_norm))),
        "source": address(message.from()),
        "destination": address(message.to()),
        "value": when(internal, json!(message.value_nanoton().to_string())),
        "value_extra_currencies": {},
        "fwd_fee": when(internal, json!(message.forward_fee_nanoton().to_string())),
        "ihr_fee": when(internal, json!("0")),
        "created_lt": when(!external_in, json!(message.created_lt.to_string())),
        "created_at": when(!external_in, json!(message.created_at_unix_s.to_string())),
        "opcode": message.op.map(|op| format!("0x{op:08x}")),
        "ihr_disabled": when(internal, json!(true)),
        "bounce": when(internal, json!(bounce)),
        "bounced": when(internal, json!(message.is_bounced())),
        "import_fee": when(external_in, json!("0")),
        "message_content": { "hash": hash(body.repr_hash()), "body": encode_base64(&body), "decoded": null },
        "init_state": null,
    }))
}

/// Hash of an external message without what its sender may choose freely: no source, no fee, no state, body in a
/// reference.
pub(super) fn normalized_hash(message: &Message) -> Result<HashBytes, Error> {
    let Some(to) = message.to() else {
        return Ok(message.hash);
    };
    let normalized = CellBuilder::build_from(OwnedMessage {
        info: MsgInfo::ExtIn(ExtInMsgInfo {
            src: None,
            dst: to.clone().into(),
            import_fee: Tokens::ZERO,
        }),
        init: None,
        body: CellSliceParts::from(body_cell(message)?),
        layout: Some(MessageLayout {
            init_to_cell: false,
            body_to_cell: true,
        }),
    })?;
    Ok(*normalized.repr_hash())
}

/// A transaction of version 2.
pub(super) fn transaction_v2(record: &TxRecord) -> Result<Value, Error> {
    let out_messages: Result<Vec<Value>, Error> =
        record.out_messages.iter().map(|message| message_v2(message)).collect();
    let in_message = record
        .in_message
        .as_ref()
        .map(|message| message_v2(message))
        .transpose()?;
    let other = record
        .total_fees_nanoton
        .saturating_sub(record.phases.storage_fee_nanoton);
    let mut value = json!({
        "@type": "raw.transaction",
        "address": { "@type": "accountAddress", "account_address": friendly(&record.address, true) },
        "account": raw(&record.address),
        "utime": record.now_unix_s,
        "data": encode_base64(&record.cell),
        "transaction_id": transaction_id(record.lt, &record.hash),
        "fee": record.total_fees_nanoton.to_string(),
        "storage_fee": record.phases.storage_fee_nanoton.to_string(),
        "other_fee": other.to_string(),
        "out_msgs": out_messages?,
    });
    if let (Some(in_message), Some(object)) = (in_message, value.as_object_mut()) {
        object.insert("in_msg".to_owned(), in_message);
    }
    Ok(value)
}

/// Logical time and hash of a transaction in version 2.
pub(super) fn transaction_id(lt: u64, tx_hash: &HashBytes) -> Value {
    json!({ "@type": "internal.transactionId", "lt": lt.to_string(), "hash": hash(tx_hash) })
}

/// The first masterchain block that refers to a block of a shard, or the block itself.
pub(super) fn masterchain_seqno(chain: &Chain, record: &TxRecord) -> u32 {
    if record.block.workchain == -1 {
        return record.block.seqno;
    }
    // The block knows the masterchain block before it; the one that refers to it is the next.
    let known = chain.block(&record.block).and_then(|block| block.masterchain);
    known.map_or(1, |masterchain| masterchain.number.seqno + 1)
}
