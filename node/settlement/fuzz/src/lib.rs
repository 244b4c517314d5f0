//! The checks of the fuzz targets, and how a target calls its own.

mod checks;

pub use libfuzzer_sys;

/// Makes a fuzz target of the check with this name.
#[macro_export]
macro_rules! fuzz_check {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            $crate::check($name)(bytes);
        });
    };
}

/// The check with this name.
///
/// # Panics
/// There is none: the target is misnamed.
pub fn check(name: &str) -> fn(&[u8]) -> bool {
    let found = checks::CHECKS.into_iter().find(|(candidate, _)| *candidate == name);
    found.unwrap_or_else(|| panic!("no check is named {name}")).1
}
