//! Whether each proxy's bookings add up: what clients are told, what signatures cover, what holders took.

use super::{Checked, Violation};
use crate::{
    deployment::{Account, AccountKind, Facts},
    plan::Plan,
    recorder::{Fault, Payment, Rows},
    users::RequestRecord,
};
use std::collections::BTreeMap;

/// A proxy writes its ledger every two seconds at most (spec §1.3) and then signs for what is in it. A bill that is made
/// this much later than a booking must cover it.
const COVERED_AFTER_NS: u64 = 5_000_000_000;
/// The same where a signature waits for a commit of the ledger to the chain: up to a minute to the next, and a second
/// try after two.
const COVERED_ON_CHAIN_AFTER_NS: u64 = 240_000_000_000;

/// Proxy, kind and holder of an account.
type AccountKey<'a> = (&'a str, AccountKind, &'a str);

/// A request that a proxy booked.
#[derive(Debug, Clone, Copy)]
struct Booking {
    at_ns: u64,
    tokens: u64,
}

/// Bookings in order of time, as sums from the start.
#[derive(Debug, Default)]
struct Sums {
    at_ns: Vec<u64>,
    /// `total[i]`: what the first `i` bookings come to.
    total: Vec<u64>,
}

impl Sums {
    fn add(&mut self, booking: Booking) {
        let before = self.total.last().copied().unwrap_or(0);
        if self.total.is_empty() {
            self.total.push(0);
        }
        self.at_ns.push(booking.at_ns);
        self.total.push(before.saturating_add(booking.tokens));
    }

    /// What was booked until this moment, this moment included.
    fn until(&self, at_ns: u64) -> u64 {
        let count = self.at_ns.partition_point(|booked| *booked <= at_ns);
        self.total.get(count).copied().unwrap_or(0)
    }
}

/// When a proxy's process, disk or power was not as it should be.
#[derive(Debug, Default)]
struct Troubles {
    /// Beginning and end; `u64::MAX` if it never ends.
    spans: Vec<(u64, u64)>,
}

impl Troubles {
    /// Faults of a node, and of the chain that it commits to.
    fn of(node: &str, faults: &[Fault], plan: &Plan) -> Self {
        let mut troubles = Self::of_node(node, faults);
        let chain = plan.settlement.iter().map(|settlement| &settlement.faults);
        for faults in chain {
            let externals = faults.externals.iter();
            let own = externals.filter(|fault| fault.node.as_deref().is_none_or(|name| name == node));
            let own = own.map(|fault| (fault.from_ns, fault.to_ns.unwrap_or(u64::MAX)));
            let missed = faults.missed_slots.iter().map(|span| (span.from_ns, span.to_ns));
            let slow = faults.slow_finality.iter().map(|span| (span.from_ns, span.to_ns));
            let full = faults.congestion.iter().map(|span| (span.from_ns, span.to_ns));
            troubles.spans.extend(own.chain(missed).chain(slow).chain(full));
        }
        troubles.spans.sort_unstable();
        troubles
    }

    fn of_node(node: &str, faults: &[Fault]) -> Self {
        let mut open: BTreeMap<&str, u32> = BTreeMap::new();
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for fault in faults.iter().filter(|fault| fault.target == node) {
            let before: u32 = open.values().sum();
            match fault.kind.as_str() {
                "kill" | "power_loss" => *open.entry("process").or_default() += 1,
                // It strikes at some later time, possibly after a restart.
                "power_loss_in_disk_work" => *open.entry("armed").or_default() += 1,
                "restart" | "restart_wiped" => drop(open.remove("process")),
                "pause" => *open.entry("pause").or_default() += 1,
                "resume" => {
                    if let Some(pauses) = open.get_mut("pause") {
                        *pauses = pauses.saturating_sub(1);
                    }
                }
                "disk_full" | "disk_errors" => *open.entry("disk").or_default() += 1,
                "disk_mended" => drop(open.remove("disk")),
                _ => continue,
            }
            match (before, open.values().sum::<u32>()) {
                (0, 1..) => spans.push((fault.at_ns, u64::MAX)),
                (1.., 0) => {
                    if let Some(last) = spans.last_mut() {
                        last.1 = fault.at_ns;
                    }
                }
                _ => {}
            }
        }
        Self { spans }
    }

