//! Client → proxy connection and authorisation (spec §4.2).

use super::{ClientParams, ProxyParams, SignedPayment};
use crate::tl::{
    Secret,
    define::{boxed_fields, constructors, one_of},
};

constructors! {
    /// First query of a client.
    struct ClientConnectToProxy = 0xff5f_a0f4 "client.connectToProxy" => "client.ConnectedToProxy" {
        /// Who connects.
        params: ClientParams,
        /// The version of the root configuration that the client knows; an older proxy refuses.
        min_config_version: i32,
    }

    /// Answer to [`ClientConnectToProxy`].
    struct ClientConnectedToProxy = 0x9531_7ad1 "client.connectedToProxy" => "client.ConnectedToProxy" {
        /// Who answers.
        params: ProxyParams,
        /// Address of the contract between this client and this proxy.
        client_sc_address: String,
        /// How the client may prove that it owns the account.
        auth: ProxyConnectionAuth,
        /// The current payment if known.
        signed_payment: SignedPayment,
    }

    /// Proof by secret, because the contract holds a hash of it.
    struct ClientProxyConnectionAuthShort = 0xd6ff_c5af "client.proxyConnectionAuthShort" => "client.ProxyConnectionAuth" {
        /// SHA-256 of the secret, as the contract has it.
        secret_hash: [u8; 32],
        /// Nonce for the long way.
        nonce: i64,
    }

    /// Proof by a message on the chain.
    struct ClientProxyConnectionAuthLong = 0x417b_f016 "client.proxyConnectionAuthLong" => "client.ProxyConnectionAuth" {
        /// Nonce that the client must register with its contract.
        nonce: i64,
    }

    /// Proof by secret.
    struct ClientAuthorizeWithProxyShort = 0x6c27_6723 "client.authorizeWithProxyShort" => "client.AuthorizationWithProxy" {
        /// The secret.
        data: Secret<Vec<u8>>,
    }

    /// Asks to be told when the proof on the chain was seen.
    struct ClientAuthorizeWithProxyLong = 0xd347_4303 "client.authorizeWithProxyLong" => "client.AuthorizationWithProxy" {}

    /// The proof was accepted.
    struct ClientAuthorizationWithProxySuccess = 0x75d5_ac34 "client.authorizationWithProxySuccess"
        => "client.AuthorizationWithProxy"
    {
        /// The current payment.
        signed_payment: SignedPayment,
        /// Tokens of this client that the proxy committed to its database.
        tokens_committed_to_db: i64,
        /// Tokens of this client that the proxy counted.
        max_tokens: i64,
    }

    /// The proof was refused; the reference answers with a query error instead.
    struct ClientAuthorizationWithProxyFailed = 0x6055_1c96 "client.authorizationWithProxyFailed"
        => "client.AuthorizationWithProxy"
    {
        /// See [`crate::error_code`].
        error_code: i32,
        /// For people.
        error: String,
    }
}

one_of! {
    /// How a client may prove that it owns its account.
    enum ProxyConnectionAuth = "client.ProxyConnectionAuth" {
        /// By secret, or by a message on the chain.
        Short(ClientProxyConnectionAuthShort),
        /// Only by a message on the chain.
        Long(ClientProxyConnectionAuthLong),
    }

    /// Answer to either authorisation query.
    enum AuthorizationWithProxy = "client.AuthorizationWithProxy" {
        /// Accepted.
        Success(ClientAuthorizationWithProxySuccess),
        /// Refused.
        Failed(ClientAuthorizationWithProxyFailed),
    }
}

boxed_fields!(ProxyConnectionAuth);
