//! Several shops before one shim: each shop's own secret stores under that shop's name and no other, and a proxy may give each shop
//! a database of its own.

use crate::support::*;
use raw_ops_e2e::Stack;
use raw_ops_e2e::courier::{Dpd, TOKEN_VARIABLE, dpd_event};
use raw_ops_e2e::http::HttpClient;
use raw_ops_e2e::shopify::{Delivery, Sender, Signature};

const UK: &str = "uk.myshopify.com";
const EU: &str = "eu.myshopify.com";

/// A webhook that says it is of a shop and is signed with a secret.
fn from(shop: &str, secret: &str, id: &str) -> Delivery {
    Delivery {
        shop_domain: shop.to_owned(),
        ..Delivery::new("orders/create", format!("{{\"id\": 1, \"note\": \"{id}\"}}"))
            .webhook_id(id)
            .signature(Signature::With(secret.to_owned()))
    }
}

async fn answers(sender: &Sender, deliveries: &[Delivery]) -> Vec<Option<u16>> {
    let outcomes = sender.send_all(deliveries.to_vec(), 1).await;
    outcomes.into_iter().map(|outcome| outcome.status).collect()
}

/// Shop and delivery id of every webhook.
async fn stored(stack: &Stack) -> Vec<String> {
    let sql = "SELECT shop_domain || ' ' || event_id FROM raw_ops.webhook_inbox WHERE provider = 'shopify' ORDER BY 1";
    column(&stack.connect().await.unwrap(), sql).await
}

#[tokio::test]
async fn one_shops_secret_stores_nothing_under_another_shops_name() {
    let by_shop = format!("{UK}=of uk,{EU}=of eu,{EU}=new of eu");
    let options = by_hand().shim_env("SHOPIFY_WEBHOOK_SECRETS", by_shop);
    let stack = Stack::start(options).await.unwrap();
    let sender = stack.sender().unwrap();
    let refused = [
        from(EU, "of uk", "forged"),
        from(UK, "of eu", "forged"),
        from(UK, "new of eu", "forged"),
        from("another.example", "of uk", "forged"),
        from(EU, "of uk", "forged").events_family(),
    ];
    assert_eq!(answers(&sender, &refused).await, [Some(401); 5]);
    assert_eq!(stored(&stack).await, [""; 0]);
    let shops = "SELECT count(*) FROM raw_ops.shops WHERE shop_domain <> ''";
    assert_eq!(one::<i64>(&stack.connect().await.unwrap(), shops).await, 0);

    // Both shops use one delivery id; the last secret is for every shop.
    let taken = [
        from("UK.MyShopify.com", "of uk", "same"),
        from(EU, "of eu", "same"),
        from(EU, "new of eu", "same"),
        from(EU, "new of eu", "later"),
        from("another.example", &stack.shopify_secret, "same"),
    ];
    let outcomes = sender.send_all(taken.to_vec(), 1).await;
    assert!(
        outcomes.iter().all(|outcome| outcome.status == Some(200)),
        "{outcomes:?}"
    );
    let repeats = outcomes
        .iter()
        .map(|outcome| outcome.body.contains("\"duplicate\":true"));
    assert_eq!(repeats.collect::<Vec<_>>(), [false, false, true, false, false]);
    assert_eq!(
        stored(&stack).await,
        [
            "another.example same".to_owned(),
            format!("{EU} later"),
            format!("{EU} same"),
            format!("{UK} same"),
        ]
    );
}

#[tokio::test]
async fn a_couriers_event_lands_under_the_shop_of_its_token() {
    let tokens = "of-uk@UK.MyShopify.com,of-eu@eu.myshopify.com,plain";
    let stack = Stack::start(by_hand().shim_env(TOKEN_VARIABLE, tokens))
        .await
        .unwrap();
    let event = dpd_event("15501234567890", "01", "Customer not home", "2026-01-19 14:05:00");
    for (token, status) in [
        ("of-uk", 200),
        ("of-eu", 200),
        ("plain", 200),
        ("of-uk@uk.myshopify.com", 401),
    ] {
        let answer = Dpd::to(stack.shim().unwrap(), token).send(&event).await.unwrap();
        assert_eq!(answer.status, status, "{token}");
        assert!(!answer.text().contains("\"duplicate\":true"), "{token}");
    }
    let sql = "SELECT shop_domain FROM raw_ops.webhook_inbox WHERE provider = 'dpd' ORDER BY 1";
    let shops: Vec<String> = column(&stack.connect().await.unwrap(), sql).await;
    assert_eq!(shops, ["", EU, UK]);
}