    /// Since when all has been well at this moment; `None` if it is not.
    fn calm_since(&self, at_ns: u64) -> Option<u64> {
        let mut since = 0;
        for (_, to) in self.spans.iter().take_while(|(from, _)| *from <= at_ns) {
            if at_ns <= *to {
                return None;
            }
            since = since.max(*to);
        }
        Some(since)
    }

    fn any_from(&self, at_ns: u64) -> bool {
        self.spans.iter().any(|(_, to)| *to >= at_ns)
    }
}

/// What a proxy booked, by the account that it must be on.
#[derive(Default)]
pub(super) struct Book<'a> {
    accounts: BTreeMap<AccountKey<'a>, Sums>,
    /// Requests whose client or worker died before it could say that they were its own.
    unknown: BTreeMap<(&'a str, AccountKind), Sums>,
    count: usize,
}

impl<'a> Book<'a> {
    pub(super) fn of(plan: &'a Plan, requests: &'a [RequestRecord], rows: &'a Rows) -> Self {
        let holders = |role: &str| -> BTreeMap<&str, &str> {
            let ends = rows.ends.iter().filter(|end| end.role == role);
            ends.map(|end| (end.request_id.as_str(), end.node.as_str())).collect()
        };
        let (mut clients, workers) = (holders("client"), holders("worker"));
        let client_of_user: BTreeMap<&str, &str> = plan
            .users
            .iter()
            .filter_map(|user| Some((user.name.as_str(), plan.clients.get(user.client)?.node.name.as_str())))
            .collect();
        for record in requests {
            if let (Some(id), Some(client)) = (&record.request_id, client_of_user.get(record.user.as_str())) {
                clients.entry(id).or_insert(client);
            }
        }
        let mut book = Self::default();
        for end in rows
            .ends
            .iter()
            .filter(|end| end.role == "proxy" && end.adjusted_tokens > 0)
        {
            book.count += 1;
            let booking = Booking {
                at_ns: end.at_ns,
                tokens: end.adjusted_tokens,
            };
            for (kind, holders) in [(AccountKind::Client, &clients), (AccountKind::Worker, &workers)] {
                let sums = match holders.get(end.request_id.as_str()) {
                    Some(holder) => book.accounts.entry((&end.node, kind, holder)).or_default(),
                    None => book.unknown.entry((&end.node, kind)).or_default(),
                };
                sums.add(booking);
            }
        }
        book
    }

    /// The most that can be on an account at this moment.
    pub(super) fn most(&self, account: &Account, at_ns: u64) -> u64 {
        let own = self.accounts.get(&(&*account.proxy, account.kind, &*account.holder));
        let unknown = self.unknown.get(&(&*account.proxy, account.kind));
        let until = |sums: Option<&Sums>| sums.map_or(0, |sums| sums.until(at_ns));
        until(own).saturating_add(until(unknown))
    }
}

/// What is wrong, if anything: every check is on all rows, so that one proxy's honest books hide nobody else's.
pub(super) fn conservation(plan: &Plan, facts: &Facts, requests: &[RequestRecord], rows: &Rows) -> Checked {
    let book = Book::of(plan, requests, rows);
    let violation = told_is_booked(rows)
        .or_else(|| never_more_than_booked(facts, &book, rows))
        .or_else(|| every_booking_is_billed(plan, facts, &book, rows));
    Checked {
        count: book.count,
        violation,
    }
}

/// A client that got its whole answer was told the charge: it is what its proxy booked for the request.
fn told_is_booked(rows: &Rows) -> Option<Violation> {
    let booked: BTreeMap<&str, u64> = rows
        .ends
        .iter()
        .filter(|end| end.role == "proxy")
        .map(|end| (end.request_id.as_str(), end.adjusted_tokens))
        .collect();
    rows.ends
        .iter()
        .filter(|end| end.role == "client" && end.code == 0)
        .find_map(|end| {
            let booked = booked.get(end.request_id.as_str()).copied().unwrap_or(0);
            (booked != end.adjusted_tokens).then(|| {
                let text = format!(
                    "{} was told {} tokens for request {}, and {booked} were booked",
                    end.node, end.adjusted_tokens, end.request_id
                );
                Violation::at(end.at_ns, text)
            })
        })
}

