//! ORD's eight questions ("Metabase Dashboard: Webhook Operations"), a card with a chart each. Pure.

use super::data::Data;
use super::html::Html;
use super::{shares, trends};

/// What a chart says that has never had anything to show.
pub const NOTHING_YET: &str = "nothing yet";

pub fn all(html: &mut Html, data: &Data) {
    trends::success_rate(html, data);
    trends::queue_depth(html, data);
    trends::dead_letters(html, data);
    trends::latency(html, data);
    shares::error_categories(html, data);
    shares::retry_resolution(html, data);
    shares::oldest_pending(html, data);
    trends::daily_volume(html, data);
}

/// A card: title, the figure of now with its unit, what the chart shows, the chart.
pub fn card(
    html: &mut Html,
    title: &'static str,
    (figure, unit): (&str, &'static str),
    about: &'static str,
    chart: impl FnOnce(&mut Html),
) {
    html.raw("<article class=\"card question\">\n<header><h3>")
        .raw(title);
    html.raw("</h3><p class=\"figure\">").text(figure);
    html.raw(" <small>")
        .raw(unit)
        .raw("</small></p></header>\n<p class=\"about\">")
        .raw(about)
        .raw("</p>\n");
    chart(html);
    html.raw("</article>\n");
}
