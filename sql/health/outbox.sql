-- What waits to be sent, and since when something is due.
select count(*) as waiting,
       (extract(epoch from now() - min(send_after) filter (where state = 'queued' and send_after <= now())))::float8 as overdue_seconds,
       min(send_after) filter (where state = 'queued' and send_after <= now()) as overdue_since
  from raw_ops.http_requests
 where state in ('queued', 'sending')
