//! What roles report about requests, payments and peers. Identifiers, sizes and codes only: never a prompt, never an
//! answer. One function a kind, so that every observer (run store, metrics, log) finds the same fields.

use crate::key_manager::{
    asking::HeldKey,
    ring::{KeyEvent, KeyHolder, Refusal, Released},
};
use chrysalis_attest::{AttestedPeer, GuestVerdict, Origin, anchors::AnchorKind, session};
use chrysalis_env::{Env, Value};

/// Which role speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Client.
    Client,
    /// Proxy.
    Proxy,
    /// Worker.
    Worker,
    /// Key manager.
    KeyManager,
}

impl Role {
    /// Lower-case name, as in field `role`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Proxy => "proxy",
            Self::Worker => "worker",
            Self::KeyManager => "key_manager",
        }
    }
}

impl From<Role> for session::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Client => Self::Client,
            Role::Proxy => Self::Proxy,
            Role::Worker => Self::Worker,
            Role::KeyManager => Self::KeyManager,
        }
    }
}

/// A step in the life of a request: kind `request.stage`.
pub(crate) fn stage(env: &Env, role: Role, request: &[u8; 32], stage: &'static str) {
    env.observe(
        "request.stage",
        &[
            ("request", request.into()),
            ("role", role.name().into()),
            ("stage", stage.into()),
        ],
    );
}

/// A piece of an answer that passed a role: kind `request.part`.
pub(crate) fn part(env: &Env, role: Role, request: &[u8; 32], bytes: usize) {
    env.observe(
        "request.part",
        &[
            ("request", request.into()),
            ("role", role.name().into()),
            ("bytes", bytes.into()),
        ],
    );
}

/// How a request ended for a role: kind `request.end`. `code` is 0 for success, else of spec §1.6.
pub(crate) fn end(env: &Env, role: Role, request: &[u8; 32], code: i32, usage: &Usage) {
    env.observe(
        "request.end",
        &[
            ("request", request.into()),
            ("role", role.name().into()),
            ("code", code.into()),
            ("prompt_tokens", usage.prompt.into()),
            ("cached_tokens", usage.cached.into()),
            ("completion_tokens", usage.completion.into()),
            ("reasoning_tokens", usage.reasoning.into()),
            ("adjusted_tokens", usage.total.into()),
        ],
    );
}

/// Adjusted tokens of a request (spec §5.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    pub(crate) cached: u64,
    pub(crate) completion: u64,
    pub(crate) reasoning: u64,
    pub(crate) total: u64,
}

/// What a peer was judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A connection began, with evidence that is bound to the certificate.
    Certificate,
    /// A connection began, with evidence that is bound to the session.
    Session,
    /// The peer of a session answered a later challenge, or did not.
    Renewal,
    /// What the peer of a session had shown was judged again: by new collateral, a later time, new reference values.
    Recheck,
}

impl Occasion {
    /// Lower-case name, as in field `occasion`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Session => "session",
            Self::Renewal => "renewal",
            Self::Recheck => "recheck",
        }
    }
}

impl From<session::Occasion> for Occasion {
    fn from(occasion: session::Occasion) -> Self {
        match occasion {
            session::Occasion::Begin => Self::Session,
            session::Occasion::Renewal => Self::Renewal,
            session::Occasion::Recheck => Self::Recheck,
        }
    }
}

/// A decision about a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision<'a> {
    pub(crate) peer_kind: &'static str,
    pub(crate) occasion: Occasion,
    /// How the verdict came about; none where there was no evidence to judge.
    pub(crate) origin: Option<Origin>,
    /// Why the peer was refused; none if it was accepted.
    pub(crate) refusal: Option<&'a str>,
    /// The peer and the salt of names in this network, as far as the peer is known.
    pub(crate) peer: Option<(&'a AttestedPeer, &'a [u8])>,
}

