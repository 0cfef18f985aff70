-- $1 an event, $2 why, $3 the attempt that may stay (null: none): its queued request is not sent. One that a sender holds
-- at this moment is as good as sent.
with waiting as (
    select id
      from raw_ops.http_requests
     where subject_id = $1
       and state = 'queued'
       and attempt is distinct from $3
       for no key update skip locked
)
update raw_ops.http_requests as request
   set state = 'abandoned', completed_at = clock_timestamp(), error = $2
  from waiting
 where request.id = waiting.id
