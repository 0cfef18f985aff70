-- Requests whose pg_net id is above any it has given out since its ids started again: a crash emptied its tables.
select id, purpose, subject_id, destination, lane, attempt, idempotency_key, url, path, headers, body::text, timeout_ms
  from raw_ops.http_requests
 where state = 'sending'
   and carrier = 'pg_net'
   and carrier_ref > $1
   for no key update skip locked
