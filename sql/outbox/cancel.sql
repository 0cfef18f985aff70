-- $1 what the requests are about, $2 why they are no longer needed.
update raw_ops.http_requests
   set state = 'abandoned', completed_at = clock_timestamp(), error = $2
 where subject_id = $1
   and state = 'queued'
