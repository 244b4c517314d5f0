//! Latency: percentiles with their intervals, distributions, and the course over time.

use maud::{Markup, html};

use super::Context;
use crate::analyses::{LatencyMetric, MetricSummary};
use crate::format;
use crate::html::chart::{self, Ink, Moment, Swatch, Unit, Words};
use crate::html::table::{Head, Table, capped, optional};
use crate::schema::RequestStatus;
use crate::stats::{Confidence, Estimate, Histogram, Proportion, Sample};

/// Bins of a histogram.
const BINS: u64 = 32;

pub(super) fn body(context: &Context<'_>) -> Markup {
    let latency = &context.findings.latency;
    html! {
        p.lead {
            "Latencies are those of requests that were answered completely. Under each percentile stands its "
            (latency.confidence.percent()) "% confidence interval; a percentile from too few samples is shown but not claimed."
        }
        (percentiles(context))
        (outcomes(context))
        div.plots {
            (distribution(latency.metric(LatencyMetric::TimeToFirstToken), "ttft", "Time to first token", Ink::Series1))
            (distribution(latency.metric(LatencyMetric::EndToEnd), "e2e", "End-to-end latency", Ink::Series3))
        }
        (course(context))
    }
}

fn percentiles(context: &Context<'_>) -> Markup {
    let latency = &context.findings.latency;
    let rows = latency
        .metrics
        .iter()
        .map(|summary| {
            let mut row = vec![
                html! { (summary.metric.name()) },
                html! { (format::integer(summary.sample_ns.len() as u128)) },
                optional(summary.sample_ns.mean(), format::milliseconds),
            ];
            row.extend(
                summary
                    .estimates
                    .iter()
                    .map(|estimate| cell(estimate, latency.confidence)),
            );
            row.push(optional(summary.sample_ns.max(), format::milliseconds));
            row
        })
        .collect();
    let table = Table {
        caption: html! { "Latency in milliseconds" },
        heads: vec![
            Head::Text("Metric"),
            Head::Number("Samples"),
            Head::Number("Mean"),
            Head::Number("p50"),
            Head::Number("p90"),
            Head::Number("p99"),
            Head::Number("Largest"),
        ],
        rows,
        left_out: 0,
    };
    html! {
        (table.render())
        details {
            summary { "Definitions" }
            dl { @for metric in LatencyMetric::ALL { dt { (metric.name()) } dd { (metric.definition()) } } }
        }
    }
}

fn cell(estimate: &Estimate, confidence: Confidence) -> Markup {
    html! {
        @match (estimate.value, estimate.interval) {
            (Some(value), Some((low, high))) => {
                (format::milliseconds(value)) br;
                span.range { (format::milliseconds(low)) " to " (format::milliseconds(high)) }
            }
            (Some(value), None) => {
                span.range { (format::milliseconds(value)) } br;
                span.not-claimed { "not claimed: needs " (format::integer(u128::from(estimate.quantile.samples_needed(confidence)))) }
            }
            (None, _) => (format::ABSENT),
        }
    }
}

fn outcomes(context: &Context<'_>) -> Markup {
    let latency = &context.findings.latency;
    let total = latency.answered.trials();
    let rows = latency
        .outcomes
        .iter()
        .map(|(status, count)| {
            let share = Proportion::new(*count, total);
            vec![
                html! { (status) },
                html! { (format::integer(u128::from(*count))) },
                optional(share.ppm(), |ppm| format::percent(u128::from(ppm))),
                optional(share.interval_ppm(latency.confidence), |(low, high)| {
                    format!(
                        "{} to {}",
                        format::percent(u128::from(low)),
                        format::percent(u128::from(high))
                    )
                }),
            ]
        })
        .collect();
    Table {
        caption: html! { "Outcomes of all requests" },
        heads: vec![
            Head::Text("Outcome"),
            Head::Number("Requests"),
            Head::Number("Share"),
            Head::Number("95% interval of the share"),
        ],
        rows,
        left_out: 0,
    }
    .render()
}

