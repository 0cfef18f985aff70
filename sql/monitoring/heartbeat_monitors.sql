-- Each watched monitor: minutes since its last run, or since it was scheduled; null when it never ran and nobody has
-- scheduled it. How the last run ended.
select monitor.check_name,
       (extract(epoch from now() - coalesce(last_run.run_at, monitor.scheduled_at)) / 60)::float8 as silent_for,
       (extract(epoch from monitor.heartbeat_every) / 60)::float8 as every,
       last_run.status = 'error' as has_failed, last_run.error
  from raw_ops.monitors as monitor
  left join lateral (select run.run_at, run.status, run.error
                       from raw_ops.monitoring_runs as run
                      where run.check_name = monitor.check_name
                      order by run.run_at desc
                      limit 1) as last_run on true
 where monitor.heartbeat_every is not null
 order by monitor.check_name
