//! Built-in properties by name: what `expect.properties` may say. `chrysalis_world` defines and checks them.

use chrysalis_world::properties::PROPERTIES;

/// A property that a scenario may expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Property {
    /// Its name in `expect.properties`.
    pub name: &'static str,
    /// Kind of claim: `always`, `eventually`, `slo`.
    pub class: &'static str,
    /// What it says, in one line.
    pub meaning: &'static str,
}

/// All of them, in alphabetical order.
#[must_use]
pub fn all() -> Vec<Property> {
    let mut properties: Vec<Property> = PROPERTIES
        .iter()
        .map(|(name, class, meaning)| Property {
            name,
            class: class.name(),
            meaning,
        })
        .collect();
    properties.sort_unstable();
    properties
}

/// Their names, in alphabetical order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    all().into_iter().map(|property| property.name).collect()
}

#[cfg(test)]
mod tests {
    use super::{all, names};

    #[test]
    fn names_are_sorted_and_without_doubles() {
        assert!(names().is_sorted_by(|left, right| left < right));
        assert!(names().contains(&"monotonic-tokens"));
        assert!(
            all()
                .iter()
                .all(|property| !property.meaning.is_empty() && !property.class.is_empty())
        );
    }
}
