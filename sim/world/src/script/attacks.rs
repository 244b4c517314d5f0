//! The threats to coins of spec §10.1, each carried out to its end: whether it worked is read from the chain.
//!
//! Under the reference's contracts each works, or its scenario proves nothing; under hardened ones none does.

use super::{
    ScriptError,
    actor::{Actor, message},
    operations::CALL_NANOTON,
    stage::{Stage, TON},
};
use crate::{deployment::Deployment, plan::Threat};
use chrysalis_env::Env;
use chrysalis_settlement::{PaymentKind, onchain::message::envelope::CloseKind};

/// How an attack ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) worked: bool,
    pub(super) detail: String,
}

impl End {
    fn new(worked: bool, detail: String) -> Self {
        Self { worked, detail }
    }
}

/// Sends with "ignore errors" left out, so that an order that cannot be paid for fails.
const MODE_SEPARATE_FEES: u8 = 1;
/// Two ways to carry coins that exclude each other: no message can have this mode.
const MODE_IMPOSSIBLE: u8 = 64 + 128;
const REPEATS: u32 = 5;

/// Carries out an attack.
pub(super) async fn carry_out(env: &Env, deployment: &Deployment, threat: Threat) -> Result<End, ScriptError> {
    let onchain = deployment
        .onchain()
        .ok_or_else(|| ScriptError::Step("there is no chain".to_owned()))?;
    let stage = Stage::new(env, onchain, threat).await?;
    match threat {
        Threat::TopUpWhileClosing => top_up_while_closing(&stage).await,
        Threat::CloseSweep => close_sweep(&stage).await,
        Threat::RefundWithoutStake => refund_without_stake(&stage).await,
        Threat::LostClaim => lost_claim(&stage).await,
        Threat::ChargeBeyondBalance => charge_beyond_balance(&stage).await,
        Threat::RedirectedExcesses => redirected_excesses(&stage).await,
        Threat::FrontRunning => front_running(&stage).await,
        Threat::ReplayedOrder => replayed_order(&stage).await,
        Threat::StolenKey => stolen_key(&stage).await,
    }
}

fn coins(nanoton: u128) -> String {
    format!("{}.{:09} TON", nanoton / TON, nanoton % TON)
}

/// What an actor has more than before, in words and as a number.
fn gain(actor: &Actor, before: u128) -> (u128, String) {
    let now = actor.balance();
    match now.checked_sub(before) {
        Some(more) => (more, format!("gained {}", coins(more))),
        None => (0, format!("lost {}", coins(before - now))),
    }
}

/// T1: Mallory tops up at a closing proxy, gets the coins back, and withdraws them a second time from the pool; in one
/// order, and then one after the other.
async fn top_up_while_closing(stage: &Stage) -> Result<End, ScriptError> {
    let (mallory, victim) = (&stage.mallory, &stage.victim);
    let client = stage.client(mallory).await?;
    let other = stage.client(victim).await?;
    stage.top_up(&other, victim, 80_000_000_000).await?;
    stage.close(CloseKind::Request).await?;
    let (before, put) = (mallory.balance(), 30_000_000_000);
    let both = [
        message(&client, CALL_NANOTON + u128::from(put), stage.top_up_body(mallory, put)),
        message(&client, CALL_NANOTON, stage.withdraw_body(mallory)),
    ];
    mallory.order(&both).await?;
    stage.top_up(&client, mallory, put).await?;
    mallory
        .send(&client, CALL_NANOTON, stage.withdraw_body(mallory))
        .await?;
    let (gained, words) = gain(mallory, before);
    let short = stage.owed(&[&client, &other])?.saturating_sub(stage.pool());
    Ok(End::new(
        gained > TON,
        format!("the client {words}; the pool is {} short", coins(short)),
    ))
}

