-- $1 rows at most. Row security leaves a role that is no superuser its own jobs' rows.
delete from cron.job_run_details
 where runid in (
       select runid
         from cron.job_run_details
        where coalesce(end_time, start_time) < now() - (
                  select keep_for from raw_ops.log_retention where log_name = 'cron.job_run_details')
        order by runid
        limit $1)
