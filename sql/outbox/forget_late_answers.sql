-- Answers to requests that were given up before: nobody reads them, and they may echo the secret they were sent with.
-- pg_net sends a request in the transaction that takes it from the queue, so its answer is stamped before it was given up,
-- and comes when the slowest of its batch has ended. $1 the epoch of pg_net's tables.
delete from net._http_response as response
 using raw_ops.http_requests as request
 where request.carrier = 'pg_net'
   and request.status_code is null
   and request.completed_at > clock_timestamp() - interval '15 minutes'
   and request.carrier_epoch = $1
   and response.id = request.carrier_ref
   and response.created between request.sent_at - interval '5 seconds' and request.completed_at