/// T2: the owner of a proxy closes it and takes what clients have in it.
async fn close_sweep(stage: &Stage) -> Result<End, ScriptError> {
    let (house, victim) = (&stage.house, &stage.victim);
    let client = stage.client(victim).await?;
    stage.top_up(&client, victim, 50_000_000_000).await?;
    let before = (house.balance(), victim.balance());
    stage.close(CloseKind::Request).await?;
    stage.until_unlocked(stage.proxy_data()?.unlock_ts).await;
    stage.close(CloseKind::Complete).await?;
    stage
        .count(PaymentKind::ClientRefund, 0, &client, &stage.submitter)
        .await?;
    let ((taken, house_words), (refunded, _)) = (gain(house, before.0), gain(victim, before.1));
    let worked = taken > 40 * TON && refunded < TON;
    let detail = format!(
        "the proxy's owner {house_words}; the client was refunded {}",
        coins(refunded)
    );
    Ok(End::new(worked, detail))
}

/// T3: a client whose proxy does not answer forces its refund, and gets nothing.
async fn refund_without_stake(stage: &Stage) -> Result<End, ScriptError> {
    let victim = &stage.victim;
    let client = stage.client(victim).await?;
    stage.top_up(&client, victim, 15_000_000_000).await?;
    let asked = stage.request_refund(&client, victim).await?;
    asked.must_be_done_by(&client, "the request for the refund")?;
    stage.until_unlocked(stage.client_data(&client)?.unlock_ts).await;
    let before = victim.balance();
    let forced = stage.request_refund(&client, victim).await?;
    forced.must_be_done_by(&client, "the forced refund")?;
    let (refunded, words) = gain(victim, before);
    Ok(End::new(
        refunded < TON,
        format!("by the forced refund of a deposit of 15 TON, the client {words}"),
    ))
}

/// T4: a worker's payout comes when the pool cannot pay, and is never paid, though the pool can pay later.
async fn lost_claim(stage: &Stage) -> Result<End, ScriptError> {
    let (client_owner, worker_owner) = (&stage.mallory, &stage.victim);
    let client = stage.client(client_owner).await?;
    let worker = stage.worker(worker_owner).await?;
    let (tokens, before) = (1_000_000_000, worker_owner.balance());
    stage
        .count(PaymentKind::WorkerPayout, tokens, &worker, &stage.submitter)
        .await?;
    if worker_owner.balance() > before {
        return Err(ScriptError::Step("an empty pool has paid".to_owned()));
    }
    stage.top_up(&client, client_owner, 100_000_000_000).await?;
    let charged = stage
        .count(PaymentKind::ClientCharge, tokens, &client, &stage.submitter)
        .await?;
    charged.must_be_done_by(&client, "the charge")?;
    stage
        .count(PaymentKind::WorkerLastPayout, tokens, &worker, &stage.submitter)
        .await?;
    let (paid, words) = gain(worker_owner, before);
    let owed = u128::from(tokens) * 16;
    Ok(End::new(
        paid < owed,
        format!("of {} owed, the worker {words}", coins(owed)),
    ))
}

/// T5: a client has used more than its balance, and the worker is paid all the same.
async fn charge_beyond_balance(stage: &Stage) -> Result<End, ScriptError> {
    let (mallory, victim) = (&stage.mallory, &stage.victim);
    let client = stage.client(mallory).await?;
    let other = stage.client(victim).await?;
    let worker = stage.worker(mallory).await?;
    stage.top_up(&other, victim, 50_000_000_000).await?;
    stage.top_up(&client, mallory, 15_000_000_000).await?;
    let tokens = 2_000_000_000;
    stage
        .count(PaymentKind::ClientCharge, tokens, &client, &stage.submitter)
        .await?;
    stage
        .count(PaymentKind::WorkerPayout, tokens, &worker, &stage.submitter)
        .await?;
    let short = stage.owed(&[&client, &other])?.saturating_sub(stage.pool());
    Ok(End::new(short > 0, format!("the pool is {} short", coins(short))))
}

