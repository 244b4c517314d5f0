//! What a client or a worker knows of its account at one proxy contract (spec §4.2, §4.3).

use chrysalis_settlement::{
    Address, AddressError, PaymentError, PaymentKind, PublicKey, RootConfig, SignedPayment, VerifiedPayment,
    contracts::ProxyIdentity,
    receipts::{ReceiptError, Receipts},
};
use chrysalis_wire::{
    objects::ProxyParams,
    protocol_version::{Version, VersionError, VersionRange},
};

/// Why a proxy is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyMismatch {
    /// The proxy belongs to the other of test and production.
    #[error("the proxy belongs to another kind of deployment")]
    TestFlag,
    /// No common protocol version.
    #[error("{0}")]
    Version(#[from] VersionError),
    /// An address that cannot be read.
    #[error("an address of the proxy: {0}")]
    Address(#[from] AddressError),
    /// The proxy contract's address does not follow from the root configuration and the proxy's key.
    #[error("the proxy contract is {expected}, not {claimed}")]
    ProxyContract {
        /// As computed.
        expected: Address,
        /// As claimed.
        claimed: Address,
    },
    /// The own contract's address does not follow either.
    #[error("the own contract is {expected}, not {claimed}")]
    OwnContract {
        /// As computed.
        expected: Address,
        /// As claimed.
        claimed: Address,
    },
    /// A payment that is none.
    #[error("the signed payment: {0}")]
    Payment(#[from] PaymentError),
    /// A payment is missing where there must be one.
    #[error("there is no signed payment")]
    NoPayment,
    /// Something that only grows shrank.
    #[error("{0}")]
    Receipt(#[from] ReceiptError),
    /// Tokens that the proxy had called durable are gone.
    #[error("the proxy had {known} durable tokens and now has {offered}")]
    DurableLost {
        /// Before.
        known: u64,
        /// Now.
        offered: u64,
    },
    /// A message that needs a hand-shake came before it.
    #[error("the hand-shake is not complete")]
    NoHandshake,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct ProxyAccount {
    contract: Address,
    proxy: ProxyIdentity,
    kind: PaymentKind,
    version: Version,
    receipts: Receipts,
}

impl ProxyAccount {
    /// Checks what a proxy says of itself against the root configuration and computes both contract addresses.
    pub(crate) fn open(
        root: &RootConfig,
        params: &ProxyParams,
        claimed_contract: &str,
        owner: &Address,
        kind: PaymentKind,
        is_test: bool,
    ) -> Result<Self, ProxyMismatch> {
        // The reference accepts a proxy that leaves the flag out; production and test must not be mixed up.
        if params.is_test.unwrap_or(false) != is_test {
            return Err(ProxyMismatch::TestFlag);
        }
        let version = VersionRange::CLIENT_AND_WORKER.accept(params)?;
        let proxy_key = PublicKey(params.proxy_public_key);
        let proxy_owner: Address = params.proxy_owner_address.parse()?;
        let claimed: Address = params.proxy_sc_address.parse()?;
        let expected = root.proxy_address(&proxy_owner, &proxy_key);
        if claimed != expected {
            return Err(ProxyMismatch::ProxyContract { expected, claimed });
        }
        let proxy = ProxyIdentity {
            address: expected,
            public_key: proxy_key,
        };
        let expected = match kind {
            PaymentKind::ClientCharge | PaymentKind::ClientRefund => root.client_address(&proxy, owner),
            PaymentKind::WorkerPayout | PaymentKind::WorkerLastPayout => root.worker_address(&proxy, owner),
        };
        let claimed: Address = claimed_contract.parse()?;
        if claimed != expected {
            return Err(ProxyMismatch::OwnContract { expected, claimed });
        }
        Ok(Self {
            contract: expected,
            proxy,
            kind,
            version,
            receipts: Receipts::default(),
        })
    }

    /// The account's contract: one for each proxy and version of the parameters.
    pub(crate) fn contract(&self) -> Address {
        self.contract
    }

    /// The proxy that the account is at.
    pub(crate) fn proxy(&self) -> ProxyIdentity {
        self.proxy
    }

    /// The largest signature: what can be submitted to the chain.
    pub(crate) fn payment(&self) -> Option<&VerifiedPayment> {
        self.receipts.payment()
    }

    /// The agreed protocol version.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Tokens that a signature covers.
    pub(crate) fn signed_tokens(&self) -> u64 {
        self.receipts.signed_tokens()
    }

    /// Tokens that the proxy called durable.
    pub(crate) fn db_tokens(&self) -> u64 {
        self.receipts.db_tokens()
    }

    /// Tokens that the proxy has counted at most.
    pub(crate) fn max_tokens(&self) -> u64 {
        self.receipts.max_tokens()
    }

    /// Takes what a proxy says at the start of a session. It may have lost what it had counted and not yet made
    /// durable, but nothing that it had called durable or signed. Returns how many tokens it lost.
    pub(crate) fn restart(
        &mut self,
        payment: Option<&[u8]>,
        db_tokens: i64,
        max_tokens: i64,
    ) -> Result<u64, ProxyMismatch> {
        let boc = payment.ok_or(ProxyMismatch::NoPayment)?;
        let payment = SignedPayment::parse_and_verify(boc, self.kind, &self.contract, &self.proxy.public_key)?;
        let mut fresh = Receipts::default();
        fresh.accept(payment, db_tokens, max_tokens)?;
        let known = &self.receipts;
        for (known, offered) in [
            (known.db_tokens(), fresh.db_tokens()),
            (known.signed_tokens(), fresh.db_tokens()),
        ] {
            if offered < known {
                return Err(ProxyMismatch::DurableLost { known, offered });
            }
        }
        let lost = known.max_tokens().saturating_sub(fresh.max_tokens());
        // The larger signature stays: it is worth more on the chain.
        if let Some(payment) = known.payment() {
            fresh.offer(payment.clone());
        }
        self.receipts = fresh;
        Ok(lost)
    }

    /// What is known of the proxy's counts, for a question about them.
    pub(crate) fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    /// Takes what a proxy says during a session: nothing may shrink. In answer to a question, nothing of what was known
    /// when it was asked. Says whether the signature covers more than before.
    pub(crate) fn take(
        &mut self,
        asked: Option<&Receipts>,
        payment: Option<&[u8]>,
        db_tokens: i64,
        max_tokens: i64,
    ) -> Result<bool, ProxyMismatch> {
        let boc = payment.ok_or(ProxyMismatch::NoPayment)?;
        let payment = SignedPayment::parse_and_verify(boc, self.kind, &self.contract, &self.proxy.public_key)?;
        let before = self.signed_tokens();
        match asked {
            None => self.receipts.accept(payment, db_tokens, max_tokens)?,
            Some(asked) => self.receipts.accept_answer(asked, payment, db_tokens, max_tokens)?,
        }
        Ok(self.signed_tokens() > before)
    }

    /// Takes a signature that comes alone.
    pub(crate) fn take_signature(&mut self, payment: &[u8]) -> Result<bool, ProxyMismatch> {
        let payment = SignedPayment::parse_and_verify(payment, self.kind, &self.contract, &self.proxy.public_key)?;
        Ok(self.receipts.offer(payment))
    }
}
