//! Exit codes: a contract (design §11).

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Pass,
    /// A verdict command says no.
    Refused,
    /// Wrong usage or input that cannot be read.
    Usage,
    /// A scenario or configuration is invalid.
    Invalid,
    /// Nothing was selected.
    NothingSelected,
    /// The environment is not usable; trying again may help.
    Environment,
    /// Two runs of one plan differ.
    NotDeterministic,
    /// A gate of measurements says no.
    Gate,
    /// At least one scenario failed.
    Failures,
    /// A defect of this program.
    Internal,
    /// A signal of this number asked the program to end.
    Signal(u8),
}

impl Exit {
    /// The number that the operating system gets.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::NothingSelected => 4,
            Self::Environment => 5,
            Self::NotDeterministic => 6,
            Self::Gate => 10,
            Self::Failures => 100,
            Self::Internal => 101,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn signals_have_the_codes_of_the_shell() {
        assert_eq!((Exit::Signal(2).code(), Exit::Signal(15).code()), (130, 143));
        assert_eq!(Exit::Signal(255).code(), 255);
    }
}
