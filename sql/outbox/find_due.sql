-- Queued requests that are due and nobody else holds, longest due first; $1 at most, none of the lanes $2.
select id, lane, destination
  from raw_ops.http_requests
 where state = 'queued'
   and send_after <= clock_timestamp()
   and lane <> all ($2)
 order by send_after
 limit $1
   for no key update skip locked
