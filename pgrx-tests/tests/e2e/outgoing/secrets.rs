//! Secrets go out with the requests and are seen nowhere else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use raw_ops_e2e::Reply;

use super::*;

with_both_carriers!(secrets_are_in_the_requests_and_nowhere_else,);

const TOKEN: &str = "tokenOfTheChannel4711";
const KEY: &str = "keyOfTheAccount0815";

/// Everything that must not be found: in clear, and as it goes over the wire.
fn secrets() -> Vec<String> {
    let basic = STANDARD.encode(format!("{SITE_ID}:{KEY}"));
    vec![TOKEN.to_owned(), KEY.to_owned(), basic]
}

fn assert_clean(what: &str, text: &str) {
    for secret in secrets() {
        let found = text.find(&secret).map(|at| {
            let from = text.floor_char_boundary(at.saturating_sub(200));
            text[from..at].to_owned()
        });
        assert_eq!(found, None, "a secret in {what}");
    }
}

/// A server that writes down whatever it can.
pub(super) fn talkative() -> StackOptions {
    StackOptions::for_tests()
        .setting("log_statement", "all")
        .setting("log_min_duration_statement", 0)
        .setting("log_error_verbosity", "verbose")
        .setting("log_min_messages", "debug1")
        .setting("track_activity_query_size", 65536)
}

/// Sets secrets as docs/alerts.md says: by a superuser, who has told the log to look away.
pub(super) async fn quietly(sending: &Sending, secrets: &[(&str, &str)]) {
    let superuser = sending.stack.connect_as_superuser().await.unwrap();
    run(
        &superuser,
        "SET log_statement = none; SET log_min_duration_statement = -1; SET log_min_messages = warning",
    )
    .await;
    for (name, value) in secrets {
        for shop in ["", "uk.example"] {
            let sql = "SELECT raw_ops.fn_set_secret_v1($1, $2, $3)::text";
            superuser.query_one(sql, &[name, value, &shop]).await.unwrap();
        }
    }
}

async fn secrets_are_in_the_requests_and_nowhere_else(carrier: Carrier) {
    let mut sending = Sending::start_with(carrier, talkative()).await;
    let path = format!("/services/T/B/{TOKEN}");
    let url = sending.world.url(&path);
    quietly(
        &sending,
        &[("slack_url_ops_alerts", &url), ("customerio_api_key", KEY)],
    )
    .await;
    run(
        &sending.client,
        "DELETE FROM raw_ops.retry_schedule WHERE purpose IN ('alert', 'courier') AND attempt > 2",
    )
    .await;

    // Every way in which it may go: well, refused, broken off, redirected, without an answer, in flight.
    let away = Reply::redirect(302, "https://offsite.example.com/");
    let replies = [
        Reply::status(500).text("oops"),
        Reply::close(),
        Reply::ok().body("0123").cut_after(2),
        Reply::redirect(307, "/elsewhere"),
    ];
    let events = "/api/v1/customers/7/events";
    sending.world.always("/elsewhere", Reply::status(404));
    for path in [path.as_str(), events] {
        sending.world.next(path, replies.clone());
        if carrier == Carrier::Builtin {
            sending.world.next(path, [away.clone()]);
        }
        sending.world.always(path, Reply::ok().text("ok"));
    }
    for _ in 0..4 {
        for request in [Request::slack(), Request::customerio("7")] {
            sending.enqueue(&request).await;
            sending.settled(&request).await;
        }
    }
    let seen = sending.world.requests();
    let code = format!("Basic {}", STANDARD.encode(format!("{SITE_ID}:{KEY}")));
    assert!(seen.iter().any(|received| received.path == path));
    assert!(
        seen.iter()
            .any(|received| received.header("authorization") == Some(&code))
    );

    assert_hidden_in_flight(&sending, &path, events).await;
    sending.world.stop();
    for request in [Request::slack(), Request::customerio("7")] {
        sending.enqueue(&request).await;
        assert_eq!(sending.settled(&request).await, ["1 failed -", "2 abandoned -"]);
    }

    assert_kept_nowhere(&sending, carrier).await;
}

