//! What a client contract may do (§6.6).

use chrysalis_settlement::{
    PaymentKind,
    onchain::{
        message::{ClientMessage, SignedCount},
        storage::{ClientStorage, ContractState},
    },
};

use super::{Seen, Watch};
use crate::{
    book::Claim,
    cast::{CLIENT_DELAY_S, PRICE_NANOTON, Person, Role, Scene},
    finding::Kind,
    view::View,
};

/// Enough for any message, so that a failure is not for want of value.
const ENOUGH_NANOTON: u128 = 500_000_000;

impl Watch {
    pub(super) fn client(&mut self, scene: &Scene, before: &View, seen: &Seen<'_>, index: usize) -> Option<()> {
        let role = Role::Client(index);
        let Some(before) = before.clients[index].clone() else {
            // Deployed by this transaction.
            return Some(());
        };
        let after = self.view.clients[index].clone()?;
        if seen.is_bounced {
            self.client_bounce(scene, &before, &after, seen, index);
            return Some(());
        }
        let owner = Person::ClientOwner(index);
        let parsed = ClientMessage::parse(&seen.body);
        if let Ok(ClientMessage::Signed(count)) = &parsed {
            self.client_settled(&before, seen, role, count, owner);
        }
        if !seen.is_success {
            return Some(());
        }
        let claims = self.claims(scene, role, seen.record);
        self.client_monotonic(&before, &after, index);
        let Ok(message) = parsed else {
            if after != before {
                self.find(Kind::WrongEffect, format!("client {index}: a body that is none"));
            }
            return Some(());
        };
        match message {
            ClientMessage::TopUp { amount, .. } => self.topped_up(&before, &after, index, amount.nanoton()),
            ClientMessage::SecretAndTopUp { amount, .. } => {
                self.only(seen, owner, "secret and top-up");
                self.topped_up(&before, &after, index, amount.nanoton());
            }
            ClientMessage::Withdraw { .. } => {
                self.only(seen, owner, "withdrawal");
                let refund = u128::from(before.balance_nanoton.saturating_sub(before.stake_nanoton));
                let expected = Claim::Refund {
                    amount_nanoton: refund,
                    is_forced: false,
                };
                if before.state != ContractState::Normal || claims != [expected] {
                    self.find(Kind::WrongEffect, format!("client {index}: withdrawal, {claims:?}"));
                }
            }
            ClientMessage::RequestRefund { .. } => {
                self.only(seen, owner, "refund");
                self.refund_requested(&before, &after, seen, index);
            }
            ClientMessage::ChangeSecret { .. }
            | ClientMessage::Register { .. }
            | ClientMessage::IncreaseStake { .. } => {
                self.only(seen, owner, "a change");
                if after.balance_nanoton != before.balance_nanoton || after.tokens_used != before.tokens_used {
                    self.find(Kind::WrongEffect, format!("client {index}: a change of coins"));
                }
            }
            ClientMessage::Signed(count) => self.client_signed(scene, &before, &after, seen, index, &count),
        }
        Some(())
    }

    fn topped_up(&mut self, before: &ClientStorage, after: &ClientStorage, index: usize, amount_nanoton: u128) {
        self.book.clients[index].deposited += amount_nanoton;
        let expected = u128::from(before.balance_nanoton) + amount_nanoton;
        if u128::from(after.balance_nanoton) != expected || before.state == ContractState::Closed {
            self.find(Kind::WrongEffect, format!("client {index}: top-up of {amount_nanoton}"));
        }
    }

    fn refund_requested(&mut self, before: &ClientStorage, after: &ClientStorage, seen: &Seen<'_>, index: usize) {
        if before.state == ContractState::Normal {
            if after.state != ContractState::Closing || after.unlock_ts != seen.now_unix_s + CLIENT_DELAY_S {
                let detail = format!("client {index} at {}: unlocked at {}", seen.now_unix_s, after.unlock_ts);
                self.find(Kind::Unlock, detail);
            }
        } else if seen.now_unix_s <= before.unlock_ts {
            let detail = format!(
                "client {index} at {}: locked until {}",
                seen.now_unix_s, before.unlock_ts
            );
            self.find(Kind::Unlock, detail);
        } else if after.state != ContractState::Closed || after.balance_nanoton != 0 {
            self.find(
                Kind::WrongEffect,
                format!("client {index}: a forced refund that leaves something"),
            );
        }
    }

