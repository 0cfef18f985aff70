//! ORD's eight questions ("Metabase Dashboard: Webhook Operations"), a card with a chart each. Pure.

use super::data::Data;
use super::{shares, trends};
use maud::{Markup, html};

/// What a chart says that has never had anything to show.
pub const NOTHING_YET: &str = "nothing yet";

pub fn all(data: &Data) -> Markup {
    html! {
        (trends::success_rate(data))
        (trends::queue_depth(data))
        (trends::dead_letters(data))
        (trends::latency(data))
        (shares::error_categories(data))
        (shares::retry_resolution(data))
        (shares::oldest_pending(data))
        (trends::daily_volume(data))
    }
}

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
