//! Attestation results as tokens (EAR, draft-ietf-rats-ear; trustworthiness claims of draft-ietf-rats-ar4si), signed
//! with Ed25519 as JWTs.
//!
//! A verifier that appraised evidence hands the result to parties that did not. What they may conclude is bounded by the
//! token: who appraised, what, under which policy, in answer to which nonce, and until when.
//!
//! Crates for EAR exist; the one that fits draws in a second TLS library for its binary form. One form is written and
//! read here, and everything else is refused: another algorithm, another profile, another member in the header.

use crate::{
    anchors::AnchorKind,
    appraise::{Accepted, Appraisal, ReasonClass},
    certificate::{IdentityKey, PublicKey},
    hash::sha256,
    tdx::appraise::TcbStatus,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest token that is read.
pub const MAX_TOKEN_LEN_BYTES: usize = 16 * 1024;

/// Profile of the claims, the one that open verifiers write.
const PROFILE: &str = "tag:github.com,2023:veraison/ear";
/// The header of every token: what may not vary cannot be confused.
const HEADER: &str = r#"{"alg":"EdDSA","typ":"JWT"}"#;

/// Trustworthiness tier of a submodule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Nothing is said.
    None,
    /// Trustworthy.
    Affirming,
    /// Trustworthy with known shortcomings.
    Warning,
    /// Not trustworthy.
    Contraindicated,
}

/// Claims about aspects of an attester. 2 to 31 affirm, 32 to 95 warn, from 96 on they advise against; 0 says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrustVector {
    /// That it is the machine it should be.
    pub instance_identity: i8,
    /// That it is configured as it should be.
    pub configuration: i8,
    /// That it runs what it should run.
    pub executables: i8,
    /// That its hardware and firmware are genuine and patched.
    pub hardware: i8,
}

impl TrustVector {
    const AFFIRMED: i8 = 2;
    const WARNING: i8 = 32;
    const AGAINST: i8 = 96;
    /// Cryptographic validation of the evidence failed.
    const FAILED: i8 = 99;

    fn all(claim: i8) -> Self {
        Self {
            instance_identity: claim,
            configuration: claim,
            executables: claim,
            hardware: claim,
        }
    }

    /// The worst that any claim says.
    pub fn tier(&self) -> Tier {
        [
            self.instance_identity,
            self.configuration,
            self.executables,
            self.hardware,
        ]
        .into_iter()
        .map(|claim| match claim {
            2..=31 => Tier::Affirming,
            32..=95 => Tier::Warning,
            96.. => Tier::Contraindicated,
            _ => Tier::None,
        })
        .max()
        .unwrap_or(Tier::None)
    }

    /// What an appraisal says. Measurements that a policy did not check are not claimed: the policy is named beside.
    fn of(appraisal: &Appraisal) -> Self {
        match &appraisal.outcome {
            Ok(accepted) => {
                let patched = match accepted.tcb_status() {
                    None | Some(TcbStatus::UpToDate) => Self::AFFIRMED,
                    Some(_) => Self::WARNING,
                };
                Self {
                    hardware: patched,
                    ..Self::all(Self::AFFIRMED)
                }
            }
            Err(reason) => match reason.class() {
                ReasonClass::Tcb => Self {
                    hardware: Self::AGAINST,
                    ..Self::default()
                },
                ReasonClass::Policy => Self {
                    configuration: Self::AGAINST,
                    hardware: Self::AFFIRMED,
                    ..Self::default()
                },
                ReasonClass::Binding => Self {
                    instance_identity: Self::AGAINST,
                    ..Self::default()
                },
                _ => Self::all(Self::FAILED),
            },
        }
    }
}

/// Who appraised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierId {
    /// Who made the verifier.
    pub developer: String,
    /// Which version it is.
    pub build: String,
}

