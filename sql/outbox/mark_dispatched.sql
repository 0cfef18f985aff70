-- Rowset `dispatched`: id, carrier_ref, public_url. $1 the epoch of pg_net's tables.
update raw_ops.http_requests as request
   set carrier_ref = dispatched.carrier_ref,
       carrier_epoch = $1,
       url = coalesce(request.url, dispatched.public_url)
  from dispatched
 where request.id = dispatched.id
