//! The columns that hold versions: `shopify_updated_at`, `shopify_triggered_at`, `payload_hash`, `field_versions`.

use super::{Shape, State, Version};
use crate::db::Jsonb;
use crate::json::Timestamp;

/// Of the columns `shopify_updated_at`, `shopify_triggered_at`, `payload_hash`.
pub fn version(
    updated_at: Option<Timestamp>,
    triggered_at: Option<Timestamp>,
    payload_hash: Option<i64>,
) -> Version {
    payload_hash.map_or(Version::NEVER, |hash| Version {
        at: updated_at.map(|time| time.0),
        triggered_at: triggered_at.map(|time| time.0),
        hash,
    })
}

/// Of which fields are null, and the column `field_versions`.
pub fn state(shape: &Shape, version: Version, blank: i32, field_versions: Option<Jsonb<'_>>) -> State {
    State {
        version,
        own: field_versions.map_or_else(Vec::new, |kept| shape.own_from_json(kept)),
        blank: blank.cast_unsigned(),
    }
}

impl Version {
    /// For the column `shopify_updated_at`.
    pub fn updated_at(self) -> Option<Timestamp> {
        self.at.map(Timestamp)
    }

    /// For the column `shopify_triggered_at`.
    pub fn triggered_at(self) -> Option<Timestamp> {
        self.triggered_at.map(Timestamp)
    }

    /// For the column `payload_hash`.
    pub fn payload_hash(self) -> Option<i64> {
        (self != Version::NEVER).then_some(self.hash)
    }
}