/// The result for one attester.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submodule {
    /// The tier of the vector.
    #[serde(rename = "ear.status")]
    pub status: Tier,
    /// Claims by aspect.
    #[serde(rename = "ear.trustworthiness-vector")]
    pub vector: TrustVector,
    /// Digest of the policy.
    #[serde(rename = "ear.appraisal-policy-id")]
    pub policy_id: String,
    /// Name of the evidence, in hexadecimal.
    #[serde(rename = "chrysalis.evidence-id")]
    pub evidence_id: Option<String>,
    /// `vendor` or `simulation`; a party that relies on vendors must demand the first.
    #[serde(rename = "chrysalis.anchor")]
    pub anchor: Option<AnchorKind>,
    /// Why it was refused.
    #[serde(rename = "chrysalis.reason")]
    pub reason: Option<String>,
}

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarClaims {
    eat_profile: String,
    /// When it was issued, Unix seconds.
    pub iat: u64,
    /// Last second for which it holds, Unix seconds.
    pub exp: u64,
    /// The nonce of the party that relies on it, in hexadecimal.
    pub eat_nonce: String,
    /// Who appraised.
    #[serde(rename = "ear.verifier-id")]
    pub verifier_id: VerifierId,
    /// Results by name: `cpu`, `gpu-0`, …
    pub submods: BTreeMap<String, Submodule>,
}

/// Why there is no token, or why one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EarError {
    /// Nothing to say, or too much.
    #[error("a token has 1 to {MAX_SUBMODULES} results")]
    Submodules,
    /// Not a token of the one form.
    #[error("not an EAR token of the form that is read here: {0}")]
    Form(&'static str),
    /// The verifier did not sign it.
    #[error("signature of the token")]
    Signature,
    /// Issued in the future, or no longer valid.
    #[error("the token is not valid at this time")]
    Time,
    /// It answers another nonce.
    #[error("the token answers another nonce")]
    Nonce,
    /// A status that is not that of its claims.
    #[error("the status of a result contradicts its claims")]
    Status,
}

/// Most results in one token.
pub const MAX_SUBMODULES: usize = 32;

/// Digest by which tokens name a policy.
pub fn policy_id(policy: &crate::appraise::Policy) -> String {
    let text = serde_json::to_vec(policy).unwrap_or_default();
    format!("sha-256:{}", hex::encode(sha256(&[b"chrysalis policy v1\0", &text])))
}

/// Everything that a token says besides results.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// Who appraised.
    pub verifier: &'a VerifierId,
    /// See [`policy_id`].
    pub policy_id: &'a str,
    /// The nonce of the party that will rely on it.
    pub nonce: &'a [u8; 32],
    /// When, Unix seconds.
    pub now_unix_s: u64,
    /// How long it holds at most; never longer than the verdicts in it.
    pub lifetime_s: u64,
}

