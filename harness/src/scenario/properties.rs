//! Built-in properties by name. `chrysalis_world` checks them; this table is what scenario files may name.

/// A property that a scenario may expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// Its name in `expect.properties`.
    pub name: &'static str,
    /// What it says, in one line.
    pub meaning: &'static str,
}

/// All of them, in alphabetical order.
pub const PROPERTIES: &[Property] = &[
    Property {
        name: "answers-are-exact",
        meaning: "the text of every answer that succeeded is what the model gives for that prompt",
    },
    Property {
        name: "conservation-of-coins",
        meaning: "coins are neither made nor lost: deposits, balances and payments add up at every moment",
    },
    Property {
        name: "every-request-ends",
        meaning: "every request has an answer, an error, or was given up by its user",
    },
    Property {
        name: "honest-party-never-loses",
        meaning: "no honest client pays for tokens that it did not get, no honest worker or proxy works unpaid",
    },
    Property {
        name: "ledger-keeps-signed-units",
        meaning: "what a proxy has signed for is in its ledger again after any crash",
    },
    Property {
        name: "monotonic-tokens",
        meaning: "signed token counters never go back",
    },
    Property {
        name: "only-attested-peers-see-prompts",
        meaning: "a prompt reaches only peers whose evidence was accepted on that connection",
    },
];

/// The property of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Property> {
    PROPERTIES.iter().find(|property| property.name == name)
}

#[cfg(test)]
mod tests {
    use super::{PROPERTIES, find};

    #[test]
    fn the_table_is_sorted_and_without_doubles() {
        assert!(PROPERTIES.is_sorted_by(|left, right| left.name < right.name));
        assert_eq!(
            find("monotonic-tokens").map(|property| property.name),
            Some("monotonic-tokens")
        );
        assert_eq!(find("monotonic"), None);
    }
}
