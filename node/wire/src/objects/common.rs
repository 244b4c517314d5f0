//! Objects that belong to no one role.

use crate::tl::define::constructors;

constructors! {
    /// Token counts after the adjustment by coefficient and multipliers (spec §5.1); signed on the wire.
    struct TokensUsed = 0x70c5_b15c "tokensUsed" => "TokensUsed" {
        /// Prompt tokens without the cached ones.
        prompt_tokens_used: i64,
        /// Prompt tokens that the worker had in its prefix cache.
        cached_tokens_used: i64,
        /// Completion tokens without the reasoning ones.
        completion_tokens_used: i64,
        /// Reasoning tokens.
        reasoning_tokens_used: i64,
        /// What is charged; the reference does not check that it is the sum of the others.
        total_tokens_used: i64,
    }

    /// Identity of a TON block.
    struct TonBlockIdExt = 0xbc3f_6da5 "ton.blockIdExt" => "ton.BlockIdExt" {
        /// Workchain of the block.
        workchain: i32,
        /// Shard prefix.
        shard: i64,
        /// Sequence number within the shard.
        seqno: i32,
        /// Hash of the root cell; 32 bytes.
        root_hash: Vec<u8>,
        /// Hash of the serialised block; 32 bytes.
        file_hash: Vec<u8>,
    }

    /// Query of the reference's own transport tests.
    struct TestQuery = 0x394e_9143 "test.query" => "test.Answer" {
        /// Any number.
        id: i64,
    }

    /// Answer to [`TestQuery`].
    struct TestAnswer = 0x0d4f_cdb6 "test.answer" => "test.Answer" {
        /// The number of the query.
        id: i64,
    }
}
