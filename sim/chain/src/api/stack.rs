//! Values of the virtual machine in the forms of both versions.

use num_bigint::BigInt;
use serde_json::{Value, json};

use super::Failure;
use crate::boc::{BocLimits, decode_base64, encode_base64};
use crate::exec::StackValue;

/// Nesting of tuples that is read.
const MAX_DEPTH: usize = 32;

fn hexadecimal(value: &BigInt) -> String {
    if value.sign() == num_bigint::Sign::Minus {
        format!("-0x{:x}", value.magnitude())
    } else {
        format!("0x{value:x}")
    }
}

/// A result of version 2: a pair of a name and a value; values in tuples have another form.
pub(super) fn to_v2(value: &StackValue) -> Value {
    match value {
        StackValue::Null | StackValue::Continuation => json!(["null", null]),
        StackValue::Nan => json!(["num", "NaN"]),
        StackValue::Int(int) => json!(["num", hexadecimal(int)]),
        // Slices and builders are cells to version 2, as they are to its own library.
        StackValue::Cell(cell) | StackValue::Slice(cell) => json!(["cell", { "bytes": encode_base64(cell) }]),
        StackValue::Builder(cell) => json!(["builder", { "bytes": encode_base64(cell) }]),
        StackValue::Tuple(items) => json!(["tuple", tuple_v2(items)]),
    }
}

fn tuple_v2(items: &[StackValue]) -> Value {
    let elements: Vec<Value> = items.iter().map(element_v2).collect();
    json!({ "@type": "tvm.tuple", "elements": elements })
}

fn element_v2(value: &StackValue) -> Value {
    match value {
        StackValue::Null | StackValue::Continuation => {
            json!({ "@type": "tvm.stackEntryList", "list": { "@type": "tvm.list", "elements": [] } })
        }
        StackValue::Nan => {
            json!({ "@type": "tvm.stackEntryNumber", "number": { "@type": "tvm.numberDecimal", "number": "NaN" } })
        }
        StackValue::Int(int) => json!({
            "@type": "tvm.stackEntryNumber",
            "number": { "@type": "tvm.numberDecimal", "number": int.to_string() },
        }),
        StackValue::Cell(cell) | StackValue::Builder(cell) => json!({
            "@type": "tvm.stackEntryCell",
            "cell": { "@type": "tvm.cell", "bytes": encode_base64(cell) },
        }),
        StackValue::Slice(cell) => json!({
            "@type": "tvm.stackEntrySlice",
            "slice": { "@type": "tvm.slice", "bytes": encode_base64(cell) },
        }),
        StackValue::Tuple(items) => json!({ "@type": "tvm.stackEntryTuple", "tuple": tuple_v2(items) }),
    }
}

/// A result of version 3.
pub(super) fn to_v3(value: &StackValue) -> Value {
    match value {
        StackValue::Null | StackValue::Continuation => json!({ "type": "null", "value": null }),
        StackValue::Nan => json!({ "type": "num", "value": "NaN" }),
        StackValue::Int(int) => json!({ "type": "num", "value": hexadecimal(int) }),
        StackValue::Cell(cell) => json!({ "type": "cell", "value": encode_base64(cell) }),
        StackValue::Slice(cell) => json!({ "type": "slice", "value": encode_base64(cell) }),
        StackValue::Builder(cell) => json!({ "type": "builder", "value": encode_base64(cell) }),
        StackValue::Tuple(items) => {
            json!({ "type": "tuple", "value": items.iter().map(to_v3).collect::<Vec<_>>() })
        }
    }
}

/// The arguments of a get-method: a list of pairs (version 2) or of objects (version 3).
pub(super) fn arguments(value: Option<&Value>) -> Result<Vec<StackValue>, Failure> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| argument(item, 0)).collect(),
        Some(_) => Err(Failure::parameter("stack", "not a list")),
    }
}

fn argument(item: &Value, depth: usize) -> Result<StackValue, Failure> {
    let malformed = || Failure::parameter("stack", "an entry that is not understood");
    if depth > MAX_DEPTH {
        return Err(malformed());
    }
    let (kind, value) = match item {
        Value::Array(pair) => {
            let kind = pair.first().and_then(Value::as_str).ok_or_else(malformed)?;
            (kind, pair.get(1).unwrap_or(&Value::Null))
        }
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).ok_or_else(malformed)?;
            (kind, fields.get("value").unwrap_or(&Value::Null))
        }
        _ => return Err(malformed()),
    };
    let cell = || {
        let text = value
            .as_str()
            .or_else(|| value.get("bytes").and_then(Value::as_str))
            .ok_or_else(malformed)?;
        decode_base64(text, BocLimits::STATE).map_err(Failure::from)
    };
    match kind {
        "null" => Ok(StackValue::Null),
        "num" | "int" | "tvm.Number" => number(value).map(StackValue::Int).ok_or_else(malformed),
        "cell" | "tvm.Cell" => Ok(StackValue::Cell(cell()?)),
        "slice" | "tvm.Slice" => Ok(StackValue::Slice(cell()?)),
        "builder" | "tvm.Builder" => Ok(StackValue::Builder(cell()?)),
        "tuple" | "list" => {
            let items = value
                .get("elements")
                .unwrap_or(value)
                .as_array()
                .ok_or_else(malformed)?;
            let items: Result<Vec<_>, _> = items.iter().map(|item| argument(item, depth + 1)).collect();
            Ok(StackValue::Tuple(items?))
        }
        _ => Err(malformed()),
    }
}

fn number(value: &Value) -> Option<BigInt> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text.as_str()), |digits| (true, digits));
    let (radix, digits) = digits.strip_prefix("0x").map_or((10, digits), |digits| (16, digits));
    // 257 bits are 78 decimal digits: longer texts are not worth parsing.
    if digits.is_empty() || digits.len() > 80 || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = BigInt::parse_bytes(digits.as_bytes(), radix)?;
    Some(if negative { -magnitude } else { magnitude })
}
