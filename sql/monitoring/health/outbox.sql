-- What waits to be sent, and since when something is due.
select count(*),
       (extract(epoch from now() - min(send_after) filter (where state = 'queued' and send_after <= now())))::float8,
       min(send_after) filter (where state = 'queued' and send_after <= now())
  from raw_ops.http_requests
 where state in ('queued', 'sending')
