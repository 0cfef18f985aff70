//! The page of several shops: a choice, without a script, and it says which shop it shows.

use super::*;

/// The healthy shop's webhooks come of three shops and of none; a fourth is quiet, a fifth is closed.
const SHOPS: &str = "
    insert into raw_ops.shops (shop_domain, name) values
        ('uk.example', 'Northern Light & Sons'), ('eu.example', 'Nordlicht <Europa>'), ('us.my-shop.example', null),
        ('quiet.example', 'Quiet');
    insert into raw_ops.shops (shop_domain, name, active) values ('closed.example', 'Closed', false);
    update raw_ops.webhook_inbox
       set shop_domain = (array['uk.example', 'uk.example', 'uk.example', 'eu.example', 'eu.example', 'us.my-shop.example', '']) [1 + abs(hashtext(event_id) % 7)];
    insert into raw_ops.webhook_inbox (provider, topic, event_id, shop_domain, payload, processing_status, processing_attempts,
                                       processing_duration_ms, error_category, last_error, last_error_at, received_at, created_at)
    select 'shopify', 'orders/create', 'dead-' || n, 'eu.example', '{}', 'dlq', 5, 40, 'timeout', 'timed out', at, at, at
      from generate_series(1, 9) as n cross join lateral (select now() - n * interval '16 hours' as at) as moment;
    insert into raw_ops.webhook_inbox (provider, topic, event_id, shop_domain, payload, processing_status, received_at, created_at)
    select 'shopify', 'orders/create', 'waits-' || n, 'uk.example', '{}', 'pending', now() - interval '4 minutes', now()
      from generate_series(1, 7) as n;";

/// What the heading says that is shown, without headings that stand elsewhere.
const HEADINGS: &str =
    "[...document.querySelectorAll('.shops h2')].filter(e => e.getClientRects().length > 0)
    .map(e => e.textContent.replace(/\\s+/g, ' ').trim())";

/// The links that look chosen: heavier than the others.
const CHOSEN: &str =
    "[...document.querySelectorAll('.choice a')].filter(e => getComputedStyle(e).fontWeight >= 600)
    .map(e => e.getAttribute('href'))";

const CHARTS_OF_A_SHOP: [&str; 4] = [
    "Success rate",
    "Dead letters by day",
    "P95 latency",
    "Daily volume",
];

async fn begin() -> (Stack, Client) {
    let stack = Stack::start(by_hand().without_shim()).await.unwrap();
    let client = stack.connect().await.unwrap();
    run(&client, HEALTHY).await;
    (stack, client)
}

/// Follows a link to a fragment.
async fn choose(browser: &mut Browser, fragment: &str) {
    let expression = format!("document.querySelector('.choice a[href=\"{fragment}\"]').click()");
    browser.ask(&expression).await.unwrap();
}

#[tokio::test]
async fn a_single_shop_leaves_the_page_as_it_is() {
    let (_stack, client) = begin().await;
    // One transaction: one time on both pages.
    run(&client, "BEGIN").await;
    let none: String = one(&client, PAGE).await;
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain, name) VALUES ('uk.example', 'UK')",
    )
    .await;
    let single: String = one(&client, PAGE).await;
    assert_eq!(none, single);
    assert!(!single.contains("<nav") && !single.contains("shop-"));
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain, name) VALUES ('eu.example', 'EU')",
    )
    .await;
    assert!(one::<String>(&client, PAGE).await.contains("<nav"));
}