/// No signature, and nothing that a client or worker took, covers more than was booked on that account by then.
fn never_more_than_booked(facts: &Facts, book: &Book<'_>, rows: &Rows) -> Option<Violation> {
    rows.payments
        .iter()
        .filter(|payment| payment.tokens > 0)
        .find_map(|payment| {
            let Payment {
                at_ns,
                node,
                kind,
                contract,
                tokens,
                ..
            } = payment;
            let wrong = |why: String| {
                Some(Violation::at(
                    *at_ns,
                    format!("{node}: {kind} of {tokens} tokens, {why}"),
                ))
            };
            let Some(account) = facts.accounts.get(contract) else {
                return wrong(format!("and {contract} is nobody's contract"));
            };
            let owner = match (payment.role.as_str(), account.kind) {
                ("proxy", AccountKind::Client) if kind == "client_charge" => &account.proxy,
                ("proxy", AccountKind::Worker) if kind == "worker_payout" => &account.proxy,
                ("client", AccountKind::Client) | ("worker", AccountKind::Worker) => &account.holder,
                _ => return wrong(format!("and {contract} is of another kind")),
            };
            if owner != node {
                return wrong(format!("and {contract} is of {owner}"));
            }
            let booked = book.most(account, *at_ns);
            (*tokens > booked)
                .then(|| wrong(format!("and {booked} were booked for {} by then", account.holder)))
                .flatten()
        })
}

