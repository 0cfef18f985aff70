//! Sets of requests inside a backend: queued, taken back, put off, claimed, recorded.

use super::policy::Response;
use super::secrets::Secrets;
use super::*;
use crate::db;
use crate::error::Error;
use crate::schedule::Purpose;
use crate::testing::*;
use pgrx::prelude::*;
use serde_json::{Value as Json, json};

const A: Id = [0xa; 16];
const B: Id = [0xb; 16];
const C: Id = [0xc; 16];

fn request<'a>(subject: Id, attempt: i32, body: &'a Json, key: &'a str) -> NewRequest<'a> {
    NewRequest {
        purpose: Purpose::Outbound,
        subject,
        shop: "",
        destination: Destination::Endpoint,
        url: Some("https://example.com/hook"),
        path: None,
        headers: json!({}),
        body,
        idempotency_key: key,
        attempt,
        timeout_ms: 1_000,
    }
}

fn enqueue(requests: &[NewRequest<'_>]) {
    db::session(|session| enqueue_requests(session, requests)).unwrap();
}

fn claim() -> Vec<Request> {
    db::session(|session| claim_requests(session, 100, None, "builtin")).unwrap()
}

fn record(attempts: Vec<Attempt>) -> Vec<Outcome> {
    db::session(|session| record_attempts(session, attempts)).unwrap()
}

/// Key, attempt and state of every request.
fn states() -> String {
    one("select string_agg(concat_ws(' ', idempotency_key, attempt, state), ', ' order by idempotency_key, attempt)
           from raw_ops.http_requests")
}

#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn a_set_is_taken_back_but_for_the_attempts_that_may_stay() {
        set_up();
        let body = json!({});
        enqueue(&[
            request(A, 1, &body, "a"),
            request(B, 1, &body, "b"),
            request(C, 1, &body, "c"),
            request(C, 2, &body, "c"),
        ]);
        db::session(|session| {
            cancel_requests(session, &[A], "why")?;
            cancel_other_attempts(session, &[(C, 2)], "other")
        })
        .unwrap();
        assert_eq!(states(), "a 1 abandoned, b 1 queued, c 1 abandoned, c 2 queued");
        let errors: String = one("select string_agg(error, ' ' order by error) from raw_ops.http_requests");
        assert_eq!(errors, "other why");
    }

    #[pg_test]
    fn what_is_queued_is_due_when_it_is_said_and_what_is_being_sent_stays() {
        set_up();
        let body = json!({});
        enqueue(&[request(A, 1, &body, "a"), request(B, 1, &body, "b")]);
        run(
            "update raw_ops.http_requests set send_after = now() + interval '1 hour' where idempotency_key = 'a'",
        );
        let claimed = claim();
        assert_eq!(claimed.len(), 1);
        let tomorrow = db::clock() + 86_400_000_000;
        let standing = db::session(|session| {
            reschedule_requests(session, &[(A, None), (B, Some(tomorrow))])?;
            requests_in_flight(session, &[A, B, C])
        })
        .unwrap();
        assert!(standing[&A].is_in_flight && standing[&B].is_in_flight && !standing.contains_key(&C));
        assert_eq!(standing[&B].last, claimed[0].id);
        let due: String = one(
            "select string_agg((send_after <= clock_timestamp())::text, ' ' order by idempotency_key)
               from raw_ops.http_requests",
        );
        assert_eq!(due, "true true");
        db::session(|session| reschedule_requests(session, &[(A, Some(tomorrow))])).unwrap();
        assert!(claim().is_empty());
    }

    #[pg_test]
    fn a_body_that_goes_to_many_is_stored_once() {
        set_up();
        let (shared, own) = (json!({"to": "many"}), json!({"to": "many"}));
        let many = [
            request(A, 1, &shared, "a"),
            request(B, 1, &own, "b"),
            request(C, 1, &shared, "c"),
        ];
        enqueue(&many);
        // The same cause asks once.
        enqueue(&many);
        let stored: String = one(
            "select concat_ws(' ', count(*), count(body), count(distinct body_id))
                                    from raw_ops.http_requests",
        );
        assert_eq!(stored, "3 1 1");
        let bodies: Vec<String> = claim().into_iter().map(|request| request.body).collect();
        assert_eq!(bodies, [r#"{"to": "many"}"#; 3]);
        db::session(|session| trim_requests(session, 100)).unwrap();
        let left: i64 = one("select count(*) from raw_ops.http_bodies");
        assert_eq!(left, 1, "the one that nothing was queued with is gone");
    }

    #[pg_test]
    fn a_body_that_goes_again_and_again_is_stored_once() {
        set_up();
        run("update raw_ops.retry_schedule set wait = '0' where purpose = 'outbound'");
        let body = json!({"n": [1, 2, 3]});
        enqueue(&[request(A, 1, &body, "a")]);
        for attempt in 1..=3 {
            let claimed = claim();
            assert_eq!((claimed.len(), claimed[0].attempt), (1, attempt));
            assert_eq!(claimed[0].body, r#"{"n": [1, 2, 3]}"#);
            assert_eq!(claimed[0].url.as_deref(), Some("https://example.com/hook"));
            let attempts = vec![Attempt::of(&claimed[0], Response::failure("no"), None)];
            assert_eq!(record(attempts)[0].state, State::Failed);
        }
        assert_eq!(states(), "a 1 failed, a 2 failed, a 3 failed, a 4 queued");
        let stored: String = one("select concat_ws(' ', count(body), count(distinct body_id), (select count(*) from raw_ops.http_bodies))
                                    from raw_ops.http_requests");
        assert_eq!(stored, "0 1 1");
        run("delete from raw_ops.http_requests");
        db::session(|session| trim_requests(session, 100)).unwrap();
        assert_eq!(one::<i64>("select count(*) from raw_ops.http_bodies"), 0);
    }

    #[pg_test]
    fn a_pass_reads_secrets_and_key_once_and_the_next_one_reads_them_anew() {
        set_up();
        let key = std::env::temp_dir().join(format!("raw_ops-test-{}.key", std::process::id()));
        std::fs::write(&key, [b'k'; 32]).unwrap();
        run(&format!(
            "set local raw_ops.secret_key_file = '{}'",
            key.display()
        ));
        run("select raw_ops.fn_set_secret_v1('customerio_site_id', 'site'),
                    raw_ops.fn_set_secret_v1('customerio_api_key', 'api')");
        db::session(|session| {
            let pass = Secrets::of_pass(session);
            assert_eq!(pass.reveal("customerio_site_id", "")?, "site");
            std::fs::remove_file(&key).unwrap();
            run("delete from raw_ops.secrets");
            assert_eq!(pass.reveal("customerio_api_key", "")?, "api");
            let of_next = Secrets::of_pass(session).reveal("customerio_site_id", "");
            assert!(matches!(of_next, Err(Error::MissingSecret { .. })));
            Ok(())
        })
        .unwrap();
    }
}
