//! What tests inside a backend share. Every such test is one transaction that is rolled back.

use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::Value;

/// Creates the tables.
pub fn set_up() {
    run("select raw_ops.setup()");
}

pub fn run(sql: &str) {
    Spi::run(sql).unwrap();
}

/// One value, which must be there.
pub fn one<T: FromDatum + IntoDatum>(sql: &str) -> T {
    Spi::get_one(sql)
        .unwrap()
        .unwrap_or_else(|| panic!("null from: {sql}"))
}

pub fn json(sql: &str) -> Value {
    one::<JsonB>(sql).0
}

/// Message and hint of the error a statement must raise; what it wrote is undone.
pub fn error_of(sql: &str) -> (String, String) {
    use pgrx::pg_sys::panic::CaughtError;
    // SAFETY: a sub-transaction as every procedural language makes it.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        let caught = PgTryBuilder::new(std::panic::AssertUnwindSafe(|| {
            Spi::run(sql).unwrap();
            None
        }))
        .catch_others(|caught| {
            let report = match &caught {
                CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
                CaughtError::RustPanic { ereport, .. } => ereport,
            };
            Some((
                report.message().to_owned(),
                report.hint().unwrap_or_default().to_owned(),
            ))
        })
        .execute();
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        caught.unwrap_or_else(|| panic!("no error from: {sql}"))
    }
}

/// Stores a webhook and returns its id.
pub fn receive(topic: &str, event_id: &str, body: &str) -> String {
    let args: [pgrx::datum::DatumWithOid; 3] = [topic.into(), event_id.into(), body.as_bytes().into()];
    let receipt: JsonB = Spi::get_one_with_args(
        "select raw_ops.receive_webhook('shopify', $1, $2, '{}', $3)",
        &args,
    )
    .unwrap()
    .unwrap();
    receipt.0["webhook_id"].as_str().unwrap().to_owned()
}

/// A small but complete order.
pub fn order(id: i64, updated_at: &str) -> Value {
    serde_json::json!({
        "id": id, "order_number": 1001, "name": "#1001", "email": "ada@example.com", "currency": "EUR",
        "total_price": "35.90", "subtotal_price": "30.00", "total_tax": "0.90", "total_discounts": "0.00",
        "total_shipping_price_set": {"shop_money": {"amount": "5.00", "currency_code": "EUR"}},
        "financial_status": "pending", "fulfillment_status": null, "note": null, "tags": "vip", "test": false,
        "created_at": "2026-01-01T10:00:00+01:00", "updated_at": updated_at,
        "customer": {"id": 77, "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"},
        "line_items": [
            {"id": 1, "product_id": 11, "variant_id": 111, "sku": "A", "title": "First", "quantity": 2, "price": "10.00"},
            {"id": 2, "product_id": null, "variant_id": null, "sku": "", "title": "Tip", "quantity": 1, "price": "10.00"},
        ],
    })
}

/// Applies an order payload directly.
pub fn apply(order: &Value) -> Value {
    let args: [pgrx::datum::DatumWithOid; 1] = [JsonB(order.clone()).into()];
    let applied: JsonB = Spi::get_one_with_args("select raw_ops.process_order_webhook_txn($1)", &args)
        .unwrap()
        .unwrap();
    applied.0
}

/// Another order of the same, the same for the same seed.
#[cfg(test)]
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut random = seed;
    for index in (1..items.len()).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(index, (random >> 33) as usize % (index + 1));
    }
}
