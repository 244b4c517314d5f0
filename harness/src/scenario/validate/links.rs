//! Links between places.

use std::collections::BTreeMap;

use chrysalis_world::plan::{LinkPlan, LinkRule, NetworkPlan, Place, SpanNs};

use super::context::Context;
use super::world::Places;
use crate::diagnostic::Position;
use crate::scenario::file::{LinkFaultFile, LinkFile, LinkRuleFile, List, WorldFile};
use crate::scenario::limits::LATENCY_MAX;
use crate::scenario::load::Checked;
use crate::scenario::located::{At, Key, Text};
use crate::scenario::problem::Problem;
use crate::scenario::scalar::{Bandwidth, Distribution, Duration, Loss, Name, Size};

/// The keys of a link, wherever they stand.
pub(super) struct LinkKeys<'a> {
    latency: &'a Key<Text<Distribution<Duration>>>,
    loss: &'a Key<Text<Loss>>,
    bandwidth: &'a Key<Text<Bandwidth>>,
    buffer: &'a Key<Text<Size>>,
}

/// The keys that say between which places a link is.
pub(super) struct EndKeys<'a> {
    between: &'a List<Name>,
    from: &'a Key<Text<Name>>,
    to: &'a Key<Text<Name>>,
}

/// Both ends of a link.
pub(super) struct Ends {
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) one_way: bool,
}

impl<'a> From<&'a LinkFile> for LinkKeys<'a> {
    fn from(file: &'a LinkFile) -> Self {
        Self {
            latency: &file.latency,
            loss: &file.loss,
            bandwidth: &file.bandwidth,
            buffer: &file.buffer,
        }
    }
}

impl<'a> From<&'a LinkRuleFile> for LinkKeys<'a> {
    fn from(file: &'a LinkRuleFile) -> Self {
        Self {
            latency: &file.latency,
            loss: &file.loss,
            bandwidth: &file.bandwidth,
            buffer: &file.buffer,
        }
    }
}

impl<'a> From<&'a LinkFaultFile> for LinkKeys<'a> {
    fn from(file: &'a LinkFaultFile) -> Self {
        Self {
            latency: &file.latency,
            loss: &file.loss,
            bandwidth: &file.bandwidth,
            buffer: &file.buffer,
        }
    }
}

impl<'a> From<&'a LinkRuleFile> for EndKeys<'a> {
    fn from(file: &'a LinkRuleFile) -> Self {
        Self {
            between: &file.between,
            from: &file.from,
            to: &file.to,
        }
    }
}

impl<'a> From<&'a LinkFaultFile> for EndKeys<'a> {
    fn from(file: &'a LinkFaultFile) -> Self {
        Self {
            between: &file.between,
            from: &file.from,
            to: &file.to,
        }
    }
}

pub(super) fn validate(cx: &Context<'_>, file: &WorldFile, places: &Places) -> Checked<NetworkPlan> {
    let built_in = LinkPlan {
        latency_ns: SpanNs::Constant(10_000_000),
        loss_ppm: 0,
        bandwidth_bytes_per_s: None,
        socket_buffer_bytes: 256 * 1024,
    };
    let default_link = match file.default_link.given() {
        Some(link) => settings(cx, &LinkKeys::from(&link.value), &built_in)?,
        None => built_in,
    };
    let mut rules: Vec<LinkRule> = Vec::new();
    let mut directions: BTreeMap<(Place, Place), Position> = BTreeMap::new();
    for At { value: rule, position } in file.links.given().map_or(&[][..], |links| &links.value) {
        let Ends { from, to, one_way } = ends(cx, &EndKeys::from(rule), places, *position)?;
        let there = (from.clone(), to.clone());
        let back = (to.clone(), from.clone());
        let twice = directions
            .get(&there)
            .or_else(|| if one_way { None } else { directions.get(&back) });
        if let Some(earlier) = twice {
            let why = "there is a link between these places already".to_owned();
            return cx.fail_with(*position, &Problem::ImpossibleLink { why }, (*earlier, "it was given"));
        }
        directions.insert(there, *position);
        if !one_way {
            directions.insert(back, *position);
        }
        rules.push(LinkRule {
            from,
            to,
            one_way,
            link: settings(cx, &LinkKeys::from(rule), &default_link)?,
        });
    }
    rules.sort_by_key(|rule| std::cmp::Reverse(nodes_named(&rule.from, &rule.to)));
    Ok(NetworkPlan { rules, default_link })
}

