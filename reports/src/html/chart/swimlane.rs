//! One request across nodes: a lane for each node, numbered stages, ticks for parts of the answer.

use plotters::prelude::{ChartBuilder, Circle, IntoDrawingArea as _, PathElement, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color as _, IntoFont as _};

use super::Words;
use super::axis::Axis;
use super::canvas::{Canvas, Ink};
use super::distribution::{label, milliseconds_tick};
use crate::analyses::Timeline;
use crate::html::text::untrusted_plain;
use crate::stats::round_up;

const WIDTH: u32 = 1070;
const LANE_HEIGHT: u32 = 76;
const LANE_LABEL_WIDTH: u32 = 150;
const FOOT_HEIGHT: u32 = 46;
/// Characters of a node's name.
const NAME_CHARACTERS: usize = 18;
/// Markers that would overlap are put one above the other, up to this many.
const STACK: usize = 3;
const MARKER_RADIUS: i32 = 9;

/// The lanes. Stages are numbered from 1 in order of time, as in the table under the drawing. `None` for lanes without
/// anything in them.
pub(in crate::html) fn swimlane(
    words: &Words<'_>,
    timeline: &Timeline,
    lanes: usize,
    events: usize,
    parts: usize,
) -> Option<String> {
    let (first_ns, last_ns) = timeline.range_ns()?;
    let shown_lanes = timeline.lanes.get(..lanes.min(timeline.lanes.len()))?;
    let size = (WIDTH, LANE_HEIGHT * shown_lanes.len() as u32 + FOOT_HEIGHT + 8);
    let length_ns = (last_ns - first_ns).max(1);
    let step_ns = round_up((length_ns / 10).max(1));
    let mut svg = String::new();
    {
        let root = Canvas::new(&mut svg, size, words).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(8)
            .margin_right(20)
            .x_label_area_size(FOOT_HEIGHT)
            .y_label_area_size(LANE_LABEL_WIDTH)
            .build_cartesian_2d(Axis::between(0, length_ns, 10), Axis::places(shown_lanes.len()))
            .ok()?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .bold_line_style(Ink::Line)
            .axis_style(Ink::Muted)
            .x_desc("ms since the first stage")
            .axis_desc_style(label(12, Ink::Muted, HPos::Center, VPos::Center))
            .label_style(("sans-serif", 12).into_font().color(&Ink::Muted))
            .x_label_formatter(&|value| milliseconds_tick(*value, step_ns))
            .draw()
            .ok()?;
        let area = chart.plotting_area();
        let (left, right) = (area.get_pixel_range().0.start, area.get_pixel_range().0.end);
        let middle = |lane: usize| {
            let top = area.map_coordinate(&(0, (shown_lanes.len() - lane) as u64)).1;
            top + LANE_HEIGHT as i32 / 2
        };
        let x_of = |at_ns: u64| area.map_coordinate(&(at_ns.saturating_sub(first_ns), 0)).0;
        for (index, lane) in shown_lanes.iter().enumerate() {
            let y = middle(index);
            root.draw(&PathElement::new([(left, y), (right, y)], Ink::Muted)).ok()?;
            let role = lane.role.code().replace('_', " ");
            let (name, below) = match &lane.node {
                Some(node) => (untrusted_plain(node, NAME_CHARACTERS), role),
                None => (role, String::new()),
            };
            let style = |size, ink, vertical| label(size, ink, HPos::Right, vertical);
            root.draw(&Text::new(name, (left - 14, y - 1), style(13, Ink::Text, VPos::Bottom)))
                .ok()?;
            root.draw(&Text::new(below, (left - 14, y + 3), style(12, Ink::Muted, VPos::Top)))
                .ok()?;
            for at_ns in lane.parts_ns.iter().take(parts) {
                let x = x_of(*at_ns);
                root.draw(&PathElement::new([(x, y), (x, y + 14)], Ink::Series2)).ok()?;
            }
        }
        let shown: Vec<_> = timeline
            .events
            .iter()
            .take(events)
            .filter(|event| event.lane < shown_lanes.len())
            .collect();
        let way = shown.iter().map(|event| (x_of(event.at_ns), middle(event.lane)));
        root.draw(&PathElement::new(way.collect::<Vec<_>>(), Ink::Series1))
            .ok()?;
        let mut taken: Vec<(usize, i32, usize)> = Vec::new();
        for (number, event) in (1..).zip(&timeline.events).take(events) {
            if event.lane >= shown_lanes.len() {
                continue;
            }
            let x = x_of(event.at_ns);
            let collides = |level: usize| {
                taken.iter().any(|(lane, other, at)| {
                    *lane == event.lane && *at == level && (other - x).abs() < MARKER_RADIUS * 2
                })
            };
            let level = (0..STACK).find(|level| !collides(*level)).unwrap_or(STACK - 1);
            taken.push((event.lane, x, level));
            let y = middle(event.lane) - level as i32 * (MARKER_RADIUS * 2 + 1);
            root.draw(&Circle::new((x, y), MARKER_RADIUS, Ink::Series1.filled()))
                .ok()?;
            let style = label(11, Ink::Page, HPos::Center, VPos::Center);
            root.draw(&Text::new(number.to_string(), (x, y), style)).ok()?;
        }
        root.present().ok()?;
    }
    Some(svg)
}
