//! What the page is put together from: cards, panels, tables, signs. Pure.

use super::data::State;
use super::figures::count;
use maud::{Markup, html};

/// What a chart says that has never had anything to show.
pub const NOTHING_YET: &str = "nothing yet";

/// A card: title, the figure of now with its unit, what the chart shows, the chart.
pub fn card(
    title: &str,
    (figure, unit): (&str, &str),
    about: &str,
    chart: impl FnOnce() -> Markup,
) -> Markup {
    html! {
        article class="card question" {
            header {
                h3 { (title) }
                p class="figure" { (figure) " " small { (unit) } }
            }
            p class="about" { (about) }
            (chart())
        }
    }
}

pub fn panel((id, title): (&str, &str), (figure, unit): (i64, &str), content: Markup) -> Markup {
    html! {
        section class="card panel" aria-labelledby=(id) {
            header {
                h2 id=(id) { (title) }
                p class="figure" { (count(figure)) " " small { (unit) } }
            }
            (content)
        }
    }
}

/// In place of a card whose figures could not be read.
pub fn unread_card(title: &str, why: &str) -> Markup {
    html! {
        article class="card question" {
            header {
                h3 { (title) }
                p class="figure" { "–" }
            }
            (not_read(why))
        }
    }
}

/// In place of a panel whose figures could not be read.
pub fn unread_panel((id, title): (&str, &str), why: &str) -> Markup {
    html! {
        section class="card panel" aria-labelledby=(id) {
            header {
                h2 id=(id) { (title) }
                p class="figure" { "–" }
            }
            (not_read(why))
        }
    }
}

pub fn not_read(why: &str) -> Markup {
    html! { p class="nothing unread" { "not read: " (why) } }
}

/// A table of rows under their headings.
pub fn table(class: &str, headings: &[&str], rows: impl IntoIterator<Item = Markup>) -> Markup {
    html! {
        table class=(class) {
            thead { tr { @for heading in headings { th { (heading) } } } }
            tbody { @for row in rows { (row) "\n" } }
        }
    }
}

pub fn nothing(said: &str) -> Markup {
    html! { p class="nothing" { (said) } }
}

/// That there are more than are shown, and the statement that shows them.
pub fn more(shown: usize, all: i64, statement: &str) -> Markup {
    let rest = all - shown as i64;
    html! {
        @if rest > 0 {
            p class="about" { "and " (count(rest)) " more: " code { (statement) } }
        }
    }
}

/// The name of a state in the style sheet.
pub fn class(state: State) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::Healthy => "healthy",
        State::Warning => "warning",
        State::Critical => "critical",
    }
}

/// A shape of its own for each state: disc (with dots: nothing known), triangle, octagon.
pub fn sign(state: State) -> Markup {
    let shape = match state {
        State::Unknown => html! {
            circle cx="12" cy="12" r="11" {}
            path d="M7 12h.2M12 12h.2M17 12h.2" {}
        },
        State::Healthy => html! {
            circle cx="12" cy="12" r="11" {}
            path d="M6.8 12.6l3.4 3.4 7-7.4" {}
        },
        State::Warning => html! {
            path class="body" d="M12 1.6L23.4 22H.6z" {}
            path d="M12 8.6v6.2M12 18.3v.2" {}
        },
        State::Critical => html! {
            path class="body" d="M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z" {}
            path d="M8 8l8 8M16 8l-8 8" {}
        },
    };
    html! {
        svg class={ "sign " (class(state)) } viewBox="0 0 24 24" aria-hidden="true" { (shape) }
    }
}
