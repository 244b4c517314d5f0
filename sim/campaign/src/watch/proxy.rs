//! What a proxy contract may do (§6.4).

use chrysalis_settlement::onchain::{
    message::{CloseKind, ProxyMessage},
    storage::{ContractState, ProxyStorage},
};

use super::{Seen, Watch, claim, payouts_nanoton};
use crate::{
    book::Claim,
    cast::{PROXY_DELAY_S, Person, Role, Scene},
    finding::Kind,
    view::View,
};

impl Watch {
    pub(super) fn proxy(&mut self, scene: &Scene, before: &View, seen: &Seen<'_>) -> Option<()> {
        let before = before.proxy.clone()?;
        let after = self.view.proxy.clone()?;
        if seen.is_bounced {
            if after != before {
                self.find(Kind::BounceUnaccounted, "the proxy contract");
            }
            return Some(());
        }
        let hash = seen.record.in_message.as_ref()?.hash;
        if let Some((role, claim)) = self.book.flying.remove(&hash) {
            if seen.is_success {
                self.fulfilled(scene, seen, role, claim);
            } else {
                self.refused(role, claim, seen.record.phases.bounced_back);
            }
            return Some(());
        }
        if !seen.is_success {
            return Some(());
        }
        if after.state.number() < before.state.number() {
            self.find(Kind::NotMonotonic, "state of the proxy contract");
        }
        match ProxyMessage::parse(&seen.body) {
            Ok(message) => self.proxy_message(scene, &before, &after, seen, &message),
            Err(_) if after != before => self.find(Kind::WrongEffect, "the proxy contract: a body that is none"),
            Err(_) => {}
        }
        Some(())
    }

    /// A claim of a client or worker contract that the proxy contract took.
    fn fulfilled(&mut self, scene: &Scene, seen: &Seen<'_>, role: Role, claim: Claim) {
        match (role, claim) {
            (
                Role::Worker(index),
                Claim::Payout {
                    pay_nanoton,
                    save_nanoton,
                },
            ) => {
                let paid = payouts_nanoton(scene, seen.record, Person::WorkerOwner(index));
                if paid != pay_nanoton {
                    self.find(Kind::WrongEffect, format!("worker {index}: {paid} for {pay_nanoton}"));
                }
                self.book.paid[index] += pay_nanoton + save_nanoton;
                let (all, charged) = (self.book.paid.iter().sum::<u128>(), self.book.charged);
                if all > charged {
                    self.find(Kind::PaidMoreThanCharged, format!("{all} paid, {charged} charged"));
                }
            }
            (Role::Client(index), claim) => {
                let paid = payouts_nanoton(scene, seen.record, Person::ClientOwner(index));
                let due = match claim {
                    Claim::Refund { amount_nanoton, .. } => amount_nanoton,
                    Claim::Settle { refund_nanoton, .. } => refund_nanoton,
                    Claim::TopUp { .. } | Claim::Payout { .. } => 0,
                };
                if paid < due {
                    self.find(Kind::ShortRefund, format!("client {index}: {paid} for {due}"));
                }
                let book = &mut self.book.clients[index];
                book.returned += paid;
                if book.returned + book.charged > book.deposited {
                    let detail = format!("client {index}: {book:?}");
                    self.find(Kind::PaidTwice, detail);
                }
            }
            _ => self.find(Kind::WrongEffect, format!("{claim:?} of {role:?}")),
        }
    }

    fn proxy_message(
        &mut self,
        scene: &Scene,
        before: &ProxyStorage,
        after: &ProxyStorage,
        seen: &Seen<'_>,
        message: &ProxyMessage,
    ) {
        let owner = Person::Operator;
        let share = u128::from(before.balance_nanoton);
        let paid = payouts_nanoton(scene, seen.record, owner);
        match message {
            ProxyMessage::Client { .. } | ProxyMessage::Worker { .. } => {
                // From somebody who is none of the contracts: without a wish it is an announcement.
                if claim(message).is_some() || after != before {
                    self.find(Kind::Unauthorised, format!("{:?} asked as {message:?}", seen.from));
                }
            }
            ProxyMessage::Payout { .. } => {
                if after.balance_nanoton != 0 || paid != share {
                    self.find(Kind::WrongEffect, format!("proxy's payout: {paid} for {share}"));
                }
            }
            ProxyMessage::TextWithdraw => {
                self.only(seen, owner, "withdrawal of the proxy's share");
                if after.balance_nanoton != 0 || paid < share {
                    self.find(Kind::WrongEffect, format!("proxy's withdrawal: {paid} for {share}"));
                }
            }
            ProxyMessage::IncreaseStake { amount, .. } => {
                let stake = u128::from(before.stake_nanoton) + amount.nanoton();
                if u128::from(after.stake_nanoton) != stake {
                    self.find(Kind::WrongEffect, "proxy's stake");
                }
            }
            ProxyMessage::OwnerClose { .. } | ProxyMessage::TextClose => {
                self.only(seen, owner, "closing");
                self.closing(before, after, seen);
            }
            ProxyMessage::Signed(close) => {
                if !close.verifies(&scene.proxy_key.public()) || close.my_address != scene.proxy.address {
                    return self.find(Kind::Unauthorised, format!("{close:?}"));
                }
                match close.kind {
                    CloseKind::Request => self.closing(before, after, seen),
                    CloseKind::Complete => self.closed(before, after, seen, paid),
                }
            }
        }
    }

    fn closing(&mut self, before: &ProxyStorage, after: &ProxyStorage, seen: &Seen<'_>) {
        if before.state != ContractState::Normal
            || after.state != ContractState::Closing
            || after.unlock_ts != seen.now_unix_s + PROXY_DELAY_S
        {
            let detail = format!("proxy at {}: unlocked at {}", seen.now_unix_s, after.unlock_ts);
            self.find(Kind::Unlock, detail);
        }
    }

    fn closed(&mut self, before: &ProxyStorage, after: &ProxyStorage, seen: &Seen<'_>, paid_nanoton: u128) {
        if before.state != ContractState::Closing || seen.now_unix_s < before.unlock_ts {
            let detail = format!("proxy at {}: locked until {}", seen.now_unix_s, before.unlock_ts);
            self.find(Kind::Unlock, detail);
        }
        if after.state != ContractState::Closed || after.balance_nanoton != 0 || after.stake_nanoton != 0 {
            self.find(Kind::WrongEffect, "closing leaves a share");
        }
        let share = u128::from(before.balance_nanoton) + u128::from(before.stake_nanoton);
        if paid_nanoton > share {
            self.swept = Some(format!("the owner's share was {share}, paid were {paid_nanoton}"));
        } else if paid_nanoton < share {
            self.find(Kind::WrongEffect, format!("closing: {paid_nanoton} for {share}"));
        }
    }
}
