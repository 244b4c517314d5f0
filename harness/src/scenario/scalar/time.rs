//! The wall clock at the start of a run.

use super::{Scalar, ScalarError, shown};

/// Seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock(pub u64);

impl Scalar for WallClock {
    const WHAT: &'static str = "a UTC time";
    const EXAMPLES: &'static [&'static str] = &["2026-01-31T12:00:00Z"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let wrong = |why: &'static str| ScalarError::BadTime { text: shown(text), why };
        let trimmed = text.trim();
        let shape = trimmed
            .bytes()
            .map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        if !shape.eq(*b"0000-00-00T00:00:00Z") {
            return Err(wrong("the form is YYYY-MM-DDThh:mm:ssZ"));
        }
        let field = |range: std::ops::Range<usize>| {
            trimmed
                .get(range)
                .and_then(|part| part.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let (year, month, day) = (field(0..4), field(5..7), field(8..10));
        let (hour, minute, second) = (field(11..13), field(14..16), field(17..19));
        if !(1970..=2099).contains(&year) {
            return Err(wrong("years go from 1970 to 2099"));
        }
        // Between 1970 and 2099 every fourth year is a leap year: 2000 is one too.
        let leap_day = u64::from(year % 4 == 0);
        let lengths = [31, 28 + leap_day, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let Some(length) = usize::try_from(month)
            .ok()
            .and_then(|month| lengths.get(month.checked_sub(1)?))
        else {
            return Err(wrong("there is no such month"));
        };
        if day < 1 || day > *length {
            return Err(wrong("there is no such day in this month"));
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(wrong("there is no such time of day"));
        }
        let days_before_year = (year - 1970) * 365 + (year - 1969) / 4;
        let days_before_month: u64 = lengths.iter().take(usize::try_from(month - 1).unwrap_or(0)).sum();
        let days = days_before_year + days_before_month + (day - 1);
        Ok(Self(days * 86_400 + hour * 3_600 + minute * 60 + second))
    }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, WallClock};

    #[test]
    fn known_times() {
        // `date -u -d ... +%s`
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-01-01T00:00:00Z", 1_767_225_600),
            ("2099-12-31T00:00:00Z", 4_102_358_400),
        ] {
            assert_eq!(WallClock::parse(text), Ok(WallClock(seconds)), "{text}");
        }
    }

    #[test]
    fn impossible_times() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+01:00",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "2100-01-01T00:00:00Z",
        ] {
            assert!(WallClock::parse(text).is_err(), "{text}");
        }
    }
}
