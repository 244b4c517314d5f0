//! The tables of a run store. Doc comments here are the text of the reference page.

use super::cell::{codes, table};

codes! {
    /// How a request ended, as its client saw it.
    pub enum RequestStatus {
        /// Answered completely.
        Ok = "ok",
        /// Answered with an error, by whatever node.
        Error = "error",
        /// Given up by the client when its time limit passed.
        Timeout = "timeout",
        /// Given up by the user before the answer was complete.
        Cancelled = "cancelled",
        /// Neither answered nor given up when the run ended.
        Lost = "lost",
    }

    /// Where an answer part was seen.
    pub enum Observer {
        /// At the client, on arrival.
        Client = "client",
        /// At the proxy, on its way through.
        Proxy = "proxy",
        /// At the worker, when it was produced.
        Worker = "worker",
    }

    /// What a node is in the network.
    pub enum Role {
        /// Takes requests from a user and pays for them.
        Client = "client",
        /// Routes, meters and settles.
        Proxy = "proxy",
        /// Serves the model.
        Worker = "worker",
        /// Holds keys and releases them to attested nodes.
        KeyManager = "key_manager",
        /// Decides by data class where a request may go.
        Gateway = "gateway",
        /// The chain, where something happened in a contract.
        Chain = "chain",
    }

    /// Direction of a packet on its connection.
    pub enum Direction {
        /// From the side that opened the connection.
        Up = "up",
        /// Towards the side that opened the connection.
        Down = "down",
    }

    /// Outcome of an appraisal.
    pub enum AttestationVerdict {
        /// The evidence satisfied the policy.
        Accepted = "accepted",
        /// It did not, or there was none.
        Rejected = "rejected",
    }

    /// Outcome of an attack.
    pub enum AttackOutcome {
        /// The attacker got what it was after.
        Worked = "worked",
        /// It did not.
        Stopped = "stopped",
        /// The attack could not be carried out, or was not over when the run ended: nothing is known.
        NotCarriedOut = "not_carried_out",
    }

    /// Kind of a property.
    pub enum AssertionClass {
        /// Safety: holds at every moment, as far as everything that nodes and network reported shows.
        Always = "always",
        /// Liveness: holds within a bound after faults have stopped.
        Eventually = "eventually",
        /// Safety: never happens.
        Never = "never",
        /// Service level: a percentile or rate within its limit.
        Slo = "slo",
        /// Coverage: happens in at least one run of the suite.
        Sometimes = "sometimes",
    }

    /// Outcome of a property in one run.
    pub enum AssertionVerdict {
        /// The property held; for `sometimes`, it was seen.
        Pass = "pass",
        /// The property was violated.
        Fail = "fail",
        /// `sometimes` only: not seen in this run, which another run may make good.
        Unseen = "unseen",
        /// Could not be decided, for example a percentile of too few samples. Not a pass.
        Undecided = "undecided",
        /// The run had nothing that the property says anything about, for example no restart. Another run may have.
        NothingToCheck = "nothing_to_check",
    }
}

table! {
    /// Inference requests, one row each, as the client saw them. Token counts follow the usage object of the
    /// OpenAI API and are claims of the worker.
    pub struct RequestRow in "requests" {
        /// Identifier of the request, unique within the run.
        request_id: String,
        /// Name of the client node.
        client: String,
        /// Index of the simulated user who asked.
        user: u64,
        /// Name of the proxy that took the request; absent if none did.
        proxy: Option<String>,
        /// Name of the worker that served it; absent if none did or the client was not told.
        worker: Option<String>,
        /// Model that was asked for.
        model: String,
        /// Whether the answer was asked for in parts.
        streaming: bool,
        /// When the workload meant the request to be sent. Latencies from here include the time a request waited
        /// because an earlier one had not ended (coordinated omission).
        intended_send_ns: u64,
        /// When the client really sent it.
        send_ns: u64,
        /// When the first byte of the answer arrived.
        first_byte_ns: Option<u64>,
        /// When the last byte of the answer arrived.
        last_byte_ns: Option<u64>,
        /// Time to first token: from `send_ns` to the first part with text in it; parts with only a role do not count.
        ttft_ns: Option<u64>,
        /// End-to-end latency: from `send_ns` to the end of the complete answer.
        e2e_ns: Option<u64>,
        /// How it ended.
        status: RequestStatus,
        /// Protocol error code; absent without an error.
        error_code: Option<i64>,
        /// HTTP status the user got; absent without an answer.
        http_status: Option<u32>,
        /// Prompt tokens, cached ones included.
        prompt_tokens: u64,
        /// Prompt tokens served from a cache.
        cached_tokens: u64,
        /// Completion tokens, reasoning included.
        completion_tokens: u64,
        /// Completion tokens that were reasoning.
        reasoning_tokens: u64,
        /// Billed units: tokens of all classes after coefficient and multipliers, truncated per class.
        adjusted_tokens: u64,
        /// Billed units for prompt tokens that were not cached; absent if the split is not known.
        adjusted_prompt_tokens: Option<u64>,
        /// Billed units for cached prompt tokens; absent if the split is not known.
        adjusted_cached_tokens: Option<u64>,
        /// Billed units for completion tokens that were not reasoning; absent if the split is not known.
        adjusted_completion_tokens: Option<u64>,
        /// Billed units for reasoning tokens; absent if the split is not known.
        adjusted_reasoning_tokens: Option<u64>,
        /// What the client pays: `adjusted_tokens` times the price.
        cost_nanoton: u64,
        /// What the worker earns of it. The difference is the proxy's margin, before chain fees.
        worker_fee_nanoton: u64,
        /// Size of the request body.
        request_bytes: u64,
        /// Size of the answer body.
        answer_bytes: u64,
        /// Number of parts in which the answer arrived.
        parts: u64,
        /// SHA-256 of the answer body (of its first mebibyte, if it is longer), hexadecimal; empty without an answer.
        answer_digest: String,
    }
}

