//! Negative controls: each rule that no weak contract breaks is told a lie, and must say so.

use chrysalis_settlement::onchain::CodeProfile;

use super::*;
use crate::{cast::Contracts, watch::Tamper};

fn once(action: Action) -> Step {
    Step {
        action,
        delivery: Delivery::Once,
        slots: 20,
    }
}

fn top_up(by: Who) -> Step {
    once(Action::TopUp {
        client: 0,
        nanoton: 10_000_000_000,
        by,
    })
}

fn charge(tokens: u64) -> Step {
    once(Action::Charge {
        client: 0,
        tokens,
        by: Who::Owner,
    })
}

fn refund(by: Who) -> Step {
    once(Action::RequestRefund { client: 0, by })
}

fn payout(tokens: u64) -> Step {
    once(Action::Payout {
        worker: 0,
        tokens,
        last: false,
        by: Who::Owner,
    })
}

fn found(tamper: Option<Tamper>, steps: &[Step]) -> Vec<Kind> {
    let mut scene = Scene::new(Contracts::builtin(CodeProfile::Hardened)).unwrap();
    let mut stages = std::mem::take(&mut scene.stages);
    let (chain, _) = stages.first_mut().unwrap();
    let mut machine = Machine::new(&scene, chain);
    machine.watch.tamper = tamper;
    let outcome = machine.live(steps);
    outcome.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn honest_lives_find_nothing() {
    let steps = [
        top_up(Who::Owner),
        charge(100_000_000),
        payout(50_000_000),
        payout(500_000_000),
        refund(Who::Owner),
        refund(Who::Stranger),
        refund(Who::Owner),
    ];
    assert_eq!(found(None, &steps), []);
}

#[test]
fn a_counter_that_goes_back_is_seen() {
    let tamper: Tamper = |view, _| view.clients[0].as_mut().unwrap().tokens_used += 1;
    assert!(found(Some(tamper), &[top_up(Who::Owner)]).contains(&Kind::NotMonotonic));
    let tamper: Tamper = |view, _| view.wallet.as_mut().unwrap().seqno += 7;
    let order = once(Action::WalletOrder {
        too_much: false,
        bad_mode: false,
    });
    assert!(found(Some(tamper), &[order]).contains(&Kind::NotMonotonic));
}

#[test]
fn a_failure_that_changes_data_is_seen() {
    let tamper: Tamper = |view, record| {
        if record.phases.aborted {
            view.clients[0].as_mut().unwrap().secret_hash = [1; 32];
        }
    };
    assert!(found(Some(tamper), &[refund(Who::Stranger)]).contains(&Kind::AbortedChanged));
}

#[test]
fn what_comes_too_early_is_seen() {
    let tamper: Tamper = |view, _| {
        let client = view.clients[0].as_mut().unwrap();
        if client.unlock_ts > 0 {
            client.unlock_ts = u32::MAX;
        }
    };
    let steps = [top_up(Who::Owner), refund(Who::Owner), refund(Who::Owner)];
    assert!(found(Some(tamper), &steps).contains(&Kind::Unlock));
}

#[test]
fn an_effect_of_another_size_is_seen() {
    let tamper: Tamper = |view, _| view.clients[0].as_mut().unwrap().balance_nanoton += 1;
    assert!(found(Some(tamper), &[top_up(Who::Owner)]).contains(&Kind::WrongEffect));
    let tamper: Tamper = |view, _| view.proxy.as_mut().unwrap().balance_nanoton += 1;
    assert!(found(Some(tamper), &[once(Action::ProxyPayout)]).contains(&Kind::WrongEffect));
}

#[test]
fn a_bounce_that_restores_something_else_is_seen() {
    // The worker's claim is refused, because nobody was charged, and comes back.
    let tamper: Tamper = |view, record| {
        if record.in_message.as_ref().is_some_and(|message| message.is_bounced()) {
            view.workers[0].as_mut().unwrap().tokens += 1;
        }
    };
    assert!(found(Some(tamper), &[payout(1_000)]).contains(&Kind::LostClaim));
}

#[test]
fn books_that_do_not_add_up_are_seen() {
    let mut scene = Scene::new(Contracts::builtin(CodeProfile::Hardened)).unwrap();
    let mut stages = std::mem::take(&mut scene.stages);
    let (chain, start) = stages.first_mut().unwrap();
    let mut machine = Machine::new(&scene, chain);
    machine.step(&top_up(Who::Owner));
    machine.watch.book.clients[0].deposited += 1;
    machine.watch.book.paid[0] += 1;
    machine.step(&charge(1));
    let kinds: Vec<Kind> = machine.watch.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::ClientBooks, Kind::WorkerBooks]);
    // And the pool must hold every nano of it.
    chain.revert(start);
    let mut machine = Machine::new(&scene, chain);
    machine.step(&top_up(Who::Owner));
    machine.watch.view.proxy.as_mut().unwrap().stake_nanoton = 2_000_000_000;
    machine.watch.slot(&scene, machine.chain);
    let kinds: Vec<Kind> = machine.watch.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::PoolDoesNotCover]);
}

#[test]
fn who_may_not_is_seen() {
    // The owner's account is taken for a stranger's.
    let mut scene = Scene::new(Contracts::builtin(CodeProfile::Hardened)).unwrap();
    scene.rename(Person::ClientOwner(0), Person::Stranger);
    let mut stages = std::mem::take(&mut scene.stages);
    let (chain, _) = stages.first_mut().unwrap();
    let outcome = Machine::new(&scene, chain).live(&[top_up(Who::Owner), refund(Who::Owner)]);
    assert!(
        outcome
            .findings
            .iter()
            .any(|finding| finding.kind == Kind::Unauthorised)
    );
}

#[test]
fn what_never_ends_and_what_cannot_be_read_is_seen() {
    let mut scene = Scene::new(Contracts::builtin(CodeProfile::Hardened)).unwrap();
    let mut stages = std::mem::take(&mut scene.stages);
    let (chain, start) = stages.first_mut().unwrap();
    let mut machine = Machine::new(&scene, chain);
    machine.step(&Step {
        slots: 0,
        ..top_up(Who::Owner)
    });
    machine.settle(1);
    assert_eq!(machine.watch.findings[0].kind, Kind::NeverSettles);
    chain.revert(start);
    scene.clients[0].at = scene.person(Person::Stranger).clone();
    let outcome = Machine::new(&scene, chain).live(&[]);
    assert_eq!(outcome.findings[0].kind, Kind::Unreadable);
}
