-- By purpose: what waits now, and how the attempts of the last 24 hours ended. Three scans, each by an index of its own.
select purpose,
       count(*) filter (where state = 'queued') as queued,
       count(*) filter (where state = 'sending') as sending,
       count(*) filter (where state = 'succeeded') as succeeded,
       count(*) filter (where state = 'failed') as failed,
       count(*) filter (where state = 'abandoned') as abandoned,
       date_part('epoch', now() - min(send_after) filter (where state = 'queued' and send_after <= now()))::bigint as seconds_overdue
  from (select purpose, state, send_after from raw_ops.http_requests where state = 'queued'
        union all
        select purpose, state, null from raw_ops.http_requests where state = 'sending'
        union all
        select purpose, state, null
          from raw_ops.http_requests
         where state in ('succeeded', 'failed', 'abandoned') and created_at >= now() - interval '24 hours') as requests
 group by purpose
 order by purpose
