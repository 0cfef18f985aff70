-- Rowset `requests`: first attempts. Those with a body_id share one body; the first of them brings it along. One that is
-- there already is left alone: the same cause asks once.
with shared as (
    insert into raw_ops.http_bodies (id, body)
    select body_id, body
      from requests
     where body_id is not null
       and body is not null
)
insert into raw_ops.http_requests
       (id, purpose, subject_id, shop_domain, destination, url, path, headers, body, body_id, idempotency_key, attempt, timeout_ms)
select id, purpose, subject_id, shop_domain, destination, url, path, headers, case when body_id is null then body end, body_id,
       idempotency_key, attempt, timeout_ms
  from requests
    on conflict (idempotency_key, destination, attempt) do nothing
