//! Numbers as text for people: integer arithmetic, fixed decimals, one way for each unit.

use std::fmt::Write as _;

/// NanoTON of one TON.
const NANOTON_PER_TON: u128 = 1_000_000_000;
/// Amounts below this, in nanoTON, are shown in nanoTON: they would be mostly zeros in TON.
const SMALL_NANOTON: u128 = 1_000_000;

/// With a comma between groups of three digits.
pub(crate) fn integer(value: u128) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With a sign if negative.
pub(crate) fn signed(value: i128, format: impl Fn(u128) -> String) -> String {
    let text = format(value.unsigned_abs());
    if value < 0 { format!("−{text}") } else { text }
}

/// `value ÷ unit` with this many decimals, rounded half up.
pub(crate) fn decimal(value: u128, unit: u128, decimals: u32) -> String {
    let scale = 10_u128.pow(decimals);
    // Whole and fraction apart, so that large values cannot overflow.
    let (mut whole, rest) = (value / unit, value % unit);
    let mut fraction = (rest * scale * 2 + unit) / (unit * 2);
    if fraction == scale {
        whole += 1;
        fraction = 0;
    }
    let mut text = integer(whole);
    if decimals > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ".{fraction:0width$}", width = decimals as usize);
    }
    text
}

/// Milliseconds with two decimals and without unit: for columns headed "ms".
pub(crate) fn milliseconds(ns: u64) -> String {
    decimal(u128::from(ns), 1_000_000, 2)
}

/// Seconds with two decimals and without unit: for moments of a run, in columns headed "s".
pub(crate) fn seconds(ns: u64) -> String {
    decimal(u128::from(ns), 1_000_000_000, 2)
}

/// A duration with its unit, for prose and cards.
pub(crate) fn duration(ns: u64) -> String {
    let value = u128::from(ns);
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} µs", decimal(value, 1_000, 1)),
        1_000_000..1_000_000_000 => format!("{} ms", decimal(value, 1_000_000, 1)),
        _ => format!("{} s", decimal(value, 1_000_000_000, 2)),
    }
}

/// Money with its unit.
pub(crate) fn money(nanoton: u128) -> String {
    if nanoton < SMALL_NANOTON && nanoton > 0 {
        format!("{} nanoTON", integer(nanoton))
    } else {
        format!("{} TON", ton(nanoton))
    }
}

/// TON with six decimals and without unit: for columns headed "TON".
pub(crate) fn ton(nanoton: u128) -> String {
    decimal(nanoton, NANOTON_PER_TON, 6)
}

/// Parts per million as percent with two decimals, rounded down: 99.999% must not read as 100%.
pub(crate) fn percent(ppm: u128) -> String {
    let hundredths = ppm / 100;
    format!("{}.{:02}%", integer(hundredths / 100), hundredths % 100)
}

/// A size with its unit.
pub(crate) fn bytes(bytes: u128) -> String {
    const KIB: u128 = 1 << 10;
    const MIB: u128 = 1 << 20;
    const GIB: u128 = 1 << 30;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{} KiB", decimal(bytes, KIB, 1)),
        MIB..GIB => format!("{} MiB", decimal(bytes, MIB, 1)),
        _ => format!("{} GiB", decimal(bytes, GIB, 1)),
    }
}

/// What stands where there is no value.
pub(crate) const ABSENT: &str = "–";

/// A number with its noun: "1 run", "2 runs".
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{} {noun}", integer(u128::from(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        let texts: Vec<String> = [0, 999, 1_000, 1_234_567].into_iter().map(integer).collect();
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            integer(u128::MAX),
            "340,282,366,920,938,463,463,374,607,431,768,211,455"
        );
        assert_eq!(signed(-1_234, integer), "−1,234");
        assert_eq!(signed(i128::MIN, |_| "x".to_owned()), "−x");
    }

    #[test]
    fn decimals_round_half_up() {
        assert_eq!(decimal(1_005, 1_000, 2), "1.01");
        assert_eq!(decimal(1_004, 1_000, 2), "1.00");
        assert_eq!(decimal(1_999, 1_000, 2), "2.00");
        assert_eq!(decimal(5, 10, 0), "1");
        assert_eq!(decimal(u128::MAX, 1, 0), integer(u128::MAX));
        assert_eq!(milliseconds(u64::MAX), "18,446,744,073,709.55");
    }

    #[test]
    fn units_follow_the_size() {
        assert_eq!(
            [
                0,
                999,
                1_000,
                999_949,
                1_500_000,
                999_940_000,
                2_000_000_000,
                600_000_000_000
            ]
            .map(duration),
            [
                "0 ns",
                "999 ns",
                "1.0 µs",
                "999.9 µs",
                "1.5 ms",
                "999.9 ms",
                "2.00 s",
                "600.00 s"
            ]
        );
        assert_eq!(
            [0, 1, 999_999, 1_000_000, 1_234_567_891].map(money),
            [
                "0.000000 TON",
                "1 nanoTON",
                "999,999 nanoTON",
                "0.001000 TON",
                "1.234568 TON"
            ]
        );
        assert_eq!(
            [0, 1_023, 1_024, 1_536, 1 << 20, 5 << 30].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "5.0 GiB"]
        );
    }

    #[test]
    fn percentages_never_round_up_to_the_whole() {
        assert_eq!(
            [0, 999_999, 1_000_000, 123_456].map(percent),
            ["0.00%", "99.99%", "100.00%", "12.34%"]
        );
    }
}
