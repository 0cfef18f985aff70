-- Rowset `ready`: requests for pg_net, which gives each its own id; $1 the epoch of its tables. It answers with an error, and takes
-- none of them, where its library cannot read a URL.
with posted as materialized (
    select ready.id, ready.public_url,
           net.http_post(url := ready.url, body := ready.body::jsonb, headers := ready.headers,
                         timeout_milliseconds := ready.timeout_ms) as carrier_ref
      from ready
)
update raw_ops.http_requests as request
   set carrier_ref = posted.carrier_ref,
       carrier_epoch = $1,
       url = coalesce(request.url, posted.public_url)
  from posted
 where request.id = posted.id
