//! The section `world.attestation`, faults of trust, and threats as they are written.

use std::borrow::Cow;

use chrysalis_attest::anchors::AnchorKind;
use chrysalis_attest::gpu::{Architecture, GpuPolicy};
use chrysalis_attest::policy::AppraisalRules;
use chrysalis_attest::snp::SnpPolicy;
use chrysalis_world::plan::{Authority, CollateralParts, Flaw, ImageOf, Pose, Technique, TeeKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::super::located::{At, Key, Text};
use super::super::scalar::{Bits, Choice, Count, Distribution, Duration, ModelName, Name};
use super::super::threat::{AtlasId, AttackId, CatalogueId, Linddun, OwaspId, Stride};
use super::List;

/// How peers prove what they are.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttestationFile {
    /// Evidence of nodes: simulated_tdx and simulated_snp (real formats, simulation roots), fake_tdx (64 bytes), none.
    /// Default: simulated_tdx.
    pub tee: Key<Text<Choice<TeeKind>>>,
    /// Leading zero bits that an acceptor asks for before TLS. Default: 8 bits.
    pub proof_of_work: Key<Text<Bits>>,
    /// How often nodes ask a live session for new evidence, in profile hardened. Default: 10m.
    pub renew_every: Key<Text<Duration>>,
    /// How often nodes judge again what a live session has shown, in profile hardened. Default: 15s.
    pub recheck_every: Key<Text<Duration>>,
    /// What nodes accept in profile hardened. Default: what is up to date, on any machine. In profile reference nodes
    /// accept what the reference system does, which has no such settings.
    pub policy: Key<PolicyFile>,
    /// What the vendor publishes, and when.
    pub collateral: Key<CollateralFile>,
    /// What is wrong with machines of nodes.
    pub machines: Key<Vec<At<MachineFile>>>,
    /// Adversaries who want to be taken for attested peers. `expect` must say for each profile whether they are.
    pub attacks: Key<Vec<At<EvidenceAttackFile>>>,
}

/// What nodes accept.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyFile {
    /// Whose roots: simulation, or vendor (which no simulated node has). Default: simulation.
    pub anchors: Key<Text<Choice<AnchorKind>>>,
    /// Rules for TDs, as in policy files of `chrysalis attest verify`.
    pub tdx: Key<TdxRules>,
    /// Rules for SNP guests, as there.
    pub snp: Key<SnpRules>,
    /// Nodes whose machines are listed: those of all others are refused. Default: any machine.
    pub machines_of: List<Name>,
    /// What proxies demand of workers' GPUs. Default: they do not look at them.
    pub gpus: Key<GpuDemandFile>,
}

/// What proxies demand of workers' GPUs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GpuDemandFile {
    /// How many each worker must show at least, from 1 to 16. Default: 1.
    pub at_least: Key<Text<Count>>,
    /// Rules for each, as in policy files of `chrysalis attest verify`.
    pub rules: Key<GpuRules>,
    /// Workers whose GPUs are listed: all others are refused. Default: any GPU.
    pub of: List<Name>,
}

/// GPUs of a worker's machine.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GpusFile {
    /// How many, from 1 to 16. Default: 1.
    pub count: Key<Text<Count>>,
    /// hopper or blackwell. Default: hopper.
    pub architecture: Key<Text<Choice<Architecture>>>,
}

/// Declares rules in the words of the verifier itself.
macro_rules! rules {
    ($(#[doc = $doc:literal])* $name:ident of $policy:ty, $title:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $name(pub $policy);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$policy>::deserialize(deserializer).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                rules_schema(<$policy>::default(), $title)
            }
        }
    };
}

