//! Several shops: whose secret says which shop, what is believed of a header, and what of it the inbox hears.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use edge_shim::config::Config;
use edge_shim::shop::{authenticated, host_name};
use edge_shim::signature::Secret;

use crate::support::*;

const UK: &str = "uk.myshopify.com";
const EU: &str = "eu.myshopify.com";
const SHOP: &str = "x-shopify-shop-domain";

fn with(overrides: &[(&str, &str)]) -> (Arc<ScriptedInbox>, TestApp) {
    let inbox = ScriptedInbox::open(all_new);
    (inbox.clone(), TestApp::new(inbox, overrides))
}

/// A secret for every shop, one for each of two, of which one is being changed.
fn shops() -> (Arc<ScriptedInbox>, TestApp) {
    let by_shop = format!("UK.MyShopify.com = of=uk= , {EU}=of-eu,{EU}=new-of-eu");
    with(&[
        ("SHOPIFY_WEBHOOK_SECRET", "of-all"),
        ("SHOPIFY_WEBHOOK_SECRETS", &by_shop),
    ])
}

fn from_shop(secret: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let signature = sign(secret, b"{}");
    let mut all = vec![("x-shopify-hmac-sha256", signature.as_str())];
    all.extend(headers);
    signed(ORDER, "{}", &all)
}

#[tokio::test]
async fn a_shop_is_believed_under_its_own_secret_and_under_one_for_every_shop() {
    for (secret, headers, shop) in [
        ("of=uk=", &[(SHOP, UK)][..], UK),
        ("of=uk=", &[(SHOP, " UK.MYSHOPIFY.com ")], UK),
        ("of=uk=", &[("shopify-shop-domain", UK)], UK),
        ("of=uk=", &[(SHOP, UK), ("shopify-shop-domain", EU)], UK),
        // Nothing else can be meant.
        ("of=uk=", &[], UK),
        ("of=uk=", &[(SHOP, " ")], UK),
        ("of-eu", &[(SHOP, EU)], EU),
        ("new-of-eu", &[(SHOP, EU)], EU),
        ("new-of-eu", &[], EU),
        ("of-all", &[(SHOP, UK)], UK),
        ("of-all", &[(SHOP, "Another.example")], "another.example"),
        ("of-all", &[(SHOP, "no host name")], ""),
        ("of-all", &[], ""),
    ] {
        let (inbox, app) = shops();
        assert_eq!(
            status(&app, from_shop(secret, headers)).await,
            200,
            "{secret} {headers:?}"
        );
        assert_eq!(inbox.only_webhook().shop_domain, shop, "{secret} {headers:?}");
        let told = &app.log_lines()[0]["shop_domain"];
        assert_eq!(told.as_str().unwrap_or_default(), shop, "{secret} {headers:?}");
    }
}

#[tokio::test]
async fn another_shops_name_is_not_believed() {
    let (inbox, app) = shops();
    for (secret, headers) in [
        ("of=uk=", &[(SHOP, EU)][..]),
        ("of-eu", &[(SHOP, UK)]),
        ("of-eu", &[(SHOP, "another.example")]),
        ("of-eu", &[(SHOP, "uk.myshopify.com.")]),
        ("of-eu", &[(SHOP, "no host name")]),
        ("of-eu", &[(SHOP, UK), ("shopify-shop-domain", EU)]),
    ] {
        let (status, error) = refusal(app.send(from_shop(secret, headers)).await).await;
        assert_eq!(status, 401, "{secret} {headers:?}");
        assert_eq!(
            error,
            "X-Shopify-Shop-Domain names no shop that the secret is for"
        );
    }
    assert!(inbox.calls().is_empty());
    let lines = app.log_lines();
    assert!(
        lines.iter().all(|line| line["shop_domain"].is_null()),
        "{lines:?}"
    );
    let first = lines[0]["error"].as_str().expect("an error");
    assert!(first.ends_with("for: eu.myshopify.com"), "{first}");
    let metrics = app.metrics.text().expect("metrics");
    let metrics = String::from_utf8(metrics).expect("text");
    let counted = "edge_shim_webhooks_rejected_total{provider=\"shopify\",reason=\"wrong_shop\"} 6\n";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn the_answer_to_a_wrong_shop_says_what_to_do_and_no_secret() {
    let (_, app) = shops();
    let body = text(app.send(from_shop("of-eu", &[(SHOP, UK)])).await).await;
    assert!(body.contains("SHOPIFY_WEBHOOK_SECRETS"), "{body}");
    let shown = format!("{body} {:?}", app.log_lines());
    for hidden in ["of-eu", "of=uk=", "of-all", &sign("of-eu", b"{}")] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[tokio::test]
async fn a_secret_of_another_kind_opens_nothing() {
    let (inbox, app) = shops();
    let joined = format!("{UK}=of=uk=");
    for wrong in ["of=uk", "uk", joined.as_str(), ""] {
        let (status, error) = refusal(app.send(from_shop(wrong, &[(SHOP, UK)])).await).await;
        assert_eq!(
            (status, error.contains("does not match")),
            (401, true),
            "{wrong}: {error}"
        );
    }
    assert!(inbox.calls().is_empty());
}

#[tokio::test]
async fn secrets_by_shop_alone_open_the_door() {
    let (inbox, app) = with(&[
        ("SHOPIFY_WEBHOOK_SECRET", ""),
        ("SHOPIFY_WEBHOOK_SECRETS", "uk.myshopify.com=of-uk"),
    ]);
    assert_eq!(status(&app, from_shop("of-uk", &[(SHOP, UK)])).await, 200);
    assert_eq!(inbox.only_webhook().shop_domain, UK);
}

#[tokio::test]
async fn a_token_brings_its_shop_and_a_plain_one_brings_none() {
    for provider in providers_with_tokens() {
        let path = provider.routes[0].path;
        let tokens = format!("one@UK.example, t@o@{EU} ,plain,p@ss word,p@ss");
        for (token, shop) in [
            ("one", "uk.example"),
            ("t@o", EU),
            ("plain", ""),
            ("p@ss word", ""),
            ("p@ss", ""),
        ] {
            let (inbox, app) = with(&[(provider.secret_variable, &tokens)]);
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), (SHOP, UK)];
            assert_eq!(status(&app, signed(path, "{}", &headers)).await, 200, "{token}");
            assert_eq!(inbox.only_webhook().shop_domain, shop, "{token}");
        }
        let (_, app) = with(&[(provider.secret_variable, &tokens)]);
        for wrong in ["one@uk.example", "t", "p"] {
            let bearer = format!("Bearer {wrong}");
            assert_eq!(
                status(&app, signed(path, "{}", &[("authorization", &bearer)])).await,
                401,
                "{wrong}"
            );
        }
    }
}

