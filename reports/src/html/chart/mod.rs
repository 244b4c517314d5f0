//! Charts: plotters lays them out, [`canvas`] writes them as SVG that follows the page's colours.
//!
//! A chart is never the only way to its data: [`figure`] puts a table under each one.

mod axis;
mod bars;
mod canvas;
mod distribution;
mod over_time;
mod sankey;
mod swimlane;

use maud::{Markup, PreEscaped, html};

pub(super) use bars::{Bar, Segment, bars};
pub(super) use canvas::Ink;
pub(super) use distribution::{Unit, distribution};
pub(super) use over_time::{Moment, over_time};
pub(super) use sankey::{Ribbon, sankey};
pub(super) use swimlane::swimlane;

/// What a chart says, in words: for its caption and for readers who do not see it.
pub(super) struct Words<'a> {
    /// Identifier within the page.
    pub(super) id: &'a str,
    /// What is shown.
    pub(super) title: &'a str,
    /// How to read it.
    pub(super) hint: &'a str,
    /// What a sighted reader takes from it at a glance.
    pub(super) description: &'a str,
}

/// How an entry of a legend is drawn.
pub(super) enum Swatch {
    /// A filled area.
    Area(Ink),
    /// A line.
    Line(Ink),
    /// A dot.
    Dot(Ink),
    /// A cross.
    Cross(Ink),
}

/// A chart with its words, legend and data.
pub(super) fn figure(words: &Words<'_>, drawing: &str, legend: &[(Swatch, &str)], data: &Markup) -> Markup {
    html! {
        figure {
            figcaption { (words.title) div { (words.hint) } }
            div.drawing { (PreEscaped(drawing)) }
            @if !legend.is_empty() {
                ul.legend {
                    @for (swatch, text) in legend { li { (swatch_drawing(swatch)) (text) } }
                }
            }
            details {
                summary { "Data of this chart" }
                (data)
            }
        }
    }
}

fn swatch_drawing(swatch: &Swatch) -> Markup {
    html! {
        svg viewBox="0 0 22 10" aria-hidden="true" {
            @match swatch {
                Swatch::Area(ink) => rect class=(ink.fill_class()) x="0" y="0" width="22" height="10" {},
                Swatch::Line(ink) => path class=(ink.stroke_class()) stroke-width="2" d="M0 5H22" {},
                Swatch::Dot(ink) => circle class=(ink.fill_class()) cx="11" cy="5" r="3.5" {},
                Swatch::Cross(ink) => path class=(ink.stroke_class()) stroke-width="2" d="M7 1L15 9M15 1L7 9" {},
            }
        }
    }
}
