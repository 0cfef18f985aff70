-- $1 what requests are about: the last request of each so far, and whether one is on its way now.
select subject_id, (array_agg(id order by id desc))[1] as last_id, bool_or(state in ('queued', 'sending')) as is_in_flight
  from raw_ops.http_requests
 where subject_id = any ($1)
 group by subject_id