/// While two requests are in flight, nobody sees what they carry.
async fn assert_hidden_in_flight(sending: &Sending, path: &str, events: &str) {
    sending.world.next(path, [Reply::never()]);
    sending.world.next(events, [Reply::never()]);
    let in_flight = [
        Request::slack().timeout(2_000),
        Request::customerio("7").timeout(2_000),
    ];
    let before = sending.world.count();
    for request in &in_flight {
        sending.enqueue(request).await;
    }
    sending.world.wait_for_requests(LIMIT, before + 2).await.unwrap();
    let activity: String = one(
        &sending.stack.connect_as_superuser().await.unwrap(),
        "SELECT string_agg(concat_ws(' ', query, application_name), E'\\n') FROM pg_stat_activity",
    )
    .await;
    assert_clean("pg_stat_activity", &activity);
    for request in &in_flight {
        sending.settled(request).await;
    }
}

/// Dump, queue and log hold nothing of a secret.
async fn assert_kept_nowhere(sending: &Sending, carrier: Carrier) {
    let plain = ["--format=plain", "--column-inserts"];
    let dump = sending.stack.cluster.pg_dump("shop", &plain).await.unwrap();
    let dump = String::from_utf8_lossy(&dump);
    assert!(dump.contains("http_requests") && dump.contains("slack_url_ops_alerts"));
    assert_clean("the dump", &dump);
    if carrier == Carrier::PgNet {
        let kept: String = one(
            &sending.client,
            "SELECT concat((SELECT string_agg(q::text, E'\\n') FROM net.http_request_queue q),
                           (SELECT string_agg(r::text, E'\\n') FROM net._http_response r))",
        )
        .await;
        assert_clean("pg_net's tables", &kept);
        let left: i64 = one(&sending.client, "SELECT count(*) FROM net.http_request_queue").await;
        assert_eq!(left, 0);
    }
    assert_clean("the server's log", &sending.stack.cluster.log());
}

#[tokio::test]
async fn what_is_not_set_up_is_said_with_the_next_step_and_sent_once_it_is() {
    let sending = Sending::start(Carrier::Builtin).await;
    run(
        &sending.client,
        "UPDATE raw_ops.retry_schedule SET wait = '1 second' WHERE purpose = 'alert' AND attempt > 1;
         DELETE FROM raw_ops.secrets WHERE name = 'slack_url_ops_alerts'",
    )
    .await;
    let alert = Request::slack();
    sending.enqueue(&alert).await;
    wait_for(LIMIT, "a failure", async || {
        (sending.attempts(&alert).await.first()? == "1 failed -").then_some(())
    })
    .await
    .unwrap();
    let error = sending.text(&alert, 1, "error").await;
    assert!(
        error.contains("slack_url_ops_alerts is not set") && error.contains("fn_set_secret_v1"),
        "{error}"
    );
    sending
        .set_secret("slack_url_ops_alerts", &sending.world.url(slack::PATH))
        .await;
    let attempts = sending.settled(&alert).await;
    assert!(
        attempts.last().unwrap().ends_with("succeeded 200"),
        "{attempts:?}"
    );
}

#[tokio::test]
async fn a_bad_secret_or_a_missing_key_is_refused_without_being_repeated() {
    let sending = Sending::start(Carrier::Builtin).await;
    for (name, value, said) in [
        ("slack_url_ops_alerts", TOKEN, "slack_url_ops_alerts"),
        (
            "slack_url_ops_alerts",
            "ftp://host/tokenOfTheChannel4711",
            "slack_url_ops_alerts",
        ),
        ("no_such_secret", TOKEN, "slack_url_fallback"),
        (
            "customerio_api_key",
            "tokenOfTheChannel4711\nx",
            "customerio_api_key",
        ),
    ] {
        let sql = format!("SELECT raw_ops.fn_set_secret_v1('{name}', '{value}')");
        let refusal = refused(&sending.client, &sql).await;
        assert!(refusal.message.contains(said), "{refusal:?}");
        assert_clean("the refusal", &format!("{refusal:?}"));
    }
    sending.set("raw_ops.secret_key_file", "/no/such/file").await;
    let session = sending.stack.connect().await.unwrap();
    let sql = format!("SELECT raw_ops.fn_set_secret_v1('customerio_api_key', '{KEY}')");
    let refusal = refused(&session, &sql).await;
    assert!(refusal.message.contains("/no/such/file"), "{refusal:?}");
    assert_clean("the refusal", &format!("{refusal:?}"));
}
