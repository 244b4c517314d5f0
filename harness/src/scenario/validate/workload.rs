//! Groups of users: how many, at which clients, what they send and when.

use chrysalis_world::plan::{Endpoint, SpanNs};

use super::context::Context;
use super::world::World;
use crate::diagnostic::Position;
use crate::scenario::file::{ArrivalsFile, GroupFile, HangUpFile, PromptsFile, RateFile};
use crate::scenario::limits::{PROMPT_BYTES_MAX, REQUESTS_MAX, TOKENS_MAX, USERS_MAX, WORD_BYTES_MAX, WORDS_MAX};
use crate::scenario::load::Checked;
use crate::scenario::located::{At, Key};
use crate::scenario::model::{Arrivals, HangUp, Prompts, UserGroup};
use crate::scenario::problem::Problem;
use crate::scenario::scalar::{Choice, Count, Distribution, Duration, Name, Prompt, Rate, Share};

/// The end of the run.
pub(super) struct Horizon {
    pub(super) duration_ns: u64,
    /// As in the file.
    pub(super) duration: String,
}

impl Horizon {
    pub(super) fn check(&self, cx: &Context<'_>, at_ns: u64, position: Position) -> Checked<()> {
        if at_ns >= self.duration_ns {
            return cx.fail(
                position,
                Problem::AfterTheEnd {
                    duration: self.duration.clone(),
                },
            );
        }
        Ok(())
    }
}

pub(super) fn validate(
    cx: &Context<'_>,
    list: &At<Vec<At<GroupFile>>>,
    world: &World,
    horizon: &Horizon,
) -> Checked<Vec<UserGroup>> {
    cx.not_empty(list)?;
    let mut groups: Vec<UserGroup> = Vec::new();
    let (mut requests, mut bytes, mut users) = (0_u64, 0_u64, 0_u64);
    for At { value: file, position } in &list.value {
        let name = cx.required(&file.name, "name", *position)?;
        let Name(name_text) = cx.read(name)?;
        if groups.iter().any(|group| group.name == name_text) {
            return cx.fail(name.position, Problem::DuplicateName { name: name_text });
        }
        let group = group(cx, name_text, file, *position, world, horizon)?;
        requests = requests.saturating_add(group.requests_max);
        if requests > REQUESTS_MAX {
            let place = file.requests.given().map(|text| text.position);
            let place = place
                .or(file.arrivals.given().map(|arrivals| arrivals.position))
                .unwrap_or(*position);
            return cx.fail(
                place,
                Problem::TooManyRequests {
                    requests,
                    max: REQUESTS_MAX,
                },
            );
        }
        bytes = bytes.saturating_add(group.requests_max.saturating_mul(prompt_bytes_max(&group.prompts)));
        if bytes > PROMPT_BYTES_MAX {
            let place = file.prompts.given().map_or(*position, |prompts| prompts.position);
            return cx.fail(
                place,
                Problem::TooManyPromptBytes {
                    bytes,
                    max: PROMPT_BYTES_MAX,
                },
            );
        }
        users = users.saturating_add(u64::try_from(group.clients.len()).unwrap_or(u64::MAX));
        if users > USERS_MAX {
            let place = file.users.given().map_or(*position, |text| text.position);
            let rule = format!("at most {USERS_MAX} in all groups together");
            return cx.fail(
                place,
                Problem::OutOfRange {
                    what: "the number of users",
                    rule,
                },
            );
        }
        groups.push(group);
    }
    Ok(groups)
}

