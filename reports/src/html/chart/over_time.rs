//! Latency of each request over the time of the run, with faults.

use plotters::prelude::{ChartBuilder, Circle, Cross, IntoDrawingArea as _, PathElement};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color as _, IntoFont as _};

use super::Words;
use super::axis::Axis;
use super::canvas::{Canvas, Ink};
use super::distribution::{label, milliseconds_tick};
use crate::format;
use crate::stats::round_up;

const SIZE: (u32, u32) = (1070, 270);
/// Ticks that are aimed at.
const TICKS: u64 = 5;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::html) struct Moment {
    /// When it was sent, nanoseconds of its run.
    pub(in crate::html) at_ns: u64,
    /// End-to-end latency; absent if it was not answered.
    pub(in crate::html) latency_ns: Option<u64>,
}

/// Dots for answers, crosses on the axis for requests without one, lines for faults. `None` without requests.
pub(in crate::html) fn over_time(words: &Words<'_>, moments: &[Moment], faults_ns: &[u64]) -> Option<String> {
    let last_ns = moments
        .iter()
        .map(|moment| moment.at_ns)
        .chain(faults_ns.iter().copied())
        .max()?;
    moments.first()?;
    let slowest_ns = moments.iter().filter_map(|moment| moment.latency_ns).max().unwrap_or(0);
    let step_ns = round_up((slowest_ns / TICKS).max(1));
    let second_decimals = if last_ns >= 20_000_000_000 { 0 } else { 2 };
    let mut svg = String::new();
    {
        let root = Canvas::new(&mut svg, SIZE, words).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(10)
            .margin_right(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(Axis::from_zero(last_ns, 10), Axis::from_zero(slowest_ns, TICKS))
            .ok()?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(Ink::Line)
            .axis_style(Ink::Muted)
            .x_desc("sent at, s of virtual time")
            .y_desc("E2E, ms")
            .axis_desc_style(label(12, Ink::Muted, HPos::Center, VPos::Center))
            .label_style(("sans-serif", 12).into_font().color(&Ink::Muted))
            .x_label_formatter(&|value| format::decimal(u128::from(*value), 1_000_000_000, second_decimals))
            .y_label_formatter(&|value| milliseconds_tick(*value, step_ns))
            .draw()
            .ok()?;
        let area = chart.plotting_area();
        let high = area.get_y_range().end;
        for at_ns in faults_ns {
            area.draw(&PathElement::new(
                [(*at_ns, 0), (*at_ns, high)],
                Ink::Warn.stroke_width(2),
            ))
            .ok()?;
        }
        for moment in moments {
            match moment.latency_ns {
                Some(latency_ns) => {
                    area.draw(&Circle::new((moment.at_ns, latency_ns), 2, Ink::Series1.filled()))
                        .ok()?;
                }
                None => area
                    .draw(&Cross::new((moment.at_ns, 0), 4, Ink::Fail.stroke_width(2)))
                    .ok()?,
            }
        }
        root.present().ok()?;
    }
    Some(svg)
}
