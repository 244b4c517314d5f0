//! The API as HTTP requests see it: paths, queries and bodies. Pure as well: the server around it only moves bytes.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/v2/METHOD?name=value`, `POST /api/v2/METHOD` with a JSON object | version 2 |
//! | `POST /api/v2/jsonRPC` with `method`, `params`, `id` | version 2 as JSON-RPC |
//! | `GET /api/v3/METHOD?name=value`, `POST /api/v3/METHOD` with a JSON object | version 3 |
//! | `POST /faucet` with `address`, `nanoton` | test coins, where [`Rules`] allow it |
//! | `GET /` | what this is, and the time of the chain |

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use tycho_types::models::StdAddr;

use super::{Answer, Params, Version, answer, answer_json_rpc, format};
use crate::chain::{Chain, Provider};

/// Names in a query that are read; more are an error.
const MAX_QUERY_PARAMETERS: usize = 1_024;

/// Methods that send or run something: what a link or an image in a page can do is read only.
const POST_ONLY: [&str; 6] = [
    "sendBoc",
    "sendBocReturnHash",
    "runGetMethod",
    "estimateFee",
    "message",
    "jsonRPC",
];

/// A request without its transport.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// Method, in capitals.
    pub method: &'a str,
    /// Path, as it stands in the request line.
    pub path: &'a str,
    /// What follows the question mark; empty without one.
    pub query: &'a str,
    /// Body; empty without one.
    pub body: &'a [u8],
}

/// What a server allows beside the public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Most that one call of the faucet gives, in nano; none where there is no faucet.
    pub faucet_nanoton: Option<u128>,
}

/// Answers a request, read through `provider`.
pub fn answer_http(chain: &mut Chain, provider: &Provider, rules: Rules, request: HttpRequest<'_>) -> Answer {
    let path = match request.path.trim_end_matches('/') {
        "" => return index(chain, provider, rules, request.method),
        path => path,
    };
    if path == "/faucet" {
        return faucet(chain, rules, request);
    }
    let (version, method) = match (path.strip_prefix("/api/v2/"), path.strip_prefix("/api/v3/")) {
        (Some(method), _) => (Version::V2, method),
        (_, Some(method)) => (Version::V3, method),
        (None, None) => return failure(404, "no such path: the API is below /api/v2 and /api/v3"),
    };
    match request.method {
        "GET" if POST_ONLY.contains(&method) => failure(405, "this method takes POST"),
        "GET" => match query(request.query) {
            Ok(params) => answer(chain, provider, version, method, &Value::Object(params)),
            Err(refused) => refused,
        },
        "POST" => {
            let body = match body(request.body) {
                Ok(body) => body,
                Err(refused) => return refused,
            };
            if version == Version::V2 && method == "jsonRPC" {
                answer_json_rpc(chain, provider, &Value::Object(body))
            } else {
                answer(chain, provider, version, method, &Value::Object(body))
            }
        }
        _ => failure(405, "GET and POST only"),
    }
}

/// An error in the form of the API.
#[must_use]
pub fn failure(status: u16, message: &str) -> Answer {
    Answer {
        status,
        body: json!({ "ok": false, "error": message, "code": status }),
    }
}

fn index(chain: &Chain, provider: &Provider, rules: Rules, method: &str) -> Answer {
    if method != "GET" {
        return failure(405, "GET only");
    }
    let body = json!({
        "ok": true,
        "what": "a simulated TON chain",
        "api": ["/api/v2", "/api/v2/jsonRPC", "/api/v3"],
        "now_unix_s": provider.now_unix_s(chain),
        "masterchain_seqno": provider.masterchain_block(chain).map_or(0, |block| block.number.seqno),
        "faucet_nanoton": rules.faucet_nanoton.map(|nanoton| nanoton.to_string()),
    });
    Answer { status: 200, body }
}

fn faucet(chain: &mut Chain, rules: Rules, request: HttpRequest<'_>) -> Answer {
    let Some(most_nanoton) = rules.faucet_nanoton else {
        return failure(404, "there is no faucet here");
    };
    if request.method != "POST" {
        return failure(405, "the faucet takes POST");
    }
    let body = match body(request.body) {
        Ok(body) => Value::Object(body),
        Err(refused) => return refused,
    };
    match wish(&body, most_nanoton).and_then(|(to, nanoton)| Ok((to.clone(), nanoton, chain.faucet(&to, nanoton)?))) {
        Ok((to, nanoton, message)) => {
            let body = json!({
                "ok": true,
                "address": format::friendly(&to, false),
                "nanoton": nanoton.to_string(),
                "message_hash": format::hash(&message),
            });
            Answer { status: 200, body }
        }
        Err(error) => failure(error.code, &error.message),
    }
}

fn wish(body: &Value, most_nanoton: u128) -> Result<(StdAddr, u128), super::Failure> {
    let params = Params(body);
    let nanoton = u128::try_from(params.integer("nanoton")?)
        .ok()
        .filter(|nanoton| (1..=most_nanoton).contains(nanoton))
        .ok_or_else(|| super::Failure::new(422, format!("parameter nanoton: from 1 to {most_nanoton}")))?;
    Ok((params.address("address")?, nanoton))
}

