-- $1 events: how often each has been queued from the beginning, and whether a request is on its way now.
select subject_id, count(distinct idempotency_key), bool_or(state in ('queued', 'sending'))
  from raw_ops.http_requests
 where subject_id = any ($1)
 group by subject_id
