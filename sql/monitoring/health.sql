-- The figures of fn_health_v1(), one row.
select (select extversion from pg_catalog.pg_extension where extname = 'raw_ops'),
       (select max(version) from raw_ops.schema_migrations),
       exists (select from pg_catalog.pg_extension where extname = 'pg_cron'),
       exists (select from pg_catalog.pg_extension where extname = 'pg_net'),
       (select count(*) from raw_ops.webhook_inbox where processing_status in ('pending', 'failed', 'retrying')),
       (select extract(epoch from now() - min(received_at))::float8
          from raw_ops.webhook_inbox where processing_status = 'pending'),
       (select count(*) from raw_ops.webhook_inbox where processing_status = 'dlq'),
       (select count(*) from raw_ops.http_requests where state in ('queued', 'sending')),
       (select extract(epoch from now() - min(send_after))::float8
          from raw_ops.http_requests where state = 'queued' and send_after <= now()),
       (select count(*) from raw_ops.undelivered_alerts),
       (select count(*) from raw_ops.alerts where state = 'open'),
       (select n_dead_tup from pg_catalog.pg_stat_all_tables where relid = 'raw_ops.webhook_inbox'::regclass),
       (select n_live_tup from pg_catalog.pg_stat_all_tables where relid = 'raw_ops.webhook_inbox'::regclass),
       (select array_agg(wanted.name order by wanted.name)
          from unnest(array['slack_url_ops_alerts', 'slack_url_ops_urgent', 'slack_url_daily_ops']) as wanted (name)
         where not exists (select from raw_ops.secrets as secret where secret.name = wanted.name)),
       -- a replica has no jobs of its own
       pg_catalog.pg_is_in_recovery(),
       (select extract(epoch from now() - min(received_at))::float8
          from raw_ops.webhook_inbox where processing_status in ('pending', 'failed', 'retrying')),
       pg_catalog.current_setting('shared_preload_libraries') ~ '(^|[ ,"/])pg_cron',
       -- monitors that are silent, or failed the last time; a monitor that was never scheduled is the jobs' fault
       (select array_agg(monitor.check_name order by monitor.check_name)
          from raw_ops.monitors as monitor
          left join lateral (select run.run_at, run.status
                               from raw_ops.monitoring_runs as run
                              where run.check_name = monitor.check_name
                              order by run.run_at desc limit 1) as last_run on true
         where monitor.heartbeat_every is not null
           and monitor.scheduled_at is not null
           and (last_run.status = 'error'
                or coalesce(last_run.run_at, monitor.scheduled_at) < now() - monitor.heartbeat_every))
