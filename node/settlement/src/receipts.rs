//! What a client or a worker remembers of the payments it was given (§4.3).
//!
//! Nothing that a proxy says about an account may go backwards: a payment for fewer tokens, or a smaller count, means
//! that the proxy lost its database or was rolled back, and the peer closes the connection.

use crate::payment::VerifiedPayment;

/// Why a proxy's account of itself is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// A payment for fewer tokens than an earlier one.
    #[error("a payment for {offered} tokens after one for {known}")]
    PaymentDecreased {
        /// In this message.
        offered: u64,
        /// Before.
        known: u64,
    },
    /// Fewer tokens in the proxy's database than before.
    #[error("{offered} tokens committed to the database after {known}")]
    DbDecreased {
        /// In this message.
        offered: u64,
        /// Before.
        known: u64,
    },
    /// Fewer tokens altogether than before.
    #[error("{offered} tokens used after {known}")]
    MaxDecreased {
        /// In this message.
        offered: u64,
        /// Before.
        known: u64,
    },
    /// A negative count.
    #[error("a count of {tokens} tokens")]
    Negative {
        /// As received.
        tokens: i64,
    },
    /// The three counts are not in their order: signed, in the database, used.
    #[error("{signed} tokens signed, {db} in the database, {max} used")]
    Order {
        /// Signed.
        signed: u64,
        /// In the database.
        db: u64,
        /// Used.
        max: u64,
    },
}

/// The largest payment and counts that a proxy has shown for one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    payment: Option<VerifiedPayment>,
    db_tokens: u64,
    max_tokens: u64,
}

impl Receipts {
    /// The largest payment: what can be submitted to the chain.
    pub const fn payment(&self) -> Option<&VerifiedPayment> {
        self.payment.as_ref()
    }

    /// Tokens of the largest payment.
    pub fn signed_tokens(&self) -> u64 {
        self.payment.as_ref().map_or(0, VerifiedPayment::tokens)
    }

    /// Tokens in the proxy's database.
    pub const fn db_tokens(&self) -> u64 {
        self.db_tokens
    }

    /// Tokens used altogether.
    pub const fn max_tokens(&self) -> u64 {
        self.max_tokens
    }

    /// Takes a payment alone, as the first answer to a client has it, if it is larger than the known one. Returns
    /// whether it was (§4.2).
    pub fn offer(&mut self, payment: VerifiedPayment) -> bool {
        let larger = self
            .payment
            .as_ref()
            .is_none_or(|known| payment.tokens() > known.tokens());
        if larger {
            self.payment = Some(payment);
        }
        larger
    }

    /// Takes a payment with the proxy's counts. A payment for the same count does not replace the known one.
    ///
    /// # Errors
    /// Anything that goes backwards or is out of order; what is known stays.
    pub fn accept(&mut self, payment: VerifiedPayment, db_tokens: i64, max_tokens: i64) -> Result<(), ReceiptError> {
        let count = |tokens: i64| u64::try_from(tokens).map_err(|_| ReceiptError::Negative { tokens });
        let (signed, db, max) = (payment.tokens(), count(db_tokens)?, count(max_tokens)?);
        let known = self.signed_tokens();
        if signed < known {
            return Err(ReceiptError::PaymentDecreased { offered: signed, known });
        }
        if db < self.db_tokens {
            return Err(ReceiptError::DbDecreased {
                offered: db,
                known: self.db_tokens,
            });
        }
        if max < self.max_tokens {
            return Err(ReceiptError::MaxDecreased {
                offered: max,
                known: self.max_tokens,
            });
        }
        if signed > db || db > max {
            return Err(ReceiptError::Order { signed, db, max });
        }
        self.offer(payment);
        (self.db_tokens, self.max_tokens) = (db, max);
        Ok(())
    }

