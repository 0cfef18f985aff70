//! ORD's eight questions ("Metabase Dashboard: Webhook Operations"), a card with a chart each. Pure.

use super::data::{Data, Trends};
use super::parts::unread_card;
use super::{shares, trends};
use crate::alerts::AllThresholds;
use maud::{Markup, html};

pub fn all(data: &Data) -> Markup {
    let (trends, limits) = (&data.trends, &data.limits);
    html! {
        (read(data, "success_rate", "Success rate", || trends::success_rate(trends, limits)))
        (read(data, "queue_depth", "Queue depth", || trends::queue_depth(data)))
        (read(data, "dead_letters", "Dead letters by day", || trends::dead_letters(trends, data.moment.settled_without_order)))
        (read(data, "latency", "P95 latency", || trends::latency(trends, limits)))
        (read(data, "error_categories", "Error categories", || shares::error_categories(data)))
        (read(data, "retries", "Retry resolution", || shares::retry_resolution(data)))
        (read(data, "oldest", "Oldest pending", || shares::oldest_pending(data)))
        (read(data, "volume", "Daily volume", || trends::daily_volume(trends)))
    }
}

/// A card, unless what it shows could not be read.
fn read(data: &Data, what: &str, title: &str, card: impl FnOnce() -> Markup) -> Markup {
    match data.why_unread(&[what]) {
        Some(why) => unread_card(title, &why),
        None => card(),
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
