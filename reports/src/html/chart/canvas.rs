//! A drawing back end for plotters that writes SVG for an HTML page.
//!
//! plotters' own SVG writer fixes colours, writes each grid line as an element and knows no accessible names. Here a
//! colour is a role ([`Ink`]) that becomes a CSS class, so that one drawing serves light, dark and paper; neighbouring
//! lines of one role become one path; and the root element carries a title and a description.

use std::convert::Infallible;
use std::fmt::Write as _;

use plotters::style::Color;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform,
};

use super::Words;

/// What a stroke or an area means; the style sheet gives it a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::html) enum Ink {
    /// Words, and lines as strong as words.
    Text,
    /// Less important words, axes.
    Muted,
    /// The background, on top of something filled.
    Page,
    /// Grid.
    Line,
    /// Something that went wrong.
    Fail,
    /// Something to be marked.
    Warn,
    /// First series.
    Series1,
    /// Second series.
    Series2,
    /// Third series.
    Series3,
    /// Fourth series.
    Series4,
}

impl Ink {
    const ALL: [Self; 10] = [
        Self::Text,
        Self::Muted,
        Self::Page,
        Self::Line,
        Self::Fail,
        Self::Warn,
        Self::Series1,
        Self::Series2,
        Self::Series3,
        Self::Series4,
    ];

    /// CSS class of an area.
    pub(in crate::html) const fn fill_class(self) -> &'static str {
        match self {
            Self::Text => "f-text",
            Self::Muted => "f-muted",
            Self::Page => "f-page",
            Self::Line => "f-line",
            Self::Fail => "f-fail",
            Self::Warn => "f-warn",
            Self::Series1 => "f-series-1",
            Self::Series2 => "f-series-2",
            Self::Series3 => "f-series-3",
            Self::Series4 => "f-series-4",
        }
    }

    /// CSS class of a stroke.
    pub(in crate::html) const fn stroke_class(self) -> &'static str {
        match self {
            Self::Text => "k-text",
            Self::Muted => "k-muted",
            Self::Page => "k-page",
            Self::Line => "k-line",
            Self::Fail => "k-fail",
            Self::Warn => "k-warn",
            Self::Series1 => "k-series-1",
            Self::Series2 => "k-series-2",
            Self::Series3 => "k-series-3",
            Self::Series4 => "k-series-4",
        }
    }

    /// The role that plotters hands back as a colour.
    fn of(color: BackendColor) -> Self {
        let (number, _, _) = color.rgb;
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Text)
    }
}

impl Color for Ink {
    fn to_backend_color(&self) -> BackendColor {
        // plotters passes colours through untouched, so the number of the role may travel as one.
        let number = Self::ALL
            .iter()
            .position(|ink| ink == self)
            .and_then(|index| u8::try_from(index).ok());
        BackendColor {
            alpha: 1.0,
            rgb: (number.unwrap_or(0), 0, 0),
        }
    }
}

/// Widest drawing that a telephone shows legibly as a whole, in CSS pixels.
const NARROW_WIDTH: u32 = 600;

/// Lines of one role and width that have not been written yet.
struct Strokes {
    ink: Ink,
    width: u32,
    path: String,
}

/// The drawing back end.
pub(super) struct Canvas<'a> {
    svg: &'a mut String,
    size: (u32, u32),
    strokes: Option<Strokes>,
    closed: bool,
}

impl<'a> Canvas<'a> {
    /// Starts a drawing of this size at the end of `svg`.
    pub(super) fn new(svg: &'a mut String, size: (u32, u32), words: &Words<'_>) -> Self {
        open(svg, size, words);
        Self {
            svg,
            size,
            strokes: None,
            closed: false,
        }
    }

    fn flush(&mut self) {
        if let Some(Strokes { ink, width, path }) = self.strokes.take() {
            let class = ink.stroke_class();
            let _ = match width {
                1 => write!(self.svg, "<path class=\"{class}\" d=\"{path}\"/>"),
                _ => write!(
                    self.svg,
                    "<path class=\"{class}\" stroke-width=\"{width}\" d=\"{path}\"/>"
                ),
            };
        }
    }

    fn stroke(&mut self, ink: Ink, width: u32) -> &mut String {
        if self
            .strokes
            .as_ref()
            .is_some_and(|strokes| strokes.ink != ink || strokes.width != width)
        {
            self.flush();
        }
        &mut self
            .strokes
            .get_or_insert_with(|| Strokes {
                ink,
                width,
                path: String::new(),
            })
            .path
    }

