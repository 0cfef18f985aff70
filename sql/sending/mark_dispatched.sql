-- Rowset `dispatched`: id, carrier_ref.
update raw_ops.http_requests as request
   set carrier_ref = dispatched.carrier_ref
  from dispatched
 where request.id = dispatched.id
