//! What was expected beside what was found, a line each.

use std::fmt::Display;

use crate::screen::{Screen, Style, WIDTH};
use raw_ops_e2e::table::width;

/// The checks made so far.
pub struct Checks {
    screen: Screen,
    made: usize,
    failed: Vec<Failure>,
}

/// A check that does not hold.
struct Failure {
    what: String,
    expected: String,
    found: String,
}

impl Checks {
    /// None yet.
    pub fn new(screen: Screen) -> Self {
        Self {
            screen,
            made: 0,
            failed: Vec::new(),
        }
    }

    /// Is what was found what was expected? Both are shown as text.
    pub fn equal<T: PartialEq + Display>(&mut self, what: &str, expected: &T, found: &T) {
        self.record(what, expected == found, expected.to_string(), found.to_string());
    }

    /// The same for whole numbers, shown with their thousands apart.
    pub fn count(&mut self, what: &str, expected: usize, found: i64) {
        let holds = i64::try_from(expected) == Ok(found);
        let [expected, found] = [expected.to_string(), found.to_string()].map(crate::screen::grouped);
        self.record(what, holds, expected, found);
    }

    /// Does it hold? `found` says what was seen.
    pub fn holds(&mut self, what: &str, holds: bool, expected: &str, found: &str) {
        self.record(what, holds, expected.to_owned(), found.to_owned());
    }

    fn record(&mut self, what: &str, holds: bool, expected: String, found: String) {
        self.made += 1;
        let screen = self.screen;
        if holds {
            let gap = WIDTH.saturating_sub(4 + width(what) + width(&found)).max(2);
            let found = screen.paint(Style::Dim, &format!("{}{found}", " ".repeat(gap)));
            screen.line(&format!("  {} {what}{found}", screen.paint(Style::Good, "✓")));
            return;
        }
        screen.line(&format!("  {} {what}", screen.paint(Style::Bad, "✗")));
        screen.line(&format!("      expected {expected}"));
        screen.line(&format!("      found    {found}"));
        self.failed.push(Failure {
            what: what.to_owned(),
            expected,
            found,
        });
    }

    /// The last word: how many hold, and those that do not once more. Returns whether all do.
    pub fn verdict(&self, seconds: f64) -> bool {
        let screen = self.screen;
        let holding = self.made - self.failed.len();
        if self.failed.is_empty() {
            let text = format!("✓ All {} checks hold ({seconds:.1} s in all).", self.made);
            screen.line(&screen.paint(Style::Good, &text));
            return true;
        }
        let text = format!("✗ {holding} of {} checks hold; these do not:", self.made);
        screen.line(&screen.paint(Style::Bad, &text));
        for Failure {
            what,
            expected,
            found,
        } in &self.failed
        {
            screen.line(&format!("  {what}: expected {expected}, found {found}"));
        }
        false
    }

    /// Has any failed so far?
    pub fn any_failed(&self) -> bool {
        !self.failed.is_empty()
    }
}
