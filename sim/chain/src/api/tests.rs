use serde_json::{Value, json};
use tycho_types::cell::HashBytes;

use super::*;
use crate::boc::{BocLimits, decode_base64, encode_base64};
use crate::chain::View;
use crate::testing::{COIN, genesis, player_address, run};
use crate::wallet::{Transfer, Wallet, WalletVersion};

struct Api {
    chain: Chain,
    provider: Provider,
    wallet: Wallet,
}

#[expect(clippy::needless_pass_by_value, reason = "every call makes its parameters in place")]
impl Api {
    fn new() -> Self {
        let mut chain = Chain::new(genesis(2, 100)).unwrap();
        let wallet = Wallet::new(WalletVersion::V4R2, &[1; 32]).unwrap();
        chain.faucet(wallet.address(), 10 * COIN).unwrap();
        run(&mut chain, 2);
        Self {
            chain,
            provider: Provider::new(View::Latest),
            wallet,
        }
    }

    fn v2(&mut self, method: &str, params: Value) -> Value {
        let answer = answer(&mut self.chain, &self.provider, Version::V2, method, &params);
        assert_eq!(answer.status, 200, "{method}: {}", answer.body);
        assert_eq!(answer.body["ok"], true);
        answer.body["result"].clone()
    }

    fn v3(&mut self, method: &str, params: Value) -> Value {
        let answer = answer(&mut self.chain, &self.provider, Version::V3, method, &params);
        assert_eq!(answer.status, 200, "{method}: {}", answer.body);
        answer.body
    }

    fn fails(&mut self, version: Version, method: &str, params: Value) -> (u16, String) {
        let answer = answer(&mut self.chain, &self.provider, version, method, &params);
        assert_eq!(answer.body["code"], answer.status);
        if version == Version::V2 {
            assert_eq!(answer.body["ok"], false);
        }
        (answer.status, answer.body["error"].as_str().unwrap().to_owned())
    }

    fn address(&self) -> String {
        format::friendly(self.wallet.address(), true)
    }

    fn pay(&mut self, seqno: u32) -> String {
        let pay = Transfer::new(player_address(0), COIN);
        encode_base64(&self.wallet.order(seqno, u32::MAX, &[pay]).unwrap())
    }
}

#[test]
fn a_wallet_transfer_over_version_2() {
    let mut api = Api::new();
    let address = json!({ "address": api.address() });
    let info = api.v2("getAddressInformation", address.clone());
    assert_eq!(info["balance"], (10 * COIN).to_string());
    assert_eq!(info["state"], "uninitialized");
    assert_eq!(info["code"], "");
    assert_eq!(info["block_id"]["seqno"], 2);
    assert_eq!(api.v2("getWalletInformation", address.clone())["wallet"], false);

    let boc = api.pay(0);
    let sent = api.v2("sendBocReturnHash", json!({ "boc": boc }));
    assert_eq!(sent["@type"], "raw.extMessageInfo");
    run(&mut api.chain, 1);

    let wallet = api.v2("getWalletInformation", address.clone());
    assert_eq!((&wallet["wallet"], &wallet["seqno"]), (&json!(true), &json!(1)));
    assert_eq!(wallet["wallet_type"], "wallet v4 r2");
    let seqno = api.v2(
        "runGetMethod",
        json!({ "address": api.address(), "method": "seqno", "stack": [] }),
    );
    assert_eq!(seqno["exit_code"], 0);
    assert_eq!(seqno["stack"], json!([["num", "0x1"]]));

    let list = api.v2("getTransactions", json!({ "address": api.address(), "limit": "5" }));
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["in_msg"]["hash"], sent["hash"]);
    assert_eq!(list[0]["in_msg"]["source"], "");
    assert_eq!(list[0]["out_msgs"][0]["value"], COIN.to_string());
    assert_eq!(
        list[0]["out_msgs"][0]["destination"],
        format::friendly(&player_address(0), true)
    );
    let cell = decode_base64(list[0]["data"].as_str().unwrap(), BocLimits::STATE).unwrap();
    assert_eq!(json!(format::hash(cell.repr_hash())), list[0]["transaction_id"]["hash"]);
    // The page that begins with the second.
    let id = &list[1]["transaction_id"];
    let page = api.v2(
        "getTransactions",
        json!({ "address": api.address(), "lt": id["lt"], "hash": id["hash"] }),
    );
    assert_eq!(page.as_array().unwrap().len(), 1);
    let wrong = json!({ "address": api.address(), "lt": id["lt"], "hash": format::hash(&HashBytes::ZERO) });
    assert_eq!(api.fails(Version::V2, "getTransactions", wrong).0, 500);
    // From the message to the transaction it caused, and back.
    let lt = &list[0]["out_msgs"][0]["created_lt"];
    let ends =
        json!({ "source": api.address(), "destination": list[0]["out_msgs"][0]["destination"], "created_lt": lt });
    let result = api.v2("tryLocateResultTx", ends.clone());
    assert_eq!(result["in_msg"]["value"], COIN.to_string());
    assert_eq!(
        api.v2("tryLocateSourceTx", ends)["transaction_id"],
        list[0]["transaction_id"]
    );
    // The same order again is refused with the words of the public API.
    let (code, error) = api.fails(Version::V2, "sendBoc", json!({ "boc": boc }));
    assert_eq!(code, 500);
    assert!(error.contains("cannot apply external message"), "{error}");
}

