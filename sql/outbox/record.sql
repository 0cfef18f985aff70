-- Rowset `attempts`: id, state, status_code, latency_ms, error, response_body, public_url, has_url_in_row,
-- next_id, wait_us. An attempt that is no longer `sending` was given up meanwhile: its late answer changes nothing. Returns
-- what was recorded; where another attempt follows it is queued in the same statement.
with recorded as (
    update raw_ops.http_requests as request
       set state = answer.state,
           completed_at = clock_timestamp(),
           lease_until = null,
           status_code = answer.status_code,
           latency_ms = answer.latency_ms,
           error = answer.error,
           response_body = answer.response_body,
           url = coalesce(request.url, answer.public_url)
      from attempts as answer
     where request.id = answer.id
       and request.state = 'sending'
    returning request.*, answer.has_url_in_row, answer.next_id,
              clock_timestamp() + answer.wait_us * interval '1 microsecond' as next_at
), retried as (
    insert into raw_ops.http_requests
           (id, purpose, subject_id, destination, url, path, headers, body, idempotency_key, attempt, timeout_ms, send_after)
    select next_id, purpose, subject_id, destination,
           case when has_url_in_row then url end,
           path, headers, body, idempotency_key, attempt + 1, timeout_ms, next_at
      from recorded
     where state = 'failed'
        on conflict (idempotency_key, destination, attempt) do nothing
)
select id, purpose, subject_id, destination, attempt, state, error, next_at
  from recorded