/// How specific a rule is.
fn nodes_named(from: &Place, to: &Place) -> usize {
    usize::from(matches!(from, Place::Node(_))) + usize::from(matches!(to, Place::Node(_)))
}

/// Both ends of a link, from `between` or from `from` and `to`.
pub(super) fn ends(cx: &Context<'_>, keys: &EndKeys<'_>, places: &Places, parent: Position) -> Checked<Ends> {
    const HELP: &str = "write `between: [a, b]` for both directions, or `from: a` and `to: b` for one";
    let ends = if let Some(between) = keys.between.given() {
        if let Some(other) = keys.from.given().or(keys.to.given()) {
            let problem = Problem::Contradiction {
                key: "from/to",
                other: "between",
                advice: HELP,
            };
            return cx.fail(other.position, problem);
        }
        match cx.list(keys.between)?.as_slice() {
            [first, second] => Ends {
                from: places.find(cx, first)?,
                to: places.find(cx, second)?,
                one_way: false,
            },
            _ => return cx.fail(between.position, Problem::ListLength { rule: "two entries" }),
        }
    } else {
        let end = |key, name| -> Checked<Place> {
            let text = cx.required_when(key, name, parent, HELP)?;
            places.find(
                cx,
                &At {
                    value: cx.read(text)?,
                    position: text.position,
                },
            )
        };
        if keys.from.given().is_none() && keys.to.given().is_none() {
            return cx.fail(
                parent,
                Problem::MissingKey {
                    key: "between",
                    when: HELP,
                },
            );
        }
        Ends {
            from: end(keys.from, "from")?,
            to: end(keys.to, "to")?,
            one_way: true,
        }
    };
    if let (Place::Node(from), Place::Node(to)) = (&ends.from, &ends.to)
        && from == to
    {
        let place = keys
            .between
            .given()
            .map(|list| list.position)
            .or(keys.to.given().map(|text| text.position));
        let why = format!("`{from}` has no link to itself");
        return cx.fail(place.unwrap_or(parent), Problem::ImpossibleLink { why });
    }
    Ok(ends)
}

/// A link: what is said, and the rest from another link.
pub(super) fn settings(cx: &Context<'_>, keys: &LinkKeys<'_>, otherwise: &LinkPlan) -> Checked<LinkPlan> {
    let mut link = otherwise.clone();
    if let Some(text) = keys.latency.given() {
        let latency = cx.read(text)?;
        if latency.largest_named() > LATENCY_MAX {
            return cx.fail(
                text.position,
                Problem::OutOfRange {
                    what: "a latency",
                    rule: "at most 1h".to_owned(),
                },
            );
        }
        link.latency_ns = latency.into();
    }
    if let Some(Loss(ppm)) = cx.optional(keys.loss)? {
        link.loss_ppm = ppm;
    }
    if let Some(text) = keys.bandwidth.given() {
        link.bandwidth_bytes_per_s = cx.positive(text, "the bandwidth of a link")?.0;
    }
    if let Some(text) = keys.buffer.given() {
        let Size(bytes) = cx.positive(text, "the buffer of a link")?;
        let Ok(bytes) = u32::try_from(bytes) else {
            return cx.fail(
                text.position,
                Problem::OutOfRange {
                    what: "a buffer",
                    rule: "below 4 GiB".to_owned(),
                },
            );
        };
        link.socket_buffer_bytes = bytes;
    }
    Ok(link)
}

/// The link that holds between two places: the rule for exactly them, for their regions, or the default.
pub(super) fn current(network: &NetworkPlan, places: &Places, from: &Place, to: &Place) -> LinkPlan {
    let region = |place: &Place| match place {
        Place::Node(node) => places.region_of(node).map(|region| Place::Region(region.to_owned())),
        Place::Region(_) => None,
    };
    let candidates = |place: &Place| {
        [Some(place.clone()), region(place)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    let (froms, tos) = (candidates(from), candidates(to));
    let fits = |rule: &&LinkRule| {
        let there = froms.contains(&rule.from) && tos.contains(&rule.to);
        let back = !rule.one_way && froms.contains(&rule.to) && tos.contains(&rule.from);
        there || back
    };
    network
        .rules
        .iter()
        .find(fits)
        .map_or_else(|| network.default_link.clone(), |rule| rule.link.clone())
}
