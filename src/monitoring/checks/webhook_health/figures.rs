//! What the check rests on: the queue, dead letters, latency, elements; of all shops and of each.

use super::{DEAD_LETTERS, LATENCY, REFUSED, WAITING};
use crate::db::{Session, result_row, statements};
use crate::error::Result;
use crate::json::Timestamp;
use crate::monitoring::advice::{DeadLetters, QueueError};
use crate::monitoring::report::{Shops, Thresholds};
use serde_json::{Value as Json, json};

const MINUTE: i64 = 60_000_000;

statements! {
    query find_figures(fresh: i64, latency: i64, elements: i64) -> Figures = file "monitoring/webhook_health.sql";
    query find_by_shop(fresh: i64, elements: i64) -> OfShop = file "monitoring/webhook_health_by_shop.sql";
    query find_dead_letters() -> DeadLetters = file "monitoring/dead_letters.sql";
    query find_queue_error() -> QueueError = file "monitoring/queue_error.sql";
}

result_row! {
    #[derive(Clone, Debug, Default)]
    pub struct Figures {
        pub depth: i64,
        pub oldest_minutes: f64,
        pub oldest_at: Option<Timestamp>,
        pub new_dead_letters: i64,
        pub dead_letters: i64,
        pub p95_ms: f64,
        pub worst_ms: f64,
        pub processed: i64,
        pub pending: i64,
        pub failed: i64,
        pub retrying: i64,
        pub refused_elements: i64,
        pub waiting_elements: i64,
        pub oldest_element_minutes: f64,
    }
}

result_row! {
    /// What is a shop's own; of one shop it is all there is.
    #[derive(Clone, Debug, Default)]
    pub struct OfShop {
        pub shop_domain: String,
        pub depth: i64,
        pub new_dead_letters: i64,
        pub dead_letters: i64,
        pub refused_elements: i64,
        pub waiting_elements: i64,
        pub oldest_element_minutes: f64,
    }
}

impl Figures {
    /// Of all shops together, as of one.
    pub fn of_all(&self) -> OfShop {
        OfShop {
            shop_domain: String::new(),
            depth: self.depth,
            new_dead_letters: self.new_dead_letters,
            dead_letters: self.dead_letters,
            refused_elements: self.refused_elements,
            waiting_elements: self.waiting_elements,
            oldest_element_minutes: self.oldest_element_minutes,
        }
    }
}

impl OfShop {
    pub fn to_json(&self) -> Json {
        json!({
            "shop_domain": self.shop_domain, "queue_depth": self.depth, "new_dlq": self.new_dead_letters,
            "dlq": self.dead_letters, "refused_elements": self.refused_elements, "waiting_elements": self.waiting_elements,
        })
    }
}

/// Everything the check rests on.
#[derive(Default)]
pub struct All {
    pub figures: Figures,
    pub by_shop: Vec<OfShop>,
    pub dead_letters: Vec<DeadLetters>,
    pub error: Option<QueueError>,
}

pub fn read(session: &Session, thresholds: &Thresholds, shops: &Shops) -> Result<All> {
    let window = |condition, otherwise: i64| thresholds.lookback(condition).unwrap_or(otherwise);
    let day = 24 * 60 * MINUTE;
    let of_elements = thresholds
        .lookback(REFUSED)
        .max(thresholds.lookback(WAITING))
        .unwrap_or(day);
    let fresh = window(DEAD_LETTERS, 10 * MINUTE);
    let figures = find_figures(session, fresh, window(LATENCY, 60 * MINUTE), of_elements)?;
    let figures = figures.first()?.unwrap_or_default();
    let by_shop = match shops.are_several() {
        true => find_by_shop(session, fresh, of_elements)?.all()?,
        false => vec![figures.of_all()],
    };
    let dead_letters = match figures.dead_letters {
        0 => Vec::new(),
        _ => find_dead_letters(session)?.all()?,
    };
    let error = match figures.failed + figures.retrying {
        0 => None,
        _ => find_queue_error(session)?.first()?,
    };
    Ok(All {
        figures,
        by_shop,
        dead_letters,
        error,
    })
}
