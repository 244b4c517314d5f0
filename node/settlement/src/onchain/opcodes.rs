//! Operation codes of the network's contracts (§6), each once, with its name.

use std::fmt;

/// Who understands an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpScope {
    /// Every contract, or a wallet that receives what is left.
    Common,
    /// A message to the root contract.
    Root,
    /// A message to a proxy contract.
    Proxy,
    /// The payload of a worker contract's message to its proxy contract.
    WorkerPayload,
    /// The payload of a client contract's message to its proxy contract.
    ClientPayload,
    /// A message to a client contract.
    Client,
    /// A message to a worker contract.
    Worker,
    /// A message to a node wallet.
    Wallet,
    /// Only in revision C or later (§6.11).
    Later,
}

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal, $scope:ident;)+) => {
        $($(#[$doc])* pub const $name: u32 = $code;)+

        /// All operations: code, scope, name.
        pub const ALL: &[(u32, OpScope, &str)] = &[$(($name, OpScope::$scope, $text)),+];
    };
}

opcodes! {
    /// A text follows: one letter is a command of the owner.
    TEXT = 0, "text", Common;
    /// What was left of a message's value.
    EXCESSES = 0x2565_934c, "excesses", Common;
    /// Coins that were earned, refunded or withdrawn.
    PAYOUT = 0xc59a_7cd3, "payout", Common;
    /// Ignored by every contract: carries what only transactions' readers look at.
    DO_NOT_PROCESS = 0x9a12_47c0, "do_not_process", Common;
    /// Inside [`DO_NOT_PROCESS`]: the state that a proxy node has committed (§4.6).
    STATE_COMMIT = 0x5310_9c0f, "proxy_save_state", Common;

    /// Pay a worker up to a count of tokens; signed.
    WORKER_PAYOUT = 0xa040_ad28, "ext_worker_payout_request_signed", Worker;
    /// The same, and close the account; signed.
    WORKER_LAST_PAYOUT = 0xf5f2_6a36, "ext_worker_last_payout_request_signed", Worker;
    /// Announce the account to the proxy's node.
    WORKER_REGISTER = 0x26ed_7f65, "owner_worker_register", Worker;

    /// A worker contract speaks to its proxy contract.
    WORKER_REQUEST = 0x4d72_5d2c, "worker_proxy_request", Proxy;
    /// Pay a worker.
    PAYLOAD_PAYOUT = 0x08e7_d036, "worker_proxy_payout_request", WorkerPayload;

    /// Add to the balance.
    CLIENT_TOP_UP = 0xf172_e6c2, "ext_client_top_up", Client;
    /// Change the secret and add to the balance.
    CLIENT_SECRET_AND_TOP_UP = 0x8473_b408, "owner_client_change_secret_hash_and_top_up", Client;
    /// Prove to the proxy's node that the owner of this account is connected to it.
    CLIENT_REGISTER = 0xc45f_9f3b, "owner_client_register", Client;
    /// Change the hash of the secret of short authorisation.
    CLIENT_CHANGE_SECRET = 0xa935_7034, "owner_client_change_secret_hash", Client;
    /// Raise the stake, and with it the limit of unpaid tokens.
    CLIENT_INCREASE_STAKE = 0x6a1f_6a60, "owner_client_increase_stake", Client;
    /// Take out what exceeds the stake.
    CLIENT_WITHDRAW = 0xda06_8e78, "owner_client_withdraw", Client;
    /// Start to close the account, or force the refund after the delay.
    CLIENT_REQUEST_REFUND = 0xfafa_6cc1, "owner_client_request_refund", Client;
    /// Charge up to a count of tokens; signed.
    CLIENT_CHARGE = 0xbb63_ff93, "ext_client_charge_signed", Client;
    /// Charge a last time, refund the rest and close; signed.
    CLIENT_GRANT_REFUND = 0xefd7_11e1, "ext_client_grant_refund_signed", Client;
    /// Defined by revision A and handled by none.
    CLIENT_TOP_UP_AND_REOPEN = 0x2911_1ceb, "owner_client_top_up_reopen", Client;

    /// A client contract speaks to its proxy contract.
    CLIENT_REQUEST = 0x6544_8ff4, "client_proxy_request", Proxy;
    /// Coins for the pool.
    PAYLOAD_TOP_UP = 0x5cfc_6b87, "client_proxy_top_up", ClientPayload;
    /// A nonce for the proxy's node.
    PAYLOAD_REGISTER = 0xa35c_b580, "client_proxy_register", ClientPayload;
    /// A refund that the proxy has agreed to, or of what exceeds the stake.
    PAYLOAD_REFUND_GRANTED = 0xc68e_bc7b, "client_proxy_refund_granted", ClientPayload;
    /// A refund that the proxy has not agreed to in time.
    PAYLOAD_REFUND_FORCE = 0xf4c3_54c9, "client_proxy_refund_force", ClientPayload;
    /// Profile `hardened`: what a charge took from the balance, and a refund.
    PAYLOAD_SETTLE = 0xb568_7306, "client_proxy_settle", ClientPayload;

    /// Pay the proxy's share to its owner.
    PROXY_PAYOUT = 0x7610_e6eb, "ext_proxy_payout_request", Proxy;
    /// Add to the proxy's stake.
    PROXY_INCREASE_STAKE = 0x9713_f187, "ext_proxy_increase_stake", Proxy;
    /// Start to close, by the owner.
    PROXY_OWNER_CLOSE = 0xb51d_5a01, "owner_proxy_close", Proxy;
    /// Start to close; signed.
    PROXY_CLOSE = 0x636a_4391, "ext_proxy_close_request_signed", Proxy;
    /// Close after the delay; signed.
    PROXY_CLOSE_COMPLETE = 0xe511_abc7, "ext_proxy_close_complete_request_signed", Proxy;

    /// Allow a worker image.
    ROOT_ADD_WORKER_TYPE = 0xe34b_1c60, "root_add_worker_type", Root;
    /// Disallow a worker image.
    ROOT_DEL_WORKER_TYPE = 0x8d94_a79a, "root_del_worker_type", Root;
    /// Allow a model.
    ROOT_ADD_MODEL_TYPE = 0xc146_134d, "root_add_model_type", Root;
    /// Disallow a model.
    ROOT_DEL_MODEL_TYPE = 0x92b1_1c18, "root_del_model_type", Root;
    /// Allow a proxy image.
    ROOT_ADD_PROXY_TYPE = 0x7186_0e80, "root_add_proxy_type", Root;
    /// Disallow a proxy image.
    ROOT_DEL_PROXY_TYPE = 0x3c41_d0b2, "root_del_proxy_type", Root;
    /// Register a proxy's endpoints under the next number.
    ROOT_REGISTER_PROXY = 0x927c_7cb5, "root_register_proxy", Root;
    /// Remove a registered proxy.
    ROOT_UNREGISTER_PROXY = 0x6d49_eaf2, "root_unregister_proxy", Root;
    /// Replace a registered proxy's endpoints.
    ROOT_UPDATE_PROXY = 0x9c79_24ba, "root_update_proxy", Root;
    /// Change price and worker fee.
    ROOT_CHANGE_FEES = 0xc52e_d8d4, "root_change_fees", Root;
    /// Change price, fee, delays and stakes.
    ROOT_CHANGE_PARAMS = 0x022f_a189, "root_change_params", Root;
    /// Replace the three contract codes.
    ROOT_UPGRADE_CONTRACTS = 0xa237_0f61, "root_upgrade_contracts", Root;
    /// Replace the root's own code.
    ROOT_UPGRADE_CODE = 0x11ae_fd51, "root_upgrade_code", Root;
    /// Empty all lists.
    ROOT_RESET = 0x563c_1d96, "root_reset", Root;
    /// Replace the root's own data and code.
    ROOT_UPGRADE_FULL = 0x4f7c_5789, "root_upgrade_full", Root;
    /// Change the owner.
    ROOT_CHANGE_OWNER = 0xc4a1_ae54, "root_change_owner", Root;
    /// Defined by revision A and handled by none.
    ROOT_CHANGE_PARAMS_FULL = 0x9f1e_69dc, "root_change_params_full", Root;

    /// Revision C: change the key manager.
    ROOT_CHANGE_KEY_MANAGER = 0xb01c_0fe9, "root_change_key_manager", Later;
    /// Revision C: add a public key; signed by the key manager.
    ROOT_ADD_PUBLIC_KEY_SIGNED = 0x9e0e_1821, "root_add_public_key_signed", Later;
    /// Revision C: add a public key, by the owner.
    ROOT_ADD_PUBLIC_KEY = 0x6e5a_646a, "root_add_public_key", Later;

    /// Send a message as the wallet; by the owner.
    WALLET_SEND = 0x9c69_f376, "owner_wallet_send_message", Wallet;
}

/// Name of an operation in the published scheme; `None` for codes that are not of this network.
pub fn name(op: u32) -> Option<&'static str> {
    ALL.iter().find(|(code, ..)| *code == op).map(|(.., name)| *name)
}

