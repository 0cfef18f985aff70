-- $1 an event: its queued request is replaced. One that a sender holds at this moment is as good as sent.
with waiting as (
    select id
      from raw_ops.http_requests
     where subject_id = $1
       and state = 'queued'
       for no key update skip locked
)
update raw_ops.http_requests as request
   set state = 'abandoned', completed_at = clock_timestamp(), error = 'not needed: sent again from the first attempt'
  from waiting
 where request.id = waiting.id
