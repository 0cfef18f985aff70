//! Writing SVG by hand: a chart is numbers more than tags. Data gets in escaped only. Pure.

use maud::{Escaper, Markup, PreEscaped};
use std::fmt::Write;

/// A drawing under construction.
#[derive(Default)]
pub struct Svg(String);

impl Svg {
    /// Markup of ours; being `'static` it cannot be data.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Anything else: as text, also inside a quoted attribute.
    pub fn text(&mut self, data: &str) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = Escaper::new(&mut self.0).write_str(data);
        self
    }

    /// A coordinate: one decimal is a tenth of a pixel.
    pub fn number(&mut self, value: f64) -> &mut Self {
        let rounded = (value * 10.0).round() / 10.0;
        let _ = write!(self.0, "{rounded}");
        self
    }

    /// An SVG shape with a class and numbers for attributes; with a title it names its figure to a pointer.
    pub fn shape(
        &mut self,
        name: &'static str,
        class: &'static str,
        attributes: &[(&'static str, f64)],
        title: Option<&str>,
    ) -> &mut Self {
        self.raw("<").raw(name).raw(" class=\"").raw(class).raw("\"");
        for (attribute, value) in attributes {
            self.raw(" ").raw(attribute).raw("=\"").number(*value).raw("\"");
        }
        match title {
            Some(title) => self
                .raw("><title>")
                .text(title)
                .raw("</title></")
                .raw(name)
                .raw(">"),
            None => self.raw("/>"),
        }
    }

    /// What has been drawn, for a page.
    pub fn finish(self) -> Markup {
        PreEscaped(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_become_markup() {
        let mut svg = Svg::default();
        svg.raw("<text x=\"").text("\" onload=\"x").raw("\">");
        svg.text("<script>&").raw("</text>");
        assert_eq!(
            svg.finish().into_string(),
            "<text x=\"&quot; onload=&quot;x\">&lt;script&gt;&amp;</text>"
        );
    }

    #[test]
    fn coordinates_are_short() {
        let mut svg = Svg::default();
        svg.shape("rect", "bar", &[("x", 1.0 / 3.0), ("y", 2.0)], Some("a < b"));
        assert_eq!(
            svg.finish().into_string(),
            "<rect class=\"bar\" x=\"0.3\" y=\"2\"><title>a &lt; b</title></rect>"
        );
    }
}
