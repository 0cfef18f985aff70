//! ORD's eight questions ("Metabase Dashboard: Webhook Operations"), a card with a chart each. Pure.

use super::data::Data;
use super::{shares, trends};
use maud::{Markup, html};

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
