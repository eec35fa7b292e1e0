//! Pieces of HTML and SVG.

use std::fmt::{Display, Write};

/// `text` with the characters that mean something in HTML and SVG escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A drawing in progress, in its own units from (0, 0) at the top left.
pub(super) struct Drawing {
    width: f64,
    height: f64,
    content: String,
}

impl Drawing {
    pub(super) const fn new(width: f64, height: f64) -> Self {
        Self { width, height, content: String::new() }
    }

    fn add(&mut self, element: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.content, "{element}");
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A bar between two x, at least visible, with `title` to be pointed at.
    pub(super) fn bar(&mut self, class: &str, x: (f64, f64), y: f64, height: f64, title: &str) {
        let (left, right) = (x.0.min(x.1), x.0.max(x.1));
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{:.1}\" \
             height=\"{height:.1}\" rx=\"1.5\"><title>{}</title></rect>",
            (right - left).max(0.8),
            escaped(title)
        ));
    }

    pub(super) fn circle(&mut self, class: &str, at: (f64, f64), radius: f64, title: &str) {
        self.add(format_args!(
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\">\
             <title>{}</title></circle>",
            at.0,
            at.1,
            escaped(title)
        ));
    }

    /// Text whose class says how it is aligned; `y` is its baseline.
    pub(super) fn text(&mut self, class: &str, at: (f64, f64), text: &str) {
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            at.0,
            at.1,
            escaped(text)
        ));
    }

    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)], title: &str) {
        self.add(format_args!(
            "<path class=\"{class}\" d=\"{}\"><title>{}</title></path>",
            through(points),
            escaped(title)
        ));
    }

    /// The area between two lines that run over the same x.
    pub(super) fn band(&mut self, class: &str, above: &[(f64, f64)], below: &[(f64, f64)]) {
        let outline: Vec<_> = above.iter().chain(below.iter().rev()).copied().collect();
        self.add(format_args!("<path class=\"band {class}\" d=\"{}Z\"/>", through(&outline)));
    }

    /// The drawing as a figure; `label` says what it shows to who cannot see.
    pub(super) fn finish(self, label: &str) -> String {
        format!(
            "<figure><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{}</svg></figure>\n",
            self.width,
            self.height,
            escaped(label),
            self.content
        )
    }
}

fn through(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (position, (x, y)) in points.iter().enumerate() {
        let command = if position == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{x:.1} {y:.1}");
    }
    path
}

/// Names with a patch of colour each: the class of the patch, and the name.
pub(super) fn legend(entries: &[(&str, String)]) -> String {
    let mut text = String::from("<div class=\"legend\">");
    for (colour, name) in entries {
        let _ = write!(
            text,
            "<span><i style=\"background:var(--{colour})\"></i>{}</span>",
            escaped(name)
        );
    }
    text + "</div>\n"
}