fn distribution(summary: Option<&MetricSummary>, id: &str, title: &str, ink: Ink) -> Markup {
    let Some(summary) = summary else { return html! {} };
    let histogram = Histogram::new(&summary.sample_ns, BINS);
    let median = summary.estimates[0].value.unwrap_or(0);
    let description = format!(
        "Histogram of {} values. Median {}, largest {}.",
        format::integer(summary.sample_ns.len() as u128),
        format::duration(median),
        format::duration(summary.sample_ns.max().unwrap_or(0)),
    );
    let open = histogram.bins.last().filter(|bin| bin.to.is_none());
    let hint = match open {
        Some(bin) => format!(
            "number of requests by latency; the last bar holds all from {}",
            format::duration(bin.from)
        ),
        None => "number of requests by latency".to_owned(),
    };
    let words = Words {
        id,
        title,
        hint: &hint,
        description: &description,
    };
    let Some(drawing) = chart::distribution(&words, &histogram, &summary.estimates, Unit::Milliseconds, ink) else {
        return html! {};
    };
    let data = histogram_table(&histogram, "From, ms", "to, ms", format::milliseconds);
    chart::figure(&words, &drawing, &[], &data)
}

/// The bins of a histogram as a table.
pub(super) fn histogram_table(
    histogram: &Histogram,
    from: &'static str,
    to: &'static str,
    text: impl Fn(u64) -> String,
) -> Markup {
    let rows = histogram
        .bins
        .iter()
        .filter(|bin| bin.count > 0)
        .map(|bin| {
            vec![
                html! { (text(bin.from)) },
                html! { @match bin.to { Some(to) => (text(to)), None => "no limit" } },
                html! { (format::integer(u128::from(bin.count))) },
            ]
        })
        .collect();
    Table {
        caption: html! { "Bins with at least one value; the upper end is not included" },
        heads: vec![Head::Number(from), Head::Number(to), Head::Number("Count")],
        rows,
        left_out: 0,
    }
    .render()
}

fn course(context: &Context<'_>) -> Markup {
    let mut moments: Vec<Moment> = context
        .runs
        .iter()
        .flat_map(|run| &run.tables().requests)
        .map(|request| Moment {
            at_ns: request.send_ns,
            latency_ns: if request.status == RequestStatus::Ok {
                request.e2e_ns
            } else {
                None
            },
        })
        .collect();
    moments.sort_by_key(|moment| (moment.at_ns, moment.latency_ns));
    let faults: Sample = context
        .runs
        .iter()
        .flat_map(|run| &run.tables().faults)
        .map(|fault| fault.at_ns)
        .collect();
    let failed = moments.iter().filter(|moment| moment.latency_ns.is_none()).count();
    let dots = thin(&moments, context.limits.dots);
    let lines = thin(faults.values(), context.limits.dots / 4);
    let description = format!(
        "{} requests, {failed} of them without a complete answer, and {} faults.",
        format::integer(moments.len() as u128),
        format::integer(faults.len() as u128)
    );
    let hint = if dots.len() < moments.len() {
        format!(
            "each mark is one request; {} of {} shown, evenly chosen",
            dots.len(),
            moments.len()
        )
    } else {
        "each mark is one request; all runs on one axis".to_owned()
    };
    let words = Words {
        id: "course",
        title: "Latency over the run",
        hint: &hint,
        description: &description,
    };
    let Some(drawing) = chart::over_time(&words, &dots, &lines) else {
        return html! {};
    };
    let mut legend = vec![(Swatch::Dot(Ink::Series1), "answered")];
    if failed > 0 {
        legend.push((
            Swatch::Cross(Ink::Fail),
            "not answered (on the axis, at the time of sending)",
        ));
    }
    if !lines.is_empty() {
        legend.push((Swatch::Line(Ink::Warn), "fault put in"));
    }
    let (rows, left_out) = capped(&moments, context.limits.rows.min(100), |moment| {
        vec![
            html! { (format::seconds(moment.at_ns)) },
            match moment.latency_ns {
                Some(latency_ns) => html! { (format::milliseconds(latency_ns)) },
                None => html! { "not answered" },
            },
        ]
    });
    let data = Table {
        caption: html! { "Requests in order of sending" },
        heads: vec![Head::Number("Sent at, s"), Head::Number("E2E, ms")],
        rows,
        left_out,
    };
    chart::figure(&words, &drawing, &legend, &data.render())
}

/// At most `max` items, evenly chosen by position.
fn thin<T: Copy>(items: &[T], max: usize) -> Vec<T> {
    let step = items.len().div_ceil(max.max(1)).max(1);
    items.iter().step_by(step).copied().collect()
}