/// Who understands an operation.
pub fn scope(op: u32) -> Option<OpScope> {
    ALL.iter().find(|(code, ..)| *code == op).map(|(_, scope, _)| *scope)
}

/// Shows an operation by name where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShowOp(
    /// The code.
    pub u32,
);

impl fmt::Display for ShowOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#010x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::payment::PaymentKind;

    #[test]
    fn no_code_and_no_name_is_used_twice() {
        let codes: BTreeSet<_> = ALL.iter().map(|(code, ..)| code).collect();
        let names: BTreeSet<_> = ALL.iter().map(|(.., name)| name).collect();
        assert_eq!((codes.len(), names.len()), (ALL.len(), ALL.len()));
        assert_eq!(name(0xdead_beef), None);
        assert_eq!(ShowOp(CLIENT_CHARGE).to_string(), "ext_client_charge_signed");
        assert_eq!(ShowOp(0xdead_beef).to_string(), "0xdeadbeef");
    }

    /// The contracts' sources, the signed payments and this list have the same numbers.
    #[test]
    fn the_contracts_have_the_same_codes() {
        let source = include_str!("../../contracts/src/codes.tolk");
        let mut found = 0;
        for line in source.lines() {
            let Some(rest) = line.strip_prefix("const ") else {
                continue;
            };
            let (tolk_name, value) = rest.split_once(" = ").unwrap();
            if !tolk_name.starts_with("OP_") && !tolk_name.starts_with("PAYLOAD_") {
                continue;
            }
            let code = value.strip_prefix("0x").map_or_else(
                || value.parse().unwrap(),
                |digits| u32::from_str_radix(digits, 16).unwrap(),
            );
            assert!(name(code).is_some(), "{tolk_name} {code:#x}");
            found += 1;
        }
        // Without the codes that no contract handles: the commit's inner one, two that nobody handles, three later ones.
        assert_eq!(found, ALL.len() - 6);
        for kind in PaymentKind::ALL {
            assert!(name(kind.op()).is_some());
        }
    }
}
