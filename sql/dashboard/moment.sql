-- When and where the page was made, and what is told beside the charts.
select to_char(now(), 'FMDy FMDD Mon YYYY, HH24:MI:SS ') || current_setting('TimeZone') as made_at,
       current_database()::text as database,
       pg_is_in_recovery() as is_replica,
       (select count(*) from raw_ops.webhook_inbox where processing_status = 'dlq') as open_dead_letters,
       (select count(*) from raw_ops.alerts where state = 'open') as open_alerts,
       (select count(*) from raw_ops.undelivered_alerts) as undelivered_alerts,
       (select date_part('epoch', now() - max(run_at))::bigint from raw_ops.monitoring_runs) as seconds_since_monitor,
       (select date_part('epoch', min(heartbeat_every))::bigint from raw_ops.monitors) as seconds_between_monitors
