//! Class M5: for each rule what it refuses and the nearest that it accepts.

mod gpu;
mod snp;
mod tdx;

use super::{Class, Expectation, Lab, Mutant, lab::Subject, structure::List};
use crate::appraise::ReasonClass;

const OK: Expectation = Expectation::Accepted;
const POLICY: Expectation = Expectation::RefusedAs(ReasonClass::Policy);
const ENDORSEMENT: Expectation = Expectation::RefusedAs(ReasonClass::Endorsement);
const SIGNATURE: Expectation = Expectation::RefusedAs(ReasonClass::Signature);
const TCB: Expectation = Expectation::RefusedAs(ReasonClass::Tcb);
const TIME: Expectation = Expectation::RefusedAs(ReasonClass::Time);
const BINDING: Expectation = Expectation::RefusedAs(ReasonClass::Binding);
const ENCODING: Expectation = Expectation::RefusedAs(ReasonClass::Encoding);

pub(super) fn mutants(lab: &Lab) -> Vec<Mutant> {
    let mut list = List::new(lab, Class::M5Semantics);
    list.add("nothing", Expectation::Same, |_| {});
    list.add("no rules for this kind", POLICY, |case| {
        case.policy.tdx = None;
        case.policy.snp = None;
        case.policy.gpu = None;
    });
    list.add("answered at the last second", Expectation::Same, |case| {
        case.challenged_unix_s = Some(case.now_unix_s - 60);
    });
    list.add("answered a second late", BINDING, |case| {
        case.challenged_unix_s = Some(case.now_unix_s - 61);
    });
    list.add("challenged in the future", BINDING, |case| {
        case.challenged_unix_s = Some(case.now_unix_s + 1);
    });
    list.add("not challenged", BINDING, |case| case.challenged_unix_s = None);
    match lab.subject {
        Subject::Tdx(form) => {
            binding_of_a_cpu(&mut list);
            tdx::mutants(&mut list, form);
        }
        Subject::Snp(product) => {
            binding_of_a_cpu(&mut list);
            snp::mutants(&mut list, product);
        }
        Subject::Gpu(architecture) => gpu::mutants(&mut list, architecture),
    }
    list.all
}

fn binding_of_a_cpu(list: &mut List<'_>) {
    for bit in [0, 255, 511] {
        list.add(format!("report data differ in bit {bit}"), BINDING, |case| {
            if let Some(data) = &mut case.report_data {
                data[bit / 8] ^= 1 << (bit % 8);
            }
        });
    }
    list.add(
        "report data left to the caller, age not limited",
        Expectation::Same,
        |case| {
            case.report_data = None;
            if let Some(rules) = &mut case.policy.tdx {
                rules.max_challenge_age_s = None;
            }
            if let Some(policy) = &mut case.policy.snp {
                policy.max_challenge_age_s = None;
            }
        },
    );
    list.add("report data left to the caller, age limited", BINDING, |case| {
        case.report_data = None;
    });
}
