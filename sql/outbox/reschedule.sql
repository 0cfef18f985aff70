-- Rowset `due`: what requests are about, and when the queued one is due (null or past: now). One that a sender holds is on
-- its way.
with waiting as (
    select request.id, greatest(due.due_at, least(request.send_after, clock_timestamp())) as due_at
      from due
      join raw_ops.http_requests as request on request.subject_id = due.subject_id
     where request.state = 'queued'
       for no key update of request skip locked
)
update raw_ops.http_requests as request
   set send_after = waiting.due_at
  from waiting
 where request.id = waiting.id
   and request.send_after <> waiting.due_at
