//! What an operator asks of a running proxy (spec §4.7).

use crate::orders::Orders;

/// An order of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyOrder {
    /// Serve nobody: connections end, accounts are settled on the chain, and the contract is closed. This lasts over
    /// restarts, until the proxy is enabled again and the root's parameters change.
    Disable,
    /// Serve again as soon as the root's parameters change. Accounts that are being settled are settled.
    Enable,
}

impl ProxyOrder {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Disable, Self::Enable];

    /// Name in paths and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

/// Orders on their way to a proxy.
pub type ProxyControl = Orders<ProxyOrder>;
