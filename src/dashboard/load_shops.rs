//! Reading what the page shows of each shop: one statement a question for all shops, never one a shop.

use super::data::{DeadLetterDay, LatencyDay, Shop, ShopFigures, SuccessDay, Trends, VolumeDay};
use crate::alerts::Shops;
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use std::collections::BTreeMap;

/// So many shops are on the page; where there are more, it says so.
const SHOWN: i64 = 12;

statements! {
    query find_shops(most: i64) -> ShopFigures = file "dashboard/shops.sql";
    query find_success_rate(shops: Vec<&str>) -> SuccessRow = file "dashboard/shops_success_rate.sql";
    query find_dead_letters(shops: Vec<&str>) -> DeadLetterRow = file "dashboard/shops_dead_letters.sql";
    query find_latency(shops: Vec<&str>) -> LatencyRow = file "dashboard/shops_latency.sql";
    query find_volume(shops: Vec<&str>) -> VolumeRow = file "dashboard/shops_volume.sql";
}

result_row! {
    struct SuccessRow {
        shop_domain: String,
        day: String,
        rate: Option<f64>,
        rolling_rate: Option<f64>,
    }
}

result_row! {
    struct DeadLetterRow {
        shop_domain: String,
        day: String,
        open: i64,
        settled: i64,
    }
}

result_row! {
    struct LatencyRow {
        shop_domain: String,
        day: String,
        p95_ms: Option<f64>,
    }
}

result_row! {
    struct VolumeRow {
        shop_domain: String,
        day: String,
        received: i64,
    }
}

/// The shops that the page shows by themselves. With one or none it shows all there is anyway.
pub fn shops(session: &Session) -> Result<Vec<Shop>> {
    if !Shops::read(session)?.are_several() {
        return Ok(Vec::new());
    }
    let shops = find_shops(session, SHOWN)?.all()?;
    let mut trends = trends(session, &shops)?;
    let shops = shops.into_iter().map(|figures| Shop {
        trends: trends.remove(&figures.shop_domain).unwrap_or_default(),
        figures,
    });
    Ok(shops.collect())
}

/// By domain.
fn trends(session: &Session, shops: &[ShopFigures]) -> Result<BTreeMap<String, Trends>> {
    let domains = || shops.iter().map(|shop| shop.shop_domain.as_str()).collect();
    let mut trends: BTreeMap<String, Trends> = BTreeMap::new();
    for row in find_success_rate(session, domains())?.all()? {
        trends
            .entry(row.shop_domain)
            .or_default()
            .success_rate
            .push(SuccessDay {
                day: row.day,
                rate: row.rate,
                rolling_rate: row.rolling_rate,
            });
    }
    for row in find_dead_letters(session, domains())?.all()? {
        trends
            .entry(row.shop_domain)
            .or_default()
            .dead_letters
            .push(DeadLetterDay {
                day: row.day,
                open: row.open,
                settled: row.settled,
            });
    }
    for row in find_latency(session, domains())?.all()? {
        trends
            .entry(row.shop_domain)
            .or_default()
            .latency
            .push(LatencyDay {
                day: row.day,
                p95_ms: row.p95_ms,
            });
    }
    for row in find_volume(session, domains())?.all()? {
        trends.entry(row.shop_domain).or_default().volume.push(VolumeDay {
            day: row.day,
            received: row.received,
        });
    }
    Ok(trends)
}