    /// Takes the answer to a question that was asked when `asked` was what was known. Messages that the proxy sent after
    /// its answer may be read before it: less than is known now is no contradiction, but less than was known then is.
    ///
    /// # Errors
    /// As for [`Self::accept`], measured by `asked`; what is known stays.
    pub fn accept_answer(
        &mut self,
        asked: &Self,
        payment: VerifiedPayment,
        db_tokens: i64,
        max_tokens: i64,
    ) -> Result<(), ReceiptError> {
        let mut answered = asked.clone();
        answered.accept(payment, db_tokens, max_tokens)?;
        if let Some(payment) = answered.payment {
            self.offer(payment);
        }
        self.db_tokens = self.db_tokens.max(answered.db_tokens);
        self.max_tokens = self.max_tokens.max(answered.max_tokens);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contracts::vectors,
        payment::{PaymentKind, SignedPayment},
    };

    fn payment(tokens: u64) -> VerifiedPayment {
        let (key, kind, contract) = (vectors::key(), PaymentKind::WorkerPayout, vectors::ROOT);
        let signed = SignedPayment::sign(&key, kind, tokens + 1, tokens, &contract, &vectors::OWNER);
        SignedPayment::parse_and_verify(&signed.boc, kind, &contract, &key.public()).unwrap()
    }

    #[test]
    fn nothing_goes_backwards() {
        let mut receipts = Receipts::default();
        receipts.accept(payment(10), 20, 30).unwrap();
        receipts.accept(payment(10), 20, 30).unwrap();
        for (tokens, db, max, error) in [
            (9, 20, 30, ReceiptError::PaymentDecreased { offered: 9, known: 10 }),
            (10, 19, 30, ReceiptError::DbDecreased { offered: 19, known: 20 }),
            (10, 20, 29, ReceiptError::MaxDecreased { offered: 29, known: 30 }),
            (
                21,
                20,
                30,
                ReceiptError::Order {
                    signed: 21,
                    db: 20,
                    max: 30,
                },
            ),
            (
                10,
                31,
                30,
                ReceiptError::Order {
                    signed: 10,
                    db: 31,
                    max: 30,
                },
            ),
            (10, 20, -1, ReceiptError::Negative { tokens: -1 }),
        ] {
            assert_eq!(receipts.accept(payment(tokens), db, max), Err(error));
            assert_eq!(
                (receipts.signed_tokens(), receipts.db_tokens(), receipts.max_tokens()),
                (10, 20, 30)
            );
        }
        receipts.accept(payment(20), 20, 40).unwrap();
        assert_eq!(
            (receipts.signed_tokens(), receipts.db_tokens(), receipts.max_tokens()),
            (20, 20, 40)
        );
        assert_eq!(receipts.payment(), Some(&payment(20)));
    }

    #[test]
    fn an_answer_that_is_read_late_contradicts_nothing() {
        let mut receipts = Receipts::default();
        receipts.accept(payment(10), 20, 30).unwrap();
        let asked = receipts.clone();
        receipts.accept(payment(20), 25, 40).unwrap();
        assert!(
            receipts.clone().accept(payment(15), 22, 35).is_err(),
            "out of order without a question"
        );
        receipts.accept_answer(&asked, payment(15), 22, 35).unwrap();
        let known = (receipts.signed_tokens(), receipts.db_tokens(), receipts.max_tokens());
        assert_eq!(known, (20, 25, 40));
        receipts.accept_answer(&asked, payment(21), 25, 41).unwrap();
        let known = (receipts.signed_tokens(), receipts.db_tokens(), receipts.max_tokens());
        assert_eq!(known, (21, 25, 41));
        for (tokens, db, max) in [(9, 20, 30), (10, 19, 30), (10, 20, 29), (22, 20, 30)] {
            let before = receipts.clone();
            assert!(receipts.accept_answer(&asked, payment(tokens), db, max).is_err());
            assert_eq!(receipts, before);
        }
    }

    #[test]
    fn an_offered_payment_counts_only_if_larger() {
        let mut receipts = Receipts::default();
        assert!(receipts.offer(payment(0)), "also a payment for nothing is a payment");
        assert!(receipts.offer(payment(5)));
        assert!(!receipts.offer(payment(5)) && !receipts.offer(payment(4)));
        assert_eq!(receipts.signed_tokens(), 5);
    }
}
