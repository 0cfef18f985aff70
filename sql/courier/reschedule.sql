-- $1 an event, $2 when its queued request is due (null or past: now). One that a sender holds is on its way.
with waiting as (
    select id, greatest($2, least(send_after, clock_timestamp())) as due_at
      from raw_ops.http_requests
     where subject_id = $1
       and state = 'queued'
       for no key update skip locked
)
update raw_ops.http_requests as request
   set send_after = waiting.due_at
  from waiting
 where request.id = waiting.id
   and request.send_after <> waiting.due_at
