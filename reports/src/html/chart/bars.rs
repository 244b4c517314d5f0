//! Horizontal bars with their numbers written on them.

use plotters::prelude::{ChartBuilder, IntoDrawingArea as _, Rectangle, Text};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, VPos};

use super::Words;
use super::axis::Axis;
use super::canvas::{Canvas, Ink};
use super::distribution::label;

const WIDTH: u32 = 520;
const BAR_PITCH: u32 = 44;
const LABEL_WIDTH: u32 = 120;
/// Room for a number to the right of the longest bar.
const NUMBER_WIDTH: u32 = 150;
/// Estimated width of a character of the numbers.
const CHARACTER_WIDTH: i32 = 7;

/// A part of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::html) struct Segment {
    /// Length.
    pub(in crate::html) value: u64,
    /// Role.
    pub(in crate::html) ink: Ink,
    /// What is written on it if it is long enough.
    pub(in crate::html) text: String,
}

/// A bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::html) struct Bar {
    /// What stands to the left.
    pub(in crate::html) name: String,
    /// Parts from left to right.
    pub(in crate::html) segments: Vec<Segment>,
    /// What stands to the right.
    pub(in crate::html) total: String,
}

/// The bars from top to bottom. `None` if all are empty.
pub(in crate::html) fn bars(words: &Words<'_>, bars: &[Bar]) -> Option<String> {
    let length = |bar: &Bar| {
        bar.segments
            .iter()
            .fold(0_u64, |sum, segment| sum.saturating_add(segment.value))
    };
    let longest = bars.iter().map(length).max().filter(|longest| *longest > 0)?;
    let size = (WIDTH, BAR_PITCH * bars.len() as u32 + 8);
    let mut svg = String::new();
    {
        let root = Canvas::new(&mut svg, size, words).into_drawing_area();
        let chart = ChartBuilder::on(&root)
            .margin_top(4)
            .margin_bottom(4)
            .margin_right(NUMBER_WIDTH)
            .y_label_area_size(LABEL_WIDTH)
            .build_cartesian_2d(Axis::between(0, longest, 1), Axis::places(bars.len()))
            .ok()?;
        let area = chart.plotting_area();
        for (place, bar) in bars.iter().rev().enumerate() {
            let (left, bottom) = area.map_coordinate(&(0, place as u64));
            let top = area.map_coordinate(&(0, place as u64 + 1)).1;
            let middle = (top + bottom) / 2;
            let name = Text::new(
                bar.name.as_str(),
                (left - 10, middle),
                label(13, Ink::Text, HPos::Right, VPos::Center),
            );
            root.draw(&name).ok()?;
            let mut sum: u64 = 0;
            let mut end = left;
            for segment in &bar.segments {
                let start = end;
                sum = sum.saturating_add(segment.value);
                end = area.map_coordinate(&(sum, 0)).0;
                let corners = [(start, top + 8), (end, bottom - 8)];
                root.draw(&Rectangle::new(corners, segment.ink.filled())).ok()?;
                let text_width = CHARACTER_WIDTH * segment.text.chars().count() as i32 + 12;
                if end - start >= text_width {
                    let style = label(12, Ink::Page, HPos::Center, VPos::Center);
                    root.draw(&Text::new(segment.text.as_str(), ((start + end) / 2, middle), style))
                        .ok()?;
                }
            }
            let style = label(13, Ink::Text, HPos::Left, VPos::Center);
            root.draw(&Text::new(bar.total.as_str(), (end + 8, middle), style))
                .ok()?;
        }
        root.present().ok()?;
    }
    Some(svg)
}