table! {
    /// Parts of streamed answers, one row for each part and observer.
    pub struct PartRow in "parts" {
        /// Request to which the part belongs.
        request_id: String,
        /// Position of the part in the answer, from 0.
        part_index: u64,
        /// Where it was seen.
        observer: Observer,
        /// When.
        at_ns: u64,
        /// Size of its payload.
        bytes: u64,
    }
}

table! {
    /// Stages that a request reached, one row each: the timeline of a request across nodes.
    pub struct SpanRow in "spans" {
        /// Request.
        request_id: String,
        /// Name of the node.
        node: String,
        /// What that node is.
        role: Role,
        /// Stage reached, for example `received` or `first_part`.
        stage: String,
        /// When.
        at_ns: u64,
    }
}

table! {
    /// What the network carried, one row for each packet or record at a tap. Sizes and times, never contents.
    pub struct PacketRow in "packets" {
        /// When it passed the tap.
        at_ns: u64,
        /// Name of the sending node.
        from_node: String,
        /// Name of the receiving node.
        to_node: String,
        /// Number of the connection, unique within the run.
        connection: u64,
        /// Direction on that connection.
        direction: Direction,
        /// Kind of packet as far as an observer can tell, for example `handshake` or `data`.
        kind: String,
        /// Size on the wire.
        bytes: u64,
        /// Name of the observation tap; the report's observer section reads those that begin with `client`.
        tap: String,
    }
}

table! {
    /// Who paid whom, when, how much and why, one row each: signatures of proxies, and coins that arrived somewhere on
    /// the chain. The two do not add up: a signature is worth coins that move later, if they do.
    pub struct PaymentRow in "payments" {
        /// When.
        at_ns: u64,
        /// Who pays.
        payer: String,
        /// Who is paid.
        payee: String,
        /// Name of the proxy on whose books it is; empty for coins on the chain.
        proxy: String,
        /// Name of the client that pays or of the worker that is paid; empty for coins on the chain.
        counterparty: String,
        /// Why: `client_charge` or `worker_payout` for signatures, the operation of the message for coins on the chain.
        kind: String,
        /// Account total after it, in billed units.
        tokens: u64,
        /// Change of that account, in billed units.
        delta_tokens: i64,
        /// What the change is worth, zero where the account shrank; or coins that arrived.
        nanoton: u64,
        /// Request that caused it; absent if it settles several.
        request_id: Option<String>,
    }
}

table! {
    /// Transactions of the simulated chain, one row each, in the order of their blocks.
    pub struct TransactionRow in "transactions" {
        /// When its block was made.
        at_ns: u64,
        /// Whose account: the name of a node, an owner or a party of an attack; the address where nobody is known.
        account: String,
        /// What the account is: `root`, `proxy`, `client`, `worker`, `wallet`, `owner`; empty where nobody is known.
        part: String,
        /// Address of the account, raw form.
        address: String,
        /// Logical time.
        lt: u64,
        /// Hash, hexadecimal.
        hash: String,
        /// Whose account sent the message that caused it; absent for messages from outside.
        source: Option<String>,
        /// Operation of that message by name; `external`, `plain` and `bounced` for those without one.
        operation: String,
        /// Coins that came with it.
        value_nanoton: u64,
        /// Coins that it sent on.
        sent_nanoton: u64,
        /// Whether a contract ran and did what it was asked for: not so for coins that came without being able to pay
        /// for a run, or to an account without code.
        is_success: bool,
        /// Exit code of the contract; absent where it did not run.
        exit_code: Option<i64>,
        /// Result of its actions; absent where there were none.
        action_code: Option<i64>,
        /// Gas.
        gas_used: u64,
        /// All fees that it paid.
        fees_nanoton: u64,
        /// Of these, for gas.
        gas_fee_nanoton: u64,
        /// Of these, for messages: import, sending, delivery.
        message_fee_nanoton: u64,
        /// Of these, for storage.
        storage_fee_nanoton: u64,
        /// What its gas and the messages that it sent cost at the prices until April 2026.
        old_price_nanoton: u64,
        /// The same at the prices since then.
        new_price_nanoton: u64,
    }
}

