//! Quantities: durations, sizes, rates, shares, coins, factors, counts.

use super::number::{Quantity, Unit};
use super::{Scalar, ScalarError, shown};

/// The longest duration of anything: one leap year. Sums of a few of them fit in 64 bits.
const DURATION_MAX_NS: u128 = 366 * 86_400 * 1_000_000_000;

const DURATION_UNITS: &[Unit] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// A length of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub u64);

/// A length of time with a sign, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedDuration(pub i64);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Bytes per second; `None` is `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bandwidth(pub Option<u64>);

/// Events per time: `events_e6 / 10^6` in `per_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events times a million.
    pub events_e6: u64,
    /// The time in which they happen on average.
    pub per_ns: u64,
}

/// A share in hundredths of a per cent, at most 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

/// A chance of loss in parts per million, at most a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss(pub u32);

/// An amount of money in nanoTON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coins(pub u64);

/// A factor in units of 1/`SCALE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor<const SCALE: u32>(pub u32);

/// The rate error of a clock in parts per thousand million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift(pub i64);

/// A number of bits of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bits(pub u8);

/// A number of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

const DURATION: Quantity = Quantity {
    what: Duration::WHAT,
    examples: Duration::EXAMPLES,
    units: DURATION_UNITS,
    step: "1 ns",
    max: DURATION_MAX_NS,
    max_shown: "366 d",
};

/// A value that the limit of its quantity keeps inside its type.
#[expect(
    clippy::expect_used,
    reason = "every Quantity below has a maximum that fits the type it is narrowed to"
)]
fn narrow<T: TryFrom<u128>>(amount: u128) -> T {
    T::try_from(amount)
        .ok()
        .expect("the limit of the quantity fits the type")
}

impl Scalar for Duration {
    const WHAT: &'static str = "a duration";
    const EXAMPLES: &'static [&'static str] = &["10ms", "2.5s", "2m"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        DURATION.parse(text).map(|amount| Self(narrow(amount)))
    }
}

impl Scalar for SignedDuration {
    const WHAT: &'static str = "a duration with a sign";
    const EXAMPLES: &'static [&'static str] = &["-20ms", "+3s"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        let (negative, amount) = Quantity {
            what: Self::WHAT,
            examples: Self::EXAMPLES,
            ..DURATION
        }
        .parse_signed(text)?;
        let amount: i64 = narrow(amount);
        Ok(Self(if negative { -amount } else { amount }))
    }
}

impl Scalar for Size {
    const WHAT: &'static str = "a size";
    const EXAMPLES: &'static [&'static str] = &["64 KiB", "1.5 MB"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        const SIZE: Quantity = Quantity {
            what: Size::WHAT,
            examples: Size::EXAMPLES,
            units: &[
                ("B", 1),
                ("kB", 1_000),
                ("MB", 1_000_000),
                ("GB", 1_000_000_000),
                ("KiB", 1 << 10),
                ("MiB", 1 << 20),
                ("GiB", 1 << 30),
            ],
            step: "1 B",
            max: 1 << 50,
            max_shown: "1048576 GiB",
        };
        SIZE.parse(text).map(|amount| Self(narrow(amount)))
    }
}

impl Scalar for Bandwidth {
    const WHAT: &'static str = "a bandwidth";
    const EXAMPLES: &'static [&'static str] = &["100 Mbit/s", "10 MB/s", "unlimited"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        // Counted in bits, so that both families of units are exact.
        const BANDWIDTH: Quantity = Quantity {
            what: Bandwidth::WHAT,
            examples: Bandwidth::EXAMPLES,
            units: &[
                ("bit/s", 1),
                ("kbit/s", 1_000),
                ("Mbit/s", 1_000_000),
                ("Gbit/s", 1_000_000_000),
                ("B/s", 8),
                ("kB/s", 8_000),
                ("MB/s", 8_000_000),
                ("GB/s", 8_000_000_000),
                ("KiB/s", 8 << 10),
                ("MiB/s", 8 << 20),
                ("GiB/s", 8 << 30),
            ],
            step: "1 B/s",
            max: 1_000_000_000_000_000,
            max_shown: "1000000 Gbit/s",
        };
        if text.trim() == "unlimited" {
            return Ok(Self(None));
        }
        let bits = BANDWIDTH.parse(text)?;
        if bits % 8 != 0 {
            return Err(ScalarError::TooPrecise {
                what: Self::WHAT,
                text: shown(text),
                step: "1 B/s, which is 8 bit/s",
            });
        }
        Ok(Self(Some(narrow(bits / 8))))
    }
}

