-- Requests that pg_net no longer knows of: its tables have been emptied since ($1 is their epoch now), or its ids start
-- again below theirs ($2 is the last one given out).
select id, purpose, destination, attempt
  from raw_ops.http_requests
 where state = 'sending'
   and carrier = 'pg_net'
   and (carrier_epoch <> $1 or carrier_ref > $2)
   for no key update skip locked
