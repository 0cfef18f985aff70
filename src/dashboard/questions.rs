//! ORD's eight questions ("Metabase Dashboard: Webhook Operations"), a card with a chart each. Pure.

use super::data::{Data, Trends};
use super::{shares, trends};
use crate::alerts::AllThresholds;
use maud::{Markup, html};

pub fn all(data: &Data) -> Markup {
    html! {
        (trends::success_rate(&data.trends, &data.limits))
        (trends::queue_depth(data))
        (trends::dead_letters(&data.trends, data.moment.settled_without_order))
        (trends::latency(&data.trends, &data.limits))
        (shares::error_categories(data))
        (shares::retry_resolution(data))
        (shares::oldest_pending(data))
        (trends::daily_volume(&data.trends))
    }
}

/// Those of them that are asked of each shop.
pub fn of_shop(of: &Trends, limits: &AllThresholds) -> Markup {
    html! {
        (trends::success_rate(of, limits))
        (trends::dead_letters(of, 0))
        (trends::latency(of, limits))
        (trends::daily_volume(of))
    }
}
