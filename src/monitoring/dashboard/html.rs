//! Writing HTML so that data can only get in escaped. Pure.

use std::fmt::Write;

/// A document under construction.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// Markup of ours; being `'static` it cannot be data.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Anything else: as text, also inside a quoted attribute.
    pub fn text(&mut self, data: &str) -> &mut Self {
        for c in data.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Not allowed in HTML; PostgreSQL lets them into text.
                c if c.is_control() && c != '\n' && c != '\t' => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    /// A coordinate: one decimal is a tenth of a pixel.
    pub fn number(&mut self, value: f64) -> &mut Self {
        let rounded = (value * 10.0).round() / 10.0;
        self.0.push_str(&rounded.to_string());
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

    /// The document in ASCII, whatever the client's encoding can hold: everything else as a numeric reference, which is
    /// read as the same character everywhere but in a style sheet.
    pub fn finish(self) -> String {
        if self.0.is_ascii() {
            return self.0;
        }
        let mut ascii = String::with_capacity(self.0.len() + self.0.len() / 8);
        for c in self.0.chars() {
            if c.is_ascii() {
                ascii.push(c);
            } else {
                // Writing to a String cannot fail.
                let _ = write!(ascii, "&#x{:x};", u32::from(c));
            }
        }
        ascii
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_become_markup() {
        let mut html = Html::default();
        html.raw("<p title=\"")
            .text("\" onload='x'")
            .raw("\">")
            .text("<script>&\u{0}")
            .raw("</p>");
        assert_eq!(
            html.finish(),
            "<p title=\"&quot; onload=&#39;x&#39;\">&lt;script&gt;&amp;&#xfffd;</p>"
        );
    }

    #[test]
    fn what_no_other_encoding_can_hold_is_written_in_ascii() {
        let mut html = Html::default();
        html.raw("<p title=\"")
            .text("Zo\u{eb}")
            .raw("\">")
            .text("\u{1f64f} \u{b7} 7")
            .raw("</p>");
        assert_eq!(html.finish(), "<p title=\"Zo&#xeb;\">&#x1f64f; &#xb7; 7</p>");
        assert!(
            include_str!("page.css").is_ascii(),
            "no references in a style sheet"
        );
    }

    #[test]
    fn coordinates_are_short() {
        let mut html = Html::default();
        html.shape("rect", "bar", &[("x", 1.0 / 3.0), ("y", 2.0)], Some("a < b"));
        assert_eq!(
            html.finish(),
            "<rect class=\"bar\" x=\"0.3\" y=\"2\"><title>a &lt; b</title></rect>"
        );
    }
}
