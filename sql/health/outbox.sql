-- What waits to be sent, and for how long something has been due.
select count(*) as waiting,
       (extract(epoch from now() - min(send_after) filter (where state = 'queued' and send_after <= now())))::float8 as overdue_seconds
  from raw_ops.http_requests
 where state in ('queued', 'sending')
