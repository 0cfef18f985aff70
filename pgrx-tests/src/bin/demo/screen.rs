//! What the demo writes: lines of at most 100 columns; colour and a line that moves only on a terminal.

use std::env;
use std::io::{IsTerminal, Write, stdout};

use raw_ops_e2e::table::Table;

/// Columns that the output keeps to.
pub const WIDTH: usize = 100;

/// How a piece of text looks.
#[derive(Clone, Copy)]
pub enum Style {
    Bold,
    Dim,
    Good,
    Bad,
}

/// Standard output.
#[derive(Clone, Copy)]
pub struct Screen {
    moves: bool,
    colour: bool,
}

impl Screen {
    /// Looks at what standard output is, and at `NO_COLOR` and `TERM`.
    pub fn new() -> Self {
        let moves = stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            moves,
            colour: moves && !plain,
        }
    }

    /// Text in a style, where there are styles.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// One line as it is.
    pub fn line(&self, text: &str) {
        // A reader that went away (`| head`) must not leave a server behind: the demo goes on to its end.
        let _ = writeln!(stdout(), "{text}");
    }

    /// The beginning of a step.
    pub fn heading(&self, text: &str) {
        self.line("");
        self.line(&self.paint(Style::Bold, text));
    }

    /// A paragraph, wrapped and indented.
    pub fn say(&self, text: &str) {
        for line in wrapped(text, WIDTH - 2) {
            self.line(&format!("  {line}"));
        }
    }

    /// A paragraph beside a name.
    pub fn pair(&self, name: &str, text: &str) {
        for (index, line) in wrapped(text, WIDTH - 14).iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.line(&format!(
                "  {} {line}",
                self.paint(Style::Dim, &format!("{name:<11}"))
            ));
        }
    }

    /// A table with an empty line above and below.
    pub fn table(&self, table: &Table) {
        self.line("");
        for (index, line) in table.lines().iter().enumerate() {
            let line = if index < 2 {
                self.paint(Style::Dim, line)
            } else {
                line.clone()
            };
            self.line(&format!("  {line}"));
        }
        self.line("");
    }

    /// A statement as a person types it, in lines.
    pub fn sql(&self, statement: &str) {
        for line in statement.lines() {
            self.line(&format!("  {}", self.paint(Style::Bold, line)));
        }
    }

    /// Progress of something that has a known end.
    pub fn progress(&self) -> Progress {
        Progress {
            screen: *self,
            quarters: 0,
        }
    }

    /// Takes a moving line away.
    pub fn clear(&self) {
        if self.moves {
            let _ = write!(stdout(), "\r\x1b[K");
        }
    }
}

/// On a terminal one line that moves; elsewhere a line at each quarter. Dropping it takes the moving line away.
pub struct Progress {
    screen: Screen,
    quarters: usize,
}

impl Progress {
    /// `done` of `total`, in words.
    pub fn show(&mut self, done: usize, total: usize, text: &str) {
        let quarters = done * 4 / total.max(1);
        if self.screen.moves {
            let _ = write!(stdout(), "\r  {text}\x1b[K");
            let _ = stdout().flush();
        } else if quarters > self.quarters {
            self.screen.line(&format!("  {text}"));
        }
        self.quarters = quarters;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.screen.clear();
    }
}

/// The words of a text in lines of at most `width` characters; a longer word has a line to itself.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let used = lines[last].chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

/// A number with its thousands apart: `1,234`.
pub fn grouped(number: impl std::fmt::Display) -> String {
    let text = number.to_string();
    let (whole, rest) = text
        .find('.')
        .map_or((text.as_str(), ""), |point| text.split_at(point));
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut apart = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    format!("{sign}{apart}{rest}")
}

/// Milliseconds for people: `3.1 ms`, `240 ms`, `1.8 s`.
pub fn milliseconds(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.1} ms"),
        10.0..1000.0 => format!("{value:.0} ms"),
        _ => format!("{:.1} s", value / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let shown = ["7", "1000", "-1234567.80", "100"].map(grouped);
        assert_eq!(shown, ["7", "1,000", "-1,234,567.80", "100"]);
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable x", 4), ["unbreakable", "x"]);
    }
}
