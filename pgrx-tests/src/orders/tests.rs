use std::collections::HashSet;

use super::*;
use serde_json::json;

/// A decimal text in smallest units.
fn units(order: &Order, text: &Value) -> i64 {
    let text = text.as_str().unwrap();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    assert_eq!(decimals, order.decimals as usize, "{text}");
    text.replace('.', "").parse().unwrap()
}

#[test]
fn the_same_seed_and_number_give_the_same_bytes() {
    assert_eq!(Generator::new(7).order(42), Generator::new(7).order(42));
    assert_ne!(
        Generator::new(7).order(42).bytes,
        Generator::new(8).order(42).bytes
    );
    let ids: HashSet<i64> = [7, 8]
        .iter()
        .flat_map(|seed| Generator::new(*seed).orders(0..1000))
        .map(|o| o.id)
        .collect();
    assert_eq!(ids.len(), 2000);
}

#[test]
fn sizes_are_those_of_real_orders() {
    let mut sizes: Vec<usize> = Generator::new(1)
        .orders(0..4000)
        .map(|order| order.bytes.len())
        .collect();
    sizes.sort_unstable();
    let at = |percent: usize| sizes[sizes.len() * percent / 100];
    println!(
        "bytes an order: p5 {}, median {}, p95 {}, most {}",
        at(5),
        at(50),
        at(95),
        sizes[sizes.len() - 1]
    );
    assert!((4000..=5000).contains(&at(50)), "median {}", at(50));
}

#[test]
fn the_money_adds_up() {
    for order in Generator::new(2).orders(0..2000) {
        let money = |member: &str| units(&order, &order.json[member]);
        let items = order.line_items();
        assert!((1..=5).contains(&items.len()));
        let sum: i64 = items
            .iter()
            .map(|item| units(&order, &item["price"]) * item["quantity"].as_i64().unwrap())
            .sum();
        let discount: i64 = items
            .iter()
            .map(|item| units(&order, &item["total_discount"]))
            .sum();
        let tax: i64 = items
            .iter()
            .map(|item| units(&order, &item["tax_lines"][0]["price"]))
            .sum();
        let shipping = units(&order, &order.json["shipping_lines"][0]["price"]);
        assert_eq!(sum, money("total_line_items_price"));
        assert_eq!(discount, money("total_discounts"));
        assert_eq!(sum - discount, money("subtotal_price"));
        assert_eq!(tax, money("total_tax"));
        let added = if order.json["taxes_included"] == json!(true) {
            0
        } else {
            tax
        };
        assert_eq!(sum - discount + shipping + added, money("total_price"));
        assert_eq!(money("total_price"), order.totals.total);
        assert_eq!(
            units(&order, &order.json["total_price_set"]["shop_money"]["amount"]),
            order.totals.total
        );
    }
}

#[test]
fn every_kind_of_buyer_place_and_clock_occurs() {
    let orders: Vec<Order> = Generator::new(3).orders(0..2000).collect();
    let customers = orders.iter().filter(|order| order.customer_id.is_some()).count();
    let guests = orders
        .iter()
        .filter(|order| order.customer_id.is_none() && order.email.is_some())
        .count();
    let nobody = orders.iter().filter(|order| order.email.is_none()).count();
    assert!(
        customers > 1400 && guests > 150 && nobody > 50,
        "{customers} {guests} {nobody}"
    );
    let distinct: HashSet<i64> = orders.iter().filter_map(|order| order.customer_id).collect();
    assert!(distinct.len() < customers, "nobody came back");
    assert!(orders.iter().any(|order| order.json.get("customer").is_none()));
    for offset in ["-05:00", "+01:00", "+02:00", "+09:00"] {
        assert!(
            orders
                .iter()
                .any(|order| order.text("updated_at").unwrap().ends_with(offset)),
            "{offset}"
        );
    }
    for order in &orders {
        assert!(order.id > 1 << 53);
        assert!(
            String::from_utf8(order.bytes.to_vec())
                .unwrap()
                .contains(&format!("\"id\":{},", order.id))
        );
    }
    assert!(orders.iter().any(|order| !order.bytes.is_ascii()));
    let lines: HashSet<i64> = orders
        .iter()
        .flat_map(Order::line_items)
        .map(|item| item["id"].as_i64().unwrap())
        .collect();
    assert_eq!(
        lines.len(),
        orders.iter().map(|order| order.line_items().len()).sum::<usize>()
    );
}

#[test]
fn variants_change_what_they_say_and_nothing_else() {
    let order = Generator::new(4)
        .orders(0..100)
        .find(|order| order.customer_id.is_some())
        .unwrap();
    let later = order.updated(90, &[Change::Cancelled("customer"), Change::RemoveItem(0)]);
    assert_eq!(later.id, order.id);
    assert_eq!(later.updated_at, order.updated_at + 90);
    assert!(later.text("updated_at") > order.text("updated_at"));
    assert_eq!(later.json["cancel_reason"], "customer");
    assert_eq!(later.line_items()[0]["current_quantity"], 0);
    assert_eq!(later.json["total_price"], order.json["total_price"]);
    assert_eq!(order.updated(0, &[]).json, order.json);

    let partial = order.partial(&["id", "updated_at", "total_price"]);
    assert_eq!(partial.json.as_object().unwrap().len(), 3);
    let redacted = order.redacted();
    assert_eq!(redacted.json["customer"]["email"], Value::Null);
    assert_eq!(redacted.json["line_items"], order.json["line_items"]);
    let text = String::from_utf8(redacted.bytes.to_vec()).unwrap();
    assert!(!text.contains(order.email.as_deref().unwrap()));
}

#[test]
fn money_is_written_as_shopify_does() {
    assert_eq!(money(1234, 2), "12.34");
    assert_eq!(money(5, 2), "0.05");
    assert_eq!(money(-800, 2), "-8.00");
    assert_eq!(money(14319, 0), "14319");
    assert_eq!(shop_time(EPOCH, -18_000), "2024-09-30T19:00:00-05:00");
}