    fn client_signed(
        &mut self,
        scene: &Scene,
        before: &ClientStorage,
        after: &ClientStorage,
        seen: &Seen<'_>,
        index: usize,
        count: &SignedCount,
    ) {
        if !count.verifies(&scene.proxy_key.public()) || count.my_address != scene.clients[index].address {
            return self.find(Kind::Unauthorised, format!("client {index}: {count:?}"));
        }
        if let Some(Role::Person(person)) = seen.from
            && after.tokens_used != before.tokens_used
        {
            self.book.settled_by.insert(Role::Client(index), person);
        }
        let tokens = after.tokens_used.saturating_sub(before.tokens_used);
        let cost = u128::from(tokens) * u128::from(PRICE_NANOTON);
        let balance = u128::from(before.balance_nanoton);
        if cost > balance {
            self.find(
                Kind::ChargedBeyondBalance,
                format!("client {index}: {cost} from {balance}"),
            );
        }
        let covered = cost.min(balance);
        self.book.charged += cost;
        self.book.clients[index].charged += covered;
        let is_refund = count.kind == PaymentKind::ClientRefund;
        let left = if is_refund { 0 } else { balance - covered };
        // A refund of an account that is closed already does nothing.
        if u128::from(after.balance_nanoton) != left || (is_refund && after.state != ContractState::Closed) {
            self.find(Kind::WrongEffect, format!("client {index}: {:?}", count.kind));
        }
    }

    fn client_settled(
        &mut self,
        before: &ClientStorage,
        seen: &Seen<'_>,
        role: Role,
        count: &SignedCount,
        owner: Person,
    ) {
        let is_closed = before.state == ContractState::Closed;
        let is_settled = match count.kind {
            PaymentKind::ClientCharge => !is_closed,
            PaymentKind::ClientRefund => is_closed && before.balance_nanoton == 0,
            PaymentKind::WorkerPayout | PaymentKind::WorkerLastPayout => false,
        };
        if is_settled && before.tokens_used == count.tokens && seen.value_nanoton >= ENOUGH_NANOTON {
            self.settled(role, seen, owner);
        }
    }

    fn client_monotonic(&mut self, before: &ClientStorage, after: &ClientStorage, index: usize) {
        let unlock_is_kept = before.unlock_ts == 0
            || after.unlock_ts == before.unlock_ts
            || (after.unlock_ts == 0 && after.state == ContractState::Closed);
        if after.tokens_used < before.tokens_used
            || after.state.number() < before.state.number()
            || after.stake_nanoton < before.stake_nanoton
            || !unlock_is_kept
        {
            self.find(Kind::NotMonotonic, format!("client {index}: {before:?} to {after:?}"));
        }
    }

    fn client_bounce(
        &mut self,
        scene: &Scene,
        before: &ClientStorage,
        after: &ClientStorage,
        seen: &Seen<'_>,
        index: usize,
    ) {
        let role = Role::Client(index);
        let from_proxy = seen.from == Some(Role::Proxy);
        let Some(claim) = self.bounced(role).filter(|_| from_proxy) else {
            if after != before {
                self.find(Kind::BounceUnaccounted, format!("client {index}"));
            }
            return;
        };
        let balance = u128::from(before.balance_nanoton);
        let mut expected = before.clone();
        match claim {
            Claim::TopUp { amount_nanoton } => {
                let back = amount_nanoton.min(balance);
                expected.balance_nanoton -= u64::try_from(back).unwrap_or(u64::MAX);
                self.book.clients[index].deposited = self.book.clients[index].deposited.saturating_sub(back);
            }
            Claim::Refund { amount_nanoton, .. } => {
                expected.balance_nanoton += u64::try_from(amount_nanoton).unwrap_or(0);
            }
            Claim::Settle {
                cost_nanoton,
                refund_nanoton,
            } => {
                expected.balance_nanoton += u64::try_from(cost_nanoton + refund_nanoton).unwrap_or(0);
                expected.tokens_used -= u64::try_from(cost_nanoton / u128::from(PRICE_NANOTON)).unwrap_or(0);
                let book = &mut self.book.clients[index];
                book.charged = book.charged.saturating_sub(cost_nanoton);
                self.book.charged = self.book.charged.saturating_sub(cost_nanoton);
            }
            Claim::Payout { .. } => {}
        }
        if *after != expected {
            self.find(Kind::LostClaim, format!("client {index}: {claim:?}"));
        }
        // A bounced top-up that was withdrawn meanwhile sends coins to the pool, without a claim.
        self.claims(scene, role, seen.record);
    }
}
