//! Secrets that a shop has for itself, beside those of all.

use raw_ops_e2e::Reply;

use super::*;

with_both_carriers!(
    each_shop_is_sent_with_its_own_secrets_else_with_those_of_all,
    the_halves_of_a_workspace_are_never_mixed,
);

const UK: &str = "uk.example";
const EU: &str = "eu.example";

impl Sending {
    /// Sets a secret of a shop, or removes it.
    async fn set_for(&self, name: &str, value: Option<&str>, shop: &str) -> Value {
        let sql = "SELECT raw_ops.fn_set_secret_v1($1, $2, $3)";
        let answer = self.client.query_one(sql, &[&name, &value, &shop]).await;
        answer.unwrap().get(0)
    }

    /// Sends it, and returns path, site id and API key of what arrived.
    async fn arrives_as(&self, request: &Request) -> (String, Option<(String, String)>) {
        self.enqueue(request).await;
        let attempts = self.settled(request).await;
        assert_eq!(attempts.len(), 1, "{attempts:?}");
        let requests = self.world.requests();
        let received = requests.iter().find(|received| request.is(received)).unwrap();
        (received.path.clone(), received.basic_auth())
    }

    /// Sends it in vain; returns why.
    async fn stays(&self, request: &Request) -> String {
        let before = self.world.count();
        self.enqueue(request).await;
        self.settled(request).await;
        assert_eq!(self.world.count(), before, "something was sent");
        self.text(request, 1, "error").await
    }
}

fn workspace(site_id: &str, api_key: &str) -> Option<(String, String)> {
    Some((site_id.to_owned(), api_key.to_owned()))
}

async fn each_shop_is_sent_with_its_own_secrets_else_with_those_of_all(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    run(
        &sending.client,
        "INSERT INTO raw_ops.shops (shop_domain) VALUES ('uk.example')",
    )
    .await;
    let own_url = sending.world.url("/slack/uk");
    sending.world.always("/slack/uk", slack::incoming_webhook);
    sending.world.always("/api/v1/customers/*", Reply::ok());
    for (name, value) in [
        ("slack_url_ops_alerts", own_url.as_str()),
        ("customerio_site_id", "site-uk"),
        ("customerio_api_key", "key-uk"),
    ] {
        let expected = json!({"success": true, "name": name, "is_set": true, "shop_domain": UK});
        assert_eq!(sending.set_for(name, Some(value), " UK.Example ").await, expected);
    }
    for (shop, path, account) in [
        (UK, "/slack/uk", workspace("site-uk", "key-uk")),
        (EU, slack::PATH, workspace(SITE_ID, API_KEY)),
        ("", slack::PATH, workspace(SITE_ID, API_KEY)),
    ] {
        assert_eq!(
            sending.arrives_as(&Request::slack().of(shop)).await.0,
            path,
            "{shop}"
        );
        let sent = sending.arrives_as(&Request::customerio("7").of(shop)).await.1;
        assert_eq!(sent, account, "{shop}");
    }
    // Removed, it is the shared one again.
    let removed = sending.set_for("slack_url_ops_alerts", None, UK).await;
    assert_eq!(removed["is_set"], false);
    assert_eq!(sending.arrives_as(&Request::slack().of(UK)).await.0, slack::PATH);
}

async fn the_halves_of_a_workspace_are_never_mixed(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    run(
        &sending.client,
        "DELETE FROM raw_ops.retry_schedule WHERE purpose = 'courier' AND attempt > 1",
    )
    .await;
    for (set, missing) in [
        ("customerio_site_id", "customerio_api_key"),
        ("customerio_api_key", "customerio_site_id"),
    ] {
        sending.set_for(set, Some("half"), UK).await;
        let error = sending.stays(&Request::customerio("7").of(UK)).await;
        let next = format!("fn_set_secret_v1('{missing}', '<value>', '{UK}')");
        let problem = format!("the secret {missing} of {UK} is not set");
        assert!(error.starts_with(&problem) && error.contains(&next), "{error}");
        assert_eq!(
            sending.arrives_as(&Request::customerio("7").of(EU)).await.1,
            workspace(SITE_ID, API_KEY)
        );
        sending.set_for(set, None, UK).await;
    }
    // Nothing is set for anybody: one for all will do.
    run(&sending.client, "DELETE FROM raw_ops.secrets").await;
    let error = sending.stays(&Request::customerio("7").of(UK)).await;
    assert!(
        error.contains("fn_set_secret_v1('customerio_site_id', '<value>');"),
        "{error}"
    );
}