/// A peer was accepted or refused: kind `peer`.
///
/// What evidence says of platforms stands beside the verdict on it: evidence can be valid and its platform opened.
/// Platforms are named by pseudonyms, because their ids name operators.
pub(crate) fn peer(env: &Env, role: Role, decision: &Decision<'_>) {
    let peer = decision.peer.map(|(peer, _)| peer);
    let guest = peer.and_then(|peer| peer.evidence.as_ref());
    let anchor = guest.and_then(GuestVerdict::anchor).map_or("", |anchor| match anchor {
        AnchorKind::Vendor => "vendor",
        AnchorKind::Simulation => "simulation",
    });
    let tcb_status = guest
        .and_then(GuestVerdict::tcb_status)
        .map_or(String::new(), |status| format!("{status:?}"));
    let platform = decision
        .peer
        .and_then(|(peer, salt)| peer.evidence.as_ref()?.platform_pseudonym(salt));
    env.observe(
        "peer",
        &[
            ("role", role.name().into()),
            ("peer_kind", decision.peer_kind.into()),
            ("accepted", decision.refusal.is_none().into()),
            ("reason", Value::Text(decision.refusal.unwrap_or(""))),
            ("image_hash", peer.map_or(&[0; 32], |peer| &peer.image_hash).into()),
            ("occasion", decision.occasion.name().into()),
            ("cached", (decision.origin == Some(Origin::Cached)).into()),
            ("evidence", guest.map_or("", GuestVerdict::kind_name).into()),
            ("anchor", anchor.into()),
            ("tcb_status", Value::Text(&tcb_status)),
            ("platform", Value::Bytes(platform.as_ref().map_or(&[], |name| name))),
            ("gpus", (peer.map_or(0, |peer| peer.gpus.len()) as u64).into()),
            (
                "trusted_until_unix_s",
                peer.map_or(0, |peer| peer.trusted_until_unix_s).into(),
            ),
        ],
    );
}

/// A remembered verdict was made again and came out otherwise: kind `verdict.mismatch`. `mismatched` counts them since
/// the node began.
pub(crate) fn verdict_mismatch(env: &Env, role: Role, mismatched: u64) {
    env.observe(
        "verdict.mismatch",
        &[("role", role.name().into()), ("mismatched", mismatched.into())],
    );
}

/// A signed payment was made or taken: kind `payment`.
pub(crate) fn payment(env: &Env, role: Role, payment: &'static str, owner: &str, tokens: u64) {
    env.observe(
        "payment",
        &[
            ("role", role.name().into()),
            ("payment", payment.into()),
            ("owner", owner.into()),
            ("tokens", tokens.into()),
        ],
    );
}

/// A node has a contract do something: kind `chain.action`.
pub(crate) fn contract_action(env: &Env, role: Role, action: &'static str) {
    env.observe(
        "chain.action",
        &[("role", role.name().into()), ("action", action.into())],
    );
}

/// A connection can be used for requests, or no longer: kind `session`.
pub(crate) fn session(env: &Env, role: Role, is_ready: bool) {
    env.observe("session", &[("role", role.name().into()), ("ready", is_ready.into())]);
}

/// Whether the proxy's ledger can be written, each time that changes: kind `ledger.state`.
pub(crate) fn ledger(env: &Env, is_writable: bool) {
    env.observe("ledger.state", &[("writable", is_writable.into())]);
}

/// Something happened to a key of a key manager: kind `keys.changed`.
pub(crate) fn key_changed(env: &Env, event: &KeyEvent) {
    env.observe(
        "keys.changed",
        &[
            ("holder", event.holder.name().into()),
            ("epoch", event.epoch.into()),
            ("public_key", event.public.as_bytes().into()),
            ("change", event.change.name().into()),
        ],
    );
}

/// A key manager gives a key to a node of a kind: kind `keys.released`.
pub(crate) fn key_released(env: &Env, kind: KeyHolder, image_hash: &[u8; 32], released: &Released<'_>) {
    env.observe(
        "keys.released",
        &[
            ("holder", released.holder.name().into()),
            ("epoch", released.key.epoch.into()),
            ("public_key", released.key.public().as_bytes().into()),
            ("since_unix_s", released.key.since_unix_s.into()),
            ("peer_kind", kind.role().name().into()),
            ("image_hash", image_hash.into()),
        ],
    );
}

/// A key manager gives nothing to a node: kind `keys.refused`.
pub(crate) fn key_refused(env: &Env, kind: KeyHolder, image_hash: &[u8; 32], refusal: &Refusal) {
    env.observe(
        "keys.refused",
        &[
            ("peer_kind", kind.role().name().into()),
            ("image_hash", image_hash.into()),
            ("reason", refusal.to_string().as_str().into()),
        ],
    );
}

/// A node has other keys than before: kind `keys.held`. The newest is named by its public key.
pub(crate) fn keys_held(env: &Env, role: Role, keys: &[HeldKey]) {
    let newest = keys.iter().max_by_key(|key| key.until_unix_s);
    let public = newest.map_or([0; 32], |key| *key.public().as_bytes());
    env.observe(
        "keys.held",
        &[
            ("role", role.name().into()),
            ("count", keys.len().into()),
            ("until_unix_s", newest.map_or(0, |key| key.until_unix_s).into()),
            ("public_key", (&public).into()),
        ],
    );
}

/// Something that an operator should know: kind `note`. `text` comes from this program, not from a peer.
pub(crate) fn note(env: &Env, role: Role, text: &str) {
    env.observe("note", &[("role", role.name().into()), ("text", Value::Text(text))]);
}
