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
       pg_catalog.pg_is_in_recovery()