/// While nothing is wrong with a proxy: a bill follows on every booking, to both sides of the request, and a bill covers
/// what was booked some time before.
fn every_booking_is_billed(plan: &Plan, facts: &Facts, book: &Book<'_>, rows: &Rows) -> Option<Violation> {
    let mut bills: BTreeMap<AccountKey<'_>, Vec<(u64, u64)>> = BTreeMap::new();
    for payment in rows.payments.iter().filter(|payment| payment.role == "proxy") {
        if let Some(account) = facts.accounts.get(&payment.contract) {
            bills
                .entry((&account.proxy, account.kind, &account.holder))
                .or_default()
                .push((payment.at_ns, payment.tokens));
        }
    }
    let covered_after_ns = if facts.commits_to_chain {
        COVERED_ON_CHAIN_AFTER_NS
    } else {
        COVERED_AFTER_NS
    };
    let mut troubles: BTreeMap<&str, Troubles> = BTreeMap::new();
    for (key @ (proxy, _, holder), sums) in &book.accounts {
        let troubles = troubles
            .entry(proxy)
            .or_insert_with(|| Troubles::of(proxy, &rows.faults, plan));
        let bills = bills.get(key).map_or(&[][..], Vec::as_slice);
        for (at_ns, tokens) in bills {
            let Some(since_ns) = troubles.calm_since(*at_ns) else {
                continue;
            };
            let due = sums
                .until(at_ns.saturating_sub(covered_after_ns))
                .saturating_sub(if since_ns == 0 { 0 } else { sums.until(since_ns) });
            if *tokens < due {
                let text = format!(
                    "{proxy} signed for {tokens} tokens of {holder}, although it had booked {due} more than {} s before",
                    covered_after_ns / 1_000_000_000
                );
                return Some(Violation::at(*at_ns, text));
            }
        }
        let last_bill = bills.iter().map(|(at_ns, _)| *at_ns).max();
        let last_booking = sums.at_ns.last().copied().unwrap_or(0);
        if last_bill.is_none_or(|bill| bill < last_booking) && !troubles.any_from(last_booking) {
            let text = format!("{proxy} booked tokens for {holder} and made no bill after it");
            return Some(Violation::at(last_booking, text));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        properties::tests::{end, facts, fault, payment, plan},
        recorder::End,
    };

    const S: u64 = 1_000_000_000;

    /// Two requests, ten seconds apart, with all their bills.
    fn honest() -> Rows {
        let request = |at_ns: u64, id: &str, tokens: u64| -> [End; 3] {
            [
                end(at_ns, "worker-1", "worker", id, tokens),
                end(at_ns + 1, "proxy-1", "proxy", id, tokens),
                end(at_ns + 2, "client-1", "client", id, tokens),
            ]
        };
        let bills = |at_ns: u64, tokens: u64| {
            [
                payment(at_ns, "proxy-1", "proxy", "worker_payout", "W", tokens),
                payment(at_ns, "proxy-1", "proxy", "client_charge", "C", tokens),
                payment(at_ns + 1, "client-1", "client", "taken", "C", tokens),
                payment(at_ns + 1, "worker-1", "worker", "taken", "W", tokens),
            ]
        };
        Rows {
            ends: [request(S, "a", 100), request(11 * S, "b", 50)].concat(),
            payments: [bills(S + 1, 0), bills(11 * S + 1, 100), bills(20 * S, 150)].concat(),
            ..Rows::default()
        }
    }

    fn judge(rows: &Rows) -> Checked {
        conservation(&plan(), &facts(), &[], rows)
    }

    fn wrong(rows: &Rows) -> String {
        judge(rows).violation().expect("it must be seen").to_owned()
    }

    #[test]
    fn honest_books_add_up_and_no_books_are_nothing_to_check() {
        assert!(judge(&honest()).is_held_by(2), "{:?}", judge(&honest()));
        assert!(judge(&Rows::default()).is_held_by(0));
    }

    #[test]
    fn a_proxy_that_never_signs_is_seen() {
        let mut rows = honest();
        rows.payments.clear();
        assert_eq!(
            wrong(&rows),
            "proxy-1 booked tokens for client-1 and made no bill after it"
        );
        // One side alone.
        for kind in ["worker_payout", "client_charge"] {
            let mut rows = honest();
            rows.payments.retain(|payment| payment.kind != kind);
            assert!(wrong(&rows).contains("made no bill after it"));
        }
        // Bills that cover nothing.
        let mut rows = honest();
        rows.payments.iter_mut().for_each(|payment| payment.tokens = 0);
        assert!(wrong(&rows).contains("although it had booked 100 more than 5 s before"));
    }

    #[test]
    fn a_proxy_that_signs_too_little_or_too_much_is_seen() {
        let mut rows = honest();
        rows.payments
            .iter_mut()
            .for_each(|payment| payment.tokens = payment.tokens.min(100));
        assert!(
            wrong(&rows).contains("signed for 100 tokens"),
            "the second request is kept back"
        );
        for index in [4, 5, 6, 7] {
            let mut rows = honest();
            rows.payments[index].tokens = 151;
            assert!(wrong(&rows).contains("150 were booked"), "{index}");
        }
        let mut rows = honest();
        rows.payments[4].contract = "X".into();
        assert!(wrong(&rows).contains("nobody's contract"));
        let mut rows = honest();
        rows.payments[4].contract = "C".into();
        assert!(wrong(&rows).contains("of another kind"));
        let mut rows = honest();
        rows.payments[6].node = "client-2".into();
        assert!(wrong(&rows).contains("is of client-1"));
    }

    #[test]
    fn a_client_that_is_told_another_charge_is_seen() {
        let mut rows = honest();
        rows.ends[2].adjusted_tokens = 101;
        assert_eq!(
            wrong(&rows),
            "client-1 was told 101 tokens for request a, and 100 were booked"
        );
        // What a client got of a request that failed says nothing.
        rows.ends[2].code = 601;
        assert!(judge(&rows).violation().is_none());
    }

    #[test]
    fn a_proxy_in_trouble_owes_no_signature_for_what_it_lost() {
        // It dies after the first request and comes back with nothing of it on its disk.
        let mut rows = honest();
        rows.payments
            .iter_mut()
            .for_each(|payment| payment.tokens = payment.tokens.saturating_sub(100));
        assert!(
            judge(&rows).violation().is_some(),
            "negative control: without the faults it must sign"
        );
        rows.faults = vec![fault(2 * S, "kill", "proxy-1"), fault(3 * S, "restart", "proxy-1")];
        assert!(judge(&rows).is_held_by(2), "{:?}", judge(&rows));
        // Another node's trouble is no excuse, and neither is one that is long over.
        rows.faults = vec![fault(2 * S, "kill", "worker-1"), fault(3 * S, "restart", "worker-1")];
        assert!(judge(&rows).violation().is_some());
        rows.faults = vec![fault(0, "pause", "proxy-1"), fault(S / 2, "resume", "proxy-1")];
        assert!(judge(&rows).violation().is_some());
    }

    #[test]
    fn bookings_of_a_worker_that_died_count_for_whoever_was_paid() {
        let mut rows = honest();
        rows.ends.retain(|end| end.role != "worker" || end.request_id != "b");
        assert!(judge(&rows).is_held_by(2), "{:?}", judge(&rows));
    }
}