table! {
    /// Appraisals of attestation evidence, one row for each decision.
    pub struct AttestationRow in "attestations" {
        /// When.
        at_ns: u64,
        /// Name of the node that decided.
        verifier: String,
        /// Name of the peer it decided about.
        peer: String,
        /// Kind of evidence that was read: `tdx`, `snp` or `fake-tdx`; empty without.
        kind: String,
        /// Decision.
        verdict: AttestationVerdict,
        /// Reason of a rejection; empty for an acceptance.
        reason: String,
        /// Measurement of the peer's image, hexadecimal; empty if the evidence could not be read.
        image_hash: String,
        /// Whether an earlier appraisal of the same image on the same machine was reused.
        cached: bool,
        /// What was decided: `certificate` or `session` when a connection began, `renewal` when new evidence of a live
        /// session was asked for, `recheck` when what it had shown was judged again.
        occasion: String,
        /// Whose root the evidence chains to: `vendor` or `simulation`; empty if nobody vouches for it.
        anchor: String,
        /// The vendor's word for the state of the platform's trusted computing base; empty where there is none. It says
        /// nothing about who had the machine in hand.
        tcb_status: String,
        /// Pseudonym of the peer's machine, hexadecimal, the same in all runs of one network; empty if it is not named.
        platform: String,
        /// GPUs that were shown and accepted with it.
        gpus: u64,
        /// Last second for which the verdict holds; absent without evidence.
        trusted_until_unix_s: Option<u64>,
    }
}

table! {
    /// Faults that the plan put in, one row each.
    pub struct FaultRow in "faults" {
        /// When.
        at_ns: u64,
        /// Kind of fault, for example `crash` or `partition`.
        kind: String,
        /// Node, link or other thing it hit.
        target: String,
        /// Parameters, as text.
        detail: String,
    }
}

table! {
    /// Properties of the scenario and what became of them, one row for each property.
    pub struct AssertionRow in "assertions" {
        /// Name of the property.
        name: String,
        /// Kind of property.
        class: AssertionClass,
        /// Outcome in this run.
        verdict: AssertionVerdict,
        /// What was seen, as text.
        detail: String,
        /// When it was decided; absent if at the end of the run.
        at_ns: Option<u64>,
    }
}

table! {
    /// Attacks that the plan put in, one row each.
    pub struct AttackRow in "attacks" {
        /// When it was over; absent if it was not.
        at_ns: Option<u64>,
        /// Name of the attack, for example `leaked-key`.
        attack: String,
        /// What came of it.
        outcome: AttackOutcome,
        /// What was seen, as text.
        detail: String,
    }
}

table! {
    /// Prices in force, one row for each change, the first ones at the start of the run.
    pub struct PriceRow in "prices" {
        /// From when.
        at_ns: u64,
        /// Name of the price, for example `price_per_token` or `worker_fee_per_token` (for one billed unit).
        name: String,
        /// The price.
        nanoton: u64,
    }
}

/// Calls a macro once with the field, row type of every table, in the order of the reference page.
macro_rules! for_each_table {
    ($macro:ident) => {
        $macro! {
            requests: RequestRow,
            parts: PartRow,
            spans: SpanRow,
            packets: PacketRow,
            payments: PaymentRow,
            transactions: TransactionRow,
            attestations: AttestationRow,
            faults: FaultRow,
            assertions: AssertionRow,
            attacks: AttackRow,
            prices: PriceRow,
        }
    };
}
pub(crate) use for_each_table;

macro_rules! tables {
    ($($field:ident : $row:ident),+ $(,)?) => {
        /// All tables of one run. Rows keep the order in which they are given; it is part of the store's identity.
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Tables {
            $(
                #[doc = concat!("Rows of the table `", stringify!($field), "`.")]
                pub $field: Vec<$row>,
            )+
        }

        impl Tables {
            /// Definitions of all tables, in the order of the reference page.
            pub const ALL: &'static [super::Table] = &[$(<$row as super::Row>::TABLE),+];
        }
    };
}
for_each_table!(tables);