fn group(
    cx: &Context<'_>,
    name: String,
    file: &GroupFile,
    position: Position,
    world: &World,
    horizon: &Horizon,
) -> Checked<UserGroup> {
    let start_ns = cx.read_or(&file.start, Duration(0))?.0;
    if let Some(text) = file.start.given() {
        horizon.check(cx, start_ns, text.position)?;
    }
    let stop_ns = match file.stop.given() {
        Some(text) => {
            let Duration(stop_ns) = cx.read(text)?;
            horizon.check(cx, stop_ns.saturating_sub(1), text.position)?;
            if stop_ns <= start_ns {
                return cx.fail(text.position, Problem::StopBeforeStart);
            }
            stop_ns
        }
        None => horizon.duration_ns,
    };
    let arrivals_file = cx.required(&file.arrivals, "arrivals", position)?;
    let arrivals = arrivals(cx, arrivals_file, horizon)?;
    let requests_max = requests_max(cx, file, arrivals_file.position, &arrivals, stop_ns - start_ns)?;
    let tokens = cx.read_or(&file.tokens, Distribution::Constant(Count(16)))?;
    if let Some(text) = file.tokens.given() {
        in_range(cx, tokens, text.position, "the number of tokens", TOKENS_MAX)?;
    }
    Ok(UserGroup {
        name,
        clients: clients(cx, file, world)?,
        arrivals,
        start_ns,
        stop_ns,
        requests_max,
        prompts: prompts(cx, &file.prompts)?,
        tokens: tokens.into(),
        stream: file.stream.given().is_none_or(|stream| stream.value),
        endpoint: cx.read_or(&file.endpoint, Choice(Endpoint::Chat))?.0,
        model: model(cx, file, position, world)?,
        timeout_ns: cx
            .positive_or(&file.timeout, "the time-out of a request", Duration(60_000_000_000))?
            .0,
        hang_up: hang_up(cx, &file.hang_up)?,
        read_pause_ns: cx.read_or(&file.read_pause, Duration(0))?.0,
    })
}

fn arrivals(cx: &Context<'_>, file: &At<ArrivalsFile>, horizon: &Horizon) -> Checked<Arrivals> {
    let rate = |file: &At<RateFile>| -> Checked<Rate> {
        cx.positive(
            cx.required(&file.value.rate, "rate", file.position)?,
            "the rate of requests",
        )
    };
    Ok(match &file.value {
        ArrivalsFile::Poisson(file) => Arrivals::Poisson(rate(file)?),
        ArrivalsFile::Uniform(file) => Arrivals::Uniform(rate(file)?),
        ArrivalsFile::Closed(file) => {
            let Duration(think_ns) = cx.read_required(&file.value.think, "think", file.position)?;
            Arrivals::Closed { think_ns }
        }
        ArrivalsFile::At(times) => {
            if times.is_empty() {
                return cx.fail(
                    file.position,
                    Problem::ListLength {
                        rule: "at least one entry",
                    },
                );
            }
            let mut sorted = Vec::with_capacity(times.len());
            for At {
                value: Duration(at_ns),
                position,
            } in cx.entries(times)?
            {
                horizon.check(cx, at_ns, position)?;
                sorted.push(at_ns);
            }
            sorted.sort_unstable();
            Arrivals::At(sorted)
        }
    })
}

/// The most requests that a group can come to.
fn requests_max(
    cx: &Context<'_>,
    file: &GroupFile,
    arrivals_position: Position,
    arrivals: &Arrivals,
    window_ns: u64,
) -> Checked<u64> {
    let wanted = match file.requests.given() {
        Some(text) => Some(cx.positive(text, "the number of requests")?.0),
        None => None,
    };
    let mean = |rate: &Rate| {
        let events = u128::from(window_ns) * u128::from(rate.events_e6);
        u64::try_from(events.div_ceil(u128::from(rate.per_ns) * 1_000_000)).unwrap_or(u64::MAX)
    };
    let possible = match arrivals {
        // Ten standard deviations above the mean: no seed comes this far, and the cut is the same on every machine.
        Arrivals::Poisson(rate) => {
            let mean = mean(rate);
            mean.saturating_add(mean.isqrt().saturating_mul(10)).saturating_add(20)
        }
        Arrivals::Uniform(rate) => mean(rate),
        Arrivals::Closed { .. } => match wanted {
            Some(wanted) => wanted,
            None => {
                let when = "with `closed` arrivals, say how many requests the group sends";
                return cx.fail(arrivals_position, Problem::MissingKey { key: "requests", when });
            }
        },
        Arrivals::At(times) => {
            if let Some(text) = file.requests.given() {
                let advice = "the list of times says how many requests there are";
                return cx.fail(
                    text.position,
                    Problem::Contradiction {
                        key: "requests",
                        other: "at",
                        advice,
                    },
                );
            }
            u64::try_from(times.len()).unwrap_or(u64::MAX)
        }
    };
    Ok(wanted.map_or(possible, |wanted| wanted.min(possible)))
}

