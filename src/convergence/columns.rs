//! The columns that hold versions: `shopify_updated_at`, `shopify_triggered_at`, `payload_hash`, `field_versions`.

use super::{Shape, State, Version};
use crate::db::Rowset;
use crate::db::statement::Row;

/// Three columns: `shopify_updated_at`, `shopify_triggered_at`, `payload_hash`.
pub fn version(row: Row, column: i32) -> Version {
    row.int8(column + 2).map_or(Version::NEVER, |hash| Version {
        at: row.timestamp(column),
        triggered_at: row.timestamp(column + 1),
        hash,
    })
}

/// Two columns: which fields are null, `field_versions`.
pub fn state(row: Row, shape: &Shape, version: Version, column: i32) -> State {
    State {
        version,
        own: row
            .jsonb(column + 1)
            .map_or_else(Vec::new, |kept| shape.own_from_json(kept)),
        blank: row.int4(column).unwrap_or(0).cast_unsigned(),
    }
}

/// Three columns: `version`, `triggered_at`, `payload_hash`.
pub fn push_version(rows: &mut Rowset, version: Version) {
    rows.timestamp(version.at)
        .timestamp(version.triggered_at)
        .int8((version != Version::NEVER).then_some(version.hash));
}
