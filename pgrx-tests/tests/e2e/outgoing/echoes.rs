//! Receivers that echo the secret they were sent, in any form: of what they say nothing is kept, by either carrier.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use raw_ops_e2e::{Received, Reply, wait_until};

use super::*;

with_both_carriers!(
    no_piece_of_a_secret_that_is_echoed_is_kept_anywhere,
    what_slack_and_customerio_are_known_to_say_is_told,
);

/// So many characters in a row tell something.
const PIECE: usize = 12;
const CHANNEL: &str = "aB3dE5fG7/hJ9kL2mN4pQ6rS8tU";
const TOKEN: &str = "zY8xW6vU4/tS2rQ9pN7+mL5kJ3";
const KEY: &str = "4c9e7a1f8b2d6035e4a7c8f1b9d2";

/// A secret as programs write it when they write it down.
fn forms(secret: &str) -> Vec<String> {
    let each = |written: &dyn Fn(char) -> String| secret.chars().map(written).collect::<String>();
    let percent = each(&|c| format!("%{:02X}", u32::from(c)));
    vec![
        secret.to_owned(),
        secret.replace('/', "\\/"),
        percent.replace('%', "%25"),
        percent,
        each(&|c| format!("\\u{:04x}", u32::from(c))),
        each(&|c| format!("&#{};", u32::from(c))),
        each(&|c| format!("{:02x}", u32::from(c))),
        secret.chars().rev().collect(),
        secret.to_uppercase(),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(format!("https://hooks.example/services/{secret}")),
        STANDARD.encode(format!("{SITE_ID}:{secret}")),
    ]
}

