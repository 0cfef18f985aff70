//! What an order payload does to the tables, inside a backend.

use crate::testing::*;
use pgrx::prelude::*;

const MONDAY: &str = "2026-01-05T10:00:00+01:00";
const TUESDAY: &str = "2026-01-06T10:00:00+01:00";

#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn a_new_order_brings_its_customer_and_items() {
        set_up();
        let applied = apply(&order(820_982_911_946_154_508, MONDAY));
        assert_eq!(applied["outcome"], "created");
        assert_eq!(applied["items"], 2);
        assert_eq!(applied["shopify_order_id"], 820_982_911_946_154_508_i64);
        let same: bool = one(
            "select o.total_price = 35.90 and o.total_shipping = 5.00 and o.export_state = 'pending'
                and o.ordered_at = '2026-01-01 09:00+00' and c.last_name = 'Lovelace'
                and (select sum(quantity * price) from raw_ops.order_items i where i.order_id = o.id) = o.subtotal_price
               from raw_ops.orders o join raw_ops.customers c on c.id = o.customer_id",
        );
        assert!(same);
    }

    #[pg_test]
    fn the_same_payload_again_is_unchanged_and_writes_nothing() {
        set_up();
        apply(&order(1, MONDAY));
        let before: String = one("select string_agg(xmin::text || ctid::text, ',') from raw_ops.orders");
        assert_eq!(apply(&order(1, MONDAY))["outcome"], "unchanged");
        assert_eq!(
            one::<String>("select string_agg(xmin::text || ctid::text, ',') from raw_ops.orders"),
            before
        );
    }

    #[pg_test]
    fn an_older_payload_never_overwrites_a_newer_one() {
        set_up();
        let mut paid = order(1, TUESDAY);
        paid["financial_status"] = "paid".into();
        apply(&paid);
        assert_eq!(apply(&order(1, MONDAY))["outcome"], "stale");
        assert_eq!(
            one::<String>("select financial_status from raw_ops.orders"),
            "paid"
        );
    }

    #[pg_test]
    fn of_two_payloads_of_one_second_the_same_wins_whichever_comes_first() {
        set_up();
        let mut paid = order(1, MONDAY);
        paid["financial_status"] = "paid".into();
        let mut seen = Vec::new();
        for payloads in [[order(1, MONDAY), paid.clone()], [paid, order(1, MONDAY)]] {
            run("truncate raw_ops.orders cascade");
            payloads.iter().for_each(|payload| drop(apply(payload)));
            seen.push(one::<String>("select financial_status from raw_ops.orders"));
        }
        assert_eq!(seen[0], seen[1]);
    }

    #[pg_test]
    fn of_two_payloads_of_one_second_the_one_triggered_later_wins() {
        set_up();
        let mut paid = order(1, MONDAY);
        paid["financial_status"] = "paid".into();
        let created = (order(1, MONDAY), "2026-01-05T09:00:00.100Z");
        let paid = (paid, "2026-01-05T09:00:00.900Z");
        for (n, webhooks) in [[&created, &paid], [&paid, &created]].into_iter().enumerate() {
            run("truncate raw_ops.orders cascade");
            for (body, triggered_at) in webhooks {
                let headers = serde_json::json!({"x-shopify-triggered-at": triggered_at}).to_string();
                let event = format!("{n} {triggered_at}");
                let body = body.to_string();
                let args: [pgrx::datum::DatumWithOid; 3] = [
                    event.as_str().into(),
                    headers.as_str().into(),
                    body.as_bytes().into(),
                ];
                Spi::run_with_args(
                    "select raw_ops.receive_webhook('shopify', 'orders/updated', $1, $2::jsonb, $3)",
                    &args,
                )
                .unwrap();
                json("select raw_ops.process_pending_webhooks()");
            }
            assert_eq!(
                one::<String>("select financial_status from raw_ops.orders"),
                "paid"
            );
        }
    }

    #[pg_test]
    fn shipping_is_the_sum_of_its_lines() {
        set_up();
        let mut shipped = order(1, MONDAY);
        shipped
            .as_object_mut()
            .unwrap()
            .remove("total_shipping_price_set");
        shipped["shipping_lines"] = serde_json::json!([
            {"price": "5.00"}, {"price": 2.5}, {"price": "9.00", "is_removed": true},
        ]);
        apply(&shipped);
        assert!(one::<bool>("select total_shipping = 7.50 from raw_ops.orders"));
    }

    #[pg_test]
    fn null_and_absent_fields_erase_nothing() {
        set_up();
        apply(&order(1, MONDAY));
        let redacted = serde_json::json!({
            "id": 1, "updated_at": TUESDAY, "total_price": null, "email": "", "financial_status": "paid",
            "customer": {"id": 77, "email": null, "first_name": null},
        });
        assert_eq!(apply(&redacted)["outcome"], "updated");
        let kept: bool = one(
            "select o.total_price = 35.90 and o.email = 'ada@example.com' and o.financial_status = 'paid'
                and c.email = 'ada@example.com' and c.first_name = 'Ada'
                and (select count(*) from raw_ops.order_items) = 2
               from raw_ops.orders o join raw_ops.customers c on c.id = o.customer_id",
        );
        assert!(kept);
    }

    #[pg_test]
    fn items_follow_the_newest_list() {
        set_up();
        apply(&order(1, MONDAY));
        let mut edited = order(1, TUESDAY);
        edited["line_items"] = serde_json::json!([
            {"id": 2, "title": "Tip", "quantity": 1, "price": "12.00"},
            {"id": 3, "title": "Third", "quantity": 1, "price": 7.5},
        ]);
        assert_eq!(apply(&edited)["outcome"], "updated");
        let items: String = one(
            "select string_agg(shopify_line_item_id || ':' || price, ' ' order by shopify_line_item_id)
               from raw_ops.order_items",
        );
        assert_eq!(items, "2:12.00 3:7.5");
    }

    #[pg_test]
    fn a_guest_is_one_customer_whatever_the_case_of_the_address() {
        set_up();
        for (id, email) in [(1, "Guest@Example.com"), (2, "guest@example.COM")] {
            let mut guest = order(id, MONDAY);
            guest["customer"] = serde_json::Value::Null;
            guest["email"] = email.into();
            apply(&guest);
        }
        assert_eq!(one::<i64>("select count(*) from raw_ops.customers"), 1);
        assert_eq!(
            one::<i64>("select count(distinct customer_id) from raw_ops.orders"),
            1
        );
    }

    #[pg_test]
    fn a_guest_who_becomes_a_customer_stays_the_same_row() {
        set_up();
        let mut guest = order(1, MONDAY);
        guest["customer"] = serde_json::Value::Null;
        let first = apply(&guest)["customer_id"].clone();
        assert_eq!(apply(&order(2, TUESDAY))["customer_id"], first);
        assert_eq!(
            one::<i64>("select shopify_customer_id from raw_ops.customers"),
            77
        );
    }

    #[pg_test]
    fn without_id_and_address_there_is_no_customer() {
        set_up();
        let mut nobody = order(1, MONDAY);
        nobody["customer"] = serde_json::Value::Null;
        nobody["email"] = "".into();
        assert!(apply(&nobody)["customer_id"].is_null());
        assert_eq!(one::<i64>("select count(*) from raw_ops.customers"), 0);
    }

    #[pg_test]
    fn a_wrong_field_is_named_and_nothing_is_written() {
        set_up();
        for (json, message) in [
            (
                r#"{"id": 1, "line_items": [{"id": 1, "quantity": 1, "price": "abc"}]}"#,
                r#"order.line_items[0].price: not a decimal: "abc""#,
            ),
            (
                r#"{"id": 1, "line_items": [{"id": 1, "quantity": -1, "price": "1"}]}"#,
                "order.line_items[0].quantity: not a count from 0 to 2147483647: -1",
            ),
            (
                r#"{"id": 1, "line_items": {}}"#,
                "order.line_items: not an array: an object",
            ),
            (
                r#"{"id": 1, "line_items": [{"id": 5, "quantity": 1, "price": "1"}, {"id": 5, "quantity": 1, "price": "1"}]}"#,
                "order.line_items: items 0 and 1 have the same id 5",
            ),
            (
                r#"{"id": 1, "updated_at": "now"}"#,
                r#"order.updated_at: not an ISO-8601 time with an offset: "now""#,
            ),
            (
                r#"{"id": 1e30}"#,
                "order.id: not a 64-bit integer: 1000000000000000000000000000000",
            ),
            (r#"{"order": {"id": 1}}"#, "order.id: missing"),
            (r#"[]"#, "order: not an object: an array"),
        ] {
            let (error, _) = error_of(&format!("select raw_ops.process_order_webhook_txn('{json}')"));
            assert_eq!(error, message);
        }
        assert_eq!(one::<i64>("select count(*) from raw_ops.orders"), 0);
    }

    #[pg_test]
    fn an_older_payload_fills_what_a_partial_newer_one_left_open() {
        set_up();
        let partial = serde_json::json!({"id": 1, "updated_at": TUESDAY, "financial_status": "paid"});
        apply(&partial);
        let older = apply(&order(1, MONDAY));
        assert_eq!(older["outcome"], "stale");
        let filled: bool = one(
            "select o.financial_status = 'paid' and o.total_price = 35.90 and c.first_name = 'Ada'
                and (select count(*) from raw_ops.order_items) = 2
               from raw_ops.orders o join raw_ops.customers c on c.id = o.customer_id",
        );
        assert!(filled);
    }

    #[pg_test]
    fn an_address_with_a_street_is_replaced_by_another_with_one_only() {
        set_up();
        let address = "select concat_ws(' ', shipping_address->>'address1', shipping_address->>'address2',
                                        shipping_address->>'country') from raw_ops.orders";
        let send = |day: u32, address: serde_json::Value| {
            let mut sent = order(1, &format!("2026-01-{day:02}T10:00:00+01:00"));
            sent["shipping_address"] = address;
            apply(&sent);
        };
        send(4, serde_json::json!({"address1": null, "country": "FR"}));
        assert_eq!(one::<String>(address), "FR");
        send(
            2,
            serde_json::json!({"address1": "Old Street 1", "address2": "c/o Bob", "country": "DE"}),
        );
        assert_eq!(one::<String>(address), "Old Street 1 c/o Bob DE");
        send(8, serde_json::json!({"address1": null, "country": "AT"}));
        assert_eq!(one::<String>(address), "Old Street 1 c/o Bob DE");
        send(
            7,
            serde_json::json!({"address1": "Ring 2", "address2": null, "country": "AT"}),
        );
        assert_eq!(one::<String>(address), "Ring 2 AT");
    }
}
