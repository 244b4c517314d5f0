//! What evidence must be bound to, and how old it may be.
//!
//! Evidence carries no time of its own. Its age is that of the challenge that it answers: a nonce, or report data that
//! cover one. Evidence that answers no challenge has no age, and a policy that limits the age refuses it.

use crate::planted::{Bug, planted};

/// What evidence must be bound to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// Report data of a CPU's evidence; none if the caller compares them.
    pub report_data: Option<&'a [u8; 64]>,
    /// Nonce of a GPU's evidence; none if the caller compares it.
    pub nonce: Option<&'a [u8; 32]>,
    /// When the verifier sent the challenge that report data or nonce contain.
    pub challenged_unix_s: Option<u64>,
}

/// Evidence is bound to something else or too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FreshnessFault {
    /// Report data of a CPU.
    #[error("report data are not the expected ones")]
    ReportData,
    /// Nonce of a GPU.
    #[error("nonce is not the expected one")]
    Nonce,
    /// The policy limits the age and the evidence answers no challenge.
    #[error("the evidence answers no challenge, and the policy limits its age")]
    NoChallenge,
    /// The challenge is dated in the future.
    #[error("the challenge is dated in the future")]
    FutureChallenge,
    /// The answer came too late.
    #[error("the evidence is {age_s} s old")]
    TooOld {
        /// Its age.
        age_s: u64,
    },
}

impl Expected<'_> {
    /// Compares report data and age; the last second for which the age is allowed.
    pub(crate) fn check(
        &self,
        report_data: &[u8; 64],
        max_age_s: Option<u64>,
        now_unix_s: u64,
    ) -> Result<u64, FreshnessFault> {
        if self.report_data.is_some_and(|expected| expected != report_data) && !planted(Bug::IgnoreReportData) {
            return Err(FreshnessFault::ReportData);
        }
        self.check_age(self.report_data.is_some(), max_age_s, now_unix_s)
    }

    /// Compares nonce and age; the last second for which the age is allowed.
    pub(crate) fn check_nonce(
        &self,
        nonce: &[u8; 32],
        max_age_s: Option<u64>,
        now_unix_s: u64,
    ) -> Result<u64, FreshnessFault> {
        if self.nonce.is_some_and(|expected| expected != nonce) && !planted(Bug::GpuNonce) {
            return Err(FreshnessFault::Nonce);
        }
        self.check_age(self.nonce.is_some(), max_age_s, now_unix_s)
    }

    fn check_age(&self, bound: bool, max_age_s: Option<u64>, now_unix_s: u64) -> Result<u64, FreshnessFault> {
        let Some(max_age_s) = max_age_s else {
            return Ok(u64::MAX);
        };
        let challenged = self
            .challenged_unix_s
            .filter(|_| bound)
            .ok_or(FreshnessFault::NoChallenge)?;
        let age_s = now_unix_s
            .checked_sub(challenged)
            .ok_or(FreshnessFault::FutureChallenge)?;
        if age_s > max_age_s {
            return Err(FreshnessFault::TooOld { age_s });
        }
        Ok(challenged.saturating_add(max_age_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_limit_needs_a_challenge_that_the_evidence_is_bound_to() {
        let data = [7; 64];
        let bound = Expected {
            report_data: Some(&data),
            challenged_unix_s: Some(1_000),
            ..Expected::default()
        };
        assert_eq!(bound.check(&data, None, 0), Ok(u64::MAX));
        assert_eq!(bound.check(&data, Some(60), 1_060), Ok(1_060));
        assert_eq!(
            bound.check(&data, Some(60), 1_061),
            Err(FreshnessFault::TooOld { age_s: 61 })
        );
        assert_eq!(bound.check(&data, Some(60), 999), Err(FreshnessFault::FutureChallenge));
        assert_eq!(bound.check(&[8; 64], None, 1_000), Err(FreshnessFault::ReportData));

        let unbound = Expected {
            report_data: None,
            ..bound
        };
        assert_eq!(unbound.check(&data, None, 0), Ok(u64::MAX));
        assert_eq!(unbound.check(&data, Some(60), 1_000), Err(FreshnessFault::NoChallenge));
        let unasked = Expected {
            challenged_unix_s: None,
            ..bound
        };
        assert_eq!(unasked.check(&data, Some(60), 1_000), Err(FreshnessFault::NoChallenge));
    }

    #[test]
    fn nonces_are_compared_where_one_is_expected() {
        let expected = Expected {
            nonce: Some(&[1; 32]),
            ..Expected::default()
        };
        assert_eq!(expected.check_nonce(&[1; 32], None, 0), Ok(u64::MAX));
        assert_eq!(expected.check_nonce(&[2; 32], None, 0), Err(FreshnessFault::Nonce));
        assert_eq!(Expected::default().check_nonce(&[2; 32], None, 0), Ok(u64::MAX));
    }
}
