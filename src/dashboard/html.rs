//! The finished page as text that every client and every browser reads alike. Pure.

use maud::Markup;
use std::fmt::Write;

/// The page in ASCII, whatever the client's encoding can hold: everything else as a numeric reference, which is read as the
/// same character everywhere but in a style sheet. Control characters, which PostgreSQL lets into text and HTML does not
/// allow, become U+FFFD.
pub fn ascii(page: Markup) -> String {
    let page = page.into_string();
    let mut ascii = String::with_capacity(page.len() + page.len() / 8);
    for c in page.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '\n' | '\t' => ascii.write_char(c),
            c if c.is_control() => ascii.write_str("&#xfffd;"),
            c if c.is_ascii() => ascii.write_char(c),
            c => write!(ascii, "&#x{:x};", u32::from(c)),
        };
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;
    use maud::html;

    #[test]
    fn data_cannot_become_markup() {
        let page = html! { p title=("\" onload='x'") { ("<script>&\u{0}\r\u{85}") } };
        assert_eq!(
            ascii(page),
            "<p title=\"&quot; onload='x'\">&lt;script&gt;&amp;&#xfffd;&#xfffd;&#xfffd;</p>"
        );
    }

    #[test]
    fn what_no_other_encoding_can_hold_is_written_in_ascii() {
        let page = html! { p title=("Zo\u{eb}") { ("\u{1f64f} \u{b7}\n7") } };
        assert_eq!(ascii(page), "<p title=\"Zo&#xeb;\">&#x1f64f; &#xb7;\n7</p>");
        assert!(
            include_str!("page.css").is_ascii(),
            "no references in a style sheet"
        );
    }
}