#[test]
fn blocks_over_version_2() {
    let mut api = Api::new();
    let info = api.v2("getMasterchainInfo", json!({}));
    assert_eq!(info["last"]["shard"], "-9223372036854775808");
    assert_eq!(info["last"]["workchain"], -1);
    let shards = api.v2("shards", json!({ "seqno": info["last"]["seqno"] }));
    let shard = &shards["shards"][0];
    assert_eq!(shard["workchain"], 0);
    let mut found = 0;
    for seqno in 1..=shard["seqno"].as_u64().unwrap() {
        let number = json!({ "workchain": 0, "shard": shard["shard"], "seqno": seqno });
        let block = api.v2("lookupBlock", number.clone());
        assert_eq!(block["seqno"], seqno);
        api.v2("getBlockHeader", number.clone());
        found += api.v2("getBlockTransactions", number)["transactions"]
            .as_array()
            .unwrap()
            .len();
    }
    assert_eq!(found, 2);
    assert_eq!(
        api.fails(
            Version::V2,
            "lookupBlock",
            json!({ "workchain": 0, "shard": "8000000000000000", "seqno": 99 })
        )
        .0,
        404
    );
    let config = api.v2("getConfigAll", json!({}));
    let root = decode_base64(config["config"]["bytes"].as_str().unwrap(), BocLimits::STATE).unwrap();
    assert_eq!(&root, api.chain.config().root());
    api.v2("getConfigParam", json!({ "param": "21" }));
    assert_eq!(api.fails(Version::V2, "getConfigParam", json!({ "param": 99 })).0, 404);
}

#[test]
fn fees_are_estimated_without_a_signature() {
    let mut api = Api::new();
    let order = crate::chain::Message::parse(api.wallet.order(0, u32::MAX, &[]).unwrap()).unwrap();
    let mut body = tycho_types::cell::CellBuilder::new();
    let mut slice = order.body().unwrap();
    slice.skip_first(512, 0).unwrap();
    body.store_zeros(512).unwrap();
    body.store_slice(slice).unwrap();
    let state = api.wallet.state().clone();
    let mut params = json!({
        "address": api.address(),
        "body": encode_base64(&body.build().unwrap()),
        "init_code": encode_base64(&state.code.unwrap()),
        "init_data": encode_base64(&state.data.unwrap()),
        "ignore_chksig": true,
    });
    let fees = api.v2("estimateFee", params.clone());
    assert!(fees["source_fees"]["gas_fee"].as_u64().unwrap() > 0);
    assert!(fees["source_fees"]["in_fwd_fee"].as_u64().unwrap() > 0);
    params["ignore_chksig"] = json!(false);
    assert_eq!(api.fails(Version::V2, "estimateFee", params).0, 500);
}

#[test]
fn a_wallet_transfer_over_version_3() {
    let mut api = Api::new();
    let boc = api.pay(0);
    let sent = api.v3("message", json!({ "boc": boc }));
    assert_eq!(
        api.v3("traces", json!({ "msg_hash": sent["message_hash"] }))["traces"],
        json!([])
    );
    run(&mut api.chain, 1);
    let traces = api.v3("traces", json!({ "msg_hash": sent["message_hash"] }));
    let trace = &traces["traces"][0];
    assert_eq!(trace["external_hash"], sent["message_hash"]);
    assert_eq!(trace["trace_info"]["transactions"], 2);
    assert_eq!(trace["trace"]["children"].as_array().unwrap().len(), 1);
    assert_eq!(trace["transactions"].as_object().unwrap().len(), 2);
    let root = &trace["trace"]["tx_hash"];
    let list = api.v3("transactions", json!({ "hash": root }));
    assert_eq!(list["transactions"][0]["description"]["compute_ph"]["exit_code"], 0);
    assert_eq!(list["transactions"][0]["trace_id"], *root);
    assert_eq!(list["transactions"][0]["in_msg"]["hash"], sent["message_hash"]);
    let all = api.v3("transactions", json!({ "account": api.address(), "sort": "asc" }));
    assert_eq!(all["transactions"].as_array().unwrap().len(), 2);
    assert_eq!(all["transactions"][1]["hash"], *root);
    let states = api.v3(
        "accountStates",
        json!({ "address": [api.address(), format::raw(&player_address(1))] }),
    );
    assert_eq!(states["accounts"][0]["status"], "active");
    assert_eq!(states["accounts"][1]["balance"], (100 * COIN).to_string());
    assert_eq!(
        api.v3("account", json!({ "address": api.address() }))["status"],
        "active"
    );
    let seqno = api.v3(
        "runGetMethod",
        json!({ "address": api.address(), "method": "seqno", "stack": [] }),
    );
    assert_eq!(seqno["stack"], json!([{ "type": "num", "value": "0x1" }]));
    assert_eq!(
        api.v3("masterchainInfo", json!({}))["last"]["shard"],
        "8000000000000000"
    );
}

