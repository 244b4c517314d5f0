//! What goes out for a request, in the form that the peer's protocol version has (spec §2.8).

use super::state::{ClientSession, WorkerSession};
use crate::outbox::SendError;
use chrysalis_settlement::{AdjustedUsage, ReportedUsage};
use chrysalis_wire::{
    objects::{
        ClientQueryAnswer, ClientQueryAnswerError, ClientQueryAnswerErrorEx, ClientQueryAnswerEx,
        ClientQueryAnswerPart, ClientQueryAnswerPartEx, ClientQueryFinalInfo, ProxyRunQuery, ProxyRunQueryEx,
        TokensUsed,
    },
    tl::RequestId,
};

/// A request, to the worker that was chosen.
pub(super) fn query(worker: &WorkerSession, query: ProxyRunQueryEx) -> Result<(), SendError> {
    if worker.version.uses_extended_forms() {
        return worker.connection.send(&query);
    }
    worker.connection.send(&ProxyRunQuery {
        query: query.query,
        signed_payment: query.signed_payment,
        coefficient: query.coefficient,
        timeout: query.timeout,
        request_id: query.request_id,
    })
}

// Answers that cannot be queued belong to a client connection that is closing: nobody reads them.

/// The beginning of an answer, with its end if that came along.
pub(super) fn head(client: &ClientSession, id: RequestId, answer: Vec<u8>, final_info: Option<ClientQueryFinalInfo>) {
    let _ = if client.version.uses_extended_forms() {
        client.connection.send(&ClientQueryAnswerEx {
            request_id: id,
            answer,
            final_info,
        })
    } else {
        client.connection.send(&ClientQueryAnswer {
            answer,
            is_completed: final_info.is_some(),
            request_id: id,
            request_tokens_used: final_info.map_or_else(no_tokens, |info| info.tokens_used),
        })
    };
}

/// A piece of an answer.
pub(super) fn part(client: &ClientSession, id: RequestId, answer: Vec<u8>, final_info: Option<ClientQueryFinalInfo>) {
    let _ = if client.version.uses_extended_forms() {
        client.connection.send(&ClientQueryAnswerPartEx {
            request_id: id,
            answer,
            final_info,
        })
    } else {
        client.connection.send(&ClientQueryAnswerPart {
            answer,
            is_completed: final_info.is_some(),
            request_id: id,
            request_tokens_used: final_info.map_or_else(no_tokens, |info| info.tokens_used),
        })
    };
}

/// Why there is no answer, or no more of it.
pub(super) fn error(client: &ClientSession, id: RequestId, code: i32, text: String, used: AdjustedUsage) {
    let tokens_used = wire_tokens(used);
    let _ = if client.version.uses_extended_forms() {
        client.connection.send(&ClientQueryAnswerErrorEx {
            request_id: id,
            error_code: code,
            error: text,
            final_info: Some(ClientQueryFinalInfo {
                tokens_used,
                debug: None,
                times: None,
            }),
        })
    } else {
        client.connection.send(&ClientQueryAnswerError {
            error_code: code,
            error: text,
            request_id: id,
            request_tokens_used: tokens_used,
        })
    };
}

fn no_tokens() -> TokensUsed {
    wire_tokens(AdjustedUsage::ZERO)
}

/// As it stands on the wire.
pub(super) fn wire_tokens(used: AdjustedUsage) -> TokensUsed {
    let reported = used.to_reported();
    TokensUsed {
        prompt_tokens_used: reported.prompt,
        cached_tokens_used: reported.cached,
        completion_tokens_used: reported.completion,
        reasoning_tokens_used: reported.reasoning,
        total_tokens_used: reported.total,
    }
}

/// As a worker said it.
pub(super) fn reported(used: &TokensUsed) -> ReportedUsage {
    ReportedUsage {
        prompt: used.prompt_tokens_used,
        cached: used.cached_tokens_used,
        completion: used.completion_tokens_used,
        reasoning: used.reasoning_tokens_used,
        total: used.total_tokens_used,
    }
}
