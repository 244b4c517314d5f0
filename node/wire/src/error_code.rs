//! Error codes of queries, answers and JSON error bodies (spec §1.6).

/// Why a query or request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// No particular reason.
    Plain,
    /// A failure.
    Failure,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// The peer or the user broke the protocol.
    ProtocolViolation,
    /// The service is not ready, or no worker is.
    NotReady,
    /// Time ran out.
    TimeOut,
    /// Somebody cancelled.
    Cancelled,
}

/// A number that is no known error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no known error code")]
pub struct UnknownErrorCode(pub i32);

impl ErrorCode {
    /// All codes.
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::Failure,
        Self::Error,
        Self::Warning,
        Self::ProtocolViolation,
        Self::NotReady,
        Self::TimeOut,
        Self::Cancelled,
    ];

    /// The number in TL and JSON.
    pub const fn number(self) -> i32 {
        match self {
            Self::Plain => 0,
            Self::Failure => 601,
            Self::Error => 602,
            Self::Warning => 603,
            Self::ProtocolViolation => 621,
            Self::NotReady => 651,
            Self::TimeOut => 652,
            Self::Cancelled => 653,
        }
    }

    /// The status with which a client answers its user. A protocol violation is the user's mistake: 400, as in the later
    /// reference; the earlier one says 500.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::TimeOut => 504,
            Self::NotReady => 502,
            Self::ProtocolViolation => 400,
            Self::Plain | Self::Failure | Self::Error | Self::Warning | Self::Cancelled => 500,
        }
    }

    /// The status of a management page.
    pub const fn management_http_status(self) -> u16 {
        match self {
            Self::Cancelled | Self::NotReady => 502,
            Self::TimeOut => 504,
            Self::Error | Self::ProtocolViolation | Self::Warning => 400,
            Self::Plain | Self::Failure => 500,
        }
    }
}

impl TryFrom<i32> for ErrorCode {
    type Error = UnknownErrorCode;

    fn try_from(number: i32) -> Result<Self, UnknownErrorCode> {
        Self::ALL
            .into_iter()
            .find(|code| code.number() == number)
            .ok_or(UnknownErrorCode(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways_and_others_are_refused() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::try_from(code.number()), Ok(code));
        }
        let known = (-10_000..10_000)
            .filter(|number| ErrorCode::try_from(*number).is_ok())
            .count();
        assert_eq!(known, ErrorCode::ALL.len());
        assert_eq!(ErrorCode::try_from(600), Err(UnknownErrorCode(600)));
    }

    #[test]
    fn statuses_follow_the_table() {
        let statuses = ErrorCode::ALL.map(|code| (code.number(), code.http_status(), code.management_http_status()));
        assert_eq!(
            statuses,
            [
                (0, 500, 500),
                (601, 500, 500),
                (602, 500, 400),
                (603, 500, 400),
                (621, 400, 400),
                (651, 502, 502),
                (652, 504, 504),
                (653, 500, 502),
            ]
        );
    }
}
