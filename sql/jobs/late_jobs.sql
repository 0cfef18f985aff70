-- The jobs of $1 that have not started for longer than their schedule has them wait, with the seconds since, or since $2 where that is
-- later; null seconds: none of the last runs is theirs. Only what runs every minute or every so many of an hour: other times are not
-- worked out. Names nothing but pg_catalog and pg_cron's own tables.
with recent as materialized (
    select run.jobid, max(run.start_time) as last_start,
           (array_agg(run.return_message order by run.runid desc))[1] as last_message
      from cron.job_run_details as run
     where run.runid > (select max(runid) from cron.job_run_details) - 2000
     group by run.jobid
), ours as (
    select job.jobid, job.jobname::text as name,
           case when job.schedule = '* * * * *' then 1
                else substring(job.schedule from '^\*/([0-9]{1,2}) \* \* \* \*$')::integer end as every_minutes
      from cron.job as job
     where job.active and job.database = current_database() and job.jobname = any ($1)
)
select ours.jobid, ours.name, ours.every_minutes,
       extract(epoch from clock_timestamp()
                          - greatest(recent.last_start, pg_catalog.pg_postmaster_start_time(), $2))::float8 as seconds,
       recent.last_start is null as has_never_started, recent.last_message
  from ours
  left join recent on recent.jobid = ours.jobid
 where ours.every_minutes is not null
 order by ours.every_minutes, ours.name
