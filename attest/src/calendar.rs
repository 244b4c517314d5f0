//! Unix seconds to and from the two text forms that certificates and collateral use, UTC only.

const SECONDS_PER_DAY: u64 = 86_400;

/// A moment of the proleptic Gregorian calendar.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// Days are counted from 1 March of year 0, so that the leap day ends a year (H. Hinnant, "chrono-compatible
    /// low-level date algorithms"). All terms are non-negative because Unix time is.
    fn from_unix_s(unix_s: u64) -> Self {
        let days = unix_s / SECONDS_PER_DAY + 719_468;
        let seconds = unix_s % SECONDS_PER_DAY;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: seconds / 3_600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

/// Latest moment that the text forms can express (9999-12-31T23:59:59Z).
const LAST_UNIX_S: u64 = 253_402_300_799;

/// RFC 3339 in UTC without fractions, as Intel's collateral has it.
pub fn rfc3339(unix_s: u64) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::from_unix_s(unix_s.min(LAST_UNIX_S));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The inverse of [`rfc3339`]; every other spelling is refused.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let number = |at: usize, digits: usize| {
        bytes[at..at + digits].iter().try_fold(0u64, |value, byte| {
            byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let year_of_era = shifted_year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = shifted_year / 400 * 146_097 + day_of_era - 719_468;
    let unix_s = days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
    // Writing it again refuses 30 February, hour 24 and separators that are not what they should be.
    (rfc3339(unix_s) == text).then_some(unix_s)
}

/// Digits of a `UTCTime` (years to 2049) or a `GeneralizedTime`, as RFC 5280 §4.1.2.5 tells which.
pub(crate) enum X509Time {
    /// Two-digit year.
    Utc(String),
    /// Four-digit year.
    Generalized(String),
}

/// The form that a certificate must use for this moment.
pub(crate) fn x509_time(unix_s: u64) -> X509Time {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::from_unix_s(unix_s.min(LAST_UNIX_S));
    let rest = format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    if year < 2050 {
        X509Time::Utc(format!("{:02}{rest}", year % 100))
    } else {
        X509Time::Generalized(format!("{year:04}{rest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_in_both_directions() {
        for (unix_s, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_773_699_363, "2026-03-16T22:16:03Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
            (LAST_UNIX_S, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(unix_s), text);
            assert_eq!(parse_rfc3339(text), Some(unix_s));
        }
    }

    #[test]
    fn other_spellings_and_impossible_dates_are_refused() {
        for text in [
            "",
            "2026-03-16",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00z",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:0éZ",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn certificates_change_form_in_2050() {
        let utc = |unix_s| match x509_time(unix_s) {
            X509Time::Utc(text) => (true, text),
            X509Time::Generalized(text) => (false, text),
        };
        assert_eq!(utc(2_524_607_999), (true, "491231235959Z".into()));
        assert_eq!(utc(2_524_608_000), (false, "20500101000000Z".into()));
    }
}