    fn path(&mut self, points: impl IntoIterator<Item = BackendCoord>, ink: Ink, width: u32) {
        let path = self.stroke(ink, width);
        for (index, (x, y)) in points.into_iter().enumerate() {
            let _ = write!(path, "{}{x} {y}", if index == 0 { 'M' } else { 'L' });
        }
    }
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        self.flush();
        if !self.closed {
            self.svg.push_str("</svg>");
            self.closed = true;
        }
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.path([(x, y), (x + 1, y)], Ink::of(color), 1);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.path([from, to], Ink::of(style.color()), style.stroke_width());
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.flush();
        let ink = Ink::of(style.color());
        let class = if fill { ink.fill_class() } else { ink.stroke_class() };
        let (width, height) = ((right - left).max(0), (bottom - top).max(0));
        let _ = write!(
            self.svg,
            "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>"
        );
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        self.path(path, Ink::of(style.color()), style.stroke_width());
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        self.flush();
        let _ = write!(self.svg, "<path class=\"{}\" d=\"", Ink::of(style.color()).fill_class());
        for (index, (x, y)) in points.into_iter().enumerate() {
            let _ = write!(self.svg, "{}{x} {y}", if index == 0 { 'M' } else { 'L' });
        }
        self.svg.push_str("Z\"/>");
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, (x, y): BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        self.flush();
        let ink = Ink::of(style.color());
        let class = if fill { ink.fill_class() } else { ink.stroke_class() };
        let _ = write!(
            self.svg,
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>"
        );
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Drawn {
        self.flush();
        let class = Ink::of(style.color()).fill_class();
        let anchor = match style.anchor().h_pos {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let shift = match style.anchor().v_pos {
            VPos::Top => "0.76em",
            VPos::Center => "0.35em",
            VPos::Bottom => "-0.2em",
        };
        let turned = match style.transform() {
            FontTransform::None => String::new(),
            FontTransform::Rotate90 => format!(" transform=\"rotate(90 {x} {y})\""),
            FontTransform::Rotate180 => format!(" transform=\"rotate(180 {x} {y})\""),
            FontTransform::Rotate270 => format!(" transform=\"rotate(270 {x} {y})\""),
        };
        let size = style.size() as u32;
        let _ = write!(
            self.svg,
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" dy=\"{shift}\" font-size=\"{size}\"{anchor}{turned}>"
        );
        escape(self.svg, text);
        self.svg.push_str("</text>");
        Ok(())
    }
}

/// Begins a drawing: its size, its title, its description.
pub(super) fn open(svg: &mut String, (width, height): (u32, u32), words: &Words<'_>) {
    let id = words.id;
    let class = if width > NARROW_WIDTH { "chart wide" } else { "chart" };
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        svg,
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-description\">\
         <title id=\"{id}-title\">"
    );
    escape(svg, words.title);
    let _ = write!(svg, "</title><desc id=\"{id}-description\">");
    escape(svg, words.description);
    svg.push_str("</desc>");
}

pub(super) fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use plotters::prelude::{IntoDrawingArea as _, PathElement, Text};
    use plotters::style::IntoFont as _;

    use super::*;

    const WORDS: Words<'_> = Words {
        id: "a",
        title: "1 < 2",
        hint: "",
        description: "\"b\" & c",
    };

    #[test]
    fn a_drawing_has_roles_instead_of_colours_and_an_accessible_name() {
        let mut svg = String::new();
        {
            let area = Canvas::new(&mut svg, (100, 50), &WORDS).into_drawing_area();
            area.draw(&PathElement::new([(0, 0), (10, 0)], Ink::Line)).unwrap();
            area.draw(&PathElement::new([(0, 5), (10, 5)], Ink::Line)).unwrap();
            area.draw(&Text::new(
                "<x>",
                (1, 2),
                ("sans-serif", 12).into_font().color(&Ink::Muted),
            ))
            .unwrap();
            area.present().unwrap();
        }
        assert_eq!(
            svg,
            "<svg class=\"chart\" viewBox=\"0 0 100 50\" role=\"img\" aria-labelledby=\"a-title a-description\">\
             <title id=\"a-title\">1 &lt; 2</title><desc id=\"a-description\">&quot;b&quot; &amp; c</desc>\
             <path class=\"k-line\" d=\"M0 0L10 0M0 5L10 5\"/>\
             <text class=\"f-muted\" x=\"1\" y=\"2\" dy=\"0.76em\" font-size=\"12\">&lt;x&gt;</text></svg>"
        );
    }

    #[test]
    fn every_role_survives_the_way_through_plotters() {
        for ink in Ink::ALL {
            assert_eq!(Ink::of(ink.to_backend_color()), ink);
        }
    }
}