/// Splits a call by shop as PL/Proxy does: each part numbers its receipts from 1, and the parts come in no order. One shop's database
/// is down, which is an internal error.
const BY_SHOP: &str = "
    ALTER FUNCTION raw_ops.receive_webhooks RENAME TO receive_webhooks_there;
    CREATE FUNCTION raw_ops.receive_webhooks(text[], text[], text[], jsonb[], bytea[], text[], text[])
      RETURNS TABLE (ordinal integer, webhook_id uuid, duplicate boolean, status text, reference text)
      LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE part record;
    BEGIN
      FOR part IN
        SELECT shop, array_agg(provider) p, array_agg(topic) t, array_agg(event) e, array_agg(headers) h, array_agg(body) b,
               array_agg(shop) s, array_agg(mark) m
          FROM unnest($1, $2, $3, $4, $5, $6, $7) AS w (provider, topic, event, headers, body, shop, mark)
         GROUP BY shop ORDER BY shop DESC
      LOOP
        IF part.shop = 'down.example' THEN
          RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'PL/Proxy function raw_ops.receive_webhooks(7): [b] connection refused';
        END IF;
        RETURN QUERY SELECT * FROM raw_ops.receive_webhooks_there(part.p, part.t, part.e, part.h, part.b, part.s, part.m);
      END LOOP;
    END $$";

/// Sends webhooks of these shops, many at a time. Each is answered with its own row, but for the shop whose database is down.
async fn send_of(stack: &Stack, shops: &[&str], count: usize) {
    let delivery = |n: usize| {
        let id = format!("{}-{n}", shops.len());
        from(shops[n % shops.len()], &stack.shopify_secret, &id)
    };
    let deliveries: Vec<Delivery> = (0..count).map(delivery).collect();
    let outcomes = stack.sender().unwrap().send_all(deliveries.clone(), 40).await;
    let client = stack.connect().await.unwrap();
    for (delivery, outcome) in deliveries.iter().zip(outcomes) {
        let id = delivery.webhook_id.as_deref().unwrap();
        if delivery.shop_domain == "down.example" {
            assert_eq!(outcome.status, Some(503), "{id}: {outcome:?}");
            continue;
        }
        assert_eq!(outcome.status, Some(200), "{id}: {outcome:?}");
        let answered: serde_json::Value = serde_json::from_str(&outcome.body).unwrap();
        let sql = format!(
            "SELECT event_id || ' ' || shop_domain FROM raw_ops.webhook_inbox WHERE id = '{}'",
            answered["webhook_id"].as_str().unwrap()
        );
        let stored: String = one(&client, &sql).await;
        assert_eq!(stored, format!("{id} {}", delivery.shop_domain));
    }
}

#[tokio::test]
async fn a_proxy_may_keep_each_shop_in_a_database_of_its_own_of_which_one_is_down() {
    let stack = Stack::start(by_hand().shim_env("DB_CONNECTIONS", 1))
        .await
        .unwrap();
    run(&stack.connect_as_superuser().await.unwrap(), BY_SHOP).await;
    send_of(&stack, &["a.example", "b.example", "c.example"], 90).await;
    let http = HttpClient::new(LIMIT);
    let metrics = http.get(&stack.shim().unwrap().url("/metrics")).await.unwrap();
    let calls = metrics.text();
    let calls = calls
        .lines()
        .find_map(|line| line.strip_prefix("edge_shim_store_batch_webhooks_count "));
    let calls: u32 = calls.unwrap().parse().unwrap();
    assert!(calls < 60, "most went in groups: {calls} calls");

    send_of(
        &stack,
        &["a.example", "down.example", "b.example", "c.example"],
        40,
    )
    .await;
    let count = "SELECT count(*) FROM raw_ops.webhook_inbox";
    let count: i64 = one(&stack.connect().await.unwrap(), count).await;
    assert_eq!(count, 90 + 30);
}