fn clients(cx: &Context<'_>, file: &GroupFile, world: &World) -> Checked<Vec<usize>> {
    let mut chosen: Vec<usize> = Vec::new();
    for At {
        value: Name(name),
        position,
    } in cx.list_if_given(&file.clients)?
    {
        let Some(index) = world.clients.iter().position(|client| client.node.name == name) else {
            let known = world.clients.iter().map(|client| client.node.name.clone()).collect();
            return cx.fail(
                position,
                Problem::UnknownNode {
                    kind: "client",
                    name,
                    known,
                },
            );
        };
        if chosen.contains(&index) {
            return cx.fail(position, Problem::DuplicateName { name });
        }
        chosen.push(index);
    }
    if chosen.is_empty() {
        chosen = (0..world.clients.len()).collect();
    }
    let everywhere = u64::try_from(chosen.len()).unwrap_or(USERS_MAX);
    let users = cx.number_or(&file.users, "the number of users", &(1..=USERS_MAX), everywhere)?;
    let users = usize::try_from(users).unwrap_or(chosen.len());
    Ok(chosen.iter().copied().cycle().take(users).collect())
}

fn model(cx: &Context<'_>, file: &GroupFile, position: Position, world: &World) -> Checked<String> {
    let base = |full: &str| full.split('@').next().unwrap_or_default().to_owned();
    let mut served: Vec<String> = world.workers.iter().map(|worker| base(&worker.model)).collect();
    served.sort_unstable();
    served.dedup();
    match file.model.given() {
        Some(text) => {
            let name = cx.read(text)?;
            if served.contains(&name.0) {
                return Ok(name.0);
            }
            cx.fail(
                text.position,
                Problem::UnknownModel {
                    name: name.0,
                    known: served,
                },
            )
        }
        None => match served.as_slice() {
            [only] => Ok(only.clone()),
            _ => {
                let when = "workers serve more than one model, so say which one these users ask for";
                cx.fail(position, Problem::MissingKey { key: "model", when })
            }
        },
    }
}

fn prompts(cx: &Context<'_>, key: &Key<PromptsFile>) -> Checked<Prompts> {
    match key.given() {
        None => Ok(Prompts::Generated {
            words: Distribution::Constant(Count(12)).into(),
        }),
        Some(At {
            value: PromptsFile::Texts(texts),
            position,
        }) => {
            if texts.is_empty() {
                return cx.fail(
                    *position,
                    Problem::ListLength {
                        rule: "at least one entry",
                    },
                );
            }
            Ok(Prompts::Texts(
                cx.entries(texts)?
                    .into_iter()
                    .map(
                        |At {
                             value: Prompt(text), ..
                         }| text,
                    )
                    .collect(),
            ))
        }
        Some(At {
            value: PromptsFile::Generated(file),
            ..
        }) => {
            let text = cx.required(&file.value.words, "words", file.position)?;
            let words = cx.read(text)?;
            in_range(cx, words, text.position, "the number of words", WORDS_MAX)?;
            Ok(Prompts::Generated { words: words.into() })
        }
    }
}

fn in_range(
    cx: &Context<'_>,
    numbers: Distribution<Count>,
    position: Position,
    what: &'static str,
    max: u64,
) -> Checked<()> {
    if numbers.at_least() == Some(Count(0)) {
        return cx.fail(position, Problem::Zero { what });
    }
    if numbers.largest_named() > Count(max) {
        return cx.fail(
            position,
            Problem::OutOfRange {
                what,
                rule: format!("from 1 to {max}"),
            },
        );
    }
    Ok(())
}

/// The most bytes that one prompt can have.
fn prompt_bytes_max(prompts: &Prompts) -> u64 {
    match prompts {
        Prompts::Texts(texts) => texts
            .iter()
            .map(|text| u64::try_from(text.len()).unwrap_or(u64::MAX))
            .max()
            .unwrap_or(0),
        Prompts::Generated { words } => {
            let typical = match *words {
                SpanNs::Constant(words) => words,
                SpanNs::Uniform { high_ns: words, .. } => words,
                SpanNs::Normal { mean_ns, deviation_ns } => mean_ns.saturating_add(deviation_ns),
                // The mean of many draws is what fills memory.
                SpanNs::Exponential { mean_ns } => mean_ns.saturating_mul(2),
            };
            typical.min(WORDS_MAX) * WORD_BYTES_MAX
        }
    }
}

fn hang_up(cx: &Context<'_>, key: &Key<HangUpFile>) -> Checked<Option<HangUp>> {
    let Some(At { value: file, position }) = key.given() else {
        return Ok(None);
    };
    let after = cx.read_required(&file.after, "after", *position)?;
    let Share(share_bp) = cx.read_or(&file.share, Share(10_000))?;
    Ok(Some(HangUp {
        after: after.into(),
        share_bp,
    }))
}
