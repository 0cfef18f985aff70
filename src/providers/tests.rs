//! The registry, and that what others know of providers is what they declare.

use super::*;
use std::path::Path;

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn a_topic_nobody_reads_is_named_with_the_ones_of_its_own_provider() {
    let payload = serde_json::json!({"id": 1});
    let error = |provider, topic| command(provider, topic, &payload).err().unwrap();
    let draft = error("shopify", "draft_orders/create");
    assert_eq!(
        draft.to_string(),
        r#"topic: nothing here handles shopify "draft_orders/create""#
    );
    assert!(draft.hint().unwrap().starts_with("Known topics: orders/create, "));
    let hint = error("stripe", "charge.refunded").hint().unwrap();
    assert_eq!(
        hint,
        "No topic of stripe is read by this version; the webhook is kept."
    );
}

#[test]
fn the_order_id_is_found_at_receipt_where_the_topic_has_one() {
    let order = serde_json::json!({"id": 5, "order_id": 6, "order_edit": {"order_id": 7}});
    assert_eq!(shopify_order_id("shopify", "orders/create", &order), Some(5));
    let text = serde_json::json!({"id": "820982911946154508"});
    assert_eq!(
        shopify_order_id("shopify", "orders/create", &text),
        Some(820_982_911_946_154_508)
    );
    assert_eq!(shopify_order_id("shopify", "refunds/create", &order), Some(6));
    assert_eq!(shopify_order_id("shopify", "orders/edited", &order), Some(7));
    assert_eq!(shopify_order_id("shopify", "products/update", &order), None);
    assert_eq!(shopify_order_id("clerk", "orders/create", &order), None);
}

#[test]
fn no_name_is_given_twice() {
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NAMES.len());
}

#[test]
fn the_shim_takes_in_those_of_which_a_topic_is_read() {
    let registry = file("edge-shim/src/providers/mod.rs");
    let (_, list) = registry.split_once("REGISTRY: &[&Provider] = &[").unwrap();
    let list = list.split("];").next().unwrap();
    let mut taken_in: Vec<&str> = list
        .split("::PROVIDER,")
        .filter(|before| cfg!(feature = "example_provider") || !before.contains("example_provider"))
        .filter_map(|before| before.rsplit('&').next())
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let mut read: Vec<&str> = READ.iter().copied().filter(|name| !name.is_empty()).collect();
    taken_in.sort_unstable();
    read.sort_unstable();
    assert_eq!(taken_in, read);
    for name in read {
        let own = file(&format!("edge-shim/src/providers/{name}.rs"));
        assert!(own.contains(&format!("name: \"{name}\"")), "{name}");
    }
}
