-- What pg_net answered to our requests. Its ids start again at 1 after a crash, so an answer belongs to the last request
-- that was given its id, and only if it is not older than that (pg_net stamps the start of its own transaction).
with answers as materialized (
    select response.id, response.status_code, response.headers, response.content, response.timed_out,
           response.error_msg, response.created
      from net._http_response as response
     where response.created >= (select min(sent_at) - interval '5 seconds'
                                  from raw_ops.http_requests
                                 where state = 'sending' and carrier = 'pg_net')
)
select request.id, request.purpose, request.destination, request.attempt,
       answers.status_code,
       (select header.value from jsonb_each_text(answers.headers) as header where lower(header.key) = 'retry-after' limit 1),
       answers.content, answers.timed_out, answers.error_msg,
       (extract(epoch from clock_timestamp() - request.sent_at) * 1000)::integer, request.timeout_ms
  from raw_ops.http_requests as request
  join answers on answers.id = request.carrier_ref
              and answers.created >= request.sent_at - interval '5 seconds'
 where request.state = 'sending'
   and request.carrier = 'pg_net'
   and not exists (select from raw_ops.http_requests as later
                    where later.state = 'sending' and later.carrier = 'pg_net'
                      and later.carrier_ref = request.carrier_ref and later.sent_at > request.sent_at)
 limit 1000
   for no key update of request skip locked