/// The verifier's own names and defaults, so that there is no second list of them to keep.
fn rules_schema(defaults: impl Serialize, title: &str) -> Schema {
    let defaults = serde_json::to_value(defaults).unwrap_or_default();
    let properties: serde_json::Map<String, serde_json::Value> = defaults
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, default)| (name.clone(), serde_json::json!({ "default": default })))
        .collect();
    json_schema!({
        "description": title,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

rules!(
    /// Rules for TDs.
    TdxRules of AppraisalRules, "Rules for TDs, as in policy files of `chrysalis attest verify`."
);
rules!(
    /// Rules for SNP guests.
    SnpRules of SnpPolicy, "Rules for SNP guests, as in policy files of `chrysalis attest verify`."
);
rules!(
    /// Rules for GPUs.
    GpuRules of GpuPolicy, "Rules for GPUs, as in policy files of `chrysalis attest verify`."
);

/// What the vendor publishes, and when.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollateralFile {
    /// How long what is published counts, from its publication on. Default: 30 days, less an hour.
    pub lasts: Key<Text<Duration>>,
    /// How often the vendor publishes anew. Default: only when a fault says so.
    pub refresh_every: Key<Text<Duration>>,
}

/// What is wrong with machines of nodes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["nodes", "flaws"]))]
pub struct MachineFile {
    /// Proxies and workers.
    pub nodes: List<Name>,
    /// What is wrong.
    pub flaws: List<Choice<Flaw>>,
}

/// Somebody who wants to be taken for an attested peer.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["at", "attack"]))]
pub struct EvidenceAttackFile {
    /// When it begins; a span is drawn from the seed.
    pub at: Key<Text<Distribution<Duration>>>,
    /// What it does.
    pub attack: Key<Text<Choice<Technique>>>,
    /// As what: worker (at the first proxy) or proxy (to a client that was led to it). Default: worker, or proxy where the
    /// attack is tried on clients only.
    #[serde(rename = "as")]
    pub pose: Key<Text<Choice<Pose>>>,
    /// The node whose key, evidence or machine is abused. Default: the first of the role; with `extracted-key`, nobody's:
    /// the adversary's own machine.
    pub of: Key<Text<Name>>,
    /// What is wrong with the adversary's own machine, with `own-machine`.
    pub flaws: List<Choice<Flaw>>,
}

/// How a threat is classified.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["catalogue", "stride"]))]
pub struct ThreatFile {
    /// Rows of the catalogue of threats: P physical, H host software, G GPU, A protocol and verifier, T the specification's.
    pub catalogue: List<CatalogueId>,
    /// Categories of STRIDE.
    pub stride: List<Choice<Stride>>,
    /// Categories of LINDDUN.
    pub linddun: List<Choice<Linddun>>,
    /// Techniques of MITRE ATT&CK.
    pub attack: List<AttackId>,
    /// Techniques of MITRE ATLAS.
    pub atlas: List<AtlasId>,
    /// Risks of OWASP's list for LLM applications, 2025.
    pub owasp: List<OwaspId>,
}

/// The vendor revokes the key of a machine.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["node"]))]
pub struct RevokePlatformFile {
    /// The proxy or worker that runs on it.
    pub node: Key<Text<Name>>,
}

/// The vendor revokes the certificate of one of its authorities.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["of"]))]
pub struct RevokeAuthorityFile {
    /// Whose: platform_ca (certificates of machines) or tcb_signer (TCB levels).
    pub of: Key<Text<Choice<Authority>>>,
}

/// The vendor finds a flaw in every machine.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TcbRecoveryFile {}

/// What the vendor publishes reaches nobody.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FreezeCollateralFile {
    /// For this long; then the newest arrives. Default: for ever.
    pub length: Key<Text<Distribution<Duration>>>,
}

/// What was published before is served: lower numbers, nothing revoked.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OldCollateralFile {
    /// all, or revocation_lists, with new TCB levels. Default: all.
    pub parts: Key<Text<Choice<CollateralParts>>>,
    /// For this long; then the newest arrives. Default: for ever.
    pub length: Key<Text<Distribution<Duration>>>,
}

/// An image of the root contract.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["of"]))]
pub struct ImageFile {
    /// Whose: proxies or workers.
    pub of: Key<Text<Choice<ImageOf>>>,
}

/// The root contract no longer names a model.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["model"]))]
pub struct RemoveModelFile {
    /// Which.
    pub model: Key<Text<ModelName>>,
}