fn providers_with_tokens() -> impl Iterator<Item = &'static edge_shim::providers::Provider> {
    use edge_shim::providers::{REGISTRY, SecretsByShop};
    let by_token = |provider: &&&'static edge_shim::providers::Provider| {
        provider.secrets_by_shop == SecretsByShop::Appended
    };
    REGISTRY.iter().filter(by_token).copied()
}

fn problem(variable: &str, value: &str) -> String {
    let lookup = |name: &str| {
        let url = (name == "DATABASE_URL").then(|| "postgres://u@h/d".to_owned());
        url.or_else(|| (name == variable).then(|| value.to_owned()))
    };
    Config::load(lookup).expect_err("a wrong value").to_string()
}

#[test]
fn an_entry_that_makes_no_sense_is_named_by_its_place_only() {
    for (variable, value, named) in [
        (
            "SHOPIFY_WEBHOOK_SECRETS",
            "hush",
            "entry 1 is not a shop's domain",
        ),
        ("SHOPIFY_WEBHOOK_SECRETS", "uk.example=a,hush", "entry 2 is not"),
        ("SHOPIFY_WEBHOOK_SECRETS", "=hush", "entry 1 is not"),
        ("SHOPIFY_WEBHOOK_SECRETS", "uk.example=", "entry 1 is not"),
        (
            "SHOPIFY_WEBHOOK_SECRETS",
            "https://uk.example=hush",
            "entry 1 is not",
        ),
        (
            "DPD_WEBHOOK_TOKEN",
            "plain,@uk.example",
            "entry 2 names a shop and no token",
        ),
        (
            "DPD_WEBHOOK_TOKEN",
            "hush@uk.example,hush@eu.example",
            "entry 2 is a token that another entry has",
        ),
        (
            "DPD_WEBHOOK_TOKEN",
            "hush,hush@eu.example",
            "entry 2 is a token that another entry has",
        ),
    ] {
        let problems = problem(variable, value);
        assert!(
            problems.contains(&format!("{variable}: {named}")),
            "{value}: {problems}"
        );
        assert!(
            !problems.contains("hush") && !problems.contains("uk.example="),
            "{problems}"
        );
    }
}

#[test]
fn a_secret_of_two_shops_is_of_neither_unless_one_is_named() {
    let secrets = [UK, EU].map(|shop| Secret::of_shop("same", shop.to_owned()));
    let for_all = Secret::new("same");
    let two: Vec<&Secret> = secrets.iter().collect();
    assert_eq!(authenticated(&two, Some(EU)).as_deref(), Some(EU));
    assert_eq!(authenticated(&two, None), None);
    assert_eq!(
        authenticated(&[&secrets[0], &secrets[0]], None).as_deref(),
        Some(UK)
    );
    assert_eq!(authenticated(&[&secrets[0], &for_all], None).as_deref(), Some(UK));
    let all = [&secrets[0], &secrets[1], &for_all];
    assert_eq!(authenticated(&all, None).as_deref(), Some(""));
    assert_eq!(authenticated(&[], Some(UK)), None);
}

#[test]
fn a_host_name_is_what_the_inbox_takes_for_one() {
    for (given, stored) in [
        (" UK.MyShopify.com ", Some("uk.myshopify.com")),
        ("localhost", Some("localhost")),
        ("", None),
        ("two words", None),
        ("a..b", None),
        ("https://uk.myshopify.com", None),
        ("k\u{e4}se.example", None),
        (&"a".repeat(254), None),
    ] {
        assert_eq!(host_name(given).as_deref(), stored, "{given}");
    }
}
