-- $1 rows at most. The last run of every check stays, so that it can always be said when that was.
delete from raw_ops.monitoring_runs
 where id in (
       select run.id
         from raw_ops.monitoring_runs as run
        where run.run_at < now() - (
                  select keep_for from raw_ops.log_retention where log_name = 'monitoring_runs')
          and exists (
              select from raw_ops.monitoring_runs as later
               where later.check_name = run.check_name and later.run_at > run.run_at)
        order by run.run_at
        limit $1
          for update of run skip locked)
