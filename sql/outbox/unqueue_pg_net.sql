-- $1 requests whose lease has run out. What pg_net has not begun it must not send later: taken out of its queue. What it
-- has in hand is locked by it until the slowest of its batch has ended, and is not waited for here. Compared by content,
-- too: after a crash of the server the id may be somebody else's. Returns those that are still pg_net's to answer.
with asked as materialized (
    select request.id, request.carrier_ref, request.sent_at,
           convert_to(coalesce(request.body, shared.body)::text, 'UTF8') as body
      from raw_ops.http_requests as request
      left join raw_ops.http_bodies as shared on shared.id = request.body_id
     where request.id = any ($1)
), removed as (
    delete from net.http_request_queue as queued
     where queued.ctid = any (array(
               select candidate.ctid
                 from net.http_request_queue as candidate
                 join asked on asked.carrier_ref = candidate.id and asked.body = candidate.body
                  for update of candidate skip locked))
    returning queued.id
)
select asked.id
  from asked
 where not exists (select from removed where removed.id = asked.carrier_ref)
   and (exists (select from net.http_request_queue as queued
                 where queued.id = asked.carrier_ref and queued.body = asked.body)
        or exists (select from net._http_response as response
                    where response.id = asked.carrier_ref
                      and response.created >= asked.sent_at - interval '5 seconds'))
