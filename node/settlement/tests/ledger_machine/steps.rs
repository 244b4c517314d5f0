//! Random sequences.

use chrysalis_settlement::ReportedUsage;
use proptest::prelude::*;

use crate::machine::{Report, Step};

/// Everything that any party can do, honest or not.
pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let which = 0..8_usize;
    let report = prop_oneof![
        4 => (0..=1000_u64).prop_map(Report::Share),
        1 => (1001..=100_000_u64).prop_map(Report::Share),
        1 => any::<[i64; 5]>().prop_map(|[prompt, cached, completion, reasoning, total]| {
            Report::Raw(ReportedUsage { prompt, cached, completion, reasoning, total })
        }),
        1 => (-10_000..10_000_i64).prop_map(|total| Report::Raw(ReportedUsage { total, ..ReportedUsage::default() })),
    ];
    let reserve = prop_oneof![
        4 => (0..200_i32, 0..500_u64, 0..4000_i32),
        1 => (any::<i32>(), 0..500_u64, any::<i32>()),
        1 => (-2000..200_i32, 0..500_u64, -4000..4000_i32),
    ];
    prop_oneof![
        8 => reserve.prop_map(|(max_tokens, request_bytes, max_coefficient)| {
            Step::Reserve { max_tokens, request_bytes, max_coefficient }
        }),
        1 => (which.clone(), 0..=1200_u64).prop_map(|(which, thousandths)| Step::Narrow { which, thousandths }),
        4 => (which.clone(), report).prop_map(|(which, report)| Step::Complete { which, report }),
        2 => (which.clone(), 0..=2000_u64).prop_map(|(which, thousandths)| Step::Fail { which, thousandths }),
        1 => which.prop_map(|which| Step::Release { which }),
        2 => Just(Step::StartFlush),
        2 => Just(Step::EndFlush),
        2 => (0..3_u32).prop_map(|behind| Step::CommitToChain { behind }),
        2 => Just(Step::BeginCharge),
        2 => any::<bool>().prop_map(|succeeds| Step::EndCharge { succeeds }),
        1 => Just(Step::BeginPayout),
        1 => any::<bool>().prop_map(|succeeds| Step::EndPayout { succeeds }),
        4 => Just(Step::SeeContract),
        3 => (0..200_000_u32).prop_map(|nanoton| Step::TopUp { nanoton }),
        1 => Just(Step::Withdraw),
        1 => (0..50_000_u32).prop_map(|nanoton| Step::RaiseStake { nanoton }),
        1 => Just(Step::SubmitOldCharge),
    ]
}

/// Sequences that begin with an open, funded account; some of them close it.
pub(crate) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let opening = [Step::TopUp { nanoton: 80_000 }, Step::SeeContract, Step::SeeContract];
    let closing = prop::collection::vec(prop_oneof![3 => any_step(), 1 => Just(Step::RequestRefund)], 0..30);
    (prop::collection::vec(any_step(), 0..150), closing)
        .prop_map(move |(middle, closing)| opening.into_iter().chain(middle).chain(closing).collect())
}
