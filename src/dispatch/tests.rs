//! What a whole set of outcomes does to the parts that asked, inside a backend.

use super::*;
use crate::outbox::claim_requests;
use crate::testing::*;
use pgrx::prelude::*;

/// Claims everything that is due and records the same about all of it.
fn record_all(response_of: impl Fn(&Request) -> Response) {
    let claimed = db::session(|session| claim_requests(session, 100, None, "builtin")).unwrap();
    let attempts = claimed
        .iter()
        .map(|request| Attempt::of(request, response_of(request), None));
    finish(attempts.collect()).unwrap();
}

fn status(status: i32) -> Response {
    Response {
        status: Some(status),
        ..Response::default()
    }
}

#[pg_schema]
mod tests {
    use super::*;

    #[pg_test]
    fn two_attempts_at_one_notification_in_one_set_are_both_counted() {
        set_up();
        run(
            "insert into raw_ops.ops_events (kind, entity_type, customer_event_type, message, event_payload)
             values ('CUSTOMER_EVENT', 'shipment', 'courier_exception', 'm', '{\"email\": \"a@example.com\"}'),
                    ('CUSTOMER_EVENT', 'shipment', 'courier_exception', 'm', '{\"email\": \"b@example.com\"}')",
        );
        run("insert into raw_ops.http_requests (purpose, subject_id, destination, path, body, idempotency_key, attempt)
             select purpose, subject_id, destination, path, body, 'by hand', 2
               from raw_ops.http_requests where strpos(path, 'a%40') > 0");
        record_all(|_| status(503));
        let counted: String = one("select string_agg(concat_ws(' ', notification_status, notification_attempts), ', '
                                                    order by event_payload->>'email') from raw_ops.ops_events");
        assert_eq!(counted, "pending 2, pending 1");
    }

    #[pg_test]
    fn a_message_that_the_fallback_delivers_while_slack_fails_is_delivered_and_not_tried_again() {
        set_up();
        run(
            "insert into raw_ops.alerts (id, check_name, condition, severity, channel, title)
             values ('00000000-0000-7000-8000-000000000001', 'c', 'c', 'warning', '#ops-alerts', 't')",
        );
        run("insert into raw_ops.alert_messages (id, alert_id, kind, severity, channel, title, body)
             select n::text::uuid, '00000000-0000-7000-8000-000000000001', 'opened', 'warning', '#ops-alerts', 't', '{}'
               from unnest(array['00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-00000000000b']) as n");
        run("insert into raw_ops.http_requests (purpose, subject_id, destination, body, idempotency_key)
             select 'alert', message.id, destination, '{}', message.id::text
               from raw_ops.alert_messages as message
               join (values ('slack_url_ops_alerts', 'a'), ('slack_url_fallback', 'a'), ('slack_url_ops_alerts', 'b'))
                    as sent (destination, last) on right(message.id::text, 1) = last");
        record_all(
            |request| match request.destination.map(crate::outbox::Destination::as_str) {
                Some("slack_url_fallback") => status(200),
                _ => status(503),
            },
        );
        let delivered: String = one(
            "select string_agg(concat_ws(' ', delivery, reached), ', ' order by id)
                                       from raw_ops.alert_messages",
        );
        assert_eq!(delivered, "delivered fallback, pending");
        let queued: String = one("select string_agg(right(subject_id::text, 1) || attempt, ' ')
                                    from raw_ops.http_requests where state = 'queued'");
        assert_eq!(queued, "b2");
    }
}