/// T6: a stranger submits a signed refund and a signed last payout with its own address.
async fn redirected_excesses(stage: &Stage) -> Result<End, ScriptError> {
    let (stranger, victim) = (&stage.mallory, &stage.victim);
    let client = stage.client(victim).await?;
    let worker = stage.worker(victim).await?;
    stage.top_up(&client, victim, 15_000_000_000).await?;
    let before = stranger.balance();
    stage.count(PaymentKind::ClientRefund, 0, &client, stranger).await?;
    stage.count(PaymentKind::WorkerLastPayout, 0, &worker, stranger).await?;
    let (gained, words) = gain(stranger, before);
    Ok(End::new(gained > 0, format!("the stranger {words}")))
}

/// T7: an observer submits each signed payment before the one whom it is for, whose own submission then fails.
async fn front_running(stage: &Stage) -> Result<End, ScriptError> {
    let victim = &stage.victim;
    let client = stage.client(victim).await?;
    let worker = stage.worker(victim).await?;
    stage.top_up(&client, victim, 50_000_000_000).await?;
    let payments = [
        (PaymentKind::ClientCharge, &client),
        (PaymentKind::WorkerPayout, &worker),
        (PaymentKind::ClientRefund, &client),
        (PaymentKind::WorkerLastPayout, &worker),
    ];
    let mut failed = 0;
    for (kind, contract) in payments {
        let query_id = 77;
        for from in [&stage.mallory, &stage.submitter] {
            let body = stage.signed(kind, query_id, 1_000, contract, from);
            let sent = from.send(contract, CALL_NANOTON, body).await?;
            if std::ptr::eq(from, &stage.mallory) {
                sent.must_be_done_by(contract, "the observer's submission")?;
            } else if sent.exit_code(contract) != Some(0) {
                failed += 1;
            }
        }
    }
    let detail = format!("{failed} of {} honest submissions failed", payments.len());
    let worked = all_or_none(failed, payments.len()).ok_or_else(|| ScriptError::Step(detail.clone()))?;
    Ok(End::new(worked, detail))
}

/// Contracts have the weak point in every payment, or in none; `None` if neither is so.
const fn all_or_none(failed: usize, of: usize) -> Option<bool> {
    match failed {
        0 => Some(false),
        failed if failed == of => Some(true),
        _ => None,
    }
}

/// T8: an order that cannot be carried out is accepted again and again.
async fn replayed_order(stage: &Stage) -> Result<End, ScriptError> {
    let wallet = stage.wallet().await?;
    if !stage.exists(&wallet) {
        return Err(ScriptError::Step("there is no wallet".to_owned()));
    }
    let before = stage.reach.balance(&wallet);
    let poor = stage.failing_order(MODE_SEPARATE_FEES, 900_000_000_000)?;
    let impossible = stage.failing_order(MODE_IMPOSSIBLE, 1_000_000_000)?;
    let mut most = 0;
    for order in [&poor, &impossible] {
        stage.repeat(order, REPEATS).await;
        most = most.max(stage.reach.acceptances(&wallet, order));
    }
    let burned = before.saturating_sub(stage.reach.balance(&wallet));
    let detail = format!(
        "one order was accepted {most} times of {REPEATS}; all burned {}",
        coins(burned)
    );
    Ok(End::new(most > 1, detail))
}

/// T9: whoever has the proxy's key signs a payout for work that nobody was charged for.
async fn stolen_key(stage: &Stage) -> Result<End, ScriptError> {
    let (mallory, victim) = (&stage.mallory, &stage.victim);
    let client = stage.client(victim).await?;
    let worker = stage.worker(mallory).await?;
    stage.top_up(&client, victim, 100_000_000_000).await?;
    let before = mallory.balance();
    stage
        .count(PaymentKind::WorkerPayout, 5_000_000_000, &worker, &stage.submitter)
        .await?;
    let (gained, words) = gain(mallory, before);
    let short = stage.owed(&[&client])?.saturating_sub(stage.pool());
    Ok(End::new(
        gained > 0 || short > 0,
        format!("the thief {words}; the pool is {} short", coins(short)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_running_works_on_all_payments_or_on_none() {
        assert_eq!(all_or_none(0, 4), Some(false));
        assert_eq!(all_or_none(4, 4), Some(true));
        for failed in 1..4 {
            assert_eq!(all_or_none(failed, 4), None, "no verdict");
        }
    }
}