/// Writes and signs a token over appraisals, each under a name.
///
/// # Errors
/// No appraisal, or too many.
pub fn issue(results: &[(&str, &Appraisal)], how: &Issue<'_>, key: &IdentityKey) -> Result<String, EarError> {
    if results.is_empty() || results.len() > MAX_SUBMODULES {
        return Err(EarError::Submodules);
    }
    let mut exp = how.now_unix_s.saturating_add(how.lifetime_s);
    let mut submods = BTreeMap::new();
    for (name, appraisal) in results {
        let accepted = appraisal.outcome.as_ref().ok();
        if let Some(accepted) = accepted {
            exp = exp.min(accepted.window_unix_s().1);
        }
        let vector = TrustVector::of(appraisal);
        let result = Submodule {
            status: vector.tier(),
            vector,
            policy_id: how.policy_id.to_owned(),
            evidence_id: appraisal.identity.map(|id| hex::encode(id.0)),
            anchor: accepted.and_then(Accepted::anchor),
            reason: appraisal.outcome.as_ref().err().map(ToString::to_string),
        };
        if submods.insert((*name).to_owned(), result).is_some() {
            return Err(EarError::Submodules);
        }
    }
    let claims = EarClaims {
        eat_profile: PROFILE.to_owned(),
        iat: how.now_unix_s,
        exp,
        eat_nonce: hex::encode(how.nonce),
        verifier_id: how.verifier.clone(),
        submods,
    };
    let body = serde_json::to_vec(&claims).map_err(|_| EarError::Form("claims"))?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(body));
    let signature = key.sign(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Reads a token that the verifier with `key` signed in answer to `nonce`.
///
/// # Errors
/// The first reason not to rely on it. A token that says that evidence was refused is a good token.
pub fn verify(token: &str, key: &PublicKey, nonce: &[u8; 32], now_unix_s: u64) -> Result<EarClaims, EarError> {
    if token.len() > MAX_TOKEN_LEN_BYTES {
        return Err(EarError::Form("too long"));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(EarError::Form("no signature"))?;
    let (header, body) = signed.split_once('.').ok_or(EarError::Form("no claims"))?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| EarError::Form("Base64"));
    if decode(header)? != HEADER.as_bytes() {
        return Err(EarError::Form("another header"));
    }
    UnparsedPublicKey::new(&ED25519, key)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| EarError::Signature)?;
    let claims: EarClaims = serde_json::from_slice(&decode(body)?).map_err(|_| EarError::Form("claims"))?;
    if claims.eat_profile != PROFILE {
        return Err(EarError::Form("another profile"));
    }
    if now_unix_s < claims.iat || now_unix_s > claims.exp {
        return Err(EarError::Time);
    }
    if claims.eat_nonce != hex::encode(nonce) {
        return Err(EarError::Nonce);
    }
    if claims.submods.is_empty() || claims.submods.len() > MAX_SUBMODULES {
        return Err(EarError::Submodules);
    }
    if claims
        .submods
        .values()
        .any(|result| result.status != result.vector.tier())
    {
        return Err(EarError::Status);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mutate::{
            Lab,
            lab::{NOW_UNIX_S, Subject},
        },
        tdx::QuoteForm,
    };

    const NONCE: [u8; 32] = [9; 32];

    fn key() -> IdentityKey {
        IdentityKey::from_seed([1; 32])
    }

    fn token(change: impl FnOnce(&mut crate::mutate::Case)) -> String {
        let mut cpu = Lab::new(Subject::Tdx(QuoteForm::V4), 7).genuine();
        let gpu = Lab::new(Subject::Gpu(crate::gpu::Architecture::Hopper), 7).genuine();
        change(&mut cpu);
        let verifier = VerifierId {
            developer: "Chrysalis".into(),
            build: "test".into(),
        };
        let how = Issue {
            verifier: &verifier,
            policy_id: &policy_id(&cpu.policy),
            nonce: &NONCE,
            now_unix_s: NOW_UNIX_S,
            lifetime_s: 300,
        };
        let (cpu, gpu) = (cpu.appraise(), gpu.appraise());
        issue(&[("cpu", &cpu), ("gpu-0", &gpu)], &how, &key()).unwrap()
    }

    fn read(token: &str) -> Result<EarClaims, EarError> {
        verify(token, key().public_key(), &NONCE, NOW_UNIX_S)
    }

    #[test]
    fn accepted_evidence_is_affirmed_until_the_verdict_ends() {
        let claims = read(&token(|_| {})).unwrap();
        for result in claims.submods.values() {
            assert_eq!((result.status, result.vector), (Tier::Affirming, TrustVector::all(2)));
            assert_eq!((result.anchor, &result.reason), (Some(AnchorKind::Simulation), &None));
        }
        // The challenge was sent ten seconds ago and may be answered for a minute: less than the lifetime.
        assert_eq!(claims.exp, NOW_UNIX_S + 50);
        assert_eq!(token(|_| {}), token(|_| {}), "the same claims have the same token");
    }

    #[test]
    fn refused_evidence_says_which_aspect_failed() {
        let cpu = |change: fn(&mut crate::mutate::Case)| {
            let mut claims = read(&token(change)).unwrap();
            claims.submods.remove("cpu").unwrap()
        };
        let tampered = cpu(|case| case.evidence[700] ^= 1);
        assert_eq!(
            (tampered.status, tampered.vector),
            (Tier::Contraindicated, TrustVector::all(99))
        );
        assert!(tampered.reason.is_some() && tampered.anchor.is_none());
        let policy = cpu(|case| case.event_log = None);
        assert_eq!(policy.status, Tier::Contraindicated);
        assert_eq!((policy.vector.configuration, policy.vector.hardware), (96, 2));
        let stale = cpu(|case| case.challenged_unix_s = Some(0));
        assert_eq!((stale.vector.instance_identity, stale.vector.hardware), (96, 0));
    }

    #[test]
    fn tokens_are_refused_for_everything_that_is_not_theirs() {
        let token = token(|_| {});
        let public = *key().public_key();
        assert!(read(&token).is_ok());
        let other = *IdentityKey::from_seed([2; 32]).public_key();
        assert_eq!(verify(&token, &other, &NONCE, NOW_UNIX_S), Err(EarError::Signature));
        assert_eq!(verify(&token, &public, &[8; 32], NOW_UNIX_S), Err(EarError::Nonce));
        assert_eq!(verify(&token, &public, &NONCE, NOW_UNIX_S - 1), Err(EarError::Time));
        assert!(verify(&token, &public, &NONCE, NOW_UNIX_S + 50).is_ok());
        assert_eq!(verify(&token, &public, &NONCE, NOW_UNIX_S + 51), Err(EarError::Time));
        assert_eq!(
            read(&"x".repeat(MAX_TOKEN_LEN_BYTES + 1)),
            Err(EarError::Form("too long"))
        );
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(read(std::str::from_utf8(&altered).unwrap()).is_err(), "byte {at}");
        }
        for len in [0, 10, token.len() - 1] {
            assert!(read(&token[..len]).is_err(), "{len} bytes");
        }
    }

    /// What the key of a verifier signs is not enough: the form counts too.
    #[test]
    fn well_signed_tokens_of_another_form_are_refused() {
        let signed = |header: &str, body: &str| {
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(body));
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key().sign(signed.as_bytes())))
        };
        let token = token(|_| {});
        let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let body = String::from_utf8(body).unwrap();
        assert!(read(&signed(HEADER, &body)).is_ok());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"typ":"JWT","alg":"EdDSA"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
        ] {
            assert_eq!(read(&signed(header, &body)), Err(EarError::Form("another header")));
        }
        let altered = |from: &str, to: &str| {
            let other = body.replacen(from, to, 1);
            assert_ne!(other, body);
            read(&signed(HEADER, &other)).unwrap_err()
        };
        assert_eq!(
            altered("veraison/ear", "veraison/eat"),
            EarError::Form("another profile")
        );
        assert_eq!(altered("\"affirming\"", "\"warning\""), EarError::Status);
        assert_eq!(altered("\"configuration\":2", "\"configuration\":96"), EarError::Status);
        assert_eq!(altered("{\"eat", "{\"more\":1,\"eat"), EarError::Form("claims"));
    }

    #[test]
    fn a_token_has_at_least_one_result_and_each_name_once() {
        let case = Lab::new(Subject::Tdx(QuoteForm::V4), 7).genuine();
        let appraisal = case.appraise();
        let verifier = VerifierId {
            developer: String::new(),
            build: String::new(),
        };
        let how = Issue {
            verifier: &verifier,
            policy_id: "",
            nonce: &NONCE,
            now_unix_s: NOW_UNIX_S,
            lifetime_s: 1,
        };
        assert_eq!(issue(&[], &how, &key()), Err(EarError::Submodules));
        let twice = [("cpu", &appraisal), ("cpu", &appraisal)];
        assert_eq!(issue(&twice, &how, &key()), Err(EarError::Submodules));
        assert_ne!(policy_id(&case.policy), policy_id(&crate::appraise::Policy::default()));
    }
}
