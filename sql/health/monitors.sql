-- Monitors that are silent, or failed the last time; a monitor that was never scheduled is the jobs' fault.
select monitor.check_name, last_run.status is not distinct from 'error' as has_failed
  from raw_ops.monitors as monitor
  left join lateral (select run.run_at, run.status
                       from raw_ops.monitoring_runs as run
                      where run.check_name = monitor.check_name
                      order by run.run_at desc limit 1) as last_run on true
 where monitor.heartbeat_every is not null
   and monitor.scheduled_at is not null
   and (last_run.status = 'error'
        or coalesce(last_run.run_at, monitor.scheduled_at) < now() - monitor.heartbeat_every)
 order by monitor.check_name
