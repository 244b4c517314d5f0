//! What is read from a service's answers. Whatever is missing, too large or does not fit together is an answer that
//! was none.

use crate::chain::{AccountStatus, AccountView, ChainError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrysalis_settlement::{
    Address, Cell,
    onchain::transaction::{TransactionView, decode_boc},
};
use http::StatusCode;
use serde_json::{Value, json};

/// Longest text of a service that is repeated.
const MAX_SAID_CHARS: usize = 200;

/// A transaction's place in its account's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) lt: u64,
    pub(super) hash: [u8; 32],
}

impl Position {
    /// The hash as the protocol has it.
    pub(super) fn hash_text(&self) -> String {
        STANDARD.encode(self.hash)
    }
}

/// An account, and its last transaction if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) view: AccountView,
    pub(super) last: Option<Position>,
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn bad(what: impl std::fmt::Display) -> ChainError {
    ChainError::Unreachable(format!("the answer makes no sense: {what}"))
}

/// The result of a call, or why there is none.
pub(super) fn result(status: StatusCode, body: &[u8]) -> Result<Value, ChainError> {
    let mut answer: Value = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(_) if !status.is_success() => return Err(ChainError::Unreachable(format!("status {status}"))),
        Err(error) => return Err(bad(error)),
    };
    if answer.get("ok").and_then(Value::as_bool) == Some(true) {
        return answer
            .get_mut("result")
            .map(Value::take)
            .ok_or_else(|| bad("`result` is missing"));
    }
    let said = answer.get("error").and_then(Value::as_str).unwrap_or("no reason given");
    // What a stranger's service says goes to a log: short, and on one line.
    let said: String = said
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MAX_SAID_CHARS)
        .collect();
    Err(match status {
        // 422 and 500 are this protocol's for messages and questions that were understood and refused.
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_REQUEST => {
            ChainError::Refused(said)
        }
        _ => ChainError::Unreachable(format!("status {status}: {said}")),
    })
}

fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, ChainError> {
    value.get(name).ok_or_else(|| bad(format!("`{name}` is missing")))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, ChainError> {
    field(value, name)?
        .as_str()
        .ok_or_else(|| bad(format!("`{name}` is no text")))
}

/// A number, which this protocol writes as one or as a text.
fn number<T: std::str::FromStr>(value: &Value, name: &str) -> Result<T, ChainError> {
    let found = field(value, name)?;
    let written = match found {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    written.parse().map_err(|_| bad(format!("`{name}` is no number")))
}

fn cell(text: &str, name: &str) -> Result<Cell, ChainError> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| bad(format!("`{name}`: {error}")))?;
    decode_boc(&bytes).map_err(|error| bad(format!("`{name}`: {error}")))
}

/// The newest masterchain block, as a question about it.
pub(super) fn last_block(info: &Value) -> Result<Value, ChainError> {
    let last = field(info, "last")?;
    Ok(json!({
        "workchain": field(last, "workchain")?,
        "shard": field(last, "shard")?,
        "seqno": field(last, "seqno")?,
    }))
}

pub(super) fn block_time(header: &Value) -> Result<u64, ChainError> {
    number(header, "gen_utime")
}

pub(super) fn account(found: &Value) -> Result<Reported, ChainError> {
    let id = field(found, "last_transaction_id")?;
    let lt: u64 = number(id, "lt")?;
    let last = match lt {
        0 => None,
        lt => {
            let hash = STANDARD.decode(text(id, "hash")?).ok();
            let hash = hash.and_then(|hash| hash.try_into().ok());
            let hash = hash.ok_or_else(|| bad("`hash` is no hash"))?;
            Some(Position { lt, hash })
        }
    };
    // A service writes −1 for an account that is not there.
    let balance_nanoton = number::<i128>(found, "balance")?.max(0).unsigned_abs();
    let (mut code_hash, mut data) = (None, None);
    let status = match text(found, "state")? {
        "active" => {
            code_hash = Some(cell(text(found, "code")?, "code")?.repr_hash().0);
            data = Some(cell(text(found, "data")?, "data")?);
            AccountStatus::Active
        }
        "frozen" => AccountStatus::Frozen,
        "uninitialized" if last.is_none() && balance_nanoton == 0 => AccountStatus::Absent,
        "uninitialized" => AccountStatus::Uninit,
        other => return Err(bad(format!("`state` is {other:?}"))),
    };
    Ok(Reported {
        view: AccountView {
            status,
            balance_nanoton,
            code_hash,
            data,
            last_lt: lt,
        },
        last,
    })
}

