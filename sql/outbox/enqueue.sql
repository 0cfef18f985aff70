-- Rowset `requests`: first attempts. One that is there already is left alone: the same cause asks once.
insert into raw_ops.http_requests
       (id, purpose, subject_id, destination, url, path, headers, body, idempotency_key, attempt, timeout_ms)
select id, purpose, subject_id, destination, url, path, headers, body, idempotency_key, attempt, timeout_ms
  from requests
    on conflict (idempotency_key, destination, attempt) do nothing
