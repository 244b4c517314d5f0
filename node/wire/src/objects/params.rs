//! What each role announces of itself when it connects.

use crate::tl::define::{constructors, field_groups};

field_groups! {
    /// The protocol versions that a client or worker speaks (spec §2.8).
    struct ProtocolRange {
        /// Lowest version.
        min_proto_version: i32,
        /// Highest version.
        max_proto_version: i32,
    }

    /// A worker's place in a proxy's schedule.
    struct WorkerCapacity {
        /// Whether the worker runs on the test network.
        is_test: bool,
        /// Number of proxies over which the worker spreads its slots.
        proxy_cnt: i32,
        /// Requests that the worker runs at a time, over all proxies.
        max_active_requests: i32,
    }
}

constructors! {
    /// A client introduces itself.
    struct ClientParams = 0x40fd_ca64 explicit "client.params" => "client.Params" {
        #flags {
            /// Address of the client's node wallet (spec §4.1).
            client_owner_address: String,
            /// Whether the client runs on the test network.
            is_test if bit 0: bool,
            /// Protocol versions; absent means version 0 only.
            protocol if bit 1: ProtocolRange,
        }
    }

    /// A worker introduces itself.
    struct WorkerParams = 0x869c_73ed explicit "worker.params" => "worker.Params" {
        #flags reserving 2 for 3 {
            /// Address of the worker's owner, who is paid.
            worker_owner_address: String,
            /// Full model name with commit and disk hash (spec §1.1).
            model: String,
            /// Price factor of this worker, thousandths.
            coefficient: i32,
            /// Place in the schedule; the reference proxy refuses a worker without it.
            capacity if bit 0: WorkerCapacity,
            /// Protocol versions; absent means version 0 only.
            protocol if bit 1: ProtocolRange,
        }
    }

    /// A proxy introduces itself.
    struct ProxyParams = 0xd5c5_609f explicit "proxy.params" => "proxy.Params" {
        #flags {
            /// Ed25519 key that signs payments.
            proxy_public_key: [u8; 32],
            /// Address of the proxy's owner.
            proxy_owner_address: String,
            /// Address of the proxy contract.
            proxy_sc_address: String,
            /// Whether the proxy runs on the test network.
            is_test if bit 0: bool,
            /// The chosen protocol version; absent means version 0.
            proto_version if bit 1: i32,
        }
    }
}
