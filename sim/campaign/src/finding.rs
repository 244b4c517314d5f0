//! What must not be seen.

use std::fmt;

/// A rule that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// T1: a client got more out of the pool than it had put in and not used.
    PaidTwice,
    /// T2: closing a proxy took deposits that belong to others.
    SweptDeposits,
    /// T3: a refund was paid with less than was asked for, and counts as paid.
    ShortRefund,
    /// T4: a claim came back unpaid, and the contract that had booked it did not take it back.
    LostClaim,
    /// T5: a charge was booked that the client's balance did not cover.
    ChargedBeyondBalance,
    /// T6: somebody who only submitted a signature of others got coins for it.
    SubmitterGained,
    /// T7: an honest submission failed because somebody else had submitted the same payment before.
    SettledPaymentRefused,
    /// T8: a wallet accepted an order and can be given it again.
    SeqnoNotKept,
    /// T9: workers and the proxy's share were paid more than clients were charged.
    PaidMoreThanCharged,
    /// Coins came from nowhere or went nowhere.
    Conservation,
    /// A message was lost, doubled or taken out of order by the chain itself.
    Messages,
    /// The pool holds less than what clients, workers and the proxy's owner may ask for.
    PoolDoesNotCover,
    /// Deposits of a client are not its balance, its charges, its refunds and what is on the way.
    ClientBooks,
    /// Tokens that a worker counts as paid are not what it was paid.
    WorkerBooks,
    /// A counter, a state or a deadline went back without a bounce.
    NotMonotonic,
    /// Something happened before its time.
    Unlock,
    /// Somebody did what only another may.
    Unauthorised,
    /// A failed transaction changed stored data.
    AbortedChanged,
    /// A bounce changed something that no message in question explains.
    BounceUnaccounted,
    /// An effect is not the one of the message.
    WrongEffect,
    /// Messages are still on their way long after everybody has stopped.
    NeverSettles,
    /// A client could not get its deposit back although it waited.
    DepositStuck,
    /// Stored data or messages of another layout.
    Unreadable,
}

impl Kind {
    /// All kinds that are an attack of `cocoon-spec.md` §10.1, in its order.
    pub const ATTACKS: [Self; 9] = [
        Self::PaidTwice,
        Self::SweptDeposits,
        Self::ShortRefund,
        Self::LostClaim,
        Self::ChargedBeyondBalance,
        Self::SubmitterGained,
        Self::SettledPaymentRefused,
        Self::SeqnoNotKept,
        Self::PaidMoreThanCharged,
    ];

    /// Its name in reports: the attack, or the rule.
    #[must_use]
    pub fn name(self) -> String {
        match Self::ATTACKS.iter().position(|attack| *attack == self) {
            Some(index) => format!("T{}", index + 1),
            None => self.words().replace(' ', "-"),
        }
    }

    /// In a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::PaidTwice => "a client is paid twice",
            Self::SweptDeposits => "closing sweeps deposits",
            Self::ShortRefund => "a refund is paid short",
            Self::LostClaim => "a claim is lost",
            Self::ChargedBeyondBalance => "a charge beyond the balance",
            Self::SubmitterGained => "a submitter gains",
            Self::SettledPaymentRefused => "a settled payment is refused",
            Self::SeqnoNotKept => "an order can be repeated",
            Self::PaidMoreThanCharged => "more is paid than charged",
            Self::Conservation => "coins are not conserved",
            Self::Messages => "messages are not delivered once",
            Self::PoolDoesNotCover => "the pool does not cover",
            Self::ClientBooks => "the books of a client",
            Self::WorkerBooks => "the books of a worker",
            Self::NotMonotonic => "something went back",
            Self::Unlock => "before its time",
            Self::Unauthorised => "not authorised",
            Self::AbortedChanged => "a failure changed data",
            Self::BounceUnaccounted => "a bounce is not accounted",
            Self::WrongEffect => "another effect",
            Self::NeverSettles => "it never settles",
            Self::DepositStuck => "a deposit is stuck",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A rule that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub kind: Kind,
    /// Steps of the plan that had been taken.
    pub after_steps: usize,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            after_steps,
            detail,
        } = self;
        write!(
            f,
            "{} ({}) after step {after_steps}: {detail}",
            kind.name(),
            kind.words()
        )
    }
}