impl Scalar for Rate {
    const WHAT: &'static str = "a rate";
    const EXAMPLES: &'static [&'static str] = &["50/s", "0.5/s", "3/min"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        // The unit says per what; the number is kept with six decimals.
        const UNITS: [(&str, u64); 4] = [
            ("/s", 1_000_000_000),
            ("/m", 60_000_000_000),
            ("/min", 60_000_000_000),
            ("/h", 3_600_000_000_000),
        ];
        const RATE: Quantity = Quantity {
            what: Rate::WHAT,
            examples: Rate::EXAMPLES,
            units: &[
                ("/s", 1_000_000),
                ("/m", 1_000_000),
                ("/min", 1_000_000),
                ("/h", 1_000_000),
            ],
            step: "a millionth",
            max: 1_000_000 * 1_000_000,
            max_shown: "1000000",
        };
        let events_e6 = narrow(RATE.parse(text)?);
        let unit = text.find('/').and_then(|at| text.get(at..)).unwrap_or_default().trim();
        let per_ns = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, per_ns)| *per_ns);
        match per_ns {
            Some(per_ns) => Ok(Self { events_e6, per_ns }),
            None => Err(ScalarError::NotANumber {
                what: Self::WHAT,
                text: shown(text),
                examples: Self::EXAMPLES,
            }),
        }
    }
}

impl Scalar for Share {
    const WHAT: &'static str = "a share";
    const EXAMPLES: &'static [&'static str] = &["95%", "0.5%"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        const SHARE: Quantity = Quantity {
            what: Share::WHAT,
            examples: Share::EXAMPLES,
            units: &[("%", 100)],
            step: "0.01%",
            max: 10_000,
            max_shown: "100%",
        };
        SHARE.parse(text).map(|amount| Self(narrow(amount)))
    }
}

impl Scalar for Loss {
    const WHAT: &'static str = "a chance of loss";
    const EXAMPLES: &'static [&'static str] = &["0.5%", "20 ppm"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        const LOSS: Quantity = Quantity {
            what: Loss::WHAT,
            examples: Loss::EXAMPLES,
            units: &[("%", 10_000), ("ppm", 1)],
            step: "1 ppm, which is 0.0001%",
            max: 500_000,
            max_shown: "50%: cut a link by a partition instead",
        };
        LOSS.parse(text).map(|amount| Self(narrow(amount)))
    }
}

impl Scalar for Coins {
    const WHAT: &'static str = "an amount of money";
    const EXAMPLES: &'static [&'static str] = &["15 TON", "20 nanoTON"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        const COINS: Quantity = Quantity {
            what: Coins::WHAT,
            examples: Coins::EXAMPLES,
            units: &[("nanoTON", 1), ("TON", 1_000_000_000)],
            step: "1 nanoTON",
            max: 1_000_000_000_000_000_000,
            max_shown: "1000000000 TON",
        };
        COINS.parse(text).map(|amount| Self(narrow(amount)))
    }
}

