//! The properties that every constructor must have, checked for each row of the table.

use std::fmt::Debug;

use proptest::{
    arbitrary::{Arbitrary, any},
    prop_assert, prop_assert_eq,
    test_runner::{TestCaseError, TestRunner},
};

use crate::tl::{Boxed, DecodeError, TlObject};

/// Encoding and decoding are inverse, lengths are exact, nothing may be missing or follow.
pub(crate) fn check<T: TlObject + Arbitrary + Debug + PartialEq>(runner: &mut TestRunner) {
    let outcome = runner.run(&any::<T>(), |object| {
        let bytes = object.encode();
        prop_assert_eq!(bytes.len(), object.boxed_len());
        prop_assert!(bytes.len() >= 4 + T::MIN_BARE_LEN);
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(T::decode(&bytes), Ok(object));

        for end in [0, 3, bytes.len() / 2, bytes.len() - 1] {
            prop_assert!(
                T::decode(&bytes[..end]).is_err(),
                "cut at {end} of {} is accepted",
                bytes.len()
            );
        }
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert_eq!(T::decode(&longer), Err(DecodeError::TrailingBytes { count_bytes: 1 }));
        let mut other = bytes;
        other[0] ^= 1;
        let refused = matches!(T::decode(&other), Err(DecodeError::UnknownConstructor { .. }));
        prop_assert!(refused);
        Ok::<(), TestCaseError>(())
    });
    if let Err(error) = outcome {
        panic!("{}: {error}", T::NAME);
    }
}

#[test]
fn every_constructor_survives_the_wire() {
    for constructor in crate::objects::constructors() {
        let config = proptest::test_runner::Config {
            cases: 48,
            failure_persistence: None,
            ..Default::default()
        };
        (constructor.check_round_trip)(&mut TestRunner::new(config));
    }
}
