//! Words of the section `settlement`.

use chrysalis_settlement::onchain::opcodes;
use chrysalis_world::plan::{AskerImage, FeePlan, KeysOf, Moment, Producer, Threat};

use super::{Scalar, ScalarError, Words, shown};

/// What happens to an external message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultWord {
    /// Lost.
    Drop,
    /// Late.
    Delay,
    /// Doubled.
    Duplicate,
    /// After the next one.
    Swap,
}

/// Which state of the chain is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewWord {
    /// The latest.
    Latest,
    /// The last that cannot change.
    Final,
    /// An old one.
    Stale,
}

/// What becomes of attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttackBound {
    /// Each must be seen to work.
    Seen,
    /// None may work.
    Never,
}

/// An operation of a contract, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationName(pub u32);

impl Scalar for OperationName {
    const WHAT: &'static str = "the name of an operation";
    const EXAMPLES: &'static [&'static str] = &["ext_client_top_up", "ext_worker_payout_request_signed"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let known = || opcodes::ALL.iter();
        let found = known().find(|(_, _, name)| *name == text.trim());
        found
            .map(|(code, ..)| Self(*code))
            .ok_or_else(|| ScalarError::UnknownChoice {
                what: Self::WHAT,
                text: shown(text),
                choices: known().map(|(_, _, name)| *name).collect(),
            })
    }

    fn words() -> Option<Vec<&'static str>> {
        Some(opcodes::ALL.iter().map(|(_, _, name)| *name).collect())
    }
}

impl Words for FaultWord {
    const WHAT: &'static str = "what happens to an external message";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("drop", Self::Drop),
        ("delay", Self::Delay),
        ("duplicate", Self::Duplicate),
        ("swap", Self::Swap),
    ];
    const EXAMPLES: &'static [&'static str] = &["drop", "delay", "duplicate", "swap"];
}

impl Words for ViewWord {
    const WHAT: &'static str = "a state of the chain";
    const WORDS: &'static [(&'static str, Self)] =
        &[("latest", Self::Latest), ("final", Self::Final), ("stale", Self::Stale)];
    const EXAMPLES: &'static [&'static str] = &["latest", "final", "stale"];
}

impl Words for AttackBound {
    const WHAT: &'static str = "what becomes of attacks";
    const WORDS: &'static [(&'static str, Self)] = &[("seen", Self::Seen), ("never", Self::Never)];
    const EXAMPLES: &'static [&'static str] = &["seen", "never"];
}

impl Words for FeePlan {
    const WHAT: &'static str = "a price list";
    const WORDS: &'static [(&'static str, Self)] = &[("old", Self::Old), ("new", Self::New)];
    const EXAMPLES: &'static [&'static str] = &["old", "new"];
}

impl Words for Producer {
    const WHAT: &'static str = "who makes blocks";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("masterchain", Self::Masterchain),
        ("shards", Self::Shards),
        ("all", Self::All),
    ];
    const EXAMPLES: &'static [&'static str] = &["masterchain", "shards", "all"];
}

impl Words for Moment {
    const WHAT: &'static str = "a moment of a proxy's work";
    const WORDS: &'static [(&'static str, Self)] = &[("signed", Self::Signed), ("committed", Self::Committed)];
    const EXAMPLES: &'static [&'static str] = &["signed", "committed"];
}

impl Words for KeysOf {
    const WHAT: &'static str = "whose keys";
    const WORDS: &'static [(&'static str, Self)] = &[("proxies", Self::Proxies), ("workers", Self::Workers)];
    const EXAMPLES: &'static [&'static str] = &["proxies", "workers"];
}

impl Words for AskerImage {
    const WHAT: &'static str = "what an asker runs";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("unknown", Self::Unknown),
        ("proxy", Self::Proxy),
        ("worker", Self::Worker),
    ];
    const EXAMPLES: &'static [&'static str] = &["unknown", "proxy", "worker"];
}

impl Words for Threat {
    const WHAT: &'static str = "a threat";
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::TopUpWhileClosing.name(), Self::TopUpWhileClosing),
        (Self::CloseSweep.name(), Self::CloseSweep),
        (Self::RefundWithoutStake.name(), Self::RefundWithoutStake),
        (Self::LostClaim.name(), Self::LostClaim),
        (Self::ChargeBeyondBalance.name(), Self::ChargeBeyondBalance),
        (Self::RedirectedExcesses.name(), Self::RedirectedExcesses),
        (Self::FrontRunning.name(), Self::FrontRunning),
        (Self::ReplayedOrder.name(), Self::ReplayedOrder),
        (Self::StolenKey.name(), Self::StolenKey),
    ];
    const EXAMPLES: &'static [&'static str] = &["t1-top-up-while-closing", "t9-stolen-key"];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::scalar::Choice;

    #[test]
    fn every_threat_has_its_word() {
        for threat in Threat::ALL {
            assert_eq!(Choice::<Threat>::parse(threat.name()), Ok(Choice(threat)));
        }
        assert!(Choice::<Threat>::parse("t10").is_err());
    }

    #[test]
    fn operations_have_the_names_of_the_contracts() {
        assert_eq!(
            OperationName::parse("ext_client_top_up"),
            Ok(OperationName(opcodes::CLIENT_TOP_UP))
        );
        let error = OperationName::parse("ext_client_topup").unwrap_err();
        assert!(error.help().contains("ext_client_top_up"), "{}", error.help());
    }
}
