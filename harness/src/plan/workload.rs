//! Arrivals and requests of a group of users.

use chrysalis_world::plan::{Pace, RequestPlan, UserPlan};

use super::prompts::prompt;
use super::sampling::{minus_ln, span_ns};
use super::streams::{Stream, Streams};
use crate::scenario::limits::TOKENS_MAX;
use crate::scenario::model::{Arrivals, UserGroup};
use crate::scenario::scalar::Rate;

/// The streams of one group, one for each thing that is drawn: a change to one leaves the others as they were.
struct Draws {
    arrivals: Stream,
    users: Stream,
    prompts: Stream,
    tokens: Stream,
    hang_ups: Stream,
}

/// The users of a group with their requests.
pub(super) fn users(group: &UserGroup, streams: &Streams) -> Vec<UserPlan> {
    let stream = |what: &str| streams.stream(&format!("plan/workload/{}/{what}", group.name));
    let mut draws = Draws {
        arrivals: stream("arrivals"),
        users: stream("users"),
        prompts: stream("prompts"),
        tokens: stream("tokens"),
        hang_ups: stream("hang-ups"),
    };
    let pace = match group.arrivals {
        Arrivals::Closed { think_ns } => Pace::Closed { think_ns },
        Arrivals::Poisson(_) | Arrivals::Uniform(_) | Arrivals::At(_) => Pace::Open,
    };
    let mut users: Vec<UserPlan> = group
        .clients
        .iter()
        .zip(1_u64..)
        .map(|(client, number)| UserPlan {
            name: format!("{}-{number}", group.name),
            client: *client,
            pace,
            requests: Vec::new(),
        })
        .collect();
    for (number, (at_ns, user)) in (0_u64..).zip(arrivals(group, users.len(), &mut draws)) {
        let request = request(group, number, at_ns, &mut draws);
        if let Some(user) = users.get_mut(user) {
            user.requests.push(request);
        }
    }
    users.retain(|user| !user.requests.is_empty());
    users
}

/// The time of each request and the index of its user, ordered by time for each user.
fn arrivals(group: &UserGroup, users: usize, draws: &mut Draws) -> Vec<(u64, usize)> {
    let limit = usize::try_from(group.requests_max).unwrap_or(usize::MAX);
    match &group.arrivals {
        Arrivals::Poisson(rate) => {
            let times = poisson(*rate, group.start_ns, group.stop_ns, limit, &mut draws.arrivals);
            // Dealing out a Poisson process at random gives each user one of its own.
            times
                .into_iter()
                .map(|at_ns| (at_ns, draws.users.index(users)))
                .collect()
        }
        Arrivals::Uniform(rate) => {
            let times = evenly(*rate, group.start_ns, group.stop_ns, limit);
            times.into_iter().zip((0..users).cycle()).collect()
        }
        Arrivals::At(times) => times.iter().copied().take(limit).zip((0..users).cycle()).collect(),
        Arrivals::Closed { think_ns } => {
            // Users begin at different moments of one pause: people do not start in step.
            let window_ns = group.stop_ns.saturating_sub(group.start_ns);
            let starts: Vec<u64> = (0..users)
                .map(|_| {
                    group
                        .start_ns
                        .saturating_add(draws.arrivals.below((*think_ns).min(window_ns)))
                })
                .collect();
            (0..users)
                .cycle()
                .take(limit)
                .filter_map(|user| Some((*starts.get(user)?, user)))
                .collect()
        }
    }
}

/// A Poisson process: independent exponential gaps, summed with 32 fraction bits so that rounding does not add up.
fn poisson(rate: Rate, start_ns: u64, stop_ns: u64, limit: usize, stream: &mut Stream) -> Vec<u64> {
    let mean_e6 = u128::from(rate.per_ns) * 1_000_000;
    let window = u128::from(stop_ns.saturating_sub(start_ns)) << 32;
    let mut times = Vec::new();
    let mut elapsed = 0_u128;
    while times.len() < limit {
        // A draw is below 2^38, a mean below 2^62 even in hours: the product fits.
        elapsed = elapsed.saturating_add(minus_ln(stream.bits()) * mean_e6 / u128::from(rate.events_e6).max(1));
        if elapsed >= window {
            break;
        }
        times.push(start_ns.saturating_add(u64::try_from(elapsed >> 32).unwrap_or(u64::MAX)));
    }
    times
}

/// Even distances, each time computed from the start so that nothing drifts.
fn evenly(rate: Rate, start_ns: u64, stop_ns: u64, limit: usize) -> Vec<u64> {
    let distance = |number: u128| number * u128::from(rate.per_ns) * 1_000_000 / u128::from(rate.events_e6).max(1);
    (0_u128..)
        .map(|number| start_ns.saturating_add(u64::try_from(distance(number)).unwrap_or(u64::MAX)))
        .take_while(|at_ns| *at_ns < stop_ns)
        .take(limit)
        .collect()
}

fn request(group: &UserGroup, number: u64, at_ns: u64, draws: &mut Draws) -> RequestPlan {
    let tokens = span_ns(group.tokens, &mut draws.tokens).clamp(1, TOKENS_MAX);
    let hang_up_after_ns = group.hang_up.and_then(|hang_up| {
        // Both are drawn for every request, so that a change of the share leaves the times as they were.
        let after_ns = span_ns(hang_up.after, &mut draws.hang_ups);
        draws.hang_ups.happens(hang_up.share_bp).then_some(after_ns)
    });
    RequestPlan {
        at_ns,
        endpoint: group.endpoint,
        model: group.model.clone(),
        prompt: prompt(&group.prompts, number, &mut draws.prompts),
        max_tokens: u32::try_from(tokens).unwrap_or(u32::MAX),
        stream: group.stream,
        timeout_ns: group.timeout_ns,
        hang_up_after_ns,
        read_pause_ns: group.read_pause_ns,
    }
}