impl<const SCALE: u32> Scalar for Factor<SCALE> {
    const WHAT: &'static str = "a factor";
    const EXAMPLES: &'static [&'static str] = &["1", "0.2", "8"];
    const JSON_TYPES: &'static [&'static str] = &["number"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        // Units are static, so the scale is applied to the one of a ten thousandth.
        const FACTOR: Quantity = Quantity {
            what: "a factor",
            examples: &["1", "0.2", "8"],
            units: &[("", 10_000)],
            step: "a ten thousandth",
            max: 1_000 * 10_000,
            max_shown: "1000",
        };
        let scaled = FACTOR.parse(text)? * u128::from(SCALE);
        if scaled % 10_000 != 0 {
            return Err(ScalarError::TooPrecise {
                what: Self::WHAT,
                text: shown(text),
                step: "a thousandth",
            });
        }
        Ok(Self(narrow(scaled / 10_000)))
    }
}

impl Scalar for Drift {
    const WHAT: &'static str = "the drift of a clock";
    const EXAMPLES: &'static [&'static str] = &["50 ppm", "-200 ppb"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        const DRIFT: Quantity = Quantity {
            what: Drift::WHAT,
            examples: Drift::EXAMPLES,
            units: &[("ppb", 1), ("ppm", 1_000)],
            step: "1 ppb",
            max: 100_000_000,
            max_shown: "100000 ppm",
        };
        let (negative, amount) = DRIFT.parse_signed(text)?;
        let amount: i64 = narrow(amount);
        Ok(Self(if negative { -amount } else { amount }))
    }
}

impl Scalar for Bits {
    const WHAT: &'static str = "an amount of work";
    const EXAMPLES: &'static [&'static str] = &["0 bits", "20 bits"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        const BITS: Quantity = Quantity {
            what: Bits::WHAT,
            examples: Bits::EXAMPLES,
            units: &[("bits", 1), ("bit", 1)],
            step: "1 bit",
            max: 28,
            max_shown: "28 bits: a dialler refuses more",
        };
        BITS.parse(text).map(|amount| Self(narrow(amount)))
    }
}

