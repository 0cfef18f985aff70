-- $1 our request: what pg_net has not sent by the end of the lease it must not send later. Compared by content, too:
-- after a crash of the server the id may be somebody else's.
delete from net.http_request_queue as queued
 using raw_ops.http_requests as request
 where request.id = $1
   and queued.id = request.carrier_ref
   and queued.body = convert_to(request.body::text, 'UTF8')
