-- What pg_net answered to our requests. Its ids start again at 1 after a crash, so an answer belongs to the last request
-- that was given its id, only if it is not older than that (pg_net stamps the start of its own transaction), and only if
-- pg_net still knows that request: $1 the epoch of its tables, $2 the last id it has given out. What is read here is
-- deleted there: an answer may echo the secret it was sent with, and pg_net would keep it for hours.
with answers as materialized (
    select response.id, response.status_code, response.headers, response.content, response.timed_out,
           response.error_msg, response.created
      from net._http_response as response
     where response.created >= (select min(sent_at) - interval '5 seconds'
                                  from raw_ops.http_requests
                                 where state = 'sending' and carrier = 'pg_net')
), ours as materialized (
    select request.id, request.purpose, request.destination, request.attempt,
           answers.status_code,
           (select header.value from jsonb_each_text(answers.headers) as header where lower(header.key) = 'retry-after' limit 1)
               as retry_after,
           answers.content, answers.timed_out, answers.error_msg,
           (extract(epoch from clock_timestamp() - request.sent_at) * 1000)::integer as latency_ms, request.timeout_ms,
           request.carrier_ref, answers.created
      from raw_ops.http_requests as request
      join answers on answers.id = request.carrier_ref
                  and answers.created >= request.sent_at - interval '5 seconds'
     where request.state = 'sending'
       and request.carrier = 'pg_net'
       and request.carrier_epoch = $1
       and request.carrier_ref <= $2
       and not exists (select from raw_ops.http_requests as later
                        where later.state = 'sending' and later.carrier = 'pg_net'
                          and later.carrier_ref = request.carrier_ref and later.sent_at > request.sent_at)
     limit 1000
       for no key update of request skip locked
), gone as (
    delete from net._http_response as response
     using ours
     where response.created = ours.created
       and response.id = ours.carrier_ref
)
select id, purpose, destination, attempt, status_code, retry_after, content, timed_out, error_msg, latency_ms, timeout_ms
  from ours