/// Appends a page of an account's transactions, which must begin at `position` and hang together. Returns where the
/// next one begins.
pub(super) fn page(
    found: &Value,
    account: &Address,
    position: Position,
    after_lt: u64,
    newest_first: &mut Vec<TransactionView>,
) -> Result<Option<Position>, ChainError> {
    let page = found.as_array().ok_or_else(|| bad("transactions are no list"))?;
    let mut next = Some(position);
    for entry in page {
        let Some(expected) = next.filter(|expected| expected.lt > after_lt) else {
            return Ok(None);
        };
        let transaction = TransactionView::parse(&cell(text(entry, "data")?, "data")?, account).map_err(bad)?;
        if transaction.hash != expected.hash || transaction.lt != expected.lt {
            return Err(bad(format!(
                "transaction {} is not the one that was named",
                transaction.lt
            )));
        }
        next = (transaction.previous_lt > 0).then_some(Position {
            lt: transaction.previous_lt,
            hash: transaction.previous_hash,
        });
        if next.is_some_and(|next| next.lt >= expected.lt) {
            return Err(bad("logical time runs backwards"));
        }
        newest_first.push(transaction);
    }
    if next == Some(position) {
        return Err(bad(format!("transaction {} is missing", position.lt)));
    }
    Ok(next)
}

/// The network's number, configuration parameter 19.
pub(super) fn network(parameter: &Value) -> Result<i32, ChainError> {
    let bytes = text(field(parameter, "config")?, "bytes")?;
    let cell = cell(bytes, "bytes")?;
    let mut slice = cell.as_slice().map_err(bad)?;
    slice.load_u32().map(u32::cast_signed).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> Result<Value, ChainError> {
        result(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn answers_and_refusals() {
        assert_eq!(said(200, r#"{"ok": true, "result": 7}"#), Ok(json!(7)));
        assert_eq!(
            said(500, r#"{"ok": false, "error": "no\nway"}"#),
            Err(ChainError::Refused("no way".to_owned()))
        );
        for (status, body) in [
            (429, r#"{"ok": false, "error": "slow down"}"#),
            (502, "<html>"),
            (200, "<html>"),
            (200, r#"{"ok": true}"#),
        ] {
            assert!(matches!(said(status, body), Err(ChainError::Unreachable(_))), "{body}");
        }
        let long = format!(r#"{{"ok": false, "error": "{}"}}"#, "x".repeat(10_000));
        assert!(said(500, &long).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn accounts() {
        let zero = STANDARD.encode([0; 32]);
        let found = |state: &str, balance: &str, lt: u64| {
            account(&json!({
                "state": state, "balance": balance, "code": "", "data": "",
                "last_transaction_id": { "lt": lt.to_string(), "hash": zero },
            }))
        };
        assert_eq!(
            found("uninitialized", "-1", 0).unwrap().view.status,
            AccountStatus::Absent
        );
        assert_eq!(
            found("uninitialized", "5", 0).unwrap().view.status,
            AccountStatus::Uninit
        );
        assert_eq!(
            found("frozen", "0", 3).unwrap().last,
            Some(Position { lt: 3, hash: [0; 32] })
        );
        assert!(found("active", "5", 3).is_err(), "an active account has code and data");
        assert!(found("molten", "5", 3).is_err());
        assert!(account(&json!({})).is_err());
    }
}
