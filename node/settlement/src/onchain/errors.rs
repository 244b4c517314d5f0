//! Exit codes of the network's contracts and of the virtual machine (§6.1), with their names.

use std::fmt;

/// Names and exit codes of the contracts.
pub const CONTRACT_ERRORS: &[(i32, &str)] = &[
    (1000, "old message"),
    (1001, "low contract balance"),
    (1002, "low balance"),
    (1003, "low message value"),
    (1004, "wrong message format"),
    (1005, "signed part differs from the envelope"),
    (1006, "closed"),
    (1007, "bad signature"),
    (1008, "stored data damaged"),
    (1009, "expected owner"),
    (1010, "expected message from owner"),
    (1011, "not unlocked yet"),
    (1012, "unknown operation"),
    (1013, "unknown text command"),
    (1014, "contract address mismatch"),
    (1015, "wrong own address in the signed part"),
    (1030, "wallet: expired"),
    (1031, "wallet: blocked"),
    (1032, "wallet: wrong seqno"),
    (1033, "wallet: wrong subwallet"),
    (1034, "wallet: bad signature"),
    (1035, "wallet: balance below 2 TON"),
    (1040, "wallet: not the owner"),
    (1041, "wallet: unknown command"),
    (2000, "unknown proxy number"),
];

/// Names and exit codes of the virtual machine and of the action phase.
pub const TVM_ERRORS: &[(i32, &str)] = &[
    (2, "stack underflow"),
    (3, "stack overflow"),
    (4, "integer overflow"),
    (5, "integer out of range"),
    (6, "invalid operation code of the machine"),
    (7, "type check"),
    (8, "cell overflow"),
    (9, "cell underflow"),
    (10, "dictionary error"),
    (13, "out of gas"),
    (-14, "out of gas"),
    (32, "action list invalid"),
    (33, "too many actions"),
    (34, "invalid action"),
    (35, "invalid source address"),
    (36, "invalid destination address"),
    (37, "not enough coins"),
    (38, "not enough extra currencies"),
    (39, "message does not fit into a cell"),
    (40, "cannot process a message"),
    (50, "account state too large"),
];

/// An exit code of a transaction's compute phase or a result code of its action phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExitCode(
    /// The number.
    pub i32,
);

impl ExitCode {
    /// Whether the phase succeeded.
    pub const fn is_success(self) -> bool {
        matches!(self.0, 0 | 1)
    }

    /// Name of the code, if it is one that is known.
    pub fn name(self) -> Option<&'static str> {
        let known = CONTRACT_ERRORS.iter().chain(TVM_ERRORS);
        known.clone().find(|(code, _)| *code == self.0).map(|(_, name)| *name)
    }
}

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_throw_named_codes_only() {
        let source = include_str!("../../contracts/src/codes.tolk");
        let mut found = 0;
        for line in source.lines() {
            let Some(rest) = line.strip_prefix("const ERR_") else {
                continue;
            };
            let (_, value) = rest.split_once(" = ").unwrap();
            let code: i32 = value.parse().unwrap();
            assert!(CONTRACT_ERRORS.iter().any(|(known, _)| *known == code), "{line}");
            found += 1;
        }
        assert_eq!(found, CONTRACT_ERRORS.len());
        assert_eq!(ExitCode(1006).to_string(), "1006 (closed)");
        assert_eq!(ExitCode(4711).to_string(), "4711");
        assert!(ExitCode(1).is_success() && !ExitCode(5).is_success());
    }
}
