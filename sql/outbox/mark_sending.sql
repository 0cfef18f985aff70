-- $1 ids, $2 carrier. The body is the row's own, or the one that it shares. The lease outlasts the time-out, so that only a dead sender loses it.
update raw_ops.http_requests as request
   set state = 'sending',
       carrier = $2,
       sent_at = clock_timestamp(),
       lease_until = clock_timestamp() + make_interval(secs => request.timeout_ms / 1000.0) + interval '30 seconds'
 where id = any ($1)
returning id, purpose, destination, lane, attempt, idempotency_key, url, path, headers,
          coalesce(body, (select shared.body from raw_ops.http_bodies as shared where shared.id = request.body_id))::text as body,
          timeout_ms, subject_id, shop_domain