/// Parameters of a query; a name that comes again makes a list.
fn query(text: &str) -> Result<Map<String, Value>, Answer> {
    let mut params = Map::new();
    for (count, (name, value)) in form_urlencoded::parse(text.as_bytes()).enumerate() {
        if count == MAX_QUERY_PARAMETERS {
            return Err(failure(422, "too many parameters"));
        }
        let value = Value::String(Cow::into_owned(value));
        match params.get_mut(name.as_ref()) {
            None => {
                params.insert(name.into_owned(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(params)
}

fn body(bytes: &[u8]) -> Result<Map<String, Value>, Answer> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(failure(422, "the body is not a JSON object")),
        Err(error) => Err(failure(422, &format!("the body is not JSON: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{COIN, genesis, player_address, run};

    fn ask(chain: &mut Chain, method: &str, target: &str, body: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let rules = Rules {
            faucet_nanoton: Some(100 * COIN),
        };
        let request = HttpRequest {
            method,
            path,
            query,
            body: body.as_bytes(),
        };
        answer_http(chain, &Provider::default(), rules, request)
    }

    #[test]
    fn the_three_ways_to_ask_agree() {
        let mut chain = Chain::new(genesis(2, 7)).unwrap();
        let address = format::friendly(&player_address(1), true);
        let by_query = ask(
            &mut chain,
            "GET",
            &format!("/api/v2/getAddressBalance?address={address}"),
            "",
        );
        assert_eq!(by_query.body["result"], (7 * COIN).to_string());
        let body = json!({ "address": address }).to_string();
        assert_eq!(ask(&mut chain, "POST", "/api/v2/getAddressBalance/", &body), by_query);
        let rpc =
            json!({ "id": "1", "jsonrpc": "2.0", "method": "getAddressBalance", "params": { "address": address } });
        let by_rpc = ask(&mut chain, "POST", "/api/v2/jsonRPC", &rpc.to_string());
        assert_eq!(
            (&by_rpc.body["result"], &by_rpc.body["id"]),
            (&by_query.body["result"], &json!("1"))
        );
        let third = ask(
            &mut chain,
            "GET",
            &format!("/api/v3/addressInformation?address={address}"),
            "",
        );
        assert_eq!(third.body["balance"], by_query.body["result"]);
    }

    #[test]
    fn a_name_that_comes_twice_is_a_list_and_percents_are_decoded() {
        let mut chain = Chain::new(genesis(2, 7)).unwrap();
        let raw = |index| format::raw(&player_address(index)).replace(':', "%3A");
        let target = format!("/api/v3/accountStates?address={}&address={}", raw(0), raw(1));
        let answer = ask(&mut chain, "GET", &target, "");
        assert_eq!(
            answer.body["accounts"].as_array().map(Vec::len),
            Some(2),
            "{}",
            answer.body
        );
        let long = format!("/api/v2/getAddressBalance?{}", "a=b&".repeat(MAX_QUERY_PARAMETERS + 1));
        assert_eq!(ask(&mut chain, "GET", &long, "").status, 422);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_a_reason() {
        let mut chain = Chain::new(genesis(1, 7)).unwrap();
        for (method, target, body, status) in [
            ("GET", "/api/v2/nothing", "", 404),
            ("GET", "/api/v1/getAddressBalance", "", 404),
            ("GET", "/api/v2/sendBoc?boc=x", "", 405),
            ("GET", "/api/v2/jsonRPC", "", 405),
            ("DELETE", "/api/v2/getAddressBalance", "", 405),
            ("POST", "/", "", 405),
            ("POST", "/api/v2/sendBoc", "[1]", 422),
            ("POST", "/api/v2/sendBoc", "{", 422),
            ("POST", "/api/v2/sendBoc", "", 422),
            ("POST", "/api/v3/message", r#"{"boc":"AAAA"}"#, 422),
            ("GET", "/api/v2/getAddressBalance?address=EQ", "", 422),
        ] {
            let answer = ask(&mut chain, method, target, body);
            assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
            assert!(answer.body["error"].as_str().is_some_and(|text| !text.is_empty()));
        }
        // Nesting that a recursive parser would not survive.
        assert_eq!(
            ask(&mut chain, "POST", "/api/v2/jsonRPC", &"[".repeat(100_000)).status,
            422
        );
    }

    #[test]
    fn the_faucet_gives_what_its_rules_allow() {
        let mut chain = Chain::new(genesis(1, 7)).unwrap();
        let address = format::friendly(&player_address(0), false);
        let body = |nanoton: u128| json!({ "address": address, "nanoton": nanoton.to_string() }).to_string();
        assert_eq!(ask(&mut chain, "POST", "/faucet", &body(5 * COIN)).status, 200);
        run(&mut chain, 2);
        let balance = chain.balance_nanoton(&player_address(0));
        assert!(balance > 11 * COIN, "{balance}");
        for (method, body) in [
            ("POST", body(101 * COIN)),
            ("POST", body(0)),
            ("POST", json!({ "nanoton": 1 }).to_string()),
            ("POST", json!({ "address": address, "nanoton": -1 }).to_string()),
            ("GET", String::new()),
        ] {
            assert_ne!(ask(&mut chain, method, "/faucet", &body).status, 200, "{body}");
        }
        let wish = body(1);
        let request = HttpRequest {
            method: "POST",
            path: "/faucet",
            query: "",
            body: wish.as_bytes(),
        };
        let none = answer_http(&mut chain, &Provider::default(), Rules::default(), request);
        assert_eq!(none.status, 404);
        assert_eq!(ask(&mut chain, "GET", "/", "").body["masterchain_seqno"], 2);
    }
}