impl Scalar for Count {
    const WHAT: &'static str = "a whole number";
    const EXAMPLES: &'static [&'static str] = &["1", "20", "1_000"];
    const JSON_TYPES: &'static [&'static str] = &["integer"];

    fn parse(text: &str) -> Result<Self, ScalarError> {
        const COUNT: Quantity = Quantity {
            what: Count::WHAT,
            examples: Count::EXAMPLES,
            units: &[("", 1)],
            step: "1",
            max: 4_294_967_295,
            max_shown: "4294967295",
        };
        COUNT.parse(text).map(|amount| Self(narrow(amount)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bandwidth, Bits, Coins, Count, Drift, Duration, Factor, Loss, Rate, Share, SignedDuration, Size};
    use crate::diagnostic::Code;
    use crate::scenario::scalar::Scalar;

    fn code<T: Scalar>(text: &str) -> Option<Code> {
        T::parse(text).err().map(|error| error.code())
    }

    #[test]
    fn quantities_are_exact() {
        assert_eq!(Duration::parse("10ms"), Ok(Duration(10_000_000)));
        assert_eq!(Duration::parse("2m"), Ok(Duration(120_000_000_000)));
        assert_eq!(Duration::parse(" 1_500.001 us "), Ok(Duration(1_500_001)));
        assert_eq!(Duration::parse("0.3s"), Ok(Duration(300_000_000)));
        assert_eq!(SignedDuration::parse("-20ms"), Ok(SignedDuration(-20_000_000)));
        assert_eq!(Size::parse("64 KiB"), Ok(Size(65_536)));
        assert_eq!(Bandwidth::parse("1 Gbit/s"), Ok(Bandwidth(Some(125_000_000))));
        assert_eq!(Bandwidth::parse("unlimited"), Ok(Bandwidth(None)));
        assert_eq!(
            Rate::parse("50/s"),
            Ok(Rate {
                events_e6: 50_000_000,
                per_ns: 1_000_000_000
            })
        );
        assert_eq!(
            Rate::parse("0.5 /min"),
            Ok(Rate {
                events_e6: 500_000,
                per_ns: 60_000_000_000
            })
        );
        assert_eq!(Share::parse("0.5%"), Ok(Share(50)));
        assert_eq!(Loss::parse("0.5%"), Ok(Loss(5_000)));
        assert_eq!(Coins::parse("15 TON"), Ok(Coins(15_000_000_000)));
        assert_eq!(Coins::parse("20 nanoTON"), Ok(Coins(20)));
        assert_eq!(Factor::<10_000>::parse("0.2"), Ok(Factor(2_000)));
        assert_eq!(Factor::<1_000>::parse("1.5"), Ok(Factor(1_500)));
        assert_eq!(Drift::parse("-50 ppm"), Ok(Drift(-50_000)));
        assert_eq!(Bits::parse("8 bits"), Ok(Bits(8)));
        assert_eq!(Count::parse("1_000"), Ok(Count(1_000)));
    }

    #[test]
    fn each_kind_of_mistake_has_its_code() {
        assert_eq!(code::<Duration>("10"), Some(Code::MissingUnit));
        assert_eq!(code::<Duration>("10 sec"), Some(Code::UnknownUnit));
        assert_eq!(code::<Duration>("10 MS"), Some(Code::UnknownUnit));
        assert_eq!(code::<Duration>("0.5 ns"), Some(Code::TooPrecise));
        assert_eq!(code::<Duration>("367 d"), Some(Code::OutOfRange));
        assert_eq!(code::<Duration>("-1s"), Some(Code::Negative));
        assert_eq!(code::<Duration>("-0s"), Some(Code::Negative));
        for text in [
            "",
            "s",
            ".nan",
            "NaN",
            ".5s",
            "1._5s",
            "1_s",
            "1__0s",
            "1.2.3s",
            "--1s",
            "one second",
        ] {
            assert_eq!(code::<Duration>(text), Some(Code::NotANumber), "{text}");
        }
        assert_eq!(code::<Duration>("1e9s"), Some(Code::UnknownUnit));
        assert_eq!(code::<Duration>(&"9".repeat(10_000)), Some(Code::OutOfRange));
        assert_eq!(
            code::<Duration>(&format!("0.{}1s", "0".repeat(10_000))),
            Some(Code::OutOfRange)
        );
        assert_eq!(code::<Bandwidth>("1 bit/s"), Some(Code::TooPrecise));
        assert_eq!(code::<Rate>("5"), Some(Code::MissingUnit));
        assert_eq!(code::<Rate>("5/fortnight"), Some(Code::UnknownUnit));
        assert_eq!(code::<Share>("100.01%"), Some(Code::OutOfRange));
        assert_eq!(code::<Loss>("51%"), Some(Code::OutOfRange));
        assert_eq!(code::<Factor<1_000>>("0.0001"), Some(Code::TooPrecise));
        assert_eq!(code::<Count>("0x10"), Some(Code::NotANumber));
        assert_eq!(code::<Count>("1e3"), Some(Code::NotANumber));
        assert_eq!(code::<Count>("1.5"), Some(Code::TooPrecise));
        assert_eq!(code::<Count>("-3"), Some(Code::Negative));
        assert_eq!(code::<Bits>("29 bits"), Some(Code::OutOfRange));
    }

    proptest! {
        #[test]
        fn whole_nanoseconds_round_trip_in_every_unit(ns in 0_u64..=366 * 86_400 * 1_000_000_000) {
            prop_assert_eq!(Duration::parse(&format!("{ns}ns")), Ok(Duration(ns)));
            let seconds = format!("{}.{:09}s", ns / 1_000_000_000, ns % 1_000_000_000);
            prop_assert_eq!(Duration::parse(&seconds), Ok(Duration(ns)));
        }

        #[test]
        fn no_text_makes_a_quantity_panic(text in "\\PC{0,40}", digits in "[-+0-9._]{0,50}[a-zA-Z/%]{0,7}") {
            for text in [&text, &digits] {
                let _ = (Duration::parse(text), Bandwidth::parse(text), Rate::parse(text), Coins::parse(text));
                let _ = (Share::parse(text), Loss::parse(text), Drift::parse(text), Factor::<1_000>::parse(text));
            }
        }
    }
}
