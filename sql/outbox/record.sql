-- Rowset `attempts`: id, state, status_code, latency_ms, error, response_body, public_url, has_url_in_row,
-- next_id, wait_us. An attempt that is no longer `sending` was given up meanwhile: its late answer changes nothing. Returns
-- what was recorded; where another attempt follows it is queued in the same statement. The body moves to where all attempts
-- find it before the first of them is tried again.
with shared as (
    insert into raw_ops.http_bodies (id, body)
    select answer.next_id, request.body
      from attempts as answer
      join raw_ops.http_requests as request on request.id = answer.id
     where answer.state = 'failed'
       and request.state = 'sending'
       and request.body_id is null
), recorded as (
    update raw_ops.http_requests as request
       set state = answer.state,
           completed_at = clock_timestamp(),
           lease_until = null,
           status_code = answer.status_code,
           latency_ms = answer.latency_ms,
           error = answer.error,
           response_body = answer.response_body,
           url = coalesce(request.url, answer.public_url),
           body = case when answer.state = 'failed' then null else request.body end,
           body_id = coalesce(request.body_id, case when answer.state = 'failed' then answer.next_id end)
      from attempts as answer
     where request.id = answer.id
       and request.state = 'sending'
    returning request.*, answer.has_url_in_row, answer.next_id,
              clock_timestamp() + answer.wait_us * interval '1 microsecond' as next_at
), retried as (
    insert into raw_ops.http_requests
           (id, purpose, subject_id, shop_domain, destination, url, path, headers, body_id, idempotency_key, attempt, timeout_ms, send_after)
    select next_id, purpose, subject_id, shop_domain, destination,
           case when has_url_in_row then url end,
           path, headers, body_id, idempotency_key, attempt + 1, timeout_ms, next_at
      from recorded
     where state = 'failed'
        on conflict (idempotency_key, destination, attempt) do nothing
)
select purpose, subject_id, destination, attempt, state, error, next_at
  from recorded
