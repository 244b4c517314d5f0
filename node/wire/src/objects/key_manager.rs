//! Message keys (spec §4.8).

use crate::tl::{Secret, define::constructors};

constructors! {
    /// A worker asks for its keys.
    struct KeyManagerGetWorkerPrivateKeys = 0x2a26_eff5 "keyManager.getWorkerPrivateKeys" => "keyManager.PrivateKeys" {
        /// The version of the root configuration that the worker knows.
        min_config_version: i32,
    }

    /// A proxy asks for its keys.
    struct KeyManagerGetProxyPrivateKeys = 0x47a9_c2de "keyManager.getProxyPrivateKeys" => "keyManager.PrivateKeys" {
        /// The version of the root configuration that the proxy knows.
        min_config_version: i32,
    }

    /// Answer to either query.
    struct KeyManagerPrivateKeys = 0x0ed6_6ce5 "keyManager.privateKeys" => "keyManager.PrivateKeys" {
        /// The keys that are valid now.
        keys: Vec<KeyManagerPrivateKey>,
    }

    /// One key.
    struct KeyManagerPrivateKey = 0x60f4_f8e7 "keyManager.privateKey" => "keyManager.PrivateKey" {
        /// End of its life, Unix seconds.
        valid_until_utime: i32,
        /// Ed25519 private key.
        private_key: Secret<[u8; 32]>,
    }
}
