-- Rowset `unwanted`: what requests are about, and the attempt that may stay queued (null: none). $1 why. One that a sender
-- holds at this moment is as good as sent: waiting for it could be waiting for somebody who waits for us.
with waiting as (
    select request.id
      from unwanted
      join raw_ops.http_requests as request on request.subject_id = unwanted.subject_id
     where request.state = 'queued'
       and request.attempt is distinct from unwanted.kept_attempt
       for no key update of request skip locked
)
update raw_ops.http_requests as request
   set state = 'abandoned', completed_at = clock_timestamp(), error = $1
  from waiting
 where request.id = waiting.id
