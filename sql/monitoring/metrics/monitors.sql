-- Seconds since the last run by check; before the first run since it was scheduled. Neither: nothing to say yet.
select monitor.check_name as check,
       greatest(extract(epoch from now() - coalesce(last_run.run_at, monitor.scheduled_at)), 0)::float8::text as last_run_age
  from raw_ops.monitors as monitor
  left join lateral (
       select run_at from raw_ops.monitoring_runs as run
        where run.check_name = monitor.check_name
        order by run_at desc
        limit 1) as last_run on true
 where coalesce(last_run.run_at, monitor.scheduled_at) is not null
 order by monitor.check_name
