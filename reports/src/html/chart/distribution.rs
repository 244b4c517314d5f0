//! Histogram of a sample with its percentiles.

use plotters::prelude::{ChartBuilder, IntoDrawingArea as _, PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, IntoFont as _, IntoTextStyle as _, TextStyle};

use super::Words;
use super::axis::Axis;
use super::canvas::{Canvas, Ink};
use crate::format;
use crate::stats::{Estimate, Histogram};

/// Width and height in CSS pixels at full size.
const SIZE: (u32, u32) = (520, 250);
/// Height of one line of percentile labels.
const LABEL_HEIGHT: u32 = 16;

/// Unit of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::html) enum Unit {
    /// Nanoseconds, shown in milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Bytes => "bytes",
        }
    }

    /// A tick.
    pub(super) fn tick(self, value: u64, step: u64) -> String {
        match self {
            Self::Milliseconds => milliseconds_tick(value, step),
            Self::Bytes => format::integer(u128::from(value)),
        }
    }
}

/// As many decimals as steps of this many nanoseconds need.
pub(super) fn milliseconds_tick(ns: u64, step_ns: u64) -> String {
    let decimals = match step_ns {
        1_000_000.. => 0,
        100_000.. => 1,
        10_000.. => 2,
        1_000.. => 3,
        _ => 6,
    };
    format::decimal(u128::from(ns), 1_000_000, decimals)
}

/// Text of this size, role and anchor.
pub(super) fn label(size: u32, ink: Ink, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    ("sans-serif", size)
        .into_font()
        .color(&ink)
        .pos(Pos::new(horizontal, vertical))
        .into_text_style(&(0, 0))
}

/// The histogram, with a line for each percentile that may be claimed. `None` without values.
pub(in crate::html) fn distribution(
    words: &Words<'_>,
    histogram: &Histogram,
    estimates: &[Estimate],
    unit: Unit,
    ink: Ink,
) -> Option<String> {
    let estimates: Vec<&Estimate> = estimates.iter().filter(|estimate| estimate.is_claimed()).collect();
    let low = histogram.bins.first()?.from;
    let end = |from: u64, to: Option<u64>| to.unwrap_or_else(|| from.saturating_add(histogram.width));
    let high = histogram.bins.last().map(|bin| end(bin.from, bin.to))?;
    let mut svg = String::new();
    {
        let root = Canvas::new(&mut svg, SIZE, words).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(LABEL_HEIGHT * estimates.len() as u32 + 8)
            .margin_right(14)
            .x_label_area_size(44)
            .y_label_area_size(52)
            .build_cartesian_2d(
                Axis::between(low, high, 6),
                Axis::from_zero(histogram.largest_count(), 4),
            )
            .ok()?;
        let step = crate::stats::round_up(((high - low) / 6).max(1));
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(Ink::Line)
            .axis_style(Ink::Muted)
            .x_desc(unit.name())
            .axis_desc_style(label(12, Ink::Muted, HPos::Center, VPos::Center))
            .label_style(("sans-serif", 12).into_font().color(&Ink::Muted))
            .x_label_formatter(&|value| unit.tick(*value, step))
            .y_label_formatter(&|value| format::integer(u128::from(*value)))
            .draw()
            .ok()?;
        let area = chart.plotting_area();
        for bin in histogram.bins.iter().filter(|bin| bin.count > 0) {
            let ink = if bin.to.is_some() { ink } else { Ink::Muted };
            let corners = [(bin.from, bin.count), (end(bin.from, bin.to), 0)];
            area.draw(&Rectangle::new(corners, ink.filled())).ok()?;
            // A line in the colour of the page keeps neighbouring bars apart.
            area.draw(&PathElement::new([(bin.from, bin.count), (bin.from, 0)], Ink::Page))
                .ok()?;
        }
        let top = chart.plotting_area().get_pixel_range().1.start;
        let bottom = chart.plotting_area().get_pixel_range().1.end;
        let marks: Vec<(i32, i32, String)> = (1..)
            .zip(&estimates)
            .filter_map(|(line, estimate)| {
                let value = estimate.value?;
                let x = area.map_coordinate(&(value.min(high), 0)).0;
                let label_y = top - 2 - LABEL_HEIGHT as i32 * (estimates.len() as i32 - line + 1);
                Some((
                    x,
                    label_y,
                    format!("{} {} {}", estimate.quantile, unit.tick(value, step / 10), unit.name()),
                ))
            })
            .collect();
        for (x, label_y, _) in &marks {
            root.draw(&PathElement::new([(*x, label_y + 1), (*x, bottom)], Ink::Text))
                .ok()?;
        }
        // After all lines: text has an edge in the colour of the page, which keeps lines of others off it.
        for (x, label_y, text) in &marks {
            // Labels turn towards the middle of the drawing.
            let (anchor, gap) = if *x > (SIZE.0 / 2) as i32 {
                (HPos::Right, -5)
            } else {
                (HPos::Left, 5)
            };
            let style = label(12, Ink::Text, anchor, VPos::Top);
            root.draw(&Text::new(text.as_str(), (*x + gap, *label_y), style)).ok()?;
        }
        root.present().ok()?;
    }
    Some(svg)
}