#[tokio::test]
async fn a_ciphertext_moved_to_another_shop_or_name_does_not_open() {
    let sending = Sending::start(Carrier::Builtin).await;
    run(
        &sending.client,
        "DELETE FROM raw_ops.retry_schedule WHERE purpose IN ('alert', 'courier') AND attempt > 1",
    )
    .await;
    let url = sending.world.url("/slack/uk");
    sending.set_for("slack_url_ops_alerts", Some(&url), UK).await;
    for (moved, shop) in [
        ("shop_domain = 'eu.example' WHERE shop_domain = 'uk.example'", EU),
        (
            "shop_domain = 'uk.example' WHERE name = 'slack_url_ops_alerts' AND shop_domain = ''",
            UK,
        ),
    ] {
        run(&sending.client, &format!("UPDATE raw_ops.secrets SET {moved}")).await;
        let error = sending.stays(&Request::slack().of(shop)).await;
        let next = format!("fn_set_secret_v1('slack_url_ops_alerts', '<value>', '{shop}')");
        assert!(
            error.contains("does not open") && error.contains(&next),
            "{error}"
        );
    }
    run(
        &sending.client,
        "UPDATE raw_ops.secrets AS one SET ciphertext = other.ciphertext, nonce = other.nonce
           FROM raw_ops.secrets AS other WHERE one.name = 'customerio_site_id' AND other.name = 'customerio_api_key'",
    )
    .await;
    let error = sending.stays(&Request::customerio("7")).await;
    assert!(error.contains("customerio_site_id does not open"), "{error}");
}

#[tokio::test]
async fn a_shop_nobody_has_heard_of_is_warned_of_and_what_names_none_is_refused() {
    let sending = Sending::start(Carrier::Builtin).await;
    let answer = sending
        .set_for("customerio_api_key", Some("k"), "ku.example")
        .await;
    assert_eq!(answer["is_set"], true);
    let warning = answer["warning"].as_str().unwrap();
    assert!(
        warning.contains("no webhook of ku.example has come yet"),
        "{warning}"
    );
    let shared = sending.set_for("customerio_api_key", Some("k"), "").await;
    assert_eq!(
        shared,
        json!({"success": true, "name": "customerio_api_key", "is_set": true})
    );
    // The last has changed places with the value.
    for shop in ["https://uk.example", "two words", "hush4711"] {
        let sql = format!("SELECT raw_ops.fn_set_secret_v1('customerio_api_key', 'v', '{shop}')");
        let refusal = refused(&sending.client, &sql).await;
        assert!(refusal.message.contains("p_shop_domain"), "{refusal:?}");
        assert!(!format!("{refusal:?}").contains(shop), "{refusal:?}");
    }
    // A caller's variable that is not set must not replace what all shops have.
    for third in ["NULL", "'  '"] {
        let sql = format!("SELECT raw_ops.fn_set_secret_v1('customerio_api_key', 'v', {third})");
        let refusal = refused(&sending.client, &sql).await;
        assert!(
            refusal.message.contains("p_shop_domain: is null or blank"),
            "{refusal:?}"
        );
    }
    let audited = "SELECT string_agg(concat_ws(' ', shop_domain, message), ', ') FROM raw_ops.ops_events
                    WHERE entity_type = 'secret' AND shop_domain <> ''";
    assert_eq!(
        one::<String>(&sending.client, audited).await,
        "ku.example secret.set"
    );
}
