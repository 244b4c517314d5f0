//! Types of single fields that deserve a name.

use std::fmt;

/// Names one inference request between client, proxy and worker: 256 random bits drawn by the client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub [u8; 32]);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

const NS_PER_S: f64 = 1e9;

/// A time or a span in seconds, on the wire an IEEE 754 double.
///
/// Kept as its bits, so that every received value is equal to itself and is sent on unchanged. Nothing in a node
/// computes with it: it is made from and turned into whole nanoseconds. Only multiplication and division of doubles
/// are used for that, which every machine rounds alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seconds {
    bits: u64,
}

impl Seconds {
    /// The nearest double to a whole number of nanoseconds.
    pub fn from_ns(ns: u64) -> Self {
        Self::from_f64(ns as f64 / NS_PER_S)
    }

    /// Whole nanoseconds, truncated; `None` for a negative value, NaN, or a value beyond 64 bits.
    pub fn to_ns(self) -> Option<u64> {
        let ns = self.to_f64() * NS_PER_S;
        // The upper end is 2^64 as a double; NaN is in no range.
        (0.0..18_446_744_073_709_551_616.0).contains(&ns).then_some(ns as u64)
    }

    /// From a double, such as a JSON number of a user.
    pub const fn from_f64(seconds: f64) -> Self {
        Self {
            bits: seconds.to_bits(),
        }
    }

    /// As a double.
    pub const fn to_f64(self) -> f64 {
        f64::from_bits(self.bits)
    }
}

impl fmt::Debug for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} s", self.to_f64())
    }
}

/// A field that must not show up in a log line: it prints as `Secret(..)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, owned.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod arbitrary {
    use proptest::{
        arbitrary::{Arbitrary, any},
        strategy::{BoxedStrategy, Strategy},
    };

    use super::{RequestId, Seconds, Secret};

    impl Arbitrary for RequestId {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;
        fn arbitrary_with((): ()) -> Self::Strategy {
            any::<[u8; 32]>().prop_map(Self).boxed()
        }
    }

    impl Arbitrary for Seconds {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;
        fn arbitrary_with((): ()) -> Self::Strategy {
            any::<u64>().prop_map(|bits| Self { bits }).boxed()
        }
    }

    impl<T: Arbitrary + 'static> Arbitrary for Secret<T> {
        type Parameters = ();
        type Strategy = BoxedStrategy<Self>;
        fn arbitrary_with((): ()) -> Self::Strategy {
            any::<T>().prop_map(Self).boxed()
        }
    }
}
