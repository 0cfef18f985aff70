-- What pg_cron runs just now and has run the longest, of the jobs of $1 or, where it runs its jobs in background workers ($2), of any:
-- Debian's pg_cron 1.4.2 starts no other job meanwhile. Names nothing but pg_catalog and pg_cron's own tables.
select session.pid,
       coalesce(job.jobname::text, 'job ' || run.jobid) as job, run.username::text as role,
       extract(epoch from clock_timestamp() - session.backend_start)::float8 as seconds,
       to_char(session.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' as backend_start,
       nullif(array_to_string(pg_catalog.pg_blocking_pids(session.pid), ', '), '') as behind
  from cron.job_run_details as run
  join pg_catalog.pg_stat_activity as session
    on session.pid = run.job_pid and session.backend_start <= coalesce(run.start_time, session.backend_start) + interval '1 second'
  left join cron.job as job on job.jobid = run.jobid
 where run.runid > (select max(runid) from cron.job_run_details) - 2000
   and run.end_time is null and run.status in ('starting', 'connecting', 'sending', 'running')
   and (run.jobid = any ($1) or $2)
   and session.backend_start < clock_timestamp() - interval '1 minute'
 order by session.backend_start
 limit 1