#[test]
fn json_rpc_has_its_envelope() {
    let mut api = Api::new();
    let request =
        json!({ "id": "1", "jsonrpc": "2.0", "method": "getAddressBalance", "params": { "address": api.address() } });
    let answer = answer_json_rpc(&mut api.chain, &api.provider, &request);
    assert_eq!(
        answer.body,
        json!({ "ok": true, "result": (10 * COIN).to_string(), "id": "1", "jsonrpc": "2.0" })
    );
    let answer = answer_json_rpc(&mut api.chain, &api.provider, &json!([]));
    assert_eq!((answer.status, &answer.body["ok"]), (422, &json!(false)));
}

#[test]
fn what_is_asked_wrongly_is_an_error() {
    let mut api = Api::new();
    let nobody = format!("0:{}", "0".repeat(64));
    assert_eq!(api.v2("getAddressState", json!({ "address": nobody })), "uninitialized");
    assert_eq!(
        api.v2("runGetMethod", json!({ "address": nobody, "method": "seqno" }))["exit_code"],
        -13
    );
    for (method, params) in [
        ("getAddressInformation", json!({})),
        ("getAddressInformation", json!({ "address": 5 })),
        ("getAddressInformation", json!({ "address": "EQ" })),
        ("getTransactions", json!({ "address": nobody, "limit": -1 })),
        ("getTransactions", json!({ "address": nobody, "lt": "x" })),
        ("runGetMethod", json!({ "address": nobody })),
        (
            "runGetMethod",
            json!({ "address": nobody, "method": "seqno", "stack": 5 }),
        ),
        (
            "runGetMethod",
            json!({ "address": nobody, "method": "seqno", "stack": [["num", "zz"]] }),
        ),
        (
            "runGetMethod",
            json!({ "address": nobody, "method": "seqno", "stack": [["num", "9".repeat(1_000)]] }),
        ),
        ("sendBoc", json!({ "boc": "AAAA" })),
        ("sendBoc", json!({ "boc": 1 })),
        ("lookupBlock", json!({ "workchain": 0, "shard": [], "seqno": 1 })),
        ("lookupBlock", json!({ "workchain": 1e40, "shard": "1", "seqno": 1 })),
        ("shards", json!({ "seqno": "99999999999999999999999" })),
        ("nothing", json!(null)),
    ] {
        let (code, error) = api.fails(Version::V2, method, params.clone());
        assert!(code == 422 || code == 404, "{method} {params}: {code} {error}");
    }
    assert_eq!(api.fails(Version::V3, "traces", json!({ "msg_hash": "zz" })).0, 422);
    assert_eq!(api.fails(Version::V3, "nothing", json!({})).0, 404);
}

#[test]
fn arguments_of_every_kind_are_read() {
    let cell = encode_base64(&tycho_types::cell::Cell::default());
    let arguments = json!([
        ["num", "0x10"], ["int", "-5"], ["num", 7], ["tvm.Cell", cell], ["tvm.Slice", cell], ["cell", { "bytes": cell }],
        ["tuple", { "elements": [["num", "1"]] }], ["null", null], { "type": "num", "value": "-0xff" },
        { "type": "tuple", "value": [{ "type": "null" }] },
    ]);
    let values = stack::arguments(Some(&arguments)).unwrap();
    assert_eq!(values.len(), 10);
    assert_eq!(stack::to_v2(&values[0]), json!(["num", "0x10"]));
    assert_eq!(stack::to_v2(&values[1]), json!(["num", "-0x5"]));
    assert_eq!(stack::to_v3(&values[8]), json!({ "type": "num", "value": "-0xff" }));
    assert_eq!(stack::to_v2(&values[6])[1]["elements"][0]["number"]["number"], "1");
    let mut deep = json!(["null"]);
    for _ in 0..60 {
        deep = json!(["tuple", [deep]]);
    }
    assert!(stack::arguments(Some(&json!([deep]))).is_err());
}

#[test]
fn readers_see_what_the_provider_tells() {
    let mut api = Api::new();
    let address = json!({ "address": api.address() });
    api.provider = Provider::new(View::Stale(1));
    assert_eq!(api.v2("getMasterchainInfo", json!({}))["last"]["seqno"], 1);
    api.provider = Provider::new(View::Latest).lying(api.wallet.address().clone(), crate::chain::Lie::Balance(5));
    assert_eq!(api.v2("getAddressBalance", address), "5");
}