/// Everything that must not be found.
fn pieces() -> HashSet<Vec<u8>> {
    let forms = [CHANNEL, TOKEN, KEY].into_iter().flat_map(forms);
    let pieces = forms.flat_map(|form| {
        let bytes = form.into_bytes();
        bytes.windows(PIECE).map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    // What any base64 of this URL begins with is in none of the secrets.
    let public = URL_SAFE_NO_PAD.encode("https://hooks.example/services/");
    pieces
        .filter(|piece| !public.as_bytes().windows(PIECE).any(|part| part == piece))
        .collect()
}

fn assert_clean(what: &str, text: &str) {
    let pieces = pieces();
    let found = text
        .as_bytes()
        .windows(PIECE)
        .position(|part| pieces.contains(part));
    let around = found.map(|at| {
        let (from, to) = (at.saturating_sub(200), (at + 60).min(text.len()));
        String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()
    });
    assert_eq!(around, None, "a piece of a secret in {what}");
}

/// Every form in every kind of answer.
fn echoes(secret: &str, sending: &Sending, carrier: Carrier) -> Vec<Reply> {
    let mut replies = Vec::new();
    for (n, form) in forms(secret).into_iter().enumerate() {
        let bodies = [
            form.clone(),
            json!({"meta": {"error": form}}).to_string(),
            json!({"meta": {"errors": ["name cannot be blank", form]}}).to_string(),
            format!("no_service\n{form}"),
            // Cut in two by the 4 KiB that used to be kept.
            format!("{}{form}", "x".repeat(4_096 - form.len() / 2)),
        ];
        let header = |reply: Reply| reply.header("x-echo", &form).header("retry-after", &form);
        for status in [200, 400, 401, 403, 404, 410, 429, 503, 999] {
            let body = bodies[(n + status as usize) % bodies.len()].clone();
            replies.push(header(Reply::status(status).text(&body)));
        }
        let hex: String = form.bytes().map(|byte| format!("{byte:02x}")).collect();
        let away = match carrier {
            Carrier::Builtin => format!("http://localhost:1/{hex}?{hex}"),
            // It goes there.
            Carrier::PgNet => sending.world.url(&format!("/elsewhere/{hex}")),
        };
        replies.push(header(Reply::redirect(302, &away).text(&form)));
        replies.push(header(Reply::ok().text(&form).cut_after(form.len() / 2)));
        replies.push(
            Reply::status(500)
                .header("content-type", "text/plain")
                .body(form.into_bytes())
                .endless(),
        );
    }
    replies
}

/// From now on this path answers with all of them, one after the other, over and over.
fn answer_with(sending: &Sending, path: &str, replies: Vec<Reply>) {
    let next = AtomicUsize::new(0);
    sending.world.always(path, move |_: &Received| {
        replies[next.fetch_add(1, Ordering::Relaxed) % replies.len()].clone()
    });
}

async fn all_settled(sending: &Sending) {
    let open = "SELECT count(*) FROM raw_ops.http_requests WHERE state IN ('queued', 'sending')";
    wait_until(LONG, "everything to be settled", async || {
        one::<i64>(&sending.client, open).await == 0
    })
    .await
    .unwrap();
}

async fn no_piece_of_a_secret_that_is_echoed_is_kept_anywhere(carrier: Carrier) {
    let options = super::secrets::talkative().setting("raw_ops.alert_email", "ops@example.com");
    let sending = Sending::start_with(carrier, options).await;
    let (channel, fallback) = (format!("/services/{CHANNEL}"), format!("/in?token={TOKEN}"));
    super::secrets::quietly(
        &sending,
        &[
            ("slack_url_ops_alerts", &sending.world.url(&channel)),
            ("slack_url_daily_ops", &sending.world.url(&channel)),
            ("slack_url_fallback", &sending.world.url(&fallback)),
            ("customerio_api_key", KEY),
        ],
    )
    .await;
    run(
        &sending.client,
        "DELETE FROM raw_ops.retry_schedule WHERE purpose IN ('alert', 'courier') AND attempt > 1",
    )
    .await;
    let events = "/api/v1/customers/*";
    let elsewhere: Vec<Reply> = [CHANNEL, TOKEN, KEY]
        .into_iter()
        .flat_map(forms)
        .map(|form| Reply::status(404).text(&form))
        .collect();
    answer_with(&sending, "/elsewhere/*", elsewhere);
    let mut rounds = 0;
    for (path, secret) in [(channel.as_str(), CHANNEL), ("/in", TOKEN), (events, KEY)] {
        let replies = echoes(secret, &sending, carrier);
        rounds = rounds.max(replies.len());
        answer_with(&sending, path, replies);
    }
    run(&sending.client, "BEGIN").await;
    for _ in 0..rounds {
        let mut to_fallback = Request::slack();
        to_fallback.destination = "slack_url_fallback";
        for request in [Request::slack(), to_fallback, Request::customerio("7")] {
            sending.enqueue(&request.timeout(2_000)).await;
        }
    }
    run(&sending.client, "COMMIT").await;
    all_settled(&sending).await;
    // Alerts and notifications of the system itself, whose rows quote the error, as their messages do.
    for round in 0..24 {
        let notification = crate::courier::by_hand_event(&format!("anna{round}@example.com"));
        run(&sending.client, &notification).await;
        run(
            &sending.client,
            "SELECT raw_ops.fn_invoke_monitor('webhook_daily_digest')",
        )
        .await;
    }
    all_settled(&sending).await;

    assert_kept_nowhere(&sending, carrier).await;
}

/// Rows, dump, activity and log say what happened, and nothing of a secret.
async fn assert_kept_nowhere(sending: &Sending, carrier: Carrier) {
    for (table, column) in [
        ("http_requests", "error"),
        ("alert_messages", "last_error"),
        ("ops_events", "notification_last_error"),
    ] {
        let sql =
            format!("SELECT count(DISTINCT {column}) FROM raw_ops.{table} WHERE {column} ~ 'HTTP \\d+'");
        assert!(
            one::<i64>(&sending.client, &sql).await > 1,
            "{table} says what happened"
        );
    }
    let statuses: i64 = one(
        &sending.client,
        "SELECT count(DISTINCT status_code) FROM raw_ops.http_requests",
    )
    .await;
    assert!(statuses >= 9, "{statuses}");
    let dump = sending.stack.cluster.pg_dump("shop", &["--format=plain"]).await;
    let dump = String::from_utf8(dump.unwrap()).unwrap();
    assert!(dump.contains("slack_url_fallback") && dump.contains("HTTP 404"));
    assert_clean("the dump", &dump);
    if carrier == Carrier::PgNet {
        let kept: String = one(
            &sending.client,
            "SELECT concat((SELECT string_agg(q::text, E'\\n') FROM net.http_request_queue q),
                           (SELECT string_agg(r::text, E'\\n') FROM net._http_response r))",
        )
        .await;
        assert_clean("pg_net's tables", &kept);
    }
    let activity: String = one(
        &sending.client,
        "SELECT string_agg(concat_ws(' ', query, application_name), E'\\n') FROM pg_stat_activity",
    )
    .await;
    assert_clean("pg_stat_activity", &activity);
    assert_clean("the server's log", &sending.stack.cluster.log());
}

async fn what_slack_and_customerio_are_known_to_say_is_told(carrier: Carrier) {
    let sending = Sending::start(carrier).await;
    for (status, answer, said) in [
        (404, "no_service", "HTTP 404: no_service (the webhook was removed"),
        (
            410,
            "channel_is_archived",
            "HTTP 410: channel_is_archived (the channel is archived",
        ),
        (400, "too_many_attachments\n", "HTTP 400: too_many_attachments"),
        (404, "no_service, really", "HTTP 404"),
        (404, "<html>no_service</html>", "HTTP 404"),
    ] {
        sending
            .world
            .next(slack::PATH, [Reply::status(status).text(answer)]);
        let request = Request::slack();
        sending.enqueue(&request).await;
        sending.settled(&request).await;
        let error = sending.text(&request, 1, "error").await;
        assert!(error.starts_with(said), "{answer}: {error}");
        assert!(said.contains(':') || error == said, "{answer}: {error}");
        assert_eq!(sending.text(&request, 1, "response_body").await, "");
    }
    for (status, answer, said) in [
        (
            400,
            r#"{"meta":{"error":"name cannot be blank"}}"#,
            "HTTP 400: name cannot be blank",
        ),
        (
            400,
            r#"{"meta":{"error":"name cannot be blunt"}}"#,
            "HTTP 400: Customer.io does not take",
        ),
        (
            401,
            r#"{"meta":{"error":"Unauthorized request"}}"#,
            "HTTP 401: the credentials are refused",
        ),
    ] {
        sending
            .world
            .next("/api/v1/customers/*", [Reply::status(status).text(answer)]);
        let request = Request::customerio("7");
        sending.enqueue(&request).await;
        sending.settled(&request).await;
        let error = sending.text(&request, 1, "error").await;
        assert!(error.starts_with(said), "{answer}: {error}");
    }
    a_partners_words_are_kept(&sending).await;
}

/// They are what an operator needs, and carry no secret of ours.
async fn a_partners_words_are_kept(sending: &Sending) {
    sending
        .world
        .always("/partner", Reply::status(410).text("no_service, really"));
    let request = Request::endpoint(&sending.world.url("/partner"));
    sending.enqueue(&request).await;
    sending.settled(&request).await;
    assert_eq!(
        sending.text(&request, 1, "error").await,
        "HTTP 410: no_service, really"
    );
    assert_eq!(
        sending.text(&request, 1, "response_body").await,
        "no_service, really"
    );
}

#[tokio::test]
async fn an_answer_that_comes_after_its_request_was_discarded_does_not_stay_with_pg_net() {
    let sending = Sending::start(Carrier::PgNet).await;
    sending
        .world
        .next(slack::PATH, [Reply::ok().text(CHANNEL).held()]);
    let discarded = Request::slack().timeout(60_000);
    sending.enqueue(&discarded).await;
    sending.world.wait_for_requests(LIMIT, 1).await.unwrap();
    run(&sending.client, "SELECT raw_ops.fn_resume_delivery_v1(true)").await;
    assert_eq!(sending.attempts(&discarded).await, ["1 abandoned -"]);
    sending.world.release();
    // The next batch begins when the first is over: that this one is answered shows that the other was.
    let next = Request::slack();
    sending.enqueue(&next).await;
    assert_eq!(sending.settled(&next).await, ["1 succeeded 200"]);
    wait_until(LIMIT, "the answers to be forgotten", async || {
        one::<i64>(&sending.client, "SELECT count(*) FROM net._http_response").await == 0
    })
    .await
    .unwrap();
}
