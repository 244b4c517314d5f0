//! What a worker contract may do (§6.5).

use chrysalis_settlement::{
    PaymentKind,
    onchain::{
        message::WorkerMessage,
        storage::{ContractState, WorkerStorage},
    },
};

use super::{Seen, Watch};
use crate::{
    book::Claim,
    cast::{PRICE_NANOTON, Person, Role, Scene, WORKER_FEE_NANOTON},
    finding::Kind,
    view::View,
};

/// Enough for any message, so that a failure is not for want of value.
const ENOUGH_NANOTON: u128 = 500_000_000;

impl Watch {
    pub(super) fn worker(&mut self, scene: &Scene, before: &View, seen: &Seen<'_>, index: usize) -> Option<()> {
        let role = Role::Worker(index);
        let Some(before) = before.workers[index].clone() else {
            // Deployed by this transaction.
            return Some(());
        };
        let after = self.view.workers[index].clone()?;
        if seen.is_bounced {
            self.worker_bounce(&before, &after, seen, index);
            return Some(());
        }
        let owner = Person::WorkerOwner(index);
        let parsed = WorkerMessage::parse(&seen.body);
        if let Ok(WorkerMessage::Signed(count)) = &parsed {
            let is_closed = before.state == ContractState::Closed;
            let is_settled = match count.kind {
                PaymentKind::WorkerPayout => !is_closed,
                PaymentKind::WorkerLastPayout => is_closed,
                PaymentKind::ClientCharge | PaymentKind::ClientRefund => false,
            };
            if is_settled && before.tokens == count.tokens && seen.value_nanoton >= ENOUGH_NANOTON {
                self.settled(role, seen, owner);
            }
        }
        if !seen.is_success {
            return Some(());
        }
        let claims = self.claims(scene, role, seen.record);
        if after.tokens < before.tokens || after.state.number() < before.state.number() {
            self.find(Kind::NotMonotonic, format!("worker {index}: {before:?} to {after:?}"));
        }
        match parsed {
            Ok(WorkerMessage::Register { .. }) => {
                self.only(seen, owner, "announcement");
                if after != before {
                    self.find(Kind::WrongEffect, format!("worker {index}: announcement"));
                }
            }
            Ok(WorkerMessage::Signed(count)) => {
                if !count.verifies(&scene.proxy_key.public()) || count.my_address != scene.workers[index].address {
                    self.find(Kind::Unauthorised, format!("worker {index}: {count:?}"));
                    return Some(());
                }
                if let Some(Role::Person(person)) = seen.from {
                    self.book.settled_by.insert(role, person);
                }
                let tokens = u128::from(after.tokens - before.tokens);
                let expected = Claim::Payout {
                    pay_nanoton: tokens * u128::from(WORKER_FEE_NANOTON),
                    save_nanoton: tokens * u128::from(PRICE_NANOTON - WORKER_FEE_NANOTON),
                };
                if after.tokens != count.tokens || (tokens > 0 && claims != [expected]) {
                    self.find(
                        Kind::WrongEffect,
                        format!("worker {index}: {:?}, {claims:?}", count.kind),
                    );
                }
            }
            Err(_) if after != before => {
                self.find(Kind::WrongEffect, format!("worker {index}: a body that is none"));
            }
            Err(_) => {}
        }
        Some(())
    }

    fn worker_bounce(&mut self, before: &WorkerStorage, after: &WorkerStorage, seen: &Seen<'_>, index: usize) {
        let from_proxy = seen.from == Some(Role::Proxy);
        let claim = self.bounced(Role::Worker(index)).filter(|_| from_proxy);
        let Some(Claim::Payout {
            pay_nanoton,
            save_nanoton,
        }) = claim
        else {
            if after != before {
                self.find(Kind::BounceUnaccounted, format!("worker {index}"));
            }
            return;
        };
        let unpaid = (pay_nanoton + save_nanoton) / u128::from(PRICE_NANOTON);
        if u128::from(after.tokens) + unpaid != u128::from(before.tokens) {
            self.find(Kind::LostClaim, format!("worker {index}: {unpaid} tokens unpaid"));
        } else if after.state == ContractState::Closed && unpaid > 0 {
            // Nobody could ask for them again.
            self.find(
                Kind::LostClaim,
                format!("worker {index}: closed with {unpaid} tokens unpaid"),
            );
        }
    }
}