#[tokio::test]
async fn the_page_of_several_shops_has_a_choice_and_says_which_it_shows() {
    let (_stack, client) = begin().await;
    run(&client, SHOPS).await;
    let dir = tempfile::tempdir().unwrap();
    let file = page_of(&client, dir.path(), "shops").await;
    let mut browser = Browser::start().await.unwrap();
    for screen in SCREENS {
        look(&mut browser, &file, screen).await;
        assert_eq!(browser.ask(HEADINGS).await.unwrap(), json!(["Trends: all shops"]));
        assert_eq!(browser.ask(CHOSEN).await.unwrap(), json!(["#all-shops"]));
        for (shop, fragment, heading) in [
            ("eu", "#shop-eu.example", "Trends: Nordlicht <Europa> eu.example"),
            ("us", "#shop-us.my-shop.example", "Trends: us.my-shop.example"),
            ("none", "#no-shop", "Trends: No shop named"),
        ] {
            choose(&mut browser, fragment).await;
            let name = format!("{fragment} {screen:?}");
            assert_eq!(browser.ask(HEADINGS).await.unwrap(), json!([heading]), "{name}");
            assert_eq!(browser.ask(CHOSEN).await.unwrap(), json!([fragment]), "{name}");
            inspect(&mut browser, &name, screen, &CHARTS_OF_A_SHOP).await;
            picture(&mut browser, &dir.path().join(format!("shops-{shop}")), screen).await;
        }
        choose(&mut browser, "#all-shops").await;
        assert_eq!(browser.ask(HEADINGS).await.unwrap(), json!(["Trends: all shops"]));
    }
    let links = texts(&mut browser, "nav[aria-label=Shop] a").await;
    assert_eq!(
        links.len(),
        6,
        "all, four active ones, and what names none: {links:?}"
    );
    assert_eq!(
        links[..2],
        ["All shops", "Northern Light & Sons uk.example"],
        "most webhooks first"
    );
    assert_eq!(links[5], "Quiet quiet.example");
    let figures = texts(&mut browser, "[id='shop-uk.example'] .shop-figures div").await;
    assert_eq!(
        figures[2..],
        ["New dead letters 24 hours0", "Waiting now7", "Oldest now4 min"]
    );
    let quiet = texts(&mut browser, "[id='shop-quiet.example'] svg .note").await;
    assert_eq!(quiet, ["nothing yet"; 4]);
}

#[tokio::test]
async fn an_address_with_a_fragment_shows_that_shop_from_the_start() {
    let (_stack, client) = begin().await;
    run(&client, SHOPS).await;
    let dir = tempfile::tempdir().unwrap();
    let file = page_of(&client, dir.path(), "shops").await;
    let address = format!("{}#shop-eu.example", file.display());
    let mut browser = Browser::start().await.unwrap();
    browser.open(Path::new(&address), SCREENS[2]).await.unwrap();
    let heading = json!(["Trends: Nordlicht <Europa> eu.example"]);
    assert_eq!(browser.ask(HEADINGS).await.unwrap(), heading);
    // The choice stays in sight.
    let top = browser
        .ask("document.querySelector('.choice').getBoundingClientRect().top >= 0")
        .await;
    assert_eq!(top.unwrap(), true);
    // A shop that is not on the page any more.
    browser.open(&file, SCREENS[2]).await.unwrap();
    browser.ask("location.hash = '#shop-gone.example'").await.unwrap();
    assert_eq!(browser.ask(HEADINGS).await.unwrap(), json!(["Trends: all shops"]));
}

#[tokio::test]
async fn twelve_shops_are_shown_and_the_others_are_told_of() {
    let (_stack, client) = begin().await;
    run(
        &client,
        "INSERT INTO raw_ops.shops (shop_domain, name) SELECT 'shop-' || n, 'Shop ' || chr(64 + n) FROM generate_series(1, 20) AS n;
         UPDATE raw_ops.webhook_inbox SET shop_domain = 'shop-20'",
    )
    .await;
    let html: String = one(&client, PAGE).await;
    assert_self_contained(&html);
    assert_eq!(html.matches("<section class=\"shop\"").count(), 12);
    assert!(html.contains(
        "and 8 more: <code>SELECT * FROM raw_ops.webhook_health_by_shop ORDER BY received_count DESC;</code>"
    ));
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(
        place("href=\"#shop-shop-20\"") < place("href=\"#shop-shop-1\""),
        "most webhooks first"
    );
    assert!(
        place("href=\"#shop-shop-1\"") < place("href=\"#shop-shop-11\""),
        "then by name"
    );
    assert!(!html.contains("href=\"#shop-shop-12\""));
}
