//! What a plan says of its chain, as the chain's own data.

use crate::plan::{
    ChainFaults, ExternalFaultKind, ExternalFaultPlan, FeeChange, FeePlan, MissedSlotsPlan, Producer, SettlementPlan,
};
use chrysalis_chain::{
    Genesis, StdAddr,
    chain::{
        BlockLimits, ConfigChange, Congestion, ExternalFault, ExternalFilter, MissedSlots, Producer as SlotProducer,
        SlowFinality,
    },
    exec::{Config, ConfigError, FeeSchedule, config::DEFAULT_VERSION},
};
use std::sync::Arc;

/// A block takes messages beyond its soft limit, up to this multiple of it.
const HARD_LIMIT_FACTOR: u64 = 2;

fn schedule(fees: FeePlan) -> FeeSchedule {
    match fees {
        FeePlan::Old => FeeSchedule::old(),
        FeePlan::New => FeeSchedule::new(),
    }
}

/// The chain before its first block, without accounts.
pub(super) fn genesis(
    plan: &SettlementPlan,
    start_unix_s: u32,
    seed: [u8; 32],
    wallet: impl Fn(&str) -> StdAddr,
) -> Result<Genesis, ConfigError> {
    let mut genesis = Genesis::with_config(Config::from_fees(&schedule(plan.fees), DEFAULT_VERSION, start_unix_s)?);
    genesis.start_unix_s = start_unix_s;
    genesis.seed = seed;
    for change in &plan.fee_changes {
        genesis.config_changes.push(ConfigChange {
            from_ns: change.at_ns,
            config: Arc::new(Config::from_fees(&changed(change), DEFAULT_VERSION, start_unix_s)?),
        });
    }
    let ChainFaults {
        externals,
        missed_slots,
        slow_finality,
        congestion,
    } = &plan.faults;
    genesis.faults.externals = externals.iter().map(|fault| external(fault, &wallet)).collect();
    genesis.faults.slow_finality = slow_finality
        .iter()
        .map(|slow| SlowFinality {
            from_ns: slow.from_ns,
            to_ns: slow.to_ns,
            extra_ns: slow.extra_ns,
        })
        .collect();
    let interval_ns = genesis.block_interval_ns;
    genesis.missed_slots = missed_slots.iter().map(|missed| slots(missed, interval_ns)).collect();
    genesis.congestion = congestion
        .iter()
        .map(|congestion| Congestion {
            from_ns: congestion.from_ns,
            to_ns: congestion.to_ns,
            limits: BlockLimits {
                gas_soft: congestion.block_gas,
                gas_hard: congestion.block_gas.saturating_mul(HARD_LIMIT_FACTOR),
                ..BlockLimits::BASE
            },
        })
        .collect();
    Ok(genesis)
}

fn changed(change: &FeeChange) -> FeeSchedule {
    let mut fees = schedule(change.fees).scaled_permille(change.factor_permille);
    for price in &mut fees.storage {
        price.bit_price_ps = price.bit_price_ps.saturating_mul(change.storage_factor.into());
        price.cell_price_ps = price.cell_price_ps.saturating_mul(change.storage_factor.into());
    }
    fees
}

fn external(fault: &ExternalFaultPlan, wallet: impl Fn(&str) -> StdAddr) -> ExternalFault {
    use chrysalis_chain::chain::ExternalFaultKind as Kind;
    ExternalFault {
        filter: ExternalFilter {
            from_ns: fault.from_ns,
            to_ns: fault.to_ns,
            to: fault.node.as_deref().map(wallet),
            ordinal: None,
        },
        kind: match fault.kind {
            ExternalFaultKind::Drop => Kind::Drop,
            ExternalFaultKind::Delay(by_ns) => Kind::Delay { by_ns },
            ExternalFaultKind::Duplicate(after_ns) => Kind::Duplicate { after_ns },
            ExternalFaultKind::Swap => Kind::SwapWithNext,
        },
    }
}

/// Slots whose time is in the span, its end excluded.
fn slots(missed: &MissedSlotsPlan, interval_ns: u64) -> MissedSlots {
    let from_slot = missed.from_ns.div_ceil(interval_ns).max(1);
    let to_slot = missed.to_ns.div_ceil(interval_ns);
    MissedSlots {
        from_slot,
        slots: to_slot.saturating_sub(from_slot),
        producer: match missed.producer {
            Producer::Masterchain => SlotProducer::Masterchain,
            Producer::Shards => SlotProducer::Shards,
            Producer::All => SlotProducer::All,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_whose_time_is_in_the_span() {
        let missed = |from_ns, to_ns| {
            let plan = MissedSlotsPlan {
                from_ns,
                to_ns,
                producer: Producer::All,
            };
            let slots = slots(&plan, 400);
            (slots.from_slot, slots.slots)
        };
        assert_eq!(missed(0, 400), (1, 0), "slot 1 is at 400");
        assert_eq!(missed(0, 401), (1, 1));
        assert_eq!(missed(800, 1_600), (2, 2));
        assert_eq!(missed(801, 1_600), (3, 1));
    }

    #[test]
    fn a_vote_can_make_storage_dear_and_nothing_else() {
        let change = FeeChange {
            at_ns: 0,
            fees: FeePlan::New,
            factor_permille: 1_000,
            storage_factor: 1_000_000,
        };
        let (new, changed) = (FeeSchedule::new(), changed(&change));
        assert_eq!(changed.gas, new.gas);
        assert_eq!(changed.storage[1].cell_price_ps, 135_000_000);
    }
}
